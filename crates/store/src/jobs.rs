//! Durable jobs: rows that are written in the caller's transaction, leased by a worker, and deleted in the
//! transaction that holds their effect. A worker that is killed loses its lease and nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::postgres::Error as DatabaseError;

/// Tries before a job is set aside with its last error.
const MAXIMUM_ATTEMPTS: i32 = 5;
/// The channel on which waiting workers are told of new jobs.
pub const CHANNEL: &str = "wenyuan_jobs";

/// A job to be written.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What is to be done.
    pub kind: &'static str,
    /// The ids it is to be done to.
    pub payload: Value,
    /// Lower is sooner.
    pub priority: i16,
    /// How long to wait before the first try.
    pub delay: Duration,
}

impl NewJob {
    /// A job to be done as soon as a worker is free.
    pub fn new(kind: &'static str, payload: Value) -> Self {
        Self { kind, payload, priority: 0, delay: Duration::ZERO }
    }
}

/// A job that this worker has leased.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: String,
    /// The ids it is to be done to.
    pub payload: Value,
    /// Which try this is, from 1.
    pub attempt: i32,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = JobState)]
pub enum State {
    /// Waits for a worker or for its time.
    Waiting,
    /// A worker is at it.
    Running,
    /// Was tried in vain as often as is allowed, and waits for a person.
    Dead,
}

impl State {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Dead, Self::Running, Self::Waiting];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

/// A job as people see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: String,
    /// The ids it is to be done to.
    pub payload: Value,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is due.
    pub run_at: DateTime<Utc>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// Another worker has taken the job over since; what was done for it must not be kept.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// The lease ran out and the job is another's.
    #[error("the lease on a job ran out before it was done")]
    LeaseLost,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Writes jobs, in the caller's transaction: they exist when it commits and never did when it does not.
pub async fn enqueue(connection: &mut PgConnection, jobs: &[NewJob]) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = jobs.iter().map(|_| kernel::id::new()).collect();
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.to_owned()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority).collect();
    let delays: Vec<f64> = jobs.iter().map(|job| job.delay.as_secs_f64()).collect();
    sqlx::query!(
        "-- jobs.enqueue
         with written as (
           insert into store.jobs (id, kind, payload, priority, run_at)
           select id, kind, payload, priority, now() + make_interval(secs => delay)
           from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::int2[], $5::float8[])
             as job (id, kind, payload, priority, delay)
           returning kind
         )
         select pg_notify('wenyuan_jobs', kind) from (select distinct kind from written) kinds",
        &ids,
        &kinds,
        &payloads,
        &priorities,
        &delays,
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Which of equally urgent jobs is done first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The one that waits longest: nothing waits for ever.
    OldestFirst,
    /// The one that was written last: people look at what they have just added.
    NewestFirst,
}

/// Leases up to `limit` due jobs of these kinds, the most urgent first.
pub async fn claim(
    pool: &PgPool,
    worker: Uuid,
    kinds: &[String],
    turn: Turn,
    limit: i64,
    lease: Duration,
) -> Result<Vec<Leased>, DatabaseError> {
    match turn {
        Turn::OldestFirst => claim_oldest(pool, worker, kinds, limit, lease).await,
        Turn::NewestFirst => claim_newest(pool, worker, kinds, limit, lease).await,
    }
}

async fn claim_oldest(
    pool: &PgPool,
    worker: Uuid,
    kinds: &[String],
    limit: i64,
    lease: Duration,
) -> Result<Vec<Leased>, DatabaseError> {
    // A lease that ran out counts as a failed try: a job that kills its worker must not do so for ever.
    let mut jobs = sqlx::query_as!(
        Leased,
        r#"-- jobs.claim
         update store.jobs
         set leased_by = $1, leased_until = now() + make_interval(secs => $4), attempts = attempts + 1
         where id in (
           select id from store.jobs
           where kind = any ($2) and dead_at is null and run_at <= now()
             and (leased_until is null or leased_until < now())
           order by priority, run_at, id
           for update skip locked
           limit $3
         )
         returning id, kind, payload, attempts as attempt"#,
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
) -> Result<Vec<Leased>, DatabaseError> {
    let mut jobs = sqlx::query_as!(
        Leased,
        r#"-- jobs.claim_newest
         update store.jobs
         set leased_by = $1, leased_until = now() + make_interval(secs => $4), attempts = attempts + 1
         where id in (
           select id from store.jobs
           where kind = any ($2) and dead_at is null and run_at <= now()
             and (leased_until is null or leased_until < now())
           order by priority, run_at desc, id desc
           for update skip locked
           limit $3
         )
         returning id, kind, payload, attempts as attempt"#,
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

/// Prolongs every lease of this worker.
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

/// Takes jobs off the list, in the transaction that holds their effect: both happen or neither.
pub async fn complete(
    connection: &mut PgConnection,
    worker: Uuid,
    ids: &[Uuid],
) -> Result<(), CompleteError> {
    let done = sqlx::query!(
        "-- jobs.complete
         delete from store.jobs where id = any ($1) and leased_by = $2",
        ids,
        worker,
    )
    .execute(connection)
    .await?;
    if done.rows_affected() == ids.len() as u64 { Ok(()) } else { Err(CompleteError::LeaseLost) }
}

/// Notes that a try failed: the job is due again after a pause that doubles, or is set aside when that was its last.
/// Says whether it was set aside.
pub async fn fail(pool: &PgPool, worker: Uuid, id: Uuid, error: &str) -> Result<bool, DatabaseError> {
    let error: String = error.chars().take(4000).collect();
    let dead = sqlx::query_scalar!(
        r#"-- jobs.fail
         update store.jobs
         set leased_by = null, leased_until = null, last_error = $3,
             dead_at = case when attempts >= $4 then now() end,
             run_at = now() + make_interval(secs => power(2, attempts))
         where id = $1 and leased_by = $2
         returning dead_at is not null as "dead!""#,
        id,
        worker,
        error,
        MAXIMUM_ATTEMPTS,
    )
    .fetch_optional(pool)
    .await?;
    Ok(dead.unwrap_or(false))
}

/// Gives every lease of this worker back at once, without counting the try: it is leaving.
pub async fn release(pool: &PgPool, worker: Uuid) -> Result<u64, DatabaseError> {
    let released = sqlx::query!(
        "-- jobs.release
         update store.jobs
         set leased_by = null, leased_until = null, attempts = greatest(attempts - 1, 0)
         where leased_by = $1",
        worker,
    )
    .execute(pool)
    .await?;
    Ok(released.rows_affected())
}

/// The jobs, the dead first, then the running, then the waiting in the order of their turn.
pub async fn list(pool: &PgPool, limit: i64) -> Result<Vec<Job>, DatabaseError> {
    Ok(sqlx::query_as!(
        Job,
        r#"-- jobs.list
         select id, kind, payload, attempts, run_at, created_at, last_error,
           case when dead_at is not null then 'dead'
                when leased_until >= now() then 'running'
                else 'waiting' end as "state!: State"
         from store.jobs
         order by dead_at is null, leased_until is null, priority, run_at, id
         limit $1"#,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Which jobs are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'which> {
    /// Those in this state.
    pub state: Option<State>,
    /// Those of this kind.
    pub kind: Option<&'which str>,
}

/// The jobs of a state and kind, those written last first, from below the id `after`.
pub async fn page(
    pool: &PgPool,
    which: Which<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Job>, DatabaseError> {
    Ok(sqlx::query_as!(
        Job,
        r#"-- jobs.page
         select id as "id!", kind as "kind!", payload as "payload!", attempts as "attempts!", run_at as "run_at!",
           created_at as "created_at!", last_error, state as "state!: State"
         from (
           select *, case when dead_at is not null then 'dead' when leased_until >= now() then 'running' else 'waiting' end as state
           from store.jobs
         ) as job
         where ($1::text is null or state = $1) and ($2::text is null or kind = $2) and ($3::uuid is null or id < $3)
         order by id desc limit $4"#,
        which.state as Option<State>,
        which.kind,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// How many jobs of each kind are in each state.
pub async fn counts(pool: &PgPool) -> Result<Vec<(String, State, i64)>, DatabaseError> {
    let rows = sqlx::query!(
        r#"-- jobs.counts
         select kind,
           case when dead_at is not null then 'dead'
                when leased_until >= now() then 'running'
                else 'waiting' end as "state!: State",
           count(*) as "count!"
         from store.jobs group by 1, 2 order by 1, 2"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.state, row.count)).collect())
}

/// Makes dead jobs due again: one, or all. Says how many.
pub async fn retry(pool: &PgPool, id: Option<Uuid>) -> Result<u64, DatabaseError> {
    let retried = sqlx::query!(
        "-- jobs.retry
         update store.jobs set dead_at = null, attempts = 0, run_at = now()
         where dead_at is not null and ($1::uuid is null or id = $1)",
        id,
    )
    .execute(pool)
    .await?;
    sqlx::query("-- jobs.wake\nselect pg_notify('wenyuan_jobs', '')").execute(pool).await?;
    Ok(retried.rows_affected())
}

/// Removes dead jobs for good: one, or all. Says how many.
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
