//! User names and email addresses, validated when parsed.

use std::fmt;
use std::str::FromStr;

use kernel::schema;
use serde::Serialize;

/// Name of a user, lower case; parsing ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(String);

/// Email address, lower case; parsing ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// Invalid user name or email address; the text says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a user name.
    #[error(
        "{0:?} is not a user name: use 1 to {MAX_USERNAME_BYTES} letters a to z, digits, '.', '_' and '-', starting with a letter or digit"
    )]
    Username(String),
    /// Not an email address.
    #[error("{0:?} is not a mail address")]
    Email(String),
}

const MAX_USERNAME_BYTES: usize = 60;
/// Bound of an address in SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321), with its brackets 256).
const MAX_EMAIL_BYTES: usize = 254;
/// Characters of a refused text that an error repeats.
const MAX_QUOTED_CHARS: usize = 80;

kernel::schema! {
    // Names and addresses are stored in lower case; requests can use any.
    Username = schema::text(1..=MAX_USERNAME_BYTES, "^[A-Za-z0-9][A-Za-z0-9._-]*$")
        .description(Some("Name of a user; case is ignored."));
    Email = schema::text(0..=MAX_EMAIL_BYTES, r"^([!#-+\--:=?A-~]+@[!#-+\--:=?A-~]+)?$")
        .description(Some("Email address; empty for none."));
}

impl FromStr for Username {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim().to_lowercase();
        let is_allowed = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
        };
        let is_first = |first: char| first.is_ascii_lowercase() || first.is_ascii_digit();
        if name.len() <= MAX_USERNAME_BYTES && name.starts_with(is_first) && name.chars().all(is_allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidName::Username(text.chars().take(MAX_QUOTED_CHARS).collect()))
        }
    }
}

impl FromStr for Email {
    type Err = InvalidName;

    /// Refuses only what cannot be an address: whether an address exists shows when a mail arrives.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let address = text.trim().to_lowercase();
        let is_plausible = address.len() <= MAX_EMAIL_BYTES
            && !address.chars().any(|character| character.is_whitespace() || character.is_control())
            && !address.contains(['<', '>', ',', ';', '"'])
            && address.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !local.contains('@') && !domain.is_empty()
            });
        if is_plausible {
            Ok(Self(address))
        } else {
            Err(InvalidName::Email(text.chars().take(MAX_QUOTED_CHARS).collect()))
        }
    }
}

macro_rules! text_type {
    ($($name:ident)*) => {$(
        impl $name {
            /// Returns the normalized text.
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
    fn user_names_have_bounds_and_ignore_case() {
        assert_eq!(" Ada.L ".parse::<Username>().unwrap().as_str(), "ada.l");
        for text in ["", "-a", "a b", "文渊", "a/b", "a@b", &"a".repeat(61)] {
            assert!(text.parse::<Username>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_plausible_and_ignore_case() {
        assert_eq!("Ada@Example.org".parse::<Email>().unwrap().as_str(), "ada@example.org");
        for text in ["", "ada", "@example.org", "ada@", "a b@c", "a@b@c", "ada@x\r\nBcc: all", "<a@b>"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }
}
