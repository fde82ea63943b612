//! Posts, comments and likes: what people write about the documents, and how it is listed, changed and counted.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Reply, Server, TestApp};

use crate::PROGRAM;

/// Sends a request of a person, with a JSON body if there is one.
pub(crate) async fn act(
    server: &Server,
    person: &Person,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Reply {
    server.ask(Some(&person.access_token), method, &format!("/api/v1/{path}"), body).await
}

/// Returns the body of a successful GET.
pub(crate) async fn get(server: &Server, person: &Person, path: &str) -> Value {
    act(server, person, Method::GET, path, None).await.ok()
}

/// Sends a PUT or DELETE without a body and returns the answer, which must be 200.
pub(crate) async fn change(server: &Server, person: &Person, method: Method, path: &str) -> Value {
    act(server, person, method, path, None).await.ok()
}

/// Adds a post and returns it.
pub(crate) async fn post(server: &Server, person: &Person, body: Value) -> Value {
    let reply = act(server, person, Method::POST, "posts", Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.value()
}

/// Comments on a post, or replies to a comment, and returns the comment.
pub(crate) async fn comment(
    server: &Server,
    person: &Person,
    post: &Value,
    parent: Option<&Value>,
    text: &str,
) -> Value {
    let path = format!("posts/{}/comments", id(post));
    let body = json!({ "text": text, "parent_id": parent.map(|parent| parent["id"].clone()) });
    let reply = act(server, person, Method::POST, &path, Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.value()
}

/// Id of a post, a comment, a conversation, a message or a notification.
#[track_caller]
pub(crate) fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}"))
}

/// A member of each item of a page.
#[track_caller]
pub(crate) fn each(page: &Value, member: &str) -> Vec<Value> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("no items in {page}"));
    items.iter().map(|item| item[member].clone()).collect()
}

#[tokio::test]
async fn a_post_is_about_a_library_a_version_a_document_or_a_passage() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    // Sections that are long enough to be passages of their own.
    let text = |first: &str, second: &str| {
        format!("# Gate\n\n{}\n\n## Timeouts\n\n{}\n", first.repeat(60), second.repeat(60))
    };
    let (intro, timeouts) =
        ("It opens and closes many times a day. ", "The gateway waits thirty seconds for a service. ");
    server.add("gate", "1", "gate.md", text(intro, timeouts)).await;
    let hits = server.search(&[("q", "gateway waits"), ("library", "gate")]).await;
    let (passage, document) = (hits["hits"][0]["id"].clone(), hits["hits"][0]["document_id"].clone());
    let about_nothing = post(&server, &ada, json!({ "text": "Hello" })).await;
    assert_eq!(about_nothing["about"]["kind"], "nothing");
    let of_library =
        post(&server, &ada, json!({ "text": "A #backup", "about": { "library": "gate" } })).await;
    assert_eq!((&of_library["about"]["library"], &of_library["tags"]), (&json!("gate"), &json!(["backup"])));
    let about = json!({ "library": "gate", "version": "1" });
    let of_version = post(&server, &ada, json!({ "text": "B", "about": about })).await;
    assert_eq!(of_version["about"]["version"], "1");
    let of_document = post(&server, &ada, json!({ "text": "C", "about": { "document_id": document } })).await;
    assert_eq!(of_document["about"]["path"], "gate.md");
    let of_passage = post(&server, &ada, json!({ "text": "D", "about": { "passage_id": passage } })).await;
    assert_eq!(of_passage["about"]["section"], json!(["Gate", "Timeouts"]), "{of_passage}");
    assert!(of_passage["about"]["passage_number"].is_number());
    // The passage is carried to the next revision while it says the same, and marked once it has changed.
    server.add("gate", "1", "gate.md", text("It opens and closes only once a day. ", timeouts)).await;
    let path = format!("posts/{}", id(&of_passage));
    assert!(get(&server, &ada, &path).await["about"]["passage_number"].is_number());
    server.add("gate", "1", "gate.md", text(intro, "The gateway waits forever for a service. ")).await;
    assert!(get(&server, &ada, &path).await["about"]["passage_number"].is_null());

    let texts = async |query: &str| each(&get(&server, &ada, &format!("posts?{query}")).await, "text");
    assert_eq!(texts("").await, ["D", "C", "B", "A #backup", "Hello"]);
    assert_eq!(texts("library=gate").await, ["D", "C", "B", "A #backup"]);
    assert_eq!(texts(&format!("document={}", document.as_str().unwrap())).await, ["D", "C"]);
    assert_eq!(texts("tag=backup").await, ["A #backup"]);
    assert_eq!(texts("author=ada").await.len(), 5);
    // Each post is on one page, whatever the size of a page.
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&server, &ada, &format!("posts?limit=2{next}")).await;
        seen.extend(each(&page, "text"));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, ["D", "C", "B", "A #backup", "Hello"]);
    for wrong in ["library=gate&tag=a", "cursor=x"] {
        act(&server, &ada, Method::GET, &format!("posts?{wrong}"), None).await.problem(400);
    }
    for body in [json!({ "text": " " }), json!({ "text": "x".repeat(20_001) })] {
        act(&server, &ada, Method::POST, "posts", Some(body)).await.problem(400);
    }
    let absent = json!({ "text": "x", "about": { "library": "absent" } });
    act(&server, &ada, Method::POST, "posts", Some(absent)).await.problem(404);
}

#[tokio::test]
async fn a_post_is_edited_with_its_history_deleted_and_restored_by_its_author() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let made = post(&server, &ben, json!({ "text": "First #one" })).await;
    let path = format!("posts/{}", id(&made));
    let edited = act(&server, &ben, Method::PATCH, &path, Some(json!({ "text": "Second #two" }))).await.ok();
    assert_eq!((&edited["text"], &edited["tags"]), (&json!("Second #two"), &json!(["two"])));
    assert!(edited["edited_at"].is_string());
    let again = act(&server, &ben, Method::PATCH, &path, Some(json!({ "text": "Second #two" }))).await.ok();
    assert_eq!(again, edited);
    let revisions = get(&server, &ada, &format!("{path}/revisions")).await;
    assert_eq!(each(&revisions, "text"), ["First #one"]);
    // Without the state it was read in, an edit is refused; another person's is, in any state.
    let request = server.request_as(Some(&ben.access_token), Method::PATCH, &format!("/api/v1/{path}"), &[]);
    server.send(request.json(&json!({ "text": "Third" }))).await.problem(428);
    act(&server, &ada, Method::PATCH, &path, Some(json!({ "text": "Mine" }))).await.problem(403);
    act(&server, &ada, Method::DELETE, &path, None).await.problem(403);

    comment(&server, &ada, &made, None, "A comment").await;
    for _ in 0..2 {
        assert_eq!(act(&server, &ben, Method::DELETE, &path, None).await.status, 204);
    }
    act(&server, &ada, Method::GET, &path, None).await.problem(404);
    act(&server, &ada, Method::GET, &format!("{path}/comments"), None).await.problem(404);
    act(&server, &ben, Method::PATCH, &path, Some(json!({ "text": "x" }))).await.problem(409);
    assert_eq!(each(&get(&server, &ada, "posts").await, "id"), Vec::<Value>::new());
    assert_eq!(each(&get(&server, &ben, "posts?deleted=true").await, "id"), [made["id"].clone()]);
    for _ in 0..2 {
        let restored = act(&server, &ben, Method::POST, &format!("{path}/restore"), None).await.ok();
        assert_eq!((&restored["comments"], &restored["deleted_at"]), (&json!(1), &Value::Null));
    }
    assert_eq!(get(&server, &ada, &path).await["text"], "Second #two");
}

#[tokio::test]
async fn comments_form_a_thread_of_any_depth() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let path = format!("posts/{}/comments", id(&made));
    let first = comment(&server, &ben, &made, None, "1").await;
    let second = comment(&server, &ada, &made, None, "2").await;
    let mut above = first.clone();
    for depth in 1..=6 {
        above = comment(&server, &ada, &made, Some(&above), &format!("1.{depth}")).await;
        assert_eq!(above["depth"], depth);
    }
    comment(&server, &ben, &made, Some(&first), "1b").await;
    let texts = async |query: &str| each(&get(&server, &ada, &format!("{path}?{query}")).await, "text");
    assert_eq!(texts("").await, ["1", "2"]);
    assert_eq!(texts(&format!("parent={}", id(&first))).await, ["1.1", "1b"]);
    assert_eq!(texts("thread=true").await, ["1", "1.1", "1.2", "1.3", "1b", "2"]);
    assert_eq!(get(&server, &ada, &format!("posts/{}", id(&made))).await["comments"], 9);
    assert_eq!(get(&server, &ada, &format!("comments/{}", id(&first))).await["replies"], 2);
    // A deleted comment keeps its place, and what was replied to it.
    let of_first = format!("comments/{}", id(&first));
    act(&server, &ada, Method::DELETE, &of_first, None).await.problem(403);
    for _ in 0..2 {
        assert_eq!(act(&server, &ben, Method::DELETE, &of_first, None).await.status, 204);
    }
    let shown = get(&server, &ada, &of_first).await;
    assert_eq!(
        (&shown["state"], &shown["text"], &shown["author"]),
        (&json!("deleted"), &Value::Null, &Value::Null)
    );
    assert_eq!(texts("").await, [Value::Null, json!("2")]);
    assert_eq!(get(&server, &ada, &format!("posts/{}", id(&made))).await["comments"], 8);
    let reply = json!({ "text": "x", "parent_id": id(&first) });
    act(&server, &ada, Method::POST, &path, Some(reply)).await.problem(409);
    for _ in 0..2 {
        act(&server, &ben, Method::POST, &format!("{of_first}/restore"), None).await.ok();
    }
    assert_eq!(get(&server, &ada, &format!("posts/{}", id(&made))).await["comments"], 9);
    let edited = act(&server, &ben, Method::PATCH, &of_first, Some(json!({ "text": "one" }))).await.ok();
    assert_eq!(edited["text"], "one");
    assert_eq!(each(&get(&server, &ada, &format!("{of_first}/revisions")).await, "text"), ["1"]);
    // A reply stays on the post of its comment.
    let other = post(&server, &ada, json!({ "text": "Other" })).await;
    let reply = json!({ "text": "x", "parent_id": id(&second) });
    act(&server, &ada, Method::POST, &format!("posts/{}/comments", id(&other)), Some(reply))
        .await
        .problem(404);
}

#[tokio::test]
async fn the_asker_or_an_owner_accepts_an_answer() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let ben = server.person(&ada, "ben", "user").await;
    let cem = server.person(&ada, "cem", "user").await;
    let own = json!({ "level": "own" });
    let path = "libraries/gate/grants/cem";
    assert_eq!(act(&server, &ada, Method::PUT, path, Some(own)).await.status, 200);
    let about = json!({ "library": "gate" });
    let asked = post(&server, &ben, json!({ "text": "How?", "question": true, "about": about })).await;
    let told = post(&server, &ben, json!({ "text": "So.", "about": about })).await;
    let answer = comment(&server, &ada, &asked, None, "Thus.").await;
    let other = comment(&server, &cem, &asked, None, "Or so.").await;
    let unanswered = async || each(&get(&server, &ada, "posts?unanswered=true").await, "id");
    assert_eq!(unanswered().await, [asked["id"].clone()]);
    let dan = server.person(&ada, "dan", "user").await;
    let accept = |comment: &Value| format!("comments/{}/acceptance", id(comment));
    act(&server, &dan, Method::PUT, &accept(&answer), None).await.problem(403);
    for _ in 0..2 {
        let accepted = change(&server, &ben, Method::PUT, &accept(&answer)).await;
        assert_eq!(accepted["accepted_comment_id"], answer["id"]);
    }
    assert_eq!(unanswered().await, Vec::<Value>::new());
    assert_eq!(get(&server, &ben, &format!("comments/{}", id(&answer))).await["accepted"], true);
    let kinds = each(&get(&server, &ada, "notifications").await, "kind");
    assert_eq!(kinds.iter().filter(|kind| *kind == "accepted").count(), 1);
    // An owner of the library decides otherwise.
    let accepted = change(&server, &cem, Method::PUT, &accept(&other)).await;
    assert_eq!(accepted["accepted_comment_id"], other["id"]);
    for _ in 0..2 {
        let open = change(&server, &cem, Method::DELETE, &accept(&other)).await;
        assert_eq!(open["accepted_comment_id"], Value::Null);
    }
    let remark = comment(&server, &ada, &told, None, "Well.").await;
    act(&server, &ben, Method::PUT, &accept(&remark), None).await.problem(409);
}

#[tokio::test]
async fn liking_twice_is_liking_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let remark = comment(&server, &ben, &made, None, "Comment").await;
    for at in [format!("posts/{}", id(&made)), format!("comments/{}", id(&remark))] {
        let like = format!("{at}/like");
        for _ in 0..2 {
            let status = change(&server, &ben, Method::PUT, &like).await;
            assert_eq!(status, json!({ "liked": true, "likes": 1 }));
        }
        assert_eq!(change(&server, &ada, Method::PUT, &like).await["likes"], 2);
        assert_eq!(each(&get(&server, &ada, &format!("{at}/likes")).await, "username"), ["ada", "ben"]);
        let first = get(&server, &ada, &format!("{at}/likes?limit=1")).await;
        let next = format!("{at}/likes?limit=1&cursor={}", first["next"].as_str().unwrap());
        assert_eq!(each(&get(&server, &ada, &next).await, "username"), ["ben"]);
        let shown = get(&server, &ben, &at).await;
        assert_eq!((&shown["likes"], &shown["liked"]), (&json!(2), &json!(true)));
        for _ in 0..2 {
            let status = change(&server, &ben, Method::DELETE, &like).await;
            assert_eq!(status, json!({ "liked": false, "likes": 1 }));
        }
        assert_eq!(get(&server, &ben, &at).await["liked"], false);
    }
    let status = get(&server, &ada, &format!("posts/{}/like", id(&made))).await;
    assert_eq!(status, json!({ "liked": true, "likes": 1 }));
    let unread = get(&server, &ada, "notifications").await;
    let likes: Vec<&Value> =
        unread["items"].as_array().unwrap().iter().filter(|one| one["kind"] == "like").collect();
    assert_eq!(likes.len(), 1, "{unread}");
    assert_eq!((&likes[0]["people"], &likes[0]["actor"]["username"]), (&json!(1), &json!("ben")));
}

#[tokio::test]
async fn who_writes_too_much_waits() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut written = 0;
    let refused = loop {
        let reply = act(&server, &ada, Method::POST, "posts", Some(json!({ "text": "Again" }))).await;
        if reply.status != 201 {
            break reply;
        }
        written += 1;
        assert!(written < 60, "no limit");
    };
    refused.problem(429);
    assert!(refused.header("retry-after").is_some());
    assert!(written >= 15, "{written}");
    // Reading and other kinds of writing go on.
    let posts = get(&server, &ada, "posts?limit=100").await;
    assert_eq!(posts["items"].as_array().unwrap().len(), written);
    comment(&server, &ada, &posts["items"][0], None, "Still here").await;
}
