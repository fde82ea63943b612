//! Drills: from nothing but a repository and its key to a library that answers on another port, measured, and gone afterwards.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PageClient, Server, TestApp, each};

use crate::PROGRAM;
use crate::recovery::archived;

/// A library with a golden question whose log goes into a repository, and the file of its key.
async fn library() -> (TestApp, String, String) {
    let app = TestApp::with_own_postgres(PROGRAM);
    app.file("gate/timeouts.md", "# Timeouts\n\nThe gateway waits 30 seconds for the plainword service.");
    let gate = app.files().join("gate").display().to_string();
    assert_eq!(app.add(&gate, "gate", "1.4").await.0, 0);
    let repository = app.files().join("backups").display().to_string();
    let kit = app.files().join("kit.txt").display().to_string();
    app.run(&["backup", "key", "new", "--output", &kit]).await.succeeded();
    app.run(&["backup", "questions", "add", "plainword", "--library", "gate"]).await.succeeded();
    let app = app.set("WENYUAN_BACKUP_REPOSITORY", &repository).set("WENYUAN_BACKUP_WAL_SECONDS", "1");
    (app, repository, kit)
}

/// Outcome of a check of a drill, and its detail.
fn check(drill: &Value, name: &str) -> (String, String) {
    let checks = drill["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{drill:#}"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&check["outcome"]), text(&check["detail"]))
}

/// Results that the library keeps, newest first.
async fn kept(server: &Server, token: &str) -> Vec<Value> {
    let listed = server.ask(Some(token), Method::GET, "/api/v1/drills", None).await.value();
    listed["items"].as_array().expect("drills").clone()
}

/// Files under a folder with their sizes, without locks.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.path().extension().is_none_or(|extension| extension != "lock") {
            found.push((entry.path().display().to_string(), entry.metadata().expect("a file").len()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_repository_and_a_key_become_a_library_that_answers() {
    let (app, repository, kit) = library().await;
    let server = app.serve().await;
    app.run(&["backup", "run"]).await.succeeded();
    // Comes after the backup, and is in the log behind it.
    server.add("gate", "1.4", "later.md", "# Later\n\nThe laterword.").await;
    archived(&app, &server, "filler").await;
    server.kill();
    let before = files(Path::new(&repository));

    // Another machine, with neither library nor settings.
    let empty = TestApp::with_own_postgres(PROGRAM);
    let drill = ["drill", "--from", &repository, "--json"];
    let refused = empty.run(&drill).await.failed();
    assert!(refused.contains("--key-file FILE"), "{refused}");
    assert!(!empty.data().exists(), "a drill that was refused leaves nothing");
    let with_key = [&drill[..], &["--key-file", &kit]].concat();
    let run = empty.run(&with_key).await;
    let drilled = run.json();
    assert_eq!((run.code, &drilled["outcome"]), (0, &json!("passed")), "{drilled:#}");
    assert_eq!(
        each(&json!({ "hits": drilled["steps"] }), "name"),
        ["plan", "restore", "start", "answer", "verify"]
    );
    assert!(drilled["rpo_seconds"].as_f64() > Some(0.0) && drilled["rto_seconds"].as_f64() > Some(0.0));
    let (outcome, detail) = check(&drilled, "questions");
    assert_eq!(outcome, "passed", "{detail}");
    assert!(detail.contains("the library has changed since"), "{detail}");
    for name in ["foreign_keys", "structure", "references", "rpo", "rto"] {
        assert_eq!(check(&drilled, name).0, "passed", "{drilled:#}");
    }
    let (outcome, detail) = check(&drilled, "tables");
    let numbers: Vec<i64> = detail.split(' ').filter_map(|word| word.parse().ok()).collect();
    // Rows of the last state, tables, rows of the backup.
    assert!(outcome == "passed" && numbers[0] > numbers[2], "{detail}");
    assert!(!empty.data().exists(), "nothing stays");
    assert_eq!(files(Path::new(&repository)), before, "the repository is only read");

    // A folder with something else in it is left alone.
    let other = empty.file("other/notes.txt", "keep me");
    let scratch = empty.files().join("other").display().to_string();
    let refused = empty.run(&[&with_key[..], &["--scratch", &scratch]].concat()).await.failed();
    assert!(refused.contains("is not empty"), "{refused}");
    assert!(Path::new(&other).exists());
    // A key that opens nothing is what a drill is to find out.
    let wrong = empty.files().join("wrong.txt").display().to_string();
    empty.run(&["backup", "key", "new", "--output", &wrong]).await.succeeded();
    let run = empty.run(&[&drill[..], &["--key-file", &wrong]].concat()).await;
    assert_eq!((run.code, &run.json()["outcome"]), (1, &json!("failed")), "{run:?}");
    assert!(check(&run.json(), "plan").1.contains("does not open this backup"), "{run:?}");
}

#[tokio::test]
async fn a_drill_that_fails_says_so_and_leaves_nothing() {
    let (app, repository, kit) = library().await;
    app.run(&["backup", "run"]).await.succeeded();
    let drill = ["drill", "--key-file", &kit, "--json"];
    // A killed one leaves what the next one removes.
    for round in 0..3_u64 {
        app.run_and_kill(&drill, Duration::from_millis(600 + 1500 * round)).await;
    }
    let run = app.run(&drill).await;
    assert_eq!((run.code, &run.json()["outcome"]), (0, &json!("passed")), "{run:?}");
    assert!(!app.data().join("drill").exists());
    // Nothing was written since the backup: the answers are exactly the same.
    let detail = check(&run.json(), "questions").1;
    assert!(detail.contains("find the same") && detail.contains("1 chosen"), "{detail}");

    // The next start of the server removes what a killed one left, too.
    app.run_and_kill(&drill, Duration::from_millis(700)).await;
    let server = app.serve().await;
    testkit::eventually("a removed folder", async || (!app.data().join("drill").exists()).then_some(()))
        .await;

    // Of two at once, one runs.
    let (one, other) = tokio::join!(app.run(&drill), app.run(&drill));
    let (run, refused) = if one.code == 0 { (one, other) } else { (other, one) };
    assert_eq!((run.code, &run.json()["outcome"]), (0, &json!("passed")), "{run:?}");
    assert!(refused.failed().contains("another drill runs"));

    let run = app.run(&[&drill[..], &["--backup-drill-rto-minutes", "0"]].concat()).await;
    assert_eq!((run.code, &run.json()["outcome"]), (1, &json!("degraded")), "{run:?}");
    assert_eq!(check(&run.json(), "rto").0, "degraded");
    let backups = Path::new(&repository).join("backups");
    let backup = std::fs::read_dir(backups).expect("backups").next().expect("one").expect("a folder");
    let piece = backup.path().join("database-00000");
    let mut bytes = std::fs::read(&piece).expect("a piece");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&piece, bytes).expect("a piece");
    let run = app.run(&drill).await;
    assert_eq!((run.code, &run.json()["outcome"]), (1, &json!("failed")), "{run:?}");
    assert!(check(&run.json(), "restore").1.contains("SHA-256 differs"), "{run:?}");
    assert!(!app.data().join("drill").exists());
    std::fs::write(backup.path().join("manifest.json"), "{}").expect("a manifest");
    let run = app.run(&drill).await;
    assert_eq!((run.code, &run.json()["outcome"]), (1, &json!("failed")), "{run:?}");

    let admin = server.set_up().await;
    let kept = kept(&server, &admin.access_token).await;
    let outcomes: Vec<&str> = kept.iter().filter_map(|drill| drill["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["failed", "failed", "degraded", "passed", "passed"]);
    assert_eq!((&kept[0]["backup"], &kept[1]["rto_seconds"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_drill_that_is_stopped_removes_what_it_restored() {
    let (app, _repository, kit) = library().await;
    app.run(&["backup", "run"]).await.succeeded();
    for round in 0..3_u64 {
        let delay = Duration::from_millis(800 + 1200 * round);
        assert_eq!(app.run_and_stop(&["drill", "--key-file", &kit], delay).await, Some(1));
        assert!(!app.data().join("drill").exists(), "round {round}");
    }
}

#[tokio::test]
async fn questions_that_are_answered_otherwise_degrade_a_drill() {
    let (app, _repository, kit) = library().await;
    let server = app.serve().await;
    app.run(&["backup", "run"]).await.succeeded();
    // The document has another text since: the passage of before is kept, and the question does not find it any more.
    server.add("gate", "1.4", "timeouts.md", "# Timeouts\n\nThe gateway waits for nobody.").await;
    archived(&app, &server, "filler").await;
    let run = app.run(&["drill", "--key-file", &kit, "--json"]).await;
    assert_eq!((run.code, &run.json()["outcome"]), (1, &json!("degraded")), "{run:?}");
    let (outcome, detail) = check(&run.json(), "questions");
    assert_eq!(outcome, "degraded", "{detail}");
    assert!(detail.contains("chosen question 1 does not find passage"), "{detail}");
    assert!(detail.contains("write another backup") && !detail.contains("plainword"), "{detail}");
}

#[tokio::test]
async fn administrators_start_drills_and_see_their_results() {
    let (app, _repository, kit) = library().await;
    let app = app.set("WENYUAN_BACKUP_KEY_FILE", kit);
    let server = app.serve().await;
    let admin = server.set_up().await;
    let token = Some(admin.access_token.as_str());
    let listed = server.ask(token, Method::GET, "/api/v1/drills", None).await.value();
    assert_eq!(listed, json!({ "targets": { "rpo_seconds": 900.0, "rto_seconds": 1800.0 }, "items": [] }));
    app.run(&["backup", "run"]).await.succeeded();
    assert_eq!(server.ask(token, Method::POST, "/api/v1/drills", None).await.status, 202);
    let drill = testkit::within(Duration::from_mins(3), "a drill", async || {
        kept(&server, &admin.access_token).await.pop()
    })
    .await;
    assert_eq!(drill["outcome"], "passed", "{drill:#}");
    testkit::within(Duration::from_mins(2), "metrics", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        let all = [
            "wenyuan_drills_total{outcome=\"passed\"} 1",
            "wenyuan_drill_timestamp_seconds 1",
            "wenyuan_drill_rpo_seconds ",
            "wenyuan_drill_rto_seconds ",
            "wenyuan_drill_passed 1",
        ];
        all.iter().all(|name| metrics.contains(name)).then_some(())
    })
    .await;
    let schedules = server.ask(token, Method::GET, "/api/v1/schedules", None).await.value();
    assert!(schedules.to_string().contains("backup.drill"), "{schedules}");
    // One from the command line is kept, too.
    let run = app.run(&["drill"]).await.succeeded();
    assert!(run.contains("rto") && run.contains("of at most 1800 s"), "{run}");
    let kept = kept(&server, &admin.access_token).await;
    assert_eq!(kept.len(), 2);
    let mut browser = PageClient::signed_in(&server, &admin);
    let page = browser.get("/admin/backups").await.html();
    assert_eq!(page.texts("span.badge.good").len(), 2, "{}", page.source());
    assert!(
        page.source().contains("RPO") && page.source().contains("of at most 1800 s"),
        "{}",
        page.source()
    );
}
