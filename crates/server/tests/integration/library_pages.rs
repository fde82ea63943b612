//! The rooms of pages: searching, libraries and their versions, as who visits them meets them.

use reqwest::Method;
use serde_json::json;
use testkit::{PageClient, Reply, Server, TestApp, documents, eventually};

use crate::PROGRAM;

const POOL: &str = "# Pool\n\n## Connections\n\nThe pool keeps <b>idle</b> connections open for ten minutes.\n\n\
                    ## Limits\n\nAt most twenty connections are open.\n";

#[track_caller]
fn page(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    reply.text()
}

/// Two libraries, one in two versions, and everything findable.
async fn filled(server: &Server) {
    server.add("gate", "1", "guide/pool.md", POOL).await;
    server.add("gate", "2", "guide/pool.md", POOL.replace("ten", "five")).await;
    server.add("mill", "current", "mill.md", "# Mill\n\nThe mill grinds corn with water.\n").await;
    server.caught_up().await;
}

async fn missed(server: &Server) -> Vec<String> {
    let items = server.json("/api/v1/worklist?limit=100&kind=nothing_found").await["items"].clone();
    let items = items.as_array().expect("a list").iter();
    let questions = items.flat_map(|item| item["questions"].as_array().cloned().unwrap_or_default());
    questions.filter_map(|question| question.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_is_found_is_shown_by_document_and_narrowed_by_links() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    filled(&server).await;
    let mut ada = PageClient::signed_in(&server, &ada);
    let first = page(&ada.get("/").await);
    for shown in ["<h3><a href=\"/l/gate\">gate</a>", "/?library=mill", "data-search", "autofocus"] {
        assert!(first.contains(shown), "{shown}: {first}");
    }
    let found = page(&ada.get("/?q=idle+connections&library=gate").await);
    for shown in [
        "<a href=\"/l/gate/1/guide/pool.md\">Pool</a>",
        "keeps &#60;b&#62;<mark>idle</mark>&#60;/b&#62; <mark>connections</mark> open for ten minutes",
        "<span class=\"badge accent\">1</span>",
        "href=\"/passages/",
        // Each leads to the same search with one thing changed.
        "href=\"/?q=idle%20connections&#38;library=gate&#38;version=2\"",
        "href=\"/?q=idle%20connections&#38;library=gate&#38;content=code\"",
        "<a class=\"chip\" aria-current=\"true\" href=\"/?q=idle%20connections\">gate",
        "name=\"library\" value=\"gate\"",
    ] {
        assert!(found.contains(shown), "{shown}: {found}");
    }
    assert!(!found.contains("<b>") && !found.contains("five minutes"), "{found}");
    let second = page(&ada.get("/?q=idle+connections&library=gate&version=2").await);
    assert!(second.contains("five minutes") && second.contains("/l/gate/2/guide/pool.md"), "{second}");
    // A part of the page for the script; the whole under the same address for everybody else.
    let fragment = ada.fragment("/?q=idle+connections").await;
    assert!(fragment.header("vary").is_some_and(|vary| vary.contains("hx-request")));
    let fragment = page(&fragment);
    assert!(fragment.contains("<mark>idle</mark>") && !fragment.contains("<html"), "{fragment}");
    let chinese = page(&PageClient::new(&server).in_chinese().get("/?q=qqzzxxjj").await);
    assert!(chinese.contains("lang=\"zh-CN\"") && chinese.contains("没有找到任何内容"), "{chinese}");
}

#[tokio::test]
async fn who_finds_nothing_is_told_what_to_do_and_owners_hear_of_it_once() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    filled(&server).await;
    let mut ada = PageClient::signed_in(&server, &ada);
    // While one types, nobody is told; what is left standing is a question, and what is sent too.
    for typed in ["sour", "sourdo", "sourdough+bread"] {
        page(&ada.fragment(&format!("/?q={typed}&library=gate")).await);
    }
    let sent = page(&ada.get("/?q=baking+a+pizza&library=gate").await);
    for shown in
        ["/?q=baking%20a%20pizza&#38;library=gate&#38;version=2", "/ask?q=baking%20a%20pizza", "work list"]
    {
        assert!(sent.contains(shown), "{shown}: {sent}");
    }
    let settled = page(&ada.fragment("/?q=sourdough+bread&library=gate&settled=1").await);
    assert!(settled.contains("No results.") && !settled.contains("class=\"hit\""), "{settled}");
    let told = eventually("both questions", async || {
        let told = missed(&server).await;
        (told.len() >= 2).then_some(told)
    })
    .await;
    assert_eq!(told, ["sourdough bread", "baking a pizza"], "and nothing that was only being typed");
    // A slip of the pen.
    let slip = page(&ada.get("/?q=idel+conections&library=gate").await);
    assert!(slip.contains("Did you mean <a href=\"/?q=idle%20connections&#38;library=gate\">"), "{slip}");
    // Words of what one may not read are not offered.
    server
        .ask(
            Some(server.key()),
            Method::PATCH,
            "/api/v1/libraries/mill",
            Some(json!({"visibility": "private"})),
        )
        .await;
    let stranger = page(&PageClient::new(&server).get("/?q=grnids").await);
    assert!(!stranger.contains("grinds"), "{stranger}");
    // What is not there is named, with what is.
    let absent = ada.get("/?q=pool&library=gat").await;
    assert!(absent.status == 404 && absent.text().contains("/?q=pool&#38;library=gate"), "{}", absent.text());
    let absent = ada.get("/?q=pool&library=gate&version=9").await;
    assert!(absent.status == 404 && absent.text().contains("gate has no version 9"), "{}", absent.text());
    assert_eq!(ada.get("/?q=pool&category=x").await.status, 400);
    assert_eq!(ada.fragment("/?q=pool&category=x").await.status, 200);
}

#[tokio::test]
async fn libraries_and_versions_are_shown_changed_and_deleted() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let admin = server.set_up().await;
    filled(&server).await;
    server.add("gate", "2", "api/status.html", documents::html("Status", "<p>All is well.</p>")).await;
    let reader = server.person(&admin, "bob", "user").await;
    let nowhere = page(&PageClient::signed_in(&server, &reader).get("/add").await);
    assert!(nowhere.contains("there is none yet") && !nowhere.contains("id=\"add\""), "{nowhere}");
    let (mut ada, mut bob) =
        (PageClient::signed_in(&server, &admin), PageClient::signed_in(&server, &reader));
    let list = page(&bob.get("/libraries").await);
    assert!(list.contains("href=\"/l/gate\"") && list.contains("2 versions"), "{list}");
    let found = page(&bob.fragment("/libraries?q=mil").await);
    assert!(found.contains("/l/mill") && !found.contains("/l/gate") && !found.contains("<html"), "{found}");
    let gate = page(&bob.get("/l/gate").await);
    for shown in ["/l/gate/2", "/l/gate/llms.txt", "guide/pool.md", "badge good\">active"] {
        assert!(gate.contains(shown), "{shown}: {gate}");
    }
    assert!(!gate.contains("name=\"action\""), "who only reads is offered no change: {gate}");
    // A program at the same address is told as before.
    let program = server.get("/l/gate", &[]).await;
    assert_eq!((program.status, program.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(server.get("/l/gate/2", &[]).await.status, 404);
    assert_eq!(bob.get("/l/nothing").await.status, 404);
    // A version, folder by folder.
    let second = page(&bob.get("/l/gate/2").await);
    for shown in
        ["<h3 class=\"folder\">api/</h3>", "<a href=\"/l/gate/2/api/status.html\">Status</a>", "?type=html"]
    {
        assert!(second.contains(shown), "{shown}: {second}");
    }
    let narrowed = page(&bob.fragment("/l/gate/2?q=stat").await);
    assert!(narrowed.contains("status.html") && !narrowed.contains("pool.md"), "{narrowed}");
    let latest = bob.get("/l/gate/latest?q=pool").await;
    assert_eq!((latest.status, latest.header("location")), (303, Some("/l/gate/2?q=pool")));
    // Changes, by those who may.
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
    assert!(shown.contains("<h1>The &#60;Gate&#62;</h1>") && shown.contains("Saved."), "{shown}");
    assert!(!shown.contains("Owner:"), "{shown}");
    // A line's end counts once, as browsers count it; what is refused is written again.
    let lines = format!("{}{}", "a\r\n".repeat(20), "a".repeat(1960));
    let fields = [("action", "describe"), ("title", "Gate"), ("description", &*lines)];
    assert_eq!(ada.submit("/l/gate", "/l/gate", &fields).await.status, 303);
    let longer = format!("kept {lines}");
    let fields = [("action", "describe"), ("title", "Gate of all"), ("description", &*longer)];
    let refused = ada.submit("/l/gate", "/l/gate", &fields).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let shown = refused.text();
    assert!(shown.contains("kept a") && shown.contains("value=\"Gate of all\""), "{shown}");
    let activated = ada.submit("/l/gate/2", "/l/gate/2", &[("action", "activate")]).await;
    assert_eq!(activated.header("location"), Some("/l/gate/2?done=activated"), "{}", activated.text());
    assert_eq!(server.json("/api/v1/libraries/gate").await["active_version"], "2");
    let kept = ada.submit("/l/gate/2", "/l/gate/2", &[("action", "delete")]).await;
    assert_eq!(kept.status, 409, "the active version stays: {}", kept.text());
    assert_eq!(ada.submit("/l/gate/1", "/l/gate/1", &[("action", "delete")]).await.status, 303);
    assert_eq!(bob.get("/l/gate/1").await.status, 404);
    let unnamed = ada.submit("/l/gate", "/l/gate", &[("action", "delete"), ("name", "gat")]).await;
    assert!(unnamed.status == 400 && unnamed.text().contains("Nothing was deleted"), "{}", unnamed.text());
    let deleted = ada.submit("/l/gate", "/l/gate", &[("action", "delete"), ("name", "gate")]).await;
    assert_eq!((deleted.status, deleted.header("location")), (303, Some("/libraries")));
    assert_eq!(bob.get("/l/gate").await.status, 404);
}

#[tokio::test]
async fn what_could_not_be_read_says_why_and_is_read_again() {
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
        shown.contains("1 document could not be read").then_some(shown)
    })
    .await;
    assert!(failed.contains("class=\"fault\"") && failed.contains("bad.docx"), "{failed}");
    let only = page(&ada.get("/l/gate/1?status=failed").await);
    assert!(only.contains("bad.docx") && !only.contains("good.md"), "{only}");
    let again = ada.submit("/l/gate/1", "/l/gate/1", &[("action", "retry")]).await;
    assert_eq!(again.header("location"), Some("/l/gate/1?done=retried"), "{}", again.text());
    eventually("the same failure again", async || {
        page(&ada.get("/l/gate/1").await).contains("1 document could not be read").then_some(())
    })
    .await;
}
