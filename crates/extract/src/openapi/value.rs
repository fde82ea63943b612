//! Value of JSON or YAML: keys keep their order, numbers stay text.
//!
//! `serde_json::Value` sorts the keys (or changes that for every crate of the build by a feature) and cannot have
//! numbers as keys, as YAML has for response status codes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::model::{Error, Limits};

/// A JSON or YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Number, as text.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Maximum number of references followed in a row.
const MAX_REFERENCES: usize = 8;

/// Result of looking up an absent key.
static NULL: Value = Value::Null;

/// Maximum nesting that `serde_json` accepts.
const MAX_JSON_DEPTH: usize = 128;

impl Value {
    /// Parses JSON if the text looks like JSON, else YAML, with bounded aliases and nesting.
    pub(super) fn parse(bytes: &[u8], name: &str, limits: &Limits) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| malformed(format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let lower = name.to_lowercase();
        let has_yaml_name = [".yaml", ".yml"].iter().any(|extension| lower.ends_with(extension));
        if text.starts_with(['{', '[']) {
            match serde_json::from_str(text) {
                Ok(value) => return Ok(value),
                // YAML flow mappings are not JSON: `{openapi: 3.0.0}`.
                Err(_) if has_yaml_name => {}
                Err(error) if error.to_string().starts_with("recursion limit") => {
                    return Err(too_deep(MAX_JSON_DEPTH.min(limits.depth)));
                }
                Err(error) => return Err(malformed(format!("not valid JSON: {error}"))),
            }
        }
        parse_yaml(text, limits)
    }

    /// Returns the value of a key, [`Value::Null`] if there is none.
    pub(super) fn get(&self, key: &str) -> &Self {
        self.entries().iter().find(|(name, _)| name == key).map_or(&NULL, |(_, value)| value)
    }

    pub(super) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Whether it is the value `true`.
    pub(super) fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// Returns the text, empty for values of other types.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// Formats the value for a reader; lists and maps are abbreviated.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().take(8).map(Self::display).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(_) => "{…}".to_owned(),
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    /// Returns the texts of a list, or a single text: Swagger and JSON Schema allow both.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            _ => self.items().iter().map(Self::text).filter(|text| !text.is_empty()).collect(),
        }
    }

    /// Follows `$ref`s inside the document, at most [`MAX_REFERENCES`] in a row. External and circular ones are kept.
    pub(super) fn resolve<'a>(&'a self, root: &'a Self) -> &'a Self {
        let mut value = self;
        for _ in 0..MAX_REFERENCES {
            let Some(pointer) = value.get("$ref").text().strip_prefix("#/") else { return value };
            let mut target = root;
            for part in pointer.split('/') {
                let part = unescape(part);
                target = match target {
                    Self::List(items) => {
                        part.parse().ok().and_then(|at: usize| items.get(at)).unwrap_or(&NULL)
                    }
                    other => other.get(&part),
                };
            }
            if target.is_null() {
                return value;
            }
            value = target;
        }
        value
    }
}

/// Returns the last part of a reference: the name of its target.
pub(super) fn reference_name(reference: &str) -> String {
    let last = reference.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap_or(reference);
    unescape(last)
}

/// Decodes the escapes of a JSON pointer in a URL fragment.
fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}").replace("%20", " ")
}

/// Parses YAML within the limits.
fn parse_yaml(text: &str, limits: &Limits) -> Result<Value, Error> {
    // The defaults are for configuration files; the description of a large service has millions of values.
    // The number of replayed events, which limits alias bombs, stays at its default of one million.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_total_scalar_bytes: limits.input_bytes,
            max_recorded_anchor_bytes: limits.text_bytes,
            // Keys include paths with many parameters.
            simple_key_max_lookahead: 4096,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    // The parser is young: turns a panic in it into an error of this document.
    let parse = AssertUnwindSafe(|| serde_saphyr::from_str_with_options(text, options));
    let Ok(value) = catch_unwind(parse) else {
        return Err(malformed("the YAML is damaged".to_owned()));
    };
    value.map_err(|error| {
        let reason = error.to_string();
        let first_line = reason.lines().next().unwrap_or_default().to_owned();
        if first_line.contains("depth") || first_line.contains("nest") || first_line.contains("recursion") {
            too_deep(limits.depth)
        } else {
            malformed(format!("not valid YAML: {first_line}"))
        }
    })
}

fn too_deep(limit: usize) -> Error {
    Error::TooLarge { unit: "levels of nesting", limit }
}

pub(super) fn malformed(reason: String) -> Error {
    Error::Malformed { format: "OpenAPI", reason }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Value, Value>()? {
            match key {
                Value::List(_) | Value::Map(_) => {
                    return Err(A::Error::custom("a key is not a scalar value"));
                }
                key => entries.push((key.display(), value)),
            }
        }
        Ok(Value::Map(entries))
    }
}
