//! `/libraries`, `/l/{library}`, `/l/{library}/{version}`: what there is, and how it stands.

use axum::Router;

use crate::api::State;

/// The routes of this room.
pub(super) fn router() -> Router<State> {
    Router::new()
}
