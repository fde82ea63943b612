//! Ingestion: the job that reads a new revision, splits it into passages, and makes it the active one.
//!
//! Documents are read outside any transaction; the results of a batch are then written in one. A document that cannot be
//! read fails alone, and its previous revision stays active.

use std::time::Instant;

use extract::model::{ContentType, DocumentType, ExtractedDocument, Passage, ReferenceKind};
use extract::picture::Picture;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use store::objects::{Hash, Objects};
use uuid::Uuid;

use crate::documents::active;
use crate::ids::{DocumentId, DocumentVersionId, VersionId};
use crate::reader::{Extracted, ReadError, Reader, Refusal};
use crate::uploads::{self, Content};
use crate::{Error, changes, embed, gc};

/// Kind of the job.
pub const JOB: JobKind = JobKind::new("library.ingest");
/// Maximum number of jobs leased at once, and so of documents written in one transaction.
pub const BATCH: i64 = 32;
/// Size of the texts after which a batch is written; a larger document is a batch by itself.
const BATCH_BYTES: usize = 16 << 20;

/// Payload of the job.
#[derive(Debug, Deserialize)]
struct Payload {
    document_version_id: DocumentVersionId,
}

/// A revision to ingest.
struct Task {
    job: Uuid,
    id: DocumentVersionId,
    document: DocumentId,
    version: VersionId,
    revision: i32,
    /// Whether an earlier attempt may have written passages.
    is_retried: bool,
    declared: Option<String>,
    path: String,
    hash: Hash,
}

/// A revision that was read, or the reason why it cannot be.
struct TaskResult {
    task: Task,
    result: Result<ExtractedDocument, Refusal>,
    /// Pictures in it, or the picture that it is; their bytes are in the object store.
    pictures: Vec<StoredPicture>,
}

/// A picture whose bytes are in the object store.
struct StoredPicture {
    number: i32,
    target: String,
    hash: Hash,
    media_type: String,
    width: u32,
    height: u32,
}

/// Id of a job to retry, and the error of this attempt.
pub type FailedJob = (Uuid, String);

/// Runs these jobs: reads their revisions and writes the passages. Returns the jobs that failed for another reason than
/// their document, to be retried. Once `is_stopped` returns true, the rest is left to the next worker.
///
/// # Errors
///
/// Fails if the database fails.
#[tracing::instrument(name = "ingest", skip_all, fields(jobs = leased.len()))]
pub async fn run(
    pool: &PgPool,
    objects: &Objects,
    reader: &mut Reader,
    worker: Uuid,
    leased: &[LeasedJob],
    is_stopped: impl Fn() -> bool + Send,
) -> Result<Vec<FailedJob>, Error> {
    let (tasks, gone) = find_tasks(pool, leased).await?;
    if !gone.is_empty() {
        let mut connection = store::postgres::acquire(pool).await?;
        complete(&mut connection, worker, &gone).await?;
    }
    let mut failed = Vec::new();
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    for task in tasks {
        if is_stopped() {
            // The rest stays leased to this worker, which releases it.
            break;
        }
        match read(pool, objects, reader, &task).await {
            Ok((result, pictures)) => {
                batch_bytes += result.as_ref().map_or(0, |extracted| extracted.text.len());
                batch.push(TaskResult { task, result, pictures });
            }
            Err(error) => failed.push((task.job, kernel::chain::Chain(&error).to_string())),
        }
        if batch_bytes > BATCH_BYTES {
            failed.extend(write_all_or_each(pool, worker, std::mem::take(&mut batch)).await?);
            batch_bytes = 0;
        }
    }
    failed.extend(write_all_or_each(pool, worker, batch).await?);
    Ok(failed)
}

/// Marks the revision of a job that has no attempts left as failed. Retrying the job reads it again.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn mark_failed(pool: &PgPool, job: &LeasedJob, error: &str) -> Result<(), Error> {
    let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else { return Ok(()) };
    sqlx::query!(
        "-- ingest.mark_failed
         update library.document_versions set status = 'failed', reason = $2, updated_at = now()
         where id = $1 and status = 'processing'",
        payload.document_version_id.0,
        format!("reading it failed again and again (see `wenyuan jobs`): {error}"),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Returns the tasks of these jobs, and the jobs whose revision is gone or already read.
async fn find_tasks(pool: &PgPool, leased: &[LeasedJob]) -> Result<(Vec<Task>, Vec<Uuid>), Error> {
    let mut jobs_of = std::collections::HashMap::new();
    let mut gone = Vec::new();
    for job in leased {
        match serde_json::from_value::<Payload>(job.payload.clone()) {
            Ok(payload) if jobs_of.insert(payload.document_version_id, job).is_none() => {}
            // Unreadable, or a second job for the same revision.
            _ => gone.push(job.id),
        }
    }
    let ids: Vec<Uuid> = jobs_of.keys().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- ingest.find
         select id as "id: DocumentVersionId", document_id as "document: DocumentId",
           version_id as "version: VersionId", revision, declared_type, file_path, file_hash,
           status in ('failed', 'skipped') as "has_failed!"
         from library.document_versions where id = any ($1) and status in ('processing', 'failed', 'skipped') order by id"#,
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(job) = jobs_of.remove(&row.id) else { continue };
        tasks.push(Task {
            job: job.id,
            is_retried: job.attempt > 1 || row.has_failed,
            id: row.id,
            document: row.document,
            version: row.version,
            revision: row.revision,
            declared: row.declared_type,
            path: row.file_path,
            hash: gc::hash_from_column(&row.file_hash)?,
        });
    }
    gone.extend(jobs_of.into_values().map(|job| job.id));
    Ok((tasks, gone))
}

/// Reads a revision, and stores its pictures. A picture by itself is a refusal, as it has no text.
async fn read(
    pool: &PgPool,
    objects: &Objects,
    reader: &mut Reader,
    task: &Task,
) -> Result<(Result<ExtractedDocument, Refusal>, Vec<StoredPicture>), Error> {
    let declared = task.declared.as_deref().and_then(DocumentType::parse);
    let extracted = match extract_object(objects, reader, task.hash, &task.path, declared).await? {
        Ok(extracted) => extracted,
        Err(refusal) => return Ok((Err(refusal), Vec::new())),
    };
    match extracted {
        Extracted::Document(mut extracted) => {
            let pictures = std::mem::take(&mut extracted.pictures);
            let pictures = (1..).zip(pictures).map(|(number, one)| (number, one.target, one.picture));
            let pictures = store_pictures(pool, objects, pictures.collect()).await?;
            Ok((Ok(*extracted), pictures))
        }
        Extracted::Picture(picture) => {
            let name = task.path.rsplit('/').next().unwrap_or(&task.path);
            let reason = format!("{name} is {}: it is shown in documents that refer to it", picture.source);
            let pictures = store_pictures(pool, objects, vec![(0, String::new(), picture)]).await?;
            Ok((Err(Refusal { reason, is_skipped: true }), pictures))
        }
    }
}

/// Stores the bytes of pictures, each with its number and target, for the transaction that refers to them.
async fn store_pictures(
    pool: &PgPool,
    objects: &Objects,
    pictures: Vec<(i32, String, Picture)>,
) -> Result<Vec<StoredPicture>, Error> {
    if pictures.is_empty() {
        return Ok(Vec::new());
    }
    let mut contents = Vec::with_capacity(pictures.len());
    let mut stored = Vec::with_capacity(pictures.len());
    for (number, target, picture) in pictures {
        let Picture { media_type, width, height, bytes, .. } = picture;
        stored.push(StoredPicture { number, target, hash: Hash::of(&bytes), media_type, width, height });
        contents.push(Content::Memory(bytes.into()));
    }
    uploads::store(pool, objects, contents).await?;
    Ok(stored)
}

/// Reads an object as a document. The inner error is a fault of the document, worded for its uploader; a picture is one too.
///
/// # Errors
///
/// Fails if the object is absent, or the reader process cannot be run.
pub async fn read_object(
    objects: &Objects,
    reader: &mut Reader,
    hash: Hash,
    name: &str,
    declared: Option<DocumentType>,
) -> Result<Result<ExtractedDocument, Refusal>, Error> {
    Ok(extract_object(objects, reader, hash, name, declared).await?.and_then(|extracted| match extracted {
        Extracted::Document(extracted) => Ok(*extracted),
        Extracted::Picture(picture) => Err(Refusal {
            reason: format!("{name} is {}: this file type is not supported", picture.source),
            is_skipped: true,
        }),
    }))
}

async fn extract_object(
    objects: &Objects,
    reader: &mut Reader,
    hash: Hash,
    name: &str,
    declared: Option<DocumentType>,
) -> Result<Result<Extracted, Refusal>, Error> {
    let bytes = objects.get(hash).await?;
    let started = Instant::now();
    let read = reader.read(name, declared, &bytes).await;
    metrics::histogram!("wenyuan_read_seconds").record(started.elapsed().as_secs_f64());
    match read {
        Ok(Extracted::Document(mut extracted)) => {
            replace_nul(&mut extracted);
            Ok(Ok(Extracted::Document(extracted)))
        }
        Ok(picture @ Extracted::Picture(_)) => Ok(Ok(picture)),
        Err(ReadError::Document(refusal)) => Ok(Err(refusal)),
        Err(error @ ReadError::Child(_)) => Err(Error::Internal(kernel::chain::Chain(&error).to_string())),
    }
}

/// Replaces U+0000, the one character that PostgreSQL's `text` cannot hold and JSON and PDF can. One for one, so that
/// positions in the text stay the same.
fn replace_nul(extracted: &mut ExtractedDocument) {
    let replace = |text: &mut String| {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    };
    [&mut extracted.title, &mut extracted.summary, &mut extracted.text]
        .into_iter()
        .chain(&mut extracted.warnings)
        .for_each(replace);
    for passage in &mut extracted.passages {
        replace(&mut passage.content);
        passage.headings.iter_mut().chain(&mut passage.keywords).for_each(replace);
        passage.anchor.iter_mut().chain(&mut passage.instruction).for_each(replace);
    }
    extracted.references.iter_mut().for_each(|reference| replace(&mut reference.target));
    extracted.anchors.iter_mut().for_each(|anchor| replace(&mut anchor.name));
}

/// Writes a batch, or, if the database refuses it, each of its documents by itself, so that the one at fault fails alone.
async fn write_all_or_each(
    pool: &PgPool,
    worker: Uuid,
    batch: Vec<TaskResult>,
) -> Result<Vec<FailedJob>, Error> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    match write(pool, worker, &batch).await {
        Ok(()) => return Ok(Vec::new()),
        // The database is unreachable: it would refuse each of them too.
        Err(error @ (Error::Exhausted | Error::Database(sqlx::Error::Io(_)))) => return Err(error),
        Err(error) if batch.len() == 1 => return Err(error),
        Err(error) => {
            tracing::warn!(error = %kernel::chain::Chain(&error), "failed to write a batch of documents; writing them one by one");
        }
    }
    let mut failed = Vec::new();
    for read in &batch {
        if let Err(error) = write(pool, worker, std::slice::from_ref(read)).await {
            failed.push((read.task.job, kernel::chain::Chain(&error).to_string()));
        }
    }
    Ok(failed)
}

/// Writes the results of a batch and completes its jobs, in one transaction.
async fn write(pool: &PgPool, worker: Uuid, batch: &[TaskResult]) -> Result<(), Error> {
    let jobs: Vec<Uuid> = batch.iter().map(|read| read.task.job).collect();
    let mut completed = Vec::new();
    let mut unreadable = Vec::new();
    for read in batch {
        match &read.result {
            Ok(extracted) => completed.push((&read.task, extracted)),
            Err(refusal) => unreadable.push((&read.task, refusal)),
        }
    }
    // In the same order in every transaction that activates revisions.
    completed.sort_by_key(|(task, _)| (task.document, task.revision));
    let mut transaction = store::postgres::begin(pool).await?;
    let tasks = completed.iter().map(|(task, _)| *task).chain(unreadable.iter().map(|(task, _)| *task));
    let documents: Vec<DocumentId> = tasks.map(|task| task.document).collect();
    active::lock(&mut transaction, &documents).await?;
    write_failures(&mut transaction, &unreadable).await?;
    write_revisions(&mut transaction, &completed).await?;
    write_passages(&mut transaction, &completed).await?;
    write_references(&mut transaction, &completed).await?;
    write_pictures(&mut transaction, batch).await?;
    let newest = newest_of_each_version(&mut transaction, &completed).await?;
    active::move_pointers(&mut transaction, &newest.iter().map(|task| task.id).collect::<Vec<_>>()).await?;
    let to_embed: Vec<NewJob> = newest.iter().map(|task| embed::new_job(task.id)).collect();
    jobs::enqueue(&mut transaction, &to_embed).await?;
    complete(&mut transaction, worker, &jobs).await?;
    let mut changed: Vec<_> = newest.iter().map(|task| (task.document, task.version)).collect();
    // Pages of documents that show a picture depend on it.
    let pictures = batch.iter().filter(|read| read.result.is_err() && !read.pictures.is_empty());
    changed.extend(pictures.map(|read| (read.task.document, read.task.version)));
    changes::record(&mut transaction, &changed).await?;
    transaction.commit().await?;
    metrics::counter!("wenyuan_documents_read_total", "outcome" => "completed")
        .increment(completed.len() as u64);
    let skipped = unreadable.iter().filter(|(_, refusal)| refusal.is_skipped).count();
    metrics::counter!("wenyuan_documents_read_total", "outcome" => "failed")
        .increment((unreadable.len() - skipped) as u64);
    metrics::counter!("wenyuan_documents_read_total", "outcome" => "skipped").increment(skipped as u64);
    Ok(())
}

async fn complete(connection: &mut PgConnection, worker: Uuid, jobs: &[Uuid]) -> Result<(), Error> {
    jobs::complete(connection, worker, jobs).await.map_err(|error| match error {
        jobs::CompleteError::LeaseLost => Error::Internal(error.to_string()),
        jobs::CompleteError::Database(error) => error.into(),
    })
}

async fn write_failures(connection: &mut PgConnection, failed: &[(&Task, &Refusal)]) -> Result<(), Error> {
    if failed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = failed.iter().map(|(task, _)| task.id.0).collect();
    let reasons: Vec<String> = failed.iter().map(|(_, refusal)| refusal.reason.replace('\0', "")).collect();
    let skipped: Vec<bool> = failed.iter().map(|(_, refusal)| refusal.is_skipped).collect();
    sqlx::query!(
        "-- ingest.write_failures
         update library.document_versions as d
         set status = case when failed.skipped then 'skipped' else 'failed' end, reason = failed.reason,
             updated_at = now()
         from unnest($1::uuid[], $2::text[], $3::bool[]) as failed (id, reason, skipped) where d.id = failed.id",
        &ids,
        &reasons,
        &skipped,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_revisions(
    connection: &mut PgConnection,
    read: &[(&Task, &ExtractedDocument)],
) -> Result<(), Error> {
    if read.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = read.iter().map(|(task, _)| task.id.0).collect();
    let types: Vec<String> =
        read.iter().map(|(_, extracted)| extracted.document_type.as_str().to_owned()).collect();
    let titles: Vec<String> =
        read.iter().map(|(_, extracted)| extracted.title.chars().take(500).collect()).collect();
    let descriptions: Vec<String> = read.iter().map(|(_, extracted)| extracted.summary.clone()).collect();
    let languages: Vec<Option<String>> =
        read.iter().map(|(_, extracted)| extracted.language.clone()).collect();
    let contents: Vec<String> = read.iter().map(|(_, extracted)| extracted.text.clone()).collect();
    let reasons: Vec<Option<String>> = read
        .iter()
        .map(|(_, extracted)| (!extracted.warnings.is_empty()).then(|| extracted.warnings.join("; ")))
        .collect();
    sqlx::query!(
        "-- ingest.write_revisions
         update library.document_versions as d
         set status = 'completed', type = found.type, title = found.title, description = found.description,
             language = found.language, content = found.content, reason = found.reason,
             completed_at = coalesce(d.completed_at, now()), updated_at = now()
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
           as found (id, type, title, description, language, content, reason)
         where d.id = found.id",
        &ids,
        &types,
        &titles,
        &descriptions,
        &languages as &[Option<String>],
        &contents,
        &reasons as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Separator of lists inside an array of texts, which PostgreSQL cannot nest: the unit separator of ASCII.
const SEPARATOR: &str = "\u{1f}";

async fn write_passages(
    connection: &mut PgConnection,
    read: &[(&Task, &ExtractedDocument)],
) -> Result<(), Error> {
    // A retried job replaces what it wrote.
    let retried: Vec<Uuid> =
        read.iter().filter(|(task, _)| task.is_retried).map(|(task, _)| task.id.0).collect();
    if !retried.is_empty() {
        sqlx::query!(
            "-- ingest.clear_passages
             delete from library.search_indices where document_version_id = any ($1)",
            &retried,
        )
        .execute(&mut *connection)
        .await?;
    }
    let rows: Vec<(Uuid, i32, &Passage)> = read
        .iter()
        .flat_map(|(task, extracted)| {
            (0_i32..).zip(&extracted.passages).map(|(number, passage)| (task.id.0, number, passage))
        })
        .collect();
    let list = |of: &dyn Fn(&Passage) -> String| rows.iter().map(|row| of(row.2)).collect::<Vec<String>>();
    let optional =
        |of: &dyn Fn(&Passage) -> Option<String>| rows.iter().map(|row| of(row.2)).collect::<Vec<_>>();
    let number = |of: &dyn Fn(&Passage) -> u32| {
        rows.iter().map(|row| i32::try_from(of(row.2)).unwrap_or(i32::MAX)).collect::<Vec<i32>>()
    };
    let page = |of: &dyn Fn((u32, u32)) -> u32| {
        rows.iter()
            .map(|row| row.2.pages.map(|pages| i32::try_from(of(pages)).unwrap_or(i32::MAX)))
            .collect::<Vec<Option<i32>>>()
    };
    sqlx::query!(
        "-- ingest.write_passages
         insert into library.search_indices
           (id, document_version_id, passage_number, content, content_type, section, anchor, page_from, page_to,
            line_from, line_to, character_from, character_to, language, keywords, instruction, sha256)
         select id, revision, number, content, content_type,
           case when section = '' then '{}' else string_to_array(section, U&'\\001f') end,
           anchor, page_from, page_to, line_from, line_to, character_from, character_to, language,
           case when keywords = '' then '{}' else string_to_array(keywords, U&'\\001f') end,
           instruction, sha256(convert_to(content, 'UTF8'))
         from unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int4[],
                     $9::int4[], $10::int4[], $11::int4[], $12::int4[], $13::int4[], $14::text[], $15::text[], $16::text[])
           as passage (id, revision, number, content, content_type, section, anchor, page_from, page_to,
                       line_from, line_to, character_from, character_to, language, keywords, instruction)",
        &rows.iter().map(|_| kernel::id::new()).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        &list(&|passage| passage.content.clone()),
        &list(&|passage| content_type_name(passage.content_type).to_owned()),
        &list(&|passage| passage.headings.join(SEPARATOR)),
        &optional(&|passage| passage.anchor.clone()) as &[Option<String>],
        &page(&|pages| pages.0) as &[Option<i32>],
        &page(&|pages| pages.1) as &[Option<i32>],
        &number(&|passage| passage.lines.0),
        &number(&|passage| passage.lines.1),
        &number(&|passage| passage.characters.0),
        &number(&|passage| passage.characters.1),
        &optional(&|passage| passage.language.clone()) as &[Option<String>],
        &list(&|passage| passage.keywords.join(SEPARATOR)),
        &optional(&|passage| passage.instruction.clone()) as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the links, pictures and anchors of revisions.
async fn write_references(
    connection: &mut PgConnection,
    read: &[(&Task, &ExtractedDocument)],
) -> Result<(), Error> {
    if read.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = read.iter().map(|(task, _)| task.id.0).collect();
    let list = |extracted: &ExtractedDocument, kind: ReferenceKind| {
        let of_kind = extracted.references.iter().filter(|reference| reference.kind == kind);
        let rows = of_kind.map(|one| json!([one.characters.0, one.characters.1, one.target]));
        Value::Array(rows.collect())
    };
    let links: Vec<Value> = read.iter().map(|(_, extracted)| list(extracted, ReferenceKind::Link)).collect();
    let pictures: Vec<Value> =
        read.iter().map(|(_, extracted)| list(extracted, ReferenceKind::Picture)).collect();
    let anchors = read.iter().map(|(_, extracted)| {
        let anchors = extracted.anchors.iter().map(|anchor| (anchor.name.clone(), json!(anchor.character)));
        Value::Object(anchors.collect())
    });
    let anchors: Vec<Value> = anchors.collect();
    sqlx::query!(
        "-- ingest.write_references
         insert into library.document_references (document_version_id, links, pictures, anchors)
         select id, links, pictures, anchors
         from unnest($1::uuid[], $2::jsonb[], $3::jsonb[], $4::jsonb[]) as read (id, links, pictures, anchors)
         on conflict (document_version_id) do update
           set links = excluded.links, pictures = excluded.pictures, anchors = excluded.anchors",
        &ids,
        &links,
        &pictures,
        &anchors,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the pictures of revisions.
async fn write_pictures(connection: &mut PgConnection, read: &[TaskResult]) -> Result<(), Error> {
    let pictures: Vec<(Uuid, &StoredPicture)> =
        read.iter().flat_map(|read| read.pictures.iter().map(|picture| (read.task.id.0, picture))).collect();
    if pictures.is_empty() {
        return Ok(());
    }
    let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    sqlx::query!(
        "-- ingest.write_pictures
         insert into library.pictures
           (document_version_id, picture_number, target, sha256, media_type, width, height)
         select * from unnest($1::uuid[], $2::int4[], $3::text[], $4::bytea[], $5::text[], $6::int4[], $7::int4[])
         on conflict (document_version_id, picture_number) do update
           set target = excluded.target, sha256 = excluded.sha256, media_type = excluded.media_type,
             width = excluded.width, height = excluded.height",
        &pictures.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| picture.number).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| picture.target.replace('\0', "")).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| picture.hash.0.to_vec()).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| picture.media_type.clone()).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| side(picture.width)).collect::<Vec<_>>(),
        &pictures.iter().map(|(_, picture)| side(picture.height)).collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns those of the revisions just written that become active: the newest of each document and version, unless a newer
/// one was read before.
async fn newest_of_each_version<'read>(
    connection: &mut PgConnection,
    read: &[(&'read Task, &ExtractedDocument)],
) -> Result<Vec<&'read Task>, Error> {
    let ids: Vec<Uuid> = read.iter().map(|(task, _)| task.id.0).collect();
    let newest = sqlx::query_scalar!(
        r#"-- ingest.newest_of_each_version
         select d.id as "id: DocumentVersionId" from library.document_versions d
         where d.id = any ($1) and not exists (
           select from library.document_versions newer
           where newer.document_id = d.document_id and newer.version_id = d.version_id
             and newer.revision > d.revision and newer.status = 'completed')"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(read.iter().map(|(task, _)| *task).filter(|task| newest.contains(&task.id)).collect())
}

fn content_type_name(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::Text => "text",
        ContentType::Code => "code",
        ContentType::Table => "table",
        ContentType::Api => "api",
    }
}
