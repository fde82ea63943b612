//! Pages of search, libraries and versions.

use reqwest::Method;
use serde_json::json;
use testkit::{HtmlPage, PageClient, Reply, Server, TestApp, documents, eventually};

use crate::PROGRAM;

const POOL: &str = "# Pool\n\n## Connections\n\nThe pool keeps <b>idle</b> connections open for ten minutes.\n\n\
                    ## Limits\n\nAt most twenty connections are open.\n";

#[track_caller]
fn page(reply: &Reply) -> HtmlPage {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.html()
}

/// Adds two libraries, one of them in two versions.
async fn add_documents(server: &Server) {
    server.add("gate", "1", "guide/pool.md", POOL).await;
    server.add("gate", "2", "guide/pool.md", POOL.replace("ten", "five")).await;
    server.add("mill", "current", "mill.md", "# Mill\n\nThe mill grinds corn with water.\n").await;
    server.caught_up().await;
}

/// Questions without results on the work list.
async fn zero_result_questions(server: &Server) -> Vec<String> {
    let items = server.json("/api/v1/worklist?limit=100&kind=nothing_found").await["items"].clone();
    let items = items.as_array().expect("a list").iter();
    let questions = items.flat_map(|item| item["questions"].as_array().cloned().unwrap_or_default());
    questions.filter_map(|question| question.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn results_are_grouped_by_document_and_narrowed_by_links() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    add_documents(&server).await;
    let mut ada = PageClient::signed_in(&server, &ada);
    let first = page(&ada.get("/").await);
    assert_eq!(first.text("h3 a[href='/l/gate']"), "gate");
    assert!(first.has("a[href^='/?library=mill']") && first.has("input[name=q][data-search][autofocus]"));
    let found = page(&ada.get("/?q=idle+connections&library=gate").await);
    assert_eq!(found.texts("article.hit h2 a[href='/l/gate/1/guide/pool.md']"), ["Pool"]);
    assert_eq!(found.texts("article.hit .badge.accent"), ["1"]);
    let passages = found.texts("a[data-hit]");
    // A document's own markup is neither shown nor obeyed.
    let passage = "keeps idle connections open for ten minutes";
    assert!(passages.iter().any(|text| text.contains(passage)), "{passages:?}");
    assert!(!found.has("a[data-hit] b"));
    let marks = found.texts("a[data-hit] mark");
    assert!(["idle", "connections"].iter().all(|word| marks.iter().any(|mark| mark == word)), "{marks:?}");
    // Each link leads to the same search with one filter changed.
    for link in ["&library=gate&version=2", "&library=gate&content=code"] {
        assert!(found.has(&format!("a[href='/?q=idle%20connections{link}']")), "{link}");
    }
    let chosen = found.texts("a.chip[aria-current=true][href='/?q=idle%20connections']");
    assert!(chosen[0].starts_with("gate"), "{chosen:?}");
    assert!(found.has("a[href^='/passages/']") && found.has("input[name=library][value=gate]"));
    assert!(!found.has("b") && !found.source().contains("five minutes"), "{}", found.source());
    let second = page(&ada.get("/?q=idle+connections&library=gate&version=2").await);
    assert!(second.has("article.hit h2 a[href='/l/gate/2/guide/pool.md']"));
    assert!(second.texts("a[data-hit]").iter().any(|text| text.contains("five minutes")));
    // The same address answers htmx with a fragment.
    let fragment = ada.fragment("/?q=idle+connections").await;
    assert!(fragment.header("vary").is_some_and(|vary| vary.contains("hx-request")));
    let fragment = page(&fragment);
    assert!(fragment.texts("mark").contains(&"idle".to_owned()));
    assert!(!fragment.source().contains("<html"), "{}", fragment.source());
    let chinese = page(&PageClient::new(&server).in_chinese().get("/?q=qqzzxxjj").await);
    assert_eq!(chinese.attribute("html", "lang"), "zh-CN");
    assert!(chinese.text("main").contains("没有找到任何内容"), "{}", chinese.text("main"));
}

#[tokio::test]
async fn an_empty_result_gives_advice_and_is_recorded_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    add_documents(&server).await;
    let mut ada = PageClient::signed_in(&server, &ada);
    // Unfinished input is not recorded; final input and submitted questions are.
    for typed in ["sour", "sourdo", "sourdough+bread"] {
        page(&ada.fragment(&format!("/?q={typed}&library=gate")).await);
    }
    let sent = page(&ada.get("/?q=baking+a+pizza&library=gate").await);
    for link in ["/?q=baking%20a%20pizza&library=gate&version=2", "/ask?q=baking%20a%20pizza"] {
        assert!(sent.has(&format!("a[href^='{link}']")), "{link}: {}", sent.source());
    }
    assert!(sent.text("main").contains("owners will see this search"), "{}", sent.text("main"));
    let settled = page(&ada.fragment("/?q=sourdough+bread&library=gate&settled=1").await);
    assert!(
        settled.text("[data-lost]").contains("No results.") && !settled.has(".hit"),
        "{}",
        settled.source()
    );
    let questions = eventually("both questions", async || {
        let questions = zero_result_questions(&server).await;
        (questions.len() >= 2).then_some(questions)
    })
    .await;
    assert_eq!(questions, ["sourdough bread", "baking a pizza"], "without unfinished input");
    // A typo gets a suggestion.
    let typo = page(&ada.get("/?q=idel+conections&library=gate").await);
    assert!(typo.has("a[href='/?q=idle%20connections&library=gate']"), "{}", typo.source());
    assert!(typo.text("main").contains("Did you mean"), "{}", typo.text("main"));
    assert!(!typo.text("main").contains("owners will see this search"), "{}", typo.text("main"));
    // Words of unreadable libraries are not suggested.
    server
        .ask(
            Some(server.key()),
            Method::PATCH,
            "/api/v1/libraries/mill",
            Some(json!({"visibility": "private"})),
        )
        .await;
    let stranger = page(&PageClient::new(&server).get("/?q=grnids").await);
    assert!(!stranger.source().contains("grinds"), "{}", stranger.source());
    // An absent library or version is named, with those that exist.
    let absent = ada.get("/?q=pool&library=gat").await;
    assert!(
        absent.status == 404 && absent.html().has("a[href^='/?q=pool&library=gate']"),
        "{}",
        absent.text()
    );
    let absent = ada.get("/?q=pool&library=gate&version=9").await;
    assert!(
        absent.status == 404 && absent.html().shows("main", "gate has no version 9"),
        "{}",
        absent.text()
    );
    assert_eq!(ada.get("/?q=pool&category=x").await.status, 400);
    assert_eq!(ada.fragment("/?q=pool&category=x").await.status, 200);
}

#[tokio::test]
async fn libraries_and_versions_are_shown_changed_and_deleted() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    add_documents(&server).await;
    server.add("gate", "2", "api/status.html", documents::html("Status", "<p>All is well.</p>")).await;
    let reader = server.person(&admin, "bob", "user").await;
    let nowhere = page(&PageClient::signed_in(&server, &reader).get("/add").await);
    assert!(nowhere.shows(".note", "there are none yet") && !nowhere.has("#add"), "{}", nowhere.source());
    let (mut ada, mut bob) =
        (PageClient::signed_in(&server, &admin), PageClient::signed_in(&server, &reader));
    let list = page(&bob.get("/libraries").await);
    assert!(list.has("a[href='/l/gate']") && list.text("main").contains("2 versions"), "{}", list.source());
    let found = page(&bob.fragment("/libraries?q=mil").await);
    assert!(found.has("a[href='/l/mill']") && !found.has("a[href='/l/gate']"), "{}", found.source());
    assert!(!found.source().contains("<html"), "{}", found.source());
    let gate = page(&bob.get("/l/gate").await);
    assert!(gate.has("a[href='/l/gate/2']") && gate.has("a[href='/l/gate/llms.txt']"), "{}", gate.source());
    assert_eq!(gate.texts("#versions ~ .rows h3 .badge.good"), ["active"]);
    assert!(gate.text("main").contains("guide/pool.md"), "{}", gate.text("main"));
    assert!(!gate.has("[name=action]"), "a reader is offered a change: {}", gate.source());
    // Programs get llms.txt at the same address.
    for path in ["/l/gate", "/l/gate/2"] {
        let program = server.get(path, &[]).await;
        assert_eq!(
            (program.status, program.header("content-type")),
            (200, Some("text/plain; charset=utf-8"))
        );
        assert_eq!(program.text(), server.get(&format!("{path}/llms.txt"), &[]).await.text());
    }
    assert_eq!(bob.get("/l/nothing").await.status, 404);
    // A version, by folder.
    let second = page(&bob.get("/l/gate/2").await);
    assert!(second.texts("h3.folder").contains(&"api/".to_owned()), "{}", second.source());
    assert_eq!(second.text("a[href='/l/gate/2/api/status.html']"), "Status");
    assert!(second.has("a.chip[href*='?type=html']"), "{}", second.source());
    let narrowed = page(&bob.fragment("/l/gate/2?q=stat").await);
    let links = narrowed.attributes(".rows a", "href");
    assert_eq!(links, ["/l/gate/2/api/status.html"]);
    let latest = bob.get("/l/gate/latest?q=pool").await;
    assert_eq!((latest.status, latest.header("location")), (303, Some("/l/gate/2?q=pool")));
    // Only those with the right can change it.
    let refused = bob.submit("/", "/l/gate", &[("action", "describe"), ("title", "Mine")]).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let fields = [
        ("action", "describe"),
        ("title", "The <Gate>"),
        ("description", "Where all enter."),
        ("visibility", "public"),
    ];
    let changed = ada.submit("/l/gate", "/l/gate", &fields).await;
    assert_eq!((changed.status, changed.header("location")), (303, Some("/l/gate?done=changed")));
    let shown = page(&PageClient::new(&server).get("/l/gate?done=changed").await);
    assert_eq!((shown.text("h1"), shown.text(".done")), ("The <Gate>".to_owned(), "Saved.".to_owned()));
    assert!(!shown.source().contains("Owner:"), "{}", shown.source());
    // A line break counts as one character, as in browsers. A refused form keeps its input.
    let lines = format!("{}{}", "a\r\n".repeat(20), "a".repeat(1960));
    let fields = [("action", "describe"), ("title", "Gate"), ("description", &*lines)];
    assert_eq!(ada.submit("/l/gate", "/l/gate", &fields).await.status, 303);
    let longer = format!("kept {lines}");
    let fields = [("action", "describe"), ("title", "Gate of all"), ("description", &*longer)];
    let refused = ada.submit("/l/gate", "/l/gate", &fields).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let shown = refused.html();
    assert!(shown.text("textarea[name=description]").starts_with("kept a"), "{}", shown.source());
    assert_eq!(shown.attribute("input[name=title]", "value"), "Gate of all");
    let activated = ada.submit("/l/gate/2", "/l/gate/2", &[("action", "activate")]).await;
    assert_eq!(activated.header("location"), Some("/l/gate/2?done=activated"), "{}", activated.text());
    assert_eq!(server.json("/api/v1/libraries/gate").await["active_version"], "2");
    let kept = ada.submit("/l/gate/2", "/l/gate/2", &[("action", "delete")]).await;
    assert_eq!(kept.status, 409, "the active version stays: {}", kept.text());
    assert_eq!(ada.submit("/l/gate/1", "/l/gate/1", &[("action", "delete")]).await.status, 303);
    assert_eq!(bob.get("/l/gate/1").await.status, 404);
    let unnamed = ada.submit("/l/gate", "/l/gate", &[("action", "delete"), ("name", "gat")]).await;
    assert!(
        unnamed.status == 400 && unnamed.html().shows("[role=alert]", "Nothing was deleted"),
        "{}",
        unnamed.text()
    );
    let deleted = ada.submit("/l/gate", "/l/gate", &[("action", "delete"), ("name", "gate")]).await;
    assert_eq!((deleted.status, deleted.header("location")), (303, Some("/libraries")));
    assert_eq!(bob.get("/l/gate").await.status, 404);
}

#[tokio::test]
async fn a_failed_document_shows_its_reason_and_can_be_retried() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    server.add("gate", "1", "good.md", POOL).await;
    let broken = server
        .upload(&[("library", "gate"), ("version", "1")], vec![("bad.docx", documents::docx_bomb(400))])
        .await;
    assert_eq!(broken.status, 202, "{}", broken.text());
    let mut ada = PageClient::signed_in(&server, &admin);
    let failed = eventually("a failure", async || {
        let shown = page(&ada.get("/l/gate/1").await);
        shown.shows("main", "1 document could not be read").then_some(shown)
    })
    .await;
    assert_eq!(failed.count(".rows .fault"), 1, "{}", failed.source());
    assert!(failed.texts(".rows p").contains(&"bad.docx".to_owned()), "{}", failed.source());
    let mut chinese = PageClient::signed_in(&server, &admin).in_chinese();
    let translated = page(&chinese.get("/l/gate/1").await);
    let reason = translated.text(".rows .fault");
    assert!(reason.starts_with("文档") && !translated.has(".rows .fault [lang=en]"), "{reason}");
    let only = page(&ada.get("/l/gate/1?status=failed").await);
    let only = only.text("#list");
    assert!(only.contains("bad.docx") && !only.contains("good.md"), "{only}");
    let again = ada.submit("/l/gate/1", "/l/gate/1", &[("action", "retry")]).await;
    assert_eq!(again.header("location"), Some("/l/gate/1?done=retried"), "{}", again.text());
    eventually("the same failure again", async || {
        page(&ada.get("/l/gate/1").await).shows("main", "1 document could not be read").then_some(())
    })
    .await;
}
