//! Errors of loading a model. Once it is loaded, embedding cannot fail.

use std::io;

/// Reason why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or read, or ends early.
    #[error("cannot read the model file")]
    Read(#[from] io::Error),
    /// The file does not begin with the format's signature and version.
    #[error("not a model of format E5S1, version 1")]
    NotAModel,
    /// A count, offset, size or value in the file is invalid.
    #[error("the model file is damaged: {0}")]
    Damaged(String),
    /// The threads that run the model could not be started.
    #[error("cannot start a thread for the model")]
    Thread(#[from] rayon::ThreadPoolBuildError),
}

/// Returns an [`Error::Damaged`].
pub(crate) fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged(reason.into())
}
