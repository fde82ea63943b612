//! In which language a page is: the one chosen before, in this browser or for the account, else the one the browser prefers.

use axum::extract::State as Given;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use identity::Preferences;
use serde::Deserialize;

use super::forms::Posted;
use super::{forms, see_other, theme};
use crate::api::State;
use crate::api::input::Query;

/// The cookie that keeps the choice.
const COOKIE: &str = "wenyuan_language";

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

/// Which language is chosen, and where one was.
#[derive(Deserialize)]
pub(crate) struct Choice {
    to: String,
    #[serde(default)]
    back: String,
}

impl Language {
    /// The language of whoever sends these headers: the one chosen in this browser, else the one of their account, else the
    /// one that the browser prefers.
    pub(crate) fn of(headers: &HeaderMap, of_account: Option<&str>) -> Self {
        let chosen = forms::cookie(headers, COOKIE).and_then(Self::named);
        if let Some(chosen) = chosen.or_else(|| of_account.and_then(Self::named)) {
            return chosen;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        preferred(accepted.unwrap_or_default())
    }

    /// The same, as chats are shown in it.
    pub(crate) fn of_chats(self) -> chat::portable::html::Language {
        match self {
            Self::English => chat::portable::html::Language::English,
            Self::Chinese => chat::portable::html::Language::Chinese,
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::English, Self::Chinese].into_iter().find(|language| language.name() == name)
    }

    /// Its name in the cookie, in forms and in accounts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// Its tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// What its speakers call it.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// Keeps it as the choice of this browser.
    pub(crate) fn keep(self, response: &mut Response, secure: bool) {
        super::keep_choice(response, COOKIE, self.name(), secure);
    }
}

/// Shows pages in a language from now on, in this browser, and goes back.
pub(crate) async fn switch(Given(state): Given<State>, Query(choice): Query<Choice>) -> Response {
    let mut response = see_other(&choice.back);
    if let Some(language) = Language::named(&choice.to) {
        language.keep(&mut response, state.app.settings.secure_cookies());
    }
    response
}

/// Chooses the language of all pages, here and for the account of whoever is signed in, and goes back.
pub(crate) async fn choose(Given(state): Given<State>, posted: Posted) -> Response {
    let chosen = Preferences { language: Some(posted.field("to").to_owned()), theme: None };
    theme::chosen_here(&state, &posted.frame, chosen, posted.field("back")).await
}

/// The one of ours that `Accept-Language` (RFC 9110, section 12.5.4) prefers.
fn preferred(accepted: &str) -> Language {
    let mut best = (0.0_f32, Language::English);
    for range in accepted.split(',').take(50) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        let language = match tag.split('-').next() {
            Some("zh") => Language::Chinese,
            Some("en") => Language::English,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_order_is_followed() {
        for (accepted, language) in [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9,zh;q=0.8", Language::English),
            ("en;q=0.5, zh-TW;q=0.7", Language::Chinese),
            ("de, zh;q=0.3", Language::Chinese),
            ("fr", Language::English),
            ("zh;q=0, en;q=0.1", Language::English),
        ] {
            assert_eq!(preferred(accepted), language, "{accepted}");
        }
    }
}
