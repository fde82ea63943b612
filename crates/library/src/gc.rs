//! Garbage collection of the object store: deletes bytes that nothing refers to any more.
//!
//! Deleting a document schedules a collection. It leaves alone what was marked as used within [`GRACE`]: an upload marks
//! its bytes before it stores them ([`uploads`](crate::uploads)), so bytes on their way to a document stay. Crates above
//! can refer to bytes too, by a foreign key that this crate does not know of: the row is deleted before the bytes, and
//! the database refuses to delete a row that is referred to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection, PgPool};
use store::jobs::{self, JobKind, NewJob};
use store::objects::{Hash, Objects, Stored};
use uuid::Uuid;

use crate::Error;
use crate::access;

/// Kind of the job.
pub const JOB: JobKind = JobKind::new("library.sweep");

/// How long bytes are left alone after they were last marked as used.
pub const GRACE: Duration = Duration::from_mins(10);

/// Enqueues a collection for the time when what is deleted now can be collected. All deletions of one [`GRACE`] period share
/// a job, which runs between one and two periods after each of them.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn schedule(connection: &mut PgConnection) -> Result<(), Error> {
    let period = sqlx::query_scalar!(
        r#"-- objects.period
         select floor(extract(epoch from now())::float8 / $1)::int8::text as "period!""#,
        GRACE.as_secs_f64(),
    )
    .fetch_one(&mut *connection)
    .await?;
    let job = NewJob { delay: 2 * GRACE, priority: 10, ..NewJob::unique(JOB, period, json!({})) };
    Ok(jobs::enqueue(connection, &[job]).await?)
}

/// Runs the jobs with these ids as one collection.
///
/// # Errors
///
/// Fails if the database or the object store fails, or the lease of a job was lost.
pub async fn run(pool: &PgPool, objects: &Objects, worker: Uuid, ids: &[Uuid]) -> Result<(), Error> {
    let collected = collect(pool, objects, GRACE).await?;
    if collected.deleted > 0 {
        tracing::info!(objects = collected.deleted, "deleted unreferenced objects");
    }
    let mut transaction = store::postgres::begin(pool).await?;
    if collected.is_held {
        schedule(&mut transaction).await?;
    }
    jobs::complete(&mut transaction, worker, ids)
        .await
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(transaction.commit().await?)
}

/// Result of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    /// Number of deleted objects.
    pub deleted: u64,
    /// Whether it ended early because a backup keeps objects from being deleted.
    pub is_held: bool,
}

/// Deletes the objects that nothing refers to and that were not marked as used within `grace`. While a backup runs, which copies rows
/// first and then the objects that they refer to, nothing is deleted.
///
/// # Errors
///
/// Fails if the database or the object store fails.
pub async fn collect(pool: &PgPool, objects: &Objects, grace: Duration) -> Result<Collected, Error> {
    // Fixed once: objects found to be referenced are marked as used, and must not come up again.
    let before = sqlx::query_scalar!(
        r#"-- objects.before
         select now() - make_interval(secs => $1) as "before!""#,
        grace.as_secs_f64(),
    )
    .fetch_one(pool)
    .await?;
    let mut deleted = 0;
    // One object at a time, its row locked until its bytes are deleted: an upload of the same bytes waits at that row
    // and then writes them again. This is the one transaction that is held across a call to the object store; it
    // locks nothing that a reader needs.
    loop {
        match collect_one(pool, objects, before).await? {
            Examined::Deleted => deleted += 1,
            Examined::Referenced => {}
            Examined::NoneLeft => return Ok(Collected { deleted, is_held: false }),
            Examined::Held => return Ok(Collected { deleted, is_held: true }),
        }
    }
}

/// Returns the objects that documents refer to, sorted, for the verification of a backup.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, and if the database fails.
pub async fn referenced(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Hash>, Error> {
    access::require_admin(actor)?;
    let hashes = sqlx::query_scalar!(
        "-- objects.referenced
         select distinct file_hash from library.document_versions order by 1",
    )
    .fetch_all(connection)
    .await?;
    hashes.iter().map(|hash| hash_from_column(hash)).collect()
}

/// Outcome for an object that no document refers to.
enum Examined {
    Deleted,
    Referenced,
    NoneLeft,
    /// A backup keeps objects from being deleted.
    Held,
}

/// Examines one object that no document refers to.
async fn collect_one(pool: &PgPool, objects: &Objects, before: DateTime<Utc>) -> Result<Examined, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    if !store::objects::may_delete(&mut transaction).await? {
        return Ok(Examined::Held);
    }
    let unused = sqlx::query_scalar!(
        "-- objects.unused
         select sha256 from library.objects as object
         where touched_at < $1
           and not exists (select from library.document_versions v where v.file_hash = object.sha256)
         limit 1
         for update skip locked",
        before,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(sha256) = unused else { return Ok(Examined::NoneLeft) };
    let mut savepoint = transaction.begin().await?;
    let deleted = sqlx::query!(
        "-- objects.delete
         delete from library.objects where sha256 = $1",
        &sha256,
    )
    .execute(&mut *savepoint)
    .await;
    let examined = match deleted {
        Ok(_) => {
            savepoint.commit().await?;
            objects.delete(hash_from_column(&sha256)?).await?;
            Examined::Deleted
        }
        Err(error)
            if error
                .as_database_error()
                .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) =>
        {
            savepoint.rollback().await?;
            // Marked, so that this collection does not examine it again.
            sqlx::query!(
                "-- objects.mark_referenced
                 update library.objects set touched_at = now() where sha256 = $1",
                &sha256,
            )
            .execute(&mut *transaction)
            .await?;
            Examined::Referenced
        }
        Err(error) => return Err(error.into()),
    };
    transaction.commit().await?;
    Ok(examined)
}

/// Marks objects as used now, creating their rows if they do not exist, before their bytes are written.
pub(crate) async fn mark_used(pool: &PgPool, objects: &[Stored]) -> Result<(), Error> {
    // Every caller locks the rows in this order.
    let mut objects: Vec<(Hash, u64)> = objects.iter().map(|object| (object.hash, object.size)).collect();
    objects.sort_unstable();
    objects.dedup();
    let hashes: Vec<Vec<u8>> = objects.iter().map(|object| object.0.0.to_vec()).collect();
    let sizes: Vec<i64> = objects.iter().map(|object| i64::try_from(object.1).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "-- objects.mark_used
         insert into library.objects (sha256, size)
         select sha256, size from unnest($1::bytea[], $2::int8[]) as object (sha256, size)
         on conflict (sha256) do update set touched_at = now()",
        &hashes,
        &sizes,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Converts a hash from its column.
///
/// # Errors
///
/// Fails unless it has 32 bytes.
pub fn hash_from_column(bytes: &[u8]) -> Result<Hash, Error> {
    bytes.try_into().map(Hash).map_err(|_wrong_length| {
        Error::Internal(format!("a stored hash has {} bytes instead of 32", bytes.len()))
    })
}
