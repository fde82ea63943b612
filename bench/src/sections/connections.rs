//! Connections that are only held: idle, slow to send a head or a body, slow to read. Measures whether others are still served.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::figures::{Table, count, info, quantile, wall_time};
use crate::harness::Harness;
use crate::server::Server;

/// Data folder of the server.
const DATA: &str = "connections";
/// Connections of each kind.
const CONNECTIONS: usize = 5000;
/// Requests of others while the connections are held; each uses a connection of its own.
const REQUESTS: usize = 1000;
/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// Ways to hold a connection: name, and what is sent.
const KINDS: [(&str, &[u8]); 4] = [
    ("idle", b""),
    ("half a head", b"GET /healthz HTTP/1.1\r\nHost: loc"),
    (
        "half a body",
        b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    ),
    // A response larger than the buffers, which nobody reads.
    ("nothing read", b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"),
];

/// Returns the table of held connections.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let _raised = rlimit::increase_nofile_limit(u64::MAX)?;
    let server = harness.program.start(DATA, false).await?;
    let mut table = Table::new(
        "Held connections",
        "Time of `GET /healthz`, each on a connection of its own, while the others are held. `held` is how many were open at once.",
    );
    let number = harness.scale.choose(CONNECTIONS, 20);
    let requests = harness.scale.choose(REQUESTS, 5);
    for (kind, sent) in [("none", None)].into_iter().chain(KINDS.map(|(kind, sent)| (kind, Some(sent)))) {
        let mut held = Vec::new();
        for _ in 0..if sent.is_some() { number } else { 0 } {
            held.push(hold(&server, sent.unwrap_or_default()).await?);
        }
        let mut times = Vec::new();
        for _ in 0..requests {
            times.push(health_check(&server).await?);
            tokio::time::sleep(PAUSE).await;
        }
        table.row(
            kind,
            vec![
                info("held", count(held.len())),
                wall_time("p50 ms", quantile(&mut times, 0.5)),
                wall_time("p99 ms", quantile(&mut times, 0.99)).target(100.0),
                wall_time("slowest ms", quantile(&mut times, 1.0)),
                info("server MB", server.memory().server),
            ],
        );
        drop(held);
        harness.scale.settle().await;
    }
    server.stop().await?;
    Ok(vec![table])
}

/// Opens a connection and sends this much. Its receive buffer is small, so that the system's memory does not take what is not read.
async fn hold(server: &Server, sent: &[u8]) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(server.address().parse()?).await?;
    stream.write_all(sent).await?;
    Ok(stream)
}

/// Requests `/healthz` on a new connection. Returns the milliseconds it took.
async fn health_check(server: &Server) -> anyhow::Result<f64> {
    let start = Instant::now();
    let client = reqwest::Client::builder().no_proxy().build()?;
    client
        .get(format!("http://{}/healthz", server.address()))
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
