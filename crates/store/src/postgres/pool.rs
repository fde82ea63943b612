//! The pool of connections: its bounds, its gauges, and the two ways to take from it.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres, Transaction};
use tracing::log::LevelFilter;

use super::Error;

/// How long a connection may have idled and still be handed out untried.
const IDLE_UNTRIED: Duration = Duration::from_secs(1);

/// Bounds of the pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Connections kept open even when idle.
    pub minimum: u32,
    /// Connections at most.
    pub maximum: u32,
    /// How long a request waits for a connection before it is told to come back later.
    pub acquire_timeout: Duration,
    /// How long an idle connection beyond the minimum is kept.
    pub idle_timeout: Duration,
    /// How long any connection lives.
    pub maximum_lifetime: Duration,
    /// Whether a connection is tried before it is handed out: costs a round trip, notices a dead server at once.
    pub test_before_acquire: bool,
    /// How long a statement may run before the server ends it.
    pub statement_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            minimum: 1,
            maximum: 20,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(10),
            maximum_lifetime: Duration::from_mins(30),
            // Off: a broken connection shows at its first statement, is discarded, and the caller tries again;
            // on, every request would pay a round trip for it.
            test_before_acquire: false,
            statement_timeout: Duration::from_mins(1),
        }
    }
}

pub(super) fn open(config: &PoolConfig, options: PgConnectOptions) -> PgPool {
    let options = options
        // Durations by statement name are taken from these events (see `crate::statements`).
        .log_statements(LevelFilter::Debug)
        .log_slow_statements(LevelFilter::Warn, Duration::from_secs(2))
        .options([("statement_timeout", config.statement_timeout.as_millis().to_string())]);
    PgPoolOptions::new()
        .min_connections(config.minimum)
        .max_connections(config.maximum.max(1))
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.maximum_lifetime)
        .test_before_acquire(config.test_before_acquire)
        // A connection that has idled may have died meanwhile; one in steady use shows it by itself.
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > IDLE_UNTRIED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Takes a connection, or says that the pool is exhausted.
pub async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    Ok(pool.acquire().await.inspect_err(count_exhaustion)?)
}

/// Begins a transaction, or says that the pool is exhausted. It is rolled back unless committed.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    Ok(pool.begin().await.inspect_err(count_exhaustion)?)
}

/// Begins a transaction in which all statements see the database as it is at the first of them, for reading several
/// things that must agree with each other.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let begin = "begin isolation level repeatable read, read only";
    Ok(pool.begin_with(begin).await.inspect_err(count_exhaustion)?)
}

fn count_exhaustion(error: &sqlx::Error) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        metrics::counter!("wenyuan_pool_exhausted_total").increment(1);
    }
}

/// Keeps the gauges of the pool true until the pool is closed.
pub fn spawn_pool_gauges(pool: PgPool, maximum: u32) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        metrics::gauge!("wenyuan_pool_connections_max").set(f64::from(maximum));
        let mut tick = tokio::time::interval(Duration::from_secs(2));
        while !pool.is_closed() {
            tick.tick().await;
            let open = pool.size();
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(open);
            metrics::gauge!("wenyuan_pool_connections", "state" => "idle").set(f64::from(idle));
            metrics::gauge!("wenyuan_pool_connections", "state" => "active").set(f64::from(open - idle));
        }
    })
}
