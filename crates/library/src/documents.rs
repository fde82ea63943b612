//! Documents and their revisions.
//!
//! A document has a path in its library and revisions in the library's versions; at most one revision a version is
//! active and answers. [`add()`] registers bytes of the object store as documents, [`reading`] reads them in parts, and the
//! other submodules list them and change them.

pub(crate) mod active;
mod add;
pub mod contents;
mod document;
pub mod layout;
mod metadata;
pub mod outline;
pub mod reading;
mod revision;
mod withdraw;

pub use add::{AddedDocument, NewDocument, Outcome, Target, add, retry};
pub use document::{
    Category, Document, DocumentFilter, delete, find, find_many, first_of_libraries, list,
    section_below_title,
};
pub use metadata::{MetadataChange, metadata, patch_metadata};
pub use revision::{
    Revision, RevisionName, Status, VisibleRevision, activate, content, find_revisions, finished, revision,
    revisions,
};
pub use withdraw::{Vanished, find_vanished, withdraw};
