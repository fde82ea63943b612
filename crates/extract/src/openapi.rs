//! `OpenAPI` 3.x and Swagger 2.0, in JSON or YAML: one passage for each operation and each schema.
//!
//! Read from plain values ([`value`]) and not through types of the specification: real descriptions bend it, and
//! one wrong field should cost that field only.

mod operation;
mod schema;
mod value;

use crate::builder::{Builder, one_line};
use crate::model::{Error, Limits, ParsedDocument};

use operation::{METHODS, Operation, header, inner_headings, push_table, security_text};
use value::{Node, malformed};

/// Reads a description of an API; `name` tells YAML in braces from broken JSON.
///
/// # Errors
///
/// [`Error::Malformed`] where it is neither JSON nor YAML or states neither `openapi` nor `swagger`,
/// [`Error::TooLarge`] beyond the limits.
pub fn read(bytes: &[u8], name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    let root = Node::parse(bytes, name, limits)?;
    if root.get("openapi").is_null() && root.get("swagger").is_null() {
        return Err(malformed("the top-level key `openapi` or `swagger` is missing".to_owned()));
    }
    let mut builder = Builder::new(limits);
    introduction(&root, &mut builder)?;
    for group in groups(&root) {
        builder.heading(2, &group.title, Some(&format!("tag-{}", slug(group.name))))?;
        markdown(group.description, 3, &mut builder)?;
        for operation in &group.operations {
            api(operation, &mut builder)?;
        }
    }
    webhooks(&root, &mut builder)?;
    schemas(&root, &mut builder)?;
    builder.finish()
}

/// A tag and its operations.
struct Group<'a> {
    name: &'a str,
    title: String,
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

/// The operations by their first tag: declared tags in their order, then the others as they appear.
fn groups(root: &Node) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for tag in root.get("tags").items() {
        let name = tag.get("name").text();
        let shown = tag.get("x-displayName").text();
        let title = if shown.is_empty() { name } else { shown }.to_owned();
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
            let tag = node.get("tags").items().first().map_or("", Node::text);
            let title = format!("{} {path}", method.to_uppercase());
            let operation = Operation { root, title, path: item, node };
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

fn introduction(root: &Node, builder: &mut Builder) -> Result<(), Error> {
    let info = root.get("info");
    let title = match one_line(info.get("title").text()) {
        title if title.is_empty() => "API".to_owned(),
        title => title,
    };
    builder.title(info.get("title").text());
    builder.heading(1, &title, None)?;
    let version = info.get("version");
    if !version.is_null() {
        builder.text(&format!("Version {}", one_line(&version.shown())), None)?;
    }
    builder.text(&one_line(info.get("summary").text()), None)?;
    markdown(info.get("description").text(), 2, builder)?;
    let servers = servers(root);
    if !servers.is_empty() {
        builder.heading(2, "Servers", Some("servers"))?;
        builder.text(&servers.join("\n"), None)?;
    }
    security(root, builder)
}

fn servers(root: &Node) -> Vec<String> {
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
    // Swagger 2 states the parts of the address.
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

fn security(root: &Node, builder: &mut Builder) -> Result<(), Error> {
    let schemes = match root.get("components").get("securitySchemes") {
        Node::Null => root.get("securityDefinitions"),
        schemes => schemes,
    };
    let mut rows = vec![header(&["Name", "Type", "Description"])];
    for (name, scheme) in schemes.entries() {
        let scheme = scheme.resolve(root);
        let mut kind = scheme.get("type").shown();
        for key in ["scheme", "bearerFormat", "in", "name", "flow", "openIdConnectUrl"] {
            let value = scheme.get(key).text();
            if !value.is_empty() {
                kind.extend([", ", key, ": ", value]);
            }
        }
        rows.push(vec![format!("`{name}`"), kind, one_line(scheme.get("description").text())]);
    }
    let asked = security_text(root.get("security"));
    let mut parts = Vec::new();
    push_table("", &rows, &mut parts);
    if parts.is_empty() && asked.is_none() {
        return Ok(());
    }
    builder.heading(2, "Security", Some("security"))?;
    for part in parts {
        builder.text(&part, None)?;
    }
    asked.map_or(Ok(()), |words| {
        builder.text(&format!("Every operation, unless it says otherwise: {words}"), None)
    })
}

fn api(operation: &Operation<'_>, builder: &mut Builder) -> Result<(), Error> {
    let identifier = operation.node.get("operationId").text();
    let anchor = if identifier.is_empty() { slug(&operation.title) } else { identifier.to_owned() };
    let mut keywords = vec![one_line(&operation.title)];
    if !identifier.is_empty() {
        keywords.push(identifier.to_owned());
    }
    builder.api(&operation.markdown(), Some(&anchor), keywords)
}

fn webhooks(root: &Node, builder: &mut Builder) -> Result<(), Error> {
    let mut begun = false;
    for key in ["webhooks", "x-webhooks"] {
        for (name, item) in root.get(key).entries() {
            let item = item.resolve(root);
            for method in METHODS {
                let node = item.get(method);
                if node.is_null() {
                    continue;
                }
                if !begun {
                    builder.heading(2, "Webhooks", Some("webhooks"))?;
                    begun = true;
                }
                let title = format!("{} webhook {name}", method.to_uppercase());
                api(&Operation { root, title, path: item, node }, builder)?;
            }
        }
    }
    Ok(())
}

fn schemas(root: &Node, builder: &mut Builder) -> Result<(), Error> {
    let schemas = match root.get("components").get("schemas") {
        Node::Null => root.get("definitions"),
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
        parts.push(format!("Type: {}", schema::kind(schema)));
        let words = schema::details(schema, "");
        if !words.is_empty() {
            parts.push(words);
        }
        let mut rows = vec![header(&["Field", "Type", "Required", "Description"])];
        rows.extend(schema::fields(schema));
        push_table("", &rows, &mut parts);
        builder.api(&parts.join("\n\n"), Some(&format!("schema-{name}")), vec![name.clone()])?;
    }
    Ok(())
}

/// A description that may have headings and code of its own; its headings begin at `level`.
fn markdown(text: &str, level: u8, builder: &mut Builder) -> Result<(), Error> {
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
    // A fence that is never closed holds the rest.
    match fence {
        Some((_, language)) => builder.code(&language, &paragraph, None),
        None => builder.text(&paragraph, None),
    }
}

fn push_line(paragraph: &mut String, line: &str) {
    paragraph.push_str(line);
    paragraph.push('\n');
}

/// A fragment made of a title: `get-pets-id`.
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
