//! Connections and request bodies that only hold the server up: idle, slow to send, slow to read.

use std::time::Duration;

use testkit::{Server, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::PROGRAM;

/// More than the 1,024 descriptors that systems allow by default.
const CONNECTIONS: usize = 1500;
/// Longer than the time after which the server gives up on a client.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.expect("a connection")
}

/// Reads until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the end of the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_slow_connections_do_not_stop_the_server_and_are_ended() {
    let _raised = rlimit::increase_nofile_limit(u64::MAX);
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = connect(&server).await;
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.expect("a half head"),
            _ => stream
                .write_all(
                    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
                )
                .await
                .expect("a half body"),
        }
        held.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(server.get("/healthz", &[]).await.status, 200);
    }
    // All of them end.
    let ended = eventually_within(PATIENCE, async || {
        held.retain(|stream| !is_closed(stream));
        held.is_empty()
    })
    .await;
    assert!(ended, "{} connections are still open", held.len());
}

/// Whether the other side has closed the connection, after whatever it sent.
fn is_closed(stream: &TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.try_read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

async fn eventually_within(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if condition().await {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_with_408() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut stream = connect(&server).await;
    let head = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a head");
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let mut bytes = Vec::new();
    let _reset = timeout(PATIENCE, reader.read_to_end(&mut bytes)).await.expect("an answer");
    let answer = String::from_utf8_lossy(&bytes);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("too slowly"), "{answer}");
    trickle.abort();
}

#[tokio::test]
async fn a_connection_serves_again_after_a_pause_and_ends_when_it_stays_idle() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut stream = connect(&server).await;
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("a request");
    sleep(Duration::from_secs(3)).await;
    stream.write_all(request.as_bytes()).await.expect("another request");
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_port_that_another_program_is_just_leaving_is_taken() {
    let leaving = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = leaving.local_addr().expect("an address");
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LISTEN", address.to_string());
    let left = tokio::spawn(async move {
        // The server tries it while it is taken: opening the library takes less.
        sleep(Duration::from_secs(2)).await;
        drop(leaving);
    });
    let server = app.serve().await;
    left.await.expect("the end of the other program");
    assert_eq!(server.address(), address);
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_answered_with_problems() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(2 << 20));
    let many = "X-Many: x\r\n".repeat(500);
    for (request, status) in [
        (long, 431),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431),
        ("GET /\u{1} HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("BAD\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n".to_owned(), 400),
    ] {
        let mut stream = connect(&server).await;
        // The server may close before it has read everything.
        let _closed = stream.write_all(request.as_bytes()).await;
        let answer = rest(&mut stream).await;
        let start: String = request.chars().take(40).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains("content-type: application/problem+json"), "{start}: {answer}");
        let problem: serde_json::Value = serde_json::from_str(body).expect(body);
        assert_eq!(problem["status"], status, "{start}: {answer}");
        let id = problem["request_id"].as_str().expect("an id");
        assert!(head.contains(&format!("x-request-id: {id}")), "{start}: {answer}");
    }
}
