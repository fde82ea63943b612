//! A Redis server of a test's own, on a Unix socket, which can be killed, paused, and restarted with its data.

use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::SOON;
use crate::process::Process;

/// A running Redis server; killed when this value is dropped.
#[derive(Debug)]
pub struct Redis {
    // Dropped first: the process works in the folder.
    process: Option<Process>,
    folder: TempDir,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub async fn start() -> Self {
        let mut redis = Self { process: None, folder: crate::folder() };
        redis.restart().await;
        redis
    }

    /// Starts the server again with the data that it held when it was killed.
    pub async fn restart(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--save", "", "--daemonize", "no"])
            .current_dir(self.folder.path());
        let process = Process::spawn("Redis (redis-server)", command);
        process
            .wait_for("answering PING", SOON, async || {
                (self.command(&["PING"]).await? == "+PONG\r\n").then_some(())
            })
            .await;
        self.process = Some(process);
    }

    /// Its URL, as `WENYUAN_REDIS_URL` takes it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Sends a command and returns the reply in Redis's wire format; `None` if there is no reply.
    pub async fn command(&self, words: &[&str]) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).await.ok()?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(command.as_bytes()).await.ok()?;
        let mut reply = vec![0; 64 << 10];
        let length = stream.read(&mut reply).await.ok()?;
        Some(String::from_utf8_lossy(&reply[..length]).into_owned())
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it from answering, as under overload (SIGSTOP).
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it answer again after [`Self::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("a running Redis").signal(signal);
    }
}
