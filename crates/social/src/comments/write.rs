//! Adding, editing, deleting, restoring and accepting comments.

use kernel::actor::{Actor, UserId};
use sqlx::PgConnection;

use super::{Comment, CommentAccess, find};
use crate::Error;
use crate::allowance::{self, Writing};
use crate::audience::{Audience, require_writer};
use crate::counters;
use crate::ids::{CommentId, PostId};
use crate::markdown;
use crate::notifications::{self, Event, Kind};
use crate::posts::{self, Post};

/// Maximum length of a comment, in characters.
pub const MAX_COMMENT_CHARS: usize = 10_000;

/// Adds a comment to a post, or a reply to one of its comments. The author of the post, the one of the comment, and who is mentioned
/// are notified, once each.
///
/// # Errors
///
/// Fails if the post or the comment does not exist for the actor, the comment was deleted, the text is out of its bounds, the actor
/// is no person, their API key lacks the scope, or they have written too much lately.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    post: PostId,
    parent: Option<CommentId>,
    text: &str,
) -> Result<Comment, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let on = posts::access(&mut *connection, &audience, post).await?;
    let author = require_writer(actor)?;
    if on.is_deleted || on.is_hidden {
        return Err(Error::Conflict("this post is not shown any more: it takes no comments".to_owned()));
    }
    let text = checked_text(text)?;
    let above = match parent {
        Some(parent) => Some(open_parent(&mut *connection, &audience, post, parent).await?),
        None => None,
    };
    let others = [on.author, above.as_ref().and_then(|above| above.author)];
    // Moderators see texts of those who block them, and yet cannot write to them.
    if audience.is_blocked_by(others[0]) {
        return Err(Error::no_post());
    }
    if audience.is_blocked_by(others[1]) {
        return Err(Error::no_comment());
    }
    // Whom the actor blocks could not answer.
    if others.iter().flatten().any(|other| audience.blocked.contains(other)) {
        return Err(Error::NotAllowed("you block this person: unblock them to write to them".to_owned()));
    }
    allowance::spend(&mut *connection, author, Writing::Comment).await?;
    let id = CommentId::new();
    sqlx::query!(
        "-- comments.add
         insert into social.comments (id, post_id, parent_id, author_id, via, depth, text) values ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        post.0,
        parent.map(|parent| parent.0),
        author.0,
        actor.key_name(),
        above.as_ref().map_or(0, |above| above.depth + 1),
        text,
    )
    .execute(&mut *connection)
    .await?;
    let mut event = event(author, post, id, on.library, Kind::Reply);
    // Who is mentioned too is notified of the reply: the key is the same.
    let mut people: Vec<_> = others.into_iter().flatten().collect();
    people.dedup();
    notifications::notify(&mut *connection, &event, &people).await?;
    event.kind = Kind::Mention;
    notifications::mention(&mut *connection, &event, &markdown::names(text).mentions).await?;
    counters::begin_comment(&mut *connection, id, parent).await?;
    counters::add_comments(&mut *connection, post, 1).await?;
    find(connection, actor, id).await?.ok_or_else(Error::no_comment)
}

/// Changes the text of a comment of the actor. The text before is kept.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor or is deleted, belongs to somebody else, or the text is out of its bounds.
pub async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    id: CommentId,
    text: &str,
) -> Result<Comment, Error> {
    let (author, on) = own(&mut *connection, actor, id).await?;
    let text = checked_text(text)?;
    let before = sqlx::query_scalar!(
        "-- comments.hold
         select text from social.comments where id = $1 and deleted_at is null for no key update",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| Error::Conflict("this comment is deleted: restore it first".to_owned()))?;
    if text != before {
        allowance::spend(&mut *connection, author, Writing::Comment).await?;
        sqlx::query!(
            "-- comments.keep_revision
             insert into social.comment_revisions (comment_id, number, text)
             select $1, coalesce(max(number), 0) + 1, $2 from social.comment_revisions where comment_id = $1",
            id.0,
            before,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "-- comments.edit
             update social.comments set text = $2, edited_at = now() where id = $1",
            id.0,
            text,
        )
        .execute(&mut *connection)
        .await?;
        let event = event(author, on.post, id, on.library, Kind::Mention);
        notifications::mention(&mut *connection, &event, &markdown::names(text).mentions).await?;
    }
    find(connection, actor, id).await?.ok_or_else(Error::no_comment)
}

/// Deletes a comment of the actor; its replies stay, and it can be restored. It does not answer a question any more, not even once it
/// is restored. Deleting it twice changes nothing.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor or belongs to somebody else.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: CommentId) -> Result<(), Error> {
    let (_, on) = own(&mut *connection, actor, id).await?;
    posts::drop_acceptance(&mut *connection, on.post, id).await?;
    // Counted only while it was shown.
    let was_counted = sqlx::query_scalar!(
        r#"-- comments.delete
         update social.comments set deleted_at = now() where id = $1 and deleted_at is null
         returning hidden_at is null as "was_counted!""#,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if was_counted == Some(true) {
        counters::add_comments(connection, on.post, -1).await?;
    }
    Ok(())
}

/// Restores a deleted comment of the actor.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor or belongs to somebody else.
pub async fn restore(connection: &mut PgConnection, actor: &Actor, id: CommentId) -> Result<Comment, Error> {
    let (_, on) = own(&mut *connection, actor, id).await?;
    let is_counted = sqlx::query_scalar!(
        r#"-- comments.restore
         update social.comments set deleted_at = null where id = $1 and deleted_at is not null
         returning hidden_at is null as "is_counted!""#,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if is_counted == Some(true) {
        counters::add_comments(&mut *connection, on.post, 1).await?;
    }
    find(connection, actor, id).await?.ok_or_else(Error::no_comment)
}

/// Accepts a comment as the answer to its post: by the author of the post, an owner of its library, or an administrator. Its author
/// is notified once.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor or is not shown, the actor is none of those, or the post is no question.
pub async fn accept(connection: &mut PgConnection, actor: &Actor, id: CommentId) -> Result<Post, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let post = super::access(&mut *connection, &audience, id).await?.post;
    // Holds the post, so that the comment is neither deleted nor hidden meanwhile.
    posts::hold(&mut *connection, post).await?;
    let comment = super::access(&mut *connection, &audience, id).await?;
    let post = posts::access(&mut *connection, &audience, comment.post).await?;
    let user = require_acceptor(actor, &audience, &comment)?;
    if !post.question {
        return Err(Error::Conflict("only a question has an accepted answer".to_owned()));
    }
    if comment.is_deleted || comment.is_hidden {
        return Err(Error::Conflict("this comment is not shown any more".to_owned()));
    }
    sqlx::query!(
        "-- posts.accept
         update social.posts set accepted_comment_id = $2 where id = $1 and accepted_comment_id is distinct from $2",
        comment.post.0,
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    let event = Event {
        key: format!("accepted:{id}"),
        ..event(user, comment.post, id, comment.library, Kind::Accepted)
    };
    let people: Vec<_> = comment.author.into_iter().collect();
    notifications::notify(&mut *connection, &event, &people).await?;
    posts::find(connection, actor, comment.post).await?.ok_or_else(Error::no_post)
}

/// Takes back that a comment is the accepted answer. One that is not stays so.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor, or they may not [`accept`] it.
pub async fn unaccept(connection: &mut PgConnection, actor: &Actor, id: CommentId) -> Result<Post, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let comment = super::access(&mut *connection, &audience, id).await?;
    require_acceptor(actor, &audience, &comment)?;
    posts::drop_acceptance(&mut *connection, comment.post, id).await?;
    posts::find(connection, actor, comment.post).await?.ok_or_else(Error::no_post)
}

fn require_acceptor(actor: &Actor, audience: &Audience, comment: &CommentAccess) -> Result<UserId, Error> {
    let user = require_writer(actor)?;
    if comment.post_author == Some(user.0) || audience.moderates(comment.library) {
        return Ok(user);
    }
    Err(Error::NotAllowed("only the asker or an owner of the library accepts an answer".to_owned()))
}

/// Returns the comment that is replied to.
async fn open_parent(
    connection: &mut PgConnection,
    audience: &Audience,
    post: PostId,
    parent: CommentId,
) -> Result<CommentAccess, Error> {
    let above = super::access(connection, audience, parent).await?;
    if above.post != post {
        return Err(Error::no_comment());
    }
    if above.is_deleted || above.is_hidden {
        return Err(Error::Conflict("this comment is not shown any more: it takes no replies".to_owned()));
    }
    Ok(above)
}

/// Fails unless the comment exists for the actor and is theirs.
async fn own(
    connection: &mut PgConnection,
    actor: &Actor,
    id: CommentId,
) -> Result<(UserId, CommentAccess), Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let comment = super::access(connection, &audience, id).await?;
    let author = require_writer(actor)?;
    if comment.author == Some(author.0) {
        return Ok((author, comment));
    }
    Err(Error::NotAllowed("only its author can change a comment".to_owned()))
}

fn checked_text(text: &str) -> Result<&str, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_COMMENT_CHARS {
        return Err(Error::Invalid(format!(
            "a comment has 1 to {MAX_COMMENT_CHARS} characters; this one has {length}"
        )));
    }
    Ok(text)
}

fn event(actor: UserId, post: PostId, comment: CommentId, library: Option<uuid::Uuid>, kind: Kind) -> Event {
    Event {
        kind,
        key: format!("comment:{comment}"),
        actor,
        post: Some(post),
        comment: Some(comment),
        conversation: None,
        library,
    }
}
