//! Constraints of a schema as sentences: allowed values, bounds, defaults, examples, and how its parts combine.

use crate::builder::one_line;

use super::schema::{required_names, type_text};
use super::value::{Value, reference_name};

/// Maximum length of a description in a table; one that is referenced a thousand times must not fill the memory.
const MAX_CELL_BYTES: usize = 8 << 10;

/// Maximum length of a value within a sentence.
const MAX_VALUE_BYTES: usize = 1 << 10;

/// Maximum number of values of an `enum`, parts of a combination or entries of a mapping that are listed.
const MAX_LISTED: usize = 100;

/// Maximum number of examples of one field.
const MAX_EXAMPLES: usize = 5;

/// Maximum nesting of schemas whose constraints are told in one sentence.
const MAX_DEPTH: usize = 3;

/// Keys of a schema that have one value, with their labels.
const BOUNDS: [(&str, &str); 17] = [
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "Exclusive minimum"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "Exclusive maximum"),
    ("multipleOf", "Multiple of"),
    ("minLength", "Minimum length"),
    ("maxLength", "Maximum length"),
    ("minItems", "Minimum items"),
    ("maxItems", "Maximum items"),
    ("minContains", "Minimum matching items"),
    ("maxContains", "Maximum matching items"),
    ("minProperties", "Minimum fields"),
    ("maxProperties", "Maximum fields"),
    ("pattern", "Pattern"),
    ("contentMediaType", "Content"),
    ("contentEncoding", "Encoding"),
    ("collectionFormat", "Collection format"),
];

/// Returns the description of a value with its flags, allowed values, default, bounds and examples.
pub(super) fn details(schema: &Value, description: &str) -> String {
    let mut sentences = Sentences::new(description);
    push_details(schema, 0, &mut sentences);
    sentences.text
}

/// Text to which sentences are added.
struct Sentences {
    text: String,
}

impl Sentences {
    fn new(description: &str) -> Self {
        let end = description.floor_char_boundary(MAX_CELL_BYTES);
        let mut text = one_line(&description[..end]);
        if end < description.len() {
            text.push('…');
        }
        Self { text }
    }

    fn add(&mut self, sentence: &str) {
        if sentence.is_empty() || self.text.len() > 4 * MAX_CELL_BYTES || self.text.contains(sentence) {
            return;
        }
        if !self.text.is_empty() {
            // Short descriptions seldom end in a full stop.
            self.text.push_str(if self.text.ends_with(|last: char| last.is_alphanumeric()) {
                ". "
            } else {
                " "
            });
        }
        self.text.push_str(sentence);
    }

    fn add_value(&mut self, label: &str, value: &Value) {
        self.add(&format!("{label}: {}.", code(value)));
    }
}

/// Returns a value as inline code.
pub(super) fn code(value: &Value) -> String {
    let text = match value {
        Value::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Value::Text(text) => one_line(&text[..text.floor_char_boundary(MAX_VALUE_BYTES)]),
        Value::List(_) | Value::Map(_) => value.json(false, MAX_VALUE_BYTES),
        scalar => scalar.display(),
    };
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{text}{fence}")
}

fn push_details(schema: &Value, depth: usize, sentences: &mut Sentences) {
    for (key, sentence) in [
        ("deprecated", "Deprecated."),
        ("readOnly", "Read only."),
        ("writeOnly", "Write only."),
        ("allowEmptyValue", "May be empty."),
        ("uniqueItems", "Unique items."),
    ] {
        if schema.get(key).is_true() {
            sentences.add(sentence);
        }
    }
    push_values(schema, sentences);
    for (key, label) in BOUNDS {
        push_bound(schema, key, label, sentences);
    }
    push_objects(schema, sentences);
    push_discriminator(schema, sentences);
    push_parts(schema, depth, sentences);
    for example in examples(schema).into_iter().take(MAX_EXAMPLES) {
        sentences.add_value("Example", example);
    }
    push_xml(schema, sentences);
    sentences.add(&external_docs(schema));
}

/// Adds the allowed values and the default.
fn push_values(schema: &Value, sentences: &mut Sentences) {
    let item_values = schema.get("items").get("enum");
    let values = if schema.get("enum").is_null() { item_values } else { schema.get("enum") };
    if let Some(values) = enum_text(values) {
        sentences.add(&values);
    }
    for key in ["x-enum-descriptions", "x-enumDescriptions", "x-enum-varnames"] {
        let described: Vec<String> = match schema.get(key) {
            Value::Map(_) => {
                let entries = schema.get(key).entries().iter().take(MAX_LISTED);
                entries.map(|(value, text)| format!("`{value}`: {}", one_line(text.text()))).collect()
            }
            list => list.texts().into_iter().take(MAX_LISTED).map(one_line).collect(),
        };
        if !described.is_empty() {
            sentences.add(&format!("({}).", described.join("; ")));
        }
    }
    let constant = schema.get("const");
    if !constant.is_null() {
        sentences.add_value("Constant", constant);
    }
    let default = schema.get("default");
    if !default.is_null() {
        sentences.add_value("Default", default);
    }
}

/// Adds a bound. `exclusiveMinimum: true` of OpenAPI 3.0 says how `minimum` is meant.
fn push_bound(schema: &Value, key: &str, label: &str, sentences: &mut Sentences) {
    let bound = schema.get(key);
    let exclusive = match key {
        "minimum" => schema.get("exclusiveMinimum"),
        "maximum" => schema.get("exclusiveMaximum"),
        _ => &Value::Null,
    };
    match bound {
        Value::Null | Value::Bool(_) => {}
        bound if exclusive.is_true() => {
            sentences.add_value(&format!("Exclusive {}", label.to_lowercase()), bound);
        }
        bound => sentences.add_value(label, bound),
    }
}

/// Adds what holds for the fields of an object.
fn push_objects(schema: &Value, sentences: &mut Sentences) {
    let other_fields = [schema.get("additionalProperties"), schema.get("unevaluatedProperties")];
    for values in other_fields {
        if values.is_false() {
            sentences.add("No other fields.");
        } else if !values.entries().is_empty() && !schema.get("properties").is_null() {
            sentences.add(&format!("Other fields: {}.", type_text(values)));
        } else if values.is_true() && !schema.get("properties").is_null() {
            sentences.add("Other fields: any.");
        }
    }
    for (name, dependent) in schema.get("dependentRequired").entries().iter().take(MAX_LISTED) {
        let names: Vec<String> = dependent.texts().iter().map(|name| format!("`{name}`")).collect();
        sentences.add(&format!("`{name}` requires {}.", names.join(", ")));
    }
    let names = schema.get("propertyNames");
    if !names.is_null() {
        sentences.add(&format!("Field names: {}", described(names, 1)));
    }
    let contained = schema.get("contains");
    if !contained.is_null() {
        sentences.add(&format!("Contains: {}", described(contained, 1)));
    }
    let excluded = schema.get("not");
    if !excluded.is_null() {
        let required = required_names(excluded);
        let text = if required.is_empty() { described(excluded, 1) } else { name_list(&required) };
        sentences.add(&format!("Not: {text}"));
    }
    for (key, label) in [("if", "If"), ("then", "then"), ("else", "else")] {
        let condition = schema.get(key);
        let fields: Vec<String> = condition
            .get("properties")
            .entries()
            .iter()
            .take(MAX_LISTED)
            .map(|(name, field)| format!("`{name}` {}", described(field, 1)))
            .collect();
        let required = required_names(condition);
        if !required.is_empty() {
            sentences.add(&format!("{label}: {}", name_list(&required)));
        }
        if !fields.is_empty() {
            sentences.add(&format!("{label}: {}", fields.join(" ")));
        }
    }
}

fn name_list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("required {}.", names.join(", "))
}

/// Adds the field that tells the variants apart, with the variant of each value.
fn push_discriminator(schema: &Value, sentences: &mut Sentences) {
    let discriminator = schema.get("discriminator");
    // Swagger 2 has only the name.
    let name = match discriminator {
        Value::Text(name) => name,
        discriminator => discriminator.get("propertyName").text(),
    };
    if name.is_empty() {
        return;
    }
    let mapping: Vec<String> = discriminator
        .get("mapping")
        .entries()
        .iter()
        .take(MAX_LISTED)
        .map(|(value, reference)| format!("`{value}`: {}", reference_name(reference.text())))
        .collect();
    let mapping = if mapping.is_empty() { String::new() } else { format!(" ({})", mapping.join(", ")) };
    sentences.add(&format!("Discriminator: `{}`{mapping}.", one_line(name)));
}

/// Adds the constraints of the parts of combined schemas, of items and of values that have no rows of their own.
fn push_parts(schema: &Value, depth: usize, sentences: &mut Sentences) {
    if depth >= MAX_DEPTH {
        return;
    }
    for part in schema.get("allOf").items().iter().take(MAX_LISTED) {
        sentences.add(&described_part(part, depth));
    }
    for combination in ["oneOf", "anyOf"] {
        for part in schema.get(combination).items().iter().take(MAX_LISTED) {
            let text = described_part(part, depth);
            if !text.is_empty() {
                sentences.add(&format!("{}: {text}", type_text(part)));
            }
        }
    }
    for (key, label) in [("items", "Items"), ("additionalProperties", "Values")] {
        let inner = schema.get(key);
        // The values of an `enum` were listed already.
        let mut text = described_part(inner, depth);
        if key == "items"
            && let Some(values) = enum_text(inner.get("enum"))
        {
            text = one_line(&text.replace(&values, ""));
        }
        if !text.is_empty() {
            sentences.add(&format!("{label}: {text}"));
        }
    }
}

/// Returns description and constraints of a part of a schema.
fn described_part(part: &Value, depth: usize) -> String {
    let title = one_line(part.get("title").text());
    let description = part.get("description").text();
    let mut sentences = Sentences::new(if description.is_empty() { &title } else { description });
    push_details(part, depth + 1, &mut sentences);
    sentences.text
}

/// Returns type and constraints of a schema in one sentence.
fn described(schema: &Value, depth: usize) -> String {
    let mut sentences = Sentences::new(schema.get("description").text());
    push_details(schema, depth, &mut sentences);
    let type_text = type_text(schema);
    if sentences.text.is_empty() {
        format!("{type_text}.")
    } else {
        format!("{type_text}, {}", sentences.text)
    }
}

/// Returns the examples of a schema or a parameter: `example`, `x-example`, and the list `examples` of OpenAPI 3.1.
pub(super) fn examples(schema: &Value) -> Vec<&Value> {
    let single = [schema.get("example"), schema.get("x-example")];
    let mut examples: Vec<&Value> = single.into_iter().filter(|example| !example.is_null()).collect();
    examples.extend(schema.get("examples").items());
    examples
}

fn push_xml(schema: &Value, sentences: &mut Sentences) {
    let xml = schema.get("xml");
    for (key, label) in [("name", "XML name"), ("namespace", "XML namespace"), ("prefix", "XML prefix")] {
        if !xml.get(key).text().is_empty() {
            sentences.add_value(label, xml.get(key));
        }
    }
    for (key, sentence) in [("attribute", "XML attribute."), ("wrapped", "Wrapped in XML.")] {
        if xml.get(key).is_true() {
            sentences.add(sentence);
        }
    }
}

/// Returns the sentence with the link to other documentation; empty if there is none.
pub(super) fn external_docs(node: &Value) -> String {
    let docs = node.get("externalDocs");
    let url = one_line(docs.get("url").text());
    if url.is_empty() {
        return String::new();
    }
    let description = one_line(docs.get("description").text());
    let separator = if description.is_empty() { "" } else { " – " };
    format!("See also: <{url}>{separator}{description}")
}

/// Returns "One of: `a`, `b`." for the values of an `enum`, or `None` if there are none.
fn enum_text(list: &Value) -> Option<String> {
    let mut values: Vec<String> = list.items().iter().take(MAX_LISTED).map(code).collect();
    if list.items().len() > values.len() {
        values.push("…".to_owned());
    }
    (!values.is_empty()).then(|| format!("One of: {}.", values.join(", ")))
}
