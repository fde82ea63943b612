//! What is kept of a language model, looked at before it is: names, numbers, addresses, keys.

use reqwest::Url;

use super::{Limits, Model};
use crate::Error;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 8192;

/// Limits that are within theirs.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) context_tokens: i32,
    pub(super) answer_tokens: i32,
    pub(super) first_seconds: i32,
    pub(super) idle_seconds: i32,
    pub(super) concurrency: i32,
}

impl Numbers {
    pub(super) fn of(given: Limits, before: Option<&Model>) -> Result<Self, Error> {
        let within = |name: &str, number: i32, least: i32, most: i32| {
            if (least..=most).contains(&number) {
                return Ok(number);
            }
            Err(Error::Invalid(format!("{name} is a number from {least} to {most}")))
        };
        let context = given.context_tokens.or(before.map(|model| model.context_tokens)).unwrap_or(8192);
        let context_tokens = within("context_tokens", context, 1024, 10_000_000)?;
        let half = context_tokens / 2;
        // What nobody has chosen gives way to what somebody has.
        let answer =
            given.answer_tokens.unwrap_or_else(|| before.map_or(1024, |model| model.answer_tokens).min(half));
        if answer > half {
            return Err(Error::Invalid(format!(
                "answer_tokens is at most half of context_tokens, which is {context_tokens}: the question needs room too"
            )));
        }
        let first = given.first_seconds.or(before.map(|model| model.first_seconds)).unwrap_or(120);
        let idle = given.idle_seconds.or(before.map(|model| model.idle_seconds)).unwrap_or(60);
        let concurrency = given.concurrency.or(before.map(|model| model.concurrency)).unwrap_or(4);
        Ok(Self {
            context_tokens,
            answer_tokens: within("answer_tokens", answer, 16, half)?,
            first_seconds: within("first_seconds", first, 1, 3600)?,
            idle_seconds: within("idle_seconds", idle, 1, 3600)?,
            concurrency: within("concurrency", concurrency, 1, 1000)?,
        })
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= 60 && name.bytes().all(is_good) {
        return Ok(());
    }
    Err(Error::Invalid(
        "a name has 1 to 60 lower-case letters, digits, dots, underscores and dashes, and begins with a letter or digit"
            .to_owned(),
    ))
}

pub(super) fn check_model(model: &str) -> Result<(), Error> {
    if model.trim().is_empty() || model.chars().count() > 200 || model.chars().any(char::is_control) {
        return Err(Error::Invalid(
            "model is what the endpoint calls it, such as gpt-5-mini or qwen3:8b, with 1 to 200 characters"
                .to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn check_key(api_key: Option<&str>) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    match api_key {
        Some(text) if text.trim().is_empty() || text.len() > LONGEST_KEY || !text.bytes().all(is_good) => {
            Err(Error::Invalid(format!("an API key has 1 to {LONGEST_KEY} visible ASCII characters")))
        }
        _ => Ok(()),
    }
}

/// Reads an endpoint: without `/chat/completions`, which is taken off where somebody gave the whole address.
pub(super) fn endpoint(text: &str) -> Result<Url, Error> {
    let wrong = || {
        Error::Invalid(
            "an endpoint is an address such as https://models.example.org/v1, with http or https, without a query and of \
             at most 2000 characters"
                .to_owned(),
        )
    };
    let mut url = Url::parse(text.trim()).map_err(|_unreadable| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.as_str().len() > 2000 {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Invalid(
            "an endpoint is shown, so it holds no name and password: give the secret as api_key".to_owned(),
        ));
    }
    if url.query().is_some() {
        return Err(wrong());
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path).trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_up_to_the_protocol() {
        for (given, kept) in [
            ("https://API.example/v1", "https://api.example/v1"),
            ("https://api.example/v1/", "https://api.example/v1"),
            (" https://api.example/v1/chat/completions ", "https://api.example/v1"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081/"),
            ("http://127.0.0.1:8081/chat/completions/", "http://127.0.0.1:8081/"),
        ] {
            assert_eq!(endpoint(given).unwrap().as_str(), kept);
        }
        for bad in ["", "api.example", "ftp://a", "https://", "https://a:b@c/", "https://a/v1?key=1"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_have_theirs() {
        let of = |context_tokens, answer_tokens| {
            Numbers::of(Limits { context_tokens, answer_tokens, ..Limits::default() }, None)
        };
        assert_eq!(of(None, None).unwrap().answer_tokens, 1024);
        assert_eq!(of(Some(1024), None).unwrap().answer_tokens, 512);
        assert!(
            of(Some(1024), Some(513)).is_err() && of(Some(1), None).is_err() && of(None, Some(1)).is_err()
        );
        let slow = Limits { first_seconds: Some(0), ..Limits::default() };
        assert!(Numbers::of(slow, None).is_err());
    }

    #[test]
    fn names_models_and_keys_have_bounds() {
        assert!(check_name("gpt-5.2_mini").is_ok() && check_model("qwen3:8b").is_ok());
        for bad in ["", "Gpt", "-a", "a b", "文", &"a".repeat(61)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_model(" ").is_err() && check_model("a\nb").is_err());
        for bad in ["", " ", "a\nb", "ключ", &"a".repeat(9000)] {
            assert!(check_key(Some(bad)).is_err(), "{bad}");
        }
    }
}
