//! Recovery to a moment: the write-ahead log of a running server goes into the repository, whatever is killed or away meanwhile.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testkit::{Server, TestApp, each};

use crate::PROGRAM;

/// An installation whose log goes into a repository every second, with an encrypted backup, and the file of its key.
async fn library() -> (TestApp, String, String) {
    let app = TestApp::with_own_postgres(PROGRAM);
    let repository = app.files().join("backups").display().to_string();
    let kit = app.files().join("kit.txt").display().to_string();
    app.run(&["backup", "key", "new", "--output", &kit]).await.succeeded();
    let app = app.set("WENYUAN_BACKUP_REPOSITORY", &repository).set("WENYUAN_BACKUP_WAL_SECONDS", "1");
    (app, repository, kit)
}

async fn finds(app: &TestApp, words: &str) -> Vec<String> {
    each(&app.run(&["search", words, "--library", "gate", "--mode", "text", "--json"]).await.json(), "path")
}

/// Time until which the newest backup can be recovered.
async fn recoverable_until(app: &TestApp) -> String {
    let listed = app.run(&["backup", "list", "--json"]).await.json();
    let newest = listed.as_array().and_then(|backups| backups.last()).expect("a backup");
    newest["recoverable_until"].as_str().expect("a time").to_owned()
}

/// Writes something, and waits until it is in the repository. Returns a time behind everything that was written before.
pub(crate) async fn archived(app: &TestApp, server: &Server, name: &str) -> String {
    // A round that has begun before is not the one that stores it.
    for number in 0..2 {
        let before = recoverable_until(app).await;
        server.add("gate", "1.4", &format!("{name}-{number}.md"), "# Filler\n\nA filler.").await;
        testkit::within(Duration::from_mins(1), "an archived log", async || {
            (recoverable_until(app).await > before).then_some(())
        })
        .await;
    }
    recoverable_until(app).await
}

/// Whether a file under a folder has exactly these bytes.
fn has_file(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { has_file(&path, bytes) } else { std::fs::read(&path).expect("a file") == bytes }
    })
}

/// Check of the log in the verification of the newest backup.
async fn verified_log(app: &TestApp, kit: &str) -> Value {
    let report = app.run(&["backup", "verify", "--key-file", kit, "--json"]).await.json();
    let checks = report["checks"].as_array().expect("checks").iter();
    checks.into_iter().find(|check| check["name"] == "log").expect("a check of the log").clone()
}

#[tokio::test]
async fn a_library_is_restored_as_it_was_at_a_moment() {
    let (app, _repository, kit) = library().await;
    let server = app.serve().await;
    app.run(&["backup", "run"]).await.succeeded();
    server.add("gate", "1.4", "before.md", "# Before\n\nThe beforeword.").await;
    let moment = archived(&app, &server, "one").await;
    server.add("gate", "1.4", "after.md", "# After\n\nThe afterword.").await;
    let latest = archived(&app, &server, "two").await;
    let listed = app.run(&["backup", "list"]).await;
    assert!(listed.errors.contains("recovery to any moment: "), "{listed:?}");
    server.kill();

    let copy = TestApp::with_own_postgres(PROGRAM);
    let repository = app.files().join("backups").display().to_string();
    let restore = ["restore", "--from", &repository, "--key-file", &kit];
    let wrong = copy.run(&[&restore[..], &["--to-time", "2020-01-01T00:00:00Z"]].concat()).await.failed();
    assert!(wrong.contains("cannot be recovered to 2020-01-01") && wrong.contains(&latest[..19]), "{wrong}");
    let wrong = copy.run(&[&restore[..], &["--to-time", "2100-01-01T00:00:00Z"]].concat()).await.failed();
    assert!(wrong.contains("cannot be recovered to 2100-01-01"), "{wrong}");
    assert!(!copy.data().exists());
    let to_moment = [&restore[..], &["--to-time", &moment]].concat();
    // A restoration that is killed is begun anew.
    for round in 0..3_u64 {
        copy.run_and_kill(&to_moment, Duration::from_millis(400 + 900 * round)).await;
    }
    if !copy.data().join("postgres").exists() || copy.data().join("restoring").exists() {
        let plan = copy.run(&to_moment).await.succeeded();
        assert!(plan.contains("segments of the log since"), "{plan}");
    }
    assert_eq!(finds(&copy, "beforeword").await, ["before.md"]);
    assert_eq!(finds(&copy, "afterword").await, Vec::<String>::new());
    // The bytes of documents that came after the backup are there, too.
    assert!(has_file(&copy.data().join("objects"), b"# Before\n\nThe beforeword."));

    let last = TestApp::with_own_postgres(PROGRAM);
    last.run(&[&restore[..], &["--to-latest"]].concat()).await.succeeded();
    assert_eq!(finds(&last, "afterword").await, ["after.md"]);
}

#[tokio::test]
async fn kills_and_an_absent_repository_leave_no_gap_in_the_log() {
    let (app, repository, kit) = library().await;
    let mut server = app.serve().await;
    app.run(&["backup", "run"]).await.succeeded();
    archived(&app, &server, "begun").await;
    for round in 0..4_u64 {
        server.add("gate", "1.4", &format!("killed-{round}.md"), "# Killed\n\nThe killedword.").await;
        tokio::time::sleep(Duration::from_millis(250 * round)).await;
        server.kill();
        server = app.serve().await;
    }
    archived(&app, &server, "killed").await;
    let log = verified_log(&app, &kit).await;
    assert_eq!(log["outcome"], "passed", "{log}");

    let away = format!("{repository}-away");
    std::fs::rename(&repository, &away).expect("the repository");
    server.add("gate", "1.4", "away.md", "# Away\n\nThe awayword.").await;
    testkit::eventually("a failure", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        let failures = metrics.lines().find(|line| line.starts_with("wenyuan_backup_wal_failures_total"))?;
        (!failures.ends_with(" 0")).then_some(())
    })
    .await;
    assert!(server.log().contains("failed to archive the write-ahead log"), "{}", server.log());
    // It goes on serving, and makes no repository of its own in the place of the one that is away.
    assert_eq!(finds(&app, "awayword").await, ["away.md"]);
    assert!(!Path::new(&repository).exists());
    std::fs::rename(&away, &repository).expect("the repository");
    archived(&app, &server, "back").await;
    let log = verified_log(&app, &kit).await;
    assert_eq!(log["outcome"], "passed", "{log}");
    let metrics = server.get("/metrics", &[]).await.text();
    for name in ["wenyuan_backup_wal_timestamp_seconds 1", "wenyuan_backup_wal_kept_bytes"] {
        assert!(metrics.contains(name), "{metrics}");
    }
}
