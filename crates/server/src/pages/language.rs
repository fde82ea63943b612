//! `/language`: choosing the language of the pages.

use axum::extract::State;
use axum::response::Response;
use identity::Preferences;
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::{see_other, theme};
use crate::http::AppState;
use crate::http::input::Query;
pub(crate) use crate::http::language::{COOKIE, Language};

/// Which language is chosen, and where one was.
#[derive(Deserialize)]
pub(crate) struct Choice {
    to: String,
    #[serde(default)]
    back: String,
}

/// Shows pages in a language from now on, in this browser, and goes back.
pub(crate) async fn switch(State(state): State<AppState>, Query(choice): Query<Choice>) -> Response {
    let mut response = see_other(&choice.back);
    if let Some(language) = Language::named(&choice.to) {
        keep(language, &mut response, state.app.settings.server.secure_cookies());
    }
    response
}

/// Chooses the language of all pages, here and for the account of whoever is signed in, and goes back.
pub(crate) async fn choose(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let chosen = Preferences { language: Some(posted.field("to").to_owned()), theme: None };
    theme::chosen_here(&state, &posted.frame, chosen, posted.field("back")).await
}

/// Stores the language as the choice of this browser.
pub(crate) fn keep(language: Language, response: &mut Response, secure: bool) {
    super::keep_choice(response, COOKIE, language.name(), secure);
}
