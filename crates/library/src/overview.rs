//! Libraries and versions from afar: what kinds of documents they hold, which tags, what is left to do. For lists that
//! people look through; who asks has found the libraries in the catalogue.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::access::{self, Level};
use crate::catalogue::{Library, LibraryId, Version};
use crate::changes::VersionId;
use crate::documents::{DocumentId, Status};

/// The tags of a version that are listed, at most.
const MOST_TAGS: i64 = 24;

/// So many documents of one type in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The version.
    pub version: VersionId,
    /// The type.
    pub document_type: String,
    /// Documents that answer.
    pub documents: i64,
}

/// How much a version holds, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// The version.
    pub version: VersionId,
    /// Documents that answer.
    pub documents: i64,
    /// Documents that are being read.
    pub processing: i64,
    /// When one was last read.
    pub indexed_at: Option<DateTime<Utc>>,
}

/// A document of a version, whether it can be read or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The document.
    pub id: DocumentId,
    /// Its path.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its type; none while it was never read.
    pub document_type: Option<String>,
    /// Whether a revision of it answers.
    pub answers: bool,
    /// How its newest revision stands.
    pub status: Status,
    /// Why it could not be read.
    pub reason: Option<String>,
    /// The bytes of its newest revision.
    pub bytes: i64,
    /// When that came, or was read.
    pub at: DateTime<Utc>,
}

/// Which documents of a version.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose path or title holds this, whatever the case.
    pub text: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Of this type.
    pub document_type: Option<String>,
    /// Whose newest revision stands so.
    pub status: Option<Status>,
}

/// How much each of these versions holds; one that is empty is left out.
pub async fn sizes(connection: &mut PgConnection, versions: &[VersionId]) -> Result<Vec<Size>, Error> {
    let ids: Vec<Uuid> = versions.iter().map(|version| version.0).collect();
    Ok(sqlx::query_as!(
        Size,
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

/// What these versions hold, by type, the most first.
pub async fn kinds(connection: &mut PgConnection, versions: &[VersionId]) -> Result<Vec<Kind>, Error> {
    let ids: Vec<Uuid> = versions.iter().map(|version| version.0).collect();
    Ok(sqlx::query_as!(
        Kind,
        r#"-- overview.kinds
         select version_id as "version: VersionId", type as "document_type!", count(*) as "documents!"
         from library.document_versions
         where version_id = any ($1) and active and type is not null
         group by version_id, type order by count(*) desc, type"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}

/// The tags of a version's documents, the most frequent first, with how many have them.
pub async fn tags(connection: &mut PgConnection, version: VersionId) -> Result<Vec<(String, i64)>, Error> {
    let rows = sqlx::query!(
        r#"-- overview.tags
         select tag as "tag!", count(*) as "documents!"
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         cross join lateral unnest(document.tags) as tag
         where d.version_id = $1 and d.active
         group by tag order by count(*) desc, tag limit $2"#,
        version.0,
        MOST_TAGS,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tag, row.documents)).collect())
}

/// The tags of these documents, the most frequent first.
pub async fn tags_of(connection: &mut PgConnection, documents: &[Uuid]) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- overview.tags_of
         select tag as "tag!" from library.documents as document cross join lateral unnest(document.tags) as tag
         where document.id = any ($1)
         group by tag order by count(*) desc, tag limit $2"#,
        documents,
        MOST_TAGS,
    )
    .fetch_all(connection)
    .await?)
}

/// How many notes are open on each of these libraries' documents.
pub async fn open_notes(
    connection: &mut PgConnection,
    libraries: &[LibraryId],
) -> Result<Vec<(LibraryId, i64)>, Error> {
    let ids: Vec<Uuid> = libraries.iter().map(|library| library.0).collect();
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

/// A page of a version's documents as people look through them: those in no folder first, then folder by folder.
pub async fn documents(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    wanted: &Wanted,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Listed>, Error> {
    access::require(actor, library, Level::Read)?;
    let after: Option<(bool, String)> = after
        .map(Cursor::decode)
        .transpose()
        .map_err(|foreign: kernel::page::InvalidCursor| Error::Invalid(foreign.to_string()))?;
    let (after_folder, after_path) = after.unzip();
    let rows = sqlx::query_as!(
        Listed,
        r#"-- overview.documents
         select document.id as "id: DocumentId", document.path, coalesce(shown.title, document.name) as "title!",
           shown.type as "document_type?", shown.id is not null as "answers!", newest.status as "status: Status",
           case when newest.status = 'failed' then newest.reason end as reason, newest.file_size as bytes,
           coalesce(newest.completed_at, newest.created_at) as "at!"
         from library.document_versions as newest
         join library.documents as document on document.id = newest.document_id
         left join library.document_versions as shown
           on shown.document_id = newest.document_id and shown.version_id = newest.version_id and shown.active
         where document.library_id = $1 and newest.version_id = $2
           and not exists (select from library.document_versions newer
             where newer.document_id = newest.document_id and newer.version_id = newest.version_id
               and newer.revision > newest.revision)
           and ($3::bool is null
             or (strpos(document.path, '/') > 0, document.path collate "C") > ($3, $4::text collate "C"))
           and ($5::text is null or strpos(lower(document.path), lower($5)) > 0
             or strpos(lower(coalesce(shown.title, document.name)), lower($5)) > 0)
           and ($6::text is null or document.tags @> array[$6])
           and ($7::text is null or newest.status = $7)
           and ($8::text is null or shown.type = $8)
         order by strpos(document.path, '/') > 0, document.path collate "C"
         limit $9"#,
        library.id.0,
        version.id.0,
        after_folder,
        after_path,
        wanted.text,
        wanted.tag,
        wanted.status as Option<Status>,
        wanted.document_type,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&(last.path.contains('/'), &last.path))))
}
