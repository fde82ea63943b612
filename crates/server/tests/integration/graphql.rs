//! `/graphql`: the specification's audit, what requests cost, trusted documents, and the clients that people use.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Person, Program, Reply, Server, TestApp};

use crate::PROGRAM;
use crate::social_posts::{comment, id, post};

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Sends a document and returns the reply.
pub(crate) async fn send(server: &Server, token: Option<&str>, query: &str, variables: Value) -> Reply {
    let body = json!({ "query": query, "variables": variables });
    server.ask(token, Method::POST, "/graphql", Some(body)).await
}

/// Returns the whole response to a document that must succeed.
pub(crate) async fn run(server: &Server, person: &Person, query: &str, variables: Value) -> Value {
    let reply = send(server, Some(&person.access_token), query, variables).await.ok();
    assert!(reply.get("errors").is_none(), "{query}\n{reply}");
    reply
}

#[tokio::test]
async fn the_audit_passes_and_hostile_requests_are_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let url = format!("http://{}/graphql", server.address());
    let run = Program::node(&script("graphql_audit.mjs")).with(&[&url]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    let report = run.json();
    assert!(report["audits"].as_u64() >= Some(61) && report["refused"].as_u64() >= Some(30), "{report}");
    // What is left of the body is not read: nothing else can be sent on the connection.
    let request = server.request(Method::POST, "/graphql", &[]).header("content-type", "application/json");
    let refused = server.send(request.body("x".repeat(70_000))).await;
    assert_eq!((refused.status, refused.headers["connection"].as_bytes()), (413, &b"close"[..]));
}

/// Lists, each with every edge that a node of it has.
const LISTS: &[&str] = &[
    "query ($n: Int) { libraries(first: $n) { edges { cursor node { id name versions { label } } } pageInfo { endCursor } } }",
    "query ($n: Int) { documents(first: $n) { nodes { id library { name } } } }",
    "query ($n: Int) { outline(library: \"guide\", first: $n) { nodes { path revision } } }",
    "query ($n: Int) { notes(first: $n) { nodes { document { path library { id } } passage { document { id } content } } } }",
    "query ($n: Int) { search(query: \"kettle\", first: $n) { hits { passage { id document { path library { id } } } alsoIn } } }",
    "query ($n: Int) { posts(first: $n) { nodes { author { id followed } library { name } document { path } passage { id document { id } }
       answer { text } acceptedComment { id author { followed } } liked likeCount commentCount } } }",
    "query ($n: Int) { posts(first: $n) { nodes { firstComments(first: 3) { id author { username followed } post { id } parent { id } } } } }",
    "query ($n: Int) { feed(first: $n) { nodes { author { followed } firstComments(first: 2) { text } acceptedComment { post { id author { followed } } } } } }",
    "query ($n: Int, $post: ID!) { comments(post: $post, first: $n) { nodes { author { followed } post { id } parent { id } } } }",
    "query ($n: Int, $post: ID!) { likers(target: { post: $post }, first: $n) { nodes { username followed } } }",
    "query ($n: Int) { followers(username: \"ada\", first: $n) { nodes { followed } } }",
    "query ($n: Int) { following(username: \"ada\", first: $n) { nodes { followed } } }",
    "query ($n: Int) { follows(first: $n) { nodes { person { followed } library { id } document { library { id } } tag } } }",
    "query ($n: Int) { muted(first: $n) { nodes { followed } } }",
    "query ($n: Int) { blocked(first: $n) { nodes { followed } } }",
    "query ($n: Int) { suggestions { person { followed } followedBy } posts(first: $n) { nodes { id } } }",
    "query ($n: Int) { notifications(first: $n) { nodes { kind person { followed } post { author { id } } comment { post { id } }
       conversation { members { followed } } library { id } } } }",
    "query ($n: Int) { conversations(first: $n) { nodes { members { followed } unreadCount } } }",
    "query ($n: Int, $conversation: ID!) { messages(conversation: $conversation, first: $n) { nodes { sender { followed } } } }",
    "query ($n: Int) { chats(first: $n) { nodes { title } } }",
    "query ($n: Int, $chat: ID!) { chatMessages(chat: $chat, last: $n) { nodes { sources { title } } } }",
    "query ($n: Int) { workList(first: $n) { nodes { questions } } }",
    "query ($n: Int) { reports(first: $n) { nodes { post { id author { followed } } comment { id } } } }",
    "query ($n: Int) { jobs(first: $n) { nodes { kind } } }",
];

/// Copies of rows, so that every list has a hundred of them.
const COPIES: &[&str] = &[
    "insert into identity.users (id, username) select gen_random_uuid(), 'u' || n from generate_series(1, 120) as n",
    "create temporary table person as select id, row_number() over (order by username) as n from identity.users where username like 'u%'",
    "insert into social.posts select (jsonb_populate_record(post, jsonb_build_object('id', gen_random_uuid(), 'author_id', person.id,
       'accepted_comment_id', null))).* from social.posts as post, person where post.text = 'Question'",
    "insert into social.comments select (jsonb_populate_record(comment, jsonb_build_object('id', gen_random_uuid(), 'post_id', post.id,
       'author_id', person.id))).*
     from social.comments as comment join person on true join social.posts as post on post.author_id = person.id
     where comment.text = 'Answer'",
    "insert into social.comments select (jsonb_populate_record(comment, jsonb_build_object('id', gen_random_uuid(), 'author_id', person.id))).*
     from social.comments as comment, person where comment.text = 'Answer' and comment.author_id not in (select id from person)",
    "update social.posts as post set accepted_comment_id = comment.id from social.comments as comment
     where comment.post_id = post.id and post.author_id = comment.author_id",
    "insert into social.post_counters (post_id) select id from social.posts on conflict do nothing",
    "insert into social.comment_counters (comment_id) select id from social.comments on conflict do nothing",
    "insert into social.likes (post_id, user_id) select post.id, person.id from social.posts as post, person
     where post.text = 'Question' and post.author_id not in (select id from person)",
    "insert into social.follows (follower_id, user_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada'
     and person.n % 2 = 0",
    "insert into social.follows (follower_id, user_id) select person.id, ada.id from person, identity.users as ada where ada.username = 'ada'",
    "insert into social.mutes (user_id, muted_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada' and n % 3 = 0",
    "insert into social.blocks (user_id, blocked_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada' and n % 5 = 0",
    "insert into social.notifications (id, user_id, kind, event_key, actor_id, post_id, comment_id)
     select gen_random_uuid(), ada.id, 'reply', 'copy ' || comment.id, person.id, comment.post_id, comment.id
     from person join social.comments as comment on comment.author_id = person.id join identity.users as ada on ada.username = 'ada'",
    "insert into social.conversations (id, last_number) select id, 1 from person",
    "insert into social.conversation_members (conversation_id, user_id) select id, id from person",
    "insert into social.conversation_members (conversation_id, user_id)
     select person.id, ada.id from person, identity.users as ada where ada.username = 'ada'",
    "insert into social.messages (id, conversation_id, number, sender_id, text)
     select gen_random_uuid(), message.conversation_id, 1000 + person.n, person.id, 'copy'
     from person, social.messages as message where message.text = 'Hello'",
    "insert into social.reports (id, post_id, comment_id, library_id, reporter_id, reason)
     select gen_random_uuid(), comment.post_id, comment.id, post.library_id, person.id, 'spam'
     from person join social.comments as comment on comment.author_id = person.id join social.posts as post on post.id = comment.post_id",
    "insert into library.documents select (jsonb_populate_record(document, jsonb_build_object('id', person.id, 'path', 'copy/' || n))).*
     from library.documents as document, person where document.path = 'tea.md'",
    "insert into library.document_versions select (jsonb_populate_record(d, jsonb_build_object('id', person.id, 'document_id', person.id))).*
     from library.document_versions as d join library.documents as document on document.id = d.document_id and document.path = 'tea.md', person",
    "insert into library.notes select (jsonb_populate_record(note, jsonb_build_object('id', gen_random_uuid(), 'text', 'copy ' || n))).*
     from library.notes as note, person",
    "insert into chat.chats (id, user_id, title) select person.id, ada.id, 'Copy' from person, identity.users as ada where ada.username = 'ada'",
    "insert into library.libraries (id, name, title) select id, 'lib' || n, 'Copy' from person",
];

#[tokio::test]
async fn a_page_takes_as_many_statements_whatever_its_size() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let found = server.add("guide", "1", "tea.md", "# Tea\n\nFill the kettle with water.").await;
    let document = found["document_id"].as_str().expect("an id").to_owned();
    server.processed(&document, "1").await;
    server.caught_up().await;
    let passage = server.search(&[("q", "kettle"), ("library", "guide")]).await["hits"][0]["id"].clone();
    let note = json!({ "passage_id": passage, "category": "gap", "text": "How much?" });
    assert_eq!(
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/notes", Some(note)).await.status,
        201
    );
    let asked = post(
        &server,
        &ada,
        json!({ "text": "Question", "question": true, "about": { "passage_id": passage } }),
    )
    .await;
    comment(&server, &ben, &asked, None, "Answer").await;
    let talk = json!({ "members": ["ben"] });
    let talk =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/conversations", Some(talk)).await.value();
    let path = format!("/api/v1/conversations/{}/messages", id(&talk));
    server.ask(Some(&ben.access_token), Method::POST, &path, Some(json!({ "text": "Hello" }))).await;
    let chat =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/chats", Some(json!({}))).await.value();
    let mut connection = app.database().pool().acquire().await.expect("a connection");
    for statement in COPIES {
        sqlx::raw_sql(*statement)
            .execute(&mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{statement}\n{error}"));
    }
    // The catalogue is cached for a moment.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut wrong = Vec::new();
    for query in LISTS {
        let mut costs = Vec::new();
        for size in [1, 10, 100] {
            let size = if query.contains("search(") { size.min(50) } else { size };
            let variables =
                json!({ "n": size, "post": id(&asked), "conversation": id(&talk), "chat": id(&chat) });
            let reply = send(&server, Some(&ada.access_token), query, variables).await.ok();
            if reply.get("errors").is_some() {
                wrong.push(format!("{query}\n{reply}"));
                break;
            }
            costs.push(reply["extensions"]["cost"]["statements"].as_u64().expect("a number"));
        }
        // The first request may fill a cache.
        let most = costs.iter().max().copied().unwrap_or(0);
        if costs.windows(2).any(|pair| pair[1] > pair[0]) || most > 16 {
            wrong.push(format!("{query}\n{costs:?} statements"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let metrics = server.get("/metrics", &[]).await.text();
    assert!(!metrics.contains("wenyuan_graphql_n_plus_one_total{"), "{metrics}");

    // The list above names every edge of the schema.
    let types = run(
        &server,
        &ada,
        "{ __schema { types { kind name fields { name type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }",
        json!({}),
    )
    .await;
    let all: String = LISTS.join(" ");
    let mut missing = Vec::new();
    for node in types["data"]["__schema"]["types"].as_array().expect("types") {
        let name = node["name"].as_str().unwrap_or_default();
        let is_node = node["kind"] == "OBJECT"
            && !name.starts_with("__")
            && ![
                "Query",
                "Mutation",
                "Subscription",
                "PageInfo",
                "Viewer",
                "CreatedKey",
                "DocumentText",
                "VersionChanges",
                "Refusal",
            ]
            .contains(&name)
            && !name.ends_with("Connection")
            && !name.ends_with("Edge");
        for field in node["fields"].as_array().into_iter().flatten().filter(|_| is_node) {
            let mut kind = &field["type"];
            while !kind["ofType"].is_null() {
                kind = &kind["ofType"];
            }
            let field = field["name"].as_str().unwrap_or_default();
            if kind["kind"] == "OBJECT"
                && !all.contains(&format!("{field} {{"))
                && !all.contains(&format!("{field}("))
            {
                missing.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(missing.is_empty(), "edges without a query: {missing:?}");
}

#[tokio::test]
async fn a_key_pays_for_what_a_request_asks() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = json!({ "name": "dear", "rate_limit": 20 });
    let made = server.ask(Some(&ada.access_token), Method::POST, "/api/v1/keys", Some(made)).await.value();
    let key = made["key"].as_str();
    let cheap = "{ posts(first: 1) { nodes { id } } }";
    let told = send(&server, key, cheap, json!({})).await.ok();
    let cost = &told["extensions"]["cost"];
    assert!(cost["complexity"].as_u64() < Some(10) && cost["maxComplexity"] == 10_000, "{told}");
    // A hundred posts with twenty comments each: 4,000 fields, 40 points.
    let dear = "{ posts(first: 100) { nodes { firstComments(first: 20) { id text } } } }";
    let refused = send(&server, key, dear, json!({})).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let error = &refused.value()["errors"][0];
    assert!(
        error["extensions"]["code"] == "too-many-requests" && error["extensions"]["retryAfter"] == 60,
        "{error}"
    );
    assert!(refused.value().get("data").is_none());
    // A person is not limited by points, and nobody asks for more than is executed.
    assert!(send(&server, Some(&ada.access_token), dear, json!({})).await.ok().get("errors").is_none());
    let most = "{ posts(first: 100) { nodes { firstComments(first: 20) { id text author { id username name avatar followed } } } } }";
    let refused = send(&server, Some(&ada.access_token), most, json!({})).await.ok();
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("complex"), "{refused}");
}

#[tokio::test]
async fn only_trusted_documents_are_executed_where_that_is_set() {
    let trusted = "query Names { libraries(first: 5) { nodes { name } } }";
    let app = TestApp::new(PROGRAM).await;
    let file = app.files().join("documents.json");
    std::fs::create_dir_all(app.files()).expect("a folder");
    std::fs::write(&file, json!({ "names": trusted }).to_string()).expect("a file");
    let file = file.display().to_string();
    let app = app.set("WENYUAN_GRAPHQL_DOCUMENTS", &file).set("WENYUAN_GRAPHQL_TRUSTED", "only");
    let server = app.serve().await;
    let by_hash = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "names" } } });
    let answered = server.ask(None, Method::POST, "/graphql", Some(by_hash)).await.ok();
    assert!(answered["data"]["libraries"]["nodes"].is_array(), "{answered}");
    assert!(send(&server, None, trusted, json!({})).await.ok()["data"].is_object());
    let other = send(&server, None, "{ __typename }", json!({})).await.ok();
    assert_eq!(other["errors"][0]["extensions"]["code"], "document-not-trusted");
    drop(server);
    // A file that cannot be read is told before the start.
    std::fs::write(app.files().join("documents.json"), "[").expect("a file");
    let checked = app.run(&["config", "check"]).await;
    assert!(checked.code != 0 && checked.errors.contains("graphql.documents"), "{checked:?}");
}

#[tokio::test]
async fn changes_answer_with_their_outcome() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let create = "mutation ($text: String!) { createPost(text: $text, question: true) {
      __typename ... on Post { id text question author { username } } ... on Refusal { code message } } }";
    let made = run(&server, &ada, create, json!({ "text": "How is tea made? #tea" })).await;
    let made = &made["data"]["createPost"];
    assert!(made["__typename"] == "Post" && made["author"]["username"] == "ada", "{made}");
    let refused = run(&server, &ada, create, json!({ "text": " " })).await;
    assert_eq!(refused["data"]["createPost"]["code"], "invalid", "{refused}");
    let post = made["id"].clone();
    // In one request, one after the other.
    let several = "mutation ($post: ID!) {
      add: addComment(post: $post, text: \"With water.\") { ... on Comment { id depth post { commentCount } } }
      like(target: { post: $post }) { ... on Likes { liked likeCount } }
      again: like(target: { post: $post }) { ... on Likes { liked likeCount } }
      unlike(target: { post: $post }) { ... on Likes { liked likeCount } }
      follow(target: { tag: \"tea\" }) { ... on Following { following followerCount } }
      unfollow(target: { person: \"ada\" }) { ... on Following { following } }
      oneself: follow(target: { person: \"ben\" }) { ... on Refusal { code message } }
    }";
    let done = run(&server, &ben, several, json!({ "post": post })).await;
    let done = &done["data"];
    assert_eq!(done["like"], json!({ "liked": true, "likeCount": 1 }), "{done}");
    assert_eq!(done["again"], done["like"]);
    assert_eq!(done["unlike"], json!({ "liked": false, "likeCount": 0 }));
    assert!(done["follow"]["following"] == true && done["oneself"]["code"] == "invalid", "{done}");
    let accept = "mutation ($comment: ID!) { acceptAnswer(comment: $comment) { ... on Post { acceptedComment { text accepted } } ... on Refusal { code } } }";
    let comment = json!({ "comment": done["add"]["id"] });
    let refused = run(&server, &ben, accept, comment.clone()).await;
    assert_eq!(refused["data"]["acceptAnswer"]["code"], "forbidden", "{refused}");
    let accepted = run(&server, &ada, accept, comment).await;
    assert_eq!(accepted["data"]["acceptAnswer"]["acceptedComment"]["accepted"], true, "{accepted}");
    // A field that fails is null, and the others stand.
    let both =
        send(&server, Some(&ben.access_token), "{ posts { nodes { id } } jobs { nodes { id } } }", json!({}))
            .await
            .ok();
    assert!(both["data"]["posts"]["nodes"][0]["id"] == post && both["data"]["jobs"].is_null(), "{both}");
    assert_eq!(both["errors"][0]["extensions"]["code"], "forbidden", "{both}");
    // By its id alone, as Relay asks.
    let node = "query ($id: ID!) { node(id: $id) { __typename id ... on Post { text tags } } }";
    let found = run(&server, &ben, node, json!({ "id": post })).await;
    assert_eq!(found["data"]["node"]["tags"], json!(["tea"]), "{found}");
    let absent = run(&server, &ben, node, json!({ "id": "00000000-0000-7000-8000-000000000000" })).await;
    assert_eq!(absent["data"]["node"], Value::Null);
    let page = "query ($after: String) { posts(first: 1, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    run(&server, &ada, create, json!({ "text": "Second" })).await;
    let first = run(&server, &ben, page, json!({})).await["data"]["posts"].clone();
    assert!(
        first["pageInfo"]["hasNextPage"] == true && first["pageInfo"]["hasPreviousPage"] == false,
        "{first}"
    );
    let second =
        run(&server, &ben, page, json!({ "after": first["pageInfo"]["endCursor"] })).await["data"]["posts"]
            .clone();
    assert_eq!(second["edges"][0]["node"]["id"], post, "{second}");
    assert!(
        second["pageInfo"]["hasNextPage"] == false && second["pageInfo"]["hasPreviousPage"] == true,
        "{second}"
    );
    let back = "query ($before: String) { posts(last: 1, before: $before) { edges { cursor } pageInfo { hasNextPage hasPreviousPage } } }";
    let cursor = json!({ "before": second["edges"][0]["cursor"] });
    let before = run(&server, &ben, back, cursor).await["data"]["posts"].clone();
    assert_eq!(before["edges"], json!([{ "cursor": first["edges"][0]["cursor"] }]), "{before}");
    assert_eq!(before["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": false }));
    let end = run(&server, &ben, back, json!({})).await["data"]["posts"].clone();
    assert_eq!(end["edges"], json!([{ "cursor": second["edges"][0]["cursor"] }]), "{end}");
    // The cursors are those of REST.
    let rest = server.ask(Some(&ben.access_token), Method::GET, "/api/v1/posts?limit=1", None).await.ok();
    assert_eq!(rest["next"], first["edges"][0]["cursor"]);
}

#[tokio::test]
async fn the_clients_that_people_use_list_change_and_subscribe() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let url = format!("http://{}/graphql", server.address());
    let run = Program::node(&script("graphql_clients.mjs")).with(&[&url, &ada.access_token]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert_eq!(run.json()["comments"], 3);
}

#[tokio::test]
async fn the_python_client_uploads_by_rest_and_reads_lists_changes_and_subscribes() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let origin = format!("http://{}", server.address());
    let program = script("graphql_official.py").display().to_string();
    let run = Program::python(&[&program, &origin, &ada.access_token]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
    assert_eq!(run.json()["posts"], 5);
}

/// Reads events until one has data, and returns that.
pub(crate) async fn next_event(stream: &mut reqwest::Response, kind: &str) -> Value {
    let mut text = String::new();
    let wanted = format!("event: {kind}");
    let read = async {
        while let Some(chunk) = stream.chunk().await.expect("a stream") {
            text += &String::from_utf8_lossy(&chunk);
            if let Some((_, rest)) = text.split_once(&wanted)
                && let Some((data, _)) = rest.split_once("\n\n")
            {
                return data.trim().trim_start_matches("data:").trim().to_owned();
            }
        }
        panic!("the stream ended without {kind}: {text}");
    };
    let data =
        tokio::time::timeout(std::time::Duration::from_secs(40), read).await.expect("an event in time");
    serde_json::from_str(&data).unwrap_or(Value::Null)
}

#[tokio::test]
async fn subscriptions_go_on_where_they_stopped_and_end_with_their_session() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let subscribe = async |token: &str, query: &str, variables: Value| {
        let body = json!({ "query": query, "variables": variables });
        let request = server.request_as(Some(token), Method::POST, "/graphql", &[]).json(&body);
        request.header("accept", "text/event-stream").send().await.expect("a response")
    };
    let talk = json!({ "members": ["ben"] });
    let talk =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/conversations", Some(talk)).await.value();
    let path = format!("/api/v1/conversations/{}/messages", id(&talk));
    for text in ["One", "Two"] {
        server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": text }))).await;
    }
    let messages = "subscription ($id: ID!, $after: Int) { messages(conversation: $id, after: $after) { number text sender { username } } }";
    let mut stream = subscribe(&ben.access_token, messages, json!({ "id": id(&talk), "after": 1 })).await;
    let event = next_event(&mut stream, "next").await;
    assert_eq!(
        event["data"]["messages"],
        json!({ "number": 2, "text": "Two", "sender": { "username": "ada" } }),
        "{event}"
    );
    server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": "Three" }))).await;
    assert_eq!(next_event(&mut stream, "next").await["data"]["messages"]["text"], "Three");

    // After a long break as well: everything since, in its order.
    let copies = "insert into social.messages (id, conversation_id, number, sender_id, text)
        select gen_random_uuid(), conversation_id, number + copy, sender_id, 'copy ' || copy
        from social.messages, generate_series(1, 250) as copy where text = 'Three'";
    app.database().run(copies).await;
    app.database().run("update social.conversations set last_number = 253").await;
    let mut later = subscribe(&ben.access_token, messages, json!({ "id": id(&talk), "after": 2 })).await;
    let mut texts = String::new();
    while !texts.contains("copy 250\"") {
        texts += &String::from_utf8_lossy(&later.chunk().await.expect("a stream").expect("more"));
    }
    let numbers: Vec<&str> =
        texts.split("\"number\":").skip(1).map(|rest| &rest[..rest.find([',', '}']).unwrap()]).collect();
    assert_eq!(numbers, (3..=253).map(|number| number.to_string()).collect::<Vec<_>>());

    // A notification, as it comes.
    let mut told = subscribe(
        &ben.access_token,
        "subscription { notifications { kind person { username } } }",
        json!({}),
    )
    .await;
    let other = post(&server, &ben, json!({ "text": "Mine" })).await;
    comment(&server, &ada, &other, None, "A reply").await;
    let event = next_event(&mut told, "next").await;
    assert_eq!(
        event["data"]["notifications"],
        json!({ "kind": "reply", "person": { "username": "ada" } }),
        "{event}"
    );

    // What does not exist for the caller is refused, and nobody else hears of it.
    let eve = server.person(&ada, "eve", "user").await;
    let mut refused = subscribe(&eve.access_token, messages, json!({ "id": id(&talk) })).await;
    let event = next_event(&mut refused, "next").await;
    assert_eq!(event["errors"][0]["extensions"]["code"], "not-found", "{event}");
    let mut refused =
        subscribe(&eve.access_token, &"subscription { a: notifications { kind } ".repeat(70), json!({}))
            .await;
    assert!(next_event(&mut refused, "next").await["errors"].is_array());

    // Signing out everywhere ends what goes on.
    let sessions = format!("/api/v1/users/{}/sessions", ben.id);
    assert_eq!(server.ask(Some(&ada.access_token), Method::DELETE, &sessions, None).await.status, 204);
    server.ask(Some(&ada.access_token), Method::POST, &path, Some(json!({ "text": "Four" }))).await;
    assert_eq!(next_event(&mut stream, "complete").await, Value::Null);
}

#[tokio::test]
async fn a_browser_connects_from_pages_of_this_server_alone() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let signed_in = server.sign_in(&ada.name, testkit::PASSWORD).await;
    let token = signed_in.value()["session_token"].as_str().expect("a token").to_owned();
    let upgrade = async |origin: &str| {
        let request =
            server.request(Method::GET, "/graphql", &[]).header("cookie", format!("wenyuan_session={token}"));
        let request =
            request.header("origin", origin).header("connection", "Upgrade").header("upgrade", "websocket");
        let request = request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request
            .header("sec-websocket-protocol", "graphql-transport-ws")
            .send()
            .await
            .expect("a response")
            .status()
            .as_u16()
    };
    assert_eq!(upgrade("https://evil.example").await, 403);
    assert_eq!(upgrade(&format!("http://{}", server.address())).await, 101);
}

#[tokio::test]
async fn the_schema_passes_a_linter() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/schema.graphql");
    let linter = Program::node_package("eslint/bin/eslint.js").set("SCHEMA", &schema.display().to_string());
    std::fs::copy(&schema, linter.folder().join("schema.graphql")).expect("a copy");
    let config = script("graphql_eslint.config.mjs").display().to_string();
    let run = linter.with(&["--config", &config, "schema.graphql"]).run().await;
    assert_eq!(run.code, 0, "{}\n{}", run.output, run.errors);
}
