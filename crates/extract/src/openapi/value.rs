//! Value of JSON or YAML: keys keep their order, numbers stay text.
//!
//! `serde_json::Value` sorts the keys (or changes that for every crate of the build by a feature) and cannot have
//! numbers as keys, as YAML has for response status codes.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::model::{Error, Limits};

use super::yaml;

/// A JSON or YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    /// Boolean, as it is written: `true`, `False`.
    Bool(&'static str),
    /// Number, as text.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(Map),
}

/// Entries in their order, with an index if there are many: descriptions have maps of thousands of schemas, which
/// references look up.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    entries: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

/// Maximum number of entries of a map without an index.
const MAX_UNINDEXED_ENTRIES: usize = 32;

impl Map {
    fn position(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(name, _)| name == key);
        }
        self.index.get(key).copied()
    }

    /// Adds an entry. Of two with one key, the later wins, but two maps are joined: none of their texts is lost.
    pub(super) fn insert(&mut self, key: String, value: Value) {
        if let Some(at) = self.position(&key) {
            match (&mut self.entries[at].1, value) {
                (Value::Map(old), Value::Map(new)) => {
                    for (key, value) in new.entries {
                        old.insert(key, value);
                    }
                }
                (old, new) => *old = new,
            }
            return;
        }
        if self.entries.len() == MAX_UNINDEXED_ENTRIES {
            self.index = self.entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        }
        if self.entries.len() >= MAX_UNINDEXED_ENTRIES {
            self.index.insert(key.clone(), self.entries.len());
        }
        self.entries.push((key, value));
    }

    /// Adds the entries of `value`, if it is a map, whose keys are absent.
    pub(super) fn merge_absent(&mut self, value: Value) {
        if let Value::Map(map) = value {
            for (key, value) in map.entries {
                if self.position(&key).is_none() {
                    self.insert(key, value);
                }
            }
        }
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// Maximum number of references followed in a row.
const MAX_REFERENCES: usize = 8;

/// Result of looking up an absent key.
static NULL: Value = Value::Null;

/// Maximum nesting that `serde_json` accepts.
const MAX_JSON_DEPTH: usize = 128;

impl Value {
    /// Parses JSON if the text looks like JSON, else YAML, with bounded aliases and nesting. Adds a warning for each
    /// mistake that was passed over.
    pub(super) fn parse(
        bytes: &[u8],
        name: &str,
        limits: &Limits,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| malformed(format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let lower = name.to_lowercase();
        let has_yaml_name = [".yaml", ".yml"].iter().any(|extension| lower.ends_with(extension));
        if text.starts_with(['{', '[']) {
            match serde_json::from_str(text) {
                Ok(value) => return Ok(value),
                Err(error) if error.to_string().starts_with("recursion limit") && !has_yaml_name => {
                    return Err(too_deep(MAX_JSON_DEPTH.min(limits.depth)));
                }
                // YAML flow mappings are not JSON: `{openapi: 3.0.0}`. A comma before a bracket or a number out of range
                // is no mistake to YAML.
                Err(error) => {
                    return yaml::parse(text, limits, warnings).map_err(|failure| match failure {
                        Error::Malformed { .. } if !has_yaml_name => {
                            malformed(format!("not valid JSON: {error}"))
                        }
                        failure => failure,
                    });
                }
            }
        }
        yaml::parse(text, limits, warnings)
    }

    /// Returns the value of a key, [`Value::Null`] if there is none.
    pub(super) fn get(&self, key: &str) -> &Self {
        let Self::Map(map) = self else { return &NULL };
        map.position(key).map_or(&NULL, |at| &map.entries[at].1)
    }

    pub(super) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Whether it is the value `true`.
    pub(super) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(word) if word.eq_ignore_ascii_case("true"))
    }

    /// Whether it is the value `false`.
    pub(super) fn is_false(&self) -> bool {
        matches!(self, Self::Bool(word) if word.eq_ignore_ascii_case("false"))
    }

    /// Returns a scalar value as it is written, empty for null, lists and maps.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(word) => word,
            _ => "",
        }
    }

    /// Returns the size of all text in the value, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::List(items) => items.iter().map(Self::text_bytes).sum(),
            Self::Map(map) => map.entries.iter().map(|(key, value)| key.len() + value.text_bytes()).sum(),
            scalar => scalar.text().len(),
        }
    }

    /// Formats the value for a reader; lists and maps are abbreviated.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => self.text().to_owned(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().take(8).map(Self::display).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(map) if map.entries.is_empty() => "{}".to_owned(),
            Self::Map(_) => "{…}".to_owned(),
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(map) = self { &map.entries } else { &[] }
    }

    /// Returns the texts of a list, or a single text: Swagger and JSON Schema allow both.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Bool(_) => vec![self.text()],
            _ => self.items().iter().map(Self::text).filter(|text| !text.is_empty()).collect(),
        }
    }

    /// Formats the value as JSON, indented if `is_pretty`; what exceeds `max_bytes` is cut.
    pub(super) fn json(&self, is_pretty: bool, max_bytes: usize) -> String {
        let mut json = String::new();
        self.write_json(is_pretty.then_some(0), max_bytes, &mut json);
        if json.len() > max_bytes {
            json.truncate(json.floor_char_boundary(max_bytes));
            json.push('…');
        }
        json
    }

    fn write_json(&self, indent: Option<usize>, max_bytes: usize, json: &mut String) {
        let (open, close, count) = match self {
            Self::Null => return json.push_str("null"),
            Self::Bool(word) => return json.push_str(&word.to_lowercase()),
            Self::Number(text) => return json.push_str(text),
            Self::Text(text) => {
                let text = &text[..text.floor_char_boundary(max_bytes)];
                return json.push_str(&serde_json::Value::from(text).to_string());
            }
            Self::List(items) => ('[', ']', items.len()),
            Self::Map(map) => ('{', '}', map.entries.len()),
        };
        json.push(open);
        let inner = indent.map(|indent| indent + 1);
        for number in 0..count {
            if json.len() > max_bytes {
                return;
            }
            if number > 0 {
                json.push_str(if inner.is_some() { "," } else { ", " });
            }
            push_line_break(inner, json);
            match self {
                Self::Map(map) => {
                    let (key, value) = &map.entries[number];
                    json.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    json.push_str(": ");
                    value.write_json(inner, max_bytes, json);
                }
                _ => self.items()[number].write_json(inner, max_bytes, json),
            }
        }
        if count > 0 {
            push_line_break(indent, json);
        }
        json.push(close);
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

fn push_line_break(indent: Option<usize>, json: &mut String) {
    if let Some(indent) = indent {
        json.push('\n');
        json.push_str(&"  ".repeat(indent));
    }
}

/// Returns the last part of a reference: the name of its target.
pub(super) fn reference_name(reference: &str) -> String {
    let last = reference.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap_or(reference);
    unescape(last)
}

/// Decodes the escapes of a JSON pointer in a URL fragment.
fn unescape(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).replace("~1", "/").replace("~0", "~")
}

pub(super) fn too_deep(limit: usize) -> Error {
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
        Ok(Value::Bool(if value { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // Keeps the fraction of `1.0`, which `to_string` drops.
        Ok(Value::Number(
            serde_json::Number::from_f64(value).map_or_else(|| value.to_string(), |it| it.to_string()),
        ))
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}
