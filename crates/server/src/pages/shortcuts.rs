//! Addresses that people try: `/login`, `/search`, `/help`, `/history`, `/favicon.ico`. They redirect to the pages meant.

use axum::Router;
use axum::http::{Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::see_other;
use crate::http::AppState;

/// Icon for browsers and feed readers that request it without reading a page.
const FAVICON: &[u8] = include_bytes!("../../web/favicon.ico");

/// Routes of the shortcuts.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/login", get(async |uri: Uri| with_query("/sign-in", &uri)))
        .route("/signin", get(async |uri: Uri| with_query("/sign-in", &uri)))
        .route("/search", get(async |uri: Uri| with_query("/", &uri)))
        .route("/help", get(async || see_other("/guide")))
        .route("/docs", get(async || see_other("/guide")))
        .route("/history", get(async |uri: Uri| with_query("/ask/history", &uri)))
        .route("/favicon.ico", get(favicon))
}

/// Redirects with the query of the request.
fn with_query(path: &str, uri: &Uri) -> Response {
    see_other(&uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

async fn favicon() -> Response {
    let headers = [(header::CONTENT_TYPE, "image/x-icon"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, FAVICON).into_response()
}
