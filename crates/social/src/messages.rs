//! Messages of direct conversations.
//!
//! Messages of a conversation are numbered without gaps, in the order in which they were sent; read marks and cursors are such
//! numbers.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Limits, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::allowance::{self, Writing};
use crate::conversations::{absent, require_member};
use crate::ids::{ConversationId, MessageId};
use crate::notifications;
use crate::people::Person;
use crate::posts::decode;

/// Maximum length of a message, in characters.
pub const MAX_MESSAGE_CHARS: usize = 10_000;
/// Time in which a message can be deleted for all.
pub const DELETE_FOR_ALL: Duration = Duration::from_mins(10);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DirectMessage)]
pub struct Message {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: MessageId,
    /// Conversation.
    #[schema(value_type = Uuid)]
    pub conversation_id: ConversationId,
    /// Number in the conversation, from 1.
    pub number: i64,
    /// Sender; `None` once they were deleted.
    pub sender: Option<Person>,
    /// Text as Markdown; empty if it was deleted for all.
    pub text: String,
    /// Time when it was sent.
    pub created_at: DateTime<Utc>,
    /// Time when it was deleted for all.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Extent of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeletionScope {
    /// The actor does not see the message any more.
    Me,
    /// Nobody sees its text any more: for its sender, within [`DELETE_FOR_ALL`].
    All,
}

struct MessageRow {
    id: Uuid,
    conversation_id: Uuid,
    number: i64,
    sender_id: Option<Uuid>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar: Option<String>,
    text: String,
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: MessageId(row.id),
            conversation_id: ConversationId(row.conversation_id),
            number: row.number,
            sender: Person::from_columns(
                row.sender_id,
                row.username,
                row.first_name.as_deref(),
                row.last_name.as_deref(),
                row.avatar,
            ),
            text: row.text,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// Returns a page of the messages of a conversation, the newest first. Those that the actor deleted for themselves, and those of people
/// whom they block, are left out.
///
/// # Errors
///
/// Fails if the conversation does not exist for the actor, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    conversation: ConversationId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Message>, Error> {
    let user = require_member(&mut *connection, actor, conversation).await?;
    let before: i64 = decode(after)?.unwrap_or(i64::MAX);
    let rows = sqlx::query_as!(
        MessageRow,
        r#"-- messages.list
         select message.id, conversation_id, number, sender_id, username as "username?", first_name as "first_name?",
           last_name as "last_name?", avatar, text, message.created_at, deleted_at
         from social.messages as message left join identity.users as sender on sender.id = message.sender_id
         where conversation_id = $1 and number < $2
           and not exists (select from social.message_deletions where message_id = message.id and user_id = $3)
           and not exists (select from social.blocks where user_id = $3 and blocked_id = message.sender_id)
         order by number desc limit $4"#,
        conversation.0,
        before,
        user.0,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let messages = rows.into_iter().map(Message::from).collect();
    Ok(Page::from_rows(messages, limit, cursor))
}

fn cursor(message: &Message) -> Cursor {
    Cursor::encode(&message.number)
}

/// Returns the first page of the messages of each of these conversations, the newest first, by one statement. The number beside a
/// conversation limits its page. Conversations that have none or do not exist for the actor are left out.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn first_of_conversations(
    connection: &mut PgConnection,
    actor: &Actor,
    limits: &Limits<ConversationId>,
) -> Result<HashMap<ConversationId, Page<Message>>, Error> {
    let user = crate::audience::require_person(actor)?;
    let (conversations, wanted) = limits.to_rows(|conversation| conversation.0);
    let rows = sqlx::query_as!(
        MessageRow,
        r#"-- messages.first_of_conversations
         select message.id, message.conversation_id, message.number, message.sender_id, username as "username?",
           first_name as "first_name?", last_name as "last_name?", avatar, message.text, message.created_at, message.deleted_at
         from unnest($1::uuid[], $3::int8[]) as requested (id, wanted)
         join social.conversation_members as member
           on member.conversation_id = requested.id and member.user_id = $2 and member.left_at is null
         cross join lateral (
           select sent.* from social.messages as sent
           where sent.conversation_id = member.conversation_id
             and not exists (select from social.message_deletions where message_id = sent.id and user_id = $2)
             and not exists (select from social.blocks where user_id = $2 and blocked_id = sent.sender_id)
           order by sent.number desc limit requested.wanted
         ) as message
         left join identity.users as sender on sender.id = message.sender_id
         order by message.conversation_id, message.number desc"#,
        &conversations,
        user.0,
        &wanted,
    )
    .fetch_all(connection)
    .await?;
    let messages = rows.into_iter().map(Message::from);
    Ok(Page::of_lists(messages.map(|message| (message.conversation_id, message)), limits, cursor))
}

/// Returns the messages of these ids by one statement, in the order of the ids. An id whose message does not exist for the actor is
/// left out.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[MessageId],
) -> Result<Vec<Message>, Error> {
    let user = crate::audience::require_person(actor)?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        MessageRow,
        r#"-- messages.find_many_direct
         select message.id, message.conversation_id, number, sender_id, username as "username?", first_name as "first_name?",
           last_name as "last_name?", avatar, text, message.created_at, deleted_at
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join social.messages as message on message.id = requested.id
         join social.conversation_members as member
           on member.conversation_id = message.conversation_id and member.user_id = $2 and member.left_at is null
         left join identity.users as sender on sender.id = message.sender_id
         where not exists (select from social.message_deletions where message_id = message.id and user_id = $2)
           and not exists (select from social.blocks where user_id = $2 and blocked_id = message.sender_id)
         order by requested.position"#,
        &ids,
        user.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

/// Sends a message. The other members are notified, once until they have read it; the sender has read it, if they have read those
/// before it.
///
/// # Errors
///
/// Fails if the conversation does not exist for the actor, it is with one person who blocks or is blocked by them or is gone, the text
/// is out of its bounds, or they have written too much lately.
pub async fn send(
    connection: &mut PgConnection,
    actor: &Actor,
    conversation: ConversationId,
    text: &str,
) -> Result<Message, Error> {
    let user = require_member(&mut *connection, actor, conversation).await?;
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_MESSAGE_CHARS {
        return Err(Error::Invalid(format!(
            "a message has 1 to {MAX_MESSAGE_CHARS} characters; this one has {length}"
        )));
    }
    let others = sqlx::query!(
        r#"-- messages.recipients
         select member.user_id as id, conversation.pair is not null as "is_pair!",
           exists (select from social.blocks where user_id = $2 and blocked_id = member.user_id) as "is_blocked!",
           exists (select from social.blocks where user_id = member.user_id and blocked_id = $2) as "blocks!"
         from social.conversation_members as member
         join social.conversations as conversation on conversation.id = member.conversation_id
         join identity.users as person on person.id = member.user_id and person.is_active
         where member.conversation_id = $1 and member.user_id <> $2 and member.left_at is null
         -- Before the conversation, as the deletion of a person locks them.
         order by person.id for key share of person"#,
        conversation.0,
        user.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    // Whoever blocks the sender is as absent as whoever is gone.
    if others.iter().all(|other| other.is_pair && other.blocks) {
        return Err(Error::Conflict("nobody else is in this conversation any more".to_owned()));
    }
    if others.iter().any(|other| other.is_pair && other.is_blocked) {
        return Err(Error::NotAllowed("you block this person: unblock them to write to them".to_owned()));
    }
    allowance::spend(&mut *connection, user, Writing::Message).await?;
    // Locks the conversation until the transaction ends: numbers are without gaps.
    let number = sqlx::query_scalar!(
        "-- conversations.next_number
         update social.conversations set last_number = last_number + 1, updated_at = clock_timestamp()
         where id = $1 returning last_number",
        conversation.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    // The sender has read their own message, unless they have not seen those before it.
    let moved = sqlx::query!(
        r#"-- conversations.move_up
         update social.conversation_members as member set last_at = conversation.updated_at,
           read_number = case when member.user_id = $2 and member.read_number = $3 - 1 then $3 else member.read_number end
         from social.conversations as conversation
         where conversation.id = $1 and member.conversation_id = $1
         returning member.user_id = $2 and member.read_number = $3 as "has_read!""#,
        conversation.0,
        user.0,
        number,
    )
    .fetch_all(&mut *connection)
    .await?;
    if moved.iter().any(|member| member.has_read) {
        notifications::read_conversation(&mut *connection, user, conversation).await?;
    }
    let id = MessageId::new();
    sqlx::query!(
        "-- messages.add_direct
         insert into social.messages (id, conversation_id, number, sender_id, text) values ($1, $2, $3, $4, $5)",
        id.0,
        conversation.0,
        number,
        user.0,
        text,
    )
    .execute(&mut *connection)
    .await?;
    let members: Vec<Uuid> = others.iter().map(|other| other.id).collect();
    notifications::notify_message(&mut *connection, user, conversation, &members).await?;
    find_many(connection, actor, &[id]).await?.pop().ok_or_else(absent)
}

/// Deletes a message for the actor, or for all. Deleting it twice changes nothing.
///
/// # Errors
///
/// Fails if the message does not exist for the actor; for all, if they did not send it or it is older than [`DELETE_FOR_ALL`].
pub async fn delete(
    connection: &mut PgConnection,
    actor: &Actor,
    conversation: ConversationId,
    id: MessageId,
    scope: DeletionScope,
) -> Result<(), Error> {
    let user = require_member(&mut *connection, actor, conversation).await?;
    let microseconds = i64::try_from(DELETE_FOR_ALL.as_micros()).unwrap_or(i64::MAX);
    let message = sqlx::query!(
        r#"-- messages.hold_direct
         select sender_id, deleted_at is not null as "is_deleted!", created_at > now() - $3::interval as "is_young!"
         from social.messages where id = $1 and conversation_id = $2 for update"#,
        id.0,
        conversation.0,
        PgInterval { months: 0, days: 0, microseconds },
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| Error::NotFound("there is no such message in this conversation".to_owned()))?;
    if scope == DeletionScope::Me {
        sqlx::query!(
            "-- messages.delete_for_me
             insert into social.message_deletions (message_id, user_id) values ($1, $2) on conflict do nothing",
            id.0,
            user.0,
        )
        .execute(connection)
        .await?;
        return Ok(());
    }
    if message.sender_id != Some(user.0) {
        return Err(Error::NotAllowed("only its sender can delete a message for all".to_owned()));
    }
    if message.is_deleted {
        return Ok(());
    }
    if !message.is_young {
        let minutes = DELETE_FOR_ALL.as_secs() / 60;
        return Err(Error::Conflict(format!("a message can be deleted for all within {minutes} minutes")));
    }
    sqlx::query!(
        "-- messages.delete_for_all
         update social.messages set text = '', deleted_at = now() where id = $1",
        id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}
