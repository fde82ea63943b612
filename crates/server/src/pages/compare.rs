//! `/compare/…`: what changed between two versions of a document.

use axum::Router;

use crate::api::State;

/// The routes of this room.
pub(super) fn router() -> Router<State> {
    Router::new()
}
