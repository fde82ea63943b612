//! Tokens: random secrets that are shown once to whom they are for, and kept as hashes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Bytes of randomness in a token. So many that nobody guesses one and that a fast hash keeps it.
const BYTES: usize = 24;

/// A secret that grants something to whoever shows it. Never shown by accident: [`Token::reveal`] is the one way.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct NoRandomness(String);

impl Token {
    /// Makes one that begins with this, by which people and scanners know what it is.
    pub fn new(prefix: &str) -> Result<Self, NoRandomness> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
        Ok(Self(format!("{prefix}{}", hex::encode(bytes))))
    }

    /// One that somebody shows.
    pub fn shown(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Its SHA-256, under which it is kept.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn each_is_another_and_none_shows_itself() {
        let (one, other) = (Token::new("wy_").unwrap(), Token::new("wy_").unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 3 + 48);
        assert_eq!(one.hash(), Token::shown(one.reveal()).hash());
        assert_eq!(format!("{one:?}"), "Token(…)");
    }
}
