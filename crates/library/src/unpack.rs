//! Unpacking of archives in a child process, so that one on which unpacking crashes, loops or runs out of memory fails alone, and a
//! fault of a decoder reaches nothing else.
//!
//! The child has the archive as its standard input, and writes a frame for each file to its standard output. The parent trusts the
//! frames no more than the archive: it checks the limits again.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use extract::archive::{self, ArchiveLimits};
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Configuration of an unpacker.
#[derive(Debug, Clone)]
pub struct UnpackerConfig {
    /// Program to start, which is this one.
    pub program: PathBuf,
    /// Arguments of the program, before the limits.
    pub arguments: Vec<String>,
    /// Maximum time between two files.
    pub time_limit: Duration,
    /// Limits on an archive.
    pub limits: ArchiveLimits,
}

/// A file of an archive.
#[derive(Debug)]
pub struct UnpackedFile {
    /// Path in the archive.
    pub path: String,
    /// Its bytes, or the reason why it cannot be read.
    pub content: Result<Bytes, String>,
}

/// Error of unpacking an archive.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Fault of the archive, worded for its uploader.
    #[error("{0}")]
    Archive(String),
    /// The child could not be started.
    #[error("failed to run the process that unpacks archives")]
    Child(#[source] io::Error),
}

/// Unpacks one archive, file after file.
#[derive(Debug)]
pub struct Unpacker {
    child: Child,
    output: BufReader<ChildStdout>,
    time_limit: Duration,
    limits: ArchiveLimits,
    entries: usize,
    total_bytes: u64,
}

/// Kinds of frames. A file is followed by its path and its bytes, a refused file by its path and the reason, a failure by its reason.
const FILE: u8 = 1;
const REFUSED: u8 = 2;
const END: u8 = 3;
const FAILURE: u8 = 4;
/// Maximum length of a path or a reason in a frame.
const MAX_TEXT_BYTES: u64 = 64 << 10;

impl Unpacker {
    /// Starts unpacking an archive. The child ends with the archive, or when this value is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the child cannot be started.
    pub fn start(config: &UnpackerConfig, archive: File) -> Result<Self, UnpackError> {
        let limits = config.limits;
        let mut child = Command::new(&config.program)
            .args(&config.arguments)
            .args(
                [limits.entries as u64, limits.entry_bytes, limits.total_bytes]
                    .map(|limit| limit.to_string()),
            )
            .env_clear()
            .stdin(Stdio::from(archive))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(UnpackError::Child)?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| UnpackError::Child(io::Error::other("the child has no pipe")))?;
        let (entries, total_bytes) = (0, 0);
        let output = BufReader::new(output);
        Ok(Self { child, output, time_limit: config.time_limit, limits, entries, total_bytes })
    }

    /// Returns the next file that is not hidden; `None` at the end.
    ///
    /// # Errors
    ///
    /// Fails if the archive is at fault: it is damaged or exceeds the limits, or unpacking it crashed or took too long.
    pub async fn next(&mut self) -> Result<Option<UnpackedFile>, UnpackError> {
        let time_limit = self.time_limit;
        match tokio::time::timeout(time_limit, self.frame()).await {
            Ok(Ok(file)) => file.map_err(UnpackError::Archive),
            Ok(Err(_broken)) => {
                let status = self.child.wait().await.map_err(UnpackError::Child)?;
                tracing::warn!(%status, "unpacking an archive ended early");
                let reason =
                    "unpacking it crashed or took more memory than is allowed; the archive may be damaged";
                Err(UnpackError::Archive(reason.to_owned()))
            }
            Err(_elapsed) => Err(UnpackError::Archive(format!(
                "unpacking a file of it took longer than the limit of {} seconds",
                time_limit.as_secs()
            ))),
        }
    }

    async fn frame(&mut self) -> io::Result<Result<Option<UnpackedFile>, String>> {
        match self.output.read_u8().await? {
            kind @ (FILE | REFUSED) => {
                self.entries += 1;
                let path = self.text().await?;
                let content = if kind == FILE { Ok(self.content().await?) } else { Err(self.text().await?) };
                if self.entries > self.limits.entries {
                    return Err(invalid());
                }
                Ok(Ok(Some(UnpackedFile { path, content })))
            }
            END => Ok(Ok(None)),
            FAILURE => Ok(Err(self.text().await?)),
            _ => Err(invalid()),
        }
    }

    async fn content(&mut self) -> io::Result<Bytes> {
        let length = self.output.read_u64_le().await?;
        self.total_bytes = self.total_bytes.saturating_add(length);
        if length > self.limits.entry_bytes || self.total_bytes > self.limits.total_bytes {
            return Err(invalid());
        }
        // Grows with the bytes that arrive, not with the number that was announced.
        let mut bytes = Vec::new();
        (&mut self.output).take(length).read_to_end(&mut bytes).await?;
        if bytes.len() as u64 == length { Ok(bytes.into()) } else { Err(invalid()) }
    }

    async fn text(&mut self) -> io::Result<String> {
        let length = self.output.read_u64_le().await?;
        if length > MAX_TEXT_BYTES {
            return Err(invalid());
        }
        let mut bytes = Vec::new();
        (&mut self.output).take(length).read_to_end(&mut bytes).await?;
        String::from_utf8(bytes).map_err(|_invalid| invalid())
    }
}

fn invalid() -> io::Error {
    io::Error::other("invalid frame")
}

/// Unpacks an archive and writes its files as frames: the child's side.
///
/// # Errors
///
/// Fails if the pipe does. Faults of the archive are frames.
pub fn serve(archive: impl Read + Seek, limits: &ArchiveLimits, mut output: impl Write) -> io::Result<()> {
    let mut broken = None;
    let walked = archive::visit_files(archive, limits, &mut |path, content| {
        if archive::is_hidden(path) {
            return Ok(());
        }
        let written = match content {
            Ok(bytes) => write_frame(&mut output, FILE, &[path.as_bytes(), bytes]),
            Err(error) => write_frame(&mut output, REFUSED, &[path.as_bytes(), error.to_string().as_bytes()]),
        };
        written.map_err(|error| {
            broken = Some(error);
            // Any error ends the walk; this one is not reported.
            extract::model::Error::Empty
        })
    });
    if let Some(error) = broken {
        return Err(error);
    }
    match walked {
        Ok(_) => write_frame(&mut output, END, &[]),
        Err(error) => write_frame(&mut output, FAILURE, &[error.to_string().as_bytes()]),
    }
}

fn write_frame(output: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    output.write_all(&[kind])?;
    for part in parts {
        output.write_all(&(part.len() as u64).to_le_bytes())?;
        output.write_all(part)?;
    }
    output.flush()
}
