//! Two-level read-through cache: in-process (moka), then optional Redis. Used for session and API key look-ups.
//!
//! **Invalidation.** A write registers what it outdates on its [`Transaction`], by key or by [`Namespace`]. Nothing else
//! invalidates: the commit notifies every node through PostgreSQL (`NOTIFY`), and the node that made it does not wait for that.
//! After a commit has returned, its node answers with nothing older, and every other node as soon as it is notified.
//!
//! **How stale values are kept out.** Each key has an *epoch*, which an invalidation moves. A load notes the epoch before it
//! reads; if it has moved since, the value is returned to the callers who waited and cached nowhere. A node that may have missed
//! notifications drops everything; while its `LISTEN` connection is down, it caches for two seconds and does not use Redis.
//!
//! The in-process tier is in `local.rs`, Redis in `redis.rs`. [`spawn_listener`](crate::listener::spawn_listener) receives the
//! notifications.

mod local;
mod redis;
mod transaction;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::local::{Entry, InFlightGuard, Invalidate, LocalCache};
use self::redis::{RemoteCache, RemoteValue};
use crate::secrets::Sealer;

pub use self::transaction::Transaction;

/// PostgreSQL channel of the notifications: `namespace:key` or `namespace:*`.
pub const CHANNEL: &str = "wenyuan_cache";

/// In a notification: all keys of the namespace.
const ALL: &str = "*";
/// TTL while the `LISTEN` connection is down.
const DISCONNECTED_TTL: Duration = Duration::from_secs(2);
/// A value whose load took longer is not written to Redis, since a tombstone might have expired meanwhile.
const MAX_LOAD_TIME: Duration = Duration::from_mins(1);
/// With more tombstones on their way to Redis, no more are written: nothing that it holds is trusted any more.
const MAX_PENDING_TOMBSTONES: u64 = 256;
/// Number of epochs, which keys share by their hash.
const STRIPES: usize = 1024;
/// Longer keys are replaced by their hash.
const MAX_KEY_BYTES: usize = 200;
/// How often the gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(10);

/// An invalid `WENYUAN_REDIS_URL`. The text does not repeat it: it may contain a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "WENYUAN_REDIS_URL is not a Redis URL; expected redis://user:password@host:port/number, rediss://… for TLS, or unix:///path"
)]
pub struct InvalidRedisUrl;

/// Name of a cache: the unit that can be invalidated as a whole, and the label of its metrics. Unique in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(&'static str);

impl Namespace {
    /// Names a cache. Lower-case letters and `_`, so that it can be part of a notification and of a name in Redis.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// Size and lifetimes of a cache.
#[derive(Debug, Clone, Copy)]
pub struct CacheConfig {
    /// Maximum number of entries in the process.
    pub max_entries: u64,
    /// TTL in the process.
    pub local_ttl: Duration,
    /// TTL in Redis.
    pub redis_ttl: Duration,
    /// TTL of absent values, which are cached in the process only.
    pub negative_ttl: Duration,
}

/// All caches of the program, with what they share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caches {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    remote: Option<RemoteCache>,
    /// Whether notifications are received.
    listening: AtomicBool,
    /// Moves when everything is invalidated.
    generation: AtomicU64,
    stripes: Vec<Stripe>,
    /// Tombstones on their way to Redis.
    pending_tombstones: AtomicU64,
    registered: RwLock<Vec<Registered>>,
}

/// Epoch of the keys that share a hash.
#[derive(Debug, Default)]
struct Stripe {
    epoch: Mutex<u64>,
    /// Invalidations on their way to Redis, which is not trusted meanwhile.
    pending_invalidations: AtomicU64,
}

#[derive(Debug, Default)]
struct NamespaceState {
    /// Moves when the namespace is invalidated.
    generation: AtomicU64,
    /// Invalidations on their way to Redis, which is not trusted meanwhile.
    pending_invalidations: AtomicU64,
}

#[derive(Debug)]
struct Registered {
    namespace: Namespace,
    state: Arc<NamespaceState>,
    local: Arc<dyn Invalidate>,
}

/// Values of one type. Cheap to clone.
pub struct Cache<V> {
    namespace: Namespace,
    config: CacheConfig,
    shared: Arc<Shared>,
    state: Arc<NamespaceState>,
    local: Arc<LocalCache<V>>,
}

/// State of a key before a value is read.
#[derive(Clone, Copy)]
struct Snapshot {
    generation: u64,
    /// Includes the generation.
    epoch: u64,
}

/// A key that this call loads.
struct OwnedLoad<'cache, V> {
    /// Position among the keys of the call.
    index: usize,
    snapshot: Snapshot,
    in_flight: InFlightGuard<'cache, V>,
    _turn: OwnedMutexGuard<()>,
}

impl Caches {
    /// Creates the caches, with the Redis of this URL or without one. Connects when it is first used. Values in Redis are sealed.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn new(redis_url: Option<&str>, sealer: &Sealer) -> Result<Self, InvalidRedisUrl> {
        let remote = redis_url
            .map(|url| RemoteCache::open(url, sealer.clone()))
            .transpose()
            .map_err(|_may_contain_the_url| InvalidRedisUrl)?;
        let shared = Shared {
            remote,
            listening: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            pending_tombstones: AtomicU64::new(0),
            registered: RwLock::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Creates the cache of a namespace. Called once for each, at the start.
    pub fn cache<V>(&self, namespace: Namespace, config: CacheConfig) -> Cache<V>
    where
        V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let local = Arc::new(LocalCache::new(&config));
        let state = Arc::<NamespaceState>::default();
        let registered = Registered {
            namespace,
            state: Arc::clone(&state),
            local: Arc::clone(&local) as Arc<dyn Invalidate>,
        };
        self.shared.registered.write().unwrap_or_else(PoisonError::into_inner).push(registered);
        Cache { namespace, config, shared: Arc::clone(&self.shared), state, local }
    }

    /// Begins a transaction that can invalidate. It is rolled back unless committed.
    ///
    /// # Errors
    /// When the database cannot be reached or the pool is exhausted.
    pub async fn begin(&self, pool: &PgPool) -> Result<Transaction, crate::postgres::Error> {
        Ok(Transaction::new(crate::postgres::begin(pool).await?, self.clone()))
    }

    /// Whether notifications are received, so that values are cached for long.
    pub fn is_listening(&self) -> bool {
        self.shared.listening.load(SeqCst)
    }

    /// Sets the gauges of the caches until the pool is closed.
    pub fn spawn_gauges(&self, pool: PgPool) -> JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(GAUGE_INTERVAL);
            while !pool.is_closed() {
                tick.tick().await;
                let listening = if shared.listening.load(SeqCst) { 1.0 } else { 0.0 };
                metrics::gauge!("wenyuan_cache_listening").set(listening);
                shared.for_each(|cache| {
                    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                    let entries = cache.local.entry_count() as f64;
                    metrics::gauge!("wenyuan_cache_entries", "cache" => cache.namespace.0).set(entries);
                });
            }
        })
    }

    /// Applies a notification.
    pub(crate) fn notified(&self, payload: &str) {
        match payload.split_once(':') {
            Some((namespace, ALL)) => {
                if let Some(in_redis) = self.shared.invalidate_namespace(namespace) {
                    tokio::spawn(in_redis);
                }
            }
            Some((namespace, key)) => {
                if let Some(in_redis) = self.shared.invalidate_key(namespace, key) {
                    tokio::spawn(in_redis);
                }
            }
            None => tracing::warn!(payload, "ignored a malformed cache notification"),
        }
    }

    /// Notifications are received from now on. Earlier ones may have been missed.
    pub(crate) fn connected(&self) {
        self.shared.invalidate_everything();
        self.shared.listening.store(true, SeqCst);
    }

    /// Notifications are not received any more.
    pub(crate) fn disconnected(&self) {
        self.shared.listening.store(false, SeqCst);
    }
}

impl<V> Cache<V>
where
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Returns the value of a key, cached or loaded. Concurrent calls for one key share one load; if it fails, the next caller
    /// tries. Absence is cached too, so whatever creates a value invalidates its key as well.
    ///
    /// The database and Redis see the keys: for a secret, pass its hash.
    ///
    /// # Errors
    /// When the load fails. Redis cannot make it fail.
    pub async fn get_with<E, Load>(&self, key: &str, load: impl Fn() -> Load) -> Result<Option<V>, E>
    where
        Load: Future<Output = Result<Option<V>, E>>,
    {
        if let Some(entry) = self.get_local(&normalize(key)) {
            return Ok(entry.value);
        }
        let load = |_| {
            let load = load();
            async move { Ok::<_, E>(vec![load.await?]) }
        };
        Ok(self.get_or_load(&[normalize(key)], vec![0], load).await?.pop().flatten())
    }

    /// Returns the values of several keys in their order, with the guarantees of [`get_with`](Self::get_with). `load_missing` is
    /// called with the keys that are not cached, once unless another caller's load of some of them fails; Redis gets one command.
    ///
    /// # Errors
    /// When the load fails.
    pub async fn get_many<E, Load>(
        &self,
        keys: &[&str],
        load_missing: impl Fn(Vec<String>) -> Load,
    ) -> Result<Vec<Option<V>>, E>
    where
        Load: Future<Output = Result<HashMap<String, V>, E>>,
    {
        let normalized: Vec<_> = keys.iter().map(|key| normalize(key)).collect();
        let mut values: Vec<Option<V>> = vec![None; keys.len()];
        let mut missing = Vec::new();
        for (index, key) in normalized.iter().enumerate() {
            match self.get_local(key) {
                Some(entry) => values[index] = entry.value,
                None => missing.push(index),
            }
        }
        if !missing.is_empty() {
            let load = |indices: Vec<usize>| {
                let loaded = load_missing(indices.iter().map(|index| keys[*index].to_owned()).collect());
                async move {
                    let loaded = loaded.await?;
                    Ok::<Vec<_>, E>(indices.iter().map(|index| loaded.get(keys[*index]).cloned()).collect())
                }
            };
            let loaded = self.get_or_load(&normalized, missing.clone(), load).await?;
            for (index, value) in missing.into_iter().zip(loaded) {
                values[index] = value;
            }
        }
        Ok(values)
    }

    /// Drops a key from this node and from Redis and tells no other node: for an entry that its reader finds expired. Writes
    /// invalidate through their [`Transaction`].
    pub async fn evict(&self, key: &str) {
        if let Some(in_redis) = self.shared.invalidate_key(self.namespace.0, &normalize(key)) {
            // A task of its own: done even if the caller is cancelled.
            let _done = tokio::spawn(in_redis).await;
        }
    }

    /// Looks a key up in the process.
    fn get_local(&self, key: &str) -> Option<Entry<V>> {
        let entry = self.local.entries.get(key);
        let outcome = match &entry {
            None => "miss",
            Some(entry) if self.is_valid(entry) => "hit",
            Some(_) => "stale",
        };
        self.count("local", outcome);
        entry.filter(|_| outcome == "hit")
    }

    fn is_valid(&self, entry: &Entry<V>) -> bool {
        let ttl = if entry.value.is_some() { self.config.local_ttl } else { self.config.negative_ttl };
        let ttl = if self.shared.listening.load(SeqCst) { ttl } else { ttl.min(DISCONNECTED_TTL) };
        entry.generation == self.generation() && entry.inserted_at.elapsed() < ttl
    }

    /// Values of the keys at `missing`, in that order: by loads that are in flight, from Redis, or by `load`, which is called with
    /// positions and answers in their order.
    async fn get_or_load<E, Load>(
        &self,
        keys: &[Cow<'_, str>],
        missing: Vec<usize>,
        load: impl Fn(Vec<usize>) -> Load,
    ) -> Result<Vec<Option<V>>, E>
    where
        Load: Future<Output = Result<Vec<Option<V>>, E>>,
    {
        let mut values: HashMap<usize, Option<V>> = HashMap::with_capacity(missing.len());
        let (mut owned, mut awaited) = (Vec::new(), Vec::new());
        for &index in &missing {
            // Before anything is read.
            let snapshot = self.snapshot(&keys[index]);
            let in_flight = self.local.join(&keys[index], snapshot.epoch);
            match Arc::clone(&in_flight.load.turn).try_lock_owned() {
                Ok(turn) if in_flight.load.result.get().is_none() => {
                    owned.push(OwnedLoad { index, snapshot, in_flight, _turn: turn });
                }
                _ => awaited.push((index, snapshot, in_flight)),
            }
        }
        // Its own loads first: two calls that each wait for a key of the other do not wait forever.
        if !owned.is_empty() {
            self.load_owned(keys, owned, &load, &mut values).await?;
        }
        for (index, snapshot, in_flight) in awaited {
            let turn = Arc::clone(&in_flight.load.turn).lock_owned().await;
            if let Some(value) = in_flight.load.result.get() {
                values.insert(index, value.clone());
            } else {
                // The load failed or was cancelled. For the same reason this one is not put off to join others.
                let owned = vec![OwnedLoad { index, snapshot, in_flight, _turn: turn }];
                self.load_owned(keys, owned, &load, &mut values).await?;
            }
        }
        Ok(missing.iter().map(|index| values.remove(index).flatten()).collect())
    }

    /// Fetches the values of owned loads and hands them to those who wait for them.
    async fn load_owned<E, Load>(
        &self,
        keys: &[Cow<'_, str>],
        owned: Vec<OwnedLoad<'_, V>>,
        load: &impl Fn(Vec<usize>) -> Load,
        values: &mut HashMap<usize, Option<V>>,
    ) -> Result<(), E>
    where
        Load: Future<Output = Result<Vec<Option<V>>, E>>,
    {
        let fetched = self.fetch(keys, &owned, load).await?;
        for (load, value) in owned.into_iter().zip(fetched) {
            let _is_first = load.in_flight.load.result.set(value.clone());
            values.insert(load.index, value);
        }
        Ok(())
    }

    /// Reads values from Redis, else loads them, and caches them.
    async fn fetch<E, Load>(
        &self,
        keys: &[Cow<'_, str>],
        owned: &[OwnedLoad<'_, V>],
        load: impl Fn(Vec<usize>) -> Load,
    ) -> Result<Vec<Option<V>>, E>
    where
        Load: Future<Output = Result<Vec<Option<V>>, E>>,
    {
        let key = |position: usize| &*keys[owned[position].index];
        let mut values: Vec<Option<V>> = vec![None; owned.len()];
        let remote_generation = self.fetch_remote(&key, owned, &mut values).await;
        let missing: Vec<usize> = (0..owned.len()).filter(|position| values[*position].is_none()).collect();
        if missing.is_empty() {
            return Ok(values);
        }
        let started_at = Instant::now();
        let loaded = load(missing.iter().map(|position| owned[*position].index).collect());
        let loaded = loaded.await.inspect_err(|_| self.count("database", "error"))?;
        let mut fills = Vec::new();
        for (position, value) in missing.into_iter().zip(loaded) {
            self.count("database", if value.is_some() { "hit" } else { "miss" });
            let is_current = self.insert(key(position), value.clone(), owned[position].snapshot);
            if is_current
                && self.trusts_remote(key(position))
                && let Some(value) = &value
                && let Ok(bytes) = serde_json::to_vec(value)
            {
                fills.push((key(position), bytes));
            }
            values[position] = value;
        }
        if let (Some(remote), Some(generation)) = (&self.shared.remote, remote_generation)
            && !fills.is_empty()
            && started_at.elapsed() < MAX_LOAD_TIME
        {
            remote.fill(self.namespace.0, &generation, &fills, self.config.redis_ttl).await;
        }
        Ok(values)
    }

    /// Reads into `values` what Redis holds. Returns the generation to fill it with.
    async fn fetch_remote<'key>(
        &self,
        key: &impl Fn(usize) -> &'key str,
        owned: &[OwnedLoad<'_, V>],
        values: &mut [Option<V>],
    ) -> Option<String> {
        let remote = self.shared.remote.as_ref()?;
        let positions: Vec<usize> =
            (0..owned.len()).filter(|position| self.trusts_remote(key(*position))).collect();
        if positions.is_empty() {
            return None;
        }
        let names: Vec<&str> = positions.iter().map(|position| key(*position)).collect();
        let lookup = remote.get(self.namespace.0, &names).await;
        for (position, value) in positions.into_iter().zip(lookup.values) {
            let outcome = match value {
                RemoteValue::Miss => "miss",
                RemoteValue::Stale => "stale",
                RemoteValue::Error => "error",
                RemoteValue::Hit(bytes) => match serde_json::from_slice::<V>(&bytes) {
                    // An invalidation that came while Redis answered may be newer than the answer.
                    Ok(value)
                        if self.trusts_remote(key(position))
                            && self.insert(key(position), Some(value.clone()), owned[position].snapshot) =>
                    {
                        values[position] = Some(value);
                        "hit"
                    }
                    // Or of a release whose values have other fields.
                    _ => "stale",
                },
            };
            self.count("redis", outcome);
        }
        lookup.generation
    }

    /// Caches a value in the process, unless its key was invalidated since the snapshot. Returns whether it is cached.
    fn insert(&self, key: &str, value: Option<V>, snapshot: Snapshot) -> bool {
        // Held meanwhile: an invalidation comes before the check or after the insertion.
        let epoch = self.shared.stripe(key).lock();
        let is_current = self.generation() + *epoch == snapshot.epoch;
        if is_current {
            let entry = Entry { value, generation: snapshot.generation, inserted_at: Instant::now() };
            self.local.entries.insert(key.to_owned(), entry);
        }
        is_current
    }

    fn snapshot(&self, key: &str) -> Snapshot {
        let generation = self.generation();
        Snapshot { generation, epoch: generation + *self.shared.stripe(key).lock() }
    }

    /// The parts of the sum only grow, so it tells whether either has moved.
    fn generation(&self) -> u64 {
        self.shared.generation.load(SeqCst) + self.state.generation.load(SeqCst)
    }

    fn trusts_remote(&self, key: &str) -> bool {
        self.shared.listening.load(SeqCst)
            && self.shared.stripe(key).pending_invalidations.load(SeqCst) == 0
            && self.state.pending_invalidations.load(SeqCst) == 0
    }

    fn count(&self, level: &'static str, outcome: &'static str) {
        metrics::counter!(
            "wenyuan_cache_lookups_total", "cache" => self.namespace.0, "level" => level, "outcome" => outcome
        )
        .increment(1);
    }
}

impl Shared {
    fn stripe(&self, key: &str) -> &Stripe {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let number = hasher.finish() as usize % STRIPES;
        &self.stripes[number]
    }

    fn for_each(&self, mut apply: impl FnMut(&Registered)) {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(&mut apply);
    }

    /// Invalidates a key on this node. The future, where there is one, does so in Redis.
    fn invalidate_key(
        self: &Arc<Self>,
        namespace: &str,
        key: &str,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let pending =
            self.remote.clone().map(|remote| (remote, PendingTombstone::new(Arc::clone(self), key)));
        {
            let mut epoch = self.stripe(key).lock();
            *epoch += 1;
            self.for_each(|cache| {
                if cache.namespace.0 == namespace {
                    cache.local.invalidate(key);
                    cache.count_invalidation("key");
                }
            });
        }
        let (remote, pending) = pending?;
        if self.pending_tombstones.load(SeqCst) > MAX_PENDING_TOMBSTONES {
            remote.break_contact();
            return None;
        }
        let (namespace, key) = (namespace.to_owned(), key.to_owned());
        Some(async move {
            remote.write_tombstone(&namespace, &key).await;
            drop(pending);
        })
    }

    /// Like [`invalidate_key`](Self::invalidate_key), for all keys of a namespace.
    fn invalidate_namespace(
        &self,
        namespace: &str,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let mut pending = Vec::new();
        self.for_each(|cache| {
            if cache.namespace.0 == namespace {
                pending.push(PendingNamespace::new(Arc::clone(&cache.state)));
                cache.state.generation.fetch_add(1, SeqCst);
                cache.local.invalidate_all();
                cache.count_invalidation("namespace");
            }
        });
        let (remote, namespace) = (self.remote.clone()?, namespace.to_owned());
        Some(async move {
            remote.invalidate_all(&namespace).await;
            drop(pending);
        })
    }

    fn invalidate_everything(&self) {
        if let Some(remote) = &self.remote {
            remote.break_contact();
        }
        self.generation.fetch_add(1, SeqCst);
        self.for_each(|cache| {
            cache.local.invalidate_all();
            cache.count_invalidation("all");
        });
    }
}

impl Registered {
    fn count_invalidation(&self, scope: &'static str) {
        metrics::counter!("wenyuan_cache_invalidations_total", "cache" => self.namespace.0, "scope" => scope)
            .increment(1);
    }
}

impl Stripe {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tombstone on its way to Redis. Until it is there, Redis is not trusted for the keys of its stripe.
struct PendingTombstone {
    shared: Arc<Shared>,
    key: String,
}

impl PendingTombstone {
    fn new(shared: Arc<Shared>, key: &str) -> Self {
        shared.stripe(key).pending_invalidations.fetch_add(1, SeqCst);
        shared.pending_tombstones.fetch_add(1, SeqCst);
        Self { shared, key: key.to_owned() }
    }
}

impl Drop for PendingTombstone {
    fn drop(&mut self) {
        self.shared.stripe(&self.key).pending_invalidations.fetch_sub(1, SeqCst);
        self.shared.pending_tombstones.fetch_sub(1, SeqCst);
    }
}

/// A namespace's new generation on its way to Redis, which is not trusted for the namespace until then.
struct PendingNamespace(Arc<NamespaceState>);

impl PendingNamespace {
    fn new(state: Arc<NamespaceState>) -> Self {
        state.pending_invalidations.fetch_add(1, SeqCst);
        Self(state)
    }
}

impl Drop for PendingNamespace {
    fn drop(&mut self) {
        self.0.pending_invalidations.fetch_sub(1, SeqCst);
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace,
            config: self.config,
            shared: Arc::clone(&self.shared),
            state: Arc::clone(&self.state),
            local: Arc::clone(&self.local),
        }
    }
}

/// A key as it stands in notifications and in Redis: if it is long or has other characters than visible ASCII, its hash.
fn normalize(key: &str) -> Cow<'_, str> {
    let is_plain =
        (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && key != ALL {
        return Cow::Borrowed(key);
    }
    Cow::Owned(format!("sha256-{}", hex::encode(Sha256::digest(key.as_bytes()))))
}
