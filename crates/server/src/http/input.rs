//! Extractors of request input that refuse with a problem, and parsers of values that several APIs take.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use kernel::page::Cursor;
use library::label::{Label, VersionRequest};
use library::names::LibraryName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{Problem, Result};

/// Path parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// Query parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// JSON body, which must be an object: serde alone would also accept an array of a struct's fields.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let axum::Json(members) = axum::Json::<Map<String, Value>>::from_request(request, state).await?;
        let body = serde_json::from_value(Value::Object(members));
        body.map(Self).map_err(|error| Problem::invalid(format!("the body cannot be read: {error}")))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        // A malformed id names nothing.
        Self::not_found(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Self::invalid(format!("the parameters cannot be read: {text}"))
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::BytesRejection(_) => Self::too_large("the body is too large"),
            other => Self::invalid(other.body_text()),
        }
    }
}

/// Paging parameters of lists.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Items per page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Start of the page: `next` of the previous one.
    cursor: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Result<usize> {
        self.limit_or(50)
    }

    /// Returns the number of items, or a default.
    pub(crate) fn limit_or(&self, default: u32) -> Result<usize> {
        match self.limit.unwrap_or(default) {
            limit @ 1..=200 => Ok(limit as usize),
            _ => Err(Problem::invalid("limit is 1 to 200")),
        }
    }

    pub(crate) fn cursor(&self) -> Result<Option<Cursor>> {
        self.cursor.as_deref().map(cursor).transpose()
    }
}

/// Description of `If-Match` in OpenAPI; [`super::etag::Precondition`] reads it.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header")]
pub(crate) struct IfMatch {
    /// `ETag` of a GET of the resource, or `*` for any state. Without it the answer is 428; 412 if the resource has changed since.
    #[param(rename = "If-Match", example = "*")]
    if_match: String,
}

/// Parses a cursor.
pub(crate) fn cursor(text: &str) -> Result<Cursor> {
    text.parse().map_err(|error: kernel::page::InvalidCursor| Problem::invalid(error.to_string()))
}

/// Parses a library name.
pub(crate) fn library(text: &str) -> Result<LibraryName> {
    Ok(text.parse().map_err(library::Error::from)?)
}

/// Parses a version label.
pub(crate) fn label(text: &str) -> Result<Label> {
    Ok(text.parse().map_err(library::Error::from)?)
}

/// Parses a version request: a label, a range, `latest`, or nothing for the active version.
pub(crate) fn version(text: Option<&str>) -> Result<VersionRequest> {
    Ok(text.unwrap_or_default().parse().map_err(library::Error::from)?)
}

/// Splits a comma-separated list.
pub(crate) fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
