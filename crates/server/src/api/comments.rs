//! `/api/v1/posts/{id}/comments` and `/api/v1/comments`: comments on posts, replies to them, and their likes.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use social::comments::{self, Comment};
use social::ids::{CommentId, PostId};
use social::likes::{self, LikeStatus};
use social::posts::Post;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::posts::{PersonPage, TextRevisionPage};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::{Precondition, Tagged};
use crate::http::input::{IfMatch, Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::CommentText;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(show, change, delete))
            .routes(routes!(revisions))
            .routes(routes!(liked_by)),
    )
    .merge(bounded(
        OpenApiRouter::new()
            .routes(routes!(restore))
            .routes(routes!(like, unlike))
            .routes(routes!(accept, unaccept)),
    ))
}

/// A page of comments.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommentPage {
    items: Vec<Comment>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Selection of comments.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommentParams {
    /// Comment whose replies are listed; by default the comments on the post itself.
    parent: Option<Uuid>,
    /// Whether each comment is followed by its first replies, three levels deep and 300 in all.
    thread: Option<bool>,
}

/// Comment to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentNew {
    /// Text as Markdown. `@name` mentions a person.
    #[schema(value_type = CommentText)]
    text: String,
    /// Comment that it replies to.
    parent_id: Option<Uuid>,
}

/// Change of a comment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentUpdate {
    /// Text as Markdown.
    #[schema(value_type = CommentText)]
    text: String,
}

/// Lists the comments on a post, or the replies to one of them, the oldest first.
#[utoipa::path(get, path = "/api/v1/posts/{id}/comments", tag = "community",
    params(("id" = Uuid, Path, description = "Post"), CommentParams, Paging), responses((status = 200, body = CommentPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
    Query(params): Query<CommentParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<CommentPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let parent = params.parent.map(CommentId);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = if params.thread == Some(true) {
        comments::thread(&mut connection, &actor, id, parent, cursor.as_ref(), limit).await?
    } else {
        comments::list(&mut connection, &actor, id, parent, cursor.as_ref(), limit).await?
    };
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), CommentPage { items: page.items, next }))
}

/// Comments on a post, or replies to a comment.
#[utoipa::path(post, path = "/api/v1/posts/{id}/comments", tag = "community", request_body = CommentNew,
    params(("id" = Uuid, Path, description = "Post")), responses((status = 201, body = Comment)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
    Body(body): Body<CommentNew>,
) -> Result<(StatusCode, Json<Comment>)> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let parent = body.parent_id.map(CommentId);
    let comment = comments::add(&mut transaction, &actor, id, parent, &body.text).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(comment)))
}

/// Returns a comment.
#[utoipa::path(get, path = "/api/v1/comments/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = Comment)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Tagged<Comment>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let comment = comments::find(&mut connection, &actor, id).await?.ok_or_else(no_comment)?;
    Ok(Tagged::new(comment, editable))
}

/// Changes a comment of the caller. The earlier text is kept.
#[utoipa::path(patch, path = "/api/v1/comments/{id}", tag = "community", request_body = CommentUpdate,
    params(("id" = Uuid, Path, description = "Comment"), IfMatch), responses((status = 200, body = Comment)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
    precondition: Precondition,
    Body(body): Body<CommentUpdate>,
) -> Result<Tagged<Comment>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let before = comments::lock(&mut transaction, &actor, id).await?;
    let comment = comments::change(&mut transaction, &actor, id, &body.text).await?;
    precondition.require_edited(&editable(&before))?;
    transaction.commit().await?;
    Ok(Tagged::new(comment, editable))
}

/// Deletes a comment of the caller. Its replies stay, and it can be restored.
#[utoipa::path(delete, path = "/api/v1/comments/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    comments::delete(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a deleted comment of the caller.
#[utoipa::path(post, path = "/api/v1/comments/{id}/restore", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = Comment)))]
pub(crate) async fn restore(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Json<Comment>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let comment = comments::restore(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(Json(comment))
}

/// Lists the earlier texts of a comment, the newest first.
#[utoipa::path(get, path = "/api/v1/comments/{id}/revisions", tag = "community",
    params(("id" = Uuid, Path, description = "Comment"), Paging), responses((status = 200, body = TextRevisionPage)))]
pub(crate) async fn revisions(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<TextRevisionPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = comments::revisions(&mut connection, &actor, id, cursor.as_ref(), limit).await?;
    Ok(TextRevisionPage::paged(&address, page))
}

/// Likes a comment. Liking it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/comments/{id}/like", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = LikeStatus)))]
pub(crate) async fn like(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Json<LikeStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = likes::like(&mut transaction, &actor, id.into()).await?;
    transaction.commit().await?;
    Ok(Json(status))
}

/// Takes the like of a comment back. Taking back one that is not there changes nothing.
#[utoipa::path(delete, path = "/api/v1/comments/{id}/like", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = LikeStatus)))]
pub(crate) async fn unlike(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Json<LikeStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = likes::unlike(&mut transaction, &actor, id.into()).await?;
    transaction.commit().await?;
    Ok(Json(status))
}

/// Lists the people who like a comment, the last first.
#[utoipa::path(get, path = "/api/v1/comments/{id}/likes", tag = "community",
    params(("id" = Uuid, Path, description = "Comment"), Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn liked_by(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let page = likes::list(&mut connection, &actor, id.into(), cursor.as_ref(), limit).await?;
    Ok(PersonPage::paged(&address, page))
}

/// Accepts a comment as the answer to its post: for the asker and owners of the library.
#[utoipa::path(put, path = "/api/v1/comments/{id}/acceptance", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = Post)))]
pub(crate) async fn accept(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Json<Post>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let post = comments::accept(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(Json(post))
}

/// Takes back that a comment is the accepted answer.
#[utoipa::path(delete, path = "/api/v1/comments/{id}/acceptance", tag = "community",
    params(("id" = Uuid, Path, description = "Comment")), responses((status = 200, body = Post)))]
pub(crate) async fn unaccept(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<CommentId>,
) -> Result<Json<Post>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let post = comments::unaccept(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(Json(post))
}

/// Returns what an edit can overwrite. Likes, replies and the name of the author change without it.
fn editable(comment: &Comment) -> serde_json::Value {
    serde_json::json!([comment.id, comment.text, comment.edited_at, comment.state])
}

fn no_comment() -> Problem {
    Problem::not_found("there is no such comment")
}
