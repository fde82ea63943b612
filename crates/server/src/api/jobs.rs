//! `/api/v1/jobs` and `/api/v1/schedules`: background work, for administrators.

use axum::Json;
use axum::extract::{OriginalUri, State};
use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use store::jobs::inspect::{Job, JobFilter, JobState};
use store::schedules::ScheduleStatus;
use utoipa::{IntoParams, ToSchema};

use crate::app::operation;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{self, Paging, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::bounded;
use crate::http::schema::described;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(list)).routes(routes!(schedules)))
}

described! {
    /// Name of a kind of jobs.
    JobKindName = kernel::schema::text(0..=operation::MAX_KIND_CHARS, kernel::schema::NO_NUL);
}

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobPage {
    items: Vec<Job>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Filter of jobs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobParams {
    /// Jobs in this state. Without it, all that are not done.
    #[param(inline)]
    state: Option<JobState>,
    /// Jobs of this kind.
    #[param(value_type = Option<JobKindName>, inline)]
    kind: Option<String>,
}

/// Lists jobs, newest first: those that wait, run or are dead, or with `state=done` those that are done and not purged yet.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operation", params(JobParams, Paging),
    responses((status = 200, body = JobPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<JobParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<JobPage>> {
    if let Some(kind) = &params.kind {
        input::check_length("kind", kind, operation::MAX_KIND_CHARS)?;
    }
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let filter = JobFilter { state: params.state, kind: params.kind.as_deref() };
    let page = operation::jobs(&state.app, &actor, filter, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), JobPage { items: page.items, next }))
}

/// Lists the schedules of periodic work, with the outcome of the last run and the time of the next.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "operation",
    responses((status = 200, body = Vec<ScheduleStatus>)))]
pub(crate) async fn schedules(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<ScheduleStatus>>> {
    Ok(Json(operation::schedules(&state.app, &actor).await?))
}
