//! Scheduled maintenance of the database: deletes what has expired, and marks what has been abandoned.
//!
//! All of it is shared by the nodes and done by one: see [`store::schedules`]. Each job completes in the transaction of its effect.

use std::time::Duration;

use kernel::chain::Chain;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, inspect};
use store::schedules::Schedule;
use store::workers::Handler;
use uuid::Uuid;

use crate::app::digests;

/// Deletes expired sessions and links, and the counters of sign-in attempts that are old or too many. Often, because between two
/// runs the number of counters has no bound.
const DELETE_EXPIRED_SESSIONS: JobKind =
    maintenance("identity.delete_expired").keep_done(Duration::from_hours(24));
/// Deletes responses stored for idempotency keys.
const DELETE_IDEMPOTENCY_KEYS: JobKind = maintenance("store.delete_idempotency_keys");
/// Deletes done jobs.
const PURGE_DONE_JOBS: JobKind = maintenance("store.purge_done_jobs");
/// Deletes chats that can no longer be restored, and expired share links.
const PURGE_CHATS: JobKind = maintenance("chat.purge");
/// Marks answers whose writer is gone. It runs each minute, so its done jobs are kept for an hour only.
const MARK_INTERRUPTED: JobKind = maintenance("chat.mark_interrupted").keep_done(Duration::from_hours(1));

/// Notifies followers of new versions of libraries.
const NOTIFY_VERSIONS: JobKind = maintenance("social.notify_versions").keep_done(Duration::from_hours(1));

/// All schedules, at different minutes so that they do not run at once.
pub(super) const SCHEDULES: &[Schedule] = &[
    Schedule { kind: DELETE_EXPIRED_SESSIONS, cron: "3-59/10 * * * *" },
    Schedule { kind: DELETE_IDEMPOTENCY_KEYS, cron: "17 * * * *" },
    Schedule { kind: PURGE_DONE_JOBS, cron: "27 * * * *" },
    Schedule { kind: PURGE_CHATS, cron: "37 * * * *" },
    Schedule { kind: MARK_INTERRUPTED, cron: "* * * * *" },
    Schedule { kind: NOTIFY_VERSIONS, cron: "* * * * *" },
];

/// Kinds of [`SCHEDULES`].
const KINDS: &[JobKind] = &[
    DELETE_EXPIRED_SESSIONS,
    DELETE_IDEMPOTENCY_KEYS,
    PURGE_DONE_JOBS,
    PURGE_CHATS,
    MARK_INTERRUPTED,
    NOTIFY_VERSIONS,
];

/// Kinds with their own retention of done jobs.
const PURGE_POLICIES: &[JobKind] = &[
    DELETE_EXPIRED_SESSIONS,
    MARK_INTERRUPTED,
    NOTIFY_VERSIONS,
    digests::ENQUEUE_JOB,
    chat::worklist::REGROUP_JOB,
];

/// Creates the kind of a scheduled job: few attempts, because the next run tries again.
const fn maintenance(name: &'static str) -> JobKind {
    JobKind::new(name).retry(3, Duration::from_secs(10), Duration::from_mins(1))
}

/// Runs scheduled jobs.
pub(super) struct Maintenance {
    pool: PgPool,
}

impl Maintenance {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn run_job(&self, worker: Uuid, job: &LeasedJob) -> anyhow::Result<()> {
        if job.kind == PURGE_DONE_JOBS.name {
            // In batches, each a transaction of its own.
            inspect::purge_done(&self.pool, PURGE_POLICIES).await?;
        }
        let mut transaction = store::postgres::begin(&self.pool).await?;
        run_in(&mut transaction, &job.kind).await?;
        jobs::complete(&mut transaction, worker, &[job.id]).await?;
        Ok(transaction.commit().await?)
    }
}

async fn run_in(connection: &mut PgConnection, kind: &str) -> anyhow::Result<()> {
    if kind == DELETE_EXPIRED_SESSIONS.name {
        identity::sessions::delete_expired(connection).await?;
    } else if kind == DELETE_IDEMPOTENCY_KEYS.name {
        store::idempotency::delete_expired(connection).await?;
    } else if kind == PURGE_CHATS.name {
        let chats = chat::chats::purge(connection).await?;
        chat::transfer::shares::delete_expired(connection).await?;
        if chats > 0 {
            tracing::info!(chats, "purged deleted chats");
        }
    } else if kind == MARK_INTERRUPTED.name {
        chat::messages::mark_interrupted(connection).await?;
    } else if kind == NOTIFY_VERSIONS.name {
        social::notifications::notify_versions(connection).await?;
    }
    Ok(())
}

impl Handler for Maintenance {
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
                failed.push((job.id, Chain(error.as_ref()).to_string()));
            }
        }
        Ok(failed)
    }
}
