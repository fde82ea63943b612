//! In-process tier of a cache: a bounded map of entries, and the loads that are in flight.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;

use super::CacheConfig;

/// Values that this process holds.
pub(super) struct LocalCache<V> {
    pub(super) entries: moka::sync::Cache<String, Entry<V>>,
    in_flight: Mutex<HashMap<String, Arc<InFlightLoad<V>>>>,
}

/// A cached value; `None` is the cached absence of one.
#[derive(Clone)]
pub(super) struct Entry<V> {
    pub(super) value: Option<V>,
    /// Generation of the namespace before the value was read.
    pub(super) generation: u64,
    pub(super) inserted_at: Instant,
}

/// A load shared by all who look up its key meanwhile. The holder of `turn` loads; when that fails or is cancelled, the next
/// one waiting tries.
pub(super) struct InFlightLoad<V> {
    epoch: u64,
    pub(super) result: OnceLock<Option<V>>,
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// Drops entries, whatever their type.
pub(super) trait Invalidate: Send + Sync + fmt::Debug {
    fn invalidate(&self, key: &str);
    fn invalidate_all(&self);
    fn entry_count(&self) -> u64;
}

impl<V: Clone + Send + Sync + 'static> LocalCache<V> {
    pub(super) fn new(config: &CacheConfig) -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(config.max_entries)
            .time_to_live(config.local_ttl.max(config.negative_ttl))
            .build();
        Self { entries, in_flight: Mutex::default() }
    }
}

impl<V> LocalCache<V> {
    /// Joins the load of a key that is in flight, unless something was invalidated since it began; else registers a new one.
    pub(super) fn join<'cache>(&'cache self, key: &'cache str, epoch: u64) -> InFlightGuard<'cache, V> {
        let mut in_flight = self.in_flight();
        let load = match in_flight.get(key) {
            Some(load) if load.epoch == epoch => Arc::clone(load),
            _ => {
                let load = InFlightLoad { epoch, result: OnceLock::new(), turn: Arc::default() };
                let load = Arc::new(load);
                in_flight.insert(key.to_owned(), Arc::clone(&load));
                load
            }
        };
        InFlightGuard { cache: self, key, load }
    }

    fn in_flight(&self) -> MutexGuard<'_, HashMap<String, Arc<InFlightLoad<V>>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes part in a load. Removes it from the map when its value is there, or when the last participant has gone.
pub(super) struct InFlightGuard<'cache, V> {
    cache: &'cache LocalCache<V>,
    key: &'cache str,
    pub(super) load: Arc<InFlightLoad<V>>,
}

impl<V> Drop for InFlightGuard<'_, V> {
    fn drop(&mut self) {
        let mut in_flight = self.cache.in_flight();
        let is_current = in_flight.get(self.key).is_some_and(|load| Arc::ptr_eq(load, &self.load));
        // Two references: the map's and this guard's.
        if is_current && (self.load.result.get().is_some() || Arc::strong_count(&self.load) <= 2) {
            in_flight.remove(self.key);
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Invalidate for LocalCache<V> {
    fn invalidate(&self, key: &str) {
        self.entries.invalidate(key);
    }

    fn invalidate_all(&self) {
        self.entries.invalidate_all();
    }

    fn entry_count(&self) -> u64 {
        self.entries.entry_count()
    }
}

impl<V> fmt::Debug for LocalCache<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LocalCache")
    }
}
