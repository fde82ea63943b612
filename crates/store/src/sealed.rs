//! Sealed values in tables, and the changing of the key they are sealed with.
//!
//! Whoever seals and writes holds the keys for that transaction ([`hold_keys`]); whoever changes the key waits, after the
//! new one is in front, until nobody writes what they may have sealed with the old ([`await_writers`]). What is written
//! afterwards is sealed with the new one, since a [`crate::secrets::Sealer`] looks at its file each time.

use sqlx::PgConnection;

/// The number of the advisory lock; any that nobody else uses.
const LOCK: i64 = 0x77_656e_7975_616e;

/// What became of a room's sealed values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many were sealed anew.
    pub renewed: u64,
    /// Which could not be opened, and stay as they are.
    pub lost: Vec<String>,
}

/// Called before something is sealed, in the transaction that writes it.
pub async fn hold_keys(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- sealed.hold_keys
         select pg_advisory_xact_lock_shared($1)",
        LOCK,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Waits until nobody writes what they have sealed before, and keeps others from beginning to until the transaction ends.
pub async fn await_writers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- sealed.await_writers
         select pg_advisory_xact_lock($1)",
        LOCK,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}
