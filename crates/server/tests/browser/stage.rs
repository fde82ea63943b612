//! What specs are played on: a server with people, a small library of each type of document, and a scripted language model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Answer, Asked, LanguageModel, PASSWORD, Person, Place, Program, Server, documents};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wenyuan");

/// A server, and what a spec is told of it.
pub(crate) struct Stage {
    // In the order in which they go: nothing is taken away that the server still stands on.
    server: Server,
    model: Option<LanguageModel>,
    place: Place,
    told: Value,
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

impl Stage {
    /// A server that nobody has used: the link to the first administrator is good.
    pub(crate) async fn bare() -> Self {
        let place = Place::new(PROGRAM).await;
        let server = place.serve().await;
        let told = json!({ "password": PASSWORD, "setup": server.setup_token().await });
        Self { place, server, told, model: None }
    }

    /// A library with documents; `ada` administers, `ben` is an ordinary user.
    pub(crate) async fn furnished() -> Self {
        let mut stage = Self::peopled().await;
        let server = &stage.server;
        for (library, version, path, file) in DOCUMENTS {
            let bytes = std::fs::read(folder().join("library").join(file)).expect("a document of the stage");
            let added = server.add(library, version, path, bytes).await;
            assert_eq!(added["status"], "completed", "{path}: {added}");
        }
        let lines =
            ["Harbour at a glance", "A berth takes one ship at a time.", "The pilot waits at the mole."];
        server.add("handbook", "2026", "leaflet.pdf", documents::pdf(&lines)).await;
        server.caught_up().await;
        stage.told["key"] = server.key().into();
        stage
    }

    /// The same, and the scripted language model that answers questions; see [`answer`].
    pub(crate) async fn with_language_model() -> Self {
        let mut stage = Self::furnished().await;
        let model = LanguageModel::start().await;
        model.answer_with(answer);
        stage
            .place
            .run(&["models", "add", "small", &model.url(), "--model", "any", "--default"])
            .await
            .succeeded();
        stage.model = Some(model);
        stage
    }

    /// The same, and a document of several parts.
    pub(crate) async fn with_a_long_document() -> Self {
        let stage = Self::furnished().await;
        stage.server.add("hostile", "1", "log.md", log()).await;
        stage
    }

    async fn peopled() -> Self {
        let stage = Self::bare().await;
        let ada: Person = stage.server.set_up().await;
        stage.server.person(&ada, "ben", "user").await;
        stage
    }

    /// Plays a spec to its end and shows what it said when it fails.
    pub(crate) async fn play(self, spec: &str) {
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let run = Program::browser(&folder().join(format!("{spec}.mjs")))
            .set("WENYUAN_TEST_SITE", &format!("http://{}", self.server.address()))
            .set("WENYUAN_TEST_STAGE", &self.told.to_string())
            .set("WENYUAN_TEST_PICTURES", &pictures.display().to_string())
            .run()
            .await;
        assert_eq!(run.code, 0, "{spec}\n{}\n{}", run.output, run.errors);
    }
}

/// A document of several parts, in which something is written that would act if it were not text.
fn log() -> String {
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

/// What the scripted model answers. A question with `slowly` is answered a word at a time, for some seconds; one with
/// `break off` ends in the middle; one with `fail` is not answered at all. All others are answered with a sentence of the
/// first source, cited.
fn answer(asked: &Asked) -> Answer {
    let told = asked.body["messages"].to_string();
    let question = asked.last_question();
    let is_chinese = question.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    let text = if told.contains("drains its connections for ninety seconds") {
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
    let answer = Answer::saying(&pieces);
    if question.contains("break off") {
        answer.breaking_off_after(3)
    } else if question.contains("slowly") {
        answer.slowly(std::time::Duration::from_millis(700))
    } else {
        answer
    }
}
