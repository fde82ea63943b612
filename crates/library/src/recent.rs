//! Recent changes: the revisions that were read, the newest first.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::catalogue::Catalogue;
use crate::names::LibraryName;

/// Maximum number of changes of a page.
pub const MAX_PAGE_SIZE: usize = 100;

/// A revision that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecentChange {
    /// Name of the library.
    pub library: String,
    /// Label of the version.
    pub version: String,
    /// Document.
    pub document_id: Uuid,
    /// Path of the document.
    pub path: String,
    /// Title in this revision.
    pub title: String,
    /// Number of the revision within document and version: 1 for a new document.
    pub revision: i32,
    /// Whether the revision is active now.
    pub active: bool,
    /// SHA-256 of the original.
    pub sha256: String,
    /// Time when it was read.
    pub indexed_at: DateTime<Utc>,
    #[serde(skip)]
    id: Uuid,
}

/// Filter and page of [`list`].
#[derive(Debug, Clone, Default)]
pub struct RecentChangesParams {
    /// Library; all that exist for the actor if `None`.
    pub library: Option<LibraryName>,
    /// Time from which changes are listed.
    pub since: Option<DateTime<Utc>>,
    /// Cursor of an earlier page.
    pub after: Option<Cursor>,
    /// Number of changes of a page, 1 to [`MAX_PAGE_SIZE`].
    pub limit: usize,
}

/// Lists the changes in libraries that exist for the actor, the newest first.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, and for an invalid cursor or limit.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    params: &RecentChangesParams,
) -> Result<Page<RecentChange>, Error> {
    if params.limit == 0 || params.limit > MAX_PAGE_SIZE {
        return Err(Error::Invalid(format!("a page has 1 to {MAX_PAGE_SIZE} changes")));
    }
    let libraries: Vec<Uuid> = match &params.library {
        Some(name) => vec![catalogue.library(actor, name)?.id.0],
        None => catalogue.libraries(actor).iter().map(|library| library.id.0).collect(),
    };
    let after: Option<(DateTime<Utc>, Uuid)> = match &params.after {
        Some(cursor) => Some(cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?),
        None => None,
    };
    let rows = sqlx::query_as!(
        RecentChange,
        r#"-- recent.list
         select library.name as library, version.label as version, document.id as document_id, document.path,
           coalesce(d.title, document.name) as "title!", d.revision, d.active,
           encode(d.file_hash, 'hex') as "sha256!", d.completed_at as "indexed_at!", d.id
         from library.document_versions d
         join library.versions as version on version.id = d.version_id
         join library.documents as document on document.id = d.document_id
         join library.libraries as library on library.id = document.library_id
         where d.status = 'completed' and d.completed_at is not null and library.id = any ($1)
           and ($2::timestamptz is null or d.completed_at >= $2)
           and ($3::timestamptz is null or (d.completed_at, d.id) < ($3, $4))
         order by d.completed_at desc, d.id desc
         limit $5"#,
        &libraries,
        params.since,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id),
        i64::try_from(params.limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, params.limit, |last| Cursor::encode(&(last.indexed_at, last.id))))
}
