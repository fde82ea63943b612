//! Documents that leave a version because their files are gone: they answer no more, and their revisions stay.

use kernel::actor::Actor;
use sqlx::PgConnection;
use uuid::Uuid;

use super::active;
use crate::access::Level;
use crate::catalogue::{Library, Version};
use crate::ids::{DocumentId, VersionId};
use crate::{Error, changes, gc};

/// Documents of a version that are not among the files of its source.
#[derive(Debug)]
pub struct Vanished {
    /// Number of documents in the version, vanished ones included.
    pub all: usize,
    /// Vanished documents, by path.
    pub documents: Vec<(DocumentId, String)>,
}

/// Finds the documents of a version whose paths are not present.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn find_vanished(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    is_present: impl Fn(&str) -> bool,
) -> Result<Vanished, Error> {
    library.require(actor, Level::Read)?;
    let rows = sqlx::query!(
        r#"-- documents.of_version
         select document.id as "id: DocumentId", document.path from library.documents as document
         where document.library_id = $1 and exists (
           select from library.document_versions d
           where d.document_id = document.id and d.version_id = $2
             and (d.active or d.status in ('failed', 'skipped')))
         order by document.path collate "C""#,
        library.id.0,
        version.id.0,
    )
    .fetch_all(connection)
    .await?;
    let all = rows.len();
    let documents =
        rows.into_iter().filter(|row| !is_present(&row.path)).map(|row| (row.id, row.path)).collect();
    Ok(Vanished { all, documents })
}

/// Takes documents out of a version. Their revisions stay, and activating one brings its document back; revisions that were never
/// read are deleted.
///
/// # Errors
///
/// Fails unless the actor can write to the library.
pub async fn withdraw(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    documents: &[DocumentId],
) -> Result<(), Error> {
    library.require(actor, Level::Write)?;
    if documents.is_empty() {
        return Ok(());
    }
    active::lock(connection, documents).await?;
    let ids: Vec<Uuid> = documents.iter().map(|document| document.0).collect();
    sqlx::query!(
        "-- documents.withdraw_vectors
         delete from library.vectors as vector
         using library.document_versions as d, library.search_indices as passage
         where d.document_id = any ($1) and d.version_id = $2 and d.active
           and passage.document_version_id = d.id and vector.passage_id = passage.id",
        &ids,
        version.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- documents.withdraw
         update library.document_versions set active = false, updated_at = now()
         where document_id = any ($1) and version_id = $2 and active",
        &ids,
        version.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- documents.withdraw_unread
         delete from library.document_versions
         where document_id = any ($1) and version_id = $2 and status in ('failed', 'skipped')",
        &ids,
        version.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- documents.withdraw_empty
         delete from library.documents as document where id = any ($1) and library_id = $2 and not exists (
           select from library.document_versions d where d.document_id = document.id)",
        &ids,
        library.id.0,
    )
    .execute(&mut *connection)
    .await?;
    gc::schedule(connection).await?;
    let changed: Vec<(DocumentId, VersionId)> =
        documents.iter().map(|document| (*document, version.id)).collect();
    changes::record(connection, &changed).await
}
