//! Client of language models: `POST …/chat/completions`, streamed
//! ([Chat Completions](https://platform.openai.com/docs/api-reference/chat) of OpenAI).
//!
//! Providers follow the protocol loosely, so responses are parsed leniently, and a request that one provider refuses and another
//! needs (name of the length parameter, `stream_options`, `/v1` in the path) is retried the other way once; the variant that works is
//! remembered ([`Dialect`]). Responses are untrusted: nothing but the text is passed on. The API key is sent in a request header
//! marked as sensitive and nowhere else: redirects are not followed and proxies not used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use library::budget;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::Target;
use super::chunk::{self, ThinkFilter};
pub use super::error::{ModelError, ModelErrorKind};
use super::sse::{Event, SseParser};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of an answer's text, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Maximum size of a response body, in bytes, including everything around the text.
const MAX_RESPONSE_BYTES: usize = 256 << 20;
/// Time limit for an answer after it has started.
const ANSWER_TIMEOUT: Duration = Duration::from_hours(1);
/// Maximum number of bytes read of an error response.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// Time limit for the body of an error response.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum `Retry-After` that is waited for before a retry, in seconds.
const MAX_RETRY_SECONDS: u32 = 2;
/// Time limit for the usage after the finish reason.
const USAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the end of the body after `[DONE]`, so that the connection can be reused.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(50);
/// Maximum number of queued requests for each one that may run.
const QUEUE_FACTOR: usize = 4;
/// Maximum number of models whose state is remembered.
const MAX_ENDPOINTS: usize = 200;

/// Author of a message in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptRole {
    /// Rules for the model.
    System,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
}

/// Message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    /// Author.
    pub role: PromptRole,
    /// Text.
    pub content: String,
}

/// Token usage of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Whether the numbers are estimates, since the model reported none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Estimates the usage of an answer from its texts: see [`budget::tokens`].
    pub fn estimate<'text>(prompt: impl IntoIterator<Item = &'text str>, answer: &str) -> Self {
        let prompt_tokens = prompt.into_iter().map(|text| budget::tokens(text) as u64).sum();
        Self { prompt_tokens, completion_tokens: budget::tokens(answer) as u64, estimated: true }
    }
}

/// Client of all models. Limits the number of simultaneous requests to each. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Created at the first request: most runs of the program make none.
    http: OnceLock<reqwest::Client>,
    /// State of each model, by name.
    endpoints: Mutex<BTreeMap<String, Arc<EndpointState>>>,
}

/// State of a model while the program runs.
#[derive(Debug)]
struct EndpointState {
    endpoint: Url,
    concurrency: usize,
    /// Running and queued requests.
    queue_permits: Arc<Semaphore>,
    /// Running requests.
    run_permits: Arc<Semaphore>,
    dialect: Mutex<Dialect>,
}

/// Variant of the protocol that a provider accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Dialect {
    /// Whether `max_completion_tokens` replaces `max_tokens`.
    completion_tokens: bool,
    /// Whether `stream_options` is left out.
    no_stream_options: bool,
    /// Whether `/v1` is appended to the endpoint.
    under_v1: bool,
}

/// Answer of a model, as a stream of text.
pub struct TextStream {
    name: String,
    response: Response,
    parser: SseParser,
    think_filter: ThinkFilter,
    first: Option<String>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    /// Whether an event of the protocol has been received.
    has_event: bool,
    is_over: bool,
    text_bytes: usize,
    response_bytes: usize,
    idle: Duration,
    deadline: Instant,
    _run_permit: OwnedSemaphorePermit,
    _queue_permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for TextStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TextStream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a prompt and returns when the model starts to answer. Beyond the model's `concurrency` requests are queued, up to
    /// four times as many.
    ///
    /// # Errors
    ///
    /// Fails if the queue is full, or the model cannot be reached, refuses the request or does not start in time.
    pub async fn ask(
        &self,
        target: &Target,
        prompt: &[PromptMessage],
        answer_tokens: usize,
    ) -> Result<TextStream, ModelError> {
        let result = self.start(target, prompt, answer_tokens).await;
        let outcome = result.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "begun");
        metrics::counter!("wenyuan_model_questions_total", "outcome" => outcome).increment(1);
        result
    }

    async fn start(
        &self,
        target: &Target,
        prompt: &[PromptMessage],
        answer_tokens: usize,
    ) -> Result<TextStream, ModelError> {
        let name = target.name.as_str();
        let state = self.shared.endpoint_state(target);
        let queue_permit =
            Arc::clone(&state.queue_permits).try_acquire_owned().map_err(|_full| busy(name))?;
        let run_permit = timeout(target.first, Arc::clone(&state.run_permits).acquire_owned()).await;
        let run_permit = run_permit.map_err(|_elapsed| busy(name))?.map_err(|_never_closed| busy(name))?;

        let deadline = Instant::now() + target.first;
        let slow = |_elapsed| too_slow(name, target.first);
        let response = timeout_at(deadline, self.shared.send(target, &state, prompt, answer_tokens));
        let response = response.await.map_err(slow)??;
        let mut pieces = TextStream {
            name: target.name.clone(),
            response,
            parser: SseParser::default(),
            think_filter: ThinkFilter::default(),
            first: None,
            usage: None,
            finish_reason: None,
            has_event: false,
            is_over: false,
            text_bytes: 0,
            response_bytes: 0,
            idle: target.idle,
            deadline: Instant::now() + ANSWER_TIMEOUT,
            _run_permit: run_permit,
            _queue_permit: queue_permit,
        };
        // The first event counts as the start, even if it is only thinking.
        pieces.first = timeout_at(deadline, pieces.step()).await.map_err(slow)??;
        Ok(pieces)
    }
}

impl Shared {
    fn http(&self, name: &str) -> Result<&reqwest::Client, ModelError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            // The API key goes to the endpoint and to no proxy.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("wenyuan")
            .build();
        let client = client.map_err(|_no_client| {
            let what =
                "cannot be used: creating a TLS client failed; check the root certificates of this machine";
            ModelError::new(ModelErrorKind::Unreachable, name, what)
        })?;
        Ok(self.http.get_or_init(|| client))
    }

    /// Returns the state of a model. A changed endpoint or concurrency starts a new one; running requests keep theirs.
    fn endpoint_state(&self, target: &Target) -> Arc<EndpointState> {
        let mut endpoints = lock(&self.endpoints);
        if let Some(state) = endpoints.get(&target.name)
            && state.concurrency == target.concurrency
            && state.endpoint == target.endpoint
        {
            return Arc::clone(state);
        }
        if endpoints.len() >= MAX_ENDPOINTS {
            endpoints.retain(|_, state| Arc::strong_count(state) > 1);
        }
        let state = Arc::new(EndpointState {
            endpoint: target.endpoint.clone(),
            concurrency: target.concurrency,
            queue_permits: Arc::new(Semaphore::new(target.concurrency * (1 + QUEUE_FACTOR))),
            run_permits: Arc::new(Semaphore::new(target.concurrency)),
            dialect: Mutex::default(),
        });
        endpoints.insert(target.name.clone(), Arc::clone(&state));
        state
    }

    /// Sends the prompt until it is accepted: in the remembered dialect, or in others that an error response asks for, each once.
    /// A short `Retry-After` is waited for once.
    async fn send(
        &self,
        target: &Target,
        state: &EndpointState,
        prompt: &[PromptMessage],
        answer_tokens: usize,
    ) -> Result<Response, ModelError> {
        let http = self.http(&target.name)?;
        let headers = headers(target)?;
        let mut dialect = *lock(&state.dialect);
        let mut tried = vec![dialect];
        let mut has_waited = false;
        loop {
            let request = http
                .post(dialect.url(&target.endpoint))
                .headers(headers.clone())
                .json(&dialect.body(target, prompt, answer_tokens));
            let sent = request.send().await;
            let mut response = sent.map_err(|error| ModelError::of_request(&target.name, &error))?;
            let status = response.status();
            if status.is_success() {
                *lock(&state.dialect) = dialect;
                return Ok(response);
            }
            let body = error_body(&mut response).await;
            if let Some(other) = dialect.after_refusal(status, &body, &target.endpoint)
                && !tried.contains(&other)
            {
                dialect = other;
                tried.push(other);
                continue;
            }
            let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
            let failure = ModelError::of_status(&target.name, status, response.headers(), &body);
            match failure.retry_after {
                Some(seconds @ ..=MAX_RETRY_SECONDS) if !has_waited => {
                    has_waited = true;
                    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                }
                _ => return Err(failure),
            }
        }
    }
}

impl Dialect {
    fn url(self, endpoint: &Url) -> Url {
        let mut url = endpoint.clone();
        let base = endpoint.path().trim_end_matches('/');
        let version = if self.under_v1 { "/v1" } else { "" };
        url.set_path(&format!("{base}{version}/chat/completions"));
        url
    }

    fn body(self, target: &Target, prompt: &[PromptMessage], answer_tokens: usize) -> Value {
        let role = |role| match role {
            PromptRole::System => "system",
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        };
        let message =
            |message: &PromptMessage| json!({ "role": role(message.role), "content": message.content });
        let messages: Vec<Value> = prompt.iter().map(message).collect();
        let mut body = json!({ "model": target.model, "messages": messages, "stream": true });
        let length = if self.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body[length] = json!(answer_tokens);
        if !self.no_stream_options {
            body["stream_options"] = json!({ "include_usage": true });
        }
        body
    }

    /// Returns the dialect to try after an error response, if the response suggests one.
    fn after_refusal(self, status: StatusCode, body: &str, endpoint: &Url) -> Option<Self> {
        match status.as_u16() {
            400 | 422 if body.contains("stream_options") => Some(Self { no_stream_options: true, ..self }),
            400 | 422 if body.contains("max_completion_tokens") || body.contains("max_tokens") => {
                Some(Self { completion_tokens: !self.completion_tokens, ..self })
            }
            404 | 405 if !endpoint.path().trim_end_matches('/').ends_with("/v1") => {
                Some(Self { under_v1: true, ..self })
            }
            _ => None,
        }
    }
}

impl TextStream {
    /// Waits for the next piece of text; `None` at the end. Dropping the stream stops the model.
    pub async fn next(&mut self) -> Option<Result<String, ModelError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while !self.is_over {
            let deadline = self.deadline.min(Instant::now() + self.idle_timeout());
            let step = match timeout_at(deadline, self.step()).await {
                Ok(step) => step,
                // Finished, but without the usage.
                Err(_elapsed) if self.finish_reason.is_some() => Ok(self.end()),
                Err(_elapsed) => Err(ModelError::new(
                    ModelErrorKind::TimedOut,
                    &self.name,
                    &format!(
                        "sent nothing for {} seconds: ask again, or raise its limit (idle_seconds)",
                        self.idle.as_secs()
                    ),
                )),
            };
            match step {
                Ok(Some(text)) => return Some(Ok(text)),
                Ok(None) => {}
                Err(failure) => {
                    self.is_over = true;
                    return Some(Err(failure));
                }
            }
        }
        None
    }

    /// Returns the usage, if the model has reported it; known at the end.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Returns the finish reason: `stop`, `length` …; known at the end.
    pub fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    /// Returns the time limit for the next event.
    fn idle_timeout(&self) -> Duration {
        if self.finish_reason.is_some() { self.idle.min(USAGE_TIMEOUT) } else { self.idle }
    }

    /// Takes the next event, or the end, and returns its text, if any.
    async fn step(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            if let Some(event) = self.parser.next() {
                return self.take(event).await;
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => {
                    self.response_bytes += bytes.len();
                    if self.response_bytes > MAX_RESPONSE_BYTES {
                        return Err(self.too_long());
                    }
                    self.parser.push(&bytes);
                }
                Ok(None) => {
                    self.parser.finish();
                    if let Some(event) = self.parser.next() {
                        return self.take(event).await;
                    }
                    if !self.has_event {
                        return Err(self.unreadable());
                    }
                    return Ok(self.end());
                }
                Err(_broken) if self.finish_reason.is_some() => return Ok(self.end()),
                Err(error) => return Err(ModelError::of_body(&self.name, &error)),
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<Option<String>, ModelError> {
        let value = match event {
            Event::Value(value) => value,
            Event::Done => {
                // A body read to its end leaves the connection for the next request.
                let _closed = timeout(CLOSE_TIMEOUT, self.response.chunk()).await;
                return Ok(self.end());
            }
            Event::Unreadable => return Err(self.unreadable()),
            Event::TooLarge => return Err(self.too_long()),
        };
        if let Some(error) = chunk::error(&value) {
            return Err(ModelError::of_event(&self.name, error));
        }
        let Some(chunk) = chunk::parse(&value) else { return Err(self.unreadable()) };
        self.has_event = true;
        self.usage = chunk.usage.or(self.usage);
        self.finish_reason = chunk.finish_reason.or(self.finish_reason.take());
        let text = self.think_filter.push(&chunk.text);
        self.text_bytes += text.len();
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(self.too_long());
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn end(&mut self) -> Option<String> {
        self.is_over = true;
        Some(self.think_filter.finish()).filter(|text| !text.is_empty())
    }

    fn unreadable(&self) -> ModelError {
        let what = "does not answer in OpenAI's protocol: check its endpoint (it often ends in /v1)";
        ModelError::new(ModelErrorKind::Unreadable, &self.name, what)
    }

    fn too_long(&self) -> ModelError {
        let what =
            "exceeded the maximum length of an answer and was stopped: ask again, or choose another model";
        ModelError::new(ModelErrorKind::BrokeOff, &self.name, what)
    }
}

fn busy(name: &str) -> ModelError {
    let what = "has reached its limit of running and queued questions: try again shortly";
    ModelError { retry_after: Some(5), ..ModelError::new(ModelErrorKind::Busy, name, what) }
}

fn too_slow(name: &str, first: Duration) -> ModelError {
    let what = format!(
        "did not start to answer within {} seconds: ask again, or raise its limit (first_seconds)",
        first.as_secs()
    );
    ModelError::new(ModelErrorKind::TimedOut, name, &what)
}

fn headers(target: &Target) -> Result<HeaderMap, ModelError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    if let Some(api_key) = &target.api_key {
        let value = HeaderValue::from_str(&format!("Bearer {}", api_key.as_str()));
        let mut value = value.map_err(|_bytes| {
            let what = "has an API key with characters that an HTTP header cannot contain: enter it again";
            ModelError::new(ModelErrorKind::Refused, &target.name, what)
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Returns the start of the body of an error response.
async fn error_body(response: &mut Response) -> String {
    let mut body = Vec::new();
    let _complete = timeout(ERROR_BODY_TIMEOUT, async {
        while let Ok(Some(bytes)) = response.chunk().await {
            body.extend_from_slice(&bytes[..bytes.len().min(MAX_ERROR_BYTES - body.len())]);
            if body.len() >= MAX_ERROR_BYTES {
                break;
            }
        }
    })
    .await;
    String::from_utf8_lossy(&body).into_owned()
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
