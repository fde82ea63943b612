//! What the server's role may do in the database: read and write rows, and nothing else. Set in one place, by the owner,
//! after the migrations; and looked at, so that an operator is told when the server could do more than it must.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::migrations;

/// What the role of a connection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub role: String,
    /// It lacks a privilege that the server needs, on something that is there.
    pub lacks: bool,
    /// What it may do and need not, in words; empty for a role that is as it should be.
    pub excess: Vec<String>,
}

impl Standing {
    /// Whether the owner has nothing to set.
    pub fn is_right(&self) -> bool {
        !self.lacks && self.excess.is_empty()
    }
}

/// Asks the database what the role of this connection may do.
pub async fn standing(connection: &mut PgConnection) -> Result<Standing, sqlx::Error> {
    sqlx::query_as!(
        Standing,
        r#"-- privileges.standing
        with places as (
          select oid, nspname, nspowner from pg_namespace where nspname = any($1)
        ), things as (
          select pg_class.oid, relkind, relowner from pg_class join places on places.oid = relnamespace
          where relkind in ('r', 'p', 'v', 'm', 'S')
        ), history as (
          select oid, relowner from pg_class
          where relname = '_sqlx_migrations' and relnamespace = to_regnamespace('public')
        )
        select rolname::text as "role!",
          exists (select from places where not has_schema_privilege(oid, 'usage'))
            or exists (select from history where not has_table_privilege(oid, 'select'))
            or exists (select from things where case
              when relkind = 'S' then not has_sequence_privilege(oid, 'usage')
              else not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
                and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')) end) as "lacks!",
          array_remove(array[
            case when rolsuper then 'is a superuser' end,
            case when rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
              then 'may make roles or databases' end,
            case when exists (select from pg_database
                where datname = current_database() and pg_has_role(datdba, 'member'))
              or exists (select from places where pg_has_role(nspowner, 'member'))
              or exists (select from things where pg_has_role(relowner, 'member'))
              or exists (select from history where pg_has_role(relowner, 'member'))
              then 'owns what is the library''s' end,
            case when has_database_privilege(current_database(), 'create, temporary')
              or exists (select from pg_namespace where (nspname = 'public' or nspname = any($1))
                and has_schema_privilege(oid, 'create'))
              then 'may make tables' end,
            case when exists (select from things
                where relkind <> 'S' and has_table_privilege(oid, 'truncate, references, trigger'))
              or exists (select from history where has_table_privilege(oid, 'insert, update, delete, truncate'))
              then 'may truncate tables or write the history of migrations' end
          ], null) as "excess!"
        from pg_roles where rolname = current_user"#,
        &migrations::schemas(),
    )
    .fetch_one(connection)
    .await
}

/// Gives the server's role what it needs and takes from it what it need not have, in one transaction. The caller is the
/// owner and holds the lock of the migrations: two programs that change a table's privileges at once would fail.
pub(crate) async fn set(owner: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let mut transaction = owner.begin().await?;
    let schemas = sqlx::query_scalar!(
        r#"-- privileges.schemas
        select nspname::text as "name!" from pg_namespace where nspname = any($1) order by 1"#,
        &migrations::schemas(),
    )
    .fetch_all(&mut *transaction)
    .await?;
    let place = sqlx::query!(
        r#"-- privileges.place
        select current_database()::text as "database!",
          has_database_privilege($1, current_database(), 'create, temporary') as "may_create!",
          exists (select from pg_namespace where nspname = 'public' and has_schema_privilege($1, oid, 'create'))
            as "may_create_in_public!",
          to_regclass('public._sqlx_migrations') is not null as "history!""#,
        role,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let (role, database) = (quoted(role), quoted(&place.database));
    let mut statements = String::new();
    if place.may_create {
        // By default everyone may make temporary tables.
        statements += &format!("revoke create, temporary on database {database} from public, {role};\n");
    }
    if place.may_create_in_public {
        // So it is in databases that were made before PostgreSQL 15.
        statements += &format!("revoke create on schema public from public, {role};\n");
    }
    if place.history {
        statements += &format!(
            "revoke all on public._sqlx_migrations from {role};\ngrant select on public._sqlx_migrations to {role};\n"
        );
    }
    for schema in schemas {
        let schema = quoted(&schema);
        statements += &format!(
            "revoke all on schema {schema} from {role};\n\
             grant usage on schema {schema} to {role};\n\
             revoke all on all tables in schema {schema} from {role};\n\
             grant select, insert, update, delete on all tables in schema {schema} to {role};\n\
             revoke all on all sequences in schema {schema} from {role};\n\
             grant usage, select on all sequences in schema {schema} to {role};\n"
        );
    }
    transaction.execute(AssertSqlSafe(statements)).await?;
    transaction.commit().await
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted("wenyuan_server"), r#""wenyuan_server""#);
        assert_eq!(quoted(r#"a"; drop table b; --"#), r#""a""; drop table b; --""#);
    }
}
