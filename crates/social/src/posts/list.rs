//! Lists of posts, from the newest to the oldest.

use std::collections::HashMap;

use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Limits, Page};
use sqlx::PgConnection;

use super::{Post, PostList, PostRow, position, query_posts};
use crate::Error;
use crate::audience::{Audience, require_person};

/// Returns a page of posts, the newest first.
///
/// # Errors
///
/// Fails for an invalid cursor, and for deleted posts if the actor is not a person.
#[expect(clippy::too_many_lines, reason = "a statement for each list, so that each walks its index")]
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    which: &PostList,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Post>, Error> {
    let before = position(after)?;
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let audience = Audience::of(&mut *connection, actor).await?;
    let rows = match which {
        PostList::All => {
            query_posts!(
                "-- posts.all",
                r#"from social.shown_posts as post
                 where (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
                   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($7))
                   and post.deleted_at is null and post.hidden_at is null and post.id < $5
                 order by post.id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Unanswered => {
            query_posts!(
                "-- posts.unanswered",
                r#"from social.shown_posts as post
                 where (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
                   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($7))
                   and post.question and post.accepted_comment_id is null
                   and post.deleted_at is null and post.hidden_at is null and post.id < $5
                 order by post.id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Library(library) => {
            query_posts!(
                "-- posts.of_library",
                r#"from social.shown_posts as post
                 where post.library_id = $7 and post.library_id = any ($2) and $3::bool is not null
                   and post.other_libraries <@ $2
                   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($8))
                   and post.deleted_at is null and post.hidden_at is null and post.id < $5
                 order by post.id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                library.0,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Document(document) => {
            query_posts!(
                "-- posts.of_document",
                r#"from social.shown_posts as post
                 where post.document_id = $7 and post.library_id = any ($2) and $3::bool is not null
                   and post.other_libraries <@ $2
                   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($8))
                   and post.deleted_at is null and post.hidden_at is null and post.id < $5
                 order by post.id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                document.0,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Author(author) => {
            query_posts!(
                "-- posts.of_author",
                r#"from social.shown_posts as post
                 where post.author_id = $7 and (post.library_id = any ($2) or (post.library_id is null and $3))
                   and post.other_libraries <@ $2
                   and (post.author_id <> all ($4) or post.library_id = any ($8))
                   and post.deleted_at is null and post.hidden_at is null and post.id < $5
                 order by post.id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                author.0,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Tag(tag) => {
            query_posts!(
                "-- posts.of_tag",
                r#"from social.post_tags as tagged join social.shown_posts as post on post.id = tagged.post_id
                 where tagged.tag = $7 and (post.library_id = any ($2) or (post.library_id is null and $3))
                   and post.other_libraries <@ $2
                   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($8))
                   and post.deleted_at is null and post.hidden_at is null and tagged.post_id < $5
                 order by tagged.post_id desc limit $6"#,
                audience.viewer,
                &audience.libraries,
                audience.general,
                &audience.unseen,
                before,
                rows,
                tag,
                &audience.owned,
            )
            .fetch_all(connection)
            .await?
        }
        PostList::Deleted => {
            let author = require_person(actor)?;
            query_posts!(
                "-- posts.deleted",
                r#"from social.shown_posts as post
                 where post.author_id = $1 and post.deleted_at is not null
                   and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
                   and post.id < $4
                 order by post.id desc limit $5"#,
                author.0,
                &audience.libraries,
                audience.general,
                before,
                rows,
            )
            .fetch_all(connection)
            .await?
        }
    };
    let rows = rows.into_iter().map(Post::from).collect();
    Ok(Page::from_rows(rows, limit, cursor))
}

/// Returns the first page of the posts of each of these authors, the newest first, by one statement. The number beside an author limits
/// their page. Whoever has none that the actor sees, is deactivated or blocks the actor is left out, and everybody for the anonymous, as
/// [`people::find_by_name`](crate::people::find_by_name) has them.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn first_of_authors(
    connection: &mut PgConnection,
    actor: &Actor,
    limits: &Limits<UserId>,
) -> Result<HashMap<UserId, Page<Post>>, Error> {
    if actor.is_anonymous() {
        return Ok(HashMap::new());
    }
    let audience = Audience::of(&mut *connection, actor).await?;
    let (authors, wanted) = limits.to_rows(|author| author.0);
    let rows = query_posts!(
        "-- posts.first_of_authors",
        r#"from unnest($5::uuid[], $6::int8[]) as requested (id, wanted)
         join identity.users as person on person.id = requested.id and person.is_active
           and not exists (select from social.blocks where user_id = person.id and blocked_id = $1)
         cross join lateral (
           select shown.* from social.shown_posts as shown
           where shown.author_id = requested.id and (shown.library_id = any ($2) or (shown.library_id is null and $3))
             and shown.other_libraries <@ $2
             and (shown.author_id <> all ($4) or shown.library_id = any ($7))
             and shown.deleted_at is null and shown.hidden_at is null
           order by shown.id desc limit requested.wanted
         ) as post
         order by requested.id, post.id desc"#,
        audience.viewer,
        &audience.libraries,
        audience.general,
        &audience.unseen,
        &authors,
        &wanted,
        &audience.owned,
    )
    .fetch_all(connection)
    .await?;
    let of_author = |row: PostRow| Some((UserId(row.author_id?), Post::from(row)));
    Ok(Page::of_lists(rows.into_iter().filter_map(of_author), limits, cursor))
}

fn cursor(post: &Post) -> Cursor {
    Cursor::encode(&post.id.0)
}
