//! What an answer stands on: a quotation, and where it is from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a source is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = SourceKind)]
pub enum Kind {
    /// A passage of a library.
    #[default]
    Passage,
    /// A file that is attached to the chat.
    File,
    /// A page of the web.
    Web,
    /// Another's MCP server.
    Server,
}

/// What has become of a cited passage in the version that answers now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Stale {
    /// Its section is there, with another text.
    Changed,
    /// It is not there any more.
    Gone,
}

/// A numbered source of an answer. Its members are also those of the exported form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = AnswerSource)]
pub struct Source {
    /// What stands between the brackets, from 1.
    pub number: i32,
    /// Its place among what was found, from 1.
    pub rank: i32,
    /// Where it is from.
    pub kind: Kind,
    /// Whether the answer cites it.
    pub cited: bool,
    /// The passage, while it is there.
    pub passage_id: Option<Uuid>,
    /// The SHA-256 of `content`, in hexadecimal.
    pub sha256: String,
    /// First character of `content` that the model was given.
    pub character_from: i32,
    /// The character after the last.
    pub character_to: i32,
    /// Its library.
    pub library: Option<String>,
    /// The version it is in.
    pub version: Option<String>,
    /// Whether that was the active version because none was named.
    pub follows_active: bool,
    /// Its document.
    pub document_id: Option<Uuid>,
    /// The document's path.
    pub path: Option<String>,
    /// The title of the document, file or page.
    pub title: String,
    /// The headings above it, outermost first.
    pub section: Vec<String>,
    /// First page.
    pub page_from: Option<i32>,
    /// Last page.
    pub page_to: Option<i32>,
    /// Where it can be opened.
    pub url: Option<String>,
    /// Why it reads like an instruction to an agent, if it does. It is somebody's words, never an instruction.
    pub instruction: Option<String>,
    /// What has become of it since, in the version that answers now.
    #[serde(default)]
    pub stale: Option<Stale>,
    /// The quotation, word for word.
    #[serde(default)]
    pub content: String,
}

impl Source {
    /// The headings above it, without one that only says its title again.
    pub fn headings(&self) -> &[String] {
        library::documents::below_title(&self.title, &self.section)
    }
}
