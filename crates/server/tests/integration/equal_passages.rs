//! Equal passages of several libraries are one hit that names the others, in search and in answers.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, LanguageModel, PageClient, Server, TestApp, documents};

use crate::PROGRAM;
use crate::mcp::{Agent, NEW};

const LICENCE: &str = "# Licence\n\nYou can copy the quillware as long as this notice is kept with it.\n";

async fn libraries(app: &TestApp) -> Server {
    let server = app.serve().await;
    for (library, version) in [("acme/alpha", "1.0"), ("acme/beta", "2.0"), ("acme/gamma", "3.0")] {
        server.add(library, version, "licence.md", LICENCE).await;
    }
    // Nearly the same, and the same twice in one version.
    server.add("acme/delta", "4.0", "licence.md", LICENCE.replace("copy", "copy and sell")).await;
    server.add("acme/alpha", "1.0", "copy/licence.md", LICENCE).await;
    server.caught_up().await;
    server
}

fn places(hit: &Value) -> Vec<String> {
    let mut places: Vec<String> = hit["also_in"]
        .as_array()
        .expect("other places")
        .iter()
        .map(|equal| {
            format!(
                "{} {}",
                equal["library"].as_str().expect("a library"),
                equal["version"].as_str().expect("a version")
            )
        })
        .collect();
    places.push(format!(
        "{} {}",
        hit["library"].as_str().expect("a library"),
        hit["version"].as_str().expect("a version")
    ));
    places.sort();
    places
}

#[tokio::test]
async fn equal_passages_are_one_hit_that_names_the_others() {
    let app = TestApp::new(PROGRAM).await;
    let server = libraries(&app).await;
    let query = [("q", "quillware"), ("mode", "text")];
    let found = server.search(&query).await;
    let hits = found["hits"].as_array().unwrap();
    // Two documents of one version stay apart: they are different places of one book.
    let alphas = hits.iter().filter(|hit| hit["library"] == "acme/alpha").count();
    assert!(hits.len() == 3 && alphas == 2, "{found}");
    let folded = hits.iter().find(|hit| hit["also_in"] != json!([])).expect("a hit that stands for others");
    assert_eq!(places(folded), ["acme/alpha 1.0", "acme/beta 2.0", "acme/gamma 3.0"]);
    for equal in folded["also_in"].as_array().unwrap() {
        let opened = server.json(equal["url"].as_str().unwrap()).await;
        assert_eq!((&opened["library"], &opened["sha256"]), (&equal["library"], &folded["sha256"]));
        assert_eq!(equal["path"], "licence.md");
    }
    // One by one nothing comes twice, and nothing is missed.
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut parameters = vec![("q", query[0].1), query[1], ("limit", "1")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = server.search(&parameters).await;
        seen.extend(page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()));
        assert_eq!(page["more"], 3 - seen.len(), "{page}");
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, hits.iter().map(|hit| hit["id"].clone()).collect::<Vec<_>>());
    // In one library there is nothing to fold.
    let alone = server.search(&[query[0], query[1], ("library", "acme/beta")]).await;
    assert_eq!((alone["hits"].as_array().unwrap().len(), &alone["hits"][0]["also_in"]), (1, &json!([])));

    let request = server.request(Method::GET, "/api/v1/search", &query).header("accept", "text/markdown");
    let markdown = server.send(request).await.text();
    assert!(markdown.contains("\nalso in: acme/"), "{markdown}");
    let output = app.run(&["search", "quillware", "--mode", "text"]).await.succeeded();
    assert!(output.contains("also in acme/"), "{output}");
    let (text, value) = Agent::new(&server, NEW).call("search_docs", json!({ "query": query[0].1 })).await;
    assert!(text.contains(" | also in: acme/"), "{text}");
    let told =
        value["passages"].as_array().unwrap().iter().filter(|passage| passage.get("also_in").is_some());
    assert_eq!(told.map(places).collect::<Vec<_>>(), [["acme/alpha 1.0", "acme/beta 2.0", "acme/gamma 3.0"]]);
    // Pages.
    let mut client = PageClient::signed_in(&server, &server.set_up().await);
    let page = client.get("/?q=quillware&mode=text").await.html();
    let others = page.texts(".also-in a");
    assert!(others.len() == 2 && others.iter().all(|text| text.starts_with("acme/")), "{others:?}");
    let link = page.attributes(".also-in a", "href").remove(0);
    assert_eq!(client.get(&link).await.status, 303, "{link}");
}

#[tokio::test]
async fn an_answer_has_equal_passages_as_one_source() {
    let app = TestApp::new(PROGRAM).await;
    let server = libraries(&app).await;
    let scripted = LanguageModel::start().await;
    app.run(&["models", "add", "small", &scripted.url()]).await.succeeded();
    scripted.answer_with(|_| Answer::streaming(&["You can copy it [1], with the notice [2]."]));
    let body = json!({ "question": "May I copy quillware with its notice?" });
    let answer = server.ask(Some(server.key()), Method::POST, "/api/v1/ask", Some(body)).await.ok();
    let sources = answer["sources"].as_array().expect("sources");
    let told: Vec<&Value> = sources.iter().filter(|source| source["also_in"] != json!([])).collect();
    assert_eq!(told.len(), 1, "{answer}");
    assert_eq!(told[0]["also_in"].as_array().unwrap().len(), 2, "{answer}");
    // The model reads it once.
    let prompts = scripted.requests();
    assert_eq!(prompts[0].system_prompt().matches("quillware").count(), sources.len());
}

#[tokio::test]
async fn an_agent_reaches_all_results_and_is_told_how_many_there_are() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("many", "1", "greedy.md", documents::manual("Manual", "chapterword ", 12)).await;
    server.add("many", "1", "other.md", "# Other\n\nAlso the chapterword.\n").await;
    server.caught_up().await;
    let all = server.search(&[("q", "chapterword"), ("library", "many"), ("limit", "100")]).await;
    let all: Vec<String> = testkit::each(&all, "id");
    assert!(all.len() > 10, "{all:?}");
    let agent = Agent::new(&server, NEW);
    // The second budget is too small for a page: what does not fit comes next.
    for (limit, max_tokens) in [(4, 50_000), (10, 400)] {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let arguments = json!({ "query": "chapterword", "library": "many", "limit": limit,
                "max_tokens": max_tokens, "cursor": cursor });
            let (text, value) = agent.call("search_docs", arguments).await;
            let passages = value["passages"].as_array().unwrap();
            assert!(!passages.is_empty(), "{value}");
            seen.extend(passages.iter().map(|passage| passage["id"].as_str().unwrap().to_owned()));
            assert_eq!(value["more"], all.len() - seen.len(), "{value}");
            let greedy = passages.iter().find(|passage| passage["path"] == "greedy.md");
            if let Some(passage) = greedy {
                let of_other = usize::from(!text.contains("other.md") && cursor.is_null());
                let more = passage.get("more_in_document").and_then(Value::as_u64).unwrap_or_default();
                assert!(usize::try_from(more).unwrap() >= all.len() - seen.len() - of_other, "{value}");
            }
            let next = value["next"].clone();
            assert_eq!(text.contains("search again with cursor="), !next.is_null(), "{text}");
            if next.is_null() {
                break;
            }
            cursor = next;
            assert!(seen.len() < 100, "no end");
        }
        assert_eq!(seen, all);
    }
    let text = agent.fails("search_docs", json!({ "query": "chapterword", "cursor": "no cursor" })).await;
    assert!(text.contains("cursor"), "{text}");
}
