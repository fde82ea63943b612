//! PostgreSQL: a private cluster under the data folder or the operator's own server, its roles, and the connection pool.
//!
//! [`cluster`] runs the private server, [`privileges`] keeps the server's role to reading and writing rows.

pub mod cluster;
mod pool;
pub mod privileges;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

pub use cluster::{Cluster, ClusterConfig};
pub use pool::{PoolConfig, acquire, begin, counting, snapshot, spawn_pool_gauges};
pub use privileges::PrivilegeReport;

/// Oldest PostgreSQL that has everything the migrations use (`nulls not distinct`), as `server_version_num`.
const MIN_SERVER_VERSION: i32 = 150_000;
/// Oldest pgvector with half-precision vectors.
const MIN_VECTOR_VERSION: (u32, u32) = (0, 8);
/// Time within which the pool has to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

const URL: &str = "DATABASE_URL";
const OWNER_URL: &str = "WENYUAN_OWNER_DATABASE_URL";

/// Configuration of the database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: the operator's own server. Without it, a private cluster is run.
    pub url: Option<String>,
    /// `WENYUAN_OWNER_DATABASE_URL`: the same database as the role that owns and migrates it. Without it, and with
    /// `url`, one role does both.
    pub owner_url: Option<String>,
    /// Private cluster, used where no URL is given.
    pub cluster: ClusterConfig,
    /// Bounds of the connection pool.
    pub pool: PoolConfig,
}

/// Open database: the pool and, for a private cluster, the server behind it.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    /// Connection options of the owner.
    owner: PgConnectOptions,
    /// Roles of the server and of the owner.
    roles: Roles,
    cluster: Option<Cluster>,
}

/// Names of the two roles.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Roles {
    server: String,
    owner: String,
}

/// Error of the database. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The variable holds no connection URL. The text never repeats the URL, which may hold a password.
    #[error("{variable} is not a PostgreSQL connection URL (postgres://user:password@host:port/database)")]
    BadUrl { variable: &'static str, source: sqlx::Error },
    /// `WENYUAN_OWNER_DATABASE_URL` is set without `DATABASE_URL`.
    #[error(
        "WENYUAN_OWNER_DATABASE_URL is set and DATABASE_URL is not: the one names the role that migrates, the other the \
         role that the server uses; set both, or neither to use the built-in server"
    )]
    OwnerUrlAlone,
    /// The two URLs name different databases.
    #[error(
        "DATABASE_URL and WENYUAN_OWNER_DATABASE_URL name different databases; they must differ in the role alone"
    )]
    DifferentDatabases,
    /// No server answers at the URL.
    #[error("cannot connect to PostgreSQL; check that it runs and that {variable} names it")]
    Unreachable { variable: &'static str, source: sqlx::Error },
    /// The server's version is not supported.
    #[error("PostgreSQL {found} is too old: version 15 or later is needed")]
    TooOld { found: String },
    /// pgvector is not installed on the server.
    #[error(
        "the PostgreSQL server has no pgvector extension: install it on the server (Debian: \
         postgresql-NN-pgvector), or unset DATABASE_URL to use the built-in server"
    )]
    PgvectorMissing,
    /// pgvector is installed but too old to hold half-precision vectors.
    #[error("pgvector {found} is too old: 0.8 or later is needed on the server")]
    PgvectorTooOld { found: String },
    /// The private cluster cannot be run.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// No connection came free within the acquire timeout.
    #[error("all database connections are in use; try again shortly")]
    Exhausted,
    /// The request under an idempotency key that the transaction belongs to is being executed by another process.
    #[error("this request is being executed by another process")]
    Superseded,
    /// A statement or connection failed.
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
    /// Connects to the given server, or starts or joins the private cluster, and checks versions and extensions. Does not
    /// migrate: see [`crate::migrations`].
    ///
    /// # Errors
    ///
    /// Fails when no server can be reached or started, or when it lacks what the library needs.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, Error> {
        let (server, owner, cluster) = match (&config.url, &config.owner_url) {
            (Some(url), None) => (parse(url, URL)?, None, None),
            (Some(url), Some(owner)) => (parse(url, URL)?, Some(parse(owner, OWNER_URL)?), None),
            (None, Some(_)) => return Err(Error::OwnerUrlAlone),
            (None, None) => {
                let cluster = Cluster::open(&config.cluster).await?;
                (cluster.server_options(), Some(cluster.connect_options()), Some(cluster))
            }
        };
        let server = server.application_name("wenyuan");
        let identity = check_server(&server, URL).await?;
        let (owner, role) = match owner {
            None => (server.clone(), identity.role.clone()),
            Some(owner) => {
                let owner = owner.application_name("wenyuan_owner");
                // The owner's URL is tried now, so that a wrong one does not wait for the next migration to show.
                let role = if cluster.is_some() {
                    cluster::OWNER_ROLE.to_owned()
                } else {
                    identity.role_on_same_database(&owner).await?
                };
                (owner, role)
            }
        };
        let roles = Roles { server: identity.role, owner: role };
        Ok(Self { pool: pool::open(&config.pool, server), owner, roles, cluster })
    }

    /// Returns the connection options of the role that owns and migrates the database; where there is only one role, of that one.
    pub fn owner_options(&self) -> &PgConnectOptions {
        &self.owner
    }

    /// Opens a pool of one connection as the owner. The caller closes it.
    pub fn owner_pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.owner.clone())
    }

    /// Whether the server's role differs from the owner.
    pub fn has_separate_owner(&self) -> bool {
        self.roles.server != self.roles.owner
    }

    /// Returns the role that the pool connects as.
    pub fn server_role(&self) -> &str {
        &self.roles.server
    }

    /// Reports the privileges of the server's role.
    ///
    /// # Errors
    ///
    /// Fails when the database does.
    pub async fn privilege_report(&self) -> Result<PrivilegeReport, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        privileges::report(&mut connection).await
    }

    /// Returns the pool. Prefer [`acquire`] and [`begin`], whose errors tell an exhausted pool from a broken one.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Returns the private cluster, if the database runs on one.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Closes the pool, and stops the private cluster if no other program uses it.
    pub async fn close(self) {
        // A connection that was never returned must not keep the program from ending.
        let _timed_out = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
        if let Some(cluster) = self.cluster {
            cluster.close().await;
        }
    }
}

impl DatabaseConfig {
    /// Configures the private cluster under `data_folder`, run with the programs in `programs`.
    pub fn embedded(data_folder: &std::path::Path, programs: PathBuf) -> Self {
        Self {
            url: None,
            owner_url: None,
            cluster: ClusterConfig::new(data_folder.join("postgres"), programs),
            pool: PoolConfig::default(),
        }
    }
}

/// Parses a connection URL. sqlx accepts any scheme, but the URL of another kind of database must not lead to a PostgreSQL that
/// happens to run here.
fn parse(url: &str, variable: &'static str) -> Result<PgConnectOptions, Error> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        let source = sqlx::Error::Configuration("unsupported scheme".into());
        return Err(Error::BadUrl { variable, source });
    }
    url.parse().map_err(|source| Error::BadUrl { variable, source })
}

/// Identity of the database behind a connection.
struct DatabaseIdentity {
    role: String,
    database: String,
    /// Start time of the server, which tells it from another server.
    started: String,
}

impl DatabaseIdentity {
    async fn of(connection: &mut PgConnection) -> Result<Self, Error> {
        let identity = sqlx::query_as!(
            DatabaseIdentity,
            r#"-- database.identity
            select current_user::text as "role!", current_database()::text as "database!",
              extract(epoch from pg_postmaster_start_time())::text as "started!""#,
        );
        Ok(identity.fetch_one(connection).await?)
    }

    /// Returns the role of other options, which must lead to the same database.
    async fn role_on_same_database(&self, options: &PgConnectOptions) -> Result<String, Error> {
        let connected = PgConnection::connect_with(options).await;
        let mut connection =
            connected.map_err(|source| Error::Unreachable { variable: OWNER_URL, source })?;
        let other = Self::of(&mut connection).await?;
        connection.close().await?;
        if (&other.database, &other.started) != (&self.database, &self.started) {
            return Err(Error::DifferentDatabases);
        }
        Ok(other.role)
    }
}

/// Checks version and extensions over a connection of its own, so that what a server lacks is reported as such and not as a
/// failed statement later.
async fn check_server(options: &PgConnectOptions, variable: &'static str) -> Result<DatabaseIdentity, Error> {
    let connected = PgConnection::connect_with(options).await;
    let mut connection = connected.map_err(|source| Error::Unreachable { variable, source })?;
    let version: (i32, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int4, current_setting('server_version')",
    )
    .fetch_one(&mut connection)
    .await?;
    if version.0 < MIN_SERVER_VERSION {
        return Err(Error::TooOld { found: version.1 });
    }
    let vector: Option<String> =
        sqlx::query_scalar("select default_version from pg_available_extensions where name = 'vector'")
            .fetch_optional(&mut connection)
            .await?
            .flatten();
    match vector {
        None => return Err(Error::PgvectorMissing),
        Some(found) if is_older(&found, MIN_VECTOR_VERSION) => return Err(Error::PgvectorTooOld { found }),
        Some(_) => {}
    }
    let identity = DatabaseIdentity::of(&mut connection).await?;
    connection.close().await?;
    Ok(identity)
}

/// Versions of a database server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Version of PostgreSQL.
    pub server: String,
    /// Version of pgvector, if the extension is installed in the database.
    pub vector: Option<String>,
}

/// Returns the versions of the server and its extension.
///
/// # Errors
///
/// Fails when the database does.
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
