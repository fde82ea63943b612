//! `/l/{library}/{version}/{path}` in a browser, and `/passages/{id}`: a document as it is read.

use axum::Router;

use crate::api::State;

/// The routes of this room.
pub(super) fn router() -> Router<State> {
    Router::new()
}
