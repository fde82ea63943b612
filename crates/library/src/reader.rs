//! Document reader in a child process, so that a document on which reading crashes, loops or runs out of memory fails
//! alone: the child is ended, and the document fails with the reason.
//!
//! The protocol is one frame each way: the length of the JSON (u32, little-endian), the JSON, and, towards the child, the
//! document's bytes, whose number is in the JSON.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use extract::model::{DocumentType, ExtractedDocument, Limits};
use extract::picture::{self, Picture};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// Configuration of a reader.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// Program to start, which is this one.
    pub program: PathBuf,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Maximum time for one document.
    pub time_limit: Duration,
    /// Limits on a document.
    pub limits: Limits,
}

/// Reader of documents, one after another, in a child process that is started when needed and restarted when it ended.
#[derive(Debug)]
pub struct Reader {
    config: ReaderConfig,
    child: Option<Child>,
}

/// Error of reading a document.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Fault of the document, worded for its uploader. A retry would fail again.
    #[error("{}", .0.reason)]
    Document(Refusal),
    /// The child could not be started, or the pipe to it failed. A retry can help.
    #[error("failed to run the document reader")]
    Child(#[source] io::Error),
}

/// Reason why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Reason, worded for the uploader.
    pub reason: String,
    /// Whether there is nothing to read in it: a picture, or a page without text.
    pub is_skipped: bool,
}

impl Refusal {
    /// Makes the reason of a failure.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_skipped: false }
    }
}

/// Content that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extracted {
    /// A document.
    Document(Box<ExtractedDocument>),
    /// A picture, which documents can refer to.
    Picture(Picture),
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    name: String,
    declared: Option<DocumentType>,
    limits: Limits,
    bytes: u64,
}

impl Reader {
    /// Makes a reader, without a child yet.
    pub fn new(config: ReaderConfig) -> Self {
        Self { config, child: None }
    }

    /// Reads one document, or a picture.
    ///
    /// # Errors
    ///
    /// Fails if the document is at fault, or the child process cannot be run.
    pub async fn read(
        &mut self,
        name: &str,
        declared: Option<DocumentType>,
        bytes: &[u8],
    ) -> Result<Extracted, ReadError> {
        let limits = self.config.limits;
        if bytes.len() > limits.input_bytes {
            let limit = limits.input_bytes >> 20;
            let reason = format!("the document is larger than the limit of {limit} MiB");
            return Err(ReadError::Document(Refusal::failed(reason)));
        }
        let request = Request { name: name.to_owned(), declared, limits, bytes: bytes.len() as u64 };
        let time_limit = self.config.time_limit;
        // Put back only after a complete response: on any error in between, the child is dropped and so ended.
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.start().map_err(ReadError::Child)?,
        };
        let response = tokio::time::timeout(time_limit, exchange(&mut child, &request, bytes)).await;
        match response {
            Ok(Ok(result)) => {
                self.child = Some(child);
                result.map_err(ReadError::Document)
            }
            Ok(Err(_broken_pipe)) => {
                let status = child.wait().await.map_err(ReadError::Child)?;
                tracing::warn!(document.name = name, %status, "document reader exited while reading a document");
                Err(ReadError::Document(Refusal::failed(
                    "reading it crashed or took more memory than is allowed; the document may be damaged",
                )))
            }
            Err(_elapsed) => {
                let seconds = time_limit.as_secs();
                Err(ReadError::Document(Refusal::failed(format!(
                    "reading it took longer than the limit of {seconds} seconds"
                ))))
            }
        }
    }

    /// Ends the child process; the next document starts another.
    pub fn stop(&mut self) {
        self.child = None;
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.config.program)
            .args(&self.config.arguments)
            // The reader needs no environment, and so cannot leak it.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Sends a request to the child and receives its response.
async fn exchange(
    child: &mut Child,
    request: &Request,
    bytes: &[u8],
) -> io::Result<Result<Extracted, Refusal>> {
    let no_pipe = || io::Error::other("the child has no pipes");
    let input = child.stdin.as_mut().ok_or_else(no_pipe)?;
    let json = serde_json::to_vec(request)?;
    input.write_all(&length(json.len())?).await?;
    input.write_all(&json).await?;
    input.write_all(bytes).await?;
    input.flush().await?;
    let output = child.stdout.as_mut().ok_or_else(no_pipe)?;
    let mut header = [0; 4];
    output.read_exact(&mut header).await?;
    let mut response = vec![0; u32::from_le_bytes(header) as usize];
    output.read_exact(&mut response).await?;
    Ok(serde_json::from_slice(&response)?)
}

/// Serves requests until the input ends: the child's side.
///
/// # Errors
///
/// Fails if a pipe fails, or a request is malformed.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    loop {
        let mut header = [0; 4];
        match input.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut json = vec![0; u32::from_le_bytes(header) as usize];
        input.read_exact(&mut json)?;
        let request: Request = serde_json::from_slice(&json)?;
        let mut bytes = Vec::new();
        input.by_ref().take(request.bytes).read_to_end(&mut bytes)?;
        let name = request.name.rsplit('/').next().unwrap_or(&request.name);
        let result = match picture::detect(name, &bytes).filter(|_| request.declared.is_none()) {
            Some(format) => picture::read(name, format, &bytes).map(Extracted::Picture),
            None => extract::extract(&request.name, &bytes, request.declared, &request.limits)
                .map(|document| Extracted::Document(Box::new(document))),
        };
        let result = result.map_err(|error| Refusal {
            is_skipped: extract::is_skipped(&error, &request.name, &bytes),
            reason: error.to_string(),
        });
        drop(bytes);
        let json = serde_json::to_vec(&result)?;
        output.write_all(&length(json.len())?)?;
        output.write_all(&json)?;
        output.flush()?;
    }
}

/// Encodes the length of a frame.
fn length(bytes: usize) -> io::Result<[u8; 4]> {
    u32::try_from(bytes)
        .map(u32::to_le_bytes)
        .map_err(|_too_long| io::Error::other("a frame has at most 4 GiB"))
}
