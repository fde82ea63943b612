//! `/posts/{id}`: a post with its comments, indented to three levels, and the changes of comments.

use std::collections::HashMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use social::comments::{self, Comment, CommentState};
use social::ids::{CommentId, PostId};
use social::likes::{self, LikeStatus};
use social::posts::{self, Post, TextRevision};
use social::relations::{self, Relation};
use social::{follows, reports};

use super::card::{LikeButton, render};
use super::{Card, PAGE, moderates, refused};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Routes of a post and of comments.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/posts/{id}", get(show))
        .route("/posts/{id}/comments", post(add))
        .route("/comments/{id}", post(change))
        .route("/comments/{id}/like", post(like))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PostQuery {
    /// Comment whose replies are shown.
    under: String,
    cursor: String,
    /// Present if the earlier texts are shown: `1`, or a cursor.
    history: Option<String>,
    /// Outcome of the previous action.
    done: String,
}

/// A comment in its thread.
struct CommentView<'page> {
    comment: &'page Comment,
    /// Levels below the first one shown.
    level: i32,
    /// Replies that are not shown here.
    hidden_replies: i64,
}

#[derive(Template)]
#[template(path = "post.html")]
struct Page<'page> {
    frame: &'page Frame,
    post: &'page Post,
    card: Card<'page>,
    comments: Vec<CommentView<'page>>,
    /// Comment whose replies are shown.
    under: Option<&'page Comment>,
    revisions: Vec<TextRevision>,
    /// Address of revisions before those.
    earlier: Option<String>,
    /// Relation of the reader to the author, and whether they follow them; `None` for own posts and readers who are not signed in.
    author: Option<(Relation, bool)>,
    is_own: bool,
    moderates: bool,
    done: Option<String>,
    next: Option<String>,
}

impl CommentView<'_> {
    fn address(&self) -> String {
        format!("/comments/{}", self.comment.id)
    }
}

impl Page<'_> {
    fn address(&self) -> String {
        format!("/posts/{}", self.post.id)
    }

    fn title(&self) -> String {
        let (name, _) = super::author(self.frame, self.post.author.as_ref());
        if self.post.question {
            return self.frame.t_with("post-question-by", "name", &name).into_owned();
        }
        self.frame.t_with("post-by", "name", &name).into_owned()
    }

    fn can_comment(&self) -> bool {
        self.frame.is_signed_in() && self.post.deleted_at.is_none() && self.post.hidden_at.is_none()
    }

    fn can_accept(&self) -> bool {
        self.post.question && self.frame.is_signed_in() && (self.is_own || self.moderates)
    }

    fn is_reader(&self, comment: &Comment) -> bool {
        self.frame.is_reader(comment.author.as_ref())
    }

    fn text(&self, comment: &Comment) -> String {
        render(comment.text.as_deref().unwrap_or_default())
    }

    fn like(&self, comment: &Comment) -> String {
        let status = LikeStatus { liked: comment.liked, likes: comment.likes };
        LikeButton::of_comment(self.frame, comment.id, status).to_string()
    }

    /// Returns the name of the state of a comment that is not shown to all.
    fn state(&self, comment: &Comment) -> Option<&'static str> {
        match comment.state {
            CommentState::Visible => None,
            CommentState::Deleted => Some("deleted"),
            CommentState::Hidden => Some("hidden"),
            CommentState::Unavailable => Some("unavailable"),
        }
    }
}

/// Shows a post.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<PostId>,
    Query(query): Query<PostQuery>,
) -> PageResult {
    let after = cursor(&query.cursor)?;
    let catalogue = state.app.engine.catalogue().await?;
    let actor = &frame.actor;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let post = posts::find(&mut connection, actor, id).await?.ok_or_else(no_post)?;
    let under: Option<CommentId> = query.under.parse().ok();
    let under = match under {
        Some(under) => {
            comments::find(&mut connection, actor, under).await?.filter(|found| found.post_id == id)
        }
        None => None,
    };
    let parent = under.as_ref().map(|comment| comment.id);
    let thread = comments::thread(&mut connection, actor, id, parent, after.as_ref(), PAGE).await?;
    let here = format!("/posts/{id}");
    let (mut revisions, mut earlier) = (Vec::new(), None);
    if let Some(history) = &query.history {
        // `1` is the link to the newest ones.
        let from = cursor(if history == "1" { "" } else { history })?;
        let page = posts::revisions(&mut connection, actor, id, from.as_ref(), PAGE).await?;
        earlier = page.next.map(|cursor| format!("{here}?history={cursor}#history"));
        revisions = page.items;
    }
    let is_own = frame.is_reader(post.author.as_ref());
    let author = match &post.author {
        Some(author) if frame.is_signed_in() && !is_own => {
            let relation = relations::find(&mut connection, actor, &author.username).await?;
            let following = follows::find_many(&mut connection, actor, &[author.id]).await?;
            Some((relation, following.first() == Some(&true)))
        }
        _ => None,
    };
    drop(connection);
    let done = frame.t_enum("community-done", &query.done);
    let next = thread.next.as_ref().map(|cursor| next(&here, &[("under", &query.under)], cursor));
    let page = Page {
        frame: &frame,
        card: Card::new(&frame, &post, true),
        comments: views(under.as_ref(), &thread.items),
        under: under.as_ref(),
        revisions,
        earlier,
        author,
        is_own,
        moderates: moderates(&frame, &catalogue, post.about.library.as_deref()),
        done: (!query.done.is_empty() && done != query.done).then(|| done.to_string()),
        next,
        post: &post,
    };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Returns the comments with their levels. `under` comes first, if only its replies are shown.
fn views<'page>(under: Option<&'page Comment>, items: &'page [Comment]) -> Vec<CommentView<'page>> {
    let mut replies: HashMap<CommentId, i64> = HashMap::new();
    for comment in items {
        if let Some(parent) = comment.parent_id {
            *replies.entry(parent).or_default() += 1;
        }
    }
    let base = under.map_or(0, |comment| comment.depth);
    let views = under.into_iter().chain(items).map(|comment| {
        let shown = replies.get(&comment.id).copied().unwrap_or(0);
        let is_first = under.is_some_and(|under| under.id == comment.id);
        CommentView {
            comment,
            level: (comment.depth - base).clamp(0, 4),
            // The rest of those of the first comment is on the next page.
            hidden_replies: if is_first { 0 } else { comment.replies - shown },
        }
    });
    views.collect()
}

/// Adds a comment, and shows it in its thread.
async fn add(State(state): State<AppState>, Path(id): Path<PostId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("/posts/{id}"));
    form.frame.require_sign_in()?;
    match add_comment(&state, &form, id).await {
        Ok((comment, under)) => Ok(see_other(&format!("/posts/{id}?under={under}#c-{comment}"))),
        Err(problem) => refused::respond(&form, &format!("/posts/{id}/comments"), problem),
    }
}

/// Adds a comment. Returns it, and the comment under which it is shown: a deep or late one may not be on the page of the post.
async fn add_comment(state: &AppState, form: &SubmittedForm, post: PostId) -> Result<(CommentId, CommentId)> {
    let parent = match form.field("parent") {
        "" => None,
        parent => Some(parent.parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?),
    };
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let comment = comments::add(&mut transaction, actor, post, parent, form.field("text")).await?.id;
    let above = match parent {
        Some(parent) => comments::find(&mut transaction, actor, parent).await?,
        None => None,
    };
    transaction.commit().await?;
    // Nor on that of its parent, which has the first replies.
    let above = above.filter(|above| usize::try_from(above.replies).is_ok_and(|replies| replies <= PAGE));
    Ok((comment, above.map_or(comment, |above| above.id)))
}

/// Changes a comment: `action` says how.
async fn change(State(state): State<AppState>, Path(id): Path<CommentId>, form: SubmittedForm) -> PageResult {
    form.frame.require_sign_in()?;
    match change_comment(&state, &form, id).await {
        Ok((post, done)) => Ok(see_other(&format!("/posts/{post}?under={id}&done={done}#c-{id}"))),
        Err(problem) => refused::respond(&form, &format!("/comments/{id}"), problem),
    }
}

async fn change_comment(
    state: &AppState,
    form: &SubmittedForm,
    id: CommentId,
) -> Result<(PostId, &'static str)> {
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let found = comments::find(&mut transaction, actor, id).await?;
    let post = found.ok_or_else(|| Problem::not_found("there is no such comment"))?.post_id;
    let done = match form.field("action") {
        "edit" => {
            comments::change(&mut transaction, actor, id, form.field("text")).await?;
            "edited"
        }
        "delete" => {
            comments::delete(&mut transaction, actor, id).await?;
            "deleted"
        }
        "restore" => {
            comments::restore(&mut transaction, actor, id).await?;
            "restored"
        }
        "accept" => {
            comments::accept(&mut transaction, actor, id).await?;
            "accepted"
        }
        "unaccept" => {
            comments::unaccept(&mut transaction, actor, id).await?;
            "unaccepted"
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
    Ok((post, done))
}

/// Likes a comment, or takes the like back. A script gets the button, a browser the comment.
async fn like(State(state): State<AppState>, Path(id): Path<CommentId>, form: SubmittedForm) -> PageResult {
    form.frame.require_sign_in()?;
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let status = if form.field("like") == "no" {
        likes::unlike(&mut transaction, actor, id.into()).await?
    } else {
        likes::like(&mut transaction, actor, id.into()).await?
    };
    let post = comments::find(&mut transaction, actor, id).await?.map(|comment| comment.post_id);
    transaction.commit().await?;
    if form.frame.is_partial() {
        return Ok(LikeButton::of_comment(&form.frame, id, status).respond());
    }
    let post = post.ok_or_else(no_post)?;
    Ok(see_other(&format!("/posts/{post}?under={id}#c-{id}")))
}

fn no_post() -> Problem {
    Problem::not_found("there is no such post")
}
