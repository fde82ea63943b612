//! Likes of posts and comments. Liking twice is liking once.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::allowance::{self, Writing};
use crate::audience::{Audience, require_person};
use crate::comments;
use crate::counters;
use crate::ids::{PostId, Target};
use crate::notifications::{self, Event, Kind};
use crate::people::Person;
use crate::posts::{self, decode};

/// Likes of a post or a comment, as the actor sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct LikeStatus {
    /// Whether the actor likes it.
    pub liked: bool,
    /// Number of likes.
    pub likes: i64,
}

/// A post or comment that is liked.
struct LikedText {
    post: PostId,
    author: Option<Uuid>,
    library: Option<Uuid>,
    is_gone: bool,
    /// Whether who likes it is listed to the actor.
    is_shown: bool,
    /// Whether its author blocks the actor.
    is_blocked: bool,
}

/// Likes a post or a comment. Its author is notified, once for all who like it.
///
/// # Errors
///
/// Fails if it does not exist for the actor or is not shown any more, or the actor is no person or has liked too much lately.
pub async fn like(connection: &mut PgConnection, actor: &Actor, target: Target) -> Result<LikeStatus, Error> {
    let text = find(&mut *connection, actor, target).await?;
    let user = require_person(actor)?;
    if text.is_blocked {
        return Err(absent(target));
    }
    if text.is_gone {
        return Err(Error::Conflict("this is not shown any more: it cannot be liked".to_owned()));
    }
    allowance::spend(&mut *connection, user, Writing::Like).await?;
    let added = sqlx::query!(
        "-- likes.add
         insert into social.likes (post_id, comment_id, user_id) values ($1, $2, $3) on conflict do nothing",
        target.post(),
        target.comment(),
        user.0,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if added > 0
        && let Some(author) = text.author
    {
        let comment = match target {
            Target::Post(_) => None,
            Target::Comment(id) => Some(id),
        };
        let key = comment.map_or_else(|| format!("like:{}", text.post), |id| format!("like:{id}"));
        let event = Event {
            kind: Kind::Like,
            key,
            actor: user,
            post: Some(text.post),
            comment,
            conversation: None,
            library: text.library,
        };
        notifications::notify_bundled(&mut *connection, &event, author).await?;
    }
    let likes = count(connection, target, i64::try_from(added).unwrap_or(1)).await?;
    Ok(LikeStatus { liked: true, likes })
}

/// Takes a like back. Taking back one that is not there changes nothing.
///
/// # Errors
///
/// Fails if the post or comment does not exist for the actor, or the actor is no person or has changed too much lately.
pub async fn unlike(
    connection: &mut PgConnection,
    actor: &Actor,
    target: Target,
) -> Result<LikeStatus, Error> {
    find(&mut *connection, actor, target).await?;
    let user = require_person(actor)?;
    allowance::spend(&mut *connection, user, Writing::Like).await?;
    let removed = sqlx::query!(
        "-- likes.remove
         delete from social.likes
         where user_id = $3 and (post_id = $1 or comment_id = $2)",
        target.post(),
        target.comment(),
        user.0,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let likes = count(connection, target, -i64::try_from(removed).unwrap_or(1)).await?;
    Ok(LikeStatus { liked: false, likes })
}

/// Returns whether the actor likes each of these posts, which the caller has shown to exist for them, by one statement.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn liked_posts(
    connection: &mut PgConnection,
    actor: &Actor,
    posts: &[PostId],
) -> Result<Vec<bool>, Error> {
    let Some(user) = actor.user_id() else { return Ok(vec![false; posts.len()]) };
    let ids: Vec<Uuid> = posts.iter().map(|post| post.0).collect();
    Ok(sqlx::query_scalar!(
        r#"-- likes.of_viewer
         select exists (select from social.likes where post_id = requested.id and user_id = $2) as "liked!"
         from unnest($1::uuid[]) with ordinality as requested (id, position) order by requested.position"#,
        &ids,
        user.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns a page of the people who like a post or a comment, the last first. Those who block the actor are left out.
///
/// # Errors
///
/// Fails if it does not exist for the actor, the actor is anonymous, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    target: Target,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Person>, Error> {
    if !find(&mut *connection, actor, target).await?.is_shown {
        return Err(absent(target));
    }
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let viewer = actor.user_id().map(|user| user.0);
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let people: Vec<(Person, DateTime<Utc>)> = match target {
        Target::Post(post) => sqlx::query!(
            r#"-- likes.of_post
             select person.id, username, first_name, last_name, avatar, likes.created_at
             from social.likes join identity.users as person on person.id = likes.user_id
             where likes.post_id = $1 and (likes.created_at, likes.user_id) < (coalesce($2::timestamptz, 'infinity'), $3)
               and not exists (select from social.blocks where blocks.user_id = person.id and blocked_id = $4)
             order by likes.created_at desc, likes.user_id desc limit $5"#,
            post.0,
            after.map(|(at, _)| at),
            after.map_or(Uuid::max(), |(_, id)| id),
            viewer,
            rows,
        )
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(|row| {
            let person = Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar);
            (person, row.created_at)
        })
        .collect(),
        Target::Comment(comment) => sqlx::query!(
            r#"-- likes.of_comment
             select person.id, username, first_name, last_name, avatar, likes.created_at
             from social.likes join identity.users as person on person.id = likes.user_id
             where likes.comment_id = $1 and (likes.created_at, likes.user_id) < (coalesce($2::timestamptz, 'infinity'), $3)
               and not exists (select from social.blocks where blocks.user_id = person.id and blocked_id = $4)
             order by likes.created_at desc, likes.user_id desc limit $5"#,
            comment.0,
            after.map(|(at, _)| at),
            after.map_or(Uuid::max(), |(_, id)| id),
            viewer,
            rows,
        )
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(|row| {
            let person = Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar);
            (person, row.created_at)
        })
        .collect(),
    };
    let page = Page::from_rows(people, limit, |(person, at)| Cursor::encode(&(at, person.id.0)));
    Ok(page.map(|(person, _)| person))
}

/// Looks up what is liked.
async fn find(connection: &mut PgConnection, actor: &Actor, target: Target) -> Result<LikedText, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    Ok(match target {
        Target::Post(id) => {
            let post = posts::access(connection, &audience, id).await?;
            let is_gone = post.is_deleted || post.is_hidden;
            let is_blocked = audience.is_blocked_by(post.author);
            LikedText {
                post: id,
                author: post.author,
                library: post.library,
                is_gone,
                is_shown: true,
                is_blocked,
            }
        }
        Target::Comment(id) => {
            let comment = comments::access(connection, &audience, id).await?;
            let is_gone = comment.is_deleted || comment.is_hidden;
            LikedText {
                post: comment.post,
                author: comment.author,
                library: comment.library,
                is_gone,
                is_shown: comment.is_shown_to(&audience),
                is_blocked: audience.is_blocked_by(comment.author),
            }
        }
    })
}

fn absent(target: Target) -> Error {
    match target {
        Target::Post(_) => Error::no_post(),
        Target::Comment(_) => Error::no_comment(),
    }
}

/// Adds the rows that were changed to the counter, and returns the number of likes. Last in the transaction: all who like one text
/// meet there.
async fn count(connection: &mut PgConnection, target: Target, changed: i64) -> Result<i64, Error> {
    match target {
        Target::Post(post) if changed == 0 => Ok(sqlx::query_scalar!(
            "-- counters.likes_of_post
             select likes from social.post_counters where post_id = $1",
            post.0,
        )
        .fetch_optional(connection)
        .await?
        .unwrap_or(0)),
        Target::Comment(comment) if changed == 0 => Ok(sqlx::query_scalar!(
            "-- counters.likes_of_comment
             select likes from social.comment_counters where comment_id = $1",
            comment.0,
        )
        .fetch_optional(connection)
        .await?
        .unwrap_or(0)),
        Target::Post(post) => counters::add_post_likes(connection, post, changed).await,
        Target::Comment(comment) => counters::add_comment_likes(connection, comment, changed).await,
    }
}

/// Returns whether the actor may see a post, and likes it: the part of [`LikeStatus`] that is not cached.
///
/// # Errors
///
/// Fails if the post does not exist for the actor.
pub async fn is_liked(connection: &mut PgConnection, actor: &Actor, post: PostId) -> Result<bool, Error> {
    find(&mut *connection, actor, post.into()).await?;
    let Some(UserId(user)) = actor.user_id() else { return Ok(false) };
    Ok(sqlx::query_scalar!(
        r#"-- likes.is_liked
         select exists (select from social.likes where post_id = $1 and user_id = $2) as "liked!""#,
        post.0,
        user,
    )
    .fetch_one(connection)
    .await?)
}
