//! Registration of documents whose bytes are in the object store, in batches: a folder has many files, and each statement
//! costs a round trip.

use std::collections::{HashMap, HashSet};

use extract::model::DocumentType;
use kernel::actor::Actor;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use store::jobs::{self, NewJob};
use store::objects::Stored;
use uuid::Uuid;

use super::active;
use super::document::Category;
use super::revision::VisibleRevision;
use crate::access::Level;
use crate::catalogue::{Library, Version};
use crate::ids::{DocumentId, DocumentVersionId, LibraryId, VersionId};
use crate::label::Label;
use crate::libraries::{self, EnsuredVersion};
use crate::names::{DocumentPath, LibraryName, Tag};
use crate::{Error, changes, embed, ingest};

/// Target of an upload: library and version, and what all its documents have in common.
#[derive(Debug, Clone)]
pub struct Target {
    /// Library, created if it does not exist.
    pub library: LibraryName,
    /// Version, created if it does not exist.
    pub version: Label,
    /// New tags of the documents; existing documents keep theirs if this is empty.
    pub tags: Vec<Tag>,
    /// New category of the documents; existing documents keep theirs if this is `None`.
    pub category: Option<Category>,
}

impl Target {
    /// Creates a target that changes nothing else about its documents.
    pub fn new(library: LibraryName, version: Label) -> Self {
        Self { library, version, tags: Vec::new(), category: None }
    }
}

/// A document to add, whose bytes are in the object store.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Path in the library.
    pub path: DocumentPath,
    /// Document type, if the uploader declares it rather than leaving it to detection.
    pub declared_type: Option<DocumentType>,
    /// Bytes in the object store.
    pub file: Stored,
}

/// Outcome of adding a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The document is new in this version, or is there again.
    Added,
    /// The document had other bytes, and has a new revision.
    Revised,
    /// The document had the same bytes: nothing was changed.
    Unchanged,
}

/// Result of adding a document.
#[derive(Debug, Clone, Serialize)]
pub struct AddedDocument {
    /// The document.
    pub document_id: DocumentId,
    /// The revision that holds the bytes.
    pub document_version_id: VisibleRevision,
    /// Number of that revision within document and version.
    pub revision: i32,
    /// Path in the library.
    pub path: String,
    /// Outcome.
    pub outcome: Outcome,
}

struct NewestRevision {
    id: DocumentVersionId,
    revision: i32,
    hash: Vec<u8>,
    failed: bool,
    /// Whether it was read, and the document was taken out of the version.
    withdrawn: bool,
}

/// Adds documents to a version of a library, with the jobs that ingest them, in the caller's transaction.
///
/// Returns one result for each path, ordered by path. If a path is given twice, the last one counts. Bytes that the
/// document's newest revision already has change nothing, unless they were not read: then they are read again.
/// [`uploads`](crate::uploads) stores the bytes first.
///
/// # Errors
///
/// Fails unless the actor can write to the library, or create it if it does not exist.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    target: &Target,
    documents: &[NewDocument],
) -> Result<Vec<AddedDocument>, Error> {
    // Every caller locks the rows in this order.
    let mut by_path: Vec<&NewDocument> = documents.iter().rev().collect();
    by_path.sort_by(|left, right| left.path.cmp(&right.path));
    by_path.dedup_by(|later, earlier| later.path == earlier.path);

    let EnsuredVersion { library, version, is_new } =
        libraries::ensure(connection, actor, &target.library, &target.version).await?;
    let ids = upsert_documents(connection, library, version, target, &by_path).await?;
    let newest = newest_revisions(connection, &ids, version).await?;

    let mut added = Vec::with_capacity(by_path.len());
    let mut rows: Vec<(DocumentVersionId, DocumentId, i32, &NewDocument)> = Vec::new();
    let mut to_retry = Vec::new();
    let (mut to_activate, mut returned) = (Vec::new(), Vec::new());
    for document in by_path {
        let Some(id) = ids.get(document.path.as_str()).copied() else {
            return Err(Error::Internal(format!("{} was not written", document.path)));
        };
        let same = newest.get(&id).filter(|newest| newest.hash == document.file.hash.0);
        let (document_version_id, revision, outcome) = match (same, newest.get(&id)) {
            (Some(same), _) if same.failed => {
                to_retry.push(same.id);
                (same.id, same.revision, Outcome::Revised)
            }
            (Some(same), _) if same.withdrawn => {
                to_activate.push(same.id);
                returned.push((id, version));
                (same.id, same.revision, Outcome::Added)
            }
            (Some(same), _) => (same.id, same.revision, Outcome::Unchanged),
            (None, newest) => {
                let (row, revision) =
                    (DocumentVersionId::new(), newest.map_or(1, |newest| newest.revision + 1));
                rows.push((row, id, revision, document));
                (row, revision, if newest.is_some() { Outcome::Revised } else { Outcome::Added })
            }
        };
        let path = document.path.to_string();
        let document_version_id = VisibleRevision::new(document_version_id);
        added.push(AddedDocument { document_id: id, document_version_id, revision, path, outcome });
    }
    insert_revisions(connection, version, &rows).await?;
    mark_processing(connection, &to_retry).await?;
    let jobs: Vec<NewJob> = rows.iter().map(|row| &row.0).chain(&to_retry).map(ingest_job).collect();
    jobs::enqueue(connection, &jobs).await?;
    if !to_activate.is_empty() {
        active::move_pointers(connection, &to_activate).await?;
        jobs::enqueue(connection, &to_activate.iter().map(|id| embed::new_job(*id)).collect::<Vec<_>>())
            .await?;
        changes::record(connection, &returned).await?;
    }
    if is_new {
        changes::record_catalogue(connection).await?;
    }
    Ok(added)
}

/// Writes the documents, and locks those that exist, so that no two revisions get the same number. Changes of tags or
/// category are recorded, because search filters by them.
async fn upsert_documents(
    connection: &mut PgConnection,
    library: LibraryId,
    version: VersionId,
    target: &Target,
    documents: &[&NewDocument],
) -> Result<HashMap<String, DocumentId>, Error> {
    let new_ids: Vec<Uuid> = documents.iter().map(|_| DocumentId::new().0).collect();
    let paths: Vec<String> = documents.iter().map(|document| document.path.to_string()).collect();
    let names: Vec<String> = documents.iter().map(|document| document.path.file_name().to_owned()).collect();
    let tags: HashSet<String> = target.tags.iter().map(Tag::to_string).collect();
    let mut tags: Vec<String> = tags.into_iter().collect();
    tags.sort();
    let rows = sqlx::query!(
        r#"-- documents.upsert
         with previous as (
           select id, tags, category from library.documents where library_id = $1 and path = any ($3)
         ), written as (
           insert into library.documents (id, library_id, path, name, category, tags)
           select id, $1, path, name, coalesce($5, 'document'), $6
           from unnest($2::uuid[], $3::text[], $4::text[]) as document (id, path, name)
           on conflict (library_id, path) do update set
             updated_at = now(),
             category = coalesce($5, documents.category),
             tags = case when cardinality($6::text[]) > 0 then $6 else documents.tags end
           returning id, path, tags, category
         )
         select written.id as "id!: DocumentId", written.path as "path!",
           previous.id is not null and (written.tags <> previous.tags or written.category <> previous.category)
             as "retagged!"
         from written left join previous on previous.id = written.id"#,
        library.0,
        &new_ids,
        &paths,
        &names,
        target.category as Option<Category>,
        &tags,
    )
    .fetch_all(&mut *connection)
    .await?;
    let retagged: Vec<DocumentId> = rows.iter().filter(|row| row.retagged).map(|row| row.id).collect();
    record_retagged(connection, version, &retagged).await?;
    Ok(rows.into_iter().map(|row| (row.path, row.id)).collect())
}

async fn record_retagged(
    connection: &mut PgConnection,
    version: VersionId,
    retagged: &[DocumentId],
) -> Result<(), Error> {
    if retagged.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = retagged.iter().map(|id| id.0).collect();
    let versions = sqlx::query!(
        r#"-- documents.versions_of_retagged
         select document_id as "document: DocumentId", version_id as "version: VersionId"
         from library.document_versions where active and document_id = any ($1)"#,
        &ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut changed: Vec<_> = versions.into_iter().map(|row| (row.document, row.version)).collect();
    changed.extend(retagged.iter().map(|id| (*id, version)));
    changes::record(connection, &changed).await
}

async fn newest_revisions(
    connection: &mut PgConnection,
    ids: &HashMap<String, DocumentId>,
    version: VersionId,
) -> Result<HashMap<DocumentId, NewestRevision>, Error> {
    let ids: Vec<Uuid> = ids.values().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- documents.newest_revisions
         select distinct on (newest.document_id) newest.document_id as "document_id: DocumentId",
           newest.id as "id: DocumentVersionId", newest.revision, newest.file_hash,
           newest.status in ('failed', 'skipped') and not exists (
             select from library.pictures as picture
             where picture.document_version_id = newest.id and picture.picture_number = 0) as "failed!",
           newest.status = 'completed' and not exists (
             select from library.document_versions d
             where d.document_id = newest.document_id and d.version_id = newest.version_id and d.active)
             as "withdrawn!"
         from library.document_versions as newest
         where newest.document_id = any ($1) and newest.version_id = $2
         order by newest.document_id, newest.revision desc"#,
        &ids,
        version.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let newest = NewestRevision {
                id: row.id,
                revision: row.revision,
                hash: row.file_hash,
                failed: row.failed,
                withdrawn: row.withdrawn,
            };
            (row.document_id, newest)
        })
        .collect())
}

async fn insert_revisions(
    connection: &mut PgConnection,
    version: VersionId,
    rows: &[(DocumentVersionId, DocumentId, i32, &NewDocument)],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.0.0).collect();
    let documents: Vec<Uuid> = rows.iter().map(|row| row.1.0).collect();
    let revisions: Vec<i32> = rows.iter().map(|row| row.2).collect();
    let declared: Vec<Option<String>> =
        rows.iter().map(|row| row.3.declared_type.map(|declared| declared.as_str().to_owned())).collect();
    let paths: Vec<String> = rows.iter().map(|row| row.3.path.to_string()).collect();
    let hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.3.file.hash.0.to_vec()).collect();
    let sizes: Vec<i64> = rows.iter().map(|row| i64::try_from(row.3.file.size).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "-- documents.insert_revisions
         insert into library.document_versions
           (id, document_id, version_id, revision, declared_type, file_path, file_hash, file_size)
         select id, document_id, $2, revision, declared_type, file_path, file_hash, file_size
         from unnest($1::uuid[], $3::uuid[], $4::int4[], $5::text[], $6::text[], $7::bytea[], $8::int8[])
           as row (id, document_id, revision, declared_type, file_path, file_hash, file_size)",
        &ids,
        version.0,
        &documents,
        &revisions,
        &declared as &[Option<String>],
        &paths,
        &hashes,
        &sizes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Schedules the failed documents of a version, or one of them, to be read again. Returns their number, at most 10,000.
///
/// # Errors
///
/// Fails unless the actor can write to the library.
pub async fn retry(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    document: Option<DocumentId>,
) -> Result<usize, Error> {
    library.require(actor, Level::Write)?;
    let failed = sqlx::query_scalar!(
        r#"-- documents.failed
         select d.id as "id: DocumentVersionId" from library.document_versions d
         join library.documents as document on document.id = d.document_id
         where document.library_id = $1 and d.version_id = $2 and d.status = 'failed'
           and ($3::uuid is null or d.document_id = $3)
           and not exists (select from library.document_versions newer
             where newer.document_id = d.document_id and newer.version_id = d.version_id
               and newer.revision > d.revision)
         order by d.id limit 10000 for no key update of d"#,
        library.id.0,
        version.id.0,
        document.map(|document| document.0),
    )
    .fetch_all(&mut *connection)
    .await?;
    mark_processing(connection, &failed).await?;
    jobs::enqueue(connection, &failed.iter().map(ingest_job).collect::<Vec<_>>()).await?;
    Ok(failed.len())
}

fn ingest_job(id: &DocumentVersionId) -> NewJob {
    NewJob::unique(ingest::JOB, id.0.to_string(), json!({ "document_version_id": id }))
}

async fn mark_processing(connection: &mut PgConnection, failed: &[DocumentVersionId]) -> Result<(), Error> {
    if failed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = failed.iter().map(|id| id.0).collect();
    sqlx::query!(
        "-- documents.mark_processing
         update library.document_versions set status = 'processing', reason = null, updated_at = now()
         where id = any ($1)",
        &ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}
