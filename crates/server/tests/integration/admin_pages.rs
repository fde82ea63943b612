//! Administration pages and work list, as a browser requests them: each action once, refused without the administrator's role,
//! and no secret on any page.

use std::time::Duration;

use reqwest::{Method, Url};
use testkit::{Answer, HtmlPage, LanguageModel, PASSWORD, Reply, Server, TestApp, eventually};

use crate::PROGRAM;
/// Token of a form.
const TOKEN: &str = "input[name=form_token]";
/// Id of an item in a list.
const ID: &str = ".rows input[name=id]";
const SECRET: &str = "sesame-Xy71pQ";
const PAGES: [&str; 11] = [
    "/admin",
    "/admin/users",
    "/admin/access",
    "/admin/keys",
    "/admin/sessions",
    "/admin/models",
    "/admin/search-endpoints",
    "/admin/servers",
    "/admin/jobs",
    "/admin/backups",
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
    async fn page(&mut self, path: &str) -> HtmlPage {
        let reply = self.send(Method::GET, path, &[], false).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.html()
    }

    /// Submits a form of a page.
    async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.fill_in(page, action, fields, false).await
    }

    async fn fill_in(&mut self, page: &str, action: &str, fields: &[(&str, &str)], partial: bool) -> Reply {
        let tokens = self.send(Method::GET, page, &[], false).await.html().attributes(TOKEN, "value");
        let token = tokens.first().expect("a form");
        self.send(Method::POST, action, &[fields, &[("form_token", token)]].concat(), partial).await
    }

    /// Submits a form that must be accepted, and returns the page it redirects to.
    async fn done(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let reply = self.fill(page, action, fields).await;
        assert_eq!(reply.status, 303, "{action}: {}", reply.text());
        let next = reply.header("location").expect("an address").to_owned();
        let shown = self.page(&next).await;
        assert!(shown.has("p.done[role=status]"), "{next}: {}", shown.source());
        shown
    }
}

/// Returns the id in the first address of the form `/admin/users/ID` or `/admin/models/ID/test`.
#[track_caller]
fn id_in(addresses: &[String], start: &str) -> String {
    let rest = addresses.iter().find_map(|address| address.strip_prefix(start));
    rest.unwrap_or_else(|| panic!("no {start} in {addresses:?}")).split('/').next().expect("an id").to_owned()
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
        ("/admin/search-endpoints/embedding", vec![("endpoint", "http://a/v1"), ("model", "m")]),
        ("/admin/search-endpoints/reranking/test", vec![]),
        ("/admin/search-endpoints/reranking/delete", vec![]),
        ("/admin/servers", vec![("name", "m"), ("endpoint", "http://a/mcp")]),
        (&format!("/admin/servers/{nil}"), vec![]),
        (&format!("/admin/servers/{nil}/test"), vec![]),
        (&format!("/admin/servers/{nil}/act"), vec![("action", "delete")]),
        ("/admin/jobs", vec![("all", "1"), ("action", "discard")]),
        ("/admin/backups", vec![("action", "run")]),
        ("/admin/backups", vec![("action", "drill")]),
        ("/admin/backups/questions", vec![("action", "add"), ("text", "any")]),
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
    assert_eq!(browser.page("/account").await.text("h1"), "bo");
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
    assert_eq!(bad.status, 400);
    assert_eq!(bad.html().attribute("input[name=username]", "value"), "Bo B");
    let made = admin.fill("/admin/users", "/admin/users", &fields("bo")).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let link = made.html().text(".secret");
    let (_, link) = link.split_once("/password?token=").expect("a password link");
    assert!(!admin.page("/admin/users").await.source().contains(link));
    let taken = admin.fill("/admin/users", "/admin/users", &fields("bo")).await;
    assert_eq!(taken.status, 409);
    assert!(taken.html().shows("p.fault[role=alert]", "This name is taken"), "{}", taken.text());
    let body = serde_json::json!({ "token": link, "password": PASSWORD });
    let set = server.ask(None, Method::POST, "/api/v1/password-resets/use", Some(body)).await;
    assert_eq!(set.status, 204);
    let mut bo = Browser::signed_in(&server, "bo").await;
    let key = bo.fill("/account", "/account/keys", &[("name", "agent"), ("days", "30")]).await;
    let secret = key.html().text("pre.secret");

    // Search by name and by email address, and without a match.
    let list = admin.page("/admin/users?q=BO%40example").await;
    assert_eq!(list.texts(".rows strong"), ["bo"]);
    assert!(admin.page("/admin/users?q=nobody-at-all").await.has(".empty"));
    let id = id_in(&list.attributes(".rows a", "href"), "/admin/users/");
    let user = format!("/admin/users/{id}");
    let shown = admin.page(&user).await;
    assert!(shown.shows("strong", "agent") && !shown.source().contains(&secret), "{}", shown.source());

    // Every user's keys can be disabled, enabled and deleted.
    let keys = admin.page("/admin/keys?q=agent").await;
    let key = keys.attributes(ID, "value").remove(0);
    let works = async || server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status;
    for (action, status) in [("disable", 401), ("enable", 200), ("delete", 401)] {
        admin.done("/admin/keys", "/admin/keys", &[("id", &key), ("action", action)]).await;
        assert_eq!(works().await, status, "{action}");
    }
    let gone = [("id", key.as_str()), ("action", "delete")];
    assert_eq!(admin.fill("/admin/keys", "/admin/keys", &gone).await.status, 404);

    // Sessions can be ended from either list.
    let sessions = admin.page(&user).await;
    let session = sessions.attributes(ID, "value").remove(0);
    let all = admin.page("/admin/sessions").await;
    assert!(all.attributes(ID, "value").contains(&session) && all.shows(".badge", "this device"));
    admin.done("/admin/sessions", "/admin/sessions", &[("id", &session)]).await;
    admin.done(&user, &format!("{user}/sessions"), &[("all", "1")]).await;
    assert_eq!(bo.send(Method::GET, "/account", &[], false).await.status, 303);

    // Role, activity and link can be changed; the last administrator keeps the role.
    let change = [("role", "user"), ("email", "b@example.org"), ("first_name", "<b>Bo"), ("last_name", "")];
    let shown = admin.done(&user, &user, &change).await;
    assert!(shown.shows("main", "<b>Bo") || shown.attribute("#first-name", "value") == "<b>Bo");
    assert!(!shown.has("b"), "{}", shown.source());
    assert_eq!(server.sign_in("bo", PASSWORD).await.status, 401);
    let own = format!("/admin/users/{}", ada.id);
    let last = admin.fill(&own, &own, &[("role", "user"), ("is_active", "1"), ("email", "kept@x.org")]).await;
    assert_eq!(last.status, 409);
    assert!(last.html().shows("p.fault[role=alert]", "only active administrator"), "{}", last.text());
    assert_eq!(last.html().attribute("input[name=email]", "value"), "kept@x.org");
    let link = admin.fill(&user, &format!("{user}/link"), &[]).await;
    assert!(link.status == 201 && link.html().shows(".secret", "/password?token="), "{}", link.text());

    let shown = admin.done(&user, &format!("{user}/delete"), &[]).await;
    assert!(!shown.shows("strong", "bo"), "{}", shown.source());
    assert_eq!(admin.send(Method::GET, &user, &[], false).await.status, 404);
    let last = admin.fill(&own, &format!("{own}/delete"), &[]).await;
    assert_eq!(last.status, 409);
    assert!(last.html().shows("p.fault[role=alert]", "only active administrator"), "{}", last.text());
}

#[tokio::test]
async fn access_to_libraries_is_managed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let bo = server.person(&ada, "bo", "user").await;
    server.add("team/gate", "1", "gate.md", "# Gate\n\nIt waits.\n").await;
    let mut admin = Browser::signed_in(&server, "ada").await;
    assert!(admin.page("/admin/access").await.has("a[href='/admin/access/team~gate']"));
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
    assert_eq!(refused.status, 404);
    assert_eq!(refused.html().attribute("#grantee", "value"), "eve");
    let grant = [("action", "grant"), ("username", "bo"), ("level", "own")];
    let shown = admin.done(gate, gate, &grant).await;
    assert!(shown.shows("strong", "bo") && shown.shows("main", "owner"), "{}", shown.source());
    assert_eq!(sees().await, 200);

    // An owner without the administrator role has a work list, with items of their own libraries only.
    let mut owner = Browser::signed_in(&server, "bo").await;
    server.search(&[("q", "How do I bake sourdough bread?"), ("library", "team/gate")]).await;
    server.search(&[("q", "weather in Berlin tomorrow")]).await;
    let settled = eventually("an item of the work list", async || {
        let page = owner.send(Method::GET, "/worklist", &[], false).await.html();
        page.shows(".rows strong", "sourdough").then_some(page)
    })
    .await;
    assert!(!settled.shows("main", "Berlin"), "{}", settled.source());
    let id = id_in(&settled.attributes("form", "action"), "/worklist/");
    let left = owner.done("/worklist", &format!("/worklist/{id}/settle"), &[]).await;
    assert!(left.has(".empty"), "{}", left.source());
    let settled = owner.page("/worklist?show=settled").await;
    let line = settled.text(".rows .quiet");
    assert!(line.contains("resolved") && line.ends_with("· bo") && settled.has(".rows time"), "{line}");
    assert!(owner.page("/worklist?kind=answer_wrong&show=settled").await.has(".empty"));
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
    assert_eq!(bad.status, 400);
    assert_eq!(bad.html().attribute("#name", "value"), "Not A Name");
    let shown = admin.done(list, list, &new("small")).await;
    let id = id_in(&shown.attributes("form", "action"), "/admin/models/");
    let model = format!("/admin/models/{id}");
    assert_eq!(admin.fill(list, list, &new("small")).await.status, 409);
    scripted.script([
        Answer::streaming(&["Blue <script>"]),
        Answer::status(500, "no"),
        Answer::streaming(&["Blue"]),
    ]);
    let tried = admin.fill(&model, &format!("{model}/test"), &[]).await.html();
    assert!(tried.shows("#result", "Blue <script>") && tried.shows("#result .done", "It works"));
    // A script gets a fragment instead of the whole page.
    let tried = admin.fill_in(&model, &format!("{model}/test"), &[], true).await.text();
    assert!(tried.trim_start().starts_with("<p class=\"fault\">"), "{tried}");
    let change = [
        ("name", "small"),
        ("endpoint", url.as_str()),
        ("model", "other"),
        ("context_tokens", "16000"),
        ("is_default", "1"),
    ];
    let shown = admin.done(&model, &model, &change).await;
    assert_eq!(shown.attribute("#context_tokens", "value"), "16000");
    assert_eq!(shown.attribute("#model", "value"), "other");
    assert!(admin.page(list).await.shows(".rows", "disabled"));
    for action in ["enable", "default", "disable"] {
        admin.done(list, &format!("{model}/act"), &[("action", action)]).await;
    }
    // A stored key is not sent to another host.
    let away = [("name", "small"), ("endpoint", "https://evil.example/v1"), ("model", "m")];
    let refused = admin.fill(&model, &model, &away).await;
    assert_eq!(refused.status, 400);
    assert!(refused.html().shows("p.fault[role=alert]", "enter it again"), "{}", refused.text());
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
    assert_eq!(shown.attribute("#header", "value"), "x-api-key");
    let id = id_in(&shown.attributes("form", "action"), "/admin/servers/");
    let one = format!("/admin/servers/{id}");
    let tested = admin.fill_in(&one, &format!("{one}/test"), &[], true).await.text();
    assert!(tested.trim_start().starts_with("<p class=\"fault\">It does not work"), "{tested}");
    let change = [
        ("name", "tools"),
        ("endpoint", "http://127.0.0.1:9/mcp"),
        ("ask_tool", "find"),
        ("ask_argument", "q"),
    ];
    let shown = admin.done(&one, &one, &change).await;
    assert_eq!(shown.attribute("#ask-tool", "value"), "find");
    assert_eq!(shown.attribute("#header", "value"), "");
    for action in ["enable", "disable", "delete"] {
        admin.done(list, &format!("{one}/act"), &[("action", action)]).await;
    }
    assert!(admin.page(list).await.has(".empty"));
    assert!(!admin.shown.contains(SECRET), "a page shows a key");
}

/// Returns the text of a setting in the list.
#[track_caller]
fn line_of(settings: &HtmlPage, name: &str) -> String {
    let lines = settings.texts("li");
    lines.into_iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}"))
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
    for (name, texts) in [
        ("WENYUAN_READ_SECONDS", ["77", "environment", "Time limit for parsing a document"]),
        ("WENYUAN_MAX_DOCUMENT_MIB", ["default", "", ""]),
        ("WENYUAN_SMTP_URL", ["set, hidden", "environment", ""]),
        ("WENYUAN_LISTEN", ["--listen", "", ""]),
    ] {
        let line = line_of(&settings, name);
        assert!(texts.iter().all(|text| line.contains(text)), "{line}");
    }
    assert!(settings.shows("main", "PostgreSQL") && settings.shows("main", "pgvector"));
    admin.send(Method::GET, "/language?to=zh&back=/", &[], false).await;
    let settings = admin.page("/admin/settings").await;
    assert!(line_of(&settings, "WENYUAN_READ_SECONDS").contains("解析一篇文档的时限（秒）。"));
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
    let failures =
        |page: &HtmlPage| page.texts("p[lang=en]").iter().filter(|text| *text == "it broke <b>").count();
    assert_eq!(failures(&jobs), 50);
    let next = jobs.attribute("a[rel=next]", "href");
    assert_eq!(failures(&admin.page(&next).await), 5);
    assert_eq!(failures(&admin.page("/admin/jobs?kind=test.other").await), 0);
    assert!(admin.page("/admin").await.shows(".badge", "55 failed jobs"));
    // Retry one, discard one, then all others.
    let ids = jobs.attributes(ID, "value");
    admin.done("/admin/jobs", "/admin/jobs", &[("id", &ids[0]), ("action", "retry")]).await;
    assert_eq!(dead().await, 54);
    let again = admin.done("/admin/jobs", "/admin/jobs", &[("id", &ids[0]), ("action", "retry")]).await;
    assert!(again.shows("p.done", "There were no failed jobs"), "{}", again.source());
    admin.done("/admin/jobs", "/admin/jobs", &[("id", &ids[2]), ("action", "discard")]).await;
    assert_eq!(dead().await, 53);
    assert_eq!(admin.fill("/admin/jobs", "/admin/jobs", &[("action", "discard")]).await.status, 404);
    assert_eq!(dead().await, 53);
    admin.done("/admin/jobs", "/admin/jobs", &[("all", "1"), ("action", "retry")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(dead().await, 0);

    // Golden questions are added and removed.
    let (page, action) = ("/admin/backups", "/admin/backups/questions");
    let refused = admin.fill(page, action, &[("action", "add"), ("text", "any"), ("version", "1")]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.html().shows("p.fault[role=alert]", "name the library"), "{}", refused.text());
    let added =
        admin.done(page, action, &[("text", "how long <b>"), ("library", "gate"), ("version", "1.x")]).await;
    assert!(added.shows(".rows strong", "how long <b>") && added.shows(".rows .quiet", "gate 1.x"));
    let id = added.attributes(ID, "value").remove(0);
    let removed = admin.done(page, action, &[("action", "remove"), ("id", &id)]).await;
    assert!(!removed.has(".rows"), "{}", removed.source());
    admin.done(page, action, &[("action", "remove"), ("id", &id)]).await;
    assert!(!admin.shown.contains(SECRET), "a page shows a secret");
}
