//! Files attached to a chat: staged bytes become files that wait to be ingested.

use chat::chats::ChatId;
use chat::files::{self, ChatFile};
use kernel::actor::Actor;
use store::objects::Staged;

use super::App;
use super::error::{Error, Result};
use super::uploads::{discard, promote};

/// Refuses a chat that is full or not the actor's: checked before any byte is read.
pub(crate) async fn require_capacity(app: &App, actor: &Actor, chat: ChatId) -> Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    Ok(files::require_capacity(&mut connection, actor, chat, 1).await?)
}

/// Attaches files, each with its name. If they are refused, their bytes are discarded.
pub(crate) async fn attach(
    app: &App,
    actor: &Actor,
    chat: ChatId,
    staged: Vec<(String, Staged)>,
) -> Result<Vec<ChatFile>> {
    let capacity = async {
        let mut connection = store::postgres::acquire(app.pool()).await?;
        Ok::<_, Error>(files::require_capacity(&mut connection, actor, chat, staged.len()).await?)
    };
    if let Err(error) = capacity.await {
        discard(app, staged).await?;
        return Err(error);
    }
    let stored = promote(app, staged).await?;
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let attached = files::attach(&mut transaction, actor, chat, &stored).await?;
    transaction.commit().await?;
    Ok(attached)
}
