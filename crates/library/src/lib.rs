//! The library: documents and their versions, and the passages that search finds in them.
//!
//! ```text
//! documents::add ──► job ──► ingest (reads, cuts, activates) ──► changes ──► search::follow (full text)
//!                                                          └──► job ──► embed (vectors)
//! ```
//!
//! PostgreSQL and the object store hold the truth. The full-text index and the vectors are made from it, follow
//! [`changes`], and can be thrown away.

pub mod access;
pub mod budget;
pub mod catalogue;
pub mod changes;
pub mod diff;
pub mod documents;
pub mod embed;
pub mod error;
pub mod ingest;
pub mod label;
pub mod names;
pub mod notes;
pub mod overview;
pub mod reader;
pub mod recent;
pub mod search;
pub mod sweep;

pub use error::Error;
