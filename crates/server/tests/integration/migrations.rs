//! The history of the database: forth and back and forth again, and what is said when it is not what was applied.

use serde_json::{Value, json};
use testkit::{Run, TestApp, each};

use crate::PROGRAM;

async fn migrate(app: &TestApp, arguments: &[&str]) -> Run {
    app.run(&[&["migrate", "--json"], arguments].concat()).await
}

/// Whether each migration of a history is applied.
fn applied(history: &Value) -> Vec<bool> {
    history.as_array().expect("a list").iter().map(|step| !step["applied_at"].is_null()).collect()
}

#[tokio::test]
async fn the_way_up_leads_down_and_up_again() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let before = migrate(&app, &["status"]).await;
    let number = applied(&before.json()).len();
    assert_eq!((before.code, applied(&before.json())), (0, vec![false; number]));
    assert!(number >= 2);
    for _ in 0..2 {
        assert_eq!(applied(&migrate(&app, &["up"]).await.json()), vec![true; number]);
    }
    let file = app.file("a.md", "# A\n\nThe migratedword.");
    assert_eq!(app.add(&file, "before", "1").await.0, 0);

    assert!(migrate(&app, &["down", "0"]).await.failed().contains("--yes"));
    assert!(migrate(&app, &["down", "7777", "--yes"]).await.failed().contains("no migration 7777"));
    assert_eq!(applied(&migrate(&app, &["down", "1", "--yes"]).await.json())[..2], [true, false]);
    for _ in 0..2 {
        let down = migrate(&app, &["down", "0", "--yes"]).await;
        assert_eq!(applied(&down.json()), vec![false; number]);
    }
    let left = "select count(*) from pg_namespace where nspname in ('store', 'identity', 'library')";
    assert_eq!(app.database().count(left).await, 0);

    assert_eq!(applied(&migrate(&app, &["up"]).await.json()), vec![true; number]);
    assert_eq!(app.add(&file, "after", "1").await.0, 0);
    let answer = app.run(&["search", "migratedword", "--json"]).await.json();
    assert_eq!(each(&answer, "library"), ["after"]);
}

#[tokio::test]
async fn a_history_that_differs_is_reported() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    migrate(&app, &["up"]).await.succeeded();
    app.database().run("update public._sqlx_migrations set checksum = 'other' where version = 1").await;
    let status = migrate(&app, &["status"]).await;
    assert_eq!(status.code, 1);
    assert_eq!(status.json()[0]["fault"], "its file has changed since it was applied");
    assert_eq!(status.json()[1]["fault"], Value::Null);
    let shown = app.run(&["migrate"]).await;
    assert!(shown.output.contains("0001") && shown.output.contains("its file has changed"), "{shown:?}");
    // Neither is anything applied over it, nor does the server start on it.
    migrate(&app, &["up"]).await.failed();
    let refused = app.run(&["serve"]).await.failed();
    assert!(refused.contains("failed to migrate the database") && refused.contains('1'), "{refused}");
}

#[tokio::test]
async fn a_migration_of_a_newer_program_is_reported() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    migrate(&app, &["up"]).await.succeeded();
    app
        .database()
        .run("insert into public._sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'of the future', true, '', 0)")
        .await;
    let status = migrate(&app, &["status"]).await;
    let newest = status.json().as_array().unwrap().last().unwrap().clone();
    assert_eq!((status.code, &newest["version"]), (1, &json!(9999)));
    assert!(newest["fault"].as_str().unwrap().contains("newer"), "{newest}");
    app.run(&["libraries"]).await.failed();
}

#[tokio::test]
async fn programs_that_start_at_once_migrate_once() {
    let app = TestApp::with_empty_database(PROGRAM).await;
    let list = ["libraries", "--json"];
    let (a, b, c) = tokio::join!(app.run(&list), app.run(&list), app.run(&list));
    for run in [a, b, c] {
        assert_eq!(run.succeeded().trim(), "[]");
    }
}
