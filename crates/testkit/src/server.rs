//! A running server, and what is asked of it over HTTP.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::eventually;

/// How long a server may take to start: a new cluster, on a busy machine.
const LONGEST_START: Duration = Duration::from_mins(2);

/// A running server; killed with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    client: reqwest::Client,
    /// Shown with each request.
    key: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Server {
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let errors = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        // On a thread, so that the pipe is emptied whatever the test does.
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut log = written.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(90))
            .no_proxy()
            // Where an answer sends one on to is part of the answer.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address: unknown, log, client, key: None };
        let begun = Instant::now();
        loop {
            if let Some(address) = server.logged("ready address=") {
                server.address = address;
                break;
            }
            let ended = server.child.try_wait().expect("its state");
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", server.log());
            assert!(begun.elapsed() < LONGEST_START, "the server does not start:\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        eventually("ready", async || (server.get("/readyz", &[]).await.status == 200).then_some(())).await;
        server
    }

    fn logged(&self, before: &str) -> Option<SocketAddr> {
        let log = self.log();
        let (_, after) = log.split_once(before)?;
        after.split_whitespace().next()?.parse().ok()
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// Asks it to stop, as `kill` does.
    pub fn tell_to_stop(&self) {
        kill(self.process(), Signal::SIGTERM).expect("a signal");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.tell_to_stop();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "the server does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ended_already = self.child.kill();
        let _waited_for_already = self.child.wait();
    }

    /// A request to be filled in. The parameters are encoded, the path is taken as it is.
    pub fn request(&self, method: Method, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        self.request_as(self.key.as_deref(), method, path, parameters)
    }

    /// The same, showing another key or access token, or none.
    pub fn request_as(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = Url::parse(&format!("http://{}{path}", self.address)).expect("an address");
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request = self.client.request(method, url);
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// The same server, asked with this key from now on.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The key that is shown with each request.
    pub fn key(&self) -> &str {
        self.key.as_deref().expect("a key")
    }

    /// Sends a request that is expected to be answered.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }

    /// Sends a request that may break off.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// GET.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        self.send(self.request(Method::GET, path, parameters)).await
    }

    /// GET of what must be there.
    pub async fn json(&self, path: &str) -> Value {
        self.get(path, &[]).await.ok()
    }

    /// POST without a body.
    pub async fn post(&self, path: &str) -> Reply {
        self.send(self.request(Method::POST, path, &[])).await
    }

    /// PATCH with a JSON body, whatever state it is in.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path, &[]).header("if-match", "*").json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path, &[])).await
    }

    /// The answer of a search that must succeed.
    pub async fn search(&self, parameters: &[(&str, &str)]) -> Value {
        self.get("/api/v1/search", parameters).await.ok()
    }

    /// GET, and on to where that leads, once.
    pub async fn follow(&self, path: &str) -> Reply {
        let reply = self.get(path, &[]).await;
        match reply.header("location") {
            Some(onward) if reply.status == 302 => self.get(onward, &[]).await,
            _ => reply,
        }
    }

    /// Sends a form with this text and these files.
    pub async fn upload(&self, fields: &[(&str, &str)], files: Vec<(&str, Vec<u8>)>) -> Reply {
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        for (name, bytes) in files {
            form = form.part("file", Part::bytes(bytes).file_name(name.to_owned()));
        }
        self.send(self.request(Method::POST, "/api/v1/documents", &[]).multipart(form)).await
    }

    /// Adds a document and waits until it was read, or could not be, and until full text shows so. Returns its
    /// newest revision under the label.
    pub async fn add(&self, library: &str, version: &str, path: &str, bytes: impl AsRef<[u8]>) -> Value {
        let fields = [("library", library), ("version", version)];
        let reply = self.upload(&fields, vec![(path, bytes.as_ref().to_vec())]).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        let document = reply.value()[0]["document_id"].as_str().expect("an id").to_owned();
        let revision = self.read(&document, version).await;
        self.caught_up().await;
        revision
    }

    /// The newest revision of a document under a label, once it was read or could not be.
    pub async fn read(&self, document: &str, version: &str) -> Value {
        eventually("reading a document", async || {
            let revisions = self.json(&format!("/api/v1/documents/{document}/versions")).await;
            let of_label = |revision: &&Value| revision["version"] == version;
            let newest = revisions.as_array()?.iter().find(of_label)?.clone();
            (newest["status"] == "completed" || newest["status"] == "failed").then_some(newest)
        })
        .await
    }

    /// Waits until full text shows all that was committed.
    pub async fn caught_up(&self) {
        eventually("catching up", async || {
            let ready = self.get("/readyz", &[]).await.value();
            (ready["index_changes_behind"] == json!(0)).then_some(())
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let told: Vec<&str> = log.lines().filter(|line| !line.contains("/readyz")).collect();
            let last = &told[told.len().saturating_sub(30)..];
            let warned: Vec<&str> =
                log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).take(30).collect();
            #[expect(clippy::print_stderr, reason = "shown by the test runner beside the failure")]
            {
                eprintln!("the server warned of:\n{}", warned.join("\n"));
                eprintln!("its last log lines:\n{}", last.join("\n"));
            }
        }
    }
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, whatever the status.
    #[track_caller]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    /// The body as JSON, provided that the status is 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.value()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a problem (RFC 9457) of this status; checks all that every problem has.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.value();
        assert_eq!(problem["status"], status, "{problem}");
        let says = |member: &str| problem[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(["type", "title", "detail", "request_id"].into_iter().all(says), "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
        problem
    }
}

/// A member of each passage that a search has found, as text.
#[track_caller]
pub fn each(answer: &Value, member: &str) -> Vec<String> {
    let hits = answer["hits"].as_array().unwrap_or_else(|| panic!("no hits in {answer}"));
    hits.iter()
        .map(|hit| hit[member].as_str().map_or_else(|| hit[member].to_string(), str::to_owned))
        .collect()
}
