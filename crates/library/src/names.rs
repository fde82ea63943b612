//! Validated names: of libraries, paths of documents, and tags. They are parsed once, where a request enters.

use std::fmt;
use std::str::FromStr;

use kernel::schema;
use serde::Serialize;

const MAX_LIBRARY_BYTES: usize = 100;
const MAX_PATH_CHARS: usize = 1000;
const MAX_TAG_CHARS: usize = 60;

kernel::schema! {
    // Names are stored in lower case; requests can use any.
    LibraryName = schema::text(1..=MAX_LIBRARY_BYTES, "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")
        .description(Some("Name of a library: `postgresql`, or `owner/project`."));
    DocumentPath = schema::text(1..=MAX_PATH_CHARS, r"^[^/\\\u0000-\u001f\u007f-\u009f]+(/[^/\\\u0000-\u001f\u007f-\u009f]+)*$")
        .description(Some("Path of a document in its library, without `.` and `..`: `guides/start.md`."));
    Tag = schema::text(1..=MAX_TAG_CHARS, r"^[^\S\u0000-\u001f\u007f-\u009f]*[^\s,\u0000-\u001f\u007f-\u009f][^,\u0000-\u001f\u007f-\u009f]*$")
        .description(Some("Tag of a document; case is ignored."));
}

/// Name of a library: `postgresql`, or `owner/project`. Lower-case, at most 100 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LibraryName(String);

/// Path of a document in its library, the same in every version: `guides/start.md`. At most 1,000 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DocumentPath(String);

/// Tag of a document. Lower-case, at most 60 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Tag(String);

/// Error of an invalid name; the text says what is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Invalid name of a library.
    #[error(
        "{0:?} is not a library name: use lower-case letters, digits and . _ - ({MAX_LIBRARY_BYTES} at most), with at most one / between two parts"
    )]
    Library(String),
    /// Invalid path.
    #[error(
        "{0:?} is not a document path: it must be relative, without . or .. parts, of 1 to {MAX_PATH_CHARS} characters"
    )]
    Path(String),
    /// Invalid tag.
    #[error("{0:?} is not a tag: use 1 to {MAX_TAG_CHARS} characters without commas or control characters")]
    Tag(String),
}

impl FromStr for LibraryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_allowed = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
        };
        let is_valid_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && part.chars().all(is_allowed)
        };
        // Case is ignored, and so is the slash that some clients put before the name.
        let name = text.trim().trim_start_matches('/').to_lowercase();
        let parts = name.split('/').count();
        if name.len() <= MAX_LIBRARY_BYTES && parts <= 2 && name.split('/').all(is_valid_part) {
            Ok(Self(name))
        } else {
            Err(InvalidName::Library(text.chars().take(120).collect()))
        }
    }
}

impl FromStr for DocumentPath {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let path = text.replace('\\', "/");
        let path = path.strip_prefix("./").unwrap_or(&path);
        let is_valid_part = |part: &str| !part.is_empty() && part != "." && part != "..";
        let is_allowed = |character: char| !character.is_control();
        if path.chars().count() <= MAX_PATH_CHARS
            && path.split('/').all(is_valid_part)
            && path.chars().all(is_allowed)
        {
            Ok(Self(path.to_owned()))
        } else {
            Err(InvalidName::Path(text.chars().take(120).collect()))
        }
    }
}

impl DocumentPath {
    /// Returns the last part, the file name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let tag = text.trim().to_lowercase();
        let is_valid = !tag.is_empty()
            && text.chars().count() <= MAX_TAG_CHARS
            && !tag.contains(',')
            && !tag.chars().any(char::is_control);
        if is_valid { Ok(Self(tag)) } else { Err(InvalidName::Tag(text.chars().take(80).collect())) }
    }
}

macro_rules! text_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// Returns the normalised text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

text_type!(LibraryName DocumentPath Tag);

/// Returns the Levenshtein distance in bytes: library names and labels are ASCII.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names_are_normalised_and_checked() {
        assert_eq!("PostgreSQL".parse::<LibraryName>().unwrap().as_str(), "postgresql");
        assert_eq!("/vercel/next.js".parse::<LibraryName>().unwrap().as_str(), "vercel/next.js");
        for text in ["", "a b", "-a", "a/b/c", "数据库", "a//b", "../etc"] {
            assert!(text.parse::<LibraryName>().is_err(), "{text}");
        }
    }

    #[test]
    fn document_paths_stay_inside() {
        assert_eq!("./a\\b.md".parse::<DocumentPath>().unwrap().as_str(), "a/b.md");
        assert_eq!("指南/开始.md".parse::<DocumentPath>().unwrap().file_name(), "开始.md");
        for text in ["", "/etc/passwd", "a/../b", "..", "a//b", "a\0b", "./."] {
            assert!(text.parse::<DocumentPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn tags_are_normalised_and_checked() {
        assert_eq!(" Async ".parse::<Tag>().unwrap().as_str(), "async");
        assert!("a,b".parse::<Tag>().is_err());
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("postgresql", "postgresql"), 0);
        assert_eq!(distance("postgres", "postgresql"), 2);
        assert_eq!(distance("", "abc"), 3);
    }
}
