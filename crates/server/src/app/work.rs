//! The work behind the doors: who does which jobs, and when it stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use embedding::Model;
use kernel::chain::Chain;
use library::reader::Reader;
use library::search::ModelState;
use library::{changes, embed, ingest, sweep};
use sqlx::PgPool;
use store::jobs::{self, Leased, Turn};
use store::objects::Objects;
use store::workers::{Bell, Handler, spawn_listener, work};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::app::mail::{Mail, ResetMails};

/// Work that goes on until it is stopped.
pub(crate) struct Work {
    stop: watch::Sender<bool>,
    pub(crate) jobs: Bell,
    pub(crate) changes: Bell,
    ending: Vec<JoinHandle<()>>,
    aborted: Vec<JoinHandle<()>>,
}

impl Work {
    /// Starts with listening to the database, so that no call is missed by what is started after.
    pub(crate) fn start(app: &App) -> Self {
        let (jobs, changes) = (Bell::default(), Bell::default());
        let bells = vec![(jobs::CHANNEL, jobs.clone()), (changes::CHANNEL, changes.clone())];
        let listener = spawn_listener(app.pool().clone(), bells, app.caches.clone());
        Self { stop: watch::Sender::new(false), jobs, changes, ending: Vec::new(), aborted: vec![listener] }
    }

    /// Reads documents, as many at once as there are readers.
    pub(crate) fn read_documents(&mut self, app: &App) -> anyhow::Result<()> {
        for _ in 0..app.settings.documents.readers() {
            let reader = Reader::new(app.reader_config()?);
            let handler = Documents {
                stop: self.stop.subscribe(),
                pool: app.pool().clone(),
                objects: app.objects.clone(),
                reader,
            };
            self.spawn(app, handler);
        }
        Ok(())
    }

    /// Makes vectors, once the model is loaded; half of the processors at most, so that full text goes first.
    pub(crate) fn embed(&mut self, app: &App) {
        let app = app.clone();
        let (bell, stop) = (self.jobs.clone(), self.stop.subscribe());
        self.ending.push(tokio::spawn(async move {
            let model = match app.engine.model() {
                ModelState::Ready(model) => model,
                ModelState::Off(_) => return,
                ModelState::Loading => match app.load_model().await {
                    Some(model) => model,
                    None => return,
                },
            };
            let vectors =
                || Vectors { stop: stop.clone(), pool: app.pool().clone(), model: Arc::clone(&model) };
            let workers = (0..(app.settings.documents.readers() / 2).max(1))
                .map(|_| work(app.pool().clone(), vectors(), bell.listen(), stop.clone()));
            // Files of chats do not wait for libraries: somebody is about to ask them.
            let files = work(app.pool().clone(), FileVectors(vectors()), bell.listen(), stop.clone());
            tokio::join!(futures::future::join_all(workers), files);
        }));
    }

    /// Does the work that has no hurry.
    pub(crate) fn sweep(&mut self, app: &App) {
        self.spawn(app, Sweeper { pool: app.pool().clone(), objects: app.objects.clone() });
    }

    /// Sends the mails that wait.
    pub(crate) fn send_mail(&mut self, app: &App, mail: Mail, address: Arc<str>) {
        self.spawn(app, ResetMails { pool: app.pool().clone(), mail, address });
    }

    /// Writes down which keys were used, and deletes what has run out.
    pub(crate) fn keep_gate(&mut self, app: &App) {
        let (app, mut stop) = (app.clone(), self.stop.subscribe());
        self.ending.push(tokio::spawn(async move {
            let mut noted = Instant::now();
            let mut swept = None::<Instant>;
            while !*stop.borrow() {
                tokio::select! {
                    () = tokio::time::sleep(NOTE_USED) => {}
                    _ = stop.changed() => {}
                }
                if noted.elapsed() >= NOTE_USED || *stop.borrow() {
                    noted = Instant::now();
                    if let Err(error) = app.authenticator.record_usage().await {
                        tracing::warn!(error = %Chain(&error), "it could not be noted which keys were used");
                    }
                }
                if swept.is_none_or(|swept| swept.elapsed() > SWEEP_IDENTITY) {
                    swept = Some(Instant::now());
                    if let Err(error) = sweep_identity(app.pool()).await {
                        tracing::warn!(error = %Chain(&error), "old sessions could not be deleted");
                    }
                    if let Err(error) = sweep_requests(app.pool()).await {
                        tracing::warn!(error = %Chain(&error), "remembered requests could not be forgotten");
                    }
                }
            }
        }));
    }

    /// Marks answers whose writers are gone, and takes away for good what was deleted long ago.
    pub(crate) fn keep_chats(&mut self, app: &App) {
        let (app, mut stop) = (app.clone(), self.stop.subscribe());
        self.ending.push(tokio::spawn(async move {
            let mut purged = None::<Instant>;
            while !*stop.borrow() {
                if let Err(error) = mark_interrupted(app.pool()).await {
                    tracing::warn!(error = %Chain(&error), "interrupted answers could not be marked");
                }
                if purged.is_none_or(|purged| purged.elapsed() > SWEEP_IDENTITY) {
                    purged = Some(Instant::now());
                    match purge_chats(app.pool()).await {
                        Ok(0) => {}
                        Ok(chats) => tracing::info!(chats, "deleted chats are gone for good"),
                        Err(error) => {
                            tracing::warn!(error = %Chain(&error), "deleted chats could not be purged");
                        }
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(NOTE_USED) => {}
                    _ = stop.changed() => {}
                }
            }
        }));
    }

    /// Marks answers whose sources have changed, as the library changes.
    pub(crate) fn follow_answers(&mut self, app: &App) {
        let (pool, mut ear, mut stop) = (app.pool().clone(), self.changes.listen(), self.stop.subscribe());
        self.ending.push(tokio::spawn(async move {
            while !*stop.borrow() {
                let stopped = stop.clone();
                if let Err(error) = chat::stale::follow(&pool, || *stopped.borrow()).await {
                    tracing::warn!(error = %Chain(&error), "answers could not be compared with the library");
                }
                tokio::select! {
                    _ = ear.wait(LOOK_AT_ANSWERS) => {}
                    _ = stop.changed() => {}
                }
            }
        }));
    }

    /// Writes down the searches that came to nothing, and puts together what means the same.
    pub(crate) fn keep_worklist(&mut self, app: &App) {
        let (app, mut stop) = (app.clone(), self.stop.subscribe());
        self.ending.push(tokio::spawn(async move {
            let misses = Arc::clone(&app.misses);
            let mut misses = misses.lock().await;
            while !*stop.borrow() {
                app.write_misses(&mut misses).await;
                if let ModelState::Ready(model) = app.engine.model()
                    && let Err(error) = regroup(&app, &model, &stop).await
                {
                    tracing::warn!(error = %Chain(&error), "the work list could not be put together");
                }
                // Gathered for a second: what comes at once is written at once.
                tokio::select! {
                    () = tokio::time::sleep(GATHER_MISSES) => {}
                    _ = stop.changed() => {}
                }
            }
        }));
    }

    /// Keeps the full-text index up to date.
    pub(crate) fn follow(&mut self, app: &App) {
        let follower = app.engine.follower();
        self.ending.push(tokio::spawn(follower.run(self.changes.listen(), self.stop.subscribe())));
    }

    /// Something that is simply ended with the rest.
    pub(crate) fn also(&mut self, task: JoinHandle<()>) {
        self.aborted.push(task);
    }

    fn spawn(&mut self, app: &App, handler: impl Handler + 'static) {
        let worker = work(app.pool().clone(), handler, self.jobs.listen(), self.stop.subscribe());
        self.ending.push(tokio::spawn(worker));
    }

    /// Lets everybody finish what they are at, for a while; leases that are not given back run out by themselves.
    pub(crate) async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        let all = futures::future::join_all(self.ending);
        if tokio::time::timeout(Duration::from_secs(20), all).await.is_err() {
            tracing::warn!("some work did not end in time; its leases run out and it is done again");
        }
        for task in self.aborted {
            task.abort();
        }
    }
}

/// How often it is written down which keys were used.
const NOTE_USED: Duration = Duration::from_mins(1);
/// How often sessions and links that have run out are deleted.
const SWEEP_IDENTITY: Duration = Duration::from_hours(1);

/// How often answers are compared though nothing is heard of a change.
const LOOK_AT_ANSWERS: Duration = Duration::from_secs(30);
/// How long searches that came to nothing are gathered.
const GATHER_MISSES: Duration = Duration::from_secs(1);

async fn regroup(app: &App, model: &Arc<Model>, stop: &watch::Receiver<bool>) -> Result<(), chat::Error> {
    while !*stop.borrow() && chat::worklist::regroup(app.pool(), model).await? > 0 {}
    Ok(())
}

async fn mark_interrupted(pool: &PgPool) -> Result<u64, chat::Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    chat::messages::mark_interrupted(&mut connection).await
}

async fn purge_chats(pool: &PgPool) -> Result<u64, chat::Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let purged = chat::chats::purge(&mut transaction).await?;
    chat::transfer::shares::delete_expired(&mut transaction).await?;
    transaction.commit().await?;
    Ok(purged)
}

async fn sweep_identity(pool: &PgPool) -> Result<(), identity::Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    identity::sessions::delete_expired(&mut connection).await
}

async fn sweep_requests(pool: &PgPool) -> Result<(), store::idempotency::Error> {
    let mut connection = pool.acquire().await?;
    store::idempotency::sweep(&mut connection).await
}

struct Documents {
    stop: watch::Receiver<bool>,
    pool: PgPool,
    objects: Objects,
    reader: Reader,
}

impl Handler for Documents {
    fn kinds(&self) -> &[&'static str] {
        &[ingest::JOB, chat::files::READ_JOB]
    }

    fn batch(&self) -> i64 {
        ingest::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[Leased]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.stop.clone();
        if jobs.first().is_some_and(|job| job.kind == chat::files::READ_JOB) {
            return chat::files::read(&self.pool, &self.objects, &mut self.reader, worker, jobs)
                .await
                .map_err(|error| Chain(&error).to_string());
        }
        ingest::run(&self.pool, &self.objects, &mut self.reader, worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())
    }

    async fn gave_up(&mut self, job: &Leased, error: &str) {
        let marked = if job.kind == chat::files::READ_JOB {
            chat::files::mark_failed(&self.pool, job, error).await
        } else {
            ingest::give_up(&self.pool, job, error).await.map_err(chat::Error::from)
        };
        if let Err(fault) = marked {
            tracing::warn!(job.id = %job.id, error = %Chain(&fault), "a document could not be marked as failed");
        }
    }

    fn rest(&mut self) {
        self.reader.rest();
    }
}

struct Vectors {
    stop: watch::Receiver<bool>,
    pool: PgPool,
    model: Arc<Model>,
}

impl Handler for Vectors {
    fn kinds(&self) -> &[&'static str] {
        &[embed::JOB]
    }

    fn turn(&self) -> Turn {
        Turn::NewestFirst
    }

    fn batch(&self) -> i64 {
        embed::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[Leased]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.stop.clone();
        embed::run(&self.pool, &self.model, worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}

/// Vectors of the files of chats.
struct FileVectors(Vectors);

impl Handler for FileVectors {
    fn kinds(&self) -> &[&'static str] {
        &[chat::files::EMBED_JOB]
    }

    fn batch(&self) -> i64 {
        embed::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[Leased]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.0.stop.clone();
        chat::files::embed(&self.0.pool, &self.0.model, worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}

struct Sweeper {
    pool: PgPool,
    objects: Objects,
}

impl Handler for Sweeper {
    fn kinds(&self) -> &[&'static str] {
        &[sweep::JOB]
    }

    fn batch(&self) -> i64 {
        100
    }

    async fn run(&mut self, worker: Uuid, jobs: &[Leased]) -> Result<Vec<(Uuid, String)>, String> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
        sweep::run(&self.pool, &self.objects, worker, &ids)
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}
