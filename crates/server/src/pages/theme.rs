//! `/theme`: chooses the theme of pages: light, dark, or that of the system.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use identity::{Preferences, preferences};

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::Frame;
use super::language::{self, Language};
use super::see_other;
use crate::http::AppState;
use crate::http::cookies::cookie;

/// Cookie of the choice.
const COOKIE: &str = "wenyuan_theme";

/// Routes of the theme choice.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/theme", post(choose))
}

/// Theme of pages.
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

    /// Returns the name in cookies, forms and style sheets.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Returns the theme with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::System, Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }

    /// Stores the theme as the choice of this browser.
    fn store(self, response: &mut Response, secure: bool) {
        super::set_choice_cookie(response, COOKIE, self.name(), secure);
    }
}

/// Chooses the theme of this browser and, if the reader is signed in, of the account, and returns.
async fn choose(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let choice = Preferences { language: None, theme: Some(form.field("theme").to_owned()) };
    save_choice(&state, &form.frame, choice, form.field("back")).await
}

/// Stores a choice in this browser and, if the reader is signed in, in the account, and redirects to `back`.
pub(super) async fn save_choice(
    state: &AppState,
    frame: &Frame,
    choice: Preferences,
    back: &str,
) -> PageResult {
    let mut response = see_other(back);
    // Unknown names are ignored.
    let language = choice.language.as_deref().and_then(Language::named);
    let theme = choice.theme.as_deref().and_then(Theme::named);
    store_in_browser(&mut response, language, theme, state.app.settings.server.secure_cookies());
    if frame.user().is_some() && (language.is_some() || theme.is_some()) {
        let choice = Preferences {
            language: language.map(|language| language.name().to_owned()),
            theme: theme.map(|theme| theme.name().to_owned()),
        };
        let mut transaction = state.app.begin().await?;
        preferences::update(&mut transaction, &frame.actor, &choice).await?;
        transaction.commit().await?;
    }
    Ok(response)
}

/// Applies the preferences of an account to the browser that has just signed in.
pub(super) fn apply_preferences(response: &mut Response, preferences: &Preferences, secure: bool) {
    let language = preferences.language.as_deref().and_then(Language::named);
    store_in_browser(response, language, preferences.theme.as_deref().and_then(Theme::named), secure);
}

fn store_in_browser(response: &mut Response, language: Option<Language>, theme: Option<Theme>, secure: bool) {
    if let Some(language) = language {
        language::store(language, response, secure);
    }
    if let Some(theme) = theme {
        theme.store(response, secure);
    }
}
