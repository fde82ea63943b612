//! Jobs as operators see them: lists, counts, retry and discard of dead jobs, purge of done jobs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::JobKind;
use crate::postgres::Error as DatabaseError;

/// Time for which a done job of a kind without a policy of its own stays listed.
pub const KEEP_DONE: Duration = Duration::from_hours(3 * 24);
/// Done jobs deleted in one statement.
const PURGE_BATCH: i64 = 10_000;

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a worker or for its time.
    Waiting,
    /// A worker holds a lease on it.
    Running,
    /// All attempts failed; a person decides.
    Dead,
    /// Finished, and listed until it is purged.
    Done,
}

impl JobState {
    /// All states, those that need attention first.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Running, Self::Waiting, Self::Done];

    /// Returns the state's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }
}

/// Job as operators see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Job {
    /// Id of the job; ids are ordered by the time of enqueuing.
    pub id: Uuid,
    /// Name of its kind.
    pub kind: String,
    /// Ids of what the work is about.
    pub payload: Value,
    /// State of the job.
    pub state: JobState,
    /// Number of attempts so far.
    pub attempts: i32,
    /// When the next attempt is due; of a done job, when it was enqueued.
    pub run_at: DateTime<Utc>,
    /// When the job was enqueued.
    pub created_at: DateTime<Utc>,
    /// When the current or last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the job was done.
    pub finished_at: Option<DateTime<Utc>>,
    /// Duration of the attempt that did the job, in seconds.
    pub seconds: Option<f64>,
    /// Why the last attempt failed; of a done job, why a scheduled job failed.
    pub last_error: Option<String>,
}

/// Filter of [`page`].
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter<'filter> {
    /// Jobs in this state; without it, all that are not done.
    pub state: Option<JobState>,
    /// Jobs of this kind.
    pub kind: Option<&'filter str>,
}

/// Lists up to `limit` jobs that are not done: dead ones, then running ones, then waiting ones in the order of their turn.
///
/// # Errors
///
/// Fails when the database does.
pub async fn list(pool: &PgPool, limit: i64) -> Result<Vec<Job>, DatabaseError> {
    Ok(sqlx::query_as!(
        Job,
        r#"-- jobs.list
         select id, kind, payload, attempts, run_at, created_at, started_at, null::timestamptz as finished_at,
           null::float8 as seconds, last_error,
           case when dead_at is not null then 'dead'
                when leased_until >= now() then 'running'
                else 'waiting' end as "state!: JobState"
         from store.jobs
         order by dead_at is null, leased_until is null, priority, run_at, id
         limit $1"#,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Lists up to `limit` jobs that match `filter`, newest first, starting below the id `after`.
///
/// # Errors
///
/// Fails when the database does.
pub async fn page(
    pool: &PgPool,
    filter: JobFilter<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Job>, DatabaseError> {
    if filter.state == Some(JobState::Done) {
        return done_page(pool, filter.kind, after, limit).await;
    }
    Ok(sqlx::query_as!(
        Job,
        r#"-- jobs.page
         select id as "id!", kind as "kind!", payload as "payload!", attempts as "attempts!", run_at as "run_at!",
           created_at as "created_at!", started_at, null::timestamptz as finished_at, null::float8 as seconds, last_error,
           state as "state!: JobState"
         from (
           select *, case when dead_at is not null then 'dead' when leased_until >= now() then 'running' else 'waiting' end as state
           from store.jobs
         ) as job
         where ($1::text is null or state = $1) and ($2::text is null or kind = $2) and ($3::uuid is null or id < $3)
         order by id desc limit $4"#,
        filter.state as Option<JobState>,
        filter.kind,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

async fn done_page(
    pool: &PgPool,
    kind: Option<&str>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Job>, DatabaseError> {
    Ok(sqlx::query_as!(
        Job,
        r#"-- jobs.done_page
         select id, kind, payload, attempts, created_at as run_at, created_at, started_at as "started_at?",
           finished_at as "finished_at?", extract(epoch from finished_at - started_at)::float8 as seconds, last_error,
           'done' as "state!: JobState"
         from store.done_jobs
         where ($1::text is null or kind = $1) and ($2::uuid is null or id < $2)
         order by id desc limit $3"#,
        kind,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Counts the jobs that are not done, by kind and state, in the order of their kinds.
///
/// # Errors
///
/// Fails when the database does.
pub async fn counts(pool: &PgPool) -> Result<Vec<(String, JobState, i64)>, DatabaseError> {
    let rows = sqlx::query!(
        r#"-- jobs.counts
         select kind,
           case when dead_at is not null then 'dead'
                when leased_until >= now() then 'running'
                else 'waiting' end as "state!: JobState",
           count(*) as "count!"
         from store.jobs group by 1, 2 order by 1, 2"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.state, row.count)).collect())
}

/// Counts the done jobs by kind, in the order of their kinds.
///
/// # Errors
///
/// Fails when the database does.
pub async fn done_counts(pool: &PgPool) -> Result<Vec<(String, i64)>, DatabaseError> {
    let rows = sqlx::query!(
        r#"-- jobs.done_counts
         select kind, count(*) as "count!" from store.done_jobs group by kind order by kind"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.count)).collect())
}

/// Makes dead jobs due again, one or all, and returns how many. Of jobs with one unique key one is kept.
///
/// # Errors
///
/// Fails when the database does.
pub async fn retry(pool: &PgPool, id: Option<Uuid>) -> Result<u64, DatabaseError> {
    let retried = sqlx::query_scalar!(
        r#"-- jobs.retry
         with dead as (
           select id, unique_key is not null and (
             row_number() over (partition by kind, unique_key order by id desc) > 1
             or exists (
               select from store.jobs as waiting
               where waiting.kind = jobs.kind and waiting.unique_key = jobs.unique_key
                 and waiting.leased_by is null and waiting.dead_at is null
             )
           ) as is_superseded
           from store.jobs where dead_at is not null and ($1::uuid is null or id = $1)
         ), dropped as (
           delete from store.jobs using dead where jobs.id = dead.id and is_superseded returning 1
         ), retried as (
           update store.jobs set dead_at = null, attempts = 0, run_at = now()
           from dead where jobs.id = dead.id and not is_superseded
           returning 1
         )
         select (select count(*) from dropped) + (select count(*) from retried) as "count!""#,
        id,
    )
    .fetch_one(pool)
    .await?;
    sqlx::query("-- jobs.wake\nselect pg_notify('wenyuan_jobs', '')").execute(pool).await?;
    Ok(retried.unsigned_abs())
}

/// Deletes dead jobs, one or all, and returns how many.
///
/// # Errors
///
/// Fails when the database does.
pub async fn discard(pool: &PgPool, id: Option<Uuid>) -> Result<u64, DatabaseError> {
    let discarded = sqlx::query!(
        "-- jobs.discard
         delete from store.jobs where dead_at is not null and ($1::uuid is null or id = $1)",
        id,
    )
    .execute(pool)
    .await?;
    Ok(discarded.rows_affected())
}

/// Deletes done jobs that have been kept as long as their kind says ([`KEEP_DONE`] for kinds not named), and returns how many.
///
/// # Errors
///
/// Fails when the database does; batches that were deleted stay deleted.
pub async fn purge_done(pool: &PgPool, kinds: &[JobKind]) -> Result<u64, DatabaseError> {
    let names: Vec<String> = kinds.iter().map(|kind| kind.name.to_owned()).collect();
    let keep: Vec<f64> = kinds.iter().map(|kind| kind.keep_done.as_secs_f64()).collect();
    let mut purged = 0;
    loop {
        let batch = sqlx::query!(
            "-- jobs.purge_done
             delete from store.done_jobs where id in (
               select done.id from store.done_jobs as done
               left join unnest($1::text[], $2::float8[]) as policy (kind, keep) on policy.kind = done.kind
               where done.finished_at < now() - make_interval(secs => coalesce(policy.keep, $3))
               limit $4
             )",
            &names,
            &keep,
            KEEP_DONE.as_secs_f64(),
            PURGE_BATCH,
        )
        .execute(pool)
        .await?
        .rows_affected();
        purged += batch;
        if batch < PURGE_BATCH.unsigned_abs() {
            return Ok(purged);
        }
    }
}
