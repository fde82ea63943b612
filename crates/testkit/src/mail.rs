//! A real SMTP server for tests: aiosmtpd, which keeps what it is sent.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{eventually, variable};

/// Takes any mail and prints it; refuses addresses of `refused.example` for good.
const PROGRAM: &str = r#"
import asyncio, email, email.policy, json, sys
from aiosmtpd.smtp import SMTP

class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@refused.example"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {"from": mail["from"], "to": envelope.rcpt_tos, "subject": mail["subject"], "text": mail.get_content(),
                "automatic": mail["auto-submitted"], "by": getattr(session, "login_data", None)}
        print(json.dumps(told), flush=True)
        return "250 OK"

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keeper(), hostname="mail.example"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

/// A running SMTP server; killed with this value.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl MailServer {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .env("PYTHONPATH", variable("WENYUAN_TEST_PYTHON_CLIENTS"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let output = child.stdout.take().expect("a pipe");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut server = Self { child, lines, port: 0 };
        server.port = eventually("an SMTP server", async || server.line(0)?.parse().ok()).await;
        server
    }

    fn line(&self, number: usize) -> Option<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(number).cloned()
    }

    /// Where it takes mail, as `WENYUAN_SMTP_URL` says it.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// How many mails it was sent.
    pub fn count(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len() - 1
    }

    /// A mail by its number, from 0, once it has arrived.
    pub async fn mail(&self, number: usize) -> serde_json::Value {
        let line = eventually("a mail", async || self.line(number + 1)).await;
        serde_json::from_str(&line).expect("a mail as JSON")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _waited_for_already = self.child.wait();
    }
}
