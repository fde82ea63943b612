//! Jobs that process attached files: one extracts passages, a second one embeds them, so that keyword search works before the
//! vectors exist.

use extract::model::ExtractedDocument;
use library::embed::passage_text;
use library::embedder::Embedder;
use library::ingest;
use library::reader::Reader;
use serde::Deserialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use store::objects::Objects;
use uuid::Uuid;

use super::{FileId, MAX_PASSAGES};
use crate::Error;

/// Kind of the job that reads a file.
pub const READ_JOB: JobKind = JobKind::new("chat.read_file");
/// Kind of the job that embeds the passages of a file.
pub const EMBED_JOB: JobKind = JobKind::new("chat.embed_file");
/// Number of passages embedded before their vectors are written.
const EMBED_BATCH: i64 = 32;

/// Creates a job about a file. While one of its kind waits for the file, another is the same job.
pub(crate) fn new_job(kind: JobKind, file: Uuid) -> NewJob {
    NewJob::unique(kind, file.to_string(), json!({ "file_id": file }))
}

#[derive(Debug, Deserialize)]
struct Payload {
    file_id: FileId,
}

fn file_of(job: &LeasedJob) -> Option<FileId> {
    serde_json::from_value::<Payload>(job.payload.clone()).ok().map(|payload| payload.file_id)
}

/// Reads the files of these jobs. Returns the jobs that failed for another reason than their file, with the error; they are to be
/// retried. Background work: acts for no user.
///
/// # Errors
///
/// Never fails as a whole.
pub async fn read(
    pool: &PgPool,
    objects: &Objects,
    reader: &mut Reader,
    worker: Uuid,
    leased: &[LeasedJob],
) -> Result<Vec<(Uuid, String)>, Error> {
    let mut failed = Vec::new();
    for job in leased {
        if let Err(error) = read_one(pool, objects, reader, worker, job).await {
            failed.push((job.id, kernel::chain::Chain(&error).to_string()));
        }
    }
    Ok(failed)
}

async fn read_one(
    pool: &PgPool,
    objects: &Objects,
    reader: &mut Reader,
    worker: Uuid,
    job: &LeasedJob,
) -> Result<(), Error> {
    let id = file_of(job).map_or(Uuid::nil(), |file| file.0);
    let file = sqlx::query!(
        "-- files.to_read
         select id, chat_id, file_name, file_hash from chat.files
         where file_id = $1 and status in ('processing', 'failed')",
        id,
    )
    .fetch_optional(pool)
    .await?;
    let Some(file) = file else {
        // Removed, or read already.
        let mut connection = store::postgres::acquire(pool).await?;
        return complete(&mut connection, worker, job.id).await;
    };
    let hash = library::gc::hash_from_column(&file.file_hash)?;
    let read = ingest::read_object(objects, reader, hash, &file.file_name, None).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    // The chat is locked, so that its files keep the limit together.
    sqlx::query!(
        "-- files.hold_chat
         select from chat.chats where id = $1 for update",
        file.chat_id,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let others = sqlx::query_scalar!(
        r#"-- files.other_passages
         select count(*) as "count!" from chat.file_passages as passage
         join chat.files as file on file.id = passage.file_id
         where file.chat_id = $1 and file.id <> $2"#,
        file.chat_id,
        file.id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let available = MAX_PASSAGES.saturating_sub(usize::try_from(others).unwrap_or(usize::MAX));
    let read = read.map_err(|refusal| refusal.reason).and_then(|extracted| {
        let passages = extracted.passages.len();
        if passages <= available {
            return Ok(extracted);
        }
        Err(format!(
            "the files of a chat have at most {MAX_PASSAGES} passages together; this one has {passages}, and {available} are \
             left: add it to a library and ask there"
        ))
    });
    match read {
        Ok(extracted) => write(&mut transaction, file.id, id, &extracted).await?,
        Err(reason) => fail(&mut transaction, id, &reason).await?,
    }
    complete(&mut transaction, worker, job.id).await?;
    transaction.commit().await?;
    Ok(())
}

async fn write(
    connection: &mut PgConnection,
    file: i64,
    id: Uuid,
    extracted: &ExtractedDocument,
) -> Result<(), Error> {
    let passages = serde_json::to_value(
        (0_i32..)
            .zip(&extracted.passages)
            .map(|(number, passage)| {
                json!({
                    "id": kernel::id::new(),
                    "number": number,
                    "content": passage.content,
                    "section": passage.headings,
                    "page_from": passage.pages.map(|pages| pages.0),
                    "page_to": passage.pages.map(|pages| pages.1),
                    "instruction": passage.instruction,
                })
            })
            .collect::<Vec<_>>(),
    )
    .map_err(|error| Error::Internal(error.to_string()))?;
    // A job that runs twice replaces its passages.
    sqlx::query!(
        "-- files.clear_passages
         delete from chat.file_passages where file_id = $1",
        file,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- files.write_passages
         with completed as (
           update chat.files set status = 'completed', reason = null where id = $1 returning id
         )
         insert into chat.file_passages
           (id, file_id, passage_number, content, section, page_from, page_to, instruction, sha256)
         select passage.id, completed.id, number, content, section, page_from, page_to, instruction,
           sha256(convert_to(content, 'UTF8'))
         from completed, jsonb_to_recordset($2) as passage (id uuid, number int4, content text, section text[],
           page_from int4, page_to int4, instruction text)",
        file,
        passages,
    )
    .execute(&mut *connection)
    .await?;
    // A user waits for these.
    let job = NewJob { priority: -5, ..new_job(EMBED_JOB, id) };
    Ok(jobs::enqueue(connection, &[job]).await?)
}

async fn fail(connection: &mut PgConnection, id: Uuid, reason: &str) -> Result<(), Error> {
    sqlx::query!(
        "-- files.fail
         update chat.files set status = 'failed', reason = $2 where file_id = $1 and status <> 'completed'",
        id,
        reason.replace('\0', ""),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks the file of a job that ran out of attempts as failed. Retrying the job reads the file again.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn mark_failed(pool: &PgPool, job: &LeasedJob, error: &str) -> Result<(), Error> {
    let Some(file) = file_of(job).filter(|_| job.kind == READ_JOB.name) else { return Ok(()) };
    let mut connection = store::postgres::acquire(pool).await?;
    let reason = format!("reading the file failed repeatedly (see `wenyuan jobs`): {error}");
    fail(&mut connection, file.0, &reason).await
}

/// Embeds the passages without vectors of the files of these jobs, if there is a model. If it is stopped, the rest and the jobs are left to the next
/// worker.
///
/// # Errors
///
/// Fails if the model or the database fails.
pub async fn embed(
    pool: &PgPool,
    model: Option<&Embedder>,
    worker: Uuid,
    leased: &[LeasedJob],
    is_stopped: impl Fn() -> bool + Send,
) -> Result<(), Error> {
    let files: Vec<Uuid> = leased.iter().filter_map(file_of).map(|file| file.0).collect();
    while let Some(model) = model
        && embed_batch(pool, model, &files).await? > 0
    {
        if is_stopped() {
            return Ok(());
        }
    }
    let mut connection = store::postgres::acquire(pool).await?;
    for job in leased {
        complete(&mut connection, worker, job.id).await?;
    }
    Ok(())
}

/// Creates the jobs that embed the files whose vectors are by another model.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn enqueue_embedding(connection: &mut PgConnection, model: &Embedder) -> Result<(), Error> {
    let files = sqlx::query_scalar!(
        "-- files.of_other_models
         select file_id from chat.files as file
         where exists (select from chat.file_passages as passage
           where passage.file_id = file.id and passage.model is distinct from $1)",
        model.id(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let jobs: Vec<NewJob> = files.into_iter().map(|file| new_job(EMBED_JOB, file)).collect();
    Ok(jobs::enqueue(connection, &jobs).await?)
}

/// Embeds a batch of passages without vectors, and returns their number.
async fn embed_batch(pool: &PgPool, model: &Embedder, files: &[Uuid]) -> Result<usize, Error> {
    let missing = sqlx::query!(
        r#"-- files.without_vector
         select passage.id, array_to_string(passage.section, ' › ') as "section!", passage.content
         from chat.file_passages as passage join chat.files as file on file.id = passage.file_id
         where file.file_id = any ($1) and passage.model is distinct from $2
         order by passage.file_id, passage_number limit $3"#,
        files,
        model.id(),
        EMBED_BATCH,
    )
    .fetch_all(pool)
    .await?;
    if missing.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = missing.iter().map(|row| row.id).collect();
    let texts: Vec<String> = missing.iter().map(|row| passage_text(&row.section, &row.content)).collect();
    let vectors = model.embed_passages(texts).await?;
    sqlx::query!(
        "-- files.write_vectors
         update chat.file_passages as passage set model = $3, vector = made.vector::halfvec
         from unnest($1::uuid[], $2::text[]) as made (id, vector) where passage.id = made.id",
        &ids,
        &vectors,
        model.id(),
    )
    .execute(pool)
    .await?;
    Ok(ids.len())
}

async fn complete(connection: &mut PgConnection, worker: Uuid, job: Uuid) -> Result<(), Error> {
    jobs::complete(connection, worker, &[job]).await.map_err(|error| match error {
        jobs::CompleteError::LeaseLost => Error::Internal(error.to_string()),
        jobs::CompleteError::Database(error) => error.into(),
    })
}
