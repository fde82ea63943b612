//! How pages look: light, dark, or as the reader's system is.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use identity::{Preferences, preferences};
use kernel::actor::Actor;

use super::forms::SubmittedForm;
use super::frame::Frame;
use super::language::{self, Language};
use super::see_other;
use crate::http::AppState;
use crate::http::cookies::cookie;
use crate::http::problem::Problem;

/// The cookie that keeps the choice.
const COOKIE: &str = "wenyuan_theme";

/// Which colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// Returns the theme of a request: chosen in this browser, else in the account.
    pub(crate) fn of(headers: &HeaderMap, of_account: Option<&str>) -> Self {
        let chosen = cookie(headers, COOKIE).and_then(Self::named);
        chosen.or_else(|| of_account.and_then(Self::named)).unwrap_or_default()
    }

    /// Its name in the cookie, in forms, and on pages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::System, Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }

    /// Keeps it as the choice of this browser.
    pub(crate) fn keep(self, response: &mut Response, secure: bool) {
        super::keep_choice(response, COOKIE, self.name(), secure);
    }
}

/// Chooses the colours of all pages, here and for the account of whoever is signed in, and goes back.
pub(crate) async fn choose(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let chosen = Preferences { language: None, theme: Some(posted.field("theme").to_owned()) };
    chosen_here(&state, &posted.frame, chosen, posted.field("back")).await
}

/// Keeps what somebody has chosen, in this browser and, if they are signed in, in their account.
pub(super) async fn chosen_here(
    state: &AppState,
    frame: &Frame,
    chosen: Preferences,
    back: &str,
) -> Response {
    let mut response = see_other(back);
    // What is no choice is none.
    let language = chosen.language.as_deref().and_then(Language::named);
    let theme = chosen.theme.as_deref().and_then(Theme::named);
    keep(&mut response, language, theme, state.app.settings.server.secure_cookies());
    if frame.user().is_some() && (language.is_some() || theme.is_some()) {
        let chosen = Preferences {
            language: language.map(|language| language.name().to_owned()),
            theme: theme.map(|theme| theme.name().to_owned()),
        };
        if let Err(problem) = written(state, &frame.actor, &chosen).await {
            return problem.into_response();
        }
    }
    response
}

/// Shows pages from now on as the account of somebody who signs in says.
pub(super) fn follow(response: &mut Response, preferences: &Preferences, secure: bool) {
    let language = preferences.language.as_deref().and_then(Language::named);
    keep(response, language, preferences.theme.as_deref().and_then(Theme::named), secure);
}

fn keep(response: &mut Response, language: Option<Language>, theme: Option<Theme>, secure: bool) {
    if let Some(language) = language {
        language::keep(language, response, secure);
    }
    if let Some(theme) = theme {
        theme.keep(response, secure);
    }
}

async fn written(state: &AppState, actor: &Actor, chosen: &Preferences) -> Result<(), Problem> {
    let mut transaction = state.app.begin().await?;
    preferences::update(&mut transaction, actor, chosen).await?;
    transaction.commit().await?;
    Ok(())
}
