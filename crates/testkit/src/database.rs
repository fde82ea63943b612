//! A database of its own for each test, on the PostgreSQL server that `./test` runs.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

/// A database that is dropped with this value, also when the test panics.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: String,
    pool: PgPool,
}

/// The role that programs under test use the database as; it owns nothing.
const SERVER_ROLE: &str = "wenyuan_test_server";

impl Database {
    /// Makes an empty database.
    pub async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = crate::variable("WENYUAN_TEST_SERVER");
        let mut connection = PgConnection::connect(&server).await.expect("the tests' PostgreSQL");
        let now: i64 = sqlx::query_scalar("select extract(epoch from now())::int8")
            .fetch_one(&mut connection)
            .await
            .expect("the time");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            sweep(&mut connection, now).await;
            make_role(&mut connection).await;
        }
        let name = format!("test_{now}_{}_{count}", std::process::id());
        connection.execute(AssertSqlSafe(format!("create database {name}"))).await.expect("a database");
        connection.close().await.expect("the end of a connection");
        let options: PgConnectOptions = server.parse().expect("the tests' server");
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy_with(options.database(&name));
        Self { name, server, pool }
    }

    /// The URL of its owner, as `WENYUAN_OWNER_DATABASE_URL` takes it.
    pub fn owner_url(&self) -> String {
        let (base, parameters) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
        format!("{host}/{}?{parameters}", self.name)
    }

    /// The URL of a role that owns nothing in it, as `DATABASE_URL` takes it.
    pub fn url(&self) -> String {
        let url = self.owner_url();
        let (before, rest) = url.split_once("://").expect("a URL");
        let (_owner, place) = rest.split_once('@').expect("a URL that names a role");
        format!("{before}://{SERVER_ROLE}@{place}")
    }

    /// Connections of its owner.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// One number that a statement counts.
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
        // On a thread with a runtime of its own: the test's may be gone or unwinding.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.ok()?;
                connection.execute(AssertSqlSafe(drop_statement(&name))).await.ok()
            })
        });
        let _left_to_the_sweep = dropping.join();
    }
}

fn drop_statement(name: &str) -> String {
    format!("drop database if exists {name} with (force)")
}

/// Makes the role that owns nothing, unless another test has. Under a lock, since tests start at once.
async fn make_role(connection: &mut PgConnection) {
    let statement = format!(
        "select pg_advisory_lock(7303); \
         do $$ begin if not exists (select from pg_roles where rolname = '{SERVER_ROLE}') then \
         create role {SERVER_ROLE} login nosuperuser nocreatedb nocreaterole; end if; end $$; \
         select pg_advisory_unlock(7303)"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.expect("a role");
}

/// Drops what killed tests have left more than an hour ago.
async fn sweep(connection: &mut PgConnection, now: i64) {
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut *connection)
            .await
            .unwrap_or_default();
    for name in names {
        let made = name.split('_').nth(1).and_then(|seconds| seconds.parse::<i64>().ok());
        if made.is_some_and(|made| made < now - 3600) {
            // Another test may be doing the same.
            let _gone_already = connection.execute(AssertSqlSafe(drop_statement(&name))).await;
        }
    }
}
