//! Wire formats of Perplexica: the older one (lines of `sources`, `message`, `messageEnd`) and the newer one (patched blocks).
//!
//! Requests can have further members, which clients send and this API ignores.

use chat::answer::stream::{Event, Outcome};
use chat::focus::Focus;
use chat::messages::MessageRole;
use chat::source::Source;
use chat::transfer::MessageRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::PerplexicaHistory;
use crate::http::schema::{ExternalId, QuestionText, described};

/// Chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaChat)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chat {
    /// Id that the client assigned, or ours.
    pub(super) id: String,
    /// Title.
    pub(super) title: String,
    /// Creation time (ISO 8601).
    pub(super) created_at: String,
    /// Focus mode.
    pub(super) focus_mode: String,
    /// Files.
    pub(super) files: Vec<File>,
}

/// File of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaFile)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    pub(super) name: String,
    pub(super) file_id: String,
}

/// Chats.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaChats)]
pub(crate) struct Chats {
    pub(super) chats: Vec<Chat>,
}

/// Message of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaMessage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(super) id: usize,
    pub(super) content: String,
    pub(super) chat_id: String,
    pub(super) message_id: String,
    pub(super) role: &'static str,
    /// JSON in a text: `{createdAt, sources?}`.
    pub(super) metadata: String,
}

/// Chat with its messages.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaOpenedChat)]
pub(crate) struct ChatWithMessages {
    pub(super) chat: Chat,
    pub(super) messages: Vec<Row>,
}

/// Text for the user, or an error.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaMessageBody)]
pub(crate) struct MessageBody {
    pub(super) message: String,
}

/// Question in a chat.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaQuestion)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    #[schema(required, nullable = false)]
    pub(super) message: Option<QuestionMessage>,
    /// Focus mode, sent by older clients.
    #[schema(value_type = Option<Focus>)]
    pub(super) focus_mode: Option<String>,
    /// Sources, sent by newer clients: the first one decides. `library` is an addition of this API.
    #[schema(value_type = Option<PerplexicaSources>)]
    pub(super) sources: Option<Vec<String>>,
    /// Language model: `{providerId, key}` or `{provider, name}`. Models of other providers are ignored.
    #[schema(value_type = Option<Object>)]
    pub(super) chat_model: Option<Value>,
}

/// Message of a question.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaQuestionMessage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuestionMessage {
    /// Id that the client assigns.
    #[serde(default)]
    #[schema(value_type = ExternalId, required = false)]
    pub(super) message_id: String,
    /// Id of the chat that the client assigns.
    #[serde(default)]
    #[schema(value_type = ExternalId, required = false)]
    pub(super) chat_id: String,
    /// Question.
    #[serde(default)]
    #[schema(value_type = QuestionText)]
    pub(super) content: String,
}

/// Question without a chat.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaSearch)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Search {
    /// Question.
    #[schema(value_type = QuestionText, required)]
    pub(super) query: Option<String>,
    /// Focus mode, sent by older clients.
    #[schema(value_type = Option<Focus>)]
    pub(super) focus_mode: Option<String>,
    /// Sources, sent by newer clients: the first one decides.
    #[schema(value_type = Option<PerplexicaSources>)]
    pub(super) sources: Option<Vec<String>>,
    /// Earlier messages.
    #[serde(default)]
    #[schema(value_type = PerplexicaHistory, required = false)]
    pub(super) history: Vec<(String, String)>,
    /// Whether the answer streams.
    #[serde(default)]
    pub(super) stream: bool,
    /// Language model: `{providerId, key}` or `{provider, name}`. Models of other providers are ignored.
    #[schema(value_type = Option<Object>)]
    pub(super) chat_model: Option<Value>,
}

/// Answer to a question without a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaAnswer)]
pub(crate) struct Answer {
    pub(super) message: String,
    #[schema(value_type = Vec<Object>)]
    pub(super) sources: Value,
}

/// Sources that newer clients name, and their focus modes.
const SOURCES: [(&str, Focus); 4] = [
    ("library", Focus::LibrarySearch),
    ("web", Focus::WebSearch),
    ("academic", Focus::AcademicSearch),
    ("discussions", Focus::RedditSearch),
];

described! {
    /// Source that is searched.
    PerplexicaSource = kernel::schema::one_of(SOURCES.map(|(name, _)| name));
    /// Sources that are searched.
    PerplexicaSources = kernel::schema::list::<PerplexicaSource>(0..=SOURCES.len());
}

/// Format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamFormat {
    /// `sources`, `message`, `messageEnd`.
    Lines,
    /// `block`, `updateBlock`, `researchComplete`, `messageEnd`.
    Blocks,
    /// `init`, `sources`, `response`, `done`.
    Search,
}

/// Returns the focus of a request; `None` if it is unknown.
pub(super) fn focus(focus_mode: Option<&str>, sources: Option<&[String]>) -> Option<Focus> {
    match (focus_mode, sources) {
        (Some(name), _) => name.parse().ok(),
        (None, None) => Some(Focus::default()),
        (None, Some(sources)) if sources.len() > SOURCES.len() => None,
        (None, Some(sources)) => Some(match sources.first().map(String::as_str) {
            None => Focus::default(),
            Some(source) => SOURCES.iter().find(|(name, _)| *name == source)?.1,
        }),
    }
}

/// Returns the model of a request: `{provider, name}` or `{providerId, key}`. Models of other providers are ignored, since clients
/// send those that they used elsewhere.
pub(super) fn model(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let provider = value.get("provider").or_else(|| value.get("providerId"))?.as_str()?;
    let name = value.get("name").or_else(|| value.get("key"))?.as_str()?;
    (provider == super::PROVIDER && !name.is_empty()).then(|| name.to_owned())
}

/// Renders sources for older and newer clients.
pub(super) fn sources(sources: &[Source], address: &str) -> Value {
    sources
        .iter()
        .map(|source| {
            let url = match source.passage_id {
                Some(id) => Some(format!("{address}/api/v1/passages/{id}")),
                None => source.url.clone(),
            };
            json!({
                "content": source.content, "pageContent": source.content,
                "metadata": { "title": source.title, "url": url, "library": source.library, "version": source.version,
                              "section": source.section },
            })
        })
        .collect()
}

/// Renders a message.
pub(super) fn row(number: usize, chat: &str, message: &MessageRecord, address: &str) -> Row {
    let mut metadata = json!({ "createdAt": message.created_at });
    if message.role == MessageRole::Assistant && !message.sources.is_empty() {
        metadata["sources"] = sources(&message.sources, address);
    }
    let external = message.metadata.get("external_id").and_then(Value::as_str);
    Row {
        id: number,
        content: message.content.clone(),
        chat_id: chat.to_owned(),
        message_id: external.map_or_else(|| message.message_id.to_string(), str::to_owned),
        role: message.role.as_str(),
        metadata: metadata.to_string(),
    }
}

/// Renders the events of an answer.
pub(super) struct Writer {
    pub(super) format: StreamFormat,
    /// Id of the answer.
    pub(super) id: String,
    pub(super) address: std::sync::Arc<str>,
    /// Text so far: each patch contains all of it.
    pub(super) text: String,
    pub(super) has_text: bool,
}

impl Writer {
    /// Returns the lines of an event.
    pub(super) fn lines(&mut self, event: &Event) -> Vec<Value> {
        let id = &self.id;
        match (self.format, event) {
            (StreamFormat::Lines, Event::Sources(found)) => {
                vec![json!({ "type": "sources", "data": sources(found, &self.address), "messageId": id })]
            }
            (StreamFormat::Lines, Event::Text(text)) => {
                vec![json!({ "type": "message", "data": text, "messageId": id })]
            }
            (StreamFormat::Search, Event::Sources(found)) => {
                vec![json!({ "type": "sources", "data": sources(found, &self.address) })]
            }
            (StreamFormat::Search, Event::Text(text)) => vec![json!({ "type": "response", "data": text })],
            (StreamFormat::Blocks, Event::Sources(found)) => {
                let block = json!({ "id": format!("{id}-sources"), "type": "source", "data": sources(found, &self.address) });
                vec![json!({ "type": "block", "block": block }), json!({ "type": "researchComplete" })]
            }
            (StreamFormat::Blocks, Event::Text(text)) => {
                self.text.push_str(text);
                let block = format!("{id}-text");
                if std::mem::replace(&mut self.has_text, true) {
                    let patch = json!([{ "op": "replace", "path": "/data", "value": self.text }]);
                    vec![json!({ "type": "updateBlock", "blockId": block, "patch": patch })]
                } else {
                    vec![
                        json!({ "type": "block", "block": { "id": block, "type": "text", "data": self.text } }),
                    ]
                }
            }
            (_, Event::End(outcome)) => self.end(outcome),
        }
    }

    fn end(&self, outcome: &Outcome) -> Vec<Value> {
        let mut lines = Vec::new();
        if let Some(failure) = outcome.failure.as_ref().filter(|_| outcome.text.is_empty()) {
            lines.push(json!({ "type": "error", "data": failure.to_string() }));
        }
        lines.push(match self.format {
            StreamFormat::Lines => json!({ "type": "messageEnd", "messageId": self.id }),
            StreamFormat::Blocks => json!({ "type": "messageEnd" }),
            StreamFormat::Search => json!({ "type": "done" }),
        });
        lines
    }
}
