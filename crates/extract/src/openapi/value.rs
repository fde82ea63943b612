//! A value of JSON or YAML as it stands in the file: keys in their order, numbers as they are written.
//!
//! `serde_json::Value` would sort the keys (or change that for every crate of the build by a feature) and cannot
//! hold YAML's numbers as keys, which every response status is.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::model::{Error, Limits};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A number as text.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// What a look-up of something absent gives.
static NULL: Node = Node::Null;

/// How deep `serde_json` follows; it refuses more by itself.
const JSON_DEPTH: usize = 128;

impl Node {
    /// Reads JSON where it looks like JSON, else YAML, whose aliases and nesting are bounded.
    pub(super) fn parse(bytes: &[u8], name: &str, limits: &Limits) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| malformed(format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let lower = name.to_lowercase();
        let yaml_name = [".yaml", ".yml"].iter().any(|extension| lower.ends_with(extension));
        if text.starts_with(['{', '[']) {
            match serde_json::from_str(text) {
                Ok(node) => return Ok(node),
                // YAML's braces are not JSON's: `{openapi: 3.0.0}`.
                Err(_) if yaml_name => {}
                Err(error) if error.to_string().starts_with("recursion limit") => {
                    return Err(too_deep(JSON_DEPTH.min(limits.depth)));
                }
                Err(error) => return Err(malformed(format!("not valid JSON: {error}"))),
            }
        }
        yaml(text, limits)
    }

    /// The value of a key, [`Node::Null`] where there is none.
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

    /// Its text, empty for anything that is not text.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// Text, numbers and truth values as they are shown to a reader; lists and maps as JSON in short.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().take(8).map(Self::shown).collect();
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

    /// The texts of a list, or of a single text, as Swagger and JSON Schema allow both.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            _ => self.items().iter().map(Self::text).filter(|text| !text.is_empty()).collect(),
        }
    }

    /// Follows `$ref`s inside the document, at most eight in a row; a foreign or circular one stays as it is.
    pub(super) fn resolve<'a>(&'a self, root: &'a Self) -> &'a Self {
        let mut node = self;
        for _ in 0..8 {
            let Some(pointer) = node.get("$ref").text().strip_prefix("#/") else { return node };
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
                return node;
            }
            node = target;
        }
        node
    }
}

/// The last part of a reference: the name of what it points to.
pub(super) fn reference_name(reference: &str) -> String {
    let last = reference.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap_or(reference);
    unescape(last)
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}").replace("%20", " ")
}

fn yaml(text: &str, limits: &Limits) -> Result<Node, Error> {
    // The defaults are for configuration files; a description of a large service has millions of values.
    // What keeps an alias bomb small is the number of replayed events, which stays at its default of a million.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_total_scalar_bytes: limits.input_bytes,
            max_recorded_anchor_bytes: limits.text_bytes,
            // Long texts as keys are unusual, paths with many parameters are not.
            simple_key_max_lookahead: 4096,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    // A young parser: a panic in it is an error of this document.
    let read = AssertUnwindSafe(|| serde_saphyr::from_str_with_options(text, options));
    let Ok(node) = catch_unwind(read) else {
        return Err(malformed("the YAML is damaged".to_owned()));
    };
    node.map_err(|error| {
        let reason = error.to_string();
        let first = reason.lines().next().unwrap_or_default().to_owned();
        if first.contains("depth") || first.contains("nest") || first.contains("recursion") {
            too_deep(limits.depth)
        } else {
            malformed(format!("not valid YAML: {first}"))
        }
    })
}

fn too_deep(limit: usize) -> Error {
    Error::TooLarge { unit: "levels of nesting", limit }
}

pub(super) fn malformed(reason: String) -> Error {
    Error::Malformed { format: "OpenAPI", reason }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Node, Node>()? {
            match key {
                Node::List(_) | Node::Map(_) => return Err(A::Error::custom("a key is not a scalar value")),
                key => entries.push((key.shown(), value)),
            }
        }
        Ok(Node::Map(entries))
    }
}
