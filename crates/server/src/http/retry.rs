//! Requests whose transaction PostgreSQL rolled back for another one, because of a deadlock or a serialisation failure, are run once
//! more.
//!
//! That is safe where the rolled back transaction was the only one that the request began: nothing of it was committed. Requests with
//! large or streamed bodies are not kept in memory for it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use store::postgres::counting;

use super::problem::Problem;
use super::router::MAX_BODY_BYTES;

/// Middleware that runs a request once more after a deadlock or a serialisation failure.
pub(crate) async fn once_more(request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_short(request.headers()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => body,
        Err(error) => return Problem::invalid(format!("the body cannot be read: {error}")).into_response(),
    };
    let request = |parts| Request::from_parts(parts, Body::from(body.clone()));
    let (response, transactions) = counting(next.clone().run(request(parts.clone()))).await;
    let is_rolled_back = response.extensions().get::<Problem>().is_some_and(Problem::is_rolled_back);
    if !is_rolled_back || transactions != 1 {
        return response;
    }
    tracing::info!(
        http.path = parts.uri.path(),
        "transaction was rolled back for another one; running it again"
    );
    metrics::counter!("wenyuan_requests_run_again_total").increment(1);
    next.run(request(parts)).await
}

/// Whether a request's body is short by its headers, and is read as a whole in any case.
fn is_short(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let is_whole = kind.is_empty()
        || kind.starts_with("application/json")
        || kind.starts_with("application/x-www-form-urlencoded");
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let is_bounded =
        length.map_or(!headers.contains_key(header::TRANSFER_ENCODING), |length| length <= MAX_BODY_BYTES);
    is_whole && is_bounded
}
