//! Work list: zero-result searches, wrong and stale answers, grouped by meaning, for the owners of a library.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Server, TestApp, eventually};

use crate::PROGRAM;

const GATE: &str = "# Gate\n\n## Timeouts\n\nThe gateway waits 30 seconds for a service.\n";

/// Waits until the list has this length, and returns it.
async fn wait_for_items(server: &Server, query: &str, length: usize) -> Value {
    let mut last = Value::Null;
    let path = format!("/api/v1/worklist?limit=100&{query}");
    let found = tokio::time::timeout(testkit::SOON, async {
        loop {
            last = server.json(&path).await["items"].clone();
            if last.as_array().is_some_and(|items| items.len() == length) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let is_so = found.await.is_ok();
    assert!(is_so, "{query}: not {length} in {last}");
    last
}

async fn search(server: &Server, question: &str) {
    server.search(&[("q", question), ("library", "gate")]).await;
}

#[tokio::test]
async fn zero_result_searches_are_listed_grouped_and_resolved() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "gate.md", GATE).await;
    search(&server, "How long does the gateway wait?").await;
    search(&server, "How do I bake sourdough bread?").await;
    search(&server, "bake a sourdough bread").await;
    search(&server, "How do I restart the turbine?").await;
    // An empty further page and a filter without matches do not count as missing content.
    server.search(&[("q", "grow tomatoes"), ("library", "gate"), ("tag", "none")]).await;
    let refused = [("q", "gateway timeouts"), ("library", "gate"), ("version", "7.1")];
    for _ in 0..3 {
        server.get("/api/v1/search", &refused).await.problem(404);
    }
    server.search(&[("q", "weather in Berlin tomorrow")]).await;
    let items = wait_for_items(&server, "library=gate&kind=nothing_found", 2).await;
    assert_eq!(items[0]["questions"], json!(["How do I restart the turbine?"]));
    assert_eq!(items[1]["questions"], json!(["How do I bake sourdough bread?", "bake a sourdough bread"]));
    assert_eq!((&items[1]["occurrences"], &items[1]["library"]), (&json!(2), &json!("gate")));
    // They are recorded a moment later, not always together.
    eventually("three refusals", async || {
        let refusals = wait_for_items(&server, "kind=version_refused", 1).await;
        assert_eq!(refusals[0]["subject"], "7.1");
        (refusals[0]["occurrences"] == 3).then_some(())
    })
    .await;
    // Items without a library are listed for administrators.
    let all = wait_for_items(&server, "", 4).await;
    assert!(all.as_array().unwrap().iter().any(|item| item["library"].is_null()), "{all}");
    assert!(!all.to_string().contains("tests"), "nobody is named: {all}");

    let id = items[1]["id"].as_str().unwrap();
    let resolved = server.post(&format!("/api/v1/worklist/{id}/resolve")).await.ok();
    assert!(resolved["resolved_at"].is_string() && resolved["resolved_by"] == "tests", "{resolved}");
    let again = server.post(&format!("/api/v1/worklist/{id}/resolve")).await.ok();
    assert_eq!(again["resolved_at"], resolved["resolved_at"]);
    wait_for_items(&server, "library=gate&kind=nothing_found", 1).await;
    assert_eq!(wait_for_items(&server, "resolved=true", 1).await[0]["id"], id);
    // A later occurrence is a new item.
    search(&server, "How do I bake sourdough bread?").await;
    let items = wait_for_items(&server, "library=gate&kind=nothing_found", 2).await;
    assert_eq!(items[0]["occurrences"], 1);

    // Paging returns each item once.
    let first = server.json("/api/v1/worklist?limit=3").await;
    let rest =
        server.json(&format!("/api/v1/worklist?limit=3&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((first["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (3, 1));
}

#[tokio::test]
async fn the_command_line_lists_and_resolves_items() {
    let app = TestApp::new(PROGRAM).await;
    let file = app.file("gate.md", GATE);
    assert_eq!(app.add(&file, "gate", "1").await.0, 0);
    app.run(&["search", "bake bread", "-l", "gate"]).await.failed();
    app.run(&["ask", "how long does it wait", "-l", "gate", "--version", "9"]).await.failed();
    let run = app.run(&["worklist", "--library", "gate", "--json"]).await;
    let items = run.json();
    assert_eq!(items.as_array().unwrap().len(), 2, "{items}");
    let shown = app.run(&["worklist"]).await.succeeded();
    assert!(shown.contains("bake bread") && shown.contains("version 9 refused"), "{shown}");
    let id = items[0]["id"].as_str().unwrap();
    assert_eq!(app.run(&["worklist", "resolve", id, "--json"]).await.json()["resolved_by"], "owner");
    assert_eq!(app.run(&["worklist", "--json"]).await.json().as_array().unwrap().len(), 1);
    app.run(&["worklist", "--library", "absent"]).await.failed();
}

#[tokio::test]
async fn wrong_and_stale_answers_are_listed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "gate.md", GATE).await;
    let made = server.ask(Some(server.key()), Method::POST, "/api/v1/chats", Some(json!({}))).await;
    let path = format!("/api/v1/chats/{}/messages", made.value()["id"].as_str().unwrap());
    let question = json!({ "content": "How long does the gateway wait?", "library": "gate" });
    let answered = server.ask(Some(server.key()), Method::POST, &path, Some(question)).await.ok();
    let verdict = format!("/api/v1/messages/{}/verdict", answered["answer"]["message_id"].as_str().unwrap());
    let wrong = json!({ "verdict": "wrong", "reason": "It waits longer.", "correction": "40 seconds" });
    for _ in 0..2 {
        server.ask(Some(server.key()), Method::PUT, &verdict, Some(wrong.clone())).await.ok();
    }
    let items = wait_for_items(&server, "kind=answer_wrong&library=gate", 1).await;
    assert_eq!(
        (&items[0]["questions"], &items[0]["details"], &items[0]["occurrences"]),
        (&json!(["How long does the gateway wait?"]), &json!(["It waits longer. → 40 seconds"]), &json!(1))
    );
    server.add("gate", "1", "gate.md", GATE.replace("30", "45")).await;
    let items = wait_for_items(&server, "kind=answer_stale&library=gate", 1).await;
    assert_eq!(items[0]["details"], json!(["gate.md"]));
}

#[tokio::test]
async fn only_owners_see_and_resolve_items_of_their_library() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "gate.md", GATE).await;
    search(&server, "How do I bake sourdough bread?").await;
    let items = wait_for_items(&server, "library=gate", 1).await;
    let resolve = format!("/api/v1/worklist/{}/resolve", items[0]["id"].as_str().unwrap());
    let list = "/api/v1/worklist?library=gate";
    for (name, level) in [("reader", "read"), ("writer", "write"), ("owner", "own")] {
        app.run(&["user", "create", name, "--role", "user"]).await.succeeded();
        let body = json!({ "level": level });
        let path = format!("/api/v1/libraries/gate/grants/{name}");
        assert_eq!(server.ask(Some(server.key()), Method::PUT, &path, Some(body)).await.status, 200);
    }
    let key = async |user: &str, scopes: &str| {
        app.create_key(&format!("{user}-{}", scopes.replace(',', "-")), &["--user", user, "--scope", scopes])
            .await
    };
    for (user, scopes, status) in
        [("reader", "write", 403), ("writer", "write", 403), ("owner", "read", 403), ("owner", "write", 200)]
    {
        let key = key(user, scopes).await;
        let listed = server.ask(Some(&key), Method::GET, list, None).await;
        assert_eq!(listed.status, status, "{user} {scopes}: {}", listed.text());
        let all = server.ask(Some(&key), Method::GET, "/api/v1/worklist", None).await.ok();
        assert_eq!(all["items"].as_array().unwrap().len(), usize::from(status == 200), "{user}: {all}");
        let resolved = server.ask(Some(&key), Method::POST, &resolve, None).await;
        assert_eq!(resolved.status, status, "{user} {scopes}: {}", resolved.text());
    }
    server.ask(None, Method::GET, "/api/v1/worklist", None).await.problem(401);
    server.ask(None, Method::POST, &resolve, None).await.problem(401);
    // A library that does not exist for a user has no work list either.
    let private = json!({ "visibility": "private" });
    let patched =
        server.ask(Some(server.key()), Method::PATCH, "/api/v1/libraries/gate", Some(private)).await;
    assert_eq!(patched.status, 200);
    app.run(&["user", "create", "stranger", "--role", "user"]).await.succeeded();
    let stranger = key("stranger", "write").await;
    server.ask(Some(&stranger), Method::GET, list, None).await.problem(404);
    server.ask(Some(&stranger), Method::POST, &resolve, None).await.problem(404);
}

#[tokio::test]
async fn questions_with_the_same_meaning_are_one_item() {
    let app = TestApp::new(PROGRAM).await.with_model();
    let server = app.serve().await;
    eventually("the guide", async || {
        (server.delete("/api/v1/libraries/wenyuan").await.status == 204).then_some(())
    })
    .await;
    server.add("gate", "1", "gate.md", GATE).await;
    eventually("the model", async || {
        let ready = server.get("/readyz", &[]).await.value();
        (!ready["embedding"].as_str()?.contains("load")).then_some(())
    })
    .await;
    for question in [
        "How do I bake sourdough bread?",
        "What is the way to bake sourdough bread at home?",
        "红烧肉怎么做",
        "红烧肉的做法是什么",
        "Who won the football world cup in 1998?",
    ] {
        search(&server, question).await;
    }
    eventually("five occurrences in three items", async || {
        let items = wait_for_items(&server, "library=gate", 3).await;
        let mut counts: Vec<i64> =
            items.as_array().unwrap().iter().map(|item| item["occurrences"].as_i64().unwrap()).collect();
        counts.sort_unstable();
        (counts == [1, 2, 2]).then_some(())
    })
    .await;
}
