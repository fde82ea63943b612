//! Version labels: their order, and the selection of one by a request (`5.x`, `^5.2`, `latest`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Label of documents that are added without one.
pub const CURRENT: &str = "current";

/// Maximum length of a label, in bytes.
const MAX_LABEL_BYTES: usize = 64;

/// Label of a version of a library: `15`, `5.2.1`, `v3.0.0-rc.1`, `2026-01`, `current`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// Error of an invalid label or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a version label: use letters, digits and . _ + - (64 at most), beginning with a letter or digit"
)]
pub struct InvalidLabel(String);

impl Label {
    /// Returns the label as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Label of documents that are added without one.
    pub fn current() -> Self {
        Self(CURRENT.to_owned())
    }

    /// Returns a key whose byte order is the order of versions: `9.0` before `10.0`, `2.0-rc1` before `2.0`, `2.0` before
    /// `2.0.1`, and words that are no versions (`current`, `main`) before all numbers.
    ///
    /// Releases and pre-releases are ordered as by [Semantic Versioning 2.0.0, section 11](https://semver.org/#spec-item-11),
    /// extended to any number of parts, so that calendar versions and plain numbers have an order too.
    pub fn sort_key(&self) -> String {
        let mut key = String::new();
        for part in parts(&self.0) {
            match part {
                // Preceded by the number of digits, because longer numbers are larger.
                Part::Number(digits) => key.push_str(&format!("5{:02}{digits}", digits.len())),
                Part::Word(word) => key.push_str(&format!("1{word} ")),
            }
        }
        // End of the label: sorts after a pre-release word and before a further number.
        key.push('3');
        key
    }

    /// Whether it is a release: it begins with a number and has no pre-release word.
    fn is_release(&self) -> bool {
        let mut parts = parts(&self.0).into_iter();
        matches!(parts.next(), Some(Part::Number(_))) && parts.all(|part| matches!(part, Part::Number(_)))
    }

    fn numbers(&self) -> Vec<u64> {
        parts(&self.0)
            .into_iter()
            .map_while(|part| match part {
                Part::Number(digits) => digits.parse().ok(),
                Part::Word(_) => None,
            })
            .collect()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || "._+-".contains(character);
        let is_valid_start = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if is_valid_start && text.len() <= MAX_LABEL_BYTES && text.chars().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLabel(text.chars().take(80).collect()))
        }
    }
}

enum Part {
    Number(String),
    Word(String),
}

/// Splits a label into numbers and words, without separators, a leading `v`, and build metadata after `+`.
fn parts(label: &str) -> Vec<Part> {
    let label = label.split('+').next().unwrap_or(label);
    let label = match label.strip_prefix(['v', 'V']) {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => rest,
        _ => label,
    };
    let mut parts = Vec::new();
    let mut rest = label;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len())
        } else if first.is_ascii_alphabetic() {
            rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len())
        } else {
            0
        };
        if length == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (part, after) = rest.split_at(length);
        parts.push(if first.is_ascii_digit() {
            let digits = part.trim_start_matches('0');
            Part::Number(if digits.is_empty() { "0" } else { digits }.to_owned())
        } else {
            Part::Word(part.to_ascii_lowercase())
        });
        rest = after;
    }
    parts
}

/// Request for a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VersionRequest {
    /// None given: the library's active version.
    #[default]
    Active,
    /// `latest`: the highest release, or the highest label if there is no release.
    Latest,
    /// `5.x`, `5.2.*`: the highest release with these first numbers.
    Prefix(Vec<u64>),
    /// `^5.2`: the highest release that is compatible with it by Semantic Versioning.
    Compatible(Vec<u64>),
    /// Exactly this label.
    Exact(Label),
}

impl FromStr for VersionRequest {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        let text = text.trim();
        let invalid = || InvalidLabel(text.chars().take(80).collect());
        let numbers = |text: &str| -> Option<Vec<u64>> {
            text.trim_start_matches(['v', 'V']).split('.').map(|number| number.parse().ok()).collect()
        };
        if text.is_empty() {
            return Ok(Self::Active);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::Latest);
        }
        if let Some(rest) = text.strip_prefix('^') {
            return numbers(rest).map(Self::Compatible).ok_or_else(invalid);
        }
        let wildcard = [".x", ".X", ".*"].iter().find_map(|suffix| text.strip_suffix(suffix));
        if let Some(rest) = wildcard {
            // `5.x.x` means `5.x`.
            let rest = rest.trim_end_matches(".x").trim_end_matches(".X").trim_end_matches(".*");
            return numbers(rest).map(Self::Prefix).ok_or_else(invalid);
        }
        text.parse().map(Self::Exact)
    }
}

impl VersionRequest {
    /// Returns the requested label among those present; `None` for [`VersionRequest::Active`], which labels cannot decide.
    pub fn choose<'labels>(&self, present: &'labels [Label]) -> Option<&'labels Label> {
        let highest = |matches: &dyn Fn(&Label) -> bool| {
            present.iter().filter(|label| matches(label)).max_by(|left, right| compare(left, right))
        };
        match self {
            Self::Active => None,
            Self::Exact(requested) => present
                .iter()
                .find(|label| *label == requested)
                // `v5.2.1` and `5.2.1` are the same version, and so are `1.0-RC1` and `1.0-rc1`.
                .or_else(|| present.iter().find(|label| label.sort_key() == requested.sort_key())),
            // A label that is literally `latest` takes precedence.
            Self::Latest => present
                .iter()
                .find(|label| label.as_str().eq_ignore_ascii_case("latest"))
                .or_else(|| highest(&Label::is_release))
                .or_else(|| highest(&|_| true)),
            Self::Prefix(prefix) => {
                highest(&|label| label.is_release() && label.numbers().starts_with(prefix))
            }
            Self::Compatible(minimum) => {
                highest(&|label| label.is_release() && is_compatible(&label.numbers(), minimum))
            }
        }
    }
}

/// Compares labels as versions.
pub fn compare(left: &Label, right: &Label) -> Ordering {
    left.sort_key().cmp(&right.sort_key())
}

/// Whether a version satisfies `^minimum`: it is not lower, and equal up to and including the first number that is not zero.
fn is_compatible(numbers: &[u64], minimum: &[u64]) -> bool {
    let fixed = minimum.iter().position(|number| *number != 0).map_or(minimum.len(), |index| index + 1);
    numbers.len() >= fixed.min(minimum.len()) && numbers.starts_with(&minimum[..fixed]) && numbers >= minimum
}

/// Returns the label present that is nearest to an absent one: the highest that is not above it, or the lowest.
pub fn nearest<'labels>(requested: &VersionRequest, present: &'labels [Label]) -> Option<&'labels Label> {
    let key = match requested {
        VersionRequest::Exact(label) => label.sort_key(),
        VersionRequest::Prefix(numbers) | VersionRequest::Compatible(numbers) => {
            let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
            text.join(".").parse::<Label>().ok()?.sort_key()
        }
        VersionRequest::Active | VersionRequest::Latest => {
            return present.iter().max_by(|left, right| compare(left, right));
        }
    };
    let below =
        present.iter().filter(|label| label.sort_key() <= key).max_by(|left, right| compare(left, right));
    below.or_else(|| present.iter().min_by(|left, right| compare(left, right)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(texts: &[&str]) -> Vec<Label> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn versions_sort_as_versions() {
        let in_order = [
            "current",
            "main",
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0.0",
            "1.0.1",
            "1.2",
            "1.10",
            "9.0",
            "10.0",
            "15",
            "2025-12",
            "2026-01",
            "2026-01-15",
        ];
        let mut sorted = labels(&in_order);
        sorted.reverse();
        sorted.sort_by(compare);
        assert_eq!(sorted.iter().map(Label::as_str).collect::<Vec<_>>(), in_order);
    }

    #[test]
    fn requests_select_labels() {
        let present = labels(&["4.9", "5.1.0", "5.2.1", "5.10.0", "6.0.0-rc.1", "current"]);
        let find = |text: &str| {
            text.parse::<VersionRequest>().unwrap().choose(&present).map(|label| label.as_str().to_owned())
        };
        assert_eq!(find("5.x").as_deref(), Some("5.10.0"));
        assert_eq!(find("5.2.*").as_deref(), Some("5.2.1"));
        assert_eq!(find("^5.2").as_deref(), Some("5.10.0"));
        assert_eq!(find("^5.11"), None);
        assert_eq!(find("^6.0"), None, "a pre-release is selected only by its own label");
        assert_eq!(find("latest").as_deref(), Some("5.10.0"));
        assert_eq!(find("v5.2.1").as_deref(), Some("5.2.1"));
        assert_eq!(find("6.0.0-rc.1").as_deref(), Some("6.0.0-rc.1"));
        assert_eq!(find("5.2"), None, "no other version stands in for an absent one");
    }

    #[test]
    fn a_caret_follows_semantic_versioning() {
        assert!(is_compatible(&[0, 2, 7], &[0, 2, 3]));
        assert!(!is_compatible(&[0, 3, 0], &[0, 2, 3]));
        assert!(!is_compatible(&[0, 0, 4], &[0, 0, 3]));
        assert!(is_compatible(&[1, 9], &[1]));
    }

    #[test]
    fn the_nearest_label_is_the_one_below() {
        let present = labels(&["5.1.0", "5.2.1", "7.0"]);
        let near = |text: &str| nearest(&text.parse().unwrap(), &present).map(Label::as_str);
        assert_eq!(near("6.0"), Some("5.2.1"));
        assert_eq!(near("9.9"), Some("7.0"));
        assert_eq!(near("1.0"), Some("5.1.0"));
        assert_eq!(near("6.x"), Some("5.2.1"));
    }

    #[test]
    fn invalid_labels_are_refused() {
        for text in ["", "-1", "a b", "1/2", "版本", &"1".repeat(65)] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_order_as_numbers(left in 0_u32.., right in 0_u32..) {
            let label = |number: u32| format!("1.{number}").parse::<Label>().unwrap();
            prop_assert_eq!(compare(&label(left), &label(right)), left.cmp(&right));
        }

        #[test]
        fn no_request_panics(text in ".{0,80}") {
            if let Ok(request) = text.parse::<VersionRequest>() {
                let _any = request.choose(&labels(&["1.0", "2.0"]));
            }
        }
    }
}
