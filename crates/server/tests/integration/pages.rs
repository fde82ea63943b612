//! Pages, as a browser asks for them: their forms, cookies and headers, both languages, and what they refuse.

use reqwest::{Method, Url};
use testkit::{PASSWORD, Reply, Server, TestApp};

use crate::PROGRAM;

/// A browser as far as it matters here: it keeps cookies, and says where a form comes from.
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
        for set in reply.headers.get_all("set-cookie") {
            let (name, rest) = set.to_str().expect("a value").split_once('=').expect("a value");
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

    /// Opens a page, fills in its form and sends it.
    async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let opened = self.get(page).await.text();
        let token = between(&opened, "name=\"form_token\" value=\"", "\"");
        let origin = format!("http://{}", self.server.address());
        self.send(Method::POST, action, Some(&origin), &[fields, &[("form_token", token)]].concat()).await
    }
}

#[track_caller]
fn between<'text>(text: &'text str, before: &str, after: &str) -> &'text str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().expect("a value")
}

fn cookie_set<'reply>(reply: &'reply Reply, name: &str) -> Option<&'reply str> {
    let all = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    all.into_iter().find(|set| set.starts_with(&format!("{name}=")))
}

#[expect(clippy::too_many_lines, reason = "one life, from its beginning to its end")]
#[tokio::test]
async fn a_life_on_pages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let mut ada = Browser::new(&server);
    assert!(ada.get("/").await.text().contains("There is no administrator yet"));
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
    let weak = ada.fill(&setup, "/setup", &fields("password123")).await;
    assert!(
        weak.status == 400 && weak.text().contains("among the first that are guessed"),
        "{}",
        weak.text()
    );
    assert!(weak.text().contains("value=\"ada\"") && !weak.text().contains("password123"), "{}", weak.text());
    let made = ada.fill(&setup, "/setup", &fields(PASSWORD)).await;
    assert_eq!((made.status, made.header("location")), (303, Some("/account")), "{}", made.text());
    let cookie = cookie_set(&made, "wenyuan_session").unwrap().to_owned();
    for flag in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    assert_eq!(ada.get(&setup).await.status, 404);
    assert!(ada.get("/account").await.text().contains("<h1>ada</h1>"));
    // A key, shown this once.
    let key =
        ada.fill("/account", "/account/keys", &[("name", "ci <b>"), ("notes", "1"), ("days", "30")]).await;
    assert_eq!(key.status, 201, "{}", key.text());
    let secret =
        between(&key.text(), "<pre class=\"secret\"", "</pre>").split('>').nth(1).unwrap().to_owned();
    assert_eq!(server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status, 200);
    let account = ada.get("/account").await.text();
    assert!(
        account.contains("ci &#60;b&#62;") && !account.contains(&secret) && account.contains(">notes<"),
        "{account}"
    );
    let twice = ada.fill("/account", "/account/keys", &[("name", "ci <b>")]).await;
    assert!(twice.status == 409 && twice.text().contains("You have a key of this name"), "{}", twice.text());
    let id = between(&account, "name=\"id\" value=\"", "\"").to_owned();
    let change = [("id", id.as_str()), ("action", "disable")];
    assert_eq!(ada.fill("/account", "/account/keys/change", &change).await.status, 303);
    assert_eq!(server.ask(Some(&secret), Method::GET, "/api/v1/session", None).await.status, 401);
    let change = [("id", id.as_str()), ("action", "delete")];
    assert_eq!(ada.fill("/account", "/account/keys/change", &change).await.status, 303);
    assert!(ada.get("/account").await.text().contains("No keys yet."));
    // How pages look is kept in the account, and follows to another browser.
    let look = [("language", "zh"), ("theme", "dark")];
    let chosen = ada.fill("/account", "/account/look", &look).await;
    assert_eq!(chosen.header("location"), Some("/account?done=look"), "{}", chosen.text());
    let mut other = Browser::new(&server);
    let fields = [("name", "ada"), ("password", PASSWORD), ("next", "/account")];
    let signed_in = other.fill("/sign-in", "/sign-in", &fields).await;
    assert!(cookie_set(&signed_in, "wenyuan_language").unwrap().starts_with("wenyuan_language=zh;"));
    assert!(cookie_set(&signed_in, "wenyuan_theme").unwrap().starts_with("wenyuan_theme=dark;"));
    other.cookies.retain(|(name, _)| name == "wenyuan_session");
    let page = other.get("/account").await.text();
    assert!(page.contains("<html lang=\"zh-CN\" data-theme=\"dark\">"), "{page}");
    // What is chosen in a browser is for it first.
    other.get("/language?to=en&back=/").await;
    assert!(other.get("/account").await.text().contains("<html lang=\"en\" data-theme=\"dark\">"));
    for (name, to) in [("language", "en"), ("theme", "system")] {
        let field = if name == "theme" { "theme" } else { "to" };
        let chosen = ada.fill("/account", &format!("/{name}"), &[(field, to), ("back", "/account")]).await;
        assert_eq!(chosen.header("location"), Some("/account"));
    }
    assert!(ada.get("/account").await.text().contains("<html lang=\"en\" data-theme=\"system\">"));
    // Names, and a mail address, for which the password is needed.
    let person = |email, password| {
        [("first_name", "Ada"), ("last_name", "L"), ("email", email), ("password", password)]
    };
    let refused = ada.fill("/account", "/account/person", &person("ada@example.org", "wrong")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let text = refused.text();
    assert!(text.contains("value=\"ada@example.org\"") && !text.contains("\"wrong\""), "{text}");
    for (email, password) in [("ada@example.org", PASSWORD), ("ada@example.org", "")] {
        let changed = ada.fill("/account", "/account/person", &person(email, password)).await;
        assert_eq!(changed.header("location"), Some("/account?done=person"), "{}", changed.text());
    }
    // Another browser, which is then signed out from here.
    let mut elsewhere = Browser::new(&server);
    let wrong = [("name", "ada"), ("password", "wrong"), ("next", "/account")];
    let wrong = elsewhere.fill("/sign-in", "/sign-in", &wrong).await;
    assert!(wrong.status == 403 && wrong.text().contains("Name or password is wrong."), "{}", wrong.text());
    for (next, location) in [("//evil.example", "/account"), ("https://evil.example", "/account"), ("/", "/")]
    {
        let mut other = Browser::new(&server);
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let signed_in = other.fill("/sign-in", "/sign-in", &fields).await;
        assert_eq!((signed_in.status, signed_in.header("location")), (303, Some(location)));
        elsewhere = other;
    }
    assert_eq!(elsewhere.get("/account").await.status, 200);
    assert_eq!(ada.fill("/account", "/account/sessions", &[("others", "1")]).await.status, 303);
    assert_eq!(elsewhere.get("/account").await.header("location"), Some("/sign-in?next=/account"));
    // Another password, and the way out.
    let fields = [("current", "wrong"), ("new", "another good password")];
    let wrong = ada.fill("/account", "/account/password", &fields).await;
    assert!(wrong.text().contains("The current password is wrong."), "{}", wrong.text());
    // The form beside it is as it was.
    assert!(wrong.text().contains("<option value=\"90\" selected>"), "{}", wrong.text());
    let fields = [("current", PASSWORD), ("new", "another good password")];
    let changed = ada.fill("/account", "/account/password", &fields).await;
    assert_eq!(changed.header("location"), Some("/account?done=password"), "{}", changed.text());
    let cookies = ada.cookies.clone();
    let out = ada.fill("/account", "/sign-out", &[]).await;
    assert!(cookie_set(&out, "wenyuan_session").unwrap().contains("Max-Age=0"));
    assert_eq!(out.header("clear-site-data"), Some("\"cache\""));
    // Not only the browser has forgotten it.
    ada.cookies = cookies;
    assert_eq!(ada.get("/account").await.status, 303);
    // A link, made by an administrator, works once.
    let link = app.run(&["user", "link", "ada", "--json"]).await.json()["link"].as_str().unwrap().to_owned();
    let path = format!("/password?token={}", between(&link, "token=", "\n"));
    let fields = [("token", path.split('=').nth(1).unwrap()), ("password", "a third good password")];
    assert!(ada.get(&path).await.text().contains("<strong>ada</strong>"));
    let set = ada.fill(&path, "/password", &fields).await;
    assert_eq!(set.header("location"), Some("/sign-in?done=password"), "{}", set.text());
    assert_eq!(ada.get(&path).await.status, 404);
    let forgot = ada.get("/forgot").await.text();
    assert!(forgot.contains("Ask an administrator"), "{forgot}");
}

#[tokio::test]
async fn pages_of_others_cannot_send_our_forms() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    let mut browser = Browser::new(&server);
    let fields = [("name", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.fill("/sign-in", "/sign-in", &fields).await.status, 303);
    let page = browser.get("/account").await.text();
    let token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
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
    // The token alone, without its cookie.
    let kept = browser.cookies.clone();
    browser.cookies.retain(|(name, _)| name == "wenyuan_session");
    let refused = browser.send(Method::POST, "/account/sessions", Some(&own), &good).await;
    assert_eq!(refused.status, 403);
    browser.cookies = kept;
    assert_eq!(browser.send(Method::POST, "/account/sessions", Some(&own), &good).await.status, 303);
    // Nor can they use the cookie at the API.
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
async fn pages_say_what_browsers_may_do_and_in_which_language() {
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
        // What holds no secret may be shown again by going back.
        let kept = if path == "/" { "private, no-cache" } else { "no-store" };
        assert_eq!(page.header("cache-control"), Some(kept), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        let text = page.text();
        assert!(text.starts_with("<!doctype html>\n<html lang=\"en\" "), "{path}: {text}");
        assert!(
            text.split("<script").skip(1).all(|rest| rest.starts_with(" src=\"/assets/"))
                && !text.contains(" style=")
                && !text.contains(" onclick"),
            "{path}"
        );
    }
    // Over TLS the cookies are bound to this host and to TLS.
    let mut fresh = Browser::new(&server);
    let page = fresh.get("/sign-in").await;
    let form = cookie_set(&page, "__Host-wenyuan_form").unwrap();
    for flag in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(form.contains(flag), "{form}");
    }
    let fields = [("name", "ada"), ("password", PASSWORD)];
    let signed_in = fresh.fill("/sign-in", "/sign-in", &fields).await;
    let session = cookie_set(&signed_in, "__Host-wenyuan_session").unwrap().to_owned();
    assert!(session.contains("; Secure") && session.contains("SameSite=Lax"), "{session}");
    assert_eq!(fresh.get("/account").await.status, 200);
    // Under the name that a neighbour could set it is not looked at.
    let value = between(&session, "=", ";");
    let request = server.request_as(None, Method::GET, "/account", &[]);
    assert_eq!(server.send(request.header("cookie", format!("wenyuan_session={value}"))).await.status, 303);

    let mut reader = Browser { language: "zh-CN,zh;q=0.9,en;q=0.5", ..Browser::new(&server) };
    let page = reader.get("/sign-in").await.text();
    assert!(page.contains("<html lang=\"zh-CN\" ") && page.contains("忘记密码"), "{page}");
    let wrong = [("name", "ada"), ("password", "wrong"), ("next", "")];
    assert!(reader.fill("/sign-in", "/sign-in", &wrong).await.text().contains("用户名或密码不正确"));
    assert!(reader.get("/nothing").await.text().contains("页面不存在"));
    let switched = reader.get("/language?to=en&back=/sign-in").await;
    assert_eq!((switched.status, switched.header("location")), (303, Some("/sign-in")));
    assert!(reader.get("/sign-in").await.text().contains("<html lang=\"en\" "));
    let away = reader.get("/language?to=en&back=//evil.example").await;
    assert_eq!(away.header("location"), Some("/"));
    // A program is told as it always was.
    server.get("/nothing", &[]).await.problem(404);
}

#[tokio::test]
async fn an_agent_is_connected_with_a_key_made_on_the_spot() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.set_up().await;
    let mut ada = Browser::new(&server);
    assert_eq!(
        ada.get("/connect?library=x").await.header("location"),
        Some("/sign-in?next=%2Fconnect%3Flibrary%3Dx")
    );
    ada.fill("/sign-in", "/sign-in", &[("name", "ada"), ("password", PASSWORD)]).await;
    assert!(ada.get("/connect").await.text().contains("Bearer wy_…"));
    let fields = [("name", "claude-code"), ("library", ""), ("notes", "1"), ("days", "30")];
    let both = [("name", "both"), ("library", "x"), ("chats", "1"), ("days", "30")];
    let refused = ada.fill("/connect", "/connect", &both).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("<option value=\"30\" selected>"), "{}", refused.text());
    let made = ada.fill("/connect", "/connect", &fields).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{}", made.text());
    let text = made.text();
    let key = between(between(&text, "id=\"key\"", "/pre>"), ">", "<").to_owned();
    let key = key.split('>').next_back().unwrap_or_default().trim().to_owned();
    // Each line that is shown holds it, and it opens the door that the lines name.
    assert!(text.matches(&format!("Bearer {key}")).count() >= 4, "{text}");
    let call = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "list_libraries", "arguments": {} } });
    let request = server.request_as(Some(&key), Method::POST, "/mcp", &[]).json(&call);
    let request = request.header("accept", "application/json, text/event-stream");
    let answered = server.send(request.header("mcp-protocol-version", "2025-11-25")).await;
    assert!(answered.status == 200 && answered.text().contains("wenyuan"), "{}", answered.text());
    // The same name again is refused in the form, which keeps what was written.
    let again = ada.fill("/connect", "/connect", &fields).await;
    assert!(again.status == 409 && again.text().contains("value=\"claude-code\""), "{}", again.text());
}
