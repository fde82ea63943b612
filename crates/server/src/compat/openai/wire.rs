//! Wire format of OpenAI's responses (API reference, Chat and Models).

use chat::answer::stream::Outcome;
use chat::messages::MAX_QUESTION_CHARS;
use chat::models::client::Usage as TokenUsage;
use chat::source::Source;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ModelId;
use crate::http::problem::Problem;
use crate::http::schema::described;

described! {
    /// Messages of a conversation, the question last.
    OpenAiMessages = kernel::schema::list::<RequestMessage>(1..=super::request::MAX_MESSAGES);
    /// Text of a message.
    OpenAiText = kernel::schema::text(1..=MAX_QUESTION_CHARS, kernel::schema::NOT_BLANK);
}

/// Request of a client of OpenAI: the members that have an effect. Others are ignored or refused as the guide says.
#[derive(ToSchema)]
#[schema(as = OpenAiRequest)]
#[expect(dead_code, reason = "describes the request; `Question` parses it")]
pub(crate) struct Request {
    /// `wenyuan` for all libraries, a library, or a library and a version: `fastify@5.2.1`.
    #[schema(value_type = ModelId, example = "wenyuan")]
    model: String,
    /// Messages, the question last.
    #[schema(value_type = OpenAiMessages)]
    messages: Vec<RequestMessage>,
    /// Whether the answer is sent as events.
    stream: Option<bool>,
    /// Options of the events.
    stream_options: Option<StreamOptions>,
}

/// Message of a conversation. The last one is the question, of role `user`.
#[derive(ToSchema)]
#[schema(as = OpenAiRequestMessage)]
#[expect(dead_code, reason = "describes the request")]
struct RequestMessage {
    #[schema(inline)]
    role: RequestRole,
    // Clients can also send a list of text parts, or null in messages that are not the question. A doc comment beside `inline` would
    // describe an object that is a text, too.
    #[schema(value_type = OpenAiText, inline)]
    content: String,
}

/// Author of a message. Only `user` and `assistant` have an effect.
#[derive(ToSchema)]
#[schema(as = OpenAiRequestRole, rename_all = "lowercase")]
#[expect(dead_code, reason = "describes the request")]
enum RequestRole {
    User,
    Assistant,
    System,
    Developer,
    Tool,
    Function,
}

/// Options of a stream of events.
#[derive(ToSchema)]
#[schema(as = OpenAiStreamOptions)]
#[expect(dead_code, reason = "describes the request")]
struct StreamOptions {
    /// Whether the last event has the token usage.
    include_usage: Option<bool>,
}

/// List of models.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
pub(crate) struct Models {
    /// `list`
    object: &'static str,
    data: Vec<Model>,
}

/// Model of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub(crate) struct Model {
    id: String,
    /// `model`
    object: &'static str,
    /// Creation time in seconds since 1970.
    created: i64,
    owned_by: &'static str,
}

/// Answer in the format of OpenAI.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiCompletion)]
pub(crate) struct Completion {
    id: String,
    /// `chat.completion`
    object: &'static str,
    /// Creation time in seconds since 1970.
    created: i64,
    model: String,
    choices: Vec<Choice>,
    /// Token usage: reported by the language model, or else estimated from the texts.
    usage: Usage,
    /// Sources of the answer, numbered as it cites them.
    sources: Vec<Source>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiChoice)]
struct Choice {
    index: u32,
    message: Message,
    /// `stop`, `length` if the answer was cut off, or `content_filter`.
    finish_reason: &'static str,
    #[schema(value_type = Option<Object>)]
    logprobs: (),
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiMessage)]
struct Message {
    /// `assistant`
    role: &'static str,
    content: String,
    refusal: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiUsage)]
#[expect(clippy::struct_field_names, reason = "the names are the protocol's")]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// Error in the format of OpenAI.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiFailure)]
pub(crate) struct Failure {
    error: ErrorBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiError)]
struct ErrorBody {
    /// Explanation: what is wrong and what to do.
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Invalid member of the request.
    param: Option<String>,
    /// Code of the error.
    code: Option<String>,
}

/// Renders the body of an error.
pub(crate) fn failure(problem: &Problem) -> Vec<u8> {
    let status = problem.status().as_u16();
    let kind = match status {
        429 => "rate_limit_error",
        401 => "authentication_error",
        403 => "permission_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let (code, param) = match (status, problem.kind()) {
        (401, _) => ("invalid_api_key".to_owned(), None),
        (429, _) => ("rate_limit_exceeded".to_owned(), None),
        (_, "no-library" | "no-version") => ("model_not_found".to_owned(), Some("model")),
        (_, kind) => (kind.replace('-', "_"), None),
    };
    let param = problem.parameter().or(param).map(str::to_owned);
    let error = ErrorBody { message: problem.detail().to_owned(), kind, param, code: Some(code) };
    serde_json::to_vec(&Failure { error }).unwrap_or_default()
}

impl Models {
    /// Creates a list.
    pub(super) fn of(data: Vec<Model>) -> Self {
        Self { object: "list", data }
    }
}

impl Model {
    /// Creates a model with this id.
    pub(super) fn new(id: String, created: i64) -> Self {
        Self { id, object: "model", created, owned_by: "wenyuan" }
    }
}

/// Fields common to all chunks of an answer.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
    /// Whether the request asked for the usage, which chunks then name: null in all but the last.
    pub(super) includes_usage: bool,
}

impl Heading {
    /// Returns the complete answer.
    pub(super) fn completion(self, content: String, outcome: &Outcome, usage: TokenUsage) -> Completion {
        let message = Message { role: "assistant", content, refusal: None };
        let finish_reason = finish_reason(outcome);
        Completion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: vec![Choice { index: 0, message, finish_reason, logprobs: () }],
            usage: usage.into(),
            sources: outcome.sources.to_vec(),
        }
    }

    /// Renders the first chunk.
    pub(super) fn first(&self) -> String {
        self.chunk(&json!({ "role": "assistant", "content": "" }), None).to_string()
    }

    /// Renders a chunk of text.
    pub(super) fn text(&self, text: &str) -> String {
        self.chunk(&json!({ "content": text }), None).to_string()
    }

    /// Renders the last chunk, with the finish reason and the sources.
    pub(super) fn last(&self, outcome: &Outcome) -> String {
        let mut chunk = self.chunk(&json!({}), Some(finish_reason(outcome)));
        chunk["sources"] = json!(&*outcome.sources);
        chunk.to_string()
    }

    /// Renders the chunk with the token usage.
    pub(super) fn usage(&self, usage: TokenUsage) -> String {
        let mut chunk = self.chunk(&Value::Null, None);
        chunk["choices"] = json!([]);
        chunk["usage"] = json!(Usage::from(usage));
        chunk.to_string()
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": null }],
        });
        if self.includes_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

fn finish_reason(outcome: &Outcome) -> &'static str {
    match outcome.finish_reason.as_deref() {
        Some("length") => "length",
        Some("content_filter") => "content_filter",
        _ => "stop",
    }
}

impl From<TokenUsage> for Usage {
    fn from(usage: TokenUsage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        }
    }
}
