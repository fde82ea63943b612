//! Notes that people and agents write on passages: what is outdated, wrong or missing. A note stands on a document under a
//! label and remembers the passage and its hash, so that one sees whether what it speaks of has changed since.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Scope};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::access::{self, Level};
use crate::changes::VersionId;
use crate::documents::DocumentId;
use crate::search::{self, Passage};

kernel::id! {
    /// A note.
    NoteId
}

/// The longest note, in characters.
pub const LONGEST: usize = 4000;

/// What a note says of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = NoteCategory)]
pub enum Category {
    /// It was true once.
    Outdated,
    /// It is not true.
    Wrong,
    /// Something is missing.
    Gap,
    /// Anything else.
    Other,
}

impl Category {
    /// Its name in the database and at every door.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outdated => "outdated",
            Self::Wrong => "wrong",
            Self::Gap => "gap",
            Self::Other => "other",
        }
    }
}

impl FromStr for Category {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Outdated, Self::Wrong, Self::Gap, Self::Other]
            .into_iter()
            .find(|category| category.as_str() == text)
            .ok_or_else(|| Error::Invalid("a note's category is outdated, wrong, gap or other".to_owned()))
    }
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Note {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: NoteId,
    /// The document it stands on.
    pub document_id: Uuid,
    /// The passage it was written on, while that is there.
    pub passage_id: Option<Uuid>,
    /// The place of that passage in the revision that answers now, from 0; none where it has changed since.
    pub passage_number: Option<i32>,
    /// The SHA-256 of the passage when it was written.
    pub passage_sha256: String,
    /// The headings above that passage, outermost first.
    pub section: Vec<String>,
    /// What it says of the passage.
    pub category: Category,
    /// Its words: a person's or an agent's, never an instruction.
    pub text: String,
    /// Why its words read like an instruction to an agent, if they do.
    pub instruction: Option<String>,
    /// Who wrote it, as they were called then.
    pub author: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was settled.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// A note that is to be written.
#[derive(Debug, Clone)]
pub struct NewNote {
    /// The passage it is about.
    pub passage: Uuid,
    /// What it says of it.
    pub category: Category,
    /// Its words.
    pub text: String,
}

/// Writes a note on a passage that exists for the actor. The same words of the same author on the same passage are one note.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    note: &NewNote,
) -> Result<(Note, Passage), Error> {
    if !actor.has_scope(Scope::Notes) {
        return Err(if actor.is_anonymous() {
            Error::SignIn
        } else {
            Error::NotAllowed("this key may not write notes: use one with the scope notes".to_owned())
        });
    }
    let text = note.text.trim();
    let length = text.chars().count();
    if length == 0 || length > LONGEST {
        return Err(Error::Invalid(format!("a note has 1 to {LONGEST} characters; this one has {length}")));
    }
    let passage = search::find_passage(connection, actor, note.passage)
        .await?
        .ok_or_else(|| Error::NotFound(format!("there is no passage {}", note.passage)))?;
    let row = sqlx::query!(
        r#"-- notes.add
         insert into library.notes (id, document_id, version_id, passage_id, passage_sha256, section, category, text,
           instruction, author_user_id, author_key_id, author)
         select $1, d.document_id, d.version_id, passage.id, passage.sha256, passage.section, $3, $4, $5, $6, $7, $8
         from library.search_indices as passage
         join library.document_versions d on d.id = passage.document_version_id
         where passage.id = $2
         on conflict (passage_id, author_user_id, author_key_id, md5(text)) where resolved_at is null
           do update set category = excluded.category
         returning id as "id: NoteId", document_id, passage_id,
           (select passage_number from library.search_indices where id = $2) as passage_number, encode(passage_sha256, 'hex') as "passage_sha256!",
           section, category as "category: Category", text, instruction, author, created_at, resolved_at"#,
        NoteId::new().0,
        note.passage,
        note.category as Category,
        text,
        extract::find_instruction(text),
        actor.user_id().map(|user| user.0),
        actor.key_id().map(|key| key.0),
        actor.name(),
    )
    .fetch_one(connection)
    .await?;
    let note = Note {
        id: row.id,
        document_id: row.document_id,
        passage_id: row.passage_id,
        passage_number: row.passage_number,
        passage_sha256: row.passage_sha256,
        section: row.section,
        category: row.category,
        text: row.text,
        instruction: row.instruction,
        author: row.author,
        created_at: row.created_at,
        resolved_at: row.resolved_at,
    };
    Ok((note, passage))
}

/// The open notes on a document in a version, the oldest first.
pub async fn on_document(
    connection: &mut PgConnection,
    actor: &Actor,
    document: DocumentId,
    version: VersionId,
    limit: i64,
) -> Result<Vec<Note>, Error> {
    access::require_document(connection, actor, document, Level::Read).await?;
    Ok(sqlx::query_as!(
        Note,
        r#"-- notes.open
         select id as "id: NoteId", document_id, passage_id, encode(passage_sha256, 'hex') as "passage_sha256!",
           (select min(now.passage_number) from library.search_indices as now
            join library.document_versions d on d.id = now.document_version_id and d.active
            where d.document_id = note.document_id and d.version_id = note.version_id
              and now.sha256 = note.passage_sha256) as passage_number,
           section, category as "category: Category", text, instruction, author, created_at, resolved_at
         from library.notes as note
         where document_id = $1 and version_id = $2 and resolved_at is null
         order by created_at, id limit $3"#,
        document.0,
        version.0,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Settles a note: who may change the library may say that it is done.
pub async fn resolve(connection: &mut PgConnection, actor: &Actor, id: NoteId) -> Result<(), Error> {
    let absent = || Error::NotFound(format!("there is no note {id}"));
    let document = sqlx::query_scalar!(
        r#"-- notes.document
         select document_id as "document: DocumentId" from library.notes where id = $1"#,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    match access::require_document(connection, actor, document, Level::Write).await {
        Err(Error::NoDocument) => return Err(absent()),
        other => other?,
    };
    sqlx::query!(
        "-- notes.resolve
         update library.notes set resolved_at = coalesce(resolved_at, now()) where id = $1",
        id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}
