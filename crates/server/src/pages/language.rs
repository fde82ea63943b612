//! `/language`: chooses the language of pages.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use identity::Preferences;
use serde::Deserialize;

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::{see_other, theme};
use crate::http::AppState;
use crate::http::input::Query;
pub(crate) use crate::http::language::{COOKIE, Language};

/// Routes of the language choice.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/language", get(switch).post(choose))
}

/// Query: the chosen language, and the address to return to.
#[derive(Deserialize)]
struct LanguageQuery {
    to: String,
    #[serde(default)]
    back: String,
}

/// Chooses the language of this browser, and returns.
async fn switch(State(state): State<AppState>, Query(choice): Query<LanguageQuery>) -> Response {
    let mut response = see_other(&choice.back);
    if let Some(language) = Language::named(&choice.to) {
        store(language, &mut response, state.app.settings.server.secure_cookies());
    }
    response
}

/// Chooses the language of this browser and, if the reader is signed in, of the account, and returns.
async fn choose(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let choice = Preferences { language: Some(form.field("to").to_owned()), theme: None };
    theme::save_choice(&state, &form.frame, choice, form.field("back")).await
}

/// Stores the language as the choice of this browser.
pub(super) fn store(language: Language, response: &mut Response, secure: bool) {
    super::set_choice_cookie(response, COOKIE, language.name(), secure);
}
