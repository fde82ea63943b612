//! Questions and answers over REST, with a scripted model: streaming, resuming, branching, feedback, history search.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Gate, LanguageModel, Server, TestApp, eventually};

use crate::PROGRAM;

const GATE: &str =
    "# Timeouts\n\nThe gateway waits 30 seconds for a service. `--upstream-timeout` changes that.\n";

/// Starts a server with the gateway's documents and a scripted model.
async fn start(app: &TestApp) -> (Server, LanguageModel) {
    let model = LanguageModel::start().await;
    let server = app.serve().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let added = ["models", "add", "small", &model.url(), "--model", "any", "--default"];
    app.run(&added).await.succeeded();
    (server, model)
}

async fn new_chat(server: &Server, body: Value) -> String {
    let made = server.send(server.request(Method::POST, "/api/v1/chats", &[]).json(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.value()["id"].as_str().expect("an id").to_owned()
}

async fn ask(server: &Server, chat: &str, body: Value) -> Value {
    let path = format!("/api/v1/chats/{chat}/messages");
    server.send(server.request(Method::POST, &path, &[]).json(&body)).await.ok()
}

/// Returns this member of each item.
fn column(items: &Value, member: &str) -> Vec<String> {
    let items = items.as_array().unwrap_or_else(|| panic!("no list: {items}"));
    items.iter().map(|item| item[member].as_str().expect("a text").to_owned()).collect()
}

/// Event of a stream: name, id, data.
#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// Event stream, read one event at a time.
struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.header("accept", "text/event-stream").send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    async fn ask(server: &Server, chat: &str, body: &Value) -> Self {
        let path = format!("/api/v1/chats/{chat}/messages");
        Self::open(server.request(Method::POST, &path, &[]).json(body)).await
    }

    async fn follow(server: &Server, answer: &str, last: Option<&str>) -> Self {
        let path = format!("/api/v1/messages/{answer}/events");
        let request = server.request(Method::GET, &path, &[]);
        Self::open(match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        })
        .await
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let member = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.collect::<Vec<_>>().join("\n")
                };
                if member("event").is_empty() {
                    continue;
                }
                let data = serde_json::from_str(&member("data")).expect("JSON");
                return Some(Event { name: member("event"), id: member("id"), data });
            }
            let piece = tokio::time::timeout(Duration::from_mins(1), self.response.chunk()).await;
            let piece = piece.expect("an event within a minute").ok()??;
            self.read.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    async fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn text_of(events: &[Event]) -> String {
    events.iter().filter_map(|event| event.data["text"].as_str()).collect()
}

#[tokio::test]
async fn an_answer_cites_its_sources_and_reports_its_flaws() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    model.script([Answer::streaming(&[
        "It waits 30 sec",
        "onds [1]. Bananas ripen quickly [1]. ",
        "More is in [7]. ![x](https://evil.exa",
        "mple/?q=secret)",
    ])]);
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let events = Events::ask(&server, &chat, &json!({ "content": "How long does the gateway wait?" }))
        .await
        .rest()
        .await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!((names[0], names[1], names[names.len() - 1]), ("begun", "sources", "end"), "{names:?}");
    let end = &events[events.len() - 1].data;
    let answer = "It waits 30 seconds [1]. Bananas ripen quickly [1]. More is in . [x] (`https://evil.example/?q=secret`)";
    assert_eq!(text_of(&events), answer);
    assert_eq!(end["content"], answer);
    assert_eq!(end["status"], "complete");
    assert_eq!(end["metadata"]["dropped_citations"], 1);
    assert_eq!(end["metadata"]["unsupported"], json!([[25, 51]]));
    assert_eq!(end["metadata"]["usage"], json!({ "prompt_tokens": 12, "completion_tokens": 7 }));
    // The model was given the sources numbered, fenced and verbatim.
    let asked = model.request(0).await;
    assert!(asked.system_prompt().contains("[1] gate 1.4 | Timeouts"), "{}", asked.system_prompt());
    assert!(asked.system_prompt().contains("waits 30 seconds for a service"), "{}", asked.system_prompt());
    assert_eq!(asked.last_question(), "How long does the gateway wait?");
    // The answer is stored with its source, whose passage opens.
    let opened = server.json(&format!("/api/v1/chats/{chat}")).await;
    assert_eq!(opened["title"], "How long does the gateway wait?");
    assert_eq!(column(&opened["messages"], "role"), ["user", "assistant"]);
    let kept = &opened["messages"][1];
    assert_eq!(kept["content"], answer);
    let source = &kept["sources"][0];
    assert_eq!(
        (&source["number"], &source["cited"], &source["follows_active"]),
        (&json!(1), &json!(true), &json!(true))
    );
    let passage = server.json(source["url"].as_str().unwrap()).await;
    assert_eq!((&passage["content"], &passage["sha256"]), (&source["content"], &source["sha256"]));
}

#[tokio::test]
async fn without_a_model_the_passages_are_the_answer() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let told = ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    let answer = &told["answer"];
    assert_eq!(answer["metadata"]["mode"], "passages");
    let text = answer["content"].as_str().unwrap();
    assert!(
        text.starts_with("No language model is set up")
            && text.contains("[1]")
            && text.contains("30 seconds"),
        "{text}"
    );
    assert_eq!(answer["sources"][0]["cited"], true);
    let told =
        ask(&server, &chat, json!({ "content": "Which recipe for apple pie uses cinnamon and butter?" }))
            .await;
    assert_eq!(told["answer"]["metadata"]["mode"], "nothing_found");
    assert!(told["answer"]["sources"].as_array().unwrap().is_empty());
    // A missing version is refused before anything is written, and no other version answers.
    let path = format!("/api/v1/chats/{chat}/messages");
    let body = json!({ "content": "How long?", "library": "gate", "version": "9" });
    let refused = server.send(server.request(Method::POST, &path, &[]).json(&body)).await.problem(404);
    assert_eq!(refused["present"], json!(["1.4"]));
    assert_eq!(server.json(&path).await["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn no_model_is_asked_if_nothing_is_relevant() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let chat = new_chat(&server, json!({})).await;
    let told = ask(&server, &chat, json!({ "content": "苹果派需要多少肉桂和黄油？" })).await;
    assert_eq!(told["answer"]["metadata"]["mode"], "nothing_found");
    assert!(told["answer"]["content"].as_str().unwrap().starts_with("没有找到"));
    assert_eq!(model.count(), 0);
}

#[tokio::test]
async fn a_broken_stream_resumes_and_the_model_is_asked_once() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let gate = Gate::new();
    model.script([Answer::streaming(&["It waits ", "30 seconds [1]."]).gated_after(1, &gate)]);
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let mut stream =
        Events::ask(&server, &chat, &json!({ "content": "How long does the gateway wait?" })).await;
    let answer = stream.until("begun").await.data["answer_id"].as_str().unwrap().to_owned();
    let seen = stream.until("text").await;
    assert_eq!(seen.data["text"], "It waits ");
    drop(stream);
    // While the answer is written it can be read, and a second question is refused.
    let path = format!("/api/v1/chats/{chat}/messages");
    let body = json!({ "content": "And then?" });
    server.send(server.request(Method::POST, &path, &[]).json(&body)).await.problem(409);
    gate.open();
    let rest = Events::follow(&server, &answer, Some(&seen.id)).await.rest().await;
    assert_eq!(text_of(&rest), "30 seconds [1].");
    assert_eq!(rest[rest.len() - 1].data["content"], "It waits 30 seconds [1].");
    // After the end the whole answer is delivered again.
    let whole = Events::follow(&server, &answer, None).await.rest().await;
    assert_eq!(text_of(&whole), "It waits 30 seconds [1].");
    assert_eq!(whole[0].name, "sources");
    assert_eq!(model.count(), 1);
}

#[tokio::test]
async fn a_stopped_answer_keeps_its_text() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let gate = Gate::new();
    model.script([Answer::streaming(&["It waits 30 seconds [1]. ", "And more."]).gated_after(1, &gate)]);
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let mut stream =
        Events::ask(&server, &chat, &json!({ "content": "How long does the gateway wait?" })).await;
    let answer = stream.until("begun").await.data["answer_id"].as_str().unwrap().to_owned();
    stream.until("text").await;
    assert_eq!(server.post(&format!("/api/v1/messages/{answer}/stop")).await.status, 204);
    let end = stream.until("end").await;
    assert_eq!(
        (&end.data["status"], &end.data["content"]),
        (&json!("stopped"), &json!("It waits 30 seconds [1]. "))
    );
    // The connection to the model is closed.
    model.wait_for_disconnects(1).await;
    let kept = server.json(&format!("/api/v1/messages/{answer}")).await;
    assert_eq!((&kept["status"], &kept["sources"][0]["cited"]), (&json!("stopped"), &json!(true)));
}

#[tokio::test]
async fn a_crash_keeps_the_question_and_the_text_so_far() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let gate = Gate::new();
    model.script([Answer::streaming(&["It waits 30 seconds [1].", " And"]).gated_after(1, &gate)]);
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let mut stream =
        Events::ask(&server, &chat, &json!({ "content": "How long does the gateway wait?" })).await;
    let answer = stream.until("begun").await.data["answer_id"].as_str().unwrap().to_owned();
    stream.until("text").await;
    let path = format!("/api/v1/messages/{answer}");
    eventually("the part of the answer in the database", async || {
        let other = server.json(&path).await;
        (other["content"] == "It waits 30 seconds [1].").then_some(())
    })
    .await;
    server.kill();
    let server = app.serve().await;
    let kept = eventually("the mark", async || {
        let kept = server.json(&path).await;
        (kept["status"] == "interrupted").then_some(kept)
    })
    .await;
    assert_eq!(kept["content"], "It waits 30 seconds [1].");
    assert_eq!(kept["sources"][0]["library"], "gate");
    // Following it ends at once, and regenerating works.
    let events = Events::follow(&server, &answer, None).await.rest().await;
    assert_eq!(events[events.len() - 1].data["status"], "interrupted");
    model.script([Answer::streaming(&["It waits 30 seconds [1]."])]);
    let again = ask(&server, &chat, json!({ "again": answer })).await;
    assert_eq!(again["answer"]["status"], "complete");
    assert_eq!(again["answer"]["siblings"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_shutdown_marks_answers_as_interrupted() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let gate = Gate::new();
    model.script([Answer::streaming(&["It waits", " 30"]).gated_after(1, &gate)]);
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let mut stream =
        Events::ask(&server, &chat, &json!({ "content": "How long does the gateway wait?" })).await;
    stream.until("text").await;
    server.terminate();
    assert_eq!(stream.until("end").await.data["status"], "interrupted");
    drop(stream);
    assert!(server.stop().await.success());
    let server = app.serve().await;
    let opened = server.json(&format!("/api/v1/chats/{chat}")).await;
    assert_eq!(opened["messages"][1]["status"], "interrupted");
}

#[tokio::test]
async fn a_follow_up_question_is_searched_with_its_conversation() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    model.script([
        Answer::streaming(&["It waits 30 seconds [1]."]),
        Answer::streaming(&["Query: \"gateway upstream-timeout change\""]),
        Answer::streaming(&["With `--upstream-timeout` [1]."]),
    ]);
    ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    let told = ask(&server, &chat, json!({ "content": "How do I change that?" })).await;
    assert_eq!(told["answer"]["metadata"]["query"], "gateway upstream-timeout change");
    assert_eq!(told["answer"]["content"], "With `--upstream-timeout` [1].");
    let condensing = model.request(1).await;
    assert!(condensing.last_question().ends_with("Last question: How do I change that?"));
    // The conversation is included, without citations, whose numbers would mean other sources now.
    let messages = model.request(2).await.body["messages"].clone();
    assert_eq!(messages[1]["content"], "How long does the gateway wait?");
    assert_eq!(messages[2]["content"], "It waits 30 seconds.");
    // A condensed query may be worse than the words of the conversation: these are searched too.
    model.script([
        Answer::streaming(&["apple pie with cinnamon"]),
        Answer::streaming(&["With `--upstream-timeout` [1]."]),
    ]);
    let told = ask(&server, &chat, json!({ "content": "And how do I change the gateway?" })).await;
    assert_eq!(
        (&told["answer"]["metadata"]["mode"], &told["answer"]["sources"][0]["library"]),
        (&json!("model"), &json!("gate"))
    );
}

#[tokio::test]
async fn edits_and_regenerated_answers_are_siblings() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    model.answer_with(|_asked| Answer::streaming(&["It waits [1]."]));
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let first = ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    let (question, answer) = (&first["question_id"], &first["answer"]["message_id"]);
    let again = ask(&server, &chat, json!({ "again": answer })).await;
    assert_eq!(&again["question_id"], question);
    assert_eq!(again["answer"]["siblings"], json!([answer, again["answer"]["message_id"]]));
    let edit = ask(
        &server,
        &chat,
        json!({ "content": "How long does the gateway wait, in seconds?", "edit": question }),
    )
    .await;
    let opened = server.json(&format!("/api/v1/chats/{chat}")).await;
    assert_eq!(opened["messages"][0]["siblings"], json!([question, edit["question_id"]]));
    assert_eq!(opened["messages"].as_array().unwrap().len(), 2);
    // Select the earlier branch.
    let chosen = server.patch(&format!("/api/v1/chats/{chat}"), &json!({ "current": question })).await.ok();
    assert_eq!(chosen["current"], again["answer"]["message_id"]);
    let messages = server.json(&format!("/api/v1/chats/{chat}/messages")).await;
    assert_eq!(&messages["items"][0]["message_id"], question);
    let all = server.json(&format!("/api/v1/chats/{chat}/messages?all=true")).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 5);
    let path = format!("/api/v1/chats/{chat}/messages");
    let wrong = server
        .send(server.request(Method::POST, &path, &[]).json(&json!({ "content": "x", "edit": answer })))
        .await;
    wrong.problem(400);
}

#[tokio::test]
async fn chats_are_listed_renamed_archived_deleted_and_restored() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut made = Vec::new();
    for title in ["one", "two", "three"] {
        made.push(new_chat(&server, json!({ "title": title })).await);
    }
    let titles =
        async |query: &str| column(&server.json(&format!("/api/v1/chats{query}")).await["items"], "title");
    assert_eq!(titles("").await, ["three", "two", "one"]);
    let one = format!("/api/v1/chats/{}", made[0]);
    server.patch(&one, &json!({ "pinned": true, "title": "  the\n first " })).await.ok();
    assert_eq!(titles("").await, ["the first", "three", "two"]);
    let page = server.json("/api/v1/chats?limit=2").await;
    let next = format!("?limit=2&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(titles(&next).await, ["two"]);
    server.patch(&format!("/api/v1/chats/{}", made[1]), &json!({ "archived": true })).await.ok();
    assert_eq!(titles("?which=archived").await, ["two"]);
    assert_eq!(server.delete(&one).await.status, 204);
    assert_eq!(
        (titles("").await, titles("?which=deleted").await),
        (vec!["three".to_owned()], vec!["the first".to_owned()])
    );
    server.post(&format!("{one}/restore")).await.ok();
    assert_eq!(titles("").await, ["the first", "three"]);
    for wrong in [json!({ "title": " " }), json!({ "version": "1" }), json!({ "focus_mode": "telepathy" })] {
        server.patch(&one, &wrong).await.problem(400);
    }
}

#[tokio::test]
async fn a_purged_chat_is_gone_with_its_quotations() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let chat = new_chat(&server, json!({})).await;
    ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    server.delete(&format!("/api/v1/chats/{chat}")).await;
    let database = app.database();
    database.run("update chat.chats set deleted_at = now() - interval '31 days'").await;
    database.run("update chat.quotes set used_at = now() - interval '2 days'").await;
    // As if an hour had passed.
    database.run("update store.schedules set next_run_at = now() where name = 'chat.purge'").await;
    drop(server);
    let _server = app.serve().await;
    eventually("the end of what was deleted", async || {
        let left = "select (select count(*) from chat.messages) + (select count(*) from chat.quotes)";
        (database.count(left).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn history_search_finds_only_own_messages_in_both_languages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let (ada, bo) = (server.person(&admin, "ada2", "user").await, server.person(&admin, "bo", "user").await);
    let of = |person: &testkit::Person| person.access_token.clone();
    let mut chats = Vec::new();
    for (person, question) in [
        (&ada, "How do timeouts of the gateway work?"),
        (&ada, "数据库的备份怎样恢复？"),
        (&bo, "Which timeouts are there?"),
    ] {
        let made =
            server.ask(Some(&of(person)), Method::POST, "/api/v1/chats", Some(json!({}))).await.value();
        let path = format!("/api/v1/chats/{}", made["id"].as_str().unwrap());
        let asked = Some(json!({ "content": question }));
        assert_eq!(
            server.ask(Some(&of(person)), Method::POST, &format!("{path}/messages"), asked).await.status,
            200
        );
        chats.push(path);
    }
    let search = async |person: &testkit::Person, words: &str| {
        let path = format!("/api/v1/history/search?q={words}");
        let page = server.ask(Some(&of(person)), Method::GET, &path, None).await.value();
        // A question and its answer may contain the same words.
        let mut titles = column(&page["items"], "title");
        titles.dedup();
        titles
    };
    assert_eq!(search(&ada, "timeout").await, ["How do timeouts of the gateway work?"]);
    assert_eq!(search(&ada, "恢复 备份").await, ["数据库的备份怎样恢复？"]);
    assert_eq!(search(&bo, "timeout").await, ["Which timeouts are there?"]);
    assert!(search(&bo, "备份").await.is_empty());
    // Chats of other users do not exist for anybody.
    for (method, path) in [
        (Method::GET, chats[0].clone()),
        (Method::GET, format!("{}/messages", chats[0])),
        (Method::DELETE, chats[0].clone()),
        (Method::POST, format!("{}/restore", chats[0])),
    ] {
        for other in [&of(&bo), &admin.access_token] {
            let reply = server.ask(Some(other), method.clone(), &path, None).await;
            assert_eq!(reply.status, 404, "{method} {path}");
        }
        assert_eq!(server.ask(None, method, &path, None).await.status, 401);
    }
    // An API key reaches its user's history only with the scope chats.
    // A key confined to libraries does not: the history quotes other libraries too.
    for (name, scopes, libraries, status) in [
        ("reads", json!(["read"]), Value::Null, 403),
        ("confined", json!(["read", "chats"]), json!(["wenyuan"]), 403),
        ("chats", json!(["read", "chats"]), Value::Null, 200),
    ] {
        let body = json!({ "name": name, "scopes": scopes, "libraries": libraries });
        let key = server.ask(Some(&of(&ada)), Method::POST, "/api/v1/keys", Some(body)).await.value();
        let reply = server.ask(key["key"].as_str(), Method::GET, &chats[0], None).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn only_the_owner_sets_a_verdict() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let told = ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    let path = format!("/api/v1/messages/{}/verdict", told["answer"]["message_id"].as_str().unwrap());
    let put = async |body: Value| server.send(server.request(Method::PUT, &path, &[]).json(&body)).await;
    put(json!({ "verdict": "splendid" })).await.problem(400);
    let said =
        put(json!({ "verdict": "wrong", "reason": "It is 10.", "correction": "10 seconds" })).await.ok();
    assert_eq!(
        said["verdict"],
        json!({ "verdict": "wrong", "reason": "It is 10.", "correction": "10 seconds" })
    );
    let question = format!("/api/v1/messages/{}/verdict", told["question_id"].as_str().unwrap());
    let body = json!({ "verdict": "good" });
    server.send(server.request(Method::PUT, &question, &[]).json(&body)).await.problem(400);
    assert_eq!(server.delete(&path).await.status, 204);
    let opened = server.json(&format!("/api/v1/chats/{chat}")).await;
    assert_eq!(opened["messages"][1]["verdict"], Value::Null);
}

#[tokio::test]
async fn a_failed_model_falls_back_to_passages_and_a_broken_answer_is_kept() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    model.script([Answer::status(401, r#"{"error":{"message":"bad key sk-secret"}}"#)]);
    let told = ask(&server, &chat, json!({ "content": "How long does the gateway wait?" })).await;
    let answer = &told["answer"];
    assert_eq!((&answer["status"], &answer["metadata"]["mode"]), (&json!("complete"), &json!("passages")));
    assert!(answer["content"].as_str().unwrap().contains("The language model did not answer"), "{answer}");
    assert!(!answer.to_string().contains("sk-secret"));
    model.script([Answer::streaming(&["It waits 30 seconds [1]. ", "And"]).disconnecting_after(1)]);
    let told = ask(&server, &chat, json!({ "again": answer["message_id"] })).await;
    let answer = &told["answer"];
    assert_eq!(answer["status"], "interrupted");
    assert_eq!(answer["content"], "It waits 30 seconds [1]. ");
    assert!(answer["metadata"]["error"].as_str().is_some());
    assert_eq!(answer["sources"][0]["cited"], true);
}

#[tokio::test]
async fn opening_a_chat_of_any_length_takes_two_statements() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let chat = new_chat(&server, json!({})).await;
    app
        .database()
        .run(
            "do $$ declare last int8; chat uuid := (select id from chat.chats); begin
               for n in 1..300 loop
                 insert into chat.messages (message_id, chat_id, parent_id, role, content)
                 values (gen_random_uuid(), chat, last, case n % 2 when 1 then 'user' else 'assistant' end, 'message ' || n)
                 returning id into last;
               end loop;
               update chat.chats set current_id = last;
             end $$",
        )
        .await;
    let path = format!("/api/v1/chats/{chat}");
    server.json(&path).await;
    let before = statements(&server).await;
    let opened = server.json(&path).await;
    assert_eq!(statements(&server).await - before, 2);
    assert_eq!(opened["messages"].as_array().unwrap().len(), 50);
    assert_eq!(opened["messages"][49]["content"], "message 300");
    // Page back to the first message.
    let mut next = opened["next"].as_str().map(str::to_owned);
    let mut first = opened["messages"][0]["content"].clone();
    let mut pages = 1;
    while let Some(cursor) = next {
        let page = server.json(&format!("{path}?cursor={cursor}")).await;
        first = page["messages"][0]["content"].clone();
        next = page["next"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!((first, pages), (json!("message 1"), 6));
}

/// Returns the number of statements on chats and messages that the server has run, from its metrics.
async fn statements(server: &Server) -> u64 {
    let text = server.get("/metrics", &[]).await.text();
    let of_chats = text.lines().filter(|line| {
        line.starts_with("wenyuan_statement_seconds_count")
            && (line.contains("\"chats.") || line.contains("\"messages."))
    });
    of_chats.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn the_command_line_asks_continues_and_searches_chats() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    drop(server);
    model.script([Answer::streaming(&["It waits ", "30 seconds [1]. Bananas [1]."])]);
    let asked = app.run(&["ask", "How long does the gateway wait?", "--library", "gate"]).await;
    assert!(asked.errors.contains("1 sentences share no word"), "{asked:?}");
    let chat = asked
        .errors
        .split("--chat ")
        .nth(1)
        .expect("a chat")
        .split_whitespace()
        .next()
        .expect("an id")
        .to_owned();
    let text = asked.succeeded();
    assert!(text.starts_with("It waits 30 seconds [1]. Bananas [1].\n\n[1] gate 1.4  timeouts.md"), "{text}");
    model.script([
        Answer::streaming(&["gateway upstream-timeout"]),
        Answer::streaming(&["With `--upstream-timeout` [1]."]),
    ]);
    let next = app.run(&["ask", "--last", "How", "do", "I", "change", "that?", "--json"]).await.json();
    assert_eq!((&next["chat_id"], &next["status"]), (&json!(chat), &json!("complete")));
    // A question with --forget is not stored.
    model.script([Answer::streaming(&["It waits [1]."])]);
    app.run(&["ask", "--forget", "How long does the gateway wait?", "-l", "gate"]).await.succeeded();
    let listed = app.run(&["chats", "--json"]).await.json();
    assert_eq!(column(&listed["items"], "id"), std::slice::from_ref(&chat));
    let found = app.run(&["chats", "search", "upstream-timeout"]).await.succeeded();
    assert!(found.contains("How long does the gateway wait?") && found.contains(&chat), "{found}");
    let shown = app.run(&["chats", "show", &chat, "--json"]).await.json();
    assert_eq!(column(&shown["messages"], "role"), ["user", "assistant", "user", "assistant"]);
    let answer = shown["messages"][3]["message_id"].as_str().expect("an id").to_owned();
    app.run(&["chats", "judge", &answer, "wrong", "--reason", "It is another option."]).await.succeeded();
    app.run(&["chats", "rename", &chat, "Timeouts"]).await.succeeded();
    app.run(&["chats", "delete", &chat]).await.succeeded();
    assert!(app.run(&["chats", "list", "--deleted"]).await.succeeded().contains("Timeouts"));
    app.run(&["chats", "restore", &chat]).await.succeeded();
    assert!(app.run(&["chats", "show", &chat]).await.succeeded().contains("wrong"));
    // A question that cannot be answered is refused, and leaves no empty chat.
    let refused = app.run(&["ask", "How long?", "-l", "gate", "-V", "9"]).await.failed();
    assert!(refused.contains("gate has no version 9; it has 1.4"), "{refused}");
    let refused = app.run(&["ask", "How long?", "-m", "large"]).await.failed();
    assert!(refused.contains("small"), "{refused}");
    assert_eq!(app.run(&["chats", "--json"]).await.json()["items"].as_array().map(Vec::len), Some(1));
    // An answer without citations is reported as such, with the sources that the model was given.
    model.script([Answer::streaming(&["It waits half a minute."])]);
    let uncited = app.run(&["ask", "How long does the gateway wait?", "-l", "gate"]).await;
    assert!(uncited.errors.contains("the answer cites none of its sources"), "{uncited:?}");
    assert!(uncited.succeeded().contains("[1] gate 1.4  timeouts.md"));
}

#[tokio::test]
async fn appending_takes_a_fixed_number_of_statements() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A\n\nwords").await;
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let question = json!({ "content": "Zzyzx qwrtpl?" });
    ask(&server, &chat, question.clone()).await;
    // Find the chat, lock it, find the position, write question and answer, read the conversation, record the end, read the answer:
    // the number does not depend on the length of the chat.
    for _ in 0..2 {
        let before = statements(&server).await;
        ask(&server, &chat, question.clone()).await;
        assert_eq!(statements(&server).await - before, 7);
    }
}

#[tokio::test]
async fn simultaneous_answers_per_user_are_limited() {
    let app = TestApp::new(PROGRAM).await;
    let (server, model) = start(&app).await;
    app.run(&["models", "change", "small", "--concurrency", "100"]).await.succeeded();
    model.answer_with(|_asked| Answer::streaming(&["It waits", " 30"]).hanging_after(1));
    let mut streams = Vec::new();
    let question = json!({ "content": "How long does the gateway wait?" });
    for _ in 0..50 {
        let chat = new_chat(&server, json!({ "library": "gate" })).await;
        let mut stream = Events::ask(&server, &chat, &question).await;
        let begun = stream.until("begun").await;
        streams.push((stream, begun.data["answer_id"].as_str().expect("an id").to_owned()));
    }
    let chat = new_chat(&server, json!({ "library": "gate" })).await;
    let path = format!("/api/v1/chats/{chat}/messages");
    let refused = server.send(server.request(Method::POST, &path, &[]).json(&question)).await;
    assert_eq!(refused.header("retry-after"), Some("5"));
    refused.problem(429);
    // Other users are answered, and stopping one answer frees its slot.
    let admin = server.set_up().await;
    let other = json!({ "question": "Zzyzx qwrtpl?" });
    assert_eq!(
        server.ask(Some(&admin.access_token), Method::POST, "/api/v1/ask", Some(other)).await.status,
        200
    );
    let (mut stream, answer) = streams.pop().expect("a stream");
    assert_eq!(server.post(&format!("/api/v1/messages/{answer}/stop")).await.status, 204);
    stream.until("end").await;
    let mut stream = Events::ask(&server, &chat, &question).await;
    stream.until("text").await;
}
