//! A running server under test, and the HTTP requests that tests send to it.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::eventually;
use crate::html::HtmlPage;
use crate::process::Process;

/// Time in which a server must start: it may have to create a database cluster on a busy machine.
const MAX_START_TIME: Duration = Duration::from_mins(2);

const MAX_STOP_TIME: Duration = Duration::from_mins(1);

/// A running server; killed when this value is dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
    client: reqwest::Client,
    /// API key sent with each request.
    key: Option<String>,
}

/// The response to a request.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Server {
    pub(crate) async fn start(command: Command) -> Self {
        let process = Process::spawn("the server", command);
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(90))
            .no_proxy()
            // Redirects are part of what tests check.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        let address = process
            .wait_for("logging its address", MAX_START_TIME, async || {
                let log = process.errors();
                let (_, after) = log.split_once("ready address=")?;
                after.split_whitespace().next()?.parse().ok()
            })
            .await;
        let server = Self { process, address, client, key: None };
        server
            .process
            .wait_for("becoming ready", crate::SOON, async || {
                let reply = server.try_send(server.request(Method::GET, "/readyz", &[])).await.ok()?;
                (reply.status == 200).then_some(())
            })
            .await;
        server
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        self.process.errors()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn process(&self) -> Pid {
        self.process.id()
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Asks it to stop and waits until it has exited.
    pub async fn stop(self) -> ExitStatus {
        self.terminate();
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.exit_status() {
                return status;
            }
            assert!(start.elapsed() < MAX_STOP_TIME, "the server does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// Starts a request. Query parameters are percent-encoded; the path is used as given.
    pub fn request(&self, method: Method, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        self.request_as(self.key.as_deref(), method, path, parameters)
    }

    /// Like [`Self::request`], with another API key or access token, or none.
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

    /// Sends this API key with each request from now on.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The API key sent with each request.
    pub fn key(&self) -> &str {
        self.key.as_deref().expect("a key")
    }

    /// Sends a request. Panics with the server's log if there is no response.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()))
    }

    /// Sends a request that may fail without a response.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        self.send(self.request(Method::GET, path, parameters)).await
    }

    /// Sends a GET request and returns the body. Panics unless the status is 200.
    pub async fn json(&self, path: &str) -> Value {
        self.get(path, &[]).await.ok()
    }

    /// Sends a POST request without a body.
    pub async fn post(&self, path: &str) -> Reply {
        self.send(self.request(Method::POST, path, &[])).await
    }

    /// Sends a PATCH request with a JSON body and `If-Match: *`.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path, &[]).header("if-match", "*").json(body)).await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path, &[])).await
    }

    /// Searches and returns the body. Panics unless the status is 200.
    pub async fn search(&self, parameters: &[(&str, &str)]) -> Value {
        self.get("/api/v1/search", parameters).await.ok()
    }

    /// Sends a GET request and follows one redirect.
    pub async fn follow(&self, path: &str) -> Reply {
        let reply = self.get(path, &[]).await;
        match reply.header("location") {
            Some(onward) if reply.status == 302 => self.get(onward, &[]).await,
            _ => reply,
        }
    }

    /// Uploads files with these form fields.
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

    /// Uploads a document, waits until it is processed (or failed) and the full-text index shows it, and returns its
    /// newest revision in the version.
    pub async fn add(&self, library: &str, version: &str, path: &str, bytes: impl AsRef<[u8]>) -> Value {
        let fields = [("library", library), ("version", version)];
        let reply = self.upload(&fields, vec![(path, bytes.as_ref().to_vec())]).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        let document = reply.value()[0]["document_id"].as_str().expect("an id").to_owned();
        let revision = self.processed(&document, version).await;
        self.caught_up().await;
        revision
    }

    /// Waits until the newest revision of a document in a version is processed (or failed), and returns it.
    pub async fn processed(&self, document: &str, version: &str) -> Value {
        eventually("processing a document", async || {
            let revisions = self.json(&format!("/api/v1/documents/{document}/versions")).await;
            let of_version = |revision: &&Value| revision["version"] == version;
            let newest = revisions.as_array()?.iter().find(of_version)?.clone();
            ["completed", "failed", "skipped"]
                .iter()
                .any(|ended| newest["status"] == *ended)
                .then_some(newest)
        })
        .await
    }

    /// Waits until the full-text index contains everything that was committed.
    pub async fn caught_up(&self) {
        eventually("the index catching up", async || {
            let ready = self.get("/readyz", &[]).await.value();
            (ready["index_changes_behind"] == json!(0)).then_some(())
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("/readyz")).collect();
            let last = &lines[lines.len().saturating_sub(30)..];
            let warnings: Vec<&str> =
                log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).take(30).collect();
            #[expect(clippy::print_stderr, reason = "shown by the test runner beside the failure")]
            {
                eprintln!("the server's warnings and errors:\n{}", warnings.join("\n"));
                eprintln!("the server's last log lines:\n{}", last.join("\n"));
            }
        }
    }
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, with any status.
    #[track_caller]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text()))
    }

    /// The body as JSON. Panics unless the status is 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.value()
    }

    /// The body as HTML. Panics unless that is its content type.
    #[track_caller]
    pub fn html(&self) -> HtmlPage {
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("text/html"), "{content_type}: {}", self.text());
        HtmlPage::parse(self.text())
    }

    /// Value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a problem (RFC 9457) of this status. Panics unless it has the members that every problem has.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.value();
        assert_eq!(problem["status"], status, "{problem}");
        let has = |member: &str| problem[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(["type", "title", "detail", "request_id"].into_iter().all(has), "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
        problem
    }
}

/// A member of each search hit, as text.
#[track_caller]
pub fn each(answer: &Value, member: &str) -> Vec<String> {
    let hits = answer["hits"].as_array().unwrap_or_else(|| panic!("no hits in {answer}"));
    hits.iter()
        .map(|hit| hit[member].as_str().map_or_else(|| hit[member].to_string(), str::to_owned))
        .collect()
}
