//! Context7's two addresses, asked as its stock client asks them.

use insta::{assert_json_snapshot, assert_snapshot};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Reply, Server, TestApp};

use crate::PROGRAM;

const SHUTDOWN: &str = "# Shutdown\n\nCall close to stop gracefully:\n\n```js\nawait app.close()\n```\n";

async fn find(server: &Server, name: &str) -> Value {
    server.get("/api/v2/libs/search", &[("libraryName", name), ("query", "how to stop it")]).await.ok()
}

async fn ask(server: &Server, id: &str, query: &str) -> Reply {
    server.get("/api/v2/context", &[("libraryId", id), ("query", query)]).await
}

/// The body of a failure, which is Context7's and no problem of ours.
#[track_caller]
fn failure(reply: &Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("x-request-id").is_some());
    let failure = reply.value();
    assert!(failure["error"].as_str().is_some_and(|text| !text.is_empty()), "{failure}");
    assert!(failure["message"].as_str().is_some_and(|text| !text.is_empty()), "{failure}");
    failure
}

#[tokio::test]
async fn a_library_is_found_by_what_people_call_it() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("vercel/next.js", "14", "shutdown.md", SHUTDOWN).await;
    server.add("vercel/next.js", "15", "shutdown.md", SHUTDOWN).await;
    server.add("postgresql", "15", "shutdown.md", SHUTDOWN).await;
    let about = json!({ "description": "A framework for pages" });
    assert_eq!(server.patch("/api/v1/libraries/vercel%2Fnext.js", &about).await.status, 200);
    assert_json_snapshot!(find(&server, "Next JS").await, { ".results[].lastUpdateDate" => "[time]" }, @r#"
    {
      "results": [
        {
          "benchmarkScore": -1,
          "branch": "14",
          "description": "A framework for pages",
          "id": "/vercel/next.js",
          "lastUpdateDate": "[time]",
          "stars": -1,
          "state": "finalized",
          "title": "vercel/next.js",
          "totalSnippets": 1,
          "totalTokens": 18,
          "trustScore": -1,
          "versions": [
            "15",
            "14"
          ]
        }
      ],
      "searchFilterApplied": false
    }
    "#);
    for (name, id) in [
        ("nextjs", "/vercel/next.js"),
        ("vercel/next.js", "/vercel/next.js"),
        ("postgres", "/docs/postgresql"),
        ("PostgreSQL 15 manual", "/docs/postgresql"),
        ("postgresqll", "/docs/postgresql"),
    ] {
        assert_eq!(find(&server, name).await["results"][0]["id"], id, "{name}");
    }
    assert_eq!(find(&server, "absentlibrary").await, json!({ "results": [], "searchFilterApplied": false }));
}

#[tokio::test]
async fn a_question_is_answered_as_text_and_as_json() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_PUBLIC_URL", "https://docs.example.org");
    let server = app.serve().await;
    server.add("fastify", "5.2.1", "guides/shut down.md", SHUTDOWN).await;
    server.add("fastify", "5.2.1", "why.md", "# Why\n\nGracefully means: nothing is lost.\n").await;
    let reply = ask(&server, "/docs/fastify", "stop gracefully").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    let times = regex(&reply.text());
    assert_snapshot!(times, @r"
    ### Shutdown

    Source: https://docs.example.org/l/fastify/5.2.1/guides/shut%20down.md#shutdown

    fastify 5.2.1 | section: Shutdown | indexed: [time]

    # Shutdown

    Call close to stop gracefully:

    ```js
    await app.close()
    ```

    --------------------------------

    ### Why

    Source: https://docs.example.org/l/fastify/5.2.1/why.md#why

    fastify 5.2.1 | section: Why | indexed: [time]

    # Why

    Gracefully means: nothing is lost.
    ");
    let parameters = [
        ("libraryId", "/docs/fastify@5.x"),
        ("query", "stop gracefully"),
        ("type", "json"),
        ("fast", "true"),
    ];
    let answer = server.get("/api/v2/context", &parameters).await.ok();
    assert_json_snapshot!(answer, {
        ".**.indexedAt" => "[time]", ".**.sha256" => "[hash]", ".**.codeId" => "[passage]",
    }, @r##"
    {
      "codeSnippets": [
        {
          "codeDescription": "# Shutdown\n\nCall close to stop gracefully:",
          "codeId": "[passage]",
          "codeLanguage": "js",
          "codeList": [
            {
              "code": "await app.close()",
              "language": "js"
            }
          ],
          "codeTitle": "Shutdown",
          "codeTokens": 5,
          "flagged": null,
          "indexedAt": "[time]",
          "pageTitle": "Shutdown (fastify 5.2.1)",
          "sha256": "[hash]",
          "version": "5.2.1"
        }
      ],
      "infoSnippets": [
        {
          "breadcrumb": "fastify 5.2.1 > Why",
          "content": "# Why\n\nGracefully means: nothing is lost.",
          "contentTokens": 12,
          "flagged": null,
          "indexedAt": "[time]",
          "pageId": "https://docs.example.org/l/fastify/5.2.1/why.md#why",
          "sha256": "[hash]",
          "version": "5.2.1"
        }
      ]
    }
    "##);
    let id = answer["codeSnippets"][0]["codeId"].as_str().unwrap();
    let passage = id.strip_prefix("https://docs.example.org").unwrap();
    assert_eq!(server.json(passage).await["path"], "guides/shut down.md");
    // The source of a snippet leads to its document.
    assert!(server.get("/l/fastify/5.2.1/guides/shut%20down.md", &[]).await.text().contains("app.close()"));
    let nothing = ask(&server, "/docs/fastify", "zzzabsentword").await;
    assert_eq!(nothing.text(), "no results in fastify 5.2.1: try other words\n");
    let parameters = [("libraryId", "/docs/fastify"), ("query", "zzzabsentword"), ("type", "json")];
    let nothing = server.get("/api/v2/context", &parameters).await.ok();
    assert_eq!(nothing, json!({ "codeSnippets": [], "infoSnippets": [] }));
}

/// A text whose times are replaced.
fn regex(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("indexed: ") {
        Some((before, _)) => format!("{before}indexed: [time]"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn only_the_version_that_is_asked_for_answers() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for version in ["5.1.0", "5.2.1"] {
        server.add("fastify", version, "a.md", format!("# A\n\nGraceful stop in {version}.\n")).await;
    }
    for (id, version) in [
        ("/docs/fastify", "5.1.0"),
        ("/docs/fastify/5.2.1", "5.2.1"),
        ("/docs/fastify@5.x", "5.2.1"),
        ("fastify/latest", "5.2.1"),
    ] {
        let id = if id == "fastify/latest" { "/docs/fastify/latest" } else { id };
        let text = ask(&server, id, "graceful stop").await.text();
        assert!(text.contains(&format!("Graceful stop in {version}.")), "{id}: {text}");
        assert!(text.contains(&format!("fastify {version} | section: A | indexed: 20")), "{id}: {text}");
    }
    let refused = failure(&ask(&server, "/docs/fastify/9.9.9", "graceful stop").await, 404);
    assert_eq!(refused["error"], "no_version");
    assert_eq!(refused["message"], "fastify has no version 9.9.9; it has 5.2.1, 5.1.0; the nearest is 5.2.1");
    assert_eq!(refused["present"], json!(["5.2.1", "5.1.0"]));
    assert_eq!(failure(&ask(&server, "/docs/absent", "a").await, 404)["error"], "no_library");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_in_their_form() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("fastify", "1", "a.md", "# A\n\nGraceful.\n").await;
    let long = "x".repeat(501);
    for (path, parameters) in [
        ("/api/v2/libs/search", vec![]),
        ("/api/v2/libs/search", vec![("libraryName", "")]),
        ("/api/v2/libs/search", vec![("libraryName", long.as_str())]),
        ("/api/v2/libs/search", vec![("libraryName", "a"), ("query", long.as_str())]),
        ("/api/v2/context", vec![("libraryId", "/docs/fastify")]),
        ("/api/v2/context", vec![("query", "a")]),
        ("/api/v2/context", vec![("libraryId", "/a/b/c/d"), ("query", "a")]),
        ("/api/v2/context", vec![("libraryId", "/docs/fastify"), ("query", long.as_str())]),
        ("/api/v2/context", vec![("libraryId", "/docs/fastify"), ("query", "a"), ("type", "xml")]),
        ("/api/v2/context", vec![("libraryId", "/docs/fastify"), ("query", "a"), ("tokens", "many")]),
    ] {
        failure(&server.get(path, &parameters).await, 400);
    }
    failure(&server.get("/api/v2/absent", &[]).await, 404);
    failure(&server.post("/api/v2/context").await, 405);
}

#[tokio::test]
async fn a_budget_is_kept() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for number in 0..6 {
        let text = testkit::documents::manual("Engine", "engineword", 4);
        server.add("engine", "1", &format!("{number}.md"), text).await;
    }
    let parameters =
        |tokens| [("libraryId", "/docs/engine"), ("query", "engineword1 chapter"), ("tokens", tokens)];
    let mut lengths = Vec::new();
    for (tokens, most) in [("500", 1750), ("2000", 7000), ("50000", 175_000)] {
        let text = server.get("/api/v2/context", &parameters(tokens)).await.text();
        assert!(!text.is_empty() && text.len() <= most, "{tokens}: {}", text.len());
        lengths.push(text.len());
    }
    assert!(lengths.is_sorted() && lengths[0] < lengths[2], "{lengths:?}");
    // As clients send it.
    let expected = server.get("/api/v2/context", &parameters("500")).await.text();
    for tokens in ["1", "500.0", " 500"] {
        assert_eq!(server.get("/api/v2/context", &parameters(tokens)).await.text(), expected, "{tokens}");
    }
    let blank = [("libraryId", "/docs/engine"), ("query", "engineword1"), ("tokens", ""), ("type", "")];
    assert_eq!(server.get("/api/v2/context", &blank).await.status, 200);
    let blank = [("libraryName", "engine"), ("query", "")];
    assert_eq!(server.get("/api/v2/libs/search", &blank).await.status, 200);
}

#[tokio::test]
async fn who_shows_nothing_sees_what_is_public() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("hidden", "1", "a.md", "# A\n\nThe secretword is here.\n").await;
    let search = [("libraryName", "hidden"), ("query", "a")];
    let context = [("libraryId", "/docs/hidden"), ("query", "secretword")];
    let as_nobody = async |path: &str, parameters: &[(&str, &str)]| {
        server.send(server.request_as(None, Method::GET, path, parameters)).await
    };
    // A client should show that a key is missing, whether or not there is such a library.
    let absent = [("libraryId", "/docs/absent"), ("query", "secretword")];
    for reply in [
        as_nobody("/api/v2/libs/search", &search).await,
        as_nobody("/api/v2/context", &context).await,
        as_nobody("/api/v2/context", &absent).await,
    ] {
        assert!(failure(&reply, 401)["message"].as_str().unwrap().contains("key"));
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    server.add("open", "1", "a.md", "# A\n\nThe openword is here.\n").await;
    let public = json!({ "visibility": "public" });
    assert_eq!(server.patch("/api/v1/libraries/open", &public).await.status, 200);
    let open = [("libraryId", "/docs/open"), ("query", "openword")];
    assert!(as_nobody("/api/v2/context", &open).await.text().contains("openword"));
    // A key that is none is never taken for nobody.
    let request = server.request_as(Some("wy_wrong"), Method::GET, "/api/v2/context", &open);
    failure(&server.send(request).await, 401);
    // Their clients put it there, too; and are told how they stand.
    let request = server.request_as(None, Method::GET, "/api/v2/context", &context);
    let reply = server.send(request.header("Context7-API-Key", server.key())).await;
    assert!(reply.text().contains("secretword"), "{}", reply.text());
    assert!(reply.header("ratelimit-remaining").is_some());
}
