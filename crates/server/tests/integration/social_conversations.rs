//! Direct conversations: for their members alone, read once, deleted for one or for all.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Reply, Server, TestApp};

use crate::PROGRAM;
use crate::social_posts::{act, each, get, id};

async fn start(server: &Server, person: &Person, members: &[&str]) -> Value {
    let body = json!({ "members": members });
    let reply = act(server, person, Method::POST, "conversations", Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.value()
}

async fn send(server: &Server, person: &Person, talk: &Value, text: &str) -> Value {
    let path = format!("conversations/{}/messages", id(talk));
    let reply = act(server, person, Method::POST, &path, Some(json!({ "text": text }))).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.value()
}

async fn texts(server: &Server, person: &Person, talk: &Value) -> Vec<Value> {
    each(&get(server, person, &format!("conversations/{}/messages", id(talk))).await, "text")
}

#[tokio::test]
async fn nobody_but_its_members_reads_a_conversation() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let talk = start(&server, &ben, &["Cem"]).await;
    // Two people have one conversation, whoever starts it.
    assert_eq!(start(&server, &cem, &["ben"]).await["id"], talk["id"]);
    let message = send(&server, &ben, &talk, "For your eyes").await;
    assert_eq!((&message["number"], &message["sender"]["username"]), (&json!(1), &json!("ben")));
    let path = format!("conversations/{}", id(&talk));
    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::GET, format!("{path}/messages"), None),
        (Method::POST, format!("{path}/messages"), Some(json!({ "text": "x" }))),
        (Method::PUT, format!("{path}/read"), Some(json!({ "number": 1 }))),
        (Method::DELETE, format!("{path}/messages/{}", id(&message)), None),
        (Method::DELETE, path.clone(), None),
    ] {
        // An administrator is a stranger here, too, and the command line's key is nobody.
        act(&server, &ada, method.clone(), &path, body.clone()).await.problem(404);
        let path = format!("/api/v1/{path}");
        server.ask(Some(server.key()), method, &path, body).await.problem(403);
    }
    assert_eq!(each(&get(&server, &ada, "conversations").await, "id"), Vec::<Value>::new());
    assert_eq!(texts(&server, &cem, &talk).await, ["For your eyes"]);
    act(&server, &ben, Method::DELETE, &path, None).await.problem(409);
    for members in [json!([]), json!(["ben"]), json!(vec!["a"; 30])] {
        let body = json!({ "members": members });
        let reply: Reply = act(&server, &ben, Method::POST, "conversations", Some(body)).await;
        assert!([400, 404].contains(&reply.status), "{}", reply.text());
    }
}

#[tokio::test]
async fn unread_messages_are_counted_until_they_are_read() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let talk = start(&server, &ada, &["ben", "cem"]).await;
    assert_eq!((&talk["group"], talk["members"].as_array().unwrap().len()), (&json!(true), 3));
    for number in 1..=3 {
        assert_eq!(send(&server, &ada, &talk, &format!("{number}")).await["number"], number);
    }
    let other = start(&server, &cem, &["ben"]).await;
    send(&server, &cem, &other, "Hello").await;
    let list = get(&server, &ben, "conversations").await;
    assert_eq!(each(&list, "id"), [other["id"].clone(), talk["id"].clone()]);
    assert_eq!((each(&list, "unread"), &list["unread"]), (vec![json!(1), json!(3)], &json!(2)));
    assert_eq!(each(&list, "last_text"), ["Hello", "3"]);
    assert_eq!(get(&server, &ada, "conversations").await["unread"], 0);
    // One notification for all messages of a conversation.
    let told = get(&server, &ben, "notifications").await;
    assert_eq!(each(&told, "people"), [1, 3]);
    let read = format!("conversations/{}/read", id(&talk));
    let mark = async |number: i64| {
        act(&server, &ben, Method::PUT, &read, Some(json!({ "number": number }))).await.ok()
    };
    assert_eq!(mark(2).await["unread"], 1);
    // A mark never goes back, nor beyond the last message.
    assert_eq!(mark(1).await["read_number"], 2);
    assert_eq!(mark(99).await["read_number"], 3);
    assert_eq!(get(&server, &ben, "conversations").await["unread"], 1);
    assert_eq!(get(&server, &ben, "notifications/unread").await["unread"], 1);
    // Pages of messages, the newest first.
    let first = get(&server, &ben, &format!("conversations/{}/messages?limit=2", id(&talk))).await;
    assert_eq!(each(&first, "text"), ["3", "2"]);
    let next = first["next"].as_str().unwrap();
    let rest =
        get(&server, &ben, &format!("conversations/{}/messages?limit=2&cursor={next}", id(&talk))).await;
    assert_eq!((each(&rest, "text"), &rest["next"]), (vec![json!("1")], &Value::Null));
    // Whoever leaves a group reads it no more.
    let path = format!("conversations/{}", id(&talk));
    assert_eq!(act(&server, &ben, Method::DELETE, &path, None).await.status, 204);
    act(&server, &ben, Method::GET, &path, None).await.problem(404);
    send(&server, &cem, &talk, "He is gone").await;
    assert_eq!(get(&server, &ben, "conversations").await["unread"], 1);
}

#[tokio::test]
async fn a_message_is_deleted_for_oneself_or_for_all_within_ten_minutes() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let talk = start(&server, &ada, &["ben"]).await;
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(send(&server, &ada, &talk, text).await);
    }
    let at = |message: &Value| format!("conversations/{}/messages/{}", id(&talk), id(message));
    for _ in 0..2 {
        assert_eq!(act(&server, &ben, Method::DELETE, &at(&sent[0]), None).await.status, 204);
    }
    assert_eq!(texts(&server, &ben, &talk).await, ["three", "two"]);
    assert_eq!(texts(&server, &ada, &talk).await, ["three", "two", "one"]);
    let for_all = format!("{}?for=all", at(&sent[1]));
    act(&server, &ben, Method::DELETE, &for_all, None).await.problem(403);
    for _ in 0..2 {
        assert_eq!(act(&server, &ada, Method::DELETE, &for_all, None).await.status, 204);
    }
    assert_eq!(texts(&server, &ben, &talk).await, ["three", ""]);
    // Nothing of it is left.
    let left = "select count(*) from social.messages where text = 'two'";
    assert_eq!(app.database().count(left).await, 0);
    app.database().run("update social.messages set created_at = now() - interval '11 minutes'").await;
    act(&server, &ada, Method::DELETE, &format!("{}?for=all", at(&sent[2])), None).await.problem(409);
    // Messages that were sent at once have numbers without gaps, and none is lost.
    let both = futures::future::join_all((0..20).map(|number| {
        let person = if number % 2 == 0 { &ada } else { &ben };
        let (server, talk) = (&server, &talk);
        async move { send(server, person, talk, &format!("at once {number}")).await["number"].as_i64() }
    }))
    .await;
    let mut numbers: Vec<i64> = both.into_iter().flatten().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (4..24).collect::<Vec<i64>>());
}
