//! Validation of a language model's settings: limits, model name, endpoint.

use std::ops::RangeInclusive;

use reqwest::Url;
use store::credentials;

use super::{Limits, Model};
use crate::Error;

/// Bounds of a context window, in tokens.
pub const CONTEXT_TOKENS: RangeInclusive<i32> = 1024..=10_000_000;
/// Bounds of an answer, in tokens; half of the context window is a further one.
pub const ANSWER_TOKENS: RangeInclusive<i32> = 16..=5_000_000;
/// Bounds of a timeout, in seconds.
pub const TIMEOUT_SECONDS: RangeInclusive<i32> = 1..=3600;
/// Bounds of the number of concurrent answers.
pub const CONCURRENCY: RangeInclusive<i32> = 1..=1000;
/// Maximum length of the name of a model at its endpoint, in characters.
pub const MAX_MODEL_CHARS: usize = 200;

/// Validated limits.
#[derive(Debug)]
pub(super) struct ValidatedLimits {
    pub(super) context_tokens: i32,
    pub(super) answer_tokens: i32,
    pub(super) first_seconds: i32,
    pub(super) idle_seconds: i32,
    pub(super) concurrency: i32,
}

impl ValidatedLimits {
    /// Validates limits; those not given are kept from the model, or take their defaults.
    pub(super) fn of(given: Limits, current: Option<&Model>) -> Result<Self, Error> {
        let within = |name: &str, number: i32, range: RangeInclusive<i32>| {
            if range.contains(&number) {
                return Ok(number);
            }
            let (min, max) = range.into_inner();
            Err(Error::Invalid(format!("{name} is out of range: use a number from {min} to {max}")))
        };
        let context = given.context_tokens.or(current.map(|model| model.context_tokens)).unwrap_or(8192);
        let context_tokens = within("context_tokens", context, CONTEXT_TOKENS)?;
        let half = context_tokens / 2;
        // A default or a kept value is reduced to fit the context; an explicit one is refused.
        let answer = given
            .answer_tokens
            .unwrap_or_else(|| current.map_or(1024, |model| model.answer_tokens).min(half));
        if answer > half {
            return Err(Error::Invalid(format!(
                "answer_tokens is more than half of context_tokens ({context_tokens}): the question needs space too"
            )));
        }
        let first = given.first_seconds.or(current.map(|model| model.first_seconds)).unwrap_or(120);
        let idle = given.idle_seconds.or(current.map(|model| model.idle_seconds)).unwrap_or(60);
        let concurrency = given.concurrency.or(current.map(|model| model.concurrency)).unwrap_or(4);
        Ok(Self {
            context_tokens,
            answer_tokens: within("answer_tokens", answer, ANSWER_TOKENS)?,
            first_seconds: within("first_seconds", first, TIMEOUT_SECONDS)?,
            idle_seconds: within("idle_seconds", idle, TIMEOUT_SECONDS)?,
            concurrency: within("concurrency", concurrency, CONCURRENCY)?,
        })
    }
}

pub(super) fn validate_model(model: &str) -> Result<(), Error> {
    if model.trim().is_empty()
        || model.chars().count() > MAX_MODEL_CHARS
        || model.chars().any(char::is_control)
    {
        return Err(Error::Invalid(format!(
            "invalid model: use the name by which the endpoint knows it, such as gpt-5-mini or qwen3:8b, 1 to {MAX_MODEL_CHARS} \
             characters"
        )));
    }
    Ok(())
}

/// Parses an endpoint. A trailing `/chat/completions` is removed.
pub(super) fn parse_endpoint(text: &str) -> Result<Url, Error> {
    let mut url = credentials::parse_endpoint(text, "https://models.example.org/v1")?;
    if url.query().is_some() {
        return Err(Error::Invalid(
            "endpoint has a query: remove the question mark and what follows".to_owned(),
        ));
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
    fn an_endpoint_is_a_base_url() {
        for (given, expected) in [
            ("https://API.example/v1", "https://api.example/v1"),
            ("https://api.example/v1/", "https://api.example/v1"),
            (" https://api.example/v1/chat/completions ", "https://api.example/v1"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081/"),
            ("http://127.0.0.1:8081/chat/completions/", "http://127.0.0.1:8081/"),
        ] {
            assert_eq!(parse_endpoint(given).unwrap().as_str(), expected);
        }
        for bad in ["", "api.example", "ftp://a", "https://", "https://a:b@c/", "https://a/v1?key=1"] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_out_of_range_are_refused() {
        let of = |context_tokens, answer_tokens| {
            ValidatedLimits::of(Limits { context_tokens, answer_tokens, ..Limits::default() }, None)
        };
        assert_eq!(of(None, None).unwrap().answer_tokens, 1024);
        assert_eq!(of(Some(1024), None).unwrap().answer_tokens, 512);
        assert!(
            of(Some(1024), Some(513)).is_err() && of(Some(1), None).is_err() && of(None, Some(1)).is_err()
        );
        let slow = Limits { first_seconds: Some(0), ..Limits::default() };
        assert!(ValidatedLimits::of(slow, None).is_err());
    }

    #[test]
    fn names_and_models_out_of_bounds_are_refused() {
        assert!(credentials::check_name("gpt-5.2_mini").is_ok() && validate_model("qwen3:8b").is_ok());
        for bad in ["", "Gpt", "-a", "a b", "文", &"a".repeat(61)] {
            assert!(credentials::check_name(bad).is_err(), "{bad}");
        }
        assert!(validate_model(" ").is_err() && validate_model("a\nb").is_err());
    }
}
