//! Active revisions: the pointer to the revision that answers for a document in a version.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{DocumentId, DocumentVersionId};
use crate::{Error, embed};

/// Locks documents until the transaction ends, in the order in which adding them locks. Transactions that move pointers are
/// serialised by it, and each sees what the one before has moved.
pub(crate) async fn lock(connection: &mut PgConnection, documents: &[DocumentId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = documents.iter().map(|document| document.0).collect();
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

/// Makes these revisions active in the caller's transaction, and copies the vectors of their unchanged passages. The caller
/// holds the documents' locks, and records the change.
pub(crate) async fn move_pointers(
    connection: &mut PgConnection,
    revisions: &[DocumentVersionId],
) -> Result<(), Error> {
    let ids: Vec<Uuid> = revisions.iter().map(|revision| revision.0).collect();
    // Deactivated first: the unique index allows one active revision at any moment.
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
    embed::sync_active(connection, &ids).await
}
