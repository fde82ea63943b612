//! Conventions of all endpoints: paging by links, conditional updates, idempotent requests.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Reply, Server, TestApp};

use crate::PROGRAM;

/// Returns the URL of the next page from the `Link` header.
fn next(reply: &Reply) -> Option<String> {
    let (target, relation) = reply.header("link")?.split_once('>')?;
    assert_eq!(relation, "; rel=\"next\"");
    Some(target.strip_prefix('<').expect("an address").to_owned())
}

#[tokio::test]
async fn lists_are_paged_by_links() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for name in ["a.md", "b.md", "c.md", "d.md", "e.md"] {
        server.add("gate", "1", name, format!("# {name}\n\nThe linkword of {name}.")).await;
    }
    let mut seen = Vec::new();
    let mut address = Some("/api/v1/documents?limit=2&metadata={}&library=gate&cursor=".to_owned());
    address = address.map(|text| text.trim_end_matches("&cursor=").to_owned());
    while let Some(path) = address {
        let page = server.get(&path, &[]).await;
        let body = page.ok();
        seen.extend(body["items"].as_array().unwrap().iter().map(|item| item["path"].clone()));
        assert_eq!(body["next"].is_string(), page.header("link").is_some(), "{body}");
        address = next(&page);
    }
    assert_eq!(seen, ["a.md", "b.md", "c.md", "d.md", "e.md"]);
    let first = server.get("/api/v1/search", &[("q", "linkword"), ("limit", "3")]).await;
    let second = server.get(&next(&first).expect("a next page"), &[]).await;
    assert_eq!(second.ok()["hits"].as_array().unwrap().len(), 2);
    assert_eq!(next(&second), None);
}

async fn patch(server: &Server, path: &str, tag: Option<&str>, body: &Value) -> Reply {
    let request = server.request(Method::PATCH, path, &[]).json(body);
    server
        .send(match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        })
        .await
}

#[tokio::test]
async fn an_update_needs_the_current_etag() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let added = server.add("gate", "1", "a.md", "# A").await;
    let document = added["document_id"].as_str().unwrap();
    let metadata = format!("/api/v1/documents/{document}/metadata");
    for (path, change, other) in [
        ("/api/v1/libraries/gate", json!({ "title": "Gate" }), json!({ "title": "Tor" })),
        (&metadata, json!({ "team": "storage" }), json!({ "team": "network" })),
    ] {
        let seen = server.get(path, &[]).await.header("etag").expect("a tag").to_owned();
        let unconditional = patch(&server, path, None, &change).await.problem(428);
        assert!(unconditional["detail"].as_str().unwrap().contains("If-Match"), "{unconditional}");
        let changed = patch(&server, path, Some(&seen), &change).await;
        let tag = changed.header("etag").expect("a tag").to_owned();
        let now = server.get(path, &[]).await;
        assert_eq!((now.header("etag"), now.ok()), (Some(tag.as_str()), changed.ok()));
        // The old ETag no longer matches.
        let late = patch(&server, path, Some(&seen), &other).await.problem(412);
        assert_eq!(late["type"], "urn:wenyuan:problem:changed-since");
        assert_eq!(server.json(path).await, changed.ok());
        patch(&server, path, Some(&format!("\"x\", {tag}")), &other).await.ok();
        patch(&server, path, Some("*"), &change).await.ok();
        // An invalid body is refused before the missing condition.
        patch(&server, path, None, &json!([])).await.problem(400);
    }
    patch(&server, "/api/v1/libraries/absent", None, &json!({ "title": "x" })).await.problem(404);
    let reader = app.create_key("reader", &["--scope", "read"]).await;
    let request = server.request_as(Some(&reader), Method::PATCH, "/api/v1/libraries/gate", &[]);
    server.send(request.json(&json!({ "title": "x" }))).await.problem(403);
}

#[tokio::test]
async fn of_concurrent_updates_of_one_state_one_succeeds() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A").await;
    let path = "/api/v1/libraries/gate";
    let seen = server.get(path, &[]).await.header("etag").expect("a tag").to_owned();
    let changes = (0..8).map(|number| json!({ "title": format!("title {number}") })).collect::<Vec<_>>();
    let all =
        futures::future::join_all(changes.iter().map(|change| patch(&server, path, Some(&seen), change)));
    let mut statuses: Vec<u16> = all.await.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

async fn post(server: &Server, path: &str, key: &str, body: &str) -> Reply {
    let request = server.request(Method::POST, path, &[]).header("idempotency-key", key);
    server.send(request.header("content-type", "application/json").body(body.to_owned())).await
}

#[tokio::test]
async fn a_request_with_an_idempotency_key_runs_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A").await;
    server.add("gate", "2", "a.md", "# B").await;
    let (one, two) =
        ("/api/v1/libraries/gate/versions/1/activate", "/api/v1/libraries/gate/versions/2/activate");
    let first = post(&server, two, "k-1", "").await;
    assert_eq!(
        (first.ok()["active_version"].clone(), first.header("idempotent-replayed")),
        (json!("2"), None)
    );
    post(&server, one, "k-2", "").await.ok();
    // Repeated, it returns the stored response and does nothing: version 1 stays active.
    let again = post(&server, two, "\"k-1\"", "").await;
    assert_eq!((again.ok(), again.header("idempotent-replayed")), (first.ok(), Some("true")));
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert_eq!(server.json("/api/v1/libraries/gate").await["active_version"], "1");
    // Another request with the same key is refused, whether its path or its body differs.
    for (path, body) in [(one, ""), (two, "{}")] {
        let other = post(&server, path, "k-1", body).await.problem(422);
        assert_eq!(other["type"], "urn:wenyuan:problem:idempotency-key-used");
    }
    // Idempotency keys are separate for each API key.
    let other = app.create_key("other", &["--scope", "write"]).await;
    let request = server.request_as(Some(&other), Method::POST, two, &[]).header("idempotency-key", "k-1");
    assert_eq!(server.send(request).await.header("idempotent-replayed"), None);
    // A refused request does not use up its key.
    let absent = "/api/v1/libraries/absent/versions/1/activate";
    post(&server, absent, "k-3", "").await.problem(404);
    server.add("absent", "1", "a.md", "# A").await;
    assert_eq!(post(&server, absent, "k-3", "").await.header("idempotent-replayed"), None);
    for bad in ["", "two words", &"k".repeat(256)] {
        post(&server, one, bad, "").await.problem(400);
    }
    // Stored responses are sealed, and expire after a day.
    let plain = "select count(*) from store.idempotency where position('active_version' in encode(answer, 'escape')) > 0";
    assert_eq!(app.database().count(plain).await, 0);
    app.database().run("update store.idempotency set created_at = now() - interval '25 hours'").await;
    assert_eq!(post(&server, two, "k-1", "").await.header("idempotent-replayed"), None);
    assert_eq!(server.json("/api/v1/libraries/gate").await["active_version"], "2");
}

#[tokio::test]
async fn a_running_request_is_not_started_again() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A").await;
    let path = "/api/v1/libraries/gate/versions/1/activate";
    // A lock on the library's row makes the request wait.
    let mut holding = app.database().pool().begin().await.unwrap();
    sqlx::query("select id from library.libraries for update").fetch_all(&mut *holding).await.unwrap();
    let begun = server.request(Method::POST, path, &[]).header("idempotency-key", "k");
    let begun = begun.header("content-type", "application/json").body("");
    // The client disconnects, and the request goes on.
    let hung_up = server.try_send(begun.timeout(std::time::Duration::from_millis(500))).await;
    assert!(hung_up.is_err());
    let waiting = post(&server, path, "k", "").await;
    assert_eq!(waiting.problem(409)["type"], "urn:wenyuan:problem:in-progress");
    assert_eq!(waiting.header("retry-after"), Some("1"));
    holding.commit().await.unwrap();
    let done = testkit::eventually("the answer", async || {
        let reply = post(&server, path, "k", "").await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(done.header("idempotent-replayed"), Some("true"));
    // Of many concurrent requests one runs; the others are refused for now or get its response.
    let at_once = (0..8).map(|_| post(&server, path, "many", ""));
    let replies = futures::future::join_all(at_once).await;
    let first_hand =
        replies.iter().filter(|reply| reply.status == 200 && reply.header("idempotent-replayed").is_none());
    assert_eq!(first_hand.count(), 1);
    assert!(replies.iter().all(|reply| [200, 409].contains(&reply.status)));
}
