//! Registry of MCP servers: authority, storage of API keys, connection tests, change of the master key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::any;
use reqwest::{Method, RequestBuilder};
use rmcp::model::{
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Value, json};
use testkit::{Server, TestApp};

use crate::PROGRAM;
const SECRET: &str = "sesame-Xy71pQ";
const SERVERS: &str = "/api/v1/mcp-servers";

/// MCP server with three tools on two pages.
struct Tools;

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.capabilities = ServerCapabilities::builder().enable_tools().build();
        config.server_info = Implementation::new("workshop", "1.2.3");
        config
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |name: &'static str| Tool::new(name, "does\u{7} something", serde_json::Map::new());
        let mut result = ListToolsResult::default();
        if request.and_then(|request| request.cursor).is_some() {
            result.tools = vec![tool("saw")];
        } else {
            result.tools = vec![tool("hammer"), tool("plane")];
            result.next_cursor = Some("2".to_owned());
        }
        Ok(result)
    }
}

/// External servers on one port: an MCP server that requires a key, and endpoints that fail in different ways.
struct ExternalServers {
    address: String,
    /// Number of requests to the target of the redirect.
    redirected: Arc<AtomicUsize>,
}

async fn external_servers() -> ExternalServers {
    let workshop = || {
        StreamableHttpService::new(
            || Ok(Tools),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default(),
        )
    };
    let redirected = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&redirected);
    let header = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let guard = move |request: axum::extract::Request, next: axum::middleware::Next| async move {
        let bearer = header(request.headers(), "authorization");
        if bearer == format!("Bearer {SECRET}") || header(request.headers(), "x-tool-key") == SECRET {
            return next.run(request).await;
        }
        // A server that repeats the credential must not get it into the log or a response.
        (StatusCode::UNAUTHORIZED, format!("{bearer} is not a key")).into_response()
    };
    let echo = |headers: HeaderMap| async move { format!("{headers:?}") };
    let router = Router::new()
        .route_service("/mcp", workshop())
        .route_layer(axum::middleware::from_fn(guard))
        .route_service("/open", workshop())
        .route("/page", any(|| async { axum::response::Html("<h1>hello</h1>") }))
        .route("/echo", any(echo))
        .route("/hangs", any(std::future::pending::<()>))
        .route("/fails", any(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/large", any(|| async { ([("content-type", "application/json")], "[".repeat(3 << 20)) }))
        .route("/leads", any(|| async { Redirect::temporary("/astray") }))
        .route(
            "/astray",
            any(move || {
                counter.fetch_add(1, Ordering::Relaxed);
                async { StatusCode::NOT_FOUND }
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    ExternalServers { address, redirected }
}

/// Creates two signed-in users: `ada`, an administrator, and `bo`, an editor.
async fn sign_in(app: &TestApp) {
    app.run(&["user", "create", "ada", "--admin"]).await.succeeded();
    app.run(&["user", "create", "bo", "--role", "editor"]).await.succeeded();
    app.database()
        .run(
            "insert into identity.user_sessions (id, user_id, token_id, token_hash, expires_at)
             select gen_random_uuid(), id, gen_random_uuid(), sha256(convert_to('ws_' || username, 'UTF8')),
               now() + interval '1 hour'
             from identity.users",
        )
        .await;
}

/// Request of a signed-in user.
fn request_by(server: &Server, name: &str, method: Method, path: &str) -> RequestBuilder {
    let request =
        server.request_as(None, method, path, &[]).header("cookie", format!("wenyuan_session=ws_{name}"));
    request.header("sec-fetch-site", "same-origin").header("if-match", "*")
}

async fn add(server: &Server, body: Value) -> String {
    let reply = server.send(request_by(server, "ada", Method::POST, SERVERS).json(&body)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let path = reply.header("location").expect("an address").to_owned();
    assert_eq!(server.send(request_by(server, "ada", Method::GET, &path)).await.ok(), reply.value());
    path
}

async fn test(server: &Server, path: &str) -> Value {
    server.send(request_by(server, "ada", Method::POST, &format!("{path}/test"))).await.ok()
}

#[tokio::test]
async fn a_server_is_added_tested_updated_and_deleted() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    sign_in(&app).await;
    let external = external_servers().await;
    let endpoint = format!("{}/mcp", external.address);
    let new = json!({ "name": "workshop", "endpoint": endpoint, "api_key": SECRET, "description": "tools" });
    let path = add(&server, new.clone()).await;
    server.send(request_by(&server, "ada", Method::POST, SERVERS).json(&new)).await.problem(409);
    let shown = server.send(request_by(&server, "ada", Method::GET, &path)).await;
    assert!(shown.ok()["has_api_key"] == true && !shown.text().contains(SECRET), "{}", shown.text());
    let found = test(&server, &path).await;
    assert_eq!((&found["works"], &found["server"]), (&json!(true), &json!("workshop 1.2.3")), "{found}");
    let names: Vec<&str> =
        found["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!((names, &found["more_tools"]), (vec!["hammer", "plane", "saw"], &json!(false)));
    assert_eq!(found["tools"][0]["description"], "does  something");
    // The key can be sent in another header.
    let change = |body: Value| server.send(request_by(&server, "ada", Method::PATCH, &path).json(&body));
    assert_eq!(change(json!({ "header": "X-Tool-Key" })).await.ok()["header"], "x-tool-key");
    assert_eq!(test(&server, &path).await["works"], true);
    // An API key is not kept for another host.
    let moved = change(json!({ "endpoint": "http://localhost:1/mcp" })).await.problem(400);
    assert!(moved["detail"].as_str().unwrap().contains("enter it again"), "{moved}");
    assert_eq!(
        change(json!({ "header": null, "api_key": null, "enabled": false })).await.ok()["has_api_key"],
        false
    );
    let refused = test(&server, &path).await;
    assert!(refused["works"] == false && refused["problem"].as_str().unwrap().contains("401"), "{refused}");
    for bad in [
        json!({ "endpoint": "ftp://a" }),
        json!({ "endpoint": "http://a:b@c/" }),
        json!({ "name": "A b" }),
        json!({ "header": "Host" }),
        json!({ "api_key": "line\nbreak" }),
        json!({ "description": "d".repeat(501) }),
    ] {
        change(bad).await.problem(400);
    }
    server.send(request_by(&server, "ada", Method::DELETE, &path)).await;
    server.send(request_by(&server, "ada", Method::DELETE, &path)).await.problem(404);
    server.send(request_by(&server, "ada", Method::GET, &path)).await.problem(404);
}

#[tokio::test]
async fn a_failed_test_names_the_cause_and_holds_no_key() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG", "trace");
    let server = app.serve().await;
    sign_in(&app).await;
    let external = external_servers().await;
    let wrong = "not-Sesame-91";
    for (name, endpoint, says) in [
        ("locked", format!("{}/mcp", external.address), "401"),
        ("page", format!("{}/page", external.address), "does not speak MCP"),
        ("echo", format!("{}/echo", external.address), "does not speak MCP"),
        ("nothing", format!("{}/nothing", external.address), "404"),
        ("fails", format!("{}/fails", external.address), "500"),
        ("large", format!("{}/large", external.address), "larger"),
        ("leads", format!("{}/leads", external.address), "307"),
        ("dead", "http://127.0.0.1:1/mcp".to_owned(), "no connection"),
        ("tls", external.address.replace("http:", "https:"), "no connection"),
        ("hangs", format!("{}/hangs", external.address), "did not answer"),
    ] {
        let path = add(&server, json!({ "name": name, "endpoint": endpoint, "api_key": wrong })).await;
        let found = test(&server, &path).await;
        let problem = found["problem"].as_str().unwrap_or_default();
        assert!(found["works"] == false && problem.contains(says), "{name}: {found}");
        assert!(!found.to_string().contains(wrong), "{name}: {found}");
    }
    assert_eq!(external.redirected.load(Ordering::Relaxed), 0);
    assert!(!server.log().contains(wrong), "the key is in the log");
}

#[tokio::test]
async fn only_administrators_in_person_can_use_the_registry() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    sign_in(&app).await;
    let path = add(&server, json!({ "name": "a", "endpoint": "http://127.0.0.1:1/" })).await;
    let test_path = format!("{path}/test");
    for (method, path) in [
        (Method::GET, SERVERS),
        (Method::POST, SERVERS),
        (Method::GET, &path),
        (Method::PATCH, &path),
        (Method::DELETE, &path),
        (Method::POST, &test_path),
    ] {
        let body = json!({ "name": "b", "endpoint": "http://127.0.0.1:1/" });
        let nobody = server.request_as(None, method.clone(), path, &[]).json(&body);
        server.send(nobody).await.problem(401);
        server.send(request_by(&server, "bo", method.clone(), path).json(&body)).await.problem(403);
        // An API key of the owner, with all scopes.
        server.send(server.request(method.clone(), path, &[]).json(&body)).await.problem(403);
    }
    assert_eq!(
        server.send(request_by(&server, "ada", Method::GET, SERVERS)).await.ok().as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn the_command_line_manages_servers_and_rotates_the_master_key() {
    let app = TestApp::new(PROGRAM).await;
    let external = external_servers().await;
    let endpoint = format!("{}/mcp", external.address);
    let add = ["mcp-servers", "add", "workshop", &endpoint, "--api-key-file", "-"];
    app.run_with_input(&add, format!("{SECRET}\n").as_bytes()).await.succeeded();
    app.run(&["mcp-servers", "add", "open", &format!("{}/open", external.address)]).await.succeeded();
    let listed = app.run(&["mcp-servers", "--json"]).await;
    assert_eq!(listed.json()[1]["has_api_key"], true);
    assert!(!listed.output.contains(SECRET));
    let works = async || app.run(&["mcp-server", "test", "workshop", "--json"]).await.json()["works"] == true;
    assert!(works().await);
    assert!(app.run(&["mcp-servers", "test", "open"]).await.succeeded().contains("hammer"));
    // The key is not stored in plain text.
    let plain =
        "select count(*) from registry.mcp_configs where position('sesame' in encode(api_key, 'escape')) > 0";
    assert_eq!(app.database().count(plain).await, 0);
    // Rotated twice, while a server is running that has stored an idempotent response.
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A").await;
    let replayed = async || {
        let request = server.request(Method::POST, "/api/v1/libraries/gate/versions/1/activate", &[]);
        server.send(request.header("idempotency-key", "k")).await
    };
    replayed().await.ok();
    let key_file = app.data().join("secret.key");
    for _ in 0..2 {
        let before = std::fs::read_to_string(&key_file).unwrap();
        let told = app.run(&["secrets", "rotate"]).await;
        assert!(told.errors.contains("re-encrypted 2 secrets"), "{}", told.errors);
        told.succeeded();
        let after = std::fs::read_to_string(&key_file).unwrap();
        let key = |text: &str| text.lines().find(|line| !line.starts_with('#')).map(str::to_owned);
        assert!(key(&before) != key(&after) && !after.contains(&key(&before).unwrap()));
        assert!(works().await);
        assert_eq!(replayed().await.header("idempotent-replayed"), Some("true"));
    }
    // A key bound to another row cannot be opened.
    app
        .database()
        .run("update registry.mcp_configs set api_key = (select api_key from registry.mcp_configs where name = 'workshop') where name = 'open'")
        .await;
    let moved = app.run(&["mcp-servers", "test", "open"]).await.failed();
    assert!(moved.contains("copied from another row"), "{moved}");
    let told = app.run(&["secrets", "rotate"]).await;
    assert!(told.errors.contains("the API key of the MCP server open does not open"), "{}", told.errors);
    for (action, enabled) in [("disable", false), ("disable", false), ("enable", true)] {
        app.run(&["mcp-servers", action, "open"]).await.succeeded();
        assert_eq!(app.run(&["mcp-servers", "--json"]).await.json()[0]["enabled"], enabled);
    }
    app.run(&["mcp-servers", "delete", "open"]).await.succeeded();
    app.run(&["mcp-servers", "delete", "open"]).await.failed();
}
