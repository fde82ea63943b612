//! `/ask`: questions, answers and their history.
//!
//! A form asks, and the page of the chat shows the answer as far as it has come; a script follows it ([`follow`]) and puts in
//! what the server has rendered. Without script the page looks again by itself.

mod choices;
mod conversation;
mod files;
mod follow;
mod history;
mod sharing;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::http::AppState;

/// The longest form: a question of sixteen thousand characters, each of which may be nine in it.
const MAX_FORM_BYTES: usize = 256 << 10;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route("/ask", get(conversation::begin).post(conversation::ask_first))
        .route("/ask/{chat}", get(conversation::show).post(conversation::ask))
        .route("/ask/{chat}/change", post(conversation::change))
        .route("/ask/{chat}/files", get(files::show))
        .route("/ask/{chat}/files/remove", post(files::remove))
        .route("/ask/{chat}/share", get(sharing::show).post(sharing::share))
        .route("/ask/{chat}/share/end", post(sharing::end))
        .route("/ask/history", get(history::show))
        .route("/ask/messages/{message}", get(follow::show))
        .route("/ask/messages/{message}/events", get(follow::events))
        .route("/ask/messages/{message}/markdown", get(follow::markdown))
        .route("/ask/messages/{message}/changes", get(follow::changes))
        .route("/ask/messages/{message}/stop", post(follow::stop))
        .route("/ask/messages/{message}/verdict", post(follow::judge))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// Those that take as long as their bytes do.
pub(super) fn slow_router() -> Router<AppState> {
    Router::new()
        .route("/ask/files", post(files::attach_first))
        .route("/ask/{chat}/files", post(files::attach))
        .route("/ask/history/import", post(history::take_in))
}
