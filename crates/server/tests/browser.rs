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
async fn ones_own_account() {
    Stage::furnished().await.play("account").await;
}

#[tokio::test]
async fn administration() {
    Stage::with_language_model().await.play("admin").await;
}

#[tokio::test]
async fn searching() {
    Stage::furnished().await.play("search").await;
}

#[tokio::test]
async fn libraries() {
    Stage::furnished().await.play("libraries").await;
}

#[tokio::test]
async fn adding() {
    Stage::furnished().await.play("add").await;
}

#[tokio::test]
async fn asking() {
    Stage::with_language_model().await.play("asking").await;
}

#[tokio::test]
async fn reading() {
    Stage::with_a_long_document().await.play("reading").await;
}

#[tokio::test]
async fn every_page_is_fit_for_everybody() {
    Stage::with_language_model().await.play("everywhere").await;
}

#[tokio::test]
async fn lighthouse_finds_nothing_to_say() {
    Stage::with_language_model().await.play("lighthouse").await;
}

#[tokio::test]
async fn what_is_hostile_stays_text_on_every_page() {
    Stage::with_language_model().await.play("hostile").await;
}
