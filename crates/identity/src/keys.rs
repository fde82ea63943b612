//! API keys: what agents and scripts show. A key acts as its user, narrowed to its scopes and libraries; one that was made
//! on the command line without a user acts as the library's owner, narrowed in the same way.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, KeyId, Role, Scope, UserId};
use kernel::page::{Cursor, Page};
use kernel::secret::Token;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::{Error, users};

/// What every key begins with.
pub const PREFIX: &str = "wy_";
/// Characters of a key that are kept to tell it by.
const SHOWN: usize = 11;
/// The most keys one user has.
const MOST: i64 = 200;

/// A key, as it is shown: without the secret, which is not kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Key {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: KeyId,
    /// Whose it is; none for the library's owner at the command line.
    pub user: Option<String>,
    /// Its name.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// The only libraries it reaches; all that its user does where this is null.
    pub libraries: Option<Vec<String>>,
    /// Whether it is good at the moment.
    pub enabled: bool,
    /// Requests a minute; the server's usual number where this is null.
    pub rate_limit: Option<i32>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to a minute.
    pub last_used: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// What it may be used for; reading is always among it.
    pub scopes: BTreeSet<Scope>,
    /// The only libraries it reaches, by name.
    pub libraries: Option<BTreeSet<String>>,
    /// Requests a minute.
    pub rate_limit: Option<i32>,
    /// Seconds until it ends.
    pub seconds: Option<i64>,
}

/// Makes a key for a user, or, with none, for the library's owner. The secret is returned once and not kept.
pub async fn create(
    connection: &mut PgConnection,
    actor: &Actor,
    user: Option<UserId>,
    key: NewKey,
) -> Result<(Key, Token), Error> {
    require(actor, user)?;
    check(&key)?;
    let token = Token::new(PREFIX)?;
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
        token.reveal().get(..SHOWN),
        &token.hash(),
        &scopes,
        libraries.as_deref(),
        key.rate_limit,
        key.seconds,
        MOST,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "one user has at most {MOST} keys: delete some that are not used"
        )));
    }
    let made = find(connection, id).await?.ok_or(Error::NoKey)?;
    Ok((made, token))
}

/// Keys, by user and name: one's own, or, for administrators, all.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Key>, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if !actor.in_person() {
        return Err(Error::NotAllowed("a key may not do this: sign in"));
    }
    Ok(sqlx::query_as!(
        Key,
        r#"-- keys.list
         select key.id as "id: KeyId", user_.username as "user?", key.name, key.prefix, key.scopes, key.libraries,
           key.enabled, key.rate_limit, key.expires_at, key.last_used, key.created_at
         from identity.mcp_api_keys as key
         left join identity.users as user_ on user_.id = key.user_id
         where $1 or key.user_id = $2
         order by user_.username nulls first, key.name limit 10000"#,
        actor.is_admin(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?)
}

/// Which keys an administrator looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'which> {
    /// Those of this user alone.
    pub user: Option<UserId>,
    /// Those in whose name, or the name of whose owner, this stands.
    pub wanted: &'which str,
}

/// Everybody's keys, by user and name: for administrators.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    which: Which<'_>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Key>, Error> {
    users::require_admin(actor)?;
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
        which.user.map(|user| user.0),
        which.wanted.trim().to_lowercase(),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::cut(rows, limit, |last| {
        Cursor::encode(&(last.user.as_deref().unwrap_or_default(), &last.name, last.id))
    }))
}

/// Enables or disables a key. Holds at once on every node.
pub async fn enable(
    connection: &mut PgConnection,
    actor: &Actor,
    id: KeyId,
    enabled: bool,
) -> Result<Key, Error> {
    require_owned(connection, actor, id).await?;
    sqlx::query!(
        "-- keys.enable
         update identity.mcp_api_keys set enabled = $2 where id = $1",
        id.0,
        enabled,
    )
    .execute(&mut *connection)
    .await?;
    users::tell(connection).await?;
    find(connection, id).await?.ok_or(Error::NoKey)
}

/// Deletes a key. Holds at once on every node.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: KeyId) -> Result<(), Error> {
    require_owned(connection, actor, id).await?;
    sqlx::query!(
        "-- keys.delete
         delete from identity.mcp_api_keys where id = $1",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    users::tell(connection).await
}

/// Notes that these keys were used just now.
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

async fn find(connection: &mut PgConnection, id: KeyId) -> Result<Option<Key>, Error> {
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

/// Refuses who may not have this user's keys in hand. Keys of the library's owner are for administrators.
fn require(actor: &Actor, user: Option<UserId>) -> Result<(), Error> {
    match user {
        Some(user) => users::require_self(actor, user),
        None => users::require_admin(actor),
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
    require(actor, user).map_err(|error| match error {
        // Whose keys there are, is not said.
        Error::NoUser | Error::NotAllowed(_) if actor.in_person() => Error::NoKey,
        other => other,
    })
}

fn check(key: &NewKey) -> Result<(), Error> {
    let name = key.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::Invalid("a key's name has 1 to 100 characters".to_owned()));
    }
    if key.libraries.as_ref().is_some_and(|names| names.is_empty() || names.len() > 100) {
        return Err(Error::Invalid("a key is limited to 1 to 100 libraries, or to none at all".to_owned()));
    }
    if key.rate_limit.is_some_and(|limit| !(1..=1_000_000).contains(&limit)) {
        return Err(Error::Invalid("a rate limit is 1 to 1000000 requests a minute".to_owned()));
    }
    if key.seconds.is_some_and(|seconds| !(1..=315_576_000).contains(&seconds)) {
        return Err(Error::Invalid("a key lasts at most ten years".to_owned()));
    }
    Ok(())
}

/// A key as the authenticator needs it.
pub(crate) struct Found {
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

/// The key of this hash, if it is good: one look-up.
pub(crate) async fn find_by_hash(connection: &mut PgConnection, hash: &[u8]) -> Result<Option<Found>, Error> {
    Ok(sqlx::query_as!(
        Found,
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
