//! The life of documents through the command line and HTTP: added, found, revised, compared, rolled back, deleted.

use std::time::Duration;

use insta::assert_json_snapshot;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use store::objects::{Hash, Objects};
use testkit::{Server, TestApp, documents, each, eventually, within};

use crate::PROGRAM;

/// Numbers of added, revised, unchanged and failed documents in a summary of `wenyuan add`.
fn counts(summary: &Value) -> [u64; 4] {
    let number = |name: &str| summary[name].as_u64().expect("a number");
    let failed = summary["failed"].as_array().expect("a list").len() as u64;
    [number("added"), number("revised"), number("unchanged"), failed]
}

#[tokio::test]
async fn the_command_line_needs_no_server() {
    let app = TestApp::new(PROGRAM).await;
    app.file("guide/start.md", documents::markdown("Start", &[("Install", "Install with flibbertinstall.")]));
    app.file("guide/deep/er/page.html", documents::html("Page", "<p>About quuxification of pages.</p>"));
    app.file("guide/.gitignore", "drafts/\n");
    app.file("guide/drafts/no.md", "# Draft\n\nNobody finds draftword.");
    app.file("guide/.hidden.md", "# Hidden\n\nNobody finds hiddenword.");
    let guide = app.files().join("guide").display().to_string();

    let (code, first) = app.add(&guide, "Guide", "1.0").await;
    assert_eq!((code, counts(&first)), (0, [2, 0, 0, 0]), "{first}");
    assert_eq!((&first["library"], &first["version"]), (&json!("guide"), &json!("1.0")));
    let (code, again) = app.add(&guide, "guide", "1.0").await;
    assert_eq!((code, counts(&again)), (0, [0, 0, 2, 0]), "{again}");

    let answer = app.run(&["search", "flibbertinstall", "--json"]).await;
    let answer: Value = serde_json::from_str(&answer.succeeded()).unwrap();
    assert_eq!(each(&answer, "path"), ["start.md"]);
    let answer = app.run(&["search", "quuxification", "-l", "guide", "--json"]).await.json();
    assert_eq!(each(&answer, "path"), ["deep/er/page.html"]);
    for absent in ["draftword", "hiddenword", "Navigationmenu"] {
        let answer = app.run(&["search", absent, "--json"]).await.json();
        assert_eq!(answer["hits"], json!([]), "{absent}");
    }
    // Output for people: location and text.
    let shown = app.run(&["search", "flibbertinstall"]).await.succeeded();
    assert!(
        shown.contains("guide/start.md@1.0") && shown.contains("Install with flibbertinstall."),
        "{shown}"
    );
    let listed = app.run(&["libraries"]).await.succeeded();
    assert_eq!(listed.trim(), "guide  1.0*");
}

#[tokio::test]
async fn archives_and_standard_input_can_be_added() {
    let app = TestApp::new(PROGRAM).await;
    let files: [(&str, &[u8]); 2] = [("a/one.md", b"# One\n\nzipword one"), ("two.txt", b"zipword two")];
    let zip = app.file("all.zip", documents::zip(&files));
    let tar = app.file("all.tar.gz", documents::tar_gz(&files));
    for _ in 0..2 {
        let (code, summary) = app.add(&zip, "zipped", "1").await;
        assert_eq!((code, counts(&summary)[3]), (0, 0), "{summary}");
        let (code, summary) = app.add(&tar, "tarred", "1").await;
        assert_eq!((code, counts(&summary)[3]), (0, 0), "{summary}");
        let add = ["add", "-", "--library", "piped", "--name", "notes/in.md", "--json"];
        let piped = app.run_with_input(&add, b"# In\n\npipedword").await;
        assert_eq!((piped.code, counts(&piped.json())[3]), (0, 0), "{piped:?}");
    }
    for library in ["zipped", "tarred"] {
        let answer = app.run(&["search", "zipword", "-l", library, "--json"]).await.json();
        let mut paths = each(&answer, "path");
        paths.sort();
        assert_eq!(paths, ["a/one.md", "two.txt"]);
    }
    let answer = app.run(&["search", "pipedword", "--json"]).await.json();
    assert_eq!(each(&answer, "path"), ["notes/in.md"]);
    assert_eq!(each(&answer, "version"), ["current"]);
    assert_eq!(app.database().count("select count(*) from library.document_versions").await, 5);
}

#[tokio::test]
async fn a_server_finds_documents_added_by_the_command_line() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for word in ["firstbeside", "secondbeside"] {
        let file = app.file("beside.md", format!("# Beside\n\nThe word is {word}."));
        let (code, summary) = app.add(&file, "beside", "1").await;
        assert_eq!(code, 0, "{summary}");
        // Normally within two seconds; the machine may be busy with other tests.
        within(Duration::from_secs(5), "a search hit", async || {
            let answer = server.search(&[("q", word)]).await;
            (each(&answer, "path") == ["beside.md"]).then_some(())
        })
        .await;
    }
    assert_eq!(server.search(&[("q", "firstbeside")]).await["hits"], json!([]));
}

#[tokio::test]
async fn revisions_are_added_compared_and_rolled_back() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let fields = [("library", "ops"), ("version", "1.0"), ("tags", "night, Backup")];
    let old = "# Backups\n\nRestore with the oldlever command.\n";
    let new = "# Backups\n\nRestore with the newlever command.\n";

    let reply = server.upload(&fields, vec![("guides/backup.md", old.into())]).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let accepted = reply.value();
    let status = accepted[0]["status_url"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(status.as_str()));
    let id = accepted[0]["document_id"].as_str().unwrap().to_owned();
    assert_json_snapshot!(accepted, { "[].document_id" => "[id]", "[].status_url" => "[url]" }, @r#"
    [
      {
        "document_id": "[id]",
        "outcome": "added",
        "path": "guides/backup.md",
        "status_url": "[url]"
      }
    ]
    "#);
    completed(&server, &status).await;
    server.caught_up().await;
    assert_eq!(found_words(&server).await, ["oldlever"]);

    // Identical bytes change nothing.
    let again = server.upload(&fields, vec![("guides/backup.md", old.into())]).await;
    assert_eq!((again.status, &again.value()[0]["outcome"]), (202, &json!("unchanged")));
    assert_eq!(app.database().count("select count(*) from library.document_versions d join library.documents on documents.id = document_id where path = 'guides/backup.md'").await, 1);

    // Other bytes become a new revision, to which the Location header points.
    let revised = server.upload(&fields, vec![("guides/backup.md", new.into())]).await;
    assert_eq!((revised.status, &revised.value()[0]["outcome"]), (202, &json!("revised")));
    let second = completed(&server, revised.header("location").unwrap()).await;
    assert_eq!((&second["revision"], &second["active"]), (&json!(2), &json!(true)));
    server.caught_up().await;
    assert_eq!(found_words(&server).await, ["newlever"]);

    let diff = server.get(&format!("/api/v1/documents/{id}/diff"), &[("from", "1.0~1"), ("to", "1.0")]).await;
    assert_json_snapshot!(diff.ok(), @r#"
    {
      "added": 1,
      "removed": 1,
      "unified": "--- 1.0~1\n+++ 1.0~2\n@@ -1,3 +1,3 @@\n # Backups\n \n-Restore with the oldlever command.\n+Restore with the newlever command.\n"
    }
    "#);

    // Rolled back, twice, and forward again.
    for (name, word) in [("1.0~1", "oldlever"), ("1.0~1", "oldlever"), ("1.0~2", "newlever")] {
        let now = server.post(&format!("/api/v1/documents/{id}/versions/{name}/activate")).await.ok();
        assert_eq!(now["active"], true);
        server.caught_up().await;
        assert_eq!(found_words(&server).await, [word]);
    }
    // The text and the original bytes of both stay readable.
    let content = |name: &str| format!("/api/v1/documents/{id}/versions/{name}/content");
    assert_eq!(server.get(&content("1.0~1"), &[]).await.text(), old);
    let original = server.get(&content("1.0~1"), &[("format", "original")]).await;
    assert_eq!(original.body, old.as_bytes());
    let tag = original.header("etag").unwrap().to_owned();
    let conditional = server.request(reqwest::Method::GET, &content("1.0~1"), &[("format", "original")]);
    assert_eq!(server.send(conditional.header("if-none-match", tag)).await.status, 304);
    let document = server.json(&format!("/api/v1/documents/{id}")).await;
    assert_eq!(document["tags"], json!(["backup", "night"]));
    assert_eq!((&document["name"], &document["versions"]), (&json!("Backups"), &json!(["1.0"])));
}

/// The words of the two revisions that a search finds.
async fn found_words(server: &Server) -> Vec<&'static str> {
    let mut found = Vec::new();
    for word in ["oldlever", "newlever"] {
        let answer = server.search(&[("q", word), ("library", "ops")]).await;
        if each(&answer, "content").iter().any(|content| content.contains(word)) {
            found.push(word);
        }
    }
    found
}

async fn completed(server: &Server, status: &str) -> Value {
    testkit::eventually("processing a document", async || {
        let revision = server.json(status).await;
        (revision["status"] == "completed").then_some(revision)
    })
    .await
}

#[tokio::test]
async fn one_form_can_upload_many_files() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let big = documents::manual("Big", "bigword", 400);
    assert!(big.len() > 400_000);
    let names: Vec<String> = (0..20).map(|number| format!("{number}.md")).collect();
    let mut files: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (name.as_str(), format!("# {name}\n\nformword {name}").into_bytes()))
        .collect();
    files.push(("big.md", big.into_bytes()));
    let reply = server.upload(&[("library", "form"), ("category", "code")], files).await;
    assert_eq!((reply.status, reply.value().as_array().unwrap().len()), (202, 21));
    testkit::eventually("processing all documents", async || {
        let version = server.json("/api/v1/libraries/form/versions/current").await;
        (version["documents"] == 21).then_some(())
    })
    .await;
    server.caught_up().await;
    let answer = server.search(&[("q", "formword"), ("limit", "50"), ("category", "code")]).await;
    assert_eq!(each(&answer, "path").len(), 20);
    let answer = server.search(&[("q", "bigword399"), ("limit", "1")]).await;
    assert_eq!(answer["hits"][0]["section"], json!(["Big", "Chapter 399"]));
}

#[tokio::test]
async fn deletion_removes_rows_index_entries_and_bytes() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let shared = b"# Shared\n\nsharedword".as_slice();
    let alone = b"# Alone\n\nloneword".as_slice();
    let page = server.add("shelf", "1", "a.md", shared).await;
    server.add("shelf", "2", "a.md", shared).await;
    let lone = server.add("shelf", "1", "b.md", alone).await;
    server.add("other", "1", "c.md", shared).await;
    let folder = app.data().join("objects");
    let objects = Objects::in_folder(&folder).unwrap();
    let sweep =
        async || library::gc::collect(app.database().pool(), &objects, Duration::ZERO).await.unwrap().deleted;
    assert!(objects.exists(Hash::of(alone)).await.unwrap());

    // A document in all its versions.
    let address = format!("/api/v1/documents/{}", lone["document_id"].as_str().unwrap());
    assert_eq!(server.delete(&address).await.status, 204);
    server.delete(&address).await.problem(404);
    server.get(&address, &[]).await.problem(404);
    server.caught_up().await;
    assert_eq!(server.search(&[("q", "loneword")]).await["hits"], json!([]));
    sweep().await;
    assert!(!objects.exists(Hash::of(alone)).await.unwrap());
    assert_eq!(sweep().await, 0);

    // A version. The active one cannot be deleted while there is another.
    server.delete("/api/v1/libraries/shelf/versions/1").await.problem(409);
    assert_eq!(server.post("/api/v1/libraries/shelf/versions/2/activate").await.status, 200);
    assert_eq!(server.delete("/api/v1/libraries/shelf/versions/1").await.status, 204);
    server.delete("/api/v1/libraries/shelf/versions/1").await.problem(404);
    server.caught_up().await;
    let remaining =
        server.json(&format!("/api/v1/documents/{}", page["document_id"].as_str().unwrap())).await;
    assert_eq!(remaining["versions"], json!(["2"]));
    assert_eq!(each(&server.search(&[("q", "sharedword"), ("library", "shelf")]).await, "version"), ["2"]);

    // A library. Its bytes stay while another library refers to them.
    assert_eq!(server.delete("/api/v1/libraries/shelf").await.status, 204);
    server.delete("/api/v1/libraries/shelf").await.problem(404);
    server.caught_up().await;
    assert_eq!(each(&server.search(&[("q", "sharedword")]).await, "library"), ["other"]);
    sweep().await;
    assert!(objects.exists(Hash::of(shared)).await.unwrap());
    assert!(app.run(&["libraries", "delete", "other"]).await.failed().contains("--yes"));
    app.run(&["libraries", "delete", "other", "--yes"]).await.succeeded();
    server.caught_up().await;
    assert_eq!(server.search(&[("q", "sharedword")]).await["hits"], json!([]));
    sweep().await;
    assert!(!objects.exists(Hash::of(shared)).await.unwrap());
    let left = "select count(*) from library.search_indices s join library.document_versions d on d.id = document_version_id join library.documents o on o.id = d.document_id join library.libraries l on l.id = o.library_id where l.name <> 'wenyuan'";
    assert_eq!(app.database().count(left).await, 0);
}

#[tokio::test]
async fn metadata_is_merged_and_can_be_filtered_by() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let revision = server.add("meta", "1", "a.md", "# A\n\nwords").await;
    server.add("meta", "1", "b.md", "# B\n\nwords").await;
    let address = format!("/api/v1/documents/{}/metadata", revision["document_id"].as_str().unwrap());
    for _ in 0..2 {
        server.patch(&address, &json!({ "team": "storage", "level": { "a": 1, "b": 2 } })).await.ok();
        let now = server.patch(&address, &json!({ "level": { "b": null } })).await.ok();
        assert_eq!(now, json!({ "team": "storage", "level": { "a": 1 } }));
    }
    assert_eq!(server.json(&address).await["team"], "storage");
    let listed = server.get("/api/v1/documents", &[("metadata", r#"{"team":"storage"}"#)]).await.ok();
    let paths: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["path"]).collect();
    assert_eq!(paths, ["a.md"]);
    server.get("/api/v1/documents", &[("metadata", "[1]")]).await.problem(400);
    server.patch(&address, &json!([1])).await.problem(400);
}

#[tokio::test]
async fn an_archive_becomes_one_document_per_file() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let archive = documents::zip(&[
        ("docs/a.md", b"# A\n\nThe anchorage."),
        ("docs/deep/b.md", b"# B\n\nThe breakwater."),
        ("../out.md", b"# Out"),
        (".hidden/c.md", b"# C"),
        ("__MACOSX/d.md", b"# D"),
    ]);
    let send = async |bytes: Vec<u8>| {
        let form = Form::new().text("library", "harbour").text("version", "1.0").text("tags", "x");
        let form = form.part("file", Part::bytes(bytes).file_name("docs.zip"));
        let request = server.request_as(Some(&ada.access_token), Method::POST, "/api/v1/archives", &[]);
        server.send(request.multipart(form)).await
    };
    let reply = send(archive.clone()).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let report = reply.value();
    assert_eq!((&report["added"], &report["failed_count"]), (&json!(2), &json!(1)), "{report}");
    assert_eq!(report["failed"][0]["path"], "../out.md");
    assert_eq!(send(archive.clone()).await.value()["unchanged"], 2);
    let found = eventually("processing the archive", async || {
        let found = server.search(&[("q", "breakwater"), ("library", "harbour")]).await;
        (found["hits"][0]["path"] == "docs/deep/b.md").then_some(found)
    });
    found.await;
    // Not an archive.
    send(b"no archive".to_vec()).await.problem(400);
    let form = Form::new().text("library", "harbour");
    let request = server.request_as(None, Method::POST, "/api/v1/archives", &[]).multipart(form);
    server.send(request).await.problem(401);
}
