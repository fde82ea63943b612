//! Identity: users and their passwords, sessions, password links, API keys.
//!
//! Owns the schema `identity`. [`Authenticator`] resolves the credential of a request to a [`kernel::actor::Actor`]; the
//! crates above decide what that actor may do. Passwords, session tokens, API keys and links are stored as hashes only, and a
//! revocation takes effect immediately on every node.
//!
//! Functions take the connection first and the actor second, and check the actor's authority. Before sign-in,
//! the proof takes the actor's place: a password ([`sign_in::with_password`]) or a token ([`sign_in::renew`],
//! [`links::set_password`]).
//!
//! ```no_run
//! use identity::sign_in::{self, ClientInfo};
//! use identity::{Authenticator, Credential, PasswordHasher, TokenSigner};
//!
//! # async fn example(pool: sqlx::PgPool, caches: store::cache::Caches) -> Result<(), Box<dyn std::error::Error>> {
//! let signer = TokenSigner::new(&[[7; 32]]).ok_or("no signing key")?;
//! let passwords = PasswordHasher::new(2);
//! let client = ClientInfo::default();
//! let tokens = sign_in::with_password(&pool, &caches, &passwords, &signer, "ada", "correct horse battery", &client).await?;
//!
//! let authenticator = Authenticator::new(pool, signer, &caches);
//! let authentication = authenticator.authenticate(Credential::Bearer(&tokens.access_token)).await?;
//! assert_eq!(authentication.actor.name(), "ada");
//! # Ok(())
//! # }
//! ```

mod access_tokens;
mod attempts;
mod authenticator;
mod authority;
mod error;
pub mod keys;
pub mod links;
mod names;
mod passwords;
pub mod preferences;
mod revocation;
pub mod sessions;
pub mod sign_in;
pub mod users;

pub use access_tokens::{DEVICE_LIFETIME_DAYS, TokenSigner};
pub use authenticator::{Authentication, Authenticator, Credential, KeyRateLimit};
pub use error::{Error, PasswordPolicyError};
pub use names::{Email, InvalidName, Username};
pub use passwords::{MAX_CHARS as MAX_PASSWORD_CHARS, MIN_CHARS as MIN_PASSWORD_CHARS, PasswordHasher};
pub use preferences::Preferences;
