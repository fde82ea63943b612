//! Posts about answers: the answer is read from the actor's chats, and stored in the post as it is now.

use chat::chats::MessageId;
use chat::messages::{self, MessageRole, MessageStatus};
use kernel::actor::Actor;
use social::posts::{AnswerSnapshot, CitedSource, NewSubject};
use sqlx::PgConnection;
use uuid::Uuid;

use super::error::{Error, Result};

/// Returns the subject of a post about an answer in the actor's chats. It shows the answer to those who can read all libraries that it
/// cites; nothing else of the chat is shown.
///
/// # Errors
///
/// Fails if the message does not exist for the actor, is no complete answer, or cites a file of the chat or an external server, which
/// others cannot read.
pub(crate) async fn answer_subject(
    connection: &mut PgConnection,
    actor: &Actor,
    message: Uuid,
) -> Result<NewSubject> {
    let (_, answer) = messages::find(&mut *connection, actor, MessageId(message)).await?;
    if answer.role != MessageRole::Assistant || answer.status != MessageStatus::Complete {
        return Err(Error::invalid("only a complete answer can be posted"));
    }
    let question = match answer.parent {
        Some(parent) => messages::find(connection, actor, MessageId(parent)).await?.1.content,
        None => String::new(),
    };
    let cited: Vec<_> = answer.sources.iter().filter(|source| source.cited).collect();
    let is_private = |kind| matches!(kind, chat::source::SourceKind::File | chat::source::SourceKind::Server);
    if cited.iter().any(|source| is_private(source.kind)) {
        return Err(Error::invalid(
            "this answer cites a file of your chat or an external server, which others cannot read",
        ));
    }
    let mut libraries: Vec<String> = cited.iter().filter_map(|source| source.library.clone()).collect();
    libraries.sort();
    libraries.dedup();
    let sources = cited
        .into_iter()
        .map(|source| CitedSource {
            number: source.number,
            title: source.title.clone(),
            library: source.library.clone(),
            version: source.version.clone(),
            path: source.path.clone(),
            passage_id: source.passage_id,
            url: source.url.clone(),
        })
        .collect();
    let snapshot = Box::new(AnswerSnapshot { question, text: answer.content, sources });
    Ok(NewSubject::Answer { message, libraries, snapshot })
}
