//! Crash safety: killed, short of connections, or without its index, the server loses nothing, repeats nothing, and returns
//! no wrong result.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use testkit::{Server, TestApp, documents, each, eventually};

use crate::PROGRAM;

/// Locks the row that every write updates last: writers block, readers do not.
async fn lock_changes(app: &TestApp) -> Transaction<'static, Postgres> {
    let mut lock = app.database().pool().begin().await.expect("a transaction");
    let row = "select value from store.change_sequences where name = 'library.passages' for update";
    sqlx::query(row).execute(&mut *lock).await.expect("the row of changes");
    lock
}

/// Waits until some statement is blocked by a lock.
async fn wait_for_blocked_statement(app: &TestApp) {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    eventually("a blocked statement", async || (app.database().count(waiting).await > 0).then_some(())).await;
}

#[tokio::test]
async fn documents_are_processed_once_after_a_kill() {
    const DOCUMENTS: usize = 40;
    const SECTIONS: usize = 5;
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("crash", "1", "first.md", "# First\n\nwords").await;
    // Workers block on this row, so the server is certainly killed in the middle of their work.
    let lock = lock_changes(&app).await;
    let files: Vec<(String, Vec<u8>)> = (0..DOCUMENTS)
        .map(|number| {
            let text = documents::manual(&format!("Page {number}"), &format!("crash{number}word"), SECTIONS);
            (format!("{number}.md"), text.into_bytes())
        })
        .collect();
    let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let reply = server.upload(&[("library", "crash"), ("version", "1")], files).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let database = app.database();
    wait_for_blocked_statement(&app).await;
    server.kill();
    lock.rollback().await.unwrap();
    let left = database.count("select count(*) from store.jobs where kind = 'library.ingest'").await;
    assert!(left > 0, "no job was in progress");

    // Expires the leases of the killed server.
    database
        .run(
            "update store.jobs set leased_until = now() - interval '1 second' where leased_until is not null",
        )
        .await;
    let server = app.serve().await;
    let all = json!(DOCUMENTS + 1);
    eventually("processing the rest", async || {
        let version = server.json("/api/v1/libraries/crash/versions/1").await;
        (version["documents"] == all && version["processing"] == 0).then_some(())
    })
    .await;
    server.caught_up().await;
    for number in [0, 7, DOCUMENTS - 1] {
        let query = format!("\"crash{number}word3\"");
        let answer = server.search(&[("q", &query), ("library", "crash"), ("mode", "text")]).await;
        let number_of_hits =
            each(&answer, "content").iter().filter(|text| text.contains(&query.replace('"', ""))).count();
        assert_eq!(number_of_hits, 1, "{answer}");
    }
    let once = "select count(*) from (select document_id from library.document_versions d join library.documents o on o.id = d.document_id join library.libraries l on l.id = o.library_id where l.name = 'crash' and d.active and d.status = 'completed' and d.revision = 1 group by document_id having count(*) = 1) once";
    assert_eq!(database.count(once).await, i64::try_from(DOCUMENTS + 1).unwrap());
    let twice = "select count(*) from (select s.document_version_id, s.content from library.search_indices s group by 1, 2 having count(*) > 1) twice";
    assert_eq!(database.count(twice).await, 0);
    assert_eq!(database.count("select count(*) from store.jobs where kind = 'library.ingest'").await, 0);
}

#[tokio::test]
async fn the_embedded_postgres_is_created_shared_and_recovered() {
    let app = TestApp::with_own_postgres(PROGRAM);
    let file = app.file("a.md", "# A\n\nThe ownword.");
    // The command line creates it, and stops it when it exits.
    let (code, summary) = app.add(&file, "own", "1").await;
    assert_eq!(code, 0, "{summary}");
    assert_eq!(app.postmaster(), None);
    let server = app.serve().await;
    let found = async |server: &Server| each(&server.search(&[("q", "ownword")]).await, "library") == ["own"];
    assert!(found(&server).await);

    // A second program on the same data folder shares it, and leaves it running.
    let running = app.postmaster().expect("a postmaster");
    let beside = app.run(&["search", "ownword", "--json"]).await.json();
    assert_eq!(each(&beside, "library"), ["own"]);
    assert_eq!(app.postmaster(), Some(running));

    // The postmaster is killed during requests: each is answered or gets a 503, and soon all are answered.
    testkit::kill_process(running).await;
    eventually("a successful response", async || {
        let reply = server.get("/api/v1/search", &[("q", "ownword")]).await;
        if reply.status == 200 {
            assert_eq!(each(&reply.ok(), "library"), ["own"]);
            return Some(());
        }
        let problem = reply.problem(503);
        assert!(reply.header("retry-after").is_some(), "{problem}");
        None
    })
    .await;
    let again = eventually("another postmaster", async || app.postmaster()).await;
    assert_ne!(again, running);
    server.add("own", "1", "b.md", "# B\n\nAdded after the crash: afterword.").await;
    assert_eq!(each(&server.search(&[("q", "afterword")]).await, "path"), ["b.md"]);

    // Everything is killed. The stale pid file does not matter.
    server.kill();
    testkit::kill_process(again).await;
    let pid_file = app.data().join("postgres/data/postmaster.pid");
    assert!(pid_file.exists());
    let server = app.serve().await;
    assert!(found(&server).await);
    // Only the server is killed. The next one uses its postmaster.
    let orphan = app.postmaster().expect("a postmaster");
    server.kill();
    assert_eq!(app.postmaster(), Some(orphan));
    let server = app.serve().await;
    assert!(found(&server).await);
    assert_eq!(app.postmaster(), Some(orphan));
    // A server that stops also stops the postmaster.
    assert_eq!(server.stop().await.code(), Some(0));
    assert_eq!(app.postmaster(), None);
    // A pid file with the number of another process, and such as a power cut leaves.
    let own = std::process::id();
    let data = app.data().join("postgres/data");
    for text in
        [format!("{own}\n{}\n1700000000\n5432\n\n\n\n", data.display()), String::new(), "\0\0\0\0".to_owned()]
    {
        std::fs::write(&pid_file, &text).unwrap();
        let answer = app.run(&["search", "ownword", "--json"]).await;
        assert_eq!(
            (answer.code, each(&answer.json(), "library")),
            (0, vec!["own".to_owned()]),
            "{text:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_removed_socket_of_the_embedded_postgres_is_restored() {
    let app = TestApp::with_own_postgres(PROGRAM);
    let server = app.serve().await;
    server.add("cut", "1", "a.md", "# A\n\nThe cutword.").await;
    std::fs::remove_file(app.data().join("postgres/socket/.s.PGSQL.5432")).unwrap();
    // Without the watch of a server, too: a command heals it.
    let answer = app.run(&["search", "cutword", "--json"]).await;
    assert_eq!((answer.code, each(&answer.json(), "library")), (0, vec!["cut".to_owned()]), "{answer:?}");
    std::fs::remove_file(app.data().join("postgres/socket/.s.PGSQL.5432")).unwrap();
    let socket = app.data().join("postgres/socket/.s.PGSQL.5432");
    eventually("a socket", async || socket.exists().then_some(())).await;
    eventually("a search hit", async || {
        let reply = server.get("/api/v1/search", &[("q", "cutword")]).await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.stop().await.code(), Some(0));
    assert_eq!(app.postmaster(), None);
}

/// Only root can be made to write elsewhere; an ordinary user's links are their own.
#[tokio::test]
async fn links_in_the_folder_of_the_embedded_postgres_are_not_followed_by_root() {
    if !is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let app = TestApp::with_own_postgres(PROGRAM);
    let (code, summary) = app.add(&app.file("a.md", "# A\n\nwords"), "own", "1").await;
    assert_eq!(code, 0, "{summary}");
    let target = app.file("target", "must stay");
    let folder = app.data().join("postgres");
    // The user that PostgreSQL runs as can replace nothing beside its data and its socket.
    assert_eq!(owner(&folder), 0);
    assert_ne!(owner(folder.join("data")), 0);
    for name in [
        "data/wenyuan.conf",
        "data/postgresql.conf",
        "data/postmaster.pid",
        "pg_ctl.out",
        "postgres.log",
        "users.lock",
    ] {
        let path = folder.join(name);
        let kept = path.with_extension("kept");
        let existed = path.exists();
        if existed {
            std::fs::rename(&path, &kept).unwrap();
        }
        for hard in [false, true] {
            if hard {
                std::fs::hard_link(&target, &path).unwrap();
            } else {
                std::os::unix::fs::symlink(&target, &path).unwrap();
            }
            let run = app.run(&["search", "words"]).await;
            assert_ne!(run.code, 0, "{name}: {run:?}");
            assert!(run.errors.contains(name), "{name}: {run:?}");
            std::fs::remove_file(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "must stay", "{name}");
            assert_eq!(owner(&target), 0, "{name}");
        }
        if existed {
            std::fs::rename(&kept, &path).unwrap();
        }
    }
    let run = app.run(&["search", "words", "--json"]).await;
    assert_eq!(run.code, 0, "{run:?}");
}

#[tokio::test]
async fn a_data_folder_is_closed_to_other_users() {
    let app = TestApp::with_own_postgres(PROGRAM);
    std::fs::create_dir_all(app.data()).unwrap();
    std::fs::set_permissions(app.data(), Permissions::from_mode(0o700)).unwrap();
    // Such as an earlier release left them.
    for folder in ["objects", "index"] {
        std::fs::create_dir_all(app.data().join(folder)).unwrap();
        std::fs::set_permissions(app.data().join(folder), Permissions::from_mode(0o755)).unwrap();
    }
    let server = app.serve().await;
    server.add("closed", "1", "a.md", "# A\n\nwords").await;
    assert_eq!(mode(&app.data()) & 0o007, 0);
    for entry in std::fs::read_dir(app.data()).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let mode = mode(&entry.path());
        assert_eq!(mode & 0o066, 0, "{}: {mode:o}", entry.path().display());
    }
    let mut folders = vec![app.data().join("objects"), app.data().join("index")];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder) & 0o077, 0, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path()) & 0o077, 0, "{}", entry.path().display());
            }
        }
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").mode() & 0o777
}

fn owner(path: impl AsRef<Path>) -> u32 {
    std::fs::metadata(path).expect("a file").uid()
}

fn is_root() -> bool {
    owner("/proc/self") == 0
}

/// The folders of the index's generations.
fn generations(app: &TestApp) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(app.data().join("index")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn a_deleted_or_damaged_index_is_rebuilt() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("index", "1", "a.md", "# A\n\nThe indexword.").await;
    assert_eq!(server.stop().await.code(), Some(0));
    let index = app.data().join("index");
    std::fs::remove_dir_all(&index).unwrap();
    let server = app.serve().await;
    let found =
        async || each(&server.search(&[("q", "indexword"), ("library", "index")]).await, "path") == ["a.md"];
    eventually("a search hit", async || found().await.then_some(())).await;

    // While the server runs: no wrong result, and everything is found again.
    std::fs::remove_dir_all(&index).unwrap();
    eventually("a new folder", async || {
        let reply = server.get("/api/v1/search", &[("q", "indexword"), ("library", "index")]).await;
        assert!(reply.status == 200, "{}", reply.text());
        (!generations(&app).is_empty()).then_some(())
    })
    .await;
    server.add("index", "1", "b.md", "# B\n\nThe laterword.").await;
    eventually("a search hit", async || found().await.then_some(())).await;
    assert_eq!(each(&server.search(&[("q", "laterword")]).await, "path"), ["b.md"]);

    // A damaged index is rebuilt too.
    assert_eq!(server.stop().await.code(), Some(0));
    for file in std::fs::read_dir(&generations(&app)[0]).unwrap().flatten() {
        std::fs::write(file.path(), b"damaged").unwrap();
    }
    let server = app.serve().await;
    eventually("a search hit", async || {
        (each(&server.search(&[("q", "laterword")]).await, "path") == ["b.md"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reindex_runs_beside_a_server() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("anew", "1", "a.md", "# A\n\nThe anewword.").await;
    for _ in 0..2 {
        let before = generations(&app);
        let reindex = app.run(&["reindex"]);
        tokio::pin!(reindex);
        // Meanwhile the old index answers.
        let run = loop {
            tokio::select! {
                run = &mut reindex => break run,
                answer = server.search(&[("q", "anewword")]) => {
                    assert_eq!(each(&answer, "path"), ["a.md"], "{answer}");
                }
            }
        };
        run.succeeded();
        eventually("the old one's removal", async || {
            let now = generations(&app);
            (now.len() == 1 && now != before).then_some(())
        })
        .await;
        assert_eq!(each(&server.search(&[("q", "anewword")]).await, "path"), ["a.md"]);
    }
}

#[tokio::test]
async fn a_stale_index_never_returns_outdated_results() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("behind", "1", "changes.md", "# C\n\nThe staleword of old.").await;
    let gone = server.add("behind", "1", "goes.md", "# G\n\nThe staleword that goes.").await;
    server.add("behind", "1", "stays.md", "# S\n\nThe staleword that stays.").await;
    assert_eq!(server.stop().await.code(), Some(0));
    // Another program holds the lock of the index writer.
    let lock = generations(&app)[0].join(".tantivy-writer.lock");
    let lock = File::options().create(true).truncate(false).write(true).open(lock).unwrap();
    lock.try_lock().unwrap();
    let server = app.serve().await;
    let ask = async |query: &str| server.search(&[("q", query), ("library", "behind")]).await;
    assert_eq!(each(&ask("staleword").await, "path").len(), 3);

    let fields = [("library", "behind"), ("version", "1")];
    let text = b"# C\n\nThe freshword of now.".to_vec();
    let reply = server.upload(&fields, vec![("changes.md", text)]).await.value();
    server.processed(reply[0]["document_id"].as_str().unwrap(), "1").await;
    let gone = format!("/api/v1/documents/{}", gone["document_id"].as_str().unwrap());
    assert_eq!(server.delete(&gone).await.status, 204);
    let answer = ask("staleword").await;
    assert_eq!(each(&answer, "path"), ["stays.md"], "{answer}");
    assert!(answer["changes_behind"].as_i64().unwrap() >= 2, "{answer}");
    assert_eq!(each(&ask("freshword").await, "path"), Vec::<String>::new());
    assert!(server.json("/readyz").await["index_changes_behind"].as_i64().unwrap() >= 2);

    lock.unlock().unwrap();
    server.caught_up().await;
    assert_eq!(each(&ask("freshword").await, "path"), ["changes.md"]);
    let answer = ask("staleword").await;
    assert_eq!((each(&answer, "path"), &answer["changes_behind"]), (vec!["stays.md".to_owned()], &json!(0)));
}

#[tokio::test]
async fn an_exhausted_pool_answers_503_with_retry_after() {
    let app =
        TestApp::new(PROGRAM).await.set("WENYUAN_POOL_MAX", "4").set("WENYUAN_POOL_ACQUIRE_SECONDS", "0.3");
    let server = app.serve().await;
    server.add("pool", "1", "a.md", "# A\n\nThe poolword.").await;
    let lock = lock_changes(&app).await;
    // Each of these holds a connection while it waits for the lock.
    let body = json!({ "title": "Pool" });
    let waiting = (0..6).map(|_| server.patch("/api/v1/libraries/pool", &body));
    let waiting = futures::future::join_all(waiting);
    let requests = async {
        let refused = eventually("exhaustion", async || {
            let reply = server.get("/api/v1/libraries", &[]).await;
            (reply.status == 503).then_some(reply)
        })
        .await;
        assert_eq!(refused.problem(503)["type"], "urn:wenyuan:problem:busy");
        assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
        // Requests without the database are still answered.
        assert_eq!(server.get("/healthz", &[]).await.status, 200);
        let metrics = server.get("/metrics", &[]).await.text();
        assert!(metrics.contains("wenyuan_pool_exhausted_total"), "{metrics}");
        lock.rollback().await.unwrap();
    };
    let (changed, ()) = futures::join!(waiting, requests);
    for reply in changed {
        assert!(reply.status == 200 || reply.status == 503, "{}", reply.text());
    }
    eventually("a successful response", async || {
        (server.get("/api/v1/libraries", &[]).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(each(&server.search(&[("q", "poolword")]).await, "path"), ["a.md"]);
}

#[tokio::test]
async fn one_connection_is_enough() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_POOL_MAX", "1");
    let server = app.serve().await;
    server.add("one", "1", "a.md", "# A\n\nThe oneword.").await;
    assert_eq!(each(&server.search(&[("q", "oneword")]).await, "path"), ["a.md"]);
    let file = app.file("b.md", "# B\n\nThe otherword.");
    assert_eq!(app.add(&file, "one", "1").await.0, 0);
}

#[tokio::test]
async fn the_server_recovers_from_cut_database_connections() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("cut", "1", "a.md", "# A\n\nThe cutword.").await;
    // Cuts every connection, including the one that listens.
    for _ in 0..3 {
        app.database().run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name = 'wenyuan'").await;
        eventually("a successful response", async || {
            let reply = server.get("/api/v1/search", &[("q", "cutword")]).await;
            assert!(reply.status == 200 || reply.status == 503, "{}: {}", reply.status, reply.text());
            (reply.status == 200).then_some(())
        })
        .await;
    }
    server.add("cut", "1", "b.md", "# B\n\nThe afterword.").await;
    assert_eq!(each(&server.search(&[("q", "afterword")]).await, "path"), ["b.md"]);
}

#[tokio::test]
async fn an_address_is_used_once_and_sigterm_completes_requests() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let taken = app.run(&["serve", "--listen", &server.address().to_string()]).await.failed();
    assert!(taken.contains("cannot listen on"), "{taken}");
    // A running request is completed before the stop.
    server.add("stop", "1", "a.md", "# A\n\nwords").await;
    let lock = lock_changes(&app).await;
    let change = server
        .request(Method::PATCH, "/api/v1/libraries/stop", &[])
        .header("if-match", "*")
        .json(&json!({ "title": "Stopped" }));
    let changing = tokio::spawn(change.send());
    wait_for_blocked_statement(&app).await;
    server.terminate();
    lock.rollback().await.unwrap();
    assert_eq!(changing.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.stop().await.code(), Some(0));
    let titled = "select count(*) from library.libraries where title = 'Stopped'";
    assert_eq!(app.database().count(titled).await, 1);
    assert_eq!(app.database().count("select count(*) from store.jobs where leased_by is not null").await, 0);
    // An unreachable database and an invalid URL are reported without the password.
    let nowhere = app.set("DATABASE_URL", "postgres://nobody:secretword@127.0.0.1:1/none");
    let error = nowhere.run(&["libraries"]).await.failed();
    assert!(error.contains("cannot connect to PostgreSQL") && !error.contains("secretword"), "{error}");
    let nonsense = nowhere.set("DATABASE_URL", "secretword://");
    let error = nonsense.run(&["libraries"]).await.failed();
    assert!(error.contains("DATABASE_URL is not") && !error.contains("secretword"), "{error}");
}

#[tokio::test]
async fn two_servers_share_a_data_folder() {
    let app = TestApp::new(PROGRAM).await;
    let first = app.serve().await;
    let second = app.serve().await;
    first.add("both", "1", "a.md", "# A\n\nThe bothword.").await;
    second.add("both", "1", "b.md", "# B\n\nThe bothword too.").await;
    // One of them writes the index, and each finds the documents of both.
    for server in [&first, &second] {
        server.caught_up().await;
        assert_eq!(each(&server.search(&[("q", "bothword"), ("library", "both")]).await, "path").len(), 2);
    }
    first.kill();
    // Whichever wrote the index, the other continues.
    second.add("both", "1", "c.md", "# C\n\nThe bothword, a third time.").await;
    assert_eq!(each(&second.search(&[("q", "bothword"), ("library", "both")]).await, "path").len(), 3);
    let third = app.serve().await;
    assert_eq!(each(&third.search(&[("q", "bothword"), ("library", "both")]).await, "path").len(), 3);
    assert_eq!(second.stop().await.code(), Some(0));
    third.add("both", "1", "d.md", "# D\n\nThe bothword, a fourth time.").await;
    assert_eq!(each(&third.search(&[("q", "bothword"), ("library", "both")]).await, "path").len(), 4);
}

#[tokio::test]
async fn concurrent_uploads_become_ordered_revisions() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let fields = [("library", "race"), ("version", "1")];
    // Library, version and document do not exist yet: each is created once, with one revision an upload.
    let uploads = (0..12).map(|number| {
        let text = format!("# R\n\nThe raceword number{number}.");
        server.upload(&fields, vec![("r.md", text.into_bytes())])
    });
    let replies = futures::future::join_all(uploads).await;
    let mut documents: Vec<String> = Vec::new();
    for reply in replies {
        assert_eq!(reply.status, 202, "{}", reply.text());
        documents.push(reply.value()[0]["document_id"].to_string());
    }
    documents.sort();
    documents.dedup();
    assert_eq!(documents.len(), 1);
    let address = format!("/api/v1/documents/{}/versions", documents[0].trim_matches('"'));
    let revisions = eventually("processing all revisions", async || {
        let revisions = server.json(&address).await;
        let all = revisions.as_array()?;
        all.iter().all(|revision| revision["status"] == "completed").then(|| all.clone())
    })
    .await;
    let numbers: Vec<i64> = revisions.iter().filter_map(|revision| revision["revision"].as_i64()).collect();
    assert_eq!(numbers, (1..=12).rev().collect::<Vec<_>>());
    let active: Vec<bool> = revisions.iter().filter_map(|revision| revision["active"].as_bool()).collect();
    assert!(active[0] && !active[1..].contains(&true), "{active:?}");
    server.caught_up().await;
    let answer = server.search(&[("q", "raceword"), ("library", "race")]).await;
    assert_eq!(each(&answer, "revision"), ["12"]);
}
