//! Embedding of passages: the job that fills the vectors of active revisions.
//!
//! Vectors are a read model, one a passage and model, made after the full-text index and without delaying it. They carry
//! the hash of the text they were made of, so that unchanged passages take existing vectors.

use std::time::{Duration, Instant};

use kernel::actor::Actor;
use serde::Deserialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use uuid::Uuid;

use crate::embedder::{BUILT_IN, Embedder, ModelState, VectorTable};
use crate::ids::DocumentVersionId;
use crate::search::Engine;
use crate::{Error, access, changes, endpoints};

/// Kind of the job.
///
/// An endpoint can be down for hours: the pauses between the attempts add up to a day.
pub const JOB: JobKind =
    JobKind::new("library.embed").retry(18, Duration::from_secs(2), Duration::from_hours(6));
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

/// Kind of the job that deletes the vectors of models that do not answer any more.
pub const DROP_JOB: JobKind = JobKind::new("library.drop_vectors");
/// Vectors deleted by one statement.
const DROP_BATCH: i64 = 5000;
/// Passages compared with each other to measure how similar unrelated ones are.
const SAMPLE: i64 = 150;
/// Fewer passages say little.
const MIN_SAMPLE: i64 = 30;

/// Runs a statement on the table of a model. Each is checked at compile time, so it is written out for both.
macro_rules! on_table {
    ($table:expr, $method:ident, $connection:expr, $before:literal, $after:literal $(, $argument:expr)* $(,)?) => {
        match $table {
            VectorTable::BuiltIn => {
                sqlx::query_scalar!($before + "library.vectors" + $after $(, $argument)*).$method($connection).await?
            }
            VectorTable::Endpoint => {
                sqlx::query_scalar!($before + "library.endpoint_vectors" + $after $(, $argument)*)
                    .$method($connection)
                    .await?
            }
        }
    };
}

/// Runs these jobs: makes the missing vectors of their revisions by the model that passages are to have vectors of. Once `is_stopped`
/// returns true, it returns without completing the jobs, and the next worker makes the rest. Without a model there is nothing to
/// make: when one is set, [`enqueue_missing`] brings the jobs again.
///
/// # Errors
///
/// Fails if the database or the model fails, or the lease of a job was lost.
#[tracing::instrument(name = "embed", skip_all, fields(jobs = leased.len()))]
pub async fn run(
    engine: &Engine,
    worker: Uuid,
    leased: &[LeasedJob],
    is_stopped: impl Fn() -> bool + Send,
) -> Result<(), Error> {
    let pool = engine.pool();
    let revisions: Vec<Uuid> = leased
        .iter()
        .filter_map(|job| serde_json::from_value::<Payload>(job.payload.clone()).ok())
        .map(|payload| payload.document_version_id.0)
        .collect();
    // The model can change while a long document is embedded.
    while let Some(model) = engine.models().await?.target.ready()
        && embed_chunk(pool, &model, &revisions).await? > 0
    {
        if is_stopped() {
            return Ok(());
        }
    }
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    jobs::complete(&mut connection, worker, &ids).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Makes up to [`CHUNK`] missing vectors and returns their number.
async fn embed_chunk(pool: &PgPool, model: &Embedder, revisions: &[Uuid]) -> Result<usize, Error> {
    // Nothing is locked while the model works: two workers at once make equal vectors, and one is written.
    let missing = missing(pool, model, revisions).await?;
    if missing.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = missing.iter().map(|row| row.id).collect();
    let started = Instant::now();
    let texts: Vec<String> = missing.iter().map(|row| passage_text(&row.section, &row.content)).collect();
    let vectors = model.embed_passages(texts).await?;
    metrics::counter!("wenyuan_passages_embedded_total").increment(vectors.len() as u64);
    metrics::histogram!("wenyuan_embedding_seconds").record(started.elapsed().as_secs_f64());
    match model.table() {
        VectorTable::BuiltIn => {
            // Sent in pgvector's text form and cast, which needs no driver type.
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
        }
        VectorTable::Endpoint => {
            sqlx::query!(
                "-- vectors.write_endpoint
                 insert into library.endpoint_vectors (passage_id, version_id, text_sha256, model, vector)
                 select passage.id, revision.version_id,
                   sha256(convert_to(array_to_string(passage.section, ' › ') || E'\\n' || passage.content, 'UTF8')),
                   $3, made.vector::halfvec
                 from unnest($1::uuid[], $2::text[]) as made (id, vector)
                 join library.search_indices as passage on passage.id = made.id
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 where revision.active
                 on conflict (passage_id, model) do update
                   set vector = excluded.vector, text_sha256 = excluded.text_sha256",
                &ids,
                &vectors,
                model.id(),
            )
            .execute(pool)
            .await?;
        }
    }
    Ok(ids.len())
}

/// A passage to embed.
struct MissingRow {
    id: Uuid,
    section: String,
    content: String,
}

async fn missing(pool: &PgPool, model: &Embedder, revisions: &[Uuid]) -> Result<Vec<MissingRow>, Error> {
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    macro_rules! missing {
        ($table:literal) => {
            sqlx::query_as!(
                MissingRow,
                r#"-- vectors.missing
                 select passage.id, array_to_string(passage.section, ' › ') as "section!", passage.content
                 from library.search_indices as passage
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 left join "# + $table + " as made on made.passage_id = passage.id and made.model = $2
                 where revision.id = any ($1) and revision.active and made.passage_id is null
                 order by passage.document_version_id, passage.passage_number
                 limit $3",
                revisions,
                model.id(),
                limit,
            )
            .fetch_all(pool)
            .await?
        };
    }
    Ok(match model.table() {
        VectorTable::BuiltIn => missing!("library.vectors"),
        VectorTable::Endpoint => missing!("library.endpoint_vectors"),
    })
}

/// Returns the text to embed for a passage: its headings and its content. The headings name the subject where the content
/// does not.
pub fn passage_text(section: &str, content: &str) -> String {
    format!("{section}\n{content}")
}

/// Formats a vector in pgvector's text form, filled with zeros up to this number of values.
pub fn to_pgvector(vector: &[f32], dimensions: usize) -> String {
    let mut text = String::with_capacity(vector.len() * 9 + 2);
    text.push('[');
    for (index, value) in vector.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&format!("{value:.5}"));
    }
    for _missing in vector.len()..dimensions {
        text.push_str(",0");
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
        "-- vectors.copy_unchanged_endpoint
         insert into library.endpoint_vectors (passage_id, version_id, text_sha256, model, vector)
         select distinct on (passage.id, known.model)
           passage.id, revision.version_id, known.text_sha256, known.model, known.vector
         from library.document_versions as revision
         join library.search_indices as passage on passage.document_version_id = revision.id
         join library.endpoint_vectors as known on known.text_sha256 =
           sha256(convert_to(array_to_string(passage.section, ' › ') || E'\\n' || passage.content, 'UTF8'))
         where revision.id = any ($1) and (select exists (select from library.endpoint_vectors))
         on conflict (passage_id, model) do nothing",
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
    sqlx::query!(
        "-- vectors.drop_inactive_endpoint
         delete from library.endpoint_vectors as vector
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
pub async fn count_pending(
    connection: &mut PgConnection,
    actor: &Actor,
    model: &Embedder,
) -> Result<i64, Error> {
    access::require_admin(actor)?;
    count_missing(connection, model.table(), model.id()).await
}

async fn count_missing(connection: &mut PgConnection, table: VectorTable, model: &str) -> Result<i64, Error> {
    Ok(on_table!(
        table,
        fetch_one,
        connection,
        r#"-- vectors.pending
         select count(*) as "count!" from library.search_indices as passage
         join library.document_versions as revision on revision.id = passage.document_version_id and revision.active
         left join "#,
        " as made on made.passage_id = passage.id and made.model = $1
         where made.passage_id is null",
        model,
    ))
}

/// Amount of text of all passages that are embedded: what a new model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EmbeddingCost {
    /// Number of passages.
    pub passages: i64,
    /// Tokens of their texts, by the estimate of [`crate::budget`].
    pub tokens: i64,
}

/// Estimates what it costs to embed all passages of active revisions anew.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn estimate_cost(connection: &mut PgConnection, actor: &Actor) -> Result<EmbeddingCost, Error> {
    access::require_admin(actor)?;
    // Characters of three bytes count as tokens of their own, and 14 of one byte as four.
    Ok(sqlx::query_as!(
        EmbeddingCost,
        r#"-- vectors.cost
         select count(*) as "passages!",
           coalesce(sum(wide + (characters - wide) * 4 / 14 + 1), 0)::int8 as "tokens!"
         from library.search_indices as passage
         join library.document_versions as revision on revision.id = passage.document_version_id and revision.active
         cross join lateral (
           select length(passage.content) as characters,
             (octet_length(passage.content) - length(passage.content)) / 2 as wide
         ) as counted"#
    )
    .fetch_one(connection)
    .await?)
}

/// State of the embedding of passages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EmbeddingStatus {
    /// Name of the vectors that are searched; null if there is no model.
    pub answering: Option<String>,
    /// Name of the vectors that passages are to have. It is another one while the model changes.
    pub target: Option<String>,
    /// Reason why there is no model.
    pub reason: Option<String>,
    /// Number of passages that are embedded.
    pub passages: i64,
    /// Tokens of their texts, by estimate: what another model would cost.
    pub tokens: i64,
    /// Number of passages that still lack the target's vectors.
    pub missing: i64,
}

/// Returns the state of the embedding of passages.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn status(engine: &Engine, actor: &Actor) -> Result<EmbeddingStatus, Error> {
    access::require_admin(actor)?;
    let models = engine.models().await?;
    let mut connection = store::postgres::acquire(engine.pool()).await?;
    let EmbeddingCost { passages, tokens } = estimate_cost(&mut connection, actor).await?;
    // The built-in model counts also before it is loaded: the command line does not load it for a list.
    let name = |model: &ModelState| match model {
        ModelState::Off(_) => None,
        ModelState::Loading => Some((VectorTable::BuiltIn, BUILT_IN.to_owned())),
        ModelState::Ready(model) => Some((model.table(), model.id().to_owned())),
    };
    let reason = match &models.target {
        ModelState::Off(reason) => Some(reason.clone()),
        ModelState::Loading | ModelState::Ready(_) => None,
    };
    let target = name(&models.target);
    let missing = match &target {
        Some((table, id)) => count_missing(&mut connection, *table, id).await?,
        None => passages,
    };
    Ok(EmbeddingStatus {
        answering: name(&models.answering).map(|(_, id)| id),
        target: target.map(|(_, id)| id),
        reason,
        passages,
        tokens,
        missing,
    })
}

/// Creates the jobs of the active revisions that lack vectors of this model. Jobs that wait already stay one.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn enqueue_missing(connection: &mut PgConnection, model: &Embedder) -> Result<(), Error> {
    let revisions: Vec<Uuid> = on_table!(
        model.table(),
        fetch_all,
        &mut *connection,
        "-- vectors.incomplete_revisions
         select revision.id from library.document_versions as revision
         where revision.active and exists (
           select from library.search_indices as passage
           left join ",
        " as made on made.passage_id = passage.id and made.model = $1
           where passage.document_version_id = revision.id and made.passage_id is null)",
        model.id(),
    );
    let jobs: Vec<NewJob> = revisions.into_iter().map(|id| new_job(DocumentVersionId(id))).collect();
    Ok(jobs::enqueue(connection, &jobs).await?)
}

/// Makes the target the answering model of all nodes, if all passages have its vectors, or none has one of the answering model. The
/// endpoint that it replaces is deleted, and the vectors of other models later. Returns whether the target answers now.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn switch_if_complete(pool: &PgPool, target: &Embedder) -> Result<bool, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let answering = sqlx::query_scalar!(
        "-- embedding.lock_state
         select answering from library.embedding_state for update"
    )
    .fetch_one(&mut *transaction)
    .await?;
    if answering == target.id() {
        return Ok(true);
    }
    let is_complete: bool = on_table!(
        target.table(),
        fetch_one,
        &mut *transaction,
        r#"-- vectors.is_complete
         select not exists (select from library.vectors where model = $2)
           and not exists (select from library.endpoint_vectors where model = $2)
           or not exists (
             select from library.search_indices as passage
             join library.document_versions as revision on revision.id = passage.document_version_id and revision.active
             left join "#,
        r#" as made on made.passage_id = passage.id and made.model = $1
             where made.passage_id is null) as "is_complete!""#,
        target.id(),
        answering,
    );
    if !is_complete {
        return Ok(false);
    }
    sqlx::query!(
        "-- embedding.switch
         update library.embedding_state set answering = $1, unrelated_similarity = null",
        target.id(),
    )
    .execute(&mut *transaction)
    .await?;
    endpoints::delete_replaced(&mut transaction).await?;
    jobs::enqueue(&mut transaction, &[NewJob::unique(DROP_JOB, "all", json!({}))]).await?;
    changes::record_catalogue(&mut transaction).await?;
    transaction.commit().await?;
    tracing::info!(model.before = answering, model.after = target.id(), "another embedding model answers");
    measure_unrelated(pool, target).await?;
    Ok(true)
}

/// Measures how similar passages are that have nothing to do with each other, by the vectors of an endpoint's model: the mean over
/// pairs of a sample. With few passages nothing is stored.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn measure_unrelated(pool: &PgPool, model: &Embedder) -> Result<(), Error> {
    if !model.is_endpoint() {
        return Ok(());
    }
    let mut transaction = store::postgres::begin(pool).await?;
    // Ids end in random bits, so that their order by these is a sample.
    let measured = sqlx::query!(
        r#"-- embedding.measure
         with sample as materialized (
           select vector.passage_id, vector.vector, passage.document_version_id
           from library.endpoint_vectors as vector
           join library.search_indices as passage on passage.id = vector.passage_id
           where vector.model = $1
           order by right(vector.passage_id::text, 12) limit $2
         )
         select (select count(*) from sample) as "passages!", avg(1 - (one.vector <=> other.vector))::float4 as similarity
         from sample as one
         join sample as other on one.document_version_id < other.document_version_id"#,
        model.id(),
        SAMPLE,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let Some(similarity) = measured.similarity.filter(|_| measured.passages >= MIN_SAMPLE) else {
        return Ok(());
    };
    sqlx::query!(
        "-- embedding.set_unrelated
         update library.embedding_state set unrelated_similarity = $2 where answering = $1",
        model.id(),
        similarity,
    )
    .execute(&mut *transaction)
    .await?;
    changes::record_catalogue(&mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// Runs these jobs: deletes the vectors of models that neither answer nor are to answer.
///
/// # Errors
///
/// Fails if the database fails, or the lease of a job was lost.
pub async fn drop_unused(engine: &Engine, worker: Uuid, leased: &[LeasedJob]) -> Result<(), Error> {
    let pool = engine.pool();
    let models = engine.models().await?;
    let mut kept = vec![models.answering_id.clone()];
    kept.extend(models.target.ready().map(|target| target.id().to_owned()));
    loop {
        let built_in = sqlx::query!(
            "-- vectors.drop_unused
             delete from library.vectors where passage_id in (
               select passage_id from library.vectors where model <> all ($1) limit $2)",
            &kept,
            DROP_BATCH,
        )
        .execute(pool)
        .await?;
        let endpoint = sqlx::query!(
            "-- vectors.drop_unused_endpoint
             delete from library.endpoint_vectors where (passage_id, model) in (
               select passage_id, model from library.endpoint_vectors where model <> all ($1) limit $2)",
            &kept,
            DROP_BATCH,
        )
        .execute(pool)
        .await?;
        if built_in.rows_affected() + endpoint.rows_affected() == 0 {
            break;
        }
    }
    let ids: Vec<Uuid> = leased.iter().map(|job| job.id).collect();
    let mut connection = store::postgres::acquire(pool).await?;
    jobs::complete(&mut connection, worker, &ids).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Deletes all vectors and schedules the jobs that make them again.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn rebuild(connection: &mut PgConnection, actor: &Actor) -> Result<(), Error> {
    access::require_admin(actor)?;
    sqlx::query!("-- vectors.clear\ndelete from library.vectors").execute(&mut *connection).await?;
    sqlx::query!("-- vectors.clear_endpoint\ndelete from library.endpoint_vectors")
        .execute(&mut *connection)
        .await?;
    let active = sqlx::query_scalar!(
        r#"-- vectors.active_revisions
         select id as "id: DocumentVersionId" from library.document_versions where active"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let jobs: Vec<NewJob> = active.into_iter().map(new_job).collect();
    Ok(jobs::enqueue(connection, &jobs).await?)
}
