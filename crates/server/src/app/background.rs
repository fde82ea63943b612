//! Background work of this node: job workers, schedules, followers of the change sequence, and loops over memory.
//!
//! [`handlers`] runs jobs that a change has caused, [`maintenance`] scheduled ones. Work that nodes share is a job or a schedule in
//! the database; only work on this process's memory is a loop here.

mod backups;
mod handlers;
mod maintenance;
mod models;

use std::sync::Arc;
use std::time::Duration;

use kernel::chain::Chain;
use library::changes;
use library::reader::Reader;
use store::jobs;
use store::listener::{Notifier, Subscription, spawn_listener};
use store::workers::{Handler, run_worker};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use self::handlers::{EmbedFiles, EmbedPassages, Ingest, MaintainVectors, SweepObjects};
use self::models::ModelFollower;
use crate::app::App;
use crate::app::backups::archiving::{self, Archiving};
use crate::app::backups::{drill, scheduled};
use crate::app::digests::{self, DigestMails};
use crate::app::mail::{Mail, ResetMails};

/// Interval at which the use of keys and sessions is written.
const RECORD_USAGE: Duration = Duration::from_mins(1);
/// Interval at which searches without results are written; those of one interval are one transaction.
const RECORD_ZERO_RESULTS: Duration = Duration::from_secs(1);
/// Interval at which answers are compared with the library when no change is notified.
const COMPARE_ANSWERS: Duration = Duration::from_secs(30);
/// Interval at which changes of the embedding model are noticed.
const FOLLOW_MODELS: Duration = Duration::from_secs(2);
/// Interval at which the state of the backups is measured.
const MEASURE_BACKUPS: Duration = Duration::from_mins(1);
/// Time within which tasks have to end once they are told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Background tasks that run until they are stopped.
pub(crate) struct BackgroundTasks {
    stop: watch::Sender<bool>,
    jobs: Notifier,
    changes: Notifier,
    /// Told to stop, and waited for.
    tasks: Vec<JoinHandle<()>>,
    /// Aborted once the others have ended.
    aborted: Vec<JoinHandle<()>>,
}

impl BackgroundTasks {
    /// Starts listening to the database, so that the tasks started later miss no notification.
    pub(crate) fn start(app: &App) -> Self {
        let (jobs, changes) = (Notifier::default(), Notifier::default());
        let notifiers = vec![(jobs::CHANNEL, jobs.clone()), (changes::CHANNEL, changes.clone())];
        let listener = spawn_listener(app.pool().clone(), notifiers, app.caches.clone());
        let watchers = tokio::spawn(app.watchers.clone().run(app.pool().clone()));
        let aborted = vec![listener, watchers];
        Self { stop: watch::Sender::new(false), jobs, changes, tasks: Vec::new(), aborted }
    }

    /// Ingests documents and reads files of chats, with one worker per reader process.
    pub(crate) fn ingest(&mut self, app: &App) -> anyhow::Result<()> {
        for _ in 0..app.settings.documents.readers() {
            let reader = Reader::new(app.reader_config()?);
            self.spawn_worker(app, Ingest::new(app, reader, self.stop.subscribe()));
        }
        Ok(())
    }

    /// Embeds passages and merges the work list once there is a model, and follows changes of it. Uses half of the processors at most, so
    /// that full text goes first.
    pub(crate) fn embed(&mut self, app: &App) {
        let app = app.clone();
        let (jobs, mut stop) = (self.jobs.clone(), self.stop.subscribe());
        self.tasks.push(tokio::spawn(async move {
            let mut models = ModelFollower::new(app.clone());
            while !models.follow().await {
                if wait(FOLLOW_MODELS, &mut stop).await {
                    return;
                }
            }
            let (pool, engine) = (app.pool(), &app.engine);
            let embed = || EmbedPassages::new(pool.clone(), Arc::clone(engine), stop.clone());
            let workers = (0..(app.settings.documents.readers() / 2).max(1))
                .map(|_| run_worker(pool.clone(), embed(), jobs.subscribe(), stop.clone()));
            // Files of chats do not wait for libraries: questions about them follow soon.
            let files = run_worker(pool.clone(), EmbedFiles(embed()), jobs.subscribe(), stop.clone());
            let others = run_worker(pool.clone(), MaintainVectors(embed()), jobs.subscribe(), stop.clone());
            let workers = futures::future::join_all(workers);
            let mut stopped = stop.clone();
            let follow = async {
                while !wait(FOLLOW_MODELS, &mut stopped).await {
                    models.follow().await;
                }
            };
            tokio::join!(workers, files, others, follow);
        }));
    }

    /// Deletes stored bytes without a reference.
    pub(crate) fn sweep_objects(&mut self, app: &App) {
        self.spawn_worker(app, SweepObjects::new(app));
    }

    /// Sends enqueued mails, and digests when they are due.
    pub(crate) fn send_mail(&mut self, app: &App, mail: Mail, address: &Arc<str>, render: digests::Render) {
        let schedules = store::schedules::run(app.pool().clone(), digests::SCHEDULES, self.stop.subscribe());
        self.tasks.push(tokio::spawn(schedules));
        // A worker each: who has forgotten a password does not wait for the digests of others.
        let (digest_mail, digest_address) = (mail.clone(), Arc::clone(address));
        let digests = DigestMails { app: app.clone(), mail: digest_mail, address: digest_address, render };
        self.spawn_worker(app, digests);
        let address = Arc::clone(address);
        self.spawn_worker(app, ResetMails { pool: app.pool().clone(), mail, address });
    }

    /// Enqueues scheduled jobs when they are due, and runs them.
    pub(crate) fn maintain(&mut self, app: &App) {
        let schedules =
            store::schedules::run(app.pool().clone(), maintenance::SCHEDULES, self.stop.subscribe());
        self.tasks.push(tokio::spawn(schedules));
        self.spawn_worker(app, maintenance::Maintenance::new(app.pool().clone()));
    }

    /// Writes, verifies, rehearses and removes backups on their schedules, if a repository is set. Their state is measured.
    pub(crate) fn back_up(&mut self, app: &App) {
        if app.settings.backup.repository().is_none() {
            return;
        }
        let schedules = store::schedules::run(app.pool().clone(), backups::SCHEDULES, self.stop.subscribe());
        self.tasks.push(tokio::spawn(schedules));
        self.spawn_worker(app, backups::Backups { app: app.clone() });
        let app = app.clone();
        let settings = Arc::clone(&app.settings);
        self.adopt(tokio::spawn(async move { drill::remove_leftover(&settings).await }));
        self.repeat("measure the backups", Wake::Every(MEASURE_BACKUPS), move |_stop| {
            let app = app.clone();
            async move { scheduled::measure(&app).await }
        });
    }

    /// Archives the write-ahead log of the built-in PostgreSQL, or lets it go where that is turned off.
    pub(crate) fn archive_wal(&mut self, app: &App) {
        let Some(cluster) = app.database.cluster().cloned() else { return };
        let Some(interval) = app.settings.backup.wal_interval() else {
            self.aborted.push(tokio::spawn(archiving::turn_off(cluster)));
            return;
        };
        let archiving = Arc::new(Mutex::new(Archiving::new(app, cluster)));
        self.repeat("archive the write-ahead log", Wake::Every(interval), move |_stop| {
            let archiving = Arc::clone(&archiving);
            let runtime = Handle::current();
            // On a thread of its own, as backups are.
            async move {
                let round = move || runtime.block_on(async { archiving.lock().await.round().await });
                Ok(tokio::task::spawn_blocking(round).await?)
            }
        });
    }

    /// Records the use of keys and sessions that this process has gathered in memory.
    pub(crate) fn record_usage(&mut self, app: &App) {
        let app = app.clone();
        self.repeat("record the use of keys and sessions", Wake::Every(RECORD_USAGE), move |_stop| {
            let app = app.clone();
            async move { Ok(app.authenticator.record_usage().await?) }
        });
    }

    /// Records in the work list the searches without results that this process has gathered in memory.
    pub(crate) fn record_zero_results(&mut self, app: &App) {
        let app = app.clone();
        self.repeat("record searches without results", Wake::Every(RECORD_ZERO_RESULTS), move |_stop| {
            let app = app.clone();
            async move {
                let zero_results = Arc::clone(&app.zero_results);
                app.record_zero_results(&mut *zero_results.lock().await).await;
                Ok(())
            }
        });
    }

    /// Marks answers whose sources have changed, as the library changes.
    pub(crate) fn mark_stale_answers(&mut self, app: &App) {
        let pool = app.pool().clone();
        let wake = Wake::Notified(self.changes.subscribe(), COMPARE_ANSWERS);
        self.repeat("compare answers with the library", wake, move |stop| {
            let pool = pool.clone();
            async move { Ok(chat::stale::follow(&pool, || *stop.borrow()).await?) }
        });
    }

    /// Keeps the full-text index up to date.
    pub(crate) fn update_index(&mut self, app: &App) {
        let follower = app.engine.follower();
        self.tasks.push(tokio::spawn(follower.run(self.changes.subscribe(), self.stop.subscribe())));
    }

    /// Adopts a task that is aborted when the others have ended.
    pub(crate) fn adopt(&mut self, task: JoinHandle<()>) {
        self.aborted.push(task);
    }

    /// Stops all tasks after their current work, within [`STOP_TIMEOUT`]; leases that are not released expire.
    pub(crate) async fn stop(self) {
        let _no_receivers = self.stop.send(true);
        let all = futures::future::join_all(self.tasks);
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("background work did not end in time: its leases expire and it is repeated");
        }
        for task in self.aborted {
            task.abort();
        }
    }

    fn spawn_worker(&mut self, app: &App, handler: impl Handler + 'static) {
        let worker = run_worker(app.pool().clone(), handler, self.jobs.subscribe(), self.stop.subscribe());
        self.tasks.push(tokio::spawn(worker));
    }

    /// Repeats `work` until stopped, and once more then. A failure is logged, and the next round tries again.
    fn repeat<W, F>(&mut self, name: &'static str, mut wake: Wake, mut work: W)
    where
        W: FnMut(watch::Receiver<bool>) -> F + Send + 'static,
        F: Future<Output = anyhow::Result<()>> + Send,
    {
        let mut stop = self.stop.subscribe();
        self.tasks.push(tokio::spawn(async move {
            loop {
                let is_last = *stop.borrow();
                if let Err(error) = work(stop.clone()).await {
                    tracing::warn!(error = %Chain(error.as_ref()), "failed to {name}");
                }
                if is_last {
                    return;
                }
                tokio::select! {
                    () = wake.wait() => {}
                    _ = stop.changed() => {}
                }
            }
        }));
    }
}

/// When repeated work runs again.
enum Wake {
    /// After this time.
    Every(Duration),
    /// When notified, or after this time.
    Notified(Subscription, Duration),
}

impl Wake {
    async fn wait(&mut self) {
        match self {
            Self::Every(period) => tokio::time::sleep(*period).await,
            Self::Notified(subscription, max_wait) => {
                subscription.wait(*max_wait).await;
            }
        }
    }
}

/// Waits for this time, or until stopped; returns whether it was stopped.
async fn wait(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = stop.changed() => {}
    }
    *stop.borrow()
}
