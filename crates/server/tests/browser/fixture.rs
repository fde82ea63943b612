//! Servers for browser specs: with users, libraries with a document of each type, and a scripted language model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Answer, ChatRequest, LanguageModel, PASSWORD, Person, Program, Server, TestApp, documents};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wenyuan");

/// A running server, and the values that a spec needs of it.
pub(crate) struct Fixture {
    // Dropped in this order: the server before what it uses.
    server: Server,
    model: Option<LanguageModel>,
    app: TestApp,
    /// Passed to the spec as JSON.
    values: Value,
}

/// Library, version, path, and the file that holds it. The first version of a library is its active one.
const DOCUMENTS: [(&str, &str, &str, &str); 7] = [
    ("harbour", "2.0", "manual.md", "harbour-2.0/manual.md"),
    ("harbour", "1.8", "manual.md", "harbour-1.8/manual.md"),
    ("harbour", "2.0", "guides/upgrading.md", "harbour-2.0/upgrading.md"),
    ("harbour", "2.0", "control.json", "harbour-2.0/control.json"),
    ("harbour-java", "2.0", "org/example/harbour/Berth.html", "harbour-java/Berth.html"),
    ("handbook", "2026", "部署手册.md", "handbook/部署手册.md"),
    ("hostile", "1", "hostile.md", "hostile/hostile.md"),
];

impl Fixture {
    /// A new server: the link for the first administrator is still valid.
    pub(crate) async fn empty() -> Self {
        let app = TestApp::new(PROGRAM).await;
        let server = app.serve().await;
        let values = json!({ "password": PASSWORD, "setup": server.setup_token().await });
        Self { app, server, values, model: None }
    }

    /// Libraries with documents. `ada` is an administrator, `ben` an ordinary user.
    pub(crate) async fn with_documents() -> Self {
        let mut fixture = Self::with_users().await;
        let server = &fixture.server;
        for (library, version, path, file) in DOCUMENTS {
            let bytes =
                std::fs::read(folder().join("library").join(file)).expect("a document of the fixture");
            let added = server.add(library, version, path, bytes).await;
            assert_eq!(added["status"], "completed", "{path}: {added}");
        }
        let lines =
            ["Harbour at a glance", "A berth takes one ship at a time.", "The pilot waits at the mole."];
        server.add("handbook", "2026", "leaflet.pdf", documents::pdf(&lines)).await;
        server.caught_up().await;
        fixture.values["key"] = server.key().into();
        fixture
    }

    /// [`Self::with_documents`], and a scripted language model; see [`answer`].
    pub(crate) async fn with_language_model() -> Self {
        let mut fixture = Self::with_documents().await;
        let model = LanguageModel::start().await;
        model.answer_with(answer);
        fixture
            .app
            .run(&["models", "add", "small", &model.url(), "--model", "any", "--default"])
            .await
            .succeeded();
        fixture.model = Some(model);
        fixture
    }

    /// A public library whose documents link to each other and show a picture.
    pub(crate) async fn with_links() -> Self {
        let fixture = Self::with_users().await;
        let start = "# Start\n\nRead [how to set it up](/docs/app/guides/setup#in-a-container), not [what is gone](/docs/gone).\n\n\
                     ![The plan of the gate](../img/plan.svg) ![A view that was lost](lost.png)\n";
        let filler =
            "The gate opens in the morning and closes at night, whatever the weather may be. ".repeat(30);
        let setup = format!(
            "# Setup\n\n{filler}\n\n## On a machine\n\n{filler}\n\n## In a container\n\nRun it there.\n\n{filler}\n"
        );
        let plan = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"240\" height=\"120\"><rect width=\"240\" height=\"120\" fill=\"#357\"/></svg>";
        let summary = format!(
            "<section class=\"method-summary\" id=\"method-summary\"><h2>Method Summary</h2>\
             <div class=\"summary-table three-column-summary\"><div class=\"table-header col-first\">Modifier and Type</div>\
             <div class=\"table-header col-second\">Method</div><div class=\"table-header col-last\">Description</div>\
             <div class=\"col-first\"><code><a href=\"Door.html\">Door</a></code></div><div class=\"col-second\"><code>\
             <a href=\"#open(java.lang.String)\" class=\"member-name-link\">open</a>(String&nbsp;name)</code></div>\
             <div class=\"col-last\"><div class=\"block\">Opens it.</div></div></div></section><p>{filler}</p><p>{filler}</p>\
             <section class=\"method-details\""
        );
        let gate = documents::javadoc("org.example", "Gate", "open", "A gate.")
            .replace("<section class=\"method-details\"", &summary);
        let door = documents::javadoc("org.example", "Door", "shut", "A door.");
        for (path, text) in [
            ("app/start.md", start),
            ("app/02-guides/setup.md", setup.as_str()),
            ("img/plan.svg", plan),
            ("org/example/Gate.html", gate.as_str()),
            ("org/example/Door.html", door.as_str()),
        ] {
            fixture.server.add("links", "1", path, text).await;
        }
        fixture
    }

    /// [`Self::with_documents`], and a document that is shown in several parts.
    pub(crate) async fn with_a_long_document() -> Self {
        let fixture = Self::with_documents().await;
        fixture.server.add("hostile", "1", "log.md", long_document()).await;
        fixture
    }

    async fn with_users() -> Self {
        let fixture = Self::empty().await;
        let ada: Person = fixture.server.set_up().await;
        fixture.server.person(&ada, "ben", "user").await;
        fixture
    }

    /// Runs a spec, and panics with its output if it fails.
    pub(crate) async fn run_spec(self, spec: &str) {
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let run = Program::browser(&folder().join(format!("{spec}.mjs")))
            .set("WENYUAN_TEST_SITE", &format!("http://{}", self.server.address()))
            .set("WENYUAN_TEST_FIXTURE", &self.values.to_string())
            .set("WENYUAN_TEST_PICTURES", &pictures.display().to_string())
            .run()
            .await;
        assert!(run.status.success(), "{spec}: {}\n{}\n{}", run.status, run.output, run.errors);
    }
}

/// A document of several parts, with markup that must stay text.
fn long_document() -> String {
    let day =
        "The harbour log says little of a day on which nothing came in and nothing went out. ".repeat(12);
    let mut text = "# Log\n\n`<b hx-get=\"/nowhere\" hx-trigger=\"load\">`\n\n".to_owned();
    for number in 1..=60 {
        text.push_str(&format!("## Day {number}\n\n{day}\n\n"));
    }
    text
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Answers a request to the scripted model with a sentence of the first source, cited. A question that contains `slowly` is
/// answered over some seconds; `break off`: the answer ends in the middle; `fail`: the model returns an error.
fn answer(request: &ChatRequest) -> Answer {
    let messages = request.body["messages"].to_string();
    let question = request.last_question();
    let is_chinese = question.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    let text = if messages.contains("drains its connections for ninety seconds") {
        if is_chinese {
            "网关在停止之前，会用九十秒排空其连接 [1]。"
        } else {
            "Harbour drains its connections for ninety seconds before it stops [1]."
        }
    } else if is_chinese {
        "文档中的说明见所列来源 [1]。"
    } else {
        "What the documents say of it is in the first source [1]."
    };
    let pieces: Vec<String> = if is_chinese {
        text.chars().collect::<Vec<char>>().chunks(3).map(|piece| piece.iter().collect()).collect()
    } else {
        text.split_inclusive(' ').map(str::to_owned).collect()
    };
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if question.contains("fail") {
        return Answer::status(500, r#"{"error":{"message":"the model is not well"}}"#);
    }
    let answer = Answer::streaming(&pieces);
    if question.contains("break off") {
        answer.disconnecting_after(3)
    } else if question.contains("slowly") {
        answer.with_delay(std::time::Duration::from_millis(700))
    } else {
        answer
    }
}
