//! `/api/v1/follows` and the follows of people, libraries, documents and tags; mutes and blocks.

use axum::Json;
use axum::extract::{OriginalUri, State};
use kernel::actor::Actor;
use kernel::page::Cursor;
use library::ids::DocumentId;
use library::names::LibraryName;
use serde::Serialize;
use social::follows::{self, Follow, FollowStatus, FollowTarget, Suggestion};
use social::relations::{self, Relation};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::posts::PersonPage;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{self, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::tagged;
use crate::http::schema::{PersonLogin, TagName};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list))
            .routes(routes!(suggestions))
            .routes(routes!(of_person, follow_person, unfollow_person))
            .routes(routes!(of_library, follow_library, unfollow_library))
            .routes(routes!(of_document, follow_document, unfollow_document))
            .routes(routes!(of_tag, follow_tag, unfollow_tag))
            .routes(routes!(followers))
            .routes(routes!(following))
            .routes(routes!(mute_status, mute, unmute))
            .routes(routes!(block_status, block, unblock))
            .routes(routes!(mutes))
            .routes(routes!(blocks)),
    )
}

/// A page of what the caller follows.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowPage {
    items: Vec<Follow>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Lists what the caller follows, the last first.
#[utoipa::path(get, path = "/api/v1/follows", tag = "community", params(Paging), responses((status = 200, body = FollowPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<FollowPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = follows::list(&mut connection, &actor, paging.cursor()?.as_ref(), paging.limit()?).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), FollowPage { items: page.items, next }))
}

/// Suggests people to follow, with the reasons.
#[utoipa::path(get, path = "/api/v1/follows/suggestions", tag = "community", responses((status = 200, body = Vec<Suggestion>)))]
pub(crate) async fn suggestions(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<Suggestion>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(follows::suggestions(&mut connection, &actor).await?))
}

/// Returns whether the caller follows a person, and how many do.
#[utoipa::path(get, path = "/api/v1/users/{id}/follow", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn of_person(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<FollowStatus>> {
    status(&state, &actor, &FollowTarget::Person(id)).await
}

/// Follows a person. Following it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/users/{id}/follow", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn follow_person(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<FollowStatus>> {
    follow(&state, &actor, &FollowTarget::Person(id)).await
}

/// Stops following a person.
#[utoipa::path(delete, path = "/api/v1/users/{id}/follow", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn unfollow_person(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<FollowStatus>> {
    unfollow(&state, &actor, &FollowTarget::Person(id)).await
}

/// Returns whether the caller follows a library, and how many do.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/follow", tag = "community",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn of_library(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<FollowStatus>> {
    status(&state, &actor, &FollowTarget::Library(input::library(&name)?)).await
}

/// Follows a library. Following it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/libraries/{name}/follow", tag = "community",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn follow_library(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<FollowStatus>> {
    follow(&state, &actor, &FollowTarget::Library(input::library(&name)?)).await
}

/// Stops following a library.
#[utoipa::path(delete, path = "/api/v1/libraries/{name}/follow", tag = "community",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn unfollow_library(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<FollowStatus>> {
    unfollow(&state, &actor, &FollowTarget::Library(input::library(&name)?)).await
}

/// Returns whether the caller follows a document, and how many do.
#[utoipa::path(get, path = "/api/v1/documents/{id}/follow", tag = "community",
    params(("id" = Uuid, Path, description = "Document")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn of_document(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<FollowStatus>> {
    status(&state, &actor, &FollowTarget::Document(id)).await
}

/// Follows a document. Following it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/documents/{id}/follow", tag = "community",
    params(("id" = Uuid, Path, description = "Document")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn follow_document(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<FollowStatus>> {
    follow(&state, &actor, &FollowTarget::Document(id)).await
}

/// Stops following a document.
#[utoipa::path(delete, path = "/api/v1/documents/{id}/follow", tag = "community",
    params(("id" = Uuid, Path, description = "Document")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn unfollow_document(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<FollowStatus>> {
    unfollow(&state, &actor, &FollowTarget::Document(id)).await
}

/// Returns whether the caller follows a tag, and how many do.
#[utoipa::path(get, path = "/api/v1/tags/{tag}/follow", tag = "community",
    params(("tag" = inline(TagName), Path, description = "Tag")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn of_tag(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(tag): Path<String>,
) -> Result<Json<FollowStatus>> {
    status(&state, &actor, &FollowTarget::Tag(tag)).await
}

/// Follows a tag. Following it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/tags/{tag}/follow", tag = "community",
    params(("tag" = inline(TagName), Path, description = "Tag")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn follow_tag(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(tag): Path<String>,
) -> Result<Json<FollowStatus>> {
    follow(&state, &actor, &FollowTarget::Tag(tag)).await
}

/// Stops following a tag.
#[utoipa::path(delete, path = "/api/v1/tags/{tag}/follow", tag = "community",
    params(("tag" = inline(TagName), Path, description = "Tag")), responses((status = 200, body = FollowStatus)))]
pub(crate) async fn unfollow_tag(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(tag): Path<String>,
) -> Result<Json<FollowStatus>> {
    unfollow(&state, &actor, &FollowTarget::Tag(tag)).await
}

/// Lists the followers of a person, the last first.
#[utoipa::path(get, path = "/api/v1/users/{id}/followers", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name"), Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn followers(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = follows::followers(&mut connection, &actor, &id, cursor.as_ref(), limit).await?;
    Ok(PersonPage::paged(&address, page))
}

/// Lists the people whom a person follows, the last first.
#[utoipa::path(get, path = "/api/v1/users/{id}/following", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name"), Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn following(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = follows::following(&mut connection, &actor, &id, cursor.as_ref(), limit).await?;
    Ok(PersonPage::paged(&address, page))
}

/// Returns whether the caller mutes or blocks a person.
#[utoipa::path(get, path = "/api/v1/users/{id}/mute", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn mute_status(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(relations::find(&mut connection, &actor, &id).await?))
}

/// Mutes a person: their posts are left out of the caller's feed, and nothing of theirs notifies.
#[utoipa::path(put, path = "/api/v1/users/{id}/mute", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn mute(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    set_mute(&state, &actor, &id, true).await
}

/// Ends that the caller mutes a person.
#[utoipa::path(delete, path = "/api/v1/users/{id}/mute", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn unmute(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    set_mute(&state, &actor, &id, false).await
}

/// Returns whether the caller mutes or blocks a person.
#[utoipa::path(get, path = "/api/v1/users/{id}/block", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn block_status(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(relations::find(&mut connection, &actor, &id).await?))
}

/// Blocks a person: they cannot see the caller's posts, nor comment on, mention or write to them.
#[utoipa::path(put, path = "/api/v1/users/{id}/block", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn block(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    set_block(&state, &actor, &id, true).await
}

/// Ends that the caller blocks a person.
#[utoipa::path(delete, path = "/api/v1/users/{id}/block", tag = "community",
    params(("id" = inline(PersonLogin), Path, description = "User name")), responses((status = 200, body = Relation)))]
pub(crate) async fn unblock(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Relation>> {
    set_block(&state, &actor, &id, false).await
}

/// Lists the people whom the caller mutes, the last first.
#[utoipa::path(get, path = "/api/v1/mutes", tag = "community", params(Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn mutes(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = relations::muted(&mut connection, &actor, paging.cursor()?.as_ref(), paging.limit()?).await?;
    Ok(PersonPage::paged(&address, page))
}

/// Lists the people whom the caller blocks, the last first.
#[utoipa::path(get, path = "/api/v1/blocks", tag = "community", params(Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn blocks(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page =
        relations::blocked(&mut connection, &actor, paging.cursor()?.as_ref(), paging.limit()?).await?;
    Ok(PersonPage::paged(&address, page))
}

async fn status(state: &AppState, actor: &Actor, target: &FollowTarget) -> Result<Json<FollowStatus>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(follows::find(&mut connection, actor, target).await?))
}

async fn follow(state: &AppState, actor: &Actor, target: &FollowTarget) -> Result<Json<FollowStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = follows::follow(&mut transaction, actor, target).await?;
    transaction.commit().await?;
    Ok(Json(status))
}

async fn unfollow(state: &AppState, actor: &Actor, target: &FollowTarget) -> Result<Json<FollowStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = follows::unfollow(&mut transaction, actor, target).await?;
    transaction.commit().await?;
    Ok(Json(status))
}

async fn set_mute(state: &AppState, actor: &Actor, name: &str, is_muted: bool) -> Result<Json<Relation>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let relation = relations::set_mute(&mut transaction, actor, name, is_muted).await?;
    transaction.commit().await?;
    Ok(Json(relation))
}

async fn set_block(state: &AppState, actor: &Actor, name: &str, is_blocked: bool) -> Result<Json<Relation>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let relation = relations::set_block(&mut transaction, actor, name, is_blocked).await?;
    transaction.commit().await?;
    Ok(Json(relation))
}
