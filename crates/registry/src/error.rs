//! Errors of the registry. Each text says what to do.

use store::credentials;

/// Error of an operation on registered servers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The actor is not signed in.
    #[error("sign in to do this")]
    SignIn,
    /// The actor may not do this.
    #[error("only an administrator who is signed in can do this; an API key cannot")]
    NotAllowed,
    /// No server has this id.
    #[error("there is no such MCP server")]
    NoServer,
    /// No tool of this server can be called; the text names the servers that have one.
    #[error("{0}")]
    NotCallable(String),
    /// Another server has this name.
    #[error("another MCP server has this name: choose another")]
    NameTaken,
    /// A value is out of bounds; the text says what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// All connections of the pool are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// An API key cannot be sealed or opened.
    #[error("the API key of an MCP server cannot be used")]
    Secrets(#[source] store::secrets::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<credentials::Error> for Error {
    fn from(error: credentials::Error) -> Self {
        match error {
            credentials::Error::Invalid(text) => Self::Invalid(text),
            credentials::Error::Secrets(error) => Self::Secrets(error),
            credentials::Error::Database(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        match constraint {
            Some("mcp_configs_name_key") => Self::NameTaken,
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Exhausted,
                error => Self::Database(error),
            },
        }
    }
}
