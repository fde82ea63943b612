//! Forms of pages: each needs its token.

use std::collections::BTreeSet;

use reqwest::Method;
use testkit::TestApp;

use crate::PROGRAM;

/// Collects the paths of all forms in the sources of the pages.
fn forms(folder: &std::path::Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            forms(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(path).expect("a source");
        for declaration in source.split(".route(\"").skip(1) {
            let handlers = declaration.split("\n}").next().unwrap_or_default();
            let handlers = handlers.split(".route(").next().unwrap_or_default();
            if handlers.contains("post(") {
                found.insert(declaration.split('"').next().expect("a path").to_owned());
            }
        }
    }
}

/// A form without a form token is refused, also from a signed-in user.
#[tokio::test]
async fn every_form_needs_its_token() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut found = BTreeSet::new();
    forms(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages"), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let mut wrong = Vec::new();
    for path in found {
        let mut address = path.clone();
        while let (Some(begin), Some(end)) = (address.find('{'), address.find('}')) {
            address.replace_range(begin..=end, "01900000-0000-7000-8000-000000000001");
        }
        let cookie = format!("wenyuan_session={}", ada.session_token);
        for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let request = server.request_as(None, Method::POST, &address, &[]).header("cookie", &cookie);
            let request = request.header("sec-fetch-site", "same-origin").header("content-type", kind);
            let reply = server.send(request.body("--x--\r\n")).await;
            if !(400..500).contains(&reply.status) {
                wrong.push(format!("{address} as {kind}: {}", reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
