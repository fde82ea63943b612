//! Changes by `/graphql` of what REST changes, too, seen by both; hostile documents with variables.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, LanguageModel, TestApp, fuzz};

use crate::PROGRAM;
use crate::graphql::{next_event, run, send};

#[tokio::test]
async fn libraries_notes_and_permissions_change() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    server.add("tea", "1", "guide.md", "# Tea\n\nSteep green tea at eighty degrees.").await;
    server.add("tea", "2", "guide.md", "# Tea\n\nSteep green tea at ninety degrees.").await;

    let change = r#"mutation { changeLibrary(name: "tea", title: "All about tea", visibility: PRIVATE) { ... on Library { title visibility } } }"#;
    let changed = run(&server, &ada, change, json!({})).await;
    assert_eq!(
        changed["data"]["changeLibrary"],
        json!({ "title": "All about tea", "visibility": "PRIVATE" })
    );
    let library = r#"{ library(name: "tea") { title activeVersion } }"#;
    assert_eq!(run(&server, &ben, library, json!({})).await["data"]["library"], Value::Null);
    let grant = "mutation ($level: Level) { setGrant(library: \"tea\", username: \"ben\", level: $level) { ... on Grant { username level } ... on Refusal { code } } }";
    let granted = run(&server, &ada, grant, json!({ "level": "READ" })).await;
    assert_eq!(granted["data"]["setGrant"], json!({ "username": "ben", "level": "READ" }));
    let refused = run(&server, &ben, grant, json!({ "level": "OWN" })).await;
    assert_eq!(refused["data"]["setGrant"]["code"], "forbidden", "{refused}");
    let activate =
        r#"mutation { activateVersion(library: "tea", version: "1") { ... on Library { activeVersion } } }"#;
    run(&server, &ada, activate, json!({})).await;
    let seen = run(&server, &ben, library, json!({})).await["data"]["library"].clone();
    assert_eq!(seen, json!({ "title": "All about tea", "activeVersion": "1" }));
    let revoked = run(&server, &ada, grant, json!({ "level": null })).await;
    assert_eq!(revoked["data"]["setGrant"], json!({ "username": "ben", "level": null }));
    assert_eq!(run(&server, &ben, library, json!({})).await["data"]["library"], Value::Null);

    server.caught_up().await;
    let find = r#"{ find(words: "tea") { __typename ... on Library { name } ... on Document { path } ... on SearchHit { snippet passage { id } } } }"#;
    let found = run(&server, &ada, find, json!({})).await["data"]["find"].clone();
    let kinds: Vec<&str> =
        found.as_array().expect("a list").iter().filter_map(|item| item["__typename"].as_str()).collect();
    assert_eq!(kinds, ["Library", "Document", "SearchHit"], "{found}");
    let add = "mutation ($passage: ID!, $text: String!) { addNote(passage: $passage, category: WRONG, text: $text) { ... on Note { id category } ... on Refusal { code message } } }";
    let passage = &found[2]["passage"]["id"];
    let noted = run(&server, &ada, add, json!({ "passage": passage, "text": "Seventy." })).await;
    let note = noted["data"]["addNote"]["id"].as_str().unwrap_or_else(|| panic!("{noted}")).to_owned();
    let long = run(&server, &ada, add, json!({ "passage": passage, "text": "x".repeat(20_000) })).await;
    assert_eq!(long["data"]["addNote"]["code"], "invalid", "{long}");
    let resolve = "mutation ($id: ID!) { resolveNote(id: $id) { ... on Done { id } } }";
    assert_eq!(run(&server, &ada, resolve, json!({ "id": note })).await["data"]["resolveNote"]["id"], note);
    let resolved =
        server.ask(Some(&ada.access_token), Method::GET, "/api/v1/notes?resolved=true", None).await;
    assert_eq!(resolved.ok()["items"][0]["id"], note);

    let delete = r#"mutation ($version: String!) { deleteVersion(library: "tea", version: $version) { ... on Library { versions { label } } ... on Refusal { code message } } }"#;
    let active = run(&server, &ada, delete, json!({ "version": "1" })).await;
    assert_eq!(active["data"]["deleteVersion"]["code"], "conflict", "{active}");
    let left = run(&server, &ada, delete, json!({ "version": "2" })).await;
    assert_eq!(left["data"]["deleteVersion"]["versions"], json!([{ "label": "1" }]), "{left}");
    run(&server, &ada, r#"mutation { deleteLibrary(name: "tea") { ... on Done { id } } }"#, json!({})).await;
    assert_eq!(run(&server, &ada, library, json!({})).await["data"]["library"], Value::Null);
}

#[tokio::test]
async fn a_question_is_asked_followed_and_judged() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("tea", "1", "guide.md", "# Tea\n\nSteep green tea at eighty degrees.").await;
    server.caught_up().await;
    let scripted = LanguageModel::start().await;
    scripted.answer_with(|_| Answer::streaming(&["At eighty ", "degrees [1]."]));
    let add = "mutation ($model: LanguageModelInput!) { createLanguageModel(model: $model) { ... on LanguageModel { name hasApiKey } ... on Refusal { code message } } }";
    let model = json!({ "name": "small", "endpoint": scripted.url(), "model": "any", "apiKey": "secret-of-the-model", "isDefault": true });
    let added = run(&server, &ada, add, json!({ "model": model })).await;
    assert_eq!(
        added["data"]["createLanguageModel"],
        json!({ "name": "small", "hasApiKey": true }),
        "{added}"
    );
    let change = "mutation ($model: LanguageModelInput!) { changeLanguageModel(name: \"small\", model: $model) { ... on LanguageModel { hasApiKey answerTokens } ... on Refusal { code message } } }";
    let kept = run(&server, &ada, change, json!({ "model": { "answerTokens": 512 } })).await;
    assert_eq!(kept["data"]["changeLanguageModel"], json!({ "hasApiKey": true, "answerTokens": 512 }));
    let removed = run(&server, &ada, change, json!({ "model": { "apiKey": null } })).await;
    assert_eq!(removed["data"]["changeLanguageModel"]["hasApiKey"], false, "{removed}");

    let create = r#"mutation { createChat(chat: { title: "Tea", library: "tea" }) { ... on Chat { id libraryName } } }"#;
    let chat = run(&server, &ada, create, json!({})).await["data"]["createChat"].clone();
    assert_eq!(chat["libraryName"], "tea");
    let ask = "mutation ($chat: ID!) { ask(chat: $chat, question: \"Steep green tea at how many degrees?\") { ... on StartedAnswer { question answer } ... on Refusal { code message } } }";
    let asked = run(&server, &ada, ask, json!({ "chat": chat["id"] })).await["data"]["ask"].clone();
    let follow = "subscription ($id: ID!) { answer(message: $id) { text ended } }";
    let body = json!({ "query": follow, "variables": { "id": asked["answer"] } });
    let request = server.request_as(Some(&ada.access_token), Method::POST, "/graphql", &[]).json(&body);
    let mut stream = request.header("accept", "text/event-stream").send().await.expect("a response");
    let mut text = String::new();
    loop {
        let part = next_event(&mut stream, "next").await["data"]["answer"].clone();
        text += part["text"].as_str().unwrap_or_else(|| panic!("{part}"));
        if part["ended"] == true {
            break;
        }
    }
    assert_eq!(text, "At eighty degrees [1].");
    let judge = "mutation ($id: ID!, $verdict: VerdictKind) { setVerdict(answer: $id, verdict: $verdict, reason: \"Ninety.\") { ... on ChatMessage { content sources { path cited } } ... on Refusal { code message } } }";
    let judged = run(&server, &ada, judge, json!({ "id": asked["answer"], "verdict": "WRONG" })).await;
    let sources = json!([{ "path": "guide.md", "cited": true }]);
    assert_eq!(judged["data"]["setVerdict"], json!({ "content": text, "sources": sources }), "{judged}");
    let found = run(&server, &ada, "{ workList { nodes { id kind details } } }", json!({})).await;
    let item = found["data"]["workList"]["nodes"][0].clone();
    assert_eq!((&item["kind"], &item["details"]), (&json!("ANSWER_WRONG"), &json!(["Ninety."])), "{found}");
    let resolve =
        "mutation ($id: ID!) { resolveWorkListItem(id: $id) { ... on WorklistItem { resolvedBy } } }";
    let resolved = run(&server, &ada, resolve, json!({ "id": item["id"] })).await;
    assert_eq!(resolved["data"]["resolveWorkListItem"]["resolvedBy"], "ada", "{resolved}");
    let change = "mutation ($id: ID!) { changeChat(id: $id, chat: { library: null }, pinned: true, archived: true) { ... on Chat { title libraryName pinned archived } } }";
    let changed = run(&server, &ada, change, json!({ "id": chat["id"] })).await["data"]["changeChat"].clone();
    let expected = json!({ "title": "Tea", "libraryName": null, "pinned": true, "archived": true });
    assert_eq!(changed, expected);
    let archived = run(&server, &ada, "{ chats(state: ARCHIVED) { nodes { id } } }", json!({})).await;
    assert_eq!(archived["data"]["chats"]["nodes"], json!([{ "id": chat["id"] }]));
}

#[tokio::test]
async fn a_key_is_created_used_and_ended_and_secrets_stay_secret() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let create = "mutation { createKey(key: { name: \"agent\", scopes: [CHATS], expiresInDays: 30 }) { ... on CreatedKey { secret key { id scopes enabled } } ... on Refusal { code } } }";
    let created = run(&server, &ada, create, json!({})).await["data"]["createKey"].clone();
    assert_eq!(created["key"]["scopes"], json!(["READ", "CHATS"]), "{created}");
    let again = run(&server, &ada, create, json!({})).await;
    assert_eq!(again["data"]["createKey"]["code"], "name-taken", "{again}");
    let secret = created["secret"].as_str().expect("a secret");
    let viewer = "{ viewer { username } }";
    let seen = send(&server, Some(secret), viewer, json!({})).await.ok();
    assert_eq!(seen["data"]["viewer"]["username"], "ada");
    let listed =
        run(&server, &ada, "{ keys { name prefix } settings { key value secret } }", json!({})).await;
    assert!(!listed.to_string().contains(secret), "{listed}");
    let settings = listed["data"]["settings"].as_array().expect("settings");
    let hidden = settings.iter().filter(|setting| setting["secret"] == true);
    assert!(
        hidden.clone().count() > 0 && hidden.clone().all(|setting| setting["value"].is_null()),
        "{listed}"
    );
    let disable = "mutation ($id: ID!) { enableKey(id: $id, enabled: false) { ... on Key { enabled } } }";
    run(&server, &ada, disable, json!({ "id": created["key"]["id"] })).await;
    assert_eq!(send(&server, Some(secret), viewer, json!({})).await.status, 401);
    let delete = "mutation ($id: ID!) { deleteKey(id: $id) { ... on Done { id } ... on Refusal { code } } }";
    let of_key = json!({ "id": created["key"]["id"] });
    assert_eq!(
        run(&server, &ada, delete, of_key.clone()).await["data"]["deleteKey"]["id"],
        created["key"]["id"]
    );
    assert_eq!(run(&server, &ada, delete, of_key).await["data"]["deleteKey"]["code"], "not-found");
}

/// Number of mutated documents that are sent.
const HOSTILE: usize = 2_000;

#[tokio::test]
async fn hostile_documents_with_variables_are_answered() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let examples: [&[u8]; 6] = [
        br#"{"query":"query ($n: Int, $after: String) { posts(first: $n, after: $after) { nodes { id author { username } comments(first: 2) { nodes { text } } } pageInfo { endCursor } } }","variables":{"n":3,"after":null}}"#,
        br#"{"query":"{ a: nodes(ids: [\"01900000-0000-7000-8000-000000000001\"]) { __typename id } library(name: \"tea\") { versions { label } } }"}"#,
        br#"{"query":"mutation ($t: PostOrCommentInput!) { like(target: $t) { ... on Likes { likeCount } ... on Refusal { code } } }","variables":{"t":{"post":"01900000-0000-7000-8000-000000000001"}}}"#,
        br#"{"query":"query A { ...F } query B { viewer { role } } fragment F on Query { viewer { username } }","operationName":"A"}"#,
        br#"{"query":"mutation ($p: JSON!) { changeMetadata(document: \"01900000-0000-7000-8000-000000000001\", patch: $p) { ... on Metadata { metadata } } }","variables":{"p":{"a":[1,{"b":null}]}}}"#,
        br#"{"query":"{ find(words: \"tea\", first: 2) { __typename ... on Library { name } } search(query: \"x\", after: \"y\") { more } }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#,
    ];
    let mut bodies = Vec::new();
    fuzz("graphql request", &examples, |body| {
        if bodies.len() < HOSTILE {
            bodies.push(body.to_vec());
        }
    });
    let mut executed = 0;
    for body in bodies {
        let request = server.request_as(Some(&ada.access_token), Method::POST, "/graphql", &[]);
        let reply = server.send(request.header("content-type", "application/json").body(body.clone())).await;
        let text = reply.text();
        let told = format!("{}\n{} {text}", body.escape_ascii(), reply.status);
        assert!(reply.status < 500, "{told}");
        let reply: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {told}"));
        assert!(!text.contains("\"internal\""), "{told}");
        executed += usize::from(reply.get("data").is_some_and(|data| !data.is_null()));
    }
    // Otherwise nothing behind the parser was reached by what was mutated.
    assert!(executed > examples.len(), "{executed}");
}

#[tokio::test]
async fn a_change_under_a_key_is_made_once_and_again_after_a_deadlock() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let send = async |key: &str, document: &str| {
        let body = json!({ "query": document });
        let request = server.request_as(Some(&ada.access_token), Method::POST, "/graphql", &[]);
        server.send(request.header("idempotency-key", key).json(&body)).await
    };
    let create =
        "mutation { createChat(chat: { title: \"Once\" }) { ... on Chat { id } ... on Refusal { code } } }";
    let first = send("k-1", create).await.ok();
    let again = send("k-1", create).await;
    assert_eq!((again.header("idempotent-replayed"), again.ok()), (Some("true"), first));
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 1);
    // What was not executed does not use up its key, whatever the status says.
    let wrong = send("k-2", "mutation { createNothing }").await;
    assert_eq!(wrong.ok()["errors"][0]["extensions"]["code"], "invalid");
    assert_eq!(send("k-2", "mutation { createNothing }").await.header("idempotent-replayed"), None);
    send("k-2", create).await.ok();
    let other = send("k-1", "mutation { createChat { __typename } }").await;
    assert_eq!(other.value()["errors"][0]["extensions"]["code"], "idempotency-key-used", "{}", other.text());

    app.database()
        .run(
            "create sequence public.failures;
             grant usage on sequence public.failures to public;
             create function public.deadlock() returns trigger language plpgsql as $$ begin
               if nextval('public.failures') = 1 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
               return new; end $$;
             create trigger deadlock before insert on chat.chats for each row execute function public.deadlock()",
        )
        .await;
    let made = send("k-3", create).await.ok();
    assert!(made["data"]["createChat"]["id"].is_string(), "{made}");
    assert_eq!(app.database().count("select last_value from public.failures").await, 2);
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 3);
}
