//! Pages: accounts and sessions, forms, cookies, headers and languages, and what is refused.

use reqwest::{Method, Url};
use testkit::{PASSWORD, Reply, Server, TestApp};

use crate::PROGRAM;

/// A client with control over cookies and the origin of forms.
struct Browser<'server> {
    server: &'server Server,
    cookies: Vec<(String, String)>,
    language: &'static str,
}

impl<'server> Browser<'server> {
    fn new(server: &'server Server) -> Self {
        Self { server, cookies: Vec::new(), language: "en" }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        origin: Option<&str>,
        form: &[(&str, &str)],
    ) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.server.request_as(None, method.clone(), path, &[]);
        request = request.header("accept", "text/html").header("accept-language", self.language);
        request = request.header("cookie", cookies.join("; "));
        if method == Method::POST {
            let encoded = Url::parse_with_params("http://form", form)
                .expect("a value")
                .query()
                .unwrap_or_default()
                .to_owned();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let reply = self.server.send(request).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().expect("a value").split_once('=').expect("a value");
            let value = rest.split(';').next().expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        reply
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, None, &[]).await
    }

    /// Opens a page and submits a form from it.
    async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let tokens = self.get(page).await.html().attributes(TOKEN, "value");
        let token = tokens.first().expect("a form");
        let origin = format!("http://{}", self.server.address());
        self.send(Method::POST, action, Some(&origin), &[fields, &[("form_token", token)]].concat()).await
    }
}

/// Token of a form.
const TOKEN: &str = "input[name=form_token]";

#[track_caller]
fn between<'text>(text: &'text str, before: &str, after: &str) -> &'text str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().expect("a value")
}

/// Language and theme of a page.
fn language_and_theme(reply: &Reply) -> [String; 2] {
    let page = reply.html();
    ["lang", "data-theme"].map(|name| page.attribute("html", name))
}

fn cookie_set<'reply>(reply: &'reply Reply, name: &str) -> Option<&'reply str> {
    let all = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    all.into_iter().find(|set| set.starts_with(&format!("{name}=")))
}

#[expect(clippy::too_many_lines, reason = "one account, from its creation to its last link")]
#[tokio::test]
async fn an_account_is_managed_on_pages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut ada = Browser::new(&server);
    assert!(ada.get("/").await.html().shows(".note", "There is no administrator yet"));
    let setup = format!("/setup?token={}", server.setup_token().await);
    assert_eq!(ada.get("/setup?token=guess").await.status, 404);
    let fields = |password| {
        [
            ("token", setup.split('=').nth(1).unwrap()),
            ("username", "ada"),
            ("email", ""),
            ("password", password),
        ]
    };
    let weak = ada.submit(&setup, "/setup", &fields("password123")).await;
    assert_eq!(weak.status, 400);
    assert!(weak.html().shows("[role=alert]", "This password is too easy to guess"), "{}", weak.text());
    assert_eq!(weak.html().attribute("input[name=username]", "value"), "ada");
    assert!(!weak.text().contains("password123"), "{}", weak.text());
    let created = ada.submit(&setup, "/setup", &fields(PASSWORD)).await;
    assert_eq!((created.status, created.header("location")), (303, Some("/start")), "{}", created.text());
    let cookie = cookie_set(&created, "wenyuan_session").unwrap().to_owned();
    for flag in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    assert_eq!(ada.get(&setup).await.status, 404);
    assert_eq!(ada.get("/account").await.html().text("h1"), "ada");
    // A key is shown only once.
    let key =
        ada.submit("/account", "/account/keys", &[("name", "ci <b>"), ("notes", "1"), ("days", "30")]).await;
    assert_eq!(key.status, 201, "{}", key.text());
    let secret = key.html().text("pre.secret");
    assert_eq!(server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status, 200);
    let account = ada.get("/account").await.html();
    assert!(
        account.shows(".rows strong", "ci <b>") && account.shows(".badge", "notes"),
        "{}",
        account.source()
    );
    assert!(!account.source().contains(&secret), "{}", account.source());
    let twice = ada.submit("/account", "/account/keys", &[("name", "ci <b>")]).await;
    assert_eq!(twice.status, 409);
    assert!(twice.html().shows("[role=alert]", "You have a key of this name already"), "{}", twice.text());
    let id = account.attributes("input[name=id]", "value").swap_remove(0);
    let change = [("id", id.as_str()), ("action", "disable")];
    assert_eq!(ada.submit("/account", "/account/keys/change", &change).await.status, 303);
    assert_eq!(server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status, 401);
    let change = [("id", id.as_str()), ("action", "delete")];
    assert_eq!(ada.submit("/account", "/account/keys/change", &change).await.status, 303);
    assert!(ada.get("/account").await.html().shows(".empty", "No keys yet."));
    // Language and theme are stored in the account and follow to another browser.
    let look = [("language", "zh"), ("theme", "dark")];
    let chosen = ada.submit("/account", "/account/look", &look).await;
    assert_eq!(chosen.header("location"), Some("/account?done=look"), "{}", chosen.text());
    let mut other = Browser::new(&server);
    let fields = [("name", "ada"), ("password", PASSWORD), ("next", "/account")];
    let signed_in = other.submit("/sign-in", "/sign-in", &fields).await;
    assert!(cookie_set(&signed_in, "wenyuan_language").unwrap().starts_with("wenyuan_language=zh;"));
    assert!(cookie_set(&signed_in, "wenyuan_theme").unwrap().starts_with("wenyuan_theme=dark;"));
    other.cookies.retain(|(name, _)| name == "wenyuan_session");
    assert_eq!(language_and_theme(&other.get("/account").await), ["zh-CN", "dark"]);
    // A choice in one browser has precedence there.
    other.get("/language?to=en&back=/").await;
    assert_eq!(language_and_theme(&other.get("/account").await), ["en", "dark"]);
    for (name, to) in [("language", "en"), ("theme", "system")] {
        let field = if name == "theme" { "theme" } else { "to" };
        let chosen = ada.submit("/account", &format!("/{name}"), &[(field, to), ("back", "/account")]).await;
        assert_eq!(chosen.header("location"), Some("/account"));
    }
    assert_eq!(language_and_theme(&ada.get("/account").await), ["en", "system"]);
    // Changing the email address needs the password.
    let person = |email, password| {
        [("first_name", "Ada"), ("last_name", "L"), ("email", email), ("password", password)]
    };
    let refused = ada.submit("/account", "/account/person", &person("ada@example.org", "wrong")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(refused.html().attribute("input[name=email]", "value"), "ada@example.org");
    assert!(!refused.text().contains("\"wrong\""), "{}", refused.text());
    for (email, password) in [("ada@example.org", PASSWORD), ("ada@example.org", "")] {
        let changed = ada.submit("/account", "/account/person", &person(email, password)).await;
        assert_eq!(changed.header("location"), Some("/account?done=person"), "{}", changed.text());
    }
    // A session in another browser is ended from here.
    let mut elsewhere = Browser::new(&server);
    let wrong = [("name", "ada"), ("password", "wrong"), ("next", "/account")];
    let wrong = elsewhere.submit("/sign-in", "/sign-in", &wrong).await;
    assert_eq!(wrong.status, 403);
    assert_eq!(wrong.html().text("[role=alert]"), "Name or password is wrong.");
    for (next, location) in [("//evil.example", "/"), ("https://evil.example", "/"), ("/account", "/account")]
    {
        let mut other = Browser::new(&server);
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let signed_in = other.submit("/sign-in", "/sign-in", &fields).await;
        assert_eq!((signed_in.status, signed_in.header("location")), (303, Some(location)));
        elsewhere = other;
    }
    assert_eq!(elsewhere.get("/account").await.status, 200);
    assert_eq!(ada.submit("/account", "/account/sessions", &[("others", "1")]).await.status, 303);
    assert_eq!(elsewhere.get("/account").await.header("location"), Some("/sign-in?next=/account"));
    // Changing the password, and signing out.
    let fields = [("current", "wrong"), ("new", "another good password")];
    let wrong = ada.submit("/account", "/account/password", &fields).await;
    assert_eq!(wrong.html().text("[role=alert]"), "The current password is wrong.");
    // The other form on the page is unchanged.
    assert_eq!(wrong.html().attribute("select[name=days] option[selected]", "value"), "90");
    let fields = [("current", PASSWORD), ("new", "another good password")];
    let changed = ada.submit("/account", "/account/password", &fields).await;
    assert_eq!(changed.header("location"), Some("/account?done=password"), "{}", changed.text());
    let cookies = ada.cookies.clone();
    let out = ada.submit("/account", "/sign-out", &[]).await;
    assert!(cookie_set(&out, "wenyuan_session").unwrap().contains("Max-Age=0"));
    assert_eq!(out.header("clear-site-data"), Some("\"cache\""));
    // The session ended on the server too.
    ada.cookies = cookies;
    assert_eq!(ada.get("/account").await.status, 303);
    // A link created by an administrator works once.
    let link = app.run(&["user", "link", "ada", "--json"]).await.json()["link"].as_str().unwrap().to_owned();
    let path = format!("/password?token={}", between(&link, "token=", "\n"));
    let fields = [("token", path.split('=').nth(1).unwrap()), ("password", "a third good password")];
    assert!(ada.get(&path).await.html().texts("strong").contains(&"ada".to_owned()));
    let set = ada.submit(&path, "/password", &fields).await;
    // It signs in, too.
    assert_eq!(set.header("location"), Some("/"), "{}", set.text());
    assert!(cookie_set(&set, "wenyuan_session").is_some(), "{}", set.text());
    assert_eq!(ada.get("/account").await.status, 200);
    assert_eq!(ada.get(&path).await.status, 404);
    let forgot = ada.get("/forgot").await.html();
    assert!(forgot.shows(".note", "Ask an administrator"), "{}", forgot.source());
}

#[tokio::test]
async fn forms_are_accepted_only_from_our_own_pages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    let mut browser = Browser::new(&server);
    let fields = [("name", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.submit("/sign-in", "/sign-in", &fields).await.status, 303);
    let page = browser.get("/account").await.html();
    let token = page.attributes(TOKEN, "value").swap_remove(0);
    let own = format!("http://{}", server.address());
    let good = [("others", "1"), ("form_token", token.as_str())];
    let bad = [("others", "1"), ("form_token", "0000000000000000000000000000000000000000000000ff")];
    for (origin, form) in [
        (Some("https://evil.example"), &good[..]),
        (Some("null"), &good),
        (None, &good),
        (Some(own.as_str()), &bad),
        (Some(own.as_str()), &good[..1]),
    ] {
        let refused = browser.send(Method::POST, "/account/sessions", origin, form).await;
        assert_eq!(refused.status, 403, "{origin:?} {form:?}");
        assert_eq!(refused.header("content-type"), Some("text/html; charset=utf-8"), "{}", refused.text());
    }
    // The token without its cookie.
    let kept = browser.cookies.clone();
    browser.cookies.retain(|(name, _)| name == "wenyuan_session");
    let refused = browser.send(Method::POST, "/account/sessions", Some(&own), &good).await;
    assert_eq!(refused.status, 403);
    browser.cookies = kept;
    assert_eq!(browser.send(Method::POST, "/account/sessions", Some(&own), &good).await.status, 303);
    // Other sites cannot use the cookie at the API either.
    let session = browser.cookies.iter().find(|(name, _)| name == "wenyuan_session").unwrap();
    let cookie = format!("wenyuan_session={}", session.1);
    let request = |origin: Option<&str>| {
        let request =
            server.request_as(None, Method::DELETE, "/api/v1/sessions", &[]).header("cookie", &cookie);
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    server.send(request(None)).await.problem(403);
    server.send(request(Some("https://evil.example"))).await.problem(403);
    assert_eq!(server.send(request(Some(&own))).await.status, 204);
}

#[tokio::test]
async fn pages_send_security_headers_and_the_preferred_language() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_PUBLIC_URL", "https://docs.example.org");
    let server = app.serve().await;
    server.set_up().await;
    let mut browser = Browser::new(&server);
    let paths = ["/", "/sign-in", "/forgot", "/setup?token=x", "/password?token=x", "/nothing"];
    for path in paths {
        let page = browser.get(path).await;
        let policy =
            page.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {}", page.text()));
        for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        // A page without secrets may be restored by the back button.
        let kept = if path == "/" { "private, no-cache" } else { "no-store" };
        assert_eq!(page.header("cache-control"), Some(kept), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        let text = page.text();
        assert!(text.starts_with("<!doctype html>\n<html lang=\"en\" "), "{path}: {text}");
        let html = page.html();
        assert_eq!(html.count("script"), html.count("script[src^='/assets/']"), "{path}: {text}");
        assert!(!html.has("[style]") && !html.has("[onclick]"), "{path}: {text}");
    }
    // Over TLS the cookies are bound to this host and to TLS.
    let mut fresh = Browser::new(&server);
    let page = fresh.get("/sign-in").await;
    let form = cookie_set(&page, "__Host-wenyuan_form").unwrap();
    for flag in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(form.contains(flag), "{form}");
    }
    let fields = [("name", "ada"), ("password", PASSWORD)];
    let signed_in = fresh.submit("/sign-in", "/sign-in", &fields).await;
    let session = cookie_set(&signed_in, "__Host-wenyuan_session").unwrap().to_owned();
    assert!(session.contains("; Secure") && session.contains("SameSite=Lax"), "{session}");
    assert_eq!(fresh.get("/account").await.status, 200);
    // Without the __Host- prefix, which another host of the domain could set, the cookie is ignored.
    let value = between(&session, "=", ";");
    let request = server.request_as(None, Method::GET, "/account", &[]);
    assert_eq!(server.send(request.header("cookie", format!("wenyuan_session={value}"))).await.status, 303);

    let mut reader = Browser { language: "zh-CN,zh;q=0.9,en;q=0.5", ..Browser::new(&server) };
    let page = reader.get("/sign-in").await.html();
    assert_eq!(page.attribute("html", "lang"), "zh-CN");
    assert!(page.text("main").contains("忘记密码"), "{}", page.source());
    let wrong = [("name", "ada"), ("password", "wrong"), ("next", "")];
    let refused = reader.submit("/sign-in", "/sign-in", &wrong).await.html();
    assert_eq!(refused.text("[role=alert]"), "用户名或密码不正确。");
    assert_eq!(reader.get("/nothing").await.html().text("h1"), "页面不存在");
    let switched = reader.get("/language?to=en&back=/sign-in").await;
    assert_eq!((switched.status, switched.header("location")), (303, Some("/sign-in")));
    assert_eq!(reader.get("/sign-in").await.html().attribute("html", "lang"), "en");
    let away = reader.get("/language?to=en&back=//evil.example").await;
    assert_eq!(away.header("location"), Some("/"));
    // Programs get a problem.
    server.get("/nothing", &[]).await.problem(404);
}

#[tokio::test]
async fn an_agent_is_connected_with_a_new_key() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    let mut ada = Browser::new(&server);
    assert_eq!(
        ada.get("/connect?library=x").await.header("location"),
        Some("/sign-in?next=%2Fconnect%3Flibrary%3Dx")
    );
    ada.submit("/sign-in", "/sign-in", &[("name", "ada"), ("password", PASSWORD)]).await;
    assert!(ada.get("/connect").await.html().shows("#claude-code", "Bearer wy_…"));
    let fields = [("name", "claude-code"), ("library", ""), ("notes", "1"), ("days", "30")];
    let both = [("name", "both"), ("library", "x"), ("chats", "1"), ("days", "30")];
    let refused = ada.submit("/connect", "/connect", &both).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.html().attribute("select[name=days] option[selected]", "value"), "30");
    let created = ada.submit("/connect", "/connect", &fields).await;
    assert_eq!(
        (created.status, created.header("cache-control")),
        (201, Some("no-store")),
        "{}",
        created.text()
    );
    let text = created.text();
    let key = between(between(&text, "id=\"key\"", "/pre>"), ">", "<").to_owned();
    let key = key.split('>').next_back().unwrap_or_default().trim().to_owned();
    // Each configuration shown contains the key, which works at the MCP endpoint.
    assert!(text.matches(&format!("Bearer {key}")).count() >= 4, "{text}");
    let call = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "list_libraries", "arguments": {} } });
    let request = server.request_as(Some(&key), Method::POST, "/mcp", &[]).json(&call);
    let request = request.header("accept", "application/json, text/event-stream");
    let answered = server.send(request.header("mcp-protocol-version", "2025-11-25")).await;
    assert!(answered.status == 200 && answered.text().contains("wenyuan"), "{}", answered.text());
    // A duplicate name is refused, and the form keeps its input.
    let again = ada.submit("/connect", "/connect", &fields).await;
    assert!(
        again.status == 409 && again.html().has("input[name=name][value=claude-code]"),
        "{}",
        again.text()
    );
}
