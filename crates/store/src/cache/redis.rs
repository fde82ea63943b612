//! Redis tier of the cache, shared by the nodes. Fails open: errors and stale data fall through to the database.
//!
//! A value is trusted only if it was written while this node had unbroken contact with Redis and with the database's
//! notifications: each invalidation since was then received, and left a tombstone that no late fill overwrites. Any failure
//! breaks the contact; Redis is then not used for some seconds, and values from before are not trusted any more. All times
//! are Redis's own.
//!
//! A whole namespace is invalidated by its *generation*, a key of its own in Redis. A value holds the generation that was read
//! before its load; one of another generation is stale, and the script that fills refuses it.
//!
//! Values are sealed: an attacker who can write to Redis can delay, but not forge.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};
use tokio::time::{Instant, timeout};

use crate::secrets::Sealer;

/// Time limit of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(100);
/// Time limit of connecting, which no request waits for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long Redis is not used after a failure.
const BACKOFF: Duration = Duration::from_secs(3);
/// Values written within this time after connecting are not trusted either: their fill may have been on its way for a while.
const TRUST_DELAY: Duration = Duration::from_secs(2);
/// TTL of a tombstone: longer than any load, since statements time out after a minute.
const TOMBSTONE_TTL: Duration = Duration::from_mins(3);
/// At most one log line about failures in this time.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// Value of an invalidated key. No filled value is as short.
const TOMBSTONE: &[u8] = b"x";
/// Digits of a time in microseconds: of the write and of the namespace's generation, which stand before each sealed value.
const TIMESTAMP_DIGITS: usize = 17;

/// Sets values with the time of Redis, except on tombstones and if the namespace's generation is not the expected one.
/// `KEYS`: generation, then keys; `ARGV`: expected generation, TTL in milliseconds, then sealed values.
const FILL: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local now = redis.call('TIME')
local header = string.format('%011d%06d', now[1], now[2]) .. ARGV[1]
for i = 2, #KEYS do
  if redis.call('GET', KEYS[i]) ~= 'x' then redis.call('SET', KEYS[i], header .. ARGV[i + 1], 'PX', ARGV[2]) end
end
return 1";

/// Sets a namespace's generation to the time of Redis; with `ARGV[1] = 'NX'` only where there is none. It never repeats or
/// goes back, even if Redis lost the one before or its clock was set back.
const SET_GENERATION: &str = "\
local before = redis.call('GET', KEYS[1])
if before and ARGV[1] == 'NX' then return before end
local now = redis.call('TIME')
local after = string.format('%011d%06d', now[1], now[2])
if before and after <= before then after = string.format('%017.0f', tonumber(before) + 1) end
redis.call('SET', KEYS[1], after)
return after";

/// Redis, as this node sees it. Cheap to clone.
#[derive(Clone)]
pub(super) struct RemoteCache {
    client: Client,
    sealer: Sealer,
    state: Arc<Mutex<State>>,
}

/// Result of a lookup.
pub(super) struct Lookup {
    /// Generation of the namespace, to [fill](RemoteCache::fill) with. `None` if Redis cannot be used now.
    pub(super) generation: Option<String>,
    /// In the order of the keys.
    pub(super) values: Vec<RemoteValue>,
}

/// State of a key in Redis.
pub(super) enum RemoteValue {
    /// A value that can be trusted.
    Hit(Vec<u8>),
    /// No value.
    Miss,
    /// A tombstone, or a value that may be outdated.
    Stale,
    /// Redis cannot be used now, or the value was not sealed by this installation.
    Error,
}

#[derive(Default)]
struct State {
    contact: Option<Contact>,
    connecting: bool,
    /// Redis is not used until then.
    backoff_until: Option<Instant>,
    logged_at: Option<Instant>,
    /// Number of breaks of contact. A connection opened before the latest is not used.
    breaks: u64,
}

/// Unbroken contact with Redis.
#[derive(Clone)]
struct Contact {
    connection: MultiplexedConnection,
    /// Values written until then are not trusted; microseconds of Redis's clock.
    trusted_after: u64,
    breaks: u64,
}

impl fmt::Debug for RemoteCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may contain a password.
        formatter.write_str("RemoteCache")
    }
}

impl RemoteCache {
    /// Prepares the client. It connects when it is first used.
    pub(super) fn open(url: &str, sealer: Sealer) -> Result<Self, RedisError> {
        if url.starts_with("rediss") {
            // Fails where another component has installed one, which is then used.
            let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Self { client: Client::open(url)?, sealer, state: Arc::default() })
    }

    /// Looks up keys of a namespace with one command.
    pub(super) async fn get(&self, namespace: &str, keys: &[&str]) -> Lookup {
        let unavailable =
            || Lookup { generation: None, values: keys.iter().map(|_| RemoteValue::Error).collect() };
        let Some(contact) = self.contact() else { return unavailable() };
        let generation_name = generation_name(namespace);
        let names: Vec<String> = keys.iter().map(|key| name(namespace, key)).collect();
        let mut get = redis::cmd("MGET");
        get.arg(&generation_name).arg(&names);
        let Some(found) = self.query::<Vec<Option<Vec<u8>>>>(&contact, &get).await else {
            return unavailable();
        };
        let mut found = found.into_iter();
        let generation = match found.next().flatten() {
            Some(generation) => String::from_utf8(generation).ok(),
            // Never set, or lost: a new one makes what was filled before stale.
            None => self.set_generation(&contact, &generation_name, "NX").await,
        };
        let Some(generation) = generation else { return unavailable() };
        let values =
            found.zip(&names).map(|(value, name)| self.read(&contact, &generation, name, value)).collect();
        // A break meanwhile may have kept a tombstone or a generation from being written.
        if self.lock().breaks != contact.breaks {
            return unavailable();
        }
        Lookup { generation: Some(generation), values }
    }

    fn read(&self, contact: &Contact, generation: &str, name: &str, value: Option<Vec<u8>>) -> RemoteValue {
        let Some(value) = value else { return RemoteValue::Miss };
        if value == TOMBSTONE {
            return RemoteValue::Stale;
        }
        let Some((header, sealed)) = value.split_at_checked(2 * TIMESTAMP_DIGITS) else {
            return self.garbage();
        };
        let (written_at, of_generation) = header.split_at(TIMESTAMP_DIGITS);
        let Some(written_at) =
            std::str::from_utf8(written_at).ok().and_then(|digits| digits.parse::<u64>().ok())
        else {
            return self.garbage();
        };
        if written_at <= contact.trusted_after || of_generation != generation.as_bytes() {
            return RemoteValue::Stale;
        }
        match self.sealer.open_sealed(name, sealed) {
            Ok(plain) => RemoteValue::Hit(plain.to_vec()),
            Err(_) => self.garbage(),
        }
    }

    /// Writes loaded values for the other nodes. `generation` is the one of the lookup before the load.
    pub(super) async fn fill(
        &self,
        namespace: &str,
        generation: &str,
        values: &[(&str, Vec<u8>)],
        ttl: Duration,
    ) {
        let Some(contact) = self.contact() else { return };
        let names: Vec<String> = values.iter().map(|(key, _)| name(namespace, key)).collect();
        let sealed: Result<Vec<_>, _> =
            names.iter().zip(values).map(|(name, (_, value))| self.sealer.seal(name, value)).collect();
        let Ok(sealed) = sealed else { return };
        let mut fill = redis::cmd("EVAL");
        fill.arg(FILL).arg(names.len() + 1).arg(generation_name(namespace)).arg(names);
        fill.arg(generation).arg(milliseconds(ttl)).arg(sealed);
        let _filled: Option<i64> = self.query(&contact, &fill).await;
    }

    /// Lets no node trust a value of this key that Redis holds or that is on its way there.
    pub(super) async fn write_tombstone(&self, namespace: &str, key: &str) {
        let Some(contact) = self.contact_or_break() else { return };
        let mut set = redis::cmd("SET");
        set.arg(name(namespace, key)).arg(TOMBSTONE).arg("PX").arg(milliseconds(TOMBSTONE_TTL));
        if self.query::<()>(&contact, &set).await.is_none() {
            self.break_contact();
        }
    }

    /// Like [`write_tombstone`](Self::write_tombstone), for every key of a namespace.
    pub(super) async fn invalidate_all(&self, namespace: &str) {
        let Some(contact) = self.contact_or_break() else { return };
        if self.set_generation(&contact, &generation_name(namespace), "").await.is_none() {
            self.break_contact();
        }
    }

    /// Trusts nothing that Redis holds now.
    pub(super) fn break_contact(&self) {
        let mut state = self.lock();
        state.contact = None;
        state.breaks += 1;
    }

    /// The contact, if there is one. Without one nothing is trusted; the break makes sure that values which Redis holds now
    /// will not be either, even by a connection that is just being made.
    fn contact_or_break(&self) -> Option<Contact> {
        let contact = self.lock().contact.clone();
        if contact.is_none() {
            self.break_contact();
        }
        contact
    }

    async fn set_generation(&self, contact: &Contact, name: &str, condition: &str) -> Option<String> {
        let mut set = redis::cmd("EVAL");
        set.arg(SET_GENERATION).arg(1).arg(name).arg(condition);
        self.query(contact, &set).await
    }

    async fn query<T: FromRedisValue>(&self, contact: &Contact, command: &Cmd) -> Option<T> {
        let mut connection = contact.connection.clone();
        match timeout(COMMAND_TIMEOUT, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => self.failed(contact.breaks, &error.to_string()),
            Err(_elapsed) => self.failed(contact.breaks, "no answer in time"),
        }
    }

    fn failed<T>(&self, breaks: u64, error: &str) -> Option<T> {
        let mut state = self.lock();
        // Of many commands that fail on one connection, the first breaks the contact.
        if state.breaks == breaks {
            state.contact = None;
            state.breaks += 1;
            state.backoff_until = Some(Instant::now() + BACKOFF);
        }
        log_failure(&mut state, error);
        None
    }

    fn garbage(&self) -> RemoteValue {
        let error = "a value was not sealed by this node's keys; give all nodes the same secret key";
        log_failure(&mut self.lock(), error);
        RemoteValue::Error
    }

    /// The contact. Where there is none, a connection is made in the background, and the caller does without.
    fn contact(&self) -> Option<Contact> {
        let mut state = self.lock();
        if state.contact.is_some() {
            return state.contact.clone();
        }
        let backs_off = state.backoff_until.is_some_and(|until| Instant::now() < until);
        if !backs_off && !state.connecting {
            state.connecting = true;
            let (remote, breaks) = (self.clone(), state.breaks);
            tokio::spawn(async move { remote.connect(breaks).await });
        }
        None
    }

    async fn connect(&self, breaks: u64) {
        let connected = timeout(CONNECT_TIMEOUT, self.try_connect()).await;
        let mut state = self.lock();
        state.connecting = false;
        match connected {
            // Contact was broken meanwhile: the next lookup connects again.
            Ok(Ok(_)) if state.breaks != breaks => {}
            Ok(Ok((connection, trusted_after))) => {
                state.backoff_until = None;
                state.contact = Some(Contact { connection, trusted_after, breaks });
            }
            Ok(Err(error)) => {
                state.backoff_until = Some(Instant::now() + BACKOFF);
                log_failure(&mut state, &error.to_string());
            }
            Err(_elapsed) => {
                state.backoff_until = Some(Instant::now() + BACKOFF);
                log_failure(&mut state, "no connection in time");
            }
        }
    }

    async fn try_connect(&self) -> Result<(MultiplexedConnection, u64), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let (seconds, microseconds): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let now = Duration::from_secs(seconds) + Duration::from_micros(microseconds);
        Ok((connection, u64::try_from((now + TRUST_DELAY).as_micros()).unwrap_or(u64::MAX)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a failure, and logs one once in a while.
fn log_failure(state: &mut State, error: &str) {
    metrics::counter!("wenyuan_cache_redis_failures_total").increment(1);
    if state.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
        state.logged_at = Some(Instant::now());
        tracing::warn!(error, "failed to use Redis; the database answers instead");
    }
}

/// Name of a key in Redis.
fn name(namespace: &str, key: &str) -> String {
    format!("wenyuan:{namespace}:{key}")
}

/// Name of a namespace's generation in Redis. No key is empty.
fn generation_name(namespace: &str) -> String {
    name(namespace, "")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
