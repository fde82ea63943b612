//! Outline of a version: title and first words of each document in the order of folders, read in pages, so that a version of
//! any size can be listed.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use sqlx::PgConnection;

use super::revision::VisibleRevision;
use crate::Error;
use crate::access::Level;
use crate::catalogue::{Library, Version};
use crate::ids::VersionId;

/// A document of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutlineEntry {
    /// Path in the library.
    pub path: String,
    /// Title.
    pub title: String,
    /// First words of the text.
    pub description: Option<String>,
    /// Active revision.
    pub revision_id: VisibleRevision,
    /// Number of that revision within document and version.
    pub revision: i32,
    /// Time when that revision was read.
    pub indexed_at: DateTime<Utc>,
    /// Whether its path is `NAME.md` and the version also has a document `NAME`.
    pub beside_bare: bool,
}

/// Extent of a version's texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionExtent {
    /// Version.
    pub version: VersionId,
    /// Documents with an active revision.
    pub documents: i64,
    /// Size of their texts in bytes.
    pub bytes: i64,
    /// Time when the last of them was read; `None` if there are none.
    pub indexed_at: Option<DateTime<Utc>>,
}

/// Lists a page of a version's documents: those at the root first, then folder by folder, by path.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, and for an invalid cursor.
pub async fn entries(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<OutlineEntry>, Error> {
    library.require(actor, Level::Read)?;
    let after: Option<(bool, String)> = after
        .map(Cursor::decode)
        .transpose()
        .map_err(|invalid: kernel::page::InvalidCursor| Error::Invalid(invalid.to_string()))?;
    let (after_folder, after_path) = after.unzip();
    let rows = sqlx::query_as!(
        OutlineEntry,
        r#"-- outline.entries
         select document.path, coalesce(d.title, document.name) as "title!", d.description,
           d.id as "revision_id: VisibleRevision", d.revision,
           coalesce(d.completed_at, d.created_at) as "indexed_at!",
           right(document.path, 3) = '.md' and exists (
             select from library.documents as bare
             join library.document_versions b on b.document_id = bare.id and b.version_id = $2 and b.active
             where bare.library_id = $1 and bare.path = left(document.path, -3)) as "beside_bare!"
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         where document.library_id = $1 and d.version_id = $2 and d.active
           and ($3::bool is null
             or (strpos(document.path, '/') > 0, document.path collate "C") > ($3, $4::text collate "C"))
         order by strpos(document.path, '/') > 0, document.path collate "C"
         limit $5"#,
        library.id.0,
        version.id.0,
        after_folder,
        after_path,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&(last.path.contains('/'), &last.path))))
}

/// Returns the extent of each of these versions, in no order.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn extents(
    connection: &mut PgConnection,
    versions: &[&Version],
) -> Result<Vec<VersionExtent>, Error> {
    let ids: Vec<uuid::Uuid> = versions.iter().map(|version| version.id.0).collect();
    Ok(sqlx::query_as!(
        VersionExtent,
        r#"-- outline.extents
         select version.id as "version: VersionId", count(d.id) as "documents!",
           coalesce(sum(octet_length(d.content)), 0)::int8 as "bytes!",
           max(coalesce(d.completed_at, d.created_at)) as indexed_at
         from library.versions as version
         left join library.document_versions d on d.version_id = version.id and d.active
         where version.id = any ($1) group by version.id"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}
