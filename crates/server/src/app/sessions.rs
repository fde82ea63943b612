//! Signing out: ending sessions so that they are refused at once on every node.

use kernel::actor::{Actor, SessionId, UserId};

use super::App;
use super::error::{Error, Result};

/// Returns the user behind an actor who signed in.
///
/// # Errors
/// Refuses anonymous actors and API keys.
pub(crate) fn require_person(actor: &Actor) -> Result<UserId> {
    match actor.user_id() {
        Some(user) if actor.in_person() => Ok(user),
        _ if actor.is_anonymous() => Err(identity::Error::SignIn.into()),
        _ => Err(Error::Forbidden("an API key cannot do this: sign in".to_owned())),
    }
}

/// Ends one session: the actor's own or, for administrators, anyone's.
pub(crate) async fn end(app: &App, actor: &Actor, session: SessionId) -> Result<()> {
    let mut transaction = app.begin().await?;
    identity::sessions::end(&mut transaction, actor, session).await?;
    transaction.commit().await?;
    Ok(())
}

/// Ends all sessions of a user, or all but the one of the actor.
pub(crate) async fn end_all(app: &App, actor: &Actor, user: UserId, keep_current: bool) -> Result<()> {
    let mut transaction = app.begin().await?;
    identity::sessions::end_all_of(&mut transaction, actor, user, keep_current).await?;
    transaction.commit().await?;
    Ok(())
}
