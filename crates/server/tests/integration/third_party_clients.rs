//! The server under third-party programs: the official MCP conformance suite and clients, the MCP Inspector, the Context7
//! package, a linter of OpenAPI descriptions and an API fuzzer. `./test` fetches them; `tests/clients/` has the scripts that
//! drive them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{ConformanceRun, Program, Server, TestApp, documents, folder};

use crate::PROGRAM;

/// Supported revisions of the protocol: the last one with sessions and a handshake, and the first one without.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Adds a library with two different versions, and another library.
async fn add_libraries(app: &TestApp) {
    // The first version becomes the active one.
    for (version, lever) in [("5.2.1", "newlever"), ("5.1.0", "oldlever")] {
        let restoring =
            format!("Restore a backup with the {lever} command.\n\n```sh\nops {lever} --all\n```");
        let keeping = "Keep a backup of every night for a month, and one of every month for a year.";
        let sections = [("Restoring a backup", restoring.as_str()), ("Keeping them", keeping)];
        app.file("ops/guides/backup.md", documents::markdown("Backups", &sections));
        let folder = app.files().join("ops").display().to_string();
        let (code, summary) = app.add(&folder, "example/ops", version).await;
        assert_eq!(code, 0, "{summary}");
    }
    let file = app.file("axum.md", documents::manual("Axum", "routerword", 4));
    let (code, summary) = app.add(&file, "axum", "0.8").await;
    assert_eq!(code, 0, "{summary}");
}

/// Returns the id of a passage about backups.
async fn backup_passage(server: &Server) -> String {
    let found = server.search(&[("q", "restore a backup"), ("library", "example/ops")]).await;
    found["hits"][0]["id"].as_str().expect("an id").to_owned()
}

/// Plan for `official.py` and `official.mjs`: one use of everything that the MCP server offers to a key with all scopes.
async fn plan(server: &Server) -> Value {
    let ops = "example/ops";
    let document = "docs://libraries/example%2Fops/5.1.0/guides/backup.md";
    let call = |tool: &str, arguments: Value, says: &str| json!({ "tool": tool, "arguments": arguments, "says": says });
    let refused = |tool: &str, arguments: Value, says: &str| json!({ "tool": tool, "arguments": arguments, "says": says, "refused": true });
    json!({
        "revisions": REVISIONS,
        "calls": [
            call("search_docs", json!({ "query": "restore a backup", "library": ops, "version": "5.1.0" }), "oldlever"),
            call("search_docs", json!({ "query": "routerword2", "limit": 3, "max_tokens": 400 }), "routerword2"),
            call("search_docs", json!({ "query": "nosuchwordanywhere", "library": "axum" }), "No results found"),
            refused("search_docs", json!({ "query": "restore", "library": ops, "version": "9.9" }), "5.2.1"),
            refused("search_docs", json!({ "query": "restore", "library": "nosuchlibrary" }), "nosuchlibrary"),
            refused("search_docs", json!({ "query": 7 }), "expected a string"),
            call("list_libraries", json!({}), "example/ops"),
            call("find_version", json!({ "library": ops, "targetVersion": "5.1.x" }), "Best match: 5.1.0"),
            call("find_version", json!({ "library": ops, "targetVersion": "7" }), "No matching version"),
            call("get_document", json!({ "library": ops, "path": "guides/backup.md", "section": "Restoring a backup" }), "newlever"),
            call("get_document", json!({ "uri": document, "max_tokens": 600 }), "oldlever"),
            refused("get_document", json!({ "library": ops, "path": "guides/none.md" }), "none.md"),
            call("list_recent_changes", json!({ "library": ops }), "guides/backup.md"),
            call("resolve-library-id", json!({ "query": "how to restore", "libraryName": "ops" }), "/example/ops"),
            call("query-docs", json!({ "libraryId": "/example/ops/5.2.1", "query": "restore a backup" }), "newlever"),
            refused("query-docs", json!({ "libraryId": "/example/ops/4", "query": "restore" }), "5.2.1"),
            call("get-library-docs", json!({ "context7CompatibleLibraryID": "/example/ops", "topic": "backup" }), "newlever"),
            call("report_issue", json!({ "passage_id": backup_passage(server).await, "category": "outdated", "text": "The lever has changed." }), ""),
            call("ask", json!({ "question": "How do I restore a backup?", "library": ops, "version": "5.1.0" }), "oldlever"),
            call("search_history", json!({ "query": "nosuchwordanywhere" }), "Nothing was found"),
            call("list_discussions", json!({ "library": ops }), "There are no discussions"),
            refused("get_discussion", json!({ "discussion_id": "none" }), "not an id"),
        ],
        "resources": [
            { "uri": "docs://libraries", "says": "axum" },
            { "uri": "docs://libraries/example%2Fops/versions", "says": "5.2.1" },
            { "uri": "docs://libraries/example%2Fops/5.1.0/documents", "says": "backup.md" },
            { "uri": document, "says": "oldlever" },
        ],
        "prompts": [
            { "name": "answer_with_citations", "arguments": { "question": "How is it restored?" }, "says": "How is it restored?" },
            { "name": "compare_versions", "arguments": { "library": ops, "from": "5.1.0", "to": "5.2.1" }, "says": "5.2.1" },
            { "name": "explain_operation", "arguments": { "operation": "restoring", "library": ops }, "says": "restoring" },
        ],
        "completions": [
            { "prompt": "compare_versions", "argument": "library", "value": "exa", "offers": "example/ops" },
            { "prompt": "compare_versions", "argument": "from", "value": "5", "context": { "library": ops }, "offers": "5.1.0" },
            { "template": "docs://libraries/{library}/versions", "argument": "library", "value": "ax", "offers": "axum" },
        ],
    })
}

/// Runs the plan with the official clients for Python and TypeScript, each with this many concurrent clients.
async fn run_plan(plan: &Value, transport: Value, clients: usize) {
    let mut plan = plan.clone();
    plan["transport"] = transport;
    plan["clients"] = json!(clients);
    let plan = plan.to_string();
    let python = Program::python(&[&script("official.py").display().to_string(), &plan]).run();
    let node = Program::node(&script("official.mjs")).with(&[&plan]).run();
    let (python, node) = tokio::join!(python, node);
    for run in [python, node] {
        assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
        let done = run.json();
        let done = done.as_array().expect("a report for each client");
        assert_eq!(done.len(), clients, "{done:?}");
        let all = |each: &Value| {
            each["tools"] == 13 && each["calls"] == 22 && each["resources"] == 4 && each["prompts"] == 3
        };
        assert!(done.iter().all(all), "{done:?}");
    }
}

#[tokio::test]
async fn the_official_clients_can_use_every_feature() {
    let app = TestApp::new(PROGRAM).await;
    add_libraries(&app).await;
    let server = app.serve().await;
    server.caught_up().await;
    let plan = plan(&server).await;
    let url = format!("http://{}/mcp", server.address());
    run_plan(&plan, json!({ "url": url, "key": server.key() }), 20).await;
    // Over stdio, beside the server and without a key: as the library's owner.
    let pipe = json!({ "command": app.program(), "arguments": ["mcp", "--scope", "notes,chats"], "environment": app.environment() });
    run_plan(&plan, pipe, REVISIONS.len()).await;
}

/// Scenarios of the official conformance suite that call no fixtures (those are tested in `src/mcp/conformance.rs`), by revision.
const WITHOUT_FIXTURES: [&[&str]; 2] = [
    &[
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    ],
    &[
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "dns-rebinding-protection",
        "caching",
        "input-required-result-unsupported-methods",
        "http-header-validation",
    ],
];

#[tokio::test]
async fn the_official_conformance_suite_passes_without_fixtures() {
    let app = TestApp::new(PROGRAM).await;
    add_libraries(&app).await;
    let server = app.serve().await;
    let url = format!("http://{}/mcp", server.address());
    for (revision, wanted) in REVISIONS.into_iter().zip(WITHOUT_FIXTURES) {
        let ConformanceRun { scenarios, output, .. } =
            testkit::run_conformance_suite(&script("with-key.mjs"), &url, server.key(), revision).await;
        for name in wanted {
            assert!(
                scenarios.iter().any(|(scenario, passed)| scenario == name && *passed),
                "{revision} {name}\n{output}"
            );
        }
    }
}

#[tokio::test]
async fn the_inspector_can_list_call_and_read() {
    let app = TestApp::new(PROGRAM).await;
    add_libraries(&app).await;
    let server = app.serve().await;
    server.caught_up().await;
    let url = format!("http://{}/mcp", server.address());
    let authorization = format!("Authorization: Bearer {}", server.key());
    let inspect = async |arguments: &[&str]| {
        Program::node_package("@modelcontextprotocol/inspector/clients/launcher/build/index.js")
            .with(&["--cli", &url, "--transport", "http", "--header", &authorization])
            .with(arguments)
            .run()
            .await
    };
    // Strict: a schema that some clients do not accept is a failure.
    let (tools, found, resources, text) = tokio::join!(
        inspect(&["--method", "tools/list", "--strict"]),
        inspect(&[
            "--method",
            "tools/call",
            "--tool-name",
            "search_docs",
            "--tool-arg",
            "query=restore a backup",
            "--tool-arg",
            "library=example/ops",
            "--tool-arg",
            "limit=2",
        ]),
        inspect(&["--method", "resources/list"]),
        inspect(&["--method", "resources/read", "--uri", "docs://libraries/example%2Fops/versions"]),
    );
    for run in [&tools, &found, &resources, &text] {
        assert_eq!(run.code, 0, "{run:?}");
    }
    assert_eq!(tools.json()["tools"].as_array().map(Vec::len), Some(13), "{tools:?}");
    assert_eq!(found.json()["structuredContent"]["version"], "5.2.1", "{found:?}");
    assert!(resources.output.contains("docs://libraries"), "{resources:?}");
    assert!(text.output.contains("5.1.0"), "{text:?}");
    let unknown = inspect(&["--method", "tools/call", "--tool-name", "nosuchtool"]).await;
    assert_ne!(unknown.code, 0, "{unknown:?}");
}

#[tokio::test]
async fn the_context7_package_works_with_this_server() {
    let app = TestApp::new(PROGRAM).await;
    add_libraries(&app).await;
    let server = app.serve().await;
    server.caught_up().await;
    let docs = |id: &str| json!({ "libraryId": id, "query": "restore a backup" });
    let plan = json!({
        "api": format!("http://{}/api", server.address()),
        "key": server.key(),
        "found": {
            "libraryName": "ops",
            "query": "how to restore a backup",
            "says": ["Context7-compatible library ID: /example/ops", "5.2.1"],
        },
        "answered": { "libraryId": "/example/ops/5.1.0", "query": "restore a backup", "says": ["oldlever", "```sh"] },
        "refused": [
            { "tool": "query-docs", "arguments": docs("/example/none"), "says": "none" },
            { "tool": "query-docs", "arguments": docs("/example/ops/9.9"), "says": "5.2.1" },
            { "tool": "query-docs", "arguments": docs("ops, please"), "says": "ops, please" },
            { "tool": "query-docs", "arguments": docs("/example/ops"), "key": "wy_0000000000", "says": "key" },
            { "tool": "resolve-library-id", "arguments": { "libraryName": "zzqqxx", "query": "zzqqxx" }, "says": "No libraries found" },
        ],
    });
    let run = Program::node(&script("context7.mjs")).with(&[&plan.to_string()]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert_eq!(run.json()["calls"], 7);
}

#[tokio::test]
async fn the_openapi_description_passes_a_linter() {
    let app = TestApp::new(PROGRAM).await;
    let description = app.file("openapi.json", app.run(&["openapi"]).await.succeeded());
    let rules = script("redocly.yaml").display().to_string();
    let linter = Program::node_package("@redocly/cli/bin/cli.js")
        .set("REDOCLY_TELEMETRY", "off")
        .set("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .with(&["lint", "--config", &rules, &description]);
    let run = linter.run().await;
    assert!(run.code == 0 && run.errors.contains("valid"), "{}\n{}", run.output, run.errors);
    assert!(
        !run.output.contains("warning") && !run.errors.contains("warning"),
        "{}\n{}",
        run.output,
        run.errors
    );
}

/// Checks of schemathesis, without those of requests: the description does not hold every rule of the server yet, and clients of other
/// products are allowed more than it tells.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance";

/// Settings of schemathesis: 502 is the answer where no language model is configured.
const FUZZER_SETTINGS: &str = r#"
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "502"]
"#;
/// Examples for each operation; `WENYUAN_TEST_FUZZ_EXAMPLES` sets another number.
const EXAMPLES: &str = "8";
/// Operations on what exists.
const KNOWN: &str = "^/api/v1/(documents|libraries|passages)/";
/// Streams of events, whose description is that of a text.
const STREAMS: &str = "^/api/v1/messages/.id./events$";

async fn fuzz(server: &Server, settings: &str, arguments: &[&str]) {
    let description = format!("http://{}/api/openapi.json", server.address());
    let authorization = format!("Authorization: Bearer {}", server.key());
    let folder = folder();
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, format!("{FUZZER_SETTINGS}{settings}")).expect("a file");
    let config = config.display().to_string();
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment")]
    let examples = std::env::var("WENYUAN_TEST_FUZZ_EXAMPLES").unwrap_or_else(|_unset| EXAMPLES.to_owned());
    let run = Program::python(&["-m", "schemathesis.cli", "--config-file", &config, "run", &description])
        .with(&["--header", &authorization, "--checks", CHECKS, "--continue-on-failure", "--workers", "1"])
        .with(&["--exclude-path-regex", STREAMS])
        .with(&[
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
            "--warnings",
            "off",
            "--suppress-health-check",
            "filter_too_much",
            "--max-examples",
            &examples,
        ])
        .with(arguments)
        .run()
        .await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert!(run.output.contains("No issues found") || run.output.contains("passed"), "{}", run.output);
}

#[tokio::test]
async fn an_api_fuzzer_finds_no_error_and_no_undescribed_response() {
    let app = TestApp::new(PROGRAM).await;
    add_libraries(&app).await;
    let server = app.serve().await;
    let found = server.get("/api/v1/documents", &[("library", "example/ops")]).await.ok();
    let document = found["items"][0]["id"].as_str().expect("an id");
    let passage = backup_passage(&server).await;
    // What exists first, for successful responses, then everything with arbitrary values.
    let known = format!(
        r#"
        [[operations]]
        include-path-regex = "^/api/v1/documents/"
        parameters = {{ "path.id" = "{document}", "path.revision" = "5.2.1", from = "5.1.0", to = "5.2.1" }}
        [[operations]]
        include-path-regex = "^/api/v1/libraries/"
        parameters = {{ "path.name" = "axum", "path.version" = "0.8" }}
        [[operations]]
        include-path-regex = "^/api/v1/passages/"
        parameters = {{ "path.id" = "{passage}" }}
        "#
    );
    fuzz(&server, &known, &["--exclude-method", "DELETE", "--include-path-regex", KNOWN]).await;
    fuzz(&server, "", &[]).await;
}
