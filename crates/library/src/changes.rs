//! Change sequences of the library: passages, which the full-text index follows, and the catalogue, which caches are valid by.
//!
//! How they are numbered and followed: [`store::change_sequence`]. A change is recorded last in its transaction.

use kernel::actor::Actor;
use sqlx::PgConnection;
use store::change_sequence::{self, ChangeSequence};
use uuid::Uuid;

use crate::Error;
use crate::access;
use crate::ids::{DocumentId, VersionId};

pub use store::change_sequence::CHANNEL;

/// Numbers changes of the passages that can be found.
const PASSAGES: ChangeSequence = ChangeSequence::new("library.passages");
/// Numbers changes of libraries and versions.
const CATALOGUE: ChangeSequence = ChangeSequence::new("library.catalogue");
/// Numbers requests to rebuild the full-text index.
const REBUILD: ChangeSequence = ChangeSequence::new("library.rebuild");

/// Position of the library's change sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Id of the database.
    pub database_id: Uuid,
    /// Number of the last change of the passages that can be found.
    pub passages: i64,
    /// Number of the last change of libraries and versions.
    pub catalogue: i64,
    /// Number of the last request to rebuild the full-text index.
    pub rebuild: i64,
}

/// Document under a version whose passages have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// Number of the change.
    pub sequence: i64,
}

/// Reads the current position.
///
/// # Errors
///
/// Fails when the database does.
pub async fn sequence(connection: &mut PgConnection) -> Result<Sequence, Error> {
    let position = change_sequence::position(connection, [PASSAGES, CATALOGUE, REBUILD]).await?;
    let [passages, catalogue, rebuild] = position.numbers;
    Ok(Sequence { database_id: position.database_id, passages, catalogue, rebuild })
}

/// Records that the passages of these documents under these versions have changed.
///
/// # Errors
///
/// Fails when the database does.
pub async fn record(connection: &mut PgConnection, changed: &[(DocumentId, VersionId)]) -> Result<(), Error> {
    let subjects: Vec<Vec<Uuid>> =
        changed.iter().map(|(document, version)| vec![document.0, version.0]).collect();
    Ok(PASSAGES.record(connection, &subjects).await?)
}

/// Records that libraries or versions have changed.
///
/// # Errors
///
/// Fails when the database does.
pub async fn record_catalogue(connection: &mut PgConnection) -> Result<(), Error> {
    CATALOGUE.advance(connection).await?;
    Ok(())
}

/// Returns up to `limit` changes after the number `sequence`, oldest first.
///
/// # Errors
///
/// Fails when the database does.
pub async fn since(connection: &mut PgConnection, sequence: i64, limit: i64) -> Result<Vec<Change>, Error> {
    let changes = PASSAGES.since(connection, sequence, limit).await?;
    changes.iter().map(read_change).collect()
}

fn read_change(change: &change_sequence::Change) -> Result<Change, Error> {
    let &[document, version] = change.subject.as_slice() else {
        return Err(Error::Internal("a change of passages names no document and version".to_owned()));
    };
    Ok(Change { document: DocumentId(document), version: VersionId(version), sequence: change.number })
}

/// Requests that every node rebuild its full-text index, and returns the number of the request.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn request_rebuild(connection: &mut PgConnection, actor: &Actor) -> Result<i64, Error> {
    access::require_admin(actor)?;
    Ok(REBUILD.advance(connection).await?)
}

#[cfg(test)]
mod tests {
    use kernel::actor::{Role, UserId};
    use testkit::Database;

    use super::*;

    #[tokio::test]
    async fn only_administrators_can_request_a_rebuild() {
        let database = Database::new().await;
        store::migrations::up(database.pool()).await.unwrap();
        let mut connection = database.pool().acquire().await.unwrap();
        let editor = Actor::user(UserId::new(), "ada", Role::Editor, None);
        for actor in [Actor::anonymous(), editor] {
            let refused = request_rebuild(&mut connection, &actor).await;
            assert!(matches!(refused, Err(Error::NotAllowed(_))), "{}", actor.name());
        }
        let first = request_rebuild(&mut connection, &Actor::owner()).await.unwrap();
        assert!(request_rebuild(&mut connection, &Actor::owner()).await.unwrap() > first);
    }
}
