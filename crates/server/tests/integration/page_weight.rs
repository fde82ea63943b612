//! How much a page weighs with all that it loads, and what a browser has to wait for before it shows anything.

use std::collections::BTreeSet;

use reqwest::Method;
use testkit::{Server, TestApp, documents};

use crate::PROGRAM;
/// Compressed bytes of a first page, with everything.
const HEAVIEST: usize = 60_000;

/// A page or a file of one, as it crosses the network: its compressed size, and its text.
async fn fetched(server: &Server, session: &str, path: &str) -> (usize, String) {
    let ask = |encoding: &str| {
        let request = server.request_as(None, Method::GET, path, &[]).header("accept-encoding", encoding);
        request.header("accept", "text/html,*/*").header("cookie", format!("wenyuan_session={session}"))
    };
    let small = server.send(ask("gzip")).await;
    assert_eq!(small.status, 200, "{path}: {}", small.text());
    assert_eq!(small.header("content-encoding"), Some("gzip"), "{path} is not compressed");
    (small.body.len(), server.send(ask("identity")).await.text())
}

/// What follows `before` in a text, up to a quotation mark, each time.
fn after<'text>(text: &'text str, before: &str) -> Vec<&'text str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// All that a page loads, modules of modules too, and what everything weighs together.
async fn weighed(server: &Server, session: &str, path: &str) -> (usize, BTreeSet<String>) {
    let (mut weight, page) = fetched(server, session, path).await;
    let mut waiting: Vec<String> =
        ["src=\"", "<link rel=\"stylesheet\" href=\"", "<link rel=\"icon\" href=\""]
            .iter()
            .flat_map(|before| after(&page, before))
            .map(str::to_owned)
            .collect();
    let mut loaded = BTreeSet::new();
    while let Some(file) = waiting.pop() {
        assert!(file.starts_with("/assets/"), "{path} loads {file}");
        if !loaded.insert(file.clone()) {
            continue;
        }
        let (size, text) = fetched(server, session, &file).await;
        weight += size;
        if file.split('.').next_back() == Some("js") {
            let (folder, _) = file.rsplit_once('/').expect("a folder");
            let modules = after(&text, " from \"./").into_iter().chain(after(&text, "import(\"./"));
            waiting.extend(modules.map(|name| format!("{folder}/{name}")));
        }
    }
    (weight, loaded)
}

/// What a browser reads before it shows anything: one sheet. Scripts wait until the page stands.
fn shows_at_once(path: &str, page: &str) {
    let sheets = page.matches("rel=\"stylesheet\"").count();
    assert_eq!(sheets, 1, "{path} waits for {sheets} sheets");
    for script in page.split("<script").skip(1).filter_map(|rest| rest.split('>').next()) {
        let waits = !script.contains(" defer") && !script.contains("type=\"module\"");
        assert!(!waits && script.contains("src="), "{path} waits for <script{script}>");
    }
    for kind in ["<style", "rel=\"preload\"", "@import", "http-equiv"] {
        assert!(!page.contains(kind), "{path} has {kind}");
    }
}

#[tokio::test]
async fn pages_are_light_and_show_at_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("axum", "0.8", "guide.md", documents::manual("Axum", "routerword", 30)).await;
    for path in [
        "/",
        "/?q=routerword7",
        "/libraries",
        "/l/axum/0.8/guide.md",
        "/ask",
        "/add",
        "/account",
        "/connect",
        "/admin",
    ] {
        let (weight, loaded) = weighed(&server, &ada.session_token, path).await;
        assert!(weight < HEAVIEST, "{path} weighs {weight} bytes with {loaded:?}");
        let (_, page) = fetched(&server, &ada.session_token, path).await;
        shows_at_once(path, &page);
        for file in loaded.iter().filter(|file| file.split('.').next_back() == Some("css")) {
            let (_, sheet) = fetched(&server, &ada.session_token, file).await;
            assert!(sheet.len() < 25_000, "the sheet has {} bytes", sheet.len());
        }
    }
}
