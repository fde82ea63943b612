//! Adding, editing, deleting and restoring posts, by their authors.

use std::collections::BTreeSet;

use kernel::actor::{Actor, UserId};
use library::ids::LibraryId;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{NewPost, NewSubject, Post, SubjectKind, find};
use crate::Error;
use crate::allowance::{self, Writing};
use crate::audience::{Audience, require_writer};
use crate::ids::PostId;
use crate::markdown;
use crate::notifications::{self, Event, Kind};

/// Maximum length of a post, in characters.
pub const MAX_POST_CHARS: usize = 20_000;
/// Maximum number of tags that a post takes from its document.
const MAX_DOCUMENT_TAGS: usize = 20;

/// Partial update of a post; `None` keeps a value.
#[derive(Debug, Clone, Default)]
pub struct PostChange {
    /// Text as Markdown.
    pub text: Option<String>,
    /// Whether it asks for an answer.
    pub question: Option<bool>,
}

/// Columns of a subject.
#[derive(Default)]
struct SubjectColumns {
    library: Option<Uuid>,
    other_libraries: Vec<Uuid>,
    version: Option<Uuid>,
    document: Option<Uuid>,
    passage: Option<Uuid>,
    passage_sha256: Option<Vec<u8>>,
    section: Vec<String>,
    tags: Vec<String>,
}

/// Adds a post. Who is mentioned in it is notified.
///
/// # Errors
///
/// Fails if the subject does not exist for the actor, the text is out of its bounds, the actor is no person, their API key lacks
/// the scope, or they have written too much lately.
pub async fn add(connection: &mut PgConnection, actor: &Actor, new: &NewPost) -> Result<Post, Error> {
    let author = require_writer(actor)?;
    let is_answer = matches!(new.about, NewSubject::Answer { .. });
    let text = checked_text(&new.text, is_answer)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    let subject = resolve(&mut *connection, &audience, &new.about).await?;
    allowance::spend(&mut *connection, author, Writing::Post).await?;
    let id = PostId::new();
    let (kind, answer_id, answer) = match &new.about {
        NewSubject::Nothing => (SubjectKind::Nothing, None, None),
        NewSubject::Library(_) => (SubjectKind::Library, None, None),
        NewSubject::Version(..) => (SubjectKind::Version, None, None),
        NewSubject::Document(_) => (SubjectKind::Document, None, None),
        NewSubject::Passage(_) => (SubjectKind::Passage, None, None),
        NewSubject::Answer { message, snapshot, .. } => {
            (SubjectKind::Answer, Some(message), Some(Json(&**snapshot)))
        }
    };
    sqlx::query!(
        "-- posts.add
         insert into social.posts (id, author_id, via, about, library_id, other_libraries, version_id, document_id, passage_id,
           passage_sha256, section, answer_id, answer, text, question)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        id.0,
        author.0,
        actor.key_name(),
        kind as SubjectKind,
        subject.library,
        &subject.other_libraries,
        subject.version,
        subject.document,
        subject.passage,
        subject.passage_sha256,
        &subject.section,
        answer_id,
        answer as Option<Json<&super::AnswerSnapshot>>,
        text,
        new.question,
    )
    .execute(&mut *connection)
    .await?;
    let names = markdown::names(text);
    let mut tags = names.tags;
    tags.extend(subject.tags.iter().filter_map(|tag| markdown::tag(tag)).take(MAX_DOCUMENT_TAGS));
    add_tags(&mut *connection, id, &tags).await?;
    mention(&mut *connection, author, id, subject.library, &names.mentions).await?;
    sqlx::query!(
        "-- counters.begin_post
         insert into social.post_counters (post_id) values ($1)",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await?.ok_or_else(Error::no_post)
}

/// Changes a post of the actor. The text before is kept.
///
/// # Errors
///
/// Fails if the post does not exist for the actor or is deleted, belongs to somebody else, or the text is out of its bounds.
pub async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    id: PostId,
    change: &PostChange,
) -> Result<Post, Error> {
    let author = own(&mut *connection, actor, id).await?;
    let before = sqlx::query!(
        r#"-- posts.hold
         select text, answer is not null as "is_answer!", library_id, question,
           coalesce((select tags from library.documents where documents.id = posts.document_id), '{}') as "document_tags!"
         from social.posts where id = $1 and deleted_at is null for no key update of posts"#,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| Error::Conflict("this post is deleted: restore it first".to_owned()))?;
    let text = match &change.text {
        Some(text) => checked_text(text, before.is_answer)?,
        None => &before.text,
    };
    if text != before.text {
        allowance::spend(&mut *connection, author, Writing::Post).await?;
        sqlx::query!(
            "-- posts.keep_revision
             insert into social.post_revisions (post_id, number, text)
             select $1, coalesce(max(number), 0) + 1, $2 from social.post_revisions where post_id = $1",
            id.0,
            before.text,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "-- posts.edit
             update social.posts set text = $2, edited_at = now() where id = $1",
            id.0,
            text,
        )
        .execute(&mut *connection)
        .await?;
        let (old, new) = (markdown::names(&before.text), markdown::names(text));
        // The document has its tags whether or not the text names them.
        let kept: BTreeSet<String> =
            before.document_tags.iter().filter_map(|tag| markdown::tag(tag)).collect();
        let removed: Vec<String> =
            old.tags.difference(&new.tags).filter(|tag| !kept.contains(*tag)).cloned().collect();
        sqlx::query!(
            "-- posts.remove_tags
             delete from social.post_tags where post_id = $1 and tag = any ($2)",
            id.0,
            &removed,
        )
        .execute(&mut *connection)
        .await?;
        add_tags(&mut *connection, id, &new.tags).await?;
        mention(&mut *connection, author, id, before.library_id, &new.mentions).await?;
    }
    if let Some(question) = change.question
        && question != before.question
    {
        sqlx::query!(
            "-- posts.set_question
             update social.posts set question = $2 where id = $1",
            id.0,
            question,
        )
        .execute(&mut *connection)
        .await?;
    }
    find(connection, actor, id).await?.ok_or_else(Error::no_post)
}

/// Deletes a post of the actor; it can be restored. Deleting it twice changes nothing.
///
/// # Errors
///
/// Fails if the post does not exist for the actor or belongs to somebody else.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: PostId) -> Result<(), Error> {
    own(&mut *connection, actor, id).await?;
    sqlx::query!(
        "-- posts.delete
         update social.posts set deleted_at = coalesce(deleted_at, now()) where id = $1",
        id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Restores a deleted post of the actor.
///
/// # Errors
///
/// Fails if the post does not exist for the actor or belongs to somebody else.
pub async fn restore(connection: &mut PgConnection, actor: &Actor, id: PostId) -> Result<Post, Error> {
    own(&mut *connection, actor, id).await?;
    sqlx::query!(
        "-- posts.restore
         update social.posts set deleted_at = null where id = $1",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await?.ok_or_else(Error::no_post)
}

/// Deletes the posts about answers that were written from a library that is being deleted, among others: nobody could read them any
/// more. Called in the transaction of the deletion, whose authority it relies on.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn delete_of_library(connection: &mut PgConnection, library: LibraryId) -> Result<(), Error> {
    sqlx::query!(
        "-- posts.delete_of_library
         delete from social.posts where $1 = any (other_libraries)",
        library.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Fails unless the post exists for the actor and is theirs.
async fn own(connection: &mut PgConnection, actor: &Actor, id: PostId) -> Result<UserId, Error> {
    let audience = Audience::of(&mut *connection, actor).await?;
    let post = super::access(connection, &audience, id).await?;
    let author = require_writer(actor)?;
    if post.author == Some(author.0) {
        return Ok(author);
    }
    Err(Error::NotAllowed("only its author can change a post".to_owned()))
}

fn checked_text(text: &str, is_answer: bool) -> Result<&str, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length > MAX_POST_CHARS || (length == 0 && !is_answer) {
        return Err(Error::Invalid(format!(
            "a post has 1 to {MAX_POST_CHARS} characters; this one has {length}"
        )));
    }
    Ok(text)
}

/// Returns the columns of a subject that the actor can read.
async fn resolve(
    connection: &mut PgConnection,
    audience: &Audience,
    subject: &NewSubject,
) -> Result<SubjectColumns, Error> {
    let columns = match subject {
        NewSubject::Nothing if audience.general => return Ok(SubjectColumns::default()),
        NewSubject::Nothing => {
            return Err(Error::NotAllowed(
                "this API key is confined to libraries: write about one of them".to_owned(),
            ));
        }
        NewSubject::Library(name) => sqlx::query_scalar!(
            "-- posts.subject_library
             select id from library.libraries where name = $1",
            name.as_str(),
        )
        .fetch_optional(connection)
        .await?
        .filter(|id| audience.reads(*id))
        .map(|id| SubjectColumns { library: Some(id), ..SubjectColumns::default() })
        .ok_or_else(|| library::Error::NoLibrary { name: name.to_string(), nearest: None })?,
        NewSubject::Version(name, label) => sqlx::query!(
            "-- posts.subject_version
             select library.id, version.id as version from library.libraries as library
             join library.versions as version on version.library_id = library.id
             where library.name = $1 and version.label = $2",
            name.as_str(),
            label.as_str(),
        )
        .fetch_optional(connection)
        .await?
        .filter(|row| audience.reads(row.id))
        .map(|row| SubjectColumns {
            library: Some(row.id),
            version: Some(row.version),
            ..SubjectColumns::default()
        })
        .ok_or_else(|| Error::NotFound(format!("there is no library {name} with a version {label}")))?,
        NewSubject::Document(document) => sqlx::query!(
            "-- posts.subject_document
             select library_id, tags from library.documents where id = $1",
            document.0,
        )
        .fetch_optional(connection)
        .await?
        .filter(|row| audience.reads(row.library_id))
        .map(|row| SubjectColumns {
            library: Some(row.library_id),
            document: Some(document.0),
            tags: row.tags,
            ..SubjectColumns::default()
        })
        .ok_or(library::Error::NoDocument)?,
        NewSubject::Passage(passage) => sqlx::query!(
            "-- posts.subject_passage
             select document.library_id, document.id as document, revision.version_id, document.tags, passage.sha256,
               passage.section
             from library.search_indices as passage
             join library.document_versions as revision on revision.id = passage.document_version_id
             join library.documents as document on document.id = revision.document_id
             where passage.id = $1",
            passage,
        )
        .fetch_optional(connection)
        .await?
        .filter(|row| audience.reads(row.library_id))
        .map(|row| SubjectColumns {
            library: Some(row.library_id),
            version: Some(row.version_id),
            document: Some(row.document),
            passage: Some(*passage),
            passage_sha256: Some(row.sha256),
            section: row.section,
            tags: row.tags,
            ..SubjectColumns::default()
        })
        .ok_or_else(|| Error::NotFound(format!("there is no passage {passage}")))?,
        NewSubject::Answer { passages, .. } => {
            // By the passages and not by the names of libraries, which another library may have by now.
            let rows = sqlx::query!(
                r#"-- posts.subject_passages
                 select document.library_id, count(*) as "passages!"
                 from library.search_indices as passage
                 join library.document_versions as revision on revision.id = passage.document_version_id
                 join library.documents as document on document.id = revision.document_id
                 where passage.id = any ($1) group by document.library_id order by document.library_id"#,
                passages,
            )
            .fetch_all(connection)
            .await?;
            let distinct: BTreeSet<&Uuid> = passages.iter().collect();
            let found: i64 = rows.iter().map(|row| row.passages).sum();
            if usize::try_from(found) != Ok(distinct.len()) || !rows.iter().all(|row| audience.reads(row.library_id)) {
                return Err(Error::NotAllowed(
                    "this answer was written from a passage that is gone, or that you cannot read any more".to_owned(),
                ));
            }
            let mut ids: Vec<Uuid> = rows.into_iter().map(|row| row.library_id).collect();
            let library = (!ids.is_empty()).then(|| ids.remove(0));
            SubjectColumns { library, other_libraries: ids, ..SubjectColumns::default() }
        }
    };
    Ok(columns)
}

async fn add_tags(connection: &mut PgConnection, post: PostId, tags: &BTreeSet<String>) -> Result<(), Error> {
    let tags: Vec<String> = tags.iter().cloned().collect();
    sqlx::query!(
        "-- posts.add_tags
         insert into social.post_tags (tag, post_id) select tag, $1 from unnest($2::text[]) as tag
         on conflict (tag, post_id) do nothing",
        post.0,
        &tags,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn mention(
    connection: &mut PgConnection,
    author: UserId,
    post: PostId,
    library: Option<Uuid>,
    names: &BTreeSet<String>,
) -> Result<(), Error> {
    let event = Event {
        kind: Kind::Mention,
        key: format!("post:{post}"),
        actor: author,
        post: Some(post),
        comment: None,
        conversation: None,
        library,
    };
    notifications::mention(connection, &event, names).await
}
