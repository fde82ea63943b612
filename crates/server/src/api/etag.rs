//! Entity tags (RFC 9110, section 8.8.3): whoever holds an answer already is told so instead of being sent it again.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use store::objects::Hash;

/// Answers longer than this are not tagged here: those that are long have tags of their own.
const LONGEST: u64 = 4 << 20;

/// Tags whole answers by their hash.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::GET;
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let is_tagged = response.headers().contains_key(header::ETAG);
    let is_short = response.body().size_hint().exact().is_some_and(|length| length <= LONGEST);
    if !asks || response.status() != StatusCode::OK || is_tagged || !is_short {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("\"{}\"", &Hash::of(&bytes).to_string()[..32]);
    if is_held(&headers, &tag) {
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
