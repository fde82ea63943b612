//! Privileges of the server's database role: it reads and writes rows and nothing else, with the built-in PostgreSQL and with
//! an external one.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use testkit::{Database, TestApp, each};

use crate::PROGRAM;

async fn assert_refused(connection: &mut PgConnection, statement: &str) {
    let done = connection.execute(AssertSqlSafe(statement.to_owned())).await;
    let error = done.err().unwrap_or_else(|| panic!("allowed: {statement}"));
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
}

async fn is_true(connection: &mut PgConnection, query: &'static str) -> bool {
    sqlx::query_scalar(query).fetch_one(connection).await.expect(query)
}

/// Asserts that the role of a connection owns nothing and can change rows only.
async fn assert_unprivileged(connection: &mut PgConnection) {
    let is_unprivileged = "select not (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication)
        and not exists (select from pg_auth_members where member = pg_roles.oid)
        and not exists (select from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o')
        from pg_roles where rolname = current_user";
    assert!(is_true(connection, is_unprivileged).await);
    let tables: Vec<String> = sqlx::query_scalar(
        "select oid::regclass::text from pg_class where relkind in ('r', 'p')
         and relnamespace in (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("the tables");
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        for statement in [
            format!("alter table {table} add column more text"),
            format!("alter table {table} disable trigger all"),
            format!("drop table {table} cascade"),
            format!("truncate {table} cascade"),
            format!("create index on {table} ((1))"),
            format!("grant select on {table} to public"),
        ] {
            // A grant without the grant option is only a warning if the role has the privilege itself.
            if statement.starts_with("grant") {
                let _warned = connection.execute(AssertSqlSafe(statement)).await;
            } else {
                assert_refused(connection, &statement).await;
            }
        }
    }
    let is_public = "select exists (select from information_schema.role_table_grants
        where grantee = 'PUBLIC' and table_schema in ('library', 'store'))";
    assert!(!is_true(connection, is_public).await);
    for statement in [
        "create table public.mine (a int)",
        "create table library.mine (a int)",
        "create temporary table mine (a int)",
        "create schema mine",
        "create extension hstore",
        "drop schema library cascade",
        "update public._sqlx_migrations set success = false",
        "delete from public._sqlx_migrations",
        "create role another",
        "set role wenyuan",
        "copy library.libraries to program 'true'",
    ] {
        assert_refused(connection, statement).await;
    }
    assert!(is_true(connection, "select count(*) > 0 from public._sqlx_migrations").await);
}

#[tokio::test]
async fn the_server_role_owns_nothing_and_can_alter_nothing() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let server = app.serve().await;
    server.add("role", "1", "a.md", "# A\n\nThe roleword.").await;
    assert_eq!(each(&server.search(&[("q", "roleword")]).await, "library"), ["role"]);
    let file = app.file("b.md", "# B\n\nThe otherword.");
    assert_eq!(app.add(&file, "role", "1").await.0, 0);
    assert!(!server.log().contains("may do more"), "{}", server.log());

    let used = "select array_agg(distinct usename::text) from pg_stat_activity
        where datname = current_database() and application_name like 'wenyuan%'";
    let roles: Vec<String> = sqlx::query_scalar(used).fetch_one(app.database().pool()).await.unwrap();
    assert_eq!(roles, ["wenyuan_test_server"]);
    let mut connection = PgConnection::connect(&app.database().url()).await.unwrap();
    assert_unprivileged(&mut connection).await;

    // The next start revokes excess privileges and grants missing ones.
    app.database()
        .run("grant all on library.documents, public._sqlx_migrations to wenyuan_test_server")
        .await;
    app.database().run("grant create on schema library, public to wenyuan_test_server").await;
    app.database().run("revoke select on library.versions from wenyuan_test_server").await;
    let (a, b) = tokio::join!(app.run(&["libraries"]), app.run(&["libraries"]));
    assert_eq!((a.code, b.code), (0, 0), "{a:?} {b:?}");
    assert_unprivileged(&mut connection).await;
    // Migrating down and up restores the same privileges.
    drop(server);
    app.run(&["migrate", "down", "0", "--yes"]).await.succeeded();
    app.run(&["migrate", "up"]).await.succeeded();
    assert_unprivileged(&mut connection).await;
}

#[tokio::test]
async fn a_migrated_database_needs_no_owner_url() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let owner = app.database().owner_url();
    let app = app.set("WENYUAN_OWNER_DATABASE_URL", "");
    let error = app.run(&["serve"]).await.failed();
    assert!(error.contains("WENYUAN_OWNER_DATABASE_URL"), "{error}");
    let app = app.set("WENYUAN_OWNER_DATABASE_URL", &owner);
    app.run(&["migrate", "up"]).await.succeeded();
    let app = app.set("WENYUAN_OWNER_DATABASE_URL", "");
    let server = app.serve().await;
    server.add("alone", "1", "a.md", "# A\n\nThe loneword.").await;
    assert!(!server.log().contains("may do more"), "{}", server.log());
}

#[tokio::test]
async fn a_server_role_that_owns_the_schema_is_logged() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let owner = app.database().owner_url();
    let app = app.set("DATABASE_URL", &owner).set("WENYUAN_OWNER_DATABASE_URL", "");
    let server = app.serve().await;
    let log = server.log();
    assert_eq!(log.matches("may do more than the server needs").count(), 1, "{log}");
    assert!(log.contains("owns what is the library's"), "{log}");
}

#[tokio::test]
async fn inconsistent_database_urls_are_refused() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let other = Database::new().await;
    let app = app.set("WENYUAN_OWNER_DATABASE_URL", other.owner_url());
    let error = app.run(&["libraries"]).await.failed();
    assert!(error.contains("name different databases"), "{error}");
    let app = app.set("WENYUAN_OWNER_DATABASE_URL", "postgres://nobody:secretword@127.0.0.1:1/none");
    let error = app.run(&["libraries"]).await.failed();
    assert!(
        error.contains("WENYUAN_OWNER_DATABASE_URL names it") && !error.contains("secretword"),
        "{error}"
    );
    let app = app.set("DATABASE_URL", "");
    let error = app.run(&["libraries"]).await.failed();
    assert!(error.contains("DATABASE_URL is not"), "{error}");
}

#[tokio::test]
async fn the_built_in_postgres_has_a_server_role_too() {
    let app = TestApp::with_own_postgres(PROGRAM);
    let server = app.serve().await;
    server.add("own", "1", "a.md", "# A\n\nThe ownword.").await;
    let options = PgConnectOptions::new_without_pgpass()
        .socket(app.data().join("postgres/socket"))
        .username("wenyuan_server")
        .database("wenyuan");
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    assert_unprivileged(&mut connection).await;
    let only = "select bool_and(usename = 'wenyuan_server') from pg_stat_activity where application_name = 'wenyuan'";
    assert!(is_true(&mut connection, only).await);
    assert!(!server.log().contains("may do more"), "{}", server.log());
    connection.close().await.unwrap();
    server.kill();

    // A cluster of an earlier release lacks the role.
    let mut owner = PgConnection::connect_with(&options.clone().username("wenyuan")).await.unwrap();
    owner
        .execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wenyuan_server'")
        .await
        .unwrap();
    owner.execute("drop owned by wenyuan_server").await.unwrap();
    owner.execute("drop role wenyuan_server").await.unwrap();
    owner.close().await.unwrap();
    let server = app.serve().await;
    assert_eq!(each(&server.search(&[("q", "ownword")]).await, "library"), ["own"]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    assert_unprivileged(&mut connection).await;
}
