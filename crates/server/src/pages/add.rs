//! TAKEN: the lead builds this room on main (since 22:50). Do not build it; leave this file as main has it.
//! `/add`: adding documents.

use axum::Router;

use crate::api::State;

/// The routes of this room.
pub(super) fn router() -> Router<State> {
    Router::new()
}
