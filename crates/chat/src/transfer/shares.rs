//! Read-only links to a snapshot of a chat, taken when the link was created. The link contains a token, of which only the hash is
//! stored. The snapshot is the branch that was shown, with its sources, and without files, verdicts and other private data.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::secret::Token;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ChatRecord, MessageRecord, export};
use crate::Error;
use crate::chats::{self, ChatId};
use crate::source::{Source, SourceKind};

/// Prefix of the tokens of links.
pub const TOKEN_PREFIX: &str = "wshare_";
/// Default lifetime of a link.
pub const DEFAULT_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// Bounds of a link's lifetime.
pub const MIN_LIFETIME: Duration = Duration::from_hours(1);
/// See [`MIN_LIFETIME`].
pub const MAX_LIFETIME: Duration = Duration::from_hours(366 * 24);
/// Maximum number of links of one chat.
const MAX_LINKS: i64 = 100;
/// Maximum size of a snapshot, in bytes: each view reads and renders all of it.
const MAX_SNAPSHOT_BYTES: usize = 4 << 20;

kernel::id! {
    /// Id of a link.
    ShareId
}

/// Link without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Share {
    /// Link id.
    #[schema(value_type = Uuid)]
    pub id: ShareId,
    /// Chat id.
    #[schema(value_type = Uuid)]
    pub chat_id: ChatId,
    /// Creation time, and time of the snapshot.
    pub created_at: DateTime<Utc>,
    /// Expiry time.
    pub expires_at: DateTime<Utc>,
}

/// A chat as a link shows it to one reader.
#[derive(Debug)]
pub struct SharedChat {
    pub(super) chat: ChatRecord,
    /// Message and number of the sources that were left out.
    withheld: HashSet<(Uuid, i32)>,
}

/// Creates a link to a chat of the actor. The token cannot be retrieved again.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor, has no messages, is too large or has too many links, or the lifetime is not
/// between an hour and a year.
pub async fn create(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    lifetime: Duration,
) -> Result<(Share, Token), Error> {
    if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) {
        return Err(Error::Invalid("invalid lifetime: use between an hour and a year".to_owned()));
    }
    let snapshot = snapshot(&export::chat(connection, actor, chat).await?);
    if snapshot.messages.is_empty() {
        return Err(Error::Conflict("this chat has no messages to share: ask a question first".to_owned()));
    }
    let size = serde_json::to_vec(&snapshot).map_or(usize::MAX, |json| json.len());
    if size > MAX_SNAPSHOT_BYTES {
        return Err(Error::Invalid(format!(
            "a link shows at most {} MiB, and this branch has {}: export the chat, or share a shorter branch",
            MAX_SNAPSHOT_BYTES >> 20,
            size.div_ceil(1 << 20)
        )));
    }
    let token = Token::generate(TOKEN_PREFIX).map_err(|error| Error::Internal(error.to_string()))?;
    let created = sqlx::query_as!(
        Share,
        r#"-- shares.create
         insert into chat.shares (id, chat_id, token_hash, frozen, expires_at)
         select $1, $2, $3, $4, now() + make_interval(secs => $5)
         where (select count(*) from chat.shares where chat_id = $2 and expires_at > now()) < $6
         returning id as "id: ShareId", chat_id as "chat_id: ChatId", created_at, expires_at"#,
        ShareId::new().0,
        chat.0,
        &token.hash()[..],
        Json(snapshot) as _,
        lifetime.as_secs_f64(),
        MAX_LINKS,
    )
    .fetch_optional(connection)
    .await?;
    let created = created.ok_or_else(|| {
        Error::Conflict(format!(
            "a chat has at most {MAX_LINKS} links: revoke one that is not needed any more"
        ))
    })?;
    Ok((created, token))
}

/// Returns the links to a chat of the actor that have not expired, newest first.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the chat does not exist for the actor.
pub async fn list(connection: &mut PgConnection, actor: &Actor, chat: ChatId) -> Result<Vec<Share>, Error> {
    let owner = chats::owner_id(actor)?;
    let is_there = sqlx::query_scalar!(
        r#"-- shares.chat
         select exists (select from chat.chats where id = $1 and owner_id = $2 and deleted_at is null) as "is_there!""#,
        chat.0,
        owner,
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_there {
        return Err(Error::NotFound("chat not found".to_owned()));
    }
    let links = sqlx::query_as!(
        Share,
        r#"-- shares.list
         select id as "id: ShareId", chat_id as "chat_id: ChatId", created_at, expires_at
         from chat.shares where chat_id = $1 and expires_at > now() order by created_at desc, id desc"#,
        chat.0,
    );
    Ok(links.fetch_all(connection).await?)
}

/// Revokes a link of the actor.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the link does not exist for the actor.
pub async fn revoke(connection: &mut PgConnection, actor: &Actor, id: ShareId) -> Result<(), Error> {
    let owner = chats::owner_id(actor)?;
    let revoked = sqlx::query!(
        "-- shares.revoke
         delete from chat.shares as share using chat.chats as chat
         where share.id = $1 and chat.id = share.chat_id and chat.owner_id = $2",
        id.0,
        owner,
    )
    .execute(connection)
    .await?;
    if revoked.rows_affected() == 0 {
        return Err(Error::NotFound("link not found".to_owned()));
    }
    Ok(())
}

/// Deletes all links to chats of a user who was deactivated. The caller has checked the authority to do that.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn delete_all_of(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    // Waits for links that are being created: their foreign keys lock the chats.
    sqlx::query!(
        "-- shares.lock_chats
         select id from chat.chats where user_id = $1 order by id for update",
        user.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "-- shares.delete_all
         delete from chat.shares where chat_id in (select id from chat.chats where user_id = $1)",
        user.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns what a link shows to a reader; `None` if the link does not exist, has expired, or its chat was deleted. The token is the
/// authority; the API decides who may open links at all.
///
/// Passages of libraries that the reader cannot read are left out, unless the chat is the reader's own. Without a reader, whoever has
/// the link sees everything: the operator has decided that links are open to anyone.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn open(
    connection: &mut PgConnection,
    token: &Token,
    reader: Option<&Actor>,
) -> Result<Option<SharedChat>, Error> {
    let snapshot = sqlx::query!(
        r#"-- shares.open
         select share.frozen as "frozen: Json<ChatRecord>", chat.user_id as "owner: UserId"
         from chat.shares as share join chat.chats as chat on chat.id = share.chat_id
         where share.token_hash = $1 and share.expires_at > now() and chat.deleted_at is null"#,
        &token.hash()[..],
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(snapshot) = snapshot else { return Ok(None) };
    let mut shared = SharedChat { chat: snapshot.frozen.0, withheld: HashSet::new() };
    if let Some(reader) = reader.filter(|reader| !is_own(reader, snapshot.owner)) {
        let catalogue = library::catalogue::read(connection).await?;
        let readable = catalogue.libraries(reader).into_iter().map(|library| library.name.as_str());
        shared.withhold(&readable.collect());
    }
    Ok(Some(shared))
}

/// Whether a chat is the reader's own, and a key of theirs is not limited to some libraries.
fn is_own(reader: &Actor, owner: Option<UserId>) -> bool {
    owner.is_some() && reader.user_id() == owner && reader.key_libraries().is_none()
}

impl SharedChat {
    /// Removes the passages of all other libraries, and what names these.
    fn withhold(&mut self, readable: &HashSet<&str>) {
        let is_readable = |library: Option<&str>| library.is_none_or(|name| readable.contains(name));
        if !is_readable(self.chat.library.as_deref()) {
            (self.chat.library, self.chat.version) = (None, None);
        }
        for message in &mut self.chat.messages {
            for source in &mut message.sources {
                if source.kind == SourceKind::Passage && !is_readable(source.library.as_deref()) {
                    let (number, rank, cited) = (source.number, source.rank, source.cited);
                    *source = Source { number, rank, cited, ..Source::default() };
                    self.withheld.insert((message.message_id, number));
                }
            }
        }
    }

    /// Whether this source of a message was left out.
    pub(super) fn withholds(&self, message: Uuid, source: i32) -> bool {
        self.withheld.contains(&(message, source))
    }
}

/// Deletes expired links, and returns their number. Maintenance: acts for no user.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn delete_expired(connection: &mut PgConnection) -> Result<u64, Error> {
    let deleted = sqlx::query!(
        "-- shares.sweep
         delete from chat.shares where expires_at < now()",
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

/// Returns the part of a chat that links show.
fn snapshot(chat: &ChatRecord) -> ChatRecord {
    let messages: Vec<MessageRecord> = chat
        .shown()
        .into_iter()
        .map(|message| MessageRecord {
            metadata: BTreeMap::<String, Value>::new(),
            status: super::ndjson::settled(message.status),
            verdict: None,
            ..message.clone()
        })
        .collect();
    ChatRecord {
        external_id: None,
        pinned: false,
        archived: false,
        current: messages.last().map(|message| message.message_id),
        messages,
        files: Vec::new(),
        ..chat.clone()
    }
}
