//! `/api/v1/reports`: reports of posts and comments, and hiding them.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use social::ids::{CommentId, PostId, ReportId, Target};
use social::reports::{self, Report, Resolution};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::ReportReason;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, create))).merge(bounded(
        OpenApiRouter::new()
            .routes(routes!(resolve))
            .routes(routes!(hide_post, show_post))
            .routes(routes!(hide_comment, show_comment)),
    ))
}

/// A page of reports, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportPage {
    items: Vec<Report>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Filter of reports.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportParams {
    /// Whether to list resolved reports instead of open ones.
    resolved: Option<bool>,
}

/// Report of a post or of a comment: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportNew {
    /// Post.
    post_id: Option<Uuid>,
    /// Comment.
    comment_id: Option<Uuid>,
    /// Reason.
    #[schema(value_type = ReportReason)]
    reason: String,
}

/// Id of a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportCreated {
    #[schema(value_type = Uuid)]
    id: ReportId,
}

/// Decision on a report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportDecision {
    resolution: Resolution,
}

/// Lists the reports that the caller decides on, the newest first: administrators all, owners of libraries those of their posts.
#[utoipa::path(get, path = "/api/v1/reports", tag = "community", params(ReportParams, Paging),
    responses((status = 200, body = ReportPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<ReportParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<ReportPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let resolved = params.resolved == Some(true);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = reports::list(&mut connection, &actor, resolved, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), ReportPage { items: page.items, next }))
}

/// Reports a post or a comment to its moderators. A repeated report is one report.
#[utoipa::path(post, path = "/api/v1/reports", tag = "community", request_body = ReportNew,
    responses((status = 201, body = ReportCreated), (status = 404)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<ReportNew>,
) -> Result<(StatusCode, Json<ReportCreated>)> {
    let target = match (body.post_id, body.comment_id) {
        (Some(post), None) => Target::Post(PostId(post)),
        (None, Some(comment)) => Target::Comment(CommentId(comment)),
        _ => return Err(Problem::invalid("give either post_id or comment_id")),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let id = reports::add(&mut transaction, &actor, target, &body.reason).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(ReportCreated { id })))
}

/// Decides on a report, and on all others of the same text.
#[utoipa::path(post, path = "/api/v1/reports/{id}/resolve", tag = "community", request_body = ReportDecision,
    params(("id" = Uuid, Path, description = "Report")), responses((status = 204)))]
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ReportId>,
    Body(body): Body<ReportDecision>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    reports::resolve(&mut transaction, &actor, id, body.resolution).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hides a post: for owners of its library and administrators.
#[utoipa::path(put, path = "/api/v1/posts/{id}/hidden", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 204)))]
pub(crate) async fn hide_post(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<StatusCode> {
    set_hidden(&state, &actor, id.into(), true).await
}

/// Shows a hidden post again.
#[utoipa::path(delete, path = "/api/v1/posts/{id}/hidden", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 204)))]
pub(crate) async fn show_post(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<StatusCode> {
    set_hidden(&state, &actor, id.into(), false).await
}

/// Hides a comment: for owners of the library of its post and administrators.
#[utoipa::path(put, path = "/api/v1/comments/{id}/hidden", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 204)))]
pub(crate) async fn hide_comment(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<StatusCode> {
    set_hidden(&state, &actor, id.into(), true).await
}

/// Shows a hidden comment again.
#[utoipa::path(delete, path = "/api/v1/comments/{id}/hidden", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 204)))]
pub(crate) async fn show_comment(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<StatusCode> {
    set_hidden(&state, &actor, id.into(), false).await
}

async fn set_hidden(
    state: &AppState,
    actor: &kernel::actor::Actor,
    target: Target,
    is_hidden: bool,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    reports::hide(&mut transaction, actor, target, is_hidden).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
