//! `/api/v1/personal-data`: what a person has written and done, for them to take along.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use tokio_util::io::ReaderStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::personal_data;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::problem::Result;
use crate::http::router::tagged;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(export)))
}

/// Exports the caller's data as NDJSON: one object with its `kind` in each line.
///
/// It has their account, keys and sessions without secrets, notes, posts, comments, earlier texts, likes, follows, mutes, blocks, messages
/// that they sent, and reports. Chats have an export of their own, `/api/v1/history/export`.
#[utoipa::path(get, path = "/api/v1/personal-data", tag = "session",
    responses((status = 200, description = "Data of the caller", body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(state): State<AppState>, Caller(actor): Caller) -> Result<Response> {
    let file = personal_data::export(&state.app, &actor).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"wenyuan-personal-data.ndjson\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}
