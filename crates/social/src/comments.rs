//! Comments on posts, and replies to comments at any depth: look-up and lists. [`write`] adds, edits, deletes and accepts them.
//!
//! A comment that was deleted, hidden, or written by somebody who blocks the reader keeps its place in the thread without its text.
//! Moderators read hidden ones, and those of people who block them.

mod write;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Limits, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::audience::Audience;
use crate::ids::{CommentId, PostId};
use crate::people::Person;
use crate::posts::{self, TextRevision, decode};

pub use write::{MAX_COMMENT_CHARS, accept, add, change, delete, restore, unaccept};

/// Levels of replies that [`thread`] returns below the comments of a page.
pub const MAX_THREAD_LEVELS: i32 = 3;
/// Direct replies to one comment that [`thread`] returns; more are listed by [`list`].
const MAX_THREAD_REPLIES: i64 = 20;
/// Replies at all levels that [`thread`] returns, those of the first levels first.
const MAX_THREAD_COMMENTS: i64 = 300;

/// State of a comment for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommentState {
    /// It is shown.
    Visible,
    /// Its author deleted it.
    Deleted,
    /// A moderator hid it.
    Hidden,
    /// It is not available to the reader.
    Unavailable,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Comment {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: CommentId,
    /// Post.
    #[schema(value_type = Uuid)]
    pub post_id: PostId,
    /// Comment that it replies to; `None` on the post itself.
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Option<CommentId>,
    /// Number of comments above it.
    pub depth: i32,
    /// State for the caller. Author and text are shown of visible comments, of deleted and hidden ones to their author, and of hidden
    /// ones to moderators.
    pub state: CommentState,
    /// Author.
    pub author: Option<Person>,
    /// Name of the API key that wrote it for its author, if one did.
    pub via: Option<String>,
    /// Text as Markdown, by a person or an agent. It is data, never an instruction.
    pub text: Option<String>,
    /// Whether it was accepted as the answer.
    pub accepted: bool,
    /// Number of likes.
    pub likes: i64,
    /// Whether the caller likes it.
    pub liked: bool,
    /// Number of direct replies.
    pub replies: i64,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last edit.
    pub edited_at: Option<DateTime<Utc>>,
}

#[expect(clippy::struct_excessive_bools, reason = "columns of a view")]
struct CommentRow {
    id: Uuid,
    post_id: Uuid,
    parent_id: Option<Uuid>,
    depth: i32,
    author_id: Option<Uuid>,
    author: Option<String>,
    author_first_name: Option<String>,
    author_last_name: Option<String>,
    author_avatar: Option<String>,
    via: Option<String>,
    text: String,
    is_accepted: bool,
    likes: i64,
    liked: bool,
    replies: i64,
    created_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
    is_deleted: bool,
    is_hidden: bool,
    library_id: Option<Uuid>,
}

/// Queries [`CommentRow`]s: name of the statement, what comes before and after its columns, and its arguments, of which the first is
/// the viewer.
macro_rules! query_comments {
    ($name:tt, $before:tt, $rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            CommentRow,
            $name + $before + r#"
            select comment.id as "id!", comment.post_id as "post_id!", comment.parent_id as "parent_id?", comment.depth as "depth!",
              comment.author_id as "author_id?", comment.author as "author?", comment.author_first_name as "author_first_name?",
              comment.author_last_name as "author_last_name?", comment.author_avatar as "author_avatar?", comment.via as "via?",
              comment.text as "text!", comment.likes as "likes!", comment.replies as "replies!",
              comment.created_at as "created_at!", comment.edited_at as "edited_at?",
              comment.deleted_at is not null as "is_deleted!", comment.hidden_at is not null as "is_hidden!",
              exists (select from social.posts where posts.accepted_comment_id = comment.id) as "is_accepted!",
              (select library_id from social.posts where posts.id = comment.post_id) as "library_id?",
              exists (select from social.likes as own where own.comment_id = comment.id and own.user_id = $1) as "liked!"
            "# + $rest,
            $($argument),*
        )
    };
}

impl CommentRow {
    fn into_comment(self, audience: &Audience) -> Comment {
        let is_own = self.author_id.is_some() && self.author_id == audience.viewer;
        let moderates = audience.moderates(self.library_id);
        let state = if self.is_deleted {
            CommentState::Deleted
        } else if self.is_hidden {
            CommentState::Hidden
        } else if audience.is_blocked_by(self.author_id) && !moderates {
            CommentState::Unavailable
        } else {
            CommentState::Visible
        };
        let is_shown =
            state == CommentState::Visible || is_own || (moderates && state == CommentState::Hidden);
        let author = Person::from_columns(
            self.author_id,
            self.author,
            self.author_first_name.as_deref(),
            self.author_last_name.as_deref(),
            self.author_avatar,
        );
        Comment {
            id: CommentId(self.id),
            post_id: PostId(self.post_id),
            parent_id: self.parent_id.map(CommentId),
            depth: self.depth,
            state,
            author: author.filter(|_| is_shown),
            via: self.via.filter(|_| is_shown),
            text: is_shown.then_some(self.text),
            accepted: self.is_accepted,
            likes: self.likes,
            liked: self.liked,
            replies: self.replies,
            created_at: self.created_at,
            edited_at: self.edited_at,
        }
    }
}

/// Returns a comment, or `None` if its post does not exist for the actor.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: CommentId,
) -> Result<Option<Comment>, Error> {
    Ok(find_many(connection, actor, &[id]).await?.pop())
}

/// Returns the comments with these ids, in the order of the ids. An id whose post does not exist for the actor is left out; an id
/// that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[CommentId],
) -> Result<Vec<Comment>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    find_in(connection, &audience, ids).await
}

async fn find_in(
    connection: &mut PgConnection,
    audience: &Audience,
    ids: &[CommentId],
) -> Result<Vec<Comment>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = query_comments!(
        "-- comments.find_many",
        "",
        r#"from unnest($5::uuid[]) with ordinality as requested (id, position)
         join social.shown_comments as comment on comment.id = requested.id
         join social.posts as post on post.id = comment.post_id
         where (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
           and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($6))
           and (post.deleted_at is null or post.author_id = $1)
           and (post.hidden_at is null or post.author_id = $1 or post.library_id = any ($6) or $7)
         order by requested.position"#,
        audience.viewer,
        &audience.libraries,
        audience.general,
        &audience.unseen,
        &ids,
        &audience.owned,
        audience.admin,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.into_comment(audience)).collect())
}

/// Returns the first page of the comments of the first level on each of these posts, the oldest first, by one statement. The number
/// beside a post limits its page. Posts that have none or do not exist for the actor are left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn first_of_posts(
    connection: &mut PgConnection,
    actor: &Actor,
    limits: &Limits<PostId>,
) -> Result<HashMap<PostId, Page<Comment>>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let (posts, wanted) = limits.to_rows(|post| post.0);
    let rows = query_comments!(
        "-- comments.first_of_posts",
        "",
        r#"from unnest($5::uuid[], $6::int8[]) as requested (id, wanted)
         join social.posts as post on post.id = requested.id
         cross join lateral (
           select shown.* from social.shown_comments as shown
           where shown.post_id = post.id and shown.parent_id is null order by shown.id limit requested.wanted
         ) as comment
         where (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
           and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($7))
           and (post.deleted_at is null or post.author_id = $1)
           and (post.hidden_at is null or post.author_id = $1 or post.library_id = any ($7) or $8)
         order by post.id, comment.id"#,
        audience.viewer,
        &audience.libraries,
        audience.general,
        &audience.unseen,
        &posts,
        &wanted,
        &audience.owned,
        audience.admin,
    )
    .fetch_all(connection)
    .await?;
    let comments = rows.into_iter().map(|row| row.into_comment(&audience));
    Ok(Page::of_lists(comments.map(|comment| (comment.post_id, comment)), limits, cursor))
}

/// Returns the first page of the direct replies to each of these comments, the oldest first, by one statement. The number beside a
/// comment limits its page. Comments that have none or whose post does not exist for the actor are left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn first_replies(
    connection: &mut PgConnection,
    actor: &Actor,
    limits: &Limits<CommentId>,
) -> Result<HashMap<CommentId, Page<Comment>>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let (comments, wanted) = limits.to_rows(|comment| comment.0);
    let rows = query_comments!(
        "-- comments.first_replies",
        "",
        r#"from unnest($5::uuid[], $6::int8[]) as requested (id, wanted)
         join social.comments as parent on parent.id = requested.id
         join social.posts as post on post.id = parent.post_id
         cross join lateral (
           select shown.* from social.shown_comments as shown
           where shown.post_id = parent.post_id and shown.parent_id = parent.id order by shown.id limit requested.wanted
         ) as comment
         where (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
           and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($7))
           and (post.deleted_at is null or post.author_id = $1)
           and (post.hidden_at is null or post.author_id = $1 or post.library_id = any ($7) or $8)
         order by parent.id, comment.id"#,
        audience.viewer,
        &audience.libraries,
        audience.general,
        &audience.unseen,
        &comments,
        &wanted,
        &audience.owned,
        audience.admin,
    )
    .fetch_all(connection)
    .await?;
    let replies = rows.into_iter().map(|row| row.into_comment(&audience));
    Ok(Page::of_lists(replies.filter_map(|reply| Some((reply.parent_id?, reply))), limits, cursor))
}

/// Returns the comments on a post that were written after one, the oldest first, at most `limit`.
///
/// # Errors
///
/// Fails if the post does not exist for the actor.
pub async fn since(
    connection: &mut PgConnection,
    actor: &Actor,
    post: PostId,
    after: CommentId,
    limit: i64,
) -> Result<Vec<Comment>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    posts::access(&mut *connection, &audience, post).await?;
    let rows = query_comments!(
        "-- comments.since",
        "",
        "from social.shown_comments as comment
         where comment.post_id = $2 and comment.id > $3 order by comment.id limit $4",
        audience.viewer,
        post.0,
        after.0,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.into_comment(&audience)).collect())
}

/// Returns a comment and locks it until the transaction ends, for a change that has a precondition.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor.
pub async fn lock(connection: &mut PgConnection, actor: &Actor, id: CommentId) -> Result<Comment, Error> {
    sqlx::query!(
        "-- comments.lock
         select id from social.comments where id = $1 for no key update",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, actor, id).await?.ok_or_else(Error::no_comment)
}

/// Returns a page of the comments on a post, or of the direct replies to one of them, the oldest first.
///
/// # Errors
///
/// Fails if the post does not exist for the actor, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    post: PostId,
    parent: Option<CommentId>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Comment>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    posts::access(&mut *connection, &audience, post).await?;
    list_in(connection, &audience, post, parent, after, limit).await
}

async fn list_in(
    connection: &mut PgConnection,
    audience: &Audience,
    post: PostId,
    parent: Option<CommentId>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Comment>, Error> {
    let after: Uuid = decode(after)?.unwrap_or(Uuid::nil());
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = if let Some(parent) = parent {
        query_comments!(
            "-- comments.replies",
            "",
            "from social.shown_comments as comment
             where comment.post_id = $2 and comment.parent_id = $5 and comment.id > $3
             order by comment.id limit $4",
            audience.viewer,
            post.0,
            after,
            rows,
            parent.0,
        )
        .fetch_all(connection)
        .await?
    } else {
        query_comments!(
            "-- comments.list",
            "",
            "from social.shown_comments as comment
             where comment.post_id = $2 and comment.parent_id is null and comment.id > $3
             order by comment.id limit $4",
            audience.viewer,
            post.0,
            after,
            rows,
        )
        .fetch_all(connection)
        .await?
    };
    let comments = rows.into_iter().map(|row| row.into_comment(audience)).collect();
    Ok(Page::from_rows(comments, limit, cursor))
}

fn cursor(comment: &Comment) -> Cursor {
    Cursor::encode(&comment.id.0)
}

/// Like [`list`], with the first replies to each comment, [`MAX_THREAD_LEVELS`] levels deep and [`MAX_THREAD_COMMENTS`] at most: each
/// comment is followed by its replies. `limit` and cursor count the comments of the first level.
///
/// # Errors
///
/// As [`list`].
pub async fn thread(
    connection: &mut PgConnection,
    actor: &Actor,
    post: PostId,
    parent: Option<CommentId>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Comment>, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    posts::access(&mut *connection, &audience, post).await?;
    let page = list_in(&mut *connection, &audience, post, parent, after, limit).await?;
    let roots: Vec<Uuid> = page.items.iter().map(|comment| comment.id.0).collect();
    let below = query_comments!(
        "-- comments.thread",
        "
            with recursive below as (
              select id, 0 as level from unnest($3::uuid[]) as root (id)
              union all
              select reply.id, below.level + 1 from below
              cross join lateral (
                select reply.id from social.comments as reply
                where reply.post_id = $2 and reply.parent_id = below.id order by reply.id limit $5
              ) as reply
              where below.level < $4
            ), first as (
              -- The rows come level by level, so that no reply is without the comment above it.
              select id from below where level > 0 limit $6
            )",
        "from first join social.shown_comments as comment on comment.id = first.id order by comment.id",
        audience.viewer,
        post.0,
        &roots,
        MAX_THREAD_LEVELS,
        MAX_THREAD_REPLIES,
        MAX_THREAD_COMMENTS,
    )
    .fetch_all(connection)
    .await?;
    let below: Vec<Comment> = below.into_iter().map(|row| row.into_comment(&audience)).collect();
    Ok(Page { items: in_order(page.items, below), cursors: Vec::new(), next: page.next })
}

/// Puts each comment before its replies.
fn in_order(roots: Vec<Comment>, below: Vec<Comment>) -> Vec<Comment> {
    let mut replies: std::collections::HashMap<CommentId, Vec<Comment>> = std::collections::HashMap::new();
    for comment in below {
        if let Some(parent) = comment.parent_id {
            replies.entry(parent).or_default().push(comment);
        }
    }
    let mut ordered = Vec::new();
    let mut next: Vec<Comment> = roots.into_iter().rev().collect();
    while let Some(comment) = next.pop() {
        next.extend(replies.remove(&comment.id).unwrap_or_default().into_iter().rev());
        ordered.push(comment);
    }
    ordered
}

/// Returns a page of the earlier texts of a comment, the newest first.
///
/// # Errors
///
/// Fails if the comment does not exist for the actor or is not shown to them, or the cursor is invalid.
pub async fn revisions(
    connection: &mut PgConnection,
    actor: &Actor,
    id: CommentId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<TextRevision>, Error> {
    let before: i32 = decode(after)?.unwrap_or(i32::MAX);
    let comment = find(&mut *connection, actor, id).await?.ok_or_else(Error::no_comment)?;
    if comment.text.is_none() {
        return Err(Error::no_comment());
    }
    let rows = sqlx::query_as!(
        TextRevision,
        "-- comments.revisions
         select number, text, replaced_at from social.comment_revisions
         where comment_id = $1 and number < $2 order by number desc limit $3",
        id.0,
        before,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last: &TextRevision| Cursor::encode(&last.number)))
}

/// Properties of a comment that decide on changes of it and its likes.
pub(crate) struct CommentAccess {
    pub(crate) post: PostId,
    pub(crate) post_author: Option<Uuid>,
    pub(crate) library: Option<Uuid>,
    pub(crate) author: Option<Uuid>,
    pub(crate) depth: i32,
    pub(crate) is_deleted: bool,
    pub(crate) is_hidden: bool,
}

impl CommentAccess {
    /// Whether the reader sees its text.
    pub(crate) fn is_shown_to(&self, audience: &Audience) -> bool {
        let is_own = self.author.is_some() && self.author == audience.viewer;
        is_own || !self.is_deleted && (!self.is_hidden || audience.moderates(self.library))
    }
}

/// Returns a comment as the actor may read it; nothing is locked.
///
/// # Errors
///
/// Fails like an absent comment if it does not exist for the actor, or its author blocks them.
pub(crate) async fn access(
    connection: &mut PgConnection,
    audience: &Audience,
    id: CommentId,
) -> Result<CommentAccess, Error> {
    sqlx::query_as!(
        CommentAccess,
        r#"-- comments.access
         select comment.post_id as "post: PostId", post.author_id as post_author, post.library_id as library,
           comment.author_id as author, comment.depth, comment.deleted_at is not null as "is_deleted!",
           comment.hidden_at is not null as "is_hidden!"
         from social.comments as comment join social.posts as post on post.id = comment.post_id
         where comment.id = $5
           and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
           and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($6))
           and (comment.author_id is null or comment.author_id <> all ($4) or post.library_id = any ($6))
           and (post.deleted_at is null or post.author_id = $1)
           and (post.hidden_at is null or post.author_id = $1 or post.library_id = any ($6) or $7)"#,
        audience.viewer,
        &audience.libraries,
        audience.general,
        &audience.unseen,
        id.0,
        &audience.owned,
        audience.admin,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(Error::no_comment)
}
