//! Extractors of request input that refuse with a problem, and parsers of parameters that several APIs share.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use kernel::page::Cursor;
use library::label::{Label, VersionRequest};
use library::names::LibraryName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{Problem, Result};
use super::schema::{PageSize, described};

described! {
    /// Entity tags, or `*`.
    IfMatchTags = kernel::schema::text(1..=MAX_TAGS_CHARS, "^[!-~]+( *, *[!-~]+)*$");
}

/// Items on a page.
pub(crate) const MAX_PAGE: u32 = 200;
/// Items on a page where a request names no number.
pub(crate) const DEFAULT_PAGE: u32 = 50;
/// Length of `If-Match` in the description. Any other value is a failed precondition.
const MAX_TAGS_CHARS: usize = 1000;
/// Length of a comma-separated list.
pub(crate) const MAX_LIST_CHARS: usize = 6000;

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
        body.map(Self).map_err(|error| Problem::invalid(format!("invalid body: {error}")))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        // A malformed id is that of no resource.
        Self::not_found(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let text = rejection.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Self::invalid(format!("invalid parameters: {text}"))
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::BytesRejection(_) => Self::too_large("the body is too large"),
            JsonRejection::MissingJsonContentType(_) => {
                Self::unsupported_type("unsupported content type: send JSON as application/json")
            }
            other => Self::invalid(other.body_text()),
        }
    }
}

/// Paging parameters of lists.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Items per page.
    #[param(value_type = Option<PageSize>, inline)]
    limit: Option<u32>,
    /// Start of the page: `next` of the previous one.
    #[param(value_type = Option<Cursor>, inline)]
    cursor: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Result<usize> {
        self.limit_or(DEFAULT_PAGE)
    }

    /// Returns the number of items, or a default.
    pub(crate) fn limit_or(&self, default: u32) -> Result<usize> {
        match self.limit.unwrap_or(default) {
            limit @ 1..=MAX_PAGE => Ok(limit as usize),
            _ => Err(Problem::invalid(format!("invalid limit: use a number from 1 to {MAX_PAGE}"))),
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
    /// `ETag` of a GET of the resource, or `*` for any state. Without it the response is 428, after another change 412.
    #[param(rename = "If-Match", value_type = IfMatchTags, inline, example = "*")]
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

/// Splits a comma-separated list. Empty items are skipped.
pub(crate) fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Splits the comma-separated list of a parameter.
///
/// # Errors
/// Fails if it is longer than [`MAX_LIST_CHARS`].
pub(crate) fn list_parameter(name: &str, text: Option<&str>) -> Result<Vec<String>> {
    check_length(name, text.unwrap_or_default(), MAX_LIST_CHARS)?;
    Ok(list(text))
}

/// Checks the length of a parameter, in characters.
pub(crate) fn check_length(name: &str, text: &str, max_chars: usize) -> Result<()> {
    if text.chars().count() > max_chars {
        return Err(
            Problem::invalid(format!("{name} is too long: use at most {max_chars} characters")).about(name)
        );
    }
    Ok(())
}
