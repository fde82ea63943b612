//! Schemas as text: the type of a value in a few words, and the fields of an object as table rows.
//!
//! A reference is named and never followed, so recursive schemas need no special handling.

use crate::builder::one_line;

use super::value::{Value, reference_name};

/// Maximum nesting of objects that are written as `outer.inner`.
const MAX_FIELD_DEPTH: usize = 4;

/// Maximum number of rows of one table; the largest real schema has some hundreds.
const MAX_FIELD_ROWS: usize = 2_000;

/// Maximum length of a description in a table; one that is referenced a thousand times must not fill the memory.
const MAX_CELL_BYTES: usize = 8 << 10;

/// Maximum number of values of an `enum` that are listed.
const MAX_ENUM_VALUES: usize = 100;

/// Maximum nesting of types that is described; deeper ones become "…".
const MAX_TYPE_DEPTH: usize = 8;

/// Returns the fields of a schema as table rows with the columns `Field`, `Type`, `Required`, `Description`.
pub(super) fn field_rows(schema: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    push_fields(schema, "", 0, &mut rows);
    rows
}

/// Returns the type of a value in a few words: `array of pet`, `string (date-time) or null`.
pub(super) fn type_text(schema: &Value) -> String {
    type_text_at_depth(schema, 0)
}

/// Returns the description of a value with its flags, allowed values, default and bounds.
pub(super) fn details(schema: &Value, description: &str) -> String {
    let end = description.floor_char_boundary(MAX_CELL_BYTES);
    let mut text = one_line(&description[..end]);
    if end < description.len() {
        text.push('…');
    }
    let mut add = |sentence: String| {
        if text.contains(&sentence) {
            return;
        }
        if !text.is_empty() {
            // Short descriptions seldom end in a full stop.
            text.push_str(if text.ends_with(|last: char| last.is_alphanumeric()) { ". " } else { " " });
        }
        text.push_str(&sentence);
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
    let item_values = schema.get("items").get("enum");
    let values = if schema.get("enum").is_null() { item_values } else { schema.get("enum") };
    if let Some(values) = enum_text(values) {
        add(values);
    }
    let default = schema.get("default");
    if !default.is_null() && !default.display().is_empty() {
        add(format!("Default: `{}`.", one_line(&default.display())));
    }
    for (key, label) in BOUNDS {
        let bound = schema.get(key);
        if !bound.is_null() {
            add(format!("{label}: `{}`.", one_line(&bound.display())));
        }
    }
    text
}

/// Keys of a schema that are bounds, with their labels.
const BOUNDS: [(&str, &str); 7] = [
    ("minimum", "Minimum"),
    ("maximum", "Maximum"),
    ("minLength", "Minimum length"),
    ("maxLength", "Maximum length"),
    ("minItems", "Minimum items"),
    ("maxItems", "Maximum items"),
    ("pattern", "Pattern"),
];

/// Returns "One of: `a`, `b`." for the values of an `enum`, or `None` if there are none.
fn enum_text(list: &Value) -> Option<String> {
    let mut values: Vec<String> = list
        .items()
        .iter()
        .take(MAX_ENUM_VALUES)
        .map(|value| format!("`{}`", one_line(&value.display())))
        .collect();
    if list.items().len() > values.len() {
        values.push("…".to_owned());
    }
    (!values.is_empty()).then(|| format!("One of: {}.", values.join(", ")))
}

/// Appends the fields of a schema and of the objects in it.
fn push_fields(schema: &Value, prefix: &str, depth: usize, rows: &mut Vec<Vec<String>>) {
    if depth > MAX_FIELD_DEPTH {
        return;
    }
    let required = schema.get("required").texts();
    for (name, property) in schema.get("properties").entries() {
        let path = format!("{prefix}{name}");
        // Variants of one object repeat the same fields.
        let is_known = rows.iter().rev().take(200).any(|row| row[0].trim_matches('`') == path);
        if rows.len() >= MAX_FIELD_ROWS || is_known {
            continue;
        }
        let is_required = required.contains(&name.as_str());
        rows.push(vec![
            format!("`{path}`"),
            type_text(property),
            if is_required { "yes".to_owned() } else { String::new() },
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

fn type_text_at_depth(schema: &Value, depth: usize) -> String {
    let reference = schema.get("$ref").text();
    if !reference.is_empty() {
        return reference_name(reference);
    }
    if depth > MAX_TYPE_DEPTH {
        return "…".to_owned();
    }
    let inner_type = |schema: &Value| type_text_at_depth(schema, depth + 1);
    let mut types: Vec<String> = Vec::new();
    for name in schema.get("type").texts() {
        types.push(match name {
            "array" => format!("array of {}", inner_type(schema.get("items"))),
            "object" => object_type(schema, &inner_type),
            name => name.to_owned(),
        });
    }
    for (combined, conjunction) in [("allOf", " and "), ("oneOf", " or "), ("anyOf", " or ")] {
        let mut parts: Vec<String> = Vec::new();
        for part in schema.get(combined).items().iter().take(40).map(&inner_type) {
            // A part that only has `required` or `description` adds no type.
            if part != "any" && !parts.contains(&part) {
                parts.push(part);
            }
        }
        let is_plain = types.iter().all(|name| name == "object");
        if !parts.is_empty() && is_plain {
            types.clear();
            types.push(parts.join(conjunction));
        }
    }
    if types.is_empty() {
        types.push(if !schema.get("items").is_null() {
            format!("array of {}", inner_type(schema.get("items")))
        } else if !schema.get("properties").is_null() || !schema.get("additionalProperties").is_null() {
            object_type(schema, &inner_type)
        } else if !schema.get("const").is_null() {
            format!("`{}`", schema.get("const").display())
        } else if schema.get("enum").is_null() {
            "any".to_owned()
        } else {
            "enum".to_owned()
        });
    }
    let format = schema.get("format").text();
    let first = types.iter_mut().find(|name| *name != "null");
    if let Some(first) = first.filter(|_| !format.is_empty()) {
        first.extend([" (", format, ")"]);
    }
    let is_nullable = schema.get("nullable").is_true() || schema.get("x-nullable").is_true();
    if is_nullable && !types.iter().any(|name| name == "null") {
        types.push("null".to_owned());
    }
    types.dedup();
    types.join(" or ")
}

fn object_type(schema: &Value, inner_type: &dyn Fn(&Value) -> String) -> String {
    match schema.get("additionalProperties") {
        values @ Value::Map(entries) if !entries.is_empty() => format!("map of {}", inner_type(values)),
        _ => "object".to_owned(),
    }
}
