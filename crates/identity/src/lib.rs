//! Who someone is: users and their passwords, sessions, links to set a password, API keys.
//!
//! [`Authenticator`] resolves the credential of a request to a [`kernel::actor::Actor`]; the crates above decide what that
//! actor may do.

mod attempts;
mod authenticator;
mod error;
pub mod keys;
pub mod links;
mod names;
mod passwords;
pub mod preferences;
pub mod sessions;
mod signing;
pub mod users;

pub use authenticator::{Authentication, Authenticator, Credential, KeyRateLimit};
pub use error::{Error, Unfit};
pub use names::{BadName, Email, Username};
pub use passwords::Passwords;
pub use preferences::Preferences;
pub use signing::Signing;
