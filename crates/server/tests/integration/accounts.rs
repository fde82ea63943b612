//! Accounts over HTTP: the first administrator, sign-in, passwords, sessions on several nodes, API keys, reset mails.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use testkit::{MailServer, PASSWORD, Person, Reply, Server, TestApp, eventually};

use crate::PROGRAM;

async fn get(server: &Server, credential: &str, path: &str) -> Reply {
    server.ask(Some(credential), Method::GET, path, None).await
}

async fn post(server: &Server, credential: &str, path: &str, body: Value) -> Reply {
    server.ask(Some(credential), Method::POST, path, Some(body)).await
}

async fn create_key(server: &Server, person: &Person, body: Value) -> (String, String) {
    let made = post(server, &person.access_token, "/api/v1/keys", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.value();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["key"]), text(&made["details"]["id"]))
}

async fn password_hash(app: &TestApp, name: &str) -> String {
    let row = sqlx::query("select password_hash from identity.users where username = $1").bind(name);
    row.fetch_one(app.database().pool()).await.expect("a user").get(0)
}

#[tokio::test]
async fn the_setup_link_creates_one_administrator_and_works_once() {
    let app = TestApp::new(PROGRAM).await;
    let first = app.serve().await;
    let old = first.setup_token().await;
    first.stop().await;
    let server = app.serve().await;
    let token = server.setup_token().await;
    assert_ne!(old, token);
    let set_up = |token: &str, username: &str, password: &str| json!({ "token": token, "username": username, "password": password });
    let ask = async |body: Value| server.ask(None, Method::POST, "/api/v1/setup", Some(body)).await;
    // A guessed token and the link of an earlier start are refused.
    ask(set_up("guess", "ada", PASSWORD)).await.problem(404);
    ask(set_up(&old, "ada", PASSWORD)).await.problem(404);
    for (name, password) in
        [("ada", "short"), ("ada", "password123"), ("no name", PASSWORD), ("threehundred", "threehundred1")]
    {
        ask(set_up(&token, name, password)).await.problem(400);
    }
    // Of two concurrent requests one succeeds.
    let (one, other) =
        tokio::join!(ask(set_up(&token, "ada", PASSWORD)), ask(set_up(&token, "eve", PASSWORD)));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 404], "{} {}", one.text(), other.text());
    let admin = Person::of(if one.status == 201 { &one } else { &other });
    ask(set_up(&token, "mal", PASSWORD)).await.problem(404);
    let me = get(&server, &admin.access_token, "/api/v1/session").await.ok();
    assert_eq!((&me["role"], &me["user"]["username"]), (&json!("admin"), &json!(admin.name)));
    assert_eq!(app.database().count("select count(*) from identity.users").await, 1);
    // The next start shows no link.
    server.stop().await;
    let again = app.serve().await;
    assert!(!again.log().contains("/setup?token="), "{}", again.log());
}

#[tokio::test]
async fn sign_in_works_by_name_or_email_and_failures_reveal_nothing() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.person(&admin, "bo", "user").await;
    for name in ["bo", " BO ", "bo@example.org", "Bo@Example.Org"] {
        assert_eq!(Person::of(&server.sign_in(name, PASSWORD).await).name, "bo");
    }
    // The responses differ in the request id only.
    let refusal = async |name: &str, password: &str| {
        let mut problem = server.sign_in(name, password).await.problem(401);
        problem["request_id"] = json!(null);
        problem
    };
    let wrong = refusal("bo", "another password").await;
    assert_eq!(wrong, refusal("nobody-of-this-name", PASSWORD).await);
    assert_eq!(wrong, refusal("nobody@example.org", PASSWORD).await);
    assert_eq!(wrong, refusal("bo", &"x".repeat(5000)).await);
    let hash = password_hash(&app, "bo").await;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");

    // An imported user: bcrypt, with few rounds, of "imported password".
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuyORs7TtHQx.W274qDwbW3DAAYboqWFa";
    let imported = json!({ "username": "cy", "password_hash": bcrypt });
    let made = post(&server, &admin.access_token, "/api/v1/users", imported).await;
    assert_eq!((made.status, &made.value()["link"]), (201, &json!(null)), "{}", made.text());
    server.sign_in("cy", "another password").await.problem(401);
    Person::of(&server.sign_in("cy", "imported password").await);
    assert!(password_hash(&app, "cy").await.starts_with("$argon2id$"));
    Person::of(&server.sign_in("cy", "imported password").await);
    let bad = json!({ "username": "dee", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99" });
    post(&server, &admin.access_token, "/api/v1/users", bad).await.problem(400);
    // Access tokens are renewed until the session ends.
    let bo = Person::of(&server.sign_in("bo", PASSWORD).await);
    let renew = async || {
        let body = json!({ "session_token": bo.session_token });
        server.ask(None, Method::POST, "/api/v1/session/renew", Some(body)).await
    };
    let renewed = Person::of(&renew().await);
    assert_eq!(get(&server, &renewed.access_token, "/api/v1/session").await.status, 200);
    assert_eq!(server.ask(Some(&bo.access_token), Method::DELETE, "/api/v1/session", None).await.status, 204);
    renew().await.problem(401);
    get(&server, &renewed.access_token, "/api/v1/session").await.problem(401);
    get(&server, &bo.access_token, "/api/v1/libraries").await.problem(401);
}

#[tokio::test]
async fn revocation_takes_effect_at_once_on_every_node() {
    let app = TestApp::new(PROGRAM).await;
    let one = app.serve().await;
    // Before the start of the other node replaces the setup link.
    let admin = one.set_up().await;
    let other = app.serve().await;
    let bo = one.person(&admin, "bo", "user").await;
    let again = Person::of(&one.sign_in("bo", PASSWORD).await);
    let (key, key_id) = create_key(&one, &bo, json!({ "name": "ci" })).await;
    // Both nodes have them in their caches.
    let by_cookie = async |server: &Server, person: &Person| {
        let request = server.request_as(None, Method::GET, "/api/v1/session", &[]);
        server
            .send(request.header("cookie", format!("wenyuan_session={}", person.session_token)))
            .await
            .status
    };
    for server in [&one, &other] {
        assert_eq!((by_cookie(server, &bo).await, by_cookie(server, &again).await), (200, 200));
        assert_eq!(get(server, &key, "/api/v1/session").await.status, 200);
    }
    let listed = get(&one, &bo.access_token, "/api/v1/sessions").await.ok();
    let sessions = listed.as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{listed}");
    let current: Vec<bool> = sessions.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert!(current.contains(&true) && current.contains(&false), "{listed}");
    let of_other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/sessions/{}", of_other["id"].as_str().unwrap());
    // Users cannot end the sessions of others, and keys cannot end any.
    let cy = one.person(&admin, "cy", "editor").await;
    one.ask(Some(&cy.access_token), Method::DELETE, &path, None).await.problem(404);
    one.ask(Some(&key), Method::DELETE, &path, None).await.problem(403);
    assert_eq!(one.ask(Some(&bo.access_token), Method::DELETE, &path, None).await.status, 204);
    assert_eq!(by_cookie(&one, &again).await, 401);
    eventually("the other node", async || (by_cookie(&other, &again).await == 401).then_some(())).await;
    one.ask(Some(&bo.access_token), Method::DELETE, &path, None).await.problem(404);

    // A new password ends all sessions except the current one.
    let third = Person::of(&one.sign_in("bo", PASSWORD).await);
    assert_eq!(by_cookie(&other, &third).await, 200);
    let body = json!({ "current": "wrong", "new": "another good password" });
    one.ask(Some(&bo.access_token), Method::PUT, "/api/v1/password", Some(body)).await.problem(403);
    let body = json!({ "current": PASSWORD, "new": "bo bo bo bo" });
    one.ask(Some(&bo.access_token), Method::PUT, "/api/v1/password", Some(body)).await.problem(400);
    let body = json!({ "current": PASSWORD, "new": "another good password" });
    assert_eq!(
        one.ask(Some(&bo.access_token), Method::PUT, "/api/v1/password", Some(body)).await.status,
        204
    );
    assert_eq!((by_cookie(&one, &bo).await, by_cookie(&one, &third).await), (200, 401));
    eventually("the other node", async || (by_cookie(&other, &third).await == 401).then_some(())).await;
    one.sign_in("bo", PASSWORD).await.problem(401);

    // A disabled key, and a key of a disabled user.
    let enable = async |enabled: bool| {
        let body = json!({ "enabled": enabled });
        one.ask(Some(&bo.access_token), Method::PATCH, &format!("/api/v1/keys/{key_id}"), Some(body))
            .await
            .ok()
    };
    assert_eq!(enable(false).await["enabled"], false);
    get(&one, &key, "/api/v1/session").await.problem(401);
    eventually("the other node", async || {
        (get(&other, &key, "/api/v1/session").await.status == 401).then_some(())
    })
    .await;
    enable(true).await;
    eventually("the other node", async || {
        (get(&other, &key, "/api/v1/session").await.status == 200).then_some(())
    })
    .await;
    let user = format!("/api/v1/users/{}", bo.id);
    let change =
        async |body: Value| one.ask(Some(&admin.access_token), Method::PATCH, &user, Some(body)).await;
    assert_eq!(change(json!({ "is_active": false })).await.ok()["is_active"], false);
    get(&one, &key, "/api/v1/session").await.problem(401);
    assert_eq!(by_cookie(&one, &bo).await, 401);
    eventually("the other node", async || {
        (get(&other, &key, "/api/v1/session").await.status == 401).then_some(())
    })
    .await;
    one.sign_in("bo", "another good password").await.problem(401);
    change(json!({ "is_active": true })).await.ok();
    // For good: the person creates another one.
    get(&one, &key, "/api/v1/session").await.problem(401);
    let bo = Person::of(&one.sign_in("bo", "another good password").await);
    let (key, _) = create_key(&one, &bo, json!({ "name": "ci" })).await;
    assert_eq!(get(&one, &key, "/api/v1/session").await.status, 200);
    // Deleting a user deletes their keys and sessions; the last administrator cannot be deleted.
    assert_eq!(one.ask(Some(&admin.access_token), Method::DELETE, &user, None).await.status, 204);
    get(&one, &key, "/api/v1/session").await.problem(401);
    assert_eq!(
        app.database().count("select count(*) from identity.mcp_api_keys where user_id is not null").await,
        0
    );
    let own = format!("/api/v1/users/{}", admin.id);
    one.ask(Some(&admin.access_token), Method::DELETE, &own, None).await.problem(409);
    let demote = Some(json!({ "role": "user" }));
    one.ask(Some(&admin.access_token), Method::PATCH, &own, demote).await.problem(409);
}

#[tokio::test]
async fn changing_the_email_address_needs_the_password() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "user").await;
    let change = async |body: Value| {
        server
            .ask(Some(&bo.access_token), Method::PATCH, &format!("/api/v1/users/{}", bo.id), Some(body))
            .await
    };
    assert_eq!(change(json!({ "first_name": "Bo" })).await.ok()["first_name"], "Bo");
    change(json!({ "email": "thief@example.org" })).await.problem(403);
    change(json!({ "email": "thief@example.org", "current_password": "wrong" })).await.problem(403);
    change(json!({ "role": "admin" })).await.problem(403);
    let changed = change(json!({ "email": "Bo@New.example", "current_password": PASSWORD })).await.ok();
    assert_eq!(changed["email"], "bo@new.example");
    change(json!({ "email": "no address", "current_password": PASSWORD })).await.problem(400);
    // Users cannot see other users.
    get(&server, &bo.access_token, &format!("/api/v1/users/{}", admin.id)).await.problem(404);
    get(&server, &bo.access_token, "/api/v1/users").await.problem(403);
}

/// Counts the rows of all tables that hold a text, plain or as bytes.
async fn rows_with(app: &TestApp, text: &str) -> i64 {
    let pool = app.database().pool();
    let tables: Vec<String> = sqlx::query_scalar(
        "select oid::regclass::text from pg_class where relkind = 'r'
         and relnamespace in (select oid from pg_namespace where nspname in ('identity', 'library', 'store'))",
    )
    .fetch_all(pool)
    .await
    .expect("the tables");
    assert!(tables.len() > 10, "{tables:?}");
    let mut found = 0;
    for table in tables {
        let statement = format!(
            "select count(*) from {table} as r where strpos(r::text, $1) > 0 or strpos(r::text, encode($1::bytea, 'hex')) > 0"
        );
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(statement)).bind(text).fetch_one(pool).await.expect("a count");
        found += rows;
    }
    found
}

#[tokio::test]
async fn a_key_is_limited_and_stored_as_a_hash() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("open", "1", "a.md", "# A\n\nThe openword.").await;
    server.add("shut", "1", "a.md", "# A\n\nThe shutword.").await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "editor").await;
    for bad in [
        json!({ "name": "" }),
        json!({ "name": "a", "scopes": ["all"] }),
        json!({ "name": "a", "libraries": [] }),
        json!({ "name": "a", "expires_in_days": 0 }),
        json!({ "name": "a", "expires_in_days": 4000 }),
        json!({ "name": "a", "rate_limit": 0 }),
    ] {
        let refused = post(&server, &bo.access_token, "/api/v1/keys", bad.clone()).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text());
    }
    let absent = json!({ "name": "a", "libraries": ["absent"] });
    post(&server, &bo.access_token, "/api/v1/keys", absent).await.problem(404);
    let (reads, reads_id) =
        create_key(&server, &bo, json!({ "name": "reads", "libraries": ["open"], "rate_limit": 5 })).await;
    assert!(reads.starts_with("wy_") && reads.len() > 40);
    post(&server, &bo.access_token, "/api/v1/keys", json!({ "name": "reads" })).await.problem(409);
    // A key can neither create nor list keys.
    post(&server, &reads, "/api/v1/keys", json!({ "name": "b" })).await.problem(403);
    get(&server, &reads, "/api/v1/keys").await.problem(403);
    let me = get(&server, &reads, "/api/v1/session").await.ok();
    assert_eq!(
        (&me["scopes"], &me["libraries"], &me["role"]),
        (&json!(["read"]), &json!(["open"]), &json!("editor"))
    );
    assert_eq!((&me["key"]["name"], &me["session"]), (&json!("reads"), &json!(null)));
    get(&server, &reads, "/api/v1/libraries/shut").await.problem(404);
    // Five requests per minute: these four, refused ones included, and the next.
    let last = get(&server, &reads, "/api/v1/libraries/open").await;
    assert_eq!(
        (last.status, last.header("ratelimit-limit"), last.header("ratelimit-remaining")),
        (200, Some("5"), Some("0"))
    );
    let waits = get(&server, &reads, "/api/v1/libraries/open").await;
    waits.problem(429);
    assert!(waits.header("retry-after").is_some() && waits.header("ratelimit-reset").is_some());

    let (writes, writes_id) =
        create_key(&server, &bo, json!({ "name": "writes", "scopes": ["write"], "libraries": ["open"] }))
            .await;
    let patch = async |key: &str, library: &str| {
        let body = Some(json!({ "title": "T" }));
        server.ask(Some(key), Method::PATCH, &format!("/api/v1/libraries/{library}"), body).await.status
    };
    assert_eq!((patch(&writes, "open").await, patch(&writes, "shut").await), (200, 404));
    let (all, _) = create_key(&server, &bo, json!({ "name": "all", "expires_in_days": 30 })).await;
    assert_eq!(
        (patch(&all, "open").await, get(&server, &all, "/api/v1/libraries/shut").await.status),
        (403, 200)
    );
    let (late, _) = create_key(&server, &bo, json!({ "name": "late", "expires_in_days": 1 })).await;
    app.database()
        .run("update identity.mcp_api_keys set expires_at = now() - interval '1 second' where name = 'late'")
        .await;
    let refused = get(&server, &late, "/api/v1/session").await;
    assert_eq!(refused.problem(401)["type"], "urn:wenyuan:problem:sign-in");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    // Keys of others are not found; an administrator lists all.
    let cy = server.person(&admin, "cy", "editor").await;
    let address = format!("/api/v1/keys/{writes_id}");
    server.ask(Some(&cy.access_token), Method::DELETE, &address, None).await.problem(404);
    assert_eq!(get(&server, &cy.access_token, "/api/v1/keys").await.ok(), json!([]));
    let listed = get(&server, &admin.access_token, "/api/v1/keys").await;
    assert!(listed.text().contains(&reads_id) && !listed.text().contains(&reads), "{}", listed.text());
    assert_eq!(server.ask(Some(&bo.access_token), Method::DELETE, &address, None).await.status, 204);
    get(&server, &writes, "/api/v1/session").await.problem(401);
    // No key, token or password is in the database or the log.
    let log = server.log();
    for secret in [&reads, &writes, &all, &bo.session_token, &bo.access_token, PASSWORD] {
        assert_eq!(rows_with(&app, secret).await, 0, "{secret}");
        assert!(!log.contains(secret), "{secret}");
    }
    assert!(rows_with(&app, "bo@example.org").await > 0);
    server.stop().await;
    let used = "select count(*) from identity.mcp_api_keys where name in ('reads', 'all') and last_used > created_at";
    assert_eq!(app.database().count(used).await, 2);
    assert_eq!(
        app.database()
            .count("select count(*) from identity.mcp_api_keys where name = 'late' and last_used is null")
            .await,
        1
    );
}

#[tokio::test]
async fn owners_grant_and_revoke_access_to_a_library() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let (bo, cy) = (server.person(&admin, "bo", "editor").await, server.person(&admin, "cy", "user").await);
    let form = reqwest::multipart::Form::new()
        .text("library", "notes")
        .part("file", reqwest::multipart::Part::bytes(b"# A\n\nword".to_vec()).file_name("a.md"));
    let request = server.request_as(Some(&bo.access_token), Method::POST, "/api/v1/documents", &[]);
    assert_eq!(server.send(request.multipart(form)).await.status, 202);
    let path = "/api/v1/libraries/notes";
    let private = Some(json!({ "visibility": "private" }));
    server.ask(Some(&bo.access_token), Method::PATCH, path, private).await.ok();
    get(&server, &cy.access_token, path).await.problem(404);
    let grant = async |credential: &str, name: &str, level: &str| {
        let body = Some(json!({ "level": level }));
        server.ask(Some(credential), Method::PUT, &format!("{path}/grants/{name}"), body).await
    };
    grant(&bo.access_token, "nobody-of-this-name", "read").await.problem(404);
    for _ in 0..2 {
        assert_eq!(
            grant(&bo.access_token, "cy", "read").await.ok(),
            json!({ "username": "cy", "level": "read" })
        );
    }
    assert_eq!(get(&server, &cy.access_token, path).await.ok()["level"], "read");
    grant(&cy.access_token, "cy", "own").await.problem(403);
    // Owners cannot lower their own grant; another owner or an administrator can.
    grant(&bo.access_token, "bo", "read").await.problem(409);
    server.ask(Some(&bo.access_token), Method::DELETE, &format!("{path}/grants/bo"), None).await.problem(409);
    grant(&bo.access_token, "cy", "own").await.ok();
    let grants = get(&server, &cy.access_token, &format!("{path}/grants")).await.ok();
    assert_eq!(grants, json!([{ "username": "bo", "level": "own" }, { "username": "cy", "level": "own" }]));
    for _ in 0..2 {
        let taken =
            server.ask(Some(&cy.access_token), Method::DELETE, &format!("{path}/grants/bo"), None).await;
        assert_eq!(taken.status, 204, "{}", taken.text());
    }
    get(&server, &bo.access_token, path).await.problem(404);
    // Grants are deleted with the user.
    let user = format!("/api/v1/users/{}", cy.id);
    assert_eq!(server.ask(Some(&admin.access_token), Method::DELETE, &user, None).await.status, 204);
    assert_eq!(get(&server, &admin.access_token, &format!("{path}/grants")).await.ok(), json!([]));
}

#[tokio::test]
async fn a_reset_link_is_mailed_works_once_and_reveals_no_account() {
    let mail = MailServer::start().await;
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_SMTP_URL", mail.url())
        .set("WENYUAN_MAIL_FROM", "Wenyuan <wenyuan@example.org>")
        .set("WENYUAN_PUBLIC_URL", "https://docs.example.org/");
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.person(&admin, "bo", "user").await;
    let forgot = async |name: &str| {
        let body = Some(json!({ "name": name }));
        let reply = server.ask(None, Method::POST, "/api/v1/password-resets", body).await;
        (reply.status, reply.text())
    };
    // The response is the same for existing users, unknown names, and users without an address.
    let response = forgot("bo").await;
    assert_eq!(response, (202, String::new()));
    for name in ["nobody-of-this-name", "ada", "nobody@example.org"] {
        assert_eq!(forgot(name).await, response, "{name}");
    }
    let first = mail.message(0).await;
    assert_eq!((&first["to"], &first["automatic"]), (&json!(["bo@example.org"]), &json!("auto-generated")));
    let token_of = |mail: &Value| {
        let text = mail["text"].as_str().unwrap();
        let (_, after) = text.split_once("https://docs.example.org/password?token=").expect(text);
        after.split_whitespace().next().unwrap().to_owned()
    };
    let text = first["text"].as_str().unwrap();
    assert!(text.contains("设置新密码") && text.contains("set a new password"), "{text}");
    forgot("bo@example.org").await;
    let second = mail.message(1).await;
    let (earlier, token) = (token_of(&first), token_of(&second));
    assert_eq!(rows_with(&app, &token).await, 0);
    let body = |token: &str, password: &str| Some(json!({ "token": token, "password": password }));
    let set = async |token: &str, password: &str| {
        server.ask(None, Method::POST, "/api/v1/password-resets/use", body(token, password)).await
    };
    let new = "seven rivers in spring";
    // Both work, since others can request the second; the use of one voids both.
    for token in [&earlier, &token] {
        set(token, "short").await.problem(400);
    }
    let bo = Person::of(&server.sign_in("bo", PASSWORD).await);
    assert_eq!(set(&token, new).await.status, 204);
    for token in [&earlier, &token] {
        set(token, new).await.problem(404);
    }
    get(&server, &bo.access_token, "/api/v1/session").await.problem(401);
    server.sign_in("bo", PASSWORD).await.problem(401);
    Person::of(&server.sign_in("bo", new).await);
    // Expired links are refused, and so are too many requests.
    forgot("bo").await;
    let third = token_of(&mail.message(2).await);
    app.database()
        .run("update identity.password_reset_tokens set expires_at = now() - interval '1 second'")
        .await;
    set(&third, new).await.problem(404);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(forgot("bo").await.0);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    eventually("the end of all jobs", async || {
        (app.database().count("select count(*) from store.jobs where kind = 'identity.reset_mail'").await
            == 0)
            .then_some(())
    })
    .await;
    // A mail that cannot be delivered is retried, without delaying the response.
    let run = app.run(&["user", "change", "ada", "--email", "ada@refused.example"]).await;
    run.succeeded();
    assert_eq!(forgot("ada").await.0, 202);
    eventually("a failed try", async || {
        let tried = "select count(*) from store.jobs where kind = 'identity.reset_mail' and last_error like '%no such mailbox%'";
        (app.database().count(tried).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_mail_resets_are_refused_and_incomplete_settings_too() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let body = Some(json!({ "name": "ada" }));
    let told = server.ask(None, Method::POST, "/api/v1/password-resets", body).await.problem(409);
    assert!(told["detail"].as_str().unwrap().contains("administrator"), "{told}");
    drop(server);
    let half = app.set("WENYUAN_SMTP_URL", "smtp://user:hidden-word@127.0.0.1:1");
    let error = half.run(&["serve"]).await.failed();
    assert!(error.contains("WENYUAN_MAIL_FROM") && !error.contains("hidden-word"), "{error}");
}

#[tokio::test]
async fn metrics_are_for_the_local_machine_and_administrators() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    let bo = server.person(&admin, "bo", "editor").await;
    let metrics = async |credential: Option<&str>, forwarded: bool| {
        let request = server.request_as(credential, Method::GET, "/metrics", &[]);
        let request = if forwarded { request.header("x-forwarded-for", "192.0.2.1") } else { request };
        server.send(request).await.status
    };
    assert_eq!(metrics(None, false).await, 200);
    assert_eq!(metrics(None, true).await, 401);
    assert_eq!(metrics(Some(&bo.access_token), true).await, 403);
    assert_eq!(metrics(Some(&admin.access_token), true).await, 200);
    assert_eq!(metrics(Some(server.key()), true).await, 200);
}
