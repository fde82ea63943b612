//! Connection pool: bounds, gauges, and the ways to take a connection.

use std::cell::Cell;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres, Transaction};
use tracing::log::LevelFilter;

use super::Error;

/// Idle time up to which a connection is handed out without a ping.
const MAX_IDLE_WITHOUT_PING: Duration = Duration::from_secs(1);

/// Bounds of the pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Number of connections kept open even when idle.
    pub minimum: u32,
    /// Maximum number of connections.
    pub maximum: u32,
    /// How long a request waits for a connection before it fails with [`Error::Exhausted`].
    pub acquire_timeout: Duration,
    /// How long an idle connection above the minimum stays open.
    pub idle_timeout: Duration,
    /// How long a connection stays open at most.
    pub maximum_lifetime: Duration,
    /// Whether to ping connections before use (one extra round trip, but a dead server is noticed at once).
    pub test_before_acquire: bool,
    /// How long a statement may run before the server cancels it.
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
            // Off: a broken connection fails at its first statement, is discarded, and the caller retries; on, every request
            // would pay a round trip.
            test_before_acquire: false,
            statement_timeout: Duration::from_mins(1),
        }
    }
}

pub(super) fn open(config: &PoolConfig, options: PgConnectOptions) -> PgPool {
    let options = options
        // `crate::statements` takes durations by statement name from these events.
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
        // A connection that was idle may have died unnoticed; one in steady use fails by itself.
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > MAX_IDLE_WITHOUT_PING {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Takes a connection from the pool.
///
/// # Errors
///
/// Fails with [`Error::Exhausted`] when none comes free in time, or when the database does.
pub async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    Ok(pool.acquire().await.inspect_err(count_exhaustion)?)
}

/// Begins a transaction, which is rolled back unless committed. When it commits, the request under an idempotency key that the task
/// executes counts as executed ([`crate::idempotency::executing`]).
///
/// # Errors
///
/// Fails with [`Error::Exhausted`] when no connection comes free in time, or when the database does.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let _outside_of_a_request = BEGUN.try_with(|begun| begun.set(begun.get() + 1));
    let mut transaction = pool.begin().await.inspect_err(count_exhaustion)?;
    crate::idempotency::mark_executed(&mut transaction).await?;
    Ok(transaction)
}

tokio::task_local! {
    /// Number of transactions that the current task has begun within [`counting`].
    static BEGUN: Cell<u32>;
}

/// Runs a future, and returns the number of transactions that it began beside its output.
pub async fn counting<F: Future>(future: F) -> (F::Output, u32) {
    BEGUN
        .scope(Cell::new(0), async {
            let output = future.await;
            (output, BEGUN.with(Cell::get))
        })
        .await
}

/// Begins a read-only transaction in which all statements see one state (repeatable read), for reading several things that must
/// agree with each other.
///
/// # Errors
///
/// Fails with [`Error::Exhausted`] when no connection comes free in time, or when the database does.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let begin = "begin isolation level repeatable read, read only";
    Ok(pool.begin_with(begin).await.inspect_err(count_exhaustion)?)
}

fn count_exhaustion(error: &sqlx::Error) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        metrics::counter!("wenyuan_pool_exhausted_total").increment(1);
    }
}

/// Updates the gauges of the pool every two seconds until the pool is closed.
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
