//! Contents of requests and responses: schema with fields, examples, and how parts of forms are encoded.

use crate::builder::{fenced, one_line};

use super::constraints::{code, details, examples};
use super::parts::{Parts, row, with_description, yes_or_empty};
use super::schema::{field_rows, required_names, type_text};
use super::value::Value;

/// Maximum number of examples of one content.
const MAX_EXAMPLES: usize = 10;

/// Maximum length of one example.
const MAX_EXAMPLE_BYTES: usize = 16 << 10;

/// Appends the table of fields of a schema under a title, if it has any.
pub(super) fn push_fields(title: &str, schema: &Value, parts: &mut Parts) {
    let mut rows = vec![row(&["Field", "Type", "Required", "Description"])];
    rows.extend(field_rows(schema));
    // Names of fields that only a referenced schema has.
    let missing: Vec<String> = required_names(schema)
        .into_iter()
        .map(|name| format!("`{}`", one_line(name)))
        .filter(|name| !rows.iter().any(|row| row[0] == *name))
        .collect();
    parts.push_table(title, &rows);
    if !missing.is_empty() {
        parts.push(format!("Required: {}.", missing.join(", ")));
    }
}

/// Appends the examples of a content, a parameter or a header. `subject` says of what: "Example of `200`".
pub(super) fn push_examples(root: &Value, node: &Value, subject: &str, parts: &mut Parts) {
    let single = examples(node).into_iter().take(MAX_EXAMPLES);
    for example in single {
        push_example(subject, example, parts);
    }
    for (name, example) in node.get("examples").entries().iter().take(MAX_EXAMPLES) {
        if parts.is_full() {
            return;
        }
        let example = example.resolve(root);
        let name = format!("{subject} `{}`", one_line(name));
        let title = with_description(&name, example.get("summary").text());
        let external = example.get("externalValue").text();
        // `dataValue` and `serializedValue` are of OpenAPI 3.2.
        let value = ["value", "dataValue", "serializedValue"].into_iter().map(|key| example.get(key));
        match value.into_iter().find(|value| !value.is_null()) {
            Some(value) => push_example(&title, value, parts),
            None if !external.is_empty() => parts.push(format!("{title}: <{}>", one_line(external))),
            // The object `examples` of Swagger 2 has the values by media type.
            None if example.get("summary").is_null() && example.get("description").is_null() => {
                push_example(&title, example, parts);
            }
            None => parts.push(title),
        }
        parts.push_description(example.get("description").text());
    }
}

fn push_example(title: &str, value: &Value, parts: &mut Parts) {
    match value {
        Value::Text(text) if text.contains('\n') => {
            let text = &text[..text.floor_char_boundary(MAX_EXAMPLE_BYTES)];
            let first = text.trim_start();
            let language = if first.starts_with(['{', '[']) {
                "json"
            } else if first.starts_with('<') {
                "xml"
            } else {
                ""
            };
            parts.push(format!("{title}:"));
            parts.push(fenced(language, text));
        }
        Value::List(_) | Value::Map(_) => {
            parts.push(format!("{title}:"));
            parts.push(fenced("json", &value.json(true, MAX_EXAMPLE_BYTES)));
        }
        scalar => parts.push(format!("{title}: {}", code(scalar))),
    }
}

/// Appends a content of a request: media type, type, fields and examples.
pub(super) fn push_request_content(
    root: &Value,
    media: &str,
    required: &str,
    content: &Value,
    parts: &mut Parts,
) {
    let schema = content.get("schema");
    let media = if media.is_empty() { String::new() } else { format!(" `{media}`") };
    let mut line = format!("**Request body**{required}:{media}");
    if !schema.is_null() {
        line.push(' ');
        line.push_str(&type_text(schema));
    }
    parts.push(line);
    parts.push(details(schema, schema.get("description").text()));
    push_fields("", schema, parts);
    push_encodings(root, content, parts);
    push_examples(root, content, &format!("Example of the request{media}"), parts);
}

/// Appends how the parts of a form are encoded.
pub(super) fn push_encodings(root: &Value, content: &Value, parts: &mut Parts) {
    let mut rows = vec![row(&["Part", "Encoding"])];
    let mut headers = Vec::new();
    for (name, encoding) in content.get("encoding").entries() {
        let mut words: Vec<String> = Vec::new();
        for key in ["contentType", "style"] {
            if !encoding.get(key).text().is_empty() {
                words.push(format!("`{}`", one_line(encoding.get(key).text())));
            }
        }
        for key in ["explode", "allowReserved"] {
            if !encoding.get(key).is_null() {
                words.push(format!("{key}: `{}`", encoding.get(key).display()));
            }
        }
        rows.push(vec![format!("`{}`", one_line(name)), words.join(", ")]);
        headers.extend(header_rows(root, &format!("{}: ", one_line(name)), encoding));
    }
    parts.push_table("", &rows);
    push_headers("Headers of the parts", headers, parts);
}

/// Returns a row for each header of a response or a part of a form. `prefix` says whose.
pub(super) fn header_rows(root: &Value, prefix: &str, node: &Value) -> Vec<Vec<String>> {
    let row = |(name, header): &(String, Value)| {
        let header = header.resolve(root);
        let schema = match header.get("schema") {
            Value::Null => {
                header.get("content").entries().first().map_or(header, |(_, content)| content.get("schema"))
            }
            schema => schema,
        };
        vec![
            format!("{prefix}`{}`", one_line(name)),
            type_text(schema),
            yes_or_empty(header.get("required").is_true()),
            parameter_details(root, header, schema),
        ]
    };
    node.get("headers").entries().iter().map(row).collect()
}

pub(super) fn push_headers(title: &str, rows: Vec<Vec<String>>, parts: &mut Parts) {
    let mut table = vec![row(&["Header", "Type", "Required", "Description"])];
    table.extend(rows);
    parts.push_table(&format!("**{title}**"), &table);
}

/// Returns the description of a parameter or a header, with what itself and its schema say of its values.
pub(super) fn parameter_details(root: &Value, parameter: &Value, schema: &Value) -> String {
    let schema = schema.resolve(root);
    let description = match parameter.get("description").text() {
        "" => match schema.get("description").text() {
            "" => external_reference(parameter),
            description => description.to_owned(),
        },
        description => description.to_owned(),
    };
    let mut text = details(schema, &description);
    let mut add = |sentence: &str, is_first: bool| {
        if sentence.is_empty() || text.contains(sentence) {
            return;
        }
        if text.is_empty() {
            sentence.clone_into(&mut text);
        } else if is_first {
            text = format!("{sentence} {text}");
        } else {
            let end = if text.ends_with(|last: char| last.is_alphanumeric()) { ". " } else { " " };
            text.extend([end, sentence]);
        }
    };
    if parameter.get("deprecated").is_true() {
        add("Deprecated.", true);
    }
    if parameter.get("allowEmptyValue").is_true() {
        add("May be empty.", false);
    }
    for (key, label) in [("style", "Style"), ("explode", "Explode"), ("allowReserved", "Allow reserved")] {
        if !parameter.get(key).is_null() {
            add(&format!("{label}: {}.", code(parameter.get(key))), false);
        }
    }
    for (media, _) in parameter.get("content").entries() {
        add(&format!("Content: `{}`.", one_line(media)), false);
    }
    if !std::ptr::eq(parameter, schema) {
        for example in examples(parameter).into_iter().take(MAX_EXAMPLES) {
            add(&format!("Example: {}.", code(example)), false);
        }
    }
    for (name, example) in parameter.get("examples").entries().iter().take(MAX_EXAMPLES) {
        let example = example.resolve(root);
        let words = [example.get("summary").text(), example.get("description").text()];
        let words = words.iter().map(|text| one_line(text)).filter(|text| !text.is_empty());
        let words = std::iter::once(format!("Example `{}`", one_line(name))).chain(words).collect::<Vec<_>>();
        add(&format!("{}: {}.", words.join(", "), code(example.get("value"))), false);
    }
    text
}

/// Returns "See `other.yaml#/X`." for a reference that leads out of the document, or nowhere.
pub(super) fn external_reference(node: &Value) -> String {
    let reference = one_line(node.get("$ref").text());
    if reference.is_empty() { String::new() } else { format!("See `{reference}`.") }
}
