//! PostgreSQL: a private cluster under the data folder, or the operator's own server; and the pool.

pub mod cluster;
mod pool;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

pub use cluster::{Cluster, ClusterConfig};
pub use pool::{PoolConfig, acquire, begin, spawn_pool_gauges};

/// The oldest PostgreSQL that has everything the migrations use (`nulls not distinct`).
const OLDEST_SERVER: i32 = 150_000;

/// Which PostgreSQL to use and how.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: the operator's own server. Without it a private cluster is run.
    pub url: Option<String>,
    /// The private cluster, where no URL is given.
    pub cluster: ClusterConfig,
    /// The pool of connections.
    pub pool: PoolConfig,
}

/// An open database: the pool and, where it is ours, the server behind it.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    cluster: Option<Cluster>,
}

/// Why the database cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `DATABASE_URL` cannot be read. The text never repeats the URL: it may hold a password.
    #[error("DATABASE_URL is not a PostgreSQL connection URL (postgres://user:password@host:port/database)")]
    BadUrl(#[source] sqlx::Error),
    /// No server answers.
    #[error("cannot connect to PostgreSQL; check that it runs and that DATABASE_URL names it")]
    Unreachable(#[source] sqlx::Error),
    /// The server is too old.
    #[error("PostgreSQL {found} is too old: version 15 or later is needed")]
    TooOld { found: String },
    /// pgvector is not installed on the server.
    #[error(
        "the PostgreSQL server has no pgvector extension: install it on the server (Debian: \
         postgresql-NN-pgvector), or unset DATABASE_URL to use the built-in server"
    )]
    NoVector,
    /// pgvector is installed but too old to hold half-precision vectors.
    #[error("pgvector {found} is too old: 0.8 or later is needed on the server")]
    VectorTooOld { found: String },
    /// The private cluster cannot be run.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// All connections are in use and none came free in time.
    #[error("all database connections are in use; try again shortly")]
    Exhausted,
    /// Any other failure of the database.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Exhausted,
            other => Self::Database(other),
        }
    }
}

impl Database {
    /// Opens the given server, or starts (or joins) the private cluster, and checks that it has what is needed.
    /// Does not migrate: see [`crate::migrations`].
    pub async fn open(config: &DatabaseConfig) -> Result<Self, Error> {
        let (options, cluster) = if let Some(url) = &config.url {
            (parse(url)?, None)
        } else {
            let cluster = Cluster::open(&config.cluster).await?;
            (cluster.connect_options(), Some(cluster))
        };
        let options = options.application_name("wenyuan");
        check_server(&options).await?;
        Ok(Self { pool: pool::open(&config.pool, options), cluster })
    }

    /// The pool. Prefer [`acquire`] and [`begin`], whose errors tell an exhausted pool from a broken one.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The private cluster, if the database is one.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Closes the pool and, when no other program uses the private cluster, stops it.
    pub async fn close(self) {
        // A connection that was never given back must not keep the program from ending.
        let _timed_out = tokio::time::timeout(Duration::from_secs(5), self.pool.close()).await;
        if let Some(cluster) = self.cluster {
            cluster.close().await;
        }
    }
}

impl DatabaseConfig {
    /// The private cluster under this data folder, run with the programs in `programs`.
    pub fn embedded(data_folder: &std::path::Path, programs: PathBuf) -> Self {
        Self {
            url: None,
            cluster: ClusterConfig::new(data_folder.join("postgres"), programs),
            pool: PoolConfig::default(),
        }
    }
}

/// sqlx reads any scheme: the URL of another kind of database must not lead to a PostgreSQL that happens to run here.
fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Error::BadUrl(sqlx::Error::Configuration("it has another scheme".into())));
    }
    url.parse().map_err(Error::BadUrl)
}

/// Checks version and extensions once, over a connection of its own, so that a server that lacks something is
/// named as such and not met later as a failed statement.
async fn check_server(options: &PgConnectOptions) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(options).await.map_err(Error::Unreachable)?;
    let version: (i32, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int4, current_setting('server_version')",
    )
    .fetch_one(&mut connection)
    .await?;
    if version.0 < OLDEST_SERVER {
        return Err(Error::TooOld { found: version.1 });
    }
    let vector: Option<String> =
        sqlx::query_scalar("select default_version from pg_available_extensions where name = 'vector'")
            .fetch_optional(&mut connection)
            .await?
            .flatten();
    match vector {
        None => return Err(Error::NoVector),
        Some(found) if is_older(&found, (0, 8)) => return Err(Error::VectorTooOld { found }),
        Some(_) => {}
    }
    connection.close().await?;
    Ok(())
}

fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < than
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_older("0.7.4", (0, 8)));
        assert!(!is_older("0.8.6", (0, 8)));
        assert!(!is_older("0.10.0", (0, 8)));
        assert!(!is_older("1.0", (0, 8)));
    }
}
