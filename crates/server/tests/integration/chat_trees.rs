//! Concurrent random changes of chats: every chat stays a tree, every message's sources
//! resolve, and the branch that is shown is one of the chat's.

use std::collections::{HashMap, HashSet};

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{Server, TestApp};

use crate::PROGRAM;

/// Deterministic pseudo-random numbers (Knuth, The Art of Computer Programming, volume 2, 3.3.4: MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit.max(1)
    }
}

async fn list(server: &Server, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = server.json(&format!("{path}{sign}limit=50{cursor}")).await;
        all.extend(page["items"].as_array().expect("items").iter().cloned());
        next = page["next"].as_str().map(|cursor| format!("&cursor={cursor}"));
    }
    all
}

/// Performs a random operation on a random chat or message.
async fn random_operation(server: &Server, numbers: &mut Numbers) {
    let post = async |path: String, body: Value| {
        let reply = server.send(server.request(Method::POST, &path, &[]).json(&body)).await;
        assert!(reply.status < 500, "{path} {body}: {}", reply.text());
    };
    let question = ["How long does the gateway wait?", "怎样改变超时？", "What is `--timeout`?", "Zzyzx?"]
        [numbers.below(4)];
    let which = if numbers.below(5) == 0 { "deleted" } else { "open" };
    let chats = server.json(&format!("/api/v1/chats?which={which}")).await["items"].clone();
    let chats = chats.as_array().expect("chats");
    let Some(chat) = chats.get(numbers.below(chats.len())).and_then(|chat| chat["id"].as_str()) else {
        return post("/api/v1/chats".to_owned(), json!({ "library": "gate" })).await;
    };
    let path = format!("/api/v1/chats/{chat}");
    let messages = server.get(&format!("{path}/messages"), &[("all", "true"), ("limit", "200")]).await;
    let messages = messages.value()["items"].as_array().cloned().unwrap_or_default();
    let message = messages.get(numbers.below(messages.len())).map(|message| message["message_id"].clone());
    match (numbers.below(9), message) {
        (0, _) => post("/api/v1/chats".to_owned(), json!({ "library": "gate" })).await,
        (1, _) => drop(server.delete(&path).await),
        (2, _) => drop(server.post(&format!("{path}/restore")).await),
        (3, Some(message)) => {
            post(format!("{path}/messages"), json!({ "content": question, "edit": message })).await;
        }
        (4, Some(message)) => post(format!("{path}/messages"), json!({ "again": message })).await,
        (5, Some(message)) => {
            post(format!("{path}/messages"), json!({ "content": question, "after": message })).await;
        }
        (6, Some(message)) => drop(server.patch(&path, &json!({ "current": message })).await),
        (7, _) => {
            let exported = server.get("/api/v1/history/export", &[]).await;
            let part = Part::bytes(exported.body).file_name("history.ndjson");
            let request = server.request(Method::POST, "/api/v1/history/import", &[]);
            let report = server.send(request.multipart(Form::new().part("file", part))).await;
            assert_eq!(report.status, 200, "{}", report.text());
        }
        _ => post(format!("{path}/messages"), json!({ "content": question })).await,
    }
}

/// Asserts that every chat is a tree and that all sources open. Returns the number of messages.
async fn assert_trees(server: &Server) -> usize {
    let mut opened = HashMap::new();
    let mut seen = 0;
    let mut chats = list(server, "/api/v1/chats").await;
    chats.extend(list(server, "/api/v1/chats?which=deleted").await);
    for chat in chats {
        let path = format!("/api/v1/chats/{}", chat["id"].as_str().expect("an id"));
        let current = server.json(&path).await["current"].clone();
        let mut above = HashSet::from([Value::Null]);
        let messages = list(server, &format!("{path}/messages?all=true")).await;
        for message in &messages {
            assert!(above.contains(&message["parent"]), "its parent is not above it: {message}");
            assert!(above.insert(message["message_id"].clone()), "twice: {message}");
            let siblings = messages.iter().filter(|other| other["parent"] == message["parent"]);
            let siblings: Vec<&Value> = siblings.map(|other| &other["message_id"]).collect();
            assert_eq!(
                message["siblings"].as_array().expect("siblings").iter().collect::<Vec<_>>(),
                siblings
            );
            for source in message["sources"].as_array().expect("sources") {
                let url = source["url"].as_str().expect("an address").to_owned();
                if !opened.contains_key(&url) {
                    opened.insert(url.clone(), server.json(&url).await);
                }
                let passage = &opened[&url];
                assert_eq!(
                    (&passage["content"], &passage["sha256"]),
                    (&source["content"], &source["sha256"])
                );
            }
        }
        assert!(above.contains(&current), "{current} is none of the chat's");
        seen += messages.len();
    }
    seen
}

#[tokio::test]
async fn concurrent_changes_keep_chats_trees_and_sources_open() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let text = "# Timeouts\n\nThe gateway waits 30 seconds. `--timeout` changes that.\n\n# 超时\n\n用 `--timeout` 改变超时。\n";
    server.add("gate", "1.4", "timeouts.md", text).await;
    for seed in 1..=3_u64 {
        let hands = (0..3_u64).map(|hand| {
            let server = &server;
            async move {
                let mut numbers = Numbers(seed * 100 + hand);
                for _ in 0..25 {
                    random_operation(server, &mut numbers).await;
                }
            }
        });
        let mut hands: Vec<_> = hands.map(Box::pin).collect();
        let (one, two, three) = (hands.remove(0), hands.remove(0), hands.remove(0));
        tokio::join!(one, two, three);
        assert!(assert_trees(&server).await > 20);
    }
}
