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
            .replace("{message}", "00000000-0000-7000-8000-000000000000")
            .replace("{tag}", "absent")
            .replace("{group}", "00000000-0000-7000-8000-000000000000")
            .replace("{username}", "absent")
            .replace("{name}", "absent")
            .replace("{purpose}", "embedding")
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
        assert!(operation["responses"]["400"].is_object(), "{method} {path} does not describe problems");
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

/// Parts of requests without a bound, and the reason of each.
const UNBOUNDED: [(&str, &str); 7] = [
    ("last-event-id", "a header whose invalid values are ignored"),
    ("accept-language", "a header whose invalid values are ignored"),
    ("metadata", "members of the users' choice"),
    ("OpenAi", "clients of other products send further members"),
    ("Perplexica", "clients of other products send further members"),
    ("ImportForm", "other fields of the form are ignored"),
    ("application/octet-stream", "a file"),
];

/// Finds the parts of requests without a bound: texts, numbers, lists and objects.
struct BoundCheck<'description> {
    description: &'description Value,
    exceptions: BTreeSet<&'static str>,
    unbounded: Vec<String>,
}

impl BoundCheck<'_> {
    fn check_operation(&mut self, name: &str, operation: &Value) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let at = format!("{name} {}", parameter["name"].as_str().expect("a name"));
            let schema =
                parameter.get("schema").unwrap_or(&parameter["content"]["application/json"]["schema"]);
            self.check(&at, schema);
        }
        for (content_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            self.check(&format!("{name} {content_type}"), &content["schema"]);
        }
    }

    fn check(&mut self, at: &str, schema: &Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().expect("a name");
            let target = self.description.pointer(&reference[1..]).expect("a schema").clone();
            return self.check(&format!("{at} {name}"), &target);
        }
        for part in ["oneOf", "allOf", "anyOf", "prefixItems"] {
            for alternative in schema[part].as_array().into_iter().flatten() {
                self.check(at, alternative);
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        let has = |name: &str| !schema[name].is_null();
        for kind in types {
            let is_bounded = match kind {
                "string" => {
                    has("maxLength")
                        || has("enum")
                        || ["uuid", "date-time"].iter().any(|format| schema["format"] == *format)
                }
                "integer" | "number" => has("minimum") && has("maximum"),
                "array" => has("maxItems"),
                "object" => schema["additionalProperties"] == false,
                _ => true,
            };
            if !is_bounded {
                self.report(&format!("{at}: {kind}"));
            }
        }
        self.check_parts(at, schema);
    }

    fn check_parts(&mut self, at: &str, schema: &Value) {
        if schema["items"].is_object() {
            self.check(at, &schema["items"]);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            // The bytes of a file are bounded by a setting.
            if property["contentMediaType"].is_null() {
                self.check(&format!("{at}.{name}"), property);
            }
        }
    }

    fn report(&mut self, at: &str) {
        match UNBOUNDED.iter().find(|(part, _reason)| at.contains(part)) {
            Some((part, _reason)) => {
                self.exceptions.insert(part);
            }
            None => self.unbounded.push(at.to_owned()),
        }
    }
}

#[tokio::test]
async fn every_part_of_a_request_has_a_bound() {
    let app = TestApp::new(PROGRAM).await;
    let description: Value = serde_json::from_str(&app.run(&["openapi"]).await.succeeded()).unwrap();
    let mut check =
        BoundCheck { description: &description, exceptions: BTreeSet::new(), unbounded: Vec::new() };
    for (method, path) in described_routes(&description) {
        check.check_operation(&format!("{method} {path}"), &description["paths"][&path][&method]);
    }
    assert!(check.unbounded.is_empty(), "{:#?}", check.unbounded);
    let listed: BTreeSet<&str> = UNBOUNDED.iter().map(|(part, _reason)| *part).collect();
    assert_eq!(check.exceptions, listed, "an exception that is not needed");
}
