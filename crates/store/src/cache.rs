//! What is asked for often and changes seldom (who a session or a key belongs to), remembered in this process, then in
//! Redis where there is one; else the caller's loader asks the database.
//!
//! What was invalidated is never answered again, on any node, once the node has heard of it. A value is kept with the
//! *epoch* of its key, taken before it was loaded, and an invalidation moves the epoch: so a load that was under way when the
//! invalidation came counts for nothing. An invalidation is called out through the database at the commit of its cause
//! ([`invalidate`](Cache::invalidate)); the node that made it need not wait for the call ([`forget`](Cache::forget)). A node that
//! may have missed calls forgets everything; while it knows that it hears nothing, it remembers for two seconds and
//! leaves Redis alone.

mod far;

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
use sqlx::PgConnection;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::secrets::Sealer;
use far::Far;

/// The channel on which the database calls out what is not true any more, as `namespace:key`.
pub const CHANNEL: &str = "wenyuan_cache";

/// What is called out when everything is to be forgotten.
const EVERYTHING: &str = "*";
/// How long a node that hears nothing remembers.
const DEAF: Duration = Duration::from_secs(2);
/// After that long a loaded value is not given to other nodes.
const LONGEST_LOAD: Duration = Duration::from_mins(1);
/// When more is invalidated at once than this, Redis is not told of each: nothing that it holds is believed any more.
const MOST_BURIALS: u64 = 256;
/// Keys share epochs, so that there are not as many epochs as keys.
const STRIPES: usize = 1024;
/// The longest key that is used as it is.
const LONGEST_KEY: usize = 200;

/// Why there can be no caches.
#[derive(Debug, thiserror::Error)]
#[error(
    "WENYUAN_REDIS_URL is not a Redis URL (redis://user:password@host:port/number, rediss:// with TLS, or unix:///path)"
)]
pub struct BadUrl;

/// How much is remembered, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries in the process at most.
    pub entries: u64,
    /// How long in the process.
    pub in_process: Duration,
    /// How long in Redis.
    pub in_redis: Duration,
    /// How long it is remembered that there is nothing, in the process alone.
    pub absent: Duration,
}

/// The caches of a program. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caches {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    far: Option<Far>,
    /// Whether the database's calls are heard.
    hears: AtomicBool,
    /// Moves when everything is forgotten.
    age: AtomicU64,
    epochs: Vec<Epoch>,
    /// Tombstones on their way to Redis, in all.
    burials: AtomicU64,
    forgetful: RwLock<Vec<(&'static str, Arc<dyn Forgetful>)>>,
}

/// Of the keys of one stripe.
#[derive(Debug, Default)]
struct Epoch {
    moved: AtomicU64,
    /// How many tombstones are on their way to Redis, which is not believed meanwhile.
    burying: AtomicU64,
}

/// Values of one kind. Cheap to clone.
pub struct Cache<V> {
    namespace: &'static str,
    limits: Limits,
    shared: Arc<Shared>,
    near: Arc<Near<V>>,
}

/// What this process remembers.
struct Near<V> {
    entries: moka::sync::Cache<String, Entry<V>>,
    flights: Mutex<HashMap<String, Flight<V>>>,
}

#[derive(Clone)]
struct Entry<V> {
    value: Option<V>,
    epoch: u64,
    since: Instant,
}

/// A load that is under way, for all who ask meanwhile.
struct Flight<V> {
    epoch: u64,
    cell: Arc<OnceCell<Option<V>>>,
}

/// What is told to let go of memory; that nothing is answered any more is the epoch's doing.
trait Forgetful: Send + Sync + fmt::Debug {
    fn drop_one(&self, key: &str);
    fn drop_all(&self);
}

impl Caches {
    /// Without Redis, or with the one at this URL. Nothing is connected to yet. What is kept in Redis is sealed.
    pub fn new(redis: Option<&str>, sealer: &Sealer) -> Result<Self, BadUrl> {
        let far = redis
            .map(|url| Far::open(url, sealer.clone()))
            .transpose()
            .map_err(|_may_hold_the_url| BadUrl)?;
        let epochs = (0..STRIPES).map(|_| Epoch::default()).collect();
        let shared = Shared {
            far,
            hears: AtomicBool::new(false),
            age: AtomicU64::new(0),
            epochs,
            burials: AtomicU64::new(0),
            forgetful: RwLock::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A cache of one kind of values. Made once at the start, under a name of its own.
    pub fn cache<V>(&self, namespace: &'static str, limits: Limits) -> Cache<V>
    where
        V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let entries = moka::sync::Cache::builder()
            .max_capacity(limits.entries)
            .time_to_live(limits.in_process.max(limits.absent))
            .build();
        let near = Arc::new(Near { entries, flights: Mutex::default() });
        let told = Arc::clone(&near) as Arc<dyn Forgetful>;
        self.shared.forgetful.write().unwrap_or_else(PoisonError::into_inner).push((namespace, told));
        Cache { namespace, limits, shared: Arc::clone(&self.shared), near }
    }

    /// Whether this node hears what is invalidated, and therefore remembers for long.
    pub fn is_hearing(&self) -> bool {
        self.shared.hears.load(SeqCst)
    }

    /// Forgets everything on this node at once, also what Redis has.
    pub fn forget_all(&self) {
        self.shared.forget_all();
    }

    /// The database has called: `namespace:key` is not true any more, or, with `*`, nothing is.
    pub(crate) fn called(&self, payload: &str) {
        if payload == EVERYTHING {
            return self.shared.forget_all();
        }
        let Some((namespace, key)) = payload.split_once(':') else { return };
        if let Some(burial) = self.shared.forget(namespace, key) {
            tokio::spawn(burial);
        }
    }

    /// The database is heard from now on. Calls may have been missed before.
    pub(crate) fn hears(&self) {
        self.shared.forget_all();
        self.shared.hears.store(true, SeqCst);
    }

    /// The database is not heard any more.
    pub(crate) fn is_deaf(&self) {
        self.shared.hears.store(false, SeqCst);
    }
}

/// Calls out to every node, when the caller's transaction commits, that nothing it remembers is to be believed: for what
/// is rare and touches many keys. After the commit the caller also lets its own node [forget](Caches::forget_all).
pub async fn invalidate_all(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("-- cache.invalidate_all\nselect pg_notify('wenyuan_cache', $1)", EVERYTHING)
        .execute(connection)
        .await?;
    Ok(())
}

impl<V> Cache<V>
where
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The value of a key: remembered, or loaded. Those who ask for one key at once wait for one load; where it fails,
    /// the next tries. That there is nothing is remembered too, so who makes what was absent invalidates it as well.
    /// Keys are seen by the database and by Redis: for a secret, give its hash.
    pub async fn get_with<E, Load>(&self, key: &str, load: impl FnOnce() -> Load) -> Result<Option<V>, E>
    where
        Load: Future<Output = Result<Option<V>, E>>,
    {
        let key = plain(key);
        // Before anything is read.
        let epoch = self.shared.epoch(&key);
        if let Some(entry) = self.near.entries.get(&key)
            && self.is_good(&entry, epoch)
        {
            self.count("in_process");
            return Ok(entry.value);
        }
        let cell = self.near.board(&key, epoch);
        let landing = Landing { near: &self.near, key: &key, cell: &cell };
        let value = cell.get_or_try_init(|| self.fetch(&key, epoch, load)).await?.clone();
        drop(landing);
        Ok(value)
    }

    /// Calls out to every node, when the caller's transaction commits, that a key's value is not true any more. After
    /// the commit the caller also [forgets](Self::forget) it, so that its own next question is answered truly.
    pub async fn invalidate(&self, connection: &mut PgConnection, key: &str) -> Result<(), sqlx::Error> {
        let payload = format!("{}:{}", self.namespace, plain(key));
        sqlx::query!("-- cache.invalidate\nselect pg_notify('wenyuan_cache', $1)", payload)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Forgets a key on this node at once, and lets no other node believe what Redis has of it.
    pub async fn forget(&self, key: &str) {
        if let Some(burial) = self.shared.forget(self.namespace, &plain(key)) {
            // Done also when nobody waits for it any more.
            let _done = tokio::spawn(burial).await;
        }
    }

    async fn fetch<E, Load>(&self, key: &str, epoch: u64, load: impl FnOnce() -> Load) -> Result<Option<V>, E>
    where
        Load: Future<Output = Result<Option<V>, E>>,
    {
        let name = name(self.namespace, key);
        // Asked again each time: hearing may have been lost meanwhile.
        let far = || self.shared.far.as_ref().filter(|_| self.shared.may_believe(key));
        if let Some(redis) = far()
            && let Some(bytes) = redis.get(&name).await
            && let Ok(value) = serde_json::from_slice::<V>(&bytes)
            // An invalidation that was heard while Redis answered: the answer may be from before it.
            && self.shared.epoch(key) == epoch
            && self.shared.may_believe(key)
        {
            self.count("redis");
            self.keep(key, Some(value.clone()), epoch);
            return Ok(Some(value));
        }
        let begun = Instant::now();
        let value = load().await?;
        self.count("database");
        self.keep(key, value.clone(), epoch);
        if self.shared.epoch(key) == epoch
            // A tombstone would not stand any more.
            && begun.elapsed() < LONGEST_LOAD
            && let (Some(redis), Some(value)) = (far(), &value)
            && let Ok(bytes) = serde_json::to_vec(value)
        {
            redis.fill(&name, &bytes, self.limits.in_redis).await;
        }
        Ok(value)
    }

    /// Kept with the epoch from before it was loaded: if that has moved since, nobody is answered with it.
    fn keep(&self, key: &str, value: Option<V>, epoch: u64) {
        self.near.entries.insert(key.to_owned(), Entry { value, epoch, since: Instant::now() });
    }

    fn is_good(&self, entry: &Entry<V>, epoch: u64) -> bool {
        let lives = if entry.value.is_some() { self.limits.in_process } else { self.limits.absent };
        let lives = if self.shared.hears.load(SeqCst) { lives } else { lives.min(DEAF) };
        entry.epoch == epoch && entry.since.elapsed() < lives
    }

    fn count(&self, level: &'static str) {
        metrics::counter!("wenyuan_cache_lookups_total", "cache" => self.namespace, "level" => level)
            .increment(1);
    }
}

impl Shared {
    fn stripe(&self, key: &str) -> &Epoch {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any of its bits will do")]
        let number = hasher.finish() as usize % STRIPES;
        &self.epochs[number]
    }

    /// Both only grow, so their sum tells whether either has moved.
    fn epoch(&self, key: &str) -> u64 {
        self.age.load(SeqCst) + self.stripe(key).moved.load(SeqCst)
    }

    fn may_believe(&self, key: &str) -> bool {
        self.hears.load(SeqCst) && self.stripe(key).burying.load(SeqCst) == 0
    }

    /// Forgets a key here and now; what is returned lets Redis's value of it be believed by nobody.
    fn forget(
        self: &Arc<Self>,
        namespace: &str,
        key: &str,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let burying = self.far.clone().map(|far| (far, Burying::begin(Arc::clone(self), key)));
        self.stripe(key).moved.fetch_add(1, SeqCst);
        for (of, cache) in self.forgetful.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if *of == namespace {
                cache.drop_one(key);
            }
        }
        if let Some((far, _)) = &burying
            && self.burials.load(SeqCst) > MOST_BURIALS
        {
            far.distrust();
            return None;
        }
        let name = name(namespace, key);
        burying.map(|(far, burying)| async move {
            far.bury(&name).await;
            drop(burying);
        })
    }

    fn forget_all(&self) {
        if let Some(far) = &self.far {
            far.distrust();
        }
        self.age.fetch_add(1, SeqCst);
        for (_, cache) in self.forgetful.read().unwrap_or_else(PoisonError::into_inner).iter() {
            cache.drop_all();
        }
    }
}

/// A tombstone on its way to Redis, which is not believed of this key until it is there.
struct Burying {
    shared: Arc<Shared>,
    key: String,
}

impl Burying {
    fn begin(shared: Arc<Shared>, key: &str) -> Self {
        shared.stripe(key).burying.fetch_add(1, SeqCst);
        shared.burials.fetch_add(1, SeqCst);
        Self { shared, key: key.to_owned() }
    }
}

impl Drop for Burying {
    fn drop(&mut self) {
        self.shared.stripe(&self.key).burying.fetch_sub(1, SeqCst);
        self.shared.burials.fetch_sub(1, SeqCst);
    }
}

impl<V: Clone> Near<V> {
    /// Joins the load of this key that is under way, unless something was invalidated since it began.
    fn board(&self, key: &str, epoch: u64) -> Arc<OnceCell<Option<V>>> {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key)
            && flight.epoch == epoch
        {
            return Arc::clone(&flight.cell);
        }
        let cell = Arc::new(OnceCell::new());
        flights.insert(key.to_owned(), Flight { epoch, cell: Arc::clone(&cell) });
        cell
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight when its value is there, or when the last who waits for it has gone.
struct Landing<'a, V: Clone> {
    near: &'a Near<V>,
    key: &'a str,
    cell: &'a Arc<OnceCell<Option<V>>>,
}

impl<V: Clone> Drop for Landing<'_, V> {
    fn drop(&mut self) {
        let mut flights = self.near.flights();
        let is_ours = flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(&flight.cell, self.cell));
        // Two: the table's and this one's.
        if is_ours && (self.cell.initialized() || Arc::strong_count(self.cell) <= 2) {
            flights.remove(self.key);
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Forgetful for Near<V> {
    fn drop_one(&self, key: &str) {
        self.entries.invalidate(key);
    }

    fn drop_all(&self) {
        self.entries.invalidate_all();
    }
}

impl<V> fmt::Debug for Near<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Near")
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        let (shared, near) = (Arc::clone(&self.shared), Arc::clone(&self.near));
        Self { namespace: self.namespace, limits: self.limits, shared, near }
    }
}

/// A key as it can be called out: what is long or strange is named by its hash.
fn plain(key: &str) -> String {
    if key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.to_owned();
    }
    format!("sha256-{}", hex::encode(Sha256::digest(key.as_bytes())))
}

/// A key's name in Redis.
fn name(namespace: &str, key: &str) -> String {
    format!("wenyuan:{namespace}:{key}")
}
