//! Random secret tokens, shown once to their owner and stored as hashes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Random bytes in a token: 192 bits cannot be guessed, so a fast hash is enough to store them.
const RANDOM_BYTES: usize = 24;

/// A bearer secret. `Debug` hides it; [`Token::reveal`] is the only way to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Failure of the operating system's random number generator.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random number generator failed: {0}")]
pub struct RandomnessError(String);

impl Token {
    /// Generates a token: `prefix`, by which people and secret scanners recognize its type, and 48 hexadecimal digits.
    ///
    /// # Errors
    /// When the operating system's random number generator fails.
    pub fn generate(prefix: &str) -> Result<Self, RandomnessError> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| RandomnessError(error.to_string()))?;
        Ok(Self(format!("{prefix}{}", hex::encode(bytes))))
    }

    /// Wraps a token that a client presents. Any text is accepted.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// SHA-256 of the token, under which it is stored.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Returns the secret itself.
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
    fn tokens_are_unique_and_hidden_from_debug_output() {
        let (one, other) = (Token::generate("wy_").unwrap(), Token::generate("wy_").unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 3 + 48);
        assert_eq!(one.hash(), Token::from_text(one.reveal()).hash());
        assert_eq!(format!("{one:?}"), "Token(…)");
    }
}
