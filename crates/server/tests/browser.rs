//! Pages in a real browser. Each test runs one spec of `tests/browser/` against a server of its own; `./test` fetches the
//! browser and what drives it. `CONTRIBUTING.md` says how a spec is written and run.

#[path = "browser/stage.rs"]
mod stage;

use stage::Stage;

#[tokio::test]
async fn the_first_day() {
    Stage::bare().await.play("first").await;
}

#[tokio::test]
async fn every_page_is_fit_for_everybody() {
    Stage::with_language_model().await.play("everywhere").await;
}
