//! Perplexica's clients: both generations ask, list, open, delete and search as they are used to.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, LanguageModel, Reply, Server, TestApp};

use crate::PROGRAM;
const CHAT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b";
const GATE: &str =
    "# Timeouts\n\nThe gateway waits 30 seconds for a service. `--upstream-timeout` changes that.\n";

async fn begin(app: &TestApp) -> (Server, LanguageModel) {
    let model = LanguageModel::start().await;
    let server = app.serve().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let added = ["models", "add", "small", &model.url(), "--model", "any", "--default"];
    app.run(&added).await.succeeded();
    (server, model)
}

async fn post(server: &Server, path: &str, body: Value) -> Reply {
    server.send(server.request(Method::POST, path, &[]).json(&body)).await
}

/// The lines of a stream.
#[track_caller]
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    reply.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn types(lines: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    types.dedup();
    types
}

fn old(message: &str, content: &str) -> Value {
    json!({
        "message": { "messageId": message, "chatId": CHAT, "content": content }, "optimizationMode": "balanced",
        "focusMode": "librarySearch", "history": [], "files": [], "systemInstructions": "",
        "chatModel": { "provider": "openai", "name": "gpt-4o" }, "embeddingModel": { "provider": "openai", "name": "x" },
    })
}

#[tokio::test]
async fn an_older_client_asks_opens_and_deletes() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = begin(&app).await;
    model.script([
        Answer::streaming(&["It waits ", "30 seconds [1]."]),
        Answer::streaming(&["Half a minute [1]."]),
        Answer::streaming(&["Change it [1]."]),
    ]);
    let question = "How long does the gateway wait for a service?";
    let asked = lines(&post(&server, "/api/chat", old("0a1b2c3d4e5f60", question)).await);
    assert_eq!(types(&asked), ["sources", "message", "messageEnd"], "{asked:?}");
    let source = &asked[0]["data"][0];
    assert!(source["pageContent"].as_str().unwrap().contains("30 seconds"), "{source}");
    assert!(source["metadata"]["url"].as_str().unwrap().contains("/api/v1/passages/"), "{source}");
    let text: String = asked
        .iter()
        .filter(|line| line["type"] == "message")
        .map(|line| line["data"].as_str().unwrap())
        .collect();
    assert_eq!(text, "It waits 30 seconds [1].");
    assert!(asked.iter().all(|line| line["messageId"] == asked[0]["messageId"]), "{asked:?}");
    // By its own ids.
    let listed = server.json("/api/chats").await;
    assert_eq!(listed["chats"].as_array().unwrap().len(), 1, "{listed}");
    let chat = &listed["chats"][0];
    assert_eq!(
        (&chat["id"], &chat["focusMode"], &chat["files"]),
        (&json!(CHAT), &json!("librarySearch"), &json!([]))
    );
    assert_eq!(chat["title"], question);
    let path = format!("/api/chats/{CHAT}");
    let opened = server.json(&path).await;
    let messages = opened["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{opened}");
    assert_eq!((&messages[0]["messageId"], &messages[0]["role"]), (&json!("0a1b2c3d4e5f60"), &json!("user")));
    assert_eq!((&messages[1]["chatId"], &messages[1]["messageId"]), (&json!(CHAT), &asked[0]["messageId"]));
    // Metadata are JSON in a text, as its clients parse it.
    let metadata: Value = serde_json::from_str(messages[1]["metadata"].as_str().unwrap()).unwrap();
    assert!(
        metadata["createdAt"].is_string() && metadata["sources"][0]["metadata"]["title"].is_string(),
        "{metadata}"
    );
    // Sent again under its id it is written anew; what was stays beside it.
    let again = lines(&post(&server, "/api/chat", old("0a1b2c3d4e5f60", question)).await);
    assert_eq!(types(&again), ["sources", "message", "messageEnd"]);
    let opened = server.json(&path).await;
    assert_eq!(
        (opened["messages"].as_array().unwrap().len(), &opened["messages"][1]["content"]),
        (2, &json!("Half a minute [1]."))
    );
    lines(
        &post(&server, "/api/chat", old("0a1b2c3d4e5f60", "How do I change how long the gateway waits?"))
            .await,
    );
    let opened = server.json(&path).await;
    assert_eq!(opened["messages"][0]["content"], "How do I change how long the gateway waits?");
    assert_eq!(opened["messages"][0]["messageId"], "0a1b2c3d4e5f60");
    assert_eq!(opened["messages"].as_array().unwrap().len(), 2);
    assert_eq!(app.database().count("select count(*) from chat.messages").await, 5);
    // An id of ours leads there too.
    let own = server.json("/api/v1/chats").await["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.json(&format!("/api/chats/{own}")).await, opened);
    assert_eq!(server.delete(&path).await.ok(), json!({ "message": "Chat deleted successfully" }));
    for reply in [server.delete(&path).await, server.get(&path, &[]).await] {
        assert_eq!((reply.status, reply.value()), (404, json!({ "message": "Chat not found" })));
    }
    assert_eq!(server.json("/api/chats").await, json!({ "chats": [] }));
}

#[tokio::test]
async fn a_newer_client_reads_blocks() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = begin(&app).await;
    model.script([Answer::streaming(&["It waits ", "30 seconds [1]."])]);
    let body = json!({
        "message": { "messageId": "t1", "chatId": "c1", "content": "How long does the gateway wait for a service?" },
        "sources": ["library"], "optimizationMode": "speed", "history": [], "files": [],
        "chatModel": { "providerId": "wenyuan", "key": "small" }, "embeddingModel": { "providerId": "x", "key": "y" },
    });
    let asked = lines(&post(&server, "/api/chat", body).await);
    assert_eq!(types(&asked).first(), Some(&"block"), "{asked:?}");
    assert_eq!(types(&asked).last(), Some(&"messageEnd"), "{asked:?}");
    assert_eq!(asked[0]["block"]["type"], "source");
    assert!(asked[0]["block"]["data"][0]["content"].as_str().unwrap().contains("30 seconds"));
    assert_eq!(asked[1]["type"], "researchComplete");
    assert_eq!(asked[2]["block"]["type"], "text");
    // Patched as its clients do.
    let mut text = asked[2]["block"]["data"].clone();
    for line in asked.iter().filter(|line| line["type"] == "updateBlock") {
        assert_eq!(
            (&line["blockId"], &line["patch"][0]["op"]),
            (&asked[2]["block"]["id"], &json!("replace"))
        );
        text = line["patch"][0]["value"].clone();
    }
    assert_eq!(text, "It waits 30 seconds [1].");
    let answer = server.json("/api/chats/c1").await["messages"][1]["messageId"].as_str().unwrap().to_owned();
    let again = lines(&server.post(&format!("/api/reconnect/{answer}")).await);
    assert_eq!(again[2]["block"]["data"], "It waits 30 seconds [1].");
    let none = server.post("/api/reconnect/nothing").await;
    assert_eq!((none.status, none.value()), (404, json!({ "message": "Session not found" })));
    assert_eq!(server.json("/api/providers").await["providers"][0]["chatModels"][0]["key"], "small");
    assert_eq!(server.json("/api/models").await["chatModelProviders"]["wenyuan"][0]["name"], "small");
}

#[tokio::test]
async fn one_searches_and_is_told_what_is_wrong() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = begin(&app).await;
    model.script([Answer::streaming(&["30 seconds [1]."]), Answer::streaming(&["30 ", "seconds [1]."])]);
    let query = "How long does the gateway wait for a service?";
    let body = json!({ "focusMode": "librarySearch", "query": query });
    let found = post(&server, "/api/search", body.clone()).await.ok();
    assert_eq!(found["message"], "30 seconds [1].", "{found}");
    assert!(found["sources"][0]["content"].as_str().unwrap().contains("30 seconds"), "{found}");
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    streamed["history"] = json!([["human", "Hello"], ["assistant", "Hello!"]]);
    let streamed = lines(&post(&server, "/api/search", streamed).await);
    assert_eq!(types(&streamed), ["init", "sources", "response", "done"], "{streamed:?}");
    for (path, body, message) in [
        (
            "/api/chat",
            json!({ "message": { "messageId": "a", "chatId": "b", "content": " " } }),
            "Please provide a message to process",
        ),
        ("/api/chat", json!({ "focusMode": "librarySearch" }), "Please provide a message to process"),
        (
            "/api/chat",
            json!({ "message": { "content": "x" }, "focusMode": "otherSearch" }),
            "Invalid focus mode",
        ),
        ("/api/chat", json!({ "message": "x" }), "Invalid request body"),
        ("/api/search", json!({ "focusMode": "librarySearch" }), "Missing focus mode or query"),
        ("/api/search", json!({ "query": "x", "sources": ["elsewhere"] }), "Invalid focus mode"),
        ("/api/search", json!([]), "Invalid request body"),
    ] {
        let refused = post(&server, path, body).await;
        assert_eq!((refused.status, &refused.value()["message"]), (400, &json!(message)), "{path}");
    }
    let nobody = server.send(server.request_as(None, Method::GET, "/api/chats", &[])).await;
    assert!(nobody.status == 401 && nobody.value()["message"].is_string(), "{}", nobody.text());
}

#[tokio::test]
async fn two_peoples_clients_may_use_the_same_ids() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = begin(&app).await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "user").await;
    model.script([Answer::streaming(&["To ada [1]."]), Answer::streaming(&["To bo [1]."])]);
    // One of the ids is a UUID, which stands for itself where it is free.
    let uuid = "7d3f2b52-6f0c-4f43-a8f2-6f9be3f2a001";
    let mut body = old(uuid, "How long does the gateway wait for a service?");
    body["message"]["chatId"] = json!(uuid);
    let path = format!("/api/chats/{uuid}");
    for (person, answer) in [(&ada, "To ada [1]."), (&bo, "To bo [1].")] {
        let token = Some(person.access_token.as_str());
        assert_eq!(server.ask(token, Method::GET, &path, None).await.status, 404);
        lines(&server.ask(token, Method::POST, "/api/chat", Some(body.clone())).await);
        let opened = server.ask(token, Method::GET, &path, None).await.ok();
        assert_eq!(opened["messages"][1]["content"], answer, "{opened}");
        assert_eq!(opened["messages"][0]["messageId"], uuid, "{opened}");
        assert_eq!(opened["chat"]["id"], uuid, "{opened}");
        assert_eq!(
            server.ask(token, Method::GET, "/api/chats", None).await.ok()["chats"].as_array().unwrap().len(),
            1
        );
    }
}
