//! Chats: whose they are, and what is done with a whole one.

use kernel::actor::{Actor, Scope};
use uuid::Uuid;

use crate::Error;

kernel::id! {
    /// A chat.
    ChatId
}

kernel::id! {
    /// A message, as everybody but the database calls it.
    MessageId
}

/// Whose history an actor has: `chats.owner_id`. The library's owner at the command line has one too.
pub fn owner(actor: &Actor) -> Result<Uuid, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if !actor.may(Scope::Chats) {
        return Err(Error::NotAllowed(
            "this key does not reach its user's questions and answers: use one with the scope chats".to_owned(),
        ));
    }
    Ok(actor.user_id().map_or(Uuid::nil(), |user| user.0))
}
