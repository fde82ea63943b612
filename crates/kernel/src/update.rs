//! Tri-state field of a partial update.

use serde::{Deserialize, Deserializer};

/// Change of an optional field in a partial update. As a member of a JSON Merge Patch
/// ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)) it is absent, null or a value; the field needs `#[serde(default)]`.
#[derive(Debug, Clone, Default)]
pub enum FieldUpdate<T> {
    /// Leaves the field as it is.
    #[default]
    Keep,
    /// Clears the field.
    Clear,
    /// Sets the field to this value.
    Set(T),
}

impl<T> FieldUpdate<T> {
    /// Whether the field is left as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Converts the value, if one is set.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> FieldUpdate<U> {
        match self {
            Self::Keep => FieldUpdate::Keep,
            Self::Clear => FieldUpdate::Clear,
            Self::Set(value) => FieldUpdate::Set(convert(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FieldUpdate<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An absent field is not deserialized at all: serde takes the default, `Keep`.
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}
