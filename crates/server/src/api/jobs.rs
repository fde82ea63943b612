//! Jobs, as the operator sees them.

use axum::Json;
use axum::extract::State;
use kernel::actor::Role;
use store::jobs::{self, Job};

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::problem::{Problem, Result};
use crate::http::router::bounded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(list)))
}

/// Jobs that wait, run, or failed for good; done ones are gone.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operation", responses((status = 200, body = Vec<Job>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Job>>> {
    if !actor.has_role(Role::Admin) || actor.libraries().is_some() {
        return Err(if actor.is_nobody() {
            library::Error::SignIn.into()
        } else {
            Problem::forbidden("jobs are for administrators to see")
        });
    }
    Ok(Json(jobs::list(state.app.pool(), 200).await?))
}
