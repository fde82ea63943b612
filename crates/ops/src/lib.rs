//! Operations: backups that are restored and checked before they count, and restoring them. Knows no domain: what else belongs to a
//! backup, and what a restored library must answer, is passed in as bytes and as findings.
//!
//! A [`Repository`](repository::Repository) is a folder of backups. [`backup::run`] writes one, [`restore`] plans and carries out a
//! restoration into an empty data folder, [`verify::run`] restores a backup beside the running library and checks the copy. Between
//! backups, [`archive`] stores the write-ahead log, for recovery to any moment. The format is described in [`manifest`], encryption in
//! [`keys`]. The crate owns the PostgreSQL schema `ops`: [`questions`], [`drills`].
//!
//! ```no_run
//! use std::path::Path;
//! use ops::repository::Repository;
//!
//! # async fn example() -> Result<(), ops::Error> {
//! let repository = Repository::open(Path::new("/mnt/backups/wenyuan")).await?;
//! for backup in repository.backups().await? {
//!     println!("{} {}", backup.id, backup.finished_at);
//! }
//! # Ok(())
//! # }
//! ```

pub mod archive;
pub mod authority;
pub mod backup;
mod codec;
pub mod drills;
mod error;
pub mod keys;
pub mod manifest;
pub mod progress;
pub mod prune;
pub mod questions;
pub mod repository;
pub mod restore;
mod tables;
pub mod verify;
pub mod wal;

pub use error::Error;
