//! Backup and restore on the built-in PostgreSQL: what was there at the time is there again, whatever is killed on the way.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use testkit::{TestApp, each};

use crate::PROGRAM;

/// An installation with documents of two versions, and a repository beside its data.
async fn library() -> (TestApp, String) {
    let app = TestApp::with_own_postgres(PROGRAM);
    app.file("gate/timeouts.md", "# Timeouts\n\nThe gateway waits 30 seconds for the plainword service.");
    app.file("gate/limits.md", "# Limits\n\nEach client has 600 requests a minute.");
    let (code, summary) = app.add(&app.files().join("gate").display().to_string(), "gate", "1.4").await;
    assert_eq!(code, 0, "{summary}");
    let repository = app.files().join("backups").display().to_string();
    (app, repository)
}

/// Creates a key and returns the file of its recovery kit.
async fn key(app: &TestApp) -> String {
    let kit = app.files().join("kit.txt").display().to_string();
    app.run(&["backup", "key", "new", "--output", &kit]).await.succeeded();
    kit
}

async fn backups(app: &TestApp, repository: &str) -> Vec<Value> {
    let listed = app.run(&["backup", "list", "--from", repository, "--json"]).await;
    assert_eq!(listed.code, 0, "{listed:?}");
    listed.json().as_array().expect("a list").clone()
}

async fn finds(app: &TestApp, words: &str) -> Vec<String> {
    each(&app.run(&["search", words, "--library", "gate", "--mode", "text", "--json"]).await.json(), "path")
}

/// Whether any file under a folder has these bytes.
fn contains(folder: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            // The database is large, and nothing there comes from the command line.
            return entry.file_name() != "postgres" && contains(&path, wanted);
        }
        std::fs::read(&path).expect("a file").windows(wanted.len()).any(|bytes| bytes == wanted)
    })
}

#[tokio::test]
async fn an_encrypted_backup_of_a_running_server_is_restored_with_its_key() {
    let (app, repository) = library().await;
    let server = app.serve().await;
    // Without a key nothing is written that anybody could read.
    let refused = app.run(&["backup", "run", "--to", &repository]).await.failed();
    assert!(refused.contains("wenyuan backup key new"), "{refused}");
    let kit = key(&app).await;
    let run = app.run(&["backup", "run", "--to", &repository, "--json"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.errors.contains("nobody has confirmed"), "{run:?}");
    let id = run.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(run.json()["encrypted"], true);
    // Two of the library, and those of the guide.
    assert!(run.json()["objects"].as_u64() >= Some(2), "{run:?}");
    app.run(&["backup", "key", "confirm", &kit]).await.succeeded();
    // What comes after the backup is not in it.
    server.add("gate", "1.4", "later.md", "# Later\n\nThe laterword.").await;
    drop(server);

    let text = std::fs::read_to_string(&kit).expect("the recovery kit");
    let secret =
        text.lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("a key");
    for forbidden in [secret, "AGE-SECRET-KEY", "plainword"] {
        assert!(!contains(Path::new(&repository), forbidden.as_bytes()), "{forbidden} is in the repository");
    }
    assert!(!contains(&app.data(), secret.as_bytes()), "the secret key is in the data folder");

    let copy = TestApp::with_own_postgres(PROGRAM);
    let restore = ["restore", "--from", &repository, "--backup", &id];
    let with_key = [&restore[..], &["--key-file", &kit]].concat();
    assert!(copy.run(&restore).await.failed().contains("encrypted"));
    let other = key(&copy).await;
    std::fs::remove_dir_all(copy.data()).expect("the folder of the public key");
    let refused = copy.run(&[&restore[..], &["--key-file", &other]].concat()).await.failed();
    assert!(refused.contains("does not open this backup"), "{refused}");
    let planned = copy.run(&[&with_key[..], &["--dry-run", "--json"]].concat()).await;
    assert_eq!(planned.json()["backup"], id.as_str(), "{planned:?}");
    assert!(!copy.data().exists());
    let plan = copy.run(&with_key).await.succeeded();
    assert!(plan.contains(&id) && plan.contains("what was written later is lost"), "{plan}");
    assert_eq!(finds(&copy, "plainword").await, ["timeouts.md"]);
    assert_eq!(finds(&copy, "laterword").await, Vec::<String>::new());
    // The master key came with it, and the API key of the tests opens the copy.
    assert_eq!(
        std::fs::read(copy.data().join("secret.key")).expect("the master key"),
        std::fs::read(app.data().join("secret.key")).expect("the master key")
    );
    assert!(copy.run(&with_key).await.failed().contains("is not empty"));
    assert_eq!(finds(&copy, "plainword").await, ["timeouts.md"]);
}

#[tokio::test]
async fn backups_share_objects_and_count_when_they_are_verified() {
    let (app, repository) = library().await;
    let server = app.serve().await;
    let run = ["backup", "run", "--to", &repository, "--unencrypted", "--json"];
    let first = app.run(&run).await.json();
    let objects = Path::new(&repository).join("objects");
    let count =
        |backup: &Value| usize::try_from(backup["objects"].as_u64().expect("a number")).expect("a count");
    assert_eq!(testkit::files_under(&objects), count(&first));
    server.add("gate", "1.4", "third.md", "# Third\n\nThe thirdword.").await;
    let second = app.run(&run).await.json();
    assert_eq!(testkit::files_under(&objects), count(&second));
    assert_eq!(count(&second), count(&first) + 1);
    let listed = backups(&app, &repository).await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|backup| backup["state"] == "unverified"), "{listed:?}");

    let verified = app.run(&["backup", "verify", "--from", &repository, "--json"]).await;
    let report = verified.json();
    assert_eq!((verified.code, &report["state"]), (0, &"verified".into()), "{report}");
    let checks = each(&serde_json::json!({ "hits": report["checks"] }), "name");
    let expected = [
        "files",
        "recovery",
        "rows",
        "foreign_keys",
        "structure",
        "objects",
        "log",
        "references",
        "questions",
    ];
    assert_eq!(checks, expected);
    assert!(report.to_string().contains("find the same"), "{report}");
    let states: Vec<Value> =
        backups(&app, &repository).await.iter().map(|backup| backup["state"].clone()).collect();
    assert_eq!(states, ["unverified", "verified"]);
    // The copy is gone, and the server runs on its own database.
    assert!(!app.data().join("verification").exists());
    assert_eq!(finds(&app, "thirdword").await, ["third.md"]);
    let shown = app.run(&["backup", "show", "--from", &repository]).await.succeeded();
    assert!(shown.contains("foreign keys hold"), "{shown}");

    // An unencrypted backup has no master key, and says so.
    let copy = TestApp::with_own_postgres(PROGRAM);
    let restored =
        copy.run(&["restore", "--from", &repository, "--backup", first["id"].as_str().unwrap()]).await;
    assert!(restored.errors.contains("put your copy of secret.key"), "{restored:?}");
    assert_eq!(finds(&copy, "thirdword").await, Vec::<String>::new());
    assert_eq!(finds(&copy, "plainword").await, ["timeouts.md"]);
}

#[tokio::test]
async fn killed_backups_and_restorations_leave_nothing_that_counts() {
    let (app, repository) = library().await;
    let _server = app.serve().await;
    let run = ["backup", "run", "--to", &repository, "--unencrypted"];
    let mut killed = 0;
    for round in 0..10_u64 {
        killed += u32::from(app.run_and_kill(&run, Duration::from_millis(150 + 170 * round)).await);
        // On a busy machine it can be killed before it has made the repository.
        if !Path::new(&repository).join("repository.json").exists() {
            continue;
        }
        for backup in backups(&app, &repository).await {
            assert_eq!(backup["state"], "unverified", "{backup}");
        }
    }
    // The lock of a killed program is free, and so is what it kept in the database.
    app.run(&run).await.succeeded();
    let verified = app.run(&["backup", "verify", "--from", &repository, "--json"]).await;
    assert_eq!(verified.json()["state"], "verified", "{verified:?}");

    let copy = TestApp::with_own_postgres(PROGRAM);
    let restore = ["restore", "--from", &repository];
    for round in 0..10_u64 {
        let was_running = copy.run_and_kill(&restore, Duration::from_millis(100 + 230 * round)).await;
        killed += u32::from(was_running);
        if !was_running {
            break;
        }
        // Nothing starts on a library that is restored in part.
        if copy.data().join("restoring").exists() {
            let refused = copy.run(&["libraries"]).await.failed();
            assert!(refused.contains("is being restored"), "{refused}");
        }
    }
    assert!(killed > 5, "only {killed} were killed before they had finished");
    if copy.data().join("restoring").exists() || !copy.data().join("postgres").exists() {
        copy.run(&restore).await.succeeded();
    }
    assert_eq!(finds(&copy, "plainword").await, ["timeouts.md"]);
}

#[tokio::test]
async fn commands_say_what_is_missing() {
    let app = TestApp::with_own_postgres(PROGRAM);
    let error = app.run(&["backup", "list"]).await.failed();
    assert!(error.contains("WENYUAN_BACKUP_REPOSITORY"), "{error}");
    let folder = app.files().display().to_string();
    app.file("something.txt", "x");
    let error = app.run(&["backup", "list", "--from", &folder]).await.failed();
    assert!(error.contains("is no repository of backups"), "{error}");
    let error = app.run(&["backup", "run", "--to", &folder, "--unencrypted"]).await.failed();
    assert!(error.contains("is no repository of backups"), "{error}");
    let external = TestApp::new(PROGRAM).await;
    let repository = external.files().join("backups").display().to_string();
    let error = external.run(&["backup", "run", "--to", &repository, "--unencrypted"]).await.failed();
    assert!(error.contains("pg_dump"), "{error}");
}

#[tokio::test]
async fn pruning_leaves_what_kept_backups_need() {
    let (app, repository) = library().await;
    let app = app.set("WENYUAN_BACKUP_KEEP_ALL_DAYS", "0").set("WENYUAN_BACKUP_KEEP_DAILY_DAYS", "0");
    let server = app.serve().await;
    let run = ["backup", "run", "--to", &repository, "--unencrypted", "--json"];
    let first = app.run(&run).await.json();
    server.add("gate", "1.4", "third.md", "# Third\n\nThe thirdword.").await;
    let second = app.run(&run).await.json();
    drop(server);
    app.run(&run).await.succeeded();
    let files = testkit::files_under(Path::new(&repository));
    let planned = app.run(&["backup", "prune", "--from", &repository, "--dry-run", "--json"]).await.json();
    assert_eq!(planned["removed"], serde_json::json!([first["id"], second["id"]]), "{planned}");
    assert_eq!(
        testkit::files_under(Path::new(&repository)),
        files + 2,
        "only the locks of the readers and of the archiver are new"
    );
    let prune = ["backup", "prune", "--from", &repository];
    for round in 0..5_u64 {
        app.run_and_kill(&prune, Duration::from_millis(20 + 15 * round)).await;
        for backup in backups(&app, &repository).await {
            let planned = app
                .run(&[
                    "restore",
                    "--from",
                    &repository,
                    "--data-dir",
                    "/nowhere/to/restore",
                    "--dry-run",
                    "--backup",
                    backup["id"].as_str().expect("an id"),
                ])
                .await;
            planned.succeeded();
        }
    }
    app.run(&prune).await.succeeded();
    assert_eq!(backups(&app, &repository).await.len(), 1);
    let verified = app.run(&["backup", "verify", "--from", &repository, "--json"]).await;
    assert_eq!(verified.json()["state"], "verified", "{verified:?}");
    assert!(testkit::files_under(Path::new(&repository)) < files);
}

#[tokio::test]
async fn administrators_start_and_verify_backups_over_http() {
    let (app, repository) = library().await;
    let app = app.set("WENYUAN_BACKUP_REPOSITORY", &repository).set("WENYUAN_BACKUP_UNENCRYPTED", "true");
    let server = app.serve().await;
    let admin = server.set_up().await;
    let token = Some(admin.access_token.as_str());
    let list = async || server.ask(token, Method::GET, "/api/v1/backups", None).await.value();
    assert_eq!(list().await, serde_json::json!({ "repository": true, "items": [] }));
    assert_eq!(server.ask(token, Method::POST, "/api/v1/backups", None).await.status, 202);
    let backup = testkit::eventually("a backup", async || list().await["items"].get(0).cloned()).await;
    assert_eq!(backup["state"], "unverified", "{backup}");
    let path = format!("/api/v1/backups/{}", backup["id"].as_str().expect("an id"));
    let shown = server.ask(token, Method::GET, &path, None).await.value();
    assert!(shown["manifest"]["tables"]["library.documents"].as_i64() >= Some(2), "{shown}");
    assert_eq!(server.ask(token, Method::POST, &format!("{path}/verify"), None).await.status, 202);
    testkit::within(Duration::from_mins(2), "a verified backup", async || {
        (list().await["items"][0]["state"] == "verified").then_some(())
    })
    .await;
    testkit::eventually("metrics", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        let all = [
            "wenyuan_backups_total{outcome=\"succeeded\"} 1",
            "wenyuan_backup_verified_timestamp_seconds 1",
            "wenyuan_backup_repository_bytes",
            "wenyuan_backups_failed 0",
        ];
        all.iter().all(|name| metrics.contains(name)).then_some(())
    })
    .await;
    assert_eq!(server.ask(token, Method::GET, "/api/v1/backups/absent", None).await.status, 404);
}
