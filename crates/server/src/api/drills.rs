//! `/api/v1/drills`: rehearsals of a disaster with the server's repository, for administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ops::drills::{self, Drill, DrillTargets};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::backups::requests;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::problem::Result;
use crate::http::router::tagged;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, run)))
}

/// Drills, and what they are measured against.
#[derive(Serialize, ToSchema)]
pub(crate) struct DrillList {
    /// Targets of the next drill.
    targets: DrillTargets,
    /// Drills, newest first; the newest 100 are kept.
    items: Vec<Drill>,
}

/// Lists the drills. Administrators only.
#[utoipa::path(get, path = "/api/v1/drills", tag = "operation", responses((status = 200, body = DrillList)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<DrillList>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let items = drills::list(&mut connection, &actor, drills::MAX_DRILLS).await?;
    Ok(Json(DrillList { targets: state.app.settings.backup.drill_targets(), items }))
}

/// Starts a drill as a job. The server needs the key of encrypted backups (`WENYUAN_BACKUP_KEY_FILE`). Administrators in person only.
#[utoipa::path(post, path = "/api/v1/drills", tag = "operation", responses((status = 202)))]
pub(crate) async fn run(State(state): State<AppState>, Caller(actor): Caller) -> Result<StatusCode> {
    requests::start_drill(&state.app, &actor).await?;
    Ok(StatusCode::ACCEPTED)
}
