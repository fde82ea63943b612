//! `/graphql` by the [GraphQL over HTTP specification](https://graphql.github.io/graphql-over-http/draft/): queries by GET and POST,
//! changes by POST with a JSON body alone, so that no other site can cause one.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use async_graphql::{Response as GraphqlResponse, ServerError, Variables};
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use serde::Deserialize;

use super::query::Request;
use super::{LibrarySchema, limits, loaders};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::problem::{Format, Problem, RawResponse};

/// Path of the endpoint.
const PATH: &str = "/graphql";
/// Media type of responses by the specification.
const GRAPHQL_JSON: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// Format of the errors that occur before a request is read.
pub(crate) const ERRORS: Format =
    Format { applies_to: |path| path == PATH, render: |problem| body_of(problem), schema: None };

fn body_of(problem: &Problem) -> Vec<u8> {
    let errors = serde_json::json!({ "errors": [{ "message": problem.user_message(), "extensions": { "code": problem.kind() } }] });
    serde_json::to_vec(&errors).unwrap_or_default()
}

/// Returns the route.
pub(crate) fn route() -> MethodRouter<AppState> {
    let schema = super::schema();
    let by_get = schema.clone();
    get(move |state: State<AppState>, caller: Caller, request: HttpRequest| answer(by_get, state, caller, request))
        .post(move |state: State<AppState>, caller: Caller, request: HttpRequest| {
            answer(schema, state, caller, request)
        })
}

/// Parameters of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[expect(dead_code, reason = "part of the protocol; nothing here uses extensions of requests")]
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Why a request is not executed: the status by which it is answered, and why.
struct Unreadable(StatusCode, String);

async fn answer(
    schema: LibrarySchema,
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: HttpRequest,
) -> Response {
    let Some(media_type) = media_type(request.headers()) else {
        return respond(JSON, StatusCode::NOT_ACCEPTABLE, &failure("accept application/graphql-response+json"));
    };
    let is_get = request.method() == Method::GET;
    let parameters = match read(request).await {
        Ok(parameters) => parameters,
        Err(Unreadable(status, why)) => return respond(media_type, status, &failure(&why)),
    };
    // A well-formed request whose document is at fault: 200 where a client does not tell GraphQL's responses from any other JSON.
    let at_fault = if media_type == JSON { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let document = limits::check_nesting(&parameters.query)
        .and_then(|()| parse_query(&parameters.query).map_err(|error| error.to_string()));
    let document = match document.and_then(|document| limits::check_fields(&document).map(|()| document)) {
        Ok(document) => document,
        Err(why) => return respond(media_type, at_fault, &failure(&why)),
    };
    let name = parameters.operation_name.as_deref();
    let operations = || document.operations.iter();
    let chosen = operations().find(|(known, _)| name.is_none() || known.map(|known| known.as_str()) == name);
    if is_get && chosen.is_some_and(|(_, operation)| operation.node.ty != OperationType::Query) {
        let mut response =
            respond(media_type, StatusCode::METHOD_NOT_ALLOWED, &failure("a change is sent by POST"));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let variables = parameters.variables.map(serde_json::Value::Object).unwrap_or_default();
    let mut request = async_graphql::Request::new(parameters.query).variables(Variables::from_json(variables));
    if let Some(name) = parameters.operation_name {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document);
    let request = request
        .data(loaders::loaders(state.app.clone(), actor.clone()))
        .data(Request::new(state.app.clone(), actor));
    let response = schema.execute(request).await;
    // Data that is absent, not null, means that nothing was executed.
    let is_executed = response.errors.is_empty() || response.errors.iter().any(|error| !error.path.is_empty());
    respond(media_type, if is_executed { StatusCode::OK } else { at_fault }, &response)
}

/// Chooses the media type of the response; without a preference, the one that every client reads.
fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let Some(accept) = headers.get(header::ACCEPT) else { return Some(JSON) };
    let accept = accept.to_str().ok()?.to_ascii_lowercase();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    for kind in kinds {
        match kind {
            GRAPHQL_JSON => return Some(GRAPHQL_JSON),
            JSON | "application/*" | "*/*" => return Some(JSON),
            _ => {}
        }
    }
    None
}

async fn read(request: HttpRequest) -> Result<Parameters, Unreadable> {
    let bad = |why: String| Unreadable(StatusCode::BAD_REQUEST, why);
    if request.method() == Method::GET {
        return read_address(request.uri().query().unwrap_or_default()).map_err(bad);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts.next() == Some(JSON);
    let is_utf8 = parts.all(|part| part.strip_prefix("charset=").is_none_or(|set| set.trim_matches('"') == "utf-8"));
    if !is_json || !is_utf8 {
        let why = "send the request as application/json in UTF-8; files are uploaded by REST";
        return Err(Unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()));
    }
    let bytes = to_bytes(request.into_body(), limits::MAX_BYTES).await.map_err(|_too_large| {
        let why = format!("a request is at most {} KiB", limits::MAX_BYTES >> 10);
        Unreadable(StatusCode::PAYLOAD_TOO_LARGE, why)
    })?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(bad("batches are not supported: send one request at a time, with several fields".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| bad(format!("the request cannot be read: {error}")))
}

fn read_address(query: &str) -> Result<Parameters, String> {
    if query.len() > limits::MAX_BYTES {
        return Err(format!("a request is at most {} KiB", limits::MAX_BYTES >> 10));
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Texts {
        query: String,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let texts: Texts = serde_urlencoded::from_str(query).map_err(|error| error.to_string())?;
    let object = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(&text).map_err(|error| format!("{name} cannot be read: {error}")),
        None => Ok(None),
    };
    Ok(Parameters {
        query: texts.query,
        operation_name: texts.operation_name.filter(|name| !name.is_empty()),
        variables: object("variables", texts.variables)?,
        extensions: object("extensions", texts.extensions)?,
    })
}

fn failure(why: &str) -> GraphqlResponse {
    GraphqlResponse::from_errors(vec![ServerError::new(why, None)])
}

fn respond(media_type: &'static str, status: StatusCode, response: &GraphqlResponse) -> Response {
    let is_executed = status == StatusCode::OK && !(response.data == async_graphql::Value::Null && !response.errors.is_empty() && response.errors.iter().all(|error| error.path.is_empty()));
    let mut body = serde_json::to_value(response).unwrap_or_default();
    if !is_executed && let Some(body) = body.as_object_mut() {
        body.remove("data");
    }
    let mut built = (status, [(header::CONTENT_TYPE, media_type)], Body::from(body.to_string())).into_response();
    let charset = HeaderValue::from_static(if media_type == JSON {
        "application/json; charset=utf-8"
    } else {
        "application/graphql-response+json; charset=utf-8"
    });
    built.headers_mut().insert(header::CONTENT_TYPE, charset);
    built.extensions_mut().insert(RawResponse);
    built
}
