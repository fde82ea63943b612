//! `/api/v1/posts`: posts about the documents, their likes, and the feed. Comments are in [`super::comments`].

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use kernel::page::{Cursor, Page};
use library::ids::DocumentId;
use library::label::Label;
use library::names::LibraryName;
use serde::{Deserialize, Serialize};
use social::feed::{self, FeedFilter};
use social::ids::PostId;
use social::likes::{self, LikeStatus};
use social::people::{self, Person};
use social::posts::{self, NewPost, NewSubject, Post, PostChange, PostList, TextRevision};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{accounts, community};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::{Precondition, Tagged};
use crate::http::input::{self, IfMatch, Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::{PersonLogin, PostText, TagName};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(show, change, delete))
            .routes(routes!(revisions))
            .routes(routes!(like_status, like, unlike))
            .routes(routes!(liked_by))
            .routes(routes!(feed)),
    )
    .merge(bounded(OpenApiRouter::new().routes(routes!(restore))))
}

/// A page of posts, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PostPage {
    items: Vec<Post>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// A page of people.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonPage {
    items: Vec<Person>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

impl PersonPage {
    pub(super) fn paged(address: &axum::http::Uri, page: Page<Person>) -> Paged<Self> {
        let next = page.next.map(|next| next.to_string());
        Paged::new(address, next.clone(), Self { items: page.items, next })
    }
}

/// A page of earlier texts, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TextRevisionPage {
    items: Vec<TextRevision>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

impl TextRevisionPage {
    pub(super) fn paged(address: &axum::http::Uri, page: Page<TextRevision>) -> Paged<Self> {
        let next = page.next.map(|next| next.to_string());
        Paged::new(address, next.clone(), Self { items: page.items, next })
    }
}

/// Filter of posts; one of its members at most.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PostParams {
    /// Library that the posts are about, or anything in it.
    #[param(value_type = Option<LibraryName>, inline)]
    library: Option<String>,
    /// Document that the posts are about, or its passages.
    document: Option<Uuid>,
    /// User name of the author.
    #[param(value_type = Option<PersonLogin>, inline)]
    author: Option<String>,
    /// Tag.
    #[param(value_type = Option<TagName>, inline)]
    tag: Option<String>,
    /// Whether to list questions without an accepted answer only.
    unanswered: Option<bool>,
    /// Whether to list the caller's own deleted posts.
    deleted: Option<bool>,
}

/// Filter of the feed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedParams {
    /// Part of the feed.
    #[param(inline)]
    filter: Option<FeedFilter>,
}

/// Subject of a new post: nothing, or one of passage, document, answer, version of a library, and library.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostSubject {
    /// Library.
    #[schema(value_type = Option<LibraryName>)]
    library: Option<String>,
    /// Version of the library.
    #[schema(value_type = Option<Label>)]
    version: Option<String>,
    /// Document.
    document_id: Option<Uuid>,
    /// Passage.
    passage_id: Option<Uuid>,
    /// Answer in the caller's chats.
    message_id: Option<Uuid>,
}

/// Post to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostNew {
    /// Text as Markdown; may be empty for an answer. `@name` mentions a person, `#tag` adds a tag.
    #[serde(default)]
    #[schema(value_type = PostText, required = false)]
    text: String,
    #[serde(default)]
    #[schema(required = false)]
    about: PostSubject,
    /// Whether it asks for an answer.
    #[serde(default)]
    #[schema(required = false)]
    question: bool,
}

/// Changes of a post. Absent fields are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostUpdate {
    /// Text as Markdown.
    #[schema(value_type = Option<PostText>)]
    text: Option<String>,
    /// Whether it asks for an answer.
    question: Option<bool>,
}

/// Lists posts, the newest first.
#[utoipa::path(get, path = "/api/v1/posts", tag = "community", params(PostParams, Paging),
    responses((status = 200, body = PostPage), (status = 404)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<PostParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PostPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut lists = Vec::new();
    if let Some(library) = &params.library {
        lists.push(PostList::Library(accounts::find_library(&mut connection, &actor, library).await?.id));
    }
    lists.extend(params.document.map(|document| PostList::Document(DocumentId(document))));
    if let Some(author) = &params.author {
        let author = people::find_by_name(&mut connection, &actor, author).await?;
        lists.push(PostList::Author(author.ok_or_else(|| Problem::not_found("there is no such person"))?.id));
    }
    if let Some(tag) = &params.tag {
        let tag = posts::tag_name(tag);
        lists.push(PostList::Tag(tag.ok_or_else(|| Problem::invalid("this is no tag").about("tag"))?));
    }
    lists.extend((params.unanswered == Some(true)).then_some(PostList::Unanswered));
    lists.extend((params.deleted == Some(true)).then_some(PostList::Deleted));
    if lists.len() > 1 {
        return Err(Problem::invalid(
            "give one filter only: library, document, author, tag, unanswered or deleted",
        ));
    }
    let which = lists.pop().unwrap_or(PostList::All);
    let page = posts::list(&mut connection, &actor, &which, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), PostPage { items: page.items, next }))
}

/// Adds a post.
#[utoipa::path(post, path = "/api/v1/posts", tag = "community", request_body = PostNew,
    responses((status = 201, body = Post), (status = 404)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<PostNew>,
) -> Result<(StatusCode, Json<Post>)> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let about = subject(&mut transaction, &actor, &body.about).await?;
    let new = NewPost { about, text: body.text, question: body.question };
    let post = posts::add(&mut transaction, &actor, &new).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(post)))
}

/// Returns a post.
#[utoipa::path(get, path = "/api/v1/posts/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 200, body = Post)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<Tagged<Post>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let post = posts::find(&mut connection, &actor, id).await?.ok_or_else(no_post)?;
    Ok(Tagged::new(post, editable))
}

/// Changes a post of the caller. The earlier text is kept.
#[utoipa::path(patch, path = "/api/v1/posts/{id}", tag = "community", request_body = PostUpdate,
    params(("id" = Uuid, Path, description = "Post"), IfMatch), responses((status = 200, body = Post)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
    precondition: Precondition,
    Body(body): Body<PostUpdate>,
) -> Result<Tagged<Post>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let before = posts::lock(&mut transaction, &actor, id).await?;
    let change = PostChange { text: body.text, question: body.question };
    let post = posts::change(&mut transaction, &actor, id, &change).await?;
    precondition.require_edited(&editable(&before))?;
    transaction.commit().await?;
    Ok(Tagged::new(post, editable))
}

/// Deletes a post of the caller. It can be restored.
#[utoipa::path(delete, path = "/api/v1/posts/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    posts::delete(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a deleted post of the caller.
#[utoipa::path(post, path = "/api/v1/posts/{id}/restore", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 200, body = Post)))]
pub(crate) async fn restore(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<Json<Post>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let post = posts::restore(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(Json(post))
}

/// Lists the earlier texts of a post, the newest first.
#[utoipa::path(get, path = "/api/v1/posts/{id}/revisions", tag = "community",
    params(("id" = Uuid, Path, description = "Post"), Paging), responses((status = 200, body = TextRevisionPage)))]
pub(crate) async fn revisions(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<TextRevisionPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = posts::revisions(&mut connection, &actor, id, cursor.as_ref(), limit).await?;
    Ok(TextRevisionPage::paged(&address, page))
}

/// Returns the number of likes of a post, at most a second old, and whether the caller likes it.
#[utoipa::path(get, path = "/api/v1/posts/{id}/like", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 200, body = LikeStatus)))]
pub(crate) async fn like_status(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<Json<LikeStatus>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let liked = likes::is_liked(&mut connection, &actor, id).await?;
    // The count may need a connection of its own.
    drop(connection);
    let counts = state.app.likes.of_posts(state.app.pool(), &[id]).await?;
    Ok(Json(LikeStatus { liked, likes: counts.get(&id).copied().unwrap_or(0) }))
}

/// Likes a post. Liking it twice changes nothing.
#[utoipa::path(put, path = "/api/v1/posts/{id}/like", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 200, body = LikeStatus)))]
pub(crate) async fn like(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<Json<LikeStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = likes::like(&mut transaction, &actor, id.into()).await?;
    transaction.commit().await?;
    state.app.likes.forget(id).await;
    Ok(Json(status))
}

/// Takes the like of a post back. Taking back one that is not there changes nothing.
#[utoipa::path(delete, path = "/api/v1/posts/{id}/like", tag = "community",
    params(("id" = Uuid, Path, description = "Post")), responses((status = 200, body = LikeStatus)))]
pub(crate) async fn unlike(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
) -> Result<Json<LikeStatus>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = likes::unlike(&mut transaction, &actor, id.into()).await?;
    transaction.commit().await?;
    state.app.likes.forget(id).await;
    Ok(Json(status))
}

/// Lists the people who like a post, the last first.
#[utoipa::path(get, path = "/api/v1/posts/{id}/likes", tag = "community",
    params(("id" = Uuid, Path, description = "Post"), Paging), responses((status = 200, body = PersonPage)))]
pub(crate) async fn liked_by(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<PostId>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PersonPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let page = likes::list(&mut connection, &actor, id.into(), cursor.as_ref(), limit).await?;
    Ok(PersonPage::paged(&address, page))
}

/// Lists the caller's own posts and those of what they follow, the newest first.
#[utoipa::path(get, path = "/api/v1/feed", tag = "community", params(FeedParams, Paging),
    responses((status = 200, body = PostPage)))]
pub(crate) async fn feed(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<FeedParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<PostPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let filter = params.filter.unwrap_or_default();
    let page = feed::list(&mut connection, &actor, filter, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), PostPage { items: page.items, next }))
}

/// Returns the most specific subject that a request names.
async fn subject(
    connection: &mut PgConnection,
    actor: &kernel::actor::Actor,
    about: &PostSubject,
) -> Result<NewSubject> {
    if let Some(message) = about.message_id {
        return Ok(community::answer_subject(connection, actor, message).await?);
    }
    if let Some(passage) = about.passage_id {
        return Ok(NewSubject::Passage(passage));
    }
    if let Some(document) = about.document_id {
        return Ok(NewSubject::Document(DocumentId(document)));
    }
    match (&about.library, &about.version) {
        (Some(library), Some(version)) => {
            Ok(NewSubject::Version(input::library(library)?, input::label(version)?))
        }
        (Some(library), None) => Ok(NewSubject::Library(input::library(library)?)),
        (None, Some(_)) => Err(Problem::invalid("a version needs its library").about("version")),
        (None, None) => Ok(NewSubject::Nothing),
    }
}

/// Returns what an edit can overwrite. Likes, comments and the name of the author change without it.
fn editable(post: &Post) -> serde_json::Value {
    serde_json::json!([post.id, post.text, post.question, post.edited_at, post.deleted_at, post.hidden_at])
}

fn no_post() -> Problem {
    Problem::not_found("there is no such post")
}
