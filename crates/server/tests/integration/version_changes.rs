//! Changes between two versions of a library: over HTTP, on the page, and as a feed.

use reqwest::Method;
use serde_json::json;
use testkit::{PageClient, TestApp};

use crate::PROGRAM;

#[tokio::test]
async fn added_removed_moved_and_changed_documents_are_told() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    for (version, path, text) in [
        ("1", "same.md", "# Same\n\nAs before.\n"),
        ("1", "changed.md", "# Changed\n\nfirst\n\nsecond\n"),
        ("1", "gone.md", "# Gone\n\nNot any more.\n"),
        ("1", "old/place.md", "# Place\n\nA text that moves.\n"),
        ("2", "same.md", "# Same\n\nAs before.\n"),
        ("2", "changed.md", "# Changed\n\nfirst\n\nother\n\nmore\n"),
        ("2", "new.md", "# New & fine\n\nJust added.\n"),
        ("2", "new/place.md", "# Place\n\nA text that moves.\n"),
    ] {
        server.add("tools", version, path, text).await;
    }
    let key = Some(server.key());
    let list = "/api/v1/libraries/tools/changes";
    let changes = server.ask(key, Method::GET, &format!("{list}?from=1&to=2"), None).await.ok();
    assert_eq!(
        json!([
            changes["added"],
            changes["removed"],
            changes["moved"],
            changes["changed"],
            changes["unchanged"]
        ]),
        json!([1, 1, 1, 1, 1])
    );
    let told: Vec<_> = changes["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            json!([
                item["kind"],
                item["path"],
                item["previous_path"],
                item["added_lines"],
                item["removed_lines"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["changed", "changed.md", null, 3, 1]),
            json!(["removed", "gone.md", null, 0, 3]),
            json!(["added", "new.md", null, 3, 0]),
            json!(["moved", "new/place.md", "old/place.md", 0, 0]),
        ]
    );
    assert_eq!(changes["items"][0]["old_bytes"], 25);
    // By default from the next lower version to the active one; 1 is active and has none below it.
    server.ask(key, Method::GET, list, None).await.problem(404);
    let activate = "/api/v1/libraries/tools/versions/2/activate";
    assert_eq!(server.ask(key, Method::POST, activate, None).await.status, 200);
    let first = server.ask(key, Method::GET, &format!("{list}?limit=3"), None).await.ok();
    assert_eq!((&first["from"], &first["to"]), (&json!("1"), &json!("2")));
    let next = format!("{list}?limit=3&cursor={}", first["next"].as_str().expect("a cursor"));
    let rest = server.ask(key, Method::GET, &next, None).await.ok();
    assert_eq!((rest["items"][0]["path"].as_str(), &rest["next"]), (Some("new/place.md"), &json!(null)));
    let moved = server.ask(key, Method::GET, &format!("{list}?kind=moved"), None).await.ok();
    assert_eq!(moved["items"].as_array().map(Vec::len), Some(1));
    // Back again, everything is the other way round.
    let back = server.ask(key, Method::GET, &format!("{list}?from=2&to=1"), None).await.ok();
    assert_eq!(json!([back["added"], back["removed"], back["moved"]]), json!([1, 1, 1]));
    for (query, status) in [("from=9&to=2", 404), ("kind=other", 400), ("cursor=x", 400)] {
        server.ask(key, Method::GET, &format!("{list}?{query}"), None).await.problem(status);
    }
    let mut client = PageClient::signed_in(&server, &ada);
    let shown = client.get("/changes/tools").await.html();
    assert_eq!(shown.texts("main .rows > li > div > a"), ["Changed", "Gone", "New & fine", "Place"]);
    assert_eq!(
        shown.attributes("main .rows > li > div > a", "href"),
        [
            "/compare/tools/changed.md?from=1&to=2",
            "/l/tools/1/gone.md",
            "/l/tools/2/new.md",
            "/l/tools/2/new/place.md"
        ]
    );
    assert!(
        shown.has("link[type='application/atom+xml'][href='/changes/tools/atom?from=1&to=2']"),
        "{}",
        shown.source()
    );
    let added = client.get("/changes/tools?kind=added").await.html();
    assert_eq!(added.texts("main .rows > li > div > a"), ["New & fine"]);
    assert!(client.get("/changes/tools?from=2&to=2").await.html().shows("main .empty", "No differences"));
    let feed = client.get("/changes/tools/atom").await;
    assert_eq!(feed.header("content-type"), Some("application/atom+xml; charset=utf-8"));
    let text = feed.text();
    assert_eq!(text.matches("<entry>").count(), 4, "{text}");
    assert!(
        text.contains("<title>Added: New &#38; fine</title>") || text.contains("New &amp; fine"),
        "{text}"
    );
    assert!(text.contains(&format!("href=\"http://{}/compare/tools/changed.md", server.address())), "{text}");
}
