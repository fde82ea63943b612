//! Versions side by side: the one that answers, the ones that are asked for, and the refusal of those that are absent.

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use testkit::{Server, TestApp, each};

use crate::PROGRAM;

/// A library with four versions, each with one page that says which it is. The first one is active.
async fn shelf(server: &Server) {
    for version in ["5.1.0", "5.2.1", "v5.10.0", "6.0.0-rc.1"] {
        let page = format!("# Shutdown\n\nGraceful shutdown in version {version} of the engine.");
        server.add("fastify", version, "shutdown.md", page).await;
    }
}

#[tokio::test]
async fn each_version_answers_for_itself() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    for (asked, resolved) in [
        (None, "5.1.0"),
        (Some("5.2.1"), "5.2.1"),
        (Some("v5.2.1"), "5.2.1"),
        (Some("5.10.0"), "v5.10.0"),
        (Some("5.x"), "v5.10.0"),
        (Some("5.2.x"), "5.2.1"),
        (Some("^5.1"), "v5.10.0"),
        (Some("latest"), "v5.10.0"),
        (Some("6.0.0-rc.1"), "6.0.0-rc.1"),
    ] {
        let mut parameters = vec![("q", "graceful shutdown"), ("library", "fastify")];
        parameters.extend(asked.map(|asked| ("version", asked)));
        let answer = server.search(&parameters).await;
        assert_eq!(answer["resolved"], json!({ "library": "fastify", "version": resolved }), "{asked:?}");
        assert_eq!(each(&answer, "version"), [resolved], "{asked:?}");
        assert!(each(&answer, "content")[0].contains(&format!("version {resolved} of")), "{answer}");
        if let Some(asked) = asked {
            let version = server.json(&format!("/api/v1/libraries/fastify/versions/{asked}")).await;
            assert_eq!(version["label"], resolved);
            let run = app.run(&["search", "shutdown", "-l", "fastify", "-V", asked, "--json"]).await;
            assert_eq!(each(&run.json(), "version"), [resolved]);
        }
    }
    // Without a library, each answers with its active version alone.
    let everywhere = server.search(&[("q", "graceful shutdown"), ("limit", "50")]).await;
    let of_fastify: Vec<&Value> =
        everywhere["hits"].as_array().unwrap().iter().filter(|hit| hit["library"] == "fastify").collect();
    assert_eq!(of_fastify.len(), 1);
    assert_eq!(of_fastify[0]["version"], "5.1.0");
    server.get("/api/v1/search", &[("q", "a"), ("version", "5.1.0")]).await.problem(400);
}

#[tokio::test]
async fn another_version_is_made_active() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    let active = async || {
        let answer = server.search(&[("q", "shutdown"), ("library", "fastify")]).await;
        answer["resolved"]["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(active().await, "5.1.0");
    for _ in 0..2 {
        let library = server.post("/api/v1/libraries/fastify/versions/latest/activate").await.ok();
        assert_eq!(library["active_version"], "v5.10.0");
        assert_eq!(active().await, "v5.10.0");
    }
    for _ in 0..2 {
        app.run(&["libraries", "activate", "fastify", "5.2.1"]).await.succeeded();
        assert_eq!(active().await, "5.2.1");
    }
    assert_json_snapshot!(server.json("/api/v1/libraries/fastify").await,
        { ".created_at" => "[time]", ".updated_at" => "[time]" }, @r#"
    {
      "active_version": "5.2.1",
      "created_at": "[time]",
      "description": "",
      "level": "own",
      "link_base": "",
      "name": "fastify",
      "title": "fastify",
      "updated_at": "[time]",
      "versions": [
        "6.0.0-rc.1",
        "v5.10.0",
        "5.2.1",
        "5.1.0"
      ],
      "visibility": "team"
    }
    "#);
    // Added with --activate, a version answers once everything is in.
    let file = app.file("shutdown.md", "# Shutdown\n\nGraceful shutdown in version 7.0.0 of the engine.");
    let add = ["add", &file, "-l", "fastify", "-V", "7.0.0", "--activate"];
    app.run(&add).await.succeeded();
    server.caught_up().await;
    assert_eq!(active().await, "7.0.0");
}

#[tokio::test]
async fn an_absent_version_is_refused_and_never_answered() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    for (asked, nearest) in [("5.2.2", "5.2.1"), ("7.x", "6.0.0-rc.1"), ("^4", "5.1.0"), ("5.1", "5.1.0")] {
        let parameters = [("q", "shutdown"), ("library", "fastify"), ("version", asked)];
        let refused = server.get("/api/v1/search", &parameters).await.problem(404);
        assert_eq!(refused["type"], "urn:wenyuan:problem:no-version", "{asked}");
        assert_eq!(refused["present"], json!(["6.0.0-rc.1", "v5.10.0", "5.2.1", "5.1.0"]), "{asked}");
        assert_eq!((&refused["wanted"], &refused["nearest"]), (&json!(asked), &json!(nearest)));
        let said = app.run(&["search", "shutdown", "-l", "fastify", "-V", asked]).await;
        assert_eq!(said.output, "");
        let said = said.failed();
        assert!(said.contains("5.2.1") && said.contains(&format!("the nearest is {nearest}")), "{said}");
    }
    server.get("/api/v1/libraries/fastify/versions/5.3", &[]).await.problem(404);
    server.post("/api/v1/libraries/fastify/versions/5.3/activate").await.problem(404);
    server.delete("/api/v1/libraries/fastify/versions/5.x").await.problem(404);
    let bad = server.get("/api/v1/search", &[("q", "a"), ("library", "fastify"), ("version", "^x")]).await;
    bad.problem(400);

    let unknown = server.get("/api/v1/search", &[("q", "a"), ("library", "fastfy")]).await.problem(404);
    assert_eq!(
        (&unknown["type"], &unknown["nearest"]),
        (&json!("urn:wenyuan:problem:no-library"), &json!("fastify"))
    );
    let said = app.run(&["search", "a", "-l", "fastfy"]).await.failed();
    assert!(said.contains("there is no library fastfy; the nearest is fastify"), "{said}");
    let far = server.get("/api/v1/libraries/zzzzzzzzzz", &[]).await.problem(404);
    assert_eq!(far["nearest"], Value::Null);
}

#[tokio::test]
async fn a_document_is_in_some_versions_and_not_in_others() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let first = server.add("pg", "14", "a.md", "# A\n\nThe word is fourteenword.").await;
    server.add("pg", "15", "a.md", "# A\n\nThe word is fifteenword.").await;
    server.add("pg", "15", "b.md", "# B\n\nOnly in fifteen: bword.").await;
    let id = first["document_id"].as_str().unwrap();
    assert_eq!(server.json(&format!("/api/v1/documents/{id}")).await["versions"], json!(["15", "14"]));
    let diff =
        server.get(&format!("/api/v1/documents/{id}/diff"), &[("from", "14"), ("to", "15")]).await.ok();
    assert!(diff["unified"].as_str().unwrap().contains("-The word is fourteenword."), "{diff}");
    for (version, word, count) in
        [("14", "fourteenword", 1), ("14", "fifteenword", 0), ("14", "bword", 0), ("15", "bword", 1)]
    {
        let answer = server.search(&[("q", word), ("library", "pg"), ("version", version)]).await;
        let found = each(&answer, "content").iter().filter(|content| content.contains(word)).count();
        assert_eq!(found, count, "{word} in {version}");
    }
    let counts = server.json("/api/v1/libraries/pg/versions").await;
    let documents: Vec<(&Value, &Value)> =
        counts.as_array().unwrap().iter().map(|version| (&version["label"], &version["documents"])).collect();
    assert_eq!(documents, [(&json!("15"), &json!(2)), (&json!("14"), &json!(1))]);
    server.get(&format!("/api/v1/documents/{id}/versions/13"), &[]).await.problem(404);
    server.get(&format!("/api/v1/documents/{id}/versions/15~2"), &[]).await.problem(404);
    server.get(&format!("/api/v1/documents/{id}/versions/15~x"), &[]).await.problem(400);
}

/// A library, its labels, and the label that each request selects.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

#[tokio::test]
async fn versions_of_each_ecosystem_are_ordered_as_it_orders_them() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let cases: &[Case] = &[
        ("google", &["3.7.1", "3.7-4972921"], &[("latest", "3.7.1"), ("v3", "3.7.1")]),
        (
            "spring",
            &["4.0.0", "5.2.0.RELEASE", "5.3.1.RELEASE"],
            &[
                ("latest", "5.3.1.RELEASE"),
                ("5.x", "5.3.1.RELEASE"),
                ("~5.2", "5.2.0.RELEASE"),
                ("5.3.1", "5.3.1.RELEASE"),
            ],
        ),
        (
            "hibernate",
            &["6.4.9.Final", "6.5.0.Final", "6.6.0.CR1"],
            &[("latest", "6.5.0.Final"), (">=6.4 <6.5", "6.4.9.Final")],
        ),
        ("jdk", &["17-LTS", "21-LTS", "22-ea"], &[("latest", "21-LTS"), ("17 || 21", "21-LTS")]),
        ("openssl", &["1.1.0", "1.1.1", "1.1.1w"], &[("latest", "1.1.1w"), ("*", "1.1.1w")]),
        ("guava", &["32.0.0-jre", "33.4.0-jre"], &[("33.x", "33.4.0-jre"), ("<33", "32.0.0-jre")]),
        ("debian", &["2.0~rc1-1", "1:1.4-2", "1.9-1"], &[("latest", "1:1.4-2"), ("2.0~rc1-1", "2.0~rc1-1")]),
    ];
    for (library, labels, expected) in cases {
        for label in *labels {
            server.add(library, label, "a.md", format!("# A\n\nThis is {label}.\n")).await;
        }
        for (asked, label) in *expected {
            let parameters = [("q", "this is"), ("library", library), ("version", asked)];
            let answer = server.search(&parameters).await;
            assert_eq!(each(&answer, "version"), [*label], "{asked} of {library}");
            assert_eq!(answer["resolved"]["version"], *label);
            let path: String = percent_encoding(asked);
            let version = server.json(&format!("/api/v1/libraries/{library}/versions/{path}")).await;
            assert_eq!(version["label"], *label, "{asked} of {library}");
            let text = server.follow(&format!("/l/{library}/{path}/a.md")).await.text();
            assert_eq!(text, format!("# A\n\nThis is {label}.\n"), "{asked} of {library}");
            let id = format!("/docs/{library}/{asked}");
            let text =
                server.get("/api/v2/context", &[("libraryId", &id), ("query", "this is")]).await.text();
            assert!(text.contains(&format!("This is {label}.")), "{asked} of {library}: {text}");
            let run = app.run(&["search", "this is", "-l", library, "-V", asked, "--json"]).await;
            assert_eq!(each(&run.json(), "version"), [*label]);
        }
    }
    // A revision of a version with a tilde.
    let document = server.search(&[("q", "this is"), ("library", "debian"), ("version", "2.0~rc1-1")]).await;
    let id = document["hits"][0]["document_id"].as_str().unwrap().to_owned();
    for name in ["2.0~rc1-1", "2.0~rc1-1~1"] {
        assert_eq!(
            server.json(&format!("/api/v1/documents/{id}/versions/{name}")).await["revision"],
            1,
            "{name}"
        );
    }
    server.get(&format!("/api/v1/documents/{id}/versions/2.0~rc1-1~2"), &[]).await.problem(404);
    // A tag that moves never names what is changed or deleted.
    server.delete("/api/v1/libraries/google/versions/v3").await.problem(404);
}

/// Percent-encodes all but letters, digits and dots.
fn percent_encoding(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn the_order_of_an_earlier_release_is_computed_again_at_the_start() {
    let app = TestApp::new(PROGRAM).await;
    for version in ["6.5.0.Final", "6.4.9.Final", "6.6.0.CR1"] {
        let file = app.file("a.md", format!("# A\n\nThis is {version}."));
        assert_eq!(app.add(&file, "hibernate", version).await.0, 0);
    }
    app.database()
        .run("update library.versions set sort_key = case label when '6.4.9.Final' then '9' else '1' end")
        .await;
    let server = app.serve().await;
    let library = server.json("/api/v1/libraries/hibernate").await;
    assert_eq!(library["versions"], json!(["6.6.0.CR1", "6.5.0.Final", "6.4.9.Final"]));
}
