//! Lenient deserialization of arguments, for clients that language models drive: they send `1.0` or `"1"` for an integer, and
//! `""` or `null` for an absent value.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected, Visitor};
use serde_json::{Map, Value};

use super::problem::Problem;

/// Deserializes the arguments of a call. `null` and blank arguments count as absent.
///
/// # Errors
///
/// Fails for a missing or unknown argument, and for a value of another type; the message names the argument.
pub(crate) fn arguments<T: DeserializeOwned>(mut arguments: Map<String, Value>) -> Result<T, Problem> {
    arguments.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    });
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let name = error.path().to_string();
        let reason = error.into_inner();
        Problem::invalid(if name == "." {
            format!("the arguments cannot be read: {reason}")
        } else {
            format!("the argument {name} cannot be read: {reason}")
        })
    })
}

/// Deserializes an integer from 0: also from a float without a fraction, which JSON Schema counts as an integer
/// ([draft 2020-12, section 6.1.1](https://json-schema.org/draft/2020-12/json-schema-validation#section-6.1.1)), and from a
/// string. For `#[serde(default, deserialize_with = "lenient::integer")]`.
///
/// # Errors
///
/// Fails for any other value.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    deserializer.deserialize_any(IntegerVisitor)
}

/// Deserializes a boolean, also from the strings `true` and `false`.
///
/// # Errors
///
/// Fails for any other value.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_any(BooleanVisitor)
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer from 0")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // A larger number is beyond any bound.
        Ok(Some(usize::try_from(value).unwrap_or(usize::MAX)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_negative) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.fract() != 0.0 || value.is_sign_negative() {
            return Err(E::invalid_value(Unexpected::Float(value), &self));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        Ok(Some(value as usize))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        let text = value.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        match number {
            Some(number) => self.visit_f64(number),
            None => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

struct BooleanVisitor;

impl Visitor<'_> for BooleanVisitor {
    type Value = Option<bool>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a boolean")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Search {
        query: String,
        #[serde(default, alias = "tokens", deserialize_with = "integer")]
        limit: Option<usize>,
        #[serde(default, deserialize_with = "boolean")]
        strict: Option<bool>,
    }

    fn read(value: Value) -> Result<Search, String> {
        let Value::Object(object) = value else { panic!("not an object: {value}") };
        arguments(object).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn integers_and_booleans_are_read_as_clients_send_them() {
        for (limit, expected) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!("7"), Some(7)),
            (json!(" 7.0 "), Some(7)),
            (json!(0), Some(0)),
            (json!(u64::MAX), Some(usize::MAX)),
            (json!(1e300), Some(usize::MAX)),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(read(json!({ "query": "a", "limit": limit })).unwrap().limit, expected, "{limit}");
            assert_eq!(read(json!({ "query": "a", "tokens": limit })).unwrap().limit, expected, "{limit}");
        }
        for (strict, expected) in
            [(json!(true), Some(true)), (json!("False"), Some(false)), (json!(" "), None)]
        {
            assert_eq!(read(json!({ "query": "a", "strict": strict })).unwrap().strict, expected, "{strict}");
        }
    }

    #[test]
    fn errors_name_the_argument() {
        for (value, expected) in [
            (
                json!({ "query": "a", "limit": -1 }),
                "the argument limit cannot be read: invalid value: integer `-1`, expected an integer from 0",
            ),
            (
                json!({ "query": "a", "limit": 1.5 }),
                "the argument limit cannot be read: invalid value: floating point `1.5`, expected an integer from 0",
            ),
            (
                json!({ "query": "a", "tokens": "many" }),
                "the argument tokens cannot be read: invalid value: string \"many\", expected an integer from 0",
            ),
            (
                json!({ "query": "a", "limit": [1] }),
                "the argument limit cannot be read: invalid type: sequence, expected an integer from 0",
            ),
            (
                json!({ "query": "a", "strict": 1 }),
                "the argument strict cannot be read: invalid type: integer `1`, expected a boolean",
            ),
            (
                json!({ "query": 7 }),
                "the argument query cannot be read: invalid type: integer `7`, expected a string",
            ),
            (json!({ "query": "  " }), "the arguments cannot be read: missing field `query`"),
        ] {
            assert_eq!(read(value).unwrap_err(), expected);
        }
        assert!(read(json!({ "query": "a", "other": 1 })).unwrap_err().contains("other"));
    }

    proptest! {
        #[test]
        fn every_integer_reads_the_same_in_each_form(number in 0_u32..) {
            let forms = [json!(number), json!(f64::from(number)), json!(number.to_string())];
            for form in forms {
                let read = read(json!({ "query": "a", "limit": form })).unwrap();
                prop_assert_eq!(read.limit, Some(number as usize));
            }
        }
    }
}
