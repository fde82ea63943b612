//! What changed lately: the revisions that came to answer, the newest first.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::catalogue::Catalogue;
use crate::names::LibraryName;

/// The most changes on a page.
pub const LARGEST_PAGE: usize = 100;

/// A revision that came to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recent {
    /// The library.
    pub library: String,
    /// The version.
    pub version: String,
    /// The document.
    pub document_id: Uuid,
    /// Its path.
    pub path: String,
    /// Its title in this revision.
    pub title: String,
    /// The revision's number under the label: 1 for a new document.
    pub revision: i32,
    /// Whether it is the one that answers now.
    pub active: bool,
    /// The SHA-256 of the original.
    pub sha256: String,
    /// When it was indexed.
    pub indexed_at: DateTime<Utc>,
    #[serde(skip)]
    id: Uuid,
}

/// Which changes.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Of this library; of all that exist for the actor where none is named.
    pub library: Option<LibraryName>,
    /// Since then.
    pub since: Option<DateTime<Utc>>,
    /// Where the page begins.
    pub after: Option<Cursor>,
    /// Changes on a page.
    pub limit: usize,
}

/// What changed, as far as it exists for the actor.
pub async fn changes(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    asked: &Asked,
) -> Result<Page<Recent>, Error> {
    if asked.limit == 0 || asked.limit > LARGEST_PAGE {
        return Err(Error::Invalid(format!("a page has 1 to {LARGEST_PAGE} changes")));
    }
    let libraries: Vec<Uuid> = match &asked.library {
        Some(name) => vec![catalogue.library(actor, name)?.id.0],
        None => catalogue.libraries(actor).iter().map(|library| library.id.0).collect(),
    };
    let after: Option<(DateTime<Utc>, Uuid)> = match &asked.after {
        Some(cursor) => Some(cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?),
        None => None,
    };
    let rows = sqlx::query_as!(
        Recent,
        r#"-- recent.changes
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
        asked.since,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id),
        i64::try_from(asked.limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, asked.limit, |last| Cursor::encode(&(last.indexed_at, last.id))))
}
