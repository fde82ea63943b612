//! Schemas as text: the type of a value in a few words, and the fields of an object as table rows.
//!
//! A reference is named and never followed, so recursive schemas need no special handling.

use super::constraints::details;
use super::value::{Value, reference_name};

/// Maximum nesting of objects that are written as `outer.inner`.
const MAX_FIELD_DEPTH: usize = 4;

/// Maximum number of rows of one table; the largest real schema has some hundreds.
const MAX_FIELD_ROWS: usize = 2_000;

/// Maximum nesting of types that is described; deeper ones become "…".
const MAX_TYPE_DEPTH: usize = 8;

/// Maximum number of parts of a combined type that are named.
const MAX_TYPE_PARTS: usize = 40;

/// Number of rows before a row among which an equal one is looked for.
const MAX_COMPARED_ROWS: usize = 200;

/// Keys of combined schemas, with the word between their parts.
const COMBINATIONS: [(&str, &str); 3] = [("allOf", " and "), ("oneOf", " or "), ("anyOf", " or ")];

/// Returns the fields of a schema as table rows with the columns `Field`, `Type`, `Required`, `Description`.
pub(super) fn field_rows(schema: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    push_fields(schema, "", 0, &[], &mut rows);
    rows
}

/// Returns the type of a value in a few words: `array of pet`, `string (date-time) or null`.
pub(super) fn type_text(schema: &Value) -> String {
    type_text_at_depth(schema, 0)
}

/// Returns the names that a schema and the parts of its `allOf` require.
pub(super) fn required_names(schema: &Value) -> Vec<&str> {
    let mut names = Vec::new();
    push_required(schema, 0, &mut names);
    names
}

fn push_required<'a>(schema: &'a Value, depth: usize, names: &mut Vec<&'a str>) {
    // A parameter has `required: true` here.
    if let Value::List(_) = schema.get("required") {
        names.extend(schema.get("required").texts());
    }
    if depth < MAX_FIELD_DEPTH {
        for part in schema.get("allOf").items() {
            push_required(part, depth + 1, names);
        }
    }
}

/// Appends the fields of a schema and of the objects in it. `inherited` are names that a schema around it requires.
fn push_fields(schema: &Value, prefix: &str, depth: usize, inherited: &[&str], rows: &mut Vec<Vec<String>>) {
    if depth > MAX_FIELD_DEPTH {
        return;
    }
    let mut required = required_names(schema);
    required.extend(inherited);
    required.sort_unstable();
    required.dedup();
    for (name, property) in schema.get("properties").entries() {
        let is_required = required.binary_search(&name.as_str()).is_ok();
        push_field(property, &format!("{prefix}{name}"), is_required, depth, rows);
    }
    for (pattern, property) in schema.get("patternProperties").entries() {
        push_field(property, &format!("{prefix}/{pattern}/"), false, depth, rows);
    }
    let list_prefix = prefix.strip_suffix('.').unwrap_or(prefix);
    for (number, item) in schema.get("prefixItems").items().iter().enumerate() {
        push_field(item, &format!("{list_prefix}[{number}]"), false, depth, rows);
    }
    push_fields(schema.get("items"), &format!("{list_prefix}[]."), depth + 1, &[], rows);
    for key in ["additionalProperties", "unevaluatedProperties"] {
        push_fields(schema.get(key), &format!("{prefix}*."), depth + 1, &[], rows);
    }
    for combination in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(combination).items() {
            push_fields(part, prefix, depth + 1, &required, rows);
        }
    }
    for condition in ["then", "else"] {
        push_fields(schema.get(condition), prefix, depth + 1, &[], rows);
    }
    for (_, dependent) in schema.get("dependentSchemas").entries() {
        push_fields(dependent, prefix, depth + 1, &[], rows);
    }
}

/// Appends a field and the fields in it.
fn push_field(field: &Value, path: &str, is_required: bool, depth: usize, rows: &mut Vec<Vec<String>>) {
    if rows.len() >= MAX_FIELD_ROWS {
        return;
    }
    let new = vec![
        format!("`{path}`"),
        type_text(field),
        if is_required { "yes".to_owned() } else { String::new() },
        details(field, field.get("description").text()),
    ];
    // Variants of one object repeat the same fields.
    let is_known = |row: &&mut Vec<String>| row[0] == new[0] && row[1] == new[1] && row[3] == new[3];
    match rows.iter_mut().rev().take(MAX_COMPARED_ROWS).find(is_known) {
        Some(known) if is_required => known[2].clone_from(&new[2]),
        Some(_) => {}
        None => rows.push(new),
    }
    push_fields(field, &format!("{path}."), depth + 1, &[], rows);
}

fn type_text_at_depth(schema: &Value, depth: usize) -> String {
    for key in ["$ref", "$dynamicRef"] {
        let reference = schema.get(key).text();
        if !reference.is_empty() {
            return reference_name(reference);
        }
    }
    if schema.is_false() {
        return "nothing".to_owned();
    }
    if depth > MAX_TYPE_DEPTH {
        return "…".to_owned();
    }
    let inner_type = |schema: &Value| type_text_at_depth(schema, depth + 1);
    let mut types: Vec<String> = Vec::new();
    let stated = schema.get("type");
    for name in stated.texts() {
        types.push(match name {
            "array" => array_type(schema, &inner_type),
            "object" => object_type(schema, &inner_type),
            name => name.to_owned(),
        });
    }
    let combined = combined_type(schema, &inner_type);
    if !combined.is_empty() {
        // An object is what its parts are; any other type is narrowed by them.
        if types.iter().all(|name| name == "object") {
            types = vec![combined];
        } else if !types.contains(&combined) {
            types.push(format!("({combined})"));
            types = vec![types.join(" ")];
        }
    }
    if types.is_empty() {
        types.push(untyped(schema, &inner_type));
    }
    let format = schema.get("format").text();
    let first = types.iter_mut().find(|name| *name != "null");
    if let Some(first) = first.filter(|_| !format.is_empty()) {
        first.extend([" (", format, ")"]);
    }
    let is_nullable = schema.get("nullable").is_true()
        || schema.get("x-nullable").is_true()
        || stated.items().iter().any(Value::is_null);
    if is_nullable && !types.iter().any(|name| name == "null") {
        types.push("null".to_owned());
    }
    types.dedup();
    types.join(" or ")
}

/// Returns the types of the parts of `allOf`, `oneOf` and `anyOf`; empty if they have none.
fn combined_type(schema: &Value, inner_type: &dyn Fn(&Value) -> String) -> String {
    let mut groups: Vec<String> = Vec::new();
    for (combination, conjunction) in COMBINATIONS {
        let mut parts: Vec<String> = Vec::new();
        for part in schema.get(combination).items().iter().take(MAX_TYPE_PARTS).map(inner_type) {
            // A part that only has `required` or `description` adds no type.
            if part != "any" && !parts.contains(&part) {
                parts.push(part);
            }
        }
        if !parts.is_empty() {
            groups.push(parts.join(conjunction));
        }
    }
    groups.dedup();
    if groups.len() > 1 {
        groups = groups
            .into_iter()
            .map(|group| if group.contains(" or ") { format!("({group})") } else { group })
            .collect();
    }
    groups.join(" and ")
}

/// Returns the type of a schema without `type` and parts, as its other keys tell it.
fn untyped(schema: &Value, inner_type: &dyn Fn(&Value) -> String) -> String {
    let has = |key: &str| !schema.get(key).is_null();
    if has("items") || has("prefixItems") {
        array_type(schema, inner_type)
    } else if has("properties") || has("additionalProperties") || has("patternProperties") {
        object_type(schema, inner_type)
    } else if has("const") {
        format!("`{}`", schema.get("const").json(false, 200).trim_matches('"'))
    } else if has("enum") {
        "enum".to_owned()
    } else if has("not") {
        format!("not {}", inner_type(schema.get("not")))
    } else {
        "any".to_owned()
    }
}

fn array_type(schema: &Value, inner_type: &dyn Fn(&Value) -> String) -> String {
    let first = schema.get("prefixItems").items();
    let items = schema.get("items");
    if first.is_empty() {
        // Before 2020, a list of schemas was a tuple.
        return match items {
            Value::List(items) => format!("array of [{}]", type_list(items, inner_type)),
            items => format!("array of {}", inner_type(items)),
        };
    }
    let rest = if items.is_null() || items.is_false() {
        String::new()
    } else {
        format!(", then {}", inner_type(items))
    };
    format!("array of [{}{rest}]", type_list(first, inner_type))
}

fn type_list(schemas: &[Value], inner_type: &dyn Fn(&Value) -> String) -> String {
    schemas.iter().take(MAX_TYPE_PARTS).map(inner_type).collect::<Vec<_>>().join(", ")
}

fn object_type(schema: &Value, inner_type: &dyn Fn(&Value) -> String) -> String {
    let values = schema.get("additionalProperties");
    if values.entries().is_empty() || !schema.get("properties").is_null() {
        return "object".to_owned();
    }
    format!("map of {}", inner_type(values))
}
