//! Wire format of OpenAI's responses (API reference, Chat and Models).

use chat::answer::stream::Outcome;
use chat::source::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::problem::Problem;

/// A question, as far as it has an effect; what else a client sends is taken or refused as it says in the guide.
#[derive(Deserialize, ToSchema)]
#[schema(as = OpenAiRequest)]
pub(crate) struct Request {
    /// `wenyuan` for all libraries, a library, or a library and a version: `fastify@5.2.1`.
    #[schema(max_length = 300, example = "wenyuan")]
    #[serde(rename = "model")]
    _model: String,
    /// Messages, the question last.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 1000)]
    #[serde(rename = "messages")]
    _messages: Vec<Value>,
    /// Whether the answer comes as events.
    #[serde(rename = "stream")]
    _stream: Option<bool>,
    /// `include_usage`: whether the last event says what the answer took.
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "stream_options")]
    _stream_options: Option<Value>,
}

/// List of models.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
pub(crate) struct Models {
    /// `list`
    object: &'static str,
    data: Vec<Model>,
}

/// Something that may be asked.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub(crate) struct Model {
    id: String,
    /// `model`
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    owned_by: &'static str,
}

/// An answer.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiCompletion)]
pub(crate) struct Completion {
    id: String,
    /// `chat.completion`
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    model: String,
    choices: Vec<Choice>,
    /// Usage as reported by the model; null if it reports none.
    usage: Option<Usage>,
    /// Sources of the answer, numbered as it cites them.
    sources: Vec<Source>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiChoice)]
struct Choice {
    index: u32,
    message: Message,
    /// `stop`, or `length` where the model was cut off.
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

/// A failure, as OpenAI has it.
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
    /// The member of the request that is wrong.
    param: Option<String>,
    /// Code of the error.
    code: Option<String>,
}

/// The body of a failure.
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
    /// All of these.
    pub(super) fn of(data: Vec<Model>) -> Self {
        Self { object: "list", data }
    }
}

impl Model {
    /// The one of this id.
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
}

impl Heading {
    /// The whole answer.
    pub(super) fn completion(self, content: String, outcome: &Outcome) -> Completion {
        let message = Message { role: "assistant", content, refusal: None };
        let finish_reason = finish_reason(outcome);
        Completion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: vec![Choice { index: 0, message, finish_reason, logprobs: () }],
            usage: usage(outcome),
            sources: outcome.sources.to_vec(),
        }
    }

    /// The first event.
    pub(super) fn first(&self) -> String {
        self.chunk(&json!({ "role": "assistant", "content": "" }), None).to_string()
    }

    /// A piece of the text.
    pub(super) fn piece(&self, text: &str) -> String {
        self.chunk(&json!({ "content": text }), None).to_string()
    }

    /// Why it ends, and what it stands on.
    pub(super) fn last(&self, outcome: &Outcome) -> String {
        let mut chunk = self.chunk(&json!({}), Some(finish_reason(outcome)));
        chunk["sources"] = json!(&*outcome.sources);
        chunk.to_string()
    }

    /// Token usage.
    pub(super) fn usage(&self, outcome: &Outcome) -> String {
        let mut chunk = self.chunk(&Value::Null, None);
        chunk["choices"] = json!([]);
        chunk["usage"] = json!(usage(outcome));
        chunk.to_string()
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": null }],
        })
    }
}

fn finish_reason(outcome: &Outcome) -> &'static str {
    match outcome.finish_reason.as_deref() {
        Some("length") => "length",
        Some("content_filter") => "content_filter",
        _ => "stop",
    }
}

fn usage(outcome: &Outcome) -> Option<Usage> {
    outcome.usage.map(|usage| Usage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
    })
}
