//! Error type of this crate. Each text says what to do; the APIs map the variants to their own codes.

/// Error of an operation on posts, comments, follows, conversations, notifications or reports.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The actor is anonymous.
    #[error("sign in, or give an API key, to do this")]
    SignIn,
    /// The actor is not allowed to do this; the text says how to obtain access.
    #[error("{0}")]
    NotAllowed(String),
    /// The thing does not exist for the actor; the text names it.
    #[error("{0}")]
    NotFound(String),
    /// A value is invalid; the text says what is valid.
    #[error("{0}")]
    Invalid(String),
    /// The current state does not allow the operation.
    #[error("{0}")]
    Conflict(String),
    /// The actor has written too much lately.
    #[error("you have written too much in a short time: try again in {seconds} seconds")]
    TooFast {
        /// Seconds after which one more is allowed.
        seconds: u32,
    },
    /// Error of the library.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// All database connections are in use.
    #[error("the server is busy; try again shortly")]
    Exhausted,
    /// Error of the database.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Bug in this program.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn no_post() -> Self {
        Self::NotFound("there is no such post".to_owned())
    }

    pub(crate) fn no_comment() -> Self {
        Self::NotFound("there is no such comment".to_owned())
    }

    /// Whether it says that something does not exist for the actor.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NotFound(_) | Self::Library(library::Error::NoLibrary { .. } | library::Error::NoDocument)
        )
    }

    pub(crate) fn no_person() -> Self {
        Self::NotFound("there is no such person".to_owned())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint);
        match constraint {
            Some("follows_not_oneself") => Self::Invalid("you cannot follow yourself".to_owned()),
            Some("mutes_not_oneself") => Self::Invalid("you cannot mute yourself".to_owned()),
            Some("blocks_not_oneself") => Self::Invalid("you cannot block yourself".to_owned()),
            // Deleted between the look-up and the change.
            Some(
                "follows_user_id_fkey"
                | "mutes_muted_id_fkey"
                | "blocks_blocked_id_fkey"
                | "conversation_members_user_id_fkey",
            ) => Self::no_person(),
            Some("comments_post_id_fkey" | "likes_post_id_fkey") => Self::no_post(),
            Some("comments_parent_fkey" | "likes_comment_id_fkey") => Self::no_comment(),
            _ => store::postgres::Error::from(error).into(),
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
