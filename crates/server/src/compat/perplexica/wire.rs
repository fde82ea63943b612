//! Wire formats of Perplexica: the older one (lines of `sources`, `message`, `messageEnd`) and the newer one (patched blocks).

use chat::answer::stream::{Event, Outcome};
use chat::focus::Focus;
use chat::messages::MessageRole;
use chat::source::Source;
use chat::transfer::MessageRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaChat)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chat {
    /// Its id, as the client gave it.
    pub(super) id: String,
    /// Its title.
    pub(super) title: String,
    /// When it was begun (ISO 8601).
    pub(super) created_at: String,
    /// Focus mode.
    pub(super) focus_mode: String,
    /// Its files.
    pub(super) files: Vec<File>,
}

/// A file of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaFile)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    pub(super) name: String,
    pub(super) file_id: String,
}

/// All chats.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaChats)]
pub(crate) struct Chats {
    pub(super) chats: Vec<Chat>,
}

/// A message.
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

/// A chat with its messages.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaOpenedChat)]
pub(crate) struct Opened {
    pub(super) chat: Chat,
    pub(super) messages: Vec<Row>,
}

/// One thing that is said.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaTold)]
pub(crate) struct Message {
    pub(super) message: String,
}

/// A question in a chat.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaQuestion)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    pub(super) message: Option<AskedMessage>,
    /// Older clients: what is asked.
    pub(super) focus_mode: Option<String>,
    /// Newer clients: `web`, `discussions`, `academic`; `library` is ours.
    pub(super) sources: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    pub(super) chat_model: Option<Value>,
}

/// Text of the message.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaAsked)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedMessage {
    #[serde(default)]
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) chat_id: String,
    #[serde(default)]
    pub(super) content: String,
}

/// A question of no chat.
#[derive(Deserialize, ToSchema)]
#[schema(as = PerplexicaSearch)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Search {
    pub(super) query: Option<String>,
    pub(super) focus_mode: Option<String>,
    pub(super) sources: Option<Vec<String>>,
    /// Earlier messages: `["human" | "assistant", text]`.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<String>>)]
    pub(super) history: Vec<(String, String)>,
    #[serde(default)]
    pub(super) stream: bool,
    #[schema(value_type = Option<Object>)]
    pub(super) chat_model: Option<Value>,
}

/// An answer of no chat.
#[derive(Serialize, ToSchema)]
#[schema(as = PerplexicaAnswer)]
pub(crate) struct Answer {
    pub(super) message: String,
    #[schema(value_type = Vec<Object>)]
    pub(super) sources: Value,
}

/// How an answer streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `sources`, `message`, `messageEnd`.
    Lines,
    /// `block`, `updateBlock`, `researchComplete`, `messageEnd`.
    Blocks,
    /// `init`, `sources`, `response`, `done`.
    Search,
}

/// The focus that is meant; `None` where there is no such.
pub(super) fn focus(focus_mode: Option<&str>, sources: Option<&[String]>) -> Option<Focus> {
    match (focus_mode, sources) {
        (Some(name), _) => name.parse().ok(),
        (None, None) => Some(Focus::default()),
        (None, Some(sources)) => Some(match sources.first().map(String::as_str) {
            None | Some("library") => Focus::LibrarySearch,
            Some("web") => Focus::WebSearch,
            Some("academic") => Focus::AcademicSearch,
            Some("discussions") => Focus::RedditSearch,
            Some(_) => return None,
        }),
    }
}

/// The model that is meant: `{provider, name}` or `{providerId, key}`. Only ours are: clients send what they used elsewhere,
/// too.
pub(super) fn model(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let provider = value.get("provider").or_else(|| value.get("providerId"))?.as_str()?;
    let name = value.get("name").or_else(|| value.get("key"))?.as_str()?;
    (provider == super::PROVIDER && !name.is_empty()).then(|| name.to_owned())
}

/// Sources as both generations read them.
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

/// A message as a row.
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
    pub(super) shape: Shape,
    /// The answer's id.
    pub(super) id: String,
    pub(super) address: std::sync::Arc<str>,
    /// The text so far, where each patch holds all of it.
    pub(super) text: String,
    pub(super) has_text: bool,
}

impl Writer {
    /// The lines for an event.
    pub(super) fn lines(&mut self, event: &Event) -> Vec<Value> {
        let id = &self.id;
        match (self.shape, event) {
            (Shape::Lines, Event::Sources(found)) => {
                vec![json!({ "type": "sources", "data": sources(found, &self.address), "messageId": id })]
            }
            (Shape::Lines, Event::Text(text)) => {
                vec![json!({ "type": "message", "data": text, "messageId": id })]
            }
            (Shape::Search, Event::Sources(found)) => {
                vec![json!({ "type": "sources", "data": sources(found, &self.address) })]
            }
            (Shape::Search, Event::Text(text)) => vec![json!({ "type": "response", "data": text })],
            (Shape::Blocks, Event::Sources(found)) => {
                let block = json!({ "id": format!("{id}-sources"), "type": "source", "data": sources(found, &self.address) });
                vec![json!({ "type": "block", "block": block }), json!({ "type": "researchComplete" })]
            }
            (Shape::Blocks, Event::Text(text)) => {
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
        lines.push(match self.shape {
            Shape::Lines => json!({ "type": "messageEnd", "messageId": self.id }),
            Shape::Blocks => json!({ "type": "messageEnd" }),
            Shape::Search => json!({ "type": "done" }),
        });
        lines
    }
}
