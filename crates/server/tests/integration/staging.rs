//! Uploads and imports: the right is asked for before a byte is read, and nobody fills the disk or takes all places.

use std::time::Duration;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use testkit::{Person, Reply, Server, TestApp, documents, files_under};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PROGRAM;

/// Less than the time after which a slow body is ended.
const PATIENCE: Duration = Duration::from_secs(15);

/// Begins a request with a body of a mebibyte, and sends only its beginning.
async fn begin(server: &Server, person: &Person, path: &str, kind: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\nContent-Length: 1048576\r\n\r\n{body}",
        person.access_token
    );
    stream.write_all(head.as_bytes()).await.expect("a beginning");
    stream
}

/// Reads the answer to a request whose body has not been sent.
async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let length = timeout(PATIENCE, stream.read(&mut bytes)).await.expect("an answer").expect("an answer");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn field(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

const FILE: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\n# The beginning of a file";
const MULTIPART: &str = "multipart/form-data; boundary=x";

async fn upload(server: &Server, person: &Person, library: &str, files: Vec<Vec<u8>>) -> Reply {
    let mut form = Form::new().text("library", library.to_owned());
    for (number, bytes) in files.into_iter().enumerate() {
        form = form.part("file", Part::bytes(bytes).file_name(format!("{number}.md")));
    }
    let request = server.request_as(Some(&person.access_token), Method::POST, "/api/v1/documents", &[]);
    server.send(request.multipart(form)).await
}

#[tokio::test]
async fn an_upload_is_refused_before_a_byte_of_a_file_is_read() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let (bo, cy) = (server.person(&admin, "bo", "editor").await, server.person(&admin, "cy", "user").await);
    upload(&server, &bo, "hidden", vec![b"# A\n\nword".to_vec()]).await;
    let private = Some(json!({ "visibility": "private" }));
    server.ask(Some(&bo.access_token), Method::PATCH, "/api/v1/libraries/hidden", private).await.ok();
    for path in ["/api/v1/documents", "/api/v1/archives"] {
        let body = field("library", "hidden") + FILE;
        let refused = answer(begin(&server, &cy, path, MULTIPART, &body).await).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{path}: {refused}");
        // Which library it is for is said first.
        let refused = answer(begin(&server, &bo, path, MULTIPART, FILE).await).await;
        assert!(
            refused.starts_with("HTTP/1.1 400") && refused.contains("before the files"),
            "{path}: {refused}"
        );
    }
    // A field after the files is refused rather than ignored.
    let form = Form::new()
        .text("library", "hidden")
        .part("file", Part::bytes(b"# B".to_vec()).file_name("b.md"))
        .text("library", "other");
    let request = server.request_as(Some(&bo.access_token), Method::POST, "/api/v1/documents", &[]);
    server.send(request.multipart(form)).await.problem(400);
    assert_eq!(files_under(&app.data().join("objects/staging")), 0);
}

#[tokio::test]
async fn slow_imports_hold_up_nobody() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "user").await;
    let (path, kind) = ("/api/v1/history/import", "application/octet-stream");
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(begin(&server, &bo, path, kind, "{\"type\":\"history\",\"format\":1}\n").await);
    }
    let history =
        "{\"type\":\"history\",\"format\":1}\n{\"type\":\"end\",\"chats\":0,\"messages\":0,\"files\":0}\n";
    let import = async |person: &Person| {
        let request = server.request_as(Some(&person.access_token), Method::POST, path, &[]);
        server.send(request.header("content-type", kind).body(history)).await.status
    };
    // One person's uploads at a time are bounded, and others' imports go on.
    testkit::eventually("the bound", async || {
        let is_reached = import(&bo).await == 429;
        // This import can have taken the place of one that was begun.
        held.push(begin(&server, &bo, path, kind, "{\"type\":\"history\",\"format\":1}\n").await);
        is_reached.then_some(())
    })
    .await;
    assert_eq!(import(&admin).await, 200);
    drop(held);
    testkit::eventually("the end of the broken imports", async || (import(&bo).await == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn bytes_on_their_way_are_bounded_by_person() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_MAX_STAGED_MIB", "1");
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "editor").await;
    let text = |kib: usize| format!("# A\n\n{}", "word ".repeat(kib * 1024 / 5)).into_bytes();
    let refused = upload(&server, &bo, "notes", vec![text(700), text(700)]).await.problem(429);
    assert!(refused["detail"].as_str().unwrap().contains("1 MiB"), "{refused}");
    assert_eq!(files_under(&app.data().join("objects/staging")), 0);
    let import = server.request_as(Some(&bo.access_token), Method::POST, "/api/v1/history/import", &[]);
    server.send(import.body(vec![b' '; 2 << 20])).await.problem(429);
    // What has ended counts no more.
    for _ in 0..2 {
        assert_eq!(upload(&server, &bo, "notes", vec![text(700)]).await.status, 202);
    }
}

#[tokio::test]
async fn an_archive_is_unpacked_in_a_process_of_its_own() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_READ_MEMORY_MIB", "100");
    let server = app.serve().await;
    let admin = server.set_up().await;
    let add = async |archive: Vec<u8>| {
        let form = Form::new().text("library", "gate").part("file", Part::bytes(archive).file_name("a.zip"));
        let request = server.request_as(Some(&admin.access_token), Method::POST, "/api/v1/archives", &[]);
        server.send(request.multipart(form)).await
    };
    let added = add(documents::zip(&[("a.md", b"# A\n\nword"), (".hidden.md", b"x")])).await;
    assert_eq!((added.status, &added.value()["added"]), (202, &json!(1)), "{}", added.text());
    // Its memory is limited, and not the server's.
    let large = vec![b'a'; 130 << 20];
    let refused = add(documents::zip(&[("a.md", &large)])).await.value();
    let reason = refused["failed"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("more memory than is allowed"), "{refused}");
    // The end record alone says that there are too many files.
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &[0; 4], &[4, 0, 0, 0, 0, 0]].concat();
    let mut long = b"PK\x03\x04".to_vec();
    long.resize(65 << 20, 0);
    let refused = add([long, end].concat()).await.problem(400);
    assert!(refused["detail"].as_str().unwrap().contains("files in an archive"), "{refused}");
    assert_eq!(server.get("/healthz", &[]).await.status, 200);
}
