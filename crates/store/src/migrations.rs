//! Migrations: one linear history in `migrations/`, each with its way back, checksummed by sqlx and applied under its
//! advisory lock, so that two programs that start at once do not both apply them.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

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
