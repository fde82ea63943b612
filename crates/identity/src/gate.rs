//! The gate: from what a request shows to who acts.
//!
//! Keys and sessions are looked up once and remembered in the process; every node forgets them when one of them, or a
//! user, is changed anywhere (see [`crate::CHANNEL`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::actor::{Actor, KeyId, SessionId};
use kernel::secret::Token;
use moka::future::Cache;
use sqlx::PgPool;

use crate::signing::Signing;
use crate::{Error, keys, sessions};

/// How long a key or session is remembered without a word from the database.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How many are remembered.
const MOST: u64 = 20_000;

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
    until: Option<Instant>,
}

/// Verifies what requests show.
#[derive(Debug)]
pub struct Gate {
    pool: PgPool,
    signing: Signing,
    remembered: Cache<[u8; 32], Verified>,
    /// Moves when something is forgotten, so that what was read before is not remembered after.
    epoch: AtomicU64,
    /// Keys that were used since that was last written down.
    used: Mutex<HashSet<KeyId>>,
    /// The same of sessions.
    sessions_used: Mutex<HashSet<SessionId>>,
}

impl Gate {
    /// A gate that remembers nothing yet.
    pub fn new(pool: PgPool, signing: Signing) -> Self {
        let remembered = Cache::builder().max_capacity(MOST).time_to_live(REMEMBERED).build();
        Self {
            pool,
            signing,
            remembered,
            epoch: AtomicU64::new(0),
            used: Mutex::default(),
            sessions_used: Mutex::default(),
        }
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
                self.session(Token::shown(&token_id.to_string()).hash(), Some(token_id), None).await
            }
            Shown::Cookie(text) => {
                let hash = Token::shown(text).hash();
                self.session(hash, None, Some(&hash)).await
            }
        }
    }

    async fn key(&self, text: &str) -> Result<Verified, Error> {
        let hash = Token::shown(text).hash();
        let load = async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let found = keys::find_by_hash(&mut connection, &hash).await?.ok_or(Error::BadCredential(
                "this API key is not good: it is unknown, disabled or has run out",
            ))?;
            let owner = match (found.user, found.username, found.role) {
                (Some(id), Some(name), Some(role)) => Actor::user(id, &name, role, None),
                _ => Actor::owner(),
            };
            let scopes: BTreeSet<_> = found.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
            let libraries = found.libraries.map(|names| names.into_iter().collect());
            Ok(Verified {
                actor: owner.narrowed(Some(found.id), &found.name, scopes, libraries),
                limit: Some(Limit { key: found.id, per_minute: found.rate_limit }),
                until: until(found.seconds),
            })
        };
        let verified = self.remember(hash, load).await?;
        if let Some(id) = verified.actor.key_id() {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        Ok(verified)
    }

    async fn session(
        &self,
        place: [u8; 32],
        token_id: Option<uuid::Uuid>,
        token_hash: Option<&[u8]>,
    ) -> Result<Verified, Error> {
        let load = async {
            let mut connection = store::postgres::acquire(&self.pool).await?;
            let found = sessions::find(&mut connection, token_id, token_hash)
                .await?
                .ok_or(Error::BadCredential("this session has ended: sign in again"))?;
            Ok(Verified {
                actor: Actor::user(found.user, &found.username, found.role, Some(found.session)),
                limit: None,
                until: until(Some(found.seconds)),
            })
        };
        let verified = self.remember(place, load).await?;
        if let Some(id) = verified.actor.session_id() {
            self.sessions_used.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        Ok(verified)
    }

    async fn remember(
        &self,
        place: [u8; 32],
        load: impl Future<Output = Result<Verified, Error>>,
    ) -> Result<Verified, Error> {
        if let Some(known) = self.remembered.get(&place).await {
            if known.until.is_none_or(|until| Instant::now() < until) {
                return Ok(known);
            }
            self.remembered.invalidate(&place).await;
        }
        let before = self.epoch.load(Ordering::Acquire);
        let loaded = load.await?;
        self.remembered.insert(place, loaded.clone()).await;
        // Something was revoked while this was read: it may be what was read.
        if self.epoch.load(Ordering::Acquire) != before {
            self.remembered.invalidate(&place).await;
        }
        Ok(loaded)
    }

    /// Forgets everything that is remembered: something of it is no longer so.
    pub fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.remembered.invalidate_all();
    }

    /// Writes down which keys and sessions were used; a session that is used lives on.
    pub async fn note_used(&self) -> Result<(), Error> {
        let used: Vec<uuid::Uuid> = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().map(|id| id.0).collect()
        };
        let sessions_used: Vec<uuid::Uuid> = {
            let mut used = self.sessions_used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().map(|id| id.0).collect()
        };
        if used.is_empty() && sessions_used.is_empty() {
            return Ok(());
        }
        let mut connection = store::postgres::acquire(&self.pool).await?;
        keys::note_used(&mut connection, &used).await?;
        sessions::note_used(&mut connection, &sessions_used).await
    }
}

fn until(seconds: Option<f64>) -> Option<Instant> {
    let left = Duration::try_from_secs_f64(seconds?.clamp(0.0, 1e9)).ok()?;
    Instant::now().checked_add(left)
}
