//! `/mcp`, Streamable HTTP without sessions: one request, one JSON body. A stream is opened only for a call that reports its
//! progress. What the SDK leaves open is settled here: who may ask, how large a request is, and what an unreadable one is told.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any, post};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use super::McpServer;
use crate::app::App;
use crate::http::authentication::Caller;
use crate::http::problem::{Format, RawResponse};

/// Bytes of a request, at most.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Error codes of JSON-RPC 2.0, section 5.1, and that for missing credentials which Context7 answers with.
const UNREADABLE: i32 = -32700;
const INVALID: i32 = -32600;
const UNAUTHORISED: i32 = -32001;
const REFUSED: i32 = -32000;

/// Where this is.
const PATH: &str = "/mcp";

/// Answers POST; any other method is refused by the router.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(app: App) -> MethodRouter<S> {
    // Hosts and origins are checked by the guard, for this address as for every other.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY_BYTES);
    let with_sessions = app.settings.mcp.fixtures();
    let librarian = McpServer::for_requests(app);
    if with_sessions {
        let config = config.with_legacy_session_mode(true);
        let service = service(librarian, LocalSessionManager::default(), config);
        return any(move |caller: Caller, request: Request| answer(service.clone(), caller, request));
    }
    let service = service(librarian, NeverSessionManager::default(), config);
    post(move |caller: Caller, request: Request| answer(service.clone(), caller, request))
}

fn service<M: SessionManager>(
    librarian: McpServer,
    sessions: M,
    config: StreamableHttpServerConfig,
) -> StreamableHttpService<McpServer, M> {
    StreamableHttpService::new(move || Ok(librarian.clone()), Arc::new(sessions), config)
}

async fn answer<M: SessionManager>(
    service: StreamableHttpService<McpServer, M>,
    Caller(actor): Caller,
    request: Request,
) -> Response {
    if actor.is_anonymous() {
        return unauthorised();
    }
    if request.method() != Method::POST {
        return finished(service.handle(request).await.map(Body::new), Value::Null).await;
    }
    match checked(request).await {
        Ok((request, id)) => finished(service.handle(request).await.map(Body::new), id).await,
        Err(refusal) => refusal,
    }
}

/// The request, once it is known to be one JSON object, with its id.
async fn checked(request: Request) -> Result<(Request, Value), Response> {
    let (mut parts, body) = request.into_parts();
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let text = "the content type must be application/json";
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, text, &Value::Null));
    }
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        let text = "a request has at most 1 MiB";
        return Err(error(StatusCode::PAYLOAD_TOO_LARGE, INVALID, text, &Value::Null));
    };
    let message: Value = match serde_json::from_slice(&bytes) {
        Ok(message) => message,
        Err(_unreadable) => {
            let text = "the body is not JSON";
            return Err(error(StatusCode::BAD_REQUEST, UNREADABLE, text, &Value::Null));
        }
    };
    if !message.is_object() {
        let text = "the body must be one JSON-RPC message; batches are not taken";
        return Err(error(StatusCode::BAD_REQUEST, INVALID, text, &Value::Null));
    }
    accept(&mut parts.headers);
    let id = message.get("id").cloned().unwrap_or_default();
    Ok((Request::from_parts(parts, Body::from(bytes)), id))
}

/// The protocol wants clients to accept JSON and streams. One that accepts JSON is served too, for JSON is what it gets; so is
/// one that says nothing.
fn accept(headers: &mut HeaderMap) {
    let takes_json = match headers.get(header::ACCEPT).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(text)) => ["application/json", "application/*", "*/*"].iter().any(|kind| text.contains(kind)),
        Some(Err(_)) => false,
    };
    if takes_json {
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
    }
}

/// Turns the SDK's plain-text refusals into JSON-RPC errors.
async fn finished(mut response: Response, id: Value) -> Response {
    response.extensions_mut().insert(RawResponse);
    if response.status().is_success() || is_json(&response) {
        return response;
    }
    let status = match response.status() {
        // The type was checked before: it was JSON, and no message of the protocol.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => StatusCode::BAD_REQUEST,
        status => status,
    };
    let text =
        axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_else(|_too_long| Bytes::new());
    let text = String::from_utf8_lossy(&text);
    let text =
        if text.starts_with("fail to deserialize") { "the body is no JSON-RPC request" } else { text.trim() };
    error(status, INVALID, text, &id)
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// Without credentials there is nothing to be had here. OAuth is not offered, and so not advertised: clients that are told of it
/// ignore the key they were given.
fn unauthorised() -> Response {
    let text =
        "an API key is needed: send it as `Authorization: Bearer wy_…` (made with `wenyuan key create`)";
    let mut response = error(StatusCode::UNAUTHORIZED, UNAUTHORISED, text, &Value::Null);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Form of this API's error responses: errors of JSON-RPC.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| path == PATH,
    render: |problem| {
        let code = if problem.status() == StatusCode::UNAUTHORIZED { UNAUTHORISED } else { REFUSED };
        serde_json::to_vec(&body(code, problem.detail(), &Value::Null)).unwrap_or_default()
    },
    described_as: None,
};

fn body(code: i32, message: &str, id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message }, "id": id })
}

fn error(status: StatusCode, code: i32, message: &str, id: &Value) -> Response {
    let mut response = (status, axum::Json(body(code, message, id))).into_response();
    response.extensions_mut().insert(RawResponse);
    response
}
