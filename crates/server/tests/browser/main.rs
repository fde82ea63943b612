//! Tests of the pages in a real browser (Chromium, driven by Playwright). Each test runs one spec of this folder against
//! a server of its own. CONTRIBUTING.md describes how to write and run a spec.

mod fixture;

use fixture::Fixture;

#[tokio::test]
async fn the_first_administrator_sets_up_the_server() {
    Fixture::empty().await.run_spec("first").await;
}

#[tokio::test]
async fn users_manage_their_own_account() {
    Fixture::with_documents().await.run_spec("account").await;
}

#[tokio::test]
async fn administrators_manage_the_server() {
    Fixture::with_language_model().await.run_spec("admin").await;
}

#[tokio::test]
async fn a_new_user_finds_the_way() {
    Fixture::with_documents().await.run_spec("newcomer").await;
}

#[tokio::test]
async fn versions_are_read_through_and_compared() {
    Fixture::with_documents().await.run_spec("contents").await;
}

#[tokio::test]
async fn search_works() {
    Fixture::with_documents().await.run_spec("search").await;
}

#[tokio::test]
async fn libraries_can_be_browsed() {
    Fixture::with_documents().await.run_spec("libraries").await;
}

#[tokio::test]
async fn documents_can_be_added() {
    Fixture::with_documents().await.run_spec("add").await;
}

#[tokio::test]
async fn questions_are_answered() {
    Fixture::with_language_model().await.run_spec("asking").await;
}

#[tokio::test]
async fn documents_can_be_read() {
    Fixture::with_a_long_document().await.run_spec("reading").await;
}

#[tokio::test]
async fn links_lead_on_and_pictures_show() {
    Fixture::with_links().await.run_spec("links").await;
}

#[tokio::test]
async fn every_page_is_accessible_at_every_width_and_in_both_languages() {
    Fixture::with_language_model().await.run_spec("everywhere").await;
}

#[tokio::test]
async fn lighthouse_reports_no_finding() {
    Fixture::with_language_model().await.run_spec("lighthouse").await;
}

#[tokio::test]
async fn hostile_content_stays_text_on_every_page() {
    Fixture::with_language_model().await.run_spec("hostile").await;
}
