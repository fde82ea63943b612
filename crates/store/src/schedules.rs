//! Schedules: periodic work as rows in the database, each run a job.
//!
//! Every node registers the same schedules and looks for due ones. The row lock of a schedule decides which node enqueues a run;
//! the run itself is a job, so that any node's worker does it, with leases, attempts and back-off. All times are the database's.
//! Runs missed while no node was up are one run. The outcome of the last run stays with the schedule.

use std::str::FromStr as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use kernel::chain::Chain;
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::jobs::{self, JobKind, NewJob};
use crate::postgres;

/// Longest sleep between two looks for due schedules: another release may have registered others.
const MAX_SLEEP: Duration = Duration::from_mins(1);
/// Pause after the database failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(5);
/// Time after which a schedule that no node enqueues, and this release does not know, is forgotten.
const FORGET_AFTER: Duration = Duration::from_hours(24);

/// Periodic work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Kind of its jobs; its name is also the name of the schedule.
    pub kind: JobKind,
    /// Cron expression of five fields (minute, hour, day of month, month, day of week), in UTC.
    pub cron: &'static str,
}

/// Schedule as operators see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ScheduleStatus {
    /// Name of the schedule and kind of its jobs.
    pub name: String,
    /// Cron expression, in UTC.
    pub cron: String,
    /// When the next run is due.
    pub next_run_at: DateTime<Utc>,
    /// When the last finished run began.
    pub last_started_at: Option<DateTime<Utc>>,
    /// Duration of the last finished run, in seconds.
    pub last_seconds: Option<f64>,
    /// Outcome of the last finished run.
    pub last_outcome: Option<RunOutcome>,
    /// Why the last run failed.
    pub last_error: Option<String>,
}

/// Outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// The job was done.
    Succeeded,
    /// All attempts failed.
    Failed,
}

impl RunOutcome {
    /// Returns the outcome's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Error of a schedule.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cron expression is invalid, or never due.
    #[error("invalid cron expression {cron:?} of the schedule {name}")]
    Cron {
        /// Name of the schedule.
        name: String,
        /// Cron expression.
        cron: String,
        /// Reason.
        source: croner::errors::CronError,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] postgres::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Writes the schedules of this release. A new one, and one whose expression has changed, is next due as its expression says.
///
/// # Errors
///
/// Fails when an expression is invalid or the database fails.
pub async fn register(pool: &PgPool, schedules: &[Schedule]) -> Result<(), Error> {
    let mut transaction = postgres::begin(pool).await?;
    let now = now(&mut transaction).await?;
    let mut next_runs = Vec::new();
    for schedule in schedules {
        next_runs.push(next_run(schedule.kind.name, schedule.cron, now)?);
    }
    let names: Vec<String> = schedules.iter().map(|schedule| schedule.kind.name.to_owned()).collect();
    let crons: Vec<String> = schedules.iter().map(|schedule| schedule.cron.to_owned()).collect();
    sqlx::query!(
        "-- schedules.register
         insert into store.schedules (name, cron, next_run_at)
         select name, cron, next_run_at
         from unnest($1::text[], $2::text[], $3::timestamptz[]) as schedule (name, cron, next_run_at)
         order by name
         on conflict (name) do update set cron = excluded.cron, next_run_at = excluded.next_run_at
           where schedules.cron <> excluded.cron",
        &names,
        &crons,
        &next_runs,
    )
    .execute(&mut *transaction)
    .await?;
    // Not at once: nodes of two releases run side by side during an upgrade.
    sqlx::query!(
        "-- schedules.forget
         delete from store.schedules
         where next_run_at < now() - make_interval(secs => $1) and not (name = any ($2))",
        FORGET_AFTER.as_secs_f64(),
        &names,
    )
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Enqueues one job for each due schedule that no other node is enqueuing, and moves its next run into the future. Returns the
/// names of those that were enqueued.
///
/// # Errors
///
/// Fails when the database does; nothing is enqueued then.
pub async fn enqueue_due(pool: &PgPool, schedules: &[Schedule]) -> Result<Vec<String>, Error> {
    let mut transaction = postgres::begin(pool).await?;
    let names: Vec<String> = schedules.iter().map(|schedule| schedule.kind.name.to_owned()).collect();
    let due = sqlx::query_scalar!(
        "-- schedules.due
         select name from store.schedules
         where name = any ($1) and next_run_at <= now()
         order by name
         for update skip locked",
        &names,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if due.is_empty() {
        return Ok(due);
    }
    let now = now(&mut transaction).await?;
    for schedule in schedules.iter().filter(|schedule| due.iter().any(|name| name == schedule.kind.name)) {
        let name = schedule.kind.name;
        // From now on and not from the missed run: however many were missed, one is made up for.
        sqlx::query!(
            "-- schedules.advance
             update store.schedules set next_run_at = $2 where name = $1",
            name,
            next_run(name, schedule.cron, now)?,
        )
        .execute(&mut *transaction)
        .await?;
        // Unique: a run that is still waiting when the next is due is the same run.
        let job = NewJob::unique(schedule.kind, "schedule", json!({}));
        jobs::enqueue_from(&mut transaction, &[job], Some(name)).await?;
    }
    transaction.commit().await?;
    Ok(due)
}

/// Lists all schedules, by name.
///
/// # Errors
///
/// Fails when the database does.
pub async fn list(pool: &PgPool) -> Result<Vec<ScheduleStatus>, postgres::Error> {
    Ok(sqlx::query_as!(
        ScheduleStatus,
        r#"-- schedules.list
         select name, cron, next_run_at, last_started_at, last_error,
           extract(epoch from last_finished_at - last_started_at)::float8 as last_seconds,
           case when last_finished_at is null then null
                when last_error is null then 'succeeded'
                else 'failed' end as "last_outcome: RunOutcome"
         from store.schedules order by name"#,
    )
    .fetch_all(pool)
    .await?)
}

/// Registers the schedules and enqueues their runs until `stop` is true. Each node runs one of these.
pub async fn run(pool: PgPool, schedules: &'static [Schedule], mut stop: watch::Receiver<bool>) {
    let mut is_registered = false;
    while !*stop.borrow() {
        let pause = match tick(&pool, schedules, &mut is_registered).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "failed to enqueue scheduled jobs");
                PAUSE_AFTER_ERROR
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Enqueues what is due and returns how long to sleep.
async fn tick(pool: &PgPool, schedules: &[Schedule], is_registered: &mut bool) -> Result<Duration, Error> {
    if !*is_registered {
        register(pool, schedules).await?;
        *is_registered = true;
    }
    enqueue_due(pool, schedules).await?;
    let names: Vec<String> = schedules.iter().map(|schedule| schedule.kind.name.to_owned()).collect();
    let seconds = sqlx::query_scalar!(
        r#"-- schedules.next_due
         select extract(epoch from min(next_run_at) - now())::float8 as seconds from store.schedules where name = any ($1)"#,
        &names,
    )
    .fetch_one(pool)
    .await?;
    // At least a moment: another node may be enqueuing what is due.
    let until_due =
        seconds.map_or(MAX_SLEEP, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    Ok(until_due.clamp(Duration::from_millis(100), MAX_SLEEP))
}

async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- schedules.now
         select now() as "now!""#
    )
    .fetch_one(connection)
    .await
}

/// First time after `now` at which the expression is due.
fn next_run(name: &str, cron: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    Cron::from_str(cron)
        .and_then(|parsed| parsed.find_next_occurrence(&now, false))
        .map_err(|source| Error::Cron { name: name.to_owned(), cron: cron.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_is_after_now_and_in_utc() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (cron, now, next) in [
            ("* * * * *", "2026-03-01T10:00:00Z", "2026-03-01T10:01:00Z"),
            ("17 * * * *", "2026-03-01T10:17:00.5Z", "2026-03-01T11:17:00Z"),
            ("30 3 * * 0", "2026-03-02T00:00:00Z", "2026-03-08T03:30:00Z"),
            ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            assert_eq!(next_run("test", cron, at(now)).unwrap(), at(next), "{cron}");
        }
        let error = next_run("test", "61 * * * *", at("2026-03-01T10:00:00Z")).unwrap_err();
        assert_eq!(error.to_string(), "invalid cron expression \"61 * * * *\" of the schedule test");
    }
}
