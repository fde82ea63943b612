//! Who someone is: users and their passwords, sessions, links to set a password, API keys.
//!
//! [`Gate`] turns what a request shows into an [`kernel::actor::Actor`]; the rooms above decide what that actor may do.

mod attempts;
mod error;
mod gate;
pub mod keys;
pub mod links;
mod names;
mod passwords;
pub mod preferences;
pub mod sessions;
mod signing;
pub mod users;

pub use error::{Error, Unfit};
pub use gate::{Gate, Limit, Shown, Verified};
pub use names::{BadName, Email, Username};
pub use passwords::Passwords;
pub use preferences::Preferences;
pub use signing::Signing;
