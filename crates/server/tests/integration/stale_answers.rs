//! Stale answers: the mark follows the cited passages, and the changes are shown.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Server, TestApp, eventually};

use crate::PROGRAM;

const FIRST: &str = "# Gate\n\n## Timeouts\n\nThe gateway waits 30 seconds for a service.\n";
const SECOND: &str = "# Gate\n\n## Timeouts\n\nThe gateway waits 45 seconds for a service.\n";
const THIRD: &str = "# Gate\n\n## Retries\n\nThe gateway asks a service three times.\n";

/// Asks without a model: the answer quotes and cites passages.
async fn ask(server: &Server, library: &str, version: Option<&str>) -> String {
    let made = server.ask(Some(server.key()), Method::POST, "/api/v1/chats", Some(json!({}))).await;
    let path = format!("/api/v1/chats/{}/messages", made.value()["id"].as_str().expect("an id"));
    let question =
        json!({ "content": "How long does the gateway wait?", "library": library, "version": version });
    let answered = server.ask(Some(server.key()), Method::POST, &path, Some(question)).await.ok();
    assert!(cited(&answered["answer"]).is_some(), "{answered}");
    answered["answer"]["message_id"].as_str().expect("an id").to_owned()
}

/// Returns the first source that is cited.
fn cited(answer: &Value) -> Option<&Value> {
    answer["sources"].as_array()?.iter().find(|source| source["cited"] == true)
}

/// Waits until the answer's source has this mark; `fresh` means none.
async fn wait_for_mark(server: &Server, answer: &str, mark: &str) {
    eventually(&format!("the mark {mark}"), async || {
        let message = server.json(&format!("/api/v1/messages/{answer}")).await;
        let source = cited(&message)?;
        (source["stale"].as_str().unwrap_or("fresh") == mark).then_some(())
    })
    .await;
}

async fn changes(server: &Server, answer: &str) -> Value {
    server.json(&format!("/api/v1/messages/{answer}/changes")).await
}

#[tokio::test]
async fn the_stale_mark_follows_the_cited_passage() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let revision = server.add("gate", "1", "gate.md", FIRST).await;
    let document = revision["document_id"].as_str().unwrap().to_owned();
    let answer = ask(&server, "gate", None).await;
    let fresh = changes(&server, &answer).await;
    assert_eq!((&fresh[0]["stale"], &fresh[0]["now"]), (&Value::Null, &Value::Null), "{fresh}");

    // A different text in the same section.
    server.add("gate", "1", "gate.md", SECOND).await;
    wait_for_mark(&server, &answer, "changed").await;
    let changed = changes(&server, &answer).await;
    assert!(changed[0]["was"].as_str().unwrap().contains("30 seconds"), "{changed}");
    assert!(changed[0]["now"]["content"].as_str().unwrap().contains("45 seconds"), "{changed}");
    assert!(
        changed[0]["now"]["diff"]["unified"].as_str().unwrap().contains("+The gateway waits 45"),
        "{changed}"
    );
    assert!(changed[0]["since"].is_string());
    let url = changed[0]["now"]["url"].as_str().unwrap();
    assert!(server.json(url).await["content"].as_str().unwrap().contains("45 seconds"));

    // After a rollback the mark is cleared.
    let back = format!("/api/v1/documents/{document}/versions/1~1/activate");
    assert_eq!(server.post(&back).await.status, 200);
    wait_for_mark(&server, &answer, "fresh").await;

    // The section is removed.
    server.add("gate", "1", "gate.md", THIRD).await;
    wait_for_mark(&server, &answer, "gone").await;
    assert_eq!(changes(&server, &answer).await[0]["now"], Value::Null);
    server.post(&back).await;
    wait_for_mark(&server, &answer, "fresh").await;

    assert_eq!(server.delete(&format!("/api/v1/documents/{document}")).await.status, 204);
    wait_for_mark(&server, &answer, "gone").await;
    // The cited text stays.
    assert!(changes(&server, &answer).await[0]["was"].as_str().unwrap().contains("30 seconds"));
}

#[tokio::test]
async fn only_an_answer_without_a_version_follows_the_active_one() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "gate.md", FIRST).await;
    let (following, fixed) = (ask(&server, "gate", None).await, ask(&server, "gate", Some("1")).await);
    server.add("gate", "2", "gate.md", SECOND).await;
    let activate = async |version: &str| {
        let path = format!("/api/v1/libraries/gate/versions/{version}/activate");
        assert_eq!(server.post(&path).await.status, 200);
    };
    activate("2").await;
    wait_for_mark(&server, &following, "changed").await;
    assert_eq!(changes(&server, &following).await[0]["now"]["version"], "2");
    wait_for_mark(&server, &fixed, "fresh").await;
    activate("1").await;
    wait_for_mark(&server, &following, "fresh").await;
    activate("2").await;
    wait_for_mark(&server, &following, "changed").await;
    assert_eq!(server.delete("/api/v1/libraries/gate/versions/1").await.status, 204);
    wait_for_mark(&server, &fixed, "gone").await;
    wait_for_mark(&server, &following, "changed").await;
    assert_eq!(server.delete("/api/v1/libraries/gate").await.status, 204);
    wait_for_mark(&server, &following, "gone").await;
}

#[tokio::test]
async fn changes_without_a_running_server_are_marked_at_the_next_start() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "gate.md", FIRST).await;
    let answer = ask(&server, "gate", None).await;
    server.kill();
    let file = app.file("gate.md", SECOND);
    assert_eq!(app.add(&file, "gate", "1").await.0, 0);
    let server = app.serve().await;
    wait_for_mark(&server, &answer, "changed").await;
    // Keys of other users do not reach it.
    app.run(&["user", "create", "bo", "--role", "editor"]).await.succeeded();
    let other = app.create_key("bo", &["--user", "bo", "--scope", "write,chats"]).await;
    let path = format!("/api/v1/messages/{answer}/changes");
    server.ask(Some(&other), Method::GET, &path, None).await.problem(404);
    server.ask(None, Method::GET, &path, None).await.problem(401);
}
