//! Posted answers: who reads one is decided by all that it was written from, and its stale mark outlives the chat.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, LanguageModel, Person, Server, TestApp, eventually};

use crate::PROGRAM;
use crate::social_posts::{act, each, get, id, post};

const QUESTION: &str = "How many zebras does the paddock hold?";

async fn visibility(server: &Server, ada: &Person, library: &str, visibility: &str) {
    let body = Some(json!({ "visibility": visibility }));
    act(server, ada, Method::PATCH, &format!("libraries/{library}"), body).await.ok();
}

async fn new_chat(server: &Server, person: &Person) -> String {
    id(&act(server, person, Method::POST, "chats", Some(json!({}))).await.value()).to_owned()
}

/// Asks in a chat, and returns the answer.
async fn ask(server: &Server, person: &Person, chat: &str, library: Option<&str>) -> Value {
    let body = json!({ "content": QUESTION, "library": library });
    let path = format!("chats/{chat}/messages");
    act(server, person, Method::POST, &path, Some(body)).await.ok()["answer"].clone()
}

fn about(answer: &Value) -> Value {
    json!({ "about": { "message_id": answer["message_id"] } })
}

#[tokio::test]
async fn a_posted_answer_is_read_by_those_who_read_all_it_was_written_from() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("secret", "1", "secret.md", "# Paddock\n\nThe paddock holds thirty zebras.\n").await;
    server.add("open", "1", "open.md", "# Paddock\n\nThe paddock holds zebras behind a fence.\n").await;
    visibility(&server, &ada, "secret", "private").await;
    visibility(&server, &ada, "open", "public").await;
    let model = LanguageModel::start().await;
    app.run(&["models", "add", "small", &model.url(), "--model", "any", "--default"]).await.succeeded();
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    let grant = "libraries/secret/grants/ben";
    act(&server, &ada, Method::PUT, grant, Some(json!({ "level": "read" }))).await.ok();
    let hidden = async |answer: &Value| {
        let made = post(&server, &ben, about(answer)).await;
        let path = format!("posts/{}", id(&made));
        act(&server, &eve, Method::GET, &path, None).await.problem(404);
        act(&server, &ada, Method::GET, &path, None).await.ok();
        assert_eq!(each(&get(&server, &eve, "posts").await, "id"), Vec::<Value>::new());
        made
    };

    // It cites nothing, though it was written from a private passage.
    model.answer_with(|_| Answer::streaming(&["It holds thirty."]));
    let chat = new_chat(&server, &ben).await;
    let uncited = ask(&server, &ben, &chat, Some("secret")).await;
    assert!(
        uncited["sources"].as_array().unwrap().iter().all(|source| source["cited"] == false),
        "{uncited}"
    );
    let made = hidden(&uncited).await;
    assert_eq!(
        (&made["about"]["answer"]["sources"], &made["about"]["library"]),
        (&json!([]), &json!("secret"))
    );
    // It cites one of two libraries.
    model.answer_with(|_| Answer::streaming(&["It holds thirty [1]."]));
    let both = new_chat(&server, &ben).await;
    let both = ask(&server, &ben, &both, None).await;
    let mut libraries: Vec<&str> =
        both["sources"].as_array().unwrap().iter().filter_map(|source| source["library"].as_str()).collect();
    libraries.sort_unstable();
    assert_eq!(libraries, ["open", "secret"], "{both}");
    hidden(&both).await;
    // The turn before it was about a private library.
    hidden(&ask(&server, &ben, &chat, Some("open")).await).await;
    // What was written from public passages alone is read by all.
    let public = new_chat(&server, &ben).await;
    let public = post(&server, &ben, about(&ask(&server, &ben, &public, Some("open")).await)).await;
    assert_eq!(
        get(&server, &eve, &format!("posts/{}", id(&public))).await["about"]["answer"]["question"],
        QUESTION
    );

    // Who may read no more what it was written from does not take it along, either.
    let taken = async || act(&server, &ben, Method::GET, "personal-data", None).await.text();
    assert!(taken().await.contains("It holds thirty."));
    act(&server, &ada, Method::DELETE, grant, None).await;
    let left = taken().await;
    assert!(left.contains(QUESTION) && !left.contains("It holds thirty."), "{left}");

    // Another library of the same name does not open what was written from the first one.
    assert_eq!(act(&server, &ada, Method::DELETE, "libraries/secret", None).await.status, 204);
    // And what nobody can read any more is deleted with it.
    assert_eq!(app.database().count("select count(*) from social.posts").await, 1);
    server.add("secret", "1", "other.md", "# Other\n\nNothing of the kind.\n").await;
    visibility(&server, &ada, "secret", "public").await;
    act(&server, &ben, Method::POST, "posts", Some(about(&uncited))).await.problem(400);
}

#[tokio::test]
async fn an_answer_from_a_file_of_the_chat_is_not_posted_even_if_it_does_not_cite_it() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe paddock holds thirty zebras.\n").await;
    let chat = new_chat(&server, &ada).await;
    let answer = ask(&server, &ada, &chat, Some("gate")).await;
    app.database()
        .run(
            "update chat.message_sources set kind = 'file', cited = false, passage_id = null, library = null",
        )
        .await;
    let refused = act(&server, &ada, Method::POST, "posts", Some(about(&answer))).await.problem(400);
    assert!(refused["detail"].as_str().unwrap().contains("file of your chat"), "{refused}");
}

#[tokio::test]
async fn the_stale_mark_of_a_posted_answer_outlives_its_chat() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let text = |zebras: &str| format!("# Paddock\n\nThe paddock holds {zebras} zebras.\n");
    server.add("gate", "1", "gate.md", text("30")).await;
    // Without a model, an answer quotes the passages and cites them.
    let chat = new_chat(&server, &ada).await;
    let made = post(&server, &ada, about(&ask(&server, &ada, &chat, Some("gate")).await)).await;
    let path = format!("posts/{}", id(&made));
    let is_stale = async || get(&server, &ada, &path).await["about"]["answer"]["stale"] == true;
    assert!(!is_stale().await);
    server.add("gate", "1", "gate.md", text("45")).await;
    eventually("the stale mark", async || is_stale().await.then_some(())).await;
    app.database().run("delete from chat.chats").await;
    let left = get(&server, &ada, &path).await;
    assert_eq!(left["about"]["answer"]["stale"], true, "{left}");
    // Nor does it become stale for the wrong reason, and it still becomes so.
    server.add("gate", "1", "gate.md", text("30")).await;
    assert!(!is_stale().await);
    server.add("gate", "2", "gate.md", text("60")).await;
    act(&server, &ada, Method::POST, "libraries/gate/versions/2/activate", None).await.ok();
    assert!(is_stale().await);
    act(&server, &ada, Method::DELETE, "libraries/gate/versions/1", None).await;
    assert!(is_stale().await);
}
