//! Chats and messages by the ids that clients of Perplexica assign, which are not UUIDs. Our own ids work as well.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ChatRecord, chat_id, import};
use crate::Error;
use crate::chats::{self, ChatId, MessageId};
use crate::focus::Focus;

/// Maximum length of an external id, in characters.
pub const MAX_ID_CHARS: usize = 200;

/// Chat in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSummary {
    /// Our id.
    pub id: ChatId,
    /// Id assigned by a client, if any.
    pub external_id: Option<String>,
    /// Title.
    pub title: String,
    /// Focus mode.
    pub focus_mode: String,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Files: ids and names.
    pub files: Vec<(Uuid, String)>,
}

/// Returns a page of the actor's chats by creation time, newest first.
///
/// # Errors
///
/// Fails if the actor has no chats or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<ChatSummary>, Error> {
    let owner = chats::owner_id(actor)?;
    let before: Option<(DateTime<Utc>, Uuid)> = cursor
        .map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string())))
        .transpose()?;
    let (at, id) = before.unzip();
    let rows = sqlx::query!(
        r#"-- compatible.list
         select chat.id as "id: ChatId", external_id, title, focus_mode, created_at,
           array(select file_id from chat.files where chat_id = chat.id order by id) as "file_ids!",
           array(select file_name from chat.files where chat_id = chat.id order by id) as "file_names!"
         from chat.chats as chat
         where owner_id = $1 and deleted_at is null and ($2::timestamptz is null or (created_at, id) < ($2, $3))
         order by created_at desc, id desc limit $4"#,
        owner,
        at,
        id,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let chats = rows.into_iter().map(|row| ChatSummary {
        id: row.id,
        external_id: row.external_id,
        title: row.title,
        focus_mode: row.focus_mode,
        created_at: row.created_at,
        files: row.file_ids.into_iter().zip(row.file_names).collect(),
    });
    Ok(Page::from_rows(chats.collect(), limit, |last| Cursor::encode(&(last.created_at, last.id.0))))
}

/// Returns the actor's chat with this id, ours or external.
///
/// # Errors
///
/// Fails if the actor has no chats or the database fails.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: &str) -> Result<Option<ChatId>, Error> {
    let owner = chats::owner_id(actor)?;
    let found = sqlx::query_scalar!(
        r#"-- compatible.find
         select id as "id: ChatId" from chat.chats
         where owner_id = $1 and deleted_at is null and (id = any ($2) or external_id = $3)
         order by id = any ($2) desc, created_at desc limit 1"#,
        owner,
        &[chat_id(id), import::derived_id(owner, chat_id(id))][..],
        id,
    );
    Ok(found.fetch_optional(connection).await?)
}

/// Like [`find`], but creates the chat if it does not exist.
///
/// # Errors
///
/// Fails if the id is invalid or belongs to a deleted chat of the actor.
pub async fn find_or_create(
    connection: &mut PgConnection,
    actor: &Actor,
    external_id: &str,
    focus: Focus,
) -> Result<ChatId, Error> {
    check(external_id)?;
    if let Some(found) = find(connection, actor, external_id).await? {
        return Ok(found);
    }
    let owner = chats::owner_id(actor)?;
    let id = chat_id(external_id);
    let now = import::now(connection).await?;
    let chat = ChatRecord {
        id,
        // Also if it equals our id, which may be taken by another user's chat.
        external_id: Some(external_id.to_owned()),
        title: chats::UNTITLED.to_owned(),
        focus_mode: focus.as_str().to_owned(),
        library: None,
        version: None,
        model: None,
        pinned: false,
        archived: false,
        created_at: now,
        updated_at: now,
        current: None,
        messages: Vec::new(),
        files: Vec::new(),
    };
    let user = actor.user_id().map(|user| user.0);
    let (id, is_new) = import::ensure_chat(connection, owner, user, &chat).await?;
    if !is_new {
        // A client still shows a chat that its owner has deleted; a question does not restore it.
        return Err(Error::Conflict(
            "this chat is deleted: restore it first, or start another one".to_owned(),
        ));
    }
    Ok(ChatId(id))
}

/// Returns the newest question with this id, ours or external, in a chat of the actor, and its text.
///
/// # Errors
///
/// Fails if the actor has no chats or the database fails.
pub async fn find_question(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    id: &str,
) -> Result<Option<(MessageId, String)>, Error> {
    let owner = chats::owner_id(actor)?;
    let found = sqlx::query!(
        r#"-- compatible.question
         select message.message_id as "id: MessageId", message.content
         from chat.messages as message join chat.chats as chat on chat.id = message.chat_id
         where chat.id = $1 and chat.owner_id = $2 and message.role = 'user'
           and (message.message_id::text = lower($3) or message.metadata ->> 'external_id' = $3)
         order by message.id desc limit 1"#,
        chat.0,
        owner,
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|row| (row.id, row.content)))
}

/// Checks an external id.
///
/// # Errors
///
/// Fails if it is empty, too long or has control characters.
pub fn check(external_id: &str) -> Result<(), Error> {
    let is_valid = (1..=MAX_ID_CHARS).contains(&external_id.chars().count())
        && !external_id.chars().any(char::is_control);
    if is_valid {
        return Ok(());
    }
    Err(Error::Invalid(format!("invalid id: use 1 to {MAX_ID_CHARS} printable characters")))
}

/// Stores the external id of a question of the actor.
///
/// # Errors
///
/// Fails if the id is invalid, the actor has no chats or the database fails.
pub async fn set_external_id(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    question: MessageId,
    external_id: &str,
) -> Result<(), Error> {
    let owner = chats::owner_id(actor)?;
    check(external_id)?;
    if external_id == question.to_string() {
        return Ok(());
    }
    sqlx::query!(
        "-- compatible.call
         update chat.messages as message set metadata = message.metadata || jsonb_build_object('external_id', $4::text)
         from chat.chats as chat
         where message.message_id = $1 and message.chat_id = $2 and chat.id = $2 and chat.owner_id = $3",
        question.0,
        chat.0,
        owner,
        external_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}
