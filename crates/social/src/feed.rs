//! Feed of a person: their own posts, and those of the people, libraries, documents and tags that they follow.
//!
//! It is pulled when it is read. Each followed thing contributes the newest posts of an index of its own, at most a page; they are
//! merged by id. A page takes three statements in here, whatever is followed. Posts of muted and blocked people are left out.

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::Error;
use crate::audience::{Audience, require_person};
use crate::posts::{Post, position, query_posts};

/// Filter of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeedFilter {
    /// Everything.
    #[default]
    All,
    /// Posts of followed people, and the person's own.
    People,
    /// Posts about followed libraries and documents.
    Libraries,
    /// Questions without an accepted answer.
    Unanswered,
}

/// Returns a page of the actor's feed, the newest post first.
///
/// # Errors
///
/// Fails if the actor is no person, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    filter: FeedFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Post>, Error> {
    let user = require_person(actor)?;
    let before = position(after)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    let rows = query_posts!(
        "-- feed.list",
        r#"from (
             (select post.id from social.posts as post
              where $7 and post.author_id = $1 and post.id < $5 and post.deleted_at is null and post.hidden_at is null
                and (not $9 or (post.question and post.accepted_comment_id is null))
                and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
              order by post.id desc limit $6)
             union
             select post.id from social.follows as follow cross join lateral (
               select post.id from social.posts as post
               where post.author_id = follow.user_id and post.id < $5 and post.deleted_at is null and post.hidden_at is null
                 and (not $9 or (post.question and post.accepted_comment_id is null))
                 and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
               order by post.id desc limit $6
             ) as post
             where $7 and follow.follower_id = $1 and follow.user_id is not null and follow.user_id <> all ($4)
             union
             select post.id from social.follows as follow cross join lateral (
               select post.id from social.posts as post
               where post.library_id = follow.library_id and post.id < $5 and post.deleted_at is null and post.hidden_at is null
                 and (not $9 or (post.question and post.accepted_comment_id is null))
                 and (post.author_id is null or post.author_id <> all ($4)) and post.other_libraries <@ $2
               order by post.id desc limit $6
             ) as post
             where $8 and follow.follower_id = $1 and follow.library_id = any ($2)
             union
             select post.id from social.follows as follow cross join lateral (
               select post.id from social.posts as post
               where post.document_id = follow.document_id and post.id < $5
                 and post.deleted_at is null and post.hidden_at is null
                 and (not $9 or (post.question and post.accepted_comment_id is null))
                 and (post.author_id is null or post.author_id <> all ($4))
                 and post.library_id = any ($2) and post.other_libraries <@ $2
               order by post.id desc limit $6
             ) as post
             where $8 and follow.follower_id = $1 and follow.document_id is not null
             union
             select post.id from social.follows as follow cross join lateral (
               select post.id from social.post_tags as tagged join social.posts as post on post.id = tagged.post_id
               where tagged.tag = follow.tag and tagged.post_id < $5 and post.deleted_at is null and post.hidden_at is null
                 and (not $9 or (post.question and post.accepted_comment_id is null))
                 and (post.author_id is null or post.author_id <> all ($4))
                 and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
               order by tagged.post_id desc limit $6
             ) as post
             where $7 and $8 and follow.follower_id = $1 and follow.tag is not null
             order by id desc limit $6
           ) as newest
           join social.shown_posts as post on post.id = newest.id
           order by newest.id desc"#,
        user.0,
        &audience.libraries,
        audience.general,
        &audience.ignored,
        before,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        filter != FeedFilter::Libraries,
        filter != FeedFilter::People,
        filter == FeedFilter::Unanswered,
    )
    .fetch_all(connection)
    .await?;
    let posts = rows.into_iter().map(Post::from).collect();
    Ok(Page::from_rows(posts, limit, |last: &Post| Cursor::encode(&last.id.0)))
}
