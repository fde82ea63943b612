//! Reader for `OpenAPI` 3.x and Swagger 2.0, in JSON or YAML: one passage for each operation and each schema.
//!
//! Reads generic values ([`value`]) instead of typed structures of the specification: real descriptions deviate from
//! it, and one wrong field should lose only that field.

mod operation;
mod schema;
mod value;

use crate::builder::{DocumentBuilder, one_line};
use crate::model::{Error, Limits, ParsedDocument};

use operation::{METHODS, Operation, inner_headings, push_table, row, security_text};
use value::{Value, malformed};

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
    let root = Value::parse(bytes, name, limits)?;
    if root.get("openapi").is_null() && root.get("swagger").is_null() {
        return Err(malformed("the top-level key `openapi` or `swagger` is missing".to_owned()));
    }
    let mut builder = DocumentBuilder::new(limits);
    push_introduction(&root, &mut builder)?;
    for group in operation_groups(&root) {
        builder.heading(2, &group.title, Some(&format!("tag-{}", slug(group.name))))?;
        push_description(group.description, 3, &mut builder)?;
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
    operations: Vec<Operation<'a>>,
}

/// Groups the operations by their first tag: declared tags in their order, then the others in order of appearance.
fn operation_groups(root: &Value) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for tag in root.get("tags").items() {
        let name = tag.get("name").text();
        let display_name = tag.get("x-displayName").text();
        let title = if display_name.is_empty() { name } else { display_name }.to_owned();
        if !groups.iter().any(|group| group.name == name) {
            groups.push(Group {
                name,
                title,
                description: tag.get("description").text(),
                operations: Vec::new(),
            });
        }
    }
    for (path, item) in root.get("paths").entries() {
        if path.starts_with("x-") {
            continue;
        }
        let item = item.resolve(root);
        for method in METHODS {
            let node = item.get(method);
            if node.is_null() {
                continue;
            }
            let tag = node.get("tags").items().first().map_or("", Value::text);
            let title = format!("{} {path}", method.to_uppercase());
            let operation = Operation { root, title, path_item: item, node };
            if let Some(group) = groups.iter_mut().find(|group| group.name == tag) {
                group.operations.push(operation);
            } else {
                let title = if tag.is_empty() { "Operations" } else { tag }.to_owned();
                groups.push(Group { name: tag, title, description: "", operations: vec![operation] });
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty() || !group.description.is_empty());
    groups
}

/// Appends title, version, description, servers and security schemes.
fn push_introduction(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let info = root.get("info");
    let title = match one_line(info.get("title").text()) {
        title if title.is_empty() => "API".to_owned(),
        title => title,
    };
    builder.set_title(info.get("title").text());
    builder.heading(1, &title, None)?;
    let version = info.get("version");
    if !version.is_null() {
        builder.text(&format!("Version {}", one_line(&version.display())), None)?;
    }
    builder.text(&one_line(info.get("summary").text()), None)?;
    push_description(info.get("description").text(), 2, builder)?;
    let servers = server_items(root);
    if !servers.is_empty() {
        builder.heading(2, "Servers", Some("servers"))?;
        builder.text(&servers.join("\n"), None)?;
    }
    push_security(root, builder)
}

/// Returns a list item for each server.
fn server_items(root: &Value) -> Vec<String> {
    let mut servers: Vec<String> = root
        .get("servers")
        .items()
        .iter()
        .filter(|server| !server.get("url").text().is_empty())
        .map(|server| {
            let description = one_line(server.get("description").text());
            let separator = if description.is_empty() { "" } else { " – " };
            format!("- `{}`{separator}{description}", one_line(server.get("url").text()))
        })
        .collect();
    // Swagger 2 has the parts of the URL.
    let (host, base) = (root.get("host").text(), root.get("basePath").text());
    let schemes = root.get("schemes").texts();
    if !host.is_empty() {
        let schemes = if schemes.is_empty() { vec!["https"] } else { schemes };
        servers.extend(schemes.iter().map(|scheme| format!("- `{scheme}://{host}{base}`")));
    } else if !base.is_empty() {
        servers.push(format!("- `{base}`"));
    }
    servers
}

fn push_security(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let schemes = match root.get("components").get("securitySchemes") {
        Value::Null => root.get("securityDefinitions"),
        schemes => schemes,
    };
    let mut rows = vec![row(&["Name", "Type", "Description"])];
    for (name, scheme) in schemes.entries() {
        let scheme = scheme.resolve(root);
        let mut type_text = scheme.get("type").display();
        for key in ["scheme", "bearerFormat", "in", "name", "flow", "openIdConnectUrl"] {
            let value = scheme.get(key).text();
            if !value.is_empty() {
                type_text.extend([", ", key, ": ", value]);
            }
        }
        rows.push(vec![format!("`{name}`"), type_text, one_line(scheme.get("description").text())]);
    }
    let default_security = security_text(root.get("security"));
    let mut parts = Vec::new();
    push_table("", &rows, &mut parts);
    if parts.is_empty() && default_security.is_none() {
        return Ok(());
    }
    builder.heading(2, "Security", Some("security"))?;
    for part in parts {
        builder.text(&part, None)?;
    }
    default_security.map_or(Ok(()), |schemes| {
        builder.text(&format!("Every operation, unless it says otherwise: {schemes}"), None)
    })
}

/// Appends an operation as an API block.
fn push_operation(operation: &Operation<'_>, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let identifier = operation.node.get("operationId").text();
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
            let item = item.resolve(root);
            for method in METHODS {
                let node = item.get(method);
                if node.is_null() {
                    continue;
                }
                if !has_heading {
                    builder.heading(2, "Webhooks", Some("webhooks"))?;
                    has_heading = true;
                }
                let title = format!("{} webhook {name}", method.to_uppercase());
                push_operation(&Operation { root, title, path_item: item, node }, builder)?;
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
        let mut parts = vec![format!("### {}", one_line(name))];
        let title = one_line(schema.get("title").text());
        if !title.is_empty() && title != *name {
            parts.push(title);
        }
        let description = schema.get("description").text().trim();
        if !description.is_empty() {
            parts.push(inner_headings(description));
        }
        parts.push(format!("Type: {}", schema::type_text(schema)));
        let details = schema::details(schema, "");
        if !details.is_empty() {
            parts.push(details);
        }
        let mut rows = vec![row(&["Field", "Type", "Required", "Description"])];
        rows.extend(schema::field_rows(schema));
        push_table("", &rows, &mut parts);
        builder.api(&parts.join("\n\n"), Some(&format!("schema-{name}")), vec![name.clone()])?;
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
