//! Vectors: a read model of the passages that answer, filled in behind full text and never holding it up.

use std::sync::Arc;
use std::time::Instant;

use embedding::Model;
use serde::Deserialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use uuid::Uuid;

use crate::Error;
use crate::documents::DocumentVersionId;

/// The kind of the job.
pub const JOB: JobKind = JobKind::new("library.embed");
/// Revisions that are leased at once: one, so that what was added last is always next.
pub const BATCH: i64 = 1;
/// Passages that are embedded before their vectors are written: some seconds of work, lost at most.
const CHUNK: usize = 32;

/// What the job is about.
#[derive(Debug, Deserialize)]
struct Payload {
    document_version_id: DocumentVersionId,
}

/// Creates the job that embeds a revision. While one waits for it, another is the same job.
pub(crate) fn new_job(revision: DocumentVersionId) -> NewJob {
    let payload = json!({ "document_version_id": revision });
    NewJob { priority: 5, ..NewJob::unique(JOB, revision.0.to_string(), payload) }
}

/// Makes the missing vectors of the revisions these jobs name. When it is told to stop it leaves the rest, and its
/// jobs, to whoever comes next.
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
    while embed_some(pool, model, &revisions).await? > 0 {
        if is_stopped() {
            return Ok(());
        }
    }
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    jobs::complete(&mut connection, worker, &ids).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Makes up to [`CHUNK`] missing vectors and says how many.
async fn embed_some(pool: &PgPool, model: &Arc<Model>, revisions: &[Uuid]) -> Result<usize, Error> {
    // Nothing is locked while the model works: what two workers make at once is the same and written once.
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
    let begun = Instant::now();
    let vectors = {
        let model = Arc::clone(model);
        let texts: Vec<String> =
            missing.iter().map(|row| embedded_text(&row.section, &row.content)).collect();
        tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            model.embed_passages(&texts)
        })
        .await
        .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?
    };
    metrics::counter!("wenyuan_passages_embedded_total").increment(vectors.len() as u64);
    metrics::histogram!("wenyuan_embedding_seconds").record(begun.elapsed().as_secs_f64());
    // pgvector's text form goes through a cast, so that no driver type for it is needed.
    let vectors: Vec<String> = vectors.iter().map(|vector| as_text(vector)).collect();
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

/// What is embedded of a passage: the headings above it tell what it is about where its own words do not.
pub fn embedded_text(section: &str, content: &str) -> String {
    format!("{section}\n{content}")
}

/// A vector in pgvector's text form.
pub fn as_text(vector: &[f32]) -> String {
    let mut text = String::with_capacity(vector.len() * 9 + 2);
    text.push('[');
    for (place, value) in vector.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&format!("{value:.5}"));
    }
    text.push(']');
    text
}

/// After pointers have moved to these revisions: takes the vectors of what no longer answers away, and gives passages
/// whose text is unchanged, in any version, the vector that is there.
pub(crate) async fn follow_pointers(connection: &mut PgConnection, revisions: &[Uuid]) -> Result<(), Error> {
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
           -- asked once: without any vector there is nothing to hash the passages for
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

/// How many passages that answer have no vector of this model yet.
pub async fn pending(connection: &mut PgConnection, model: &str) -> Result<i64, Error> {
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

/// Throws all vectors away and schedules them to be made anew.
pub async fn rebuild(connection: &mut PgConnection) -> Result<(), Error> {
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
