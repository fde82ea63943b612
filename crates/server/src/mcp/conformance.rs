//! Test: the official conformance suite (`@modelcontextprotocol/conformance`) against the transport of [`http`] and the SDK.
//!
//! Most of its scenarios call [`fixtures`]: tools, resources and prompts of fixed names, which the program does not have.
//! `tests/integration/third_party_clients.rs` runs the scenarios that need none against the program itself.

mod fixtures;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use kernel::actor::Actor;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use testkit::ConformanceRun;

use super::http::{answer, config};
use crate::http::authentication::Caller;
use crate::http::guard::{self, Names};
use fixtures::FixtureServer;

/// Scenarios that the suite runs but does not score. They need an extension, resumable streams, or a tool whose arguments are
/// repeated in headers.
const UNSCORED: [&str; 3] = ["tasks-", "server-sse-polling", "http-custom-header-server-validation"];

#[tokio::test]
async fn the_official_conformance_suite_passes_in_both_revisions() {
    let url = serve().await;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/with-key.mjs");
    for (revision, min_passed) in [("2025-11-25", 30), ("2026-07-28", 37)] {
        let ConformanceRun { code, scenarios, output } =
            testkit::run_conformance_suite(&module, &url, "any", revision).await;
        assert_eq!(code, 0, "{output}");
        let is_scored = |name: &str| !UNSCORED.iter().any(|prefix| name.starts_with(prefix));
        let failed: Vec<_> = scenarios.iter().filter(|(name, passed)| !passed && is_scored(name)).collect();
        assert!(failed.is_empty(), "{failed:?}\n{output}");
        let passed = scenarios.iter().filter(|(_, passed)| *passed).count();
        assert!(passed >= min_passed, "{passed} of at least {min_passed} scenarios\n{output}");
    }
}

/// Serves the fixtures until the test ends. Returns the URL.
async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    // In four scenarios of 2025-11-25 the server sends requests to its client, which takes a session.
    let config = config().with_legacy_session_mode(true);
    let service =
        StreamableHttpService::new(|| Ok(FixtureServer), Arc::new(LocalSessionManager::default()), config);
    let route = any(async move |caller: Caller, request: Request| {
        if request.method() == Method::POST {
            answer(service, caller, request).await
        } else {
            service.handle(request).await.map(Body::new)
        }
    });
    let names = Arc::new(Names::new(address, &[], &[]));
    let router = Router::new()
        .route("/mcp", route)
        .layer(from_fn(authenticate))
        .layer(from_fn_with_state(names, guard::refuse_foreign_origins));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/mcp")
}

/// Lets every caller act as the library's owner.
async fn authenticate(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Actor::owner());
    next.run(request).await
}
