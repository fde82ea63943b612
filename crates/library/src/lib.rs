//! Library domain: documents and their versions, and the passages that search finds in them.
//!
//! ```text
//! uploads ──► documents::add ──► job ──► ingest (read, split, activate) ──► changes ──► search::follow (full text)
//!                                                                    └──► job ──► embed (vectors)
//! ```
//!
//! PostgreSQL and the object store hold the truth. The full-text index and the vectors are read models: they are made from
//! it, follow the [change sequence](changes), and can be rebuilt at any time. Every function that reads for a user checks the
//! access of its [actor](kernel::actor::Actor), or takes a value that only such a check returns
//! ([`Library`](catalogue::Library), [`VisibleDocument`](documents::reading::VisibleDocument)).
//!
//! ```no_run
//! use kernel::actor::Actor;
//! use library::embedder::EmbeddingChoice;
//! use library::search::{Engine, EngineConfig, ModelState, SearchRequest};
//!
//! # async fn example(pool: sqlx::PgPool) -> Result<(), library::Error> {
//! let config = EngineConfig {
//!     index_folder: "index".into(),
//!     vector_budget_milliseconds: 20,
//!     embedding: EmbeddingChoice::BuiltIn,
//!     sealer: None,
//! };
//! let engine = Engine::new(pool, config, ModelState::Loading);
//! let request = SearchRequest {
//!     library: Some("postgresql".parse()?),
//!     version: "16.x".parse()?,
//!     ..SearchRequest::new("how do I back up a database?")
//! };
//! for hit in engine.search(&Actor::owner(), &request).await?.hits {
//!     println!("{}: {}", hit.passage.path, hit.snippet);
//! }
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod budget;
pub mod catalogue;
pub mod changes;
pub mod diff;
pub mod documents;
pub mod embed;
pub mod embedder;
pub mod endpoints;
pub mod error;
pub mod favourites;
pub mod gc;
pub mod grants;
pub mod ids;
pub mod ingest;
pub mod label;
pub mod libraries;
pub mod links;
pub mod names;
pub mod notes;
pub mod overview;
pub mod reader;
pub mod recent;
pub mod search;
pub mod unpack;
pub mod uploads;
pub mod version_changes;

pub use error::Error;
