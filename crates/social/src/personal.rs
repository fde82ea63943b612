//! Data of a person to take along: texts that they have written, and things that they have done.

use futures::stream::{Stream, StreamExt as _};
use kernel::actor::Actor;
use sqlx::PgConnection;

use crate::audience::Audience;
use crate::{Error, require_person};

/// Returns what the actor has written and done: posts, comments and their earlier texts, likes, follows, mutes, blocks, how often they
/// want mail, messages that they sent, and reports, deleted ones too. Each record is a JSON object with its `kind`. Libraries that the
/// actor cannot read any more are not named, and answers that were written from them are left out.
///
/// The connection is held until all is read.
///
/// # Errors
///
/// Fails unless the actor is a person, and if the database fails.
pub async fn records(
    connection: &mut PgConnection,
    actor: &Actor,
) -> Result<impl Stream<Item = Result<String, Error>>, Error> {
    let user = require_person(actor)?;
    let libraries = Audience::of(&mut *connection, actor).await?.libraries;
    let rows = sqlx::query_scalar!(
        r#"-- personal.records
         select json_build_object('kind', 'post', 'id', post.id, 'about', post.about, 'library', library.name, 'version', version.label,
             'document', document.path, 'section', post.section, 'text', post.text,
             -- who may read no more all that an answer was written from does not take it along
             'answer', case when post.other_libraries <@ $2 and (post.library_id is null or post.library_id = any ($2)) then post.answer end,
             'question', post.question,
             'via', post.via, 'created_at', post.created_at, 'edited_at', post.edited_at, 'deleted_at', post.deleted_at)::text as "record!"
         from social.posts as post
         left join library.libraries as library on library.id = post.library_id and library.id = any ($2)
         left join library.versions as version on version.id = post.version_id and version.library_id = library.id
         left join library.documents as document on document.id = post.document_id and document.library_id = library.id
         where post.author_id = $1
         union all
         select json_build_object('kind', 'earlier_post', 'post_id', post_id, 'number', number, 'text', revision.text,
             'replaced_at', replaced_at)::text
         from social.post_revisions as revision join social.posts as post on post.id = revision.post_id where post.author_id = $1
         union all
         select json_build_object('kind', 'comment', 'id', id, 'post_id', post_id, 'parent_id', parent_id, 'text', text, 'via', via,
             'created_at', created_at, 'edited_at', edited_at, 'deleted_at', deleted_at)::text
         from social.comments where author_id = $1
         union all
         select json_build_object('kind', 'earlier_comment', 'comment_id', comment_id, 'number', number, 'text', revision.text,
             'replaced_at', replaced_at)::text
         from social.comment_revisions as revision join social.comments as comment on comment.id = revision.comment_id
         where comment.author_id = $1
         union all
         select json_build_object('kind', 'like', 'post_id', post_id, 'comment_id', comment_id, 'created_at', created_at)::text
         from social.likes where user_id = $1
         union all
         select json_build_object('kind', 'follow', 'person', person.username, 'library', library.name, 'document', document.path,
             'tag', follow.tag, 'created_at', follow.created_at)::text
         from social.follows as follow
         left join identity.users as person on person.id = follow.user_id
         left join library.documents as document on document.id = follow.document_id and document.library_id = any ($2)
         left join library.libraries as library on library.id = coalesce(follow.library_id, document.library_id) and library.id = any ($2)
         where follow.follower_id = $1
         union all
         select json_build_object('kind', 'mute', 'person', person.username, 'created_at', mute.created_at)::text
         from social.mutes as mute join identity.users as person on person.id = mute.muted_id where mute.user_id = $1
         union all
         select json_build_object('kind', 'block', 'person', person.username, 'created_at', block.created_at)::text
         from social.blocks as block join identity.users as person on person.id = block.blocked_id where block.user_id = $1
         union all
         select json_build_object('kind', 'mail_preference', 'about', mail.kind, 'frequency', frequency)::text
         from social.mail_preferences as mail where user_id = $1
         union all
         select json_build_object('kind', 'message', 'conversation_id', conversation_id, 'number', number, 'text', text,
             'created_at', created_at, 'deleted_at', deleted_at)::text
         from social.messages where sender_id = $1
         union all
         select json_build_object('kind', 'report', 'post_id', post_id, 'comment_id', comment_id, 'reason', reason,
             'created_at', created_at, 'resolution', resolution)::text
         from social.reports where reporter_id = $1"#,
        user.0,
        &libraries,
    )
    .fetch(connection);
    Ok(rows.map(|row| row.map_err(Error::from)))
}
