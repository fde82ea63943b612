//! Overviews of libraries and versions for lists and pages: counts, document types, tags, open notes.
//!
//! The functions take a [`Library`] or [`Version`], which the catalogue returns only to an actor for whom it exists.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::access::Level;
use crate::catalogue::{Catalogue, Library, Version};
use crate::documents::Status;
use crate::ids::{DocumentId, LibraryId, VersionId};
use crate::names::LibraryName;

/// Maximum number of tags that [`tags`] and [`tags_of`] return.
const MAX_TAGS: i64 = 24;

/// Numbers of documents and passages of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Version.
    #[serde(skip)]
    pub version: VersionId,
    /// Documents with an active revision.
    pub documents: i64,
    /// Revisions that wait to be read, or are being read.
    pub processing: i64,
    /// Documents whose newest revision could not be read.
    pub failed: i64,
    /// Documents in whose newest revision there is nothing to read.
    pub skipped: i64,
    /// Passages of active revisions.
    pub passages: i64,
    /// Passages with a vector.
    pub vectors: i64,
}

/// Number of documents of one type in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeCount {
    /// Version.
    pub version: VersionId,
    /// Document type.
    pub document_type: String,
    /// Documents with an active revision.
    pub documents: i64,
}

/// Size of a version, cheaper to read than [`Counts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSize {
    /// Version.
    pub version: VersionId,
    /// Documents with an active revision.
    pub documents: i64,
    /// Revisions that wait to be read, or are being read.
    pub processing: i64,
    /// Time when a document was last read.
    pub indexed_at: Option<DateTime<Utc>>,
}

/// A document of a version in a list, whether or not it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Document.
    pub id: DocumentId,
    /// Path in the library.
    pub path: String,
    /// Title.
    pub title: String,
    /// Document type; `None` if it was never read.
    pub document_type: Option<String>,
    /// Whether it has an active revision.
    pub is_active: bool,
    /// Status of the newest revision.
    pub status: Status,
    /// Reason why the newest revision was not read.
    pub reason: Option<String>,
    /// Size of the newest revision's original in bytes.
    pub bytes: i64,
    /// Time when the newest revision was read, or uploaded if it is not read.
    pub at: DateTime<Utc>,
}

/// Filter of [`documents`]. Every field that is set must match.
#[derive(Debug, Clone, Default)]
pub struct SummaryFilter {
    /// Part of the path or title, in any case.
    pub text: Option<String>,
    /// Folder that the document is below, without a slash at the end.
    pub folder: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Document type.
    pub document_type: Option<String>,
    /// Status of the newest revision.
    pub status: Option<Status>,
}

/// Counts the documents and passages of each of these versions, in no order.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn counts(connection: &mut PgConnection, versions: &[&Version]) -> Result<Vec<Counts>, Error> {
    let ids = ids_of(versions);
    Ok(sqlx::query_as!(
        Counts,
        r#"-- catalogue.counts
         select version.id as "version: VersionId",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.active) as "documents!",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.status in ('uploading', 'processing')) as "processing!",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.status = 'failed'
              and not exists (select from library.document_versions newer
                where newer.document_id = d.document_id and newer.version_id = d.version_id
                  and newer.revision > d.revision)) as "failed!",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.status = 'skipped'
              and not exists (select from library.document_versions newer
                where newer.document_id = d.document_id and newer.version_id = d.version_id
                  and newer.revision > d.revision)) as "skipped!",
           (select coalesce(sum(passages.number), 0)::int8 from library.document_versions d
            -- A revision's passages are numbered from 0: the last of each is looked up, not all of them counted.
            cross join lateral (select max(passage_number) + 1 as number
              from library.search_indices where document_version_id = d.id) as passages
            where d.version_id = version.id and d.active) as "passages!",
           (select count(*) from library.vectors v where v.version_id = version.id) as "vectors!"
         from library.versions as version where version.id = any ($1)"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the size of each of these versions, in no order; an empty version is left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn sizes(connection: &mut PgConnection, versions: &[&Version]) -> Result<Vec<VersionSize>, Error> {
    let ids = ids_of(versions);
    Ok(sqlx::query_as!(
        VersionSize,
        r#"-- overview.sizes
         select version_id as "version: VersionId", count(*) filter (where active) as "documents!",
           count(*) filter (where status in ('uploading', 'processing')) as "processing!",
           max(completed_at) as indexed_at
         from library.document_versions where version_id = any ($1) group by version_id"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}

/// Counts the documents of these versions by type, the most frequent type first.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn type_counts(
    connection: &mut PgConnection,
    versions: &[&Version],
) -> Result<Vec<TypeCount>, Error> {
    let ids = ids_of(versions);
    Ok(sqlx::query_as!(
        TypeCount,
        r#"-- overview.type_counts
         select version_id as "version: VersionId", type as "document_type!", count(*) as "documents!"
         from library.document_versions
         where version_id = any ($1) and active and type is not null
         group by version_id, type order by count(*) desc, type"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the tags of a version's documents and their numbers of documents, the most frequent first, at most 24.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn tags(connection: &mut PgConnection, version: &Version) -> Result<Vec<(String, i64)>, Error> {
    let rows = sqlx::query!(
        r#"-- overview.tags
         select tag as "tag!", count(*) as "documents!"
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         cross join lateral unnest(document.tags) as tag
         where d.version_id = $1 and d.active
         group by tag order by count(*) desc, tag limit $2"#,
        version.id.0,
        MAX_TAGS,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tag, row.documents)).collect())
}

/// Returns the tags of these documents, the most frequent first, at most 24. Documents that do not exist for the actor are
/// left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn tags_of(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    documents: &[Uuid],
) -> Result<Vec<String>, Error> {
    let libraries: Vec<Uuid> = catalogue.libraries(actor).iter().map(|library| library.id.0).collect();
    Ok(sqlx::query_scalar!(
        r#"-- overview.tags_of
         select tag as "tag!" from library.documents as document cross join lateral unnest(document.tags) as tag
         where document.id = any ($1) and document.library_id = any ($2)
         group by tag order by count(*) desc, tag limit $3"#,
        documents,
        &libraries,
        MAX_TAGS,
    )
    .fetch_all(connection)
    .await?)
}

/// Counts the open notes on the documents of each of these libraries, in no order; a library without any is left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn open_notes(
    connection: &mut PgConnection,
    libraries: &[&Library],
) -> Result<Vec<(LibraryId, i64)>, Error> {
    let ids: Vec<Uuid> = libraries.iter().map(|library| library.id.0).collect();
    let rows = sqlx::query!(
        r#"-- overview.open_notes
         select document.library_id as "library: LibraryId", count(*) as "notes!"
         from library.notes as note
         join library.documents as document on document.id = note.document_id
         where note.resolved_at is null and document.library_id = any ($1)
         group by document.library_id"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.library, row.notes)).collect())
}

/// Lists a page of a version's documents: those at the root first, then folder by folder, by path.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, and for an invalid cursor.
pub async fn documents(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    filter: &SummaryFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<DocumentSummary>, Error> {
    library.require(actor, Level::Read)?;
    let after: Option<(bool, String)> = after
        .map(Cursor::decode)
        .transpose()
        .map_err(|invalid: kernel::page::InvalidCursor| Error::Invalid(invalid.to_string()))?;
    let (after_folder, after_path) = after.unzip();
    let rows = sqlx::query_as!(
        DocumentSummary,
        r#"-- overview.documents
         select document.id as "id: DocumentId", document.path, coalesce(shown.title, document.name) as "title!",
           shown.type as "document_type?", shown.id is not null as "is_active!", newest.status as "status: Status",
           case when newest.status in ('failed', 'skipped') then newest.reason end as reason, newest.file_size as bytes,
           coalesce(newest.completed_at, newest.created_at) as "at!"
         from library.document_versions as newest
         join library.documents as document on document.id = newest.document_id
         left join library.document_versions as shown
           on shown.document_id = newest.document_id and shown.version_id = newest.version_id and shown.active
         where document.library_id = $1 and newest.version_id = $2
           and not exists (select from library.document_versions newer
             where newer.document_id = newest.document_id and newer.version_id = newest.version_id
               and newer.revision > newest.revision)
           -- a document that was taken out of the version is not in it
           and (shown.id is not null or newest.status <> 'completed')
           and ($3::bool is null
             or (strpos(document.path, '/') > 0, document.path collate "C") > ($3, $4::text collate "C"))
           and ($5::text is null or strpos(lower(document.path), lower($5)) > 0
             or strpos(lower(coalesce(shown.title, document.name)), lower($5)) > 0)
           and ($6::text is null or document.tags @> array[$6])
           and ($7::text is null or newest.status = $7)
           and ($8::text is null or shown.type = $8)
           and ($10::text is null or starts_with(document.path, $10 || '/'))
         order by strpos(document.path, '/') > 0, document.path collate "C"
         limit $9"#,
        library.id.0,
        version.id.0,
        after_folder,
        after_path,
        filter.text,
        filter.tag,
        filter.status as Option<Status>,
        filter.document_type,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        filter.folder,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&(last.path.contains('/'), &last.path))))
}

/// A document whose name was looked for, in the active version of its library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDocument {
    /// Document.
    pub id: DocumentId,
    /// Name of the library.
    pub library: String,
    /// Label of its active version.
    pub version: String,
    /// Path of the document.
    pub path: String,
    /// Title.
    pub title: String,
}

/// Finds documents of active versions whose title or path contains a text, in any case: those of the library `first` first, then those
/// whose title begins with it.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_documents(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    text: &str,
    first: Option<&LibraryName>,
    limit: i64,
) -> Result<Vec<FoundDocument>, Error> {
    let versions: Vec<Uuid> = catalogue.active_versions(actor).map(|(_, version)| version.id.0).collect();
    Ok(sqlx::query_as!(
        FoundDocument,
        r#"-- overview.find_documents
         select document.id as "id: DocumentId", library.name as library, version.label as version, document.path,
           coalesce(d.title, document.name) as "title!"
         from library.document_versions d
         join library.versions as version on version.id = d.version_id
         join library.documents as document on document.id = d.document_id
         join library.libraries as library on library.id = version.library_id
         where d.version_id = any ($1) and d.active
           and (strpos(lower(coalesce(d.title, document.name)), lower($2)) > 0 or strpos(lower(document.path), lower($2)) > 0)
         order by library.name is not distinct from $3 desc,
           starts_with(lower(coalesce(d.title, document.name)), lower($2)) desc,
           strpos(lower(coalesce(d.title, document.name)), lower($2)) > 0 desc, length(document.path), document.path
         limit $4"#,
        &versions,
        text,
        first.map(LibraryName::as_str),
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Place of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionAddress {
    /// Revision.
    pub revision_id: Uuid,
    /// Name of the library.
    pub library: String,
    /// Label of the version.
    pub version: String,
    /// Path of the document.
    pub path: String,
}

/// Returns the places of these revisions, in no order. Those of documents that do not exist for the actor are left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn addresses(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    revisions: &[Uuid],
) -> Result<Vec<RevisionAddress>, Error> {
    let libraries: Vec<Uuid> = catalogue.libraries(actor).iter().map(|library| library.id.0).collect();
    Ok(sqlx::query_as!(
        RevisionAddress,
        r#"-- overview.addresses
         select d.id as revision_id, library.name as library, version.label as version, document.path
         from library.document_versions d
         join library.versions as version on version.id = d.version_id
         join library.documents as document on document.id = d.document_id
         join library.libraries as library on library.id = document.library_id
         where d.id = any ($1) and library.id = any ($2)"#,
        revisions,
        &libraries,
    )
    .fetch_all(connection)
    .await?)
}

/// Ids of versions, as a statement's parameter.
fn ids_of(versions: &[&Version]) -> Vec<Uuid> {
    versions.iter().map(|version| version.id.0).collect()
}
