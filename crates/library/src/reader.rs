//! Reading a document in a child process, so that one that crashes, loops or fills the memory harms nobody but
//! itself: the child is ended and the document fails with the reason.
//!
//! The protocol is one frame each way: a length (u32, little-endian) of JSON, the JSON, and, towards the child, the
//! document's bytes, whose number is in the JSON.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use extract::model::{DocumentType, ExtractedDocument, Limits};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// How children are started and how long they may take.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// The program, which is this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long reading one document may take.
    pub time_limit: Duration,
    /// Bounds on the document.
    pub limits: Limits,
}

/// Reads documents, one after another, in a child that is started when needed and again when it was ended.
#[derive(Debug)]
pub struct Reader {
    config: ReaderConfig,
    child: Option<Child>,
}

/// Why reading came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The document's own fault, in words for whoever added it. Trying again would change nothing.
    #[error("{0}")]
    Document(String),
    /// The child could not be started or spoken to. Trying again may help.
    #[error("the document reader cannot be run")]
    Child(#[source] io::Error),
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    name: String,
    declared: Option<DocumentType>,
    limits: Limits,
    bytes: u64,
}

impl Reader {
    /// A reader without a child yet.
    pub fn new(config: ReaderConfig) -> Self {
        Self { config, child: None }
    }

    /// Reads one document.
    pub async fn read(
        &mut self,
        name: &str,
        declared: Option<DocumentType>,
        bytes: &[u8],
    ) -> Result<ExtractedDocument, ReadError> {
        let limits = self.config.limits;
        if bytes.len() > limits.input_bytes {
            let limit = limits.input_bytes >> 20;
            return Err(ReadError::Document(format!("the document is larger than the limit of {limit} MiB")));
        }
        let request = Request { name: name.to_owned(), declared, limits, bytes: bytes.len() as u64 };
        let time_limit = self.config.time_limit;
        // Taken, and put back only after a whole answer: whatever goes wrong between, the child is dropped and ended.
        let mut child = match self.child.take() {
            Some(child) => child,
            None => self.start().map_err(ReadError::Child)?,
        };
        let asked = tokio::time::timeout(time_limit, ask(&mut child, &request, bytes)).await;
        match asked {
            Ok(Ok(answer)) => {
                self.child = Some(child);
                answer.map_err(ReadError::Document)
            }
            Ok(Err(_broken_pipe)) => {
                let status = child.wait().await.map_err(ReadError::Child)?;
                tracing::warn!(document.name = name, %status, "the document reader ended while reading");
                Err(ReadError::Document(
                    "reading it crashed or took more memory than is allowed; the document may be damaged"
                        .to_owned(),
                ))
            }
            Err(_elapsed) => {
                let seconds = time_limit.as_secs();
                Err(ReadError::Document(format!(
                    "reading it took longer than the limit of {seconds} seconds"
                )))
            }
        }
    }

    /// Ends the child; the next document starts another.
    pub fn rest(&mut self) {
        self.child = None;
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.config.program)
            .args(&self.config.arguments)
            // What a document's reader does not need it cannot give away.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn ask(
    child: &mut Child,
    request: &Request,
    bytes: &[u8],
) -> io::Result<Result<ExtractedDocument, String>> {
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
    let mut answer = vec![0; u32::from_le_bytes(header) as usize];
    output.read_exact(&mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// The child's side: answers requests until its input ends.
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
        let answer = extract::extract(&request.name, &bytes, request.declared, &request.limits);
        drop(bytes);
        let json = serde_json::to_vec(&answer.map_err(|error| error.to_string()))?;
        output.write_all(&length(json.len())?)?;
        output.write_all(&json)?;
        output.flush()?;
    }
}

fn length(bytes: usize) -> io::Result<[u8; 4]> {
    u32::try_from(bytes)
        .map(u32::to_le_bytes)
        .map_err(|_too_long| io::Error::other("a frame has at most 4 GiB"))
}
