//! Errors as RFC 9457 problem details: one mapping from the rooms' errors to HTTP, and one place where they are
//! finished with the id of the request and logged.

use std::any::Any;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kernel::chain::Chain;
use library::Error;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tower_http::request_id::RequestId;
use utoipa::ToSchema;

use super::authentication::ToNobody;

/// What every handler returns when it cannot do what is asked.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// A problem on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    /// The last part of its type: what a program can tell it by.
    kind: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u32>,
    /// For the log alone.
    cause: Option<String>,
}

/// Marks an answer that goes out as it is: its body is a page, or that of another protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsItIs;

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Names the kind of problem: `urn:wenyuan:problem:no-version`.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// The request, as it stands in the log.
    request_id: String,
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), more: Map::new(), retry_after: None, cause: None }
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 400.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 409.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 409, which passes: the same is being done at this moment.
    pub(crate) fn in_progress(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::CONFLICT, "in-progress", detail) }
    }

    /// 412: it is in another state than the change was made for.
    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed-since", detail)
    }

    /// 422: the key of idempotency belongs to another request.
    pub(crate) fn key_of_another(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-used", detail)
    }

    /// 428 (RFC 6585): the change must say for which state it is.
    pub(crate) fn precondition_required(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", detail)
    }

    /// 401.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign-in", detail)
    }

    /// 429.
    pub(crate) fn too_many(seconds: u32, detail: impl Into<String>) -> Self {
        let retry_after = Some(seconds.max(1));
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail) }
    }

    /// 413.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// 503, which passes.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::busy(detail)
    }

    fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
    }

    /// 500: says nothing of its cause but in the log.
    pub(crate) fn internal(cause: String) -> Self {
        let detail = "something went wrong here; the log has the details under this request id";
        Self { cause: Some(cause), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }

    /// The body, as RFC 9457 has it.
    fn body(&self, id: &str) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("urn:wenyuan:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            request_id: id.to_owned(),
            more: self.more.clone(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Whether the fault is ours, and nothing the asker can mend.
    pub(crate) fn is_fault(&self) -> bool {
        self.status.is_server_error()
    }

    /// What is wrong, in words, for doors that send no problem. The cause is logged.
    pub(crate) fn told(&self) -> String {
        if let Some(cause) = &self.cause {
            tracing::error!(error = cause, "a request failed");
        }
        if self.kind == "internal" {
            return "something went wrong in the server; its log says what".to_owned();
        }
        self.detail.clone()
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What a program can tell it by.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is wrong, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// In how many seconds it is worth trying again.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// The same, of this member of the request.
    pub(crate) fn about(self, parameter: &str) -> Self {
        self.with("parameter", parameter)
    }

    /// The member of the request that it is about, where that is said.
    pub(crate) fn parameter(&self) -> Option<&str> {
        self.more.get("parameter").and_then(Value::as_str)
    }

    /// Further members, by name.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.more
    }

    fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.more.insert(name.to_owned(), json!(value));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NoLibrary { nearest, .. } => {
                Self::new(StatusCode::NOT_FOUND, "no-library", detail).with("nearest", nearest)
            }
            Error::NoVersion { library, wanted, present, nearest } => {
                Self::new(StatusCode::NOT_FOUND, "no-version", detail)
                    .with("library", library)
                    .with("wanted", wanted)
                    .with("present", present)
                    .with("nearest", nearest)
            }
            Error::EmptyLibrary(library) => {
                Self::new(StatusCode::NOT_FOUND, "no-version", detail).with("library", library)
            }
            Error::NoDocument | Error::NoDocumentVersion(_) | Error::NotFound(_) => Self::not_found(detail),
            Error::NotAllowed(_) => Self::forbidden(detail),
            Error::SignIn => Self::unauthorized(detail),
            Error::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name-taken", detail),
            Error::NotCompleted(_) | Error::ActiveVersion(..) | Error::OwnGrant(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", detail)
            }
            Error::BadName(_)
            | Error::BadLabel(_)
            | Error::Invalid(_)
            | Error::Objects(store::objects::Error::Interrupted(_)) => Self::invalid(detail),
            Error::NoModel => Self::new(StatusCode::CONFLICT, "no-model", detail),
            Error::Objects(store::objects::Error::TooLarge { .. }) => Self::too_large(detail),
            Error::Exhausted => Self::busy(detail),
            // The server behind the pool is gone or on its way back: that passes.
            Error::Database(source) if passes(&source) => {
                let cause = Some(Chain(&Error::Database(source)).to_string());
                Self { cause, ..Self::busy("the database does not answer; try again shortly") }
            }
            Error::Database(source) if holds_nul(&source) => {
                Self::invalid("a text holds the character NUL, which can neither be kept nor searched for")
            }
            other => Self::internal(Chain(&other).to_string()),
        }
    }
}

/// Whether the connection broke, or the server is stopping, starting or full, or had to end one
/// of two transactions that waited for each other (SQLSTATE classes 08, 53, 57P and 40).
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ["08", "40", "53", "57P"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}

/// PostgreSQL keeps every character in a text but U+0000.
fn holds_nul(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "22021" || code == "22P05")
}

impl From<identity::Error> for Problem {
    fn from(error: identity::Error) -> Self {
        use identity::Error as Fault;
        let detail = error.to_string();
        match error {
            Fault::BadPassword | Fault::BadCredential(_) | Fault::SignIn => Self::unauthorized(detail),
            Fault::TooManyAttempts { seconds } => Self::too_many(seconds, detail),
            Fault::NotAllowed(_) => Self::forbidden(detail),
            Fault::BadLink | Fault::NoUser | Fault::NoSession | Fault::NoKey => Self::not_found(detail),
            Fault::UsernameTaken | Fault::EmailTaken | Fault::KeyNameTaken => {
                Self::new(StatusCode::CONFLICT, "name-taken", detail)
            }
            Fault::LastAdministrator => Self::new(StatusCode::CONFLICT, "conflict", detail),
            Fault::BadName(_) | Fault::Unfit(_) | Fault::Invalid(_) => Self::invalid(detail),
            Fault::Exhausted => Self::busy(detail),
            // What becomes of the database's own errors is said once, above.
            Fault::Database(source) => Error::Database(source).into(),
            Fault::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<crate::app::Error> for Problem {
    fn from(error: crate::app::Error) -> Self {
        use crate::app::Error as Fault;
        match error {
            Fault::Identity(error) => error.into(),
            Fault::Library(error) => error.into(),
            Fault::Chat(error) => error.into(),
            Fault::Forbidden(detail) => Self::forbidden(detail),
            Fault::Invalid(detail) => Self::invalid(detail),
            Fault::Conflict(detail) => Self::conflict(detail),
            Fault::TooLarge(detail) => Self::too_large(detail),
            Fault::TooMany { seconds, text } => Self::too_many(seconds, text),
            Fault::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<store::postgres::Error> for Problem {
    fn from(error: store::postgres::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<store::idempotency::Error> for Problem {
    fn from(error: store::idempotency::Error) -> Self {
        match error {
            store::idempotency::Error::Database(error) => error.into(),
            store::idempotency::Error::Secrets(error) => Self::internal(Chain(&error).to_string()),
        }
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        use registry::Error as Fault;
        let detail = error.to_string();
        match error {
            Fault::SignIn => Self::unauthorized(detail),
            Fault::NotAllowed => Self::forbidden(detail),
            Fault::NoServer | Fault::NotAsked(_) => Self::not_found(detail),
            Fault::NameTaken => Self::new(StatusCode::CONFLICT, "name-taken", detail),
            Fault::Invalid(_) => Self::invalid(detail),
            Fault::Exhausted => Self::busy(detail),
            Fault::Database(source) => Error::Database(source).into(),
            Fault::Secrets(ref source) if mendable(source) => Self::conflict(Chain(&error).to_string()),
            Fault::Secrets(error) => Self::internal(Chain(&error).to_string()),
        }
    }
}

impl From<chat::Error> for Problem {
    fn from(error: chat::Error) -> Self {
        use chat::Error as Fault;
        let detail = error.to_string();
        match error {
            Fault::SignIn => Self::unauthorized(detail),
            Fault::NotAllowed(_) => Self::forbidden(detail),
            Fault::NotFound(_) => Self::not_found(detail),
            Fault::Invalid(_) => Self::invalid(detail),
            Fault::Conflict(_) => Self::conflict(detail),
            Fault::TooManyAnswers(_) => Self::too_many(5, detail),
            Fault::ModelNameTaken => Self::new(StatusCode::CONFLICT, "name-taken", detail),
            Fault::Library(error) => error.into(),
            Fault::Registry(error) => error.into(),
            Fault::Model(failure) => failure.into(),
            Fault::Exhausted => Self::busy(detail),
            Fault::Objects(error) => error.into(),
            Fault::Database(source) => Error::Database(source).into(),
            Fault::Secrets(ref source) if mendable(source) => Self::conflict(Chain(&error).to_string()),
            Fault::Secrets(error) => Self::internal(Chain(&error).to_string()),
            Fault::Internal(cause) => Self::internal(cause),
        }
    }
}

/// A language model that does not answer is no fault of ours, and may answer later.
impl From<chat::models::client::Failure> for Problem {
    fn from(failure: chat::models::client::Failure) -> Self {
        match failure.kind {
            chat::models::client::FailureKind::Busy => {
                Self { retry_after: failure.retry_after.or(Some(5)), ..Self::busy(failure.text) }
            }
            _ => Self::new(StatusCode::BAD_GATEWAY, "model-failed", failure.text),
        }
    }
}

/// Whether the row is there, and its secret is not: the text says how to mend that.
fn mendable(error: &store::secrets::Error) -> bool {
    use store::secrets::Error as Fault;
    matches!(error, Fault::UnknownKey(_) | Fault::Refused | Fault::Unreadable)
}

impl From<store::objects::Error> for Problem {
    fn from(error: store::objects::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A panic in a handler is a 500 like any other.
#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
pub(crate) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::internal(format!("a handler panicked: {text}")).into_response()
}

/// Error responses of the APIs: which form each has, and how a browser is told.
#[derive(Clone, Copy)]
pub(crate) struct Formats {
    /// Forms other than RFC 9457; the first that applies is taken.
    pub(crate) apis: &'static [Format],
    /// Prepares the page for a browser's request; `None` for other clients.
    pub(crate) page: fn(&Request) -> Option<ErrorPage>,
}

/// Renders a problem as a page, from the problem, the request id, the headers of the response, and whether the request was
/// anonymous.
pub(crate) type ErrorPage = Box<dyn FnOnce(&Problem, &str, &HeaderMap, bool) -> Response + Send>;

/// Form of an API's error responses.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Whether a path belongs to the API.
    pub(crate) applies_to: fn(&str) -> bool,
    /// Renders the body, which is JSON.
    pub(crate) render: fn(&Problem) -> Vec<u8>,
    /// Description and schema in the OpenAPI document; `None` for an API that is not described there.
    pub(crate) described_as: Option<(&'static str, &'static str)>,
}

impl Formats {
    /// Returns the form for a path; `None` for RFC 9457.
    pub(super) fn at(self, path: &str) -> Option<&'static Format> {
        self.apis.iter().find(|format| (format.applies_to)(path))
    }
}

/// Middleware that gives every failed response its body: the handlers' problems, and the framework's own refusals.
pub(crate) async fn finish(State(formats): State<Formats>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let format = formats.at(request.uri().path());
    let page = (formats.page)(&request);
    let response = next.run(request).await;
    let status = response.status();
    let to_nobody = response.extensions().get::<ToNobody>().is_some();
    let is_finished = response.extensions().get::<AsItIs>().is_some();
    if is_finished || (!status.is_client_error() && !status.is_server_error()) {
        return response;
    }
    let id = id.as_ref().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let (problem, response) = if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        (problem, response)
    } else {
        let (parts, body) = response.into_parts();
        let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        (refused(status, text), Response::from_parts(parts, Body::empty()))
    };
    let response = send(&problem, format, id, response);
    match page {
        Some(page) => page(&problem, id, response.headers(), to_nobody),
        None => response,
    }
}

/// What the framework refuses by itself: unreadable parameters, a wrong method, a body too large, a time-out.
fn refused(status: StatusCode, text: String) -> Problem {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            Problem::busy("answering took too long; try again, or ask for less")
        }
        _ if status.is_server_error() => Problem { status, ..Problem::internal(text) },
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status, "method-not-allowed", "this address does not know that method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(text),
        StatusCode::NOT_FOUND => Problem::not_found("there is nothing at this address"),
        _ => Problem::new(
            status,
            "invalid",
            if text.is_empty() { "the request was refused".to_owned() } else { text },
        ),
    }
}

fn send(problem: &Problem, format: Option<&Format>, id: &str, mut response: Response) -> Response {
    if let Some(cause) = &problem.cause {
        tracing::error!(request.id = id, error = cause, status = problem.status.as_u16(), "a request failed");
    }
    let (body, content_type) = match format {
        None => (problem.body(id), "application/problem+json"),
        Some(format) => ((format.render)(problem), "application/json"),
    };
    *response.body_mut() = Body::from(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.remove(header::CONTENT_LENGTH);
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
