//! Revisions of documents: look-up, text, activation.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::schema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::objects::Hash;
use utoipa::ToSchema;
use uuid::Uuid;

use super::active;
use crate::access::{self, Level, LibraryAccess, Visibility};
use crate::ids::{DocumentId, DocumentVersionId, VersionId};
use crate::label::{Label, MAX_LABEL_BYTES};
use crate::{Error, changes};

/// Status of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = RevisionStatus)]
pub enum Status {
    /// Its bytes are being uploaded.
    Uploading,
    /// It waits to be read, or is being read.
    Processing,
    /// It was read, and can be active.
    Completed,
    /// It could not be read; its reason says why.
    Failed,
    /// There is nothing to read in it, as in a picture or a page without text; its reason says so.
    Skipped,
}

/// Id of a revision that an authorised look-up has returned.
///
/// It cannot be constructed outside this crate: a function that takes one needs no further check that the revision may be
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct VisibleRevision(DocumentVersionId);

impl VisibleRevision {
    pub(crate) fn new(id: DocumentVersionId) -> Self {
        Self(id)
    }

    /// Returns the id.
    pub fn id(self) -> DocumentVersionId {
        self.0
    }
}

impl fmt::Display for VisibleRevision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A revision of a document in a version.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Revision {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: VisibleRevision,
    /// The document.
    #[schema(value_type = uuid::Uuid)]
    pub document_id: DocumentId,
    /// Its version.
    #[serde(skip)]
    #[schema(ignore)]
    pub version_id: VersionId,
    /// Label of its version.
    pub version: String,
    /// Number within document and version, from 1.
    pub revision: i32,
    /// Whether it is the active one of its version.
    pub active: bool,
    /// Status.
    pub status: Status,
    /// Reason of the failure, or warnings of the reader.
    pub reason: Option<String>,
    /// Document type, once it is read.
    #[serde(rename = "type")]
    pub document_type: Option<String>,
    /// File name of the original.
    pub file_path: String,
    /// Size of the original in bytes.
    pub file_size: i64,
    /// SHA-256 of the original.
    pub sha256: String,
    /// Title.
    pub title: Option<String>,
    /// First words of the text.
    pub description: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Time of the upload.
    pub created_at: DateTime<Utc>,
    /// Time when it was first read.
    pub completed_at: Option<DateTime<Utc>>,
}

impl Revision {
    /// Returns the hash of the original's bytes, their name in the object store.
    ///
    /// # Errors
    ///
    /// Fails if the stored hash is malformed.
    pub fn hash(&self) -> Result<Hash, Error> {
        self.sha256.parse().map_err(|_invalid| Error::Internal("a stored hash cannot be read".to_owned()))
    }
}

/// Name of a revision: `15` is the active revision of version 15, `15~2` the second one of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionName {
    /// Label of the version.
    pub label: Label,
    /// Number within the version; `None` for the active one.
    pub revision: Option<i32>,
}

kernel::schema! {
    RevisionName = schema::text(1..=MAX_LABEL_BYTES + 10, r"^[A-Za-z0-9][A-Za-z0-9._+-]*(~[1-9][0-9]{0,8})?$")
        .description(Some("Name of a revision: `15` is the active one of version 15, `15~2` the second one of it."));
}

impl FromStr for RevisionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // A label can hold a tilde itself: `2.0~rc1`, and its second revision `2.0~rc1~2`.
        let is_number = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
        let Some((label, revision)) =
            text.rsplit_once('~').filter(|(_, part)| is_number(part) || text.parse::<Label>().is_err())
        else {
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

/// Returns all revisions of a document, the highest version first and in it the newest; none if the document does not exist
/// for the actor.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn revisions(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
) -> Result<Vec<Revision>, Error> {
    match access::require_document(connection, actor, id, Level::Read).await {
        Ok(_) => {}
        Err(Error::NoDocument) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    Ok(sqlx::query_as!(
        Revision,
        r#"-- documents.revisions
         select d.id as "id: VisibleRevision", d.document_id as "document_id: DocumentId",
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

/// Returns the revisions with these ids by one statement, in the order of the ids.
///
/// An id whose document does not exist for the actor is left out; an id that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_revisions(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[DocumentVersionId],
) -> Result<Vec<Revision>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- documents.find_revisions
         select d.id as "id: VisibleRevision", d.document_id as "document_id: DocumentId",
           d.version_id as "version_id: VersionId", version.label as version, d.revision, d.active,
           d.status as "status: Status", d.reason, d.type as document_type, d.file_path, d.file_size,
           encode(d.file_hash, 'hex') as "sha256!", d.title, d.description, d.language, d.created_at, d.completed_at,
           library.name as library, library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join library.document_versions d on d.id = requested.id
         join library.versions as version on version.id = d.version_id
         join library.libraries as library on library.id = version.library_id
         order by requested.position"#,
        &ids,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    let visible = rows
        .into_iter()
        .filter(|row| LibraryAccess::new(&row.library, row.visibility, row.granted).level(actor).is_some());
    Ok(visible
        .map(|row| Revision {
            id: row.id,
            document_id: row.document_id,
            version_id: row.version_id,
            version: row.version,
            revision: row.revision,
            active: row.active,
            status: row.status,
            reason: row.reason,
            document_type: row.document_type,
            file_path: row.file_path,
            file_size: row.file_size,
            sha256: row.sha256,
            title: row.title,
            description: row.description,
            language: row.language,
            created_at: row.created_at,
            completed_at: row.completed_at,
        })
        .collect())
}

/// Returns one revision. Without a number: the active one, or the newest if none was ever active.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn revision(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    name: &RevisionName,
) -> Result<Option<Revision>, Error> {
    let mut in_version: Vec<Revision> = revisions(connection, actor, id).await?;
    in_version.retain(|revision| revision.version == name.label.as_str());
    let index = match name.revision {
        Some(number) => in_version.iter().position(|revision| revision.revision == number),
        None => {
            in_version.iter().position(|revision| revision.active).or((!in_version.is_empty()).then_some(0))
        }
    };
    Ok(index.map(|index| in_version.swap_remove(index)))
}

/// Returns the extracted text of a revision as Markdown, or `None` if it is not read yet.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn content(
    connection: &mut PgConnection,
    revision: VisibleRevision,
) -> Result<Option<String>, Error> {
    let content = sqlx::query_scalar!(
        "-- documents.content
         select content from library.document_versions where id = $1",
        revision.id().0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(content.flatten())
}

/// Returns those of the revisions whose ingestion has ended, with the reason where they were not read, in no order.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn finished(
    connection: &mut PgConnection,
    revisions: &[VisibleRevision],
) -> Result<Vec<(VisibleRevision, Status, String)>, Error> {
    let ids: Vec<Uuid> = revisions.iter().map(|revision| revision.id().0).collect();
    let rows = sqlx::query!(
        r#"-- documents.finished
         select id as "id: VisibleRevision", status as "status: Status", coalesce(reason, '') as "reason!"
         from library.document_versions where id = any ($1) and status in ('completed', 'failed', 'skipped')"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.status, row.reason)).collect())
}

/// Makes a revision the active one of its version. Activating an earlier revision rolls back.
///
/// # Errors
///
/// Fails unless the actor can write to the library, and if the revision was never read.
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
            Status::Skipped => {
                format!("skipped ({})", revision.reason.as_deref().unwrap_or("no reason is known"))
            }
            _ => "not read yet".to_owned(),
        }));
    }
    active::lock(connection, &[revision.document_id]).await?;
    active::move_pointers(connection, &[revision.id.id()]).await?;
    changes::record(connection, &[(revision.document_id, revision.version_id)]).await
}
