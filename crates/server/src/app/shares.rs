//! Share links: read-only copies of a chat at a secret address.

use std::time::Duration;

use chat::chats::{self, ChatId};
use chat::transfer::shares::{self, Share};
use kernel::actor::Actor;
use kernel::secret::Token;

use super::App;
use super::error::{Error, Result};
use crate::settings::ShareLinks;

/// Creates a link to the present state of a chat.
///
/// # Errors
/// Fails if the chat is not the actor's, the lifetime is out of range, or share links are turned off.
pub(crate) async fn create(
    app: &App,
    actor: &Actor,
    chat: ChatId,
    hours: Option<u64>,
) -> Result<(Share, Token)> {
    chats::owner_id(actor)?;
    let lifetime =
        hours.map_or(shares::DEFAULT_LIFETIME, |hours| Duration::from_secs(hours.saturating_mul(3600)));
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let created = shares::create(&mut transaction, actor, chat, lifetime).await?;
    if app.settings.chat.share_links() == ShareLinks::Off {
        return Err(Error::Conflict(
            "share links are turned off on this server: an operator can allow them with WENYUAN_SHARE_LINKS"
                .to_owned(),
        ));
    }
    transaction.commit().await?;
    Ok(created)
}
