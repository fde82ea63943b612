//! `[database]`: the PostgreSQL server, the roles that connect to it, and the connection pool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use sqlx::postgres::PgConnectOptions;
use store::DatabaseConfig;
use store::postgres::{ClusterConfig, PoolConfig};

use super::{Group, Problems, Secret, installed};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseSettings {
    /// URL of your own PostgreSQL server (15 or later, with pgvector 0.8 or later), instead of the built-in
    /// one
    #[arg(id = "database.url", long = "database-url", env = "DATABASE_URL", value_name = "URL")]
    url: Option<Secret>,

    /// URL of the same database for the role that owns and migrates it; the role of --database-url then only
    /// reads and writes
    #[arg(
        id = "database.owner_url",
        long = "owner-database-url",
        env = "WENYUAN_OWNER_DATABASE_URL",
        value_name = "URL"
    )]
    owner_url: Option<Secret>,

    /// Directory of PostgreSQL, set by ./run [default: the one that comes with a release, else `programs` in the
    /// data directory]
    #[arg(id = "database.postgres", long = "postgres", env = "WENYUAN_POSTGRES", value_name = "DIR")]
    postgres: Option<PathBuf>,

    /// Minimum number of pooled connections
    #[arg(
        id = "database.pool_min",
        long = "pool-min",
        env = "WENYUAN_POOL_MIN",
        default_value_t = 1,
        value_name = "NUMBER"
    )]
    pool_min: u32,

    /// Maximum number of pooled connections
    #[arg(
        id = "database.pool_max",
        long = "pool-max",
        env = "WENYUAN_POOL_MAX",
        default_value_t = 20,
        value_name = "NUMBER"
    )]
    pool_max: u32,

    /// Seconds a request waits for a connection before it is answered with 503
    #[arg(
        id = "database.pool_acquire_seconds",
        long = "pool-acquire-seconds",
        env = "WENYUAN_POOL_ACQUIRE_SECONDS",
        default_value_t = 5.0,
        value_name = "SECONDS"
    )]
    pool_acquire_seconds: f64,

    /// Seconds an idle connection beyond the minimum stays open
    #[arg(
        id = "database.pool_idle_seconds",
        long = "pool-idle-seconds",
        env = "WENYUAN_POOL_IDLE_SECONDS",
        default_value_t = 600,
        value_name = "SECONDS"
    )]
    pool_idle_seconds: u64,

    /// Maximum lifetime of a connection, in seconds
    #[arg(
        id = "database.pool_lifetime_seconds",
        long = "pool-lifetime-seconds",
        env = "WENYUAN_POOL_LIFETIME_SECONDS",
        default_value_t = 1800,
        value_name = "SECONDS"
    )]
    pool_lifetime_seconds: u64,

    /// Ping pooled connections before use (one extra round trip)
    #[arg(
        id = "database.pool_test",
        long = "pool-test",
        env = "WENYUAN_POOL_TEST",
        value_parser = BoolishValueParser::new()
    )]
    pool_test: bool,
}

impl DatabaseSettings {
    /// Configuration of the database, whose built-in cluster lives in the data directory.
    pub(crate) fn config(&self, data_dir: &Path) -> DatabaseConfig {
        let programs = self.programs(data_dir);
        DatabaseConfig {
            url: Secret::reveal(self.url.as_ref()),
            owner_url: Secret::reveal(self.owner_url.as_ref()),
            cluster: ClusterConfig::new(data_dir.join("postgres"), programs),
            pool: self.pool(),
        }
    }

    /// Whether the database is on a server of the operator.
    pub(crate) fn is_external(&self) -> bool {
        Secret::reveal(self.url.as_ref()).is_some()
    }

    /// Settings for a copy of the library: on the built-in PostgreSQL, with the programs of this one.
    pub(super) fn for_copy(&self, data_dir: &Path) -> Self {
        Self { url: None, owner_url: None, postgres: Some(self.programs(data_dir)), ..self.clone() }
    }

    /// Directory of the built-in PostgreSQL's programs.
    pub(crate) fn programs(&self, data_dir: &Path) -> PathBuf {
        self.postgres.clone().unwrap_or_else(|| default_programs(data_dir))
    }

    /// Configuration of the connection pool.
    pub(crate) fn pool(&self) -> PoolConfig {
        PoolConfig {
            minimum: self.pool_min.min(self.pool_max),
            maximum: self.pool_max,
            acquire_timeout: Duration::from_secs_f64(self.pool_acquire_seconds.clamp(0.01, 3600.0)),
            idle_timeout: Duration::from_secs(self.pool_idle_seconds),
            maximum_lifetime: Duration::from_secs(self.pool_lifetime_seconds),
            test_before_acquire: self.pool_test,
            ..PoolConfig::default()
        }
    }
}

impl Group for DatabaseSettings {
    fn check(&self, problems: &mut Problems) {
        for (key, url) in [("database.url", &self.url), ("database.owner_url", &self.owner_url)] {
            // The URL holds a password: nothing of it is repeated.
            if Secret::reveal(url.as_ref()).is_some_and(|url| url.parse::<PgConnectOptions>().is_err()) {
                problems.add(key, "invalid URL: write it as postgres://USER:PASSWORD@HOST/DATABASE");
            }
        }
    }

    fn computed_defaults(&self, data_dir: &Path) -> Vec<(&'static str, String)> {
        vec![("database.postgres", default_programs(data_dir).display().to_string())]
    }
}

/// Returns the PostgreSQL of the release, else where one can be put.
fn default_programs(data_dir: &Path) -> PathBuf {
    installed::find(installed::POSTGRES).unwrap_or_else(|| data_dir.join("programs"))
}
