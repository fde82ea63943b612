//! `/mcp`: the transport Streamable HTTP without sessions. Each request is answered by one JSON body; a stream is opened only for a
//! call that reports its progress.
//!
//! Decides what the SDK leaves open: authentication, the maximal size of a request, and the errors for messages that cannot be
//! parsed.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use super::McpServer;
use crate::app::App;
use crate::http::authentication::Caller;
use crate::http::problem::{Format, RawResponse};

/// Size of a request body.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;

// Error codes of [JSON-RPC 2.0, section 5.1](https://www.jsonrpc.org/specification#error_object).
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
/// Error code for missing credentials, as Context7 has it.
const UNAUTHORIZED: i32 = -32001;
/// First of the codes that servers define themselves.
const SERVER_ERROR: i32 = -32000;

/// Path of the endpoint.
const PATH: &str = "/mcp";

/// Returns the route: it answers POST, and the router refuses other methods.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(app: App) -> MethodRouter<S> {
    let server = McpServer::for_requests(app);
    let config = config().with_legacy_session_mode(false);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    post(move |caller: Caller, request: Request| answer(service.clone(), caller, request))
}

/// Configuration of the transport.
pub(super) fn config() -> StreamableHttpServerConfig {
    // `http::guard` checks hosts and origins, for this path as for every other.
    StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
}

/// Answers a POST request.
pub(super) async fn answer<H: ServerHandler, M: SessionManager>(
    service: StreamableHttpService<H, M>,
    Caller(actor): Caller,
    request: Request,
) -> Response {
    if actor.is_anonymous() {
        return unauthorized();
    }
    match check(request).await {
        Ok((request, id)) => finish(service.handle(request).await.map(Body::new), id).await,
        Err(response) => response,
    }
}

/// Checks that the body is one JSON object, and returns the request with the id of the message.
async fn check(request: Request) -> Result<(Request, Value), Response> {
    let (mut parts, body) = request.into_parts();
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let text = "the content type must be application/json";
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, text, &Value::Null));
    }
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        let text = "the request is larger than 1 MiB";
        return Err(error(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, text, &Value::Null));
    };
    let message: Value = match serde_json::from_slice(&bytes) {
        Ok(message) => message,
        Err(_invalid) => {
            let text = "the body is not JSON";
            return Err(error(StatusCode::BAD_REQUEST, PARSE_ERROR, text, &Value::Null));
        }
    };
    if !message.is_object() {
        let text = "the body must be one JSON-RPC message; batches are not supported";
        return Err(error(StatusCode::BAD_REQUEST, INVALID_REQUEST, text, &Value::Null));
    }
    accept_json(&mut parts.headers);
    let id = message.get("id").cloned().unwrap_or_default();
    Ok((Request::from_parts(parts, Body::from(bytes)), id))
}

/// Completes the `Accept` header of clients that accept JSON or send none: the protocol demands that a client accepts streams
/// too, but the response is JSON.
fn accept_json(headers: &mut HeaderMap) {
    let accepts_json = match headers.get(header::ACCEPT).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(text)) => ["application/json", "application/*", "*/*"].iter().any(|kind| text.contains(kind)),
        Some(Err(_)) => false,
    };
    if accepts_json {
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
    }
}

/// Turns the SDK's plain-text errors into JSON-RPC errors.
async fn finish(mut response: Response, id: Value) -> Response {
    response.extensions_mut().insert(RawResponse);
    if response.status().is_success() || is_json(&response) {
        return response;
    }
    let status = match response.status() {
        // The content type was checked before: the body was JSON, and no message of the protocol.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => StatusCode::BAD_REQUEST,
        status => status,
    };
    let text =
        axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_else(|_too_long| Bytes::new());
    let text = String::from_utf8_lossy(&text);
    let text = if text.starts_with("fail to deserialize") {
        "the body is not a JSON-RPC request"
    } else {
        text.trim()
    };
    error(status, INVALID_REQUEST, text, &id)
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("application/json"))
}

/// Refuses a request without credentials. OAuth is not offered and so not advertised: clients that see it advertised ignore the
/// key they were configured with.
fn unauthorized() -> Response {
    let text = "an API key is required: send it as `Authorization: Bearer wy_…` (create one with `wenyuan key create`)";
    let mut response = error(StatusCode::UNAUTHORIZED, UNAUTHORIZED, text, &Value::Null);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Format of this API's error responses: errors of JSON-RPC.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| path == PATH,
    render: |problem| {
        let code = if problem.status() == StatusCode::UNAUTHORIZED { UNAUTHORIZED } else { SERVER_ERROR };
        serde_json::to_vec(&body(code, problem.detail(), &Value::Null)).unwrap_or_default()
    },
    schema: None,
};

fn body(code: i32, message: &str, id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message }, "id": id })
}

fn error(status: StatusCode, code: i32, message: &str, id: &Value) -> Response {
    let mut response = (status, axum::Json(body(code, message, id))).into_response();
    response.extensions_mut().insert(RawResponse);
    response
}
