//! Notifications of a person: mentions, replies, likes, followers, messages, new versions, accepted answers.
//!
//! Each event has a key that is unique by person, so it never notifies twice, however often it is recorded. Likes of one post and
//! messages of one conversation are one notification, whose people are counted. A row holds no text: what it is about is looked
//! up, by the reader's authority, when it is listed; one about something that does not exist for them is neither shown nor counted.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::audience::{Audience, require_person};
use crate::ids::{CommentId, ConversationId, NotificationId, PostId};
use crate::people::Person;
use crate::posts::decode;

/// Kind of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = NotificationKind)]
pub enum Kind {
    /// Somebody mentioned the person in a post or a comment.
    Mention,
    /// Somebody commented on the person's post or comment.
    Reply,
    /// Somebody likes the person's post or comment.
    Like,
    /// Somebody follows the person.
    Follow,
    /// Somebody wrote in a conversation.
    Message,
    /// A library that the person follows has a new version.
    Version,
    /// The person's comment was accepted as the answer.
    Accepted,
}

impl Kind {
    /// All kinds: first what waits for the person, last what is pleasant to see.
    pub const ALL: [Self; 7] =
        [Self::Mention, Self::Reply, Self::Accepted, Self::Message, Self::Version, Self::Like, Self::Follow];

    /// Returns the name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Reply => "reply",
            Self::Like => "like",
            Self::Follow => "follow",
            Self::Message => "message",
            Self::Version => "version",
            Self::Accepted => "accepted",
        }
    }
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notification {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: NotificationId,
    /// Kind.
    pub kind: Kind,
    /// Person who caused it last; `None` if nobody did, or they were deleted.
    pub actor: Option<Person>,
    /// Number of people who caused it; of messages, their number since the last was read.
    pub people: i32,
    /// Post.
    #[schema(value_type = Option<Uuid>)]
    pub post_id: Option<PostId>,
    /// Comment.
    #[schema(value_type = Option<Uuid>)]
    pub comment_id: Option<CommentId>,
    /// Conversation.
    #[schema(value_type = Option<Uuid>)]
    pub conversation_id: Option<ConversationId>,
    /// Name of the library.
    pub library: Option<String>,
    /// Label of the version.
    pub version: Option<String>,
    /// Time of the first event.
    pub created_at: DateTime<Utc>,
    /// Time of the last event.
    pub updated_at: DateTime<Utc>,
    /// Time when it was read.
    pub read_at: Option<DateTime<Utc>>,
}

struct NotificationRow {
    id: Uuid,
    kind: Kind,
    actor_id: Option<Uuid>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar: Option<String>,
    people: i32,
    post_id: Option<Uuid>,
    comment_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    library: Option<String>,
    version: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: NotificationId(row.id),
            kind: row.kind,
            actor: Person::from_columns(
                row.actor_id,
                row.username,
                row.first_name.as_deref(),
                row.last_name.as_deref(),
                row.avatar,
            ),
            people: row.people,
            post_id: row.post_id.map(PostId),
            comment_id: row.comment_id.map(CommentId),
            conversation_id: row.conversation_id.map(ConversationId),
            library: row.library,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            read_at: row.read_at,
        }
    }
}

/// Queries the notifications that a person sees: macro of sqlx with its type, if it has one; name of the statement and its columns;
/// what follows the conditions; arguments, of which the first four are person, libraries, whether posts without a library exist for
/// them, and ignored people.
///
/// Ignored people are not counted. Who is named is the last one of the others; if there is no other, nobody is notified.
macro_rules! query_notifications {
    ($query:ident($($row:ident,)?), $columns:tt, $rest:tt, $($argument:expr),* $(,)?) => {
        sqlx::$query!(
            $($row,)?
            $columns + r#"
            from social.notifications as notification
            left join lateral (
              select other.actor_id from social.notification_actors as other
              where (notification.actor_id is null or notification.actor_id = any ($4))
                and other.notification_id = notification.id and other.actor_id <> all ($4)
              order by other.created_at desc limit 1
            ) as bundled on true
            left join lateral (
              select message.sender_id as actor_id, count(*) over () as people
              from social.conversation_members as member
              join social.messages as message
                on message.conversation_id = member.conversation_id and message.number > member.read_number
              where notification.kind = 'message' and notification.actor_id = any ($4)
                and member.conversation_id = notification.conversation_id and member.user_id = $1 and member.left_at is null
                and message.sender_id <> $1 and message.sender_id <> all ($4) and message.deleted_at is null
              order by message.number desc limit 1
            ) as unread on true
            left join identity.users as actor
              on actor.id = coalesce(bundled.actor_id, unread.actor_id, notification.actor_id)
            left join library.libraries as library on library.id = notification.library_id
            left join library.versions as version on version.id = notification.version_id
            where notification.user_id = $1
              and (notification.library_id is null or notification.library_id = any ($2))
              and (notification.actor_id is null or notification.actor_id <> all ($4)
                or bundled.actor_id is not null or unread.actor_id is not null)
              and (notification.post_id is null or exists (select from social.posts as post
                where post.id = notification.post_id and post.deleted_at is null and post.hidden_at is null
                  and (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
                  and (post.author_id is null or post.author_id <> all ($4))))
              and (notification.comment_id is null or exists (select from social.comments as comment
                where comment.id = notification.comment_id and comment.deleted_at is null and comment.hidden_at is null))
            "# + $rest,
            $($argument),*
        )
    };
}

/// An event that notifies.
pub(crate) struct Event {
    pub(crate) kind: Kind,
    /// Names the event.
    pub(crate) key: String,
    pub(crate) actor: UserId,
    pub(crate) post: Option<PostId>,
    pub(crate) comment: Option<CommentId>,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) library: Option<Uuid>,
}

/// Notifies people of an event, once. Nobody is told of their own doing, nor of that of people whom they mute or block, or who
/// block them.
pub(crate) async fn notify(
    connection: &mut PgConnection,
    event: &Event,
    people: &[Uuid],
) -> Result<(), Error> {
    if people.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = people.iter().map(|_| NotificationId::new().0).collect();
    sqlx::query!(
        "-- notifications.add
         insert into social.notifications (id, user_id, kind, event_key, actor_id, post_id, comment_id, conversation_id, library_id)
         select new.id, person.id, $3, $4, $5, $6, $7, $8, $9
         from unnest($1::uuid[], $2::uuid[]) as new (id, user_id)
         join identity.users as person on person.id = new.user_id and person.is_active and person.id <> $5
         where not exists (select from social.mutes where user_id = person.id and muted_id = $5)
           and not exists (select from social.blocks
             where (user_id = person.id and blocked_id = $5) or (user_id = $5 and blocked_id = person.id))
         -- Who is deleted meanwhile is not notified: without the lock this would fail, and with it what they are notified of.
         order by person.id for key share of person
         on conflict (user_id, event_key) do nothing",
        &ids,
        people,
        event.kind as Kind,
        event.key,
        event.actor.0,
        event.post.map(|post| post.0),
        event.comment.map(|comment| comment.0),
        event.conversation.map(|conversation| conversation.0),
        event.library,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notifies the people of these user names of a mention.
pub(crate) async fn mention(
    connection: &mut PgConnection,
    event: &Event,
    names: &BTreeSet<String>,
) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.iter().cloned().collect();
    let people = sqlx::query_scalar!(
        "-- notifications.mentioned
         select id from identity.users where username = any ($1)",
        &names,
    )
    .fetch_all(&mut *connection)
    .await?;
    notify(connection, event, &people).await
}

/// Notifies one person of an event that several people can cause: one notification, in which each of them counts once.
pub(crate) async fn notify_bundled(
    connection: &mut PgConnection,
    event: &Event,
    person: Uuid,
) -> Result<(), Error> {
    let id = sqlx::query_scalar!(
        r#"-- notifications.bundle
         insert into social.notifications as notification
           (id, user_id, kind, event_key, actor_id, people, post_id, comment_id, library_id)
         select $1, person.id, $3, $4, $5, 0, $6, $7, $8
         from identity.users as person
         where person.id = $2 and person.is_active and person.id <> $5
           and not exists (select from social.mutes where user_id = person.id and muted_id = $5)
           and not exists (select from social.blocks
             where (user_id = person.id and blocked_id = $5) or (user_id = $5 and blocked_id = person.id))
         for key share of person
         -- locks the row, so that its people are counted one after the other
         on conflict (user_id, event_key) do update set event_key = excluded.event_key
         returning id"#,
        NotificationId::new().0,
        person,
        event.kind as Kind,
        event.key,
        event.actor.0,
        event.post.map(|post| post.0),
        event.comment.map(|comment| comment.0),
        event.library,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(id) = id else { return Ok(()) };
    let is_new = sqlx::query!(
        "-- notifications.add_actor
         insert into social.notification_actors (notification_id, actor_id, created_at) values ($1, $2, clock_timestamp())
         on conflict (notification_id, actor_id) do nothing",
        id,
        event.actor.0,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected()
        == 1;
    if is_new {
        sqlx::query!(
            "-- notifications.count_actor
             update social.notifications
             set people = people + 1, actor_id = $2, updated_at = clock_timestamp(), read_at = null,
               unmailed_since = coalesce(case when read_at is null then unmailed_since end, now())
             where id = $1",
            id,
            event.actor.0,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Notifies the other members of a conversation of a message: one notification for all that they have not read.
pub(crate) async fn notify_message(
    connection: &mut PgConnection,
    sender: UserId,
    conversation: ConversationId,
    members: &[Uuid],
) -> Result<(), Error> {
    let ids: Vec<Uuid> = members.iter().map(|_| NotificationId::new().0).collect();
    sqlx::query!(
        "-- notifications.message
         insert into social.notifications as notification (id, user_id, kind, event_key, actor_id, conversation_id)
         select new.id, person.id, 'message', 'message:' || $4::uuid, $3, $4
         from unnest($1::uuid[], $2::uuid[]) as new (id, user_id)
         join identity.users as person on person.id = new.user_id and person.is_active and person.id <> $3
         where not exists (select from social.mutes where user_id = person.id and muted_id = $3)
           and not exists (select from social.blocks
             where (user_id = person.id and blocked_id = $3) or (user_id = $3 and blocked_id = person.id))
         order by person.id for key share of person
         on conflict (user_id, event_key) do update set actor_id = excluded.actor_id, updated_at = now(), read_at = null,
           unmailed_since = coalesce(case when notification.read_at is null then notification.unmailed_since end, now()),
           people = case when notification.read_at is null then notification.people + 1 else 1 end",
        &ids,
        members,
        sender.0,
        conversation.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks the notification of a conversation as read.
pub(crate) async fn read_conversation(
    connection: &mut PgConnection,
    user: UserId,
    conversation: ConversationId,
) -> Result<(), Error> {
    sqlx::query!(
        "-- notifications.read_conversation
         update social.notifications set read_at = now()
         where user_id = $1 and event_key = 'message:' || $2::uuid and read_at is null",
        user.0,
        conversation.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notifies the followers of libraries of versions that were added since they follow, in the last week, and have a document. Called in
/// the background, as often as one likes: each version notifies once. Returns the number of notifications.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn notify_versions(connection: &mut PgConnection) -> Result<u64, Error> {
    let missing = sqlx::query!(
        r#"-- notifications.new_versions
         select follow.follower_id, version.id as version_id
         from library.versions as version
         join social.follows as follow on follow.library_id = version.library_id and version.created_at > follow.created_at
         join identity.users as person on person.id = follow.follower_id and person.is_active
         where version.created_at > now() - interval '7 days'
           and exists (select from library.document_versions as revision
             where revision.version_id = version.id and revision.active)
           and not exists (select from social.notifications as notification
             where notification.user_id = follow.follower_id and notification.event_key = 'version:' || version.id)
         order by follow.follower_id, version.id limit 1000"#,
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<Uuid> = missing.iter().map(|_| NotificationId::new().0).collect();
    let people: Vec<Uuid> = missing.iter().map(|row| row.follower_id).collect();
    let versions: Vec<Uuid> = missing.iter().map(|row| row.version_id).collect();
    let added = sqlx::query!(
        "-- notifications.version
         insert into social.notifications (id, user_id, kind, event_key, library_id, version_id)
         select new.id, person.id, 'version', 'version:' || version.id, version.library_id, version.id
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as new (id, user_id, version_id)
         -- People and versions that are deleted meanwhile are left out.
         join identity.users as person on person.id = new.user_id
         join library.versions as version on version.id = new.version_id
         order by person.id, version.id for key share of person, version
         on conflict (user_id, event_key) do nothing",
        &ids,
        &people,
        &versions,
    )
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

/// Returns a page of the actor's notifications, that of the last event first.
///
/// # Errors
///
/// Fails if the actor is not a person, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    unread_only: bool,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Notification>, Error> {
    let user = require_person(actor)?;
    let (at, before): (DateTime<Utc>, Uuid) =
        decode(after)?.unwrap_or((DateTime::<Utc>::MAX_UTC, Uuid::max()));
    // PostgreSQL's times end before those of chrono.
    let at = (at != DateTime::<Utc>::MAX_UTC).then_some(at);
    let audience = Audience::of(&mut *connection, actor).await?;
    let rows = query_notifications!(
        query_as(NotificationRow,),
        r#"-- notifications.list
             select notification.id as "id!", notification.kind as "kind!: Kind", actor.id as "actor_id?",
               actor.username as "username?", actor.first_name as "first_name?", actor.last_name as "last_name?", actor.avatar,
               greatest(1, coalesce(unread.people, notification.people - (
                 select count(*) from social.notification_actors as other
                 where other.notification_id = notification.id and other.actor_id = any ($4))))::int4 as "people!",
               notification.post_id, notification.comment_id, notification.conversation_id, library.name as "library?",
               version.label as "version?", notification.created_at as "created_at!", notification.updated_at as "updated_at!",
               notification.read_at"#,
        "and (not $7 or notification.read_at is null)
         and (notification.updated_at, notification.id) < (coalesce($5::timestamptz, 'infinity'), $6)
         order by notification.updated_at desc, notification.id desc limit $8",
        user.0,
        &audience.libraries,
        audience.general,
        &audience.ignored,
        at,
        before,
        unread_only,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let items = rows.into_iter().map(Notification::from).collect();
    Ok(Page::from_rows(items, limit, |last: &Notification| Cursor::encode(&(last.updated_at, last.id.0))))
}

/// Returns the notifications of the actor with these ids, in the order of the ids. Those that [`list`] would not return are left out.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[NotificationId],
) -> Result<Vec<Notification>, Error> {
    let user = require_person(actor)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = query_notifications!(
        query_as(NotificationRow,),
        r#"-- notifications.find_many
             select notification.id as "id!", notification.kind as "kind!: Kind", actor.id as "actor_id?",
               actor.username as "username?", actor.first_name as "first_name?", actor.last_name as "last_name?", actor.avatar,
               greatest(1, coalesce(unread.people, notification.people - (
                 select count(*) from social.notification_actors as other
                 where other.notification_id = notification.id and other.actor_id = any ($4))))::int4 as "people!",
               notification.post_id, notification.comment_id, notification.conversation_id, library.name as "library?",
               version.label as "version?", notification.created_at as "created_at!", notification.updated_at as "updated_at!",
               notification.read_at"#,
        "and notification.id = any ($5) order by array_position($5, notification.id)",
        user.0,
        &audience.libraries,
        audience.general,
        &audience.ignored,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Notification::from).collect())
}

/// Returns the number of the actor's unread notifications, 100 at most.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn unread(connection: &mut PgConnection, actor: &Actor) -> Result<i64, Error> {
    let user = require_person(actor)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    Ok(query_notifications!(
        query_scalar(),
        r#"-- notifications.unread
         select count(*) as "count!" from (select"#,
        "and notification.read_at is null limit 100) as first",
        user.0,
        &audience.libraries,
        audience.general,
        &audience.ignored,
    )
    .fetch_one(connection)
    .await?)
}

/// Marks notifications of the actor as read: these, or all with `None`. Those that are read stay so.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn mark_read(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: Option<&[NotificationId]>,
) -> Result<(), Error> {
    let user = require_person(actor)?;
    let ids: Option<Vec<Uuid>> = ids.map(|ids| ids.iter().map(|id| id.0).collect());
    sqlx::query!(
        "-- notifications.mark_read
         update social.notifications set read_at = now()
         where user_id = $1 and read_at is null and ($2::uuid[] is null or id = any ($2))",
        user.0,
        ids.as_deref(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
