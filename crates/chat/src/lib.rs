//! Questions, answers that can be checked, and their history.
//!
//! ```text
//! ask ──► condense (one query from the conversation) ──► gather (library, files, web, others' servers)
//!     ──► pack (numbered, fenced, within the model's context) ──► model ──► filter, check ──► messages + sources
//! ```
//!
//! A chat belongs to one person. What a model was given is kept word for word, so that a citation opens what was cited.

pub mod answer;
pub mod chats;
pub mod error;
pub mod files;
pub mod focus;
pub mod history;
pub mod messages;
pub mod models;
pub mod portable;
pub mod source;
pub mod stale;
pub mod web;
pub mod worklist;

pub use error::Error;
