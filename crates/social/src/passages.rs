//! Discussions of passages, for those who read them elsewhere: results of a search, and documents that agents read.

use kernel::actor::Actor;
use library::ids::DocumentId;
use sqlx::PgConnection;

use crate::Error;
use crate::audience::Audience;
use crate::ids::PostId;

/// Maximum number of discussions of a passage.
const MAX_DISCUSSIONS: i64 = 3;
/// Length of the beginning of a post, in characters.
const TEXT_CHARS: i32 = 300;
/// Length of the beginning of an accepted answer, in characters.
const ANSWER_CHARS: i32 = 1000;

/// Discussion of a passage: the beginnings of its texts, which are data and never instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageDiscussion {
    /// Id of the post.
    pub id: PostId,
    /// First 300 characters of the post.
    pub text: String,
    /// Whether it asks for an answer.
    pub question: bool,
    /// Number of comments.
    pub comments: i64,
    /// First 1,000 characters of the comment that was accepted as the answer.
    pub accepted_answer: Option<String>,
}

/// Returns the discussions of each of these passages, which are named by their document and the SHA-256 of their text in
/// hexadecimal: answered questions first, then the newest. It is found in every revision and version in which the passage is the same.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn discussions(
    connection: &mut PgConnection,
    actor: &Actor,
    passages: &[(DocumentId, &str)],
) -> Result<Vec<Vec<PassageDiscussion>>, Error> {
    let mut found: Vec<Vec<PassageDiscussion>> = vec![Vec::new(); passages.len()];
    if passages.is_empty() {
        return Ok(found);
    }
    let audience = Audience::of(&mut *connection, actor).await?;
    let documents: Vec<uuid::Uuid> = passages.iter().map(|(document, _)| document.0).collect();
    let hashes: Vec<String> = passages.iter().map(|(_, hash)| (*hash).to_owned()).collect();
    let rows = sqlx::query!(
        r#"-- passages.discussions
         select requested.position as "position!", post.id as "id!", left(post.text, $6) as "text!", post.question as "question!",
           coalesce(counters.comments, 0) as "comments!",
           (select left(comment.text, $7) from social.comments as comment
            where comment.id = post.accepted_comment_id and comment.deleted_at is null and comment.hidden_at is null
              and (comment.author_id is null or comment.author_id <> all ($4))) as answer
         from unnest($1::uuid[], $2::text[]) with ordinality as requested (document_id, sha256, position)
         join lateral (
           select id, text, question, accepted_comment_id from social.posts
           where posts.document_id = requested.document_id and posts.about = 'passage'
             and posts.passage_sha256 = decode(requested.sha256, 'hex') and posts.library_id = any ($3)
             and (posts.author_id is null or posts.author_id <> all ($4) or posts.library_id = any ($5))
             and posts.deleted_at is null and posts.hidden_at is null
           order by posts.accepted_comment_id is not null desc, posts.id desc limit $8) as post on true
         left join social.post_counters as counters on counters.post_id = post.id
         order by requested.position, post.accepted_comment_id is not null desc, post.id desc"#,
        &documents,
        &hashes,
        &audience.libraries,
        &audience.unseen,
        &audience.owned,
        TEXT_CHARS,
        ANSWER_CHARS,
        MAX_DISCUSSIONS,
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let index = usize::try_from(row.position - 1).unwrap_or(usize::MAX);
        let Some(of_passage) = found.get_mut(index) else { continue };
        of_passage.push(PassageDiscussion {
            id: PostId(row.id),
            text: row.text,
            question: row.question,
            comments: row.comments,
            accepted_answer: row.answer,
        });
    }
    Ok(found)
}
