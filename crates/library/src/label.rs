//! Version labels: their order, and the selection of one by a request (`5.x`, `^5.2`, `latest`).
//!
//! [`parse`] reads a label as the ecosystems write versions and gives its order; [`request`] selects among the labels of a
//! library.

mod parse;
mod request;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use kernel::schema;
use serde::Serialize;

use request::MAX_REQUEST_BYTES;
pub use request::{VersionRange, VersionRequest, nearest};

/// Label of documents that are added without one.
pub const CURRENT: &str = "current";

/// Maximum length of a label, in bytes.
pub const MAX_LABEL_BYTES: usize = 64;

kernel::schema! {
    Label = schema::text(1..=MAX_LABEL_BYTES, "^[A-Za-z0-9][A-Za-z0-9._+:!-]*(~[A-Za-z]{2}[A-Za-z0-9._+:!-]*)*$")
        .description(Some("Label of a version: `15`, `5.2.1`, `v3.0.0-rc.1`."));
    VersionRequest = schema::text(1..=MAX_REQUEST_BYTES, "^[A-Za-z0-9._+:!~^<>=|*, -]+$")
        .description(Some("A version: a label, a range (`5.x`, `^5.2`, `>=5.2 <6`) or `latest`."));
}

/// Label of a version of a library: `15`, `5.2.1`, `v3.0.0-rc.1`, `1:2.4~beta1-3`, `2026-01`, `current`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// Error of an invalid label or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// The text cannot be a label.
    #[error(
        "{0:?} is not a version label: use letters, digits and . _ + - : ! ~ (64 at most), beginning with a letter or \
         digit, and two letters after ~"
    )]
    Label(String),
    /// The text is neither a label nor a range.
    #[error(
        "{0:?} is not a version: name a label (5.2.1), a range (5.x, ^5.2, ~5.2, \">=5.2 <6\", \"5.2 || 6\", *) or latest"
    )]
    Range(String),
}

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
    /// `2.0.1`, and names (`current`, `main`) before all numbers. Different labels have different keys.
    pub fn sort_key(&self) -> String {
        parse::Version::new(&self.0).sort_key(&self.0)
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
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || "._+-:!~".contains(character);
        let is_valid_start = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        // `LABEL~NUMBER` names a revision. Two letters after the tilde keep a mistyped one from being taken for a label.
        let is_valid_tilde = |part: &str| part.bytes().take_while(u8::is_ascii_alphabetic).count() >= 2;
        if is_valid_start
            && text.len() <= MAX_LABEL_BYTES
            && text.chars().all(is_allowed)
            && text.split('~').skip(1).all(is_valid_tilde)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLabel::Label(text.chars().take(80).collect()))
        }
    }
}

/// Compares labels as versions.
pub fn compare(left: &Label, right: &Label) -> Ordering {
    left.sort_key().cmp(&right.sort_key())
}
