//! Observation of requests: the span that covers each, metrics, and one log line.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::request_id::RequestId;
use tracing::Instrument as _;

use crate::telemetry;

/// Counts, times and logs a request, in a span of its own.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // The only paths that contain a secret.
    let path = match request.uri().path() {
        path if path.starts_with("/share/") => "/share/…".to_owned(),
        path if path.starts_with("/unsubscribe/") => "/unsubscribe/…".to_owned(),
        path => path.to_owned(),
    };
    // The pattern, not the path: one series per route.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.as_ref().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let span = telemetry::request_span(id, &method, &route, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    metrics::counter!(
        "wenyuan_http_requests_total",
        "method" => method.to_string(), "route" => route.clone(), "status" => status.to_string(),
    )
    .increment(1);
    metrics::histogram!("wenyuan_http_request_seconds", "route" => route).record(seconds);
    telemetry::record_status(&span, status);
    let _entered = span.enter();
    tracing::info!(
        http.method = %method,
        http.path = path,
        http.status = status,
        http.milliseconds = seconds * 1000.0,
        "request"
    );
    response
}
