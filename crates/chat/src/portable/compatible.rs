//! Chats as the clients of Perplexica call them: by ids of their own, which are no UUIDs. An id of ours is taken as well.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Chat, chat_id, import};
use crate::Error;
use crate::chats::{self, ChatId, MessageId};
use crate::focus::Focus;

/// The longest id of others.
const LONGEST_ID: usize = 200;

/// A chat in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id here.
    pub id: ChatId,
    /// What the client calls it, where that is something else.
    pub external_id: Option<String>,
    /// Its title.
    pub title: String,
    /// What it asks.
    pub focus_mode: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// Its files: their ids and names.
    pub files: Vec<(Uuid, String)>,
}

/// The actor's chats, the one begun last first.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Listed>, Error> {
    let owner = chats::owner(actor)?;
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
    let listed = rows.into_iter().map(|row| Listed {
        id: row.id,
        external_id: row.external_id,
        title: row.title,
        focus_mode: row.focus_mode,
        created_at: row.created_at,
        files: row.file_ids.into_iter().zip(row.file_names).collect(),
    });
    Ok(Page::cut(listed.collect(), limit, |last| Cursor::encode(&(last.created_at, last.id.0))))
}

/// The chat of the actor's that is called this, by an id of ours or of the client's.
pub async fn find(connection: &mut PgConnection, actor: &Actor, name: &str) -> Result<Option<ChatId>, Error> {
    let owner = chats::owner(actor)?;
    let found = sqlx::query_scalar!(
        r#"-- compatible.find
         select id as "id: ChatId" from chat.chats
         where owner_id = $1 and deleted_at is null and (id = any ($2) or external_id = $3)
         order by id = any ($2) desc, created_at desc limit 1"#,
        owner,
        &[chat_id(name), import::derived(owner, chat_id(name))][..],
        name,
    );
    Ok(found.fetch_optional(connection).await?)
}

/// The same, begun where it is missing.
pub async fn ensure(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &str,
    focus: Focus,
) -> Result<ChatId, Error> {
    if name.is_empty() || name.len() > LONGEST_ID || name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("a chat's id has 1 to {LONGEST_ID} printable characters")));
    }
    if let Some(found) = find(connection, actor, name).await? {
        return Ok(found);
    }
    let owner = chats::owner(actor)?;
    let id = chat_id(name);
    let now = import::now(connection).await?;
    let chat = Chat {
        id,
        // Also where it is the id: that may have to give way to another.
        external_id: Some(name.to_owned()),
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
        // An old window still shows it; its owner deleted it, and a question does not bring it back.
        return Err(Error::Conflict("this chat is deleted: restore it first, or begin another".to_owned()));
    }
    Ok(ChatId(id))
}

/// The newest question of a chat that the client calls this, and its text.
pub async fn question(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    name: &str,
) -> Result<Option<(MessageId, String)>, Error> {
    let owner = chats::owner(actor)?;
    let found = sqlx::query!(
        r#"-- compatible.question
         select message.message_id as "id: MessageId", message.content
         from chat.messages as message join chat.chats as chat on chat.id = message.chat_id
         where chat.id = $1 and chat.owner_id = $2 and message.role = 'user'
           and (message.message_id::text = lower($3) or message.metadata ->> 'external_id' = $3)
         order by message.id desc limit 1"#,
        chat.0,
        owner,
        name,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|row| (row.id, row.content)))
}

/// Remembers what the client calls a question.
pub async fn call(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    question: MessageId,
    name: &str,
) -> Result<(), Error> {
    let owner = chats::owner(actor)?;
    if name.len() > LONGEST_ID || name == question.to_string() {
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
        name,
    )
    .execute(connection)
    .await?;
    Ok(())
}
