//! Data that a person takes along: all that is theirs, and nothing of others.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;
use crate::social_posts::{act, change, comment, get, id, post};

#[tokio::test]
async fn a_person_takes_along_what_they_wrote_and_did_and_nothing_of_others() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let added = server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway waits thirty seconds.").await;
    server.processed(added["document_id"].as_str().expect("an id"), "1").await;
    server.caught_up().await;
    let passage = server.search(&[("q", "gateway")]).await["hits"][0]["id"].clone();
    let asked = post(&server, &ben, json!({ "text": "Firts", "about": { "passage_id": passage } })).await;
    let path = format!("posts/{}", id(&asked));
    act(&server, &ben, Method::PATCH, &path, Some(json!({ "text": "First #gate" }))).await.ok();
    let gone = post(&server, &ben, json!({ "text": "Deleted" })).await;
    act(&server, &ben, Method::DELETE, &format!("posts/{}", id(&gone)), None).await;
    let others = post(&server, &ada, json!({ "text": "Of another" })).await;
    comment(&server, &ben, &others, None, "Mine").await;
    comment(&server, &ada, &asked, None, "Theirs").await;
    change(&server, &ben, Method::PUT, &format!("posts/{}/like", id(&others))).await;
    for target in ["users/ada/follow", "libraries/gate/follow", "tags/gate/follow", "users/ada/mute"] {
        change(&server, &ben, Method::PUT, target).await;
    }
    let note = json!({ "passage_id": passage, "category": "gap", "text": "Which unit?" });
    act(&server, &ben, Method::POST, "notes", Some(note)).await;
    let report = json!({ "post_id": id(&others), "reason": "Twice" });
    act(&server, &ben, Method::POST, "reports", Some(report)).await;
    let made = act(&server, &ben, Method::POST, "keys", Some(json!({ "name": "agent" }))).await.value();
    let secret = made["key"].as_str().expect("a key");
    act(&server, &ada, Method::POST, "keys", Some(json!({ "name": "of ada" }))).await;
    let talk =
        act(&server, &ben, Method::POST, "conversations", Some(json!({ "members": ["ada"] }))).await.value();
    for (person, text) in [(&ben, "From me"), (&ada, "To me")] {
        let path = format!("conversations/{}/messages", id(&talk));
        act(&server, person, Method::POST, &path, Some(json!({ "text": text }))).await;
    }

    let exported = act(&server, &ben, Method::GET, "personal-data", None).await;
    assert_eq!(exported.header("content-type"), Some("application/x-ndjson"));
    assert!(exported.header("content-disposition").expect("a name").contains("attachment"));
    let text = exported.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0], json!({ "kind": "format", "format": "wenyuan-personal-data/1" }));
    assert_eq!(lines[1]["account"]["username"], "ben");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        *kinds.entry(line["kind"].as_str().expect("a kind")).or_default() += 1;
    }
    let expected = [
        ("account", 1),
        ("comment", 1),
        ("earlier_post", 1),
        ("follow", 3),
        ("format", 1),
        ("key", 1),
        ("like", 1),
        ("message", 1),
        ("mute", 1),
        ("note", 1),
        ("post", 2),
        ("report", 1),
        ("session", 1),
    ];
    assert_eq!(kinds, BTreeMap::from(expected), "{text}");
    for theirs in ["Of another", "Theirs", "To me", "of ada", secret, "password"] {
        assert!(!text.contains(theirs), "{theirs} in {text}");
    }
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let first = of("post").into_iter().find(|post| post["id"] == id(&asked)).expect("the post");
    assert_eq!(
        (&first["library"], &first["document"], &first["text"]),
        (&json!("gate"), &json!("gate.md"), &json!("First #gate"))
    );
    assert_eq!(of("earlier_post")[0]["text"], "Firts");
    assert_eq!(of("note")[0]["library"], "gate");

    // Their words stay theirs; what has become private is not named.
    act(&server, &ada, Method::PATCH, "libraries/gate", Some(json!({ "visibility": "private" }))).await.ok();
    let text = act(&server, &ben, Method::GET, "personal-data", None).await.text();
    assert!(text.contains("First #gate") && text.contains("Which unit?"), "{text}");
    assert!(!text.contains("gate.md") && !text.contains("\"library\" : \"gate\""), "{text}");
    // Of an administrator it is their own, too.
    let text = act(&server, &ada, Method::GET, "personal-data", None).await.text();
    assert!(
        text.contains("Of another") && !text.contains("From me") && !text.contains("\"agent\""),
        "{text}"
    );

    // Who is deleted leaves their words without a name.
    assert_eq!(get(&server, &ada, "notes").await["items"][0]["author"], "ben");
    let path = format!("users/{}", ben.id);
    assert_eq!(act(&server, &ada, Method::DELETE, &path, None).await.status, 204);
    assert_eq!(get(&server, &ada, "notes").await["items"][0]["author"], "deleted user");
    let left = get(&server, &ada, &format!("posts/{}", id(&asked))).await;
    assert!(left["text"] == "First #gate" && left["author"].is_null(), "{left}");
}
