//! In which language a page is: the one chosen before, else the one the browser prefers.

use axum::extract::State as Given;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;

use super::{forms, see_other};
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
    /// The language of whoever sends these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if let Some(chosen) = forms::cookie(headers, COOKIE).and_then(Self::named) {
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

    fn named(name: &str) -> Option<Self> {
        match name {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// Its tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        self.say("en", "zh-CN")
    }

    /// What is said in it, of the same in both.
    pub(crate) fn say<'text>(self, english: &'text str, chinese: &'text str) -> &'text str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// Chooses the language of all pages, and goes back.
pub(crate) async fn switch(Given(state): Given<State>, Query(choice): Query<Choice>) -> Response {
    let mut response = see_other(&choice.back);
    if let Some(language) = Language::named(&choice.to) {
        super::keep_choice(
            &mut response,
            COOKIE,
            language.say("en", "zh"),
            state.app.settings.secure_cookies(),
        );
    }
    response
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
