//! Adding documents: many at a time, because a folder has many and each statement has its price.

use std::collections::{HashMap, HashSet};

use extract::model::DocumentType;
use kernel::actor::Actor;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use store::jobs::{self, NewJob};
use store::objects::Stored;
use uuid::Uuid;

use super::{Category, DocumentId, DocumentVersionId};
use crate::access::{self, Level};
use crate::catalogue::{self, Library, Version};
use crate::changes;
use crate::ingest;
use crate::label::Label;
use crate::names::{DocumentPath, LibraryName, Tag};
use crate::{Error, sweep};

/// Where documents are added, and what they all are.
#[derive(Debug, Clone)]
pub struct Target {
    /// The library; made where it is missing.
    pub library: LibraryName,
    /// The version; made where it is missing.
    pub version: Label,
    /// Their tags from now on; those they have are kept where none is given.
    pub tags: Vec<Tag>,
    /// Their category from now on; the one they have is kept where none is given.
    pub category: Option<Category>,
}

/// A document to be added, whose bytes are in the object store.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Its path in the library.
    pub path: DocumentPath,
    /// Its type, where the person who adds it knows better than its content.
    pub declared_type: Option<DocumentType>,
    /// Its bytes.
    pub file: Stored,
}

/// What became of a document that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is new under this label.
    Added,
    /// It was there with other bytes: this is a further revision.
    Revised,
    /// It was there with these bytes: nothing was done.
    Unchanged,
}

/// A document that was added.
#[derive(Debug, Clone, Serialize)]
pub struct Added {
    /// The document.
    pub document_id: DocumentId,
    /// The revision that holds these bytes.
    pub document_version_id: DocumentVersionId,
    /// Its number under the label.
    pub revision: i32,
    /// Its path.
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
}

struct Newest {
    id: DocumentVersionId,
    revision: i32,
    hash: Vec<u8>,
    failed: bool,
}

/// Adds documents to a version of a library, with the jobs that read them, in the caller's transaction.
///
/// A path given twice is taken the last time. Bytes that a document already has under this label change nothing, unless
/// reading them failed: then they are read again.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    target: &Target,
    documents: &[NewDocument],
) -> Result<Vec<Added>, Error> {
    // In one order for everybody: the rows are locked in it.
    let mut by_path: Vec<&NewDocument> = documents.iter().rev().collect();
    by_path.sort_by(|left, right| left.path.cmp(&right.path));
    by_path.dedup_by(|later, earlier| later.path == earlier.path);

    let (library, version, made) =
        catalogue::ensure(connection, actor, &target.library, &target.version).await?;
    let ids = upsert_documents(connection, library, version, target, &by_path).await?;
    let newest = newest_revisions(connection, &ids, version).await?;

    let mut added = Vec::with_capacity(by_path.len());
    let mut rows: Vec<(DocumentVersionId, DocumentId, i32, &NewDocument)> = Vec::new();
    let mut again = Vec::new();
    for document in by_path {
        let Some(id) = ids.get(document.path.as_str()).copied() else {
            return Err(Error::Internal(format!("{} was not written", document.path)));
        };
        let same = newest.get(&id).filter(|newest| newest.hash == document.file.hash.0);
        let (document_version_id, revision, outcome) = match (same, newest.get(&id)) {
            (Some(same), _) if same.failed => {
                again.push(same.id);
                (same.id, same.revision, Outcome::Revised)
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
        added.push(Added { document_id: id, document_version_id, revision, path, outcome });
    }
    insert_revisions(connection, version, &rows).await?;
    read_again(connection, &again).await?;
    let to_read: Vec<NewJob> = rows.iter().map(|row| &row.0).chain(&again).map(to_be_read).collect();
    jobs::enqueue(connection, &to_read).await?;
    if made {
        changes::record_catalogue(connection).await?;
    }
    Ok(added)
}

/// Writes the documents, and locks those that were there, so that two revisions are not given one number. Where tags or
/// category change, the change is recorded: search filters by them.
async fn upsert_documents(
    connection: &mut PgConnection,
    library: catalogue::LibraryId,
    version: changes::VersionId,
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
    version: changes::VersionId,
    retagged: &[DocumentId],
) -> Result<(), Error> {
    if retagged.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = retagged.iter().map(|id| id.0).collect();
    let held = sqlx::query!(
        r#"-- documents.versions_of_retagged
         select document_id as "document: DocumentId", version_id as "version: changes::VersionId"
         from library.document_versions where active and document_id = any ($1)"#,
        &ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut changed: Vec<_> = held.into_iter().map(|row| (row.document, row.version)).collect();
    changed.extend(retagged.iter().map(|id| (*id, version)));
    changes::record(connection, &changed).await
}

async fn newest_revisions(
    connection: &mut PgConnection,
    ids: &HashMap<String, DocumentId>,
    version: changes::VersionId,
) -> Result<HashMap<DocumentId, Newest>, Error> {
    let ids: Vec<Uuid> = ids.values().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- documents.newest_revisions
         select distinct on (document_id) document_id as "document_id: DocumentId",
           id as "id: DocumentVersionId", revision, file_hash, status = 'failed' as "failed!"
         from library.document_versions
         where document_id = any ($1) and version_id = $2
         order by document_id, revision desc"#,
        &ids,
        version.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let newest =
                Newest { id: row.id, revision: row.revision, hash: row.file_hash, failed: row.failed };
            (row.document_id, newest)
        })
        .collect())
}

async fn insert_revisions(
    connection: &mut PgConnection,
    version: changes::VersionId,
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

/// Reads again what of a version could not be read: one document, or all. Says how many there are.
pub async fn retry(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    document: Option<DocumentId>,
) -> Result<usize, Error> {
    access::require(actor, library, Level::Write)?;
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
    read_again(connection, &failed).await?;
    jobs::enqueue(connection, &failed.iter().map(to_be_read).collect::<Vec<_>>()).await?;
    Ok(failed.len())
}

fn to_be_read(id: &DocumentVersionId) -> NewJob {
    NewJob::unique(ingest::JOB, id.0.to_string(), json!({ "document_version_id": id }))
}

async fn read_again(connection: &mut PgConnection, failed: &[DocumentVersionId]) -> Result<(), Error> {
    if failed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = failed.iter().map(|id| id.0).collect();
    sqlx::query!(
        "-- documents.read_again
         update library.document_versions set status = 'processing', reason = null, updated_at = now()
         where id = any ($1)",
        &ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts bytes that are in memory into the object store, ready to be added.
pub async fn store_bytes(
    pool: &sqlx::PgPool,
    objects: &store::objects::Objects,
    files: Vec<bytes::Bytes>,
) -> Result<Vec<Stored>, Error> {
    let stored: Vec<Stored> = files
        .iter()
        .map(|bytes| Stored { hash: store::objects::Hash::of(bytes), size: bytes.len() as u64 })
        .collect();
    let rows: Vec<_> = stored.iter().map(|stored| (stored.hash, stored.size)).collect();
    sweep::touch(pool, &rows).await?;
    for (stored, bytes) in stored.iter().zip(files) {
        objects.put(stored.hash, bytes).await?;
    }
    objects.flush().await?;
    Ok(stored)
}
