//! A chat outside its database: what is exported, shared and imported.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::source::Source;

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
