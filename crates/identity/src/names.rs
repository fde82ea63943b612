//! Names of users and mail addresses, checked once at the door.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The name by which someone signs in. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(String);

/// A mail address. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// A name that cannot be one; the text says what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not the name of a user.
    #[error(
        "{0:?} is not a user name: use 1 to 60 letters of a to z, digits and . _ -, the first a letter or digit"
    )]
    Username(String),
    /// Not a mail address.
    #[error("{0:?} is not a mail address")]
    Email(String),
}

impl FromStr for Username {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let name = text.trim().to_lowercase();
        let plain = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
        };
        let good_first = |first: char| first.is_ascii_lowercase() || first.is_ascii_digit();
        if name.len() <= 60 && name.starts_with(good_first) && name.chars().all(plain) {
            Ok(Self(name))
        } else {
            Err(BadName::Username(text.chars().take(80).collect()))
        }
    }
}

impl FromStr for Email {
    type Err = BadName;

    /// Only what no address can be is refused: whether one is real shows when a mail arrives.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let address = text.trim().to_lowercase();
        let good = address.len() <= 254
            && !address.chars().any(|character| character.is_whitespace() || character.is_control())
            && !address.contains(['<', '>', ',', ';', '"'])
            && address.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !local.contains('@') && !domain.is_empty()
            });
        if good { Ok(Self(address)) } else { Err(BadName::Email(text.chars().take(80).collect())) }
    }
}

macro_rules! text_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// The text as it is kept.
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

text_type!(Username Email);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        assert_eq!(" Ada.L ".parse::<Username>().unwrap().as_str(), "ada.l");
        for text in ["", "-a", "a b", "文渊", "a/b", "a@b", &"a".repeat(61)] {
            assert!(text.parse::<Username>().is_err(), "{text}");
        }
    }

    #[test]
    fn mail_addresses() {
        assert_eq!("Ada@Example.org".parse::<Email>().unwrap().as_str(), "ada@example.org");
        for text in ["", "ada", "@example.org", "ada@", "a b@c", "a@b@c", "ada@x\r\nBcc: all", "<a@b>"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }
}
