//! Jobs on a real database: leased by one worker at a time, completed with their effect, retried, unique while they wait, kept
//! for a while when done.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use store::jobs::inspect::{self, JobFilter, JobState};
use store::jobs::{self, ClaimOrder, CompleteError, FailureOutcome, JobKind, LeasedJob, NewJob};
use store::migrations;
use testkit::Database;
use uuid::Uuid;

const KIND: JobKind = JobKind::new("test.work");
const LEASE: Duration = Duration::from_mins(1);

async fn database() -> Database {
    let database = Database::new().await;
    migrations::up(database.pool()).await.expect("migrations");
    database
}

async fn enqueue(pool: &PgPool, number: usize) {
    let mut connection = pool.acquire().await.expect("a connection");
    let new: Vec<NewJob> = (0..number).map(|number| NewJob::new(KIND, json!({ "number": number }))).collect();
    jobs::enqueue(&mut connection, &new).await.expect("jobs");
}

fn names() -> [String; 1] {
    [KIND.name.to_owned()]
}

async fn claim(pool: &PgPool, worker: Uuid, limit: i64) -> Vec<LeasedJob> {
    jobs::claim(pool, worker, &names(), ClaimOrder::OldestFirst, limit, LEASE).await.expect("a lease")
}

/// Lets an hour pass for leases and due times.
async fn pass_an_hour(database: &Database) {
    database
        .run("update store.jobs set leased_until = leased_until - interval '1 hour', run_at = run_at - interval '1 hour'")
        .await;
}

#[tokio::test]
async fn a_job_exists_when_its_transaction_commits() {
    let database = database().await;
    let mut transaction = database.pool().begin().await.unwrap();
    jobs::enqueue(&mut transaction, &[NewJob::new(KIND, json!({}))]).await.unwrap();
    assert!(claim(database.pool(), kernel::id::new(), 9).await.is_empty());
    transaction.rollback().await.unwrap();
    assert!(inspect::list(database.pool(), 9).await.unwrap().is_empty());
    enqueue(database.pool(), 1).await;
    let leased = claim(database.pool(), kernel::id::new(), 9).await;
    assert_eq!((leased.len(), leased[0].attempt, &leased[0].payload), (1, 1, &json!({ "number": 0 })));
    let kinds = ["test.other".to_owned()];
    let other =
        jobs::claim(database.pool(), kernel::id::new(), &kinds, ClaimOrder::OldestFirst, 9, LEASE).await;
    assert!(other.unwrap().is_empty());
}

#[tokio::test]
async fn jobs_are_claimed_by_priority_and_age() {
    let database = database().await;
    let mut connection = database.pool().acquire().await.unwrap();
    for (number, priority, delay) in [(1, 5, 0), (2, 0, 0), (3, 0, 3600), (4, 0, 0)] {
        let job = NewJob { priority, delay: Duration::from_secs(delay), ..NewJob::new(KIND, json!(number)) };
        jobs::enqueue(&mut connection, &[job]).await.unwrap();
    }
    let order_of = async |order: ClaimOrder| {
        let worker = kernel::id::new();
        let mut claimed = Vec::new();
        loop {
            let leased = jobs::claim(database.pool(), worker, &names(), order, 1, LEASE).await.unwrap();
            let Some(job) = leased.into_iter().next() else { break };
            claimed.push(job.payload);
        }
        jobs::release(database.pool(), worker).await.unwrap();
        claimed
    };
    assert_eq!(order_of(ClaimOrder::OldestFirst).await, [json!(2), json!(4), json!(1)]);
    assert_eq!(order_of(ClaimOrder::NewestFirst).await, [json!(4), json!(2), json!(1)]);
}

#[tokio::test]
async fn two_workers_never_share_a_job() {
    let database = database().await;
    enqueue(database.pool(), 200).await;
    let work = async || {
        let worker = kernel::id::new();
        let mut done = Vec::new();
        loop {
            let leased = claim(database.pool(), worker, 7).await;
            if leased.is_empty() {
                return done;
            }
            let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
            let mut connection = database.pool().acquire().await.unwrap();
            jobs::complete(&mut connection, worker, &ids).await.unwrap();
            done.extend(ids);
        }
    };
    let (a, b, c, d) = tokio::join!(work(), work(), work(), work());
    let all: Vec<Uuid> = [a, b, c, d].concat();
    let different: HashSet<&Uuid> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (200, 200));
    assert!(inspect::list(database.pool(), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_expired_lease_is_another_workers() {
    let database = database().await;
    enqueue(database.pool(), 1).await;
    let (slow, quick) = (kernel::id::new(), kernel::id::new());
    let first = claim(database.pool(), slow, 1).await;
    assert!(claim(database.pool(), quick, 1).await.is_empty());
    // A heartbeat extends it.
    pass_an_hour(&database).await;
    jobs::heartbeat(database.pool(), slow, LEASE).await.unwrap();
    assert!(claim(database.pool(), quick, 1).await.is_empty());
    // Without one it expires, and the attempt is counted.
    pass_an_hour(&database).await;
    let second = claim(database.pool(), quick, 1).await;
    assert_eq!((second[0].id, second[0].attempt), (first[0].id, 2));
    // The first worker's work must not be committed.
    let mut transaction = database.pool().begin().await.unwrap();
    let lost = jobs::complete(&mut transaction, slow, &[first[0].id]).await;
    assert!(matches!(lost, Err(CompleteError::LeaseLost)), "{lost:?}");
    drop(transaction);
    // Nor may it fail or release what is another's.
    let late = jobs::fail(database.pool(), slow, &first[0], &KIND, "late").await.unwrap();
    assert_eq!(late, FailureOutcome::Gone);
    assert_eq!(jobs::release(database.pool(), slow).await.unwrap(), 0);
    assert_eq!(inspect::list(database.pool(), 9).await.unwrap()[0].state, JobState::Running);
}

#[tokio::test]
async fn a_job_is_completed_with_its_effect_or_not_at_all() {
    let database = database().await;
    enqueue(database.pool(), 1).await;
    let worker = kernel::id::new();
    let leased = claim(database.pool(), worker, 1).await;
    let mut transaction = database.pool().begin().await.unwrap();
    jobs::complete(&mut transaction, worker, &[leased[0].id]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(inspect::list(database.pool(), 9).await.unwrap()[0].state, JobState::Running);
    let mut transaction = database.pool().begin().await.unwrap();
    jobs::complete(&mut transaction, worker, &[leased[0].id]).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(inspect::list(database.pool(), 9).await.unwrap().is_empty());
    let mut connection = database.pool().acquire().await.unwrap();
    assert!(jobs::complete(&mut connection, worker, &[leased[0].id]).await.is_err());
}

#[tokio::test]
async fn a_failing_job_waits_longer_each_time_and_is_dead_at_last() {
    let database = database().await;
    enqueue(database.pool(), 1).await;
    let worker = kernel::id::new();
    let mut pauses = Vec::new();
    for attempt in 1..=5 {
        let leased = claim(database.pool(), worker, 1).await;
        assert_eq!(leased[0].attempt, attempt);
        let fault = format!("fault {attempt}");
        let outcome = jobs::fail(database.pool(), worker, &leased[0], &KIND, &fault).await.unwrap();
        let expected = if attempt == 5 { FailureOutcome::GaveUp } else { FailureOutcome::Retried };
        assert_eq!(outcome, expected);
        assert!(claim(database.pool(), worker, 1).await.is_empty(), "due at once");
        let pause = database.count("select extract(epoch from run_at - now())::int8 from store.jobs").await;
        pauses.push(pause);
        pass_an_hour(&database).await;
    }
    assert!(pauses.is_sorted_by(|shorter, longer| shorter < longer), "{pauses:?}");
    // Dead, with the reason, and not claimed any more.
    assert!(claim(database.pool(), worker, 1).await.is_empty());
    let listed = inspect::list(database.pool(), 9).await.unwrap();
    assert_eq!((listed[0].state, listed[0].last_error.as_deref()), (JobState::Dead, Some("fault 5")));
    assert_eq!(inspect::counts(database.pool()).await.unwrap(), [(KIND.name.to_owned(), JobState::Dead, 1)]);
    // Retried by a person: from the first attempt on.
    assert_eq!(inspect::retry(database.pool(), None).await.unwrap(), 1);
    assert_eq!(inspect::retry(database.pool(), None).await.unwrap(), 0);
    assert_eq!(claim(database.pool(), worker, 1).await[0].attempt, 1);
}

#[tokio::test]
async fn dead_jobs_are_discarded_and_no_others() {
    let database = database().await;
    enqueue(database.pool(), 3).await;
    database.run("update store.jobs set dead_at = now() where payload @> '{\"number\": 0}' or payload @> '{\"number\": 1}'").await;
    let dead = inspect::list(database.pool(), 9).await.unwrap()[0].id;
    assert_eq!(inspect::retry(database.pool(), Some(kernel::id::new())).await.unwrap(), 0);
    assert_eq!(inspect::discard(database.pool(), Some(dead)).await.unwrap(), 1);
    assert_eq!(inspect::discard(database.pool(), Some(dead)).await.unwrap(), 0);
    assert_eq!(inspect::discard(database.pool(), None).await.unwrap(), 1);
    let left = inspect::list(database.pool(), 9).await.unwrap();
    assert_eq!((left.len(), left[0].state), (1, JobState::Waiting));
    assert_eq!(inspect::discard(database.pool(), Some(left[0].id)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_worker_that_stops_releases_its_jobs_without_counting_the_attempt() {
    let database = database().await;
    enqueue(database.pool(), 2).await;
    let (leaving, next) = (kernel::id::new(), kernel::id::new());
    assert_eq!(claim(database.pool(), leaving, 9).await.len(), 2);
    assert_eq!(jobs::release(database.pool(), leaving).await.unwrap(), 2);
    assert_eq!(jobs::release(database.pool(), leaving).await.unwrap(), 0);
    let taken = claim(database.pool(), next, 9).await;
    assert_eq!(taken.iter().map(|job| job.attempt).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn each_kind_has_its_attempts_and_its_pauses() {
    let database = database().await;
    let kind = KIND.retry(3, Duration::from_secs(100), Duration::from_secs(150));
    enqueue(database.pool(), 1).await;
    let worker = kernel::id::new();
    let mut pauses = Vec::new();
    let outcome = loop {
        let leased = claim(database.pool(), worker, 1).await;
        let outcome = jobs::fail(database.pool(), worker, &leased[0], &kind, "fault").await.unwrap();
        if outcome != FailureOutcome::Retried {
            break outcome;
        }
        let pause = "select round(extract(epoch from run_at - now()))::int8 from store.jobs";
        pauses.push(database.count(pause).await);
        pass_an_hour(&database).await;
    };
    assert_eq!(outcome, FailureOutcome::GaveUp);
    assert_eq!(pauses, [100, 150]);
}

async fn enqueue_unique(pool: &PgPool, keys: &[&str]) {
    let mut connection = pool.acquire().await.expect("a connection");
    let new: Vec<NewJob> = keys.iter().map(|key| NewJob::unique(KIND, *key, json!({}))).collect();
    jobs::enqueue(&mut connection, &new).await.expect("jobs");
}

#[tokio::test]
async fn two_waiting_jobs_with_one_key_are_one_and_a_running_one_leaves_room() {
    let database = database().await;
    let count = async || database.count("select count(*) from store.jobs").await;
    enqueue_unique(database.pool(), &["a", "a", "b"]).await;
    enqueue_unique(database.pool(), &["b", "a"]).await;
    assert_eq!(count().await, 2);
    // Jobs without a key, and jobs of other kinds, are never the same.
    enqueue(database.pool(), 2).await;
    let mut connection = database.pool().acquire().await.unwrap();
    let other = NewJob::unique(JobKind::new("test.other"), "a", json!({}));
    jobs::enqueue(&mut connection, &[other]).await.unwrap();
    assert_eq!(count().await, 5);
    database.run("delete from store.jobs where unique_key is distinct from 'a' or kind <> 'test.work'").await;
    // Running: what is due again is queued once more, and once only.
    let worker = kernel::id::new();
    let leased = claim(database.pool(), worker, 9).await;
    assert_eq!(leased.len(), 1);
    enqueue_unique(database.pool(), &["a"]).await;
    enqueue_unique(database.pool(), &["a"]).await;
    assert_eq!(count().await, 2);
    // A failure while the same work waits: the waiting job does it.
    let outcome = jobs::fail(database.pool(), worker, &leased[0], &KIND, "fault").await.unwrap();
    assert_eq!(outcome, FailureOutcome::Gone);
    assert_eq!(count().await, 1);
    // So it is when a worker stops.
    assert_eq!(claim(database.pool(), worker, 9).await.len(), 1);
    enqueue_unique(database.pool(), &["a"]).await;
    assert_eq!(jobs::release(database.pool(), worker).await.unwrap(), 1);
    assert_eq!(count().await, 1);
    // And when dead jobs are retried: one of all with the key.
    database.run("update store.jobs set dead_at = now()").await;
    enqueue_unique(database.pool(), &["a"]).await;
    database.run("update store.jobs set dead_at = now() where dead_at is null").await;
    assert_eq!(inspect::retry(database.pool(), None).await.unwrap(), 2);
    assert_eq!(count().await, 1);
    assert_eq!(claim(database.pool(), worker, 9).await.len(), 1);
}

#[tokio::test]
async fn a_waiting_job_takes_the_sooner_time_and_the_higher_urgency() {
    let database = database().await;
    let mut connection = database.pool().acquire().await.unwrap();
    let worker = kernel::id::new();
    let job = |delay: u64, priority: i16| NewJob {
        delay: Duration::from_secs(delay),
        priority,
        ..NewJob::unique(KIND, "a", json!({}))
    };
    jobs::enqueue(&mut connection, &[job(100, 0)]).await.unwrap();
    jobs::enqueue(&mut connection, &[job(1000, -5)]).await.unwrap();
    let at_once = "select count(*) from store.jobs where priority = -5 and run_at between now() and now() + interval '101 s'";
    assert_eq!(database.count(at_once).await, 1);
    jobs::enqueue(&mut connection, &[job(0, 9)]).await.unwrap();
    let leased = claim(database.pool(), worker, 1).await;
    // After a failure the pause is kept, whatever is enqueued.
    let slow = KIND.retry(5, Duration::from_mins(10), Duration::from_mins(10));
    jobs::fail(database.pool(), worker, &leased[0], &slow, "fault").await.unwrap();
    jobs::enqueue(&mut connection, &[job(0, 0)]).await.unwrap();
    assert!(claim(database.pool(), worker, 1).await.is_empty());
    pass_an_hour(&database).await;
    assert_eq!(claim(database.pool(), worker, 1).await[0].attempt, 2);
}

#[tokio::test]
async fn a_waiting_job_is_not_claimed_while_its_cause_is_uncommitted() {
    let database = database().await;
    enqueue_unique(database.pool(), &["a"]).await;
    let mut transaction = database.pool().begin().await.unwrap();
    jobs::enqueue(&mut transaction, &[NewJob::unique(KIND, "a", json!({}))]).await.unwrap();
    // A worker that took it now would not see what the transaction has changed.
    assert!(claim(database.pool(), kernel::id::new(), 1).await.is_empty());
    transaction.commit().await.unwrap();
    assert_eq!(claim(database.pool(), kernel::id::new(), 1).await.len(), 1);
}

#[tokio::test]
async fn done_jobs_are_listed_with_their_duration_and_purged_by_kind() {
    let database = database().await;
    let pool = database.pool();
    enqueue(pool, 3).await;
    let worker = kernel::id::new();
    let ids: Vec<Uuid> = claim(pool, worker, 9).await.iter().map(|job| job.id).collect();
    database.run("update store.jobs set started_at = now() - interval '90 seconds'").await;
    let mut connection = pool.acquire().await.unwrap();
    jobs::complete(&mut connection, worker, &ids).await.unwrap();
    assert!(inspect::list(pool, 9).await.unwrap().is_empty());
    assert!(inspect::page(pool, JobFilter::default(), None, 9).await.unwrap().is_empty());
    let done = JobFilter { state: Some(JobState::Done), kind: Some(KIND.name) };
    let first = inspect::page(pool, done, None, 2).await.unwrap();
    let rest = inspect::page(pool, done, Some(first[1].id), 2).await.unwrap();
    let listed: Vec<Uuid> = first.iter().chain(&rest).map(|job| job.id).collect();
    assert_eq!(listed, ids.iter().rev().copied().collect::<Vec<_>>());
    let seconds = first[0].seconds.unwrap();
    assert!((90.0..120.0).contains(&seconds), "{seconds}");
    assert_eq!((first[0].state, first[0].attempts), (JobState::Done, 1));
    assert_eq!(inspect::done_counts(pool).await.unwrap(), [(KIND.name.to_owned(), 3)]);
    // Kept for three days, or as long as the kind says.
    assert_eq!(inspect::purge_done(pool, &[]).await.unwrap(), 0);
    database.run("update store.done_jobs set finished_at = finished_at - interval '2 days'").await;
    assert_eq!(inspect::purge_done(pool, &[]).await.unwrap(), 0);
    let short = KIND.keep_done(Duration::from_hours(1));
    database.run("update store.done_jobs set kind = 'test.other' where payload @> '{\"number\": 0}'").await;
    assert_eq!(inspect::purge_done(pool, &[short]).await.unwrap(), 2);
    database.run("update store.done_jobs set finished_at = finished_at - interval '1 day'").await;
    assert_eq!(inspect::purge_done(pool, &[short]).await.unwrap(), 1);
}
