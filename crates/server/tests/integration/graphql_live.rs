//! Subscriptions of `/graphql` where time is against them: what commits late, what comes at once, rights that change.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Program, Server, TestApp};

use crate::PROGRAM;
use crate::graphql::{next_event, script};
use crate::social_posts::{comment, id, post};

async fn subscribe(server: &Server, person: &Person, query: &str, variables: Value) -> reqwest::Response {
    let body = json!({ "query": query, "variables": variables });
    let request = server.request_as(Some(&person.access_token), Method::POST, "/graphql", &[]).json(&body);
    request.header("accept", "text/event-stream").send().await.expect("a response")
}

/// Reads events until one has a text, and returns what came.
async fn read_until(stream: &mut reqwest::Response, text: &str) -> String {
    let mut events = String::new();
    while !events.contains(text) {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(40), stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{text} did not come: {events}")).expect("a stream");
        events += &String::from_utf8_lossy(&chunk.unwrap_or_else(|| panic!("the stream ended: {events}")));
    }
    events
}

/// Copies the first comment, with ids that were made some seconds ago.
const COPY: &str = "create function public.copy_comments(number int, seconds int, word text) returns void language sql as $$
     with copied as (insert into social.comments select (jsonb_populate_record(comment, jsonb_build_object(
         'id', uuidv7(make_interval(secs => -seconds)), 'text', word || ' ' || copy))).*
       from social.comments as comment, generate_series(1, number) as copy where comment.text = 'First' returning id, post_id),
     counted as (insert into social.comment_counters (comment_id) select id from copied)
     update social.post_counters set comments = comments + number where post_id in (select post_id from copied) $$";

#[tokio::test]
async fn nothing_is_lost_that_commits_late_or_comes_at_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let asked = post(&server, &ada, json!({ "text": "Question" })).await;
    let query = "subscription ($post: ID!, $after: ID) { comments(post: $post, after: $after) { id text } }";
    comment(&server, &ben, &asked, None, "Before").await;
    let mut stream = subscribe(&server, &ada, query, json!({ "post": id(&asked) })).await;
    comment(&server, &ben, &asked, None, "First").await;
    let event = next_event(&mut stream, "next").await;
    assert_eq!(event["data"]["comments"]["text"], "First", "{event}");
    // Its id was made before that of the first, and it is committed after it.
    app.database().run(COPY).await;
    app.database().run("select public.copy_comments(1, 5, 'copy')").await;
    let event = next_event(&mut stream, "next").await;
    assert_eq!(event["data"]["comments"]["text"], "copy 1", "{event}");
    app.database().run("select public.copy_comments(250, 0, 'many')").await;
    let events = read_until(&mut stream, "many 250\"").await;
    assert_eq!(events.matches("event: next").count(), 250);
    assert!(!events.contains("First") && !events.contains("Before"), "{events}");

    // After a comment: what is newer, once.
    let comments = format!("/api/v1/posts/{}/comments", id(&asked));
    let listed = server.ask(Some(&ada.access_token), Method::GET, &comments, None).await.ok();
    let first =
        listed["items"].as_array().expect("items").iter().find(|one| one["text"] == "First").expect("one");
    let mut again =
        subscribe(&server, &ada, query, json!({ "post": id(&asked), "after": first["id"] })).await;
    let events = read_until(&mut again, "many 250\"").await;
    assert_eq!(events.matches("event: next").count(), 250, "{events}");

    // A notification whose transaction began before that of the one seen last.
    let mut told =
        subscribe(&server, &ben, "subscription { notifications { kind people } }", json!({})).await;
    let mine = post(&server, &ben, json!({ "text": "Mine" })).await;
    comment(&server, &ada, &mine, None, "A reply").await;
    assert_eq!(next_event(&mut told, "next").await["data"]["notifications"]["kind"], "REPLY");
    let late = "insert into social.notifications select (jsonb_populate_record(seen, jsonb_build_object('id', gen_random_uuid(),
          'event_key', 'late', 'people', 7, 'updated_at', clock_timestamp() - interval '5 seconds'))).*
        from social.notifications as seen where kind = 'reply' and user_id in (select id from identity.users where username = 'ben')";
    app.database().run(late).await;
    assert_eq!(next_event(&mut told, "next").await["data"]["notifications"]["people"], 7);
}

#[tokio::test]
async fn a_subscription_ends_when_the_rights_of_its_subscriber_change() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let asked = post(&server, &ada, json!({ "text": "Question" })).await;
    let query = "subscription ($post: ID!) { comments(post: $post) { text } }";
    let mut stream = subscribe(&server, &ben, query, json!({ "post": id(&asked) })).await;
    comment(&server, &ada, &asked, None, "First").await;
    assert_eq!(next_event(&mut stream, "next").await["data"]["comments"]["text"], "First");
    let address = format!("/api/v1/users/{}", ben.id);
    let change = Some(json!({ "role": "editor" }));
    assert_eq!(server.ask(Some(&ada.access_token), Method::PATCH, &address, change).await.status, 200);
    comment(&server, &ada, &asked, None, "Second").await;
    let event = next_event(&mut stream, "next").await;
    assert_eq!(event["errors"][0]["extensions"]["code"], "forbidden", "{event}");
    assert_eq!(next_event(&mut stream, "complete").await, Value::Null);
}

#[tokio::test]
async fn an_operation_over_a_websocket_counts_for_the_rate_limit_of_its_key() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = json!({ "name": "dear", "rate_limit": 20 });
    let made = server.ask(Some(&ada.access_token), Method::POST, "/api/v1/keys", Some(made)).await.value();
    let url = format!("http://{}/graphql", server.address());
    let key = made["key"].as_str().expect("a key");
    let run = Program::node(&script("graphql_limits.mjs")).with(&[&url, key]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    let told = run.json();
    // Connecting is a request, too; and some more are allowed in the time that these take.
    let answered = told["answered"].as_u64().expect("a number");
    assert!((15..60).contains(&answered) && told["code"] == "too-many-requests", "{told}");
}
