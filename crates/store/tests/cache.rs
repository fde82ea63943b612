//! Tests of the cache with a real PostgreSQL and a real Redis. Each test has its own of both, and its nodes share nothing else,
//! as if they ran on several machines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store::cache::{Cache, CacheConfig, Caches, Namespace};
use store::listener::spawn_listener;
use store::secrets::{Sealer, SecretConfig};
use testkit::{Database, Redis, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const KEYS: Namespace = Namespace::new("keys");
const OTHERS: Namespace = Namespace::new("others");

const CONFIG: CacheConfig = CacheConfig {
    max_entries: 1000,
    local_ttl: Duration::from_hours(1),
    redis_ttl: Duration::from_hours(24),
    negative_ttl: Duration::from_mins(10),
};

const SECRET_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Value that a load returns, and the number of loads.
#[derive(Default)]
struct Source {
    value: Mutex<Option<String>>,
    loads: AtomicU32,
}

impl Source {
    fn new(value: &str) -> Self {
        let source = Self::default();
        source.set(Some(value));
        source
    }

    fn set(&self, value: Option<&str>) {
        *self.value.lock().expect("a lock") = value.map(str::to_owned);
    }

    fn load(&self) -> Option<String> {
        self.loads.fetch_add(1, SeqCst);
        self.value.lock().expect("a lock").clone()
    }

    /// Counts as one load.
    fn load_many(&self, keys: Vec<String>) -> HashMap<String, String> {
        let value = self.load();
        keys.into_iter().filter_map(|key| Some((key.clone(), format!("{} {key}", value.as_ref()?)))).collect()
    }

    fn loads(&self) -> u32 {
        self.loads.load(SeqCst)
    }
}

struct Node {
    caches: Caches,
    cache: Cache<String>,
    others: Cache<String>,
    listener: JoinHandle<()>,
}

impl Node {
    async fn start(database: &Database, redis: Option<&Redis>) -> Self {
        Self::with_key(database, redis, SECRET_KEY).await
    }

    async fn with_key(database: &Database, redis: Option<&Redis>, key: &str) -> Self {
        let caches = Caches::new(redis.map(Redis::url).as_deref(), &sealer(key)).expect("a URL");
        let (cache, others) = (caches.cache(KEYS, CONFIG), caches.cache(OTHERS, CONFIG));
        let listener = spawn_listener(database.pool().clone(), Vec::new(), caches.clone());
        let node = Self { caches, cache, others, listener };
        eventually("listening", async || node.caches.is_listening().then_some(())).await;
        node
    }

    async fn get(&self, key: &str, source: &Source) -> Option<String> {
        let loaded = self.cache.get_with(key, async || Ok::<_, String>(source.load())).await;
        loaded.expect("an answer")
    }

    /// Looks up several keys. Each key's value is the source's, followed by the key.
    async fn get_many(&self, keys: &[&str], source: &Source) -> Vec<Option<String>> {
        let loaded =
            self.cache.get_many(keys, async |missing| Ok::<_, String>(source.load_many(missing))).await;
        loaded.expect("an answer")
    }

    /// Removes the value of a key as a domain crate does it.
    async fn revoke(&self, database: &Database, key: &str, source: &Source) {
        let mut transaction = self.caches.begin(database.pool()).await.expect("a transaction");
        transaction.invalidate(KEYS, key);
        source.set(None);
        transaction.commit().await.expect("a commit");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Waits until both nodes are connected to Redis, which happens in the background: until one gets a value that the other
/// loaded.
async fn connect_to_redis(one: &Node, other: &Node) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    eventually("a value from Redis", async || {
        let key = format!("warm{}", COUNT.fetch_add(1, SeqCst));
        let (here, there) = (Source::new("warm"), Source::new("warm"));
        one.get(&key, &here).await;
        other.get(&key, &there).await;
        (there.loads() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tiers_are_read_in_order() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let (here, there) = (Source::new("value"), Source::new("value"));
    for _ in 0..3 {
        assert_eq!(one.get("k", &here).await.as_deref(), Some("value"));
        assert_eq!(other.get("k", &there).await.as_deref(), Some("value"));
    }
    assert_eq!((here.loads(), there.loads()), (1, 0));
    // Values in Redis are encrypted.
    let stored = redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap();
    assert!(stored.len() > 60 && !stored.contains("value"), "{stored}");
}

#[tokio::test]
async fn a_revocation_holds_on_every_node() {
    let database = Database::new().await;
    let redis = Redis::start().await;
    for redis in [None, Some(&redis)] {
        let (one, other) = (Node::start(&database, redis).await, Node::start(&database, redis).await);
        if redis.is_some() {
            connect_to_redis(&one, &other).await;
        }
        let source = Source::new("valid");
        for key in ["plain", "of a strange\0name", &"long".repeat(5000)] {
            source.set(Some("valid"));
            assert_eq!(one.get(key, &source).await.as_deref(), Some("valid"));
            assert_eq!(other.get(key, &source).await.as_deref(), Some("valid"));
            one.revoke(&database, key, &source).await;
            assert_eq!(one.get(key, &source).await, None, "{key}");
            eventually("the notification", async || other.get(key, &source).await.is_none().then_some(()))
                .await;
            // It does not come back on either node or on a new one.
            let new = Node::start(&database, redis).await;
            for _ in 0..5 {
                assert_eq!(new.get(key, &source).await, None);
                assert_eq!(one.get(key, &source).await, None);
                assert_eq!(other.get(key, &source).await, None);
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_invalidates_nothing() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let source = Source::new("valid");
    node.get("k", &source).await;
    let mut transaction = node.caches.begin(database.pool()).await.unwrap();
    transaction.invalidate(KEYS, "k");
    drop(transaction);
    // Notifications arrive in order: a later one shows that there was none before.
    node.get("other", &source).await;
    sqlx::query("select pg_notify('wenyuan_cache', 'keys:other')").execute(database.pool()).await.unwrap();
    eventually("a notification", async || {
        let before = source.loads();
        node.get("other", &source).await;
        (source.loads() > before).then_some(())
    })
    .await;
    let before = source.loads();
    node.get("k", &source).await;
    assert_eq!(source.loads(), before);
}

#[tokio::test]
async fn a_load_in_flight_is_not_cached_after_an_invalidation() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Arc::new(Source::new("valid"));
    let (started, may_finish) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = tokio::spawn({
        let (cache, source) = (one.cache.clone(), Arc::clone(&source));
        let (started, may_finish) = (Arc::clone(&started), Arc::clone(&may_finish));
        async move {
            let load = async || {
                let value = source.load();
                started.add_permits(1);
                let _permit = may_finish.acquire().await;
                Ok::<_, String>(value)
            };
            cache.get_with("k", load).await
        }
    });
    let _started = started.acquire().await.unwrap();
    one.revoke(&database, "k", &source).await;
    // A lookup after the revocation does not wait for the load from before it.
    assert_eq!(one.get("k", &source).await, None);
    may_finish.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap().as_deref(), Some("valid"));
    assert_eq!(one.get("k", &source).await, None);
    assert_eq!(other.get("k", &source).await, None);
    let stored = redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap();
    assert_eq!(stored, "$1\r\nx\r\n");
}

#[tokio::test]
async fn concurrent_lookups_share_one_load() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let source = Source::new("value");
    let load = async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, String>(source.load())
    };
    // One of them is cancelled; the others get the value all the same.
    let cancelled = tokio::time::timeout(Duration::from_millis(1), node.cache.get_with("k", load));
    let all = futures::future::join_all((0..50).map(|_| node.cache.get_with("k", load)));
    let (cancelled, all) = tokio::join!(cancelled, all);
    assert!(cancelled.is_err());
    assert!(all.into_iter().all(|value| value.unwrap().as_deref() == Some("value")));
    assert_eq!(source.loads(), 1);
    // Absence is cached; a failure is not.
    let absent = Source::default();
    for _ in 0..3 {
        assert_eq!(node.get("none", &absent).await, None);
        assert!(node.cache.get_with("failing", async || Err::<_, String>("down".to_owned())).await.is_err());
    }
    assert_eq!(absent.loads(), 1);
    node.cache.evict("none").await;
    absent.set(Some("created"));
    assert_eq!(node.get("none", &absent).await.as_deref(), Some("created"));
    assert_eq!(node.get("failing", &source).await.as_deref(), Some("value"));
}

#[tokio::test]
async fn redis_may_fail_and_restart_with_outdated_values() {
    let (database, mut redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("valid");
    assert_eq!(one.get("k", &source).await.as_deref(), Some("valid"));
    assert!(redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap().len() > 60);
    redis.kill();
    // No error and no delay.
    let started = Instant::now();
    for number in 0..100 {
        let node = if number % 2 == 0 { &one } else { &other };
        assert_eq!(node.get(&format!("down{number}"), &source).await.as_deref(), Some("valid"));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    one.revoke(&database, "k", &source).await;
    redis.restart().await;
    assert!(
        redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap().len() > 60,
        "it still has the old value"
    );
    source.set(Some("valid"));
    connect_to_redis(&one, &other).await;
    source.set(None);
    let new = Node::start(&database, Some(&redis)).await;
    connect_to_redis(&one, &new).await;
    for node in [&one, &other, &new] {
        assert_eq!(node.get("k", &source).await, None);
    }
}

#[tokio::test]
async fn redis_may_have_forged_values_or_be_slow() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("true");
    // Garbage, the value of another key, a list, and values sealed with another secret key all count as misses.
    one.get("moved", &source).await;
    let with_another_key =
        Node::with_key(&database, Some(&redis), "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=").await;
    redis.command(&["SET", "wenyuan:keys:garbage", "garbage"]).await.unwrap();
    redis
        .command(&[
            "SET",
            "wenyuan:keys:lie",
            "9999999999900000099999999999000000\u{1}lie, and long enough to be a value",
        ])
        .await
        .unwrap();
    redis.command(&["COPY", "wenyuan:keys:moved", "wenyuan:keys:elsewhere"]).await.unwrap();
    redis.command(&["RPUSH", "wenyuan:keys:list", "1"]).await.unwrap();
    for key in ["garbage", "lie", "elsewhere", "moved", "list"] {
        for node in [&other, &with_another_key] {
            let answer = node.get(key, &Source::new("really")).await;
            let is_from_redis = key == "moved" && answer.as_deref() == Some("true");
            assert!(answer.as_deref() == Some("really") || is_from_redis, "{key}: {answer:?}");
        }
    }

    connect_to_redis(&one, &other).await;
    redis.pause();
    let started = Instant::now();
    for number in 0..20 {
        assert_eq!(one.get(&format!("slow{number}"), &source).await.as_deref(), Some("true"));
    }
    one.revoke(&database, "moved", &source).await;
    assert_eq!(one.get("moved", &source).await, None);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    redis.resume();
    connect_to_redis(&one, &other).await;
    assert_eq!(other.get("moved", &source).await, None);
}

#[tokio::test]
async fn a_node_that_may_have_missed_a_notification_drops_everything() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("old");
    assert_eq!(one.get("k", &source).await.as_deref(), Some("old"));
    // The value changes, and both nodes miss the notification.
    source.set(Some("new"));
    let terminated = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and query ilike '%listen%' and pid <> pg_backend_pid()";
    assert_eq!(database.count(terminated).await, 2);
    for node in [&one, &other] {
        eventually("the new value", async || (node.get("k", &source).await? == "new").then_some(())).await;
        eventually("listening again", async || node.caches.is_listening().then_some(())).await;
    }
    // While disconnected, it caches for two seconds and does not use Redis.
    let cached = Source::new("cached");
    assert_eq!(one.get("disconnected", &cached).await.as_deref(), Some("cached"));
    one.listener.abort();
    eventually("the disconnection", async || (!one.caches.is_listening()).then_some(())).await;
    eventually("a new load", async || {
        one.get("disconnected", &cached).await;
        (cached.loads() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn many_keys_are_revoked_at_once() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("valid");
    let keys: Vec<String> = (0..600).map(|number| format!("k{number}")).collect();
    for key in &keys {
        assert_eq!(one.get(key, &source).await.as_deref(), Some("valid"));
        assert_eq!(other.get(key, &source).await.as_deref(), Some("valid"));
    }
    let mut transaction = one.caches.begin(database.pool()).await.unwrap();
    for key in &keys {
        transaction.invalidate(KEYS, key);
    }
    source.set(None);
    transaction.commit().await.unwrap();
    for node in [&one, &other] {
        for key in &keys {
            eventually("the notification", async || node.get(key, &source).await.is_none().then_some(()))
                .await;
        }
    }
    let new = Node::start(&database, Some(&redis)).await;
    connect_to_redis(&other, &new).await;
    for key in keys.iter().step_by(100) {
        assert_eq!(new.get(key, &source).await, None);
    }
}

#[tokio::test]
async fn an_invalidation_leaves_other_keys_and_namespaces_in_place() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let (source, others) = (Source::new("value"), Source::new("value"));
    let keys: Vec<String> = (0..500).map(|number| format!("k{number}")).collect();
    for key in &keys {
        node.get(key, &source).await;
    }
    node.others.get_with("k7", async || Ok::<_, String>(others.load())).await.unwrap();
    let mut transaction = node.caches.begin(database.pool()).await.unwrap();
    transaction.invalidate(KEYS, "k7");
    transaction.commit().await.unwrap();
    // Neither here nor by the notification, which comes a little later.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for key in &keys {
        node.get(key, &source).await;
    }
    node.others.get_with("k7", async || Ok::<_, String>(others.load())).await.unwrap();
    assert_eq!((source.loads(), others.loads()), (501, 1));
}

#[tokio::test]
async fn a_namespace_is_invalidated_on_every_node() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    for redis in [None, Some(&redis)] {
        let (one, other) = (Node::start(&database, redis).await, Node::start(&database, redis).await);
        if redis.is_some() {
            connect_to_redis(&one, &other).await;
        }
        let (source, others) = (Source::new("old"), Source::new("value"));
        let other_load = async || Ok::<_, String>(others.load());
        for key in ["a", "b", "*"] {
            assert_eq!(one.get(key, &source).await.as_deref(), Some("old"));
            assert_eq!(other.get(key, &source).await.as_deref(), Some("old"));
        }
        one.others.get_with("a", other_load).await.unwrap();
        let mut transaction = one.caches.begin(database.pool()).await.unwrap();
        transaction.invalidate_all(KEYS);
        source.set(Some("new"));
        transaction.commit().await.unwrap();
        for key in ["a", "b", "*"] {
            assert_eq!(one.get(key, &source).await.as_deref(), Some("new"), "{key}");
            eventually("the notification", async || (other.get(key, &source).await? == "new").then_some(()))
                .await;
        }
        let new = Node::start(&database, redis).await;
        for key in ["a", "b", "*"] {
            assert_eq!(new.get(key, &source).await.as_deref(), Some("new"), "{key}");
        }
        one.others.get_with("a", other_load).await.unwrap();
        assert_eq!(others.loads(), 1);
    }
    // Redis still has the namespace's new values for a node that connects.
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let stored = redis.command(&["GET", "wenyuan:keys:a"]).await.unwrap();
    assert!(stored.len() > 60, "{stored}");
}

#[tokio::test]
async fn a_load_in_flight_is_not_cached_after_its_namespace_is_invalidated() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("old");
    let (started, may_finish) = (Semaphore::new(0), Semaphore::new(0));
    let slow = other.cache.get_many(&["a", "b"], async |keys| {
        let values = source.load_many(keys);
        started.add_permits(1);
        let _permit = may_finish.acquire().await;
        Ok::<_, String>(values)
    });
    let invalidate = async {
        let _started = started.acquire().await.unwrap();
        let mut transaction = one.caches.begin(database.pool()).await.unwrap();
        transaction.invalidate_all(KEYS);
        source.set(Some("new"));
        transaction.commit().await.unwrap();
        // The other node has not necessarily been notified: Redis refuses its values all the same.
        may_finish.add_permits(1);
    };
    let (loaded, ()) = tokio::join!(slow, invalidate);
    assert_eq!(loaded.unwrap(), [Some("old a".to_owned()), Some("old b".to_owned())]);
    for key in ["a", "b"] {
        assert_eq!(one.get(key, &source).await.as_deref(), Some("new"));
        eventually("the notification", async || (other.get(key, &source).await? == "new").then_some(()))
            .await;
    }
}

#[tokio::test]
async fn many_keys_are_looked_up_with_one_load() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("value");
    let expect = |keys: &[&str]| -> Vec<_> { keys.iter().map(|key| Some(format!("value {key}"))).collect() };
    assert_eq!(one.get_many(&[], &source).await, Vec::<Option<String>>::new());
    assert_eq!(one.get_many(&["a", "b"], &source).await, expect(&["a", "b"]));
    // In order, with duplicates, and with the cached ones not loaded again.
    let keys = ["c", "a", "of a strange\0name", "c", "b"];
    assert_eq!(one.get_many(&keys, &source).await, expect(&keys));
    assert_eq!(one.get_many(&keys, &source).await, expect(&keys));
    assert_eq!(source.loads(), 2);
    // The other node has them from Redis, and shares them with lookups of one key.
    let elsewhere = Source::new("elsewhere");
    assert_eq!(other.get_many(&keys, &elsewhere).await, expect(&keys));
    assert_eq!(other.get("a", &elsewhere).await.as_deref(), Some("value a"));
    assert_eq!(elsewhere.loads(), 0);
    // Absent keys are cached; an invalidated one is loaded alone.
    let absent = Source::default();
    for _ in 0..2 {
        assert_eq!(one.get_many(&["d", "a"], &absent).await, [None, Some("value a".to_owned())]);
    }
    assert_eq!(absent.loads(), 1);
    one.revoke(&database, "a", &source).await;
    assert_eq!(one.get_many(&["a", "b", "c"], &source).await[1..], expect(&["b", "c"]));
    assert_eq!(one.get("a", &source).await, None);
    assert_eq!(source.loads(), 3);
}

#[tokio::test]
async fn overlapping_lookups_of_many_keys_share_loads() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let loaded = Mutex::new(Vec::new());
    let load = async |keys: Vec<String>| {
        tokio::time::sleep(Duration::from_millis(30)).await;
        loaded.lock().unwrap().extend(keys.clone());
        Ok::<_, String>(keys.into_iter().map(|key| (key.clone(), key)).collect::<HashMap<_, _>>())
    };
    // Each waits for keys that the others load: none waits forever.
    let lookups = [["a", "b", "c"], ["c", "a", "d"], ["d", "b", "e"], ["e", "c", "a"]];
    let answers = futures::future::join_all(lookups.iter().map(|keys| node.cache.get_many(keys, load))).await;
    for (keys, answer) in lookups.iter().zip(answers) {
        assert_eq!(answer.unwrap(), keys.map(|key| Some(key.to_owned())));
    }
    let mut loaded = loaded.into_inner().unwrap();
    loaded.sort();
    assert_eq!(loaded, ["a", "b", "c", "d", "e"]);
    // A lookup that waited for a load that failed loads by itself.
    let failing = node.cache.get_many(&["f", "g"], async |_| {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Err::<HashMap<_, _>, _>("down".to_owned())
    });
    let loaded = Mutex::new(Vec::new());
    let waiting = node.cache.get_many(&["g", "h"], async |keys: Vec<String>| {
        loaded.lock().unwrap().push(keys.clone());
        Ok::<_, String>(keys.into_iter().map(|key| (key.clone(), key)).collect::<HashMap<_, _>>())
    });
    let (failed, answer) = tokio::join!(failing, waiting);
    assert_eq!(failed, Err("down".to_owned()));
    assert_eq!(answer.unwrap(), [Some("g".to_owned()), Some("h".to_owned())]);
    assert_eq!(*loaded.lock().unwrap(), [["h"], ["g"]]);
}

#[tokio::test]
async fn redis_may_lose_the_generation_of_a_namespace() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    connect_to_redis(&one, &other).await;
    let source = Source::new("value");
    one.get("k", &source).await;
    redis.command(&["DEL", "wenyuan:keys:"]).await.unwrap();
    // The value is of a generation that is not known any more, so it is loaded again, and shared again.
    assert_eq!(other.get("k", &source).await.as_deref(), Some("value"));
    assert_eq!(source.loads(), 2);
    let third = Node::start(&database, Some(&redis)).await;
    connect_to_redis(&one, &third).await;
    other.cache.evict("k").await;
    assert_eq!(third.get("k", &source).await.as_deref(), Some("value"));
}

fn sealer(key: &str) -> Sealer {
    let keys = Some(key.to_owned().into());
    Sealer::open(&SecretConfig { keys, file: None, default_file: "none".into() }).expect("a key")
}

#[test]
fn an_invalid_url_is_refused_and_not_repeated() {
    let message =
        Caches::new(Some("http://secretword@nowhere"), &sealer(SECRET_KEY)).unwrap_err().to_string();
    assert!(message.contains("WENYUAN_REDIS_URL") && !message.contains("secretword"), "{message}");
}
