//! A new database for each test, on the PostgreSQL server that `./test` starts.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

/// A database, dropped from the server when this value is dropped, even by a panic.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: String,
    pool: PgPool,
}

/// Role with which programs under test connect. It owns nothing.
const SERVER_ROLE: &str = "wenyuan_test_server";

impl Database {
    /// Creates an empty database. Panics with the server's last log lines if the server cannot be reached.
    pub async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = crate::variable("WENYUAN_TEST_SERVER");
        let mut connection = connect(&server).await;
        let now: i64 = sqlx::query_scalar("select extract(epoch from now())::int8")
            .fetch_one(&mut connection)
            .await
            .expect("the time");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            drop_old_databases(&mut connection, now).await;
            create_role(&mut connection).await;
        }
        let name = format!("test_{now}_{}_{count}", std::process::id());
        connection.execute(AssertSqlSafe(format!("create database {name}"))).await.expect("a database");
        connection.close().await.expect("a closed connection");
        let options: PgConnectOptions = server.parse().expect("the tests' server");
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy_with(options.database(&name));
        Self { name, server, pool }
    }

    /// URL for the owner of the database, as `WENYUAN_OWNER_DATABASE_URL` takes it.
    pub fn owner_url(&self) -> String {
        let (base, parameters) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
        format!("{host}/{}?{parameters}", self.name)
    }

    /// URL for a role that owns nothing in the database, as `DATABASE_URL` takes it.
    pub fn url(&self) -> String {
        let url = self.owner_url();
        let (before, rest) = url.split_once("://").expect("a URL");
        let (_owner, location) = rest.split_once('@').expect("a URL that names a role");
        format!("{before}://{SERVER_ROLE}@{location}")
    }

    /// Connections as the owner of the database.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs a statement that returns one number.
    pub async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.pool).await.expect(statement)
    }

    /// Runs a statement.
    pub async fn run(&self, statement: &'static str) {
        self.pool.execute(statement).await.expect(statement);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (name, server) = (std::mem::take(&mut self.name), std::mem::take(&mut self.server));
        // On a thread with a runtime of its own, since the test's may be gone or unwinding.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.ok()?;
                connection.execute(AssertSqlSafe(drop_statement(&name))).await.ok()
            })
        });
        let _left_to_drop_old_databases = dropping.join();
    }
}

/// Connects to the tests' server, which `./test` has started.
async fn connect(server: &str) -> PgConnection {
    PgConnection::connect(server).await.unwrap_or_else(|error| {
        let log = Path::new(&crate::variable("WENYUAN_TEST_CLUSTER")).join("log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let lines = crate::process::last_lines("", &log);
        panic!("failed to connect to the tests' PostgreSQL: {error}; run the tests with ./test{lines}")
    })
}

fn drop_statement(name: &str) -> String {
    format!("drop database if exists {name} with (force)")
}

/// Creates the role of programs under test, if it does not exist. Takes a lock, since tests start concurrently.
async fn create_role(connection: &mut PgConnection) {
    let statement = format!(
        "select pg_advisory_lock(7303); \
         do $$ begin if not exists (select from pg_roles where rolname = '{SERVER_ROLE}') then \
         create role {SERVER_ROLE} login nosuperuser nocreatedb nocreaterole; end if; end $$; \
         select pg_advisory_unlock(7303)"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.expect("a role");
}

/// Drops databases that killed tests left behind more than an hour ago.
async fn drop_old_databases(connection: &mut PgConnection, now: i64) {
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut *connection)
            .await
            .unwrap_or_default();
    for name in names {
        let created = name.split('_').nth(1).and_then(|seconds| seconds.parse::<i64>().ok());
        if created.is_some_and(|created| created < now - 3600) {
            // Another test may drop it at the same time.
            let _already_dropped = connection.execute(AssertSqlSafe(drop_statement(&name))).await;
        }
    }
}
