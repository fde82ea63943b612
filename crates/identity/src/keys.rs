//! API keys of agents and scripts. A key acts as its user, narrowed to its scopes and libraries; a key created at the command
//! line without a user acts as the owner, narrowed in the same way.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, KeyId, Role, Scope, UserId};
use kernel::page::{Cursor, Page};
use kernel::secret::Token;
use serde::Serialize;
use sqlx::PgConnection;
use store::Transaction;
use utoipa::ToSchema;

use crate::authority::{require_admin, require_in_person, require_self};
use crate::{Error, revocation, users};

/// Prefix of every API key.
pub const PREFIX: &str = "wy_";
/// Characters of a key that are stored to recognize it by.
const DISPLAYED_CHARS: usize = 11;
const MAX_KEYS_PER_USER: i64 = 200;
const MAX_KEYS_LISTED: i64 = 10_000;
/// Maximum length of a key's name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Maximum number of libraries that a key is limited to.
pub const MAX_LIBRARIES: usize = 100;
/// Maximum rate limit of a key.
pub const MAX_REQUESTS_PER_MINUTE: i32 = 1_000_000;
/// Maximum lifetime in days: ten years.
pub const MAX_DAYS: u16 = 3650;
const MAX_SECONDS: i64 = MAX_DAYS as i64 * 86_400;

/// An API key, without the secret, of which only a hash is stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Key {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: KeyId,
    /// Name of the user; null for a key of the owner at the command line.
    pub user: Option<String>,
    /// Name, unique for the user.
    pub name: String,
    /// First characters of the secret.
    pub prefix: String,
    /// Scopes.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
    /// Names of the libraries the key is limited to; null for all that its user can reach.
    pub libraries: Option<Vec<String>>,
    /// Whether the key can be used.
    pub enabled: bool,
    /// Requests per minute; null for the server's default.
    pub rate_limit: Option<i32>,
    /// Time of expiry; null for none.
    pub expires_at: Option<DateTime<Utc>>,
    /// Time of the last request, accurate to a minute.
    pub last_used: Option<DateTime<Utc>>,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
}

/// API key to create.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Name, 1 to 100 characters, unique for the user.
    pub name: String,
    /// Scopes; [`Scope::Read`] is always added.
    pub scopes: BTreeSet<Scope>,
    /// Names of the libraries to limit the key to, 1 to 100; `None` for all.
    pub libraries: Option<BTreeSet<String>>,
    /// Requests per minute, 1 to 1,000,000; `None` for the server's default.
    pub rate_limit: Option<i32>,
    /// Lifetime in seconds, at most ten years; `None` for no expiry.
    pub seconds: Option<i64>,
}

/// Creates a key for a user, or for the owner with `None`. The secret is returned once and not stored.
///
/// # Errors
///
/// If the actor may not create keys for the user, the user is inactive, a field is invalid, the name is taken, or the user has 200
/// keys.
pub async fn create(
    connection: &mut PgConnection,
    actor: &Actor,
    user: Option<UserId>,
    key: NewKey,
) -> Result<(Key, Token), Error> {
    require_keys_of(actor, user)?;
    check(&key)?;
    if let Some(user) = user {
        users::require_active(connection, user).await?;
    }
    let token = Token::generate(PREFIX)?;
    let mut scopes = key.scopes;
    scopes.insert(Scope::Read);
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let libraries: Option<Vec<String>> = key.libraries.map(|names| names.into_iter().collect());
    let id = KeyId::new();
    let inserted = sqlx::query!(
        "-- keys.create
         insert into identity.mcp_api_keys
           (id, user_id, name, prefix, key_hash, scopes, libraries, rate_limit, expires_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, now() + $9::int8 * interval '1 second'
         where (select count(*) from identity.mcp_api_keys where user_id is not distinct from $2) < $10",
        id.0,
        user.map(|user| user.0),
        key.name.trim(),
        token.reveal().get(..DISPLAYED_CHARS),
        &token.hash(),
        &scopes,
        libraries.as_deref(),
        key.rate_limit,
        key.seconds,
        MAX_KEYS_PER_USER,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "too many keys: a user has at most {MAX_KEYS_PER_USER}; delete some that are not used"
        )));
    }
    let key = by_id(connection, id).await?.ok_or(Error::NoKey)?;
    Ok((key, token))
}

/// Returns the actor's own keys, or all keys for administrators, sorted by user and name.
///
/// # Errors
///
/// If the actor is not signed in in person.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Key>, Error> {
    require_in_person(actor)?;
    Ok(sqlx::query_as!(
        Key,
        r#"-- keys.list
         select key.id as "id: KeyId", user_.username as "user?", key.name, key.prefix, key.scopes, key.libraries,
           key.enabled, key.rate_limit, key.expires_at, key.last_used, key.created_at
         from identity.mcp_api_keys as key
         left join identity.users as user_ on user_.id = key.user_id
         where $1 or key.user_id = $2
         order by user_.username nulls first, key.name limit $3"#,
        actor.is_admin(),
        actor.user_id().map(|user| user.0),
        MAX_KEYS_LISTED,
    )
    .fetch_all(connection)
    .await?)
}

/// Filter of [`search`].
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFilter<'filter> {
    /// Only keys of this user.
    pub user: Option<UserId>,
    /// Only keys whose name or user name contains this text, ignoring case; empty for all.
    pub query: &'filter str,
}

/// Returns a page of all users' keys, sorted by user and name. Administrators only.
///
/// # Errors
///
/// If the actor is not an administrator in person, or the cursor is invalid.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    filter: KeyFilter<'_>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Key>, Error> {
    require_admin(actor)?;
    let after: (String, String, KeyId) = match after {
        Some(cursor) => cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?,
        None => (String::new(), String::new(), KeyId(uuid::Uuid::nil())),
    };
    let rows = sqlx::query_as!(
        Key,
        r#"-- keys.search
         select key.id as "id: KeyId", user_.username as "user?", key.name, key.prefix, key.scopes, key.libraries,
           key.enabled, key.rate_limit, key.expires_at, key.last_used, key.created_at
         from identity.mcp_api_keys as key
         left join identity.users as user_ on user_.id = key.user_id
         where (coalesce(user_.username, ''), key.name, key.id) > ($1, $2, $3)
           and ($4::uuid is null or key.user_id = $4)
           and ($5 = '' or position($5 in lower(concat_ws(' ', user_.username, key.name))) > 0)
         order by coalesce(user_.username, ''), key.name, key.id limit $6"#,
        after.0,
        after.1,
        after.2.0,
        filter.user.map(|user| user.0),
        filter.query.trim().to_lowercase(),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| {
        Cursor::encode(&(last.user.as_deref().unwrap_or_default(), &last.name, last.id))
    }))
}

/// Enables or disables a key. Takes effect immediately on every node.
///
/// # Errors
///
/// If there is no such key, or the actor may not change it.
pub async fn enable(
    transaction: &mut Transaction,
    actor: &Actor,
    id: KeyId,
    enabled: bool,
) -> Result<Key, Error> {
    require_owned(transaction, actor, id).await?;
    let hash = sqlx::query_scalar!(
        "-- keys.enable
         update identity.mcp_api_keys set enabled = $2 where id = $1 returning key_hash",
        id.0,
        enabled,
    )
    .fetch_optional(&mut **transaction)
    .await?
    .ok_or(Error::NoKey)?;
    // Also when it is enabled: its absence is cached.
    revocation::invalidate_key(transaction, &hash);
    by_id(transaction, id).await?.ok_or(Error::NoKey)
}

/// Deletes a key. Takes effect immediately on every node.
///
/// # Errors
///
/// If there is no such key, or the actor may not delete it.
pub async fn delete(transaction: &mut Transaction, actor: &Actor, id: KeyId) -> Result<(), Error> {
    require_owned(transaction, actor, id).await?;
    let hash = sqlx::query_scalar!(
        "-- keys.delete
         delete from identity.mcp_api_keys where id = $1 returning key_hash",
        id.0,
    )
    .fetch_optional(&mut **transaction)
    .await?
    .ok_or(Error::NoKey)?;
    revocation::invalidate_key(transaction, &hash);
    Ok(())
}

/// Deletes all keys of a user. The caller has invalidated them.
pub(crate) async fn delete_all_of(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!(
        "-- keys.delete_all
         delete from identity.mcp_api_keys where user_id = $1",
        user.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets the time of last use of several keys to now.
pub(crate) async fn record_usage(connection: &mut PgConnection, ids: &[uuid::Uuid]) -> Result<(), Error> {
    sqlx::query!(
        "-- keys.note_used
         update identity.mcp_api_keys set last_used = now() where id = any ($1)",
        ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Loads a key without checking authority.
async fn by_id(connection: &mut PgConnection, id: KeyId) -> Result<Option<Key>, Error> {
    Ok(sqlx::query_as!(
        Key,
        r#"-- keys.find
         select key.id as "id: KeyId", user_.username as "user?", key.name, key.prefix, key.scopes, key.libraries,
           key.enabled, key.rate_limit, key.expires_at, key.last_used, key.created_at
         from identity.mcp_api_keys as key
         left join identity.users as user_ on user_.id = key.user_id
         where key.id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?)
}

/// Requires the user themselves or an administrator; for keys of the owner an administrator.
fn require_keys_of(actor: &Actor, user: Option<UserId>) -> Result<(), Error> {
    match user {
        Some(user) => require_self(actor, user),
        None => require_admin(actor),
    }
}

async fn require_owned(connection: &mut PgConnection, actor: &Actor, id: KeyId) -> Result<(), Error> {
    let user = sqlx::query_scalar!(
        r#"-- keys.whose
         select user_id as "user: UserId" from identity.mcp_api_keys where id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoKey)?;
    require_keys_of(actor, user).map_err(|error| match error {
        // Whether another user has such a key is not revealed.
        Error::NoUser | Error::NotAllowed(_) if actor.in_person() => Error::NoKey,
        other => other,
    })
}

fn check(key: &NewKey) -> Result<(), Error> {
    let name = key.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("invalid key name: use 1 to {MAX_NAME_CHARS} characters")));
    }
    if key.libraries.as_ref().is_some_and(|names| names.is_empty() || names.len() > MAX_LIBRARIES) {
        return Err(Error::Invalid(format!(
            "a key can be limited to 1 to {MAX_LIBRARIES} libraries, or not at all"
        )));
    }
    if key.rate_limit.is_some_and(|limit| !(1..=MAX_REQUESTS_PER_MINUTE).contains(&limit)) {
        return Err(Error::Invalid(format!(
            "invalid rate limit: use 1 to {MAX_REQUESTS_PER_MINUTE} requests per minute"
        )));
    }
    if key.seconds.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
        return Err(Error::Invalid("a key lasts at most ten years".to_owned()));
    }
    Ok(())
}

/// Key and user, as authentication needs them.
pub(crate) struct KeyOwner {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) user: Option<UserId>,
    pub(crate) username: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) scopes: Vec<String>,
    pub(crate) libraries: Option<Vec<String>>,
    pub(crate) rate_limit: Option<i32>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Looks up a key by its hash, unless it is disabled or expired or its user is inactive.
pub(crate) async fn find_by_hash(
    connection: &mut PgConnection,
    hash: &[u8],
) -> Result<Option<KeyOwner>, Error> {
    Ok(sqlx::query_as!(
        KeyOwner,
        r#"-- keys.find_by_hash
         select key.id as "id: KeyId", key.name, key.user_id as "user: UserId", user_.username as "username?",
           user_.role as "role?: Role", key.scopes, key.libraries, key.rate_limit,
           key.expires_at
         from identity.mcp_api_keys as key
         left join identity.users as user_ on user_.id = key.user_id
         where key.key_hash = $1 and key.enabled and (key.expires_at is null or key.expires_at > now())
           and (key.user_id is null or user_.is_active)"#,
        hash,
    )
    .fetch_optional(connection)
    .await?)
}
