//! Errors of the use cases: those of the domain crates, and the refusals that no single crate can state.
//!
//! Each API maps them to its own form; for HTTP that is a problem (RFC 9457).

/// Result of a use case.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Error of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Library(#[from] library::Error),
    #[error(transparent)]
    Chat(#[from] chat::Error),
    #[error(transparent)]
    Social(#[from] social::Error),
    #[error(transparent)]
    Operations(#[from] ops::Error),
    /// The actor lacks the right, whatever the object.
    #[error("{0}")]
    Forbidden(String),
    /// The input is invalid; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// The state of the system does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// A limit on concurrent work is reached; retry after this many seconds.
    #[error("{text}")]
    TooMany { seconds: u32, text: String },
    /// An unexpected failure; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

impl From<store::postgres::Error> for Error {
    fn from(error: store::postgres::Error) -> Self {
        Self::Library(error.into())
    }
}

impl From<store::objects::Error> for Error {
    fn from(error: store::objects::Error) -> Self {
        Self::Library(error.into())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Library(error.into())
    }
}
