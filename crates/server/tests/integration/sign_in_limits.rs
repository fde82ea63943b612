//! Limits on attempts to sign in: they stop who guesses passwords, and nobody keeps the owner of an account out.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testkit::{MailServer, PASSWORD, PageClient, Person, Reply, Server, TestApp, within};

use crate::PROGRAM;

/// Signs in from a client address, as a proxy on this machine forwards it.
async fn sign_in_from(server: &Server, address: &str, name: &str, password: &str) -> Reply {
    let request = server.request_as(None, Method::POST, "/api/v1/session", &[]);
    let body = json!({ "name": name, "password": password });
    server.send(request.header("x-forwarded-for", address).json(&body)).await
}

/// Number of counters, and of the attempts that they count.
async fn counted(app: &TestApp) -> (i64, i64) {
    let database = app.database();
    let counters = database.count("select count(*) from identity.sign_in_attempts").await;
    let attempts = "select coalesce(sum(attempts), 0)::int8 from identity.sign_in_attempts";
    (counters, database.count(attempts).await)
}

#[tokio::test]
async fn many_attempts_have_to_wait_by_account_and_by_network() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.person(&admin, "bo", "user").await;
    for _ in 0..5 {
        sign_in_from(&server, "192.0.2.1", "bo", "wrong").await.problem(401);
    }
    // Each further attempt doubles the wait. The thirteenth waits longer than a slow machine takes for this test.
    app.database()
        .run("update identity.sign_in_attempts set attempts = 12 where subject = 'account bo from 192.0.2.1'")
        .await;
    sign_in_from(&server, "192.0.2.1", "bo@example.org", "wrong").await.problem(401);
    // From there the right password has to wait too, by whichever name; another account does not.
    for name in ["bo", "Bo@Example.Org"] {
        let waits = sign_in_from(&server, "192.0.2.1", name, PASSWORD).await;
        waits.problem(429);
        assert!((1..=900).contains(&waits.header("retry-after").unwrap().parse::<u32>().unwrap()));
    }
    Person::of(&sign_in_from(&server, "192.0.2.1", "ada", PASSWORD).await);
    // The owner signs in from elsewhere.
    Person::of(&sign_in_from(&server, "192.0.2.2", "bo", PASSWORD).await);
    sign_in_from(&server, "192.0.2.1", "bo", PASSWORD).await.problem(429);
    app.database()
        .run("update identity.sign_in_attempts set blocked_until = now() - interval '1 second'")
        .await;
    Person::of(&sign_in_from(&server, "192.0.2.1", "bo", PASSWORD).await);
    // One address tries many accounts. Addresses that the client itself adds to the header do not count.
    app.database()
        .run("update identity.sign_in_attempts set attempts = 30 where subject = 'address 192.0.2.1'")
        .await;
    sign_in_from(&server, "10.1.1.1, 192.0.2.1", "cy", "wrong").await.problem(401);
    sign_in_from(&server, "10.1.1.2, 192.0.2.1", "ada", PASSWORD).await.problem(429);
    Person::of(&sign_in_from(&server, "192.0.2.2", "ada", PASSWORD).await);
}

#[tokio::test]
async fn refused_attempts_count_against_nobody_and_write_nothing() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    sign_in_from(&server, "192.0.2.1", "ada", "wrong").await.problem(401);
    app.database()
        .run("update identity.sign_in_attempts set attempts = 40, blocked_until = now() + interval '1 hour' where subject = 'address 192.0.2.1'")
        .await;
    let before = counted(&app).await;
    for number in 0..50 {
        sign_in_from(&server, "192.0.2.1", &format!("victim{number}"), "wrong").await.problem(429);
        sign_in_from(&server, "192.0.2.1", "ada", PASSWORD).await.problem(429);
    }
    assert_eq!(counted(&app).await, before);
    // Many at once are counted as many: beyond the free attempts none is let through.
    let attempts = (0..60).map(|_| sign_in_from(&server, "192.0.2.9", "ada", "wrong"));
    let statuses: Vec<u16> =
        futures::future::join_all(attempts).await.iter().map(|reply| reply.status).collect();
    let tried = statuses.iter().filter(|status| **status == 401).count();
    // Some more if the machine is slow: the first wait is two seconds.
    assert!((5..=10).contains(&tried), "{statuses:?}");
}

#[tokio::test]
async fn known_devices_and_sessions_get_through_while_an_account_is_attacked_from_everywhere() {
    let mail = MailServer::start().await;
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_SMTP_URL", mail.url())
        .set("WENYUAN_MAIL_FROM", "Wenyuan <wenyuan@example.org>");
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.person(&admin, "bo", "user").await;
    let mut browser = PageClient::new(&server);
    let form = [("name", "bo"), ("password", PASSWORD)];
    assert_eq!(browser.submit("/sign-in", "/sign-in", &form).await.status, 303);
    assert_eq!(browser.submit("/account", "/sign-out", &[]).await.status, 303);
    let signed_in = sign_in_from(&server, "192.0.2.1", "bo", PASSWORD).await;
    let (device, bo) =
        (signed_in.value()["device_token"].as_str().unwrap().to_owned(), Person::of(&signed_in));
    // A hundred wrong passwords, from as many addresses.
    app.database()
        .run("insert into identity.sign_in_attempts (subject, attempts, blocked_until) values ('account bo', 110, now() + interval '15 minutes')")
        .await;
    sign_in_from(&server, "192.0.2.50", "bo", PASSWORD).await.problem(429);
    sign_in_from(&server, "192.0.2.50", "ada", PASSWORD).await.ok();
    // The browser and the program that the account was signed in with before.
    assert_eq!(browser.submit("/sign-in", "/sign-in", &form).await.status, 303);
    let sign_in_with = async |name: &str, password: &str, device: &str| {
        let request = server.request_as(None, Method::POST, "/api/v1/session", &[]);
        let body = json!({ "name": name, "password": password, "device_token": device });
        server.send(request.header("x-forwarded-for", "192.0.2.51").json(&body)).await
    };
    Person::of(&sign_in_with("bo", PASSWORD, &device).await);
    // It is of this account alone, and it authenticates nobody.
    sign_in_with("bo", PASSWORD, &format!("{device}x")).await.problem(429);
    server.ask(Some(&device), Method::GET, "/api/v1/session", None).await.problem(401);
    // With it, too, passwords cannot be tried without end.
    for _ in 0..5 {
        sign_in_with("bo", "wrong", &device).await.problem(401);
    }
    app.database()
        .run("update identity.sign_in_attempts set attempts = 12 where subject like 'device %'")
        .await;
    sign_in_with("bo", "wrong", &device).await.problem(401);
    sign_in_with("bo", PASSWORD, &device).await.problem(429);
    // Whoever is signed in changes the password.
    let body = json!({ "current": "wrong", "new": "seven rivers in spring" });
    server.ask(Some(&bo.access_token), Method::PUT, "/api/v1/password", Some(body)).await.problem(403);
    // A mailed link makes a browser known.
    let forgot =
        server.ask(None, Method::POST, "/api/v1/password-resets", Some(json!({ "name": "bo" }))).await;
    assert_eq!(forgot.status, 202);
    let text = mail.message(0).await["text"].as_str().unwrap().to_owned();
    let (_, after) = text.split_once("/password?token=").expect("a link");
    let token = after.split_whitespace().next().unwrap();
    let mut other = PageClient::new(&server);
    let page = format!("/password?token={token}");
    let set =
        other.submit(&page, "/password", &[("token", token), ("password", "seven rivers in spring")]).await;
    assert_eq!((set.status, set.header("location")), (303, Some("/")), "{}", set.text());
    assert_eq!(other.submit("/account", "/sign-out", &[]).await.status, 303);
    let form = [("name", "bo"), ("password", "seven rivers in spring")];
    assert_eq!(other.submit("/sign-in", "/sign-in", &form).await.status, 303);
}

#[tokio::test]
async fn nobody_keeps_reset_mails_from_the_owner() {
    let mail = MailServer::start().await;
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_SMTP_URL", mail.url())
        .set("WENYUAN_MAIL_FROM", "Wenyuan <wenyuan@example.org>");
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.person(&admin, "bo", "user").await;
    let forgot_from = async |address: &str| {
        let request = server.request_as(None, Method::POST, "/api/v1/password-resets", &[]);
        server.send(request.header("x-forwarded-for", address).json(&json!({ "name": "bo" }))).await.status
    };
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(forgot_from("192.0.2.1").await);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(forgot_from("192.0.2.2").await, 202);
}

#[tokio::test]
async fn counters_of_attempts_are_bounded() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    app.database()
        .run(
            "insert into identity.sign_in_attempts (subject, attempts, blocked_until, updated_at)
             select 'account made-up ' || number, 1, '-infinity', now() - number * interval '1 millisecond'
             from generate_series(1, 100500) as number",
        )
        .await;
    app.database()
        .run("update store.schedules set next_run_at = now() where name = 'identity.delete_expired'")
        .await;
    // Schedules are read once a minute.
    let is_bounded = async || (counted(&app).await.0 <= 100_000).then_some(());
    within(Duration::from_mins(3), "the schedule", is_bounded).await;
    // The newest are kept.
    let newest = "select count(*) from identity.sign_in_attempts where subject = 'account made-up 1'";
    assert_eq!(app.database().count(newest).await, 1);
}
