//! Values that may hold a secret: a password, a key, or a URL with either in it.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A value that may hold a secret. It is never shown, and wiped from memory when dropped. A setting of this
/// type is
/// hidden in `--help`, `config show` and on the settings page; nothing else is needed for that.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the value; `None` if it is absent or empty.
    pub(super) fn reveal(value: Option<&Self>) -> Option<String> {
        value.map(|Self(text)| text.to_string()).filter(|text| !text.is_empty())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}
