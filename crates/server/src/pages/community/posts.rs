//! `/posts`: lists of posts by what they are about, the form for a new one, and the changes of a post. [`super::thread`] shows one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use kernel::actor::Actor;
use library::ids::DocumentId;
use library::names::LibraryName;
use serde::Deserialize;
use social::follows::{self, FollowStatus, FollowTarget};
use social::ids::PostId;
use social::posts::{self, NewPost, NewSubject, PostChange, PostList};
use social::{likes, reports};
use sqlx::PgConnection;

use super::card::LikeButton;
use super::compose::{Compose, SubjectFields, describe};
use super::{Card, PAGE, cards, refused};
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::{local, see_other};

/// Routes of posts.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/posts", get(list).post(add))
        .route("/posts/new", get(new))
        .route("/posts/{id}", post(change))
        .route("/posts/{id}/like", post(like))
}

/// Query of the list: one filter at most.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PostsQuery {
    library: String,
    document: String,
    tag: String,
    /// `unanswered`, or `deleted` for the reader's own deleted posts.
    show: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "posts.html")]
struct List<'page> {
    frame: &'page Frame,
    query: &'page PostsQuery,
    /// Name and address of what the posts are about.
    about: Option<(String, String)>,
    /// Whether the reader follows it; `None` if they cannot.
    follow: Option<FollowStatus>,
    posts: Vec<Card<'page>>,
    next: Option<String>,
}

impl List<'_> {
    /// Returns kind and name of what can be followed.
    fn target(&self) -> (&'static str, &str) {
        match (self.query.tag.as_str(), self.query.document.as_str()) {
            ("", "") => ("library", &self.query.library),
            ("", document) => ("document", document),
            (tag, _) => ("tag", tag),
        }
    }

    /// Returns the address of the form for a post about the same.
    fn write(&self) -> String {
        match self.target() {
            ("tag", _) | (_, "") => "/posts/new".to_owned(),
            (kind, name) => next_to("/posts/new", kind, name),
        }
    }
}

/// Lists posts, the newest first.
async fn list(State(state): State<AppState>, frame: Frame, Query(query): Query<PostsQuery>) -> PageResult {
    let after = cursor(&query.cursor)?;
    if query.show == "deleted" {
        frame.require_sign_in()?;
    }
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (mut which, mut target, mut about) = (PostList::All, None, None);
    if !query.library.is_empty() {
        let name = input::library(&query.library)?;
        which = PostList::Library(catalogue.library(&frame.actor, &name)?.id);
        about = describe(&mut connection, &frame.actor, &NewSubject::Library(name.clone())).await?;
        target = Some(FollowTarget::Library(name));
    } else if !query.document.is_empty() {
        let id = document_id(&query.document)?;
        which = PostList::Document(id);
        about = describe(&mut connection, &frame.actor, &NewSubject::Document(id)).await?;
        target = Some(FollowTarget::Document(id));
    } else if !query.tag.is_empty() {
        input::check_length("tag", &query.tag, 60)?;
        let tag =
            posts::tag_name(&query.tag).ok_or_else(|| Problem::invalid("this is no tag").about("tag"))?;
        which = PostList::Tag(tag);
        target = Some(FollowTarget::Tag(query.tag.clone()));
    } else if query.show == "unanswered" {
        which = PostList::Unanswered;
    } else if query.show == "deleted" {
        which = PostList::Deleted;
    }
    let follow = match &target {
        Some(target) => follow_status(&mut connection, &frame, target).await?,
        None => None,
    };
    let posts = posts::list(&mut connection, &frame.actor, &which, after.as_ref(), PAGE).await?;
    drop(connection);
    let here = [
        ("library", query.library.as_str()),
        ("document", &query.document),
        ("tag", &query.tag),
        ("show", &query.show),
    ];
    let next = posts.next.map(|cursor| next("/posts", &here, &cursor));
    let page = List { frame: &frame, query: &query, about, follow, posts: cards(&frame, &posts.items), next };
    Ok(frame.page(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "post_new.html")]
struct New<'page> {
    frame: &'page Frame,
    about: Option<(String, String)>,
    compose: Compose<'page>,
}

/// Shows the form for a post about something.
async fn new(State(state): State<AppState>, frame: Frame, Query(fields): Query<SubjectFields>) -> PageResult {
    frame.require_sign_in()?;
    let subject = fields.subject()?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let about = describe(&mut connection, &frame.actor, &subject).await?;
    drop(connection);
    let page = New { frame: &frame, about, compose: Compose::new(&frame, &fields, "") };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Adds a post, and shows it.
async fn add(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    form.frame.require_sign_in()?;
    match add_post(&state, &form).await {
        Ok(id) => match local(form.field("back")) {
            Some(back) => Ok(see_other(&format!("{back}#post-{id}"))),
            None => Ok(see_other(&format!("/posts/{id}"))),
        },
        Err(problem) => refused::respond(&form, "/posts", problem),
    }
}

async fn add_post(state: &AppState, form: &SubmittedForm) -> Result<PostId> {
    let new = NewPost {
        about: SubjectFields::of(form).subject()?,
        text: form.field("text").to_owned(),
        question: form.has("question"),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let post = posts::add(&mut transaction, &form.frame.actor, &new).await?;
    transaction.commit().await?;
    Ok(post.id)
}

/// Changes a post: `action` says how.
async fn change(State(state): State<AppState>, Path(id): Path<PostId>, form: SubmittedForm) -> PageResult {
    let here = format!("/posts/{id}");
    let form = form.at(&here);
    form.frame.require_sign_in()?;
    match change_post(&state, &form, id).await {
        Ok(done) => Ok(see_other(&format!("{here}?done={done}"))),
        Err(problem) => refused::respond(&form, &here, problem),
    }
}

async fn change_post(state: &AppState, form: &SubmittedForm, id: PostId) -> Result<&'static str> {
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let done = match form.field("action") {
        "edit" => {
            let change = PostChange {
                text: Some(form.field("text").to_owned()),
                question: Some(form.has("question")),
            };
            posts::change(&mut transaction, actor, id, &change).await?;
            "edited"
        }
        "delete" => {
            posts::delete(&mut transaction, actor, id).await?;
            "deleted"
        }
        "restore" => {
            posts::restore(&mut transaction, actor, id).await?;
            "restored"
        }
        "report" => {
            reports::add(&mut transaction, actor, id.into(), form.field("text")).await?;
            "reported"
        }
        "hide" | "show" => {
            reports::hide(&mut transaction, actor, id.into(), form.field("action") == "hide").await?;
            "decided"
        }
        _ => return Err(Problem::invalid("the form cannot be read")),
    };
    transaction.commit().await?;
    Ok(done)
}

/// Likes a post, or takes the like back. A script gets the button, a browser the post.
async fn like(State(state): State<AppState>, Path(id): Path<PostId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("/posts/{id}"));
    form.frame.require_sign_in()?;
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = if form.field("like") == "no" {
        likes::unlike(&mut transaction, actor, id.into()).await?
    } else {
        likes::like(&mut transaction, actor, id.into()).await?
    };
    transaction.commit().await?;
    state.app.likes.forget(id).await;
    if form.frame.is_partial() {
        return Ok(LikeButton::of_post(&form.frame, id, status).respond());
    }
    Ok(see_other(&format!("/posts/{id}")))
}

/// Returns whether the reader follows something; `None` if they are not signed in.
pub(in crate::pages) async fn follow_status(
    connection: &mut PgConnection,
    frame: &Frame,
    target: &FollowTarget,
) -> Result<Option<FollowStatus>> {
    if !frame.is_signed_in() {
        return Ok(None);
    }
    Ok(Some(follows::find(connection, &frame.actor, target).await?))
}

/// Returns whether the reader follows a library, and the newest posts about it.
pub(in crate::pages) async fn of_library(
    connection: &mut PgConnection,
    frame: &Frame,
    id: library::ids::LibraryId,
    name: &LibraryName,
) -> Result<(Option<FollowStatus>, Vec<posts::Post>)> {
    let status = follow_status(&mut *connection, frame, &FollowTarget::Library(name.clone())).await?;
    Ok((status, newest(connection, &frame.actor, &PostList::Library(id)).await?))
}

/// Returns whether the reader follows a document, and the newest posts about it.
pub(in crate::pages) async fn of_document(
    connection: &mut PgConnection,
    frame: &Frame,
    id: DocumentId,
) -> Result<(Option<FollowStatus>, Vec<posts::Post>)> {
    let status = follow_status(&mut *connection, frame, &FollowTarget::Document(id)).await?;
    Ok((status, newest(connection, &frame.actor, &PostList::Document(id)).await?))
}

async fn newest(connection: &mut PgConnection, actor: &Actor, which: &PostList) -> Result<Vec<posts::Post>> {
    Ok(posts::list(connection, actor, which, None, super::MAX_BESIDE).await?.items)
}

/// Parses the id of a document in an address or a form.
pub(super) fn document_id(text: &str) -> Result<DocumentId> {
    text.parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))
}

fn next_to(path: &str, name: &str, value: &str) -> String {
    format!(
        "{path}?{name}={}",
        percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
    )
}
