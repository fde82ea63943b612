//! `/api/v1/worklist`: what the owners of a library should look at; and what has changed since an answer was given.

use axum::Json;
use axum::extract::{OriginalUri, State};
use chat::chats::MessageId;
use chat::stale::{self, SourceChange};
use chat::worklist::{self, WorklistFilter, WorklistItem, WorklistKind};
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
    /// Where the next page begins.
    next: Option<String>,
}

/// Which items.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this library; of all that you own where none is named.
    library: Option<String>,
    /// Of this kind.
    #[param(inline)]
    kind: Option<WorklistKind>,
    /// Those that are resolved; the open ones where not.
    resolved: Option<bool>,
}

/// Lists the work for the owners of libraries, grouped by meaning, latest first: searches without results, refused versions, wrong
/// or stale answers.
#[utoipa::path(get, path = "/api/v1/worklist", tag = "worklist", params(Which, Paging),
    responses((status = 200, body = WorklistPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<WorklistPage>> {
    let filter = WorklistFilter {
        library: which.library.as_deref().map(input::library).transpose()?,
        kind: which.kind,
        resolved: which.resolved.unwrap_or_default(),
    };
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = worklist::list(&mut connection, &catalogue, &actor, &filter, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), WorklistPage { items: page.items, next }))
}

/// Resolves a group. What happens after is a new one.
#[utoipa::path(post, path = "/api/v1/worklist/{group}/resolve", tag = "worklist",
    params(("group" = Uuid, Path, description = "The group")), responses((status = 200, body = WorklistItem)))]
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

/// Lists the changes of the passages that one of your answers cites: before, now, and since when.
#[utoipa::path(get, path = "/api/v1/messages/{id}/changes", tag = "chats",
    params(("id" = Uuid, Path, description = "The answer")), responses((status = 200, body = Vec<SourceChange>)))]
pub(crate) async fn changes(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<SourceChange>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(stale::source_changes(&mut connection, &actor, MessageId(id)).await?))
}
