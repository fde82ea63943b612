//! Server of a restored library: a process of its own, and a client that asks it over HTTP.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use library::search::INDEX_BUILDING_NOTICE;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::watch;
use uuid::Uuid;

use crate::app::backups::questions::{Answer, SEARCHED_PASSAGES, SavedQuestion, SavedQuestions, fingerprint};
use crate::settings::Settings;

/// Time within which the server has to listen.
const START_TIMEOUT: Duration = Duration::from_mins(5);
/// Time within which it has to answer once it listens: its index is built anew.
const ANSWER_TIMEOUT: Duration = Duration::from_hours(2);
/// Pause between two attempts.
const ANSWER_PAUSE: Duration = Duration::from_millis(100);
/// Time within which it has to end.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// Time limit of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Last lines of its log that an error repeats.
const MAX_LINES: usize = 5;
/// Line of the log that says where it listens.
const READY: &str = "ready address=";
/// Query of a library without questions.
const ANY_QUERY: &str = "wenyuan";

type Lines = Arc<Mutex<VecDeque<String>>>;

/// Running server. It ends when this process does: it reads from a pipe that then closes.
pub(super) struct Instance {
    child: Child,
    stdin: Option<ChildStdin>,
    address: watch::Receiver<Option<SocketAddr>>,
    lines: Lines,
}

impl Instance {
    /// Starts a server on a restored library, for this machine alone. Only the settings that are named here hold, whatever those of the
    /// running library are, and it runs no jobs: it sends no mail, writes no backups, and asks no other server.
    pub(super) fn start(settings: &Settings, data: &Path, port: u16) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find the path of this program")?;
        let mut command = Command::new(program);
        command.args(["serve", "--for-drill"]);
        for setting in settings.effective() {
            command.env_remove(&setting.variable);
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        command.env("WENYUAN_CONFIG", "/dev/null").env("WENYUAN_DATA_DIR", data);
        command.env("WENYUAN_POSTGRES", settings.database.programs(&settings.storage.data_dir()));
        command.env("WENYUAN_LISTEN", listen.to_string()).env("WENYUAN_LOG", "info").env("NO_COLOR", "1");
        // The questions are searched for by keyword.
        command.env("WENYUAN_EMBEDDING", "none");
        // In the environment, which other users cannot read. Keys from a file came with the backup.
        if let Some(keys) = settings.storage.secrets().keys {
            command.env("WENYUAN_SECRET_KEY", keys.as_str());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("failed to start a server on the restored library")?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take().context("the server's log cannot be read")?;
        let (sender, address) = watch::channel(None);
        let lines = Lines::default();
        tokio::spawn(read_log(stderr, sender, Arc::clone(&lines)));
        Ok(Self { child, stdin, address, lines })
    }

    /// Waits until it listens, and returns where.
    ///
    /// # Errors
    ///
    /// If it ends, or does not listen in time.
    pub(super) async fn address(&self) -> anyhow::Result<SocketAddr> {
        let mut address = self.address.clone();
        let listening = tokio::time::timeout(START_TIMEOUT, address.wait_for(Option::is_some)).await;
        match listening {
            Ok(Ok(address)) => address.context("the server's address is missing"),
            Ok(Err(_ended)) => bail!("the restored library's server did not start: {}", self.last_lines()),
            Err(_elapsed) => {
                bail!("the restored library's server did not start in time: {}", self.last_lines())
            }
        }
    }

    /// Waits until a search for the first question is answered from the whole library.
    ///
    /// # Errors
    ///
    /// If it ends, or does not answer in time.
    pub(super) async fn wait_for_answer(
        &mut self,
        client: &Client,
        saved: &SavedQuestions,
    ) -> anyhow::Result<()> {
        let query = saved.questions.first().map_or(ANY_QUERY, |question| &question.text);
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let reason = match client.is_answering(query).await {
                Ok(true) => return Ok(()),
                Ok(false) => "its index is still being built".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                bail!("the restored library's server ended: {}", self.last_lines());
            }
            if Instant::now() > deadline {
                bail!("the restored library did not answer in time: {reason}");
            }
            tokio::time::sleep(ANSWER_PAUSE).await;
        }
    }

    fn last_lines(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// Ends it, by force if it takes long.
    pub(super) async fn stop(mut self) {
        drop(self.stdin.take());
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            tracing::warn!("the restored library's server did not end in time, and is killed");
            let _already_ended = self.child.kill().await;
        }
    }
}

/// Reads the log to its end, so that the server never waits for it.
async fn read_log(stderr: ChildStderr, address: watch::Sender<Option<SocketAddr>>, kept: Lines) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(READY) {
            address.send_replace(rest.split_whitespace().next().and_then(|text| text.parse().ok()));
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MAX_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// Client of the REST API. Its errors never repeat a URL, which has the text of a question.
pub(super) struct Client {
    client: reqwest::Client,
    address: SocketAddr,
    token: String,
}

/// Passage, as the API returns it.
#[derive(Deserialize)]
struct PassageBody {
    content: String,
    path: String,
    version: String,
}

/// Response of a search.
#[derive(Deserialize)]
struct SearchBody {
    hits: Vec<HitBody>,
    notices: Vec<String>,
    changes_behind: i64,
}

#[derive(Deserialize)]
struct HitBody {
    id: Uuid,
    #[serde(default)]
    also_in: Vec<EqualBody>,
}

#[derive(Deserialize)]
struct EqualBody {
    id: Uuid,
}

impl HitBody {
    /// Ids of the passage and of those with the same text.
    fn ids(&self) -> Vec<Uuid> {
        std::iter::once(self.id).chain(self.also_in.iter().map(|equal| equal.id)).collect()
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        // Never through a proxy: it is this machine.
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        Ok(Self { client, address, token: token.to_owned() })
    }

    /// Asks the saved questions, and returns the answers in their order.
    ///
    /// # Errors
    ///
    /// If the server does not answer. A question that it refuses is no error.
    pub(super) async fn ask(&self, saved: &SavedQuestions) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for question in &saved.questions {
            let mut passages = HashMap::new();
            for id in question.ids() {
                if let Ok(body) = self.get::<PassageBody>(&format!("/api/v1/passages/{id}"), &[]).await? {
                    passages.insert(id, fingerprint(&body.content, &body.path, &body.version));
                }
            }
            let hits = if question.is_searched() { self.search(question).await? } else { Ok(Vec::new()) };
            answers.push(Answer { passages, hits: hits.map_err(|status| status.to_string()) });
        }
        Ok(answers)
    }

    /// Whether a search is answered from all that the library has.
    async fn is_answering(&self, query: &str) -> anyhow::Result<bool> {
        let body = self.get::<SearchBody>("/api/v1/search", &[("q", query), ("mode", "text")]).await?;
        let body = body.map_err(|status| anyhow::anyhow!("a search is answered with {status}"))?;
        let is_building = body.notices.iter().any(|notice| notice.starts_with(INDEX_BUILDING_NOTICE));
        Ok(body.changes_behind == 0 && !is_building)
    }

    async fn search(&self, question: &SavedQuestion) -> anyhow::Result<Result<Vec<Uuid>, StatusCode>> {
        let limit = SEARCHED_PASSAGES.to_string();
        let mut parameters = vec![("q", question.text.as_str()), ("mode", "text"), ("limit", &limit)];
        parameters.extend(question.library.as_deref().map(|library| ("library", library)));
        parameters.extend(question.version.as_deref().map(|version| ("version", version)));
        let body = self.get::<SearchBody>("/api/v1/search", &parameters).await?;
        Ok(body.map(|body| body.hits.iter().flat_map(HitBody::ids).collect()))
    }

    /// Returns the body of a response, or the status with which the server refuses.
    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Result<T, StatusCode>> {
        let url = reqwest::Url::parse_with_params(&format!("http://{}{path}", self.address), parameters)?;
        let sent = self.client.get(url).bearer_auth(&self.token).send().await;
        let response = sent.map_err(reqwest::Error::without_url)?;
        if response.status().is_client_error() {
            return Ok(Err(response.status()));
        }
        let response = response.error_for_status().map_err(reqwest::Error::without_url)?;
        Ok(Ok(response.json().await.map_err(reqwest::Error::without_url)?))
    }
}
