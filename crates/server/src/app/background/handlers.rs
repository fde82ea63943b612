//! Handlers of the jobs that changes cause: ingesting, embedding, sweeping, merging the work list.

use std::sync::Arc;

use kernel::chain::Chain;
use library::reader::Reader;
use library::search::Engine;
use library::{embed, gc, ingest};
use sqlx::PgPool;
use store::jobs::{self, ClaimOrder, JobKind, LeasedJob};
use store::objects::Objects;
use store::workers::Handler;
use tokio::sync::watch;
use uuid::Uuid;

use crate::app::App;

/// Ingests documents, and reads files of chats.
pub(super) struct Ingest {
    stop: watch::Receiver<bool>,
    pool: PgPool,
    objects: Objects,
    reader: Reader,
}

impl Ingest {
    pub(super) fn new(app: &App, reader: Reader, stop: watch::Receiver<bool>) -> Self {
        Self { stop, pool: app.pool().clone(), objects: app.objects.clone(), reader }
    }
}

impl Handler for Ingest {
    fn kinds(&self) -> &[JobKind] {
        &[ingest::JOB, chat::files::READ_JOB]
    }

    fn batch_size(&self) -> i64 {
        ingest::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.stop.clone();
        if jobs.first().is_some_and(|job| job.kind == chat::files::READ_JOB.name) {
            return chat::files::read(&self.pool, &self.objects, &mut self.reader, worker, jobs)
                .await
                .map_err(|error| Chain(&error).to_string());
        }
        ingest::run(&self.pool, &self.objects, &mut self.reader, worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())
    }

    async fn gave_up(&mut self, job: &LeasedJob, error: &str) {
        let result = if job.kind == chat::files::READ_JOB.name {
            chat::files::mark_failed(&self.pool, job, error).await
        } else {
            ingest::mark_failed(&self.pool, job, error).await.map_err(chat::Error::from)
        };
        if let Err(error) = result {
            tracing::warn!(job.id = %job.id, error = %Chain(&error), "failed to mark a document as failed");
        }
    }

    fn idle(&mut self) {
        self.reader.stop();
    }
}

/// Embeds the passages of libraries.
pub(super) struct EmbedPassages {
    stop: watch::Receiver<bool>,
    pool: PgPool,
    engine: Arc<Engine>,
}

impl EmbedPassages {
    pub(super) fn new(pool: PgPool, engine: Arc<Engine>, stop: watch::Receiver<bool>) -> Self {
        Self { stop, pool, engine }
    }
}

impl Handler for EmbedPassages {
    fn kinds(&self) -> &[JobKind] {
        &[embed::JOB]
    }

    fn claim_order(&self) -> ClaimOrder {
        ClaimOrder::NewestFirst
    }

    fn batch_size(&self) -> i64 {
        embed::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.stop.clone();
        embed::run(&self.engine, worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}

/// Embeds the files of chats.
pub(super) struct EmbedFiles(pub(super) EmbedPassages);

impl Handler for EmbedFiles {
    fn kinds(&self) -> &[JobKind] {
        &[chat::files::EMBED_JOB]
    }

    fn batch_size(&self) -> i64 {
        embed::BATCH
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let stop = self.0.stop.clone();
        let models = self.0.engine.models().await.map_err(|error| Chain(&error).to_string())?;
        let model = models.answering.ready();
        chat::files::embed(&self.0.pool, model.as_ref(), worker, jobs, || *stop.borrow())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}

/// Deletes stored bytes without a reference.
pub(super) struct SweepObjects {
    pool: PgPool,
    objects: Objects,
}

impl SweepObjects {
    pub(super) fn new(app: &App) -> Self {
        Self { pool: app.pool().clone(), objects: app.objects.clone() }
    }
}

impl Handler for SweepObjects {
    fn kinds(&self) -> &[JobKind] {
        &[gc::JOB]
    }

    fn batch_size(&self) -> i64 {
        100
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
        gc::run(&self.pool, &self.objects, worker, &ids).await.map_err(|error| Chain(&error).to_string())?;
        Ok(Vec::new())
    }
}

/// Merges groups of the work list with the same meaning, and deletes vectors of models that do not answer any more.
pub(super) struct MaintainVectors(pub(super) EmbedPassages);

impl MaintainVectors {
    /// Completes the jobs only when nothing is left: if stopped, it leaves the rest to the next worker.
    async fn regroup(&self, worker: Uuid, ids: &[Uuid]) -> anyhow::Result<()> {
        let EmbedPassages { stop, pool, engine } = &self.0;
        while let Some(model) = engine.models().await?.answering.ready()
            && chat::worklist::regroup(pool, &model).await? > 0
        {
            if *stop.borrow() {
                return Ok(());
            }
        }
        let mut connection = store::postgres::acquire(pool).await?;
        Ok(jobs::complete(&mut connection, worker, ids).await?)
    }
}

impl Handler for MaintainVectors {
    fn kinds(&self) -> &[JobKind] {
        &[chat::worklist::REGROUP_JOB, embed::DROP_JOB]
    }

    fn batch_size(&self) -> i64 {
        1
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        if jobs.first().is_some_and(|job| job.kind == embed::DROP_JOB.name) {
            embed::drop_unused(&self.0.engine, worker, jobs)
                .await
                .map_err(|error| Chain(&error).to_string())?;
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
        self.regroup(worker, &ids).await.map_err(|error| Chain(error.as_ref()).to_string())?;
        Ok(Vec::new())
    }
}
