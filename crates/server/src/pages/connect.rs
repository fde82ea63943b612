//! `/connect`: the lines that connect an agent, with a key made on the spot.

use axum::Router;

use crate::api::State;

/// The routes of this room.
pub(super) fn router() -> Router<State> {
    Router::new()
}
