//! Bytes that no document refers to any more are taken out of the object store.
//!
//! Deleting a document schedules a sweep. It takes only what was not touched lately: whoever adds bytes touches their
//! row first, so bytes that are on their way to a document are left alone. Rooms above may refer to bytes too, by a
//! foreign key that this room does not know of: the row is deleted before the bytes, and the database refuses it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Acquire as _, PgConnection, PgPool};
use store::jobs::{self, JobKind, NewJob};
use store::objects::{Hash, Objects};
use uuid::Uuid;

use crate::Error;

/// The kind of the job.
pub const JOB: JobKind = JobKind::new("library.sweep");

/// Enqueues a sweep for when what is deleted now may be taken. All deletions of one [`GRACE`] period share a job, which runs
/// between one and two periods after each of them.
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

/// How long bytes are left alone after they were last touched.
pub const GRACE: Duration = Duration::from_mins(10);

/// Removes what nothing refers to and nobody touched within `grace`. Returns how many objects went.
pub async fn sweep(pool: &PgPool, objects: &Objects, grace: Duration) -> Result<u64, Error> {
    // Settled once: what is found to be needed still is touched, and must not come up again.
    let before = sqlx::query_scalar!(
        r#"-- objects.before
         select now() - make_interval(secs => $1) as "before!""#,
        grace.as_secs_f64(),
    )
    .fetch_one(pool)
    .await?;
    let mut swept = 0;
    // One object at a time, its row locked until its bytes are gone: whoever adds the same bytes meanwhile waits at
    // that row and then writes them again. This is the one transaction that is held across a call to the store; it
    // locks nothing that a reader needs.
    while let Some(is_gone) = sweep_one(pool, objects, before).await? {
        swept += u64::from(is_gone);
    }
    Ok(swept)
}

/// Looks at one object that no document refers to; `None` where there is no more. Says whether it went.
async fn sweep_one(pool: &PgPool, objects: &Objects, before: DateTime<Utc>) -> Result<Option<bool>, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
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
    let Some(sha256) = unused else { return Ok(None) };
    let mut attempt = transaction.begin().await?;
    let forgotten = sqlx::query!(
        "-- objects.forget
         delete from library.objects where sha256 = $1",
        &sha256,
    )
    .execute(&mut *attempt)
    .await;
    let is_needed = match forgotten {
        Ok(_) => {
            attempt.commit().await?;
            objects.delete(hash_of(&sha256)?).await?;
            false
        }
        Err(error)
            if error
                .as_database_error()
                .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) =>
        {
            attempt.rollback().await?;
            // Not asked about again at once.
            sqlx::query!(
                "-- objects.keep
                 update library.objects set touched_at = now() where sha256 = $1",
                &sha256,
            )
            .execute(&mut *transaction)
            .await?;
            true
        }
        Err(error) => return Err(error.into()),
    };
    transaction.commit().await?;
    Ok(Some(!is_needed))
}

/// Runs a scheduled sweep.
pub async fn run(pool: &PgPool, objects: &Objects, worker: Uuid, ids: &[Uuid]) -> Result<(), Error> {
    let swept = sweep(pool, objects, GRACE).await?;
    if swept > 0 {
        tracing::info!(objects = swept, "removed bytes that nothing refers to");
    }
    let mut connection = store::postgres::acquire(pool).await?;
    jobs::complete(&mut connection, worker, ids).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Touches these objects' rows, making them where they are missing, before their bytes are written.
pub async fn touch(pool: &PgPool, objects: &[(Hash, u64)]) -> Result<(), Error> {
    let mut objects = objects.to_vec();
    objects.sort_unstable();
    objects.dedup();
    let hashes: Vec<Vec<u8>> = objects.iter().map(|object| object.0.0.to_vec()).collect();
    let sizes: Vec<i64> = objects.iter().map(|object| i64::try_from(object.1).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "-- objects.touch
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

/// A hash from its column.
pub fn hash_of(bytes: &[u8]) -> Result<Hash, Error> {
    bytes
        .try_into()
        .map(Hash)
        .map_err(|_wrong_length| Error::Internal("a stored hash has not 32 bytes".to_owned()))
}
