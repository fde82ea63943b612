//! A real SMTP server for tests (aiosmtpd), which records the messages it accepts.

use std::process::Command;

use tokio::net::TcpListener;

use crate::process::Process;
use crate::{SOON, variable};

const SCRIPT: &str = include_str!("mail_server.py");

/// A running SMTP server; killed when this value is dropped.
#[derive(Debug)]
pub struct MailServer {
    process: Process,
    port: u16,
}

impl MailServer {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        Self::start_at(0).await
    }

    /// Returns a port that no server listens on.
    pub async fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address").port()
    }

    /// Starts a server on this port; 0 for a free one.
    pub async fn start_at(port: u16) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", SCRIPT])
            .env("PORT", port.to_string())
            .env("PYTHONPATH", variable("WENYUAN_TEST_PYTHON_CLIENTS"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let process = Process::spawn("the SMTP server (aiosmtpd)", command);
        let port = process
            .wait_for("printing its port", SOON, async || process.output().lines().next()?.parse().ok())
            .await;
        Self { process, port }
    }

    /// Its URL, as `WENYUAN_SMTP_URL` takes it.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Number of messages accepted so far.
    pub fn count(&self) -> usize {
        self.process.output().lines().count() - 1
    }

    /// Waits for the message with this index, counted from 0, and returns it as `mail_server.py` prints it.
    pub async fn message(&self, index: usize) -> serde_json::Value {
        let line = self
            .process
            .wait_for("accepting a message", SOON, async || {
                self.process.output().lines().nth(index + 1).map(str::to_owned)
            })
            .await;
        serde_json::from_str(&line).expect("a message as JSON")
    }
}
