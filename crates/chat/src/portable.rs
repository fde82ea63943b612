//! A chat outside its database: what is exported, shared and imported.
//!
//! ```text
//! a file ──► import ──► history (our own lines)                     export ──► history (everything)
//!                  └──► foreign (what others export) ──► tree                └──► markdown, html, JSON (one chat)
//! ```
//!
//! Readers know no database, take any bytes without a panic, and hold one chat at a time.

mod chatgpt;
pub mod compatible;
pub mod export;
pub mod foreign;
pub mod history;
pub mod html;
pub mod import;
mod librechat;
mod loose;
pub mod markdown;
mod open_webui;
mod perplexica;
pub mod report;
pub mod shares;
mod tree;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::source::Source;

pub use report::{Dropped, Report};

/// The longest message, and the longest quotation, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;
/// Messages of a chat at most.
pub const MOST_MESSAGES: usize = 10_000;
/// Chats of one import at most.
pub const MOST_CHATS: u64 = 100_000;
/// Sources of a message at most.
pub const MOST_SOURCES: usize = 1000;
/// The largest file that is imported, in bytes.
pub const LARGEST_IMPORT: u64 = 1 << 30;

/// What ids are derived in that are no UUIDs where they come from (UUIDv5, RFC 9562): made once, and never to be changed.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x4e0c_5a0e_7d1f_5b60_9d1a_77c1_5d4e_6e59);

/// The id of a chat that is called this elsewhere: itself where it is a UUID, else one derived from it.
pub fn chat_id(external: &str) -> Uuid {
    uuid_of(external).unwrap_or_else(|| Uuid::new_v5(&NAMESPACE, external.as_bytes()))
}

/// The id of a message that is called this in a chat that is called that elsewhere. Short ids are not unique in the world,
/// so the chat's is a part of what it is derived from.
pub fn message_id(chat: &str, external: &str) -> Uuid {
    uuid_of(external).unwrap_or_else(|| Uuid::new_v5(&NAMESPACE, format!("{chat}/{external}").as_bytes()))
}

/// A UUID in its usual form. Without hyphens it may as well be 32 digits that mean something else.
fn uuid_of(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::parse_str(text).ok().filter(|id| !id.is_nil()) } else { None }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[sqlx(type_name = "varchar", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageRole)]
pub enum Role {
    /// The person.
    User,
    /// The answer.
    Assistant,
}

impl Role {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How far an answer came.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageStatus)]
pub enum Status {
    /// It is being written.
    Answering,
    /// It is whole. Questions always are.
    #[default]
    Complete,
    /// Its asker stopped it.
    Stopped,
    /// Whoever wrote it is gone; what there is was kept.
    Interrupted,
    /// It came to nothing; the metadata say why.
    Failed,
}

impl Status {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// What its owner says of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdict {
    /// `good` or `wrong`.
    pub verdict: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// What would have been right.
    #[serde(default)]
    pub correction: String,
}

/// A chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Its id.
    pub id: Uuid,
    /// Its id where it was imported from.
    pub external_id: Option<String>,
    /// Its title.
    pub title: String,
    /// What it asks: `librarySearch`, `webSearch`, `writingAssistant` …
    pub focus_mode: String,
    /// The library it asks.
    pub library: Option<String>,
    /// The version it asks.
    pub version: Option<String>,
    /// The model it asks.
    pub model: Option<String>,
    /// Whether it stands before the others.
    pub pinned: bool,
    /// Whether it is put away.
    pub archived: bool,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When its newest message was written.
    pub updated_at: DateTime<Utc>,
    /// The last message of the branch that is shown.
    pub current: Option<Uuid>,
    /// Its messages, each after its parent.
    pub messages: Vec<Message>,
    /// Its files.
    pub files: Vec<File>,
}

impl Chat {
    /// The branch that is shown: from its first question to the current message; where none is, to the newest.
    pub fn shown(&self) -> Vec<&Message> {
        let by_id: HashMap<Uuid, &Message> =
            self.messages.iter().map(|message| (message.message_id, message)).collect();
        let mut next = self.current.and_then(|id| by_id.get(&id).copied()).or_else(|| self.messages.last());
        let mut branch = Vec::new();
        while let Some(message) = next.filter(|_| branch.len() < self.messages.len()) {
            branch.push(message);
            next = message.parent.and_then(|id| by_id.get(&id).copied());
        }
        branch.reverse();
        branch
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub message_id: Uuid,
    /// The message it follows.
    pub parent: Option<Uuid>,
    /// Who speaks.
    pub role: Role,
    /// Its text, as Markdown.
    pub content: String,
    /// How far it came.
    pub status: Status,
    /// How it came about.
    pub metadata: BTreeMap<String, Value>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// What it stands on.
    pub sources: Vec<Source>,
    /// What its owner says of it.
    pub verdict: Option<Verdict>,
}

/// A file of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its id.
    pub file_id: Uuid,
    /// Its name.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: i64,
    /// When it was attached.
    pub uploaded_at: DateTime<Utc>,
}
