//! The house's own rules: which room knows which, how files begin and how long they are, that migrations lead both ways,
//! and that the description of the API is whole and true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;
use testkit::TestApp;

use crate::PROGRAM;

/// Which rooms a room may know. Never sideways, never up; `extract`, `embedding` and `markup` know no room.
const ROOMS: [(&str, &[&str]); 12] = [
    ("kernel", &[]),
    ("extract", &[]),
    ("embedding", &[]),
    ("markup", &[]),
    ("store", &["kernel"]),
    ("identity", &["kernel", "store"]),
    ("library", &["embedding", "extract", "kernel", "store"]),
    ("registry", &["kernel", "store"]),
    ("chat", &["embedding", "extract", "kernel", "library", "markup", "registry", "store"]),
    (
        "server",
        &["chat", "embedding", "extract", "identity", "kernel", "library", "markup", "registry", "store"],
    ),
    ("testkit", &[]),
    // What is measured is measured from outside, or of one room by itself.
    ("bench", &["embedding", "extract", "identity", "kernel", "library", "store", "testkit"]),
];

/// What only a door may know.
const OF_THE_DOORS: [&str; 9] = [
    "askama",
    "axum",
    "lettre",
    "clap",
    "utoipa-axum",
    "tower",
    "tower-http",
    "indicatif",
    "metrics-exporter-prometheus",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

#[test]
fn rooms_know_only_what_lies_below_them() {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    assert_eq!(names, table.keys().copied().collect(), "a room is missing in the table, or one too many");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let is_for_tests = dependency["kind"] == "dev";
            if names.contains(on) && is_for_tests {
                assert!(on == "testkit" || table[name].contains(&on), "the tests of {name} know {on}");
            } else if names.contains(on) {
                assert!(table[name].contains(&on), "{name} must not know {on}");
            }
            // The programs that measure have a command line too.
            let may = name == "server" || (name == "bench" && on == "clap");
            assert!(may || !OF_THE_DOORS.contains(&on), "{name} knows {on}, which is for doors");
        }
    }
}

/// All source files of the workspace.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_say_what_they_are_and_are_not_long() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    assert!(files.len() > 50);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not open with //!", file.display());
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines: are there two things in it?", file.display());
    }
}

#[test]
fn each_migration_has_its_way_back() {
    let names: BTreeSet<String> = std::fs::read_dir(root().join("migrations"))
        .expect("migrations")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    let ways_up: Vec<&String> = names.iter().filter(|name| name.ends_with(".up.sql")).collect();
    assert_eq!(ways_up.len() * 2, names.len(), "{names:?}");
    for (number, up) in (1..).zip(ways_up) {
        assert!(up.starts_with(&format!("{number:04}_")), "{up} is not number {number}");
        assert!(names.contains(&up.replace(".up.", ".down.")), "{up} has no way back");
    }
}

/// Method and path of every handler, as its source declares them.
fn declared_routes() -> BTreeSet<(String, String)> {
    let mut files = Vec::new();
    sources(&root().join("crates/server/src"), &mut files);
    let mut routes = BTreeSet::new();
    for file in files {
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
async fn the_description_holds_every_route_and_every_route_answers() {
    let app = TestApp::new(PROGRAM).await;
    let printed: Value = serde_json::from_str(&app.run(&["openapi"]).await.succeeded()).unwrap();
    assert!(printed["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(described_routes(&printed), declared_routes());
    let server = app.serve().await;
    let at_its_address = server.get("/api/openapi.json", &[]).await;
    assert_eq!(at_its_address.header("content-type"), Some("application/json"));
    assert_eq!(at_its_address.ok(), printed);
    every_reference_leads_somewhere(&printed, &printed);
    // Walked with ids of nothing: each route is there, refuses as a problem, and never fails.
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
            let is_told = reply.status < 400 || reply.value()["error"]["message"].is_string();
            assert!(is_told, "{method} {path}: {}", reply.text());
        } else if !address.starts_with("/api/v1/") && address.starts_with("/api/") && reply.status >= 400 {
            assert!(reply.value()["message"].is_string(), "{method} {path}");
        } else if reply.status >= 400 {
            let problem = reply.problem(reply.status);
            assert_ne!(problem["detail"], "nothing was found at this address", "{method} {path}");
        }
        let operation = &printed["paths"][&path][&method];
        assert!(operation["responses"]["4XX"].is_object(), "{method} {path} says nothing of problems");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
    }
}

fn every_reference_leads_somewhere(description: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("a reference inside");
                assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            for member in members.values() {
                every_reference_leads_somewhere(description, member);
            }
        }
        Value::Array(items) => {
            for item in items {
                every_reference_leads_somewhere(description, item);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn what_is_seen_of_a_running_server() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG_FORMAT", "text");
    let server = app.serve().await;
    assert_eq!(server.get("/healthz", &[]).await.text(), "ok\n");
    server.add("seen", "1", "a.md", "# A\n\nThe seenword.").await;
    server.search(&[("q", "seenword")]).await;
    testkit::eventually("metrics", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        let all = [
            "wenyuan_http_requests_total{",
            "route=\"/api/v1/search\"",
            "wenyuan_http_request_seconds_bucket",
            "statement=\"changes.sequence\"",
            "wenyuan_pool_connections{state=\"idle\"}",
            "wenyuan_pool_connections_max",
            "wenyuan_index_changes_behind",
            "wenyuan_search_seconds_bucket{stage=\"text\"",
            "wenyuan_documents_read_total{outcome=\"completed\"}",
        ];
        all.iter().all(|name| metrics.contains(name)).then_some(())
    })
    .await;
    // Who holds an answer already is told so.
    let tag = server.get("/api/v1/libraries", &[]).await.header("etag").unwrap().to_owned();
    let held = server.request(Method::GET, "/api/v1/libraries", &[]).header("if-none-match", tag);
    assert_eq!(server.send(held).await.status, 304);
    // A request's id is in the answer, in the log, and, given by the asker, kept.
    let request = server.request(Method::GET, "/api/v1/libraries", &[]).header("x-request-id", "of-the-test");
    assert_eq!(server.send(request).await.header("x-request-id"), Some("of-the-test"));
    testkit::eventually("a log line", async || server.log().contains("of-the-test").then_some(())).await;
}

#[tokio::test]
async fn logs_are_json_where_that_is_wanted() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG_FORMAT", "json").set("WENYUAN_LOG", "debug");
    let run = app.run(&["libraries"]).await;
    for line in run.errors.lines().filter(|line| line.starts_with('{')) {
        let entry: Value = serde_json::from_str(line).expect(line);
        assert!(entry["timestamp"].is_string() && entry["level"].is_string(), "{line}");
    }
    assert!(run.errors.contains("\"level\":\"DEBUG\""), "{}", run.errors);
}

#[test]
fn the_page_of_components_shows_every_token_and_part() {
    let style = |name: &str| {
        let text =
            std::fs::read_to_string(root().join("crates/server/web/style").join(name)).expect("a sheet");
        text.split("/*")
            .map(|part| part.split_once("*/").map_or(part, |(_, after)| after))
            .collect::<String>()
    };
    let page = std::fs::read_to_string(root().join("docs/components.html")).expect("the page of components");
    let name = |rest: &str| {
        let end =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let shown: BTreeSet<&str> = page
        .split("class=\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap_or_default().split(' '))
        .collect();
    // In selectors, where a name follows the dot at once; after a declaration's colon stand numbers.
    let classes: BTreeSet<String> = style("30-parts.css")
        .split('.')
        .skip(1)
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(name)
        .collect();
    let missing: Vec<&String> = classes.iter().filter(|class| !shown.contains(class.as_str())).collect();
    assert!(classes.len() > 30 && missing.is_empty(), "not on docs/components.html: {missing:?}");
    let tokens: BTreeSet<String> = style("10-tokens.css")
        .split("--")
        .skip(1)
        .filter(|rest| name(rest).len() < rest.find(':').unwrap_or(0) + 1)
        .map(name)
        .collect();
    let missing: Vec<&String> =
        tokens.iter().filter(|token| !page.contains(&format!("<code>--{token}</code>"))).collect();
    assert!(tokens.len() > 30 && missing.is_empty(), "not on docs/components.html: {missing:?}");
}
