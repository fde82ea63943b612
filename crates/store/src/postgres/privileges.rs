//! Privileges of the server's role: reading and writing rows, and nothing else. The owner sets them after the migrations; the
//! server reports when it could do more than it needs.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::migrations;

/// Privileges of the role of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeReport {
    /// Name of the role.
    pub role: String,
    /// Whether it lacks a privilege that the server needs on an existing schema, table or sequence.
    pub is_insufficient: bool,
    /// Descriptions of the privileges that the server does not need; empty for a role with the least privileges.
    pub excess: Vec<String>,
}

impl PrivilegeReport {
    /// Whether the role has exactly what the server needs.
    pub fn is_exact(&self) -> bool {
        !self.is_insufficient && self.excess.is_empty()
    }
}

/// Reports the privileges of the role of this connection.
///
/// # Errors
///
/// Fails when the database does.
pub async fn report(connection: &mut PgConnection) -> Result<PrivilegeReport, sqlx::Error> {
    sqlx::query_as!(
        PrivilegeReport,
        r#"-- privileges.report
        with schemas as (
          select oid, nspname, nspowner from pg_namespace where nspname = any($1)
        ), relations as (
          select pg_class.oid, relkind, relowner from pg_class join schemas on schemas.oid = relnamespace
          where relkind in ('r', 'p', 'v', 'm', 'S')
        ), history as (
          select oid, relowner from pg_class
          where relname = '_sqlx_migrations' and relnamespace = to_regnamespace('public')
        )
        select rolname::text as "role!",
          exists (select from schemas where not has_schema_privilege(oid, 'usage'))
            or exists (select from history where not has_table_privilege(oid, 'select'))
            or exists (select from relations where case
              when relkind = 'S' then not has_sequence_privilege(oid, 'usage')
              else not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
                and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')) end) as "is_insufficient!",
          array_remove(array[
            case when rolsuper then 'is a superuser' end,
            case when rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
              then 'may make roles or databases' end,
            case when exists (select from pg_database
                where datname = current_database() and pg_has_role(datdba, 'member'))
              or exists (select from schemas where pg_has_role(nspowner, 'member'))
              or exists (select from relations where pg_has_role(relowner, 'member'))
              or exists (select from history where pg_has_role(relowner, 'member'))
              then 'owns what is the library''s' end,
            case when has_database_privilege(current_database(), 'create, temporary')
              or exists (select from pg_namespace where (nspname = 'public' or nspname = any($1))
                and has_schema_privilege(oid, 'create'))
              then 'may make tables' end,
            case when exists (select from relations
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

/// Grants the server's role what it needs and revokes the rest, in one transaction. The caller is the owner and holds the lock of
/// the migrations: two programs that change a table's privileges at once would fail.
pub(crate) async fn set(owner: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let mut transaction = owner.begin().await?;
    let schemas = sqlx::query_scalar!(
        r#"-- privileges.schemas
        select nspname::text as "name!" from pg_namespace where nspname = any($1) order by 1"#,
        &migrations::schemas(),
    )
    .fetch_all(&mut *transaction)
    .await?;
    let database = sqlx::query!(
        r#"-- privileges.database
        select current_database()::text as "name!",
          has_database_privilege($1, current_database(), 'create, temporary') as "may_create!",
          exists (select from pg_namespace where nspname = 'public' and has_schema_privilege($1, oid, 'create'))
            as "may_create_in_public!",
          to_regclass('public._sqlx_migrations') is not null as "history!""#,
        role,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let (role, database_name) = (quoted(role), quoted(&database.name));
    let mut statements = String::new();
    if database.may_create {
        // By default every role can create temporary tables.
        statements += &format!("revoke create, temporary on database {database_name} from public, {role};\n");
    }
    if database.may_create_in_public {
        // The default of databases created before PostgreSQL 15.
        statements += &format!("revoke create on schema public from public, {role};\n");
    }
    if database.history {
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

/// Quotes an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quoting_keeps_an_identifier_in_its_quotes() {
        assert_eq!(quoted("wenyuan_server"), r#""wenyuan_server""#);
        assert_eq!(quoted(r#"a"; drop table b; --"#), r#""a""; drop table b; --""#);
    }
}
