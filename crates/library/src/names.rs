//! Names that are checked once, at the door: of libraries, of documents in them, and tags.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The name of a library: `postgresql`, or `owner/project`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LibraryName(String);

/// The path that names a document in its library, in every version: `guides/start.md`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DocumentPath(String);

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Tag(String);

/// A name that cannot be one; the text says what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not the name of a library.
    #[error(
        "{0:?} is not a library name: use lower-case letters, digits and . _ - (100 at most), with at most one / between two parts"
    )]
    Library(String),
    /// Not a path.
    #[error(
        "{0:?} is not a document path: it must be relative, without . or .. parts, of 1 to 1000 characters"
    )]
    Path(String),
    /// Not a tag.
    #[error("{0:?} is not a tag: use 1 to 60 characters without commas or control characters")]
    Tag(String),
}

impl FromStr for LibraryName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
        };
        let good_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && part.chars().all(plain)
        };
        // Names are matched without regard to case and to the slash that some clients put before them.
        let name = text.trim().trim_start_matches('/').to_lowercase();
        let parts = name.split('/').count();
        if name.len() <= 100 && parts <= 2 && name.split('/').all(good_part) {
            Ok(Self(name))
        } else {
            Err(BadName::Library(text.chars().take(120).collect()))
        }
    }
}

impl FromStr for DocumentPath {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let path = text.replace('\\', "/");
        let path = path.strip_prefix("./").unwrap_or(&path);
        let good_part = |part: &str| !part.is_empty() && part != "." && part != "..";
        let plain = |character: char| !character.is_control();
        if path.chars().count() <= 1000 && path.split('/').all(good_part) && path.chars().all(plain) {
            Ok(Self(path.to_owned()))
        } else {
            Err(BadName::Path(text.chars().take(120).collect()))
        }
    }
}

impl DocumentPath {
    /// The last part, which is the file's name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for Tag {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let tag = text.trim().to_lowercase();
        let good = !tag.is_empty()
            && tag.chars().count() <= 60
            && !tag.contains(',')
            && !tag.chars().any(char::is_control);
        if good { Ok(Self(tag)) } else { Err(BadName::Tag(text.chars().take(80).collect())) }
    }
}

macro_rules! text_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// The name as it is kept.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names() {
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
    fn tags() {
        assert_eq!(" Async ".parse::<Tag>().unwrap().as_str(), "async");
        assert!("a,b".parse::<Tag>().is_err());
    }
}
