//! Jobs, as the operator sees them.

use axum::Json;
use axum::extract::State as Given;
use kernel::actor::Role;
use store::jobs::{self, Job};

use super::State;
use super::authenticate::Caller;
use super::problem::{Problem, Result};

/// Jobs that wait, run, or failed for good; done ones are gone.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operation", responses((status = 200, body = Vec<Job>)))]
pub(crate) async fn list(Given(state): Given<State>, Caller(actor): Caller) -> Result<Json<Vec<Job>>> {
    if !actor.has_role(Role::Admin) || actor.libraries().is_some() {
        return Err(if actor.is_nobody() {
            library::Error::SignIn.into()
        } else {
            Problem::forbidden("jobs are for administrators to see")
        });
    }
    Ok(Json(jobs::list(state.app.pool(), 200).await?))
}
