//! MCP tools of the program: none but its own, and their arguments as real clients send them.

use serde_json::{Value, json};
use testkit::{TestApp, documents};

use crate::PROGRAM;
use crate::mcp::{Agent, NEW, TOOLS, contents};

#[tokio::test]
async fn arguments_are_accepted_as_clients_send_them() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("fastify", "5.2.1", "a.md", documents::manual("Manual", "chapterword", 4)).await;
    let agent = Agent::new(&server, NEW);
    let (_, expected) = agent.call("search_docs", json!({ "query": "chapterword", "limit": 1 })).await;
    assert_eq!(expected["passages"].as_array().unwrap().len(), 1);
    for arguments in [
        json!({ "query": "chapterword", "limit": 1.0 }),
        json!({ "query": "chapterword", "limit": "1" }),
        json!({ "query": "chapterword", "limit": 1, "library": "", "version": "" }),
        json!({ "query": "chapterword", "limit": 1, "library": null, "version": null, "max_tokens": "", "strict": "false" }),
        json!({ "userQuery": "chapterword", "query": "", "limit": 1 }),
    ] {
        let (_, value) = agent.call("search_docs", arguments.clone()).await;
        assert_eq!(value["passages"], expected["passages"], "{arguments}");
    }
    let recent = json!({ "limit": "1", "library": "", "since": "", "cursor": "" });
    assert_eq!(agent.call("list_recent_changes", recent).await.1["changes"].as_array().unwrap().len(), 1);
    let listed = json!({ "limit": 200.0, "cursor": "" });
    assert!(!agent.call("list_libraries", listed).await.1["libraries"].as_array().unwrap().is_empty());
    let found = json!({ "library": "fastify", "targetVersion": "" });
    assert_eq!(agent.call("find_version", found).await.1["version"], "5.2.1");
    // A budget below the least and above the greatest is brought within the bounds.
    for tokens in [json!(0), json!(50), json!("50"), json!(100.0), json!(1_000_000)] {
        for (tool, arguments) in [
            ("search_docs", json!({ "query": "chapterword", "max_tokens": tokens })),
            ("get_document", json!({ "library": "fastify", "path": "a.md", "max_tokens": tokens })),
            ("query-docs", json!({ "libraryId": "/docs/fastify", "query": "chapterword", "tokens": tokens })),
            (
                "get-library-docs",
                json!({ "context7CompatibleLibraryID": "/docs/fastify", "topic": "chapterword", "tokens": tokens }),
            ),
        ] {
            let (_, value) = agent.call(tool, arguments).await;
            assert!(!value["passages"].as_array().unwrap().is_empty(), "{tool} {tokens}");
        }
    }
    for (tool, arguments, name) in [
        ("search_docs", json!({ "query": "x", "limit": "many" }), "limit"),
        ("search_docs", json!({ "query": "x", "limit": 1.5 }), "limit"),
        ("search_docs", json!({ "query": ["x"] }), "query"),
        ("search_docs", json!({ "query": "x", "strict": "perhaps" }), "strict"),
        ("get_document", json!({ "path": 7 }), "path"),
        ("query-docs", json!({ "libraryId": "/docs/fastify", "query": "x", "tokens": {} }), "tokens"),
        ("find_version", json!({ "library": "fastify", "targetVersion": 5 }), "targetVersion"),
    ] {
        let text = agent.fails(tool, arguments).await;
        assert!(text.starts_with(&format!("the argument {name} cannot be read: ")), "{tool}: {text}");
    }
}

#[tokio::test]
async fn a_section_is_read_alone() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    // The sections are so short that they share a passage.
    let text =
        "# Valve\n\n## Open\n\nTurn it left.\n\n### By hand\n\nUse gloves.\n\n## `Close`\n\nTurn it right.\n";
    server.add("valve", "1", "a.md", text).await;
    let agent = Agent::new(&server, NEW);
    for (section, expected) in [
        ("Open", "## Open\n\nTurn it left.\n\n### By hand\n\nUse gloves."),
        ("Open > By hand", "### By hand\n\nUse gloves."),
        ("close", "## `Close`\n\nTurn it right."),
    ] {
        let arguments = json!({ "library": "valve", "path": "a.md", "section": section });
        let (_, value) = agent.call("get_document", arguments).await;
        assert_eq!(contents(&value).trim(), expected, "{section}");
        assert_eq!(value["next_cursor"], Value::Null);
    }
    let arguments = json!({ "library": "valve", "path": "a.md", "section": "Close > By hand" });
    assert!(agent.fails("get_document", arguments).await.contains("no section"));
}

#[tokio::test]
async fn the_program_has_no_fixtures_of_the_conformance_suite() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let agent = Agent::new(&server, NEW);
    let tools = agent.ask("tools/list", json!({})).await;
    let tools = tools["tools"].as_array().expect("a list");
    let mut names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, TOOLS);
    let program = std::fs::read(PROGRAM).expect("the program");
    let program = String::from_utf8_lossy(&program);
    for fixture in ["test_simple_text", "test_input_required_result", "test://static-text"] {
        assert!(!program.contains(fixture), "the program holds the fixture {fixture}");
    }
}
