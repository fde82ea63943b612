//! `/api/v1/libraries`: libraries and their versions.
//!
//! A slash in the name of a library is escaped in a path: `%2F`.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use library::access::{Level, Visibility};
use library::catalogue::{Library, Version};
use library::ids::VersionId;
use library::label::{Label, VersionRequest};
use library::libraries::LibraryDetails;
use library::links::broken::{self, BrokenLink};
use library::names::LibraryName;
use library::overview::{self, Counts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::libraries;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::Precondition;
use crate::http::input::{self, IfMatch, Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::tagged;
use crate::http::schema::{LibraryDescription, LibraryTitle, LinkBase};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list))
            .routes(routes!(show, change, delete))
            .routes(routes!(versions))
            .routes(routes!(version, delete_version))
            .routes(routes!(activate))
            .routes(routes!(broken_links)),
    )
}

/// A library.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Library)]
pub(crate) struct LibraryBody {
    name: String,
    title: String,
    description: String,
    /// Beginning of the addresses of the documents' own site; empty if unknown.
    link_base: String,
    /// Visibility: who can read it without a grant.
    visibility: Visibility,
    /// Permission of the caller.
    level: Level,
    /// Version that is searched by default.
    active_version: Option<String>,
    /// Versions, highest first.
    versions: Vec<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A version of a library.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionBody {
    label: String,
    /// Whether it is searched by default.
    active: bool,
    created_at: DateTime<Utc>,
    /// Documents with an active revision.
    documents: i64,
    /// Documents being ingested.
    processing: i64,
    /// Documents whose ingestion failed.
    failed: i64,
    /// Files in which there is nothing to read, such as pictures and pages without text.
    skipped: i64,
    /// Passages.
    passages: i64,
    /// Passages with a vector, which semantic search finds.
    vectors: i64,
}

/// Changes of a library. Absent fields are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibraryChange {
    /// Title.
    #[schema(value_type = Option<LibraryTitle>)]
    title: Option<String>,
    /// Description.
    #[schema(value_type = Option<LibraryDescription>)]
    description: Option<String>,
    /// Beginning of the addresses of the documents' own site: a path (`/docs`), an address (`https://example.org/docs`), or nothing.
    #[schema(value_type = Option<LinkBase>)]
    link_base: Option<String>,
    /// Visibility. Owners only.
    visibility: Option<Visibility>,
}

impl LibraryBody {
    fn new(actor: &Actor, library: &Library) -> Self {
        let active = library.versions.iter().find(|version| library.active == Some(version.id));
        Self {
            name: library.name.to_string(),
            title: library.title.clone(),
            description: library.description.clone(),
            link_base: library.link_base.clone(),
            visibility: library.visibility,
            level: library.access_level(actor).unwrap_or(Level::Read),
            active_version: active.map(|version| version.label.to_string()),
            versions: library.versions.iter().map(|version| version.label.to_string()).collect(),
            created_at: library.created_at,
            updated_at: library.updated_at,
        }
    }
}

/// Lists the libraries that the caller can read.
#[utoipa::path(get, path = "/api/v1/libraries", tag = "libraries", responses((status = 200, body = Vec<LibraryBody>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<LibraryBody>>> {
    let catalogue = state.app.engine.catalogue().await?;
    Ok(Json(
        catalogue.libraries(&actor).into_iter().map(|library| LibraryBody::new(&actor, library)).collect(),
    ))
}

/// Returns a library.
#[utoipa::path(get, path = "/api/v1/libraries/{name}", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = LibraryBody)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<LibraryBody>> {
    let catalogue = state.app.engine.catalogue().await?;
    Ok(Json(LibraryBody::new(&actor, catalogue.library(&actor, &input::library(&name)?)?)))
}

/// Changes the title, description or visibility of a library.
#[utoipa::path(patch, path = "/api/v1/libraries/{name}", tag = "libraries", request_body = LibraryChange,
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), IfMatch), responses((status = 200, body = LibraryBody)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    precondition: Precondition,
    Body(change): Body<LibraryChange>,
) -> Result<Json<LibraryBody>> {
    let name = input::library(&name)?;
    let details = LibraryDetails {
        title: change.title.as_deref(),
        description: change.description.as_deref(),
        link_base: change.link_base.as_deref(),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let changed = libraries::change(&mut transaction, &actor, &name, details, change.visibility).await?;
    precondition.require(&LibraryBody::new(&actor, &changed.before))?;
    transaction.commit().await?;
    Ok(Json(LibraryBody::new(&actor, &changed.after)))
}

/// Deletes a library with all its documents.
#[utoipa::path(delete, path = "/api/v1/libraries/{name}", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    libraries::delete(&mut transaction, &actor, &input::library(&name)?).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the versions of a library, highest first.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/versions", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = Vec<VersionBody>)))]
pub(crate) async fn versions(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<VersionBody>>> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &input::library(&name)?)?;
    let all: Vec<&Version> = library.versions.iter().collect();
    Ok(Json(bodies(&state, library, &all).await?))
}

/// Returns a version. A range, `latest` or `active` is resolved to a label.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/versions/{version}", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("version" = inline(VersionRequest), Path, description = "Label or range of the version, `latest` or `active`")),
    responses((status = 200, body = VersionBody)))]
pub(crate) async fn version(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<VersionBody>> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &input::library(&name)?)?;
    let request = if version == "active" { None } else { Some(version.as_str()) };
    let version = library.resolve(&input::version(request)?)?;
    let mut bodies = bodies(&state, library, &[version]).await?;
    Ok(Json(bodies.pop().ok_or_else(|| Problem::not_found("there is no such version"))?))
}

/// A page of broken links.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BrokenLinkPage {
    items: Vec<BrokenLink>,
    /// Cursor of the next page. A page can be short, and still have one.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Lists the links of a version that lead nowhere, by the path of their document.
///
/// They are looked for in the documents as they are now. A target that a document repeats is listed once.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/versions/{version}/broken-links", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("version" = inline(VersionRequest), Path, description = "Label or range of the version, `latest` or `active`"), Paging),
    responses((status = 200, body = BrokenLinkPage)))]
pub(crate) async fn broken_links(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, version)): Path<(String, String)>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<BrokenLinkPage>> {
    let (after, limit) = (paging.cursor()?, paging.limit()?);
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &input::library(&name)?)?;
    let request = if version == "active" { None } else { Some(version.as_str()) };
    let version = library.resolve(&input::version(request)?)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = broken::list(&mut connection, &actor, library, version, after.as_ref(), limit).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Paged::new(&address, next.clone(), BrokenLinkPage { items: page.items, next }))
}

/// Activates a version: it is searched by default.
#[utoipa::path(post, path = "/api/v1/libraries/{name}/versions/{version}/activate", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("version" = inline(Label), Path, description = "Label of the version")),
    responses((status = 200, body = LibraryBody)))]
pub(crate) async fn activate(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<LibraryBody>> {
    let (name, version) = (input::library(&name)?, input::version(Some(&version))?);
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = libraries::activate(&mut transaction, &actor, &name, &version).await?;
    transaction.commit().await?;
    Ok(Json(LibraryBody::new(&actor, &library)))
}

/// Deletes a version with its revisions. The active version can be deleted only as the last one.
#[utoipa::path(delete, path = "/api/v1/libraries/{name}/versions/{version}", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("version" = inline(Label), Path, description = "Label of the version")),
    responses((status = 204)))]
pub(crate) async fn delete_version(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<StatusCode> {
    let (name, label) = (input::library(&name)?, input::label(&version)?);
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    libraries::delete_version(&mut transaction, &actor, &name, label).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bodies(state: &AppState, library: &Library, versions: &[&Version]) -> Result<Vec<VersionBody>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let counts = overview::counts(&mut connection, versions).await?;
    let counts: HashMap<VersionId, Counts> =
        counts.into_iter().map(|counts| (counts.version, counts)).collect();
    let body = |version: &&Version| {
        let counts = counts.get(&version.id)?;
        Some(VersionBody {
            label: version.label.to_string(),
            active: library.active == Some(version.id),
            created_at: version.created_at,
            documents: counts.documents,
            processing: counts.processing,
            failed: counts.failed,
            skipped: counts.skipped,
            passages: counts.passages,
            vectors: counts.vectors,
        })
    };
    Ok(versions.iter().filter_map(body).collect())
}
