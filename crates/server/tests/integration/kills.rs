//! Kills under mixed work: server, postmaster, both, or one backend are killed again and again while ten clients write and read.
//! What was acknowledged is kept outside, and at the end nothing of it is lost, doubled, or missing in search.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Reply, Server, TestApp, each, within};
use tokio::sync::RwLock;

use crate::PROGRAM;

/// Kills of one run; `WENYUAN_TEST_KILLS` sets another number.
const KILLS: usize = 10;
const CLIENTS: usize = 10;
/// Time in which a client must get its answer, and the server settle, after kills.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// The server that runs at the moment.
type Current = Arc<RwLock<Arc<Server>>>;

/// Writes that the server has acknowledged.
#[derive(Default)]
struct Acknowledged {
    chats: BTreeSet<String>,
    deleted_chats: BTreeSet<String>,
    notes: BTreeSet<String>,
    /// Word of each document.
    documents: BTreeSet<String>,
}

/// Sends a request again until it is answered by more than "try again".
async fn until_acknowledged(current: &Current, request: impl Fn(&Server) -> RequestBuilder) -> Reply {
    within(MAX_WAIT, "an answer", async || {
        let server = Arc::clone(&*current.read().await);
        let reply = server.try_send(request(&server)).await.ok()?;
        let is_in_progress = reply.status == 409 && reply.text().contains("in-progress");
        (reply.status < 500 && reply.status != 429 && !is_in_progress).then_some(reply)
    })
    .await
}

/// Posts a body under a key of its own. `None` if it was executed and its response was lost.
async fn post_once(current: &Current, path: &str, key: &str, body: &Value) -> Option<Value> {
    let request =
        |server: &Server| server.request(Method::POST, path, &[]).header("idempotency-key", key).json(body);
    let reply = until_acknowledged(current, request).await;
    let text = reply.text();
    assert!(
        reply.status == 201 || (reply.status == 409 && text.contains("already executed")),
        "{path}: {text}"
    );
    (reply.status == 201).then(|| reply.value())
}

/// Writes and reads until it is told to stop.
async fn work(client: usize, current: Current, passage: String, stopped: Arc<AtomicBool>) -> Acknowledged {
    let mut done = Acknowledged::default();
    let mut round = 0;
    while !stopped.load(Ordering::Relaxed) {
        let name = format!("c{client}r{round}");
        match round % 4 {
            0 => {
                let body = json!({ "title": format!("Chat {name}") });
                let chat = post_once(&current, "/api/v1/chats", &name, &body).await;
                done.chats.insert(format!("Chat {name}"));
                if let (0, Some(chat)) = (round % 3, chat) {
                    let path = format!("/api/v1/chats/{}", chat["id"].as_str().expect("an id"));
                    let reply =
                        until_acknowledged(&current, |server| server.request(Method::DELETE, &path, &[]))
                            .await;
                    // 404: the first try has deleted it, and its answer was lost.
                    assert!([204, 404].contains(&reply.status), "{}", reply.text());
                    done.deleted_chats.insert(format!("Chat {name}"));
                }
            }
            1 => {
                let text = format!("Note {name}");
                let body = json!({ "passage_id": passage, "category": "gap", "text": text });
                post_once(&current, "/api/v1/notes", &name, &body).await;
                done.notes.insert(text);
            }
            2 => {
                let word = format!("killword{name}");
                let upload = |server: &Server| {
                    let text = format!("# Page {name}\n\nThe {word} is written here.\n");
                    let form = Form::new()
                        .text("library", "kills")
                        .text("version", "1")
                        .part("file", Part::text(text).file_name(format!("{name}.md")));
                    server.request(Method::POST, "/api/v1/documents", &[]).multipart(form)
                };
                let reply = until_acknowledged(&current, upload).await;
                assert_eq!(reply.status, 202, "{}", reply.text());
                done.documents.insert(word);
            }
            _ => {
                let search = |server: &Server| {
                    server.request(Method::GET, "/api/v1/search", &[("q", "firstword"), ("mode", "text")])
                };
                let found = until_acknowledged(&current, search).await.ok();
                assert!(each(&found, "path").contains(&"first.md".to_owned()), "{found}");
            }
        }
        round += 1;
    }
    done
}

/// Kills what is this kill's turn.
async fn kill_something(app: &TestApp, server: &Server, kill: usize) {
    let postmaster = app.postmaster();
    if kill % 4 == 3 {
        // PostgreSQL ends all its sessions and recovers when one of its processes is killed.
        if let Some(backend) = postmaster.and_then(|postmaster| testkit::children(postmaster).pop()) {
            testkit::kill_process(backend).await;
        }
        return;
    }
    if kill % 4 != 1 {
        testkit::kill_process(server.process()).await;
    }
    if let (true, Some(postmaster)) = (!kill.is_multiple_of(4), postmaster) {
        testkit::kill_process(postmaster).await;
    }
}

/// Reads all pages of a list, and returns how often each value of a member is on them.
async fn counts(server: &Server, path: &str, member: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut parameters = vec![("limit", "200")];
        if let Some(cursor) = &cursor {
            parameters.push(("cursor", cursor.as_str()));
        }
        let page = server.get(path, &parameters).await.ok();
        for item in page["items"].as_array().expect("items") {
            *counts.entry(item[member].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return counts,
        }
    }
}

/// Compares a list with what was acknowledged: what is lost, and what is there twice or was never acknowledged.
fn differences<'a>(
    expected: impl Iterator<Item = &'a String>,
    found: &BTreeMap<String, usize>,
) -> (Vec<String>, Vec<String>) {
    let expected: BTreeSet<&String> = expected.collect();
    let lost = expected.iter().filter(|name| !found.contains_key(**name)).map(|name| (*name).clone());
    let doubled = found.iter().filter(|(name, count)| **count > 1 || !expected.contains(name));
    (lost.collect(), doubled.map(|(name, count)| format!("{name}: {count}")).collect())
}

#[tokio::test]
async fn kills_lose_double_and_hide_nothing() {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment")]
    let kills =
        std::env::var("WENYUAN_TEST_KILLS").ok().map_or(KILLS, |text| text.parse().expect("a number"));
    let app = TestApp::with_own_postgres(PROGRAM);
    let server = app.serve().await;
    server.add("kills", "1", "first.md", "# First\n\nThe firstword.").await;
    let passage = server.search(&[("q", "firstword")]).await["hits"][0]["id"].as_str().unwrap().to_owned();
    let current: Current = Arc::new(RwLock::new(Arc::new(server)));
    let stopped = Arc::new(AtomicBool::new(false));
    let clients =
        (0..CLIENTS).map(|client| work(client, Arc::clone(&current), passage.clone(), Arc::clone(&stopped)));
    let killing = async {
        for kill in 0..kills {
            tokio::time::sleep(Duration::from_millis(300 + (kill as u64 * 137) % 700)).await;
            let server = Arc::clone(&*current.read().await);
            kill_something(&app, &server, kill).await;
            if [0, 2].contains(&(kill % 4)) {
                *current.write().await = Arc::new(app.serve().await);
            }
        }
        stopped.store(true, Ordering::Relaxed);
    };
    let (of_clients, ()) = futures::join!(futures::future::join_all(clients), killing);
    let mut done = Acknowledged::default();
    for mut of_client in of_clients {
        done.chats.append(&mut of_client.chats);
        done.deleted_chats.append(&mut of_client.deleted_chats);
        done.notes.append(&mut of_client.notes);
        done.documents.append(&mut of_client.documents);
    }

    let server = Arc::clone(&*current.read().await);
    let documents = done.documents.len() + 1;
    within(MAX_WAIT, "processing all documents", async || {
        let version = server.get("/api/v1/libraries/kills/versions/1", &[]).await;
        let version = (version.status == 200).then(|| version.value())?;
        (version["documents"] == json!(documents) && version["processing"] == 0).then_some(())
    })
    .await;
    server.caught_up().await;
    let (lost_chats, doubled_chats) = differences(
        done.chats.difference(&done.deleted_chats),
        &counts(&server, "/api/v1/chats", "title").await,
    );
    let (lost_notes, doubled_notes) =
        differences(done.notes.iter(), &counts(&server, "/api/v1/notes", "text").await);
    let mut missing = Vec::new();
    for word in &done.documents {
        let found = server.search(&[("q", word), ("mode", "text"), ("library", "kills")]).await;
        let path = format!("{}.md", word.trim_start_matches("killword"));
        // Other words begin alike, and are found too.
        if each(&found, "path").iter().filter(|found| **found == path).count() != 1 {
            missing.push(word);
        }
    }
    let acknowledged = done.chats.len() + done.deleted_chats.len() + done.notes.len() + done.documents.len();
    let report = format!(
        "{kills} kills, {acknowledged} acknowledged writes: lost {lost_chats:?} {lost_notes:?}, doubled {doubled_chats:?} \
         {doubled_notes:?}, missing in search {missing:?}"
    );
    assert!(acknowledged >= CLIENTS, "hardly any work was done: {report}");
    let is_exact = lost_chats.is_empty() && lost_notes.is_empty() && missing.is_empty();
    assert!(is_exact && doubled_chats.is_empty() && doubled_notes.is_empty(), "{report}");
}
