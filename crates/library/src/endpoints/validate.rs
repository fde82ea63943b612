//! Validation of a search endpoint's settings.

use std::ops::RangeInclusive;

use store::credentials;
use url::Url;

use super::{Limits, Purpose, SearchEndpoint};
use crate::Error;

/// Bounds of the number of values of a vector: as many as pgvector can index in half precision.
pub const DIMENSIONS: RangeInclusive<i32> = 1..=4000;
/// Bounds of the length of a text, in tokens.
pub const INPUT_TOKENS: RangeInclusive<i32> = 64..=1_000_000;
/// Bounds of the number of texts in one request.
pub const BATCH_SIZE: RangeInclusive<i32> = 1..=256;
/// Bounds of the time that a search waits, in milliseconds.
pub const TIMEOUT_MILLISECONDS: RangeInclusive<i32> = 50..=60_000;
/// Maximum length of the name of a model at its endpoint, in characters.
pub const MAX_MODEL_CHARS: usize = 200;
/// Maximum length of a prefix, in characters.
pub const MAX_PREFIX_CHARS: usize = 1000;

/// Validated limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValidatedLimits {
    pub(super) input_tokens: i32,
    pub(super) batch_size: i32,
    pub(super) timeout_milliseconds: i32,
}

impl ValidatedLimits {
    /// Validates limits; those not given are kept from the endpoint, or take the defaults of the purpose.
    pub(super) fn of(
        purpose: Purpose,
        given: Limits,
        current: Option<&SearchEndpoint>,
    ) -> Result<Self, Error> {
        let defaults = match purpose {
            Purpose::Embedding => [8192, 32, 3000],
            Purpose::Reranking => [512, 50, 1500],
        };
        let kept = current.map_or(defaults, |endpoint| {
            [endpoint.input_tokens, endpoint.batch_size, endpoint.timeout_milliseconds]
        });
        Ok(Self {
            input_tokens: within("input_tokens", given.input_tokens.unwrap_or(kept[0]), INPUT_TOKENS)?,
            batch_size: within("batch_size", given.batch_size.unwrap_or(kept[1]), BATCH_SIZE)?,
            timeout_milliseconds: within(
                "timeout_milliseconds",
                given.timeout_milliseconds.unwrap_or(kept[2]),
                TIMEOUT_MILLISECONDS,
            )?,
        })
    }
}

pub(super) fn within(name: &str, number: i32, range: RangeInclusive<i32>) -> Result<i32, Error> {
    if range.contains(&number) {
        return Ok(number);
    }
    let (min, max) = range.into_inner();
    Err(Error::Invalid(format!("{name} is out of range: use a number from {min} to {max}")))
}

pub(super) fn validate_model(model: &str) -> Result<(), Error> {
    if model.trim().is_empty()
        || model.chars().count() > MAX_MODEL_CHARS
        || model.chars().any(char::is_control)
    {
        return Err(Error::Invalid(format!(
            "invalid model: use the name by which the endpoint knows it, such as bge-m3, 1 to {MAX_MODEL_CHARS} characters"
        )));
    }
    Ok(())
}

pub(super) fn validate_prefix(name: &str, prefix: &str) -> Result<(), Error> {
    if prefix.chars().count() > MAX_PREFIX_CHARS || prefix.contains('\0') {
        return Err(Error::Invalid(format!("{name} is too long: use at most {MAX_PREFIX_CHARS} characters")));
    }
    Ok(())
}

/// Parses an endpoint. A trailing `/embeddings` or `/rerank` is removed.
pub(super) fn parse_endpoint(text: &str) -> Result<Url, Error> {
    let mut url = credentials::parse_endpoint(text, "https://models.example.org/v1")?;
    if url.query().is_some() {
        return Err(Error::Invalid(
            "endpoint has a query: remove the question mark and what follows".to_owned(),
        ));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let base = ["/embeddings", "/rerank"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let base = base.trim_end_matches('/').to_owned();
    url.set_path(&base);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_base_url() {
        for (given, expected) in [
            ("https://API.example/v1", "https://api.example/v1"),
            ("https://api.example/v1/embeddings/", "https://api.example/v1"),
            ("http://127.0.0.1:8081/v1/rerank", "http://127.0.0.1:8081/v1"),
            ("http://127.0.0.1:8081/rerank", "http://127.0.0.1:8081/"),
        ] {
            assert_eq!(parse_endpoint(given).unwrap().as_str(), expected);
        }
        for bad in ["", "api.example", "ftp://a", "https://a:b@c/", "https://a/v1?key=1"] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_have_defaults_by_purpose_and_bounds() {
        let of = |purpose, limits| ValidatedLimits::of(purpose, limits, None);
        assert_eq!(of(Purpose::Embedding, Limits::default()).unwrap().batch_size, 32);
        assert_eq!(of(Purpose::Reranking, Limits::default()).unwrap().input_tokens, 512);
        for limits in [
            Limits { input_tokens: Some(1), ..Limits::default() },
            Limits { batch_size: Some(0), ..Limits::default() },
            Limits { timeout_milliseconds: Some(60_001), ..Limits::default() },
        ] {
            assert!(of(Purpose::Embedding, limits).is_err(), "{limits:?}");
        }
    }
}
