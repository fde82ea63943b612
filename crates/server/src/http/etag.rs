//! Entity tags (RFC 9110, section 8.8.3): conditional GETs, and preconditions of changes, which prevent lost updates.

use std::convert::Infallible;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::objects::Hash;

use super::problem::{Problem, Result};

/// Size of a response that is tagged here; larger ones set their own tag.
const MAX_TAGGED_BYTES: u64 = 4 << 20;

/// Extractor of `If-Match` (RFC 9110, section 13.1.1), for handlers that change what several people can edit.
#[derive(Debug)]
pub(crate) struct Precondition {
    tags: Option<String>,
}

/// JSON body of a resource of which only a part can be edited, such as a text with its likes: its tag names that part before the whole,
/// so that a change of the rest does not fail the precondition of an edit.
#[derive(Debug)]
pub(crate) struct Tagged<T> {
    body: T,
    edited: String,
}

/// Part of a tag that names what can be edited.
#[derive(Debug, Clone)]
struct EditedPart(String);

impl<T> Tagged<T> {
    /// Tags a body with the part of it that can be edited.
    pub(crate) fn new(body: T, editable: impl FnOnce(&T) -> serde_json::Value) -> Self {
        let edited = hash_of(&editable(&body));
        Self { body, edited }
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.body).into_response();
        response.extensions_mut().insert(EditedPart(self.edited));
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_MATCH).iter();
        let lines: Vec<String> =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
        Ok(Self { tags: (!lines.is_empty()).then(|| lines.join(",")) })
    }
}

impl Precondition {
    /// Compares the precondition with `before`: the body that a GET by the same caller would have returned before the change.
    ///
    /// Call it in the transaction that holds the row, after the change: missing rights and invalid input are reported first
    /// (RFC 9110, section 13.2.1), and a failed precondition rolls the change back.
    ///
    /// # Errors
    /// 428 without `If-Match`, 412 where the tags differ.
    pub(crate) fn require(&self, before: &impl Serialize) -> Result<()> {
        let current = of(&serde_json::to_vec(before).unwrap_or_default());
        // Strong comparison: a weak tag does not identify the exact bytes.
        self.require_tag(|tag| tag == current)
    }

    /// Like [`Self::require`], for a resource that is answered as [`Tagged`]: compares what could be edited before the change.
    ///
    /// # Errors
    /// 428 without `If-Match`, 412 where the tags differ.
    pub(crate) fn require_edited(&self, before: &serde_json::Value) -> Result<()> {
        let current = format!("\"{}.", hash_of(before));
        self.require_tag(|tag| tag.starts_with(&current))
    }

    fn require_tag(&self, is_current: impl Fn(&str) -> bool) -> Result<()> {
        let Some(tags) = &self.tags else {
            return Err(Problem::precondition_required(
                "missing header If-Match: send the ETag of a GET of the resource, or * to change any state",
            ));
        };
        if tags.split(',').map(str::trim).any(|tag| tag == "*" || is_current(tag)) {
            return Ok(());
        }
        Err(Problem::precondition_failed(
            "the resource has changed: GET it again, apply the change to that, and send its ETag as If-Match",
        ))
    }
}

/// Returns the tag of a body.
fn of(bytes: &[u8]) -> String {
    format!("\"{}\"", &Hash::of(bytes).to_string()[..32])
}

fn hash_of(value: &serde_json::Value) -> String {
    Hash::of(value.to_string().as_bytes()).to_string()[..32].to_owned()
}

/// Middleware that tags responses with their hash: to GET, and to PATCH, which answers as a GET would afterwards.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let is_get = request.method() == Method::GET;
    let is_patch = request.method() == Method::PATCH;
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let is_tagged = response.headers().contains_key(header::ETAG);
    let is_short = response.body().size_hint().exact().is_some_and(|length| length <= MAX_TAGGED_BYTES);
    if !(is_get || is_patch) || response.status() != StatusCode::OK || is_tagged || !is_short {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut tag = of(&bytes);
    if let Some(EditedPart(edited)) = parts.extensions.remove() {
        tag.insert_str(1, &format!("{edited}."));
    }
    if is_get && none_match_has(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether `If-None-Match` contains the tag.
pub(crate) fn none_match_has(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    tags.split(',')
        .map(|other| other.trim().trim_start_matches("W/"))
        .any(|other| other == tag || other == "*")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde_json::json;

    use super::*;

    async fn precondition(lines: &[&str]) -> Precondition {
        let mut request = Request::builder();
        for line in lines {
            request = request.header(header::IF_MATCH, *line);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(precondition) = Precondition::from_request_parts(&mut parts, &()).await;
        precondition
    }

    #[tokio::test]
    async fn a_change_applies_to_the_state_the_client_saw() {
        let before = json!({ "title": "one" });
        let tag = of(&serde_json::to_vec(&before).unwrap());
        let weak = format!("W/{tag}");
        let among = format!("\"other\", {tag}");
        for good in [&["*"][..], &[&tag], &[&among], &["\"other\"", &tag]] {
            assert!(precondition(good).await.require(&before).is_ok(), "{good:?}");
        }
        for bad in [&[][..], &[""], &["\"other\""], &[&weak], &[tag.trim_matches('"')]] {
            assert!(precondition(bad).await.require(&before).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn an_edit_applies_whatever_became_of_the_rest() {
        let before = json!({ "text": "one" });
        let edited = hash_of(&before);
        for good in ["*".to_owned(), format!("\"{edited}.a\""), format!("\"{edited}.b\"")] {
            assert!(precondition(&[&good]).await.require_edited(&before).is_ok(), "{good}");
        }
        for bad in [format!("\"{edited}\""), format!("W/\"{edited}.a\""), "\"other.a\"".to_owned()] {
            assert!(precondition(&[&bad]).await.require_edited(&before).is_err(), "{bad}");
        }
    }
}
