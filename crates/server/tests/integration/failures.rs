//! Failures: an unreadable document fails alone with a reason, an invalid request is refused with a problem, and neither
//! is a 500.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Server, TestApp, documents, each, eventually};

use crate::PROGRAM;

/// Why a path failed, from the summary of `wenyuan add`.
fn reason(summary: &Value, path: &str) -> String {
    let failed = summary["failed"].as_array().expect("a list");
    let failure =
        failed.iter().find(|failure| failure["path"].as_str().is_some_and(|name| name.ends_with(path)));
    let failure = failure.unwrap_or_else(|| panic!("{path} did not fail: {summary}"));
    failure["reason"].as_str().expect("a reason").to_owned()
}

#[tokio::test]
async fn each_hostile_file_fails_alone() {
    let app = TestApp::new(PROGRAM).await;
    app.file("good/one.md", "# One\n\nThe goodword.");
    app.file("good/two.txt", "The goodword again.");
    // Bytes that are no text are read as the type that the name says.
    let noise: Vec<u8> = (0..4000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    app.file("bad/not.docx", &noise);
    app.file("bad/half.docx", &documents::docx(&["Half", "of a document"])[..300]);
    // NUL, which PostgreSQL cannot store in text.
    let nul = documents::openapi("Nul", "/nul/{id}", "The nulword a\0b");
    assert!(nul.contains("\\u0000"));
    app.file("odd/nul.json", nul);
    app.file("odd/nul.md", b"# N\n\nThe nulword c\0d.");
    app.file("bad/bomb.docx", documents::docx_bomb(200));
    let pdf = documents::pdf(&["The brokenword."]);
    app.file("bad/broken.pdf", &pdf[..80]);
    app.file("bad/empty.md", b"");
    app.file("bad/open.json", br#"{"openapi": "3.0.0", "paths": [[[[[["#);
    let entity = |level: u32| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10));
    let entities = (1..12).map(entity).collect::<Vec<_>>().concat();
    let billion = format!("<!DOCTYPE d [<!ENTITY l0 \"lol\">{entities}]><w:document>&l11;</w:document>");
    app.file("bad/billion.docx", documents::zip(&[("word/document.xml", billion.as_bytes())]));
    app.file("odd/invalid.txt", b"The oddword \xff\xfe\xc3( and more plain text.");
    app.file("odd/old.txt", documents::gb18030("旧文件:数据库的备份应当每天进行,恢复也要演练。"));
    app.file("odd/deep.html", format!("<!doctype html><body>{}oddword", "<div>".repeat(50_000)));
    std::os::unix::fs::symlink("/etc/passwd", app.files().join("bad/link.md")).unwrap();
    let all = app.files().display().to_string();

    let (code, summary) = app.add(&all, "mixed", "1").await;
    assert_eq!(code, 1);
    // Skipped, since there is nothing to read in it.
    assert_eq!(each(&json!({ "hits": summary["skipped"] }), "path"), ["bad/empty.md"]);
    assert!(summary["skipped"][0]["reason"].as_str().unwrap().contains("no text"), "{summary}");
    for (path, expected) in [
        ("not.docx", ""),
        ("half.docx", ""),
        ("bomb.docx", "limit"),
        ("broken.pdf", ""),
        ("link.md", "symbolic link"),
        ("billion.docx", ""),
        ("open.json", ""),
    ] {
        let why = reason(&summary, path);
        assert!(!why.is_empty() && why.to_lowercase().contains(expected), "{path}: {why}");
        assert!(!why.contains("panicked") && !why.contains("crashed"), "{path}: {why}");
    }
    let answer = app.run(&["search", "goodword", "-l", "mixed", "--json"]).await.json();
    assert_eq!(each(&answer, "path").len(), 2);
    let answer = app.run(&["search", "数据库备份", "-l", "mixed", "--json"]).await.json();
    assert_eq!(each(&answer, "path"), ["odd/old.txt"]);
    let answer = app.run(&["search", "oddword", "-l", "mixed", "--json"]).await.json();
    assert!(each(&answer, "path").contains(&"odd/invalid.txt".to_owned()), "{answer}");
    let answer = app.run(&["search", "nulword", "-l", "mixed", "--json"]).await.json();
    assert!(each(&answer, "path").contains(&"odd/nul.json".to_owned()), "{answer}");
    assert!(each(&answer, "path").contains(&"odd/nul.md".to_owned()), "{answer}");
    // A failed document leaves no passage and no job, and its reason is printed for people too.
    assert_eq!(
        app.database().count("select count(*) from store.jobs where kind = 'library.ingest'").await,
        0
    );
    let run = app.run(&["add", &all, "--library", "mixed", "--version", "1"]).await;
    assert!(run.failed().contains("bad/not.docx: "));
    let answer = app.run(&["search", "root", "-l", "mixed", "--json"]).await.json();
    assert_eq!(answer["hits"], json!([]));
}

#[tokio::test]
async fn archive_entries_stay_inside_their_folder() {
    let app = TestApp::new(PROGRAM).await;
    let names: [(&str, &[u8]); 5] = [
        ("../outside.md", b"# Out"),
        ("/etc/cron.d/absolute.md", b"# Abs"),
        ("a/../../up.md", b"# Up"),
        ("C:\\windows.md", b"# Win"),
        ("fine/inside.md", b"# In\n\nThe insideword."),
    ];
    for (archive, bytes) in [("bad.zip", documents::zip(&names)), ("bad.tar.gz", documents::tar_gz(&names))] {
        let file = app.file(archive, bytes);
        let (code, summary) = app.add(&file, "archived", archive).await;
        assert_eq!((code, &summary["added"]), (1, &json!(1)), "{summary}");
        assert!(reason(&summary, "outside.md").contains("points outside the archive"), "{summary}");
        assert!(reason(&summary, "up.md").contains("points outside the archive"), "{summary}");
        assert!(reason(&summary, "absolute.md").contains("absolute path"), "{summary}");
        assert!(reason(&summary, "windows.md").contains("absolute path"), "{summary}");
        let search = ["search", "insideword", "-l", "archived", "-V", archive, "--json"];
        assert_eq!(each(&app.run(&search).await.json(), "path"), ["fine/inside.md"]);
    }
    let nothing = vec![0; 40 << 20];
    let bomb =
        app.file("bomb.zip", documents::zip(&[("huge.txt", &nothing), ("small.md", b"# S\n\nsmallword")]));
    let add = ["add", &bomb, "-l", "bomb", "--max-document-mib", "8", "--json"];
    let run = app.run(&add).await;
    assert_eq!(run.code, 1);
    assert!(reason(&run.json(), "huge.txt").contains("is too large"));
    assert_eq!(run.json()["added"], 1);
    let none = app.file("none.zip", b"PK\x03\x04 but broken");
    let (code, summary) = app.add(&none, "none", "1").await;
    assert_eq!((code, reason(&summary, "none.zip").is_empty()), (1, false), "{summary}");
}

#[tokio::test]
async fn a_document_over_the_limits_fails_alone() {
    let app = TestApp::new(PROGRAM).await;
    // Exceeds both the time and the memory limit set below.
    let long = documents::manual("Long", "longword", 24_000);
    app.file("long.md", &long);
    app.file("short.md", "# Short\n\nThe shortword.");
    let all = app.files().display().to_string();
    let tight = ["--read-memory-mib", "120"];
    let run = app.run(&[&["add", &all, "-l", "memory", "--json"], &tight[..]].concat()).await;
    assert_eq!(run.code, 1, "{run:?}");
    let summary = run.json();
    assert!(reason(&summary, "long.md").contains("more memory than is allowed"), "{summary}");
    assert_eq!(each(&app.run(&["search", "shortword", "--json"]).await.json(), "path"), ["short.md"]);

    let quick = ["--read-seconds", "1"];
    let file = app.files().join("long.md").display().to_string();
    let run = app.run(&[&["add", &file, "-l", "time", "--json"], &quick[..]].concat()).await;
    let summary = run.json();
    assert_eq!(run.code, 1, "{summary}");
    assert!(reason(&summary, "long.md").contains("longer than the limit of 1 seconds"), "{summary}");

    let large = ["add", &file, "-l", "large", "--json", "--max-document-mib", "1"];
    let run = app.run(&large).await;
    assert_eq!(run.code, 1);
    assert!(reason(&run.json(), "long.md").contains("larger than the limit of 1 MiB"));
}

#[tokio::test]
async fn a_failed_revision_keeps_the_old_one_answering() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_MAX_DOCUMENT_MIB", "2");
    let server = app.serve().await;
    let good = documents::docx(&["Keeping", "The keptword stays."]);
    let first = server.add("keep", "1", "a.docx", &good).await;
    assert_eq!(first["status"], "completed", "{first}");
    for _ in 0..2 {
        let failed = server.add("keep", "1", "a.docx", &good[..good.len() / 2]).await;
        assert_eq!((&failed["status"], &failed["revision"]), (&json!("failed"), &json!(2)), "{failed}");
        assert!(!failed["reason"].as_str().unwrap().is_empty());
        let answer = server.search(&[("q", "keptword")]).await;
        assert_eq!(each(&answer, "revision"), ["1"]);
    }
    let id = first["document_id"].as_str().unwrap();
    let version = format!("/api/v1/documents/{id}/versions/1");
    assert_eq!(server.json(&version).await["revision"], 1);
    server.get(&format!("{version}~2/content"), &[]).await.problem(404);
    server.post(&format!("{version}~2/activate")).await.problem(409);
    let listed = server.get("/api/v1/documents", &[("status", "failed")]).await.ok();
    assert_eq!(listed["items"][0]["path"], "a.docx");
    assert_eq!(server.json("/api/v1/libraries/keep/versions/1").await["failed"], 1);
    // The next readable revision becomes active.
    let repaired =
        server.add("keep", "1", "a.docx", documents::docx(&["Repaired", "The repairedword."])).await;
    assert_eq!((&repaired["revision"], &repaired["active"]), (&json!(3), &json!(true)));
    assert_eq!(each(&server.search(&[("q", "repairedword")]).await, "revision"), ["3"]);
    // Too large: refused before anything is created.
    let large = server.upload(&[("library", "keep")], vec![("large.md", vec![b'a'; 3 << 20])]).await;
    assert_eq!(large.problem(413)["type"], "urn:wenyuan:problem:too-large");
    assert_eq!(testkit::files_under(&app.data().join("objects/staging")), 0);
}

#[tokio::test]
async fn invalid_requests_are_refused_with_problems() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let revision = server.add("there", "1", "a.md", "# A\n\nword").await;
    let id = revision["document_id"].as_str().unwrap();
    let long = "a".repeat(2001);
    let none = "00000000-0000-7000-8000-000000000000";
    for (path, parameters, status) in [
        ("/nothing", vec![], 404),
        ("/api/v1/nothing", vec![], 404),
        ("/api/v1/search", vec![], 400),
        ("/api/v1/search", vec![("q", "")], 400),
        ("/api/v1/search", vec![("q", " ")], 400),
        ("/api/v1/search", vec![("q", long.as_str())], 400),
        ("/api/v1/search", vec![("q", "a"), ("limit", "0")], 400),
        ("/api/v1/search", vec![("q", "a"), ("limit", "101")], 400),
        ("/api/v1/search", vec![("q", "a"), ("limit", "many")], 400),
        ("/api/v1/search", vec![("q", "a"), ("mode", "magic")], 400),
        ("/api/v1/search", vec![("q", "a"), ("category", "film")], 400),
        ("/api/v1/search", vec![("q", "a"), ("cursor", "!!")], 400),
        ("/api/v1/search", vec![("q", "a"), ("cursor", "OTk5OTk5OTk5OTk5OTk5OTk5")], 400),
        ("/api/v1/search", vec![("q", "a"), ("tag", "a\u{7}b")], 400),
        ("/api/v1/search", vec![("q", "a"), ("library", "No Such Name")], 400),
        ("/api/v1/search", vec![("q", "a\0b")], 200),
        ("/api/v1/libraries/absent", vec![], 404),
        ("/api/v1/libraries/%00", vec![], 400),
        ("/api/v1/libraries/there/versions/%F0%9F%99%82", vec![], 400),
        ("/api/v1/documents", vec![("limit", "0")], 400),
        ("/api/v1/documents", vec![("limit", "201")], 400),
        ("/api/v1/documents", vec![("cursor", "e30")], 400),
        ("/api/v1/documents", vec![("status", "odd")], 400),
        ("/api/v1/documents", vec![("metadata", "{")], 400),
        ("/api/v1/documents", vec![("library", "a\0b")], 400),
        ("/api/v1/documents", vec![("tag", "a\0b")], 400),
        ("/api/v1/documents", vec![("metadata", "{\"a\":\"\\u0000\"}")], 400),
        ("/api/v1/documents/not-an-id", vec![], 404),
        (&format!("/api/v1/documents/{none}"), vec![], 404),
        (&format!("/api/v1/documents/{none}/versions"), vec![], 404),
        (&format!("/api/v1/documents/{none}/versions/1/content"), vec![], 404),
        (&format!("/api/v1/documents/{none}/metadata"), vec![], 404),
        (&format!("/api/v1/documents/{id}/diff"), vec![], 400),
        (&format!("/api/v1/documents/{id}/diff"), vec![("from", "1"), ("to", "9")], 404),
        (&format!("/api/v1/documents/{id}/versions/1~99999999999"), vec![], 400),
        (&format!("/api/v1/documents/{id}/versions/1/content"), vec![("format", "pdf")], 400),
        ("/api/v1/passages/not-an-id", vec![], 404),
        (&format!("/api/v1/passages/{none}"), vec![], 404),
    ] {
        let reply = server.get(path, &parameters).await;
        if status == 200 {
            assert_eq!(reply.status, 200, "{path} {parameters:?}: {}", reply.text());
        } else {
            assert_eq!(reply.status, status, "{path} {parameters:?}: {}", reply.text());
            reply.problem(status);
        }
    }
    for (method, path) in [
        (Method::PUT, "/api/v1/search"),
        (Method::POST, "/api/v1/libraries"),
        (Method::DELETE, "/healthz"),
        (Method::PATCH, "/api/v1/documents"),
    ] {
        server.send(server.request(method, path, &[])).await.problem(405);
    }
    let json = |body: &'static str| {
        let request = server.request(Method::PATCH, "/api/v1/libraries/there", &[]);
        server.send(request.header("content-type", "application/json").body(body))
    };
    json("{").await.problem(400);
    json("{\"title\": 7}").await.problem(400);
    json("{\"title\": \"a\\u0000b\"}").await.problem(400);
    let huge = format!("{{\"title\": \"{}\"}}", "a".repeat(300));
    let request = server.request(Method::PATCH, "/api/v1/libraries/there", &[]);
    server.send(request.header("content-type", "application/json").body(huge)).await.problem(400);
    let plain = server.request(Method::PATCH, "/api/v1/libraries/there", &[]).body("title");
    let plain = server.send(plain).await;
    assert!((400..500).contains(&plain.status), "{}", plain.status);
    plain.problem(plain.status);
    let nul = server.patch(&format!("/api/v1/documents/{id}/metadata"), &json!({ "a": "x\0y" })).await;
    nul.problem(400);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn invalid_forms_are_refused_and_leave_nothing() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let file = || vec![("a.md", b"# A".to_vec())];
    let not_a_form = server.request(Method::POST, "/api/v1/documents", &[]).body("# A");
    server.send(not_a_form).await.problem(400);
    server.upload(&[], file()).await.problem(400);
    server.upload(&[("library", "a")], vec![]).await.problem(400);
    for (name, value) in [
        ("library", "Not A Name"),
        ("version", "a b"),
        ("tags", "a\u{1}b"),
        ("category", "film"),
        ("type", "novel"),
        ("path", "../a.md"),
        ("path", "/etc/passwd"),
        ("path", "a\0b"),
        ("colour", "red"),
    ] {
        let mut fields = vec![("library", "a")];
        fields.retain(|field| field.0 != name);
        fields.push((name, value));
        server.upload(&fields, file()).await.problem(400);
    }
    server.upload(&[("library", "a")], vec![("../../up.md", b"# A".to_vec())]).await.problem(400);
    server.upload(&[("library", &"a".repeat(70_000))], file()).await.problem(413);
    let two = vec![("a.md", b"# A".to_vec()), ("b.md", b"# B".to_vec())];
    server.upload(&[("library", "a"), ("path", "c.md")], two).await.problem(400);
    // Truncated: the final boundary is missing.
    let broken = server
        .request(Method::POST, "/api/v1/documents", &[])
        .header("content-type", "multipart/form-data; boundary=x")
        .body("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\n# A");
    server.send(broken).await.problem(400);
    let libraries = server.json("/api/v1/libraries").await;
    assert!(libraries.as_array().unwrap().iter().all(|library| library["name"] == "wenyuan"), "{libraries}");
    assert_eq!(testkit::files_under(&app.data().join("objects/staging")), 0);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let own = server.address().to_string();
    let ask = async |server: &Server, method: Method, name: &'static str, value: &str| {
        let path = if method == Method::GET { "/api/v1/libraries" } else { "/api/v1/libraries/wenyuan" };
        server.send(server.request(method, path, &[]).header(name, value)).await
    };
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1"] {
        ask(&server, Method::GET, "host", host).await.problem(403);
    }
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "http://[::2]"] {
        ask(&server, Method::GET, "origin", origin).await.problem(403);
        ask(&server, Method::DELETE, "origin", origin).await.problem(403);
    }
    ask(&server, Method::DELETE, "sec-fetch-site", "cross-site").await.problem(403);
    eventually("the guide", async || {
        (server.get("/api/v1/libraries/wenyuan", &[]).await.status == 200).then_some(())
    })
    .await;
    for host in ["localhost", own.as_str()] {
        assert_eq!(ask(&server, Method::GET, "host", host).await.status, 200, "{host}");
        assert_eq!(
            ask(&server, Method::GET, "origin", &format!("http://{host}")).await.status,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_listed_origin_can_send_requests() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_ORIGINS", "https://tools.example");
    let server = app.serve().await;
    let ask = async |method: Method, origin: &str| {
        let request = server.request(method, "/api/v1/libraries", &[]).header("origin", origin);
        let request = request.header("access-control-request-method", "GET");
        server.send(request.header("access-control-request-headers", "authorization, mcp-method")).await
    };
    for method in [Method::OPTIONS, Method::GET] {
        let reply = ask(method, "https://tools.example").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://tools.example"));
        // Such pages authenticate with their own key or token, never with our cookie.
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    let preflight = ask(Method::OPTIONS, "https://tools.example").await;
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, mcp-method"));
    ask(Method::GET, "https://other.example").await.problem(403);
    assert_eq!(server.get("/healthz", &[]).await.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn a_dead_job_is_listed_and_can_be_retried() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let text = b"# A\n\nThe deadword.".as_slice();
    let revision = server.add("dead", "1", "a.md", text).await;
    let id = revision["document_id"].as_str().unwrap().to_owned();
    assert_eq!(server.stop().await.code(), Some(0));
    // The bytes are gone, and the document is about to be processed in its last attempt.
    let hash = revision["sha256"].as_str().unwrap();
    let bytes = app.data().join("objects").join(&hash[..2]).join(hash);
    std::fs::remove_file(&bytes).unwrap();
    let database = app.database();
    database
        .run("update library.document_versions set status = 'processing', active = false where file_path = 'a.md'")
        .await;
    database
        .run("insert into store.jobs (id, kind, payload, attempts) select gen_random_uuid(), 'library.ingest', jsonb_build_object('document_version_id', id), 4 from library.document_versions where file_path = 'a.md'")
        .await;
    let server = app.serve().await;
    let dead = eventually("the last attempt", async || {
        let jobs = server.json("/api/v1/jobs").await;
        jobs["items"].as_array()?.iter().find(|job| job["state"] == "dead").cloned()
    })
    .await;
    assert!(dead["last_error"].as_str().unwrap().contains("not in the store"), "{dead}");
    let failed = server.processed(&id, "1").await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let shown = app.run(&["jobs"]).await.succeeded();
    assert!(shown.contains("dead") && shown.contains(dead["id"].as_str().unwrap()), "{shown}");
    // Repaired and retried by id. After that no dead job is left.
    std::fs::write(&bytes, text).unwrap();
    let job = dead["id"].as_str().unwrap();
    assert!(app.run(&["jobs", "retry", job]).await.errors.contains("1 dead job"));
    eventually("processing the document", async || {
        let revision = server.json(&format!("/api/v1/documents/{id}/versions/1")).await;
        (revision["status"] == "completed").then_some(())
    })
    .await;
    assert!(app.run(&["jobs", "retry"]).await.errors.contains("0 dead jobs"));
    server.caught_up().await;
    assert_eq!(each(&server.search(&[("q", "deadword")]).await, "path"), ["a.md"]);
}

#[tokio::test]
async fn done_jobs_and_schedules_are_shown_to_operators() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("done", "1", "a.md", b"# A\n\nThe doneword.").await;
    server.add("done", "1", "b.md", b"# B\n\nThe doneword.").await;
    let done = "/api/v1/jobs?state=done&kind=library.ingest&limit=1";
    let first = eventually("two done jobs", async || {
        let page = server.json(done).await;
        page["next"].is_string().then_some(page)
    })
    .await;
    assert_eq!(first["items"][0]["state"], "done", "{first}");
    assert!(first["items"][0]["seconds"].as_f64().unwrap() > 0.0, "{first}");
    let rest = server.json(&format!("{done}&cursor={}", first["next"].as_str().unwrap())).await;
    // The bundled guide has done jobs too.
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_ne!(rest["items"][0]["id"], first["items"][0]["id"]);
    server.get("/api/v1/jobs?state=finished", &[]).await.problem(400);
    server.get("/api/v1/jobs?cursor=wrong", &[]).await.problem(400);
    let listed = app.run(&["jobs", "list", "--state", "done", "--json"]).await.json();
    assert!(listed.as_array().unwrap().iter().any(|job| job["kind"] == "library.ingest"), "{listed}");
    // A run that was missed while no server was up is made up for at the start; the schedule shows its outcome.
    assert!(server.stop().await.success());
    app.database().run("update store.schedules set next_run_at = now() where name = 'chat.purge'").await;
    let server = app.serve().await;
    let ran = eventually("a run", async || {
        let schedules = server.json("/api/v1/schedules").await;
        let purge = schedules.as_array()?.iter().find(|schedule| schedule["name"] == "chat.purge")?.clone();
        (purge["last_outcome"] == "succeeded").then_some(purge)
    })
    .await;
    assert!(ran["last_seconds"].as_f64().unwrap() >= 0.0 && ran["last_error"].is_null(), "{ran}");
    let shown = app.run(&["jobs", "schedules"]).await.succeeded();
    assert!(shown.contains("chat.purge") && shown.contains("succeeded"), "{shown}");
}
