//! Embedding of passages: the job that fills the vectors of active revisions.
//!
//! Vectors are a read model, one a passage and model, made after the full-text index and without delaying it. They carry
//! the hash of the text they were made of, so that unchanged passages take existing vectors.

use std::sync::Arc;
use std::time::Instant;

use embedding::Model;
use kernel::actor::Actor;
use serde::Deserialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use uuid::Uuid;

use crate::ids::DocumentVersionId;
use crate::{Error, access};

/// Kind of the job.
pub const JOB: JobKind = JobKind::new("library.embed");
/// Jobs leased at once: one, so that the revision added last is always next.
pub const BATCH: i64 = 1;
/// Passages embedded before their vectors are written: at most some seconds of work are lost.
const CHUNK: usize = 32;

/// Payload of the job.
#[derive(Debug, Deserialize)]
struct Payload {
    document_version_id: DocumentVersionId,
}

/// Creates the job that embeds a revision. While one waits for it, another is the same job.
pub(crate) fn new_job(revision: DocumentVersionId) -> NewJob {
    let payload = json!({ "document_version_id": revision });
    NewJob { priority: 5, ..NewJob::unique(JOB, revision.0.to_string(), payload) }
}

/// Runs these jobs: makes the missing vectors of their revisions. Once `is_stopped` returns true, it returns without
/// completing the jobs, and the next worker makes the rest.
///
/// # Errors
///
/// Fails if the database or the model fails, or the lease of a job was lost.
#[tracing::instrument(name = "embed", skip_all, fields(jobs = leased.len()))]
pub async fn run(
    pool: &PgPool,
    model: &Arc<Model>,
    worker: Uuid,
    leased: &[LeasedJob],
    is_stopped: impl Fn() -> bool + Send,
) -> Result<(), Error> {
    let revisions: Vec<Uuid> = leased
        .iter()
        .filter_map(|job| serde_json::from_value::<Payload>(job.payload.clone()).ok())
        .map(|payload| payload.document_version_id.0)
        .collect();
    while embed_chunk(pool, model, &revisions).await? > 0 {
        if is_stopped() {
            return Ok(());
        }
    }
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    jobs::complete(&mut connection, worker, &ids).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Makes up to [`CHUNK`] missing vectors and returns their number.
async fn embed_chunk(pool: &PgPool, model: &Arc<Model>, revisions: &[Uuid]) -> Result<usize, Error> {
    // Nothing is locked while the model works: two workers at once make equal vectors, and one is written.
    let missing = sqlx::query!(
        r#"-- vectors.missing
         select passage.id, array_to_string(passage.section, ' › ') as "section!", passage.content
         from library.search_indices as passage
         join library.document_versions as revision on revision.id = passage.document_version_id
         left join library.vectors as made on made.passage_id = passage.id and made.model = $2
         where revision.id = any ($1) and revision.active and made.passage_id is null
         order by passage.document_version_id, passage.passage_number
         limit $3"#,
        revisions,
        model.id(),
        i64::try_from(CHUNK).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await?;
    if missing.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = missing.iter().map(|row| row.id).collect();
    let started = Instant::now();
    let vectors = {
        let model = Arc::clone(model);
        let texts: Vec<String> = missing.iter().map(|row| passage_text(&row.section, &row.content)).collect();
        tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            model.embed_passages(&texts)
        })
        .await
        .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?
    };
    metrics::counter!("wenyuan_passages_embedded_total").increment(vectors.len() as u64);
    metrics::histogram!("wenyuan_embedding_seconds").record(started.elapsed().as_secs_f64());
    // Sent in pgvector's text form and cast, which needs no driver type.
    let vectors: Vec<String> = vectors.iter().map(|vector| to_pgvector(vector)).collect();
    sqlx::query!(
        "-- vectors.write
         insert into library.vectors (passage_id, version_id, text_sha256, model, vector)
         select passage.id, revision.version_id,
           sha256(convert_to(array_to_string(passage.section, ' › ') || E'\\n' || passage.content, 'UTF8')),
           $3, made.vector::halfvec
         from unnest($1::uuid[], $2::text[]) as made (id, vector)
         join library.search_indices as passage on passage.id = made.id
         join library.document_versions as revision on revision.id = passage.document_version_id
         where revision.active
         on conflict (passage_id) do update
           set model = excluded.model, vector = excluded.vector, text_sha256 = excluded.text_sha256",
        &ids,
        &vectors,
        model.id(),
    )
    .execute(pool)
    .await?;
    Ok(ids.len())
}

/// Returns the text to embed for a passage: its headings and its content. The headings name the subject where the content
/// does not.
pub fn passage_text(section: &str, content: &str) -> String {
    format!("{section}\n{content}")
}

/// Formats a vector in pgvector's text form.
pub fn to_pgvector(vector: &[f32]) -> String {
    let mut text = String::with_capacity(vector.len() * 9 + 2);
    text.push('[');
    for (index, value) in vector.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&format!("{value:.5}"));
    }
    text.push(']');
    text
}

/// Brings the vectors in line with revisions that have become active: passages take the vector of an equal text in any
/// version, and the vectors of revisions that are no longer active are deleted.
pub(crate) async fn sync_active(connection: &mut PgConnection, revisions: &[Uuid]) -> Result<(), Error> {
    sqlx::query!(
        "-- vectors.copy_unchanged
         insert into library.vectors (passage_id, version_id, text_sha256, model, vector)
         select passage.id, revision.version_id, known.text_sha256, known.model, known.vector
         from library.document_versions as revision
         join library.search_indices as passage on passage.document_version_id = revision.id
         cross join lateral (
           select * from library.vectors as vector
           where vector.text_sha256 =
             sha256(convert_to(array_to_string(passage.section, ' › ') || E'\\n' || passage.content, 'UTF8'))
           limit 1
         ) as known
         where revision.id = any ($1)
           -- evaluated once: without any vector no passage needs to be hashed
           and (select exists (select from library.vectors))
         on conflict (passage_id) do nothing",
        revisions,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- vectors.drop_inactive
         delete from library.vectors as vector
         using library.document_versions as chosen, library.document_versions as old, library.search_indices as passage
         where chosen.id = any ($1) and old.document_id = chosen.document_id
           and old.version_id = chosen.version_id and old.id <> chosen.id
           and passage.document_version_id = old.id and vector.passage_id = passage.id",
        revisions,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Counts the passages of active revisions without a vector of this model, in all libraries.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn count_pending(connection: &mut PgConnection, actor: &Actor, model: &str) -> Result<i64, Error> {
    access::require_admin(actor)?;
    Ok(sqlx::query_scalar!(
        r#"-- vectors.pending
         select count(*) as "count!" from library.search_indices as passage
         join library.document_versions as revision on revision.id = passage.document_version_id and revision.active
         left join library.vectors as made on made.passage_id = passage.id and made.model = $1
         where made.passage_id is null"#,
        model,
    )
    .fetch_one(connection)
    .await?)
}

/// Deletes all vectors and schedules the jobs that make them again.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn rebuild(connection: &mut PgConnection, actor: &Actor) -> Result<(), Error> {
    access::require_admin(actor)?;
    sqlx::query!("-- vectors.clear\ndelete from library.vectors").execute(&mut *connection).await?;
    let active = sqlx::query_scalar!(
        r#"-- vectors.active_revisions
         select id as "id: DocumentVersionId" from library.document_versions where active"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let jobs: Vec<NewJob> = active.into_iter().map(new_job).collect();
    Ok(jobs::enqueue(connection, &jobs).await?)
}
