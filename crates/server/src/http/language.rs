//! Language of a response: chosen in the browser or the account, else preferred by the browser.

use axum::http::{HeaderMap, header};

use super::cookies::cookie;

/// Cookie that stores the choice.
pub(crate) const COOKIE: &str = "wenyuan_language";

/// A supported language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Returns the language of a request: chosen in this browser, else in the account, else preferred by the browser.
    pub(crate) fn of(headers: &HeaderMap, of_account: Option<&str>) -> Self {
        let chosen = cookie(headers, COOKIE).and_then(Self::named);
        if let Some(chosen) = chosen.or_else(|| of_account.and_then(Self::named)) {
            return chosen;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        preferred(accepted.unwrap_or_default())
    }

    /// Returns the language of exported chats.
    pub(crate) fn of_chats(self) -> chat::transfer::html::Language {
        match self {
            Self::English => chat::transfer::html::Language::English,
            Self::Chinese => chat::transfer::html::Language::Chinese,
        }
    }

    /// Returns the language of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::English, Self::Chinese].into_iter().find(|language| language.name() == name)
    }

    /// Returns the name in the cookie, in forms and in accounts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// Returns the tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// Returns the name in the language itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// Returns the other language.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }
}

/// Returns the supported language that `Accept-Language` (RFC 9110, section 12.5.4) prefers.
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
    fn the_browsers_preference_decides() {
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
