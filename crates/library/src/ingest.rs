//! From bytes to passages: the job that reads a document's new revision, cuts it, and makes it the one that answers.
//!
//! Reading happens outside any transaction; what was read of a batch of documents is then written in one. A document
//! that cannot be read fails alone, and the revision that answered before goes on answering.

use std::time::Instant;

use extract::model::{ContentType, DocumentType, ExtractedDocument, Passage};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use store::objects::{Hash, Objects};
use uuid::Uuid;

use crate::changes::{self, VersionId};
use crate::documents::{self, DocumentId, DocumentVersionId};
use crate::embed;
use crate::reader::{ReadError, Reader};
use crate::{Error, sweep};

/// The kind of the job.
pub const JOB: JobKind = JobKind::new("library.ingest");
/// Documents that are written in one transaction, at most.
pub const BATCH: i64 = 32;
/// Text that is held before it is written; a larger document is a batch by itself.
const BATCH_BYTES: usize = 16 << 20;

/// What the job is about.
#[derive(Debug, Deserialize)]
struct Payload {
    document_version_id: DocumentVersionId,
}

struct ToRead {
    job: Uuid,
    id: DocumentVersionId,
    document: DocumentId,
    version: VersionId,
    revision: i32,
    /// Whether it may have been written before: the job is tried again.
    is_retried: bool,
    declared: Option<String>,
    path: String,
    hash: Hash,
}

struct WasRead {
    source: ToRead,
    result: Result<ExtractedDocument, String>,
}

/// A job that could not be done now, and why; it is to be tried again.
pub type Failed = (Uuid, String);

/// Reads the revisions of these jobs and writes what was found. Jobs that fail for another reason than their document
/// are returned, to be tried again. When it is told to stop it leaves the rest to whoever comes next.
#[tracing::instrument(name = "ingest", skip_all, fields(jobs = leased.len()))]
pub async fn run(
    pool: &PgPool,
    objects: &Objects,
    reader: &mut Reader,
    worker: Uuid,
    leased: &[LeasedJob],
    is_stopped: impl Fn() -> bool + Send,
) -> Result<Vec<Failed>, Error> {
    let (to_read, gone) = find(pool, leased).await?;
    if !gone.is_empty() {
        let mut connection = store::postgres::acquire(pool).await?;
        complete(&mut connection, worker, &gone).await?;
    }
    let mut failed = Vec::new();
    let mut batch = Vec::new();
    let mut held = 0;
    for source in to_read {
        if is_stopped() {
            // What is left stays leased to this worker, who gives it back.
            break;
        }
        match read(objects, reader, &source).await {
            Ok(result) => {
                held += result.as_ref().map_or(0, |extracted| extracted.text.len());
                batch.push(WasRead { source, result });
            }
            Err(error) => failed.push((source.job, kernel::chain::Chain(&error).to_string())),
        }
        if held > BATCH_BYTES {
            failed.extend(write_all_or_each(pool, worker, std::mem::take(&mut batch)).await?);
            held = 0;
        }
    }
    failed.extend(write_all_or_each(pool, worker, batch).await?);
    Ok(failed)
}

/// Marks the revision of a job that was tried in vain as failed. Trying the job again reads it again.
pub async fn give_up(pool: &PgPool, job: &LeasedJob, error: &str) -> Result<(), Error> {
    let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else { return Ok(()) };
    sqlx::query!(
        "-- ingest.give_up
         update library.document_versions set status = 'failed', reason = $2, updated_at = now()
         where id = $1 and status = 'processing'",
        payload.document_version_id.0,
        format!("reading it failed again and again (see `wenyuan jobs`): {error}"),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What the jobs name, and the jobs whose revision is gone or read already.
async fn find(pool: &PgPool, leased: &[LeasedJob]) -> Result<(Vec<ToRead>, Vec<Uuid>), Error> {
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
           status = 'failed' as "has_failed!"
         from library.document_versions where id = any ($1) and status in ('processing', 'failed') order by id"#,
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let mut to_read = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(job) = jobs_of.remove(&row.id) else { continue };
        to_read.push(ToRead {
            job: job.id,
            is_retried: job.attempt > 1 || row.has_failed,
            id: row.id,
            document: row.document,
            version: row.version,
            revision: row.revision,
            declared: row.declared_type,
            path: row.file_path,
            hash: sweep::hash_of(&row.file_hash)?,
        });
    }
    gone.extend(jobs_of.into_values().map(|job| job.id));
    Ok((to_read, gone))
}

async fn read(
    objects: &Objects,
    reader: &mut Reader,
    source: &ToRead,
) -> Result<Result<ExtractedDocument, String>, Error> {
    let declared = source.declared.as_deref().and_then(DocumentType::parse);
    read_object(objects, reader, source.hash, &source.path, declared).await
}

/// Reads bytes of the object store. The inner error is the bytes' own fault, in words for whoever brought them.
pub async fn read_object(
    objects: &Objects,
    reader: &mut Reader,
    hash: Hash,
    name: &str,
    declared: Option<DocumentType>,
) -> Result<Result<ExtractedDocument, String>, Error> {
    let bytes = objects.get(hash).await?;
    let begun = Instant::now();
    let read = reader.read(name, declared, &bytes).await;
    metrics::histogram!("wenyuan_read_seconds").record(begun.elapsed().as_secs_f64());
    match read {
        Ok(mut extracted) => {
            replace_nul(&mut extracted);
            Ok(Ok(extracted))
        }
        Err(ReadError::Document(reason)) => Ok(Err(reason)),
        Err(error @ ReadError::Child(_)) => Err(Error::Internal(kernel::chain::Chain(&error).to_string())),
    }
}

/// PostgreSQL keeps every character in a text but U+0000, which JSON and PDF can express. It is replaced one for one, so
/// that places in the text stay what they are.
fn replace_nul(found: &mut ExtractedDocument) {
    let mend = |text: &mut String| {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    };
    [&mut found.title, &mut found.summary, &mut found.text]
        .into_iter()
        .chain(&mut found.warnings)
        .for_each(mend);
    for passage in &mut found.passages {
        mend(&mut passage.content);
        passage.headings.iter_mut().chain(&mut passage.keywords).for_each(mend);
        passage.anchor.iter_mut().chain(&mut passage.instruction).for_each(mend);
    }
}

/// Writes a batch; where the database refuses it, each of its documents by itself, so that the one at fault fails alone.
async fn write_all_or_each(pool: &PgPool, worker: Uuid, batch: Vec<WasRead>) -> Result<Vec<Failed>, Error> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    match write(pool, worker, &batch).await {
        Ok(()) => return Ok(Vec::new()),
        // The database itself is away: it would refuse each of them too.
        Err(error @ (Error::Exhausted | Error::Database(sqlx::Error::Io(_)))) => return Err(error),
        Err(error) if batch.len() == 1 => return Err(error),
        Err(error) => {
            tracing::warn!(error = %kernel::chain::Chain(&error), "a batch could not be written; trying one by one");
        }
    }
    let mut failed = Vec::new();
    for read in &batch {
        if let Err(error) = write(pool, worker, std::slice::from_ref(read)).await {
            failed.push((read.source.job, kernel::chain::Chain(&error).to_string()));
        }
    }
    Ok(failed)
}

/// Writes what was read, in one transaction with the end of its jobs.
async fn write(pool: &PgPool, worker: Uuid, batch: &[WasRead]) -> Result<(), Error> {
    let jobs: Vec<Uuid> = batch.iter().map(|read| read.source.job).collect();
    let mut completed = Vec::new();
    let mut unreadable = Vec::new();
    for read in batch {
        match &read.result {
            Ok(extracted) => completed.push((&read.source, extracted)),
            Err(reason) => unreadable.push((&read.source, reason)),
        }
    }
    // One order for everybody who moves pointers.
    completed.sort_by_key(|(source, _)| (source.document, source.revision));
    let mut transaction = store::postgres::begin(pool).await?;
    let sources =
        completed.iter().map(|(source, _)| *source).chain(unreadable.iter().map(|(source, _)| *source));
    let written: Vec<DocumentId> = sources.map(|source| source.document).collect();
    documents::lock(&mut transaction, &written).await?;
    write_failures(&mut transaction, &unreadable).await?;
    write_revisions(&mut transaction, &completed).await?;
    write_passages(&mut transaction, &completed).await?;
    let newest = newest_under_each_label(&mut transaction, &completed).await?;
    documents::move_pointers(&mut transaction, &newest.iter().map(|source| source.id).collect::<Vec<_>>())
        .await?;
    let to_embed: Vec<NewJob> = newest.iter().map(|source| embed::new_job(source.id)).collect();
    jobs::enqueue(&mut transaction, &to_embed).await?;
    complete(&mut transaction, worker, &jobs).await?;
    let changed: Vec<_> = newest.iter().map(|source| (source.document, source.version)).collect();
    changes::record(&mut transaction, &changed).await?;
    transaction.commit().await?;
    metrics::counter!("wenyuan_documents_read_total", "outcome" => "completed")
        .increment(completed.len() as u64);
    metrics::counter!("wenyuan_documents_read_total", "outcome" => "failed")
        .increment(unreadable.len() as u64);
    Ok(())
}

async fn complete(connection: &mut PgConnection, worker: Uuid, jobs: &[Uuid]) -> Result<(), Error> {
    jobs::complete(connection, worker, jobs).await.map_err(|error| match error {
        jobs::CompleteError::LeaseLost => Error::Internal(error.to_string()),
        jobs::CompleteError::Database(error) => error.into(),
    })
}

async fn write_failures(connection: &mut PgConnection, failed: &[(&ToRead, &String)]) -> Result<(), Error> {
    if failed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = failed.iter().map(|(source, _)| source.id.0).collect();
    let reasons: Vec<String> = failed.iter().map(|(_, reason)| reason.replace('\0', "")).collect();
    sqlx::query!(
        "-- ingest.write_failures
         update library.document_versions as d
         set status = 'failed', reason = failed.reason, updated_at = now()
         from unnest($1::uuid[], $2::text[]) as failed (id, reason) where d.id = failed.id",
        &ids,
        &reasons,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_revisions(
    connection: &mut PgConnection,
    read: &[(&ToRead, &ExtractedDocument)],
) -> Result<(), Error> {
    if read.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = read.iter().map(|(source, _)| source.id.0).collect();
    let types: Vec<String> = read.iter().map(|(_, found)| found.document_type.as_str().to_owned()).collect();
    let titles: Vec<String> = read.iter().map(|(_, found)| found.title.chars().take(500).collect()).collect();
    let descriptions: Vec<String> = read.iter().map(|(_, found)| found.summary.clone()).collect();
    let languages: Vec<Option<String>> = read.iter().map(|(_, found)| found.language.clone()).collect();
    let contents: Vec<String> = read.iter().map(|(_, found)| found.text.clone()).collect();
    let reasons: Vec<Option<String>> = read
        .iter()
        .map(|(_, found)| (!found.warnings.is_empty()).then(|| found.warnings.join("; ")))
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

/// The separator of lists inside an array of texts, which PostgreSQL cannot nest: ASCII's unit separator.
const SEPARATOR: &str = "\u{1f}";

async fn write_passages(
    connection: &mut PgConnection,
    read: &[(&ToRead, &ExtractedDocument)],
) -> Result<(), Error> {
    // A job that is run twice replaces what it wrote.
    let again: Vec<Uuid> =
        read.iter().filter(|(source, _)| source.is_retried).map(|(source, _)| source.id.0).collect();
    if !again.is_empty() {
        sqlx::query!(
            "-- ingest.clear_passages
             delete from library.search_indices where document_version_id = any ($1)",
            &again,
        )
        .execute(&mut *connection)
        .await?;
    }
    let rows: Vec<(Uuid, i32, &Passage)> = read
        .iter()
        .flat_map(|(source, found)| {
            (0_i32..).zip(&found.passages).map(|(number, passage)| (source.id.0, number, passage))
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

/// Of the revisions just written, those that are to answer: a revision does not push aside a newer one that was read
/// before it, nor one of the same batch.
async fn newest_under_each_label<'read>(
    connection: &mut PgConnection,
    read: &[(&'read ToRead, &ExtractedDocument)],
) -> Result<Vec<&'read ToRead>, Error> {
    let ids: Vec<Uuid> = read.iter().map(|(source, _)| source.id.0).collect();
    let newest = sqlx::query_scalar!(
        r#"-- ingest.newest_under_each_label
         select d.id as "id: DocumentVersionId" from library.document_versions d
         where d.id = any ($1) and not exists (
           select from library.document_versions newer
           where newer.document_id = d.document_id and newer.version_id = d.version_id
             and newer.revision > d.revision and newer.status = 'completed')"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(read.iter().map(|(source, _)| *source).filter(|source| newest.contains(&source.id)).collect())
}

fn content_type_name(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::Text => "text",
        ContentType::Code => "code",
        ContentType::Table => "table",
        ContentType::Api => "api",
    }
}
