//! Why the library cannot do what is asked. Each text says what to do; doors map the variants to their own codes.

use store::objects;
use tantivy::TantivyError;

use crate::label::{BadLabel, Label};
use crate::names::{BadName, LibraryName};

/// Why the library cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such library.
    #[error("there is no library {name}{}", suggestion(.nearest.as_ref()))]
    NoLibrary { name: String, nearest: Option<LibraryName> },
    /// The library has no such version; those present are named, and nothing else is answered in its place.
    #[error("{library} has no version {wanted}; it has {}{}", list(.present), suggestion(.nearest.as_ref()))]
    NoVersion { library: LibraryName, wanted: String, present: Vec<Label>, nearest: Option<Label> },
    /// The actor may not do this; the text says who can allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// Nobody may do this without saying who they are.
    #[error("sign in, or give an API key, to do this")]
    SignIn,
    /// A library of this name is there, and does not exist for the actor.
    #[error("the name {0} cannot be used: choose another")]
    NameTaken(LibraryName),
    /// The library has no version at all yet.
    #[error("{0} holds no documents yet: add some with `wenyuan add PATH --library {0}`")]
    EmptyLibrary(LibraryName),
    /// There is no such document, or none that may be seen.
    #[error("there is no such document")]
    NoDocument,
    /// What is asked for is not there; the text says what is.
    #[error("{0}")]
    NotFound(String),
    /// The document is there, but not under this label or not in this revision.
    #[error("the document has no {0}")]
    NoDocumentVersion(String),
    /// The revision cannot answer: it was never read successfully.
    #[error("this revision cannot be made active: it is {0}")]
    NotCompleted(String),
    /// The library's active version cannot be deleted.
    #[error("{0} is the active version of {1}: activate another one first")]
    ActiveVersion(Label, LibraryName),
    /// An owner would take their library from themselves.
    #[error("you would lose {0} yourself: let another owner, or an administrator, do this")]
    OwnGrant(LibraryName),
    /// A name is not one.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// A label is not one.
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    /// A value is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// Vectors are asked for and there is no model.
    #[error("search by meaning is off: no embedding model is loaded; use mode text")]
    NoModel,
    /// The object store.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// All connections are in use.
    #[error("all database connections are in use; try again shortly")]
    Exhausted,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The full-text index failed.
    #[error("the full-text index failed")]
    Index(#[source] Box<TantivyError>),
    /// Something that should not happen did.
    #[error("{0}")]
    Internal(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        store::postgres::Error::from(error).into()
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
