//! Schedules on a real database: one job for each run whatever the number of nodes, missed runs made up for once, outcomes kept.

use std::time::Duration;

use store::jobs::inspect::{self, JobFilter, JobState};
use store::jobs::{self, ClaimOrder, FailureOutcome, JobKind, LeasedJob};
use store::migrations;
use store::schedules::{self, RunOutcome, Schedule};
use testkit::Database;
use uuid::Uuid;

const HOURLY: Schedule = Schedule { kind: JobKind::new("test.hourly"), cron: "7 * * * *" };
const DAILY: Schedule =
    Schedule { kind: JobKind::new("test.daily").retry(2, NO_PAUSE, NO_PAUSE), cron: "30 3 * * *" };
const NO_PAUSE: Duration = Duration::ZERO;
const ALL: &[Schedule] = &[HOURLY, DAILY];

async fn database() -> Database {
    let database = Database::new().await;
    migrations::up(database.pool()).await.expect("migrations");
    schedules::register(database.pool(), ALL).await.expect("schedules");
    database
}

/// Makes a schedule due since `interval` ago.
async fn make_due(database: &Database, schedule: &Schedule, interval: &str) {
    sqlx::query("update store.schedules set next_run_at = now() - $1::text::interval where name = $2")
        .bind(interval)
        .bind(schedule.kind.name)
        .execute(database.pool())
        .await
        .expect("a schedule");
}

async fn claim(database: &Database, worker: Uuid, kind: &JobKind) -> Vec<LeasedJob> {
    let kinds = [kind.name.to_owned()];
    jobs::claim(database.pool(), worker, &kinds, ClaimOrder::OldestFirst, 9, Duration::from_mins(1))
        .await
        .expect("jobs")
}

#[tokio::test]
async fn a_schedule_is_next_due_as_its_expression_says() {
    let database = database().await;
    assert!(schedules::enqueue_due(database.pool(), ALL).await.unwrap().is_empty());
    let listed = schedules::list(database.pool()).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|schedule| schedule.name.as_str()).collect();
    assert_eq!(names, ["test.daily", "test.hourly"]);
    assert_eq!(listed[1].next_run_at.format("%M:%S").to_string(), "07:00");
    assert_eq!(listed[0].next_run_at.format("%H:%M:%S").to_string(), "03:30:00");
    assert!(listed.iter().all(|schedule| schedule.last_outcome.is_none()));
    // Registered again, it is left alone; with another expression, it is due by that.
    let before = listed[1].next_run_at;
    schedules::register(database.pool(), ALL).await.unwrap();
    assert_eq!(schedules::list(database.pool()).await.unwrap()[1].next_run_at, before);
    let other = Schedule { cron: "9 * * * *", ..HOURLY };
    schedules::register(database.pool(), &[other, DAILY]).await.unwrap();
    let changed = &schedules::list(database.pool()).await.unwrap()[1];
    assert_eq!(
        (changed.cron.as_str(), changed.next_run_at.format("%M").to_string()),
        ("9 * * * *", "09".to_owned())
    );
}

#[tokio::test]
async fn a_run_is_one_job_whatever_the_number_of_nodes() {
    let database = database().await;
    for round in 0..20 {
        make_due(&database, &HOURLY, "1 second").await;
        let node = async || schedules::enqueue_due(database.pool(), ALL).await.unwrap().len();
        let (a, b, c, d) = tokio::join!(node(), node(), node(), node());
        assert_eq!(a + b + c + d, 1, "round {round}");
        let worker = kernel::id::new();
        let leased = claim(&database, worker, &HOURLY.kind).await;
        assert_eq!(leased.len(), 1, "round {round}");
        let mut connection = database.pool().acquire().await.unwrap();
        jobs::complete(&mut connection, worker, &[leased[0].id]).await.unwrap();
    }
}

#[tokio::test]
async fn missed_runs_are_made_up_for_once() {
    let database = database().await;
    make_due(&database, &HOURLY, "3 days").await;
    assert_eq!(schedules::enqueue_due(database.pool(), ALL).await.unwrap(), ["test.hourly"]);
    assert!(schedules::enqueue_due(database.pool(), ALL).await.unwrap().is_empty());
    // Not done by when the next run is due: the same job.
    make_due(&database, &HOURLY, "1 second").await;
    schedules::enqueue_due(database.pool(), ALL).await.unwrap();
    assert_eq!(claim(&database, kernel::id::new(), &HOURLY.kind).await.len(), 1);
    let future = "select count(*) from store.schedules where next_run_at > now()";
    assert_eq!(database.count(future).await, 2);
}

#[tokio::test]
async fn the_outcome_of_the_last_run_stays_with_the_schedule() {
    let database = database().await;
    let worker = kernel::id::new();
    make_due(&database, &DAILY, "1 second").await;
    schedules::enqueue_due(database.pool(), ALL).await.unwrap();
    let leased = claim(&database, worker, &DAILY.kind).await;
    database.run("update store.jobs set started_at = now() - interval '5 seconds'").await;
    let mut connection = database.pool().acquire().await.unwrap();
    jobs::complete(&mut connection, worker, &[leased[0].id]).await.unwrap();
    let daily = async || schedules::list(database.pool()).await.unwrap().swap_remove(0);
    let succeeded = daily().await;
    assert_eq!(succeeded.last_outcome, Some(RunOutcome::Succeeded));
    let seconds = succeeded.last_seconds.unwrap();
    assert!((5.0..60.0).contains(&seconds), "{seconds}");
    // A run whose attempts all fail is over: it does not wait for a person, and the next run is due as ever.
    make_due(&database, &DAILY, "1 second").await;
    schedules::enqueue_due(database.pool(), ALL).await.unwrap();
    for expected in [FailureOutcome::Retried, FailureOutcome::GaveUp] {
        let leased = claim(&database, worker, &DAILY.kind).await;
        let outcome =
            jobs::fail(database.pool(), worker, &leased[0], &DAILY.kind, "disk full").await.unwrap();
        assert_eq!(outcome, expected);
    }
    let failed = daily().await;
    assert_eq!(
        (failed.last_outcome, failed.last_error.as_deref()),
        (Some(RunOutcome::Failed), Some("disk full"))
    );
    assert!(inspect::list(database.pool(), 9).await.unwrap().is_empty());
    let filter = JobFilter { state: Some(JobState::Done), kind: None };
    let done = inspect::page(database.pool(), filter, None, 9).await.unwrap();
    let errors: Vec<Option<&str>> = done.iter().map(|job| job.last_error.as_deref()).collect();
    assert_eq!(errors, [Some("disk full"), None]);
}

#[tokio::test]
async fn a_schedule_of_another_release_is_forgotten_when_no_node_runs_it() {
    let database = database().await;
    schedules::register(database.pool(), &[HOURLY]).await.unwrap();
    assert_eq!(schedules::list(database.pool()).await.unwrap().len(), 2);
    make_due(&database, &DAILY, "25 hours").await;
    make_due(&database, &HOURLY, "25 hours").await;
    schedules::register(database.pool(), &[HOURLY]).await.unwrap();
    let left = schedules::list(database.pool()).await.unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "test.hourly"));
}
