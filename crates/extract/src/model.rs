//! The words every reader shares: what kind of document this is, the blocks a reader finds in it,
//! and the passages that are cut from them.
//!
//! A reader (`markdown`, `html`, `pdf` …) turns bytes into a [`Parsed`]: one Markdown text and a list of
//! blocks that are ranges of it. [`crate::split`] cuts the blocks into passages. Because a passage is a
//! range of the text and nothing else, a citation can always be checked against the document.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The type of a document, found by its content and its name together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// Markdown and MDX.
    Markdown,
    /// Portable Document Format.
    Pdf,
    /// Office Open XML word-processing document.
    Docx,
    /// Swagger 2.0, in JSON or YAML.
    Swagger,
    /// OpenAPI 3.x, in JSON or YAML.
    Openapi,
    /// A page made by the `javadoc` tool.
    JavaDoc,
    /// Any other HTML.
    Html,
    /// reStructuredText.
    Rst,
    /// Plain text.
    Text,
}

/// What a passage holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// Prose, lists, quotations.
    Text,
    /// Source code or a terminal transcript.
    Code,
    /// A table.
    Table,
    /// The description of an operation, a schema, a class or a member.
    Api,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading of this level, 1 (outermost) to 6; `title` is its text without markup.
    Heading { level: u8, title: String },
    /// Prose, a list, a quotation: anything that may be cut between sentences or items.
    Text,
    /// A fenced or indented code block, fences included in the range; kept whole while it fits.
    Code,
    /// A Markdown table, header included; cut between rows only, and only when it does not fit.
    Table,
    /// One operation, schema, class or member. Always begins a passage of its own and is never
    /// joined with its neighbours.
    Api,
}

/// A piece of a document as its reader found it: a range of [`Parsed::text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Bytes of [`Parsed::text`] that it covers; blocks are in order and do not overlap.
    pub range: Range<usize>,
    /// The fragment that leads to it in the original (`id` of the heading or member), without `#`.
    pub anchor: Option<String>,
    /// The page it begins on, counted from 1, where the original has pages.
    pub page: Option<u32>,
    /// Exact names found in it that a reader may search for: `String.format`, `GET /repos/{owner}`.
    pub keywords: Vec<String>,
}

/// What a reader makes of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The document's own title, if it states one.
    pub title: Option<String>,
    /// The whole document as Markdown. For Markdown and plain text this is the (decoded) source itself.
    pub text: String,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// Things a reader of the library should know ("page 7 holds no text: it may be scanned").
    pub warnings: Vec<String>,
}

/// A passage: the unit of search and of citation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The passage's text: exactly the `characters` of the document's text.
    pub content: String,
    /// What it holds.
    pub content_type: ContentType,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// The fragment that leads to it in the original, without `#`.
    pub anchor: Option<String>,
    /// First and last page, counted from 1.
    pub pages: Option<(u32, u32)>,
    /// First and last line of the document's text, counted from 1.
    pub lines: (u32, u32),
    /// Half-open range of Unicode scalar values in the document's text.
    pub characters: (u32, u32),
    /// ISO 639-1 code of its language (`en`, `zh` …), where there is enough text to tell.
    pub language: Option<String>,
    /// Exact names found in it.
    pub keywords: Vec<String>,
    /// Why it reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
}

/// A document, read and cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// Its type.
    pub document_type: DocumentType,
    /// Its title: stated, or the first heading, or the file's name.
    pub title: String,
    /// Its first words, at most 300 characters, without markup.
    pub summary: String,
    /// The language most of it is in.
    pub language: Option<String>,
    /// The whole document as Markdown.
    pub text: String,
    /// Its passages, in order.
    pub passages: Vec<Passage>,
    /// Things a reader of the library should know.
    pub warnings: Vec<String>,
}

/// Bounds on what a document may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the original.
    pub input_bytes: usize,
    /// Bytes of the extracted text, and of everything unpacked on the way to it.
    pub text_bytes: usize,
    /// Passages of one document.
    pub passages: usize,
    /// Nesting of elements, objects or lists.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { input_bytes: 256 << 20, text_bytes: 64 << 20, passages: 100_000, depth: 256 }
    }
}

/// Why a document could not be read. The text is shown to the person who added it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what the type promises.
    #[error("not a readable {kind} document: {reason}")]
    Malformed { kind: &'static str, reason: String },
    /// It is larger, deeper or longer than the limits allow.
    #[error("the document exceeds the limit of {limit} {what}")]
    TooLarge { what: &'static str, limit: usize },
    /// It needs a password or uses a feature that cannot be read.
    #[error("{0}")]
    Unsupported(String),
    /// There is no text in it.
    #[error("the document holds no text")]
    Empty,
}

impl DocumentType {
    /// Every type, with its name in the database and at every door.
    const NAMES: [(Self, &'static str); 9] = [
        (Self::Markdown, "markdown"),
        (Self::Pdf, "pdf"),
        (Self::Docx, "docx"),
        (Self::Swagger, "swagger"),
        (Self::Openapi, "openapi"),
        (Self::JavaDoc, "java_doc"),
        (Self::Html, "html"),
        (Self::Rst, "rst"),
        (Self::Text, "text"),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(known, _)| *known == self).map_or("text", |(_, name)| name)
    }

    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(known, _)| *known)
    }
}
