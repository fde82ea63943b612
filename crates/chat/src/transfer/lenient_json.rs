//! Lenient access to JSON of other programs: each value may be missing, of another type, or JSON within a string.

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::MAX_TEXT_BYTES;
use crate::source::{Source, SourceKind};

/// Maximum number of levels of JSON within a string.
const MAX_STRING_NESTING: usize = 4;

/// Returns a member of an object; `null` if there is none.
pub(crate) fn member<'value>(value: &'value Value, name: &str) -> &'value Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Returns a string, or a number as a string, if it is not blank.
pub(crate) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => clean(text),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Returns the first of these members that is a text.
pub(crate) fn first_text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(member(value, name)))
}

/// Returns a text on one line, truncated to `max_chars`.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let words: Vec<&str> = text
        .split(|one: char| one.is_whitespace() || one.is_control())
        .filter(|word| !word.is_empty())
        .take(max_chars)
        .collect();
    words.join(" ").chars().take(max_chars).collect::<String>().trim_end().to_owned()
}

/// Returns a text without U+0000, which PostgreSQL cannot store.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// Applies [`clean`] to all strings in a value.
pub(crate) fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(clean_value).collect()),
        Value::Object(members) => Value::Object(clean_members(members)),
        other => other,
    }
}

pub(crate) fn clean_members(members: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (clean(&name), clean_value(value))).collect()
}

/// Parses JSON that is wrapped in a string, once or several times (`JSON.stringify` of an already stringified value).
pub(crate) fn unwrapped(value: &Value) -> Value {
    let mut value = value.clone();
    for _ in 0..MAX_STRING_NESTING {
        let Value::String(text) = &value else { break };
        match serde_json::from_str(text) {
            Ok(inner) => value = inner,
            Err(_not_json) => break,
        }
    }
    value
}

/// Parses a time: ISO 8601, seconds or milliseconds since 1970, or the output of JavaScript's `Date.toString()`. `None` outside
/// the range of [`sane`].
pub(crate) fn time(value: &Value) -> Option<DateTime<Utc>> {
    let time = match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<DateTime<Utc>>()
                .ok()
                .or_else(|| of_date_string(text))
                .or_else(|| of_plain(text))
                .or_else(|| seconds(text.parse().ok()?))
        }
        _ => None,
    };
    sane(time?)
}

/// Returns the time with the precision of the database, microseconds, if it is between 1970 and 2200.
pub(crate) fn sane(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let microseconds = time.timestamp_micros();
    (0..=7_258_118_400_000_000)
        .contains(&microseconds)
        .then(|| Utc.timestamp_micros(microseconds).single())
        .flatten()
}

fn seconds(number: f64) -> Option<DateTime<Utc>> {
    // In milliseconds, all since 1973; in seconds, all until the year 5138.
    let microseconds = if number.abs() >= 1e11 { number * 1e3 } else { number * 1e6 };
    if !microseconds.is_finite() || microseconds.abs() > 1e16 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "is between bounds that fit")]
    Utc.timestamp_micros(microseconds.round() as i64).single()
}

/// Parses `Tue Jul 29 2025 10:15:30 GMT+0200 (Central European Summer Time)`.
fn of_date_string(text: &str) -> Option<DateTime<Utc>> {
    let text = text.split(" (").next().unwrap_or(text);
    DateTime::parse_from_str(text, "%a %b %d %Y %H:%M:%S GMT%z").ok().map(|time| time.with_timezone(&Utc))
}

/// Parses `2025-07-29 10:15:30`, as SQLite writes it, in UTC; or a date.
fn of_plain(text: &str) -> Option<DateTime<Utc>> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let of = |format| chrono::NaiveDateTime::parse_from_str(text, format).ok();
    let time = formats.into_iter().find_map(of).or_else(|| {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0))
    });
    time.map(|time| time.and_utc())
}

/// Returns a source from another program. Only http and https URLs are kept.
pub(crate) fn source(title: Option<String>, url: Option<String>, content: &str) -> Source {
    let url = url.filter(|url| is_web(url));
    let mut content = clean(content);
    if content.len() > MAX_TEXT_BYTES {
        content.truncate(content.floor_char_boundary(MAX_TEXT_BYTES));
    }
    let title = title.or_else(|| url.clone()).unwrap_or_default();
    let title = line(&title, 500);
    Source {
        kind: if url.is_some() { SourceKind::Web } else { SourceKind::File },
        sha256: hex::encode(Sha256::digest(content.as_bytes())),
        character_to: i32::try_from(content.chars().count()).unwrap_or(i32::MAX),
        title: if title.is_empty() { "untitled".to_owned() } else { title },
        url,
        content,
        ..Source::default()
    }
}

/// Numbers sources in their order, and marks those that the text cites.
pub(crate) fn number(sources: &mut [Source], text: &str) {
    for (number, source) in (1..).zip(sources) {
        source.number = number;
        source.rank = number;
        source.cited = text.contains(&format!("[{number}]"));
    }
}

/// Whether a URL is a web address.
pub(crate) fn is_web(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://"))
        && url.len() <= 2000
        && !url.chars().any(|one| one.is_control() || one.is_whitespace())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_parsed_in_all_formats() {
        for (written, expected) in [
            (json!("2025-07-29T08:15:30.000Z"), "2025-07-29T08:15:30Z"),
            (json!("2025-07-29T10:15:30+02:00"), "2025-07-29T08:15:30Z"),
            (
                json!("Tue Jul 29 2025 10:15:30 GMT+0200 (Central European Summer Time)"),
                "2025-07-29T08:15:30Z",
            ),
            (json!("Tue Jul 29 2025 10:15:30 GMT+0200"), "2025-07-29T08:15:30Z"),
            (json!("2025-07-29 08:15:30"), "2025-07-29T08:15:30Z"),
            (json!("2025-07-29"), "2025-07-29T00:00:00Z"),
            (json!(1_753_776_930), "2025-07-29T08:15:30Z"),
            (json!(1_753_776_930.25), "2025-07-29T08:15:30.25Z"),
            (json!(1_753_776_930_000_u64), "2025-07-29T08:15:30Z"),
        ] {
            assert_eq!(time(&written), Some(expected.parse().unwrap()), "{written}");
        }
        for none in [json!(null), json!("yesterday"), json!(-5), json!(1e300), json!("9999-01-01"), json!({})]
        {
            assert_eq!(time(&none), None, "{none}");
        }
    }

    #[test]
    fn json_within_strings_is_parsed() {
        let once = json!({ "a": 1 }).to_string();
        let twice = json!(once).to_string();
        assert_eq!(unwrapped(&json!(once)), json!({ "a": 1 }));
        assert_eq!(unwrapped(&json!(twice)), json!({ "a": 1 }));
        assert_eq!(unwrapped(&json!("{broken")), json!("{broken"));
    }

    #[test]
    fn only_http_and_https_urls_are_web_addresses() {
        for (url, is) in [
            ("https://example.org/a", true),
            ("HTTP://example.org", true),
            ("javascript:alert(1)", false),
            ("https://a b", false),
            ("file:///etc/passwd", false),
            ("接口接口接", false),
        ] {
            assert_eq!(is_web(url), is, "{url}");
        }
    }
}
