//! The change sequence: what read models follow and caches are valid by.
//!
//! The counters live in one row whose lock is held until the change commits, so whoever reads `n` has every change
//! up to `n` before their eyes. A change is recorded last in its transaction, to keep that lock short.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::documents::DocumentId;

kernel::id! {
    /// A version of a library.
    VersionId
}

/// The channel on which followers are told of changes.
pub const CHANNEL: &str = "wenyuan_changes";

/// Where the truth stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Which database this is.
    pub database_id: Uuid,
    /// Counts changes of what is found.
    pub passages: i64,
    /// Counts changes of libraries and versions.
    pub catalogue: i64,
    /// Counts requests to build the full-text index anew.
    pub rebuild: i64,
}

/// A document under a label whose passages are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// The number of the change.
    pub sequence: i64,
}

/// Where the truth stands now.
pub async fn sequence(connection: &mut PgConnection) -> Result<Sequence, Error> {
    Ok(sqlx::query_as!(
        Sequence,
        "-- changes.sequence
         select database_id, passages, catalogue, rebuild from library.change_sequence",
    )
    .fetch_one(connection)
    .await?)
}

/// Records that the passages of these documents under these labels have changed.
pub async fn record(connection: &mut PgConnection, changed: &[(DocumentId, VersionId)]) -> Result<(), Error> {
    if changed.is_empty() {
        return Ok(());
    }
    // In one order for everybody, so that two transactions cannot wait for each other.
    let mut changed = changed.to_vec();
    changed.sort_unstable();
    changed.dedup();
    let documents: Vec<Uuid> = changed.iter().map(|change| change.0.0).collect();
    let versions: Vec<Uuid> = changed.iter().map(|change| change.1.0).collect();
    // Each change has a number of its own, so that a follower may stop between any two.
    sqlx::query!(
        "-- changes.record
         with bumped as (
           update library.change_sequence set passages = passages + cardinality($1::uuid[]) returning passages
         ), told as (
           select pg_notify('wenyuan_changes', '')
         )
         insert into library.changes (document_id, version_id, sequence)
         select document_id, version_id, bumped.passages - cardinality($1::uuid[]) + place
         from bumped, told, unnest($1::uuid[], $2::uuid[]) with ordinality as change (document_id, version_id, place)
         on conflict (document_id, version_id) do update set sequence = excluded.sequence",
        &documents,
        &versions,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records that libraries or versions have changed.
pub async fn record_catalogue(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- changes.record_catalogue
         with told as (select pg_notify('wenyuan_changes', ''))
         update library.change_sequence set catalogue = catalogue + 1 from told"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The changes after a number, oldest first.
pub async fn since(connection: &mut PgConnection, sequence: i64, limit: i64) -> Result<Vec<Change>, Error> {
    Ok(sqlx::query_as!(
        Change,
        r#"-- changes.since
         select document_id as "document: DocumentId", version_id as "version: VersionId", sequence
         from library.changes where sequence > $1 order by sequence limit $2"#,
        sequence,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Asks every node to build its full-text index anew. Returns the number of the request.
pub async fn request_rebuild(connection: &mut PgConnection) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        "-- changes.request_rebuild
         with told as (select pg_notify('wenyuan_changes', ''))
         update library.change_sequence set rebuild = rebuild + 1 from told returning rebuild"
    )
    .fetch_one(connection)
    .await?)
}
