//! PostgreSQL: a private cluster under the data folder, or the operator's own server; and the pool.

pub mod cluster;
mod pool;
pub mod privileges;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

pub use cluster::{Cluster, ClusterConfig};
pub use pool::{PoolConfig, acquire, begin, snapshot, spawn_pool_gauges};
pub use privileges::Standing;

/// The oldest PostgreSQL that has everything the migrations use (`nulls not distinct`).
const OLDEST_SERVER: i32 = 150_000;

const URL: &str = "DATABASE_URL";
const OWNER_URL: &str = "WENYUAN_OWNER_DATABASE_URL";

/// Which PostgreSQL to use and how.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: the operator's own server. Without it a private cluster is run.
    pub url: Option<String>,
    /// `WENYUAN_OWNER_DATABASE_URL`: the same database as the role that owns and migrates it. Without it, and with
    /// `url`, one role does both.
    pub owner_url: Option<String>,
    /// The private cluster, where no URL is given.
    pub cluster: ClusterConfig,
    /// The pool of connections.
    pub pool: PoolConfig,
}

/// An open database: the pool and, where it is ours, the server behind it.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    /// How its owner connects.
    owner: PgConnectOptions,
    /// Who the server is in the database, and who owns it.
    roles: Roles,
    cluster: Option<Cluster>,
}

/// The names of the two roles.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Roles {
    server: String,
    owner: String,
}

/// Why the database cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `DATABASE_URL` cannot be read. The text never repeats the URL: it may hold a password.
    #[error("{variable} is not a PostgreSQL connection URL (postgres://user:password@host:port/database)")]
    BadUrl { variable: &'static str, source: sqlx::Error },
    /// `WENYUAN_OWNER_DATABASE_URL` alone says nothing.
    #[error(
        "WENYUAN_OWNER_DATABASE_URL is set and DATABASE_URL is not: the one names the role that migrates, the other the \
         role that the server uses; set both, or neither to use the built-in server"
    )]
    OwnerAlone,
    /// The two URLs lead to different places.
    #[error(
        "DATABASE_URL and WENYUAN_OWNER_DATABASE_URL name different databases; they must differ in the role alone"
    )]
    Apart,
    /// No server answers.
    #[error("cannot connect to PostgreSQL; check that it runs and that {variable} names it")]
    Unreachable { variable: &'static str, source: sqlx::Error },
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
        let (server, owner, cluster) = match (&config.url, &config.owner_url) {
            (Some(url), None) => (parse(url, URL)?, None, None),
            (Some(url), Some(owner)) => (parse(url, URL)?, Some(parse(owner, OWNER_URL)?), None),
            (None, Some(_)) => return Err(Error::OwnerAlone),
            (None, None) => {
                let cluster = Cluster::open(&config.cluster).await?;
                (cluster.server_options(), Some(cluster.connect_options()), Some(cluster))
            }
        };
        let server = server.application_name("wenyuan");
        let at = check_server(&server, URL).await?;
        let (owner, role) = match owner {
            None => (server.clone(), at.role.clone()),
            Some(owner) => {
                let owner = owner.application_name("wenyuan_owner");
                // A URL of a server's own is tried at once: a wrong one should not show at the next migration only.
                let role = if cluster.is_some() { cluster::ROLE.to_owned() } else { at.same(&owner).await? };
                (owner, role)
            }
        };
        let roles = Roles { server: at.role, owner: role };
        Ok(Self { pool: pool::open(&config.pool, server), owner, roles, cluster })
    }

    /// How to connect as the role that owns the library, which migrates it. Where there is only one role, that one.
    pub fn owner_options(&self) -> &PgConnectOptions {
        &self.owner
    }

    /// A pool of the owner, for what only it may do; to be closed by the caller.
    pub fn owner_pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.owner.clone())
    }

    /// Whether the server's role is another than the owner.
    pub fn owner_is_apart(&self) -> bool {
        self.roles.server != self.roles.owner
    }

    /// The role that the pool connects as.
    pub fn server_role(&self) -> &str {
        &self.roles.server
    }

    /// What the server's role may do in the database as it is now.
    pub async fn standing(&self) -> Result<Standing, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        privileges::standing(&mut connection).await
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
            owner_url: None,
            cluster: ClusterConfig::new(data_folder.join("postgres"), programs),
            pool: PoolConfig::default(),
        }
    }
}

/// sqlx reads any scheme: the URL of another kind of database must not lead to a PostgreSQL that happens to run here.
fn parse(url: &str, variable: &'static str) -> Result<PgConnectOptions, Error> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let source = sqlx::Error::Configuration("it has another scheme".into());
        return Err(Error::BadUrl { variable, source });
    }
    url.parse().map_err(|source| Error::BadUrl { variable, source })
}

/// Where a connection has led.
struct At {
    role: String,
    database: String,
    /// When its server was started, which tells it from another.
    since: String,
}

impl At {
    async fn of(connection: &mut PgConnection) -> Result<Self, Error> {
        let found = sqlx::query_as!(
            At,
            r#"-- database.at
            select current_user::text as "role!", current_database()::text as "database!",
              extract(epoch from pg_postmaster_start_time())::text as "since!""#,
        );
        Ok(found.fetch_one(connection).await?)
    }

    /// The role of other options, which must lead to the same database.
    async fn same(&self, options: &PgConnectOptions) -> Result<String, Error> {
        let connected = PgConnection::connect_with(options).await;
        let mut connection =
            connected.map_err(|source| Error::Unreachable { variable: OWNER_URL, source })?;
        let other = Self::of(&mut connection).await?;
        connection.close().await?;
        if (&other.database, &other.since) != (&self.database, &self.since) {
            return Err(Error::Apart);
        }
        Ok(other.role)
    }
}

/// Checks version and extensions once, over a connection of its own, so that a server that lacks something is
/// named as such and not met later as a failed statement.
async fn check_server(options: &PgConnectOptions, variable: &'static str) -> Result<At, Error> {
    let connected = PgConnection::connect_with(options).await;
    let mut connection = connected.map_err(|source| Error::Unreachable { variable, source })?;
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
    let at = At::of(&mut connection).await?;
    connection.close().await?;
    Ok(at)
}

/// What a database runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The version of PostgreSQL.
    pub server: String,
    /// The version of pgvector.
    pub vector: Option<String>,
}

/// The versions that a database runs on.
pub async fn versions(pool: &PgPool) -> Result<Versions, Error> {
    let mut connection = acquire(pool).await?;
    Ok(sqlx::query_as!(
        Versions,
        r#"-- postgres.versions
         select current_setting('server_version') as "server!",
           (select extversion from pg_extension where extname = 'vector') as vector"#
    )
    .fetch_one(&mut *connection)
    .await?)
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
