//! Errors of language models. Error responses are classified and never repeated: they may contain what was sent, the API key as
//! well as the question.

use std::error::Error as _;

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// Error of a language model. The text says what to do and contains nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ModelError {
    /// Text for the user: the failure and what to do.
    pub text: String,
    /// Kind of the error.
    pub kind: ModelErrorKind,
    /// Seconds to wait before a retry, if known; at most a day.
    pub retry_after: Option<u32>,
}

/// Kind of a language model's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorKind {
    /// Too many requests are queued, here or at the provider.
    Busy,
    /// The model cannot be reached.
    Unreachable,
    /// The model refused the API key, the model name or the request.
    Refused,
    /// The model did not answer in time.
    TimedOut,
    /// The answer broke off.
    BrokeOff,
    /// The response does not follow the protocol.
    Unreadable,
}

impl ModelErrorKind {
    /// Returns the name in metrics and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::BrokeOff => "broke_off",
            Self::Unreadable => "unreadable",
        }
    }
}

impl ModelError {
    /// No language model is configured, and nothing can replace one.
    pub(crate) fn not_configured() -> Self {
        let text = "no language model is configured: an administrator can add one with `wenyuan models add`";
        Self { text: text.to_owned(), kind: ModelErrorKind::Refused, retry_after: None }
    }

    /// The model answered with an empty text.
    pub(crate) fn empty_answer(name: &str) -> Self {
        Self::new(
            ModelErrorKind::Unreadable,
            name,
            "gave an empty answer: ask again, or choose another model",
        )
    }

    /// Returns an error of the model `name`; `what` follows the name in the text.
    pub(super) fn new(kind: ModelErrorKind, name: &str, what: &str) -> Self {
        Self { text: format!("the language model {name} {what}"), kind, retry_after: None }
    }

    /// Classifies an error response; `body` is the start of its body.
    pub(super) fn of_status(name: &str, status: StatusCode, headers: &HeaderMap, body: &Value) -> Self {
        use ModelErrorKind::{BrokeOff, Busy, Refused, Unreachable};
        let cause = Cause::of(body.get("error").unwrap_or(body));
        if let Some(failure) = cause.into_error(name) {
            return Self { retry_after: retry_after(headers).filter(|_| failure.kind == Busy), ..failure };
        }
        let (kind, what) = match status.as_u16() {
            401 => (Refused, "refused the API key, or needs one (401): enter the right one".to_owned()),
            402 => (Refused, "requires payment (402): check the account of its API key".to_owned()),
            403 => (Refused, "accepts the API key but denies access (403): ask its operator".to_owned()),
            404 | 405 => (
                Refused,
                format!(
                    "was not found at its endpoint, or the endpoint has no model of that name ({status}): check endpoint (it often \
                     ends in /v1) and model",
                    status = status.as_u16()
                ),
            ),
            408 | 425 | 429 | 503 | 529 => {
                (Busy, format!("is overloaded ({}): try again shortly", status.as_u16()))
            }
            413 => (Refused, "refused a prompt of this size (413): lower context_tokens".to_owned()),
            300..=399 => (
                Refused,
                format!(
                    "redirects elsewhere ({}), where the API key is not sent: enter the target of the redirect as endpoint",
                    status.as_u16()
                ),
            ),
            502 | 504 => (Unreachable, format!("cannot be reached by its proxy ({})", status.as_u16())),
            500..=599 => (BrokeOff, format!("failed (status {}): see its log", status.as_u16())),
            other => {
                (Refused, format!("refused the request (status {other}): check model and context_tokens"))
            }
        };
        let retry_after = retry_after(headers).filter(|_| kind == Busy);
        Self { retry_after, ..Self::new(kind, name, &what) }
    }

    /// Classifies an error reported within an answer.
    pub(super) fn of_event(name: &str, error: &Value) -> Self {
        Cause::of(error).into_error(name).unwrap_or_else(|| {
            Self::new(ModelErrorKind::BrokeOff, name, "failed while answering: ask again, and see its log")
        })
    }

    /// Classifies a request that failed before a response.
    pub(super) fn of_request(name: &str, error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::new(
                ModelErrorKind::Unreachable,
                name,
                "cannot be reached in time: check its endpoint and that it is running",
            );
        }
        // The innermost cause comes from the operating system or the TLS library, and contains nothing that was sent.
        let what = format!(
            "cannot be reached ({}): check its endpoint, its certificate and that it is running",
            innermost(error)
        );
        Self::new(ModelErrorKind::Unreachable, name, &what)
    }

    /// Returns the error for a connection that broke within the answer.
    pub(super) fn of_body(name: &str, error: &reqwest::Error) -> Self {
        let what = format!("broke off within its answer ({}): ask again", innermost(error));
        Self::new(ModelErrorKind::BrokeOff, name, &what)
    }
}

/// Cause of an error, guessed from its words.
enum Cause {
    Length,
    Model,
    Quota,
    Rate,
    Key,
    Filter,
    Unknown,
}

impl Cause {
    fn of(error: &Value) -> Self {
        let member = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = error.as_str().map_or_else(|| member("message"), str::to_owned);
        let words = format!("{} {} {message}", member("code"), member("type")).to_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if says(&[
            "context_length",
            "context length",
            "context size",
            "maximum context",
            "exceed_context",
            "too many tokens",
            "prompt is too long",
        ]) {
            Self::Length
        } else if says(&["insufficient_quota", "billing", "credit balance"]) {
            Self::Quota
        } else if says(&[
            "model_not_found",
            "model not found",
            "does not exist",
            "unknown model",
            "no such model",
        ]) {
            Self::Model
        } else if says(&["invalid_api_key", "invalid api key", "incorrect api key", "authentication_error"]) {
            Self::Key
        } else if says(&["rate_limit", "rate limit", "overloaded", "too many requests", "server_busy"]) {
            Self::Rate
        } else if says(&["content_filter", "content_policy", "responsibleai"]) {
            Self::Filter
        } else {
            Self::Unknown
        }
    }

    /// Returns the error of the model `name`; `None` if the cause is unknown.
    fn into_error(self, name: &str) -> Option<ModelError> {
        let (kind, what) = match self {
            Self::Length => (
                ModelErrorKind::Refused,
                "has a smaller context window than its context_tokens say: lower that number, or shorten the question",
            ),
            Self::Model => (
                ModelErrorKind::Refused,
                "does not know its model name: look it up at the provider, and change model",
            ),
            Self::Quota => {
                (ModelErrorKind::Refused, "has used up its paid quota: check the account of its API key")
            }
            Self::Rate => (ModelErrorKind::Busy, "is overloaded: try again shortly"),
            Self::Key => (ModelErrorKind::Refused, "refused the API key: enter the right one"),
            Self::Filter => {
                (ModelErrorKind::Refused, "refused the question by its provider's content rules: rephrase it")
            }
            Self::Unknown => return None,
        };
        Some(ModelError::new(kind, name, what))
    }
}

/// Parses `Retry-After` ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)) into seconds, at
/// most a day. A date is relative to the response's own `Date`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u32> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let value = text(RETRY_AFTER)?;
    let seconds = if let Ok(seconds) = value.parse::<f64>() {
        seconds.ceil()
    } else {
        let then = DateTime::parse_from_rfc2822(value).ok()?;
        let now = DateTime::parse_from_rfc2822(text(DATE)?).ok()?;
        f64::from(i32::try_from((then - now).num_seconds()).unwrap_or(0))
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within a day")]
    let seconds = seconds.clamp(0.0, 86_400.0) as u32;
    Some(seconds)
}

fn innermost(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut link = error.source();
    while let Some(current) = link {
        words = current.to_string();
        link = current.source();
    }
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let of = |status: u16, body: Value| {
            ModelError::of_status("small", StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body)
        };
        let plain = |status| of(status, Value::Null);
        for (failure, kind, says) in [
            (plain(401), ModelErrorKind::Refused, "API key"),
            (plain(404), ModelErrorKind::Refused, "/v1"),
            (plain(429), ModelErrorKind::Busy, "shortly"),
            (plain(503), ModelErrorKind::Busy, "shortly"),
            (plain(500), ModelErrorKind::BrokeOff, "500"),
            (plain(504), ModelErrorKind::Unreachable, "504"),
            (plain(307), ModelErrorKind::Refused, "elsewhere"),
            (
                of(400, json!({ "error": { "code": "context_length_exceeded" } })),
                ModelErrorKind::Refused,
                "context_tokens",
            ),
            (
                of(400, json!({ "error": "this model's maximum context length is 2" })),
                ModelErrorKind::Refused,
                "context_tokens",
            ),
            (
                of(404, json!({ "error": { "message": "model `x` not found", "type": "model_not_found" } })),
                ModelErrorKind::Refused,
                "change model",
            ),
            (of(429, json!({ "error": { "code": "insufficient_quota" } })), ModelErrorKind::Refused, "paid"),
            (of(418, json!("sk-secret")), ModelErrorKind::Refused, "418"),
        ] {
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.text.contains(says) && !failure.text.contains("sk-"), "{failure}");
        }
    }

    #[test]
    fn retry_after_is_parsed_as_seconds_or_date() {
        let of = |retry: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            retry_after(&headers)
        };
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(of("7", now), Some(7));
        assert_eq!(of("0.4", now), Some(1));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(30));
        assert_eq!(of("Sun, 06 Nov 1994 08:40:07 GMT", now), Some(0));
        assert_eq!(of("99999999999999999999", now), Some(86_400));
        assert_eq!((of("soon", now), of("NaN", now)), (None, Some(0)));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
