//! `/graphql/explorer`: a page to try queries on, with the types of the schema beside it. It loads nothing from elsewhere.

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::error::PageResult;
use super::frame::Frame;
use crate::http::AppState;

/// Query to begin with.
const EXAMPLE: &str = "\
query ($words: String!) {
  viewer { username }
  search(query: $words, first: 3) {
    hits { snippet passage { title version path } }
  }
}";
const VARIABLES: &str = "{ \"words\": \"backup\" }";

/// Routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/graphql/explorer", get(show))
}

#[derive(Template)]
#[template(path = "explorer.html")]
struct Page<'page> {
    frame: &'page Frame,
    example: &'static str,
    variables: &'static str,
}

async fn show(frame: Frame) -> PageResult {
    Ok(frame.page(StatusCode::OK, &Page { frame: &frame, example: EXAMPLE, variables: VARIABLES }))
}
