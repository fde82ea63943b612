//! The gate: from what a request shows to who acts.
//!
//! Keys and sessions are looked up once and remembered; every node forgets them when one of them, or a user, is changed
//! anywhere (see [`store::cache`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, KeyId, Role, Scope, SessionId, UserId};
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use store::cache::{Cache, Caches, Limits};

use crate::signing::Signing;
use crate::{Error, Preferences, keys, sessions};

/// How long keys are remembered without a word from the database.
const KEYS: Limits = Limits {
    entries: 20_000,
    in_process: Duration::from_mins(10),
    in_redis: Duration::from_mins(10),
    absent: Duration::from_secs(10),
};
/// How long sessions are.
const SESSIONS: Limits = Limits {
    entries: 20_000,
    in_process: Duration::from_mins(10),
    in_redis: Duration::from_hours(24),
    absent: Duration::from_secs(10),
};

/// What a request shows.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'request> {
    /// An API key or an access token: which of them is told by its form.
    Bearer(&'request str),
    /// A session's token, from a page's cookie.
    Cookie(&'request str),
}

/// Requests a minute that are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The key they are counted by.
    pub key: KeyId,
    /// How many; `None` for the server's usual number.
    pub per_minute: Option<i32>,
}

/// Who acts, and what else was found of what they showed.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Who acts.
    pub actor: Actor,
    /// The limit of the key, where one was shown.
    pub limit: Option<Limit>,
    /// How the one who signed in likes pages.
    pub preferences: Preferences,
}

/// A key, as it is remembered: all that is asked of it, and nothing secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    id: KeyId,
    name: String,
    user: Option<(UserId, String, Role)>,
    scopes: BTreeSet<Scope>,
    libraries: Option<BTreeSet<String>>,
    rate_limit: Option<i32>,
    expires_at: Option<DateTime<Utc>>,
}

/// A session, as it is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    id: SessionId,
    user: UserId,
    username: String,
    role: Role,
    #[serde(default)]
    preferences: Preferences,
    expires_at: DateTime<Utc>,
}

/// Verifies what requests show.
#[derive(Debug)]
pub struct Gate {
    pool: PgPool,
    signing: Signing,
    caches: Caches,
    keys: Cache<Key>,
    sessions: Cache<Session>,
    /// Keys that were used since that was last written down.
    used: Mutex<HashSet<KeyId>>,
    /// The same of sessions.
    sessions_used: Mutex<HashSet<SessionId>>,
}

impl Gate {
    /// A gate that remembers nothing yet.
    pub fn new(pool: PgPool, signing: Signing, caches: &Caches) -> Self {
        let (keys, sessions) = (caches.cache("keys", KEYS), caches.cache("sessions", SESSIONS));
        let (used, sessions_used) = Default::default();
        Self { pool, signing, caches: caches.clone(), keys, sessions, used, sessions_used }
    }

    /// What signs access tokens.
    pub fn signing(&self) -> &Signing {
        &self.signing
    }

    /// Who shows this.
    pub async fn verify(&self, shown: Shown<'_>) -> Result<Verified, Error> {
        match shown {
            Shown::Bearer(text) if text.starts_with(keys::PREFIX) => self.key(text).await,
            Shown::Bearer(text) => {
                let token_id = self.signing.check(text)?;
                self.session(&token_id.to_string(), Some(token_id), None).await
            }
            Shown::Cookie(text) => {
                let hash = Token::shown(text).hash();
                self.session(&hex::encode(hash), None, Some(&hash)).await
            }
        }
    }

    async fn key(&self, text: &str) -> Result<Verified, Error> {
        let bad = Error::BadCredential("this API key is not good: it is unknown, disabled or has run out");
        let hash = Token::shown(text).hash();
        let load = || async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let found = keys::find_by_hash(&mut connection, &hash).await?;
            Ok::<_, Error>(found.map(|found| Key {
                id: found.id,
                name: found.name,
                user:
                    found.user.zip(found.username).zip(found.role).map(|((id, name), role)| (id, name, role)),
                scopes: found.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
                libraries: found.libraries.map(|names| names.into_iter().collect()),
                rate_limit: found.rate_limit,
                expires_at: found.expires_at,
            }))
        };
        let Some(key) = self.keys.get_with(&hex::encode(hash), load).await? else { return Err(bad) };
        if key.expires_at.is_some_and(is_past) {
            return Err(bad);
        }
        note(&self.used, key.id);
        let owner = match &key.user {
            Some((id, name, role)) => Actor::user(*id, name, *role, None),
            None => Actor::owner(),
        };
        Ok(Verified {
            actor: owner.narrowed(Some(key.id), &key.name, key.scopes, key.libraries),
            limit: Some(Limit { key: key.id, per_minute: key.rate_limit }),
            preferences: Preferences::default(),
        })
    }

    async fn session(
        &self,
        place: &str,
        token_id: Option<uuid::Uuid>,
        token_hash: Option<&[u8]>,
    ) -> Result<Verified, Error> {
        let load = || async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let found = sessions::find(&mut connection, token_id, token_hash).await?;
            Ok::<_, Error>(found.map(|found| Session {
                id: found.session,
                user: found.user,
                username: found.username,
                role: found.role,
                preferences: Preferences { language: found.language, theme: found.theme },
                expires_at: found.expires_at,
            }))
        };
        let mut found = self.sessions.get_with(place, load).await?;
        if found.as_ref().is_some_and(|session| is_past(session.expires_at)) {
            // It may have been renewed since.
            self.sessions.forget(place).await;
            found = self.sessions.get_with(place, load).await?.filter(|session| !is_past(session.expires_at));
        }
        let found = found.ok_or(Error::BadCredential("this session has ended: sign in again"))?;
        note(&self.sessions_used, found.id);
        let actor = Actor::user(found.user, &found.username, found.role, Some(found.id));
        Ok(Verified { actor, limit: None, preferences: found.preferences })
    }

    /// Forgets everything that is remembered on this node: something of it is no longer so. The others are told by the
    /// transaction that changed it.
    pub fn forget(&self) {
        self.caches.forget_all();
    }

    /// Writes down which keys and sessions were used; a session that is used lives on.
    pub async fn note_used(&self) -> Result<(), Error> {
        let (keys, sessions) = (noted(&self.used), noted(&self.sessions_used));
        if keys.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        let keys: Vec<uuid::Uuid> = keys.into_iter().map(|id| id.0).collect();
        let sessions: Vec<uuid::Uuid> = sessions.into_iter().map(|id| id.0).collect();
        let mut connection = store::postgres::acquire(&self.pool).await?;
        keys::note_used(&mut connection, &keys).await?;
        sessions::note_used(&mut connection, &sessions).await
    }
}

fn note<Id: Eq + std::hash::Hash>(used: &Mutex<HashSet<Id>>, id: Id) {
    used.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
}

fn noted<Id>(used: &Mutex<HashSet<Id>>) -> HashSet<Id> {
    std::mem::take(&mut *used.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether a time has come. The database has said it; it is only compared with this machine's clock, as the times in access
/// tokens are.
fn is_past(time: DateTime<Utc>) -> bool {
    #[expect(clippy::disallowed_methods, reason = "compared and never kept")]
    let now = Utc::now();
    time <= now
}
