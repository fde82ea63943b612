//! Messages and notifications that end when they should, follows that can be ended, blocks, and people who are deleted meanwhile.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PageClient, Person, Server, TestApp, within};

use crate::PROGRAM;
use crate::social_posts::{act, change, comment, each, get, id, post};

async fn start(server: &Server, person: &Person, members: &[&str]) -> Value {
    let body = json!({ "members": members });
    act(server, person, Method::POST, "conversations", Some(body)).await.value()
}

async fn send(server: &Server, person: &Person, talk: &Value, text: &str) {
    let path = format!("conversations/{}/messages", id(talk));
    let reply = act(server, person, Method::POST, &path, Some(json!({ "text": text }))).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

async fn unread(server: &Server, person: &Person) -> Value {
    get(server, person, "notifications/unread").await["unread"].clone()
}

#[tokio::test]
async fn answering_a_message_does_not_read_what_was_not_seen() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let talk = start(&server, &ben, &["ada"]).await;
    let path = format!("conversations/{}", id(&talk));
    send(&server, &ben, &talk, "first").await;
    // The answer crosses the message: that one is still to be read.
    send(&server, &ada, &talk, "crosses it").await;
    assert_eq!(get(&server, &ada, &path).await["unread"], 1);
    assert_eq!(unread(&server, &ada).await, 1);
    let page = PageClient::signed_in(&server, &ada).get(&format!("/messages/{}", id(&talk))).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        (&get(&server, &ada, &path).await["unread"], unread(&server, &ada).await),
        (&json!(0), json!(0))
    );
    // After that, what one sends is read.
    send(&server, &ada, &talk, "answer").await;
    assert_eq!(get(&server, &ada, &path).await["read_number"], 3);
    // A notification whose message was marked as read otherwise ends when the conversation is opened.
    send(&server, &ben, &talk, "again").await;
    app.database().run("update social.conversation_members set read_number = 4").await;
    assert_eq!(unread(&server, &ada).await, 1);
    PageClient::signed_in(&server, &ada).get(&format!("/messages/{}", id(&talk))).await;
    assert_eq!(unread(&server, &ada).await, 0);
}

#[tokio::test]
async fn a_notification_about_several_people_stays_when_one_of_them_is_muted() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let mut people = Vec::new();
    for name in ["ben", "cem", "dan"] {
        let person = server.person(&ada, name, "user").await;
        change(&server, &person, Method::PUT, &format!("posts/{}/like", id(&made))).await;
        people.push(person);
    }
    let shown = async || {
        let page = get(&server, &ada, "notifications").await;
        let of = |item: &Value| (item["actor"]["username"].clone(), item["people"].clone());
        page["items"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(shown().await, [(json!("dan"), json!(3))]);
    change(&server, &ada, Method::PUT, "users/dan/mute").await;
    assert_eq!((shown().await, unread(&server, &ada).await), (vec![(json!("cem"), json!(2))], json!(1)));
    change(&server, &ada, Method::PUT, "users/ben/block").await;
    assert_eq!(shown().await, [(json!("cem"), json!(1))]);
    change(&server, &ada, Method::PUT, "users/cem/mute").await;
    assert_eq!((shown().await, unread(&server, &ada).await), (Vec::new(), json!(0)));
    for path in ["users/cem/mute", "users/dan/mute", "users/ben/block"] {
        change(&server, &ada, Method::DELETE, path).await;
    }
    assert_eq!(act(&server, &ada, Method::POST, "notifications/read", Some(json!({}))).await.status, 204);

    // A group: the last to write is muted, and a message of another one is unread.
    let talk = start(&server, &people[0], &["ada", "cem", "dan"]).await;
    send(&server, &people[1], &talk, "of cem").await;
    send(&server, &people[2], &talk, "of dan").await;
    assert_eq!(shown().await[0], (json!("dan"), json!(2)));
    change(&server, &ada, Method::PUT, "users/dan/mute").await;
    assert_eq!((shown().await[0].clone(), unread(&server, &ada).await), ((json!("cem"), json!(1)), json!(1)));
    let read = format!("conversations/{}/read", id(&talk));
    act(&server, &ada, Method::PUT, &read, Some(json!({ "number": 2 }))).await.ok();
    assert_eq!(unread(&server, &ada).await, 0);
}

#[tokio::test]
async fn what_is_gone_for_a_person_can_be_unfollowed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let document = get(&server, &ada, "documents?library=gate").await["items"][0]["id"].clone();
    let of_document = format!("documents/{}", document.as_str().unwrap());
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let followed = ["users/cem", "libraries/gate", &of_document];
    for path in followed {
        change(&server, &ben, Method::PUT, &format!("{path}/follow")).await;
    }
    let private = Some(json!({ "visibility": "private" }));
    act(&server, &ada, Method::PATCH, "libraries/gate", private).await.ok();
    let inactive = Some(json!({ "is_active": false }));
    act(&server, &ada, Method::PATCH, &format!("users/{}", cem.id), inactive).await.ok();
    assert_eq!(each(&get(&server, &ben, "follows").await, "created_at"), Vec::<Value>::new());
    for path in followed {
        let path = format!("{path}/follow");
        let ended = change(&server, &ben, Method::DELETE, &path).await;
        assert_eq!(ended, json!({ "following": false, "followers": 0 }), "{path}");
        act(&server, &ben, Method::DELETE, &path, None).await.problem(404);
        act(&server, &ben, Method::PUT, &path, None).await.problem(404);
    }
    assert_eq!(app.database().count("select count(*) from social.follows").await, 0);
}

#[tokio::test]
async fn a_block_reads_like_an_absence_to_the_blocked_and_like_a_block_to_the_blocker() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let with_ben = start(&server, &eve, &["ben"]).await;
    let with_cem = start(&server, &eve, &["cem"]).await;
    change(&server, &ben, Method::PUT, "users/eve/block").await;
    let inactive = Some(json!({ "is_active": false }));
    act(&server, &ada, Method::PATCH, &format!("users/{}", cem.id), inactive).await.ok();
    let refused = async |person: &Person, talk: &Value, status: u16| {
        let path = format!("conversations/{}/messages", id(talk));
        let body = Some(json!({ "text": "x" }));
        act(&server, person, Method::POST, &path, body).await.problem(status)["detail"].clone()
    };
    assert_eq!(refused(&eve, &with_ben, 409).await, refused(&eve, &with_cem, 409).await);
    assert!(refused(&ben, &with_ben, 403).await.as_str().unwrap().contains("you block this person"));
}

/// Waits until a statement of this database waits for a lock.
async fn wait_for_lock(app: &TestApp) {
    within(Duration::from_secs(10), "a statement that waits", async || {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        (app.database().count(waiting).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn writing_to_a_person_who_is_deleted_meanwhile_neither_fails_nor_is_lost() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let eve = server.person(&ada, "eve", "user").await;
    for attempt in ["comment", "like", "mention", "message"] {
        let ben = server.person(&ada, "ben", "user").await;
        let made = post(&server, &ben, json!({ "text": "Of ben" })).await;
        let talk = start(&server, &eve, &["ben"]).await;
        let mut transaction = app.database().pool().begin().await.expect("a transaction");
        let lock = "select id from identity.users where username = 'ben' for update";
        sqlx::raw_sql(lock).execute(&mut *transaction).await.expect(lock);
        let path = format!("posts/{}", id(&made));
        let write = async {
            match attempt {
                "comment" => {
                    comment(&server, &eve, &made, None, "Yes").await;
                }
                "like" => {
                    change(&server, &eve, Method::PUT, &format!("{path}/like")).await;
                }
                "mention" => {
                    post(&server, &eve, json!({ "text": "Hi @ben" })).await;
                }
                _ => {
                    let path = format!("conversations/{}/messages", id(&talk));
                    let body = Some(json!({ "text": "Hello" }));
                    act(&server, &eve, Method::POST, &path, body).await.problem(409);
                }
            }
        };
        let delete = async {
            wait_for_lock(&app).await;
            let delete = "delete from identity.users where username = 'ben'";
            sqlx::raw_sql(delete).execute(&mut *transaction).await.expect(delete);
            transaction.commit().await.expect("a commit");
        };
        tokio::join!(write, delete);
    }
    let shown = get(&server, &ada, "posts").await;
    assert_eq!(each(&shown, "text"), ["Of ben", "Hi @ben", "Of ben", "Of ben", "Of ben"]);
    assert_eq!((each(&shown, "comments")[4].clone(), each(&shown, "likes")[3].clone()), (json!(1), json!(1)));
}
