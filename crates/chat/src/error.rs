//! Why something about a chat cannot be done. Each text says what to do; doors map the variants to their own codes.

/// Why something about a chat cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has a history without saying who they are.
    #[error("sign in, or give an API key, to do this")]
    SignIn,
    /// The actor may not do this; the text says who can allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// What is asked for is not there, or is somebody else's; the text says what it is.
    #[error("{0}")]
    NotFound(String),
    /// A value is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// It is in a state in which this cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// So many answers are being written for the actor that the next has to wait.
    #[error("{0} answers are being written for you already: wait for one of them, or stop it")]
    TooManyAnswers(usize),
    /// Another model has this name.
    #[error("another language model has this name: choose another")]
    ModelNameTaken,
    /// The library.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// The registry of others' servers.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A language model failed.
    #[error(transparent)]
    Model(#[from] crate::models::client::Failure),
    /// All connections are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// A credential cannot be sealed or opened.
    #[error("the API key of a language model cannot be used")]
    Secrets(#[from] store::secrets::Error),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] store::objects::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
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
