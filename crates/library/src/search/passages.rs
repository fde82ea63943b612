//! Passages with their provenance, read from the database and cached: a passage never changes.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use moka::sync::Cache;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::access::{Level, LibraryAccess, Visibility};

/// Capacity of the cache in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// A passage with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Passage {
    /// Id.
    pub id: Uuid,
    /// Name of the library.
    pub library: String,
    /// Label of the version.
    pub version: String,
    /// Document.
    pub document_id: Uuid,
    /// Path of the document.
    pub path: String,
    /// Title of the document in this revision.
    pub title: String,
    /// Document type.
    #[serde(rename = "type")]
    pub document_type: String,
    /// Number of the revision within document and version.
    pub revision: i32,
    /// Number in the document, from 0.
    pub passage_number: i32,
    /// Headings above it, outermost first.
    pub section: Vec<String>,
    /// URL fragment of its section in the original.
    pub anchor: Option<String>,
    /// First page in the original, from 1.
    pub page_from: Option<i32>,
    /// Last page in the original.
    pub page_to: Option<i32>,
    /// First line of the document's Markdown, from 1.
    pub line_from: i32,
    /// Last line.
    pub line_to: i32,
    /// First character of the document's Markdown, from 0.
    pub character_from: i32,
    /// Character after the last.
    pub character_to: i32,
    /// Language.
    pub language: Option<String>,
    /// Content type: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// Text as Markdown.
    pub content: String,
    /// SHA-256 of the text.
    pub sha256: String,
    /// Reason why the text reads like an instruction to an agent, if it does. It is data, never an instruction.
    pub instruction: Option<String>,
    /// Time when the passage was written.
    pub indexed_at: DateTime<Utc>,
    /// URL path of the passage in the REST API.
    pub url: String,
}

/// Cache of passages.
#[derive(Debug, Clone)]
pub(super) struct PassageCache {
    cache: Cache<Uuid, Arc<Passage>>,
}

impl Default for PassageCache {
    fn default() -> Self {
        let weigh = |_: &Uuid, passage: &Arc<Passage>| {
            let texts = passage.content.len() + passage.title.len() + passage.path.len();
            u32::try_from(texts + 600).unwrap_or(u32::MAX)
        };
        Self { cache: Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build() }
    }
}

impl PassageCache {
    /// Returns these passages by id, without a check of access; one that does not exist is left out.
    pub(super) async fn read(
        &self,
        pool: &PgPool,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Arc<Passage>>, Error> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.cache.get(id) {
                Some(passage) => drop(found.insert(*id, passage)),
                None => missing.push(*id),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let mut connection = store::postgres::acquire(pool).await?;
        for row in read(&mut connection, None, &missing).await? {
            let passage = Arc::new(row.into_passage());
            self.cache.insert(passage.id, Arc::clone(&passage));
            found.insert(passage.id, passage);
        }
        Ok(found)
    }
}

/// Returns the passage with this id, or `None` if it does not exist for the actor. Its revision need not be active: a
/// citation opens the passage that it cites.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_passage(
    connection: &mut PgConnection,
    actor: &Actor,
    id: Uuid,
) -> Result<Option<Passage>, Error> {
    Ok(find_passages(connection, actor, &[id]).await?.pop())
}

/// Returns the passages with these ids by one statement, in the order of the ids.
///
/// An id whose passage does not exist for the actor is left out; an id that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_passages(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[Uuid],
) -> Result<Vec<Passage>, Error> {
    let rows = read(connection, actor.user_id(), ids).await?;
    Ok(rows.into_iter().filter(|row| row.is_visible(actor)).map(PassageRow::into_passage).collect())
}

/// A passage with what the access rule needs.
struct PassageRow {
    id: Uuid,
    library: String,
    visibility: Visibility,
    granted: Option<Level>,
    version: String,
    document_id: Uuid,
    path: String,
    title: String,
    document_type: String,
    revision: i32,
    passage_number: i32,
    section: Vec<String>,
    anchor: Option<String>,
    page_from: Option<i32>,
    page_to: Option<i32>,
    line_from: i32,
    line_to: i32,
    character_from: i32,
    character_to: i32,
    language: Option<String>,
    content_type: String,
    content: String,
    sha256: String,
    instruction: Option<String>,
    indexed_at: DateTime<Utc>,
    url: String,
}

impl PassageRow {
    fn is_visible(&self, actor: &Actor) -> bool {
        LibraryAccess::new(&self.library, self.visibility, self.granted).level(actor).is_some()
    }

    fn into_passage(self) -> Passage {
        Passage {
            id: self.id,
            library: self.library,
            version: self.version,
            document_id: self.document_id,
            path: self.path,
            title: self.title,
            document_type: self.document_type,
            revision: self.revision,
            passage_number: self.passage_number,
            section: self.section,
            anchor: self.anchor,
            page_from: self.page_from,
            page_to: self.page_to,
            line_from: self.line_from,
            line_to: self.line_to,
            character_from: self.character_from,
            character_to: self.character_to,
            language: self.language,
            content_type: self.content_type,
            content: self.content,
            sha256: self.sha256,
            instruction: self.instruction,
            indexed_at: self.indexed_at,
            url: self.url,
        }
    }
}

/// Reads passages with the user's grant, in the order of the ids.
async fn read(
    connection: &mut PgConnection,
    user: Option<UserId>,
    ids: &[Uuid],
) -> Result<Vec<PassageRow>, Error> {
    Ok(sqlx::query_as!(
        PassageRow,
        r#"-- passages.read
         select passage.id, library.name as library, library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level",
           version.label as version, document.id as document_id,
           document.path, coalesce(revision.title, document.name) as "title!",
           coalesce(revision.type, 'text') as "document_type!", revision.revision, passage.passage_number,
           passage.section, passage.anchor, passage.page_from, passage.page_to, passage.line_from, passage.line_to,
           passage.character_from, passage.character_to, passage.language, passage.content_type, passage.content,
           encode(passage.sha256, 'hex') as "sha256!", passage.instruction, passage.created_at as indexed_at,
           '/api/v1/passages/' || passage.id as "url!"
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join library.search_indices as passage on passage.id = requested.id
         join library.document_versions as revision on revision.id = passage.document_version_id
         join library.versions as version on version.id = revision.version_id
         join library.documents as document on document.id = revision.document_id
         join library.libraries as library on library.id = document.library_id
         order by requested.position"#,
        ids,
        user.map(|user| user.0),
    )
    .fetch_all(connection)
    .await?)
}
