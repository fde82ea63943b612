//! Direct conversations between two people or a small group. The messages are in [`messages`](crate::messages).
//!
//! A conversation exists for its members alone: no role sees it, and no API key reaches it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::allowance::{self, Writing};
use crate::audience::require_person;
use crate::ids::ConversationId;
use crate::notifications;
use crate::people::Person;
use crate::posts::decode;

/// Maximum number of members of a conversation.
pub const MAX_MEMBERS: usize = 20;
/// Maximum length of the title of a group, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// Unread messages are counted up to this number.
pub const MAX_UNREAD: i64 = 100;

/// A conversation, as the actor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conversation {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ConversationId,
    /// Whether it is a group; else it is between two people, one of whom may be gone.
    pub group: bool,
    /// Title of a group; may be empty.
    pub title: String,
    /// Members, the actor among them.
    pub members: Vec<Person>,
    /// Number of messages of others that the actor has not read, at most [`MAX_UNREAD`].
    pub unread: i64,
    /// Number of the newest message that the actor has read.
    pub read_number: i64,
    /// Number of the newest message; 0 without one.
    pub last_number: i64,
    /// Text of the newest message that the actor sees.
    pub last_text: Option<String>,
    /// Time of the newest message.
    pub updated_at: DateTime<Utc>,
}

struct ConversationRow {
    id: Uuid,
    is_group: bool,
    title: String,
    unread: i64,
    read_number: i64,
    last_number: i64,
    last_text: Option<String>,
    updated_at: DateTime<Utc>,
}

/// Starts a conversation with these people, of the given title if it is a group. With one other person, it is the one that
/// exists, if there is one.
///
/// # Errors
///
/// Fails if one of them does not exist for the actor, blocks or is blocked by the actor, there are none or too many, or the actor is
/// no person or has written too much lately.
pub async fn start(
    connection: &mut PgConnection,
    actor: &Actor,
    usernames: &[String],
    title: &str,
) -> Result<Conversation, Error> {
    let user = require_person(actor)?;
    let title = title.trim();
    if title.chars().count() > MAX_TITLE_CHARS {
        return Err(Error::Invalid(format!("the title of a group has at most {MAX_TITLE_CHARS} characters")));
    }
    let mut names: Vec<String> = usernames.iter().map(|name| name.trim().to_lowercase()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name != actor.name());
    if names.is_empty() || names.len() >= MAX_MEMBERS {
        return Err(Error::Invalid(format!("a conversation is with 1 to {} other people", MAX_MEMBERS - 1)));
    }
    let others = sqlx::query!(
        r#"-- conversations.people
         select id, username, exists (select from social.blocks where user_id = $2 and blocked_id = person.id) as "is_blocked!"
         from identity.users as person
         where username = any ($1) and is_active
           and not exists (select from social.blocks where user_id = person.id and blocked_id = $2)
         order by id"#,
        &names,
        user.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    if others.len() < names.len() {
        // Whoever blocks the actor is as absent as whoever does not exist.
        return Err(Error::NotFound(
            "one of these people does not exist, or takes no messages from you".to_owned(),
        ));
    }
    if let Some(blocked) = others.iter().find(|other| other.is_blocked) {
        return Err(Error::NotAllowed(format!(
            "you block {}: unblock them to write to them",
            blocked.username
        )));
    }
    allowance::spend(&mut *connection, user, Writing::Message).await?;
    let mut members: Vec<Uuid> = others.iter().map(|other| other.id).chain([user.0]).collect();
    members.sort_unstable();
    let pair = (members.len() == 2).then(|| members.clone());
    let id = sqlx::query_scalar!(
        r#"-- conversations.start
         insert into social.conversations as conversation (id, pair, title) values ($1, $2, $3)
         on conflict (pair) do update set pair = conversation.pair
         returning id as "id: ConversationId""#,
        ConversationId::new().0,
        pair.as_deref(),
        if pair.is_some() { "" } else { title },
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "-- conversations.add_members
         insert into social.conversation_members (conversation_id, user_id)
         select $1, member from unnest($2::uuid[]) as member
         on conflict (conversation_id, user_id) do update set left_at = null where conversation_members.user_id = $3",
        id.0,
        &members,
        user.0,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await?.ok_or_else(absent)
}

/// Returns a conversation of the actor, or `None` if it does not exist for them.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: ConversationId,
) -> Result<Option<Conversation>, Error> {
    Ok(find_many(connection, actor, &[id]).await?.pop())
}

/// Returns the conversations of these ids by two statements, in the order of the ids. An id whose conversation does not exist for the
/// actor is left out.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[ConversationId],
) -> Result<Vec<Conversation>, Error> {
    let user = require_person(actor)?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        ConversationRow,
        r#"-- conversations.find_many
         select conversation.id, conversation.pair is null as "is_group!", conversation.title, member.read_number,
           conversation.last_number, conversation.updated_at, unread.number as "unread!", last.text as "last_text?"
         from unnest($2::uuid[]) with ordinality as requested (id, position)
         join social.conversations as conversation on conversation.id = requested.id
         join social.conversation_members as member
           on member.conversation_id = conversation.id and member.user_id = $1 and member.left_at is null
         cross join lateral (
           select count(*) as number from (
             select from social.messages as message
             where message.conversation_id = conversation.id and message.number > member.read_number
               and message.sender_id is distinct from $1 and message.deleted_at is null
               and not exists (select from social.message_deletions where message_id = message.id and user_id = $1)
               and not exists (select from social.blocks where user_id = $1 and blocked_id = message.sender_id)
             limit $3) as first
         ) as unread
         left join lateral (
           select message.text from social.messages as message
           where message.conversation_id = conversation.id and message.deleted_at is null
             and not exists (select from social.message_deletions where message_id = message.id and user_id = $1)
             and not exists (select from social.blocks where user_id = $1 and blocked_id = message.sender_id)
           order by message.number desc limit 1
         ) as last on true
         order by requested.position"#,
        user.0,
        &ids,
        MAX_UNREAD,
    )
    .fetch_all(&mut *connection)
    .await?;
    with_members(connection, rows).await
}

async fn with_members(
    connection: &mut PgConnection,
    rows: Vec<ConversationRow>,
) -> Result<Vec<Conversation>, Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let members = sqlx::query!(
        r#"-- conversations.members
         select member.conversation_id, person.id, username, first_name, last_name, avatar
         from social.conversation_members as member join identity.users as person on person.id = member.user_id
         where member.conversation_id = any ($1) and member.left_at is null order by username"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let mut by_conversation: HashMap<Uuid, Vec<Person>> = HashMap::new();
    for row in members {
        let person = Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar);
        by_conversation.entry(row.conversation_id).or_default().push(person);
    }
    Ok(rows
        .into_iter()
        .map(|row| Conversation {
            id: ConversationId(row.id),
            group: row.is_group,
            title: row.title,
            members: by_conversation.remove(&row.id).unwrap_or_default(),
            unread: row.unread,
            read_number: row.read_number,
            last_number: row.last_number,
            last_text: row.last_text,
            updated_at: row.updated_at,
        })
        .collect())
}

/// Returns a page of the actor's conversations, that of the newest message first.
///
/// # Errors
///
/// Fails if the actor is no person, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Conversation>, Error> {
    let user = require_person(actor)?;
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let rows = sqlx::query!(
        r#"-- conversations.list
         select conversation_id as "id: ConversationId", last_at from social.conversation_members
         where user_id = $1 and left_at is null
           and (last_at, conversation_id) < (coalesce($2::timestamptz, 'infinity'), $3)
         order by last_at desc, conversation_id desc limit $4"#,
        user.0,
        after.map(|(at, _)| at),
        after.map_or(Uuid::max(), |(_, id)| id),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.last_at, last.id.0)));
    let ids: Vec<ConversationId> = page.items.iter().map(|row| row.id).collect();
    let found = find_many(connection, actor, &ids).await?.into_iter();
    let mut found: HashMap<ConversationId, Conversation> = found.map(|found| (found.id, found)).collect();
    let places = ids.iter().zip(page.cursors);
    let (items, cursors) = places.filter_map(|(id, cursor)| Some((found.remove(id)?, cursor))).unzip();
    Ok(Page { items, cursors, next: page.next })
}

/// Returns the number of the actor's conversations with unread messages.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn unread(connection: &mut PgConnection, actor: &Actor) -> Result<i64, Error> {
    let user = require_person(actor)?;
    Ok(sqlx::query_scalar!(
        r#"-- conversations.unread
         select count(*) as "count!" from social.conversation_members as member
         where member.user_id = $1 and member.left_at is null
           and exists (select from social.messages as message
             where message.conversation_id = member.conversation_id and message.number > member.read_number
               and message.sender_id is distinct from $1 and message.deleted_at is null
               and not exists (select from social.message_deletions where message_id = message.id and user_id = $1)
               and not exists (select from social.blocks where user_id = $1 and blocked_id = message.sender_id))"#,
        user.0,
    )
    .fetch_one(connection)
    .await?)
}

/// Marks the messages up to a number as read by the actor, and the notification of the conversation. A mark never goes back.
///
/// # Errors
///
/// Fails if the conversation does not exist for the actor.
pub async fn mark_read(
    connection: &mut PgConnection,
    actor: &Actor,
    id: ConversationId,
    number: i64,
) -> Result<Conversation, Error> {
    let user = require_person(actor)?;
    sqlx::query!(
        "-- conversations.mark_read
         update social.conversation_members as member
         set read_number = greatest(member.read_number, least($3, conversation.last_number))
         from social.conversations as conversation
         where conversation.id = member.conversation_id and member.conversation_id = $1 and member.user_id = $2
           and member.left_at is null",
        id.0,
        user.0,
        number,
    )
    .execute(&mut *connection)
    .await?;
    let conversation = find(&mut *connection, actor, id).await?.ok_or_else(absent)?;
    if conversation.unread == 0 {
        notifications::read_conversation(connection, user, id).await?;
    }
    Ok(conversation)
}

/// Leaves a group. Its messages do not exist for the actor any more. Who has left a group stays out of it.
///
/// # Errors
///
/// Fails if the conversation does not exist for the actor, or is no group.
pub async fn leave(connection: &mut PgConnection, actor: &Actor, id: ConversationId) -> Result<(), Error> {
    let user = require_person(actor)?;
    let conversation = find(&mut *connection, actor, id).await?.ok_or_else(absent)?;
    if !conversation.group {
        return Err(Error::Conflict("only a group can be left: block the person instead".to_owned()));
    }
    sqlx::query!(
        "-- conversations.leave
         update social.conversation_members set left_at = coalesce(left_at, now()) where conversation_id = $1 and user_id = $2",
        id.0,
        user.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- notifications.forget_conversation
         delete from social.notifications where user_id = $1 and event_key = 'message:' || $2::uuid",
        user.0,
        id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Fails unless the actor is a member of the conversation. Returns the actor.
pub(crate) async fn require_member(
    connection: &mut PgConnection,
    actor: &Actor,
    id: ConversationId,
) -> Result<UserId, Error> {
    let user = require_person(actor)?;
    sqlx::query_scalar!(
        r#"-- conversations.require_member
         select true as "is_member!" from social.conversation_members
         where conversation_id = $1 and user_id = $2 and left_at is null"#,
        id.0,
        user.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(absent)?;
    Ok(user)
}

pub(crate) fn absent() -> Error {
    Error::NotFound("conversation not found among yours".to_owned())
}
