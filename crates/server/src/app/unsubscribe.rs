//! Links in mails by which people unsubscribe without signing in.
//!
//! A token is the id of the person, sealed with the master key: it cannot be guessed or made from the id, needs no row, and does not expire.
//! Once the key that sealed it is removed by a rotation, the link ends.

use kernel::actor::UserId;
use kernel::secret::Token;
use social::mail_preferences;
use store::secrets::{Error as SecretError, Sealer};
use uuid::Uuid;

use super::App;
use super::error::Result;

/// Context of the sealed ids.
const CONTEXT: &str = "mail/unsubscribe";
/// Limit on the length of a token; sealed ids are shorter.
const MAX_TOKEN_BYTES: usize = 200;

/// Returns a token for a person, another one each time.
///
/// # Errors
/// When the master key cannot be read.
pub(crate) fn token(secrets: &Sealer, user: UserId) -> std::result::Result<Token, SecretError> {
    let sealed = secrets.seal(CONTEXT, user.0.as_bytes())?;
    Ok(Token::from_text(&hex::encode(sealed)))
}

/// Returns the person of a token; `None` if it is invalid.
pub(crate) fn user_of(secrets: &Sealer, token: &str) -> Option<UserId> {
    let sealed = (token.len() <= MAX_TOKEN_BYTES).then(|| hex::decode(token).ok()).flatten()?;
    let id = secrets.open_sealed(CONTEXT, &sealed).ok()?;
    Uuid::from_slice(&id).ok().map(UserId)
}

/// Ends all mail about notifications to the person of a token. Twice is once. Returns whether the token is valid.
///
/// # Errors
/// If the database fails.
pub(crate) async fn unsubscribe(app: &App, token: &str) -> Result<bool> {
    let Some(user) = user_of(&app.secrets, token) else { return Ok(false) };
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let exists = mail_preferences::unsubscribe(&mut transaction, user).await?;
    transaction.commit().await?;
    Ok(exists)
}
