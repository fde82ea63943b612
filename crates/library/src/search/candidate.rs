//! Candidates: passages that one retrieval method has found, before they are fused and read.

use uuid::Uuid;

/// A passage with its document, version and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) passage: Uuid,
    /// Number of the document: see [`number_of`](super::index::number_of).
    pub(super) document: u64,
    /// Number of the version.
    pub(super) version: u64,
    /// Number of the text, which equal texts share: see [`content_number`](super::index::content_number).
    pub(super) content: u64,
}

/// A candidate of full-text search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TextCandidate {
    pub(super) candidate: Candidate,
    /// Share of the query's words that the passage contains, 0 to 1; rarer words weigh more. Only of the best candidates.
    pub(super) coverage: f32,
}

/// A candidate of vector search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VectorCandidate {
    pub(super) candidate: Candidate,
    /// Cosine similarity to the query.
    pub(super) similarity: f32,
}
