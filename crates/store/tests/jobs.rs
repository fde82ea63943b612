//! Jobs on a real database: leased by one worker at a time, done in the transaction that completes them, tried again,
//! set aside.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use store::jobs::{self, CompleteError, Leased, NewJob, State, Turn};
use store::migrations;
use testkit::Database;
use uuid::Uuid;

const KIND: &str = "test.work";
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

async fn claim(pool: &PgPool, worker: Uuid, limit: i64) -> Vec<Leased> {
    jobs::claim(pool, worker, &[KIND.to_owned()], Turn::OldestFirst, limit, LEASE).await.expect("a lease")
}

/// Lets time pass: what runs out or falls due within so many seconds has done so.
async fn pass(database: &Database) {
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
    assert!(jobs::list(database.pool(), 9).await.unwrap().is_empty());
    enqueue(database.pool(), 1).await;
    let leased = claim(database.pool(), kernel::id::new(), 9).await;
    assert_eq!((leased.len(), leased[0].attempt, &leased[0].payload), (1, 1, &json!({ "number": 0 })));
    let kinds = ["test.other".to_owned()];
    let other = jobs::claim(database.pool(), kernel::id::new(), &kinds, Turn::OldestFirst, 9, LEASE).await;
    assert!(other.unwrap().is_empty());
}

#[tokio::test]
async fn jobs_come_in_their_turn() {
    let database = database().await;
    let mut connection = database.pool().acquire().await.unwrap();
    for (number, priority, delay) in [(1, 5, 0), (2, 0, 0), (3, 0, 3600), (4, 0, 0)] {
        let job = NewJob { priority, delay: Duration::from_secs(delay), ..NewJob::new(KIND, json!(number)) };
        jobs::enqueue(&mut connection, &[job]).await.unwrap();
    }
    let turn = async |turn: Turn| {
        let worker = kernel::id::new();
        let mut order = Vec::new();
        loop {
            let leased =
                jobs::claim(database.pool(), worker, &[KIND.to_owned()], turn, 1, LEASE).await.unwrap();
            let Some(job) = leased.into_iter().next() else { break };
            order.push(job.payload);
        }
        jobs::release(database.pool(), worker).await.unwrap();
        order
    };
    assert_eq!(turn(Turn::OldestFirst).await, [json!(2), json!(4), json!(1)]);
    assert_eq!(turn(Turn::NewestFirst).await, [json!(4), json!(2), json!(1)]);
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
    assert!(jobs::list(database.pool(), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lease_that_ran_out_is_another_workers() {
    let database = database().await;
    enqueue(database.pool(), 1).await;
    let (slow, quick) = (kernel::id::new(), kernel::id::new());
    let first = claim(database.pool(), slow, 1).await;
    assert!(claim(database.pool(), quick, 1).await.is_empty());
    // A heartbeat prolongs it.
    pass(&database).await;
    jobs::heartbeat(database.pool(), slow, LEASE).await.unwrap();
    assert!(claim(database.pool(), quick, 1).await.is_empty());
    // Without one it runs out, and the try is counted.
    pass(&database).await;
    let second = claim(database.pool(), quick, 1).await;
    assert_eq!((second[0].id, second[0].attempt), (first[0].id, 2));
    // The first worker's work must not be kept: its transaction ends.
    let mut transaction = database.pool().begin().await.unwrap();
    let lost = jobs::complete(&mut transaction, slow, &[first[0].id]).await;
    assert!(matches!(lost, Err(CompleteError::LeaseLost)), "{lost:?}");
    drop(transaction);
    // Nor may it fail or release what is another's.
    assert!(!jobs::fail(database.pool(), slow, first[0].id, "late").await.unwrap());
    assert_eq!(jobs::release(database.pool(), slow).await.unwrap(), 0);
    assert_eq!(jobs::list(database.pool(), 9).await.unwrap()[0].state, State::Running);
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
    assert_eq!(jobs::list(database.pool(), 9).await.unwrap()[0].state, State::Running);
    let mut transaction = database.pool().begin().await.unwrap();
    jobs::complete(&mut transaction, worker, &[leased[0].id]).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(jobs::list(database.pool(), 9).await.unwrap().is_empty());
    let mut connection = database.pool().acquire().await.unwrap();
    assert!(jobs::complete(&mut connection, worker, &[leased[0].id]).await.is_err());
}

#[tokio::test]
async fn a_failing_job_waits_longer_each_time_and_is_set_aside() {
    let database = database().await;
    enqueue(database.pool(), 1).await;
    let worker = kernel::id::new();
    let mut pauses = Vec::new();
    for attempt in 1..=5 {
        let leased = claim(database.pool(), worker, 1).await;
        assert_eq!(leased[0].attempt, attempt);
        let dead =
            jobs::fail(database.pool(), worker, leased[0].id, &format!("fault {attempt}")).await.unwrap();
        assert_eq!(dead, attempt == 5);
        assert!(claim(database.pool(), worker, 1).await.is_empty(), "due at once");
        let pause = database.count("select extract(epoch from run_at - now())::int8 from store.jobs").await;
        pauses.push(pause);
        pass(&database).await;
    }
    assert!(pauses.is_sorted_by(|shorter, longer| shorter < longer), "{pauses:?}");
    // Dead, with the reason, and out of every worker's way.
    assert!(claim(database.pool(), worker, 1).await.is_empty());
    let listed = jobs::list(database.pool(), 9).await.unwrap();
    assert_eq!((listed[0].state, listed[0].last_error.as_deref()), (State::Dead, Some("fault 5")));
    assert_eq!(jobs::counts(database.pool()).await.unwrap(), [(KIND.to_owned(), State::Dead, 1)]);
    // Tried again by a person: from the first try on.
    assert_eq!(jobs::retry(database.pool(), None).await.unwrap(), 1);
    assert_eq!(jobs::retry(database.pool(), None).await.unwrap(), 0);
    assert_eq!(claim(database.pool(), worker, 1).await[0].attempt, 1);
}

#[tokio::test]
async fn dead_jobs_are_discarded_and_no_others() {
    let database = database().await;
    enqueue(database.pool(), 3).await;
    database.run("update store.jobs set dead_at = now() where payload @> '{\"number\": 0}' or payload @> '{\"number\": 1}'").await;
    let dead = jobs::list(database.pool(), 9).await.unwrap()[0].id;
    assert_eq!(jobs::retry(database.pool(), Some(kernel::id::new())).await.unwrap(), 0);
    assert_eq!(jobs::discard(database.pool(), Some(dead)).await.unwrap(), 1);
    assert_eq!(jobs::discard(database.pool(), Some(dead)).await.unwrap(), 0);
    assert_eq!(jobs::discard(database.pool(), None).await.unwrap(), 1);
    let left = jobs::list(database.pool(), 9).await.unwrap();
    assert_eq!((left.len(), left[0].state), (1, State::Waiting));
    assert_eq!(jobs::discard(database.pool(), Some(left[0].id)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_worker_that_leaves_gives_back_without_counting_the_try() {
    let database = database().await;
    enqueue(database.pool(), 2).await;
    let (leaving, next) = (kernel::id::new(), kernel::id::new());
    assert_eq!(claim(database.pool(), leaving, 9).await.len(), 2);
    assert_eq!(jobs::release(database.pool(), leaving).await.unwrap(), 2);
    assert_eq!(jobs::release(database.pool(), leaving).await.unwrap(), 0);
    let taken = claim(database.pool(), next, 9).await;
    assert_eq!(taken.iter().map(|job| job.attempt).collect::<Vec<_>>(), [1, 1]);
}
