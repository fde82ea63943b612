//! A real language model for tests: llama.cpp's server with a model that fits anywhere. Its protocol is real, its wit small.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use crate::{eventually, variable};

/// A running model; killed with this value.
#[derive(Debug)]
pub struct LlamaServer {
    child: Child,
    address: String,
}

impl LlamaServer {
    /// Starts one on a port of its own, on the processor alone, and waits until it has loaded its model.
    pub async fn start() -> Self {
        let mut child = Command::new(variable("WENYUAN_TEST_LLAMA_SERVER"))
            .args(["--model", &variable("WENYUAN_TEST_LLAMA_MODEL"), "--gpu-layers", "0", "--port", "0"])
            .args(["--host", "127.0.0.1", "--ctx-size", "8192", "--parallel", "2", "--threads", "2"])
            .args(["--seed", "1", "--temp", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("llama-server: run the tests with ./test");
        let log = child.stderr.take().expect("a pipe");
        let address = Arc::new(OnceLock::new());
        let found = Arc::clone(&address);
        // Read to its end, so that it never waits for somebody to read.
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if let Some((_, at)) = line.split_once("listening on ") {
                    let _set_once = found.set(at.trim().to_owned());
                }
            }
        });
        let address = eventually("a language model", async || address.get().cloned()).await;
        let server = Self { child, address };
        let health = format!("{}/health", server.address);
        eventually("a language model that is well", async || {
            reqwest::get(&health).await.ok().filter(|answer| answer.status().is_success()).map(drop)
        })
        .await;
        server
    }

    /// Its endpoint, as models are registered with: `http://127.0.0.1:4711/v1`.
    pub fn url(&self) -> String {
        format!("{}/v1", self.address)
    }
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _waited_for_already = self.child.wait();
    }
}
