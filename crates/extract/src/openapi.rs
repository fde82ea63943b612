//! Reader for `OpenAPI` 3.x and Swagger 2.0, in JSON or YAML: one passage for each operation and each schema.
//!
//! Reads generic values ([`value`]) instead of typed structures of the specification: real descriptions deviate from
//! it, and one wrong field should lose only that field.

mod constraints;
mod introduction;
mod media;
mod operation;
mod parts;
mod schema;
mod value;
mod yaml;

use std::collections::HashMap;

use crate::builder::{DocumentBuilder, one_line};
use crate::model::{Error, Limits, ParsedDocument};

use constraints::{details, external_docs};
use media::{external_reference, push_examples, push_fields};
use operation::{Operation, methods};
use parts::Parts;
use value::{Value, malformed};

/// Maximum nesting of schemas defined within schemas that have sections of their own.
const MAX_DEFINITION_DEPTH: usize = 3;

/// Reads an API description. The extension of `name` distinguishes YAML in braces from broken JSON.
///
/// # Errors
///
/// [`Error::Malformed`] if it is neither JSON nor YAML or has neither of the keys `openapi` and `swagger`;
/// [`Error::TooLarge`] if a limit is exceeded.
pub fn read(bytes: &[u8], name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    let mut warnings = Vec::new();
    let root = Value::parse(bytes, name, limits, &mut warnings)?;
    if root.get("openapi").is_null() && root.get("swagger").is_null() {
        return Err(malformed("the top-level key `openapi` or `swagger` is missing".to_owned()));
    }
    let mut builder = DocumentBuilder::new(limits);
    for warning in warnings {
        builder.warn(warning);
    }
    push_introduction(&root, &mut builder)?;
    for group in operation_groups(&root) {
        builder.heading(2, &group.title, Some(&format!("tag-{}", slug(group.name))))?;
        push_description(group.description, 3, &mut builder)?;
        builder.text(&external_docs(group.tag), None)?;
        for operation in &group.operations {
            push_operation(operation, &mut builder)?;
        }
    }
    push_webhooks(&root, &mut builder)?;
    push_schemas(&root, &mut builder)?;
    builder.finish()
}

/// A tag with its operations.
struct Group<'a> {
    name: &'a str,
    title: String,
    description: &'a str,
    /// Declaration of the tag; null if it has none.
    tag: &'a Value,
    operations: Vec<Operation<'a>>,
}

/// Groups the operations by their first tag: declared tags in their order, then the others in order of appearance.
fn operation_groups(root: &Value) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for tag in root.get("tags").items() {
        let name = tag.get("name").text();
        let titles = [tag.get("x-displayName").text(), tag.get("summary").text(), name];
        let title = titles.into_iter().find(|title| !title.is_empty()).unwrap_or_default().to_owned();
        if !positions.contains_key(name) {
            positions.insert(name, groups.len());
            let description = tag.get("description").text();
            groups.push(Group { name, title, description, tag, operations: Vec::new() });
        }
    }
    for (path, item) in root.get("paths").entries() {
        if path.starts_with("x-") {
            continue;
        }
        let (methods, path_items) = methods(root, item);
        // An item in another file, whose methods are not known.
        let external = (methods.is_empty() && !item.get("$ref").is_null()).then(|| (String::new(), item));
        for (method, node) in methods.into_iter().chain(external) {
            let tag = node.get("tags").items().first().map_or("", Value::text);
            let operation = Operation { root, title: format!("{method} {path}"), path_items, node };
            let position = *positions.entry(tag).or_insert_with(|| {
                let title = if tag.is_empty() { "Operations" } else { tag }.to_owned();
                groups.push(Group {
                    name: tag,
                    title,
                    description: "",
                    tag: &Value::Null,
                    operations: Vec::new(),
                });
                groups.len() - 1
            });
            groups[position].operations.push(operation);
        }
    }
    groups.retain(|group| {
        !group.operations.is_empty()
            || !group.description.is_empty()
            || !group.tag.get("externalDocs").is_null()
    });
    groups
}

/// Appends title, version, description, contact, servers and security schemes.
fn push_introduction(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let info = root.get("info");
    let title = match one_line(info.get("title").text()) {
        title if title.is_empty() => "API".to_owned(),
        title => title,
    };
    builder.set_title(info.get("title").text());
    builder.heading(1, &title, None)?;
    introduction::push_information(root, builder)?;
    push_description(info.get("description").text(), 2, builder)?;
    introduction::push_contact(root, builder)?;
    introduction::push_servers(root, builder)?;
    introduction::push_security(root, builder)
}

/// Appends an operation as an API block.
fn push_operation(operation: &Operation<'_>, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let identifier = operation.node.get("operationId").text();
    if !operation.node.get("$ref").is_null() && operation.node.get("responses").is_null() {
        let text = format!("### {}\n\n{}", one_line(&operation.title), external_reference(operation.node));
        return builder.api(&text, Some(&slug(&operation.title)), vec![one_line(&operation.title)]);
    }
    let anchor = if identifier.is_empty() { slug(&operation.title) } else { identifier.to_owned() };
    let mut keywords = vec![one_line(&operation.title)];
    if !identifier.is_empty() {
        keywords.push(identifier.to_owned());
    }
    builder.api(&operation.markdown(), Some(&anchor), keywords)
}

fn push_webhooks(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let mut has_heading = false;
    for key in ["webhooks", "x-webhooks"] {
        for (name, item) in root.get(key).entries() {
            let (methods, path_items) = methods(root, item);
            for (method, node) in methods {
                if !has_heading {
                    builder.heading(2, "Webhooks", Some("webhooks"))?;
                    has_heading = true;
                }
                let title = format!("{method} webhook {name}");
                push_operation(&Operation { root, title, path_items, node }, builder)?;
            }
        }
    }
    Ok(())
}

fn push_schemas(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let schemas = match root.get("components").get("schemas") {
        Value::Null => root.get("definitions"),
        schemas => schemas,
    };
    if schemas.entries().is_empty() {
        return Ok(());
    }
    builder.heading(2, "Schemas", Some("schemas"))?;
    for (name, schema) in schemas.entries() {
        push_schema(root, name, schema, 0, builder)?;
    }
    Ok(())
}

/// Appends a schema as an API block, and those defined in it.
fn push_schema(
    root: &Value,
    name: &str,
    schema: &Value,
    depth: usize,
    builder: &mut DocumentBuilder,
) -> Result<(), Error> {
    let mut parts = Parts::default();
    parts.push(format!("### {}", one_line(name)));
    let title = one_line(schema.get("title").text());
    if title != *name {
        parts.push(title);
    }
    parts.push_description(schema.get("description").text());
    parts.push(format!("Type: {}", schema::type_text(schema)));
    let reference = schema.get("$ref").text();
    if !reference.is_empty() && !reference.starts_with('#') {
        parts.push(external_reference(schema));
    }
    parts.push(details(schema, ""));
    push_fields("", schema, &mut parts);
    // Short ones are among the details.
    push_examples(root, schema, "Example", &mut parts);
    builder.api(&parts.markdown(), Some(&format!("schema-{name}")), vec![name.to_owned()])?;
    if depth < MAX_DEFINITION_DEPTH {
        for key in ["$defs", "definitions"] {
            for (inner, schema) in schema.get(key).entries() {
                push_schema(root, &format!("{name}.{inner}"), schema, depth + 1, builder)?;
            }
        }
    }
    Ok(())
}

/// Appends a description, which may have headings and code of its own. Its headings of level 1 get the level `level`.
fn push_description(text: &str, level: u8, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let mut paragraph = String::new();
    let mut fence: Option<(String, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some((mark, language)) = &fence {
            if line.trim() == mark {
                builder.code(language, &paragraph, None)?;
                paragraph.clear();
                fence = None;
            } else {
                push_line(&mut paragraph, line);
            }
            continue;
        }
        let marks = line.bytes().take_while(|&byte| byte == b'#').count();
        if trimmed.starts_with("```") {
            builder.text(&paragraph, None)?;
            paragraph.clear();
            let language = trimmed.trim_start_matches('`');
            fence = Some((trimmed[..trimmed.len() - language.len()].to_owned(), one_line(language)));
        } else if (1..=6).contains(&marks) && line[marks..].starts_with(' ') {
            builder.text(&paragraph, None)?;
            paragraph.clear();
            let title = line[marks..].trim().trim_end_matches('#').trim();
            let depth = u8::try_from(marks).unwrap_or(6);
            builder.heading(level + depth - 1, title, Some(&slug(title)))?;
        } else {
            push_line(&mut paragraph, line);
        }
    }
    // A fence that is never closed extends to the end.
    match fence {
        Some((_, language)) => builder.code(&language, &paragraph, None),
        None => builder.text(&paragraph, None),
    }
}

fn push_line(paragraph: &mut String, line: &str) {
    paragraph.push_str(line);
    paragraph.push('\n');
}

/// Returns a URL fragment for a title: `get-pets-id`.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars() {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}
