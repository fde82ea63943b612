//! A new database for each test, on the PostgreSQL server that `./test` starts.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
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
        Self::create(None).await
    }

    /// Creates a database with the schema of a program: a copy of one that the program has migrated, since migrating takes longer than
    /// most tests do.
    pub(crate) async fn migrated(program: &Path) -> Self {
        Self::create(Some(program)).await
    }

    async fn create(program: Option<&Path>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = crate::variable("WENYUAN_TEST_SERVER");
        let mut connection = connect(&server).await;
        let now: i64 = sqlx::query_scalar("select extract(epoch from now())::int8")
            .fetch_one(&mut connection)
            .await
            .expect("the time");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            // Killed tests leave them behind.
            drop_old(&mut connection, "test\\_%", now - 3600).await;
            drop_old(&mut connection, "unfinished\\_%", now - 3600).await;
            create_role(&mut connection).await;
        }
        let name = format!("test_{now}_{}_{count}", std::process::id());
        let template = match program {
            Some(program) => template(&mut connection, &server, program, now).await,
            None => "template1".to_owned(),
        };
        let statement = format!("create database {name} template {template}");
        connection.execute(AssertSqlSafe(statement)).await.expect("a database");
        // Ends the lock of the template, too.
        connection.close().await.expect("a closed connection");
        let options: PgConnectOptions = server.parse().expect("the tests' server");
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy_with(options.database(&name));
        Self { name, server, pool }
    }

    /// URL for the owner of the database, as `WENYUAN_OWNER_DATABASE_URL` takes it.
    pub fn owner_url(&self) -> String {
        owner_url(&self.server, &self.name)
    }

    /// URL for a role that owns nothing in the database, as `DATABASE_URL` takes it.
    pub fn url(&self) -> String {
        server_url(&self.owner_url())
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

fn owner_url(server: &str, database: &str) -> String {
    let (base, parameters) = server.split_once('?').unwrap_or((server, ""));
    let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
    format!("{host}/{database}?{parameters}")
}

fn server_url(owner_url: &str) -> String {
    let (before, rest) = owner_url.split_once("://").expect("a URL");
    let (_owner, location) = rest.split_once('@').expect("a URL that names a role");
    format!("{before}://{SERVER_ROLE}@{location}")
}

/// Returns the database that the databases with the schema are copied from. The first test of a build makes it. The lock is held until it is copied.
async fn template(connection: &mut PgConnection, server: &str, program: &Path, now: i64) -> String {
    let schema = format!("schema_{:016x}_", hash_of(program));
    let found =
        "select datname from pg_database where starts_with(datname, $1) order by datname desc limit 1";
    // Tests start concurrently.
    connection.execute("select pg_advisory_lock(7304)").await.expect("a lock");
    let known = sqlx::query_scalar(found).bind(&schema).fetch_optional(&mut *connection).await;
    if let Some(name) = known.expect("the databases") {
        name
    } else {
        drop_old(connection, "schema\\_%", now - 86_400).await;
        make_template(connection, server, program, &format!("{schema}{now}")).await
    }
}

async fn make_template(connection: &mut PgConnection, server: &str, program: &Path, name: &str) -> String {
    // Under its name only once it is complete.
    let unfinished = format!("unfinished_{name}");
    connection.execute(AssertSqlSafe(format!("create database {unfinished}"))).await.expect("a database");
    let owner = owner_url(server, &unfinished);
    let run = std::process::Command::new(program)
        .env_clear()
        .env("DATABASE_URL", server_url(&owner))
        .env("WENYUAN_OWNER_DATABASE_URL", &owner)
        .env("WENYUAN_CONFIG", "/dev/null")
        .args(["migrate", "up"])
        .output()
        .expect("the program");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rename = format!("alter database {unfinished} rename to {name}");
    connection.execute(AssertSqlSafe(rename)).await.expect("a template");
    name.to_owned()
}

/// Returns a number that differs from build to build, whose migrations may differ.
fn hash_of(program: &Path) -> u64 {
    let metadata = std::fs::metadata(program).expect("the program");
    let mut hasher = DefaultHasher::new();
    (program, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    hasher.finish()
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

/// Drops databases whose names begin with a pattern and hold a time, in seconds, that is before another.
async fn drop_old(connection: &mut PgConnection, pattern: &str, before: i64) {
    let named = "select datname from pg_database where datname like $1";
    let names: Vec<String> =
        sqlx::query_scalar(named).bind(pattern).fetch_all(&mut *connection).await.unwrap_or_default();
    for name in names {
        let created =
            name.split('_').find_map(|part| part.parse::<i64>().ok().filter(|time| *time > 1 << 30));
        if created.is_some_and(|created| created < before) {
            // Another test may drop it at the same time, or copy it.
            let _left = connection.execute(AssertSqlSafe(drop_statement(&name))).await;
        }
    }
}
