//! `/graphql` by the [GraphQL over HTTP specification](https://graphql.github.io/graphql-over-http/draft/): queries by GET and POST,
//! changes by POST with a JSON body alone, so that no other site can cause one.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use async_graphql::{Name, Response as GraphqlResponse, ServerError, Variables};
use axum::body::to_bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use identity::KeyRateLimit;
use kernel::actor::Actor;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::statements::StatementCounts;
use tower_http::request_id::RequestId;

use super::cost::Budget;
use super::documents::Documents;
use super::error::fault_in;
use super::live::{self, Live};
use super::loaders::loaders;
use super::request::Request;
use super::rounds::Rounds;
use super::{LibrarySchema, limits};
use crate::http::AppState;
use crate::http::authentication::{LastingCredential, may_connect};
use crate::http::connections::HeldPlace;
use crate::http::problem::{Format, Problem, RawResponse};
use crate::settings::GraphqlSettings;

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
pub(crate) fn route(settings: &GraphqlSettings) -> MethodRouter<AppState> {
    // The settings were checked at the start.
    let trusted = settings.trusted_documents().unwrap_or_default();
    let endpoint = Endpoint {
        schema: super::schema(settings),
        documents: Documents::new(trusted, settings.only_trusted()),
    };
    let answer = move |State(state): State<AppState>, request: HttpRequest| {
        let endpoint = endpoint.clone();
        async move { endpoint.answer(state, request).await }
    };
    get(answer.clone()).post(answer)
}

/// The schema, and the documents that clients can name.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) schema: LibrarySchema,
    documents: Documents,
}

/// Parameters of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

impl From<async_graphql::Request> for Parameters {
    fn from(request: async_graphql::Request) -> Self {
        let object = |value: Value| match value {
            Value::Object(object) => Some(object),
            _ => None,
        };
        Self {
            query: Some(request.query).filter(|query| !query.is_empty()),
            operation_name: request.operation_name,
            variables: serde_json::to_value(request.variables).ok().and_then(object),
            extensions: serde_json::to_value(request.extensions).ok().and_then(object),
        }
    }
}

impl Parameters {
    /// Returns the hash of the document, by which a client can name it.
    fn hash(&self) -> Option<&str> {
        self.extensions.as_ref()?.get("persistedQuery")?.get("sha256Hash")?.as_str()
    }
}

/// Request that is checked.
pub(super) struct Prepared {
    pub(super) request: async_graphql::Request,
    /// Type of the operation that is executed.
    pub(super) kind: OperationType,
}

/// Why a request is not executed: the status by which it is answered, the code, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    pub(super) code: &'static str,
    pub(super) why: String,
}

impl Refusal {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, code: "invalid", why: why.into() }
    }
}

impl Endpoint {
    async fn answer(&self, state: AppState, request: HttpRequest) -> Response {
        let server = &state.app.settings.server;
        let (is_secure, origins) = (server.secure_cookies(), server.origins());
        let credential = LastingCredential::of(request.headers(), is_secure);
        let upgrade = request.headers().get(header::UPGRADE);
        if upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            if !may_connect(request.headers(), is_secure, origins) {
                let why = "a connection authorised by a cookie must come from a page of this server";
                return respond(JSON, StatusCode::FORBIDDEN, &failure("forbidden", why));
            }
            let place = request.extensions().get::<HeldPlace>().cloned();
            let live = Live::new(self.clone(), state.clone(), credential, place);
            let (mut parts, _) = request.into_parts();
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
            return upgrade.ok().and_then(|upgrade| live.connect(upgrade)).unwrap_or_else(|| {
                let why = "connect by WebSocket with the protocol graphql-transport-ws";
                respond(JSON, StatusCode::BAD_REQUEST, &failure("invalid", why))
            });
        }
        if request.method() == Method::POST && accepts_events(request.headers()) {
            return match read(request).await {
                Ok(parameters) => Live::new(self.clone(), state, credential, None).events(parameters),
                Err(Refusal { status, code, why }) => respond(JSON, status, &failure(code, &why)),
            };
        }
        let Some(media_type) = media_type(request.headers()) else {
            let why = "accept application/graphql-response+json";
            return respond(JSON, StatusCode::NOT_ACCEPTABLE, &failure("invalid", why));
        };
        let is_get = request.method() == Method::GET;
        let actor = request.extensions().get::<Actor>().cloned().unwrap_or_else(Actor::anonymous);
        let key = request.extensions().get::<KeyRateLimit>().copied();
        let id = request.extensions().get::<RequestId>().cloned();
        let prepared = match read(request).await {
            Ok(parameters) => self.prepare(parameters, media_type, is_get),
            Err(refusal) => Err(refusal),
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(Refusal { status, code, why }) => {
                let mut response = respond(media_type, status, &failure(code, &why));
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                }
                return response;
            }
        };
        let (counts, rounds) = (StatementCounts::default(), Rounds::default());
        let budget = Budget { limits: state.limits.clone(), key };
        let loaders = loaders(state.app.clone(), actor.clone(), counts.clone(), rounds.clone());
        let prepared = prepared
            .request
            .data(loaders)
            .data(Request::new(state, actor, prepared.kind == OperationType::Query))
            .data(counts)
            .data(budget);
        let mut response = rounds.run(self.schema.execute(prepared)).await;
        for error in response.errors.iter_mut().filter(|error| code_of(error) == Some("internal")) {
            if let Some(id) = id.as_ref().and_then(|id| id.header_value().to_str().ok()) {
                error.extensions.get_or_insert_default().set("requestId", id);
            }
        }
        add_codes(&mut response);
        let is_executed = is_executed(&response);
        let status = if is_executed {
            StatusCode::OK
        } else if response.errors.iter().any(|error| code_of(error) == Some("too-many-requests")) {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            at_fault(media_type)
        };
        let mut built = respond(media_type, status, &response);
        // The status does not tell: what was not executed can be sent again under its key, and a fault may have rolled it back.
        let unexecuted = (!is_executed).then(|| Problem::invalid("the request was not executed"));
        if let Some(problem) = unexecuted.or_else(|| fault_in(&response).cloned()) {
            built.extensions_mut().insert(problem);
        }
        built
    }

    /// Checks a request, in the order of what it costs.
    pub(super) fn prepare(
        &self,
        parameters: Parameters,
        media_type: &str,
        is_get: bool,
    ) -> Result<Prepared, Refusal> {
        let hash = parameters.hash().map(str::to_owned);
        let is_nameless = parameters.query.is_none() && hash.is_none();
        let text = self.documents.find(parameters.query, hash.as_deref()).map_err(|unknown| Refusal {
            status: if is_nameless { StatusCode::BAD_REQUEST } else { at_fault(media_type) },
            code: unknown.code,
            why: unknown.message.to_owned(),
        })?;
        let refused = |why: String| Refusal::new(at_fault(media_type), why);
        limits::check_nesting(&text).map_err(refused)?;
        let document = parse_query(&text).map_err(|error| refused(error.to_string()))?;
        limits::check_fields(&document).map_err(refused)?;
        let name = parameters.operation_name.as_deref();
        let chosen =
            document.operations.iter().find(|(known, _)| name.is_none() || known.map(Name::as_str) == name);
        let kind = chosen.map_or(OperationType::Query, |(_, operation)| operation.node.ty);
        if is_get && kind != OperationType::Query {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a change is sent by POST"));
        }
        let variables = parameters.variables.map(Value::Object).unwrap_or_default();
        let mut request = async_graphql::Request::new(text).variables(Variables::from_json(variables));
        if let Some(name) = parameters.operation_name {
            request = request.operation_name(name);
        }
        request.set_parsed_query(document);
        Ok(Prepared { request, kind })
    }
}

/// Returns the status for a well-formed request whose document is at fault: 200 where a client does not tell GraphQL's responses from
/// any other JSON.
fn at_fault(media_type: &str) -> StatusCode {
    if media_type == JSON { StatusCode::OK } else { StatusCode::BAD_REQUEST }
}

fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        async_graphql::Value::String(code) => Some(code),
        _ => None,
    }
}

/// Gives a code to the errors about the document, which have none.
pub(super) fn add_codes(response: &mut GraphqlResponse) {
    for error in &mut response.errors {
        if code_of(error).is_none() {
            error.extensions.get_or_insert_default().set("code", "invalid");
        }
    }
}

/// Whether an operation was executed: not, if all errors are about the document.
fn is_executed(response: &GraphqlResponse) -> bool {
    response.errors.is_empty() || response.errors.iter().any(|error| !error.path.is_empty())
}

/// Whether the client asks for server-sent events.
fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
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

async fn read(request: HttpRequest) -> Result<Parameters, Refusal> {
    let bad = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
    let too_large = || {
        let why = format!("a request has at most {} KiB", limits::MAX_BYTES >> 10);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        return if query.len() > limits::MAX_BYTES {
            Err(too_large())
        } else {
            read_address(query).map_err(bad)
        };
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts.next() == Some(JSON);
    let is_utf8 =
        parts.all(|part| part.strip_prefix("charset=").is_none_or(|set| set.trim_matches('"') == "utf-8"));
    if !is_json || !is_utf8 {
        // A form, which any site can send, is refused here.
        let why = "send the request as application/json in UTF-8; files are uploaded by REST";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let bytes = to_bytes(request.into_body(), limits::MAX_BYTES).await.map_err(|_too_large| too_large())?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(bad("batches are not supported: send one request with several fields".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| bad(format!("the request cannot be read: {error}")))
}

fn read_address(query: &str) -> Result<Parameters, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Texts {
        query: Option<String>,
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

pub(super) fn failure(code: &str, why: &str) -> GraphqlResponse {
    let mut error = ServerError::new(why, None);
    error.extensions.get_or_insert_default().set("code", code);
    GraphqlResponse::from_errors(vec![error])
}

fn respond(media_type: &'static str, status: StatusCode, response: &GraphqlResponse) -> Response {
    let content_type = format!("{media_type}; charset=utf-8");
    let mut built = (status, [(header::CONTENT_TYPE, content_type)], live::body(response)).into_response();
    built.extensions_mut().insert(RawResponse);
    built
}
