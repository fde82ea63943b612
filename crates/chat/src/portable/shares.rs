//! Read-only links to a chat as it was when the link was made. The link holds a token, of which the hash is kept. What is shown
//! is frozen: the branch that was shown, with its sources, and without files, verdicts and what else is its owner's alone.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::secret::Token;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::{Chat, Message, export};
use crate::Error;
use crate::chats::{self, ChatId};

/// What the tokens of links begin with.
pub const PREFIX: &str = "wshare_";
/// How long a link lives where nothing is said.
pub const DEFAULT: Duration = Duration::from_hours(30 * 24);
const SHORTEST: Duration = Duration::from_hours(1);
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// Links of one chat at most.
const MOST: i64 = 100;

/// What a link shows at most, in bytes: each view reads and renders all of it.
const LARGEST: usize = 4 << 20;

kernel::id! {
    /// A link.
    ShareId
}

/// A link, without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Share {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ShareId,
    /// Its chat.
    #[schema(value_type = uuid::Uuid)]
    pub chat_id: ChatId,
    /// When it was made: what it shows is of that time.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Makes a link to one of the actor's chats. The token is not to be had again.
pub async fn create(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    lifetime: Duration,
) -> Result<(Share, Token), Error> {
    if !(SHORTEST..=LONGEST).contains(&lifetime) {
        return Err(Error::Invalid("a link lives between an hour and a year".to_owned()));
    }
    let frozen = frozen(&export::one(connection, actor, chat).await?);
    if frozen.messages.is_empty() {
        return Err(Error::Conflict(
            "there is nothing in this chat to be shown: ask something first".to_owned(),
        ));
    }
    let size = serde_json::to_vec(&frozen).map_or(usize::MAX, |json| json.len());
    if size > LARGEST {
        return Err(Error::Invalid(format!(
            "a link shows at most {} MiB; what this chat shows has {}: export it, or share a shorter branch",
            LARGEST >> 20,
            size.div_ceil(1 << 20)
        )));
    }
    let token = Token::new(PREFIX).map_err(|error| Error::Internal(error.to_string()))?;
    let made = sqlx::query_as!(
        Share,
        r#"-- shares.create
         insert into chat.shares (id, chat_id, token_hash, frozen, expires_at)
         select $1, $2, $3, $4, now() + make_interval(secs => $5)
         where (select count(*) from chat.shares where chat_id = $2 and expires_at > now()) < $6
         returning id as "id: ShareId", chat_id as "chat_id: ChatId", created_at, expires_at"#,
        ShareId::new().0,
        chat.0,
        &token.hash()[..],
        Json(frozen) as _,
        lifetime.as_secs_f64(),
        MOST,
    )
    .fetch_optional(connection)
    .await?;
    let made = made.ok_or_else(|| {
        Error::Conflict(format!("a chat has at most {MOST} links: revoke one that is not needed any more"))
    })?;
    Ok((made, token))
}

/// The links to one of the actor's chats that have not ended, the newest first.
pub async fn list(connection: &mut PgConnection, actor: &Actor, chat: ChatId) -> Result<Vec<Share>, Error> {
    let owner = chats::owner(actor)?;
    let is_there = sqlx::query_scalar!(
        r#"-- shares.chat
         select exists (select from chat.chats where id = $1 and owner_id = $2 and deleted_at is null) as "is_there!""#,
        chat.0,
        owner,
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_there {
        return Err(Error::NotFound("there is no such chat".to_owned()));
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

/// Ends one of the actor's links: from now on it leads nowhere.
pub async fn revoke(connection: &mut PgConnection, actor: &Actor, id: ShareId) -> Result<(), Error> {
    let owner = chats::owner(actor)?;
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
        return Err(Error::NotFound("there is no such link".to_owned()));
    }
    Ok(())
}

/// What a link shows; `None` where there is none, it has ended, or its chat was deleted. Who may open it at all is for the door
/// to say.
pub async fn open(connection: &mut PgConnection, token: &Token) -> Result<Option<Chat>, Error> {
    let frozen = sqlx::query_scalar!(
        r#"-- shares.open
         select share.frozen as "frozen: Json<Chat>"
         from chat.shares as share join chat.chats as chat on chat.id = share.chat_id
         where share.token_hash = $1 and share.expires_at > now() and chat.deleted_at is null"#,
        &token.hash()[..],
    )
    .fetch_optional(connection)
    .await?;
    Ok(frozen.map(|frozen| frozen.0))
}

/// Removes links that have ended. Returns how many.
pub async fn sweep(connection: &mut PgConnection) -> Result<u64, Error> {
    let swept = sqlx::query!(
        "-- shares.sweep
         delete from chat.shares where expires_at < now()",
    )
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}

/// What others are shown of a chat.
fn frozen(chat: &Chat) -> Chat {
    let messages: Vec<Message> = chat
        .shown()
        .into_iter()
        .map(|message| Message {
            metadata: BTreeMap::<String, Value>::new(),
            status: super::history::settled(message.status),
            verdict: None,
            ..message.clone()
        })
        .collect();
    Chat {
        external_id: None,
        pinned: false,
        archived: false,
        current: messages.last().map(|message| message.message_id),
        messages,
        files: Vec::new(),
        ..chat.clone()
    }
}
