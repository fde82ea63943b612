//! Golden questions: a backup is verified when its copy finds the passages that the library found, and is not when it does not.

use std::path::Path;

use ops::manifest::Manifest;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;

/// Check of the questions in a verification, with the state.
async fn verified(app: &TestApp, repository: &str, id: &str) -> (String, String, String) {
    let report = app.run(&["backup", "verify", id, "--from", repository, "--json"]).await.json();
    let checks = report["checks"].as_array().expect("checks");
    let check =
        checks.iter().find(|check| check["name"] == "questions").unwrap_or_else(|| panic!("{report}"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&report["state"]), text(&check["outcome"]), text(&check["detail"]))
}

/// Gives a backup the questions of another one, as if its library had lost what came between.
fn take_questions(repository: &str, from: &str, to: &str) {
    let path = |id: &str| Path::new(repository).join("backups").join(id).join("manifest.json");
    let read =
        |id| Manifest::from_bytes(&std::fs::read(path(id)).expect("a manifest"), "manifest").expect("it");
    let mut changed = read(to);
    changed.extras.insert("questions".to_owned(), read(from).extras["questions"].clone());
    std::fs::write(path(to), changed.to_bytes().expect("its bytes")).expect("the manifest");
}

#[tokio::test]
async fn a_copy_that_has_lost_an_answer_is_not_verified() {
    let app = TestApp::with_own_postgres(PROGRAM);
    app.file("gate/timeouts.md", "# Timeouts\n\nThe gateway waits 30 seconds for the plainword service.");
    app.file("gate/limits.md", "# Limits\n\nEach client has 600 requests a minute, which is the limitword.");
    let gate = app.files().join("gate").display().to_string();
    assert_eq!(app.add(&gate, "gate", "1.4").await.0, 0);
    let repository = app.files().join("backups").display().to_string();
    let _server = app.serve().await;

    let questions = ["backup", "questions"];
    let add =
        [&questions[..], &["add", "plainword", "--library", "gate", "--version", "1.x", "--json"]].concat();
    let added = app.run(&add).await.json();
    assert_eq!(app.run(&add).await.json(), added, "twice is once");
    app.run(&[&questions[..], &["add", "limitword"]].concat()).await.succeeded();
    app.run(&[&questions[..], &["add", "absentword"]].concat()).await.succeeded();
    let refused =
        app.run(&[&questions[..], &["add", "any", "--library", "Not a name"]].concat()).await.failed();
    assert!(refused.contains("name"), "{refused}");
    let listed = app.run(&questions).await.succeeded();
    assert!(listed.contains("1. plainword  gate 1.x") && listed.contains("3. absentword"), "{listed}");
    // An answer with citations is a question of the history, and private.
    app.run(&["ask", "how long does the gateway wait for the plainword service?", "--library", "gate"])
        .await
        .succeeded();

    let run = ["backup", "run", "--to", &repository, "--unencrypted", "--json"];
    let id = |run: Value| run["id"].as_str().expect("an id").to_owned();
    let whole = id(app.run(&run).await.json());
    let (state, outcome, detail) = verified(&app, &repository, &whole).await;
    assert_eq!((state.as_str(), outcome.as_str()), ("verified", "passed"), "{detail}");
    assert!(detail.contains("2 chosen, 1 of the history"), "{detail}");
    assert!(detail.contains("left out, since they found nothing: chosen question 3"), "{detail}");
    assert!(!detail.contains("how long"), "{detail}");

    // Another text: the passage of before is kept and opens, and is not found any more.
    app.file("gate/limits.md", "# Limits\n\nEach client has 900 requests a minute.");
    assert_eq!(app.add(&gate, "gate", "1.4").await.0, 0);
    let revised = id(app.run(&run).await.json());
    take_questions(&repository, &whole, &revised);
    let (state, outcome, detail) = verified(&app, &repository, &revised).await;
    assert_eq!((state.as_str(), outcome.as_str()), ("degraded", "degraded"), "{detail}");
    assert!(detail.contains("chosen question 2 (“limitword”) does not find passage"), "{detail}");

    app.run(&["documents", "delete", "gate/timeouts.md", "--yes"]).await.succeeded();
    let lost = id(app.run(&run).await.json());
    take_questions(&repository, &whole, &lost);
    let (state, outcome, detail) = verified(&app, &repository, &lost).await;
    assert_eq!((state.as_str(), outcome.as_str()), ("failed", "failed"), "{detail}");
    assert!(detail.contains("of chosen question 1 (“plainword”) is missing"), "{detail}");
    assert!(!detail.contains("how long"), "{detail}");
}

#[tokio::test]
async fn golden_questions_are_managed_over_http() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let token = Some(admin.access_token.as_str());
    let path = "/api/v1/golden-questions";
    let new = json!({ "text": " how to restore a backup ", "library": "wenyuan", "version": "^0.1" });
    let first = server.ask(token, Method::POST, path, Some(new.clone())).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let question = first.value();
    assert_eq!(question["text"], "how to restore a backup");
    let again = server.ask(token, Method::POST, path, Some(new)).await.value();
    assert_eq!(again, question);
    let listed = server.ask(token, Method::GET, path, None).await.value();
    assert_eq!(listed, json!({ "items": [question] }));
    for (body, words) in [
        (json!({ "text": " " }), "1 to 500 characters"),
        (json!({ "text": "x".repeat(501) }), "this one has 501"),
        (json!({ "text": "x", "version": "1" }), "name the library"),
        (json!({ "text": "x", "library": "No name" }), "No name"),
    ] {
        let refused = server.ask(token, Method::POST, path, Some(body)).await;
        refused.problem(400);
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    let one = format!("{path}/{}", question["id"].as_str().expect("an id"));
    assert_eq!(server.ask(token, Method::DELETE, &one, None).await.status, 204);
    server.ask(token, Method::DELETE, &one, None).await.problem(404);
    assert_eq!(server.ask(token, Method::GET, path, None).await.value(), json!({ "items": [] }));
}
