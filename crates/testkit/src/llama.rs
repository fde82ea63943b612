//! A real language model for tests: llama.cpp's server with a model of 93 MB. The protocol is real; its answers are poor.

use std::process::Command;

use crate::process::Process;
use crate::{SOON, variable};

/// Runs llama.cpp's server in a Python process, since it is published as a Python package.
const SCRIPT: &str = include_str!("llama_server.py");

/// A running model; killed when this value is dropped.
#[derive(Debug)]
pub struct LlamaServer {
    _process: Process,
    address: String,
}

impl LlamaServer {
    /// Starts a server on a free port, on the CPU, and waits until it has loaded its model.
    pub async fn start() -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", SCRIPT, &variable("WENYUAN_TEST_LLAMA_MODEL")])
            .env("PYTHONPATH", variable("WENYUAN_TEST_LLAMA_SERVER"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let process = Process::spawn("the language model's server (llama.cpp)", command);
        let address = process
            .wait_for("printing its address", SOON, async || {
                process.output().lines().next().map(str::to_owned)
            })
            .await;
        let health = format!("{address}/health");
        process
            .wait_for("reporting that it is healthy", SOON, async || {
                reqwest::get(&health).await.ok().filter(|reply| reply.status().is_success()).map(drop)
            })
            .await;
        Self { _process: process, address }
    }

    /// The base URL to register it with, such as `http://127.0.0.1:4711/v1`.
    pub fn url(&self) -> String {
        format!("{}/v1", self.address)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn the_model_completes_streams_and_embeds() {
        let server = LlamaServer::start().await;
        let post = async |path: &str, body: Value| {
            let request = reqwest::Client::new().post(format!("{}{path}", server.url())).json(&body);
            request.send().await.expect("a response").text().await.expect("a body")
        };
        let messages = json!([{ "role": "user", "content": "Say hello." }]);
        let answer = post("/chat/completions", json!({ "messages": messages, "max_tokens": 4 })).await;
        assert!(answer.contains("\"choices\""), "{answer}");
        let stream =
            post("/chat/completions", json!({ "messages": messages, "max_tokens": 4, "stream": true })).await;
        assert!(stream.starts_with("data: {") && stream.ends_with("data: [DONE]\n\n"), "{stream}");
        let embedding = post("/embeddings", json!({ "input": "hello" })).await;
        assert!(embedding.contains("\"embedding\":["), "{embedding}");
    }
}
