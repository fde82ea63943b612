//! Errors of the crate. Each text says what to do.

use crate::names::InvalidName;

/// Error of an operation on users, sessions, links or API keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name and password do not match. Which of them is wrong is not revealed.
    #[error("name or password is wrong")]
    WrongPassword,
    /// Too many failed attempts.
    #[error("too many attempts: wait {seconds} seconds")]
    TooManyAttempts {
        /// Seconds until the next attempt is allowed.
        seconds: u32,
    },
    /// The token or API key is unknown, disabled or expired.
    #[error("{0}")]
    InvalidCredential(&'static str),
    /// The link is unknown, used or expired.
    #[error("this link was already used or has expired: request a new one")]
    InvalidLink,
    /// The actor is not signed in.
    #[error("sign in to do this")]
    SignIn,
    /// The actor may not do this.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// There is no such user, or the actor may not see them.
    #[error("there is no such user")]
    NoUser,
    /// There is no such session, or the actor may not see it.
    #[error("there is no such session")]
    NoSession,
    /// There is no such API key, or the actor may not see it.
    #[error("there is no such key")]
    NoKey,
    /// Another user has this name.
    #[error("another user has this name: choose another")]
    UsernameTaken,
    /// Another user has this email address.
    #[error("another user has this mail address")]
    EmailTaken,
    /// The user has another API key with this name.
    #[error("you have a key of this name already: choose another name, or delete that key")]
    KeyNameTaken,
    /// No active administrator would remain.
    #[error("this is the only active administrator: create another one first")]
    LastAdministrator,
    /// A user name or email address is invalid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A new password does not meet the policy.
    #[error(transparent)]
    PasswordPolicy(#[from] PasswordPolicyError),
    /// A value is out of bounds; the text says what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// All connections of the pool, or all slots for hashing passwords, are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// An unexpected failure.
    #[error("{0}")]
    Internal(String),
}

/// Violation of the password policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordPolicyError {
    /// Too few characters.
    #[error("a password has at least {min} characters; a few unrelated words work well")]
    TooShort {
        /// Minimum number of characters.
        min: usize,
    },
    /// Too many characters.
    #[error("a password has at most {max} characters")]
    TooLong {
        /// Maximum number of characters.
        max: usize,
    },
    /// Found with few guesses.
    #[error("this password is too easy to guess: choose another")]
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

impl From<kernel::secret::RandomnessError> for Error {
    fn from(error: kernel::secret::RandomnessError) -> Self {
        Self::Internal(error.to_string())
    }
}
