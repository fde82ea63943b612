//! Exports and imports: round trips of our own format, formats of other programs, one chat as a file, shared links.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use store::objects::Hash;
use testkit::{Person, Reply, Server, TestApp};

use crate::PROGRAM;
const EXPORT: &str = "/api/v1/history/export";
const IMPORT: &str = "/api/v1/history/import";
const TIME: &str = "2026-01-02T03:04:05.678901Z";

fn hash(content: &[u8]) -> String {
    Hash::of(content).to_string()
}

fn id(number: u32) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

/// Returns this number of zero bytes in base64.
fn zeros(count: usize) -> String {
    let end = ["", "AA==", "AAA="][count % 3];
    "AAAA".repeat(count / 3) + end
}

/// Returns a history of two chats: the first with two branches, a shared quotation, and a file of two pieces.
fn history() -> String {
    let file = vec![0_u8; 1_500_000];
    let sha256 = hash(&file);
    let quote = "Call close(), and wait. <script>alert(1)</script>";
    let chat = |number: u32, title: &str, current: u32| {
        json!({ "type": "chat", "id": id(number), "title": title, "focus_mode": "librarySearch", "library": "fastify",
                "version": "5.2.1", "pinned": true, "archived": false, "created_at": TIME, "updated_at": TIME,
                "current": id(current) })
    };
    let question = |chat: u32, number: u32, text: &str| {
        json!({ "type": "message", "chat": id(chat), "message_id": id(number), "parent": null, "role": "user", "content": text,
                "status": "complete", "metadata": {}, "created_at": TIME, "sources": [] })
    };
    let answer = |chat: u32, number: u32, parent: u32, text: &str, status: &str| {
        let source = json!({ "number": 1, "rank": 1, "kind": "passage", "cited": true, "sha256": hash(quote.as_bytes()),
                "character_from": 0, "character_to": 20, "library": "fastify", "version": "5.2.1", "follows_active": false,
                "path": "guide/close.md", "title": "Closing", "section": ["Guide", "关闭"], "page_from": 3, "page_to": 4,
                "instruction": "tells whoever reads it to run something" });
        json!({ "type": "message", "chat": id(chat), "message_id": id(number), "parent": id(parent), "role": "assistant",
                "content": text, "status": status, "metadata": { "model": "small", "milliseconds": 12 }, "created_at": TIME,
                "sources": [source] })
    };
    let mut good =
        answer(1, 13, 11, "关闭服务: close() [1].\n\n![x](https://evil.example/x.png)", "complete");
    good["verdict"] = json!({ "verdict": "good", "reason": "It works.", "correction": "" });
    let lines = [
        json!({ "type": "history", "format": 1 }),
        chat(1, "How do I close it?", 13),
        question(1, 11, "How do I close it?"),
        json!({ "type": "quote", "sha256": hash(quote.as_bytes()), "content": quote }),
        answer(1, 12, 11, "Somehow", "stopped"),
        good,
        json!({ "type": "file", "chat": id(1), "file_id": id(91), "name": "笔记.txt", "sha256": sha256, "size": file.len(),
                "uploaded_at": TIME }),
        json!({ "type": "bytes", "sha256": sha256, "base64": zeros(1 << 20) }),
        json!({ "type": "bytes", "sha256": sha256, "base64": zeros(1_500_000 - (1 << 20)) }),
        chat(2, "Again", 22),
        question(2, 21, "Again?"),
        answer(2, 22, 21, "Yes [1].", "complete"),
        json!({ "type": "file", "chat": id(2), "file_id": id(92), "name": "same.txt", "sha256": sha256, "size": file.len(),
                "uploaded_at": TIME }),
        json!({ "type": "end", "chats": 2, "messages": 5, "files": 2 }),
    ];
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("a string");
        text
    })
}

async fn import(server: &Server, person: &Person, body: impl Into<Vec<u8>>) -> Reply {
    let request = server.request_as(Some(&person.access_token), Method::POST, IMPORT, &[]);
    server.send(request.body(body.into())).await
}

async fn export(server: &Server, person: &Person) -> String {
    let reply = server.ask(Some(&person.access_token), Method::GET, EXPORT, None).await;
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

async fn get(server: &Server, person: &Person, path: &str) -> Reply {
    server.ask(Some(&person.access_token), Method::GET, path, None).await
}

/// Returns the lines as JSON values, so that the order of members does not matter.
fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[tokio::test]
async fn a_round_trip_through_export_and_import_changes_nothing() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let original = history();
    let report = import(&server, &ada, original.clone()).await.ok();
    assert_eq!(
        report,
        json!({ "chats": 2, "messages": 5, "sources": 3, "files": 2, "already_there": 0, "dropped": [], "dropped_count": 0 })
    );
    let first = export(&server, &ada).await;
    assert_eq!(values(&first), values(&original));
    // Importing twice changes nothing.
    let again = import(&server, &ada, first.clone()).await.ok();
    assert_eq!((&again["messages"], &again["files"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(again["already_there"], 7);
    assert_eq!(export(&server, &ada).await, first);
    // On the command line, into another installation and out of it.
    let other = TestApp::new(PROGRAM).await;
    let told = other.run_with_input(&["history", "import", "-", "--json"], first.as_bytes()).await;
    assert_eq!(told.json()["messages"], 5);
    assert_eq!(other.run(&["history", "export", "-"]).await.succeeded(), first);
    let file = other.data().join("history.ndjson").display().to_string();
    assert_eq!(other.run(&["history", "export", &file, "--json"]).await.json()["files"], 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    let told = other.run(&["history", "import", &file]).await;
    assert!(told.errors.contains("7 duplicates skipped"), "{}", told.errors);
    other.run(&["history", "import", "/nowhere"]).await.failed();
    // The bytes of the files are the same too.
    assert_eq!(testkit::files_under(&other.data().join("objects")), 1);
}

#[tokio::test]
async fn a_longer_export_adds_messages_and_other_users_get_copies() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "user").await;
    let whole = history();
    // Leaves out the second chat and the answer that was shown.
    let shorter: String = whole
        .lines()
        .filter(|line| !line.contains(&id(13)) || line.contains("\"type\":\"chat\""))
        .take_while(|line| !line.contains("Again"))
        .fold(String::new(), |text, line| text + line + "\n");
    let report = import(&server, &ada, shorter).await.ok();
    assert_eq!((&report["chats"], &report["messages"]), (&json!(1), &json!(2)), "{report}");
    assert!(report["dropped"].to_string().contains("the file is incomplete"), "{report}");
    let report = import(&server, &ada, whole.clone()).await.ok();
    assert_eq!(
        (&report["chats"], &report["messages"], &report["already_there"]),
        (&json!(1), &json!(3), &json!(3))
    );
    assert_eq!(values(&export(&server, &ada).await), values(&whole));
    // Another user's import of the same file gets its own ids, and later round trips change nothing.
    let report = import(&server, &bo, whole.clone()).await.ok();
    assert_eq!(
        (&report["chats"], &report["messages"], &report["files"]),
        (&json!(2), &json!(5), &json!(2)),
        "{report}"
    );
    assert_eq!(import(&server, &bo, whole.clone()).await.ok()["already_there"], 7);
    let of_bo = export(&server, &bo).await;
    assert!(!of_bo.contains(&id(1)) && !of_bo.contains(&id(11)), "{of_bo}");
    assert_eq!(import(&server, &bo, of_bo.clone()).await.ok()["messages"], 0);
    assert_eq!(export(&server, &bo).await, of_bo);
    assert_eq!(values(&export(&server, &ada).await), values(&whole));
    // No user reaches another's chats.
    let path = format!("/api/v1/chats/{}/export?format=json", id(1));
    get(&server, &bo, &path).await.problem(404);
    get(&server, &ada, &path).await.ok();
    server.ask(None, Method::GET, EXPORT, None).await.problem(401);
    // Importing restores a deleted chat.
    let chat = format!("/api/v1/chats/{}", id(1));
    assert_eq!(server.ask(Some(&ada.access_token), Method::DELETE, &chat, None).await.status, 204);
    get(&server, &ada, &path).await.problem(404);
    import(&server, &ada, whole.clone()).await.ok();
    get(&server, &ada, &path).await.ok();
}

#[tokio::test]
async fn imported_messages_are_searchable() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    import(&server, &ada, history()).await.ok();
    for words in ["somehow", "关闭"] {
        let path = format!("/api/v1/history/search?q={words}");
        let found = get(&server, &ada, &path).await.ok();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{words}: {found}");
    }
}

#[tokio::test]
async fn exports_of_other_programs_are_imported() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let perplexica = json!({
        "chat": { "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "title": "Close", "focusMode": "webSearch",
                  "createdAt": "Tue Jul 29 2025 10:15:30 GMT+0200 (CEST)", "files": [] },
        "messages": [
            { "id": 1, "content": "How?", "messageId": "0a1b2c3d4e5f60", "role": "user", "metadata": "{\"createdAt\":\"2025-07-29T08:15:30.000Z\"}" },
            { "id": 2, "content": "So [1].", "messageId": "1a1b2c3d4e5f60", "role": "assistant",
              "metadata": "{\"sources\":[{\"pageContent\":\"So.\",\"metadata\":{\"title\":\"S\",\"url\":\"https://s.example/\"}}]}" },
        ],
    });
    let open_webui = json!([{ "id": "w1", "title": "W", "created_at": 1_753_776_930, "updated_at": 1_753_776_930, "chat": { "history": {
        "currentId": "b", "messages": {
            "a": { "id": "a", "parentId": null, "role": "user", "content": "W?", "timestamp": 1_753_776_930 },
            "b": { "id": "b", "parentId": "a", "role": "assistant", "content": "W.", "timestamp": 1_753_776_931 } } } } }]);
    let librechat = json!({ "conversationId": "l1", "title": "L", "messagesTree": [{ "messageId": "a", "text": "L?",
        "isCreatedByUser": true, "children": [{ "messageId": "b", "parentMessageId": "a", "text": "L.", "isCreatedByUser": false }] }] });
    let chatgpt = json!([{ "id": "g1", "title": "G", "create_time": 1_753_776_930.5, "mapping": {
        "r": { "id": "r", "message": null, "parent": null },
        "a": { "id": "a", "parent": "r", "message": { "author": { "role": "user" }, "content": { "content_type": "text", "parts": ["G?"] } } },
        "t": { "id": "t", "parent": "a", "message": { "author": { "role": "tool" }, "content": { "content_type": "text", "parts": ["x"] } } },
        "b": { "id": "b", "parent": "t", "message": { "author": { "role": "assistant" }, "content": { "content_type": "text", "parts": ["G."] } } } } }]);
    for (name, file, dropped) in [
        ("perplexica", perplexica, 0),
        ("open webui", open_webui, 0),
        ("librechat", librechat, 0),
        ("chatgpt", chatgpt, 1),
    ] {
        let report = import(&server, &ada, file.to_string()).await.ok();
        let counts = (&report["chats"], &report["messages"], &report["dropped_count"]);
        assert_eq!(counts, (&json!(1), &json!(2), &json!(dropped)), "{name}: {report}");
        let again = import(&server, &ada, file.to_string()).await.ok();
        let counts = (&again["chats"], &again["messages"], &again["already_there"]);
        assert_eq!(counts, (&json!(0), &json!(0), &json!(2)), "{name}: {again}");
    }
    // As a form too; a file without chats is refused.
    let form = Form::new().part("file", Part::bytes(history().into_bytes()).file_name("h.ndjson"));
    let request = server.request_as(Some(&ada.access_token), Method::POST, IMPORT, &[]).multipart(form);
    assert_eq!(server.send(request).await.ok()["chats"], 2);
    for nothing in ["", "hello", "{}", "[1,2]", "{\"type\":\"histor", "\u{0}\u{1}"] {
        let refused = import(&server, &ada, nothing).await.problem(400);
        assert!(refused["detail"].as_str().unwrap().contains("contains no chats"), "{refused}");
    }
    let form = Form::new().text("other", "x");
    let request = server.request_as(Some(&ada.access_token), Method::POST, IMPORT, &[]).multipart(form);
    server.send(request).await.problem(400);
    // A round trip of everything to another server.
    let exported = export(&server, &ada).await;
    let bo = server.person(&ada, "bo", "user").await;
    let report = import(&server, &bo, exported).await.ok();
    assert_eq!((&report["chats"], &report["dropped_count"]), (&json!(6), &json!(0)), "{report}");
}

#[tokio::test]
async fn an_imported_source_is_linked_to_its_passage() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server
        .add("fastify", "5.2.1", "guide/close.md", "# Closing\n\nCall close and wait for it to end.\n")
        .await;
    let found = server.search(&[("q", "close"), ("library", "fastify")]).await;
    let passage = &found["hits"][0];
    let content = passage["content"].as_str().unwrap_or_else(|| panic!("{found}"));
    let old = "Call close(), and wait. <script>alert(1)</script>";
    let history = history()
        .replace(&hash(old.as_bytes()), &hash(content.as_bytes()))
        .replace(&json!(old).to_string(), &json!(content).to_string());
    import(&server, &ada, history).await.ok();
    let chat = get(&server, &ada, &format!("/api/v1/chats/{}/export?format=json", id(1))).await.ok();
    assert_eq!(chat["messages"][1]["sources"][0]["passage_id"], passage["id"], "{chat}");
    // An export does not reveal it.
    let lines = export(&server, &ada).await;
    assert!(!lines.contains(passage["id"].as_str().unwrap()) && !lines.contains("document_id"), "{lines}");
    // An import does not reveal whether a library that the user cannot read contains the passage.
    server.patch("/api/v1/libraries/fastify", &json!({ "visibility": "private" })).await.ok();
    let bo = server.person(&ada, "bo", "user").await;
    import(&server, &bo, lines).await.ok();
    let chats = get(&server, &bo, "/api/v1/chats").await.ok();
    let theirs = chats["items"].as_array().unwrap().iter().find(|chat| chat["title"] == "How do I close it?");
    let path = format!("/api/v1/chats/{}/export?format=json", theirs.unwrap()["id"].as_str().unwrap());
    let chat = get(&server, &bo, &path).await.ok();
    assert_eq!(chat["messages"][1]["sources"][0]["passage_id"], Value::Null, "{chat}");
}

#[tokio::test]
async fn an_exported_chat_contains_nothing_external() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    import(&server, &ada, history()).await.ok();
    let path = |format: &str| format!("/api/v1/chats/{}/export?format={format}", id(1));
    let markdown = get(&server, &ada, &path("markdown")).await;
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    let text = markdown.text();
    for part in [
        "# How do I close it?",
        "## How do I close it?",
        "关闭服务: close() [1].",
        "1. **Closing** · fastify 5.2.1 · Guide › 关闭 · p. 3–4",
        "```text\n   Call close(), and wait.",
        "[flagged: reads like an instruction",
        "1 messages of other branches",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let page = get(&server, &ada, &path("html")).await;
    assert!(page.header("content-disposition").unwrap().contains(".html"));
    let text = page.text();
    for part in [
        "<html lang=\"en\">",
        "<a href=\"#m2s1\">1</a>",
        "id=\"m2s1\"",
        "&lt;script&gt;alert(1)",
        "Guide › 关闭",
        "It works.",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for foreign in ["<script", "<img", "src=", "evil.example/x.png\"", "@import", "url("] {
        assert!(!text.contains(foreign), "{foreign} is in {text}");
    }
    let request = server.request_as(Some(&ada.access_token), Method::GET, &path("html"), &[]);
    assert!(server.send(request.header("accept-language", "zh-CN")).await.text().contains("来源"));
    // The JSON can be imported again, with its branches but without its files.
    let whole = get(&server, &ada, &path("json")).await;
    assert_eq!(whole.ok()["messages"].as_array().unwrap().len(), 3);
    let bo = server.person(&ada, "bo", "user").await;
    let report = import(&server, &bo, whole.body).await.ok();
    assert_eq!(
        (&report["messages"], &report["sources"], &report["dropped_count"]),
        (&json!(3), &json!(2), &json!(1)),
        "{report}"
    );
    get(&server, &ada, &path("pdf")).await.problem(400);
}

#[tokio::test]
async fn a_link_shows_a_snapshot_until_it_expires() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "user").await;
    import(&server, &ada, history()).await.ok();
    let path = format!("/api/v1/chats/{}/shares", id(1));
    let link_to = |person: &Person, body: Value| {
        let token = person.access_token.clone();
        let (server, path) = (&server, &path);
        async move { server.ask(Some(&token), Method::POST, path, Some(body)).await }
    };
    let made = link_to(&ada, json!({})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let url = made.value()["url"].as_str().unwrap().to_owned();
    let link = format!("/share/{}", url.split_once("/share/").unwrap().1);
    link_to(&bo, json!({})).await.problem(404);
    for hours in [0, 8785] {
        link_to(&ada, json!({ "hours": hours })).await.problem(400);
    }
    // Signed-in users can open it; others are asked to sign in, whether the link exists or not.
    let page = get(&server, &bo, &link).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("关闭服务") && !page.text().contains("It works."), "{}", page.text());
    assert!(
        page.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'sha256-")
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-robots-tag"), Some("noindex, nofollow"));
    for link in [&link, "/share/wshare_none"] {
        let asked = server.ask(None, Method::GET, link, None).await;
        assert_eq!((asked.status, asked.header("location").unwrap().starts_with("/sign-in")), (303, true));
    }
    get(&server, &bo, "/share/wshare_none").await.problem(404);
    // The snapshot does not change.
    let rename = json!({ "title": "Another title" });
    server
        .ask(Some(&ada.access_token), Method::PATCH, &format!("/api/v1/chats/{}", id(1)), Some(rename))
        .await
        .ok();
    assert!(!get(&server, &bo, &link).await.text().contains("Another title"));
    // The token is not stored.
    let token = link.trim_start_matches("/share/").to_owned();
    assert!(!server.log().contains(&token));
    let listed = get(&server, &ada, &path).await;
    assert_eq!(listed.ok().as_array().unwrap().len(), 1);
    assert!(!listed.text().contains(&token));
    get(&server, &bo, &path).await.problem(404);
    let share = format!("/api/v1/shares/{}", listed.ok()[0]["id"].as_str().unwrap());
    server.ask(Some(&bo.access_token), Method::DELETE, &share, None).await.problem(404);
    get(&server, &bo, &link).await;
    assert_eq!(server.ask(Some(&ada.access_token), Method::DELETE, &share, None).await.status, 204);
    server.ask(Some(&ada.access_token), Method::DELETE, &share, None).await.problem(404);
    get(&server, &bo, &link).await.problem(404);
    // It expires by time, and with its chat.
    let again = link_to(&ada, json!({ "hours": 1 })).await.value();
    let link = format!("/share/{}", again["url"].as_str().unwrap().split_once("/share/").unwrap().1);
    assert_eq!(get(&server, &bo, &link).await.status, 200);
    app.database().run("update chat.shares set expires_at = now() - interval '1 second'").await;
    get(&server, &bo, &link).await.problem(404);
    assert_eq!(get(&server, &ada, &path).await.ok(), json!([]));
    // Before the next start, which deletes expired links.
    app.database().run("update chat.shares set expires_at = now() + interval '1 hour'").await;
    drop(server);
    let app = app.set("WENYUAN_SHARE_LINKS", "anyone");
    let server = app.serve().await;
    let made = server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({}))).await.value();
    let link = format!("/share/{}", made["url"].as_str().unwrap().split_once("/share/").unwrap().1);
    assert_eq!(server.ask(None, Method::GET, &link, None).await.status, 200);
    drop(server);
    let app = app.set("WENYUAN_SHARE_LINKS", "off");
    let server = app.serve().await;
    server.ask(None, Method::GET, &link, None).await.problem(404);
    let refused = server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({}))).await;
    refused.problem(409);
}

#[tokio::test]
async fn a_large_history_needs_little_memory() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    // Sixty messages of 1 MiB in three chats, and a chat with 3000 short messages.
    let mut lines = String::from("{\"type\":\"history\",\"format\":1}\n");
    let long = "文渊 ".repeat((1 << 20) / 7 - 10);
    for chat in 1..=4_u32 {
        let head = json!({ "type": "chat", "id": id(chat), "title": "Long", "focus_mode": "librarySearch", "created_at": TIME,
                           "updated_at": TIME, "current": null });
        writeln!(lines, "{head}").unwrap();
        let (count, text) = if chat == 4 { (3000, "short") } else { (20, long.as_str()) };
        for number in 0..count {
            let parent = (number > 0).then(|| id(chat * 10_000 + number - 1));
            let message = json!({ "type": "message", "chat": id(chat), "message_id": id(chat * 10_000 + number), "parent": parent,
                                  "role": "user", "content": text, "created_at": TIME });
            writeln!(lines, "{message}").unwrap();
        }
    }
    writeln!(lines, "{}", json!({ "type": "end", "chats": 4, "messages": 3060, "files": 0 })).unwrap();
    let most = |server: &Server| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    // The Chinese dictionary is loaded at the first message.
    import(&server, &ada, history()).await.ok();
    let bo = server.person(&ada, "bo", "user").await;
    let before = most(&server);
    let report = import(&server, &bo, lines).await.ok();
    assert_eq!((&report["messages"], &report["dropped_count"]), (&json!(3060), &json!(0)), "{report}");
    let exported = export(&server, &bo).await;
    assert_eq!(exported.lines().count(), 1 + 4 + 3060 + 1);
    assert!(exported.len() > 60 << 20);
    let after = most(&server);
    assert!(after < before + 220, "{before} MiB before and {after} MiB after");
}
