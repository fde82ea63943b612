//! Coordination of writers of sealed values with key rotation, by an advisory lock.
//!
//! A transaction that seals and writes takes the lock shared ([`lock_keys_shared`]). A rotation adds the new key and then takes
//! it exclusively ([`lock_keys_exclusive`]), which waits for transactions that may have sealed with the old key. Later ones
//! seal with the new key, since a [`Sealer`](crate::secrets::Sealer) checks its file each time.

use sqlx::PgConnection;

/// Number of the advisory lock: `wenyuan` in ASCII.
const LOCK_ID: i64 = 0x77_656e_7975_616e;

/// Result of resealing the values of a crate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResealReport {
    /// Number of values that were sealed with the newest key.
    pub resealed: u64,
    /// Names of the values that could not be opened and were left unchanged.
    pub unreadable: Vec<String>,
}

/// Takes the lock until the transaction ends. Call it before sealing, in the transaction that writes the sealed value.
///
/// # Errors
/// When the database fails.
pub async fn lock_keys_shared(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- sealed.hold_keys
         select pg_advisory_xact_lock_shared($1)",
        LOCK_ID,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Waits for the transactions that hold the lock shared, and keeps others from taking it until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_keys_exclusive(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- sealed.await_writers
         select pg_advisory_xact_lock($1)",
        LOCK_ID,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}
