//! Size of pages with everything they load, and resources that delay the first paint.

use std::collections::BTreeSet;

use reqwest::Method;
use testkit::{Server, TestApp, documents};

use crate::PROGRAM;

/// Compressed size of a page with everything it loads.
const MAX_PAGE_BYTES: usize = 60_000;

/// Uncompressed size of a style sheet.
const MAX_STYLE_SHEET_BYTES: usize = 30_000;

/// Fetches a page or a file and returns its compressed size and its text.
async fn fetch(server: &Server, session: &str, path: &str) -> (usize, String) {
    let request = |encoding: &str| {
        let request = server.request_as(None, Method::GET, path, &[]).header("accept-encoding", encoding);
        request.header("accept", "text/html,*/*").header("cookie", format!("wenyuan_session={session}"))
    };
    let small = server.send(request("gzip")).await;
    assert_eq!(small.status, 200, "{path}: {}", small.text());
    assert_eq!(small.header("content-encoding"), Some("gzip"), "{path} is not compressed");
    (small.body.len(), server.send(request("identity")).await.text())
}

/// All texts between `before` and the next quotation mark.
fn quoted_after<'text>(text: &'text str, before: &str) -> Vec<&'text str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Fetches a page with everything it loads, including modules of modules, and returns the total size and the files.
async fn fetch_all(server: &Server, session: &str, path: &str) -> (usize, BTreeSet<String>) {
    let (mut weight, page) = fetch(server, session, path).await;
    let mut waiting: Vec<String> =
        ["src=\"", "<link rel=\"stylesheet\" href=\"", "<link rel=\"icon\" href=\""]
            .iter()
            .flat_map(|before| quoted_after(&page, before))
            .map(str::to_owned)
            .collect();
    let mut loaded = BTreeSet::new();
    while let Some(file) = waiting.pop() {
        assert!(file.starts_with("/assets/"), "{path} loads {file}");
        if !loaded.insert(file.clone()) {
            continue;
        }
        let (size, text) = fetch(server, session, &file).await;
        weight += size;
        if file.split('.').next_back() == Some("js") {
            let (folder, _) = file.rsplit_once('/').expect("a folder");
            let modules = [" from \"./", "import \"./", "import(\"./"]
                .into_iter()
                .flat_map(|before| quoted_after(&text, before));
            waiting.extend(modules.map(|name| format!("{folder}/{name}")));
        }
    }
    (weight, loaded)
}

/// Asserts that one style sheet is all that delays the first paint: scripts are deferred.
fn assert_nothing_blocks_rendering(path: &str, page: &str) {
    let sheets = page.matches("rel=\"stylesheet\"").count();
    assert_eq!(sheets, 1, "{path} waits for {sheets} sheets");
    for script in page.split("<script").skip(1).filter_map(|rest| rest.split('>').next()) {
        let blocks = !script.contains(" defer") && !script.contains("type=\"module\"");
        assert!(!blocks && script.contains("src="), "{path} waits for <script{script}>");
    }
    for kind in ["<style", "rel=\"preload\"", "@import", "http-equiv"] {
        assert!(!page.contains(kind), "{path} has {kind}");
    }
}

#[tokio::test]
async fn pages_are_small_and_nothing_blocks_rendering() {
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
        let (weight, loaded) = fetch_all(&server, &ada.session_token, path).await;
        assert!(weight < MAX_PAGE_BYTES, "{path} weighs {weight} bytes with {loaded:?}");
        let (_, page) = fetch(&server, &ada.session_token, path).await;
        assert_nothing_blocks_rendering(path, &page);
        for file in loaded.iter().filter(|file| file.split('.').next_back() == Some("css")) {
            let (_, sheet) = fetch(&server, &ada.session_token, file).await;
            assert!(sheet.len() < MAX_STYLE_SHEET_BYTES, "the sheet has {} bytes", sheet.len());
        }
    }
}
