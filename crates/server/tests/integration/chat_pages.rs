//! Chat pages without scripts: questions, answers with sources, branches, history, files,
//! shared links, imports, and hostile answers.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use serde_json::json;
use testkit::{Answer, Gate, HtmlPage, LanguageModel, Person, Reply, Server, TestApp, eventually};

use crate::PROGRAM;

const GATE: &str =
    "# Timeouts\n\nThe gateway waits 30 seconds for a service. `--upstream-timeout` changes that.\n";

/// Browser with a signed-in user.
struct Browser<'server> {
    server: &'server Server,
    cookies: Vec<(String, String)>,
}

impl<'server> Browser<'server> {
    fn of(server: &'server Server, person: &Person) -> Self {
        Self { server, cookies: vec![("wenyuan_session".to_owned(), person.session_token.clone())] }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.server
            .request_as(None, method, path, &[])
            .header("accept", "text/html")
            .header("accept-language", "en")
            .header("cookie", cookies.join("; "))
            .header("origin", format!("http://{}", self.server.address()))
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Reply {
        let reply = self.server.send(request).await;
        for set in reply.headers.get_all("set-cookie") {
            let (name, rest) = set.to_str().expect("a value").split_once('=').expect("a value");
            let value = rest.split(';').next().expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        reply
    }

    async fn get(&mut self, path: &str) -> Reply {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    async fn page(&mut self, path: &str) -> HtmlPage {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.html()
    }

    async fn token(&mut self) -> String {
        let page = self.page("/ask").await;
        page.attributes("input[name=form_token]", "value").swap_remove(0)
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token().await;
        let fields = [fields, &[("form_token", token.as_str())]].concat();
        let encoded = Url::parse_with_params("http://form", fields).expect("a value");
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned());
        self.send(request).await
    }

    /// Submits a form that redirects, and returns the target.
    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.post(path, fields).await;
        assert_eq!(reply.status, 303, "{path}: {}", reply.text());
        reply.header("location").expect("a way on").to_owned()
    }

    async fn upload(&mut self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Reply {
        let token = self.token().await;
        let mut form = Form::new().text("form_token", token);
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        form = form.part("file", Part::bytes(file.1.to_vec()).file_name(file.0.to_owned()));
        let request = self.request(Method::POST, path).multipart(form);
        self.send(request).await
    }

    /// Asks, and returns the chat's page once it contains the answer.
    async fn ask(&mut self, path: &str, fields: &[(&str, &str)]) -> (String, HtmlPage) {
        let to = self.submit(path, fields).await;
        let chat = to.split('#').next().expect("a path").to_owned();
        let page = self.wait_for_answer(&chat).await;
        (chat, page)
    }

    async fn wait_for_answer(&mut self, chat: &str) -> HtmlPage {
        for _ in 0..400 {
            let page = self.page(chat).await;
            if !page.has("[aria-busy]") {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no answer in {chat}");
    }
}

/// Returns the id of the last message of a role on a page.
#[track_caller]
fn last_message(page: &HtmlPage, selector: &str) -> String {
    let ids = page.attributes(selector, "id");
    let last = ids.last().unwrap_or_else(|| panic!("no {selector} in {}", page.source()));
    last.strip_prefix("m-").expect("the id of a message").to_owned()
}

/// Returns the id of the last answer on a page.
#[track_caller]
fn last_answer(page: &HtmlPage) -> String {
    last_message(page, "article.said-answer")
}

/// Whether a page links to a chat or to a message in it.
fn links_to(page: &HtmlPage, chat: &str) -> bool {
    page.has(&format!("a[href^='{chat}']"))
}

async fn start(app: &TestApp) -> (Server, Person, LanguageModel) {
    let model = LanguageModel::start().await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    let added = ["models", "add", "small", &model.url(), "--model", "any", "--default"];
    app.run(&added).await.succeeded();
    (server, ada, model)
}

#[tokio::test]
async fn without_a_model_passages_replace_the_answer() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1.4", "timeouts.md", GATE).await;
    server.caught_up().await;
    let mut ada = Browser::of(&server, &ada);
    let asked = [("content", "How long does the gateway wait?"), ("scope", "gate")];
    let (_, page) = ada.ask("/ask", &asked).await;
    assert!(page.shows(".note", "No language model is connected"), "{}", page.source());
    assert_eq!(page.text("div.given.answer h4"), "Timeouts");
    assert!(page.shows("div.given.answer p", "30 seconds for a service. --upstream-timeout"));
    assert_eq!(page.text("div.given.answer code"), "--upstream-timeout");
    // Once, and not repeated as Markdown in a code block.
    assert_eq!(page.text("main").matches("waits 30 seconds for a service").count(), 1);
    assert!(page.has("a[href^='/passages/']"), "{}", page.source());
}

#[tokio::test]
async fn a_question_is_asked_and_answered_without_scripts() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let mut ada = Browser::of(&server, &ada);
    let page = ada.page("/ask?q=How%20long%3F&library=gate&version=1.4").await;
    assert_eq!(page.text("textarea[name=content]"), "How long?");
    assert_eq!(page.attribute("#scope option[selected]", "value"), "gate@1.4");
    assert!(!page.has("option[value=webSearch]"), "there is no web to be searched");
    let empty = ada.post("/ask", &[("content", "  ")]).await;
    assert!(empty.status == 400 && empty.html().has("[role=alert]"), "{}", empty.text());
    let absent = ada.post("/ask", &[("content", "How long?"), ("scope", "gate@9")]).await;
    assert_eq!(absent.status, 404);
    assert_eq!(absent.html().text("textarea[name=content]"), "How long?");
    assert!(ada.page("/ask/history").await.has(".empty"), "what is refused leaves no chat behind");

    model.script([Answer::streaming(&["It waits 30 seconds [1]. ", "Bananas ripen quickly [1]. See [7]."])]);
    let asked = [("content", "How long does the gateway wait?"), ("scope", "gate")];
    let (chat, page) = ada.ask("/ask", &asked).await;
    assert!(page.shows(".answer", "30 seconds [1]") && page.has(".answer sup a[href^='/passages/']"));
    for text in [
        "1 sentence has no word in common with its source",
        "Bananas ripen quickly",
        "1 citation without a source was removed",
        "gate 1.4",
    ] {
        assert!(page.shows("article", text), "no {text} in {}", page.source());
    }
    assert!(page.shows("blockquote.given", "The gateway waits 30 seconds for a service."));
    let answer = last_answer(&page);

    // Regenerated and edited: both versions stay.
    model.script([Answer::streaming(&["Half a minute [1]."]), Answer::streaming(&["For ever."])]);
    let (_, page) = ada.ask(&chat, &[("again", &answer)]).await;
    assert_eq!(page.texts(".answer"), ["Half a minute [1]."]);
    assert!(page.shows(".branches", "2/2"), "{}", page.source());
    ada.submit(&format!("{chat}/change"), &[("show", &answer)]).await;
    let page = ada.page(&chat).await;
    assert!(page.shows(".answer", "30 seconds") && page.shows(".branches", "1/2"), "{}", page.source());
    let question = last_message(&page, "article.said-question");
    let (_, page) = ada
        .ask(&chat, &[("edit", &question), ("content", "How long does the gateway wait, in seconds?")])
        .await;
    assert!(page.shows("p.question", "wait, in seconds?"), "{}", page.source());
    assert_eq!(page.texts(".answer"), ["For ever."]);

    // Marked with a verdict, and copied.
    let answer = last_answer(&page);
    let verdict = format!("/ask/messages/{answer}/verdict");
    ada.submit(&verdict, &[("verdict", "wrong"), ("reason", "not for ever"), ("correction", "30 s")]).await;
    let page = ada.page(&chat).await;
    assert!(
        page.shows(".badge.bad", "marked as wrong") && page.shows("textarea[name=reason]", "not for ever")
    );
    ada.submit(&verdict, &[("verdict", "")]).await;
    assert!(!ada.page(&chat).await.shows(".badge.bad", "marked as wrong"));
    let copied = ada.get(&format!("/ask/messages/{answer}/markdown")).await.text();
    assert!(copied.starts_with("For ever."), "{copied}");
}

#[tokio::test]
async fn an_answer_is_followed_stopped_and_shown_after_a_reload() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let mut ada = Browser::of(&server, &ada);
    let gate = Gate::new();
    model.script([Answer::streaming(&["It waits ", "30 seconds [1]."]).gated_after(1, &gate)]);
    let chat = ada.submit("/ask", &[("content", "How long does the gateway wait?"), ("scope", "gate")]).await;
    let answer = eventually("a part of the answer", async || {
        let page = server.send(ada.request(Method::GET, &chat)).await.html();
        page.shows("[aria-busy] .answer", "It waits").then(|| last_answer(&page))
    })
    .await;
    let page = ada.page(&chat).await;
    assert!(page.source().contains("http-equiv=\"refresh\""), "the page reloads without scripts");
    assert!(page.shows(".sources", "Timeouts"), "sources come first: {}", page.source());
    let events = ada.request(Method::GET, &format!("/ask/messages/{answer}/events")).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    gate.open();
    let told = tokio::time::timeout(testkit::SOON, events.text()).await.expect("an end").unwrap();
    let names: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((names.first(), names.last()), (Some(&"sources"), Some(&"end")), "{told}");
    assert!(told.contains("said-answer") && !told.contains("aria-busy"), "{told}");

    // A follow-up question is condensed into one query first.
    model.script([
        Answer::streaming(&["How long does the gateway wait?"]),
        Answer::streaming(&["One ", "two ", "three"]).hanging_after(1),
    ]);
    ada.submit(&chat, &[("content", "And how long does the gateway wait after a timeout?")]).await;
    let answer = eventually("a part of the answer", async || {
        let page = server.send(ada.request(Method::GET, &chat)).await.html();
        page.shows("[aria-busy] .answer p", "One").then(|| last_answer(&page))
    })
    .await;
    ada.submit(&format!("/ask/messages/{answer}/stop"), &[]).await;
    let page = ada.page(&chat).await;
    assert!(
        page.shows(".warning", "You stopped this answer") && page.shows(".answer", "One"),
        "{}",
        page.source()
    );
}

#[tokio::test]
async fn hostile_text_is_never_rendered() {
    const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>";
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let mut ada = Browser::of(&server, &ada);
    model.script([Answer::streaming(&[
        HOSTILE,
        "\n\n[x](javascript:alert(4)) ![x](https://evil.example/p.png) [1](/ask/history?which=deleted) [1]\n\n```html\n<script>\n```",
    ])]);
    let (chat, _) = ada.ask("/ask", &[("content", HOSTILE), ("scope", "gate")]).await;
    let named = format!("{HOSTILE} gateway timeouts");
    ada.submit(&format!("{chat}/change"), &[("act", "rename"), ("title", &named)]).await;
    let taken = ada
        .upload(
            &format!("{chat}/files"),
            &[("scope", ""), ("focus", ""), ("model", "")],
            ("<img src=x>.md", b"# A\n\nb"),
        )
        .await;
    assert_eq!(taken.status, 303, "{}", taken.text());
    ada.submit(&format!("{chat}/change"), &[("act", "pin")]).await;
    for path in [chat.as_str(), "/ask", "/ask/history", "/ask/history?q=gateway", &format!("{chat}/share")] {
        let page = ada.page(path).await;
        assert_eq!(page.count("script"), page.count("script[src^='/assets/']"), "{path}: {}", page.source());
        for bad in ["img", "[onerror]", "[onload]", "[href^=javascript]", "[src*=evil]", "[href$='p.png']"] {
            assert!(!page.has(bad), "{bad} in {path}: {}", page.source());
        }
    }
}

#[tokio::test]
async fn history_is_searched_archived_restored_and_private() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let ben = server.person(&ada, "ben", "user").await;
    let (mut ada, mut ben) = (Browser::of(&server, &ada), Browser::of(&server, &ben));
    model.answer_with(|_| Answer::streaming(&["Thirty seconds [1]."]));
    let (chat, page) = ada.ask("/ask", &[("content", "How long does the gateway wait?")]).await;
    let answer = last_answer(&page);
    let share = ada.post(&format!("{chat}/share"), &[("hours", "24")]).await;
    assert_eq!(share.status, 201, "{}", share.text());

    for path in [
        chat.clone(),
        format!("{chat}/share"),
        format!("/ask/messages/{answer}"),
        format!("/ask/messages/{answer}/events"),
        format!("/ask/messages/{answer}/markdown"),
        format!("/ask/messages/{answer}/changes"),
    ] {
        assert_eq!(ben.get(&path).await.status, 404, "{path}");
    }
    for (path, fields) in [
        (chat.clone(), vec![("content", "And?")]),
        (format!("{chat}/change"), vec![("act", "delete")]),
        (format!("{chat}/change"), vec![("act", "restore")]),
        (format!("{chat}/share"), vec![("hours", "24")]),
        (format!("{chat}/files/remove"), vec![("file", &*answer)]),
        (format!("/ask/messages/{answer}/stop"), vec![]),
        (format!("/ask/messages/{answer}/verdict"), vec![("verdict", "good")]),
    ] {
        assert_eq!(ben.post(&path, &fields).await.status, 404, "{path} {fields:?}");
    }
    // A refused request leaves no chat, and a form of unknown fields is not buffered.
    let means = [("scope", "gate"), ("focus", ""), ("model", "")];
    let refused = ben.upload("/ask/files", &means, ("", b"")).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.html().has("[role=alert]"), "{}", refused.text());
    let long = Form::new().text("form_token", ben.token().await).text("scope", "x".repeat((64 << 10) + 1));
    // A request that is refused half-way closes its connection, so it is not reused.
    let request = ben.request(Method::POST, "/ask/files").header("connection", "close").multipart(long);
    let refused = ben.send(request).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(ben.page("/ask/history").await.has(".empty"));
    let begun = ben.upload("/ask/files", &means, ("a.md", b"# A")).await;
    assert!(begun.header("location").is_some_and(|to| to.starts_with("/ask/")), "{}", begun.text());
    let foreign = ben
        .upload(&format!("{chat}/files"), &[("scope", ""), ("focus", ""), ("model", "")], ("a.md", b"# A"))
        .await;
    assert_eq!(foreign.status, 404);
    assert!(!ben.page("/ask/history?q=gateway").await.shows("main", "How long"));

    // Search, archive, delete and restore.
    let found = ada.page("/ask/history?q=thirty").await;
    assert!(found.shows("mark", "Thirty") && links_to(&found, &chat), "{}", found.source());
    let part =
        server.send(ada.request(Method::GET, "/ask/history?q=thirty").header("hx-request", "true")).await;
    assert!(part.html().has("mark") && !part.text().contains("<html"), "{}", part.text());
    ada.submit(&format!("{chat}/change"), &[("act", "archive")]).await;
    assert!(!links_to(&ada.page("/ask/history").await, &chat));
    assert!(links_to(&ada.page("/ask/history?which=archived").await, &chat));
    let gone = ada.submit(&format!("{chat}/change"), &[("act", "delete")]).await;
    assert!(ada.page(&gone).await.shows(".note", "was deleted"), "{gone}");
    assert!(links_to(&ada.page("/ask/history?which=deleted").await, &chat));
    assert_eq!(ada.submit(&format!("{chat}/change"), &[("act", "restore")]).await, chat);
    // Actions on the history page lead back to it.
    let tidied = ada.submit(&format!("{chat}/change"), &[("act", "delete"), ("back", "history")]).await;
    assert!(tidied.starts_with("/ask/history?deleted="), "{tidied}");
    assert!(ada.page(&tidied).await.shows("form.note", "It can be restored"));
    let back = ada.submit(&format!("{chat}/change"), &[("act", "restore"), ("back", "history")]).await;
    assert_eq!(back, "/ask/history");
    assert!(links_to(&ada.page("/ask/history?which=archived").await, &chat));

    // Export and import.
    let exported = ada.get("/api/v1/history/export").await;
    assert_eq!(exported.status, 200);
    let bytes = exported.text();
    let report = ben.upload("/ask/history/import", &[], ("history.ndjson", bytes.as_bytes())).await;
    assert_eq!(report.status, 200);
    assert_eq!(report.html().text("h1"), "Import result");
    assert!(ben.page("/ask/history?q=gateway").await.has("mark"));
    let foreign = ben.request(Method::POST, "/ask/history/import").multipart(
        Form::new()
            .text("form_token", "0".repeat(96))
            .part("file", Part::bytes(bytes.into_bytes()).file_name("x")),
    );
    assert_eq!(server.send(foreign).await.status, 403);
}

#[tokio::test]
async fn a_link_shows_a_snapshot_until_it_is_revoked() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let mut ada = Browser::of(&server, &ada);
    model.answer_with(|_| Answer::streaming(&["Thirty seconds [1]."]));
    let (chat, _) = ada.ask("/ask", &[("content", "How long does the gateway wait?")]).await;
    let created = ada.post(&format!("{chat}/share"), &[("hours", "24")]).await.html();
    let url = created.text("#made");
    let path = url.split_once("/share/").map(|(_, token)| format!("/share/{token}")).unwrap();
    assert!(ada.page(&path).await.shows("body", "Thirty seconds"));
    let list = ada.page(&format!("{chat}/share")).await;
    assert!(!list.source().contains("wshare_"), "{}", list.source());
    let id = list.attribute("input[name=id]", "value");
    ada.submit(&format!("{chat}/share/end"), &[("id", &id)]).await;
    assert_eq!(ada.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_wrong_answer_is_listed_for_the_library_that_gave_it() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada, model) = start(&app).await;
    let ben = server.person(&ada, "ben", "user").await;
    server.add("other", "1", "other.md", "# Other\n\nSomething else.\n").await;
    server.add("hidden", "1", "hidden.md", "# Hidden\n\nNobody knows.\n").await;
    let hide = json!({ "visibility": "private" });
    let hidden = server.ask(Some(server.key()), Method::PATCH, "/api/v1/libraries/hidden", Some(hide)).await;
    assert_eq!(hidden.status, 200, "{}", hidden.text());
    model.answer_with(|_| Answer::streaming(&["Thirty seconds [1]."]));
    let mut ben = Browser::of(&server, &ben);
    for scope in ["other", "hidden"] {
        let (chat, page) =
            ben.ask("/ask", &[("content", "How long does the gateway wait?"), ("scope", "gate")]).await;
        ben.submit(&format!("{chat}/change"), &[("act", "options"), ("scope", scope)]).await;
        let verdict = format!("/ask/messages/{}/verdict", last_answer(&page));
        ben.submit(&verdict, &[("verdict", "wrong"), ("reason", scope)]).await;
    }
    let listed = async |library: &str| {
        let path = format!("/api/v1/worklist?kind=answer_wrong&library={library}");
        server.json(&path).await["items"].clone()
    };
    assert_eq!(listed("gate").await[0]["occurrences"], 2);
    assert_eq!((listed("other").await, listed("hidden").await), (json!([]), json!([])));
}
