//! `/api/v1/libraries/{name}/changes`: what changed between two versions of a library.

use axum::extract::{OriginalUri, State};
use library::label::VersionRequest;
use library::names::LibraryName;
use library::version_changes::{ChangeKind, VersionChange};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::version_changes::{self, Comparison};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{self, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::tagged;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list)))
}

/// Versions to compare.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeParams {
    /// Old version: label, range, `latest` or `active`. Default: the next lower version.
    #[param(value_type = Option<VersionRequest>, inline)]
    from: Option<String>,
    /// New version. Default: the active one.
    #[param(value_type = Option<VersionRequest>, inline)]
    to: Option<String>,
    /// Only changes of this kind.
    #[param(value_type = Option<ChangeKind>, inline)]
    kind: Option<String>,
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionChangePage {
    /// Label of the old version.
    from: String,
    /// Label of the new version.
    to: String,
    /// Number of documents that were added.
    added: usize,
    /// Number of documents that were removed.
    removed: usize,
    /// Number of documents that moved.
    moved: usize,
    /// Number of documents that changed.
    changed: usize,
    /// Number of documents that are equal in both versions.
    unchanged: usize,
    /// Changes by path.
    items: Vec<VersionChange>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// Lists what changed between two versions of a library, by path.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/changes", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ChangeParams, Paging),
    responses((status = 200, body = VersionChangePage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(params): Query<ChangeParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<VersionChangePage>> {
    let name = input::library(&name)?;
    let version = |text: Option<&str>| {
        text.map(|text| input::version(Some(text).filter(|text| *text != "active"))).transpose()
    };
    let kind = params.kind.as_deref().map(|kind| {
        ChangeKind::named(kind).ok_or_else(|| Problem::invalid("kind is added, removed, moved or changed"))
    });
    let comparison = Comparison {
        from: version(params.from.as_deref())?,
        to: version(params.to.as_deref())?,
        kind: kind.transpose()?,
        after: paging.cursor()?,
        limit: paging.limit()?,
    };
    let catalogue = state.app.engine.catalogue().await?;
    let page = version_changes::compare(&state.app, &actor, &catalogue, &name, &comparison).await?;
    let page =
        page.ok_or_else(|| Problem::not_found("the library has no earlier version: name one with `from`"))?;
    let [(_, added), (_, removed), (_, moved), (_, changed)] = page.counts;
    let next = page.next.map(|next| next.to_string());
    let body = VersionChangePage {
        from: page.from.label.to_string(),
        to: page.to.label.to_string(),
        added,
        removed,
        moved,
        changed,
        unchanged: page.unchanged,
        items: page.items,
        next: next.clone(),
    };
    Ok(Paged::new(&address, next, body))
}
