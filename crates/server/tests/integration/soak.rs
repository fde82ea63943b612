//! Leaks: many calls over few connections and many aborted connections must leave no socket, thread, task or memory behind.
//! The numbers are read from /proc and from the metric `wenyuan_tasks`.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;

use serde_json::{Value, json};
use testkit::{Server, TestApp, documents, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::PROGRAM;

const CALLS: usize = 10_000;
/// Persistent connections that carry the calls.
const CONNECTIONS: usize = 4;
const ABORTED_CONNECTIONS: usize = 1000;
/// Aborted connections open at the same time.
const MAX_OPEN: usize = 50;

/// Resources that the server holds.
#[derive(Debug, Clone, Copy)]
struct ResourceUsage {
    sockets: usize,
    threads: u64,
    /// Anonymous resident memory.
    memory_kib: u64,
    /// Without those of the connections of this test.
    tasks: usize,
}

impl ResourceUsage {
    async fn of(server: &Server) -> Self {
        let metrics = server.get("/metrics", &[]).await.text();
        let tasks = metrics.lines().find_map(|line| line.strip_prefix("wenyuan_tasks "));
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.process())).expect("its status");
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.split_whitespace().next().and_then(|number| number.parse().ok()).expect(name)
        };
        Self {
            sockets: sockets(server),
            threads: number("Threads:"),
            memory_kib: number("RssAnon:"),
            tasks: tasks.and_then(|tasks| tasks.parse().ok()).expect("the number of tasks"),
        }
    }
}

/// Number of connections to the server in any state but `LISTEN` and `TIME_WAIT`.
fn sockets(server: &Server) -> usize {
    const LISTEN: &str = "0A";
    const TIME_WAIT: &str = "06";
    let table =
        std::fs::read_to_string(format!("/proc/{}/net/tcp", server.process())).expect("the connections");
    let port = format!(":{:04X}", server.address().port());
    let of_server = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        local.ends_with(&port) && state != LISTEN && state != TIME_WAIT
    };
    table.lines().filter(of_server).count()
}

/// The call with this number: in both protocol revisions, lists, searches, and one that is refused.
fn call(number: usize) -> (&'static str, Value) {
    let (method, mut parameters) = match number % 10 {
        0 => ("tools/list", json!({})),
        1 | 2 => ("tools/call", json!({ "name": "list_libraries", "arguments": {} })),
        3 => (
            "tools/call",
            json!({ "name": "search_docs", "arguments": { "query": "x", "library": "soak", "version": "9" } }),
        ),
        4 => ("resources/read", json!({ "uri": "docs://libraries" })),
        _ => {
            let query = format!("soakword{}", number % 7 + 1);
            (
                "tools/call",
                json!({ "name": "search_docs", "arguments": { "query": query, "library": "soak", "limit": 3 } }),
            )
        }
    };
    // Every other round uses the revision without a handshake, where each request carries its metadata.
    let modern = (number / 10).is_multiple_of(2);
    if modern {
        parameters["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "soak", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    let revision = if modern { "2026-07-28" } else { "2025-11-25" };
    (revision, json!({ "jsonrpc": "2.0", "id": number, "method": method, "params": parameters }))
}

fn headers(revision: &str, message: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", revision.to_owned()),
        ("mcp-method", message["method"].as_str().expect("a method").to_owned()),
    ];
    let name = message["params"]["name"].as_str().or(message["params"]["uri"].as_str());
    headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
    headers
}

/// Sends calls over [`CONNECTIONS`] connections and checks each response.
async fn calls(server: &Server, count: usize) {
    let over_one_connection = async |first: usize| {
        // A client of its own has a connection of its own.
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for number in (first..count).step_by(CONNECTIONS) {
            let (revision, message) = call(number);
            let mut request = client.post(format!("http://{}/mcp", server.address())).json(&message);
            request = request.bearer_auth(server.key());
            for (name, value) in headers(revision, &message) {
                request = request.header(name, value);
            }
            let reply = server.send(request).await.ok();
            assert_eq!(reply["id"], number, "{reply}");
            assert!(reply["result"].is_object(), "{message}: {reply}");
            let refused = number % 10 == 3;
            assert_eq!(reply["result"]["isError"].as_bool().unwrap_or(false), refused, "{message}: {reply}");
        }
    };
    tokio::join!(
        over_one_connection(0),
        over_one_connection(1),
        over_one_connection(2),
        over_one_connection(3)
    );
}

/// Opens connections that end in the middle of the head, of the body, or of the wait for the response.
async fn abort_connections(server: &Server, count: usize) {
    let address = server.address();
    let mut open = JoinSet::new();
    for number in 0..count {
        let (revision, message) = call(number * 2 + 5);
        let body = message.to_string();
        let mut head =
            format!("POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n", server.key());
        for (name, value) in headers(revision, &message) {
            write!(head, "{name}: {value}\r\n").expect("a string");
        }
        write!(head, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len())
            .expect("a string");
        let whole = head.clone() + &body;
        let until = match number % 3 {
            0 => head.len() / 2,
            1 => head.len() + body.len() / 2,
            _ => whole.len(),
        };
        if open.len() >= MAX_OPEN {
            open.join_next().await.expect("a connection").expect("its end");
        }
        open.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(&whole.as_bytes()[..until]).await.expect("a part of a request");
        });
    }
    open.join_all().await;
}

#[tokio::test]
async fn many_calls_and_aborted_connections_leak_nothing() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("soak", "1", "soak.md", documents::manual("Soak", "soakword", 8)).await;
    // Warms up pools, threads and caches.
    calls(&server, CALLS / 5).await;
    abort_connections(&server, ABORTED_CONNECTIONS / 5).await;
    // The connection for metrics remains.
    eventually("the end of the connections", async || (sockets(&server) <= 1).then_some(())).await;
    let before = ResourceUsage::of(&server).await;
    calls(&server, CALLS).await;
    abort_connections(&server, ABORTED_CONNECTIONS).await;
    // Aborted connections are noticed at once; idle threads exit after ten seconds.
    let after = eventually("releasing connections, tasks and threads", async || {
        let usage = ResourceUsage::of(&server).await;
        let is_as_before =
            usage.sockets <= 1 && usage.tasks <= before.tasks && usage.threads <= before.threads + 2;
        is_as_before.then_some(usage)
    })
    .await;
    // A leak of one page (4 KiB) a call would be 40 MiB.
    assert!(after.memory_kib < before.memory_kib + 16 * 1024, "{before:?} {after:?}");
}
