//! Life of an answer in the database: started together with its question, saved while it is written, finished or stopped.

use kernel::actor::Actor;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{MAX_QUESTION_CHARS, MessageRole, MessageStatus, absent, find, search_terms};
use crate::Error;
use crate::chats::{self, Chat, ChatId, MessageId, UNTITLED};
use crate::source::Source;

/// Time after the last sign of its writer until an answer counts as interrupted, in seconds.
const ANSWERING_SECONDS: f64 = 15.0;

/// Question that a chat is asked, and its position in the tree.
#[derive(Debug, Clone)]
pub enum QuestionAction {
    /// Asks a new question after this message, or after the last one of the branch that is shown.
    Ask { content: String, after: Option<MessageId> },
    /// Asks an edited question, as a sibling of the earlier one.
    Edit { message: MessageId, content: String },
    /// Answers an earlier question again; `message` is the question or one of its answers.
    Regenerate { message: MessageId },
}

impl QuestionAction {
    /// Returns the new question; empty if an earlier one is answered again.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Ask { content, .. } | Self::Edit { content, .. } => content,
            Self::Regenerate { .. } => "",
        }
    }
}

/// Question and the answer to be written to it. Only [`start_answer`] returns one, so its holder can write the answer.
#[derive(Debug, Clone)]
pub(crate) struct PendingAnswer {
    pub(crate) owner: Uuid,
    pub(crate) chat: Chat,
    pub(crate) question: String,
    pub(crate) question_id: MessageId,
    /// Parent of the question: the end of the conversation before it.
    pub(crate) parent: Option<MessageId>,
    pub(crate) answer_id: MessageId,
    /// Whether files are attached to the chat.
    pub(crate) has_files: bool,
    /// Primary key of the answer.
    row: i64,
}

/// Position of a question in the tree.
struct QuestionPosition {
    parent: Option<(i64, MessageId)>,
    /// Existing question to be answered again.
    question: Option<(i64, MessageId, String)>,
}

/// Writes the question, if it is new, and the start of its answer. The branch that is shown ends with them.
pub(crate) async fn start_answer(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    action: &QuestionAction,
    question_id: Option<MessageId>,
) -> Result<PendingAnswer, Error> {
    let owner = chats::owner_id(actor)?;
    let content = match action {
        QuestionAction::Ask { content, .. } | QuestionAction::Edit { content, .. } => {
            Some(validate_question(content)?)
        }
        QuestionAction::Regenerate { .. } => None,
    };
    let LockedChat { mut chat, has_files, position } =
        lock_chat(&mut *connection, owner, chat, action).await?;
    let (question, existing) = match (content, position.question) {
        (Some(content), _) => (content, None),
        (None, Some((row, id, content))) => (content, Some((row, id))),
        (None, None) => {
            return Err(Error::Invalid(
                "this answer has no question above it to be answered again".to_owned(),
            ));
        }
    };
    let question_id = existing.map_or_else(|| question_id.unwrap_or_else(MessageId::new), |(_, id)| id);
    let answer_id = MessageId::new();
    if chat.title == UNTITLED {
        chat.title = chats::title_of(&question);
    }
    let row = sqlx::query_scalar!(
        r#"-- messages.begin
         with asked as (
           insert into chat.messages (message_id, chat_id, parent_id, role, content, words)
           select $2, $1, $3, 'user', $4, array_to_tsvector($5) where $6::int8 is null
           returning id
         ), above as materialized (
           -- first: the id of the answer is assigned after that of the question
           select coalesce($6, (select id from asked)) as id
         ), answered as (
           insert into chat.messages (message_id, chat_id, parent_id, role, content, status, answering_until)
           select $7, $1, above.id, 'assistant', '', 'answering', now() + make_interval(secs => $8) from above
           returning id
         )
         update chat.chats set current_id = answered.id, updated_at = now(), title = $9 from answered where chats.id = $1
         returning answered.id"#,
        chat.id.0,
        question_id.0,
        position.parent.map(|(row, _)| row),
        question,
        &search_terms(owner, &question),
        existing.map(|(row, _)| row),
        answer_id.0,
        ANSWERING_SECONDS,
        chat.title,
    )
    .fetch_one(connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) {
        Some("messages_message_id_key") => {
            Error::Conflict("duplicate message id: choose another one, or leave it out".to_owned())
        }
        _ => error.into(),
    })?;
    chat.current = Some(answer_id.0);
    let parent = position.parent.map(|(_, id)| id);
    Ok(PendingAnswer { owner, chat, question, question_id, parent, answer_id, has_files, row })
}

/// Chat locked for a new question.
struct LockedChat {
    chat: Chat,
    has_files: bool,
    position: QuestionPosition,
}

/// Locks a chat, so that two simultaneous questions follow one another, and finds the position of the question.
async fn lock_chat(
    connection: &mut PgConnection,
    owner: Uuid,
    chat: ChatId,
    action: &QuestionAction,
) -> Result<LockedChat, Error> {
    // A statement of its own: one that waits for the lock sees the new chat, but the messages as they were before.
    sqlx::query!(
        "-- messages.hold
         select id from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        chat.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    let named = match action {
        QuestionAction::Ask { after, .. } => *after,
        QuestionAction::Edit { message, .. } | QuestionAction::Regenerate { message } => Some(*message),
    };
    let row = sqlx::query!(
        r#"-- messages.place
         select chat.id as "id: ChatId", chat.title, chat.focus_mode, chat.library, chat.version, chat.model, chat.pinned,
           chat.archived, chat.deleted_at, chat.created_at, chat.updated_at,
           exists (select from chat.files where files.chat_id = chat.id) as "has_files!",
           named.id as "named?", named.message_id as "named_id?: MessageId", named.role as "role?: MessageRole",
           named.content as "content?", (named.status = 'answering' and named.answering_until > now()) as "is_answering?",
           above.id as "above?", above.message_id as "above_id?: MessageId", above.content as "above_content?",
           above.parent_id as "higher?",
           (select message_id from chat.messages where id = above.parent_id) as "higher_id?: MessageId"
         from chat.chats as chat
         left join chat.messages as named on named.chat_id = chat.id
           and case when $3::uuid is null then named.id = chat.current_id else named.message_id = $3 end
         left join chat.messages as above on above.chat_id = chat.id and above.id = named.parent_id
         where chat.id = $1 and chat.owner_id = $2 and chat.deleted_at is null"#,
        chat.0,
        owner,
        named.map(|message| message.0),
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    if named.is_some() && row.named.is_none() {
        return Err(absent());
    }
    let above = row.above.zip(row.above_id);
    let position = match action {
        QuestionAction::Ask { .. } if row.is_answering == Some(true) => {
            return Err(Error::Conflict(
                "the previous answer is still being written: wait for it to end, or stop it".to_owned(),
            ));
        }
        QuestionAction::Ask { .. } => {
            QuestionPosition { parent: row.named.zip(row.named_id), question: None }
        }
        QuestionAction::Edit { .. } if row.role != Some(MessageRole::User) => {
            return Err(Error::Invalid("only a question can be edited".to_owned()));
        }
        QuestionAction::Edit { .. } => QuestionPosition { parent: above, question: None },
        QuestionAction::Regenerate { .. } => {
            let question = |row: Option<i64>, id: Option<MessageId>, content: Option<String>| {
                row.zip(id).zip(content).map(|((row, id), content)| (row, id, content))
            };
            if row.role == Some(MessageRole::User) {
                let question = question(row.named, row.named_id, row.content);
                QuestionPosition { parent: above, question }
            } else {
                let question = question(row.above, row.above_id, row.above_content);
                QuestionPosition { parent: row.higher.zip(row.higher_id), question }
            }
        }
    };
    let chat = Chat {
        id: row.id,
        title: row.title,
        focus_mode: row.focus_mode,
        library: row.library,
        version: row.version,
        model: row.model,
        pinned: row.pinned,
        archived: row.archived,
        deleted_at: row.deleted_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        current: None,
    };
    Ok(LockedChat { chat, has_files: row.has_files, position })
}

/// Returns the question as it is stored: trimmed, without U+0000.
///
/// # Errors
///
/// Fails if the question is empty or longer than [`MAX_QUESTION_CHARS`].
pub fn validate_question(question: &str) -> Result<String, Error> {
    let text = question.trim().replace('\0', "");
    let length = text.chars().count();
    if length == 0 || length > MAX_QUESTION_CHARS {
        return Err(Error::Invalid(format!(
            "a question has 1 to {MAX_QUESTION_CHARS} characters; this one has {length}: attach longer texts as a file"
        )));
    }
    Ok(text)
}

/// Writes the sources of an answer, before the model is asked.
pub(crate) async fn write_sources(
    connection: &mut PgConnection,
    answer: &PendingAnswer,
    sources: &[Source],
) -> Result<(), Error> {
    if sources.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_value(sources).map_err(|error| Error::Internal(error.to_string()))?;
    // Quotations are written in the order of their hashes, so that two answers that quote the same cannot deadlock.
    sqlx::query!(
        "-- messages.write_sources
         with given as (
           select * from jsonb_to_recordset($2) as given (number int4, rank int4, kind text, cited bool, passage_id uuid,
             sha256 text, character_from int4, character_to int4, library text, version text, follows_active bool,
             document_id uuid, path text, title text, section text[], page_from int4, page_to int4, url text,
             instruction text, also_in text[], content text)
         ), quoted as (
           insert into chat.quotes (sha256, content)
           select distinct on (sha256) decode(sha256, 'hex'), content from given order by sha256
           on conflict (sha256) do update set used_at = now()
         )
         insert into chat.message_sources (message_id, number, rank, kind, cited, passage_id, sha256, character_from,
           character_to, library, version, follows_active, document_id, path, title, section, page_from, page_to, url,
           instruction, also_in)
         select $1, number, rank, kind, cited, (select id from library.search_indices where id = passage_id),
           decode(sha256, 'hex'), character_from, character_to, library, version, follows_active, document_id, path,
           title, section, page_from, page_to, url, instruction, also_in
         from given",
        answer.row,
        rows,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Saves the text written so far and extends the writer's lease. Returns whether the answer is to be stopped.
pub(crate) async fn save_progress(
    connection: &mut PgConnection,
    answer: &PendingAnswer,
    text: &str,
) -> Result<bool, Error> {
    let stop = sqlx::query_scalar!(
        "-- messages.progress
         update chat.messages set content = $2, answering_until = now() + make_interval(secs => $3)
         where id = $1 and status = 'answering' returning stop_asked",
        answer.row,
        text,
        ANSWERING_SECONDS,
    )
    .fetch_optional(connection)
    .await?;
    // A row that is gone, or that another process has finished, needs no more text.
    Ok(stop.unwrap_or(true))
}

/// Final state of an answer.
#[derive(Debug, Clone)]
pub(crate) struct FinishedAnswer {
    pub(crate) text: String,
    pub(crate) status: MessageStatus,
    pub(crate) metadata: Value,
    /// Numbers of the sources it cites.
    pub(crate) cited: Vec<i32>,
}

/// Writes the final state of an answer.
pub(crate) async fn finish_answer(
    connection: &mut PgConnection,
    answer: &PendingAnswer,
    finished: &FinishedAnswer,
) -> Result<(), Error> {
    sqlx::query!(
        "-- messages.end
         with cited as (
           update chat.message_sources set cited = true where message_id = $1 and number = any ($5)
         )
         update chat.messages set content = $2, status = $3, metadata = $4, answering_until = null,
           words = array_to_tsvector($6)
         where id = $1",
        answer.row,
        finished.text,
        finished.status as MessageStatus,
        finished.metadata,
        &finished.cited,
        &search_terms(answer.owner, &finished.text),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Requests that an answer being written is stopped, on whichever node writes it.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the message does not exist for the actor.
pub async fn stop(connection: &mut PgConnection, actor: &Actor, id: MessageId) -> Result<(), Error> {
    let (_, message) = find(&mut *connection, actor, id).await?;
    sqlx::query!(
        "-- messages.stop
         update chat.messages set stop_asked = true where id = $1 and status = 'answering'",
        message.id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks answers whose writers have disappeared as interrupted, and returns their number. Maintenance: acts for no user.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn mark_interrupted(connection: &mut PgConnection) -> Result<u64, Error> {
    let marked = sqlx::query!(
        "-- messages.mark_interrupted
         update chat.messages set status = 'interrupted', answering_until = null
         where status = 'answering' and answering_until < now() - interval '1 minute'"
    )
    .execute(connection)
    .await?;
    Ok(marked.rows_affected())
}
