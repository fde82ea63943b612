//! `/graphql`: the specification's audit, what requests cost, trusted documents, and the clients that people use.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Program, Reply, Server, TestApp};

use crate::PROGRAM;
use crate::social_posts::{comment, id, post};

pub(crate) fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Sends a document and returns the reply.
pub(crate) async fn send(server: &Server, token: Option<&str>, query: &str, variables: Value) -> Reply {
    let body = json!({ "query": query, "variables": variables });
    server.ask(token, Method::POST, "/graphql", Some(body)).await
}

/// Returns the whole response to a document that must succeed.
pub(crate) async fn run(server: &Server, person: &Person, query: &str, variables: Value) -> Value {
    let reply = send(server, Some(&person.access_token), query, variables).await.ok();
    assert!(reply.get("errors").is_none(), "{query}\n{reply}");
    reply
}

#[tokio::test]
async fn the_audit_passes_and_hostile_requests_are_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let url = format!("http://{}/graphql", server.address());
    let pid = server.process().to_string();
    let run = Program::node(&script("graphql_audit.mjs")).with(&[&url, &pid]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    let report = run.json();
    assert!(report["audits"].as_u64() >= Some(61) && report["refused"].as_u64() >= Some(30), "{report}");
    // An optimised server takes a tenth of it, at most five milliseconds of a processor.
    let costs = report["costs"].as_object().expect("costs").iter();
    let dear: Vec<_> = costs.filter(|(_, cost)| cost.as_f64() > Some(50.0)).collect();
    assert!(dear.is_empty(), "{dear:?}");
    // What is left of the body is not read: nothing else can be sent on the connection.
    let request = server.request(Method::POST, "/graphql", &[]).header("content-type", "application/json");
    let refused = server.send(request.body("x".repeat(70_000))).await;
    assert_eq!((refused.status, refused.headers["connection"].as_bytes()), (413, &b"close"[..]));
}

#[tokio::test]
async fn a_key_pays_for_what_a_request_asks() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = json!({ "name": "dear", "rate_limit": 20 });
    let made = server.ask(Some(&ada.access_token), Method::POST, "/api/v1/keys", Some(made)).await.value();
    let key = made["key"].as_str();
    let cheap = "{ posts(first: 1) { nodes { id } } }";
    let told = send(&server, key, cheap, json!({})).await.ok();
    let cost = &told["extensions"]["cost"];
    assert!(cost["complexity"].as_u64() < Some(10) && cost["maxComplexity"] == 10_000, "{told}");
    // A hundred posts with twenty comments each: 4,000 fields, 40 points.
    let dear = "{ posts(first: 100) { nodes { comments(first: 20) { nodes { id text } } } } }";
    let refused = send(&server, key, dear, json!({})).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let error = &refused.value()["errors"][0];
    assert!(
        error["extensions"]["code"] == "too-many-requests" && error["extensions"]["retryAfter"] == 60,
        "{error}"
    );
    assert!(refused.value().get("data").is_none());
    // A person is not limited by points, and nobody asks for more than is executed.
    assert!(send(&server, Some(&ada.access_token), dear, json!({})).await.ok().get("errors").is_none());
    let most = "{ posts(first: 100) { nodes { comments(first: 20) { nodes { id text author { id username name avatar followed } } } } } }";
    let refused = send(&server, Some(&ada.access_token), most, json!({})).await.ok();
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("complex"), "{refused}");
}

#[tokio::test]
async fn only_trusted_documents_are_executed_where_that_is_set() {
    let trusted = "query Names { libraries(first: 5) { nodes { name } } }";
    let app = TestApp::new(PROGRAM).await;
    let file = app.files().join("documents.json");
    std::fs::create_dir_all(app.files()).expect("a folder");
    std::fs::write(&file, json!({ "names": trusted }).to_string()).expect("a file");
    let file = file.display().to_string();
    let app = app.set("WENYUAN_GRAPHQL_DOCUMENTS", &file).set("WENYUAN_GRAPHQL_TRUSTED", "only");
    let server = app.serve().await;
    let by_hash = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "names" } } });
    let answered = server.ask(None, Method::POST, "/graphql", Some(by_hash)).await.ok();
    assert!(answered["data"]["libraries"]["nodes"].is_array(), "{answered}");
    assert!(send(&server, None, trusted, json!({})).await.ok()["data"].is_object());
    let other = send(&server, None, "{ __typename }", json!({})).await.ok();
    assert_eq!(other["errors"][0]["extensions"]["code"], "document-not-trusted");
    drop(server);
    // A file that cannot be read is told before the start.
    std::fs::write(app.files().join("documents.json"), "[").expect("a file");
    let checked = app.run(&["config", "check"]).await;
    assert!(checked.code != 0 && checked.errors.contains("graphql.documents"), "{checked:?}");
}

#[tokio::test]
async fn changes_answer_with_their_outcome() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let create = "mutation ($text: String!) { createPost(text: $text, question: true) {
      __typename ... on Post { id text question author { username } } ... on Refusal { code message } } }";
    let made = run(&server, &ada, create, json!({ "text": "How is tea made? #tea" })).await;
    let made = &made["data"]["createPost"];
    assert!(made["__typename"] == "Post" && made["author"]["username"] == "ada", "{made}");
    let refused = run(&server, &ada, create, json!({ "text": " " })).await;
    assert_eq!(refused["data"]["createPost"]["code"], "invalid", "{refused}");
    let post = made["id"].clone();
    // In one request, one after the other.
    let several = "mutation ($post: ID!) {
      add: addComment(post: $post, text: \"With water.\") { ... on Comment { id depth post { commentCount } } }
      like(target: { post: $post }) { ... on Likes { liked likeCount } }
      again: like(target: { post: $post }) { ... on Likes { liked likeCount } }
      unlike(target: { post: $post }) { ... on Likes { liked likeCount } }
      follow(target: { tag: \"tea\" }) { ... on Following { following followerCount } }
      unfollow(target: { person: \"ada\" }) { ... on Following { following } }
      oneself: follow(target: { person: \"ben\" }) { ... on Refusal { code message } }
    }";
    let done = run(&server, &ben, several, json!({ "post": post })).await;
    let done = &done["data"];
    assert_eq!(done["like"], json!({ "liked": true, "likeCount": 1 }), "{done}");
    assert_eq!(done["again"], done["like"]);
    assert_eq!(done["unlike"], json!({ "liked": false, "likeCount": 0 }));
    assert!(done["follow"]["following"] == true && done["oneself"]["code"] == "invalid", "{done}");
    let accept = "mutation ($comment: ID!) { acceptAnswer(comment: $comment) { ... on Post { acceptedComment { text accepted } } ... on Refusal { code } } }";
    let comment = json!({ "comment": done["add"]["id"] });
    let refused = run(&server, &ben, accept, comment.clone()).await;
    assert_eq!(refused["data"]["acceptAnswer"]["code"], "forbidden", "{refused}");
    let accepted = run(&server, &ada, accept, comment).await;
    assert_eq!(accepted["data"]["acceptAnswer"]["acceptedComment"]["accepted"], true, "{accepted}");
    // A field that fails is null, and the others stand.
    let both =
        send(&server, Some(&ben.access_token), "{ posts { nodes { id } } jobs { nodes { id } } }", json!({}))
            .await
            .ok();
    assert!(both["data"]["posts"]["nodes"][0]["id"] == post && both["data"]["jobs"].is_null(), "{both}");
    assert_eq!(both["errors"][0]["extensions"]["code"], "forbidden", "{both}");
    // By its id alone, as Relay asks.
    let node = "query ($id: ID!) { node(id: $id) { __typename id ... on Post { text tags } } }";
    let found = run(&server, &ben, node, json!({ "id": post })).await;
    assert_eq!(found["data"]["node"]["tags"], json!(["tea"]), "{found}");
    let absent = run(&server, &ben, node, json!({ "id": "00000000-0000-7000-8000-000000000000" })).await;
    assert_eq!(absent["data"]["node"], Value::Null);
    let page = "query ($after: String) { posts(first: 1, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    run(&server, &ada, create, json!({ "text": "Second" })).await;
    let first = run(&server, &ben, page, json!({})).await["data"]["posts"].clone();
    assert!(
        first["pageInfo"]["hasNextPage"] == true && first["pageInfo"]["hasPreviousPage"] == false,
        "{first}"
    );
    let second =
        run(&server, &ben, page, json!({ "after": first["pageInfo"]["endCursor"] })).await["data"]["posts"]
            .clone();
    assert_eq!(second["edges"][0]["node"]["id"], post, "{second}");
    assert!(
        second["pageInfo"]["hasNextPage"] == false && second["pageInfo"]["hasPreviousPage"] == true,
        "{second}"
    );
    let back = "query ($before: String) { posts(last: 1, before: $before) { edges { cursor } pageInfo { hasNextPage hasPreviousPage } } }";
    let cursor = json!({ "before": second["edges"][0]["cursor"] });
    let before = run(&server, &ben, back, cursor).await["data"]["posts"].clone();
    assert_eq!(before["edges"], json!([{ "cursor": first["edges"][0]["cursor"] }]), "{before}");
    assert_eq!(before["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": false }));
    let end = run(&server, &ben, back, json!({})).await["data"]["posts"].clone();
    assert_eq!(end["edges"], json!([{ "cursor": second["edges"][0]["cursor"] }]), "{end}");
    // The cursors are those of REST.
    let rest = server.ask(Some(&ben.access_token), Method::GET, "/api/v1/posts?limit=1", None).await.ok();
    assert_eq!(rest["next"], first["edges"][0]["cursor"]);
}

#[tokio::test]
async fn the_clients_that_people_use_list_change_and_subscribe() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let url = format!("http://{}/graphql", server.address());
    let run = Program::node(&script("graphql_clients.mjs")).with(&[&url, &ada.access_token]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert_eq!(run.json()["comments"], 3);
}

#[tokio::test]
async fn the_python_client_uploads_by_rest_and_reads_lists_changes_and_subscribes() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let origin = format!("http://{}", server.address());
    let program = script("graphql_official.py").display().to_string();
    let run = Program::python(&[&program, &origin, &ada.access_token]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert_eq!(run.json()["posts"], 5);
}

/// Reads events until one has data, and returns that.
pub(crate) async fn next_event(stream: &mut reqwest::Response, kind: &str) -> Value {
    let mut text = String::new();
    let wanted = format!("event: {kind}");
    let read = async {
        while let Some(chunk) = stream.chunk().await.expect("a stream") {
            text += &String::from_utf8_lossy(&chunk);
            if let Some((_, rest)) = text.split_once(&wanted)
                && let Some((data, _)) = rest.split_once("\n\n")
            {
                return data.trim().trim_start_matches("data:").trim().to_owned();
            }
        }
        panic!("the stream ended without {kind}: {text}");
    };
    let data =
        tokio::time::timeout(std::time::Duration::from_secs(40), read).await.expect("an event in time");
    serde_json::from_str(&data).unwrap_or(Value::Null)
}

#[tokio::test]
async fn subscriptions_go_on_where_they_stopped_and_end_with_their_session() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let subscribe = async |token: &str, query: &str, variables: Value| {
        let body = json!({ "query": query, "variables": variables });
        let request = server.request_as(Some(token), Method::POST, "/graphql", &[]).json(&body);
        request.header("accept", "text/event-stream").send().await.expect("a response")
    };
    let talk = json!({ "members": ["ben"] });
    let talk =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/conversations", Some(talk)).await.value();
    let path = format!("/api/v1/conversations/{}/messages", id(&talk));
    for text in ["One", "Two"] {
        server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": text }))).await;
    }
    let messages = "subscription ($id: ID!, $after: Int) { messages(conversation: $id, after: $after) { number text sender { username } } }";
    let mut stream = subscribe(&ben.access_token, messages, json!({ "id": id(&talk), "after": 1 })).await;
    let event = next_event(&mut stream, "next").await;
    assert_eq!(
        event["data"]["messages"],
        json!({ "number": 2, "text": "Two", "sender": { "username": "ada" } }),
        "{event}"
    );
    server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": "Three" }))).await;
    assert_eq!(next_event(&mut stream, "next").await["data"]["messages"]["text"], "Three");

    // After a long break as well: everything since, in its order.
    let copies = "insert into social.messages (id, conversation_id, number, sender_id, text)
        select gen_random_uuid(), conversation_id, number + copy, sender_id, 'copy ' || copy
        from social.messages, generate_series(1, 250) as copy where text = 'Three'";
    app.database().run(copies).await;
    app.database().run("update social.conversations set last_number = 253").await;
    let mut later = subscribe(&ben.access_token, messages, json!({ "id": id(&talk), "after": 2 })).await;
    let mut texts = String::new();
    while !texts.contains("copy 250\"") {
        texts += &String::from_utf8_lossy(&later.chunk().await.expect("a stream").expect("more"));
    }
    let numbers: Vec<&str> =
        texts.split("\"number\":").skip(1).map(|rest| &rest[..rest.find([',', '}']).unwrap()]).collect();
    assert_eq!(numbers, (3..=253).map(|number| number.to_string()).collect::<Vec<_>>());

    // A notification, as it comes.
    let mut told = subscribe(
        &ben.access_token,
        "subscription { notifications { kind person { username } } }",
        json!({}),
    )
    .await;
    let other = post(&server, &ben, json!({ "text": "Mine" })).await;
    comment(&server, &ada, &other, None, "A reply").await;
    let event = next_event(&mut told, "next").await;
    assert_eq!(
        event["data"]["notifications"],
        json!({ "kind": "REPLY", "person": { "username": "ada" } }),
        "{event}"
    );

    // What does not exist for the caller is refused, and nobody else hears of it.
    let eve = server.person(&ada, "eve", "user").await;
    let mut refused = subscribe(&eve.access_token, messages, json!({ "id": id(&talk) })).await;
    let event = next_event(&mut refused, "next").await;
    assert_eq!(event["errors"][0]["extensions"]["code"], "not-found", "{event}");
    let mut refused =
        subscribe(&eve.access_token, &"subscription { a: notifications { kind } ".repeat(70), json!({}))
            .await;
    assert!(next_event(&mut refused, "next").await["errors"].is_array());

    // Signing out everywhere ends what goes on.
    let sessions = format!("/api/v1/users/{}/sessions", ben.id);
    assert_eq!(server.ask(Some(&ada.access_token), Method::DELETE, &sessions, None).await.status, 204);
    server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": "Four" }))).await;
    assert_eq!(next_event(&mut stream, "complete").await, Value::Null);
}

#[tokio::test]
async fn a_browser_connects_from_pages_of_this_server_alone() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let signed_in = server.sign_in(&ada.name, testkit::PASSWORD).await;
    let token = signed_in.value()["session_token"].as_str().expect("a token").to_owned();
    let upgrade = async |origin: &str| {
        let request =
            server.request(Method::GET, "/graphql", &[]).header("cookie", format!("wenyuan_session={token}"));
        let request =
            request.header("origin", origin).header("connection", "Upgrade").header("upgrade", "websocket");
        let request = request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request
            .header("sec-websocket-protocol", "graphql-transport-ws")
            .send()
            .await
            .expect("a response")
            .status()
            .as_u16()
    };
    assert_eq!(upgrade("https://evil.example").await, 403);
    assert_eq!(upgrade(&format!("http://{}", server.address())).await, 101);
}

#[tokio::test]
async fn the_schema_passes_a_linter() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/schema.graphql");
    let linter = Program::node_package("eslint/bin/eslint.js").set("SCHEMA", &schema.display().to_string());
    std::fs::copy(&schema, linter.folder().join("schema.graphql")).expect("a copy");
    let config = script("graphql_eslint.config.mjs").display().to_string();
    let run = linter.with(&["--config", &config, "schema.graphql"]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
}
