//! Chats: whose they are, and what is done with a whole one.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Scope};
use kernel::page::{Cursor, Page};
use kernel::setting::Setting;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::focus::Focus;

kernel::id! {
    /// A chat.
    ChatId
}

kernel::id! {
    /// A message, as everybody but the database calls it.
    MessageId
}

/// The longest title, in characters.
pub const LONGEST_TITLE: usize = 300;
/// Characters of the first question that become the title.
const TITLE: usize = 120;

/// Whose history an actor has: `chats.owner_id`. The library's owner at the command line has one too.
pub fn owner(actor: &Actor) -> Result<Uuid, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if !actor.may(Scope::Chats) {
        return Err(Error::NotAllowed(
            "this key does not reach its user's questions and answers: use one with the scope chats"
                .to_owned(),
        ));
    }
    if actor.libraries().is_some() {
        return Err(Error::NotAllowed(
            "a history quotes whatever its owner has asked, so a key that is confined to libraries does not reach it: use one that is not"
                .to_owned(),
        ));
    }
    Ok(actor.user_id().map_or(Uuid::nil(), |user| user.0))
}

/// A chat, without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chat {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ChatId,
    /// Its title: the first question, until it is renamed.
    pub title: String,
    /// What it asks: `librarySearch`, `webSearch`, `writingAssistant` …
    pub focus_mode: String,
    /// The library it asks; all where there is none.
    pub library: Option<String>,
    /// The version it asks: a label, a range or `latest`; the active one where there is none.
    pub version: Option<String>,
    /// The language model that answers; the default one where there is none.
    pub model: Option<String>,
    /// Whether it stands before the others.
    pub pinned: bool,
    /// Whether it is put away.
    pub archived: bool,
    /// When it was deleted; thirty days after, it is gone.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When its newest message was written.
    pub updated_at: DateTime<Utc>,
    /// The last message of the branch that is shown.
    pub current: Option<Uuid>,
}

/// A chat that is to be begun.
#[derive(Debug, Clone, Default)]
pub struct NewChat {
    /// Its id; a new one where there is none.
    pub id: Option<ChatId>,
    /// Its title; the first question where there is none.
    pub title: Option<String>,
    /// What it asks.
    pub focus: Focus,
    /// The library it asks.
    pub library: Option<String>,
    /// The version it asks.
    pub version: Option<String>,
    /// The model that answers.
    pub model: Option<String>,
}

/// What is changed of a chat; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its title.
    pub title: Option<String>,
    /// What it asks.
    pub focus: Option<Focus>,
    /// The library it asks.
    pub library: Setting<String>,
    /// The version it asks.
    pub version: Setting<String>,
    /// The model that answers.
    pub model: Setting<String>,
    /// Whether it stands before the others.
    pub pinned: Option<bool>,
    /// Whether it is put away.
    pub archived: Option<bool>,
    /// The last message of the branch that is shown: any message of the chat.
    pub current: Option<Uuid>,
}

/// Which chats are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Those that are neither put away nor deleted.
    #[default]
    Open,
    /// Those that are put away.
    Archived,
    /// Those that were deleted and can be brought back.
    Deleted,
}

/// Begins a chat.
pub async fn create(connection: &mut PgConnection, actor: &Actor, new: &NewChat) -> Result<Chat, Error> {
    owner(actor)?;
    check(new.library.as_deref(), new.version.as_deref(), new.model.as_deref())?;
    let title = new.title.as_deref().map(checked_title).transpose()?;
    let made = sqlx::query_as!(
        Chat,
        r#"-- chats.create
         insert into chat.chats (id, user_id, title, focus_mode, library, version, model)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do nothing
         returning id as "id: ChatId", title, focus_mode, library, version, model, pinned, archived, deleted_at,
           created_at, updated_at, null::uuid as current"#,
        new.id.unwrap_or_else(ChatId::new).0,
        actor.user_id().map(|user| user.0),
        title.as_deref().unwrap_or(UNTITLED),
        new.focus.as_str(),
        new.library,
        new.version,
        new.model,
    )
    .fetch_optional(connection)
    .await?;
    made.ok_or_else(|| {
        Error::Conflict("a chat with this id is there already: choose another id, or none".to_owned())
    })
}

/// The title of a chat that nothing was asked in yet. Never shown to be the title of one that was.
pub(crate) const UNTITLED: &str = "…";

/// A chat of the actor's, deleted or not.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<Chat, Error> {
    let owner = owner(actor)?;
    let found = sqlx::query_as!(
        Chat,
        r#"-- chats.find
         select chat.id as "id: ChatId", title, focus_mode, library, version, model, pinned, archived, deleted_at,
           chat.created_at, updated_at, current.message_id as "current?"
         from chat.chats as chat left join chat.messages as current on current.id = chat.current_id
         where chat.id = $1 and owner_id = $2"#,
        id.0,
        owner,
    )
    .fetch_optional(connection)
    .await?;
    found.ok_or_else(absent)
}

pub(crate) fn absent() -> Error {
    Error::NotFound("there is no such chat among yours".to_owned())
}

/// The actor's chats: pinned ones first, then by their newest message.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    which: Which,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Chat>, Error> {
    let owner = owner(actor)?;
    let after: Option<(bool, DateTime<Utc>, Uuid)> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let (pinned, at, id) =
        after.map_or((None, None, None), |(pinned, at, id)| (Some(pinned), Some(at), Some(id)));
    let rows = if which == Which::Deleted {
        sqlx::query_as!(
            Chat,
            r#"-- chats.deleted
             select chat.id as "id: ChatId", title, focus_mode, library, version, model, pinned, archived, deleted_at,
               created_at, updated_at, null::uuid as current
             from chat.chats as chat
             where owner_id = $1 and deleted_at is not null and ($2::timestamptz is null or (deleted_at, id) < ($2, $3))
             order by deleted_at desc, id desc limit $4"#,
            owner,
            at,
            id,
            most,
        )
        .fetch_all(connection)
        .await?
    } else {
        sqlx::query_as!(
            Chat,
            r#"-- chats.list
             select chat.id as "id: ChatId", title, focus_mode, library, version, model, pinned, archived, deleted_at,
               created_at, updated_at, null::uuid as current
             from chat.chats as chat
             where owner_id = $1 and archived = $2 and deleted_at is null
               and ($3::bool is null or (pinned, updated_at, id) < ($3, $4, $5))
             order by pinned desc, updated_at desc, id desc limit $6"#,
            owner,
            which == Which::Archived,
            pinned,
            at,
            id,
            most,
        )
        .fetch_all(connection)
        .await?
    };
    Ok(Page::cut(rows, limit, |last| {
        let at = if which == Which::Deleted {
            last.deleted_at.unwrap_or(last.updated_at)
        } else {
            last.updated_at
        };
        Cursor::encode(&(last.pinned, at, last.id.0))
    }))
}

/// The actor's newest chat, wherever it is pinned.
pub async fn newest(connection: &mut PgConnection, actor: &Actor) -> Result<Option<ChatId>, Error> {
    let owner = owner(actor)?;
    Ok(sqlx::query_scalar!(
        r#"-- chats.newest
         select id as "id: ChatId" from chat.chats where owner_id = $1 and deleted_at is null
         order by updated_at desc, id desc limit 1"#,
        owner,
    )
    .fetch_optional(connection)
    .await?)
}

/// What the time is, by the clock that wrote the chats'.
pub async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- chats.now
         select now() as "now!""#
    )
    .fetch_one(connection)
    .await?)
}

/// Changes a chat.
pub async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    id: ChatId,
    change: &Change,
) -> Result<Chat, Error> {
    let owner = owner(actor)?;
    let title = change.title.as_deref().map(checked_title).transpose()?;
    let given = |setting: &Setting<String>| match setting {
        Setting::Set(text) => Some(text.clone()),
        Setting::Keep | Setting::Remove => None,
    };
    let (library, version, model) = (given(&change.library), given(&change.version), given(&change.model));
    check_lengths(library.as_deref(), version.as_deref(), model.as_deref())?;
    // Held until the change commits: what stays is checked together with what is changed.
    let before = sqlx::query!(
        "-- chats.hold
         select library, version from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        id.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    // A version means one of the library it was said with.
    let library = if change.library.is_kept() { before.library.clone() } else { library };
    let version =
        if change.version.is_kept() { before.version.filter(|_| library == before.library) } else { version };
    check(library.as_deref(), version.as_deref(), model.as_deref())?;
    let current = match change.current {
        Some(message) => Some(newest_below(&mut *connection, id, message).await?),
        None => None,
    };
    sqlx::query!(
        "-- chats.change
         update chat.chats set title = coalesce($2, title), focus_mode = coalesce($3, focus_mode), library = $4,
           version = $5, model = case when $6 then $7 else model end, pinned = coalesce($8, pinned),
           archived = coalesce($9, archived), current_id = coalesce($10, current_id)
         where id = $1",
        id.0,
        title,
        change.focus.map(Focus::as_str),
        library,
        version,
        !change.model.is_kept(),
        model,
        change.pinned,
        change.archived,
        current,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await
}

/// The newest message below a message of a chat, where its branch ends.
async fn newest_below(connection: &mut PgConnection, chat: ChatId, message: Uuid) -> Result<i64, Error> {
    let found = sqlx::query_scalar!(
        r#"-- messages.newest_below
         with recursive below as (
           select id from chat.messages where chat_id = $1 and message_id = $2
           union all
           (select child.id from below join chat.messages as child on child.chat_id = $1 and child.parent_id = below.id
            order by child.id desc limit 1)
         )
         select max(id) from below"#,
        chat.0,
        message,
    )
    .fetch_one(connection)
    .await?;
    found.ok_or_else(|| Error::NotFound("there is no such message in this chat".to_owned()))
}

/// Deletes a chat; for thirty days it can be brought back.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<(), Error> {
    let owner = owner(actor)?;
    let deleted = sqlx::query!(
        "-- chats.delete
         update chat.chats set deleted_at = coalesce(deleted_at, now()) where id = $1 and owner_id = $2",
        id.0,
        owner,
    )
    .execute(connection)
    .await?;
    if deleted.rows_affected() == 0 { Err(absent()) } else { Ok(()) }
}

/// Brings a deleted chat back.
pub async fn restore(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<Chat, Error> {
    let owner = owner(actor)?;
    sqlx::query!(
        "-- chats.restore
         update chat.chats set deleted_at = null where id = $1 and owner_id = $2",
        id.0,
        owner,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await
}

/// Deletes for good what was deleted thirty days ago, and words that nothing cites any more. Says how many chats went.
pub async fn purge(connection: &mut PgConnection) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "-- chats.purge
         delete from chat.chats where id in
           (select id from chat.chats where deleted_at < now() - interval '30 days' order by deleted_at limit 1000)"
    )
    .execute(&mut *connection)
    .await?;
    if purged.rows_affected() > 0 {
        // The bytes of their files.
        library::sweep::schedule(&mut *connection).await?;
    }
    sqlx::query!(
        "-- chats.purge_quotes
         delete from chat.quotes where sha256 in
           (select sha256 from chat.quotes as quote
            where used_at < now() - interval '1 day'
              and not exists (select from chat.message_sources as source where source.sha256 = quote.sha256)
            limit 10000 for update skip locked)"
    )
    .execute(connection)
    .await?;
    Ok(purged.rows_affected())
}

/// A title, on one line.
fn checked_title(title: &str) -> Result<String, Error> {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ").replace('\0', "");
    let length = line.chars().count();
    if length == 0 || length > LONGEST_TITLE {
        return Err(Error::Invalid(format!(
            "a title has 1 to {LONGEST_TITLE} characters; this one has {length}"
        )));
    }
    Ok(line)
}

/// A title made of a question.
pub(crate) fn title_of(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TITLE {
        return if line.is_empty() { UNTITLED.to_owned() } else { line };
    }
    let mut short: String = line.chars().take(TITLE - 1).collect();
    short.push('…');
    short
}

fn check(library: Option<&str>, version: Option<&str>, model: Option<&str>) -> Result<(), Error> {
    check_lengths(library, version, model)?;
    if version.is_some() && library.is_none() {
        return Err(Error::Invalid("a version is asked for of a library: name the library too".to_owned()));
    }
    Ok(())
}

fn check_lengths(library: Option<&str>, version: Option<&str>, model: Option<&str>) -> Result<(), Error> {
    let longest =
        [(library, 100, "a library's name"), (version, 100, "a version"), (model, 60, "a model's name")];
    for (text, most, what) in longest {
        if text.is_some_and(|text| text.is_empty() || text.chars().count() > most) {
            return Err(Error::Invalid(format!("{what} has 1 to {most} characters; leave it out for none")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_the_question() {
        assert_eq!(title_of("How\n long?"), "How long?");
        assert_eq!(title_of("数".repeat(200).as_str()).chars().count(), TITLE);
        assert!(checked_title(" \n").is_err() && checked_title(&"x".repeat(301)).is_err());
    }
}
