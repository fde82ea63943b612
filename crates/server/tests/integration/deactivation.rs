//! Deactivating a person ends whatever they can be reached through, for good; and what share links show to whom.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PASSWORD, Person, Reply, Server, TestApp};

use crate::PROGRAM;

async fn get(server: &Server, person: &Person, path: &str) -> Reply {
    server.ask(Some(&person.access_token), Method::GET, path, None).await
}

async fn post(server: &Server, person: &Person, path: &str, body: Value) -> Value {
    let reply = server.ask(Some(&person.access_token), Method::POST, path, Some(body)).await;
    assert!([200, 201].contains(&reply.status), "{}", reply.text());
    reply.value()
}

/// Imports a chat whose answer quotes a passage of each library, and returns its id.
async fn import_chat(server: &Server, person: &Person, libraries: &[&str]) -> String {
    let time = "2026-01-02T03:04:05.678901Z";
    let chat = "01900000-0000-7000-8000-000000000001";
    let message = |number: u32| format!("01900000-0000-7000-8000-0000000000{number}");
    let mut lines = vec![
        json!({ "type": "history", "format": 1 }),
        json!({ "type": "chat", "id": chat, "title": "Shared", "focus_mode": "librarySearch", "library": libraries.last(),
                "version": "1", "created_at": time, "updated_at": time, "current": message(12) }),
        json!({ "type": "message", "chat": chat, "message_id": message(11), "parent": null, "role": "user", "content": "How?",
                "status": "complete", "metadata": {}, "created_at": time, "sources": [] }),
    ];
    let mut sources = Vec::new();
    for (number, library) in (1..).zip(libraries) {
        let quote = format!("The passage of {library}.");
        let sha256 = store::objects::Hash::of(quote.as_bytes()).to_string();
        lines.push(json!({ "type": "quote", "sha256": sha256, "content": quote }));
        sources.push(json!({ "number": number, "rank": number, "kind": "passage", "cited": true, "sha256": sha256,
            "character_from": 0, "character_to": 10, "library": library, "version": "1", "follows_active": false,
            "path": format!("path-in-{library}.md"), "title": format!("Title in {library}"), "section": [] }));
    }
    lines.push(json!({ "type": "message", "chat": chat, "message_id": message(12), "parent": message(11), "role": "assistant",
        "content": "So [1] [2].", "status": "complete", "metadata": {}, "created_at": time, "sources": sources }));
    lines.push(json!({ "type": "end", "chats": 1, "messages": 2, "files": 0 }));
    let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let request = server.request_as(Some(&person.access_token), Method::POST, "/api/v1/history/import", &[]);
    server.send(request.body(body)).await.ok();
    chat.to_owned()
}

async fn share(server: &Server, person: &Person, chat: &str) -> String {
    let created = post(server, person, &format!("/api/v1/chats/{chat}/shares"), json!({})).await;
    let (_, token) = created["url"].as_str().expect("a link").split_once("/share/").expect("a link");
    format!("/share/{token}")
}

#[tokio::test]
async fn deactivating_a_person_ends_links_and_keys_for_good() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "editor").await;
    let key = post(&server, &bo, "/api/v1/keys", json!({ "name": "ci" })).await["key"]
        .as_str()
        .expect("a link")
        .to_owned();
    let chat = import_chat(&server, &bo, &["open"]).await;
    let link = share(&server, &bo, &chat).await;
    assert_eq!(get(&server, &admin, &link).await.status, 200);
    let user = format!("/api/v1/users/{}", bo.id);
    let invited = post(&server, &admin, &format!("{user}/link"), json!({})).await;
    let (_, token) = invited["url"].as_str().expect("a link").split_once("/password?token=").expect("a link");
    let activate = async |is_active: bool| {
        let change = Some(json!({ "is_active": is_active }));
        server.ask(Some(&admin.access_token), Method::PATCH, &user, change).await.ok();
    };
    activate(false).await;
    server.ask(Some(&key), Method::GET, "/api/v1/session", None).await.problem(401);
    get(&server, &admin, &link).await.problem(404);
    // An administrator cannot give a key to who is deactivated: it would come back with them.
    activate(true).await;
    server.ask(Some(&key), Method::GET, "/api/v1/session", None).await.problem(401);
    get(&server, &bo, "/api/v1/session").await.problem(401);
    get(&server, &admin, &link).await.problem(404);
    let used = json!({ "token": token, "password": "seven rivers in spring" });
    server.ask(None, Method::POST, "/api/v1/password-resets/use", Some(used)).await.problem(404);
    // What belongs to the person is still theirs: they sign in, and share the chat anew.
    let bo = Person::of(&server.sign_in("bo", PASSWORD).await);
    assert_eq!(get(&server, &bo, &format!("/api/v1/chats/{chat}/shares")).await.ok(), json!([]));
    let again = share(&server, &bo, &chat).await;
    assert_eq!(get(&server, &admin, &again).await.status, 200);
    // The same on the command line.
    let changed = app.run(&["users", "change", "bo", "--active", "false"]).await;
    changed.succeeded();
    get(&server, &admin, &again).await.problem(404);
}

#[tokio::test]
async fn a_share_link_leaves_out_passages_that_its_reader_cannot_read() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "editor").await;
    let cy = server.person(&admin, "cy", "user").await;
    for library in ["open", "vault"] {
        let form = reqwest::multipart::Form::new()
            .text("library", library)
            .part("file", reqwest::multipart::Part::bytes(b"# A\n\nword".to_vec()).file_name("a.md"));
        let request = server.request_as(Some(&bo.access_token), Method::POST, "/api/v1/documents", &[]);
        assert_eq!(server.send(request.multipart(form)).await.status, 202);
    }
    let private = Some(json!({ "visibility": "private" }));
    server.ask(Some(&bo.access_token), Method::PATCH, "/api/v1/libraries/vault", private).await.ok();
    let chat = import_chat(&server, &bo, &["open", "vault"]).await;
    let link = share(&server, &bo, &chat).await;
    let shown = async |person: &Person| {
        let page = get(&server, person, &link).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.text()
    };
    let of_cy = shown(&cy).await;
    assert!(of_cy.contains("The passage of open.") && of_cy.contains("Title in open"), "{of_cy}");
    assert!(of_cy.contains("it is from a library that you cannot read"), "{of_cy}");
    // The citation leads to that sentence.
    assert!(of_cy.contains("href=\"#m2s2\"") && of_cy.contains("id=\"m2s2\""), "{of_cy}");
    assert!(!of_cy.contains("vault"), "{of_cy}");
    // Who can read the library, and the owner of the chat, see everything.
    for person in [&bo, &admin] {
        assert!(shown(person).await.contains("The passage of vault."));
    }
    let grant = Some(json!({ "level": "read" }));
    server.ask(Some(&bo.access_token), Method::PUT, "/api/v1/libraries/vault/grants/cy", grant).await.ok();
    assert!(shown(&cy).await.contains("The passage of vault."));
    // A key sees what it is limited to.
    let key = post(&server, &bo, "/api/v1/keys", json!({ "name": "open", "libraries": ["open"] })).await;
    let of_key = server.ask(key["key"].as_str(), Method::GET, &link, None).await.text();
    assert!(of_key.contains("The passage of open.") && !of_key.contains("vault"), "{of_key}");
}

#[tokio::test]
async fn a_picture_is_shown_over_tls_or_from_this_server() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let user = format!("/api/v1/users/{}", admin.id);
    let set = async |avatar: &str| {
        let change = Some(json!({ "avatar": avatar }));
        server.ask(Some(&admin.access_token), Method::PATCH, &user, change).await
    };
    for good in ["https://pictures.example/a.png?size=2", "/assets/ada.png", ""] {
        assert_eq!(set(good).await.status, 200, "{good}");
    }
    for bad in [
        "http://pictures.example/a.png",
        "javascript:alert(1)",
        "data:image/svg+xml,x",
        "//pictures.example/a.png",
        "/\\pictures.example/a.png",
        "https://",
        "https:// pictures.example",
        "ftp://pictures.example",
        "a.png",
    ] {
        set(bad).await.problem(400);
    }
}
