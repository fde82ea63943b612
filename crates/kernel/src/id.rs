//! Typed ids: UUIDs of version 7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562)), created without asking the database and
//! sorted by time of creation.

use uuid::Uuid;

/// Generates an id.
#[expect(clippy::disallowed_methods, reason = "the only place that generates ids")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}

/// Declares an id type for one table, so that ids of different tables cannot be mixed up.
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            ::serde::Serialize, ::serde::Deserialize, ::sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub ::uuid::Uuid);

        impl $name {
            /// Generates a new id.
            #[expect(clippy::new_without_default, reason = "each call returns another id, which nobody expects of a default")]
            pub fn new() -> Self {
                Self($crate::id::new())
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}
