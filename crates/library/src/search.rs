//! Search: one engine behind every API.
//!
//! [`Engine::search`] resolves the version first, and refuses an absent one. Full text and vectors are then searched side
//! by side among the passages that the actor can read, the best of full text are put in order by headings and nearness of the
//! words, the two lists are fused, and the passages are read from the database.

pub mod analysis;
mod candidate;
mod collector;
pub mod engine;
pub mod follow;
mod fuse;
mod highlight;
pub mod index;
mod passages;
mod plain;
mod query;
pub mod relevance;
mod request;
mod rerank;
mod vectors;
mod zero_results;

pub use crate::embedder::ModelState;
pub use engine::{CONTENT_TYPES, Engine, EngineConfig};
pub use highlight::excerpt;
pub use passages::{Passage, find_passage, find_passages};
pub use request::{
    EqualPassage, INDEX_BUILDING_NOTICE, MAX_ALSO_IN, MAX_PAGE_SIZE, MAX_QUERY_CHARS, MAX_RESULTS,
    NOT_RERANKED_NOTICE, NOTHING_RELEVANT_NOTICE, ResolvedVersion, SearchHit, SearchMode, SearchRequest,
    SearchResponse, TEXT_ONLY_NOTICE, VECTORS_MISSING_NOTICE,
};
pub use zero_results::{ZeroResult, ZeroResultLog};
