//! Page preferences of a user: language and colour theme, stored with the account.

use kernel::actor::Actor;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::Transaction;

use crate::authority::require_self;
use crate::{Error, revocation};

/// Page preferences; `None` where the user has chosen nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Language: `en` or `zh`.
    pub language: Option<String>,
    /// Theme: `system`, `light` or `dark`.
    pub theme: Option<String>,
}

/// Returns the actor's own preferences; the defaults for an actor that is not a user.
///
/// # Errors
///
/// If the database fails.
pub async fn find(connection: &mut PgConnection, actor: &Actor) -> Result<Preferences, Error> {
    let Some(user) = actor.user_id() else { return Ok(Preferences::default()) };
    let preferences = sqlx::query_as!(
        Preferences,
        "-- preferences.of
         select language, theme from identity.users where id = $1",
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(preferences.unwrap_or_default())
}

/// Stores the actor's own preferences; `None` leaves one as it is.
///
/// # Errors
///
/// If the actor is not a user in person.
pub async fn update(transaction: &mut Transaction, actor: &Actor, update: &Preferences) -> Result<(), Error> {
    let user = actor.user_id().ok_or(Error::SignIn)?;
    require_self(actor, user)?;
    // The preferences are cached with the sessions.
    revocation::invalidate_sessions_of(transaction, user).await?;
    sqlx::query!(
        "-- preferences.choose
         update identity.users set language = coalesce($2, language), theme = coalesce($3, theme) where id = $1",
        user.0,
        update.language,
        update.theme,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
