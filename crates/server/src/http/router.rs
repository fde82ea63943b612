//! Layers around routes: those that an API chooses for its own, and those around all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;

use super::problem::{self, Formats};
use super::{AppState, authentication, etag, guard, health, idempotency, observe, pace, retry};

/// Time that a response may take; what takes longer is a job or sets no such limit.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
/// Size of a request body, uploads apart.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes that answer within [`RESPONSE_TIMEOUT`].
pub(crate) fn bounded(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(timeout())
}

/// Like [`bounded`], with an `ETag` on each GET.
pub(crate) fn tagged(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    bounded(routes.layer(from_fn(etag::tag)))
}

/// Routes whose response takes as long as a language model does.
pub(crate) fn unhurried(routes: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Answers 503 to requests that take longer than [`RESPONSE_TIMEOUT`].
pub(crate) fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, RESPONSE_TIMEOUT)
}

/// Puts the common layers around the routes of all APIs. Requests to `programs` can be repeated under an `Idempotency-Key`.
pub(crate) fn with_layers(
    programs: Router<AppState>,
    pages: Router<AppState>,
    state: AppState,
    names: Arc<guard::Names>,
    formats: Formats,
) -> Router {
    programs
        .fallback(async || problem::Problem::not_found("nothing was found at this address"))
        .layer(from_fn(retry::once_more))
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .merge(pages.layer(from_fn(retry::once_more)))
        // The token in a page's forms is masked anew for each response, and requests from other sites carry no session cookie
        // (`SameSite`), so compressed lengths reveal no secret (BREACH).
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), authentication::authenticate))
        .layer(from_fn(pace::keep))
        .merge(health::liveness())
        .layer(map_response(keep_private))
        .layer(map_response(close_refused))
        .with_state(state)
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(names.cors())
        // Browsers must not guess another content type.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn_with_state(names, guard::refuse_foreign_origins))
        // Outside everything that can fail, so that every failure is formatted and every request is counted.
        .layer(from_fn_with_state(formats, problem::finish))
        .layer(from_fn(observe::request))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
}

/// Keeps shared caches from storing what one caller was shown, and a browser from showing it after another has signed in. Responses that
/// say themselves how long they last, such as assets, stay as they are (RFC 9111, sections 5.2.2 and 4.1).
async fn keep_private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.append(header::VARY, HeaderValue::from_static("authorization, cookie"));
    }
    response
}

/// Ends the connection of a request whose body was refused: the rest of it is not read, so that no other request may follow on it (RFC 9112,
/// section 9.6).
async fn close_refused(mut response: Response) -> Response {
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[derive(Clone)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        kernel::id::new().to_string().parse().ok().map(RequestId::new)
    }
}
