//! Why the registry cannot do what is asked. Each text says what to do.

/// Why something about a registered server cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not signed in.
    #[error("sign in to do this")]
    SignIn,
    /// The actor may not do this.
    #[error("only an administrator may do this, signed in and not by a key")]
    NotAllowed,
    /// There is no such server.
    #[error("there is no such MCP server")]
    NoServer,
    /// A server cannot be asked; the text says which can.
    #[error("{0}")]
    NotAsked(String),
    /// Another server has this name.
    #[error("another MCP server has this name: choose another")]
    NameTaken,
    /// A value is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// All connections are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// A credential cannot be sealed or opened.
    #[error("the API key of an MCP server cannot be used")]
    Secrets(#[from] store::secrets::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
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
