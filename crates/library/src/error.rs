//! Errors of the library. Their texts say what to do; each API maps the variants to its own codes.

use store::objects;
use tantivy::TantivyError;

use crate::endpoints::client::EndpointError;
use crate::label::{InvalidLabel, Label};
use crate::names::{InvalidName, LibraryName};

/// Error of the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library does not exist for the actor.
    #[error("there is no library {name}{}", suggestion(.nearest.as_ref()))]
    NoLibrary { name: String, nearest: Option<LibraryName> },
    /// The library has no such version. The error names those present; no other version stands in for it.
    #[error("{library} has no version {requested}; it has {}{}", list(.present), suggestion(.nearest.as_ref()))]
    NoVersion { library: LibraryName, requested: String, present: Vec<Label>, nearest: Option<Label> },
    /// The actor lacks access; the text says who can give it.
    #[error("{0}")]
    NotAllowed(String),
    /// The caller is anonymous, and this needs an account.
    #[error("sign in or use an API key to do this")]
    SignIn,
    /// The library has no version yet.
    #[error("{0} has no documents yet: add some with `wenyuan add PATH --library {0}`")]
    EmptyLibrary(LibraryName),
    /// The document does not exist for the actor.
    #[error("there is no such document")]
    NoDocument,
    /// Something else does not exist; the text says what does.
    #[error("{0}")]
    NotFound(String),
    /// The document has no such version or revision.
    #[error("the document has no {0}")]
    NoDocumentVersion(String),
    /// The revision cannot be active, because it was never read successfully.
    #[error("this revision cannot be made active: it is {0}")]
    NotCompleted(String),
    /// The library's active version cannot be deleted while there are others.
    #[error("{0} is the active version of {1}: activate another one first")]
    ActiveVersion(Label, LibraryName),
    /// Owners cannot lower their own grant.
    #[error("you cannot lower your own access to {0}: ask another owner or an administrator")]
    OwnGrant(LibraryName),
    /// Invalid name.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// Invalid label.
    #[error(transparent)]
    InvalidLabel(#[from] InvalidLabel),
    /// Invalid value; the text says what is valid.
    #[error("{0}")]
    Invalid(String),
    /// Vector search was requested, but no model is loaded.
    #[error("semantic search is off: no embedding model is loaded; use mode text")]
    NoModel,
    /// The embedding or re-ranking endpoint failed; the text says how and what to do.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// The API key of an endpoint cannot be sealed or opened.
    #[error("the API key of a search endpoint cannot be used")]
    Secrets(#[source] store::secrets::Error),
    /// Error of the object store.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// All database connections are in use.
    #[error("all database connections are in use; try again shortly")]
    Exhausted,
    /// Error of the database.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Error of the full-text index.
    #[error("the full-text index failed")]
    Index(#[source] Box<TantivyError>),
    /// A violated invariant.
    #[error("{0}")]
    Internal(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        store::postgres::Error::from(error).into()
    }
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

impl From<store::postgres::Error> for Error {
    fn from(error: store::postgres::Error) -> Self {
        match error {
            store::postgres::Error::Exhausted => Self::Exhausted,
            store::postgres::Error::Database(error) => Self::Database(error),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<TantivyError> for Error {
    fn from(error: TantivyError) -> Self {
        Self::Index(Box::new(error))
    }
}

fn list(labels: &[Label]) -> String {
    let texts: Vec<&str> = labels.iter().map(Label::as_str).collect();
    texts.join(", ")
}

fn suggestion(nearest: Option<&impl std::fmt::Display>) -> String {
    nearest.map(|name| format!("; the nearest is {name}")).unwrap_or_default()
}
