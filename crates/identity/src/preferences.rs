//! How somebody likes pages: the language and the colours they have chosen, kept in their account.

use kernel::actor::{Actor, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{Error, users};

/// What somebody has chosen; none where they have not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Their language: `en` or `zh`.
    pub language: Option<String>,
    /// Their colours: `system`, `light` or `dark`.
    pub theme: Option<String>,
}

/// What this user has chosen: for whoever has just shown that they are that user.
pub async fn of(connection: &mut PgConnection, user: UserId) -> Result<Preferences, Error> {
    let found = sqlx::query_as!(
        Preferences,
        "-- preferences.of
         select language, theme from identity.users where id = $1",
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_default())
}

/// Keeps what somebody chooses for themselves; what is none stays as it is.
pub async fn choose(connection: &mut PgConnection, actor: &Actor, chosen: &Preferences) -> Result<(), Error> {
    let user = actor.user_id().ok_or(Error::SignIn)?;
    users::require_self(actor, user)?;
    sqlx::query!(
        "-- preferences.choose
         update identity.users set language = coalesce($2, language), theme = coalesce($3, theme) where id = $1",
        user.0,
        chosen.language,
        chosen.theme,
    )
    .execute(&mut *connection)
    .await?;
    // Nodes remember it with the session.
    users::tell(connection).await
}
