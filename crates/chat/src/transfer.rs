//! Chats outside the database: exports, imports, shared links.
//!
//! ```text
//! file ──► import ──► ndjson (our own format)                     export ──► ndjson (whole history)
//!                └──► importers (formats of other programs)             └──► markdown, html, JSON (one chat)
//! ```
//!
//! Parsers use no database, accept any bytes without a panic, and hold one chat in memory at a time.

pub mod export;
pub mod external_ids;
#[cfg(test)]
mod fuzz;
pub mod html;
pub mod import;
pub mod importers;
mod lenient_json;
pub mod markdown;
pub mod ndjson;
pub mod report;
pub mod shares;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::messages::{MessageRole, MessageStatus, Verdict};
use crate::source::Source;

pub use report::{ImportReport, SkippedItem};

/// Maximum length of a message and of a quotation, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Maximum number of messages of a chat.
pub const MAX_CHAT_MESSAGES: usize = 10_000;
/// Maximum number of chats of one import.
pub const MAX_CHATS: u64 = 100_000;
/// Maximum number of sources of a message.
pub const MAX_MESSAGE_SOURCES: usize = 1000;
/// Maximum size of a file to be imported, in bytes.
pub const MAX_IMPORT_BYTES: u64 = 1 << 30;

/// Namespace of ids derived from ids that are not UUIDs (UUIDv5,
/// [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.5)). Must never change.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x4e0c_5a0e_7d1f_5b60_9d1a_77c1_5d4e_6e59);

/// Returns our id of a chat with this id in another program: the same if it is a UUID, else derived from it.
pub fn chat_id(external: &str) -> Uuid {
    parse_uuid(external).unwrap_or_else(|| Uuid::new_v5(&ID_NAMESPACE, external.as_bytes()))
}

/// Returns our id of a message with these ids of its chat and its own in another program. Short ids are unique only within their
/// chat, so a derived id depends on both.
pub fn message_id(chat: &str, external: &str) -> Uuid {
    parse_uuid(external)
        .unwrap_or_else(|| Uuid::new_v5(&ID_NAMESPACE, format!("{chat}/{external}").as_bytes()))
}

/// Parses a UUID with hyphens. 32 digits without hyphens may mean something else.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::parse_str(text).ok().filter(|id| !id.is_nil()) } else { None }
}

/// Chat as exported and imported, with its messages and files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRecord {
    /// Chat id.
    pub id: Uuid,
    /// Id in the program it was imported from.
    pub external_id: Option<String>,
    /// Title.
    pub title: String,
    /// Focus mode: `librarySearch`, `webSearch`, `writingAssistant` …
    pub focus_mode: String,
    /// Library that is searched.
    pub library: Option<String>,
    /// Version that is searched.
    pub version: Option<String>,
    /// Language model that answers.
    pub model: Option<String>,
    /// Whether the chat is listed before the others.
    pub pinned: bool,
    /// Whether the chat is archived.
    pub archived: bool,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Time of the newest message.
    pub updated_at: DateTime<Utc>,
    /// Last message of the branch that is shown.
    pub current: Option<Uuid>,
    /// Messages, each after its parent.
    pub messages: Vec<MessageRecord>,
    /// Files.
    pub files: Vec<FileRecord>,
}

impl ChatRecord {
    /// Returns the branch that is shown: from its first question to the current message, or to the newest without one.
    pub fn shown(&self) -> Vec<&MessageRecord> {
        let by_id: HashMap<Uuid, &MessageRecord> =
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

/// Message as exported and imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Message id.
    pub message_id: Uuid,
    /// Id of the message it follows.
    pub parent: Option<Uuid>,
    /// Author.
    pub role: MessageRole,
    /// Text as Markdown.
    pub content: String,
    /// State of the answer.
    pub status: MessageStatus,
    /// Provenance of the answer.
    pub metadata: BTreeMap<String, Value>,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Sources.
    pub sources: Vec<Source>,
    /// Owner's feedback.
    pub verdict: Option<Verdict>,
}

/// File of a chat as exported and imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// File id.
    pub file_id: Uuid,
    /// File name.
    pub name: String,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub size: i64,
    /// Upload time.
    pub uploaded_at: DateTime<Utc>,
}
