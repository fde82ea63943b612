//! Types of messages: the message itself, its role, its status and its owner's verdict.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::chats::ChatId;
use crate::source::Source;

/// Author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "varchar", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// The person who asks.
    User,
    /// The answer.
    Assistant,
}

impl MessageRole {
    /// Returns the name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// State of an answer. Questions are always complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// The answer is being written.
    Answering,
    /// The answer is complete.
    #[default]
    Complete,
    /// The user stopped the answer.
    Stopped,
    /// The writing process disappeared; the text written so far was kept.
    Interrupted,
    /// The answer failed; its metadata contain the reason.
    Failed,
}

impl MessageStatus {
    /// Returns the name in the database and in every API.
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

/// Owner's feedback on an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// `good` or `wrong`.
    pub verdict: String,
    /// Reason for the verdict; at most 4000 characters.
    #[serde(default)]
    pub reason: String,
    /// Correct answer; at most 4000 characters.
    #[serde(default)]
    pub correction: String,
}

/// A question or an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    /// Message id.
    pub message_id: Uuid,
    /// Id of the message it follows; `null` at the start of a branch.
    pub parent: Option<Uuid>,
    /// Author.
    pub role: MessageRole,
    /// Text as Markdown.
    pub content: String,
    /// State of the answer.
    pub status: MessageStatus,
    /// Provenance of the answer: model, query, versions, tokens, dropped citations, unsupported sentences.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Alternatives with the same parent, this message included, oldest first.
    pub siblings: Vec<Uuid>,
    /// Sources, by the number that the text cites.
    pub sources: Vec<Source>,
    /// Owner's feedback.
    pub verdict: Option<Verdict>,
    #[serde(skip)]
    pub(crate) id: i64,
}

impl Message {
    /// Returns a message of a conversation that is not stored.
    pub(crate) fn ephemeral(role: MessageRole, content: String) -> Self {
        Self {
            message_id: Uuid::nil(),
            parent: None,
            role,
            content,
            status: MessageStatus::Complete,
            metadata: Value::Null,
            created_at: DateTime::UNIX_EPOCH,
            siblings: Vec::new(),
            sources: Vec::new(),
            verdict: None,
            id: 0,
        }
    }

    /// Whether a passage that the answer cites has changed or disappeared since.
    pub fn is_stale(&self) -> bool {
        self.sources.iter().any(|source| source.cited && source.stale.is_some())
    }
}

/// Row of `chat.shown_messages`, with the chat it belongs to.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) chat_id: ChatId,
    pub(super) message_id: Uuid,
    pub(super) parent: Option<Uuid>,
    pub(super) role: MessageRole,
    pub(super) content: String,
    pub(super) status: MessageStatus,
    pub(super) metadata: Value,
    pub(super) created_at: DateTime<Utc>,
    pub(super) siblings: Vec<Uuid>,
    pub(super) sources: Option<Json<Vec<Source>>>,
    pub(super) verdict: Option<Json<Verdict>>,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        Self {
            message_id: row.message_id,
            parent: row.parent,
            role: row.role,
            content: row.content,
            status: row.status,
            metadata: row.metadata,
            created_at: row.created_at,
            siblings: row.siblings,
            sources: row.sources.map(|Json(sources)| sources).unwrap_or_default(),
            verdict: row.verdict.map(|Json(verdict)| verdict),
            id: row.id,
        }
    }
}
