//! Migrations: one linear history in `migrations/`, each with a way down, checksummed by sqlx and applied under an advisory lock,
//! so that two programs that start at once do not both apply them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::postgres::{Database, privileges};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// SQLSTATE of a statement that the role may not run.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Key of the advisory lock: "wenyuan" in ASCII.
const LOCK: i64 = 0x77_65_6e_79_75_61_6e;

/// Time between two attempts to get the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Migration and its state in the database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Number of the migration; they are applied in this order.
    pub version: i64,
    /// Description from the file name.
    pub description: String,
    /// When it was applied; `None` while it is pending.
    pub applied_at: Option<DateTime<Utc>>,
    /// Fault, if any: interrupted, changed since it was applied, or unknown to this program.
    pub fault: Option<String>,
}

/// Row of sqlx's own table.
#[derive(sqlx::FromRow)]
struct AppliedMigration {
    version: i64,
    description: String,
    installed_on: DateTime<Utc>,
    checksum: Vec<u8>,
    success: bool,
}

/// Error of a migration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sqlx refused the history, or a statement failed.
    #[error("a migration failed")]
    Migrate(#[from] MigrateError),
    /// The history could not be read.
    #[error("failed to read the history of migrations")]
    History(#[from] sqlx::Error),
    /// There is no migration with this number.
    #[error("there is no migration {0}; `wenyuan migrate status` lists them")]
    Unknown(i64),
    /// The role lacks the privileges to migrate.
    #[error(
        "migrations are pending, and the database role lacks the privileges to apply them: set WENYUAN_OWNER_DATABASE_URL to a URL of \
         the role that owns the library, or run `wenyuan migrate up` with it"
    )]
    NotOwner(#[source] MigrateError),
}

/// Applies pending migrations as the owner, and sets the privileges of the server's role. Where nothing is pending and the privileges
/// are right, the owner is not needed, so that a server can run without the owner's password.
///
/// # Errors
///
/// Fails when a migration fails, or when the role may not apply it.
pub async fn migrate(database: &Database) -> Result<(), Error> {
    if is_ready(database).await.unwrap_or(false) {
        return Ok(());
    }
    let mut owner = PgConnection::connect_with(database.owner_options()).await?;
    lock(&mut owner).await?;
    MIGRATOR.run(&mut owner).await.map_err(explain_privileges)?;
    if database.has_separate_owner() {
        privileges::set(&mut owner, database.server_role()).await?;
    }
    Ok(owner.close().await?)
}

/// Waits until no other program migrates. The lock ends with the connection.
///
/// sqlx's own lock is a statement that waits: its snapshot would hold up `create index concurrently` of the program that migrates, which
/// PostgreSQL ends as a deadlock.
async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    while !sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "locked!""#, LOCK)
        .fetch_one(&mut *connection)
        .await?
    {
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    Ok(())
}

/// Whether nothing is pending and the privileges are right.
async fn is_ready(database: &Database) -> Result<bool, Error> {
    let history = status(database.pool()).await?;
    let all_applied = history.iter().all(|step| step.applied_at.is_some() && step.fault.is_none());
    Ok(all_applied && (!database.has_separate_owner() || database.privilege_report().await?.is_exact()))
}

fn explain_privileges(error: MigrateError) -> Error {
    let statement = match &error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.as_database_error(),
        _ => None,
    };
    if statement.is_some_and(|fault| fault.code().is_some_and(|code| code == INSUFFICIENT_PRIVILEGE)) {
        return Error::NotOwner(error);
    }
    Error::Migrate(error)
}

/// Returns the number of the newest migration that this program knows.
pub fn newest() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Returns the names of the schemas that the migrations create, sorted.
pub fn schemas() -> Vec<String> {
    let up_migrations = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
    let mut names: Vec<String> = up_migrations
        .flat_map(|migration| {
            let lines = migration.sql.as_str().lines().map(str::to_lowercase).collect::<Vec<_>>();
            lines.into_iter().filter_map(|line| {
                let name = line.trim().strip_prefix("create schema ")?.trim_start_matches("if not exists ");
                Some(name.split([' ', ';']).next()?.to_owned())
            })
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Applies pending migrations in order.
///
/// # Errors
///
/// Fails when a migration fails; those before it stay applied.
pub async fn up(pool: &PgPool) -> Result<(), Error> {
    let mut connection = pool.acquire().await?.detach();
    lock(&mut connection).await?;
    MIGRATOR.run(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Undoes migrations until `target` is the newest applied one; `0` undoes all of them.
///
/// # Errors
///
/// Fails when there is no migration `target`, or when a statement fails.
pub async fn down(pool: &PgPool, target: i64) -> Result<(), Error> {
    if target != 0 && !MIGRATOR.iter().any(|migration| migration.version == target) {
        return Err(Error::Unknown(target));
    }
    let mut connection = pool.acquire().await?.detach();
    lock(&mut connection).await?;
    MIGRATOR.undo(&mut connection, target).await?;
    Ok(connection.close().await?)
}

/// Returns all migrations that this program knows or the database has applied, by number.
///
/// # Errors
///
/// Fails when the database does.
pub async fn status(pool: &PgPool) -> Result<Vec<Status>, Error> {
    let exists: bool = sqlx::query_scalar("select to_regclass('public._sqlx_migrations') is not null")
        .fetch_one(pool)
        .await?;
    let mut applied: Vec<AppliedMigration> = if exists {
        sqlx::query_as(
            "select version, description, installed_on, checksum, success from public._sqlx_migrations order by version",
        )
        .fetch_all(pool)
        .await?
    } else {
        Vec::new()
    };
    let mut history = Vec::new();
    for known in MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration()) {
        let position = applied.iter().position(|row| row.version == known.version);
        let row = position.map(|index| applied.remove(index));
        let fault = match &row {
            Some(row) if !row.success => Some("was interrupted; repair the database by hand".to_owned()),
            Some(row) if row.checksum != *known.checksum => {
                Some("its file has changed since it was applied".to_owned())
            }
            _ => None,
        };
        history.push(Status {
            version: known.version,
            description: known.description.to_string(),
            applied_at: row.map(|row| row.installed_on),
            fault,
        });
    }
    history.extend(applied.into_iter().map(|row| Status {
        version: row.version,
        description: row.description,
        applied_at: Some(row.installed_on),
        fault: Some("unknown to this program: a newer one has used this database".to_owned()),
    }));
    history.sort_by_key(|status| status.version);
    Ok(history)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_schema_is_known() {
        let schemas = super::schemas();
        for schema in ["library", "store"] {
            assert!(schemas.contains(&schema.to_owned()), "{schemas:?}");
        }
    }
}
