//! `/api/v1/worklist`: work for the owners of libraries; and changes of an answer's sources since it was written.

use axum::Json;
use axum::extract::{OriginalUri, State};
use chat::chats::MessageId;
use chat::stale::{self, SourceChange};
use chat::worklist::{self, WorklistFilter, WorklistItem, WorklistKind};
use kernel::page::Cursor;
use library::names::LibraryName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{self, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::{bounded, tagged};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list)).routes(routes!(changes)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(resolve))))
}

/// A page of the work list.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorklistPage {
    items: Vec<WorklistItem>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Filter of items.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorklistParameters {
    /// Library; all that the caller owns by default.
    #[param(value_type = Option<LibraryName>, inline)]
    library: Option<String>,
    /// Kind of items.
    #[param(inline)]
    kind: Option<WorklistKind>,
    /// Whether resolved items are listed instead of open ones.
    resolved: Option<bool>,
}

/// Lists the work for the owners of libraries, latest first.
///
/// Items are searches without results, refused versions, and wrong or stale answers, grouped by meaning.
#[utoipa::path(get, path = "/api/v1/worklist", tag = "worklist", params(WorklistParameters, Paging),
    responses((status = 200, body = WorklistPage), (status = 404)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<WorklistParameters>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<WorklistPage>> {
    let filter = WorklistFilter {
        library: parameters.library.as_deref().map(input::library).transpose()?,
        kind: parameters.kind,
        resolved: parameters.resolved.unwrap_or_default(),
    };
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = worklist::list(&mut connection, &actor, &catalogue, &filter, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), WorklistPage { items: page.items, next }))
}

/// Resolves a group. Later occurrences form a new one.
#[utoipa::path(post, path = "/api/v1/worklist/{group}/resolve", tag = "worklist",
    params(("group" = Uuid, Path, description = "Id of the group")), responses((status = 200, body = WorklistItem)))]
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(group): Path<Uuid>,
) -> Result<Json<WorklistItem>> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let item = worklist::resolve(&mut transaction, &catalogue, &actor, group).await?;
    transaction.commit().await?;
    Ok(Json(item))
}

/// Lists the changes of the passages that an answer of the caller's cites: text before and now, and time of the change.
#[utoipa::path(get, path = "/api/v1/messages/{id}/changes", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the answer")), responses((status = 200, body = Vec<SourceChange>)))]
pub(crate) async fn changes(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<SourceChange>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(stale::source_changes(&mut connection, &actor, MessageId(id)).await?))
}
