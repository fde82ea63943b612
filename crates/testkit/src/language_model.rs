//! A scripted language model: an OpenAI-compatible server in the test's own process, which returns scripted answers,
//! with scripted delays and failures, and records its requests.
//!
//! ```text
//! let model = LanguageModel::start().await;
//! model.script([Answer::streaming(&["It ", "drains [1]."]), Answer::status(429, "{}").with_header("retry-after", "1")]);
//! app.run(&["models", "add", "small", &model.url(), "--model", "any", "--default"]).await.succeeded();
//! …                                            the first request gets the first answer, and so on
//! let request = model.request(0).await;        waits until it has arrived
//! assert_eq!(request.body["messages"][1]["role"], "user");
//!
//! let gate = Gate::new();                      an answer that stops in the middle until the test lets it go on
//! model.script([Answer::streaming(&["It ", "drains [1]."]).gated_after(1, &gate)]);
//! … send a request in the background …
//! gate.reached().await;                        "It " was sent, and nothing more
//! gate.open();
//!
//! model.answer_with(|request| Answer::streaming(&[request.last_question()]));     when the script is used up
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::eventually;

/// A running scripted model; stopped when this value is dropped.
#[derive(Debug)]
pub struct LanguageModel {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that the model received.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// Path, such as `/v1/chat/completions`.
    pub path: String,
    /// Value of the header `Authorization`.
    pub authorization: Option<String>,
    /// Body.
    pub body: Value,
}

/// A scripted response: status, headers, and a sequence of bytes, delays and failures.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// A point at which an answer waits until the test opens it.
#[derive(Debug, Clone)]
pub struct Gate {
    is_reached: Arc<watch::Sender<bool>>,
    is_open: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Sends bytes at once.
    Send(Vec<u8>),
    Wait(Duration),
    WaitAt(Gate),
    /// Closes the connection without an end of the body.
    Disconnect,
    /// Sends nothing more and keeps the connection open.
    Hang,
}

type Fallback = Box<dyn Fn(&ChatRequest) -> Answer + Send + Sync>;

struct Shared {
    script: Mutex<VecDeque<Answer>>,
    fallback: Mutex<Fallback>,
    requests: Mutex<Vec<ChatRequest>>,
    disconnects: Mutex<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl LanguageModel {
    /// Starts a model on a free port. Without a script it answers everything with `I do not know.`
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            fallback: Mutex::new(Box::new(|_request| Answer::streaming(&["I do ", "not know."]))),
            requests: Mutex::default(),
            disconnects: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _from)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move {
                    // Some tests are about clients that disconnect early.
                    let _served = serve(stream, &serving).await;
                });
            }
        });
        Self { address, shared, task }
    }

    /// The base URL to register it with, such as `http://127.0.0.1:4711/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Appends answers to the script. Requests are answered in this order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared.script).extend(answers);
    }

    /// Sets the answer to requests that come when the script is used up.
    pub fn answer_with(&self, answer: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.fallback) = Box::new(answer);
    }

    /// Number of requests received so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.requests).len()
    }

    /// Waits for the request with this index, counted from 0, and returns it.
    pub async fn request(&self, index: usize) -> ChatRequest {
        eventually("a request to the model", async || lock(&self.shared.requests).get(index).cloned()).await
    }

    /// All requests received so far.
    pub fn requests(&self) -> Vec<ChatRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until this many clients have disconnected in the middle of an answer.
    pub async fn wait_for_disconnects(&self, times: usize) {
        eventually("a disconnect", async || (*lock(&self.shared.disconnects) >= times).then_some(())).await;
    }
}

impl Drop for LanguageModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ChatRequest {
    /// Text of the last message.
    pub fn last_question(&self) -> &str {
        let last = self.body["messages"].as_array().and_then(|messages| messages.last());
        last.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }

    /// Text of the first message.
    pub fn system_prompt(&self) -> &str {
        self.body["messages"][0]["content"].as_str().unwrap_or_default()
    }
}

impl Answer {
    /// Streams these pieces as OpenAI does: a role, the pieces, the finish reason, the usage (12 and 7 tokens), `[DONE]`.
    pub fn streaming(pieces: &[&str]) -> Self {
        let mut answer = Self::empty_stream().with_event(&chunk(&json!({ "role": "assistant" }), None));
        for piece in pieces {
            answer = answer.with_event(&chunk(&json!({ "content": piece }), None));
        }
        let usage = json!({ "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19 });
        let mut last = chunk(&json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage;
        answer.with_event(&chunk(&json!({}), Some("stop"))).with_event(&last).with_bytes("data: [DONE]\n\n")
    }

    /// An event stream without events; see [`Self::with_event`].
    pub fn empty_stream() -> Self {
        Self::status(200, "").with_content_type("text/event-stream")
    }

    /// The answer as one JSON object, as for requests without `stream`.
    pub fn complete(text: &str) -> Self {
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19 },
        });
        Self::status(200, &body.to_string())
    }

    /// Any status with any body, of content type JSON.
    pub fn status(status: u16, body: &str) -> Self {
        let steps = if body.is_empty() { Vec::new() } else { vec![Step::Send(body.as_bytes().to_vec())] };
        Self { status, headers: vec![("content-type".to_owned(), "application/json".to_owned())], steps }
    }

    /// Reads the request and never responds, not even with a status.
    pub fn hanging() -> Self {
        Self { status: 0, headers: Vec::new(), steps: vec![Step::Hang] }
    }

    /// Replaces the content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: &str) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.with_header("content-type", content_type)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn with_event(self, event: &Value) -> Self {
        let event = format!("data: {event}\n\n");
        self.with_bytes(&event)
    }

    /// Adds arbitrary bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Waits before each step except the first.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        let steps = std::mem::take(&mut self.steps);
        for (index, step) in steps.into_iter().enumerate() {
            if index > 0 {
                self.steps.push(Step::Wait(delay));
            }
            self.steps.push(step);
        }
        self
    }

    /// Waits at a gate after this many pieces of text.
    #[must_use]
    pub fn gated_after(self, pieces: usize, gate: &Gate) -> Self {
        self.insert(pieces, Step::WaitAt(gate.clone()))
    }

    /// Closes the connection after this many pieces of text, without an end of the body.
    #[must_use]
    pub fn disconnecting_after(self, pieces: usize) -> Self {
        self.insert(pieces, Step::Disconnect)
    }

    /// Sends nothing more after this many pieces of text, and keeps the connection open.
    #[must_use]
    pub fn hanging_after(self, pieces: usize) -> Self {
        self.insert(pieces, Step::Hang)
    }

    /// Leaves out the usage.
    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.steps.retain(|step| !holds(step, "\"usage\""));
        self
    }

    /// Leaves out `[DONE]`.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.steps.retain(|step| !holds(step, "[DONE]"));
        self
    }

    fn insert(mut self, pieces: usize, step: Step) -> Self {
        let pieces_sent = self.steps.iter().enumerate().filter(|(_, step)| holds(step, "{\"content\":"));
        let at = match pieces.checked_sub(1) {
            Some(last) => pieces_sent.map(|(index, _)| index + 1).nth(last).unwrap_or(self.steps.len()),
            None => 0,
        };
        self.steps.insert(at, step);
        self
    }
}

fn holds(step: &Step, text: &str) -> bool {
    matches!(step, Step::Send(bytes) if String::from_utf8_lossy(bytes).contains(text))
}

/// A chunk of a streamed answer, as OpenAI sends it.
pub fn chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    })
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self { is_reached: Arc::new(watch::Sender::new(false)), is_open: Arc::new(watch::Sender::new(false)) }
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until an answer has arrived at the gate.
    pub async fn reached(&self) {
        let mut reached = self.is_reached.subscribe();
        let waited = tokio::time::timeout(crate::SOON, reached.wait_for(|reached| *reached)).await;
        assert!(waited.is_ok(), "no answer arrived at the gate in {:?}", crate::SOON);
    }

    async fn pass(&self) {
        self.is_reached.send_replace(true);
        let mut open = self.is_open.subscribe();
        let _open = open.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads one request, responds to it, and closes the connection.
async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_post = line.starts_with("POST ");
    let (mut length, mut authorization) = (0, None);
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    let answer = if is_post {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let request = ChatRequest { path, authorization, body };
        lock(&shared.requests).push(request.clone());
        let next = lock(&shared.script).pop_front();
        next.unwrap_or_else(|| lock(&shared.fallback)(&request))
    } else {
        Answer::status(200, r#"{"object":"list","data":[{"id":"scripted","object":"model"}]}"#)
    };
    let mut after_request = [0];
    tokio::select! {
        sent = send(&mut writer, answer) => sent,
        // Clients send nothing after their request, so a read returns when they disconnect.
        _end = reader.read(&mut after_request) => {
            *lock(&shared.disconnects) += 1;
            Ok(())
        }
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), answer: Answer) -> std::io::Result<()> {
    if answer.status > 0 {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
    }
    for step in answer.steps {
        match step {
            Step::Send(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend(bytes);
                chunk.extend(b"\r\n");
                writer.write_all(&chunk).await?;
            }
            Step::Wait(delay) => tokio::time::sleep(delay).await,
            Step::WaitAt(gate) => gate.pass().await,
            Step::Disconnect => return Ok(()),
            Step::Hang => std::future::pending().await,
        }
    }
    writer.write_all(b"0\r\n\r\n").await?;
    writer.shutdown().await
}

fn lock<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
