//! Invalidation of cached credentials.
//!
//! [`Authenticator`](crate::Authenticator) caches sessions (by access token id and by the hash of the session token) and API keys
//! (by their hash), each with the name and role of its user; sessions also with the user's preferences. A function that writes
//! any of these takes a [`Transaction`] and calls a function of this module, which invalidates the entries concerned and no
//! others, on every node, at the commit. `tests/revocation.rs` compares cached with uncached authentication after every
//! statement that writes these tables, and fails for a statement that it does not know.

use kernel::actor::UserId;
use sqlx::PgConnection;
use store::Transaction;
use store::cache::Namespace;
use uuid::Uuid;

use crate::Error;

/// Cache of sessions.
pub(crate) const SESSIONS: Namespace = Namespace::new("sessions");
/// Cache of API keys.
pub(crate) const KEYS: Namespace = Namespace::new("keys");

/// Tokens of a session, under which it is cached.
pub(crate) struct SessionEntry {
    pub(crate) token_id: Uuid,
    pub(crate) token_hash: Vec<u8>,
}

/// Cache key of a session by the id of its access tokens.
pub(crate) fn token_id_key(token_id: Uuid) -> String {
    token_id.to_string()
}

/// Cache key of a session or an API key by the hash of its token.
pub(crate) fn token_hash_key(hash: &[u8]) -> String {
    hex::encode(hash)
}

/// Invalidates sessions.
pub(crate) fn invalidate_sessions(transaction: &mut Transaction, sessions: &[SessionEntry]) {
    for session in sessions {
        transaction.invalidate(SESSIONS, &token_id_key(session.token_id));
        transaction.invalidate(SESSIONS, &token_hash_key(&session.token_hash));
    }
}

/// Invalidates an API key.
pub(crate) fn invalidate_key(transaction: &mut Transaction, key_hash: &[u8]) {
    transaction.invalidate(KEYS, &token_hash_key(key_hash));
}

/// Invalidates all sessions of a user. Call it before the user is changed or deleted.
pub(crate) async fn invalidate_sessions_of(transaction: &mut Transaction, user: UserId) -> Result<(), Error> {
    lock_user(transaction, user).await?;
    let sessions = sqlx::query_as!(
        SessionEntry,
        "-- revocation.sessions
         select token_id, token_hash from identity.user_sessions where user_id = $1",
        user.0,
    )
    .fetch_all(&mut **transaction)
    .await?;
    invalidate_sessions(transaction, &sessions);
    Ok(())
}

/// Invalidates all sessions and API keys of a user. Call it before the user is changed or deleted.
pub(crate) async fn invalidate_user(transaction: &mut Transaction, user: UserId) -> Result<(), Error> {
    invalidate_sessions_of(transaction, user).await?;
    let hashes = sqlx::query_scalar!(
        "-- revocation.keys
         select key_hash from identity.mcp_api_keys where user_id = $1",
        user.0,
    )
    .fetch_all(&mut **transaction)
    .await?;
    for hash in hashes {
        invalidate_key(transaction, &hash);
    }
    Ok(())
}

/// Waits for transactions that are adding a session or a key to the user, which their foreign key lets hold a lock on the row,
/// and keeps others from adding one until the commit. Otherwise one that is committed meanwhile could be cached with the user as
/// they were, and be missed here.
pub(crate) async fn lock_user(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!(
        "-- revocation.lock_user
         select id from identity.users where id = $1 for update",
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}
