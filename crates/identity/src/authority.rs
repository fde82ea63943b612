//! Authority checks that the modules of this crate share.

use kernel::actor::{Actor, UserId};

use crate::Error;

/// Requires an administrator in person: not an API key.
pub(crate) fn require_admin(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_anonymous() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed("only an administrator who is signed in can do this; an API key cannot"))
    }
}

/// Requires the user themselves or an administrator, in person. Whether another user exists is not revealed.
pub(crate) fn require_self(actor: &Actor, user: UserId) -> Result<(), Error> {
    require_in_person(actor)?;
    if actor.is_admin() || actor.user_id() == Some(user) { Ok(()) } else { Err(Error::NoUser) }
}

/// Requires a person: not an API key.
pub(crate) fn require_in_person(actor: &Actor) -> Result<(), Error> {
    require_signed_in(actor)?;
    if actor.in_person() { Ok(()) } else { Err(Error::NotAllowed("an API key cannot do this: sign in")) }
}

/// Requires that it is known who acts, in person or through an API key.
pub(crate) fn require_signed_in(actor: &Actor) -> Result<(), Error> {
    if actor.is_anonymous() { Err(Error::SignIn) } else { Ok(()) }
}
