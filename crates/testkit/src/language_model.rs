//! A scripted language model: an OpenAI-compatible server in the test's own process, which answers what it was told to, as
//! slowly and as badly as it was told to, and keeps what it was asked.
//!
//! ```text
//! let model = LanguageModel::start().await;
//! model.script([Answer::saying(&["It ", "drains [1]."]), Answer::status(429, "{}").with_header("retry-after", "1")]);
//! place.run(&["models", "add", "small", &model.url(), "--model", "any", "--default"]).await.succeeded();
//! …                                            the first question gets the first answer, and so on
//! let asked = model.request(0).await;          once it has arrived
//! assert_eq!(asked.body["messages"][1]["role"], "user");
//!
//! let gate = Gate::new();                      an answer that waits in the middle
//! model.script([Answer::saying(&["It ", "drains [1]."]).held_after(1, &gate)]);
//! … ask in the background …
//! gate.reached().await;                        "It " is out, and nothing more
//! gate.open();
//!
//! model.answer_with(|asked| Answer::saying(&[asked.last_question()]));     where the script has come to its end
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

/// A running scripted model; gone with this value.
#[derive(Debug)]
pub struct LanguageModel {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A question as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its path: `/v1/chat/completions`.
    pub path: String,
    /// The header `Authorization`, if there was one.
    pub authorization: Option<String>,
    /// Its body.
    pub body: Value,
}

/// What is answered, and how.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// Where an answer waits until the test lets it go on.
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
    /// Closes the connection in the middle.
    BreakOff,
    /// Says nothing more, and stays.
    Hang,
}

type Otherwise = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

struct Shared {
    script: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Otherwise>,
    asked: Mutex<Vec<Asked>>,
    hung_up: Mutex<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl LanguageModel {
    /// Starts one on a port of its own. Until it is told otherwise it answers everything with `I do not know.`
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            otherwise: Mutex::new(Box::new(|_asked| Answer::saying(&["I do ", "not know."]))),
            asked: Mutex::default(),
            hung_up: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _from)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move {
                    // A client that goes away in the middle is what some tests are about.
                    let _served = serve(stream, &serving).await;
                });
            }
        });
        Self { address, shared, task }
    }

    /// Its endpoint, as models are registered with: `http://127.0.0.1:4711/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers the next questions with these, in this order, after those that were given before.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        held(&self.shared.script).extend(answers);
    }

    /// Answers with this whatever the script has no answer for.
    pub fn answer_with(&self, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *held(&self.shared.otherwise) = Box::new(answer);
    }

    /// How many questions have come.
    pub fn count(&self) -> usize {
        held(&self.shared.asked).len()
    }

    /// A question by its number, from 0, once it has come.
    pub async fn request(&self, number: usize) -> Asked {
        eventually("a question to the model", async || held(&self.shared.asked).get(number).cloned()).await
    }

    /// All questions that have come.
    pub fn requests(&self) -> Vec<Asked> {
        held(&self.shared.asked).clone()
    }

    /// Waits until this many askers have closed their connection in the middle of an answer.
    pub async fn hung_up(&self, times: usize) {
        eventually("hanging up", async || (*held(&self.shared.hung_up) >= times).then_some(())).await;
    }
}

impl Drop for LanguageModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asked {
    /// The text of the last message.
    pub fn last_question(&self) -> &str {
        let last = self.body["messages"].as_array().and_then(|messages| messages.last());
        last.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }

    /// The text of the first message: the rules.
    pub fn rules(&self) -> &str {
        self.body["messages"][0]["content"].as_str().unwrap_or_default()
    }
}

impl Answer {
    /// Streams these pieces as OpenAI does: a role, the pieces, why it ends, what it took (12 and 7 tokens), `[DONE]`.
    pub fn saying(pieces: &[&str]) -> Self {
        let mut answer = Self::events().then(&chunk(&json!({ "role": "assistant" }), None));
        for piece in pieces {
            answer = answer.then(&chunk(&json!({ "content": piece }), None));
        }
        let usage = json!({ "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19 });
        let mut last = chunk(&json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage;
        answer.then(&chunk(&json!({}), Some("stop"))).then(&last).then_raw("data: [DONE]\n\n")
    }

    /// An event stream in which nothing stands yet; see [`Self::then`].
    pub fn events() -> Self {
        Self::status(200, "").of_type("text/event-stream")
    }

    /// The whole answer as one JSON object, as where no stream was asked for.
    pub fn whole(text: &str) -> Self {
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19 },
        });
        Self::status(200, &body.to_string())
    }

    /// Any status with any body, said to be JSON.
    pub fn status(status: u16, body: &str) -> Self {
        let steps = if body.is_empty() { Vec::new() } else { vec![Step::Send(body.as_bytes().to_vec())] };
        Self { status, headers: vec![("content-type".to_owned(), "application/json".to_owned())], steps }
    }

    /// Takes the question and never says anything, not even a status.
    pub fn hanging() -> Self {
        Self { status: 0, headers: Vec::new(), steps: vec![Step::Hang] }
    }

    /// Says that it is of another type than JSON or an event stream.
    #[must_use]
    pub fn of_type(mut self, content_type: &str) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.with_header("content-type", content_type)
    }

    /// Has a further header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a further event.
    #[must_use]
    pub fn then(self, event: &Value) -> Self {
        let event = format!("data: {event}\n\n");
        self.then_raw(&event)
    }

    /// Sends further bytes, whatever they are.
    #[must_use]
    pub fn then_raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Waits before each thing it sends, but the first.
    #[must_use]
    pub fn slowly(mut self, pause: Duration) -> Self {
        let steps = std::mem::take(&mut self.steps);
        for (index, step) in steps.into_iter().enumerate() {
            if index > 0 {
                self.steps.push(Step::Wait(pause));
            }
            self.steps.push(step);
        }
        self
    }

    /// Waits at a gate after this many pieces of text.
    #[must_use]
    pub fn held_after(self, pieces: usize, gate: &Gate) -> Self {
        self.insert(pieces, Step::WaitAt(gate.clone()))
    }

    /// Closes the connection after this many pieces of text, without an end.
    #[must_use]
    pub fn breaking_off_after(self, pieces: usize) -> Self {
        self.insert(pieces, Step::BreakOff)
    }

    /// Says nothing more after this many pieces of text, and stays.
    #[must_use]
    pub fn hanging_after(self, pieces: usize) -> Self {
        self.insert(pieces, Step::Hang)
    }

    /// Does not say what it took.
    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.steps.retain(|step| !holds(step, "\"usage\""));
        self
    }

    /// Ends without `[DONE]`.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.steps.retain(|step| !holds(step, "[DONE]"));
        self
    }

    fn insert(mut self, pieces: usize, step: Step) -> Self {
        let sent = self.steps.iter().enumerate().filter(|(_, step)| holds(step, "{\"content\":"));
        let at = match pieces.checked_sub(1) {
            Some(last) => sent.map(|(index, _)| index + 1).nth(last).unwrap_or(self.steps.len()),
            None => 0,
        };
        self.steps.insert(at, step);
        self
    }
}

fn holds(step: &Step, text: &str) -> bool {
    matches!(step, Step::Send(bytes) if String::from_utf8_lossy(bytes).contains(text))
}

/// A piece of a streamed answer, as OpenAI sends it.
pub fn chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    })
}

impl Gate {
    /// A gate that is shut.
    pub fn new() -> Self {
        Self { is_reached: Arc::new(watch::Sender::new(false)), is_open: Arc::new(watch::Sender::new(false)) }
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until an answer has come so far.
    pub async fn reached(&self) {
        let mut reached = self.is_reached.subscribe();
        let waited = tokio::time::timeout(crate::SOON, reached.wait_for(|reached| *reached)).await;
        assert!(waited.is_ok(), "no answer came to the gate in {:?}", crate::SOON);
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

/// Reads one request, answers it, and closes the connection.
async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_question = line.starts_with("POST ");
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
    let answer = if is_question {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let asked = Asked { path, authorization, body };
        held(&shared.asked).push(asked.clone());
        let next = held(&shared.script).pop_front();
        next.unwrap_or_else(|| held(&shared.otherwise)(&asked))
    } else {
        Answer::status(200, r#"{"object":"list","data":[{"id":"scripted","object":"model"}]}"#)
    };
    let mut hang_up = [0];
    tokio::select! {
        sent = send(&mut writer, answer) => sent,
        // Nothing more is sent to us; what comes is the end.
        _end = reader.read(&mut hang_up) => {
            *held(&shared.hung_up) += 1;
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
            Step::Wait(pause) => tokio::time::sleep(pause).await,
            Step::WaitAt(gate) => gate.pass().await,
            Step::BreakOff => return Ok(()),
            Step::Hang => std::future::pending().await,
        }
    }
    writer.write_all(b"0\r\n\r\n").await?;
    writer.shutdown().await
}

fn held<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
