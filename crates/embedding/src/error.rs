//! What can go wrong: only loading. Once a model is loaded, any text has a vector.

use std::io;

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or read, or ends in the middle of what it announces.
    #[error("the model file could not be read")]
    Read(#[from] io::Error),
    /// The file does not begin as a model of the known format.
    #[error("not a model of format E5S1, version 1")]
    NotAModel,
    /// A count, offset, size or value in the file cannot be true.
    #[error("the model file is damaged: {0}")]
    Damaged(String),
    /// The threads that run the model could not be started.
    #[error("the model's thread could not be started")]
    Thread(#[from] rayon::ThreadPoolBuildError),
}

/// A [`Error::Damaged`], short.
pub(crate) fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged(reason.into())
}
