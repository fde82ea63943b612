//! Entity tags (RFC 9110, section 8.8.3): whoever holds an answer already is told so instead of being sent it again, and
//! whoever changes something says which state of it they have seen, so that nobody's change is lost.

use std::convert::Infallible;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use store::objects::Hash;

use super::problem::{Problem, Result};

/// Answers longer than this are not tagged here: those that are long have tags of their own.
const LONGEST: u64 = 4 << 20;

/// The state of a thing that its change was made for (`If-Match`; RFC 9110, section 13.1.1). A handler that changes what
/// two people may edit takes it as an argument.
#[derive(Debug)]
pub(crate) struct Precondition {
    given: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_MATCH).iter();
        let lines: Vec<String> =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
        Ok(Self { given: (!lines.is_empty()).then(|| lines.join(",")) })
    }
}

impl Precondition {
    /// Refuses the change unless it was made for `before`: what the asker's GET would have answered at the moment of the
    /// change. Called within the transaction that holds the thing's row, and after the change itself: whoever may not
    /// make it, or makes it wrongly, is told that first (RFC 9110, section 13.2.1), and a refusal takes all back.
    pub(crate) fn require(&self, before: &impl Serialize) -> Result<()> {
        let Some(given) = &self.given else {
            return Err(Problem::precondition_required(
                "say for which state the change is: send the ETag of its GET as If-Match, or * to change whatever there is",
            ));
        };
        let now = of(&serde_json::to_vec(before).unwrap_or_default());
        // Strongly: a tag that somebody on the way has weakened tells of no exact bytes.
        if given.split(',').map(str::trim).any(|tag| tag == "*" || tag == now) {
            return Ok(());
        }
        Err(Problem::precondition_failed(
            "this was changed since: GET it anew, make the change to that, and send its ETag as If-Match",
        ))
    }
}

/// The tag of these bytes.
fn of(bytes: &[u8]) -> String {
    format!("\"{}\"", &Hash::of(bytes).to_string()[..32])
}

/// Tags whole answers by their hash: those to GET, and those to PATCH, which answers as a GET does after it.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::GET;
    let changes = request.method() == Method::PATCH;
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let is_tagged = response.headers().contains_key(header::ETAG);
    let is_short = response.body().size_hint().exact().is_some_and(|length| length <= LONGEST);
    if !(asks || changes) || response.status() != StatusCode::OK || is_tagged || !is_short {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = of(&bytes);
    if asks && is_held(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether the asker says that it holds the answer with this tag.
pub(crate) fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(',').map(|held| held.trim().trim_start_matches("W/")).any(|held| held == tag || held == "*")
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
    async fn a_change_is_for_the_state_that_was_seen() {
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
}
