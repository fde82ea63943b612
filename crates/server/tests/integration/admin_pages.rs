//! Administration pages and work list, as a browser requests them: each action once, refused without the administrator's role,
//! and no secret on any page.

use std::time::Duration;

use reqwest::{Method, Url};
use testkit::{Answer, LanguageModel, PASSWORD, Reply, Server, TestApp, eventually};

use crate::PROGRAM;
const SECRET: &str = "sesame-Xy71pQ";
const PAGES: [&str; 9] = [
    "/admin",
    "/admin/users",
    "/admin/access",
    "/admin/keys",
    "/admin/sessions",
    "/admin/models",
    "/admin/servers",
    "/admin/jobs",
    "/admin/settings",
];

/// Browser in which a user is signed in.
struct Browser<'server> {
    server: &'server Server,
    cookies: Vec<(String, String)>,
    /// Text of all responses so far.
    shown: String,
}

impl<'server> Browser<'server> {
    async fn signed_in(server: &'server Server, name: &str) -> Self {
        let mut browser = Self { server, cookies: Vec::new(), shown: String::new() };
        let fields = [("name", name), ("password", PASSWORD), ("next", "/account")];
        let signed_in = browser.fill("/sign-in", "/sign-in", &fields).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        browser
    }

    async fn send(&mut self, method: Method, path: &str, form: &[(&str, &str)], partial: bool) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.server.request_as(None, method.clone(), path, &[]);
        request = request.header("accept", "text/html").header("cookie", cookies.join("; "));
        if method == Method::POST {
            let encoded = Url::parse_with_params("http://form", form).expect("a value");
            request = request
                .header("origin", format!("http://{}", self.server.address()))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encoded.query().unwrap_or_default().to_owned());
        }
        if partial {
            request = request.header("hx-request", "true");
        }
        let reply = self.server.send(request).await;
        for set in reply.headers.get_all("set-cookie") {
            let (name, rest) = set.to_str().expect("a value").split_once('=').expect("a value");
            let value = rest.split(';').next().expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        self.shown += &reply.text();
        reply
    }

    /// Returns a page that must exist.
    async fn page(&mut self, path: &str) -> String {
        let reply = self.send(Method::GET, path, &[], false).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text()
    }

    /// Submits a form of a page.
    async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.fill_in(page, action, fields, false).await
    }

    async fn fill_in(&mut self, page: &str, action: &str, fields: &[(&str, &str)], partial: bool) -> Reply {
        let opened = self.send(Method::GET, page, &[], false).await.text();
        let token = between(&opened, "name=\"form_token\" value=\"", "\"");
        self.send(Method::POST, action, &[fields, &[("form_token", token)]].concat(), partial).await
    }

    /// Submits a form that must be accepted, and returns the page it redirects to.
    async fn done(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.fill(page, action, fields).await;
        assert_eq!(reply.status, 303, "{action}: {}", reply.text());
        let next = reply.header("location").expect("an address").to_owned();
        let shown = self.page(&next).await;
        assert!(shown.contains("class=\"done\" role=\"status\""), "{next}: {shown}");
        shown
    }
}

#[track_caller]
fn between<'text>(text: &'text str, before: &str, after: &str) -> &'text str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().expect("a value")
}

#[tokio::test]
async fn the_pages_are_for_administrators_only() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "editor").await;
    let mut browser = Browser::signed_in(&server, "bo").await;
    let user = format!("/admin/users/{}", bo.id);
    let pages: Vec<String> = PAGES.into_iter().map(str::to_owned).chain([user.clone()]).collect();
    for path in &pages {
        let refused = browser.send(Method::GET, path, &[], false).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text());
        let request = server.request_as(None, Method::GET, path, &[]).header("accept", "text/html");
        let nobody = server.send(request).await;
        assert!(nobody.header("location").is_some_and(|to| to.starts_with("/sign-in?next=")), "{path}");
    }
    let nil = "00000000-0000-0000-0000-000000000000";
    let (link, model) = (format!("{user}/link"), format!("/admin/models/{nil}"));
    for (action, fields) in [
        (user.as_str(), vec![("role", "admin"), ("is_active", "1")]),
        (&link, vec![]),
        (&format!("{user}/sessions"), vec![("all", "1")]),
        (&format!("{user}/delete"), vec![]),
        ("/admin/users", vec![("username", "eve"), ("role", "admin")]),
        ("/admin/access/gate", vec![("action", "visibility"), ("visibility", "public")]),
        ("/admin/keys", vec![("id", nil), ("action", "delete")]),
        ("/admin/sessions", vec![("id", nil)]),
        ("/admin/models", vec![("name", "m"), ("endpoint", "http://a/v1"), ("model", "m")]),
        (&model, vec![]),
        (&format!("{model}/test"), vec![]),
        (&format!("{model}/act"), vec![("action", "delete")]),
        ("/admin/servers", vec![("name", "m"), ("endpoint", "http://a/mcp")]),
        (&format!("/admin/servers/{nil}"), vec![]),
        (&format!("/admin/servers/{nil}/test"), vec![]),
        (&format!("/admin/servers/{nil}/act"), vec![("action", "delete")]),
        ("/admin/jobs", vec![("all", "1"), ("action", "discard")]),
    ] {
        let refused = browser.fill("/account", action, &fields).await;
        assert_eq!(refused.status, 403, "{action}: {}", refused.text());
    }
    // An API key of an administrator is refused too.
    let key = server.key();
    for path in &pages {
        let request = server.request_as(Some(key), Method::GET, path, &[]).header("accept", "text/html");
        assert_ne!(server.send(request).await.status, 200, "{path}");
    }
    assert!(browser.page("/account").await.contains("<h1>bo</h1>"));
}

#[tokio::test]
async fn users_sessions_and_keys_are_managed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut admin = Browser::signed_in(&server, "ada").await;
    for path in PAGES {
        admin.page(path).await;
    }
    let fields = |name| [("username", name), ("email", "bo@example.org"), ("role", "editor")];
    let bad = admin.fill("/admin/users", "/admin/users", &fields("Bo B")).await;
    assert!(bad.status == 400 && bad.text().contains("value=\"Bo B\""), "{}", bad.text());
    let made = admin.fill("/admin/users", "/admin/users", &fields("bo")).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let link = between(&made.text(), "/password?token=", "<").to_owned();
    assert!(!admin.page("/admin/users").await.contains(&link));
    let taken = admin.fill("/admin/users", "/admin/users", &fields("bo")).await;
    assert!(taken.status == 409 && taken.text().contains("This name is taken"), "{}", taken.text());
    let body = serde_json::json!({ "token": link, "password": PASSWORD });
    let set = server.ask(None, Method::POST, "/api/v1/password-resets/use", Some(body)).await;
    assert_eq!(set.status, 204);
    let mut bo = Browser::signed_in(&server, "bo").await;
    let key = bo.fill("/account", "/account/keys", &[("name", "agent"), ("days", "30")]).await;
    let secret =
        between(&key.text(), "<pre class=\"secret\"", "</pre>").split('>').nth(1).unwrap().to_owned();

    // Search by name and by email address, and without a match.
    let list = admin.page("/admin/users?q=BO%40example").await;
    assert!(list.contains("<strong>bo</strong>") && !list.contains("<strong>ada</strong>"), "{list}");
    assert!(admin.page("/admin/users?q=nobody-at-all").await.contains("class=\"empty\""));
    let id = between(&list, "href=\"/admin/users/", "\"").to_owned();
    let user = format!("/admin/users/{id}");
    let shown = admin.page(&user).await;
    assert!(shown.contains("<strong>agent</strong>") && !shown.contains(&secret), "{shown}");

    // Every user's keys can be disabled, enabled and deleted.
    let keys = admin.page("/admin/keys?q=agent").await;
    let key = between(&keys, "name=\"id\" value=\"", "\"").to_owned();
    let works = async || server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status;
    for (action, status) in [("disable", 401), ("enable", 200), ("delete", 401)] {
        admin.done("/admin/keys", "/admin/keys", &[("id", &key), ("action", action)]).await;
        assert_eq!(works().await, status, "{action}");
    }
    let gone = [("id", key.as_str()), ("action", "delete")];
    assert_eq!(admin.fill("/admin/keys", "/admin/keys", &gone).await.status, 404);

    // Sessions can be ended from either list.
    let sessions = admin.page(&user).await;
    let session = between(&sessions, "name=\"id\" value=\"", "\"").to_owned();
    let all = admin.page("/admin/sessions").await;
    assert!(all.contains(&session) && all.contains("this device"), "{all}");
    admin.done("/admin/sessions", "/admin/sessions", &[("id", &session)]).await;
    admin.done(&user, &format!("{user}/sessions"), &[("all", "1")]).await;
    assert_eq!(bo.send(Method::GET, "/account", &[], false).await.status, 303);

    // Role, activity and link can be changed; the last administrator keeps the role.
    let change = [("role", "user"), ("email", "b@example.org"), ("first_name", "<b>Bo"), ("last_name", "")];
    let shown = admin.done(&user, &user, &change).await;
    assert!(shown.contains("&#60;b&#62;Bo") && !shown.contains("<b>Bo"), "{shown}");
    assert_eq!(server.sign_in("bo", PASSWORD).await.status, 401);
    let own = format!("/admin/users/{}", ada.id);
    let last = admin.fill(&own, &own, &[("role", "user"), ("is_active", "1"), ("email", "kept@x.org")]).await;
    let text = last.text();
    assert!(last.status == 409 && text.contains("only active administrator"), "{text}");
    assert!(text.contains("value=\"kept@x.org\""), "{text}");
    let link = admin.fill(&user, &format!("{user}/link"), &[]).await;
    assert!(link.status == 201 && link.text().contains("/password?token="), "{}", link.text());

    let shown = admin.done(&user, &format!("{user}/delete"), &[]).await;
    assert!(!shown.contains("<strong>bo</strong>"), "{shown}");
    assert_eq!(admin.send(Method::GET, &user, &[], false).await.status, 404);
    let last = admin.fill(&own, &format!("{own}/delete"), &[]).await;
    assert!(last.status == 409 && last.text().contains("only active administrator"), "{}", last.text());
}

#[tokio::test]
async fn access_to_libraries_is_managed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "user").await;
    server.add("team/gate", "1", "gate.md", "# Gate\n\nIt waits.\n").await;
    let mut admin = Browser::signed_in(&server, "ada").await;
    assert!(admin.page("/admin/access").await.contains("href=\"/admin/access/team~gate\""));
    let gate = "/admin/access/team~gate";
    let sees = async || {
        server.ask(Some(&bo.access_token), Method::GET, "/api/v1/libraries/team%2Fgate", None).await.status
    };
    let act = |name, value| [("action", "visibility"), (name, value)];
    admin.done(gate, gate, &act("visibility", "private")).await;
    assert_eq!(sees().await, 404);
    assert_eq!(admin.fill(gate, gate, &act("visibility", "all")).await.status, 400);
    let nobody = [("action", "grant"), ("username", "eve"), ("level", "read")];
    let refused = admin.fill(gate, gate, &nobody).await;
    assert!(refused.status == 404 && refused.text().contains("value=\"eve\""), "{}", refused.text());
    let grant = [("action", "grant"), ("username", "bo"), ("level", "own")];
    let shown = admin.done(gate, gate, &grant).await;
    assert!(shown.contains("<strong>bo</strong>") && shown.contains("owner"), "{shown}");
    assert_eq!(sees().await, 200);

    // An owner without the administrator role has a work list, with items of their own libraries only.
    let mut owner = Browser::signed_in(&server, "bo").await;
    server.search(&[("q", "How do I bake sourdough bread?"), ("library", "team/gate")]).await;
    server.search(&[("q", "weather in Berlin tomorrow")]).await;
    let settled = eventually("an item of the work list", async || {
        let text = owner.send(Method::GET, "/worklist", &[], false).await.text();
        text.contains("sourdough").then_some(text)
    })
    .await;
    assert!(!settled.contains("Berlin"), "{settled}");
    let id = between(&settled, "/worklist/", "/settle").to_owned();
    let left = owner.done("/worklist", &format!("/worklist/{id}/settle"), &[]).await;
    assert!(left.contains("class=\"empty\""), "{left}");
    let settled = owner.page("/worklist?show=settled").await;
    assert!(settled.contains("resolved <time") && settled.contains("</time> · bo"), "{settled}");
    assert!(owner.page("/worklist?kind=answer_wrong&show=settled").await.contains("class=\"empty\""));
    admin.page("/worklist?library=team%2Fgate").await;
    let revoke = [("action", "revoke"), ("username", "bo")];
    admin.done(gate, gate, &revoke).await;
    assert_eq!(sees().await, 404);
    let other = owner.fill("/worklist", &format!("/worklist/{id}/settle"), &[]).await;
    assert_eq!(other.status, 404);
    let other = owner.send(Method::GET, "/worklist?library=team%2Fgate", &[], false).await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn models_and_servers_keep_their_secrets() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    let scripted = LanguageModel::start().await;
    let mut admin = Browser::signed_in(&server, "ada").await;
    let (list, url) = ("/admin/models", scripted.url());
    let new = |name| [("name", name), ("endpoint", url.as_str()), ("model", "qwen3:8b"), ("api_key", SECRET)];
    let bad = admin.fill(list, list, &new("Not A Name")).await;
    assert!(bad.status == 400 && bad.text().contains("value=\"Not A Name\""), "{}", bad.text());
    let shown = admin.done(list, list, &new("small")).await;
    let id = between(&shown, "action=\"/admin/models/", "/test").to_owned();
    let model = format!("/admin/models/{id}");
    assert_eq!(admin.fill(list, list, &new("small")).await.status, 409);
    scripted.script([
        Answer::streaming(&["Blue <script>"]),
        Answer::status(500, "no"),
        Answer::streaming(&["Blue"]),
    ]);
    let tried = admin.fill(&model, &format!("{model}/test"), &[]).await.text();
    assert!(tried.contains("Blue &#60;script&#62;") && tried.contains("It works"), "{tried}");
    // A script gets a fragment instead of the whole page.
    let tried = admin.fill_in(&model, &format!("{model}/test"), &[], true).await.text();
    assert!(tried.contains("class=\"fault\"") && !tried.contains("<html"), "{tried}");
    let change = [
        ("name", "small"),
        ("endpoint", url.as_str()),
        ("model", "other"),
        ("context_tokens", "16000"),
        ("is_default", "1"),
    ];
    let shown = admin.done(&model, &model, &change).await;
    assert!(shown.contains("value=\"16000\"") && shown.contains("value=\"other\""), "{shown}");
    assert!(admin.page(list).await.contains("disabled"));
    for action in ["enable", "default", "disable"] {
        admin.done(list, &format!("{model}/act"), &[("action", action)]).await;
    }
    // A stored key is not sent to another host.
    let away = [("name", "small"), ("endpoint", "https://evil.example/v1"), ("model", "m")];
    let refused = admin.fill(&model, &model, &away).await;
    assert!(refused.status == 400 && refused.text().contains("enter it again"), "{}", refused.text());
    admin.done(list, &format!("{model}/act"), &[("action", "delete")]).await;
    assert_eq!(admin.send(Method::GET, &model, &[], false).await.status, 404);

    let list = "/admin/servers";
    let new = [
        ("name", "tools"),
        ("endpoint", "http://127.0.0.1:9/mcp"),
        ("description", "<i>x"),
        ("api_key", SECRET),
        ("header", "X-Api-Key"),
    ];
    let shown = admin.done(list, list, &new).await;
    assert!(shown.contains("value=\"x-api-key\""), "{shown}");
    let id = between(&shown, "action=\"/admin/servers/", "/test").to_owned();
    let one = format!("/admin/servers/{id}");
    let tested = admin.fill_in(&one, &format!("{one}/test"), &[], true).await.text();
    assert!(tested.contains("It does not work") && !tested.contains("<html"), "{tested}");
    let change = [
        ("name", "tools"),
        ("endpoint", "http://127.0.0.1:9/mcp"),
        ("ask_tool", "find"),
        ("ask_argument", "q"),
    ];
    let shown = admin.done(&one, &one, &change).await;
    assert!(shown.contains("value=\"find\"") && !shown.contains("x-api-key"), "{shown}");
    for action in ["enable", "disable", "delete"] {
        admin.done(list, &format!("{one}/act"), &[("action", action)]).await;
    }
    assert!(admin.page(list).await.contains("class=\"empty\""));
    assert!(!admin.shown.contains(SECRET), "a page shows a key");
}

#[tokio::test]
async fn jobs_and_settings_are_shown() {
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_SMTP_URL", format!("smtp://ada:{SECRET}@127.0.0.1:9"))
        .set("WENYUAN_MAIL_FROM", "wenyuan@example.org")
        .set("WENYUAN_READ_SECONDS", "77");
    let server = app.serve().await;
    server.set_up().await;
    let mut admin = Browser::signed_in(&server, "ada").await;
    let settings = admin.page("/admin/settings").await;
    for part in ["WENYUAN_READ_SECONDS", "<code>77</code>", "WENYUAN_SMTP_URL", "set, hidden", "--listen"] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    let of = |name: &str| between(&settings, &format!("<code>{name}</code>"), "</li>").to_owned();
    assert!(of("WENYUAN_READ_SECONDS").contains(">environment<"), "{settings}");
    assert!(of("WENYUAN_MAX_DOCUMENT_MIB").contains(">default<"), "{settings}");
    assert!(of("WENYUAN_SMTP_URL").contains(">environment<"), "{settings}");
    assert!(settings.contains("PostgreSQL") && settings.contains("pgvector"), "{settings}");
    assert!(of("WENYUAN_READ_SECONDS").contains("Time limit for parsing a document"), "{settings}");
    admin.send(Method::GET, "/language?to=zh&back=/", &[], false).await;
    let settings = admin.page("/admin/settings").await;
    let read = between(&settings, "<code>WENYUAN_READ_SECONDS</code>", "</li>");
    assert!(read.contains("解析一篇文档的时限（秒）。"), "{settings}");
    admin.send(Method::GET, "/language?to=en&back=/", &[], false).await;

    // Jobs of an unknown kind stay in the queue.
    app
        .database()
        .run(
            "insert into store.jobs (id, kind, payload, attempts, dead_at, last_error, run_at)
             select gen_random_uuid(), 'test.nothing', jsonb_build_object('number', n), 5, now(), 'it broke <b>', now()
             from generate_series(1, 55) as n",
        )
        .await;
    app.database()
        .run("insert into store.jobs (id, kind, payload) values (gen_random_uuid(), 'test.other', '{}')")
        .await;
    let dead =
        async || app.database().count("select count(*) from store.jobs where dead_at is not null").await;
    let jobs = admin.page("/admin/jobs?state=dead").await;
    assert!(jobs.contains("it broke &#60;b&#62;") && !jobs.contains("<b>"), "{jobs}");
    assert_eq!(jobs.matches("it broke").count(), 50);
    let next = between(&jobs, "href=\"/admin/jobs?state=dead&#38;cursor=", "\"").to_owned();
    assert_eq!(
        admin.page(&format!("/admin/jobs?state=dead&cursor={next}")).await.matches("it broke").count(),
        5
    );
    assert!(!admin.page("/admin/jobs?kind=test.other").await.contains("it broke"));
    assert!(admin.page("/admin").await.contains("55 failed jobs"));
    // Retry one, discard one, then all others.
    let (_, rows) = jobs.split_once("<ul class=\"rows\">").unwrap();
    let ids: Vec<&str> =
        rows.split("name=\"id\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    admin.done("/admin/jobs", "/admin/jobs", &[("id", ids[0]), ("action", "retry")]).await;
    assert_eq!(dead().await, 54);
    let again = admin.done("/admin/jobs", "/admin/jobs", &[("id", ids[0]), ("action", "retry")]).await;
    assert!(again.contains("There were no failed jobs"), "{again}");
    admin.done("/admin/jobs", "/admin/jobs", &[("id", ids[2]), ("action", "discard")]).await;
    assert_eq!(dead().await, 53);
    assert_eq!(admin.fill("/admin/jobs", "/admin/jobs", &[("action", "discard")]).await.status, 404);
    assert_eq!(dead().await, 53);
    admin.done("/admin/jobs", "/admin/jobs", &[("all", "1"), ("action", "retry")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(dead().await, 0);
    assert!(!admin.shown.contains(SECRET), "a page shows a secret");
}
