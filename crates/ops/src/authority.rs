//! Authority over operations: they concern the whole installation, so they are for administrators.

use kernel::actor::{Actor, Role};

use crate::Error;

/// Requires someone who can look at operations: an administrator, in person or by a key that is not limited to libraries.
///
/// # Errors
///
/// Fails for everybody else.
pub fn require_reader(actor: &Actor) -> Result<(), Error> {
    let may_read = actor.has_role(Role::Admin) && actor.key_libraries().is_none();
    if may_read { Ok(()) } else { Err(refusal(actor)) }
}

/// Requires someone who can start and change something: an administrator in person.
///
/// # Errors
///
/// Fails for everybody else.
pub fn require_administrator(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() { Ok(()) } else { Err(refusal(actor)) }
}

fn refusal(actor: &Actor) -> Error {
    if actor.is_anonymous() { Error::SignIn } else { Error::NotAllowed }
}
