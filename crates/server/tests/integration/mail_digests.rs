//! Mail about notifications: who is mailed, when, in what words, once; and how they unsubscribe.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{MailServer, PageClient, Person, Reply, Server, TestApp, eventually};

use crate::PROGRAM;
use crate::social_posts::{act, change, get, id, post};

const ADDRESS: &str = "https://docs.example.org";
const PREFERENCES: &str = "notifications/mail-preferences";

async fn app_with(url: String) -> TestApp {
    TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_SMTP_URL", url)
        .set("WENYUAN_MAIL_FROM", "Wenyuan <wenyuan@example.org>")
        .set("WENYUAN_PUBLIC_URL", ADDRESS)
}

/// Lets notifications wait for this long.
async fn wait(app: &TestApp, minutes: i32) {
    sqlx::query(
        "update social.notifications set unmailed_since = unmailed_since - make_interval(mins => $1)",
    )
    .bind(minutes)
    .execute(app.database().pool())
    .await
    .expect("the database");
}

/// Runs what the schedule runs each minute.
async fn run_schedule(app: &TestApp) {
    app.database()
        .run(
            "insert into store.jobs (id, kind, payload) values (gen_random_uuid(), 'social.digests', '{}');
             select pg_notify('wenyuan_jobs', 'social.digests')",
        )
        .await;
    finished(app).await;
}

/// Waits until no job of digests is left to run now.
async fn finished(app: &TestApp) {
    let left = "select count(*) from store.jobs where kind like 'social.digest%' and dead_at is null and run_at <= now()";
    eventually("running the jobs", async || (app.database().count(left).await == 0).then_some(())).await;
}

async fn prefer(server: &Server, person: &Person, preferences: Value) -> Value {
    act(server, person, Method::PATCH, PREFERENCES, Some(preferences)).await.ok()
}

/// Sets all kinds to one frequency.
async fn prefer_all(server: &Server, person: &Person, frequency: &str) {
    let kinds = ["mention", "reply", "accepted", "message", "version", "like", "follow"];
    let all: serde_json::Map<String, Value> =
        kinds.iter().map(|kind| ((*kind).to_owned(), json!(frequency))).collect();
    assert_eq!(prefer(server, person, Value::Object(all.clone())).await, Value::Object(all));
}

async fn mention(server: &Server, person: &Person, text: &str) -> Value {
    post(server, person, json!({ "text": text })).await
}

/// Value of a header of a mail.
fn header<'mail>(mail: &'mail Value, name: &str) -> &'mail str {
    let headers = mail["headers"].as_array().expect("headers");
    let mut found = headers.iter().filter(|header| header[0] == name);
    let value = found.next().unwrap_or_else(|| panic!("no {name} in {mail}"))[1].as_str().expect("text");
    assert!(found.next().is_none(), "{name} twice in {mail}");
    value
}

fn text(mail: &Value) -> &str {
    mail["text"].as_str().expect("text")
}

/// Path of the link to unsubscribe.
fn unsubscribe(mail: &Value) -> String {
    let link = header(mail, "List-Unsubscribe");
    let path = link.strip_prefix('<').and_then(|link| link.strip_suffix('>')).expect(link);
    path.strip_prefix(ADDRESS).expect(link).to_owned()
}

/// Sends what a mail program sends: no cookie, no form token.
async fn one_click(server: &Server, path: &str) -> Reply {
    let request = server.request_as(None, Method::POST, path, &[]);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    server.send(request.body("List-Unsubscribe=One-Click")).await
}

#[tokio::test]
async fn a_mention_is_mailed_once_in_the_language_of_the_person() {
    let mail = MailServer::start().await;
    let app = app_with(mail.url()).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let preferences = prefer(&server, &ben, json!({ "mention": "immediately" })).await;
    assert_eq!((&preferences["mention"], &preferences["message"]), (&json!("immediately"), &json!("daily")));
    let first = mention(&server, &ada, "Do read this quietly, @ben").await;
    // A minute is waited, so that what happens together is one mail.
    run_schedule(&app).await;
    assert_eq!(mail.count(), 0);
    wait(&app, 2).await;
    run_schedule(&app).await;
    let sent = mail.message(0).await;
    assert_eq!((&sent["to"], &sent["automatic"]), (&json!(["ben@example.org"]), &json!("auto-generated")));
    assert_eq!(sent["subject"], "Wenyuan: ada mentioned you");
    let link = format!("{ADDRESS}/posts/{}", id(&first));
    assert!(text(&sent).contains(&link) && text(&sent).contains("ada mentioned you"), "{sent}");
    let html = sent["html"].as_str().expect("HTML");
    assert!(html.contains(&format!("<a href=\"{link}\">ada mentioned you</a>")), "{html}");
    // What people write stays on the server.
    assert!(!sent.to_string().contains("quietly"), "{sent}");
    assert_eq!(header(&sent, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(header(&sent, "Message-ID").ends_with("@example.org>"), "{sent}");
    assert!(text(&sent).contains(&unsubscribe(&sent)) && text(&sent).contains("/account#mail"));
    // Neither time nor the schedule mails it again, nor what was notified before mail was offered.
    for _ in 0..2 {
        wait(&app, 60 * 24 * 8).await;
        run_schedule(&app).await;
    }
    assert_eq!(mail.count(), 1);

    app.database().run("update identity.users set language = 'zh' where username = 'ben'").await;
    mention(&server, &ada, "And this, @ben").await;
    mention(&server, &ada, "And that, @ben").await;
    wait(&app, 2).await;
    run_schedule(&app).await;
    let chinese = mail.message(1).await;
    assert_eq!(chinese["subject"], "文渊：ada 提到了你，另有 1 条通知");
    assert!(chinese["html"].as_str().expect("HTML").contains("lang=\"zh-CN\""), "{chinese}");
    assert!(text(&chinese).contains("退订"), "{chinese}");
    assert_ne!(header(&chinese, "Message-ID"), header(&sent, "Message-ID"));
    let metrics = server.send(server.request_as(Some(&ada.access_token), Method::GET, "/metrics", &[])).await;
    assert!(metrics.text().contains("wenyuan_mail_digests_total{outcome=\"sent\"} 2"), "{}", metrics.text());
}

#[tokio::test]
async fn each_kind_is_mailed_at_its_frequency() {
    let mail = MailServer::start().await;
    let app = app_with(mail.url()).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    assert_eq!(
        get(&server, &ben, PREFERENCES).await,
        json!({ "mention": "daily", "reply": "daily", "accepted": "daily", "message": "daily", "version": "weekly",
            "like": "never", "follow": "never" })
    );
    act(&server, &ben, Method::PATCH, PREFERENCES, Some(json!({ "like": "hourly" }))).await.problem(400);
    act(&server, &ben, Method::PATCH, PREFERENCES, Some(json!({ "likes": "daily" }))).await.problem(400);
    prefer(&server, &ben, json!({ "like": "weekly" })).await;
    let own = mention(&server, &ben, "By ben").await;
    mention(&server, &ada, "Hello @ben").await;
    change(&server, &ada, Method::PUT, &format!("posts/{}/like", id(&own))).await;
    change(&server, &ada, Method::PUT, "users/ben/follow").await;
    let talk = json!({ "members": ["ben"] });
    let talk = act(&server, &ada, Method::POST, "conversations", Some(talk)).await.value();
    let messages = format!("conversations/{}/messages", id(&talk));
    let send = async |words: &str| {
        act(&server, &ada, Method::POST, &messages, Some(json!({ "text": words }))).await;
    };
    send("A secret word").await;
    wait(&app, 60).await;
    run_schedule(&app).await;
    assert_eq!(mail.count(), 0);
    wait(&app, 60 * 24).await;
    run_schedule(&app).await;
    let daily = mail.message(0).await;
    assert_eq!(daily["subject"], "Wenyuan: ada sent you a message, and 1 more");
    for expected in
        ["ada mentioned you", "ada sent you a message", &format!("{ADDRESS}/messages/{}", id(&talk))]
    {
        assert!(text(&daily).contains(expected), "{daily}");
    }
    for absent in ["secret", "likes", "follows"] {
        assert!(!daily.to_string().contains(absent), "{absent} in {daily}");
    }
    // A further message in the same conversation is news, and waits for a day of its own.
    send("Another word").await;
    wait(&app, 60).await;
    run_schedule(&app).await;
    assert_eq!(mail.count(), 1);
    wait(&app, 60 * 24).await;
    run_schedule(&app).await;
    assert_eq!(mail.message(1).await["subject"], "Wenyuan: ada sent you 2 messages");
    wait(&app, 60 * 24 * 6).await;
    run_schedule(&app).await;
    assert_eq!(mail.message(2).await["subject"], "Wenyuan: ada likes what you wrote");
    assert_eq!(mail.count(), 3);
}

#[tokio::test]
async fn nobody_is_mailed_what_they_do_not_see_or_want() {
    let mail = MailServer::start().await;
    let app = app_with(mail.url()).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut people = Vec::new();
    for name in ["muting", "revoked", "reading", "never", "inactive", "cem"] {
        let person = server.person(&ada, name, "user").await;
        prefer_all(&server, &person, "immediately").await;
        people.push(person);
    }
    let [muting, revoked, reading, never, _inactive, cem] = people.as_slice() else { panic!("people") };
    // Ada has no address.
    prefer_all(&server, &ada, "immediately").await;
    server.add("secret", "1", "a.md", "# Secret\n\nNot for everybody.").await;
    let settings = server.request(Method::PATCH, "/api/v1/libraries/secret", &[]).header("if-match", "*");
    server.send(settings.json(&json!({ "visibility": "private" }))).await.ok();
    let grant = "libraries/secret/grants/revoked";
    act(&server, &ada, Method::PUT, grant, Some(json!({ "level": "read" }))).await.ok();
    post(&server, &ada, json!({ "text": "For @revoked", "about": { "library": "secret" } })).await;
    assert_eq!(get(&server, revoked, "notifications/unread").await["unread"], 1);
    mention(&server, cem, "For @muting @reading @never @inactive @ada").await;

    change(&server, muting, Method::PUT, "users/cem/mute").await;
    act(&server, &ada, Method::DELETE, grant, None).await;
    act(&server, reading, Method::POST, "notifications/read", Some(json!({}))).await;
    prefer(&server, never, json!({ "mention": "never" })).await;
    let users = get(&server, &ada, "users").await;
    let inactive =
        users["items"].as_array().expect("users").iter().find(|user| user["username"] == "inactive").cloned();
    let path = format!("users/{}", id(&inactive.expect("a user")));
    act(&server, &ada, Method::PATCH, &path, Some(json!({ "is_active": false }))).await.ok();
    wait(&app, 2).await;
    run_schedule(&app).await;
    // Mail goes out to others.
    mention(&server, &ada, "For @cem").await;
    wait(&app, 2).await;
    run_schedule(&app).await;
    assert_eq!(mail.message(0).await["to"], json!(["cem@example.org"]));
    assert_eq!(mail.count(), 1);
    // They are not looked for again, and nothing is stuck.
    let jobs = "select count(*) from store.done_jobs where kind = 'social.digest_mail'";
    let before = app.database().count(jobs).await;
    run_schedule(&app).await;
    assert_eq!(app.database().count(jobs).await, before);
    assert_eq!(app.database().count("select count(*) from social.mail_digests").await, 0);
}

#[tokio::test]
async fn names_cannot_change_a_mail() {
    let mail = MailServer::start().await;
    let app = app_with(mail.url()).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    prefer_all(&server, &ben, "immediately").await;
    for (index, (first, last, shown)) in [
        ("Bcc: eve@evil.example", "<script>alert(1)</script>", "ada"),
        ("https://evil.example/reset", "", "ada"),
        ("=?utf-8?q?=0d=0aBcc:_eve@evil.example?=", "", "ada"),
        ("李", "雷", "李 雷"),
        ("Zoë", "O’Neill", "Zoë O’Neill"),
    ]
    .into_iter()
    .enumerate()
    {
        sqlx::query("update identity.users set first_name = $1, last_name = $2 where username = 'ada'")
            .bind(first)
            .bind(last)
            .execute(app.database().pool())
            .await
            .expect("the database");
        mention(&server, &ada, &format!("Number {index} for @ben")).await;
        wait(&app, 2).await;
        run_schedule(&app).await;
        let sent = mail.message(index).await;
        assert_eq!(sent["subject"], format!("Wenyuan: {shown} mentioned you"));
        assert_eq!(sent["to"], json!(["ben@example.org"]));
        assert!(
            !sent.to_string().contains("evil.example") && !sent.to_string().contains("<script"),
            "{sent}"
        );
        let headers = sent["headers"].as_array().expect("headers");
        assert!(headers.iter().all(|header| header[0] != "Bcc"), "{sent}");
    }
}

#[tokio::test]
async fn a_link_in_the_mail_unsubscribes_by_one_request() {
    let mail = MailServer::start().await;
    let app = app_with(mail.url()).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    prefer(&server, &ben, json!({ "mention": "immediately" })).await;
    mention(&server, &ada, "For @ben").await;
    wait(&app, 2).await;
    run_schedule(&app).await;
    let path = unsubscribe(&mail.message(0).await);
    let before = get(&server, &ben, PREFERENCES).await;

    // Mail systems open links to inspect them.
    let mut browser = PageClient::new(&server);
    let page = browser.get(&path).await;
    assert_eq!((page.status, page.header("referrer-policy")), (200, Some("same-origin")));
    assert!(page.text().contains(&format!("action=\"{path}\"")) && page.text().contains("Unsubscribe"));
    assert_eq!(browser.get(&path).await.status, 200);
    assert_eq!(get(&server, &ben, PREFERENCES).await, before);
    let other_site =
        server.request_as(None, Method::POST, &path, &[]).header("origin", "https://evil.example");
    assert_eq!(server.send(other_site).await.status, 403);

    let token = path.rsplit('/').next().expect("a token").to_owned();
    let last = if token.ends_with('0') { "1" } else { "0" };
    let tampered = format!("/unsubscribe/{}{last}", &token[..token.len() - 1]);
    for wrong in [tampered.as_str(), "/unsubscribe/guess", "/unsubscribe/00", &format!("{path}00")] {
        assert_eq!(browser.get(wrong).await.status, 404, "{wrong}");
        assert_eq!(one_click(&server, wrong).await.status, 404, "{wrong}");
    }
    assert_eq!(get(&server, &ben, PREFERENCES).await, before);

    // What waits is not mailed any more either.
    mention(&server, &ada, "Again for @ben").await;
    for _ in 0..2 {
        let reply = one_click(&server, &path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let preferences = get(&server, &ben, PREFERENCES).await;
        assert!(
            preferences.as_object().expect("kinds").values().all(|value| value == "never"),
            "{preferences}"
        );
    }
    wait(&app, 60 * 24 * 8).await;
    run_schedule(&app).await;
    assert_eq!(mail.count(), 1);
    assert!(!server.log().contains(&token), "the log has the token");
    // The link lasts as long as the person does.
    let mut zh = PageClient::new(&server).in_chinese();
    assert!(zh.get(&path).await.text().contains("退订邮件通知"));
    app.database().run("delete from identity.users where username = 'ben'").await;
    assert_eq!(one_click(&server, &path).await.status, 404);
}

#[tokio::test]
async fn a_mail_that_fails_is_sent_later_and_once_by_whichever_node() {
    let port = MailServer::free_port().await;
    let app = app_with(format!("smtp://127.0.0.1:{port}")).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    prefer_all(&server, &ben, "immediately").await;
    mention(&server, &ada, "First for @ben").await;
    wait(&app, 2).await;
    run_schedule(&app).await;
    let failed = "select count(*) from store.jobs where kind = 'social.digest_mail' and attempts > 0 and leased_by is null";
    eventually("failing", async || (app.database().count(failed).await == 1).then_some(())).await;
    let listed = server.json("/api/v1/jobs").await;
    assert!(listed.to_string().contains("failed to send the mail"), "{listed}");
    // It stays about the same while it is tried; what comes meanwhile is the next one.
    mention(&server, &ada, "Second for @ben").await;
    wait(&app, 2).await;
    run_schedule(&app).await;

    // While another process has the lease, nobody else sends.
    app.database()
        .run(
            "update store.jobs set run_at = now() + interval '1 hour' where kind = 'social.digest_mail';
             update social.mail_digests set leased_until = now() + interval '1 hour'",
        )
        .await;
    let mail = MailServer::start_at(port).await;
    let retry = "update store.jobs set run_at = now() where kind = 'social.digest_mail'";
    app.database().run(retry).await;
    let leased = "select count(*) from store.jobs where kind = 'social.digest_mail' and last_error like 'another process%'";
    eventually("leaving it", async || (app.database().count(leased).await == 1).then_some(())).await;
    assert_eq!(mail.count(), 0);

    // That process was killed. Two nodes and several jobs of one person send one mail.
    let other = app.serve().await;
    app.database()
        .run(
            "update social.mail_digests set leased_until = now();
             insert into store.jobs (id, kind, payload)
             select gen_random_uuid(), 'social.digest_mail', payload from store.jobs, generate_series(1, 6)
             where kind = 'social.digest_mail'",
        )
        .await;
    app.database().run(retry).await;
    let first = mail.message(0).await;
    assert_eq!(first["subject"], "Wenyuan: ada mentioned you");
    let second = async || {
        app.database().run(retry).await;
        finished(&app).await;
        (mail.count() == 2).then_some(())
    };
    eventually("the second mail", second).await;
    assert_ne!(header(&mail.message(1).await, "Message-ID"), header(&first, "Message-ID"));
    run_schedule(&app).await;
    finished(&app).await;
    assert_eq!(mail.count(), 2);
    assert_eq!(app.database().count("select count(*) from social.mail_digests").await, 0);
    drop(other);
}

#[tokio::test]
async fn the_account_page_has_the_choices_where_mail_can_be_sent() {
    let mail = MailServer::start().await;
    // Cookies of a client without TLS.
    let app = app_with(mail.url()).await.set("WENYUAN_PUBLIC_URL", "http://docs.example.org");
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let mut client = PageClient::signed_in(&server, &ben);
    let page = client.get("/account").await.text();
    assert!(page.contains("<select id=\"mail-mention\" name=\"mention\">"), "{page}");
    assert!(page.contains("<option value=\"daily\" selected>Daily</option>"), "{page}");
    let reply =
        client.submit("/account", "/account/mail", &[("mention", "weekly"), ("like", "immediately")]).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/account?done=mail")));
    let preferences = get(&server, &ben, PREFERENCES).await;
    assert_eq!((&preferences["mention"], &preferences["like"]), (&json!("weekly"), &json!("immediately")));
    assert_eq!(preferences["message"], "daily");
    let exported = act(&server, &ben, Method::GET, "personal-data", None).await.text();
    let like = json!({ "kind": "mail_preference", "about": "like", "frequency": "immediately" });
    let has = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|line| line == like);
    assert!(exported.lines().any(has), "{exported}");

    let page = PageClient::signed_in(&server, &ada).get("/account").await.text();
    assert!(page.contains("You have no email address: add one below"), "{page}");
    assert!(page.contains("name=\"mention\" disabled>") && !page.contains("name=\"mention\">"), "{page}");
    server.stop().await;
    let app = app.set("WENYUAN_SMTP_URL", "").set("WENYUAN_MAIL_FROM", "");
    let server = app.serve().await;
    let ben = Person::of(&server.sign_in("ben", testkit::PASSWORD).await);
    let page = PageClient::signed_in(&server, &ben).in_chinese().get("/account").await.text();
    assert!(page.contains("本服务器不发送邮件") && page.contains("name=\"mention\" disabled>"), "{page}");
}
