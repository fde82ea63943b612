//! The OpenAPI description: complete, consistent, and true of the running server.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use testkit::TestApp;

use crate::PROGRAM;
use crate::codebase::rust_files;

/// Method and path of every handler, as declared in its source.
fn declared_routes() -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for file in rust_files("crates/server/src") {
        let text = std::fs::read_to_string(file).expect("a source file");
        for declaration in text.split("#[utoipa::path(").skip(1) {
            let method = declaration.trim_start().split(',').next().expect("a method");
            let (_, path) = declaration.split_once("path = \"").expect("a path");
            let path = path.split('"').next().expect("a path");
            routes.insert((method.to_owned(), path.to_owned()));
        }
    }
    routes
}

/// Method and path of every operation of a description.
fn described_routes(description: &Value) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            routes.insert((method.clone(), path.clone()));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_is_described_and_answers() {
    let app = TestApp::new(PROGRAM).await;
    let printed: Value = serde_json::from_str(&app.run(&["openapi"]).await.succeeded()).unwrap();
    assert!(printed["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(described_routes(&printed), declared_routes());
    let server = app.serve().await;
    let served = server.get("/api/openapi.json", &[]).await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.ok(), printed);
    assert_references_resolve(&printed, &printed);
    // With ids that do not exist, each route is there, refuses in the format of its API, and never fails.
    for (method, path) in described_routes(&printed) {
        let address = path
            .replace("{id}", "00000000-0000-7000-8000-000000000000")
            .replace("{file_id}", "00000000-0000-7000-8000-000000000000")
            .replace("{model}", "absent")
            .replace("{group}", "00000000-0000-7000-8000-000000000000")
            .replace("{username}", "absent")
            .replace("{name}", "absent")
            .replace("{model}", "absent")
            .replace("{version}", "1")
            .replace("{revision}", "1")
            .replace("{library}", "absent")
            .replace("{path}", "a/b.md");
        assert!(!address.contains('{'), "{address}");
        let verb: Method = method.to_uppercase().parse().unwrap();
        let reply = server.send(server.request(verb, &address, &[])).await;
        assert!(reply.status < 500 && reply.status != 405, "{method} {path}: {}", reply.text());
        if address.starts_with("/api/v2/") {
            let failure = reply.value();
            assert!(failure["error"].is_string() && failure["message"].is_string(), "{method} {path}");
        } else if address.starts_with("/v1/") {
            let has_message = reply.status < 400 || reply.value()["error"]["message"].is_string();
            assert!(has_message, "{method} {path}: {}", reply.text());
        } else if !address.starts_with("/api/v1/") && address.starts_with("/api/") && reply.status >= 400 {
            assert!(reply.value()["message"].is_string(), "{method} {path}");
        } else if reply.status >= 400 {
            let problem = reply.problem(reply.status);
            assert_ne!(problem["detail"], "nothing was found at this address", "{method} {path}");
        }
        let operation = &printed["paths"][&path][&method];
        assert!(operation["responses"]["4XX"].is_object(), "{method} {path} does not describe problems");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
    }
}

fn assert_references_resolve(description: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("a local reference");
                assert!(description.pointer(pointer).is_some(), "{reference} does not resolve");
            }
            for member in members.values() {
                assert_references_resolve(description, member);
            }
        }
        Value::Array(items) => {
            for item in items {
                assert_references_resolve(description, item);
            }
        }
        _ => {}
    }
}
