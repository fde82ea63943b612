//! What the nodes remember together: Redis, used so that whatever it does, nothing wrong is believed and nothing fails.
//!
//! A value is believed only if it was written while this node had unbroken contact with Redis and unbroken hearing of the
//! database: then each invalidation since was heard, and left a tombstone that no late fill overwrites. Any failure breaks
//! the contact; Redis is then left alone for some seconds, and what it held before is not believed any more. The times
//! are all Redis's own. Values are sealed: who can write to Redis can delay, but not forge.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};
use tokio::time::{Instant, timeout};

use crate::secrets::Sealer;

/// How long an answer may take.
const LONGEST: Duration = Duration::from_millis(100);
/// How long a connection may take to be made, behind the requests.
const LONGEST_CONNECT: Duration = Duration::from_secs(2);
/// How long Redis is left alone after a failure.
const REST: Duration = Duration::from_secs(3);
/// What was written so shortly after contact was made is not believed either: it may have been on its way for a while.
const MARGIN: Duration = Duration::from_secs(2);
/// How long a tombstone stands: longer than a load can take, whose statement is ended after a minute.
const TOMBSTONE: Duration = Duration::from_mins(3);
/// How often a failure is said in the log.
const SAY: Duration = Duration::from_mins(1);
/// What stands where something was invalidated. No value is as short.
const GRAVE: &[u8] = b"x";
/// Digits of a time in microseconds before each value.
const STAMP: usize = 17;

/// Writes a value with the time of Redis, unless a tombstone stands there.
const FILL: &str = "\
if redis.call('GET', KEYS[1]) == 'x' then return 0 end
local now = redis.call('TIME')
local stamp = string.format('%011d%06d', now[1], now[2])
redis.call('SET', KEYS[1], stamp .. ARGV[1], 'PX', ARGV[2])
return 1";

/// Redis, as this node sees it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Far {
    client: Client,
    sealer: Sealer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    connecting: bool,
    /// Redis is left alone until then.
    rests_until: Option<Instant>,
    said: Option<Instant>,
    /// Moves when what was written before is not to be believed any more: a connection begun before is of no use.
    age: u64,
}

#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    /// What was written before is not believed; microseconds, by Redis's clock.
    since: u64,
    age: u64,
}

impl fmt::Debug for Far {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        formatter.write_str("Far")
    }
}

impl Far {
    pub(super) fn open(url: &str, sealer: Sealer) -> Result<Self, RedisError> {
        if url.starts_with("rediss") {
            // Set already by whoever came first: then that one is used.
            let _set_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Self { client: Client::open(url)?, sealer, state: Arc::default() })
    }

    /// The value under a name, if there is one to be believed.
    pub(super) async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let link = self.link()?;
        let mut get = redis::cmd("GET");
        get.arg(name);
        let found: Option<Vec<u8>> = self.ask(&link, &get).await?;
        let found = found?;
        if found == GRAVE {
            return None;
        }
        let Some((stamp, sealed)) = found.split_at_checked(STAMP) else { return self.garbage() };
        let Some(written) = std::str::from_utf8(stamp).ok().and_then(|stamp| stamp.parse::<u64>().ok())
        else {
            return self.garbage();
        };
        // What broke meanwhile may have kept a tombstone from being written.
        if written <= link.since || self.lock().age != link.age {
            return None;
        }
        match self.sealer.open_sealed(name, sealed) {
            Ok(plain) => Some(plain.to_vec()),
            Err(_) => self.garbage(),
        }
    }

    /// Lets the other nodes have a value.
    pub(super) async fn fill(&self, name: &str, value: &[u8], lives: Duration) {
        let Some(link) = self.link() else { return };
        let Ok(sealed) = self.sealer.seal(name, value) else { return };
        let mut fill = redis::cmd("EVAL");
        fill.arg(FILL).arg(1).arg(name).arg(sealed).arg(u64::try_from(lives.as_millis()).unwrap_or(u64::MAX));
        let _filled_or_not: Option<i64> = self.ask(&link, &fill).await;
    }

    /// Lets no value that is there or on its way be believed, by anybody.
    pub(super) async fn bury(&self, name: &str) {
        // Without a link nothing is believed; nor will what is there now be, also by a link that is just being made.
        let held = self.lock().link.clone();
        let Some(link) = held else { return self.distrust() };
        let mut set = redis::cmd("SET");
        set.arg(name).arg(GRAVE).arg("PX").arg(u64::try_from(TOMBSTONE.as_millis()).unwrap_or(u64::MAX));
        if self.ask::<()>(&link, &set).await.is_none() {
            self.distrust();
        }
    }

    /// Believes nothing of what Redis holds now.
    pub(super) fn distrust(&self) {
        let mut state = self.lock();
        state.link = None;
        state.age += 1;
    }

    async fn ask<T: FromRedisValue>(&self, link: &Link, command: &Cmd) -> Option<T> {
        let mut connection = link.connection.clone();
        match timeout(LONGEST, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => self.failed(link.age, &error.to_string()),
            Err(_elapsed) => self.failed(link.age, "it does not answer in time"),
        }
    }

    fn failed<T>(&self, age: u64, error: &str) -> Option<T> {
        let mut state = self.lock();
        // Of many requests that failed with one connection, the first has said it.
        if state.age == age {
            state.link = None;
            state.age += 1;
            state.rests_until = Some(Instant::now() + REST);
        }
        say(&mut state, error);
        None
    }

    fn garbage<T>(&self) -> Option<T> {
        say(
            &mut self.lock(),
            "it holds a value that this node has not sealed: do all nodes have the same secret key?",
        );
        None
    }

    /// The connection; where there is none, one is made behind the back of the caller, who does without.
    fn link(&self) -> Option<Link> {
        let mut state = self.lock();
        if state.link.is_some() {
            return state.link.clone();
        }
        let rests = state.rests_until.is_some_and(|until| Instant::now() < until);
        if !rests && !state.connecting {
            state.connecting = true;
            let (far, age) = (self.clone(), state.age);
            tokio::spawn(async move { far.connect(age).await });
        }
        None
    }

    async fn connect(&self, age: u64) {
        let made = timeout(LONGEST_CONNECT, self.try_connect()).await;
        let mut state = self.lock();
        state.connecting = false;
        match made {
            // Something broke meanwhile: the next request makes another.
            Ok(Ok(_)) if state.age != age => {}
            Ok(Ok((connection, since))) => {
                state.rests_until = None;
                state.link = Some(Link { connection, since, age });
            }
            Ok(Err(error)) => {
                state.rests_until = Some(Instant::now() + REST);
                say(&mut state, &error.to_string());
            }
            Err(_elapsed) => {
                state.rests_until = Some(Instant::now() + REST);
                say(&mut state, "no connection can be made in time");
            }
        }
    }

    async fn try_connect(&self) -> Result<(MultiplexedConnection, u64), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LONGEST_CONNECT))
            .set_response_timeout(Some(LONGEST_CONNECT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let (seconds, microseconds): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let now = Duration::from_secs(seconds) + Duration::from_micros(microseconds);
        Ok((connection, u64::try_from((now + MARGIN).as_micros()).unwrap_or(u64::MAX)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a failure, and says it once a while.
fn say(state: &mut State, error: &str) {
    metrics::counter!("wenyuan_cache_redis_failures_total").increment(1);
    if state.said.is_none_or(|said| said.elapsed() >= SAY) {
        state.said = Some(Instant::now());
        tracing::warn!(error, "Redis cannot be used; the database answers in its place");
    }
}
