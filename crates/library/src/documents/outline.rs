//! What a version holds, document by document: titles and first words in the order of folders, read in parts, so that a
//! version of any size can be listed.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use sqlx::PgConnection;

use super::DocumentVersionId;
use crate::Error;
use crate::access::{self, Level};
use crate::catalogue::{Library, Version};
use crate::changes::VersionId;

/// A document as it stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its first words.
    pub description: Option<String>,
    /// The revision that answers.
    pub revision_id: DocumentVersionId,
    /// That revision's number under the label.
    pub revision: i32,
    /// When it was indexed.
    pub indexed_at: DateTime<Utc>,
    /// Whether it is called `NAME.md` and stands beside a document `NAME`.
    pub beside_bare: bool,
}

/// How much a version holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The version.
    pub version: VersionId,
    /// Documents that answer.
    pub documents: i64,
    /// The bytes of their texts.
    pub bytes: i64,
    /// When the last of them was indexed; `None` where there is none.
    pub indexed_at: Option<DateTime<Utc>>,
}

/// A page of a version's documents: those in no folder first, then folder by folder, by path.
pub async fn outline(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Entry>, Error> {
    access::require(actor, library, Level::Read)?;
    let after: Option<(bool, String)> = after
        .map(Cursor::decode)
        .transpose()
        .map_err(|foreign: kernel::page::InvalidCursor| Error::Invalid(foreign.to_string()))?;
    let (after_folder, after_path) = after.unzip();
    let rows = sqlx::query_as!(
        Entry,
        r#"-- outline.entries
         select document.path, coalesce(d.title, document.name) as "title!", d.description,
           d.id as "revision_id: DocumentVersionId", d.revision,
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

/// How much each of these versions holds; who asks has found them in the catalogue.
pub async fn extents(connection: &mut PgConnection, versions: &[VersionId]) -> Result<Vec<Extent>, Error> {
    let ids: Vec<uuid::Uuid> = versions.iter().map(|version| version.0).collect();
    Ok(sqlx::query_as!(
        Extent,
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
