//! Server under measurement: the real program with its own data folder and PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::corpus::Document;
use crate::harness::Scale;
use crate::process::{self, Usage};

/// Maximum number and total size of the files of one upload request.
const MAX_UPLOAD_FILES: usize = 64;
const MAX_UPLOAD_BYTES: usize = 64 << 20;
/// The program that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    /// Folder that contains the data folders.
    pub(crate) work: PathBuf,
    pub(crate) scale: Scale,
}

/// API through which a search is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SearchApi<'mode> {
    /// `GET /api/v1/search` in the mode `text`, `vector` or `hybrid`.
    Rest(&'mode str),
    /// `tools/call search_docs`.
    Mcp,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    process: u32,
    data: PathBuf,
    base: String,
    client: reqwest::Client,
    /// API key of every request.
    key: String,
    /// Time limit of every wait.
    timeout: Duration,
    /// Time from the start of the process until it was ready.
    pub(crate) start: Duration,
}

impl Program {
    /// Starts a server on a data folder, with or without the embedding model, and waits until it is ready.
    pub(crate) async fn start(&self, data: &str, embedding: bool) -> anyhow::Result<Server> {
        let data = self.work.join(data);
        std::fs::create_dir_all(&data)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::options().create(true).append(true).open(self.work.join("server.log"))?;
        let started = Instant::now();
        let child = Command::new(&self.binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .env("WENYUAN_DATA_DIR", &data)
            .env("WENYUAN_EMBEDDING", if embedding { "local" } else { "none" })
            .env("WENYUAN_LOG", "warn")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let process = child.id().context("the server exited immediately")?;
        let base = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut server = Server {
            child,
            process,
            data,
            base,
            client,
            key: String::new(),
            timeout: self.scale.timeout(),
            start: Duration::ZERO,
        };
        while !server.is_ready().await {
            ensure!(server.child.try_wait()?.is_none(), "the server exited; see server.log");
            ensure!(started.elapsed() < server.timeout, "the server did not become ready in time");
            sleep(Duration::from_millis(2)).await;
        }
        server.start = started.elapsed();
        server.key = self.create_key(&server.data, embedding).await?;
        Ok(server)
    }

    /// Creates an API key with all scopes on the command line.
    async fn create_key(&self, data: &Path, embedding: bool) -> anyhow::Result<String> {
        let name = format!("bench {:?}", Instant::now());
        let output = Command::new(&self.binary)
            .args([
                "key",
                "create",
                "--json",
                "--scope",
                "write,chats",
                "--rate",
                "1000000",
                "--expires",
                "1d",
                "--name",
                &name,
            ])
            .env("WENYUAN_DATA_DIR", data)
            .env("WENYUAN_EMBEDDING", if embedding { "local" } else { "none" })
            .env_remove("DATABASE_URL")
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "failed to create a key: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let created: Value = serde_json::from_slice(&output.stdout)?;
        Ok(created["key"].as_str().context("the output has no key")?.to_owned())
    }

    /// Adds a language model and makes it the default.
    pub(crate) async fn add_model(&self, data: &str, endpoint: &str) -> anyhow::Result<()> {
        let output = Command::new(&self.binary)
            .args(["models", "add", "bench", endpoint, "--model", "bench", "--default"])
            .env("WENYUAN_DATA_DIR", self.work.join(data))
            .env("WENYUAN_EMBEDDING", "none")
            .env_remove("DATABASE_URL")
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "failed to add the model: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Removes a data folder of an earlier run.
    pub(crate) async fn remove_data(&self, data: &str) -> anyhow::Result<()> {
        let data = self.work.join(data);
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
            // For five seconds ext4 skips the inodes of deleted files, which made new files a third more expensive.
            self.scale.pause(Duration::from_secs(6)).await;
        }
        Ok(())
    }
}

impl Server {
    /// Stops the server, which also stops its PostgreSQL.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await??;
        Ok(())
    }

    /// Kills the server like a crash; its PostgreSQL keeps running.
    pub(crate) async fn crash(mut self) -> anyhow::Result<()> {
        kill(self.pid()?, Signal::SIGKILL)?;
        self.child.wait().await?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.process)?))
    }

    /// Returns the processor time used so far, in seconds.
    pub(crate) fn cpu(&self) -> Usage {
        process::cpu(self.process, self.postmaster())
    }

    /// Returns the memory in use, in megabytes.
    pub(crate) fn memory(&self) -> Usage {
        process::memory(self.process, self.postmaster())
    }

    /// Returns the process ids of the server and the postmaster.
    pub(crate) fn processes(&self) -> (u32, u32) {
        (self.process, self.postmaster())
    }

    fn postmaster(&self) -> u32 {
        let text =
            std::fs::read_to_string(self.data.join("postgres/data/postmaster.pid")).unwrap_or_default();
        text.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0)
    }

    /// Returns the data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Requests a path and parses the JSON response.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Requests a path without parsing the response, which is not the work of the server.
    pub(crate) async fn get_bytes(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).send().await?;
        Ok(answer.error_for_status()?.bytes().await?)
    }

    /// Requests a page like a browser. Returns the number of bytes transferred.
    pub(crate) async fn page_bytes(&self, path: &str, session: &str) -> anyhow::Result<usize> {
        let request = self.client.get(format!("{}{path}", self.base)).header("accept", "text/html");
        let request =
            request.header("accept-encoding", "gzip").header("cookie", format!("wenyuan_session={session}"));
        Ok(request.send().await?.error_for_status()?.bytes().await?.len())
    }

    /// Posts JSON and returns the response without parsing it.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<bytes::Bytes> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(body);
        Ok(request.send().await?.error_for_status()?.bytes().await?)
    }

    /// Returns sum and count of a histogram of the server, over all series whose labels contain `labels`.
    pub(crate) async fn histogram(&self, name: &str, labels: &str) -> anyhow::Result<(f64, f64)> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let total = |part: &str| {
            let head = format!("{name}_{part}{{");
            let lines = text.lines().filter(|line| line.starts_with(&head) && line.contains(labels));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        Ok((total("sum"), total("count")))
    }

    /// Searches through REST. The response is not parsed.
    pub(crate) async fn search(&self, question: &str, mode: &str) -> anyhow::Result<reqwest::Response> {
        let query = [("q", question), ("mode", mode), ("limit", "10")];
        let request = self.client.get(format!("{}/api/v1/search", self.base)).bearer_auth(&self.key);
        let answer = request.query(&query).send().await?;
        if !answer.status().is_success() {
            bail!("search for {question:?} failed: {}", answer.text().await?);
        }
        Ok(answer)
    }

    /// Searches through an API.
    pub(crate) async fn search_through(
        &self,
        question: &str,
        api: SearchApi<'_>,
    ) -> anyhow::Result<reqwest::Response> {
        match api {
            SearchApi::Rest(mode) => self.search(question, mode).await,
            SearchApi::Mcp => self.search_docs(question).await,
        }
    }

    /// Searches through MCP, revision 2025-11-25.
    async fn search_docs(&self, question: &str) -> anyhow::Result<reqwest::Response> {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "search_docs", "arguments": { "query": question, "limit": 10 } },
        });
        let request = self.client.post(format!("{}/mcp", self.base)).bearer_auth(&self.key).json(&call);
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.header("mcp-protocol-version", "2025-11-25").send().await?;
        if !answer.status().is_success() {
            bail!("MCP search for {question:?} failed: {}", answer.text().await?);
        }
        Ok(answer)
    }

    /// Uploads documents in batches, like a script.
    pub(crate) async fn upload(&self, library: &str, documents: &[Document]) -> anyhow::Result<()> {
        let mut remaining = documents;
        while !remaining.is_empty() {
            let mut bytes = 0;
            let fits = |document: &&Document| {
                bytes += document.bytes;
                bytes <= MAX_UPLOAD_BYTES
            };
            let number = remaining.iter().take(MAX_UPLOAD_FILES).take_while(fits).count().max(1);
            let mut form = Form::new().text("library", library.to_owned()).text("version", "1");
            for document in &remaining[..number] {
                let part = Part::bytes(std::fs::read(&document.file)?).file_name(document.path.clone());
                form = form.part("file", part);
            }
            let address = format!("{}/api/v1/documents", self.base);
            let answer = self.client.post(address).bearer_auth(&self.key).multipart(form).send().await?;
            if !answer.status().is_success() {
                bail!("upload to {library} failed: {}", answer.text().await?);
            }
            remaining = &remaining[number..];
        }
        Ok(())
    }

    /// Uploads documents and waits until all are read and the full-text index contains them.
    pub(crate) async fn add(&self, library: &str, documents: &[Document]) -> anyhow::Result<()> {
        let before = self.documents_read().await?;
        self.upload(library, documents).await?;
        self.wait_until("all documents were read", 50, async || {
            Ok(self.documents_read().await? - before >= crate::figures::count(documents.len()))
        })
        .await?;
        self.wait_until_searchable().await
    }

    /// Waits until the full-text index contains every change.
    pub(crate) async fn wait_until_searchable(&self) -> anyhow::Result<()> {
        self.wait_until("the full-text index has caught up", 50, async || {
            Ok(self.get("/readyz").await?["index_changes_behind"] == 0)
        })
        .await
    }

    /// Waits until every passage of these libraries has a vector. Returns the number of passages.
    pub(crate) async fn wait_until_embedded(&self, libraries: &[&str]) -> anyhow::Result<usize> {
        let mut total = 0;
        self.wait_until("all passages have vectors", 1000, async || {
            let mut vectors = 0;
            total = 0;
            for library in libraries {
                let (passages, embedded) = self.counts(library).await?;
                total += passages;
                vectors += embedded;
            }
            Ok(vectors == total)
        })
        .await?;
        Ok(total)
    }

    /// Waits until hybrid search of all libraries uses vectors, which takes those of the bundled guide too.
    pub(crate) async fn wait_until_hybrid(&self) -> anyhow::Result<()> {
        self.wait_until("hybrid search is available", 200, async || {
            let response: Value = self.search("guide", "hybrid").await?.json().await?;
            Ok(response["mode"] == "hybrid")
        })
        .await
    }

    /// Waits until the embedding model is loaded.
    pub(crate) async fn wait_until_model_is_loaded(&self) -> anyhow::Result<()> {
        self.wait_until("the model is loaded", 5, async || {
            Ok(self.get("/readyz").await?["embedding"] != "loading")
        })
        .await
    }

    /// Returns the number of passages and of vectors of a library.
    pub(crate) async fn counts(&self, library: &str) -> anyhow::Result<(usize, usize)> {
        let version = self.get(&format!("/api/v1/libraries/{library}/versions/1")).await?;
        let number = |name: &str| usize::try_from(version[name].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        Ok((number("passages"), number("vectors")))
    }

    /// Waits until a condition is true, checking it every `pause_ms` milliseconds.
    pub(crate) async fn wait_until(
        &self,
        condition: &str,
        pause_ms: u64,
        mut is_true: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !is_true().await? {
            ensure!(start.elapsed() < self.timeout, "timed out while waiting until {condition}");
            sleep(Duration::from_millis(pause_ms)).await;
        }
        Ok(())
    }

    /// Returns the number of documents read since the server started, failed ones included. Uses the metrics, which do
    /// not load the database.
    async fn documents_read(&self) -> anyhow::Result<f64> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let counters = text.lines().filter_map(|line| line.strip_prefix("wenyuan_documents_read_total{"));
        Ok(counters.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}
