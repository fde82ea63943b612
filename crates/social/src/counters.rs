//! Counts of likes and comments.
//!
//! The rows are the truth. `post_counters` and `comment_counters` are changed in the transaction that changes the rows, by the
//! number of rows it changed, so they are exact after any interleaving; [`recount`] proves it and repairs what was damaged by hand.
//!
//! [`LikeCounts`] reads a count from the process, then Redis, then `post_counters`, then the rows. A like notifies no other node:
//! the node that changes a count forgets it, the others keep it for half a second.

use std::collections::HashMap;
use std::time::Duration;

use kernel::actor::Actor;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use store::cache::{Cache, CacheConfig, Caches, Namespace};
use uuid::Uuid;

use crate::Error;
use crate::ids::{CommentId, PostId};

/// Cache of the likes of posts.
const LIKES: Namespace = Namespace::new("post_likes");
/// Together they bound how old a count can be on another node: one second.
const LIKES_CACHE: CacheConfig = CacheConfig {
    max_entries: 100_000,
    local_ttl: Duration::from_millis(500),
    redis_ttl: Duration::from_millis(500),
    negative_ttl: Duration::from_millis(500),
};
/// Counters that are compared by one statement.
const RECOUNT_BATCH: i64 = 1000;

/// Cached numbers of likes of posts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LikeCounts {
    cache: Cache<i64>,
}

/// Result of [`recount`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recount {
    /// Number of posts and comments that were counted.
    pub checked: u64,
    /// Posts whose counters were wrong, with the numbers before and after.
    pub posts: Vec<RepairedCounter>,
    /// Comments whose counters were wrong.
    pub comments: Vec<RepairedCounter>,
}

/// A counter that was wrong: likes, and comments of a post or replies to a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepairedCounter {
    /// Post or comment.
    pub id: Uuid,
    /// Likes and comments before.
    pub before: (i64, i64),
    /// Likes and comments as counted.
    pub after: (i64, i64),
}

impl LikeCounts {
    /// Creates the cache. Called once, at the start.
    pub fn new(caches: &Caches) -> Self {
        Self { cache: caches.cache(LIKES, LIKES_CACHE) }
    }

    /// Returns the numbers of likes of posts that the caller has shown to exist for its actor. A post that is gone has none.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn of_posts(&self, pool: &PgPool, posts: &[PostId]) -> Result<HashMap<PostId, i64>, Error> {
        let keys: Vec<String> = posts.iter().map(PostId::to_string).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let counts = self.cache.get_many(&keys, |missing| read(pool.clone(), missing)).await?;
        Ok(posts.iter().zip(counts).map(|(post, count)| (*post, count.unwrap_or(0))).collect())
    }

    /// Forgets the number of likes of a post, after a transaction that changed it has committed.
    pub async fn forget(&self, post: PostId) {
        self.cache.evict(&post.to_string()).await;
    }
}

async fn read(pool: PgPool, posts: Vec<String>) -> Result<HashMap<String, i64>, Error> {
    let ids: Vec<Uuid> = posts.iter().filter_map(|post| post.parse().ok()).collect();
    let mut connection = store::postgres::acquire(&pool).await?;
    let rows = sqlx::query!(
        r#"-- counters.read
         select requested.id as "id!", coalesce(counters.likes,
           (select count(*) from social.likes where likes.post_id = requested.id)) as "likes!"
         from unnest($1::uuid[]) as requested (id)
         left join social.post_counters as counters on counters.post_id = requested.id"#,
        &ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.to_string(), row.likes)).collect())
}

/// Adds to the number of likes of a post, and returns it.
pub(crate) async fn add_post_likes(
    connection: &mut PgConnection,
    post: PostId,
    number: i64,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        "-- counters.post_likes
         insert into social.post_counters as counters (post_id, likes) values ($1, $2)
         on conflict (post_id) do update set likes = counters.likes + $2 returning likes",
        post.0,
        number,
    )
    .fetch_one(connection)
    .await?)
}

/// Adds to the number of likes of a comment, and returns it.
pub(crate) async fn add_comment_likes(
    connection: &mut PgConnection,
    comment: CommentId,
    number: i64,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        "-- counters.comment_likes
         insert into social.comment_counters as counters (comment_id, likes) values ($1, $2)
         on conflict (comment_id) do update set likes = counters.likes + $2 returning likes",
        comment.0,
        number,
    )
    .fetch_one(connection)
    .await?)
}

/// Adds to the number of comments of a post.
pub(crate) async fn add_comments(
    connection: &mut PgConnection,
    post: PostId,
    number: i64,
) -> Result<(), Error> {
    sqlx::query!(
        "-- counters.comments
         insert into social.post_counters as counters (post_id, comments) values ($1, $2)
         on conflict (post_id) do update set comments = counters.comments + $2",
        post.0,
        number,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Begins the counters of a new comment, and counts it as a reply to the one above.
pub(crate) async fn begin_comment(
    connection: &mut PgConnection,
    comment: CommentId,
    parent: Option<CommentId>,
) -> Result<(), Error> {
    if let Some(parent) = parent {
        sqlx::query!(
            "-- counters.replies
             insert into social.comment_counters as counters (comment_id, replies) values ($1, 1)
             on conflict (comment_id) do update set replies = counters.replies + 1",
            parent.0,
        )
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query!(
        "-- counters.begin_comment
         insert into social.comment_counters (comment_id) values ($1)",
        comment.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts all likes and comments and repairs the counters that differ, each in a transaction of its own, so that writers wait for
/// one counter at most. For the owner at the command line.
///
/// # Errors
///
/// Fails if the actor is not an administrator, or the database fails.
pub async fn recount(pool: &PgPool, actor: &Actor) -> Result<Recount, Error> {
    if !actor.is_admin() {
        return Err(Error::NotAllowed("only administrators can do this".to_owned()));
    }
    let mut recount = Recount::default();
    let mut after = Uuid::nil();
    loop {
        let rows = sqlx::query!(
            r#"-- counters.compare_posts
             select post.id, counters.post_id is null
               or counters.likes <> (select count(*) from social.likes where likes.post_id = post.id)
               or counters.comments <> (select count(*) from social.comments as comment
                 where comment.post_id = post.id and comment.deleted_at is null and comment.hidden_at is null) as "differs!"
             from social.posts as post left join social.post_counters as counters on counters.post_id = post.id
             where post.id > $1 order by post.id limit $2"#,
            after,
            RECOUNT_BATCH,
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        recount.checked += rows.len() as u64;
        for row in rows.iter().filter(|row| row.differs) {
            recount.posts.extend(repair_post(pool, row.id).await?);
        }
    }
    let mut after = Uuid::nil();
    loop {
        let rows = sqlx::query!(
            r#"-- counters.compare_comments
             select comment.id, counters.comment_id is null
               or counters.likes <> (select count(*) from social.likes where likes.comment_id = comment.id)
               or counters.replies <> (select count(*) from social.comments as reply
                 where reply.post_id = comment.post_id and reply.parent_id = comment.id) as "differs!"
             from social.comments as comment
             left join social.comment_counters as counters on counters.comment_id = comment.id
             where comment.id > $1 order by comment.id limit $2"#,
            after,
            RECOUNT_BATCH,
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        recount.checked += rows.len() as u64;
        for row in rows.iter().filter(|row| row.differs) {
            recount.comments.extend(repair_comment(pool, row.id).await?);
        }
    }
    let repaired = (recount.posts.len() + recount.comments.len()) as u64;
    metrics::counter!("wenyuan_social_counters_repaired_total").increment(repaired);
    Ok(recount)
}

async fn repair_post(pool: &PgPool, id: Uuid) -> Result<Option<RepairedCounter>, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    // Locked first, and counted by a later statement: who has changed rows and waits for this lock will add what they changed.
    let before = sqlx::query!(
        "-- counters.hold_post
         insert into social.post_counters as counters (post_id)
         select id from social.posts where id = $1
         on conflict (post_id) do update set likes = counters.likes returning likes, comments",
        id,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(before) = before else { return Ok(None) };
    let after = sqlx::query!(
        r#"-- counters.repair_post
         update social.post_counters set likes = (select count(*) from social.likes where likes.post_id = $1),
           comments = (select count(*) from social.comments as comment
             where comment.post_id = $1 and comment.deleted_at is null and comment.hidden_at is null)
         where post_counters.post_id = $1 returning likes, comments"#,
        id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let (before, after) = ((before.likes, before.comments), (after.likes, after.comments));
    Ok((before != after).then_some(RepairedCounter { id, before, after }))
}

async fn repair_comment(pool: &PgPool, id: Uuid) -> Result<Option<RepairedCounter>, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let before = sqlx::query!(
        "-- counters.hold_comment
         insert into social.comment_counters as counters (comment_id)
         select id from social.comments where id = $1
         on conflict (comment_id) do update set likes = counters.likes returning likes, replies",
        id,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(before) = before else { return Ok(None) };
    let after = sqlx::query!(
        r#"-- counters.repair_comment
         update social.comment_counters set likes = (select count(*) from social.likes where likes.comment_id = $1),
           replies = (select count(*) from social.comments as reply
             join social.comments as comment on comment.id = reply.parent_id and comment.post_id = reply.post_id
             where comment.id = $1)
         where comment_counters.comment_id = $1 returning likes, replies"#,
        id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let (before, after) = ((before.likes, before.replies), (after.likes, after.replies));
    Ok((before != after).then_some(RepairedCounter { id, before, after }))
}
