//! Posts about answers, which are read from the actor's chats and stored in the post as they are now; and posts of deleted libraries.

use chat::chats::MessageId;
use chat::messages::{self, MessageRole, MessageStatus};
use chat::source::{Source, SourceKind};
use kernel::actor::Actor;
use library::catalogue::Library;
use library::libraries;
use social::posts::{self, AnswerSnapshot, CitedSource, NewSubject};
use sqlx::PgConnection;
use uuid::Uuid;

use super::error::{Error, Result};

/// Messages that are read by one statement.
const PAGE: usize = 200;

/// Returns the subject of a post about an answer in the actor's chats. It shows the answer to those who can read everything that it was
/// written from, cited or not, also by way of the conversation before it; nothing else of the chat is shown.
///
/// # Errors
///
/// Fails if the message does not exist for the actor, is no complete answer, or was written from a file of the chat, an external server
/// or a passage that is gone, which others cannot read.
pub(crate) async fn answer_subject(
    connection: &mut PgConnection,
    actor: &Actor,
    message: Uuid,
) -> Result<NewSubject> {
    let id = MessageId(message);
    let (chat, answer) = messages::find(&mut *connection, actor, id).await?;
    if answer.role != MessageRole::Assistant || answer.status != MessageStatus::Complete {
        return Err(Error::invalid("only a complete answer can be posted"));
    }
    let (mut question, mut passages, mut before) = (String::new(), Vec::new(), None);
    loop {
        let page = messages::branch(&mut *connection, actor, chat, Some(id), before.as_ref(), PAGE).await?;
        for earlier in page.items {
            passages.extend(passages_of(&earlier.sources)?);
            if Some(earlier.message_id) == answer.parent {
                question = earlier.content;
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    passages.sort_unstable();
    passages.dedup();
    let cited = answer.sources.into_iter().filter(|source| source.cited);
    let sources = cited.map(|source| {
        let is_passage = source.kind == SourceKind::Passage;
        CitedSource {
            number: source.number,
            title: source.title,
            library: source.library,
            version: source.version,
            path: source.path,
            passage_id: source.passage_id,
            sha256: is_passage.then_some(source.sha256),
            document_id: source.document_id,
            follows_active: source.follows_active,
            url: source.url,
        }
    });
    let snapshot = Box::new(AnswerSnapshot { question, text: answer.content, sources: sources.collect() });
    Ok(NewSubject::Answer { message, passages, snapshot })
}

/// Deletes a library, with all posts that nobody could read without it.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub(crate) async fn delete_library(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<()> {
    libraries::delete(&mut *connection, actor, library).await?;
    Ok(posts::delete_of_library(connection, library.id).await?)
}

/// Returns the passages among sources, all of which others must be able to read.
fn passages_of(sources: &[Source]) -> Result<Vec<Uuid>> {
    let mut passages = Vec::new();
    for source in sources {
        match source.kind {
            SourceKind::Web => {}
            SourceKind::Passage => passages.push(source.passage_id.ok_or_else(|| {
                Error::invalid("this answer was written from a passage that is gone: ask again")
            })?),
            SourceKind::File | SourceKind::Server => {
                return Err(Error::invalid(
                    "this answer was written from a file of your chat or an external server, which others cannot read",
                ));
            }
        }
    }
    Ok(passages)
}
