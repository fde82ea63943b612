//! Error of backup and restore. Each text says what failed and what to do.

use std::io;
use std::path::PathBuf;

/// Error of backup, restore and verification.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no repository.
    #[error("{0} is no repository of backups: name the folder that `wenyuan backup run --to` wrote to")]
    NoRepository(PathBuf),
    /// The repository has a newer format.
    #[error(
        "the repository has format {found}, and this program knows {known}: use the release that wrote it, or a later one"
    )]
    NewerFormat { found: u32, known: u32 },
    /// Another program writes to the repository.
    #[error("another backup runs on this repository or this library: wait until it has finished")]
    Busy,
    /// There is no such backup.
    #[error("there is no backup {0}; `wenyuan backup list` shows those that are complete")]
    NoBackup(String),
    /// Several backups begin with these letters.
    #[error("several backups begin with {0}: write more of the id")]
    Ambiguous(String),
    /// A piece of a backup is damaged or missing.
    #[error("{piece} is damaged: {fault}")]
    Damaged { piece: String, fault: String },
    /// The backup is encrypted and no key was given.
    #[error("this backup is encrypted: name the file with its key, --key-file FILE")]
    KeyMissing,
    /// The given key does not open the backup.
    #[error("the key does not open this backup, which is encrypted to {0}")]
    WrongKey(String),
    /// A key cannot be read.
    #[error("{0} holds no key: it has a line that starts with AGE-SECRET-KEY-1, from the recovery kit")]
    BadKey(String),
    /// A public key cannot be read.
    #[error("{0:?} is no public key: it starts with age1")]
    BadRecipient(String),
    /// There is no public key to encrypt to.
    #[error(
        "there is no key to encrypt backups to: create one (wenyuan backup key new), or ask for a backup that everyone who reads the \
         repository can open (--unencrypted)"
    )]
    NoRecipient,
    /// The database runs on a server of the operator.
    #[error(
        "backups of this kind are for the built-in PostgreSQL; for a server of your own, use pg_dump as the guide Backup and restore says"
    )]
    NotBuiltIn,
    /// The folder to restore into holds something.
    #[error("{0} is not empty: a backup is restored into an empty folder, and never over a library")]
    NotEmpty(PathBuf),
    /// The program is older than the backup.
    #[error(
        "the backup has migration {found}, and this program knows {known}: use release {program} or a later one"
    )]
    NewerSchema { found: i64, known: i64, program: String },
    /// The PostgreSQL programs have another major version than the backup.
    #[error(
        "the backup is of PostgreSQL {found}, and the programs here are {known}: use the release that wrote it"
    )]
    OtherPostgres { found: String, known: String },
    /// The disk is too small.
    #[error(
        "{folder} has {free} bytes free, and the restoration needs {needed}: make room, or choose another folder"
    )]
    NoSpace { folder: PathBuf, free: u64, needed: u64 },
    /// A PostgreSQL program failed.
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    /// WAL that the backup needs is gone.
    #[error("the write-ahead log {0} was removed before it was saved; run the backup again")]
    WalGone(String),
    /// The wanted moment cannot be recovered.
    #[error("the library cannot be recovered to {wanted}: the repository has {kept}")]
    OutOfRange { wanted: String, kept: String },
    /// The restored database has no point at which it is complete.
    #[error("the restored database does not reach the state of the backup: {0}")]
    Unrecovered(String),
    /// The caller is anonymous.
    #[error("sign in or use an API key to do this")]
    SignIn,
    /// The caller is no administrator, or acts by a key.
    #[error("only administrators can do this, and start and change something only in person")]
    NotAllowed,
    /// A value cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// There is no such golden question.
    #[error("there is no golden question {0}")]
    NoQuestion(uuid::Uuid),
    /// Another failure, as text.
    #[error("{0}")]
    Failed(String),
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    /// The repository failed.
    #[error("the repository failed")]
    Repository(#[from] object_store::Error),
    /// The library's object store failed.
    #[error(transparent)]
    Objects(#[from] store::objects::Error),
    /// The private PostgreSQL failed.
    #[error(transparent)]
    Cluster(#[from] store::postgres::cluster::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Error {
    pub(crate) fn damaged(piece: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Damaged { piece: piece.into(), fault: fault.into() }
    }

    /// Wraps a failed use of a path, for `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Failed(format!("a task ended unexpectedly: {error}"))
    }
}
