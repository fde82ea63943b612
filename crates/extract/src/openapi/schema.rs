//! Schemas in words: the type of a value in a few words, and the fields of an object as rows of a table.
//!
//! A reference is named, never followed, so a schema that holds itself costs nothing.

use crate::builder::one_line;

use super::value::{Node, reference_name};

/// How deep objects inside objects are spelled out as `outer.inner`.
const FIELD_DEPTH: usize = 4;
/// Rows of one table; the largest real schema has some hundreds.
const FIELD_ROWS: usize = 2_000;

/// Bytes of a description in a table; one that is referred to a thousand times must not fill the memory.
const CELL_BYTES: usize = 8 << 10;

/// The rows of a table of fields below this header: `Field`, `Type`, `Required`, `Description`.
pub(super) fn fields(schema: &Node) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    push_fields(schema, "", 0, &mut rows);
    rows
}

/// The type of a value in a few words: `array of pet`, `string (date-time) or null`.
pub(super) fn kind(schema: &Node) -> String {
    kind_within(schema, 0)
}

/// What there is to say of a value beside its type: description, choices, default, bounds.
pub(super) fn details(schema: &Node, description: &str) -> String {
    let shown = description.floor_char_boundary(CELL_BYTES);
    let mut words = one_line(&description[..shown]);
    if shown < description.len() {
        words.push('…');
    }
    let mut add = |sentence: String| {
        if words.contains(&sentence) {
            return;
        }
        if !words.is_empty() {
            // Descriptions of a few words seldom end in a full stop.
            words.push_str(if words.ends_with(|last: char| last.is_alphanumeric()) { ". " } else { " " });
        }
        words.push_str(&sentence);
    };
    if schema.get("deprecated").is_true() {
        add("Deprecated.".to_owned());
    }
    if schema.get("readOnly").is_true() {
        add("Read only.".to_owned());
    }
    if schema.get("writeOnly").is_true() {
        add("Write only.".to_owned());
    }
    let of_items = schema.get("items").get("enum");
    let choices = if schema.get("enum").is_null() { of_items } else { schema.get("enum") };
    if let Some(choices) = choices_text(choices) {
        add(choices);
    }
    let default = schema.get("default");
    if !default.is_null() && !default.shown().is_empty() {
        add(format!("Default: `{}`.", one_line(&default.shown())));
    }
    for (key, word) in BOUNDS {
        let bound = schema.get(key);
        if !bound.is_null() {
            add(format!("{word}: `{}`.", one_line(&bound.shown())));
        }
    }
    words
}

const BOUNDS: [(&str, &str); 7] = [
    ("minimum", "Minimum"),
    ("maximum", "Maximum"),
    ("minLength", "Minimum length"),
    ("maxLength", "Maximum length"),
    ("minItems", "Minimum items"),
    ("maxItems", "Maximum items"),
    ("pattern", "Pattern"),
];

/// "One of: `a`, `b`." for the values of an `enum`.
pub(super) fn choices_text(choices: &Node) -> Option<String> {
    let mut values: Vec<String> =
        choices.items().iter().take(100).map(|value| format!("`{}`", one_line(&value.shown()))).collect();
    if choices.items().len() > values.len() {
        values.push("…".to_owned());
    }
    (!values.is_empty()).then(|| format!("One of: {}.", values.join(", ")))
}

fn push_fields(schema: &Node, prefix: &str, depth: usize, rows: &mut Vec<Vec<String>>) {
    if depth > FIELD_DEPTH {
        return;
    }
    let required = schema.get("required").texts();
    for (name, property) in schema.get("properties").entries() {
        let path = format!("{prefix}{name}");
        // Variants of one object name the same field again and again.
        let known = rows.iter().rev().take(200).any(|row| row[0].trim_matches('`') == path);
        if rows.len() >= FIELD_ROWS || known {
            continue;
        }
        let needed = required.contains(&name.as_str());
        rows.push(vec![
            format!("`{path}`"),
            kind(property),
            if needed { "yes".to_owned() } else { String::new() },
            details(property, property.get("description").text()),
        ]);
        push_fields(property, &format!("{path}."), depth + 1, rows);
    }
    let items = schema.get("items");
    if !items.is_null() {
        let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
        push_fields(items, &format!("{prefix}[]."), depth + 1, rows);
    }
    let values = schema.get("additionalProperties");
    if !values.get("properties").is_null() {
        push_fields(values, &format!("{prefix}*."), depth + 1, rows);
    }
    for combined in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(combined).items() {
            push_fields(part, prefix, depth + 1, rows);
        }
    }
}

fn kind_within(schema: &Node, depth: usize) -> String {
    let reference = schema.get("$ref").text();
    if !reference.is_empty() {
        return reference_name(reference);
    }
    if depth > 8 {
        return "…".to_owned();
    }
    let within = |schema: &Node| kind_within(schema, depth + 1);
    let mut kinds: Vec<String> = Vec::new();
    for name in schema.get("type").texts() {
        kinds.push(match name {
            "array" => format!("array of {}", within(schema.get("items"))),
            "object" => object(schema, &within),
            name => name.to_owned(),
        });
    }
    for (combined, between) in [("allOf", " and "), ("oneOf", " or "), ("anyOf", " or ")] {
        let mut parts: Vec<String> = Vec::new();
        for part in schema.get(combined).items().iter().take(40).map(&within) {
            // A part that only says what is required or described adds no type.
            if part != "any" && !parts.contains(&part) {
                parts.push(part);
            }
        }
        let plain = kinds.iter().all(|kind| kind == "object");
        if !parts.is_empty() && plain {
            kinds.clear();
            kinds.push(parts.join(between));
        }
    }
    if kinds.is_empty() {
        kinds.push(if !schema.get("items").is_null() {
            format!("array of {}", within(schema.get("items")))
        } else if !schema.get("properties").is_null() || !schema.get("additionalProperties").is_null() {
            object(schema, &within)
        } else if !schema.get("const").is_null() {
            format!("`{}`", schema.get("const").shown())
        } else if schema.get("enum").is_null() {
            "any".to_owned()
        } else {
            "enum".to_owned()
        });
    }
    let format = schema.get("format").text();
    let first = kinds.iter_mut().find(|kind| *kind != "null");
    if let Some(first) = first.filter(|_| !format.is_empty()) {
        first.extend([" (", format, ")"]);
    }
    let nullable = schema.get("nullable").is_true() || schema.get("x-nullable").is_true();
    if nullable && !kinds.iter().any(|kind| kind == "null") {
        kinds.push("null".to_owned());
    }
    kinds.dedup();
    kinds.join(" or ")
}

fn object(schema: &Node, within: &dyn Fn(&Node) -> String) -> String {
    match schema.get("additionalProperties") {
        values @ Node::Map(entries) if !entries.is_empty() => format!("map of {}", within(values)),
        _ => "object".to_owned(),
    }
}
