//! Privacy of discussions: what an actor may not read is neither shown to them, nor counted, listed, notified or searched; and what
//! moderators hide.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;
use crate::social_posts::{act, change, comment, each, get, id, post};

#[tokio::test]
async fn a_post_about_a_private_library_exists_for_its_readers_alone() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("secret", "1", "secret.md", "# Secret\n\nThe hidden gateway.\n").await;
    server.add("open", "1", "open.md", "# Open\n\nThe open gateway.\n").await;
    let private = Some(json!({ "visibility": "private" }));
    act(&server, &ada, Method::PATCH, "libraries/secret", private).await.ok();
    let public = Some(json!({ "visibility": "public" }));
    act(&server, &ada, Method::PATCH, "libraries/open", public).await.ok();
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    let grant = "libraries/secret/grants/ben";
    act(&server, &ada, Method::PUT, grant, Some(json!({ "level": "read" }))).await.ok();
    let documents = get(&server, &ada, "documents?library=secret").await;
    let document = id(&documents["items"][0]).to_owned();
    let hits = server.search(&[("q", "hidden gateway"), ("library", "secret")]).await;
    change(&server, &ben, Method::PUT, &format!("documents/{document}/follow")).await;
    change(&server, &eve, Method::PUT, "users/ben/follow").await;
    change(&server, &eve, Method::PUT, "tags/plan/follow").await;
    let mut secret = Vec::new();
    for about in [
        json!({ "library": "secret" }),
        json!({ "library": "secret", "version": "1" }),
        json!({ "document_id": document }),
        json!({ "passage_id": hits["hits"][0]["id"] }),
    ] {
        secret.push(
            post(&server, &ben, json!({ "text": "Hi @eve #plan", "question": true, "about": about })).await,
        );
        act(&server, &eve, Method::POST, "posts", Some(json!({ "text": "x", "about": about })))
            .await
            .problem(404);
    }
    let remark = comment(&server, &ada, &secret[0], None, "For @eve too").await;
    let open = post(&server, &ben, json!({ "text": "Open", "about": { "library": "open" } })).await;
    let general = post(&server, &ben, json!({ "text": "To all who sign in" })).await;

    // Neither shown nor listed …
    for list in ["posts", "posts?author=ben", "feed"] {
        let texts = each(&get(&server, &eve, list).await, "text");
        assert_eq!(texts, ["To all who sign in", "Open"], "{list}");
    }
    for list in ["posts?tag=plan", "posts?unanswered=true", &format!("posts?document={document}")] {
        assert_eq!(each(&get(&server, &eve, list).await, "text"), Vec::<Value>::new(), "{list}");
    }
    act(&server, &eve, Method::GET, "posts?library=secret", None).await.problem(404);
    // … nor reached by its id …
    let path = format!("posts/{}", id(&secret[0]));
    let of_remark = format!("comments/{}", id(&remark));
    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::PATCH, path.clone(), Some(json!({ "text": "x" }))),
        (Method::DELETE, path.clone(), None),
        (Method::GET, format!("{path}/revisions"), None),
        (Method::GET, format!("{path}/like"), None),
        (Method::PUT, format!("{path}/like"), None),
        (Method::DELETE, format!("{path}/like"), None),
        (Method::GET, format!("{path}/likes"), None),
        (Method::GET, format!("{path}/comments"), None),
        (Method::POST, format!("{path}/comments"), Some(json!({ "text": "x" }))),
        (Method::PUT, format!("{path}/hidden"), None),
        (Method::POST, "reports".to_owned(), Some(json!({ "post_id": id(&secret[0]), "reason": "x" }))),
        (Method::POST, "reports".to_owned(), Some(json!({ "comment_id": id(&remark), "reason": "x" }))),
        (Method::GET, of_remark.clone(), None),
        (Method::PUT, format!("{of_remark}/like"), None),
        (Method::PUT, format!("{of_remark}/acceptance"), None),
        (Method::PUT, "libraries/secret/follow".to_owned(), None),
        (Method::PUT, format!("documents/{document}/follow"), None),
    ] {
        act(&server, &eve, method, &path, body).await.problem(404);
    }
    // … nor counted or told …
    assert_eq!(each(&get(&server, &eve, "notifications").await, "kind"), Vec::<Value>::new());
    assert_eq!(get(&server, &eve, "notifications/unread").await["unread"], 0);
    // … while whoever reads the library sees it all.
    assert_eq!(get(&server, &ben, "posts?library=secret").await["items"].as_array().unwrap().len(), 4);
    assert_eq!(each(&get(&server, &ben, "notifications").await, "kind"), ["reply", "follow"]);

    // Without signing in, posts about public libraries are there to read.
    let listed = server.ask(None, Method::GET, "/api/v1/posts", None).await.ok();
    assert_eq!(each(&listed, "text"), ["Open"]);
    let address = format!("/api/v1/posts/{}", id(&open));
    server.ask(None, Method::GET, &address, None).await.ok();
    server.ask(None, Method::PUT, &format!("{address}/like"), None).await.problem(401);
    let general = format!("/api/v1/posts/{}", id(&general));
    server.ask(None, Method::GET, &general, None).await.problem(404);
    // A key that is confined to a library reads and writes about it alone.
    let limits = json!({ "name": "agent", "scopes": ["notes"], "libraries": ["open"] });
    let key = act(&server, &ben, Method::POST, "keys", Some(limits)).await.value()["key"].clone();
    let key = key.as_str().unwrap();
    let listed = server.ask(Some(key), Method::GET, "/api/v1/posts", None).await.ok();
    assert_eq!(each(&listed, "text"), ["Open"]);
    server.ask(Some(key), Method::GET, &general, None).await.problem(404);
    let text = |about: Value| Some(json!({ "text": "By an agent", "about": about }));
    server.ask(Some(key), Method::POST, "/api/v1/posts", text(json!({}))).await.problem(403);
    let written =
        server.ask(Some(key), Method::POST, "/api/v1/posts", text(json!({ "library": "open" }))).await;
    assert_eq!((written.status, &written.value()["via"]), (201, &json!("agent")));
    server.ask(Some(key), Method::GET, "/api/v1/conversations", None).await.problem(403);

    // A right that is taken away takes the posts with it, also one's own.
    act(&server, &ada, Method::DELETE, grant, None).await;
    act(&server, &ben, Method::GET, &path, None).await.problem(404);
    assert_eq!(
        each(&get(&server, &ben, "feed").await, "text"),
        ["By an agent", "To all who sign in", "Open"]
    );
    assert_eq!(each(&get(&server, &ben, "notifications").await, "kind"), ["follow"]);
    // And the library's posts go with the library.
    assert_eq!(act(&server, &ada, Method::DELETE, "libraries/secret", None).await.status, 204);
    act(&server, &ada, Method::GET, &path, None).await.problem(404);
}

#[tokio::test]
async fn owners_of_a_library_moderate_what_is_said_about_it() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let olga = server.person(&ada, "olga", "user").await;
    let own = Some(json!({ "level": "own" }));
    act(&server, &ada, Method::PUT, "libraries/gate/grants/olga", own).await.ok();
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    let about = post(&server, &eve, json!({ "text": "Spam", "about": { "library": "gate" } })).await;
    let general = post(&server, &eve, json!({ "text": "More spam" })).await;
    let remark = comment(&server, &eve, &about, None, "Even more").await;
    let report = async |body: Value| act(&server, &ben, Method::POST, "reports", Some(body)).await;
    for _ in 0..2 {
        assert_eq!(report(json!({ "post_id": id(&about), "reason": "Spam" })).await.status, 201);
    }
    assert_eq!(report(json!({ "comment_id": id(&remark), "reason": "Spam" })).await.status, 201);
    assert_eq!(report(json!({ "post_id": id(&general), "reason": "Spam" })).await.status, 201);
    report(json!({ "reason": "Spam" })).await.problem(400);
    report(json!({ "post_id": id(&about), "reason": " " })).await.problem(400);
    act(&server, &ben, Method::GET, "reports", None).await.problem(403);
    let of_olga = get(&server, &olga, "reports").await;
    assert_eq!(each(&of_olga, "text"), ["Even more", "Spam"]);
    assert_eq!(of_olga["items"][0]["reporter"], "ben");
    let of_ada = get(&server, &ada, "reports").await;
    assert_eq!(each(&of_ada, "text"), ["More spam", "Even more", "Spam"]);

    let resolve = async |person, report: &Value, resolution: &str| {
        let path = format!("reports/{}/resolve", id(report));
        act(&server, person, Method::POST, &path, Some(json!({ "resolution": resolution }))).await
    };
    resolve(&olga, &of_ada["items"][0], "hidden").await.problem(404);
    for _ in 0..2 {
        assert_eq!(resolve(&olga, &of_olga["items"][0], "hidden").await.status, 204);
    }
    assert_eq!(resolve(&ada, &of_ada["items"][0], "dismissed").await.status, 204);
    assert_eq!(each(&get(&server, &ada, "reports").await, "text"), ["Spam"]);
    let resolved = get(&server, &ada, "reports?resolved=true").await;
    assert_eq!(each(&resolved, "resolution"), ["dismissed", "hidden"]);
    let shown = get(&server, &ben, &format!("comments/{}", id(&remark))).await;
    assert_eq!((&shown["state"], &shown["text"]), (&json!("hidden"), &Value::Null));
    let path = format!("posts/{}", id(&about));
    assert_eq!(get(&server, &ben, &path).await["comments"], 0);
    // Hidden texts are there for their authors and moderators; showing them again undoes it.
    let hidden = format!("{path}/hidden");
    act(&server, &ben, Method::PUT, &hidden, None).await.problem(403);
    for _ in 0..2 {
        assert_eq!(act(&server, &olga, Method::PUT, &hidden, None).await.status, 204);
    }
    act(&server, &ben, Method::GET, &path, None).await.problem(404);
    for person in [&eve, &olga, &ada] {
        assert!(get(&server, person, &path).await["hidden_at"].is_string());
    }
    assert_eq!(each(&get(&server, &ben, "posts").await, "text"), ["More spam"]);
    for _ in 0..2 {
        assert_eq!(act(&server, &olga, Method::DELETE, &hidden, None).await.status, 204);
    }
    let again = format!("comments/{}/hidden", id(&remark));
    assert_eq!(act(&server, &olga, Method::DELETE, &again, None).await.status, 204);
    assert_eq!(get(&server, &ben, &path).await["comments"], 1);
    act(&server, &olga, Method::PUT, &format!("posts/{}/hidden", id(&general)), None).await.problem(403);
    let log = app.database().count("select count(*) from social.moderation_log").await;
    assert_eq!(log, 5);
}
