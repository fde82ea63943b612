//! Search: one function behind every door.
//!
//! The version is settled first, and an absent one refused. Full text and vectors then look side by side among what may
//! be found, their ranks are fused, and the passages are read from the database.

pub mod analysis;
mod collector;
pub mod engine;
pub mod follow;
mod fuse;
mod highlight;
pub mod index;
mod misses;
mod passages;
mod query;
pub mod relevance;
mod vectors;

pub use engine::{Engine, EngineConfig, ModelState};
pub use misses::{Miss, Misses};
pub use passages::{Passage, find as find_passage};

use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::documents::Category;
use crate::label::{Label, Request};
use crate::names::{LibraryName, Tag};

/// How the notice begins that search by meaning had no part in an answer.
pub const BY_WORDS_ALONE: &str = "searched by words alone";
/// How the notice begins that the full-text index does not hold everything yet.
pub const INDEX_BUILDING: &str = "the full-text index is being built";
/// The longest question, in characters.
pub const LONGEST_QUERY: usize = 2000;
/// The most passages on one page.
pub const LARGEST_PAGE: usize = 100;
/// How deep one may page: what nobody found among so many nobody will.
pub const DEEPEST: usize = 1000;

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchMode)]
pub enum Mode {
    /// By words and by meaning, fused.
    #[default]
    Hybrid,
    /// By words alone.
    Text,
    /// By meaning alone.
    Vector,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The words.
    pub text: String,
    /// In this library; in all where none is given.
    pub library: Option<LibraryName>,
    /// In this version; only with a library.
    pub version: Request,
    /// Only in documents of these types.
    pub types: Vec<String>,
    /// Only in passages that hold this.
    pub content_types: Vec<String>,
    /// Only in documents of this category.
    pub category: Option<Category>,
    /// Only in documents with all of these tags.
    pub tags: Vec<Tag>,
    /// By words, by meaning, or both.
    pub mode: Mode,
    /// Passages on a page.
    pub limit: usize,
    /// Where the page begins.
    pub after: Option<Cursor>,
    /// Whether the library's owners are told when it comes to nothing. A query that nobody wrote is nothing to tell.
    pub is_told: bool,
}

impl Question {
    /// Asks for these words everywhere.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            library: None,
            version: Request::Active,
            types: Vec::new(),
            content_types: Vec::new(),
            category: None,
            tags: Vec::new(),
            mode: Mode::default(),
            limit: 10,
            after: None,
            is_told: true,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Answer {
    /// The version that was searched, where a library was named.
    pub resolved: Option<Resolved>,
    /// How it was searched: as asked, or by words alone where there are no vectors.
    pub mode: Mode,
    /// What the asker should know: that vectors are still being made, that the index is behind.
    pub notices: Vec<String>,
    /// The passages, the best first.
    pub hits: Vec<Hit>,
    /// Where the next page begins.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
    /// Changes that full text does not show yet; what changed is left out rather than shown as it was.
    pub changes_behind: i64,
}

/// The version that was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resolved {
    /// The library.
    #[schema(value_type = String)]
    pub library: LibraryName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Label,
}

/// A passage that was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Hit {
    /// The passage.
    #[serde(flatten)]
    #[schema(value_type = Passage)]
    pub passage: std::sync::Arc<Passage>,
    /// The part of its text that shows best why it was found.
    pub snippet: String,
    /// The words asked for, as half-open ranges of characters of the snippet.
    pub highlights: Vec<(u32, u32)>,
    /// The fused score; only its order means something.
    pub score: f32,
    /// Its place among those found by words, from 1.
    pub text_rank: Option<u32>,
    /// Its place among those found by meaning, from 1.
    pub vector_rank: Option<u32>,
    /// The share of what is asked about that the passage, its title and its headings hold, from 0 to 1. The rarer a word,
    /// the more it counts; words that only make a question of it do not.
    pub coverage: f32,
    /// The cosine of its vector and the question's, where it was found by meaning. This model's lie close together: what
    /// has nothing to do with a question reaches 0.8.
    pub similarity: Option<f32>,
    /// Whether it has to do with what is asked, judged by these two. The best passage of a library that says nothing of it is still
    /// the best one.
    pub relevant: bool,
}

impl Answer {
    /// How many of its passages have to do with what is asked.
    pub fn relevant(&self) -> usize {
        self.hits.iter().filter(|hit| hit.relevant).count()
    }
}

/// The part of a text that shows best where it holds a question's words, and these words as half-open ranges of its characters.
pub fn excerpt(text: &str, question: &str) -> (String, Vec<(u32, u32)>) {
    let words = query::Words::parse(question);
    let mut held = std::collections::HashSet::new();
    let snippet =
        analysis::with_kept(|analysis| highlight::snippet(text, &words.terms(), &mut held, analysis));
    (snippet.text, snippet.highlights)
}

/// A passage's id and the document it is of: what a search knows before it reads the passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Found {
    passage: Uuid,
    document: u64,
}

/// What was found by meaning, and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Near {
    found: Found,
    similarity: f32,
}
