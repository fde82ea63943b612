//! Migrations: one linear history in `migrations/`, each with its way back, checksummed by sqlx and applied under its
//! advisory lock, so that two programs that start at once do not both apply them.

use chrono::{DateTime, Utc};
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::postgres::{Database, privileges};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// What a migration is and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Its number, which is its place in the order.
    pub version: i64,
    /// What it does, from its file name.
    pub description: String,
    /// When it was applied; `None` when it is pending.
    pub applied_at: Option<DateTime<Utc>>,
    /// What is wrong with it, if anything: its file has changed since, or it is unknown to this program.
    pub fault: Option<String>,
}

/// A row of sqlx's own table.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    description: String,
    installed_on: DateTime<Utc>,
    checksum: Vec<u8>,
    success: bool,
}

/// Why migrating failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sqlx refused or a statement failed.
    #[error("a migration failed")]
    Migrate(#[from] MigrateError),
    /// The history could not be read.
    #[error("the history of migrations cannot be read")]
    History(#[from] sqlx::Error),
    /// There is no migration with this number.
    #[error("there is no migration {0}; `wenyuan migrate status` lists them")]
    Unknown(i64),
    /// The role that would migrate may not.
    #[error(
        "migrations are pending, and the role of the database may not apply them: set WENYUAN_OWNER_DATABASE_URL to a URL of \
         the role that owns the library, or run `wenyuan migrate up` with it"
    )]
    NotOwner(#[source] MigrateError),
}

/// Brings a database up to date as its owner, and sets what the server's role may do. Where nothing is pending and
/// nothing is to be set, the owner is not needed: a server may be run without its password.
pub async fn migrate(database: &Database) -> Result<(), Error> {
    if is_ready(database).await.unwrap_or(false) {
        return Ok(());
    }
    let mut owner = PgConnection::connect_with(database.owner_options()).await?;
    // One lock for both, which sqlx takes once more by itself; it goes with the connection.
    owner.lock().await?;
    MIGRATOR.run(&mut owner).await.map_err(refused)?;
    if database.owner_is_apart() {
        privileges::set(&mut owner, database.server_role()).await?;
    }
    owner.unlock().await?;
    Ok(owner.close().await?)
}

async fn is_ready(database: &Database) -> Result<bool, Error> {
    let history = status(database.pool()).await?;
    let all_applied = history.iter().all(|step| step.applied_at.is_some() && step.fault.is_none());
    Ok(all_applied && (!database.owner_is_apart() || database.standing().await?.is_right()))
}

fn refused(error: MigrateError) -> Error {
    let statement = match &error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.as_database_error(),
        _ => None,
    };
    // insufficient_privilege
    if statement.is_some_and(|fault| fault.code().is_some_and(|code| code == "42501")) {
        return Error::NotOwner(error);
    }
    Error::Migrate(error)
}

/// The schemas that the migrations make, and which therefore are the library's own.
pub(crate) fn schemas() -> Vec<String> {
    let ways_up = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
    let mut names: Vec<String> = ways_up
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

/// Applies what is pending, in order.
pub async fn up(pool: &PgPool) -> Result<(), Error> {
    Ok(MIGRATOR.run(pool).await?)
}

/// Goes back until `target` is the newest applied migration; `0` undoes all of them.
pub async fn down(pool: &PgPool, target: i64) -> Result<(), Error> {
    if target != 0 && !MIGRATOR.iter().any(|migration| migration.version == target) {
        return Err(Error::Unknown(target));
    }
    Ok(MIGRATOR.undo(pool, target).await?)
}

/// The whole history: what this program knows, and what the database has applied.
pub async fn status(pool: &PgPool) -> Result<Vec<Status>, Error> {
    let exists: bool = sqlx::query_scalar("select to_regclass('public._sqlx_migrations') is not null")
        .fetch_one(pool)
        .await?;
    let mut applied: Vec<Applied> = if exists {
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
        let place = applied.iter().position(|row| row.version == known.version);
        let row = place.map(|index| applied.remove(index));
        let fault = match &row {
            Some(row) if !row.success => Some("was interrupted; mend the database by hand".to_owned()),
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
        let found = super::schemas();
        for schema in ["library", "store"] {
            assert!(found.contains(&schema.to_owned()), "{found:?}");
        }
    }
}
