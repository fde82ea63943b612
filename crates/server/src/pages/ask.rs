//! `/ask`: questions, answers and their history.
//!
//! A form submits a question, and the page of the chat shows the answer so far; a script follows it ([`follow`]) and inserts what
//! the server renders. Without scripts the page reloads itself.

mod choices;
mod conversation;
mod files;
mod follow;
mod history;
mod sharing;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use crate::http::AppState;

/// Limit on a form: a question of 16,000 characters, each of which can take 9 bytes in URL encoding.
const MAX_FORM_BYTES: usize = 256 << 10;

/// Routes that answer within the usual time.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .merge(conversation::routes())
        .merge(files::routes())
        .merge(sharing::routes())
        .merge(history::routes())
        .merge(follow::routes())
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// Routes of uploads, whose time depends on their size.
pub(super) fn upload_routes() -> Router<AppState> {
    Router::new().merge(files::upload_routes()).merge(history::upload_routes())
}
