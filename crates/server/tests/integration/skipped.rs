//! Files in which there is nothing to read are skipped, not failed; and documents whose files are gone leave a version.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{PageClient, TestApp, documents, each};

use crate::PROGRAM;

/// Files without anything to read, of several kinds.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const PROGRAM_FILE: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0";
const EMPTY: &[u8] = b"";
const FONT: &[u8] = b"wOFF\0\x01\0\0\0\0\0\0";

fn paths(summary: &Value, member: &str) -> Vec<String> {
    let files = summary[member].as_array().unwrap_or_else(|| panic!("{member}: {summary}"));
    let mut paths: Vec<String> =
        files.iter().map(|file| file["path"].as_str().expect("a path").to_owned()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_folder_with_pictures_and_empty_pages_is_added_without_a_failure() {
    let app = TestApp::new(PROGRAM).await;
    app.file("site/a.md", "# A\n\nThe lighthouseword.");
    app.file("site/img/logo.png", PICTURE);
    app.file("site/img/photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0");
    app.file("site/font.woff", FONT);
    app.file("site/tool", PROGRAM_FILE);
    app.file(
        "site/table.bin",
        (0..4000_u32).flat_map(|n| n.wrapping_mul(77).to_be_bytes()).collect::<Vec<u8>>(),
    );
    app.file("site/empty.md", b"");
    app.file("site/blank.html", "<!doctype html><html><body>  </body></html>");
    let site = app.files().join("site").display().to_string();
    let expected =
        ["blank.html", "empty.md", "font.woff", "img/logo.png", "img/photo.jpg", "table.bin", "tool"];
    for round in 0..2 {
        let (code, summary) = app.add(&site, "site", "1").await;
        assert_eq!(code, 0, "{summary}");
        assert_eq!(paths(&summary, "skipped"), expected, "{summary}");
        assert_eq!(summary["failed"], json!([]), "{summary}");
        assert_eq!(
            (&summary["added"], &summary["unchanged"]),
            (&json!(1 - round), &json!(round)),
            "{summary}"
        );
    }
    let run = app.run(&["add", &site, "-l", "site", "-V", "1"]).await;
    let errors = run.errors.clone();
    assert!(run.succeeded().contains("0 added, 0 revised, 1 unchanged, 7 skipped, 0 failed"));
    assert!(errors.contains("skipped img/logo.png: logo.png is a PNG image"), "{errors}");
    assert!(errors.contains("skipped empty.md: this document has no text"), "{errors}");
    let shown = app.run(&["libraries", "show", "site"]).await.succeeded();
    assert!(!shown.contains("failed"), "{shown}");
    // A real failure beside them is one.
    app.file("site/broken.docx", documents::docx_bomb(400));
    let (code, summary) = app.add(&site, "site", "1").await;
    assert_eq!((code, paths(&summary, "failed")), (1, vec!["broken.docx".to_owned()]), "{summary}");
}

#[tokio::test]
async fn skipped_files_make_no_version_red() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.add("gate", "1", "good.md", "# Good\n\nThe gateword.").await;
    for (path, bytes) in [("logo.png", PICTURE), ("empty.md", EMPTY), ("tool", PROGRAM_FILE)] {
        for _ in 0..2 {
            let skipped = server.add("gate", "1", path, bytes).await;
            assert_eq!(
                (&skipped["status"], &skipped["active"]),
                (&json!("skipped"), &json!(false)),
                "{skipped}"
            );
            assert!(!skipped["reason"].as_str().unwrap().is_empty());
        }
    }
    let version = server.json("/api/v1/libraries/gate/versions/1").await;
    let numbers = ["documents", "skipped", "failed", "processing"].map(|name| version[name].clone());
    assert_eq!(numbers, [1, 3, 0, 0].map(|number| json!(number)), "{version}");
    let listed = server.get("/api/v1/documents", &[("status", "skipped")]).await.ok();
    assert_eq!(each(&json!({ "hits": listed["items"] }), "path"), ["empty.md", "logo.png", "tool"]);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let none = server.get(&format!("/api/v1/documents/{id}/versions/1/content"), &[]).await.problem(404);
    assert!(none["detail"].as_str().unwrap().contains("skipped: this document has no text"), "{none}");
    // A page that had text and is empty now keeps the text that was read.
    let emptied = server.add("gate", "1", "good.md", b"").await;
    assert_eq!((&emptied["status"], &emptied["revision"]), (&json!("skipped"), &json!(2)), "{emptied}");
    assert_eq!(each(&server.search(&[("q", "gateword")]).await, "revision"), ["1"]);

    let mut ada = PageClient::signed_in(&server, &admin);
    let shown = ada.get("/l/gate/1").await.html();
    assert!(
        shown.text("main").contains("4 files skipped: there is nothing to read in them"),
        "{}",
        shown.source()
    );
    assert_eq!(
        (shown.count(".badge.bad"), shown.count(".rows .fault"), shown.count("div.warning")),
        (0, 0, 0)
    );
    let only = ada.get("/l/gate/1?status=skipped").await.html().text("#list");
    assert!(only.contains("logo.png") && only.contains("PNG image"), "{only}");
    let standing = ada.get("/add?library=gate&version=1&taken=4").await.html();
    assert!(standing.text("#standing").contains("4 files skipped"), "{}", standing.source());
    assert!(!standing.text("main").contains("could not be read"), "{}", standing.source());
}

#[tokio::test]
async fn an_archive_says_what_it_skipped() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let archive = documents::zip(&[
        ("a.md", b"# A\n\nThe pierword."),
        ("img/logo.png", PICTURE),
        ("fonts/text.woff", FONT),
        ("../out.md", b"# Out"),
    ]);
    let form = Form::new().text("library", "pier").part("file", Part::bytes(archive).file_name("docs.zip"));
    let request = server.request_as(Some(&ada.access_token), Method::POST, "/api/v1/archives", &[]);
    let report = server.send(request.multipart(form)).await.value();
    assert_eq!(
        ["added", "skipped_count", "failed_count"].map(|name| report[name].clone()),
        [1, 2, 1].map(|number| json!(number)),
        "{report}"
    );
    assert_eq!(paths(&report, "skipped"), ["fonts/text.woff", "img/logo.png"]);
    assert!(report["skipped"][1]["reason"].as_str().unwrap().contains("PNG image"), "{report}");
}

#[tokio::test]
async fn documents_whose_files_are_gone_leave_the_version() {
    let app = TestApp::new(PROGRAM).await;
    for number in 0..12 {
        app.file(&format!("docs/page{number}.md"), format!("# Page {number}\n\nThe harbourword{number}."));
    }
    let docs = app.files().join("docs").display().to_string();
    let server = app.serve().await;
    let add = async |options: &[&str]| {
        let run = app.run(&[&["add", &docs, "-l", "docs", "-V", "1", "--json"], options].concat()).await;
        server.caught_up().await;
        run
    };
    let found = async |number: u32| {
        let word = format!("harbourword{number}");
        let answer = server.search(&[("q", word.as_str()), ("library", "docs")]).await;
        each(&answer, "content").iter().any(|content| content.contains(&format!("{word}.")))
    };
    assert_eq!(add(&[]).await.code, 0);
    std::fs::remove_file(app.files().join("docs/page3.md")).unwrap();
    // Without --sync nothing goes.
    assert_eq!((add(&[]).await.code, found(3).await), (0, true));
    let run = add(&["--sync"]).await;
    assert_eq!((run.code, &run.json()["removed"]), (0, &json!(["page3.md"])), "{run:?}");
    assert!(!found(3).await && found(4).await);
    assert_eq!(server.json("/api/v1/libraries/docs/versions/1").await["documents"], 11);
    assert_eq!(add(&["--sync"]).await.json()["removed"], json!([]));

    // It can be undone by its revision, or by the file.
    let listed = server.get("/api/v1/documents", &[("library", "docs"), ("limit", "50")]).await.ok();
    let gone = listed["items"].as_array().unwrap().iter().find(|item| item["path"] == "page3.md").unwrap();
    assert_eq!(gone["versions"], json!([]));
    let id = gone["id"].as_str().unwrap();
    app.run(&["documents", "activate", id, "1~1"]).await.succeeded();
    server.caught_up().await;
    assert!(found(3).await);
    assert_eq!(add(&["--sync"]).await.json()["removed"], json!(["page3.md"]));
    app.file("docs/page3.md", "# Page 3\n\nThe harbourword3.");
    let run = add(&["--sync"]).await.json();
    assert_eq!(
        (&run["added"], &run["unchanged"], &run["removed"]),
        (&json!(1), &json!(11), &json!([])),
        "{run}"
    );
    assert!(found(3).await);

    // More than a tenth: first a summary, and nothing goes.
    for number in 5..8 {
        std::fs::remove_file(app.files().join(format!("docs/page{number}.md"))).unwrap();
    }
    let run = add(&["--sync"]).await;
    assert_eq!((run.code, &run.json()["removed"]), (1, &json!([])), "{run:?}");
    assert!(
        run.errors.contains("gone page5.md") && run.errors.contains("3 of 12 documents"),
        "{}",
        run.errors
    );
    assert!(found(5).await);
    let run = add(&["--sync", "--yes"]).await;
    assert_eq!(
        (run.code, &run.json()["removed"]),
        (0, &json!(["page5.md", "page6.md", "page7.md"])),
        "{run:?}"
    );
    assert!(!found(5).await);
    // A failed document whose file is gone makes nothing red any more.
    app.file("docs/broken.docx", documents::docx_bomb(400));
    assert_eq!(add(&["--sync"]).await.code, 1);
    std::fs::remove_file(app.files().join("docs/broken.docx")).unwrap();
    assert_eq!(add(&["--sync"]).await.code, 0);
    assert_eq!(server.json("/api/v1/libraries/docs/versions/1").await["failed"], 0);
    // Single files are no whole to compare with.
    let one = app.files().join("docs/page1.md").display().to_string();
    let refused = app.run(&["add", &one, "-l", "docs", "-V", "1", "--sync"]).await.failed();
    assert!(refused.contains("folders and archives"), "{refused}");
}
