//! Asking a language model: `POST …/chat/completions`, streamed (the protocol of OpenAI's Chat Completions).
//!
//! Providers keep to it loosely, so what is read is read loosely, and what one refuses that another wants (where its length
//! stands, whether it says what it took, whether its address ends in `/v1`) is tried the other way once, and remembered.
//! What the other side answers is foreign: none of it but the text goes anywhere. The key goes into a header of the
//! request, marked as secret, and nowhere else: redirects are not followed, and no proxy is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::Target;
use super::answer::{self, Thought};
use super::events::{Event, Reader};
pub use super::failure::{Failure, FailureKind};

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// The longest text of an answer, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// The most bytes that an answer may take, with all that stands around its text.
const LARGEST_ANSWER: usize = 256 << 20;
/// The longest that an answer may go on after it has begun.
const LONGEST_ANSWER: Duration = Duration::from_hours(1);
/// The most bytes of a refusal that are read.
const LARGEST_REFUSAL: usize = 64 << 10;
/// How long a refusal's body may take.
const LONGEST_REFUSAL: Duration = Duration::from_secs(5);
/// The longest wait that is worth asking again by ourselves, in seconds.
const LONGEST_RETRY: u32 = 2;
/// How long is waited for what an answer took, when it has said why it ends.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);
/// How long is waited for a connection to be free for the next question.
const LONGEST_CLOSE: Duration = Duration::from_millis(50);
/// Questions that wait for each one that may be asked.
const WAITING: usize = 4;
/// The most models that anything is remembered of.
const MOST_LANES: usize = 200;

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The rules.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A turn of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub speaker: Speaker,
    /// What they say.
    pub content: String,
}

/// What a model says an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// Asks models, a bounded number of questions at once.
#[derive(Debug, Clone, Default)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Made with the first question: most runs of the program ask none.
    http: OnceLock<reqwest::Client>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
}

/// What is remembered of a model while the program runs.
#[derive(Debug)]
struct Lane {
    endpoint: Url,
    concurrency: usize,
    /// Those who are answered, and those who wait.
    line: Arc<Semaphore>,
    /// Those who are answered.
    places: Arc<Semaphore>,
    manner: Mutex<Manner>,
}

/// How a provider wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Manner {
    /// `max_completion_tokens` in place of `max_tokens`.
    completion_tokens: bool,
    /// No `stream_options`.
    plain: bool,
    /// `/v1` after its address.
    under_v1: bool,
}

/// An answer as it comes.
pub struct Pieces {
    name: String,
    response: Response,
    reader: Reader,
    thought: Thought,
    first: Option<String>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    /// Whether anything of the protocol has come.
    is_known: bool,
    is_over: bool,
    text_bytes: usize,
    bytes: usize,
    idle: Duration,
    ends: Instant,
    _place: OwnedSemaphorePermit,
    _in_line: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pieces").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has asked nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks, and returns when the model begins to answer. While `concurrency` answers are under way others wait, a bounded
    /// number of them.
    pub async fn ask(
        &self,
        target: &Target,
        turns: &[Turn],
        answer_tokens: usize,
    ) -> Result<Pieces, Failure> {
        let asked = self.begin(target, turns, answer_tokens).await;
        let outcome = asked.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "begun");
        metrics::counter!("wenyuan_model_questions_total", "outcome" => outcome).increment(1);
        asked
    }

    async fn begin(&self, target: &Target, turns: &[Turn], answer_tokens: usize) -> Result<Pieces, Failure> {
        let name = target.name.as_str();
        let lane = self.shared.lane(target);
        let in_line = Arc::clone(&lane.line).try_acquire_owned().map_err(|_full| busy(name))?;
        let place = timeout(target.first, Arc::clone(&lane.places).acquire_owned()).await;
        let place = place.map_err(|_elapsed| busy(name))?.map_err(|_never_closed| busy(name))?;

        let until = Instant::now() + target.first;
        let slow = |_elapsed| too_slow(name, target.first);
        let response = timeout_at(until, self.shared.send(target, &lane, turns, answer_tokens));
        let response = response.await.map_err(slow)??;
        let mut pieces = Pieces {
            name: target.name.clone(),
            response,
            reader: Reader::default(),
            thought: Thought::default(),
            first: None,
            usage: None,
            finish_reason: None,
            is_known: false,
            is_over: false,
            text_bytes: 0,
            bytes: 0,
            idle: target.idle,
            ends: Instant::now() + LONGEST_ANSWER,
            _place: place,
            _in_line: in_line,
        };
        // Whatever comes first, if only that it thinks, is the beginning.
        pieces.first = timeout_at(until, pieces.step()).await.map_err(slow)??;
        Ok(pieces)
    }
}

impl Shared {
    fn http(&self, name: &str) -> Result<&reqwest::Client, Failure> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            // The endpoint and nobody else is shown the key.
            .no_proxy()
            .connect_timeout(LONGEST_CONNECT)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(8)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("wenyuan")
            .build();
        let client = client.map_err(|_no_client| {
            let what =
                "cannot be asked: no TLS client can be made on this machine; see to its root certificates";
            Failure::new(FailureKind::Unreachable, name, what)
        })?;
        Ok(self.http.get_or_init(|| client))
    }

    /// What is remembered of a model; another endpoint or concurrency begins anew, beside what is under way.
    fn lane(&self, target: &Target) -> Arc<Lane> {
        let mut lanes = held(&self.lanes);
        if let Some(lane) = lanes.get(&target.name)
            && lane.concurrency == target.concurrency
            && lane.endpoint == target.endpoint
        {
            return Arc::clone(lane);
        }
        if lanes.len() >= MOST_LANES {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let lane = Arc::new(Lane {
            endpoint: target.endpoint.clone(),
            concurrency: target.concurrency,
            line: Arc::new(Semaphore::new(target.concurrency * (1 + WAITING))),
            places: Arc::new(Semaphore::new(target.concurrency)),
            manner: Mutex::default(),
        });
        lanes.insert(target.name.clone(), Arc::clone(&lane));
        lane
    }

    /// Sends the question until it is taken: in the manner that is known, or in another that the refusal asks for, each once;
    /// and once more where it is only to wait a moment.
    async fn send(
        &self,
        target: &Target,
        lane: &Lane,
        turns: &[Turn],
        answer_tokens: usize,
    ) -> Result<Response, Failure> {
        let http = self.http(&target.name)?;
        let headers = headers(target)?;
        let mut manner = *held(&lane.manner);
        let mut tried = vec![manner];
        let mut has_waited = false;
        loop {
            let request = http
                .post(manner.address(&target.endpoint))
                .headers(headers.clone())
                .json(&manner.body(target, turns, answer_tokens));
            let sent = request.send().await;
            let mut response = sent.map_err(|error| Failure::of_request(&target.name, &error))?;
            let status = response.status();
            if status.is_success() {
                *held(&lane.manner) = manner;
                return Ok(response);
            }
            let said = refusal(&mut response).await;
            if let Some(other) = manner.after(status, &said, &target.endpoint)
                && !tried.contains(&other)
            {
                manner = other;
                tried.push(other);
                continue;
            }
            let said = serde_json::from_str(&said).unwrap_or(Value::String(said));
            let failure = Failure::of_status(&target.name, status, response.headers(), &said);
            match failure.retry_after {
                Some(seconds @ ..=LONGEST_RETRY) if !has_waited => {
                    has_waited = true;
                    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                }
                _ => return Err(failure),
            }
        }
    }
}

impl Manner {
    fn address(self, endpoint: &Url) -> Url {
        let mut url = endpoint.clone();
        let base = endpoint.path().trim_end_matches('/');
        let version = if self.under_v1 { "/v1" } else { "" };
        url.set_path(&format!("{base}{version}/chat/completions"));
        url
    }

    fn body(self, target: &Target, turns: &[Turn], answer_tokens: usize) -> Value {
        let role = |speaker| match speaker {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        let message = |turn: &Turn| json!({ "role": role(turn.speaker), "content": turn.content });
        let messages: Vec<Value> = turns.iter().map(message).collect();
        let mut body = json!({ "model": target.model, "messages": messages, "stream": true });
        let length = if self.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body[length] = json!(answer_tokens);
        if !self.plain {
            body["stream_options"] = json!({ "include_usage": true });
        }
        body
    }

    /// How to ask after a refusal, where that tells.
    fn after(self, status: StatusCode, said: &str, endpoint: &Url) -> Option<Self> {
        match status.as_u16() {
            400 | 422 if said.contains("stream_options") => Some(Self { plain: true, ..self }),
            400 | 422 if said.contains("max_completion_tokens") || said.contains("max_tokens") => {
                Some(Self { completion_tokens: !self.completion_tokens, ..self })
            }
            404 | 405 if !endpoint.path().trim_end_matches('/').ends_with("/v1") => {
                Some(Self { under_v1: true, ..self })
            }
            _ => None,
        }
    }
}

impl Pieces {
    /// The next piece of text; `None` at the end. Dropping the value stops the model.
    pub async fn next(&mut self) -> Option<Result<String, Failure>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while !self.is_over {
            let until = self.ends.min(Instant::now() + self.patience());
            let step = match timeout_at(until, self.step()).await {
                Ok(step) => step,
                // It has said why it ends, and not what it took.
                Err(_elapsed) if self.finish_reason.is_some() => Ok(self.over()),
                Err(_elapsed) => Err(Failure::new(
                    FailureKind::TimedOut,
                    &self.name,
                    &format!(
                        "said nothing more for {} seconds: ask again, or give it more time (idle_seconds)",
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

    /// What the model said it took, if it did; known at the end.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Why the model ended: `stop`, `length` …; known at the end.
    pub fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    /// How long the next sign of life may take.
    fn patience(&self) -> Duration {
        if self.finish_reason.is_some() { self.idle.min(LONGEST_FAREWELL) } else { self.idle }
    }

    /// Takes one event, or the end: its text, where it has some.
    async fn step(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(event) = self.reader.next() {
                return self.take(event).await;
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => {
                    self.bytes += bytes.len();
                    if self.bytes > LARGEST_ANSWER {
                        return Err(self.too_long());
                    }
                    self.reader.feed(&bytes);
                }
                Ok(None) => {
                    self.reader.end();
                    if let Some(event) = self.reader.next() {
                        return self.take(event).await;
                    }
                    if !self.is_known {
                        return Err(self.unreadable());
                    }
                    return Ok(self.over());
                }
                Err(_broken) if self.finish_reason.is_some() => return Ok(self.over()),
                Err(error) => return Err(Failure::of_body(&self.name, &error)),
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<Option<String>, Failure> {
        let value = match event {
            Event::Value(value) => value,
            Event::Done => {
                // Read to its end a connection serves the next question too.
                let _closed = timeout(LONGEST_CLOSE, self.response.chunk()).await;
                return Ok(self.over());
            }
            Event::Unreadable => return Err(self.unreadable()),
            Event::TooLarge => return Err(self.too_long()),
        };
        if let Some(error) = answer::error(&value) {
            return Err(Failure::of_event(&self.name, error));
        }
        let Some(said) = answer::read(&value) else { return Err(self.unreadable()) };
        self.is_known = true;
        self.usage = said.usage.or(self.usage);
        self.finish_reason = said.finish_reason.or(self.finish_reason.take());
        let text = self.thought.leave_out(&said.text);
        self.text_bytes += text.len();
        if self.text_bytes > LONGEST_TEXT {
            return Err(self.too_long());
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn over(&mut self) -> Option<String> {
        self.is_over = true;
        Some(self.thought.end()).filter(|text| !text.is_empty())
    }

    fn unreadable(&self) -> Failure {
        let what = "answers something that is not of OpenAI's protocol: look whether its endpoint is right (often ending in /v1)";
        Failure::new(FailureKind::Unreadable, &self.name, what)
    }

    fn too_long(&self) -> Failure {
        let what = "does not come to an end, and was stopped: ask again, or choose another";
        Failure::new(FailureKind::BrokeOff, &self.name, what)
    }
}

fn busy(name: &str) -> Failure {
    let what = "has as many questions as it takes, and as many wait: try again shortly";
    Failure { retry_after: Some(5), ..Failure::new(FailureKind::Busy, name, what) }
}

fn too_slow(name: &str, first: Duration) -> Failure {
    let what = format!(
        "did not begin to answer within {} seconds: ask again, or give it more time (first_seconds)",
        first.as_secs()
    );
    Failure::new(FailureKind::TimedOut, name, &what)
}

fn headers(target: &Target) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    if let Some(api_key) = &target.api_key {
        let value = HeaderValue::from_str(&format!("Bearer {}", api_key.as_str()));
        let mut value = value.map_err(|_bytes| {
            let what = "has an API key with characters that no header can hold: give it again";
            Failure::new(FailureKind::Refused, &target.name, what)
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The beginning of what comes with a refusal.
async fn refusal(response: &mut Response) -> String {
    let mut body = Vec::new();
    let _whole = timeout(LONGEST_REFUSAL, async {
        while let Ok(Some(bytes)) = response.chunk().await {
            body.extend_from_slice(&bytes[..bytes.len().min(LARGEST_REFUSAL - body.len())]);
            if body.len() >= LARGEST_REFUSAL {
                break;
            }
        }
    })
    .await;
    String::from_utf8_lossy(&body).into_owned()
}

fn held<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
