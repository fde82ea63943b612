//! Many calls over few connections, and many connections that break off: afterwards the server holds nothing of them.
//! What it holds is read from the kernel and from its own count of tasks.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;

use serde_json::{Value, json};
use testkit::{Server, TestApp, documents, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::PROGRAM;

/// Calls, over so many connections that are kept open, and connections that break off.
const CALLS: usize = 10_000;
const CONNECTIONS: usize = 4;
const BROKEN: usize = 1000;
/// How many of them are open at once.
const AT_ONCE: usize = 50;

/// What a caller may have left behind.
#[derive(Debug, Clone, Copy)]
struct Held {
    sockets: usize,
    threads: u64,
    /// Of its own, in KiB.
    memory: u64,
    /// Beyond those of the connections that ask.
    tasks: usize,
}

impl Held {
    async fn by(server: &Server) -> Self {
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
            memory: number("RssAnon:"),
            tasks: tasks.and_then(|tasks| tasks.parse().ok()).expect("the number of tasks"),
        }
    }
}

/// The connections that the server has, also those whose other end is gone; not those the kernel keeps after their end.
fn sockets(server: &Server) -> usize {
    const LISTENING: &str = "0A";
    const AFTER_THE_END: &str = "06";
    let table =
        std::fs::read_to_string(format!("/proc/{}/net/tcp", server.process())).expect("the connections");
    let port = format!(":{:04X}", server.address().port());
    let of_server = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        local.ends_with(&port) && state != LISTENING && state != AFTER_THE_END
    };
    table.lines().filter(of_server).count()
}

/// The calls in turn: both eras, lists, searches, and one that is refused.
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
    // Every other round speaks the revision without handshake, where each request says all.
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

/// So many calls, in turn over a few connections, each of which must be answered as it should be.
async fn calls(server: &Server, count: usize) {
    let over_one = async |first: usize| {
        // A client of its own keeps a connection of its own.
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
    tokio::join!(over_one(0), over_one(1), over_one(2), over_one(3));
}

/// So many connections that end in the middle: of the head, of the body, of the wait for the answer.
async fn broken(server: &Server, count: usize) {
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
        if open.len() >= AT_ONCE {
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
async fn many_calls_and_broken_connections_leave_nothing_behind() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("soak", "1", "soak.md", documents::manual("Soak", "soakword", 8)).await;
    // What is made once (pools, threads, caches) is made.
    calls(&server, CALLS / 5).await;
    broken(&server, BROKEN / 5).await;
    // The test's own connection is left.
    eventually("the end of the connections", async || (sockets(&server) <= 1).then_some(())).await;
    let before = Held::by(&server).await;
    calls(&server, CALLS).await;
    broken(&server, BROKEN).await;
    // What breaks off is noticed at once; threads that wait for work wait ten seconds.
    let after = eventually("letting go of connections, tasks and threads", async || {
        let held = Held::by(&server).await;
        let is_as_before =
            held.sockets <= 1 && held.tasks <= before.tasks && held.threads <= before.threads + 2;
        is_as_before.then_some(held)
    })
    .await;
    // Ten thousand calls that each left a page would be 40 MiB.
    assert!(after.memory < before.memory + 16 * 1024, "{before:?} {after:?}");
}
