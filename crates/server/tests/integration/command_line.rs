//! The command line as people meet it: help, mistyped commands, completion scripts and man pages, errors for programs, addresses of
//! documents.

use serde_json::Value;
use testkit::TestApp;

use crate::PROGRAM;

#[tokio::test]
async fn help_is_shown_without_a_command_and_a_mistyped_one_is_corrected() {
    let app = TestApp::new(PROGRAM).await;
    let bare = app.run(&[]).await.succeeded();
    assert!(bare.contains("Usage: wenyuan") && bare.contains("search "), "{bare}");
    let run = app.run(&["serach", "pool"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.errors.contains("serach") && run.errors.contains("'search'"), "{run:?}");
    // The help of a command has its own options; the settings have a topic of their own.
    for arguments in [&["search", "--help"][..], &["search", "-h"], &["help", "search"]] {
        let help = app.run(arguments).await.succeeded();
        assert!(help.contains("--limit") && help.contains("wenyuan help settings"), "{arguments:?}: {help}");
        assert!(!help.contains("--data-dir") && !help.contains("WENYUAN_"), "{arguments:?}: {help}");
    }
    let settings = app.run(&["help", "settings"]).await.succeeded();
    for part in ["--data-dir", "WENYUAN_DATA_DIR", "--config", "[server]", "[default: 120]"] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
}

#[tokio::test]
async fn completion_scripts_and_man_pages_are_generated() {
    let app = TestApp::new(PROGRAM).await;
    for (shell, part) in [
        ("bash", "complete -F _wenyuan"),
        ("zsh", "#compdef wenyuan"),
        ("fish", "complete -c wenyuan"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = app.run(&["completions", shell]).await.succeeded();
        assert!(script.contains(part) && script.contains("worklist"), "{shell}: {script}");
    }
    assert_eq!(app.run(&["completions", "csh"]).await.code, 2);
    // A script that bash accepts.
    let script = app.run(&["completions", "bash"]).await.succeeded();
    let path = app.file("wenyuan.bash", script);
    let checked = std::process::Command::new("bash").args(["-n", &path]).status().expect("bash");
    assert!(checked.success());
    let page = app.run(&["man"]).await.succeeded();
    assert!(page.contains(".TH wenyuan 1") && page.contains("wenyuan\\-search(1)"), "{page}");
    let folder = app.files().join("man");
    app.run(&["man", &folder.display().to_string()]).await.succeeded();
    let add = std::fs::read_to_string(folder.join("wenyuan-add.1")).expect("the page of a command");
    assert!(add.contains("\\-\\-library") && !add.contains("data\\-dir"), "{add}");
    assert!(folder.join("wenyuan-libraries-activate.1").exists());
    assert!(!folder.join("wenyuan-read-documents.1").exists(), "the page of a hidden command");
}

#[tokio::test]
async fn errors_are_json_for_programs_and_name_what_is_near() {
    let app = TestApp::new(PROGRAM).await;
    let path = app.file("docs/pool.md", "# Pool\n\nThe poolword waits.\n");
    app.add(&path, "gateway", "1").await;
    let error = async |arguments: &[&str]| {
        let run = app.run(arguments).await;
        let error: Value = serde_json::from_str(run.errors.trim()).unwrap_or_else(|_| panic!("{run:?}"));
        assert!(run.output.is_empty(), "{run:?}");
        (run.code, error)
    };
    let (code, absent) = error(&["search", "poolword", "--library", "gatway", "--json"]).await;
    assert_eq!((code, &absent["type"]), (1, &Value::from("no-library")), "{absent}");
    assert!(absent["error"].as_str().unwrap().contains("the nearest is gateway"), "{absent}");
    let (code, usage) = error(&["search", "--json"]).await;
    assert_eq!(code, 2);
    assert!(usage["error"].as_str().unwrap().contains("QUERY"), "{usage}");
    for arguments in [
        &["documents", "list", "--library", "gatway"][..],
        &["ask", "poolword", "--library", "gatway"],
        &["documents", "read", "gatway/pool.md"],
        &["notes", "--library", "gatway"],
        &["worklist", "--library", "gatway"],
    ] {
        let refused = app.run(arguments).await.failed();
        assert!(refused.contains("the nearest is gateway"), "{arguments:?}: {refused}");
    }
    // As `grep`: 0 found, 1 nothing found.
    assert_eq!(app.run(&["search", "poolword"]).await.code, 0);
    let nothing = app.run(&["search", "zebrafish", "--mode", "text", "--json"]).await;
    assert_eq!((nothing.code, nothing.json()["hits"].as_array().map(Vec::len)), (1, Some(0)));
}

#[tokio::test]
async fn a_result_is_read_on_by_its_address() {
    let app = TestApp::new(PROGRAM).await;
    for (folder, version, word) in [("a", "1", "oldword"), ("b", "2", "newword")] {
        let path =
            app.file(&format!("{folder}/guides/pool @ home.md"), format!("# Pool\n\nThe {word} waits.\n"));
        let root = path.replace("/guides/pool @ home.md", "");
        app.add(&root, "vendor/gateway", version).await;
    }
    let found = app.run(&["search", "newword", "--library", "vendor/gateway", "--version", "2"]).await;
    assert!(found.output.contains("'vendor/gateway/guides/pool @ home.md@2'"), "{found:?}");
    assert!(found.errors.contains("read on: wenyuan documents read"), "{found:?}");
    let address = "vendor/gateway/guides/pool @ home.md";
    let read = async |arguments: &[&str]| app.run(&[&["documents", "read"], arguments].concat()).await;
    let at = |version: &str| format!("{address}@{version}");
    assert!(read(&[&at("2")]).await.succeeded().contains("newword"));
    assert!(read(&[&at("latest")]).await.succeeded().contains("newword"));
    assert!(read(&[address]).await.succeeded().contains("oldword"), "the active version");
    assert!(read(&[address, "2"]).await.succeeded().contains("newword"));
    let shown = app.run(&["documents", "show", address, "--json"]).await.json();
    let id = shown["document"]["id"].as_str().expect("an id");
    assert!(read(&[id, "2"]).await.succeeded().contains("newword"));
    assert!(read(&[id]).await.failed().contains("name a version"));
    assert!(read(&[&at("9")]).await.failed().contains("has no version 9"));
    assert!(read(&["vendor/gateway/nothing.md"]).await.failed().contains("has no document nothing.md"));
    assert!(read(&["vendor/gateway"]).await.failed().contains("vendor/gateway/PATH"));
}

#[tokio::test]
async fn jobs_are_summarised_and_name_their_documents() {
    let app = TestApp::new(PROGRAM).await;
    let path = app.file("docs/pool.md", "# Pool\n\nThe poolword waits.\n");
    app.add(&path, "gate", "1").await;
    app.database()
        .run(
            "insert into store.jobs (id, kind, payload, attempts, dead_at, last_error)
             select gen_random_uuid(), 'library.ingest', jsonb_build_object('document_version_id', id), 5, now(), 'no memory'
             from library.document_versions",
        )
        .await;
    let jobs = app.run(&["jobs"]).await.succeeded();
    let (first, rest) = jobs.split_once('\n').expect("lines");
    assert_eq!(first, "1 dead  library.ingest 1", "{jobs}");
    assert!(
        rest.contains("gate/pool.md@1") && rest.contains("5 tries") && rest.contains("no memory"),
        "{jobs}"
    );
    let retried = app.run(&["jobs", "discard"]).await;
    assert!(retried.errors.contains("deleted 1 dead job\n"), "{retried:?}");
}
