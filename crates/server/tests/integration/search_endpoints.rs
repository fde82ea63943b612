//! Embedding and re-ranking endpoints: set by administrators, changed while the old vectors answer, and left out when they fail.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{
    Answer, ChatRequest, Gate, LanguageModel, LlamaServer, PageClient, Person, Server, TestApp, each,
};
use testkit::{documents, eventually, within};

use crate::PROGRAM;

const ENDPOINTS: &str = "/api/v1/search-endpoints";
const EMBEDDING: &str = "/api/v1/search-endpoints/embedding";
const RERANKING: &str = "/api/v1/search-endpoints/reranking";

const PAGES: [(&str, &str); 4] = [
    ("car.md", "# Repairs\n\nThe mechanic mends the automobile in the workshop.\n"),
    ("food.md", "# Kitchen\n\nThe cook bakes bread in the oven.\n"),
    ("garden.md", "# Garden\n\nThe gardener waters roses near the pond.\n"),
    ("music.md", "# Concert\n\nThe orchestra plays a symphony at night.\n"),
];

/// A vector with one value for each bucket of words; synonyms share one.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.01; dimensions];
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.len() > 2);
    for word in words.map(str::to_lowercase).filter(|word| word != "the") {
        let word = if ["car", "auto", "vehicle"].contains(&&*word) { "automobile" } else { &*word };
        let hash = word.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        vector[hash % dimensions] += 1.0;
    }
    vector
}

fn inputs(request: &ChatRequest) -> Vec<String> {
    let inputs = request.body["input"].as_array().expect("a list of texts");
    inputs.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

fn embeddings(request: &ChatRequest, dimensions: usize) -> Answer {
    let data: Vec<Value> = inputs(request)
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "index": index, "object": "embedding", "embedding": vector(text, dimensions) }))
        .collect();
    Answer::status(200, &json!({ "object": "list", "data": data }).to_string())
}

fn is_query(request: &ChatRequest) -> bool {
    inputs(request).first().is_some_and(|text| text.starts_with("query: "))
}

async fn library(app: &TestApp) -> (Server, Person) {
    let server = app.serve().await;
    let ada = server.set_up().await;
    // The guide is long, and the tests do not wait for its vectors.
    eventually("the guide", async || {
        (server.delete("/api/v1/libraries/wenyuan").await.status == 204).then_some(())
    })
    .await;
    for (path, text) in PAGES {
        server.add("small", "1", path, text).await;
    }
    server.caught_up().await;
    (server, ada)
}

async fn status(server: &Server, ada: &Person) -> Value {
    server.ask(Some(&ada.access_token), Method::GET, ENDPOINTS, None).await.ok()["embedding"].clone()
}

async fn answering(server: &Server, ada: &Person, model: &str) {
    // A model that runs on a busy machine needs minutes.
    within(Duration::from_mins(4), &format!("answers by {model}"), async || {
        let status = status(server, ada).await;
        (status["answering"] == model && status["missing"] == 0).then_some(())
    })
    .await;
}

/// Changes an endpoint, whatever its state.
async fn change(server: &Server, ada: &Person, path: &str, change: Value) -> Value {
    let shown = server.ask(Some(&ada.access_token), Method::GET, path, None).await;
    let etag = shown.header("etag").expect("a tag").to_owned();
    let request = server.request_as(Some(&ada.access_token), Method::PATCH, path, &[]);
    server.send(request.header("if-match", etag).json(&change)).await.ok()
}

fn paths(found: &Value) -> Vec<String> {
    each(found, "path")
}

#[tokio::test]
async fn a_change_embeds_anew_behind_while_the_old_vectors_answer() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_EMBEDDING", "openai");
    let (server, ada) = library(&app).await;
    let token = Some(&*ada.access_token);
    let found = server.search(&[("q", "mends a car")]).await;
    let notice = found["notices"][0].as_str().unwrap();
    assert!(found["mode"] == "text" && notice.contains("no embedding endpoint is set"), "{found}");
    // Without a number of dimensions the endpoint is asked for it.
    let scripted = LanguageModel::start().await;
    scripted.answer_with(|request| embeddings(request, 40));
    let new = json!({ "purpose": "embedding", "endpoint": format!("{}/embeddings", scripted.url()), "model": "one",
        "api_key": "hidden-key", "query_prefix": "query: " });
    let made = server.ask(token, Method::POST, ENDPOINTS, Some(new.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(
        made.value()["dimensions"] == 40 && made.value()["endpoint"] == scripted.url(),
        "{}",
        made.text()
    );
    assert_eq!(scripted.request(0).await.authorization.as_deref(), Some("Bearer hidden-key"));
    server.ask(token, Method::POST, ENDPOINTS, Some(new)).await.problem(400);
    // The key is sealed, and shown nowhere.
    let listed = server.ask(token, Method::GET, ENDPOINTS, None).await.text();
    assert!(listed.contains("\"has_api_key\":true") && !listed.contains("hidden-key"), "{listed}");
    let sealed =
        "select count(*) from library.search_endpoints where position('hidden-key'::bytea in api_key) = 0";
    assert_eq!(app.database().count(sealed).await, 1);
    app.run(&["secrets", "rotate"]).await.succeeded();

    answering(&server, &ada, "one/40").await;
    let vector = [("q", "vehicle in a workshop"), ("mode", "vector")];
    let found = server.search(&vector).await;
    assert_eq!((&*paths(&found)[0], &found["notices"]), ("car.md", &json!([])), "{found}");
    let hybrid = server.search(&[("q", "which mechanic mends the automobile")]).await;
    assert!(hybrid["mode"] == "hybrid" && hybrid["notices"] == json!([]), "{hybrid}");
    // Stored with as many values as an index has.
    let stored =
        "select count(*) from library.endpoint_vectors where vector_dims(vector) = 384 and model = 'one/40'";
    assert_eq!(app.database().count(stored).await, 4);

    // Another model, whose passages wait.
    let gate = Gate::new();
    let held = gate.clone();
    scripted.answer_with(move |request| match request.body["model"].as_str() {
        Some("two") if !is_query(request) => embeddings(request, 60).gated_after(0, &held),
        Some("two") => embeddings(request, 60),
        _ => embeddings(request, 40),
    });
    let changed = change(&server, &ada, EMBEDDING, json!({ "model": "two", "dimensions": 60 })).await;
    assert!(changed["vector_model"] == "two/60" && changed["has_api_key"] == true, "{changed}");
    gate.reached().await;
    let during = status(&server, &ada).await;
    assert_eq!(
        (&during["answering"], &during["target"], &during["missing"]),
        (&json!("one/40"), &json!("two/60"), &json!(4))
    );
    assert!(during["passages"] == 4 && during["tokens"].as_i64() > Some(40), "{during}");
    // The other words of these queries are in no guide: passages of the deleted guide count until its segment is merged.
    let found = server.search(&[("q", "an auto for the mechanic"), ("mode", "vector")]).await;
    assert!(paths(&found)[0] == "car.md" && found["notices"] == json!([]), "{found}");
    let hybrid = server.search(&[("q", "a vehicle in the workshop")]).await;
    assert!(hybrid["mode"] == "hybrid" && hybrid["notices"] == json!([]), "{hybrid}");
    let of_queries = |from: usize| {
        let requests = scripted.requests();
        let models = requests[from..].iter().filter(|request| is_query(request));
        models.map(|request| request.body["model"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(of_queries(0).iter().all(|model| model == "one"), "{:?}", of_queries(0));
    let page = PageClient::signed_in(&server, &ada).get("/admin/search-endpoints").await.html();
    assert!(page.text("#vectors + p").contains("one/40") && page.has("progress[max='4'][value='0']"));
    let output = app.run(&["search-endpoints"]).await.succeeded();
    assert!(output.contains("being made: two/60, 0 of 4 passages"), "{output}");

    gate.open();
    answering(&server, &ada, "two/60").await;
    let before = scripted.count();
    let found = server.search(&[("q", "vehicle for the mechanic"), ("mode", "vector")]).await;
    assert_eq!(paths(&found)[0], "car.md");
    assert_eq!(of_queries(before), ["two"]);
    // What is not needed any more is gone.
    eventually("the old vectors", async || {
        let old = "select count(*) from library.endpoint_vectors where model <> 'two/60'";
        (app.database().count(old).await == 0).then_some(())
    })
    .await;
    assert_eq!(app.database().count("select count(*) from library.search_endpoints").await, 1);
    // The same vectors at another address stay.
    let before = scripted.count();
    change(&server, &ada, EMBEDDING, json!({ "timeout_milliseconds": 2000 })).await;
    answering(&server, &ada, "two/60").await;
    assert!(scripted.requests()[before..].iter().all(is_query));
    // An unchanged document of another version takes its vectors.
    server.add("small", "2", "car.md", PAGES[0].1).await;
    answering(&server, &ada, "two/60").await;
    assert!(scripted.requests()[before..].iter().all(is_query));
}

#[tokio::test]
async fn an_endpoint_that_fails_leaves_words_with_a_notice() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_EMBEDDING", "openai");
    let (server, ada) = library(&app).await;
    let scripted = LanguageModel::start().await;
    scripted.answer_with(|request| embeddings(request, 40));
    let url = scripted.url();
    let set = ["search-endpoints", "set", "embedding", &url, "--model", "m", "--query-prefix", "query: "];
    let output = app.run(&set).await.succeeded();
    assert!(output.contains("40 dimensions"), "{output}");
    answering(&server, &ada, "m/40").await;
    let entry = |values: Value| json!({ "data": [{ "index": 0, "embedding": values }] }).to_string();
    let zeros = json!(vec![0; 40]);
    let mut nothing: Vec<Value> = vec![json!(0.5); 40];
    nothing[7] = Value::Null;
    let cases = [
        (Answer::status(500, "{}"), "failed (status 500)"),
        (Answer::status(401, "{}"), "refused the API key"),
        (Answer::status(404, "{}"), "was not found"),
        (Answer::status(200, "<html>hidden-text</html>"), "does not answer in the expected protocol"),
        (Answer::status(200, "{\"data\": []}"), "returned 0 vectors"),
        (Answer::status(200, &entry(json!([1, 2, 3]))), "returned vectors of 3 values, and 40 are set"),
        (Answer::status(200, &entry(json!(nothing))), "no finite numbers"),
        (Answer::status(200, &entry(zeros)), "all zero"),
        (Answer::status(200, &entry(json!(vec!["NaN"; 40]))), "no finite numbers"),
        (Answer::status(200, "{").hanging_after(0), "did not answer within"),
        (Answer::status(0, ""), "cannot be reached"),
    ];
    let queries = || scripted.requests().iter().filter(|request| is_query(request)).count();
    for (number, (answer, reason)) in (0..).zip(cases) {
        scripted.answer_with(move |_| answer.clone());
        // A change of the endpoint ends the pause after a failure.
        change(&server, &ada, EMBEDDING, json!({ "timeout_milliseconds": 300 + number })).await;
        let query = format!("the automobile number {number}");
        let found = server.search(&[("q", &query)]).await;
        let notices = found["notices"].to_string();
        assert!(found["mode"] == "text" && paths(&found)[0] == "car.md", "{reason}: {found}");
        assert!(
            notices.contains("keyword results only: the embedding endpoint") && notices.contains(reason),
            "{reason}: {notices}"
        );
        assert!(!notices.contains("hidden-text"), "{notices}");
        let parameters = [("q", &*query), ("mode", "vector")];
        let problem = server.get("/api/v1/search", &parameters).await.problem(502);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
        // For a while it is not asked again. The first search can have known the endpoint as it was before the change.
        let asked = queries();
        server.get("/api/v1/search", &parameters).await.problem(502);
        assert_eq!(queries(), asked);
    }
    let mut client = PageClient::signed_in(&server, &ada);
    let page = client.get("/?q=an+automobile").await.html();
    assert!(page.shows(".note", "the embedding model cannot be reached"), "{}", page.source());
    // A document waits for its vectors, and gets them once the endpoint works.
    scripted.answer_with(|_| Answer::status(503, "{}"));
    server.add("small", "1", "late.md", "# Late\n\nA sailor repairs the boat.\n").await;
    eventually("a failed attempt", async || {
        let failed = "select count(*) from store.jobs where kind = 'library.embed' and attempts > 0 and last_error like '%overloaded%'";
        (app.database().count(failed).await > 0).then_some(())
    })
    .await;
    scripted.answer_with(|request| embeddings(request, 40));
    app.database().run("update store.jobs set run_at = now() where kind = 'library.embed'").await;
    answering(&server, &ada, "m/40").await;
    change(&server, &ada, EMBEDDING, json!({ "timeout_milliseconds": 3000 })).await;
    let found = server.search(&[("q", "sailor with a boat")]).await;
    assert!(
        found["mode"] == "hybrid" && paths(&found)[0] == "late.md" && found["notices"] == json!([]),
        "{found}"
    );
}

#[tokio::test]
async fn long_texts_and_other_dialects_are_dealt_with() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_EMBEDDING", "openai");
    let (server, ada) = library(&app).await;
    let scripted = LanguageModel::start().await;
    // As a small server does: one text of 300 bytes at a time, longer vectors unless asked for shorter ones, and only below /v1.
    scripted.answer_with(|request| {
        if !request.path.starts_with("/v1/") {
            return Answer::status(404, "{}");
        }
        let texts = inputs(request);
        if texts.len() > 2 || texts.iter().any(|text| text.len() > 300) {
            return Answer::status(500, r#"{"error":{"message":"input is too large to process"}}"#);
        }
        let dimensions = request.body["dimensions"].as_u64().unwrap_or(80);
        embeddings(request, usize::try_from(dimensions).unwrap())
    });
    let base = scripted.url().trim_end_matches("/v1").to_owned();
    let new = json!({ "purpose": "embedding", "endpoint": base, "model": "m", "dimensions": 50, "passage_prefix": "passage: " });
    assert_eq!(server.ask(Some(&ada.access_token), Method::POST, ENDPOINTS, Some(new)).await.status, 201);
    server.add("small", "1", "long.md", documents::manual("Manual", "longword ", 6)).await;
    let name = status(&server, &ada).await["target"].as_str().unwrap().to_owned();
    assert!(name.starts_with("m/50/"), "{name}");
    answering(&server, &ada, &name).await;
    let requests = scripted.requests();
    assert!(requests.iter().any(|request| inputs(request)[0].starts_with("passage: ")));
    let found = server.search(&[("q", "longword"), ("mode", "vector")]).await;
    assert!(paths(&found).contains(&"long.md".to_owned()), "{found}");
}

#[tokio::test]
async fn the_built_in_model_answers_until_the_endpoint_has_embedded_all() {
    let app = TestApp::new(PROGRAM).await.with_model();
    let (server, _) = library(&app).await;
    let built_in = "multilingual-e5-small-q4";
    eventually("vectors", async || {
        (app.database().count("select count(*) from library.vectors").await == 4).then_some(())
    })
    .await;
    drop(server);
    let scripted = LanguageModel::start().await;
    let gate = Gate::new();
    let held = gate.clone();
    scripted.answer_with(move |request| {
        let answer = embeddings(request, 40);
        if is_query(request) { answer } else { answer.gated_after(0, &held) }
    });
    let url = scripted.url();
    let set = [
        "search-endpoints",
        "set",
        "embedding",
        &url,
        "--model",
        "m",
        "--query-prefix",
        "query: ",
        "--dimensions",
        "40",
    ];
    app.run(&set).await.succeeded();
    let app = app.set("WENYUAN_EMBEDDING", "openai");
    let server = app.serve().await;
    let key = server.key().to_owned();
    gate.reached().await;
    let listed: Value =
        serde_json::from_str(&app.run(&["search-endpoints", "--json"]).await.succeeded()).unwrap();
    assert_eq!(
        (&listed["embedding"]["answering"], &listed["embedding"]["target"]),
        (&json!(built_in), &json!("m/40"))
    );
    let found = eventually("the built-in model", async || {
        let found = server.search(&[("q", "who can fix my vehicle"), ("library", "small")]).await;
        (found["mode"] == "hybrid").then_some(found)
    })
    .await;
    let notices = found["notices"].to_string();
    assert!(paths(&found)[0] == "car.md" && !notices.contains("keyword"), "{found}");
    gate.open();
    eventually("the endpoint", async || {
        let ready = server.json("/readyz").await;
        (ready["embedding"] == "m/40").then_some(())
    })
    .await;
    let server = server.with_key(&key);
    let found =
        server.search(&[("q", "who repairs my vehicle"), ("library", "small"), ("mode", "vector")]).await;
    assert_eq!(paths(&found)[0], "car.md");
    eventually("the old vectors", async || {
        (app.database().count("select count(*) from library.vectors").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn llama_cpp_embeds_passages_and_queries() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_EMBEDDING", "openai");
    let (server, ada) = library(&app).await;
    let llama = LlamaServer::start().await;
    let url = llama.url();
    // A busy machine takes seconds for a text.
    let set = ["search-endpoints", "set", "embedding", &url, "--model", "smollm2", "--timeout-ms", "60000"];
    app.run(&set).await.succeeded();
    let tested = app.run(&["search-endpoints", "test", "embedding", "--json"]).await.succeeded();
    let tested: Value = serde_json::from_str(&tested).unwrap();
    assert!(tested["works"] == true && tested["dimensions"] == 576, "{tested}");
    // Longer than the server takes at once.
    server
        .add("small", "1", "long.md", format!("# Long\n\n{}\n", "lorem ipsum dolor sit amet ".repeat(300)))
        .await;
    answering(&server, &ada, "smollm2/576").await;
    let stored = "select count(*) from library.endpoint_vectors where vector_dims(vector) = 768";
    assert!(app.database().count(stored).await >= 5);
    let found = server.search(&[("q", "The mechanic mends the automobile"), ("mode", "vector")]).await;
    assert!(paths(&found).len() >= 5 && found["hits"][0]["similarity"].as_f64() > Some(0.0), "{found}");
    let hybrid = server.search(&[("q", "The mechanic mends the automobile")]).await;
    assert!(
        hybrid["mode"] == "hybrid" && hybrid["notices"] == json!([]) && paths(&hybrid)[0] == "car.md",
        "{hybrid}"
    );
}

/// Scores documents by the position of their first match in this list.
fn scores(request: &ChatRequest, order: &[&str]) -> Vec<(usize, f64)> {
    let documents = request.body.get("documents").or(request.body.get("texts")).expect("documents");
    let score = |text: &Value| {
        let text = text.as_str().expect("a text");
        let place = order.iter().position(|word| text.contains(word));
        place.map_or(0.0, |place| 1.0 / (1.0 + f64::from(u32::try_from(place).expect("a small number"))))
    };
    documents.as_array().expect("a list").iter().map(score).enumerate().collect()
}

#[tokio::test]
async fn an_endpoint_puts_the_best_results_in_order() {
    let app = TestApp::new(PROGRAM).await;
    let (server, ada) = library(&app).await;
    let token = Some(&*ada.access_token);
    for (number, animal) in ["heron", "badger", "lynx", "otter"].into_iter().enumerate() {
        let text = format!("# Animal {number}\n\nThe wildword lives here: {animal}.\n");
        server.add("animals", "1", &format!("{animal}.md"), text).await;
    }
    server.caught_up().await;
    let query = |number: usize| format!("wildword {}", "here ".repeat(number));
    let plain = server.search(&[("q", &query(1)), ("library", "animals")]).await;
    let scripted = LanguageModel::start().await;
    scripted.answer_with(|request| {
        let results = scores(request, &["lynx", "otter"]);
        let results: Vec<Value> = results
            .into_iter()
            .map(|(index, score)| json!({ "index": index, "relevance_score": score }))
            .collect();
        Answer::status(200, &json!({ "results": results }).to_string())
    });
    let new = json!({ "purpose": "reranking", "endpoint": scripted.url(), "model": "ranker", "api_key": "hidden-key" });
    let made = server.ask(token, Method::POST, ENDPOINTS, Some(new)).await;
    assert_eq!((made.status, &made.value()["dimensions"]), (201, &Value::Null), "{}", made.text());
    let ranked = server.search(&[("q", &query(1)), ("library", "animals")]).await;
    assert_eq!(paths(&ranked)[..2], ["lynx.md", "otter.md"], "{ranked}");
    assert_eq!(ranked["notices"], plain["notices"]);
    let found: Vec<f64> =
        ranked["hits"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(found.is_sorted_by(|left, right| left >= right), "{found:?}");
    let request = scripted.request(0).await;
    assert_eq!((&*request.path, request.authorization.as_deref()), ("/v1/rerank", Some("Bearer hidden-key")));
    assert_eq!((&request.body["model"], &request.body["query"]), (&json!("ranker"), &json!(query(1))));
    // Page by page the order is the same.
    let first = server.search(&[("q", &query(1)), ("library", "animals"), ("limit", "2")]).await;
    let next = first["next"].as_str().unwrap();
    let second =
        server.search(&[("q", &query(1)), ("library", "animals"), ("limit", "2"), ("cursor", next)]).await;
    assert_eq!([paths(&first), paths(&second)].concat(), paths(&ranked));
    // Exactly these words, or one method, have their own order.
    let asked = scripted.count();
    for parameters in
        [[("q", "\"wildword lives\""), ("mode", "hybrid")], [("q", "wildword"), ("mode", "text")]]
    {
        server.search(&parameters).await;
    }
    assert_eq!(scripted.count(), asked);

    // TEI calls the documents otherwise, and answers with a list.
    scripted.answer_with(|request| {
        if request.body.get("texts").is_none() {
            return Answer::status(422, "missing field `texts`");
        }
        let results = scores(request, &["badger"]);
        let results: Vec<Value> =
            results.into_iter().map(|(index, score)| json!({ "index": index, "score": score })).collect();
        Answer::status(200, &json!(results).to_string())
    });
    change(&server, &ada, RERANKING, json!({ "timeout_milliseconds": 1000 })).await;
    let ranked = server.search(&[("q", &query(2)), ("library", "animals")]).await;
    assert_eq!(paths(&ranked)[0], "badger.md", "{ranked}");

    for (number, (answer, reason)) in (3..).zip([
        (Answer::status(500, "{}"), "failed (status 500)"),
        (Answer::status(200, "[]"), "does not answer in a known protocol"),
        (Answer::status(200, r#"[{"index":99,"score":1}]"#), "does not answer in a known protocol"),
        (Answer::status(200, "{").hanging_after(0), "did not answer within"),
    ]) {
        scripted.answer_with(move |_| answer.clone());
        change(&server, &ada, RERANKING, json!({ "timeout_milliseconds": 200 + number })).await;
        let found = server.search(&[("q", &query(number)), ("library", "animals")]).await;
        let notices = found["notices"].to_string();
        assert!(
            notices.contains("not re-ranked: the re-ranking endpoint") && notices.contains(reason),
            "{notices}"
        );
        assert_eq!(paths(&found).len(), 4, "{found}");
    }
    let mut client = PageClient::signed_in(&server, &ada);
    let page = client.get("/?q=wildword+again").await.html();
    assert!(page.shows(".note", "not re-ranked"), "{}", page.source());
    assert_eq!(server.ask(token, Method::DELETE, RERANKING, None).await.status, 204);
    let found = server.search(&[("q", &query(9)), ("library", "animals")]).await;
    assert_eq!(found["notices"].as_array().unwrap().len(), plain["notices"].as_array().unwrap().len());
}

#[tokio::test]
async fn endpoints_are_set_on_the_page() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_EMBEDDING", "openai");
    let (server, ada) = library(&app).await;
    let scripted = LanguageModel::start().await;
    scripted.answer_with(|request| embeddings(request, 40));
    let (list, url) = ("/admin/search-endpoints", scripted.url());
    let embedding = "/admin/search-endpoints/embedding";
    let mut client = PageClient::signed_in(&server, &ada);
    let fields =
        [("endpoint", &*url), ("model", "m"), ("query_prefix", "query: "), ("api_key", "hidden-key")];
    let refused =
        client.submit(list, embedding, &[("endpoint", &url), ("model", "m"), ("dimensions", "many")]).await;
    assert!(refused.html().shows("form", "Dimensions is a number"), "{}", refused.text());
    assert_eq!(client.submit(list, embedding, &fields).await.status, 303);
    let shown = client.get(list).await.html();
    assert_eq!(shown.attribute("#embedding-query_prefix", "value"), "query: ");
    assert_eq!(shown.attribute("#embedding-dimensions", "value"), "40");
    assert!(!shown.source().contains("hidden-key"));
    let tested = client.submit(list, "/admin/search-endpoints/embedding/test", &[]).await.html();
    assert!(tested.shows(".done", "40"), "{}", tested.source());
    // Another origin needs the key again.
    let elsewhere = [("endpoint", "http://127.0.0.1:9/v1"), ("model", "m"), ("query_prefix", "query: ")];
    let refused = client.submit(list, embedding, &elsewhere).await;
    assert!(refused.html().shows("form", "enter it again"), "{}", refused.text());
    answering(&server, &ada, "m/40").await;
    assert_eq!(client.submit(list, "/admin/search-endpoints/embedding/delete", &[]).await.status, 303);
    // What it made answers on, until another model has embedded all.
    let found = server.search(&[("q", "vehicle in a workshop"), ("mode", "vector")]).await;
    assert_eq!(paths(&found)[0], "car.md");
    let chinese = client.in_chinese().get(list).await.html();
    assert!(chinese.shows("h2", "重排端点"), "{}", chinese.source());
}
