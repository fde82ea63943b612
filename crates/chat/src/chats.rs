//! Chats: ownership, listing, settings, deletion.
//!
//! A chat belongs to one user. Every function that reads or changes chats takes an [`Actor`] and behaves for chats of others
//! as for chats that do not exist. The messages of a chat are in [`messages`](crate::messages).

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Scope};
use kernel::page::{Cursor, Page};
use kernel::update::FieldUpdate;
use library::label::VersionRequest;
use library::names::LibraryName;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::focus::Focus;

kernel::id! {
    /// Id of a chat.
    ChatId
}

kernel::id! {
    /// Public id of a message. The database orders messages by a number that does not leave this crate.
    MessageId
}

/// Maximum length of a title, in characters.
pub const MAX_TITLE_CHARS: usize = 300;
/// Maximum length of a title derived from the first question, in characters.
const MAX_DERIVED_TITLE_CHARS: usize = 120;

/// Returns the owner of the actor's chats (`chats.owner_id`). The library's owner at the command line has chats too.
///
/// # Errors
///
/// Fails if the actor is anonymous, or uses an API key without the scope `chats` or confined to libraries.
pub fn owner_id(actor: &Actor) -> Result<Uuid, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    if !actor.has_scope(Scope::Chats) {
        return Err(Error::NotAllowed(
            "this API key lacks the scope chats, which its user's questions and answers need: use one that has it"
                .to_owned(),
        ));
    }
    if actor.key_libraries().is_some() {
        return Err(Error::NotAllowed(
            "this API key is confined to libraries, and a history quotes from any of them: use a key without that limit"
                .to_owned(),
        ));
    }
    Ok(actor.user_id().map_or(Uuid::nil(), |user| user.0))
}

/// A chat without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chat {
    /// Chat id.
    #[schema(value_type = Uuid)]
    pub id: ChatId,
    /// Title; derived from the first question until it is renamed.
    pub title: String,
    /// Focus mode: `librarySearch`, `webSearch`, `writingAssistant` …
    pub focus_mode: String,
    /// Library that is searched; all libraries if `null`.
    pub library: Option<String>,
    /// Version that is searched: a label, a range or `latest`; the active version if `null`.
    pub version: Option<String>,
    /// Language model that answers; the default model if `null`.
    pub model: Option<String>,
    /// Whether the chat is listed before the others.
    pub pinned: bool,
    /// Whether the chat is archived.
    pub archived: bool,
    /// Time of deletion; the chat is purged thirty days later.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Time of the newest message.
    pub updated_at: DateTime<Utc>,
    /// Last message of the branch that is shown.
    pub current: Option<Uuid>,
}

/// Values of a new chat.
#[derive(Debug, Clone, Default)]
pub struct NewChat {
    /// Chat id; generated if `None`.
    pub id: Option<ChatId>,
    /// Title; derived from the first question if `None`.
    pub title: Option<String>,
    /// Focus mode.
    pub focus: Focus,
    /// Library to search.
    pub library: Option<String>,
    /// Version to search.
    pub version: Option<String>,
    /// Language model to use.
    pub model: Option<String>,
}

/// Partial update of a chat; `None` keeps a value.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Title.
    pub title: Option<String>,
    /// Focus mode.
    pub focus: Option<Focus>,
    /// Library to search.
    pub library: FieldUpdate<String>,
    /// Version to search.
    pub version: FieldUpdate<String>,
    /// Language model to use.
    pub model: FieldUpdate<String>,
    /// Whether the chat is listed before the others.
    pub pinned: Option<bool>,
    /// Whether the chat is archived.
    pub archived: Option<bool>,
    /// Message of the branch to show; any message of the chat.
    pub current: Option<Uuid>,
}

/// Selection of chats in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChatFilter {
    /// Chats that are neither archived nor deleted.
    #[default]
    Open,
    /// Archived chats.
    Archived,
    /// Deleted chats that can still be restored.
    Deleted,
}

/// Creates a chat for the actor.
///
/// # Errors
///
/// Fails if a value is out of its bounds or a chat with this id exists.
pub async fn create(connection: &mut PgConnection, actor: &Actor, new: &NewChat) -> Result<Chat, Error> {
    owner_id(actor)?;
    check(new.library.as_deref(), new.version.as_deref(), new.model.as_deref())?;
    let title = new.title.as_deref().map(checked_title).transpose()?;
    let created = sqlx::query_as!(
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
    created
        .ok_or_else(|| Error::Conflict("duplicate chat id: choose another one, or leave it out".to_owned()))
}

/// Title of a chat before its first question.
pub(crate) const UNTITLED: &str = "…";

/// Returns a chat of the actor, deleted or not.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if there is no such chat or it belongs to somebody else.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<Chat, Error> {
    find_many(connection, actor, &[id]).await?.pop().ok_or_else(absent)
}

/// Returns those of these chats that [`find`] would return, in one statement. The order is that of `ids`; an id that is given
/// twice is returned twice.
///
/// # Errors
///
/// Fails if the actor has no chats or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[ChatId],
) -> Result<Vec<Chat>, Error> {
    let owner = owner_id(actor)?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    Ok(sqlx::query_as!(
        Chat,
        r#"-- chats.find
         select chat.id as "id: ChatId", title, focus_mode, library, version, model, pinned, archived, deleted_at,
           chat.created_at, updated_at, current.message_id as "current?"
         from unnest($1::uuid[]) with ordinality as wanted (id, position)
         join chat.chats as chat on chat.id = wanted.id and chat.owner_id = $2
         left join chat.messages as current on current.id = chat.current_id
         order by wanted.position"#,
        &ids,
        owner,
    )
    .fetch_all(connection)
    .await?)
}

pub(crate) fn absent() -> Error {
    Error::NotFound("chat not found among yours".to_owned())
}

/// Returns a page of the actor's chats: pinned ones first, then by their newest message; deleted ones by time of deletion.
///
/// # Errors
///
/// Fails if the actor has no chats or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    which: ChatFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Chat>, Error> {
    let owner = owner_id(actor)?;
    let after: Option<(bool, DateTime<Utc>, Uuid)> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let max_rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let (pinned, at, id) =
        after.map_or((None, None, None), |(pinned, at, id)| (Some(pinned), Some(at), Some(id)));
    let rows = if which == ChatFilter::Deleted {
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
            max_rows,
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
            which == ChatFilter::Archived,
            pinned,
            at,
            id,
            max_rows,
        )
        .fetch_all(connection)
        .await?
    };
    Ok(Page::from_rows(rows, limit, |last| {
        let at = if which == ChatFilter::Deleted {
            last.deleted_at.unwrap_or(last.updated_at)
        } else {
            last.updated_at
        };
        Cursor::encode(&(last.pinned, at, last.id.0))
    }))
}

/// Returns the chat of the actor with the newest message, pinned or not.
///
/// # Errors
///
/// Fails if the actor has no chats or the database fails.
pub async fn newest(connection: &mut PgConnection, actor: &Actor) -> Result<Option<ChatId>, Error> {
    let owner = owner_id(actor)?;
    Ok(sqlx::query_scalar!(
        r#"-- chats.newest
         select id as "id: ChatId" from chat.chats where owner_id = $1 and deleted_at is null
         order by updated_at desc, id desc limit 1"#,
        owner,
    )
    .fetch_optional(connection)
    .await?)
}

/// Returns the time by the clock of the database, which also writes the times of chats.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- chats.now
         select now() as "now!""#
    )
    .fetch_one(connection)
    .await?)
}

/// Updates a chat of the actor.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor or is deleted, or if a value is out of its bounds.
pub async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    id: ChatId,
    change: &Change,
) -> Result<Chat, Error> {
    let owner = owner_id(actor)?;
    let title = change.title.as_deref().map(checked_title).transpose()?;
    let new_value = |setting: &FieldUpdate<String>| match setting {
        FieldUpdate::Set(text) => Some(text.clone()),
        FieldUpdate::Keep | FieldUpdate::Clear => None,
    };
    let (library, version, model) =
        (new_value(&change.library), new_value(&change.version), new_value(&change.model));
    check_names(library.as_deref(), version.as_deref(), model.as_deref())?;
    // Locked until the change commits: kept and changed values are checked together.
    let before = sqlx::query!(
        "-- chats.hold
         select library, version from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        id.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    // A version belongs to the library it was chosen with.
    let library = if change.library.is_keep() { before.library.clone() } else { library };
    let version =
        if change.version.is_keep() { before.version.filter(|_| library == before.library) } else { version };
    check_version_has_library(library.as_deref(), version.as_deref())?;
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
        !change.model.is_keep(),
        model,
        change.pinned,
        change.archived,
        current,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await
}

/// Returns the newest message below a message of a chat: the end of its branch.
async fn newest_below(connection: &mut PgConnection, chat: ChatId, message: Uuid) -> Result<i64, Error> {
    let newest = sqlx::query_scalar!(
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
    newest.ok_or_else(|| Error::NotFound("message not found in this chat".to_owned()))
}

/// Marks a chat of the actor as deleted; it can be restored for thirty days.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the chat does not exist for the actor.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<(), Error> {
    let owner = owner_id(actor)?;
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

/// Restores a deleted chat of the actor.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the chat does not exist for the actor.
pub async fn restore(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<Chat, Error> {
    let owner = owner_id(actor)?;
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

/// Purges chats that were deleted thirty days ago, at most 1000 per call, and quotations that nothing cites any more. Returns
/// the number of chats purged. Maintenance: acts for no user.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn purge(connection: &mut PgConnection) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "-- chats.purge
         delete from chat.chats where id in
           (select id from chat.chats where deleted_at < now() - interval '30 days' order by deleted_at limit 1000)"
    )
    .execute(&mut *connection)
    .await?;
    if purged.rows_affected() > 0 {
        // Collects the bytes of their files.
        library::gc::schedule(&mut *connection).await?;
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

/// Returns the title on one line.
fn checked_title(title: &str) -> Result<String, Error> {
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ").replace('\0', "");
    let length = line.chars().count();
    if length == 0 || length > MAX_TITLE_CHARS {
        return Err(Error::Invalid(format!(
            "a title has 1 to {MAX_TITLE_CHARS} characters; this one has {length}"
        )));
    }
    Ok(line)
}

/// Derives a title from a question.
pub(crate) fn title_of(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_DERIVED_TITLE_CHARS {
        return if line.is_empty() { UNTITLED.to_owned() } else { line };
    }
    let mut short: String = line.chars().take(MAX_DERIVED_TITLE_CHARS - 1).collect();
    short.push('…');
    short
}

fn check(library: Option<&str>, version: Option<&str>, model: Option<&str>) -> Result<(), Error> {
    check_names(library, version, model)?;
    check_version_has_library(library, version)
}

fn check_version_has_library(library: Option<&str>, version: Option<&str>) -> Result<(), Error> {
    if version.is_some() && library.is_none() {
        return Err(Error::Invalid("version without library: name the library too".to_owned()));
    }
    Ok(())
}

fn check_names(library: Option<&str>, version: Option<&str>, model: Option<&str>) -> Result<(), Error> {
    if let Some(name) = library {
        name.parse::<LibraryName>().map_err(library::Error::from)?;
    }
    if let Some(request) = version.filter(|text| !text.is_empty()) {
        request.parse::<VersionRequest>().map_err(library::Error::from)?;
    } else if version.is_some() {
        return Err(Error::Invalid("invalid version: leave it out for the active one".to_owned()));
    }
    if let Some(name) = model {
        store::credentials::check_name(name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_the_question() {
        assert_eq!(title_of("How\n long?"), "How long?");
        assert_eq!(title_of("数".repeat(200).as_str()).chars().count(), MAX_DERIVED_TITLE_CHARS);
        assert!(checked_title(" \n").is_err() && checked_title(&"x".repeat(301)).is_err());
    }
}
