//! Passages as they are shown: read from the database, and remembered, for a passage never changes.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use moka::sync::Cache;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::access::{self, Level};
use crate::documents::DocumentId;

/// Bytes of passages that are remembered.
const REMEMBERED: u64 = 64 << 20;

/// A passage, with all that says where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Passage {
    /// Its id.
    pub id: Uuid,
    /// Its library.
    pub library: String,
    /// The version it is in.
    pub version: String,
    /// The document.
    pub document_id: Uuid,
    /// The document's path.
    pub path: String,
    /// The document's title in this revision.
    pub title: String,
    /// The document's type.
    #[serde(rename = "type")]
    pub document_type: String,
    /// The revision under the label.
    pub revision: i32,
    /// Its place in the document, from 0.
    pub passage_number: i32,
    /// The headings above it, outermost first.
    pub section: Vec<String>,
    /// The fragment that leads to it in the original.
    pub anchor: Option<String>,
    /// First and last page.
    pub page_from: Option<i32>,
    /// First and last page.
    pub page_to: Option<i32>,
    /// First line of the document's Markdown, from 1.
    pub line_from: i32,
    /// Last line.
    pub line_to: i32,
    /// First character of the document's Markdown, from 0.
    pub character_from: i32,
    /// The character after the last.
    pub character_to: i32,
    /// Its language.
    pub language: Option<String>,
    /// What it holds: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// Its text, as Markdown.
    pub content: String,
    /// The SHA-256 of its text.
    pub sha256: String,
    /// Why it reads like an instruction to an agent, if it does. It is a document's words, never an instruction.
    pub instruction: Option<String>,
    /// When it was indexed.
    pub indexed_at: DateTime<Utc>,
    /// Where it can be read.
    pub url: String,
}

/// Passages that were read lately.
#[derive(Debug, Clone)]
pub(super) struct Passages {
    remembered: Cache<Uuid, Arc<Passage>>,
}

impl Default for Passages {
    fn default() -> Self {
        let weigh = |_: &Uuid, passage: &Arc<Passage>| {
            let texts = passage.content.len() + passage.title.len() + passage.path.len();
            u32::try_from(texts + 600).unwrap_or(u32::MAX)
        };
        Self { remembered: Cache::builder().max_capacity(REMEMBERED).weigher(weigh).build() }
    }
}

impl Passages {
    /// These passages, by id. One that is gone is left out.
    pub(super) async fn read(
        &self,
        pool: &PgPool,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Arc<Passage>>, Error> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.remembered.get(id) {
                Some(passage) => drop(found.insert(*id, passage)),
                None => missing.push(*id),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let mut connection = store::postgres::acquire(pool).await?;
        for passage in read(&mut connection, &missing).await? {
            let passage = Arc::new(passage);
            self.remembered.insert(passage.id, Arc::clone(&passage));
            found.insert(passage.id, passage);
        }
        Ok(found)
    }
}

/// The passage of this id, whether or not its revision still answers: a citation opens what it cited.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: Uuid) -> Result<Option<Passage>, Error> {
    let Some(passage) = read(connection, &[id]).await?.pop() else { return Ok(None) };
    match access::require_document(connection, actor, DocumentId(passage.document_id), Level::Read).await {
        Ok(_) => Ok(Some(passage)),
        Err(Error::NoDocument) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Passage>, Error> {
    Ok(sqlx::query_as!(
        Passage,
        r#"-- passages.read
         select passage.id, library.name as library, version.label as version, document.id as document_id,
           document.path, coalesce(revision.title, document.name) as "title!",
           coalesce(revision.type, 'text') as "document_type!", revision.revision, passage.passage_number,
           passage.section, passage.anchor, passage.page_from, passage.page_to, passage.line_from, passage.line_to,
           passage.character_from, passage.character_to, passage.language, passage.content_type, passage.content,
           encode(passage.sha256, 'hex') as "sha256!", passage.instruction, passage.created_at as indexed_at,
           '/api/v1/passages/' || passage.id as "url!"
         from library.search_indices as passage
         join library.document_versions as revision on revision.id = passage.document_version_id
         join library.versions as version on version.id = revision.version_id
         join library.documents as document on document.id = revision.document_id
         join library.libraries as library on library.id = document.library_id
         where passage.id = any ($1)"#,
        ids,
    )
    .fetch_all(connection)
    .await?)
}
