//! `/unsubscribe/{token}`: ends mail about notifications by a link in a mail, without signing in.
//!
//! Opening the link changes nothing, since mail systems open links to inspect them. The change is a POST, which mail programs send
//! themselves (RFC 8058): without a session and without the token of a form. The token in the address takes their place. Only its
//! holder can send it, so no other site can.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::error::PageResult;
use super::frame::Frame;
use crate::app::unsubscribe;
use crate::http::AppState;
use crate::http::problem::Problem;

/// Routes of links to unsubscribe.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/unsubscribe/{token}", get(show).post(end))
}

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct Page<'page> {
    frame: &'page Frame,
    is_done: bool,
}

/// Shows the button.
async fn show(State(state): State<AppState>, frame: Frame, Path(token): Path<String>) -> Response {
    if unsubscribe::user_of(&state.app.secrets, &token).is_none() {
        return invalid_link(&frame);
    }
    frame.page(StatusCode::OK, &Page { frame: &frame, is_done: false })
}

/// Ends the mail. The body says nothing that the address does not.
async fn end(State(state): State<AppState>, frame: Frame, Path(token): Path<String>) -> PageResult {
    if !unsubscribe::unsubscribe(&state.app, &token).await.map_err(Problem::from)? {
        return Ok(invalid_link(&frame));
    }
    Ok(frame.page(StatusCode::OK, &Page { frame: &frame, is_done: true }))
}

fn invalid_link(frame: &Frame) -> Response {
    frame.message(StatusCode::NOT_FOUND, &frame.t("unsubscribe-bad-link"))
}
