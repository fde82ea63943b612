//! Authentication: resolves an API key, access token or session cookie to an [`Actor`].
//!
//! Look-ups of keys and sessions are cached. A change of a key, a session or a user invalidates its entries on every node (see
//! `revocation.rs` and [`store::cache`]), so a revocation takes effect immediately.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, KeyId, Role, Scope, SessionId, UserId};
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use store::cache::{Cache, CacheConfig, Caches};

use crate::access_tokens::TokenSigner;
use crate::revocation::{KEYS, SESSIONS, token_hash_key, token_id_key};
use crate::{Error, Preferences, keys, sessions};

/// Cache of API keys by their hash.
const KEY_CACHE: CacheConfig = CacheConfig {
    max_entries: 20_000,
    local_ttl: Duration::from_mins(10),
    redis_ttl: Duration::from_mins(10),
    negative_ttl: Duration::from_secs(10),
};
/// Cache of sessions by their token's id or hash.
const SESSION_CACHE: CacheConfig = CacheConfig {
    max_entries: 20_000,
    local_ttl: Duration::from_mins(10),
    redis_ttl: Duration::from_hours(24),
    negative_ttl: Duration::from_secs(10),
};

/// A credential sent with a request.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'request> {
    /// An API key or an access token, told apart by the prefix.
    Bearer(&'request str),
    /// A session token from a page's cookie.
    Cookie(&'request str),
}

/// Rate limit of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRateLimit {
    /// Key whose requests are counted.
    pub key: KeyId,
    /// Requests allowed per minute; `None` for the server's default.
    pub per_minute: Option<i32>,
}

/// Result of authenticating a credential.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Actor that the request acts as.
    pub actor: Actor,
    /// Rate limit of the API key; `None` for a session.
    pub limit: Option<KeyRateLimit>,
    /// Page preferences of the signed-in user; the defaults for an API key.
    pub preferences: Preferences,
}

/// Cached API key: what authentication needs, without the secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedKey {
    id: KeyId,
    name: String,
    user: Option<(UserId, String, Role)>,
    scopes: BTreeSet<Scope>,
    libraries: Option<BTreeSet<String>>,
    rate_limit: Option<i32>,
    expires_at: Option<DateTime<Utc>>,
}

/// Cached session of an active user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedSession {
    id: SessionId,
    user: UserId,
    username: String,
    role: Role,
    #[serde(default)]
    preferences: Preferences,
    expires_at: DateTime<Utc>,
}

/// Authenticates credentials, with cached look-ups.
#[derive(Debug)]
pub struct Authenticator {
    pool: PgPool,
    signer: TokenSigner,
    keys: Cache<CachedKey>,
    sessions: Cache<CachedSession>,
    /// Keys used since [`Authenticator::record_usage`] last ran.
    used_keys: Mutex<HashSet<KeyId>>,
    /// Sessions used since [`Authenticator::record_usage`] last ran.
    used_sessions: Mutex<HashSet<SessionId>>,
}

impl Authenticator {
    /// Creates an authenticator with empty caches.
    pub fn new(pool: PgPool, signer: TokenSigner, caches: &Caches) -> Self {
        let (keys, sessions) = (caches.cache(KEYS, KEY_CACHE), caches.cache(SESSIONS, SESSION_CACHE));
        let (used_keys, used_sessions) = Default::default();
        Self { pool, signer, keys, sessions, used_keys, used_sessions }
    }

    /// Returns the signer of access tokens.
    pub fn signer(&self) -> &TokenSigner {
        &self.signer
    }

    /// Authenticates a credential.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredential`] if the credential is unknown, disabled or expired.
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<Authentication, Error> {
        match credential {
            Credential::Bearer(text) if text.starts_with(keys::PREFIX) => self.authenticate_key(text).await,
            Credential::Bearer(text) => {
                let token_id = self.signer.verify(text)?;
                self.authenticate_session(&token_id_key(token_id), Some(token_id), None).await
            }
            Credential::Cookie(text) => {
                let hash = Token::from_text(text).hash();
                self.authenticate_session(&token_hash_key(&hash), None, Some(&hash)).await
            }
        }
    }

    async fn authenticate_key(&self, text: &str) -> Result<Authentication, Error> {
        let invalid = Error::InvalidCredential("this API key is unknown, disabled or expired");
        let hash = Token::from_text(text).hash();
        let load = || async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let row = keys::find_by_hash(&mut connection, &hash).await?;
            Ok::<_, Error>(row.map(|row| CachedKey {
                id: row.id,
                name: row.name,
                user: row.user.zip(row.username).zip(row.role).map(|((id, name), role)| (id, name, role)),
                scopes: row.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
                libraries: row.libraries.map(|names| names.into_iter().collect()),
                rate_limit: row.rate_limit,
                expires_at: row.expires_at,
            }))
        };
        let Some(key) = self.keys.get_with(&token_hash_key(&hash), load).await? else { return Err(invalid) };
        if key.expires_at.is_some_and(is_past) {
            return Err(invalid);
        }
        record(&self.used_keys, key.id);
        let owner = match &key.user {
            Some((id, name, role)) => Actor::user(*id, name, *role, None),
            None => Actor::owner(),
        };
        Ok(Authentication {
            actor: owner.with_key(Some(key.id), &key.name, key.scopes, key.libraries),
            limit: Some(KeyRateLimit { key: key.id, per_minute: key.rate_limit }),
            preferences: Preferences::default(),
        })
    }

    async fn authenticate_session(
        &self,
        cache_key: &str,
        token_id: Option<uuid::Uuid>,
        token_hash: Option<&[u8]>,
    ) -> Result<Authentication, Error> {
        let load = || async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let row = sessions::find(&mut connection, token_id, token_hash).await?;
            Ok::<_, Error>(row.map(|row| CachedSession {
                id: row.session,
                user: row.user,
                username: row.username,
                role: row.role,
                preferences: Preferences { language: row.language, theme: row.theme },
                expires_at: row.expires_at,
            }))
        };
        let mut session = self.sessions.get_with(cache_key, load).await?;
        if session.as_ref().is_some_and(|session| is_past(session.expires_at)) {
            // It may have been renewed since it was cached.
            self.sessions.evict(cache_key).await;
            session =
                self.sessions.get_with(cache_key, load).await?.filter(|session| !is_past(session.expires_at));
        }
        let session = session.ok_or(Error::InvalidCredential("this session has ended: sign in again"))?;
        record(&self.used_sessions, session.id);
        let actor = Actor::user(session.user, &session.username, session.role, Some(session.id));
        Ok(Authentication { actor, limit: None, preferences: session.preferences })
    }

    /// Writes the time of last use of the keys and sessions used since the previous call, and extends those sessions.
    ///
    /// # Errors
    ///
    /// If the database fails; the usage collected until then is lost.
    pub async fn record_usage(&self) -> Result<(), Error> {
        let (keys, sessions) = (take(&self.used_keys), take(&self.used_sessions));
        if keys.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        let keys: Vec<uuid::Uuid> = keys.into_iter().map(|id| id.0).collect();
        let sessions: Vec<uuid::Uuid> = sessions.into_iter().map(|id| id.0).collect();
        let mut connection = store::postgres::acquire(&self.pool).await?;
        keys::record_usage(&mut connection, &keys).await?;
        sessions::record_usage(&mut connection, &sessions).await
    }
}

fn record<Id: Eq + std::hash::Hash>(used: &Mutex<HashSet<Id>>, id: Id) {
    used.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
}

fn take<Id>(used: &Mutex<HashSet<Id>>) -> HashSet<Id> {
    std::mem::take(&mut *used.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether a time has passed by this machine's clock. The time itself was set by the database; access tokens are compared
/// in the same way.
fn is_past(time: DateTime<Utc>) -> bool {
    #[expect(clippy::disallowed_methods, reason = "compared and never kept")]
    let now = Utc::now();
    time <= now
}
