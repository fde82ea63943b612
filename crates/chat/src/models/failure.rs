//! Why a model does not answer, in words of ours. What the other side says is read for what it means and never repeated: it
//! may hold what was shown to it, the key as well as the question.

use std::error::Error as _;

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// Why a model did not answer; the text says what to do, and holds nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What happened, and what to do.
    pub text: String,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// Seconds after which it may be tried again, where that is known.
    pub retry_after: Option<u32>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Too many questions wait for the model already, here or there.
    Busy,
    /// It cannot be reached.
    Unreachable,
    /// It refused: its key, its model's name, the request.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// It broke off in the middle.
    BrokeOff,
    /// What it answers is not of the protocol.
    Unreadable,
}

impl FailureKind {
    /// Its name in metrics and at every door.
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

impl Failure {
    /// There is no model, and nothing else can stand in for one.
    pub(crate) fn none_is_set() -> Self {
        let text = "no language model is set up: an administrator can add one with `wenyuan models add`";
        Self { text: text.to_owned(), kind: FailureKind::Refused, retry_after: None }
    }

    /// It answered with nothing at all.
    pub(crate) fn said_nothing(name: &str) -> Self {
        Self::new(FailureKind::Unreadable, name, "ended without a word: ask again, or choose another model")
    }

    /// A failure of the model of this name.
    pub(super) fn new(kind: FailureKind, name: &str, what: &str) -> Self {
        Self { text: format!("the language model {name} {what}"), kind, retry_after: None }
    }

    /// What an error status means; `body` is the beginning of what came with it.
    pub(super) fn of_status(name: &str, status: StatusCode, headers: &HeaderMap, body: &Value) -> Self {
        use FailureKind::{BrokeOff, Busy, Refused, Unreachable};
        let about = About::of(body.get("error").unwrap_or(body));
        if let Some(failure) = about.failure(name) {
            return Self { retry_after: after(headers).filter(|_| failure.kind == Busy), ..failure };
        }
        let (kind, what) = match status.as_u16() {
            401 => (Refused, "wants another API key, or one at all (401): give it the right one".to_owned()),
            402 => {
                (Refused, "wants to be paid first (402): see the account that its key belongs to".to_owned())
            }
            403 => (Refused, "knows the API key and does not allow this (403): ask who runs it".to_owned()),
            404 | 405 => (
                Refused,
                format!(
                    "has nothing at its address, or no model of that name ({status}): look whether endpoint (often ending in /v1) \
                     and model are right",
                    status = status.as_u16()
                ),
            ),
            408 | 425 | 429 | 503 | 529 => {
                (Busy, format!("has too much to do ({}): try again shortly", status.as_u16()))
            }
            413 => (Refused, "takes no question of this size (413): lower context_tokens".to_owned()),
            300..=399 => (
                Refused,
                format!(
                    "sends us elsewhere ({}), and the API key is not carried there: enter the address it sends to as endpoint",
                    status.as_u16()
                ),
            ),
            502 | 504 => {
                (Unreachable, format!("is behind a proxy that cannot reach it ({})", status.as_u16()))
            }
            500..=599 => (BrokeOff, format!("failed (status {}): see its own log", status.as_u16())),
            other => (
                Refused,
                format!(
                    "refused the question (status {other}): look whether model and context_tokens are right"
                ),
            ),
        };
        let retry_after = after(headers).filter(|_| kind == Busy);
        Self { retry_after, ..Self::new(kind, name, &what) }
    }

    /// What an error within an answer means.
    pub(super) fn of_event(name: &str, error: &Value) -> Self {
        let about = About::of(error);
        about.failure(name).unwrap_or_else(|| {
            Self::new(FailureKind::BrokeOff, name, "failed while it answered: ask again, and see its own log")
        })
    }

    /// What a failed request means, before anything has come.
    pub(super) fn of_request(name: &str, error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::new(
                FailureKind::Unreachable,
                name,
                "cannot be reached in time: look whether its address is right and it runs",
            );
        }
        // The innermost cause is the operating system's or the TLS library's, and holds nothing that was sent.
        let what = format!(
            "cannot be reached ({}): look whether its address is right, it runs and its certificate is good",
            innermost(error)
        );
        Self::new(FailureKind::Unreachable, name, &what)
    }

    /// What it means that the connection broke in the middle.
    pub(super) fn of_body(name: &str, error: &reqwest::Error) -> Self {
        let what = format!("broke off in the middle of its answer ({}): ask again", innermost(error));
        Self::new(FailureKind::BrokeOff, name, &what)
    }
}

/// What the words of an error are about, as far as anybody can tell.
enum About {
    Length,
    Model,
    Quota,
    Rate,
    Key,
    Filter,
    Unknown,
}

impl About {
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

    fn failure(&self, name: &str) -> Option<Failure> {
        let (kind, what) = match self {
            Self::Length => (
                FailureKind::Refused,
                "takes less text at once than its context_tokens say: lower that number, or ask with less",
            ),
            Self::Model => (
                FailureKind::Refused,
                "has no model of that name: look in its own list what it calls it, and change model",
            ),
            Self::Quota => (
                FailureKind::Refused,
                "has used up what was paid for: see the account that its key belongs to",
            ),
            Self::Rate => (FailureKind::Busy, "has too much to do: try again shortly"),
            Self::Key => (FailureKind::Refused, "wants another API key: give it the right one"),
            Self::Filter => (
                FailureKind::Refused,
                "does not answer that, by its provider's rules: put the question in other words",
            ),
            Self::Unknown => return None,
        };
        Some(Failure::new(kind, name, what))
    }
}

/// Seconds after which it may be tried again (RFC 9110, section 10.2.3), at most a day. A date is read by the other side's
/// own clock.
pub(super) fn after(headers: &HeaderMap) -> Option<u32> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    let seconds = if let Ok(seconds) = wanted.parse::<f64>() {
        seconds.ceil()
    } else {
        let then = DateTime::parse_from_rfc2822(wanted).ok()?;
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
    fn a_status_and_its_words_say_what_to_do() {
        let of = |status: u16, body: Value| {
            Failure::of_status("small", StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body)
        };
        let plain = |status| of(status, Value::Null);
        for (failure, kind, says) in [
            (plain(401), FailureKind::Refused, "API key"),
            (plain(404), FailureKind::Refused, "/v1"),
            (plain(429), FailureKind::Busy, "shortly"),
            (plain(503), FailureKind::Busy, "shortly"),
            (plain(500), FailureKind::BrokeOff, "500"),
            (plain(504), FailureKind::Unreachable, "504"),
            (plain(307), FailureKind::Refused, "elsewhere"),
            (
                of(400, json!({ "error": { "code": "context_length_exceeded" } })),
                FailureKind::Refused,
                "context_tokens",
            ),
            (
                of(400, json!({ "error": "this model's maximum context length is 2" })),
                FailureKind::Refused,
                "context_tokens",
            ),
            (
                of(404, json!({ "error": { "message": "model `x` not found", "type": "model_not_found" } })),
                FailureKind::Refused,
                "change model",
            ),
            (of(429, json!({ "error": { "code": "insufficient_quota" } })), FailureKind::Refused, "paid"),
            (of(418, json!("sk-secret")), FailureKind::Refused, "418"),
        ] {
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.text.contains(says) && !failure.text.contains("sk-"), "{failure}");
        }
    }

    #[test]
    fn when_to_try_again_is_read_as_seconds_or_as_a_date() {
        let of = |retry: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            after(&headers)
        };
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(of("7", now), Some(7));
        assert_eq!(of("0.4", now), Some(1));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(30));
        assert_eq!(of("Sun, 06 Nov 1994 08:40:07 GMT", now), Some(0));
        assert_eq!(of("99999999999999999999", now), Some(86_400));
        assert_eq!((of("soon", now), of("NaN", now)), (None, Some(0)));
        assert_eq!(after(&HeaderMap::new()), None);
    }
}
