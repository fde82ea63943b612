//! Error type of this crate. Each text says what to do; the APIs map the variants to their own codes.

/// Error of an operation on chats.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The actor is anonymous.
    #[error("sign in, or give an API key, to do this")]
    SignIn,
    /// The actor is not allowed to do this; the text says how to obtain access.
    #[error("{0}")]
    NotAllowed(String),
    /// The thing does not exist, or belongs to somebody else; the text names it.
    #[error("{0}")]
    NotFound(String),
    /// A value is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The current state does not allow the operation.
    #[error("{0}")]
    Conflict(String),
    /// The actor has reached the limit of simultaneous answers.
    #[error("{0} answers are being written for you already: wait for one to end, or stop it")]
    TooManyAnswers(usize),
    /// Another language model has this name.
    #[error("duplicate name of a language model: choose another one")]
    ModelNameTaken,
    /// Error of the library.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// Error of the MCP server registry.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Error of a language model.
    #[error(transparent)]
    Model(#[from] crate::models::client::ModelError),
    /// All database connections are in use, or too many answers are being written.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// An API key cannot be sealed or opened.
    #[error("failed to seal or open the API key of a language model")]
    Secrets(#[source] store::secrets::Error),
    /// Error of the object store.
    #[error(transparent)]
    Objects(#[from] store::objects::Error),
    /// Error of the database.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Bug in this program.
    #[error("{0}")]
    Internal(String),
}

impl From<store::credentials::Error> for Error {
    fn from(error: store::credentials::Error) -> Self {
        match error {
            store::credentials::Error::Invalid(text) => Self::Invalid(text),
            store::credentials::Error::Secrets(error) => Self::Secrets(error),
            store::credentials::Error::Database(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        match constraint {
            Some("models_name_key") => Self::ModelNameTaken,
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
