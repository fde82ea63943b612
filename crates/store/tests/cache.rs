//! What the nodes remember, beside a real PostgreSQL and a real Redis: each test has its own of both, and its nodes differ
//! in nothing from those of several machines.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use store::cache::{Cache, Caches, Limits};
use store::listener::spawn_listener;
use store::secrets::{Sealer, SecretConfig};
use testkit::{Database, Redis, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const LIMITS: Limits = Limits {
    entries: 1000,
    in_process: Duration::from_hours(1),
    in_redis: Duration::from_hours(24),
    absent: Duration::from_mins(10),
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a loader finds, and how often it looked.
#[derive(Default)]
struct Truth {
    value: Mutex<Option<String>>,
    loads: AtomicU32,
}

impl Truth {
    fn new(value: &str) -> Self {
        let truth = Self::default();
        truth.set(Some(value));
        truth
    }

    fn set(&self, value: Option<&str>) {
        *self.value.lock().expect("a lock") = value.map(str::to_owned);
    }

    fn load(&self) -> Option<String> {
        self.loads.fetch_add(1, SeqCst);
        self.value.lock().expect("a lock").clone()
    }

    fn loads(&self) -> u32 {
        self.loads.load(SeqCst)
    }
}

struct Node {
    caches: Caches,
    cache: Cache<String>,
    listener: JoinHandle<()>,
}

impl Node {
    async fn start(database: &Database, redis: Option<&Redis>) -> Self {
        Self::with_key(database, redis, KEY).await
    }

    async fn with_key(database: &Database, redis: Option<&Redis>, key: &str) -> Self {
        let caches = Caches::new(redis.map(Redis::url).as_deref(), &sealer(key)).expect("a URL");
        let cache = caches.cache("keys", LIMITS);
        let listener = spawn_listener(database.pool().clone(), Vec::new(), caches.clone());
        let node = Self { caches, cache, listener };
        eventually("hearing", async || node.caches.is_hearing().then_some(())).await;
        node
    }

    async fn get(&self, key: &str, truth: &Truth) -> Option<String> {
        let loaded = self.cache.get_with(key, async || Ok::<_, String>(truth.load())).await;
        loaded.expect("an answer")
    }

    /// As a room does it: in the transaction of its cause, and once more when that is committed.
    async fn revoke(&self, database: &Database, key: &str, truth: &Truth) {
        let mut transaction = database.pool().begin().await.expect("a transaction");
        self.cache.invalidate(&mut transaction, key).await.expect("a call");
        truth.set(None);
        transaction.commit().await.expect("a commit");
        self.cache.forget(key).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Lets both nodes have Redis, which they connect to behind their answers: until one has what the other loaded.
async fn shared(one: &Node, other: &Node) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    eventually("sharing", async || {
        let key = format!("warm{}", COUNT.fetch_add(1, SeqCst));
        let (here, there) = (Truth::new("warm"), Truth::new("warm"));
        one.get(&key, &here).await;
        other.get(&key, &there).await;
        (there.loads() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_level_answers_before_the_next() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let (here, there) = (Truth::new("value"), Truth::new("value"));
    for _ in 0..3 {
        assert_eq!(one.get("k", &here).await.as_deref(), Some("value"));
        assert_eq!(other.get("k", &there).await.as_deref(), Some("value"));
    }
    assert_eq!((here.loads(), there.loads()), (1, 0));
    // Nobody who reads Redis learns anything.
    let held = redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap();
    assert!(held.len() > 60 && !held.contains("value"), "{held}");
}

#[tokio::test]
async fn a_revocation_holds_on_every_node() {
    let database = Database::new().await;
    let redis = Redis::start().await;
    for redis in [None, Some(&redis)] {
        let (one, other) = (Node::start(&database, redis).await, Node::start(&database, redis).await);
        if redis.is_some() {
            shared(&one, &other).await;
        }
        let truth = Truth::new("valid");
        for key in ["plain", "of a strange\0name", &"long".repeat(5000)] {
            truth.set(Some("valid"));
            assert_eq!(one.get(key, &truth).await.as_deref(), Some("valid"));
            assert_eq!(other.get(key, &truth).await.as_deref(), Some("valid"));
            one.revoke(&database, key, &truth).await;
            assert_eq!(one.get(key, &truth).await, None, "{key}");
            eventually("hearing of it", async || other.get(key, &truth).await.is_none().then_some(())).await;
            // Nor does it come back, here, there, or to a node that is new.
            let new = Node::start(&database, redis).await;
            for _ in 0..5 {
                assert_eq!(new.get(key, &truth).await, None);
                assert_eq!(one.get(key, &truth).await, None);
                assert_eq!(other.get(key, &truth).await, None);
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_rolled_back_is_not_forgotten() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let truth = Truth::new("valid");
    node.get("k", &truth).await;
    let mut transaction = database.pool().begin().await.unwrap();
    node.cache.invalidate(&mut transaction, "k").await.unwrap();
    transaction.rollback().await.unwrap();
    // A later call, which is heard in order, shows that none came before.
    node.get("other", &truth).await;
    let mut connection = database.pool().acquire().await.unwrap();
    node.cache.invalidate(&mut connection, "other").await.unwrap();
    eventually("a call", async || {
        let before = truth.loads();
        node.get("other", &truth).await;
        (truth.loads() > before).then_some(())
    })
    .await;
    let before = truth.loads();
    node.get("k", &truth).await;
    assert_eq!(truth.loads(), before);
}

#[tokio::test]
async fn a_load_that_was_under_way_loses() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let truth = Arc::new(Truth::new("valid"));
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = tokio::spawn({
        let (cache, truth) = (one.cache.clone(), Arc::clone(&truth));
        let (begun, may_end) = (Arc::clone(&begun), Arc::clone(&may_end));
        async move {
            let load = async || {
                let read = truth.load();
                begun.add_permits(1);
                let _permit = may_end.acquire().await;
                Ok::<_, String>(read)
            };
            cache.get_with("k", load).await
        }
    });
    let _begun = begun.acquire().await.unwrap();
    one.revoke(&database, "k", &truth).await;
    // Who asks after the revocation does not wait for the load from before it.
    assert_eq!(one.get("k", &truth).await, None);
    may_end.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap().as_deref(), Some("valid"));
    assert_eq!(one.get("k", &truth).await, None);
    assert_eq!(other.get("k", &truth).await, None);
    let held = redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap();
    assert_eq!(held, "$1\r\nx\r\n");
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_load() {
    let database = Database::new().await;
    let node = Node::start(&database, None).await;
    let truth = Truth::new("value");
    let load = async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, String>(truth.load())
    };
    // One of them gives up at once; the others are served all the same.
    let hasty = tokio::time::timeout(Duration::from_millis(1), node.cache.get_with("k", load));
    let all = futures::future::join_all((0..50).map(|_| node.cache.get_with("k", load)));
    let (hasty, all) = tokio::join!(hasty, all);
    assert!(hasty.is_err());
    assert!(all.into_iter().all(|value| value.unwrap().as_deref() == Some("value")));
    assert_eq!(truth.loads(), 1);
    // That there is nothing is remembered as well; a failure is not.
    let nothing = Truth::default();
    for _ in 0..3 {
        assert_eq!(node.get("none", &nothing).await, None);
        assert!(node.cache.get_with("failing", async || Err::<_, String>("down".to_owned())).await.is_err());
    }
    assert_eq!(nothing.loads(), 1);
    node.cache.forget("none").await;
    nothing.set(Some("made"));
    assert_eq!(node.get("none", &nothing).await.as_deref(), Some("made"));
    assert_eq!(node.get("failing", &truth).await.as_deref(), Some("value"));
}

#[tokio::test]
async fn redis_may_die_and_come_back_with_what_is_not_true_any_more() {
    let (database, mut redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let truth = Truth::new("valid");
    assert_eq!(one.get("k", &truth).await.as_deref(), Some("valid"));
    assert!(redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap().len() > 60);
    redis.kill();
    // No error, and no waiting.
    let begun = Instant::now();
    for number in 0..100 {
        let node = if number % 2 == 0 { &one } else { &other };
        assert_eq!(node.get(&format!("down{number}"), &truth).await.as_deref(), Some("valid"));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    one.revoke(&database, "k", &truth).await;
    redis.restart().await;
    assert!(
        redis.command(&["GET", "wenyuan:keys:k"]).await.unwrap().len() > 60,
        "it still holds the old value"
    );
    truth.set(Some("valid"));
    shared(&one, &other).await;
    truth.set(None);
    let new = Node::start(&database, Some(&redis)).await;
    shared(&one, &new).await;
    for node in [&one, &other, &new] {
        assert_eq!(node.get("k", &truth).await, None);
    }
}

#[tokio::test]
async fn redis_may_lie_or_be_slow() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let truth = Truth::new("true");
    // Garbage, the value of another key, a list, and what a node with another secret key has sealed are all a miss.
    one.get("moved", &truth).await;
    let of_another =
        Node::with_key(&database, Some(&redis), "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=").await;
    redis.command(&["SET", "wenyuan:keys:garbage", "garbage"]).await.unwrap();
    redis
        .command(&["SET", "wenyuan:keys:lie", "99999999999000000\u{1}lie, and long enough to be a value"])
        .await
        .unwrap();
    redis.command(&["COPY", "wenyuan:keys:moved", "wenyuan:keys:elsewhere"]).await.unwrap();
    redis.command(&["RPUSH", "wenyuan:keys:list", "1"]).await.unwrap();
    for key in ["garbage", "lie", "elsewhere", "moved", "list"] {
        for node in [&other, &of_another] {
            let answer = node.get(key, &Truth::new("really")).await;
            let is_from_redis = key == "moved" && answer.as_deref() == Some("true");
            assert!(answer.as_deref() == Some("really") || is_from_redis, "{key}: {answer:?}");
        }
    }

    shared(&one, &other).await;
    redis.pause();
    let begun = Instant::now();
    for number in 0..20 {
        assert_eq!(one.get(&format!("slow{number}"), &truth).await.as_deref(), Some("true"));
    }
    one.revoke(&database, "moved", &truth).await;
    assert_eq!(one.get("moved", &truth).await, None);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    redis.resume();
    shared(&one, &other).await;
    assert_eq!(other.get("moved", &truth).await, None);
}

#[tokio::test]
async fn a_node_that_may_have_missed_a_call_forgets_everything() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let truth = Truth::new("old");
    assert_eq!(one.get("k", &truth).await.as_deref(), Some("old"));
    // Changed, and the call is missed by both.
    truth.set(Some("new"));
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and query ilike '%listen%' and pid <> pg_backend_pid()";
    assert_eq!(database.count(ended).await, 2);
    for node in [&one, &other] {
        eventually("the new value", async || (node.get("k", &truth).await? == "new").then_some(())).await;
        eventually("hearing again", async || node.caches.is_hearing().then_some(())).await;
    }
    // Deaf for good, it remembers for two seconds, and leaves Redis alone.
    let seen = Truth::new("seen");
    assert_eq!(one.get("deaf", &seen).await.as_deref(), Some("seen"));
    one.listener.abort();
    eventually("deafness", async || (!one.caches.is_hearing()).then_some(())).await;
    eventually("looking again", async || {
        one.get("deaf", &seen).await;
        (seen.loads() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn very_much_may_be_revoked_at_once() {
    let (database, redis) = (Database::new().await, Redis::start().await);
    let (one, other) =
        (Node::start(&database, Some(&redis)).await, Node::start(&database, Some(&redis)).await);
    shared(&one, &other).await;
    let truth = Truth::new("valid");
    let keys: Vec<String> = (0..600).map(|number| format!("k{number}")).collect();
    for key in &keys {
        assert_eq!(one.get(key, &truth).await.as_deref(), Some("valid"));
        assert_eq!(other.get(key, &truth).await.as_deref(), Some("valid"));
    }
    let mut transaction = database.pool().begin().await.unwrap();
    for key in &keys {
        one.cache.invalidate(&mut transaction, key).await.unwrap();
    }
    truth.set(None);
    transaction.commit().await.unwrap();
    for node in [&one, &other] {
        for key in &keys {
            eventually("hearing of it", async || node.get(key, &truth).await.is_none().then_some(())).await;
        }
    }
    let new = Node::start(&database, Some(&redis)).await;
    shared(&other, &new).await;
    for key in keys.iter().step_by(100) {
        assert_eq!(new.get(key, &truth).await, None);
    }
}

fn sealer(key: &str) -> Sealer {
    let keys = Some(key.to_owned().into());
    Sealer::open(&SecretConfig { keys, file: None, default_file: "none".into() }).expect("a key")
}

#[test]
fn a_url_that_is_none_is_refused_and_not_repeated() {
    let said = Caches::new(Some("http://secretword@nowhere"), &sealer(KEY)).unwrap_err().to_string();
    assert!(said.contains("WENYUAN_REDIS_URL") && !said.contains("secretword"), "{said}");
}
