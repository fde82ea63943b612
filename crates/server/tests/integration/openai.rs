//! The library as a language model, for OpenAI's clients: the official one asks, streams, leaves, and is refused.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Gate, LanguageModel, Program, Server, TestApp};

use crate::PROGRAM;
const GUIDE: &str =
    "# Shutting down\n\nThe gateway drains its connections for thirty seconds before it stops.\n";

async fn library(app: &TestApp) -> Server {
    let server = app.serve().await;
    server.add("example/ops", "1.0", "guide.md", GUIDE).await;
    server.add("example/ops", "2.0", "guide.md", GUIDE.replace("thirty", "ninety")).await;
    server.caught_up().await;
    server
}

fn question(text: &str) -> Value {
    json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": text }])
}

#[tokio::test]
async fn the_official_client_asks_streams_leaves_and_is_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = library(&app).await;
    let scripted = LanguageModel::start().await;
    app.run(&["models", "add", "small", &scripted.url(), "--default"]).await.succeeded();
    let gate = Gate::new();
    let held = gate.clone();
    scripted.answer_with(move |asked| {
        let passages = asked.body["messages"].to_string();
        let seconds = if passages.contains("thirty seconds") { "thirty" } else { "ninety" };
        let answer = Answer::streaming(&["It drains ", "for ", seconds, " seconds before it stops [1]."]);
        // One of the models does not say what it used.
        let answer = if seconds == "ninety" { answer.without_usage() } else { answer };
        if passages.contains("for ever") { answer.gated_after(2, &held) } else { answer }
    });
    let asked = "How long does the gateway drain its connections?";
    let first = json!([
        { "role": "user", "content": "What does the gateway drain?" },
        { "role": "assistant", "content": "Its connections [1].\n\n---\nSources:\n\n[1] Shutting down" },
        { "role": "user", "content": [{ "type": "text", "text": asked }] },
    ]);
    let of = |model: &str| json!({ "model": model, "messages": question(asked) });
    let with = |more: Value| {
        let mut request = of("wenyuan");
        for (name, value) in more.as_object().expect("members") {
            request[name] = value.clone();
        }
        request
    };
    let plan = json!({
        "models": ["wenyuan", "example/ops", "example/ops@1.0", "example/ops@2.0"],
        "asks": [
            { "model": "example/ops@1.0", "messages": question(asked), "says": "for thirty seconds", "cites": [1],
              "usage": [12, 7] },
            { "model": "example/ops@2.0", "messages": first, "says": "(example/ops 2.0): http", "cites": [1] },
        ],
        "refusals": [
            { "request": of("example/ops@3.0"), "error": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model" },
            { "request": of("nothing"), "error": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model" },
            { "request": with(json!({ "n": 3 })), "error": "BadRequestError", "status": 400, "code": "invalid", "param": "n" },
            { "request": with(json!({ "messages": [] })), "error": "BadRequestError", "status": 400, "code": "invalid", "param": "messages" },
        ],
        "left": { "model": "example/ops@1.0", "messages": question("How long does the gateway drain its connections? Not for ever?") },
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/openai_official.py");
    let url = format!("http://{}/v1", server.address());
    let arguments = [&*script.display().to_string(), &url, server.key(), &plan.to_string()];
    let run = Program::python(&arguments).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    let done = run.json();
    assert!(done["told"][0].as_str().is_some_and(|told| told.contains("2.0")), "{done}");
    assert!(done["pieces"][0].as_u64() > Some(1), "{done}");
    // Whoever goes away stops the model.
    scripted.wait_for_disconnects(1).await;
    gate.open();
    // What stood below an earlier answer was not told to the model again.
    let told = scripted.requests().iter().map(|asked| asked.body.to_string()).collect::<String>();
    assert!(!told.contains(r"---\nSources:"), "{told}");
}

#[tokio::test]
async fn without_a_model_it_quotes_and_a_model_that_fails_does_not_break_it() {
    let app = TestApp::new(PROGRAM).await;
    let server = library(&app).await;
    let ask = async || {
        let body =
            json!({ "model": "example/ops", "messages": question("How long does the gateway drain?") });
        server.ask(Some(server.key()), Method::POST, "/v1/chat/completions", Some(body)).await
    };
    let quoted = ask().await.ok();
    assert!(
        quoted["choices"][0]["message"]["content"].as_str().unwrap().contains("thirty seconds"),
        "{quoted}"
    );
    assert!(quoted["created"].as_i64() > Some(1_700_000_000), "{quoted}");
    // Counted by us: the question as the prompt, and the passages.
    let used = |name: &str| quoted["usage"][name].as_u64().unwrap_or_default();
    assert!(used("prompt_tokens") >= 8 && used("completion_tokens") > used("prompt_tokens"), "{quoted}");
    assert_eq!(used("total_tokens"), used("prompt_tokens") + used("completion_tokens"));
    let body = json!({ "model": "example/ops", "messages": question("How long does the gateway drain?"),
        "stream": true, "stream_options": { "include_usage": true } });
    let streamed = server.ask(Some(server.key()), Method::POST, "/v1/chat/completions", Some(body)).await;
    let chunks: Vec<Value> = streamed
        .text()
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let (last, others) = chunks.split_last().expect("chunks");
    assert!(last["usage"] == quoted["usage"] && last["choices"] == json!([]), "{last}");
    assert!(
        others.len() > 1 && others.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)),
        "{others:?}"
    );
    let scripted = LanguageModel::start().await;
    app.run(&["models", "add", "small", &scripted.url()]).await.succeeded();
    scripted.script([Answer::status(401, "{}")]);
    let failed = ask().await.ok();
    assert!(
        failed["choices"][0]["message"]["content"].as_str().unwrap().contains("thirty seconds"),
        "{failed}"
    );
    // Nothing of it is kept.
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 0);
}

#[tokio::test]
async fn failures_have_the_form_that_clients_read() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for (method, path, body, status, kind) in [
        (Method::GET, "/v1/nothing", None, 404, "invalid_request_error"),
        (Method::GET, "/v1/chat/completions", None, 405, "invalid_request_error"),
        (Method::POST, "/v1/chat/completions", Some(json!([])), 400, "invalid_request_error"),
        (Method::GET, "/v1/models/nothing", None, 404, "invalid_request_error"),
    ] {
        let reply = server.ask(Some(server.key()), method, path, body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let error = &reply.value()["error"];
        let says = error["message"].as_str().is_some_and(|text| !text.is_empty());
        assert!(error["type"] == kind && says && error["code"].is_string(), "{path}: {error}");
    }
    let nobody = server.ask(None, Method::GET, "/v1/models", None).await;
    assert_eq!((nobody.status, &nobody.value()["error"]["code"]), (401, &json!("invalid_api_key")));
}

#[tokio::test]
async fn each_model_is_listed_once_also_where_a_library_is_called_as_all_are() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("wenyuan", "9.9", "a.md", GUIDE).await;
    let listed = server.json("/v1/models").await;
    let ids: Vec<&str> =
        listed["data"].as_array().expect("models").iter().filter_map(|model| model["id"].as_str()).collect();
    assert_eq!(ids.iter().filter(|id| **id == "wenyuan").count(), 1, "{ids:?}");
    assert!(ids.contains(&"wenyuan@9.9"), "{ids:?}");
    let one = server.json("/v1/models/wenyuan@9.9").await;
    assert_eq!(one["id"], "wenyuan@9.9");
}
