//! Durable job queue: rows written in the caller's transaction, leased by a worker, and deleted in the transaction that holds
//! their effect. A worker that is killed loses its lease and nothing else.
//!
//! A job carries ids, and running it twice changes nothing. Two waiting jobs of one kind with the same unique key are one job.
//! Done jobs move to a table of their own and are purged by kind. Workers are in [`crate::workers`], periodic work in
//! [`crate::schedules`], what operators see and do in [`inspect`].

pub mod inspect;

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::postgres::Error as DatabaseError;

/// Channel on which waiting workers are notified of new jobs.
pub const CHANNEL: &str = "wenyuan_jobs";
/// Maximum length of a stored error, in characters.
const MAX_ERROR_CHARS: usize = 4000;
/// Unique index that makes two waiting jobs with one key one job.
const UNIQUE_INDEX: &str = "jobs_waiting_unique_key";

/// Kind of job, with the policy that workers and the purge apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobKind {
    /// Name in the table, the API and metrics: `crate.verb`, 1 to 64 of `a-z`, `_` and `.`.
    pub name: &'static str,
    /// Attempts before the job is dead, at least 1.
    pub max_attempts: i32,
    /// Pause after the first failed attempt; it doubles with each further one.
    pub first_pause: Duration,
    /// Upper bound of the pause.
    pub max_pause: Duration,
    /// Time for which a done job stays listed.
    pub keep_done: Duration,
}

impl JobKind {
    /// Creates a kind with the default policy: 5 attempts, pauses of 2 s to 1 h, done jobs kept for 3 days.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            max_attempts: 5,
            first_pause: Duration::from_secs(2),
            max_pause: Duration::from_hours(1),
            keep_done: inspect::KEEP_DONE,
        }
    }

    /// Replaces the number of attempts and the pauses between them.
    #[must_use]
    pub const fn retry(self, max_attempts: i32, first_pause: Duration, max_pause: Duration) -> Self {
        Self { max_attempts, first_pause, max_pause, ..self }
    }

    /// Replaces the time for which done jobs stay listed.
    #[must_use]
    pub const fn keep_done(self, keep_done: Duration) -> Self {
        Self { keep_done, ..self }
    }

    /// Pause after failed attempt number `attempt`, counted from 1.
    fn pause_after(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0);
        self.first_pause.saturating_mul(2_u32.saturating_pow(doublings)).min(self.max_pause)
    }
}

/// Job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Kind of work.
    pub kind: JobKind,
    /// Ids of what the work is about.
    pub payload: Value,
    /// Names the work within its kind, in 1 to 200 characters: while a job with this key waits, another becomes one with it.
    pub unique_key: Option<String>,
    /// Lower runs sooner.
    pub priority: i16,
    /// Time to wait before the first attempt.
    pub delay: Duration,
}

impl NewJob {
    /// Creates a job that runs as soon as a worker is free.
    pub fn new(kind: JobKind, payload: Value) -> Self {
        Self { kind, payload, unique_key: None, priority: 0, delay: Duration::ZERO }
    }

    /// Creates a job that becomes one with a waiting job of the same kind and key.
    pub fn unique(kind: JobKind, key: impl Into<String>, payload: Value) -> Self {
        Self { unique_key: Some(key.into()), ..Self::new(kind, payload) }
    }
}

/// Job that this worker holds a lease on.
#[derive(Debug, Clone)]
pub struct LeasedJob {
    /// Id of the job.
    pub id: Uuid,
    /// Name of its kind.
    pub kind: String,
    /// Ids of what the work is about.
    pub payload: Value,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// Schedule that enqueued the job, if any.
    pub schedule: Option<String>,
}

/// Error of [`complete`]: the effect must not be committed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// The lease expired, and another worker has taken the job.
    #[error("the lease on a job expired before it was done")]
    LeaseLost,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Order in which equally urgent jobs are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOrder {
    /// The job that has waited longest first: nothing waits for ever.
    OldestFirst,
    /// The job enqueued last first: people look at what they have just added.
    NewestFirst,
}

/// Enqueues jobs in the caller's transaction: they exist when it commits.
///
/// A job whose unique key waits already becomes one with the waiting job, which keeps its payload and takes the more urgent
/// priority and, unless it has failed before, the earlier time. The waiting row stays locked until the caller commits, so that
/// no worker claims it and reads the state from before. Enqueue after other row locks of the transaction and before the change
/// sequence, so that all transactions lock in one order.
///
/// # Errors
///
/// Fails when the database does.
pub async fn enqueue(connection: &mut PgConnection, jobs: &[NewJob]) -> Result<(), sqlx::Error> {
    enqueue_from(connection, jobs, None).await
}

/// Like [`enqueue`], on behalf of a schedule.
pub(crate) async fn enqueue_from(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    schedule: Option<&str>,
) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = jobs.iter().map(|_| kernel::id::new()).collect();
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.name.to_owned()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let keys: Vec<Option<String>> = jobs.iter().map(|job| job.unique_key.clone()).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority).collect();
    let delays: Vec<f64> = jobs.iter().map(|job| job.delay.as_secs_f64()).collect();
    // Sorted by key, so that two transactions cannot wait for each other.
    sqlx::query!(
        "-- jobs.enqueue
         with written as (
           insert into store.jobs (id, kind, payload, unique_key, priority, run_at, schedule)
           select distinct on (kind, unique_key, case when unique_key is null then id end)
             id, kind, payload, unique_key, priority, now() + make_interval(secs => delay), $7
           from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::int2[], $6::float8[])
             as job (id, kind, payload, unique_key, priority, delay)
           order by kind, unique_key, case when unique_key is null then id end, priority, delay
           on conflict (kind, unique_key) where unique_key is not null and leased_by is null and dead_at is null
           do update set priority = least(jobs.priority, excluded.priority),
             run_at = case when jobs.attempts > 0 then jobs.run_at else least(jobs.run_at, excluded.run_at) end
           returning kind
         )
         select pg_notify('wenyuan_jobs', kind) from (select distinct kind from written) kinds",
        &ids,
        &kinds,
        &payloads,
        &keys as &[Option<String>],
        &priorities,
        &delays,
        schedule,
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Leases up to `limit` due jobs of these kinds, the most urgent first.
///
/// # Errors
///
/// Fails when the database does.
pub async fn claim(
    pool: &PgPool,
    worker: Uuid,
    kinds: &[String],
    order: ClaimOrder,
    limit: i64,
    lease: Duration,
) -> Result<Vec<LeasedJob>, DatabaseError> {
    match order {
        ClaimOrder::OldestFirst => claim_oldest(pool, worker, kinds, limit, lease).await,
        ClaimOrder::NewestFirst => claim_newest(pool, worker, kinds, limit, lease).await,
    }
}

async fn claim_oldest(
    pool: &PgPool,
    worker: Uuid,
    kinds: &[String],
    limit: i64,
    lease: Duration,
) -> Result<Vec<LeasedJob>, DatabaseError> {
    // An expired lease counts as a failed attempt: a job that kills its worker must not do so for ever.
    let mut jobs = sqlx::query_as!(
        LeasedJob,
        r#"-- jobs.claim
         update store.jobs
         set leased_by = $1, leased_until = now() + make_interval(secs => $4), attempts = attempts + 1, started_at = now()
         where id in (
           select id from store.jobs
           where kind = any ($2) and dead_at is null and run_at <= now()
             and (leased_until is null or leased_until < now())
           order by priority, run_at, id
           for update skip locked
           limit $3
         )
         returning id, kind, payload, attempts as attempt, schedule"#,
        worker,
        kinds,
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    // `returning` promises no order; ids are ordered by age.
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

async fn claim_newest(
    pool: &PgPool,
    worker: Uuid,
    kinds: &[String],
    limit: i64,
    lease: Duration,
) -> Result<Vec<LeasedJob>, DatabaseError> {
    let mut jobs = sqlx::query_as!(
        LeasedJob,
        r#"-- jobs.claim_newest
         update store.jobs
         set leased_by = $1, leased_until = now() + make_interval(secs => $4), attempts = attempts + 1, started_at = now()
         where id in (
           select id from store.jobs
           where kind = any ($2) and dead_at is null and run_at <= now()
             and (leased_until is null or leased_until < now())
           order by priority, run_at desc, id desc
           for update skip locked
           limit $3
         )
         returning id, kind, payload, attempts as attempt, schedule"#,
        worker,
        kinds,
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
    Ok(jobs)
}

/// Extends every lease of this worker.
///
/// # Errors
///
/// Fails when the database does; the leases then expire by themselves.
pub async fn heartbeat(pool: &PgPool, worker: Uuid, lease: Duration) -> Result<(), DatabaseError> {
    sqlx::query!(
        "-- jobs.heartbeat
         update store.jobs set leased_until = now() + make_interval(secs => $2) where leased_by = $1",
        worker,
        lease.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Moves jobs from the queue to the done jobs, in the transaction that holds their effect: both happen or neither.
///
/// # Errors
///
/// Fails when another worker holds one of the jobs by now, or when the database fails: roll back.
pub async fn complete(
    connection: &mut PgConnection,
    worker: Uuid,
    ids: &[Uuid],
) -> Result<(), CompleteError> {
    let done = sqlx::query_scalar!(
        r#"-- jobs.complete
         with done as (
           delete from store.jobs where id = any ($1) and leased_by = $2 returning *
         ), kept as (
           insert into store.done_jobs (id, kind, payload, attempts, created_at, started_at, finished_at)
           select id, kind, payload, attempts, created_at, coalesce(started_at, now()), clock_timestamp() from done
         ), scheduled as (
           update store.schedules set last_started_at = coalesce(done.started_at, now()),
             last_finished_at = clock_timestamp(), last_error = null
           from done where schedules.name = done.schedule
         )
         select count(*) as "count!" from done"#,
        ids,
        worker,
    )
    .fetch_one(connection)
    .await?;
    if usize::try_from(done) == Ok(ids.len()) { Ok(()) } else { Err(CompleteError::LeaseLost) }
}

/// Consequence of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOutcome {
    /// It runs again after a pause.
    Retried,
    /// That was its last attempt. It is dead until a person decides; a scheduled job is over, and its next run tries again.
    GaveUp,
    /// It is gone: the lease was lost, or a waiting job with the same key does its work.
    Gone,
}

/// Records that an attempt failed: the job runs again after the pause of its kind, or this was its last attempt.
///
/// # Errors
///
/// Fails when the database does; the lease then expires by itself.
pub async fn fail(
    pool: &PgPool,
    worker: Uuid,
    job: &LeasedJob,
    kind: &JobKind,
    error: &str,
) -> Result<FailureOutcome, DatabaseError> {
    let error: String = error.chars().take(MAX_ERROR_CHARS).collect();
    let is_last = job.attempt >= kind.max_attempts;
    if is_last && job.schedule.is_some() {
        return end_scheduled(pool, worker, job.id, &error).await;
    }
    let failed = sqlx::query!(
        "-- jobs.fail
         update store.jobs
         set leased_by = null, leased_until = null, last_error = $3, dead_at = case when $4 then now() end,
             run_at = now() + make_interval(secs => $5)
         where id = $1 and leased_by = $2",
        job.id,
        worker,
        error,
        is_last,
        kind.pause_after(job.attempt).as_secs_f64(),
    )
    .execute(pool)
    .await;
    match failed {
        Ok(failed) if failed.rows_affected() == 0 => Ok(FailureOutcome::Gone),
        Ok(_) if is_last => Ok(FailureOutcome::GaveUp),
        Ok(_) => Ok(FailureOutcome::Retried),
        Err(error) if is_waiting_already(&error) => {
            sqlx::query!(
                "-- jobs.supersede
                 delete from store.jobs where id = $1 and leased_by = $2",
                job.id,
                worker,
            )
            .execute(pool)
            .await?;
            Ok(FailureOutcome::Gone)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a scheduled job whose last attempt failed: there is nothing for a person to retry, because its next run will.
async fn end_scheduled(
    pool: &PgPool,
    worker: Uuid,
    id: Uuid,
    error: &str,
) -> Result<FailureOutcome, DatabaseError> {
    let ended = sqlx::query_scalar!(
        r#"-- jobs.end_scheduled
         with ended as (
           delete from store.jobs where id = $1 and leased_by = $2 returning *
         ), kept as (
           insert into store.done_jobs (id, kind, payload, attempts, created_at, started_at, finished_at, last_error)
           select id, kind, payload, attempts, created_at, coalesce(started_at, now()), clock_timestamp(), $3 from ended
         ), scheduled as (
           update store.schedules set last_started_at = coalesce(ended.started_at, now()),
             last_finished_at = clock_timestamp(), last_error = $3
           from ended where schedules.name = ended.schedule
         )
         select count(*) as "count!" from ended"#,
        id,
        worker,
        error,
    )
    .fetch_one(pool)
    .await?;
    Ok(if ended == 0 { FailureOutcome::Gone } else { FailureOutcome::GaveUp })
}

fn is_waiting_already(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) == Some(UNIQUE_INDEX)
}

/// Gives up every lease of this worker, without counting the attempt, because it is shutting down. Returns the number of leases.
///
/// # Errors
///
/// Fails when the database does; the leases then expire by themselves.
pub async fn release(pool: &PgPool, worker: Uuid) -> Result<u64, DatabaseError> {
    // A job whose key waits again is dropped: the waiting job does its work.
    let released = sqlx::query_scalar!(
        r#"-- jobs.release
         with leased as (
           select id, exists (
             select from store.jobs as waiting
             where waiting.kind = jobs.kind and waiting.unique_key = jobs.unique_key
               and waiting.leased_by is null and waiting.dead_at is null
           ) as is_superseded
           from store.jobs where leased_by = $1
         ), dropped as (
           delete from store.jobs using leased where jobs.id = leased.id and is_superseded returning 1
         ), released as (
           update store.jobs
           set leased_by = null, leased_until = null, attempts = greatest(attempts - 1, 0)
           from leased where jobs.id = leased.id and not is_superseded
           returning 1
         )
         select (select count(*) from dropped) + (select count(*) from released) as "count!""#,
        worker,
    )
    .fetch_one(pool)
    .await?;
    Ok(released.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let kind = JobKind::new("test.kind").retry(9, Duration::from_secs(10), Duration::from_mins(1));
        let pauses: Vec<u64> = (1..=5).map(|attempt| kind.pause_after(attempt).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        assert_eq!(kind.pause_after(i32::MAX), kind.max_pause);
    }
}
