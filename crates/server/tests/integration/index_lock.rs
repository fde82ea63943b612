//! The lock of the full-text index: where another program holds it and writes nothing, people are told.

use std::fs::OpenOptions;
use std::time::Duration;

use serde_json::json;
use testkit::{TestApp, eventually, within};

use crate::PROGRAM;

#[tokio::test]
async fn an_index_that_another_program_locks_is_reported() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A\n\nThe firstword.").await;
    server.stop().await;
    let generation = std::fs::read_dir(app.data().join("index"))
        .expect("the index")
        .flatten()
        .find(|entry| entry.path().is_dir())
        .expect("a generation");
    let path = generation.path().join(".tantivy-writer.lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("the lock");
    lock.try_lock().expect("the lock of nobody");
    let server = app.serve().await;
    assert_eq!(server.json("/readyz").await["ready"], json!(true));
    let added = server
        .upload(&[("library", "gate"), ("version", "1")], vec![("b.md", b"# B\n\nThe otherword.".to_vec())]);
    assert_eq!(added.await.status, 202);
    let why = within(Duration::from_mins(2), "the report", async || {
        let reply = server.get("/readyz", &[]).await;
        let why = reply.value()["why"].as_str().map(str::to_owned);
        why.filter(|_| reply.status == 503)
    })
    .await;
    assert!(why.contains("another program holds its lock"), "{why}");
    assert!(server.get("/metrics", &[]).await.text().contains("wenyuan_index_stalled 1"));
    assert!(server.log().contains("the full-text index is not updated"), "{}", server.log());
    // Reading and adding go on, and so does the index once the lock is free.
    assert_eq!(server.search(&[("q", "firstword")]).await["hits"].as_array().unwrap().len(), 1);
    drop(lock);
    eventually("the index", async || {
        let ready = server.get("/readyz", &[]).await;
        (ready.status == 200 && ready.value()["index_changes_behind"] == json!(0)).then_some(())
    })
    .await;
    assert!(server.get("/metrics", &[]).await.text().contains("wenyuan_index_stalled 0"));
}
