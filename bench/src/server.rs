//! A real server to measure: the release binary with a data folder and a PostgreSQL of its own.

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
use crate::process::{self, Shares};

/// Files and bytes of one upload.
const UPLOAD_FILES: usize = 64;
const UPLOAD_BYTES: usize = 64 << 20;
/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_mins(40);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    /// Folder for the data folders.
    pub(crate) work: PathBuf,
}

/// Where a question is put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door<'mode> {
    /// `GET /api/v1/search`, by words, meaning or both.
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
    /// Shown with each request, as any client does.
    key: String,
    /// From the start of the process until it was ready.
    pub(crate) start: Duration,
}

impl Program {
    /// Starts a server on this data folder and waits until it is ready; with or without the embedding model.
    pub(crate) async fn start(&self, data: &str, embedding: bool) -> anyhow::Result<Server> {
        let data = self.work.join(data);
        std::fs::create_dir_all(&data)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::options().create(true).append(true).open(self.work.join("server.log"))?;
        let begun = Instant::now();
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
        let process = child.id().context("the server has ended at once")?;
        let base = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut server =
            Server { child, process, data, base, client, key: String::new(), start: Duration::ZERO };
        while !server.is_ready().await {
            ensure!(server.child.try_wait()?.is_none(), "the server has ended; see server.log");
            ensure!(begun.elapsed() < PATIENCE, "the server does not become ready");
            sleep(Duration::from_millis(2)).await;
        }
        server.start = begun.elapsed();
        server.key = self.key(&server.data, embedding).await?;
        Ok(server)
    }

    /// A key with all scopes, made on the command line.
    async fn key(&self, data: &Path, embedding: bool) -> anyhow::Result<String> {
        let name = format!("bench {:?}", Instant::now());
        let made = Command::new(&self.binary)
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
        ensure!(made.status.success(), "no key: {}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout)?;
        Ok(made["key"].as_str().context("no key was made")?.to_owned())
    }

    /// Makes this the language model that answers.
    pub(crate) async fn add_model(&self, data: &str, endpoint: &str) -> anyhow::Result<()> {
        let made = Command::new(&self.binary)
            .args(["models", "add", "bench", endpoint, "--model", "bench", "--default"])
            .env("WENYUAN_DATA_DIR", self.work.join(data))
            .env("WENYUAN_EMBEDDING", "none")
            .env_remove("DATABASE_URL")
            .output()
            .await?;
        ensure!(made.status.success(), "no model: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }

    /// Removes a data folder that an earlier run has left.
    pub(crate) async fn forget(&self, data: &str) -> anyhow::Result<()> {
        let data = self.work.join(data);
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
            // For five seconds ext4 steps over the inodes of deleted files, which made new files a third dearer.
            sleep(Duration::from_secs(6)).await;
        }
        Ok(())
    }
}

impl Server {
    /// Asks the server to stop, which also stops its PostgreSQL.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await??;
        Ok(())
    }

    /// Kills the server as a crash would; its PostgreSQL goes on.
    pub(crate) async fn crash(mut self) -> anyhow::Result<()> {
        kill(self.pid()?, Signal::SIGKILL)?;
        self.child.wait().await?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.process)?))
    }

    /// Processor time used so far.
    pub(crate) fn cpu(&self) -> Shares {
        process::cpu(self.process, self.postmaster())
    }

    /// Memory in use.
    pub(crate) fn memory(&self) -> Shares {
        process::memory(self.process, self.postmaster())
    }

    /// The process ids of the server and of the postmaster, for who watches from elsewhere.
    pub(crate) fn processes(&self) -> (u32, u32) {
        (self.process, self.postmaster())
    }

    fn postmaster(&self) -> u32 {
        let text =
            std::fs::read_to_string(self.data.join("postgres/data/postmaster.pid")).unwrap_or_default();
        text.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0)
    }

    /// Where the data folder is.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What stands at this address.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What stands at this address, unread: that is not the server's work.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).send().await?;
        Ok(answer.error_for_status()?.bytes().await?)
    }

    /// A page as a browser asks for it: how many bytes cross the network.
    pub(crate) async fn page(&self, path: &str, session: &str) -> anyhow::Result<usize> {
        let request = self.client.get(format!("{}{path}", self.base)).header("accept", "text/html");
        let request =
            request.header("accept-encoding", "gzip").header("cookie", format!("wenyuan_session={session}"));
        Ok(request.send().await?.error_for_status()?.bytes().await?.len())
    }

    /// What is answered to this, unread.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<bytes::Bytes> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(body);
        Ok(request.send().await?.error_for_status()?.bytes().await?)
    }

    /// Sum and count of one of the server's histograms.
    pub(crate) async fn histogram(&self, name: &str, labels: &str) -> anyhow::Result<(f64, f64)> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let of = |part: &str| {
            let head = format!("{name}_{part}{{");
            let lines = text.lines().filter(|line| line.starts_with(&head) && line.contains(labels));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        Ok((of("sum"), of("count")))
    }

    /// Searches. The answer is not parsed: that is not the server's work.
    pub(crate) async fn search(&self, question: &str, mode: &str) -> anyhow::Result<reqwest::Response> {
        let query = [("q", question), ("mode", mode), ("limit", "10")];
        let request = self.client.get(format!("{}/api/v1/search", self.base)).bearer_auth(&self.key);
        let answer = request.query(&query).send().await?;
        if !answer.status().is_success() {
            bail!("searching for {question:?}: {}", answer.text().await?);
        }
        Ok(answer)
    }

    /// Asks at this door.
    pub(crate) async fn ask(&self, question: &str, door: Door<'_>) -> anyhow::Result<reqwest::Response> {
        match door {
            Door::Rest(mode) => self.search(question, mode).await,
            Door::Mcp => self.search_docs(question).await,
        }
    }

    /// Searches through MCP, as an agent of the revision 2025-11-25 does.
    async fn search_docs(&self, question: &str) -> anyhow::Result<reqwest::Response> {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "search_docs", "arguments": { "query": question, "limit": 10 } },
        });
        let request = self.client.post(format!("{}/mcp", self.base)).bearer_auth(&self.key).json(&call);
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.header("mcp-protocol-version", "2025-11-25").send().await?;
        if !answer.status().is_success() {
            bail!("asking MCP for {question:?}: {}", answer.text().await?);
        }
        Ok(answer)
    }

    /// Sends documents, as one would from a script.
    pub(crate) async fn upload(&self, library: &str, documents: &[Document]) -> anyhow::Result<()> {
        let mut rest = documents;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |document: &&Document| {
                bytes += document.bytes;
                bytes <= UPLOAD_BYTES
            };
            let number = rest.iter().take(UPLOAD_FILES).take_while(fits).count().max(1);
            let mut form = Form::new().text("library", library.to_owned()).text("version", "1");
            for document in &rest[..number] {
                let part = Part::bytes(std::fs::read(&document.file)?).file_name(document.path.clone());
                form = form.part("file", part);
            }
            let address = format!("{}/api/v1/documents", self.base);
            let answer = self.client.post(address).bearer_auth(&self.key).multipart(form).send().await?;
            if !answer.status().is_success() {
                bail!("adding to {library}: {}", answer.text().await?);
            }
            rest = &rest[number..];
        }
        Ok(())
    }

    /// Sends documents and waits until all are read and full text finds them.
    pub(crate) async fn add(&self, library: &str, documents: &[Document]) -> anyhow::Result<()> {
        let before = self.documents_read().await?;
        self.upload(library, documents).await?;
        self.until("all documents are read", 50, async || {
            Ok(self.documents_read().await? - before >= crate::figures::count(documents.len()))
        })
        .await?;
        self.until_searchable().await
    }

    /// Waits until full text shows every change.
    pub(crate) async fn until_searchable(&self) -> anyhow::Result<()> {
        self.until("full text has caught up", 50, async || {
            Ok(self.get("/readyz").await?["index_changes_behind"] == 0)
        })
        .await
    }

    /// Waits until every passage of these libraries has its vector, and says how many there are.
    pub(crate) async fn until_embedded(&self, libraries: &[&str]) -> anyhow::Result<usize> {
        let mut all = 0;
        self.until("all vectors are made", 1000, async || {
            let mut vectors = 0;
            all = 0;
            for library in libraries {
                let (passages, made) = self.counts(library).await?;
                all += passages;
                vectors += made;
            }
            Ok(vectors == all)
        })
        .await?;
        Ok(all)
    }

    /// Waits until the embedding model is loaded.
    pub(crate) async fn until_model_is_there(&self) -> anyhow::Result<()> {
        self.until(
            "the model is loaded",
            5,
            async || Ok(self.get("/readyz").await?["embedding"] != "loading"),
        )
        .await
    }

    /// Passages and vectors of a library.
    pub(crate) async fn counts(&self, library: &str) -> anyhow::Result<(usize, usize)> {
        let version = self.get(&format!("/api/v1/libraries/{library}/versions/1")).await?;
        let number = |name: &str| usize::try_from(version[name].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        Ok((number("passages"), number("vectors")))
    }

    /// Waits until something is so, looking again after this many milliseconds.
    pub(crate) async fn until(
        &self,
        what: &str,
        pause: u64,
        mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !is_so().await? {
            ensure!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
            sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// Documents read since the server started, well or not. From the counters, which cost the database nothing.
    async fn documents_read(&self) -> anyhow::Result<f64> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let counters = text.lines().filter_map(|line| line.strip_prefix("wenyuan_documents_read_total{"));
        Ok(counters.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}
