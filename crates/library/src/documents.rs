//! Documents, their revisions under each label, and what may be done with them.

mod add;
pub mod layout;
mod metadata;
pub mod outline;
pub mod reading;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::objects::Hash;
use utoipa::ToSchema;

use crate::access::{self, Level};
use crate::changes::{self, VersionId};
use crate::label::Label;
use crate::{Error, sweep};

pub use add::{Added, NewDocument, Outcome, Target, add, retry, store_bytes};
pub use metadata::{Patched, metadata, patch_metadata};

kernel::id! {
    /// A document.
    DocumentId
}
kernel::id! {
    /// A revision of a document under a label.
    DocumentVersionId
}

/// The headings above a passage without the first, where that only says the document's title again.
pub fn below_title<'passage>(title: &str, section: &'passage [String]) -> &'passage [String] {
    match section.split_first() {
        // JavaDoc: `Class Berth` of `Class Berth (org.example)`.
        Some((first, rest))
            if title
                .strip_prefix(first.as_str())
                .is_some_and(|more| more.is_empty() || more.starts_with(" (")) =>
        {
            rest
        }
        _ => section,
    }
}

/// Code or prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// About code: references, API descriptions.
    Code,
    /// Anything else.
    Document,
}

impl Category {
    /// Its name in the database and at every door.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Document => "document",
        }
    }
}

/// Where a revision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = RevisionStatus)]
pub enum Status {
    /// Its bytes are on their way.
    Uploading,
    /// It is being read.
    Processing,
    /// It can answer.
    Completed,
    /// It could not be read; the reason says why.
    Failed,
}

/// A document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Document {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: DocumentId,
    /// The library it is in.
    pub library: String,
    /// Its path there.
    pub path: String,
    /// Its title.
    pub name: String,
    /// Code or prose.
    pub category: Category,
    /// Its tags.
    pub tags: Vec<String>,
    /// The labels under which it answers, the highest first.
    pub versions: Vec<String>,
    /// Why its newest revision under some label could not be read, if so.
    pub failure: Option<String>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A revision of a document under a label.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Revision {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: DocumentVersionId,
    /// The document.
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    /// The version it is in.
    #[serde(skip)]
    #[schema(ignore)]
    pub version_id: VersionId,
    /// The label of that version.
    pub version: String,
    /// Its number under that label, from 1.
    pub revision: i32,
    /// Whether it is the one that answers under its label.
    pub active: bool,
    /// Where it stands.
    pub status: Status,
    /// Why it failed, or what its reader should know.
    pub reason: Option<String>,
    /// Its type, once it was read.
    #[serde(rename = "type")]
    pub document_type: Option<String>,
    /// The original's own name.
    pub file_path: String,
    /// The original's bytes.
    pub file_size: i64,
    /// The SHA-256 of the original.
    pub sha256: String,
    /// Its title.
    pub title: Option<String>,
    /// Its first words.
    pub description: Option<String>,
    /// Its language.
    pub language: Option<String>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it could first answer.
    pub completed_at: Option<DateTime<Utc>>,
}

impl Revision {
    /// The name of the original's bytes in the object store.
    pub fn hash(&self) -> Result<Hash, Error> {
        self.sha256.parse().map_err(|_invalid| Error::Internal("a stored hash cannot be read".to_owned()))
    }
}

/// Names a revision: `15` is the one that answers under label 15, `15~2` the second under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionName {
    /// The label.
    pub label: Label,
    /// The number under it; the active one where none is given.
    pub revision: Option<i32>,
}

impl FromStr for RevisionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((label, revision)) = text.split_once('~') else {
            return Ok(Self { label: text.parse()?, revision: None });
        };
        let revision = revision.parse().map_err(|_invalid| {
            Error::Invalid(format!("{text:?} names no revision: write LABEL or LABEL~NUMBER"))
        })?;
        Ok(Self { label: label.parse()?, revision: Some(revision) })
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "version {}", self.label)?;
        self.revision.map_or(Ok(()), |revision| write!(formatter, ", revision {revision}"))
    }
}

/// The document of this id.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
) -> Result<Option<Document>, Error> {
    if !exists(connection, actor, id).await? {
        return Ok(None);
    }
    Ok(sqlx::query_as!(
        Document,
        r#"-- documents.find
         select document.id as "id: DocumentId", library.name as library, document.path, document.name,
           document.category as "category: Category", document.tags, document.created_at, document.updated_at,
           array (select version.label from library.document_versions d
                  join library.versions as version on version.id = d.version_id
                  where d.document_id = document.id and d.active order by version.sort_key desc) as "versions!",
           (select d.reason from library.document_versions d
            where d.document_id = document.id and d.status = 'failed' and not exists (
              select from library.document_versions newer
              where newer.document_id = d.document_id and newer.version_id = d.version_id
                and newer.revision > d.revision)
            order by d.id desc limit 1) as failure
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where document.id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?)
}

/// Whether a document exists for an actor.
async fn exists(connection: &mut PgConnection, actor: &Actor, id: DocumentId) -> Result<bool, Error> {
    match access::require_document(connection, actor, id, Level::Read).await {
        Ok(_) => Ok(true),
        Err(Error::NoDocument) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Which documents to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this library.
    pub library: Option<String>,
    /// That answer under this label.
    pub version: Option<String>,
    /// Of this type under some label.
    pub document_type: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Whose newest revision under some label stands so.
    pub status: Option<Status>,
    /// Whose metadata contain this object.
    pub metadata: Option<serde_json::Value>,
}

/// Documents that exist for the actor, by library and path.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Document>, Error> {
    let (after_library, after_path): (String, String) = match after {
        Some(cursor) => cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?,
        None => Default::default(),
    };
    let visible = access::visible(connection, actor).await?;
    let rows = sqlx::query_as!(
        Document,
        r#"-- documents.list
         select document.id as "id: DocumentId", library.name as library, document.path, document.name,
           document.category as "category: Category", document.tags, document.created_at, document.updated_at,
           array (select version.label from library.document_versions d
                  join library.versions as version on version.id = d.version_id
                  where d.document_id = document.id and d.active order by version.sort_key desc) as "versions!",
           (select d.reason from library.document_versions d
            where d.document_id = document.id and d.status = 'failed' and not exists (
              select from library.document_versions newer
              where newer.document_id = d.document_id and newer.version_id = d.version_id
                and newer.revision > d.revision)
            order by d.id desc limit 1) as failure
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where (library.name, document.path) > ($1, $2) and library.id = any ($10)
           and ($3::text is null or library.name = $3)
           and ($4::text is null or document.tags @> array[$4])
           and ($5::jsonb is null or exists (select from library.document_metadata m
                where m.document_id = document.id and m.metadata @> $5))
           and (($6::text is null and $7::text is null and $8::text is null) or exists (
                select from library.document_versions d
                join library.versions as version on version.id = d.version_id
                where d.document_id = document.id
                  and ($6::text is null or (version.label = $6 and (d.active or $8::text is not null)))
                  and ($7::text is null or d.type = $7)
                  and ($8::text is null or (d.status = $8 and d.revision =
                    (select max(revision) from library.document_versions newest
                     where newest.document_id = d.document_id and newest.version_id = d.version_id)))))
         order by library.name, document.path
         limit $9"#,
        after_library,
        after_path,
        filter.library,
        filter.tag,
        filter.metadata,
        filter.version,
        filter.document_type,
        filter.status as Option<Status>,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        &visible,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&(&last.library, &last.path))))
}

/// All revisions of a document, the highest label first and under it the newest; none where it does not exist for the
/// actor.
pub async fn revisions(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
) -> Result<Vec<Revision>, Error> {
    if !exists(connection, actor, id).await? {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as!(
        Revision,
        r#"-- documents.revisions
         select d.id as "id: DocumentVersionId", d.document_id as "document_id: DocumentId",
           d.version_id as "version_id: VersionId", version.label as version, d.revision, d.active,
           d.status as "status: Status", d.reason, d.type as document_type, d.file_path, d.file_size,
           encode(d.file_hash, 'hex') as "sha256!", d.title, d.description, d.language, d.created_at, d.completed_at
         from library.document_versions d
         join library.versions as version on version.id = d.version_id
         where d.document_id = $1
         order by version.sort_key desc, d.revision desc"#,
        id.0,
    )
    .fetch_all(connection)
    .await?)
}

/// One revision. Where no number is given: the active one, or, when none has answered yet, the newest.
pub async fn revision(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    name: &RevisionName,
) -> Result<Option<Revision>, Error> {
    let mut under_label: Vec<Revision> = revisions(connection, actor, id).await?;
    under_label.retain(|revision| revision.version == name.label.as_str());
    let place = match name.revision {
        Some(number) => under_label.iter().position(|revision| revision.revision == number),
        None => under_label.iter().position(|revision| revision.active).or(if under_label.is_empty() {
            None
        } else {
            Some(0)
        }),
    };
    Ok(place.map(|place| under_label.swap_remove(place)))
}

/// The extracted text of a revision, as Markdown; `None` while it is not read.
pub async fn content(connection: &mut PgConnection, id: DocumentVersionId) -> Result<Option<String>, Error> {
    let content = sqlx::query_scalar!(
        "-- documents.content
         select content from library.document_versions where id = $1",
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(content.flatten())
}

/// Which of these revisions are read or have failed, and why they failed.
pub async fn ended(
    pool: &sqlx::PgPool,
    ids: &[uuid::Uuid],
) -> Result<Vec<(uuid::Uuid, Option<String>)>, Error> {
    let rows = sqlx::query!(
        r#"-- documents.ended
         select id, case when status = 'failed' then reason end as failure
         from library.document_versions where id = any ($1) and status in ('completed', 'failed')"#,
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.failure)).collect())
}

/// Makes a revision the one that answers under its label: rolling back is moving this pointer.
pub async fn activate(
    connection: &mut PgConnection,
    actor: &Actor,
    revision: &Revision,
) -> Result<(), Error> {
    access::require_document(connection, actor, revision.document_id, Level::Write).await?;
    if revision.status != Status::Completed {
        return Err(Error::NotCompleted(match revision.status {
            Status::Failed => {
                format!("failed ({})", revision.reason.as_deref().unwrap_or("no reason is known"))
            }
            _ => "not read yet".to_owned(),
        }));
    }
    lock(connection, &[revision.document_id]).await?;
    move_pointers(connection, &[revision.id]).await?;
    changes::record(connection, &[(revision.document_id, revision.version_id)]).await
}

/// Locks documents until the transaction ends, in the order in which adding them does. Who moves pointers comes one after
/// another, and sees what the one before has moved.
pub(crate) async fn lock(connection: &mut PgConnection, documents: &[DocumentId]) -> Result<(), Error> {
    let ids: Vec<uuid::Uuid> = documents.iter().map(|document| document.0).collect();
    sqlx::query!(
        r#"-- documents.lock
         select id from library.documents where id = any ($1)
         order by library_id, path collate "C" for no key update"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Moves the pointers of these revisions' documents to them, in the caller's transaction, and gives their unchanged
/// passages the vectors they had. The change is recorded by the caller.
pub(crate) async fn move_pointers(
    connection: &mut PgConnection,
    revisions: &[DocumentVersionId],
) -> Result<(), Error> {
    let ids: Vec<uuid::Uuid> = revisions.iter().map(|revision| revision.0).collect();
    // Off before on: the unique index allows one active revision at every moment.
    sqlx::query!(
        "-- documents.deactivate
         update library.document_versions as old set active = false, updated_at = now()
         from library.document_versions as chosen
         where chosen.id = any ($1) and old.active and old.id <> chosen.id
           and old.document_id = chosen.document_id and old.version_id = chosen.version_id",
        &ids,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- documents.activate
         with chosen as (
           update library.document_versions set active = true, updated_at = now() where id = any ($1)
           returning document_id, title, version_id
         )
         update library.documents as document set name = coalesce(chosen.title, document.name), updated_at = now()
         from chosen where document.id = chosen.document_id",
        &ids,
    )
    .execute(&mut *connection)
    .await?;
    crate::embed::follow_pointers(connection, &ids).await
}

/// Deletes a document: its revisions, passages and vectors at once, its bytes when no other document refers to them.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: DocumentId) -> Result<(), Error> {
    access::require_document(connection, actor, id, Level::Write).await?;
    let versions = sqlx::query_scalar!(
        r#"-- documents.versions_held
         select distinct version_id as "version: VersionId" from library.document_versions where document_id = $1"#,
        id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let deleted = sqlx::query!(
        "-- documents.delete
         delete from library.documents where id = $1",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(Error::NoDocument);
    }
    sweep::schedule(connection).await?;
    let changed: Vec<_> = versions.into_iter().map(|version| (id, version)).collect();
    changes::record(connection, &changed).await
}
