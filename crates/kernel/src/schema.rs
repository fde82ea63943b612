//! Schemas in the OpenAPI document, built from the constants that the code enforces, so that a bound stands once.
//!
//! utoipa's attributes take numbers as literals only. A type whose bounds are constants is described by [`crate::schema!`] instead.

use std::ops::RangeInclusive;

use utoipa::PartialSchema;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Type};

/// Pattern of a text without U+0000, which PostgreSQL cannot store.
pub const NO_NUL: &str = r"^[^\u0000]*$";
/// Pattern of a text that is more than white space.
pub const NOT_BLANK: &str = r"\S";
/// Pattern of a text without control characters.
pub const NO_CONTROL: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// Pattern of a text without control characters that is more than white space.
pub const NOT_BLANK_NO_CONTROL: &str =
    r"^[^\S\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// Describes a text by its length in characters and its pattern.
pub fn text(length: RangeInclusive<usize>, pattern: &str) -> ObjectBuilder {
    any_text(length).pattern(Some(pattern))
}

/// Describes a text by its length in characters alone.
pub fn any_text(length: RangeInclusive<usize>) -> ObjectBuilder {
    let (min, max) = length.into_inner();
    ObjectBuilder::new().schema_type(Type::String).min_length((min > 0).then_some(min)).max_length(Some(max))
}

/// Describes one of the texts that are listed.
pub fn one_of<'text>(texts: impl IntoIterator<Item = &'text str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts))
}

/// Describes a 32-bit integer by its range.
pub fn integer<N: TryInto<i32>>(range: RangeInclusive<N>) -> ObjectBuilder {
    let (min, max) = range.into_inner();
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(min.try_into().unwrap_or(i32::MIN)))
        .maximum(Some(max.try_into().unwrap_or(i32::MAX)))
}

/// Describes a list by its elements and how many it has.
pub fn list<T: PartialSchema>(length: RangeInclusive<usize>) -> ArrayBuilder {
    let (min, max) = length.into_inner();
    ArrayBuilder::new().items(T::schema()).min_items((min > 0).then_some(min)).max_items(Some(max))
}

/// Describes types in the OpenAPI document by expressions.
///
/// ```
/// struct Title;
/// kernel::schema! { Title = kernel::schema::text(1..=300, kernel::schema::NOT_BLANK); }
/// ```
#[macro_export]
macro_rules! schema {
    ($($name:ty = $schema:expr;)+) => {$(
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    )+};
}
