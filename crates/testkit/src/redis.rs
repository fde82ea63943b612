//! A Redis server of its own for a test, on a Unix socket, which can be killed, held and started again with its data.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// A running Redis; killed with this value.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let mut redis = Self { folder: crate::folder(), child: None };
        redis.start_again().await;
        redis
    }

    /// Starts it again with what it held.
    pub async fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--save", "", "--daemonize", "no"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server: run the tests with ./test");
        self.child = Some(child);
        crate::eventually("Redis", async || (self.ask(&["PING"]).await? == "+PONG\r\n").then_some(())).await;
    }

    /// Its URL, as `WENYUAN_REDIS_URL` takes it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Sends a command and returns its answer as Redis writes it; `None` where none can be had.
    pub async fn ask(&self, words: &[&str]) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).await.ok()?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(command.as_bytes()).await.ok()?;
        let mut answer = vec![0; 64 << 10];
        let length = stream.read(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended_already = child.kill();
            let _waited_for_already = child.wait();
        }
    }

    /// Lets it answer nothing, as one that is overloaded.
    pub fn hold(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it answer again.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a running Redis");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        kill(pid, signal).expect("a signal");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
