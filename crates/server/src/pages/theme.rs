//! How pages look: light, dark, or as the reader's system is.

use axum::extract::State as Given;
use axum::http::HeaderMap;
use axum::response::Response;

use super::forms::{self, Posted};
use super::see_other;
use crate::api::State;

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
    /// What whoever sends these headers has chosen.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        forms::cookie(headers, COOKIE).and_then(Self::named).unwrap_or_default()
    }

    /// Its name in the cookie, in forms, and on pages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::System, Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }
}

/// Chooses the colours of all pages, and goes back.
pub(crate) async fn choose(Given(state): Given<State>, posted: Posted) -> Response {
    let mut response = see_other(posted.field("back"));
    if let Some(theme) = Theme::named(posted.field("theme")) {
        super::keep_choice(&mut response, COOKIE, theme.name(), state.app.settings.secure_cookies());
    }
    response
}
