//! Request and response of a search.

use std::sync::Arc;

use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::passages::Passage;
use crate::documents::Category;
use crate::label::{Label, VersionRequest};
use crate::names::{LibraryName, Tag};

/// Beginning of the notice that semantic search had no part in a response.
pub const TEXT_ONLY_NOTICE: &str = "keyword results only";
/// Beginning of the notice that the re-ranking endpoint had no part in a response.
pub const NOT_RERANKED_NOTICE: &str = "the results are not re-ranked";
/// Beginning of the notice that the full-text index does not hold every passage yet.
pub const INDEX_BUILDING_NOTICE: &str = "the full-text index is being built";
/// Notice that no passage is relevant.
pub const NOTHING_RELEVANT_NOTICE: &str = "no passage is relevant to the query; these are the nearest";
/// Beginning of the notice that vector search does not know every passage yet.
pub const VECTORS_MISSING_NOTICE: &str = "vector search is incomplete";
/// Maximum length of a query, in characters.
pub const MAX_QUERY_CHARS: usize = 2000;
/// Maximum number of passages of a page.
pub const MAX_PAGE_SIZE: usize = 100;
/// Maximum number of results that can be paged through.
pub const MAX_RESULTS: usize = 1000;

/// Maximum number of equal passages that a hit names.
pub const MAX_ALSO_IN: usize = 50;

/// Retrieval method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// Full-text and vector search, fused.
    #[default]
    Hybrid,
    /// Full-text search alone.
    Text,
    /// Vector search alone.
    Vector,
}

/// A search request. Every filter that is set must match.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// Query, 1 to [`MAX_QUERY_CHARS`] characters.
    pub text: String,
    /// Library; all that exist for the actor if `None`.
    pub library: Option<LibraryName>,
    /// Version of the library; without a library only [`VersionRequest::Active`].
    pub version: VersionRequest,
    /// Document types, any of them; all if empty.
    pub types: Vec<String>,
    /// Content types of passages, any of them; all if empty.
    pub content_types: Vec<String>,
    /// Category of documents.
    pub category: Option<Category>,
    /// Tags of documents, all of them.
    pub tags: Vec<Tag>,
    /// Retrieval method.
    pub mode: SearchMode,
    /// Number of passages of a page, 1 to [`MAX_PAGE_SIZE`].
    pub limit: usize,
    /// Cursor of an earlier page.
    pub after: Option<Cursor>,
    /// Whether a search without results is recorded for the library's owners. Not for a generated query.
    pub records_zero_results: bool,
}

impl SearchRequest {
    /// Makes a hybrid search of all libraries for this query, with ten passages a page.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            library: None,
            version: VersionRequest::Active,
            types: Vec::new(),
            content_types: Vec::new(),
            category: None,
            tags: Vec::new(),
            mode: SearchMode::default(),
            limit: 10,
            after: None,
            records_zero_results: true,
        }
    }

    /// Whether a filter besides library and version is set.
    pub(super) fn is_filtered(&self) -> bool {
        !self.types.is_empty()
            || !self.content_types.is_empty()
            || !self.tags.is_empty()
            || self.category.is_some()
    }
}

/// A search response.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SearchResponse {
    /// Version that was searched, if the request names a library.
    pub resolved: Option<ResolvedVersion>,
    /// Retrieval method that was used: the requested one, or full text if there are no vectors.
    pub mode: SearchMode,
    /// Notices for the caller: that vectors are still being made, that the index is behind.
    pub notices: Vec<String>,
    /// Passages, the best first.
    pub hits: Vec<SearchHit>,
    /// Number of further passages that are ranked already: the following pages have at least as many.
    pub more: usize,
    /// Cursor of the next page.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
    /// Rank of the first hit, from 0.
    #[serde(skip)]
    pub(super) offset: usize,
    /// Number of changes that the full-text index does not hold yet. Changed documents are left out rather than shown as
    /// they were.
    pub changes_behind: i64,
}

impl SearchResponse {
    /// Returns the cursor of the page that begins behind the first `count` hits of this one, if anything comes there: for callers that
    /// pass on fewer hits than they asked for.
    pub fn cursor_after(&self, count: usize) -> Option<Cursor> {
        if count < self.hits.len() {
            Some(Cursor::encode(&(self.offset + count, self.mode)))
        } else {
            self.next.clone()
        }
    }

    /// Returns the number of relevant passages.
    pub fn relevant(&self) -> usize {
        self.hits.iter().filter(|hit| hit.relevant).count()
    }
}

/// Version that a search has resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResolvedVersion {
    /// Name of the library.
    #[schema(value_type = String)]
    pub library: LibraryName,
    /// Label of the version.
    #[schema(value_type = String)]
    pub version: Label,
}

/// A passage with the same text as a hit, in another library or version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EqualPassage {
    /// Id.
    pub id: Uuid,
    /// Name of the library.
    pub library: String,
    /// Label of the version.
    pub version: String,
    /// Document.
    pub document_id: Uuid,
    /// Path of the document.
    pub path: String,
    /// Title of the document.
    pub title: String,
    /// URL path of the passage in the REST API.
    pub url: String,
}

impl From<&Passage> for EqualPassage {
    fn from(passage: &Passage) -> Self {
        Self {
            id: passage.id,
            library: passage.library.clone(),
            version: passage.version.clone(),
            document_id: passage.document_id,
            path: passage.path.clone(),
            title: passage.title.clone(),
            url: passage.url.clone(),
        }
    }
}

/// A passage in a search response.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SearchHit {
    /// Passage.
    #[serde(flatten)]
    #[schema(value_type = Passage)]
    pub passage: Arc<Passage>,
    /// First heading in its text, such as that of an operation (`PUT /repos/{repo}/lock`), if it is not the last of its section.
    pub heading: Option<String>,
    /// Part of its text that matches best, in plain words: prose, or code if only that matches.
    pub snippet: String,
    /// Whether the snippet is code, whose lines and spaces matter.
    pub snippet_is_code: bool,
    /// Whether words of the passage stand before the snippet, and behind it.
    #[serde(skip)]
    pub snippet_is_cut: (bool, bool),
    /// Matched words, as half-open ranges of characters of the snippet.
    pub highlights: Vec<(u32, u32)>,
    /// Number of further passages of the same document that following pages have.
    pub more_in_document: usize,
    /// Equal passages of other libraries or versions, which are no hits of their own; at most 50.
    pub also_in: Vec<EqualPassage>,
    /// Fused score; only its order has a meaning.
    pub score: f32,
    /// Rank in full-text search, from 1.
    pub text_rank: Option<u32>,
    /// Rank in vector search, from 1.
    pub vector_rank: Option<u32>,
    /// Share of the query's content words that the passage, its title and its headings contain, 0 to 1. Rarer words weigh
    /// more; words such as "how do I" do not count.
    pub coverage: f32,
    /// Cosine similarity of passage and query, if vector search found it. The model's similarities lie close together:
    /// unrelated texts reach 0.8.
    pub similarity: Option<f32>,
    /// Whether the passage is relevant to the query, by these two figures. Even without a relevant passage there is a best
    /// one.
    pub relevant: bool,
}
