//! Workers: loops that lease jobs, hand them to the [`Handler`] of their kind, and sleep until there are more.

use std::future::Future;
use std::time::{Duration, Instant};

use kernel::chain::Chain;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use crate::jobs::{self, ClaimOrder, FailureOutcome, JobKind, LeasedJob};
use crate::listener::Subscription;

/// Duration of a lease without a heartbeat.
const LEASE: Duration = Duration::from_secs(30);
/// Longest wait between two attempts to claim: for jobs whose time comes, and for notifications lost with a connection.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Runs jobs of some kinds.
pub trait Handler: Send {
    /// Returns the kinds it runs.
    fn kinds(&self) -> &[JobKind];

    /// Returns the order in which equally urgent jobs are claimed.
    fn claim_order(&self) -> ClaimOrder {
        ClaimOrder::OldestFirst
    }

    /// Returns the number of jobs it leases at once.
    fn batch_size(&self) -> i64;

    /// Runs leased jobs, all of one kind, and completes those that are done. Returns those that failed, with the reason.
    ///
    /// # Errors
    ///
    /// Fails with the reason when none of the jobs could be run; all count as failed then.
    fn run(
        &mut self,
        worker: Uuid,
        jobs: &[LeasedJob],
    ) -> impl Future<Output = Result<Vec<(Uuid, String)>, String>> + Send;

    /// Called when the last attempt of a job has failed, so that what waits for it is marked as failed.
    fn gave_up(&mut self, _job: &LeasedJob, _error: &str) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Called once when the queue has run empty, to free what only work needs.
    fn idle(&mut self) {}
}

/// Runs jobs until `stop` is true, then finishes those in hand.
pub async fn run_worker(
    pool: PgPool,
    mut handler: impl Handler,
    mut subscription: Subscription,
    mut stop: watch::Receiver<bool>,
) {
    let worker = kernel::id::new();
    let kinds: Vec<JobKind> = handler.kinds().to_vec();
    let names: Vec<String> = kinds.iter().map(|kind| kind.name.to_owned()).collect();
    let mut is_idle = false;
    while !*stop.borrow() {
        let order = handler.claim_order();
        let leased = match jobs::claim(&pool, worker, &names, order, handler.batch_size(), LEASE).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "failed to lease jobs");
                sleep(POLL_INTERVAL).await;
                continue;
            }
        };
        if leased.is_empty() {
            if !is_idle {
                handler.idle();
                is_idle = true;
            }
            tokio::select! {
                _ = subscription.wait(POLL_INTERVAL) => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        is_idle = false;
        for kind in &kinds {
            let of_kind: Vec<LeasedJob> =
                leased.iter().filter(|job| job.kind == kind.name).cloned().collect();
            if !of_kind.is_empty() {
                run_leased(&pool, &mut handler, worker, kind, &of_kind).await;
            }
        }
    }
    if let Err(error) = jobs::release(&pool, worker).await {
        tracing::warn!(error = %Chain(&error), "failed to release leases; they expire by themselves");
    }
}

async fn run_leased(
    pool: &PgPool,
    handler: &mut impl Handler,
    worker: Uuid,
    kind: &JobKind,
    leased: &[LeasedJob],
) {
    let started = Instant::now();
    let failed = {
        let work = handler.run(worker, leased);
        let heartbeat = async {
            loop {
                sleep(LEASE / 3).await;
                if let Err(error) = jobs::heartbeat(pool, worker, LEASE).await {
                    tracing::warn!(error = %Chain(&error), "failed to extend leases");
                }
            }
        };
        tokio::select! {
            done = work => done.unwrap_or_else(|error| {
                leased.iter().map(|job| (job.id, error.clone())).collect()
            }),
            () = heartbeat => Vec::new(),
        }
    };
    metrics::histogram!("wenyuan_job_seconds", "kind" => kind.name).record(started.elapsed().as_secs_f64());
    for (id, error) in failed {
        let Some(job) = leased.iter().find(|job| job.id == id) else { continue };
        match jobs::fail(pool, worker, job, kind, &error).await {
            Ok(FailureOutcome::GaveUp) => {
                tracing::error!(job.id = %id, job.kind = kind.name, error, "job failed for good");
                handler.gave_up(job, &error).await;
            }
            Ok(FailureOutcome::Retried) => {
                tracing::warn!(job.id = %id, job.kind = kind.name, error, "job failed and will be retried");
            }
            Ok(FailureOutcome::Gone) => {
                tracing::debug!(job.id = %id, job.kind = kind.name, error, "failed job is another worker's by now");
            }
            Err(fault) => {
                tracing::warn!(job.id = %id, error = %Chain(&fault), "failed to record the failure of a job");
            }
        }
    }
}
