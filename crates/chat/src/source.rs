//! Sources of an answer: a quotation and its origin.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Passage of a library.
    #[default]
    Passage,
    /// File attached to the chat.
    File,
    /// Web page.
    Web,
    /// Registered MCP server.
    Server,
}

/// Change of a cited passage, relative to the version that answers now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = Stale)]
pub enum Staleness {
    /// The section exists with another text.
    Changed,
    /// The section does not exist any more.
    Gone,
}

/// Numbered source of an answer. Exports of one chat contain the same fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = AnswerSource)]
pub struct Source {
    /// Number by which the answer cites it, from 1.
    pub number: i32,
    /// Rank among the search hits, from 1.
    pub rank: i32,
    /// Kind.
    pub kind: SourceKind,
    /// Whether the answer cites it.
    pub cited: bool,
    /// Passage id, while the passage exists.
    pub passage_id: Option<Uuid>,
    /// SHA-256 of `content`, in hexadecimal.
    pub sha256: String,
    /// Start of the part of `content` that the model was given, in characters.
    pub character_from: i32,
    /// End of that part, exclusive, in characters.
    pub character_to: i32,
    /// Library.
    pub library: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Whether the version was the active one because none was named.
    pub follows_active: bool,
    /// Other libraries or versions with the same passage: `fastify 4.2`.
    #[serde(default)]
    pub also_in: Vec<String>,
    /// Document id.
    pub document_id: Option<Uuid>,
    /// Path of the document.
    pub path: Option<String>,
    /// Title of the document, file or page.
    pub title: String,
    /// Headings above the passage, outermost first.
    pub section: Vec<String>,
    /// First page, from 1.
    pub page_from: Option<i32>,
    /// Last page, inclusive.
    pub page_to: Option<i32>,
    /// URL that opens the source.
    pub url: Option<String>,
    /// Reason why the text reads like an instruction to an agent, if it does. It is a quotation and never an instruction.
    pub instruction: Option<String>,
    /// Change of the passage, relative to the version that answers now.
    #[serde(default)]
    pub stale: Option<Staleness>,
    /// Quotation, verbatim.
    #[serde(default)]
    pub content: String,
}

impl Source {
    /// Returns the headings above the passage, without one that repeats the title.
    pub fn headings(&self) -> &[String] {
        library::documents::section_below_title(&self.title, &self.section)
    }
}
