//! Follows, feeds, mutes, blocks and notifications.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Server, TestApp, within};

use crate::PROGRAM;
use crate::social_posts::{act, change, comment, each, get, id, post};

async fn feed(server: &Server, person: &Person, query: &str) -> Vec<Value> {
    each(&get(server, person, &format!("feed?{query}")).await, "text")
}

/// Kinds of the notifications of a person, that of the last event first.
async fn kinds(server: &Server, person: &Person) -> Vec<Value> {
    each(&get(server, person, "notifications").await, "kind")
}

#[tokio::test]
async fn the_feed_has_what_is_followed_and_ones_own() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    server.add("pipe", "1", "pipe.md", "# Pipe\n\nThe pipeline.\n").await;
    let documents = get(&server, &ada, "documents?library=pipe").await;
    let document = id(&documents["items"][0]).to_owned();
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let dan = server.person(&ada, "dan", "user").await;
    for (person, text, about) in [
        (&ada, "own", json!({})),
        (&ben, "of ben", json!({})),
        (&cem, "about gate", json!({ "library": "gate" })),
        (&cem, "about the document", json!({ "document_id": document })),
        (&cem, "with #Tag", json!({})),
        (&dan, "of dan", json!({})),
    ] {
        post(&server, person, json!({ "text": text, "about": about })).await;
    }
    assert_eq!(feed(&server, &ada, "").await, ["own"]);
    for path in ["users/ben", "libraries/gate", &format!("documents/{document}"), "tags/tag"] {
        for _ in 0..2 {
            let status = change(&server, &ada, Method::PUT, &format!("{path}/follow")).await;
            assert_eq!(status, json!({ "following": true, "followers": 1 }), "{path}");
        }
        assert_eq!(get(&server, &ada, &format!("{path}/follow")).await["following"], true);
    }
    let all = ["with #Tag", "about the document", "about gate", "of ben", "own"];
    assert_eq!(feed(&server, &ada, "").await, all);
    assert_eq!(feed(&server, &ada, "filter=people").await, ["of ben", "own"]);
    assert_eq!(feed(&server, &ada, "filter=libraries").await, ["about the document", "about gate"]);
    let first = get(&server, &ada, "feed?limit=2").await;
    let cursor = first["next"].as_str().unwrap();
    assert_eq!(feed(&server, &ada, &format!("limit=3&cursor={cursor}")).await, all[2..]);
    post(&server, &ben, json!({ "text": "asked", "question": true })).await;
    assert_eq!(feed(&server, &ada, "filter=unanswered").await, ["asked"]);
    assert_eq!(get(&server, &ada, "follows").await["items"].as_array().unwrap().len(), 4);
    // Muting leaves people out, without a word to them.
    change(&server, &ada, Method::PUT, "users/cem/mute").await;
    assert_eq!(feed(&server, &ada, "").await, ["asked", "of ben", "own"]);
    assert_eq!(each(&get(&server, &ada, "mutes").await, "username"), ["cem"]);
    change(&server, &ada, Method::DELETE, "users/cem/mute").await;
    for _ in 0..2 {
        let status = change(&server, &ada, Method::DELETE, "libraries/gate/follow").await;
        assert_eq!(status, json!({ "following": false, "followers": 0 }));
    }
    assert_eq!(feed(&server, &ada, "").await, ["asked", "with #Tag", "about the document", "of ben", "own"]);
    act(&server, &ada, Method::PUT, "users/ada/follow", None).await.problem(400);
    act(&server, &ada, Method::PUT, "users/nobody/follow", None).await.problem(404);
}

#[tokio::test]
async fn followers_are_listed_and_people_suggested_with_reasons() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let dan = server.person(&ada, "dan", "user").await;
    for (person, path) in
        [(&ada, "users/ben"), (&ben, "users/cem"), (&dan, "users/ben"), (&ada, "libraries/gate")]
    {
        change(&server, person, Method::PUT, &format!("{path}/follow")).await;
    }
    post(&server, &dan, json!({ "text": "About it", "about": { "library": "gate" } })).await;
    assert_eq!(each(&get(&server, &cem, "users/ben/followers").await, "username"), ["dan", "ada"]);
    let first = get(&server, &cem, "users/ben/followers?limit=1").await;
    let next = format!("users/ben/followers?limit=1&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(each(&get(&server, &cem, &next).await, "username"), ["ada"]);
    assert_eq!(each(&get(&server, &cem, "users/ben/following").await, "username"), ["cem"]);
    let suggested = get(&server, &ada, "follows/suggestions").await;
    let names: Vec<&Value> =
        suggested.as_array().unwrap().iter().map(|one| &one["person"]["username"]).collect();
    assert_eq!(names, ["cem", "dan"], "{suggested}");
    assert_eq!(suggested[0]["followed_by_names"], json!(["ben"]));
    assert_eq!(suggested[1]["posts"], 1);
}

#[tokio::test]
async fn a_blocked_person_reaches_the_blocker_by_no_way() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let of_ben = post(&server, &ben, json!({ "text": "Of ben" })).await;
    let of_cem = post(&server, &cem, json!({ "text": "Of cem" })).await;
    let remark = comment(&server, &ben, &of_cem, None, "Ben's remark").await;
    let with_ben = json!({ "members": ["ben"] });
    let talk = act(&server, &eve, Method::POST, "conversations", Some(with_ben.clone())).await.value();
    change(&server, &eve, Method::PUT, "users/ben/follow").await;
    for _ in 0..2 {
        let relation = change(&server, &ben, Method::PUT, "users/eve/block").await;
        assert_eq!(relation["blocked"], true);
    }
    assert_eq!(each(&get(&server, &ben, "blocks").await, "username"), ["eve"]);
    // Neither follows the other any more, and the posts are gone for the blocked person.
    assert_eq!(each(&get(&server, &cem, "users/ben/followers").await, "username"), Vec::<Value>::new());
    let path = format!("posts/{}", id(&of_ben));
    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::GET, format!("{path}/comments"), None),
        (Method::POST, format!("{path}/comments"), Some(json!({ "text": "x" }))),
        (Method::PUT, format!("{path}/like"), None),
        (Method::GET, "users/ben/followers".to_owned(), None),
        (Method::PUT, "users/ben/follow".to_owned(), None),
        (Method::GET, "posts?author=ben".to_owned(), None),
        (Method::POST, "conversations".to_owned(), Some(with_ben)),
        (Method::PUT, format!("comments/{}/like", id(&remark)), None),
    ] {
        act(&server, &eve, method, &path, body).await.problem(404);
    }
    assert_eq!(each(&get(&server, &eve, "posts").await, "text"), ["Of cem"]);
    let shown = get(&server, &eve, &format!("comments/{}", id(&remark))).await;
    assert_eq!((&shown["state"], &shown["text"]), (&json!("unavailable"), &Value::Null));
    let reply = json!({ "text": "x", "parent_id": id(&remark) });
    let at = format!("posts/{}/comments", id(&of_cem));
    act(&server, &eve, Method::POST, &at, Some(reply)).await.problem(404);
    let message = Some(json!({ "text": "x" }));
    let at = format!("conversations/{}/messages", id(&talk));
    act(&server, &eve, Method::POST, &at, message.clone()).await.problem(409);
    act(&server, &ben, Method::POST, &at, message).await.problem(403);
    // A mention is text, and notifies nobody.
    post(&server, &eve, json!({ "text": "Hey @ben" })).await;
    assert!(!kinds(&server, &ben).await.contains(&json!("mention")));
    change(&server, &ben, Method::DELETE, "users/eve/block").await;
    assert_eq!(get(&server, &eve, &path).await["text"], "Of ben");
}

#[tokio::test]
async fn the_same_event_never_notifies_twice() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let made = post(&server, &ada, json!({ "text": "Hi @Ben and @ben, not `@cem`" })).await;
    assert_eq!(kinds(&server, &ben).await, ["mention"]);
    assert_eq!(kinds(&server, &cem).await, Vec::<Value>::new());
    let path = format!("posts/{}", id(&made));
    act(&server, &ada, Method::PATCH, &path, Some(json!({ "text": "Hi @ben and @cem" }))).await.ok();
    assert_eq!((kinds(&server, &ben).await.len(), kinds(&server, &cem).await.len()), (1, 1));
    // One comment is one event, though it replies to ben and mentions him.
    let first = comment(&server, &ben, &made, None, "Yes").await;
    comment(&server, &cem, &made, Some(&first), "@ben too").await;
    assert_eq!(kinds(&server, &ben).await, ["reply", "mention"]);
    assert_eq!(kinds(&server, &ada).await, ["reply", "reply"]);
    for person in [&ben, &cem, &ada] {
        for method in [Method::PUT, Method::DELETE, Method::PUT] {
            change(&server, person, method, &format!("{path}/like")).await;
        }
    }
    for method in [Method::PUT, Method::DELETE, Method::PUT] {
        change(&server, &ben, method, "users/ada/follow").await;
    }
    let of_ada = get(&server, &ada, "notifications").await;
    assert_eq!(each(&of_ada, "kind"), ["follow", "like", "reply", "reply"], "{of_ada}");
    let like = &of_ada["items"][1];
    // Nobody is told of their own doing.
    assert_eq!((&like["people"], &like["actor"]["username"]), (&json!(2), &json!("cem")));

    let unread = async || get(&server, &ada, "notifications/unread").await["unread"].clone();
    assert_eq!(unread().await, 4);
    let body = Some(json!({ "ids": [like["id"]] }));
    for _ in 0..2 {
        assert_eq!(act(&server, &ada, Method::POST, "notifications/read", body.clone()).await.status, 204);
        assert_eq!(unread().await, 3);
    }
    // Whoever was counted is not counted again; a further person makes it unread.
    change(&server, &cem, Method::DELETE, &format!("{path}/like")).await;
    change(&server, &cem, Method::PUT, &format!("{path}/like")).await;
    assert_eq!(unread().await, 3);
    let dan = server.person(&ada, "dan", "user").await;
    change(&server, &dan, Method::PUT, &format!("{path}/like")).await;
    assert_eq!(unread().await, 4);
    assert_eq!(each(&get(&server, &ada, "notifications?unread=true").await, "kind")[0], "like");
    assert_eq!(act(&server, &ada, Method::POST, "notifications/read", Some(json!({}))).await.status, 204);
    assert_eq!(unread().await, 0);
    // Others' notifications are not touched.
    assert_eq!(get(&server, &ben, "notifications/unread").await["unread"], 2);
    // Those of a muted person are not shown.
    change(&server, &ada, Method::PUT, "users/dan/mute").await;
    comment(&server, &dan, &made, None, "Again").await;
    assert_eq!(unread().await, 0);
}

#[tokio::test]
async fn followers_of_a_library_are_told_of_a_new_version_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let ben = server.person(&ada, "ben", "user").await;
    change(&server, &ben, Method::PUT, "libraries/gate/follow").await;
    server.add("gate", "2", "gate.md", "# Gate\n\nThe new gateway.\n").await;
    // By a schedule that runs each minute.
    let told = within(std::time::Duration::from_secs(100), "a notification", async || {
        let page = get(&server, &ben, "notifications").await;
        page["items"].as_array().is_some_and(|items| !items.is_empty()).then_some(page)
    })
    .await;
    assert_eq!(each(&told, "kind"), ["version"]);
    assert_eq!((&told["items"][0]["library"], &told["items"][0]["version"]), (&json!("gate"), &json!("2")));
    // Not of one that they cannot read any more.
    let private = Some(json!({ "visibility": "private" }));
    act(&server, &ada, Method::PATCH, "libraries/gate", private).await.ok();
    assert_eq!(kinds(&server, &ben).await, Vec::<Value>::new());
}
