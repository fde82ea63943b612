//! Scheduled backups: written, verified, rehearsed and pruned by jobs, so that of several nodes one does it, and its failure is seen.

use store::jobs::{self, JobKind, LeasedJob};
use store::schedules::Schedule;
use store::workers::Handler;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::app::App;
use crate::app::backups::scheduled::{self, DRILL, PRUNE, RUN, VERIFY};

/// All schedules: one after another, at night in UTC; a drill on the first of each month.
pub(super) const SCHEDULES: &[Schedule] = &[
    Schedule { kind: RUN, cron: "0 2 * * *" },
    Schedule { kind: VERIFY, cron: "0 3 * * *" },
    Schedule { kind: DRILL, cron: "0 4 1 * *" },
    Schedule { kind: PRUNE, cron: "0 5 * * *" },
];

const KINDS: &[JobKind] = &[RUN, VERIFY, PRUNE, DRILL];

/// Runs scheduled backups.
pub(super) struct Backups {
    pub(super) app: App,
}

impl Backups {
    async fn run_job(&self, worker: Uuid, job: &LeasedJob) -> anyhow::Result<()> {
        let (app, job_kind, payload) = (self.app.clone(), job.kind.clone(), job.payload.clone());
        let runtime = Handle::current();
        // On a thread of its own: hashing and the transactions of a backup are not made to move between threads.
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async move {
                match job_kind.as_str() {
                    kind if kind == RUN.name => scheduled::run(&app).await,
                    kind if kind == VERIFY.name => scheduled::verify(&app, &payload).await,
                    kind if kind == DRILL.name => scheduled::drill(&app).await,
                    _ => scheduled::prune(&app).await,
                }
            })
        })
        .await??;
        let mut transaction = store::postgres::begin(self.app.pool()).await?;
        jobs::complete(&mut transaction, worker, &[job.id]).await?;
        Ok(transaction.commit().await?)
    }
}

impl Handler for Backups {
    fn kinds(&self) -> &[JobKind] {
        KINDS
    }

    fn batch_size(&self) -> i64 {
        1
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let mut failed = Vec::new();
        for job in jobs {
            if let Err(error) = self.run_job(worker, job).await {
                failed.push((job.id, format!("{error:#}")));
            }
        }
        Ok(failed)
    }
}
