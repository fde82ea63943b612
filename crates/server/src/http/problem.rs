//! Errors as problem details (RFC 9457): the one mapping from the errors of all crates to HTTP, and the middleware that renders and
//! logs them with the id of the request.

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

use super::authentication::ToAnonymous;
use super::problem_types::{self as types, ProblemType};

/// Result of a handler.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// An error response before it is rendered.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// Status of the type, unless the framework refused the request with another.
    status: StatusCode,
    kind: &'static ProblemType,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u32>,
    /// Logged, never sent.
    cause: Option<String>,
    /// Whether PostgreSQL has rolled the transaction back for another one.
    is_rolled_back: bool,
}

/// Marks a response that is sent unchanged: its body is a page, or that of another protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawResponse;

/// Body of a problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Type of the problem: `urn:wenyuan:problem:no-version`.
    #[serde(rename = "type")]
    kind: String,
    /// Reason phrase of the status.
    title: String,
    /// HTTP status.
    status: u16,
    /// Explanation: what is wrong and what to do.
    detail: String,
    /// Id of the request, as in the log.
    request_id: String,
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

impl Problem {
    fn new(kind: &'static ProblemType, detail: impl Into<String>) -> Self {
        let status = kind.status;
        Self {
            status,
            kind,
            detail: detail.into(),
            more: Map::new(),
            retry_after: None,
            cause: None,
            is_rolled_back: false,
        }
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(&types::NOT_FOUND, detail)
    }

    /// 400.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(&types::INVALID, detail)
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(&types::FORBIDDEN, detail)
    }

    /// 409.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(&types::CONFLICT, detail)
    }

    /// 409, temporarily: the same request is in progress.
    pub(crate) fn in_progress(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(&types::IN_PROGRESS, detail) }
    }

    /// 412: the resource is in another state than the change requires.
    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(&types::CHANGED_SINCE, detail)
    }

    /// 422: the idempotency key belongs to another request.
    pub(crate) fn key_reused(detail: impl Into<String>) -> Self {
        Self::new(&types::IDEMPOTENCY_KEY_USED, detail)
    }

    /// 428 (RFC 6585): the change must name the state it applies to.
    pub(crate) fn precondition_required(detail: impl Into<String>) -> Self {
        Self::new(&types::PRECONDITION_REQUIRED, detail)
    }

    /// 401.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(&types::SIGN_IN, detail)
    }

    /// 429.
    pub(crate) fn too_many(seconds: u32, detail: impl Into<String>) -> Self {
        let retry_after = Some(seconds.max(1));
        Self { retry_after, ..Self::new(&types::TOO_MANY_REQUESTS, detail) }
    }

    /// 408.
    pub(crate) fn request_timeout(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::new(&types::INVALID, detail) }
    }

    /// 413.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(&types::TOO_LARGE, detail)
    }

    /// 415.
    pub(crate) fn unsupported_type(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Self::new(&types::INVALID, detail) }
    }

    /// 503, temporarily.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::busy(detail)
    }

    fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(2), ..Self::new(&types::BUSY, detail) }
    }

    /// 500: its cause is logged and not sent.
    pub(crate) fn internal(cause: String) -> Self {
        let detail = "internal error; the server's log has the details under this request id";
        Self { cause: Some(cause), ..Self::new(&types::INTERNAL, detail) }
    }

    /// Renders the body (RFC 9457).
    fn body(&self, id: &str) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("urn:wenyuan:problem:{}", self.kind.name),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            request_id: id.to_owned(),
            more: self.more.clone(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Whether PostgreSQL has rolled the transaction back for another one, so that the request can be run again.
    pub(crate) fn is_rolled_back(&self) -> bool {
        self.is_rolled_back
    }

    /// Whether the server failed.
    pub(crate) fn is_fault(&self) -> bool {
        self.status.is_server_error()
    }

    /// Returns the text for APIs that send no problem details, and logs the cause.
    pub(crate) fn user_message(&self) -> String {
        if let Some(cause) = &self.cause {
            tracing::error!(error = cause, "request failed");
        }
        if self.kind == &types::INTERNAL {
            return "internal error; see the server's log".to_owned();
        }
        self.detail.clone()
    }

    /// Returns the HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the last part of its type.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// Returns the explanation: what is wrong and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the seconds after which a retry makes sense.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Sets the invalid member of the request.
    pub(crate) fn about(self, parameter: &str) -> Self {
        self.with("parameter", parameter)
    }

    /// Returns the invalid member of the request, if known.
    pub(crate) fn parameter(&self) -> Option<&str> {
        self.more.get("parameter").and_then(Value::as_str)
    }

    /// Returns further members, by name.
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
                Self::new(&types::NO_LIBRARY, detail).with("nearest", nearest)
            }
            Error::NoVersion { library, requested, present, nearest } => {
                Self::new(&types::NO_VERSION, detail)
                    .with("library", library)
                    .with("wanted", requested)
                    .with("present", present)
                    .with("nearest", nearest)
            }
            Error::EmptyLibrary(library) => Self::new(&types::NO_VERSION, detail).with("library", library),
            Error::NoDocument | Error::NoDocumentVersion(_) | Error::NotFound(_) => Self::not_found(detail),
            Error::NotAllowed(_) => Self::forbidden(detail),
            Error::SignIn => Self::unauthorized(detail),
            Error::NotCompleted(_) | Error::ActiveVersion(..) | Error::OwnGrant(_) => {
                Self::new(&types::CONFLICT, detail)
            }
            Error::InvalidName(_)
            | Error::InvalidLabel(_)
            | Error::Invalid(_)
            | Error::Objects(store::objects::Error::Interrupted(_)) => Self::invalid(detail),
            Error::NoModel => Self::new(&types::NO_MODEL, detail),
            Error::Endpoint(_) => Self::new(&types::MODEL_FAILED, detail),
            Error::Secrets(source) if is_recoverable(&source) => {
                Self::new(&types::CONFLICT, source.to_string())
            }
            Error::Objects(store::objects::Error::TooLarge { .. }) => Self::too_large(detail),
            Error::Exhausted => Self::busy(detail),
            // PostgreSQL is down or restarting: temporary.
            Error::Database(source) if is_temporary(&source) => {
                let is_rolled_back = has_class(&source, &["40"]);
                let cause = Some(Chain(&Error::Database(source)).to_string());
                Self {
                    cause,
                    is_rolled_back,
                    ..Self::busy("the database does not answer; try again shortly")
                }
            }
            Error::Database(source) if holds_nul(&source) => {
                Self::invalid("a text contains the character NUL, which cannot be stored or searched for")
            }
            other => Self::internal(Chain(&other).to_string()),
        }
    }
}

/// Whether a database error is temporary: a broken connection, a server that stops, starts or is full, a deadlock or a serialisation
/// failure (SQLSTATE classes 08, 53, 57P and 40).
fn is_temporary(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        error => has_class(error, &["08", "40", "53", "57P"]),
    }
}

/// Whether the SQLSTATE of a database error is in one of these classes.
fn has_class(error: &sqlx::Error, classes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| classes.iter().any(|class| code.starts_with(class)))
}

/// PostgreSQL text holds every character except U+0000.
fn holds_nul(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "22021" || code == "22P05")
}

impl From<identity::Error> for Problem {
    fn from(error: identity::Error) -> Self {
        use identity::Error as IdentityError;
        let detail = error.to_string();
        match error {
            IdentityError::WrongPassword | IdentityError::InvalidCredential(_) | IdentityError::SignIn => {
                Self::unauthorized(detail)
            }
            IdentityError::TooManyAttempts { seconds } => Self::too_many(seconds, detail),
            IdentityError::NotAllowed(_) => Self::forbidden(detail),
            IdentityError::InvalidLink
            | IdentityError::NoUser
            | IdentityError::NoSession
            | IdentityError::NoKey => Self::not_found(detail),
            IdentityError::UsernameTaken | IdentityError::EmailTaken | IdentityError::KeyNameTaken => {
                Self::new(&types::NAME_TAKEN, detail)
            }
            IdentityError::LastAdministrator => Self::new(&types::CONFLICT, detail),
            IdentityError::InvalidName(_) | IdentityError::PasswordPolicy(_) | IdentityError::Invalid(_) => {
                Self::invalid(detail)
            }
            IdentityError::Exhausted => Self::busy(detail),
            // Database errors are mapped once, above.
            IdentityError::Database(source) => Error::Database(source).into(),
            IdentityError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<crate::app::Error> for Problem {
    fn from(error: crate::app::Error) -> Self {
        use crate::app::Error as AppError;
        match error {
            AppError::Identity(error) => error.into(),
            AppError::Library(error) => error.into(),
            AppError::Chat(error) => error.into(),
            AppError::Social(error) => error.into(),
            AppError::Operations(error) => error.into(),
            AppError::Forbidden(detail) => Self::forbidden(detail),
            AppError::Invalid(detail) => Self::invalid(detail),
            AppError::Conflict(detail) => Self::conflict(detail),
            AppError::TooMany { seconds, text } => Self::too_many(seconds, text),
            AppError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<ops::Error> for Problem {
    fn from(error: ops::Error) -> Self {
        let detail = error.to_string();
        match error {
            ops::Error::SignIn => Self::unauthorized(detail),
            ops::Error::NotAllowed => Self::forbidden(detail),
            ops::Error::Invalid(_) => Self::invalid(detail),
            ops::Error::NoBackup(_) | ops::Error::Ambiguous(_) | ops::Error::NoQuestion(_) => {
                Self::not_found(detail)
            }
            ops::Error::Database(source) => Error::Database(source).into(),
            ops::Error::Busy => Self::conflict(detail),
            // The repository is the operator's, and what is wrong with it is for their eyes, who are the only ones to come here.
            ops::Error::Damaged { .. } | ops::Error::NoRepository(_) | ops::Error::NewerFormat { .. } => {
                Self::new(&types::CONFLICT, detail)
            }
            other => Self::internal(Chain(&other).to_string()),
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
        use registry::Error as RegistryError;
        let detail = error.to_string();
        match error {
            RegistryError::SignIn => Self::unauthorized(detail),
            RegistryError::NotAllowed => Self::forbidden(detail),
            RegistryError::NoServer | RegistryError::NotCallable(_) => Self::not_found(detail),
            RegistryError::NameTaken => Self::new(&types::NAME_TAKEN, detail),
            RegistryError::Invalid(_) => Self::invalid(detail),
            RegistryError::Exhausted => Self::busy(detail),
            RegistryError::Database(source) => Error::Database(source).into(),
            RegistryError::Secrets(ref source) if is_recoverable(source) => {
                Self::conflict(Chain(&error).to_string())
            }
            RegistryError::Secrets(error) => Self::internal(Chain(&error).to_string()),
        }
    }
}

impl From<chat::Error> for Problem {
    fn from(error: chat::Error) -> Self {
        use chat::Error as ChatError;
        let detail = error.to_string();
        match error {
            ChatError::SignIn => Self::unauthorized(detail),
            ChatError::NotAllowed(_) => Self::forbidden(detail),
            ChatError::NotFound(_) => Self::not_found(detail),
            ChatError::Invalid(_) => Self::invalid(detail),
            ChatError::Conflict(_) => Self::conflict(detail),
            ChatError::TooManyAnswers(_) => Self::too_many(5, detail),
            ChatError::ModelNameTaken => Self::new(&types::NAME_TAKEN, detail),
            ChatError::Library(error) => error.into(),
            ChatError::Registry(error) => error.into(),
            ChatError::Model(failure) => failure.into(),
            ChatError::Exhausted => Self::busy(detail),
            ChatError::Objects(error) => error.into(),
            ChatError::Database(source) => Error::Database(source).into(),
            ChatError::Secrets(ref source) if is_recoverable(source) => {
                Self::conflict(Chain(&error).to_string())
            }
            ChatError::Secrets(error) => Self::internal(Chain(&error).to_string()),
            ChatError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<social::Error> for Problem {
    fn from(error: social::Error) -> Self {
        use social::Error as SocialError;
        let detail = error.to_string();
        match error {
            SocialError::SignIn => Self::unauthorized(detail),
            SocialError::NotAllowed(_) => Self::forbidden(detail),
            SocialError::NotFound(_) => Self::not_found(detail),
            SocialError::Invalid(_) => Self::invalid(detail),
            SocialError::Conflict(_) => Self::conflict(detail),
            SocialError::TooFast { seconds } => Self::too_many(seconds, detail),
            SocialError::Library(error) => error.into(),
            SocialError::Exhausted => Self::busy(detail),
            SocialError::Database(source) => Error::Database(source).into(),
            SocialError::Internal(cause) => Self::internal(cause),
        }
    }
}

/// A language model that fails is a bad gateway.
impl From<chat::models::client::ModelError> for Problem {
    fn from(failure: chat::models::client::ModelError) -> Self {
        match failure.kind {
            chat::models::client::ModelErrorKind::Busy => {
                Self { retry_after: failure.retry_after.or(Some(5)), ..Self::busy(failure.text) }
            }
            _ => Self::new(&types::MODEL_FAILED, failure.text),
        }
    }
}

/// Whether a stored secret cannot be opened: the text says what to do.
fn is_recoverable(error: &store::secrets::Error) -> bool {
    use store::secrets::Error as SecretsError;
    matches!(error, SecretsError::UnknownKey(_) | SecretsError::NotAuthentic | SecretsError::UnknownFormat)
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

/// Turns a panic in a handler into a 500.
#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
pub(crate) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Problem::internal(format!("a handler panicked: {text}")).into_response()
}

/// Formats of error responses: by API, and for browsers.
#[derive(Clone, Copy)]
pub(crate) struct Formats {
    /// Formats other than RFC 9457; the first that applies is used.
    pub(crate) apis: &'static [Format],
    /// Prepares the page for a browser's request; `None` for other clients.
    pub(crate) page: fn(&Request) -> Option<ErrorPage>,
}

/// Renders a problem as a page, from the problem, the request id, the headers of the response, and whether the request was
/// anonymous.
pub(crate) type ErrorPage = Box<dyn FnOnce(&Problem, &str, &HeaderMap, bool) -> Response + Send>;

/// Format of an API's error responses.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Whether a path belongs to the API.
    pub(crate) applies_to: fn(&str) -> bool,
    /// Renders the body, which is JSON.
    pub(crate) render: fn(&Problem) -> Vec<u8>,
    /// Name of the body's schema in the OpenAPI document; `None` for an API that is not described there.
    pub(crate) schema: Option<&'static str>,
}

impl Formats {
    /// Returns the format for a path; `None` for RFC 9457.
    pub(super) fn at(self, path: &str) -> Option<&'static Format> {
        self.apis.iter().find(|format| (format.applies_to)(path))
    }
}

/// Middleware that renders the body of every error response: of problems that handlers return, and of the framework's own errors.
pub(crate) async fn finish(State(formats): State<Formats>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let format = formats.at(request.uri().path());
    let page = (formats.page)(&request);
    let response = next.run(request).await;
    let status = response.status();
    let is_anonymous = response.extensions().get::<ToAnonymous>().is_some();
    let is_finished = response.extensions().get::<RawResponse>().is_some();
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
        (framework_problem(status, text), Response::from_parts(parts, Body::empty()))
    };
    let response = send(&problem, format, id, response);
    match page {
        Some(page) => page(&problem, id, response.headers(), is_anonymous),
        None => response,
    }
}

/// Maps the framework's own errors: invalid parameters, wrong methods, large bodies, timeouts.
fn framework_problem(status: StatusCode, text: String) -> Problem {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Problem::busy("the request timed out; try again, or ask for less"),
        _ if status.is_server_error() => Problem { status, ..Problem::internal(text) },
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(&types::METHOD_NOT_ALLOWED, "this address does not support that method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(text),
        StatusCode::NOT_FOUND => Problem::not_found("nothing was found at this address"),
        _ => {
            let detail = if text.is_empty() { "invalid request".to_owned() } else { text };
            Problem { status, ..Problem::new(&types::INVALID, detail) }
        }
    }
}

fn send(problem: &Problem, format: Option<&Format>, id: &str, mut response: Response) -> Response {
    if let Some(cause) = &problem.cause {
        tracing::error!(error = cause, status = problem.status.as_u16(), "request failed");
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
