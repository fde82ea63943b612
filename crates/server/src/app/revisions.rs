//! Revisions of documents by their names: their texts, and what differs between two of them.

use kernel::actor::Actor;
use library::Error;
use library::diff::{self, Diff};
use library::documents::{self, Revision, RevisionName, Status};
use library::ids::DocumentId;
use sqlx::PgConnection;

use crate::app::App;

/// Returns a revision.
///
/// # Errors
///
/// Fails if the document or the revision does not exist for the actor, or the name is none.
pub(crate) async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    name: &str,
) -> Result<Revision, Error> {
    let name: RevisionName = name.parse()?;
    if let Some(revision) = documents::revision(connection, actor, id, &name).await? {
        return Ok(revision);
    }
    documents::find(connection, actor, id).await?.ok_or(Error::NoDocument)?;
    Err(Error::NoDocumentVersion(name.to_string()))
}

/// Activates a revision in its version, and returns it. Activating an earlier one rolls back.
///
/// # Errors
///
/// Fails if it does not exist for the actor, they may not change the library, or it was not read.
pub(crate) async fn activate(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    name: &str,
) -> Result<Revision, Error> {
    let revision = find(&mut *connection, actor, id, name).await?;
    documents::activate(&mut *connection, actor, &revision).await?;
    find(connection, actor, id, name).await
}

/// Returns the text of a revision as Markdown.
///
/// # Errors
///
/// Fails if it has none, and says why.
pub(crate) async fn text(connection: &mut PgConnection, revision: &Revision) -> Result<String, Error> {
    let text = documents::content(connection, revision.id).await?;
    text.ok_or_else(|| {
        let reason = revision.reason.as_deref().unwrap_or_default();
        let why = match revision.status {
            Status::Failed => format!("it could not be read: {reason}"),
            Status::Skipped => format!("it was skipped: {reason}"),
            _ => "it is not read yet; try again shortly".to_owned(),
        };
        Error::NotFound(format!("this revision has no text: {why}"))
    })
}

/// Compares the texts of two revisions line by line.
///
/// # Errors
///
/// Fails if a revision does not exist for the actor, or has no text.
pub(crate) async fn compare(
    app: &App,
    actor: &Actor,
    id: DocumentId,
    from: &str,
    to: &str,
) -> Result<Diff, Error> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let mut read = async |name: &str| {
        let revision = find(&mut connection, actor, id, name).await?;
        let text = text(&mut connection, &revision).await?;
        Ok::<_, Error>((format!("{}~{}", revision.version, revision.revision), text))
    };
    let (from, to) = (read(from).await?, read(to).await?);
    drop(connection);
    let compared = tokio::task::spawn_blocking(move || diff::diff(&from.1, &to.1, &from.0, &to.0)).await;
    compared.map_err(|error| Error::Internal(format!("failed to compare two texts: {error}")))
}
