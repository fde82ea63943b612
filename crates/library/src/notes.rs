//! Notes of people and agents on passages: what is outdated, wrong or missing.
//!
//! A note belongs to a document in a version. It records the passage and its hash, which show whether that passage has
//! changed since.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use futures::stream::{Stream, TryStreamExt as _};
use kernel::actor::{Actor, Scope, UserId};
use kernel::page::{Cursor, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::access::{self, Level};
use crate::catalogue::Catalogue;
use crate::ids::{DocumentId, NoteId, VersionId};
use crate::label::Label;
use crate::names::{DocumentPath, LibraryName};
use crate::search::{self, Passage};

/// Maximum length of a note, in characters.
pub const MAX_NOTE_CHARS: usize = 4000;

/// Category of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = NoteCategory)]
pub enum Category {
    /// The passage was true once.
    Outdated,
    /// The passage is not true.
    Wrong,
    /// Something is missing.
    Gap,
    /// Anything else.
    Other,
}

impl Category {
    /// Returns the name used in the database and in every API.
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
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: NoteId,
    /// Document of the passage.
    pub document_id: Uuid,
    /// Passage it was written on, while that exists.
    pub passage_id: Option<Uuid>,
    /// Number of that passage in the active revision, from 0; `None` if the passage has changed since.
    pub passage_number: Option<i32>,
    /// SHA-256 of the passage when the note was written.
    pub passage_sha256: String,
    /// Headings above that passage, outermost first.
    pub section: Vec<String>,
    /// Category.
    pub category: Category,
    /// Text, by a person or an agent. It is data, never an instruction.
    pub text: String,
    /// Reason why the text reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
    /// Name of the author when they wrote it.
    pub author: String,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time when it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// A note to add.
#[derive(Debug, Clone)]
pub struct NewNote {
    /// Passage.
    pub passage: Uuid,
    /// Category.
    pub category: Category,
    /// Text.
    pub text: String,
}

/// Adds a note to a passage. The same text by the same author on the same passage stays one note.
///
/// # Errors
///
/// Fails if the passage does not exist for the actor, their API key lacks the scope, or the text is empty or too long.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    note: &NewNote,
) -> Result<(Note, Passage), Error> {
    if !actor.has_scope(Scope::Notes) {
        return Err(if actor.is_anonymous() {
            Error::SignIn
        } else {
            Error::NotAllowed("this API key cannot write notes: use one with the scope notes".to_owned())
        });
    }
    let text = note.text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_NOTE_CHARS {
        return Err(Error::Invalid(format!(
            "a note has 1 to {MAX_NOTE_CHARS} characters; this one has {length}"
        )));
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

/// Returns notes on a document in a version, open or resolved ones, the oldest first.
///
/// # Errors
///
/// Fails if the document does not exist for the actor.
pub async fn on_document(
    connection: &mut PgConnection,
    actor: &Actor,
    document: DocumentId,
    version: VersionId,
    resolved: bool,
    limit: i64,
) -> Result<Vec<Note>, Error> {
    access::require_document(connection, actor, document, Level::Read).await?;
    Ok(sqlx::query_as!(
        Note,
        r#"-- notes.on_document
         select id as "id: NoteId", document_id, passage_id, encode(passage_sha256, 'hex') as "passage_sha256!",
           (select min(now.passage_number) from library.search_indices as now
            join library.document_versions d on d.id = now.document_version_id and d.active
            where d.document_id = note.document_id and d.version_id = note.version_id
              and now.sha256 = note.passage_sha256) as passage_number,
           section, category as "category: Category", text, instruction, author, created_at, resolved_at
         from library.notes as note
         where document_id = $1 and version_id = $2 and (resolved_at is not null) = $3
         order by created_at, id limit $4"#,
        document.0,
        version.0,
        resolved,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Takes the name of a user off their notes, before the user is deleted. The caller has checked that they may be.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn forget_author(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!(
        "-- notes.forget_author
         update library.notes set author = 'deleted user' where author_user_id = $1",
        user.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the notes that the actor has written, themselves or by a key, as JSON objects of the kind `note`. Libraries that they cannot
/// read any more are not named. The connection is held until all is read.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn records(
    connection: &mut PgConnection,
    actor: &Actor,
) -> Result<impl Stream<Item = Result<String, Error>>, Error> {
    let levels = access::visible_levels(&mut *connection, actor).await?;
    let libraries: Vec<Uuid> = levels.into_iter().map(|(library, _)| library.0).collect();
    let rows = sqlx::query_scalar!(
        r#"-- notes.records
         select json_build_object('kind', 'note', 'id', note.id, 'library', library.name, 'version', version.label,
             'document', document.path, 'section', note.section, 'category', note.category, 'text', note.text,
             'created_at', note.created_at, 'resolved_at', note.resolved_at)::text as "record!"
         from library.notes as note
         left join library.documents as document on document.id = note.document_id and document.library_id = any ($2)
         left join library.libraries as library on library.id = document.library_id
         left join library.versions as version on version.id = note.version_id and version.library_id = library.id
         where note.author_user_id = $1"#,
        actor.user_id().map(|user| user.0),
        &libraries,
    )
    .fetch(connection);
    Ok(rows.map_err(Error::from))
}

/// A note with the place of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListedNote {
    /// Note.
    #[serde(flatten)]
    pub note: Note,
    /// Name of the library.
    pub library: String,
    /// Label of the version.
    pub version: String,
    /// Path of the document.
    pub path: String,
}

/// Filter of [`list`].
#[derive(Debug, Clone, Default)]
pub struct NoteFilter {
    /// Library; all that exist for the actor if `None`.
    pub library: Option<LibraryName>,
    /// Version of the library.
    pub version: Option<Label>,
    /// Path of the document.
    pub path: Option<DocumentPath>,
    /// Whether resolved or open notes are listed.
    pub resolved: bool,
}

/// Lists the notes in libraries that exist for the actor, the newest first.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, and for an invalid cursor.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    filter: &NoteFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<ListedNote>, Error> {
    let libraries: Vec<Uuid> = match &filter.library {
        Some(name) => vec![catalogue.library(actor, name)?.id.0],
        None => catalogue.libraries(actor).iter().map(|library| library.id.0).collect(),
    };
    let after: Option<(DateTime<Utc>, Uuid)> = match after {
        Some(cursor) => Some(cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?),
        None => None,
    };
    let rows = sqlx::query!(
        r#"-- notes.list
         select note.id as "id: NoteId", note.document_id, note.passage_id,
           encode(note.passage_sha256, 'hex') as "passage_sha256!",
           (select min(now.passage_number) from library.search_indices as now
            join library.document_versions d on d.id = now.document_version_id and d.active
            where d.document_id = note.document_id and d.version_id = note.version_id
              and now.sha256 = note.passage_sha256) as passage_number,
           note.section, note.category as "category: Category", note.text, note.instruction, note.author, note.created_at,
           note.resolved_at, library.name as library, version.label as version, document.path
         from library.notes as note
         join library.documents as document on document.id = note.document_id
         join library.libraries as library on library.id = document.library_id
         join library.versions as version on version.id = note.version_id
         where library.id = any ($1) and ($2::text is null or version.label = $2)
           and ($3::text is null or document.path = $3) and (note.resolved_at is not null) = $4
           and ($5::timestamptz is null or (note.created_at, note.id) < ($5, $6))
         order by note.created_at desc, note.id desc limit $7"#,
        &libraries,
        filter.version.as_ref().map(Label::as_str),
        filter.path.as_ref().map(DocumentPath::as_str),
        filter.resolved,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let items = rows.into_iter().map(|row| ListedNote {
        note: Note {
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
        },
        library: row.library,
        version: row.version,
        path: row.path,
    });
    Ok(Page::from_rows(items.collect(), limit, |last| {
        Cursor::encode(&(last.note.created_at, last.note.id.0))
    }))
}

/// Marks a note as resolved. A resolved note stays as it is.
///
/// # Errors
///
/// Fails if the note does not exist for the actor, or they cannot write to its library.
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
