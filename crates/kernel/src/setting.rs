//! What becomes of something that may be there or not, when a thing is changed.

use serde::{Deserialize, Deserializer};

/// What becomes of something that may be there or not. As a member of a JSON Merge Patch (RFC 7396) it is left out, null or
/// a value.
#[derive(Debug, Clone, Default)]
pub enum Setting<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It is this.
    Set(T),
}

impl<T> Setting<T> {
    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Keep => Setting::Keep,
            Self::Remove => Setting::Remove,
            Self::Set(value) => Setting::Set(change(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is left out does not come here: it is the default.
        Ok(Option::deserialize(deserializer)?.map_or(Self::Remove, Self::Set))
    }
}
