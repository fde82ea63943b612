//! Why the room of identity cannot do what is asked. Each text says what to do.

use crate::names::BadName;

/// Why something about someone cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name and password do not belong together; which of them is wrong is not said.
    #[error("name or password is wrong")]
    BadPassword,
    /// Too many attempts.
    #[error("too many attempts: wait {seconds} seconds")]
    TooManyAttempts { seconds: u32 },
    /// A token or key that is not, or no longer, good.
    #[error("{0}")]
    BadCredential(&'static str),
    /// A link that was used, or is too old, or never was.
    #[error("this link was used already or is too old: ask for a new one")]
    BadLink,
    /// Not signed in.
    #[error("sign in to do this")]
    SignIn,
    /// The actor may not do this.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
    /// There is no such key.
    #[error("there is no such key")]
    NoKey,
    /// Another user has this name.
    #[error("another user has this name: choose another")]
    UsernameTaken,
    /// Another user has this address.
    #[error("another user has this mail address")]
    EmailTaken,
    /// Another key has this name.
    #[error("you have a key of this name already: choose another name, or delete that key")]
    KeyNameTaken,
    /// The last administrator would be gone.
    #[error("this is the only active administrator: make another one first")]
    LastAdministrator,
    /// A name is not one.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// A password that may not be chosen.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A value is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// All connections, or all places for checking passwords, are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Something that should not happen did.
    #[error("{0}")]
    Internal(String),
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has too few characters.
    #[error("a password has at least {least} characters; a few words in a row are good")]
    TooShort {
        /// How many it must have.
        least: usize,
    },
    /// It has too many bytes.
    #[error("a password has at most {most} bytes")]
    TooLong {
        /// How many it may have.
        most: usize,
    },
    /// It is found with few guesses.
    #[error("this password is among the first that are guessed: choose another")]
    TooCommon,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        match constraint {
            Some("users_username_key") => Self::UsernameTaken,
            Some("users_email_key") => Self::EmailTaken,
            Some("mcp_api_keys_user_id_name_key") => Self::KeyNameTaken,
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Exhausted,
                error => Self::Database(error),
            },
        }
    }
}

impl From<store::postgres::Error> for Error {
    fn from(error: store::postgres::Error) -> Self {
        match error {
            store::postgres::Error::Exhausted => Self::Exhausted,
            store::postgres::Error::Database(error) => Self::Database(error),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<kernel::secret::NoRandomness> for Error {
    fn from(error: kernel::secret::NoRandomness) -> Self {
        Self::Internal(error.to_string())
    }
}
