//! Jobs, as the operator sees them.

use axum::Json;
use axum::extract::State as Given;
use store::jobs::{self, Job};

use super::State;
use super::problem::Result;

/// Jobs that wait, run, or failed for good; done ones are gone.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operation", responses((status = 200, body = Vec<Job>)))]
pub(crate) async fn list(Given(state): Given<State>) -> Result<Json<Vec<Job>>> {
    Ok(Json(jobs::list(state.app.pool(), 200).await?))
}
