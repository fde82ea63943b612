//! Operation of an API as Markdown: summary, description, parameters, request body, responses, security.

use crate::builder::{one_line, table_markdown};

use super::schema::{details, field_rows, type_text};
use super::value::Value;

/// HTTP methods of a path, in the order in which they are written.
pub(super) const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// Maximum number of parameters or responses of one operation.
const MAX_ROWS: usize = 1_000;

/// An operation, with the path item from which it inherits.
pub(super) struct Operation<'a> {
    pub(super) root: &'a Value,
    /// `GET /pets/{id}`, or the name of a webhook.
    pub(super) title: String,
    /// Path item: parameters and description that apply to all operations of the path.
    pub(super) path_item: &'a Value,
    pub(super) node: &'a Value,
}

impl Operation<'_> {
    /// Returns the whole operation as Markdown, beginning with its heading.
    pub(super) fn markdown(&self) -> String {
        let mut parts = vec![format!("### {}", one_line(&self.title))];
        let summary = one_line(self.text("summary"));
        if !summary.is_empty() {
            parts.push(summary);
        }
        if self.node.get("deprecated").is_true() {
            parts.push("**Deprecated.**".to_owned());
        }
        let description = self.text("description").trim();
        if !description.is_empty() {
            parts.push(inner_headings(description));
        }
        let identifier = self.node.get("operationId").text();
        if !identifier.is_empty() {
            parts.push(format!("Operation: `{}`", one_line(identifier)));
        }
        let parameters = self.parameters();
        self.push_parameters(&parameters, &mut parts);
        self.push_body(&parameters, &mut parts);
        self.push_responses(&mut parts);
        self.push_security(&mut parts);
        let docs_url = self.node.get("externalDocs").get("url").text();
        if !docs_url.is_empty() {
            parts.push(format!("See also: <{}>", one_line(docs_url)));
        }
        parts.join("\n\n")
    }

    /// Returns the text of a key of the operation, else of the path item.
    fn text(&self, key: &str) -> &str {
        let own = self.node.get(key).text();
        if own.is_empty() { self.path_item.get(key).text() } else { own }
    }

    /// Returns the parameters of path item and operation; those of the operation override ones of the same name.
    fn parameters(&self) -> Vec<&Value> {
        let mut parameters: Vec<&Value> = Vec::new();
        for node in [self.path_item, self.node] {
            for parameter in node.get("parameters").items().iter().take(MAX_ROWS) {
                let parameter = parameter.resolve(self.root);
                let is_same = |other: &&Value| -> bool {
                    other.get("name") == parameter.get("name") && other.get("in") == parameter.get("in")
                };
                match parameters.iter().position(is_same) {
                    Some(position) if !parameter.get("name").is_null() => parameters[position] = parameter,
                    _ => parameters.push(parameter),
                }
            }
        }
        parameters
    }

    fn push_parameters(&self, parameters: &[&Value], parts: &mut Vec<String>) {
        let mut rows = vec![row(&["Name", "In", "Type", "Required", "Description"])];
        for parameter in parameters {
            let location = parameter.get("in").text();
            if location == "body" || location == "formData" {
                continue;
            }
            let reference = parameter.get("$ref").text();
            let name = if reference.is_empty() { parameter.get("name").text() } else { reference };
            let schema = self.parameter_schema(parameter);
            let description = match parameter.get("description").text() {
                "" => schema.get("description").text(),
                description => description,
            };
            let mut details = details(schema, description);
            if parameter.get("deprecated").is_true() && !schema.get("deprecated").is_true() {
                details = format!("Deprecated. {details}");
            }
            rows.push(vec![
                format!("`{}`", one_line(name)),
                location.to_owned(),
                type_text(parameter_type(parameter)),
                yes_or_empty(parameter.get("required").is_true()),
                details,
            ]);
        }
        push_table("**Parameters**", &rows, parts);
    }

    /// Returns the value that has the type of a parameter, with references resolved.
    fn parameter_schema<'a>(&'a self, parameter: &'a Value) -> &'a Value {
        parameter_type(parameter).resolve(self.root)
    }

    fn push_body(&self, parameters: &[&Value], parts: &mut Vec<String>) {
        let body = self.node.get("requestBody").resolve(self.root);
        for (media, content) in body.get("content").entries() {
            let required = if body.get("required").is_true() { " (required)" } else { "" };
            Self::push_body_schema(
                media,
                required,
                body.get("description").text(),
                content.get("schema"),
                parts,
            );
        }
        let located_in = |location: &'static str| {
            parameters.iter().filter(move |parameter| parameter.get("in").text() == location)
        };
        let media = match self.node.get("consumes").texts() {
            own if own.is_empty() => self.root.get("consumes").texts(),
            own => own,
        };
        for parameter in located_in("body") {
            let required = if parameter.get("required").is_true() { " (required)" } else { "" };
            let description = parameter.get("description").text();
            Self::push_body_schema(
                &media.join("`, `"),
                required,
                description,
                parameter.get("schema"),
                parts,
            );
        }
        let mut rows = vec![row(&["Field", "Type", "Required", "Description"])];
        for parameter in located_in("formData") {
            rows.push(vec![
                format!("`{}`", one_line(parameter.get("name").text())),
                type_text(parameter),
                yes_or_empty(parameter.get("required").is_true()),
                details(parameter, parameter.get("description").text()),
            ]);
        }
        let media = if media.is_empty() { String::new() } else { format!(": `{}`", media.join("`, `")) };
        push_table(&format!("**Form data**{media}"), &rows, parts);
    }

    fn push_body_schema(
        media: &str,
        required: &str,
        description: &str,
        schema: &Value,
        parts: &mut Vec<String>,
    ) {
        let media = if media.is_empty() { String::new() } else { format!(" `{media}`") };
        let mut line = format!("**Request body**{required}:{media}");
        if !schema.is_null() {
            line.push(' ');
            line.push_str(&type_text(schema));
        }
        parts.push(line);
        let details = details(schema, description);
        if !details.is_empty() {
            parts.push(details);
        }
        let mut rows = vec![row(&["Field", "Type", "Required", "Description"])];
        rows.extend(field_rows(schema));
        push_table("", &rows, parts);
    }

    fn push_responses(&self, parts: &mut Vec<String>) {
        let mut rows = vec![row(&["Status", "Description", "Content", "Schema"])];
        let mut field_tables = Vec::new();
        let produces = match self.node.get("produces").texts() {
            own if own.is_empty() => self.root.get("produces").texts(),
            own => own,
        };
        for (status, response) in self.node.get("responses").entries().iter().take(MAX_ROWS) {
            if status.starts_with("x-") {
                continue;
            }
            let response = response.resolve(self.root);
            let mut media: Vec<&str> = Vec::new();
            let mut types: Vec<String> = Vec::new();
            let contents = response.get("content").entries();
            let schemas = contents.iter().map(|(media, content)| (media.as_str(), content.get("schema")));
            let own = Some(("", response.get("schema"))).filter(|(_, schema)| !schema.is_null());
            for (name, schema) in schemas.chain(own) {
                if name.is_empty() {
                    media.extend(&produces);
                } else {
                    media.push(name);
                }
                let type_text = if schema.is_null() { String::new() } else { type_text(schema) };
                if !type_text.is_empty() && !types.contains(&type_text) {
                    let fields = field_rows(schema);
                    if !fields.is_empty() {
                        field_tables.push((status.as_str(), fields));
                    }
                    types.push(type_text);
                }
            }
            let media: Vec<String> = media.iter().map(|name| format!("`{}`", one_line(name))).collect();
            rows.push(vec![
                format!("`{}`", one_line(status)),
                one_line(response.get("description").text()),
                media.join(", "),
                types.join(" or "),
            ]);
        }
        push_table("**Responses**", &rows, parts);
        for (status, fields) in field_tables {
            let mut rows = vec![row(&["Field", "Type", "Required", "Description"])];
            rows.extend(fields);
            push_table(&format!("**Fields of `{}`**", one_line(status)), &rows, parts);
        }
    }

    fn push_security(&self, parts: &mut Vec<String>) {
        let own = self.node.get("security");
        let security = if own.is_null() { self.root.get("security") } else { own };
        if let Some(schemes) = security_text(security) {
            parts.push(format!("Security: {schemes}"));
        }
    }
}

/// Returns the security schemes that an operation requires: "`token` (read, write) or none".
pub(super) fn security_text(security: &Value) -> Option<String> {
    let Value::List(alternatives) = security else { return None };
    let alternatives: Vec<String> = alternatives
        .iter()
        .map(|alternative| {
            let schemes: Vec<String> = alternative
                .entries()
                .iter()
                .map(|(name, scopes)| match scopes.texts() {
                    scopes if scopes.is_empty() => format!("`{name}`"),
                    scopes => format!("`{name}` ({})", scopes.join(", ")),
                })
                .collect();
            if schemes.is_empty() { "none".to_owned() } else { schemes.join(" and ") }
        })
        .collect();
    Some(if alternatives.is_empty() { "none".to_owned() } else { alternatives.join(" or ") })
}

/// Turns the headings of a description into bold lines: an operation is one passage and has one heading.
pub(super) fn inner_headings(description: &str) -> String {
    let mut is_fenced = false;
    let lines: Vec<String> = description
        .lines()
        .map(|line| {
            is_fenced ^= line.trim_start().starts_with("```");
            let title = line.trim_start_matches('#');
            if !is_fenced
                && title.len() < line.len()
                && title.starts_with(' ')
                && line.len() - title.len() <= 6
            {
                format!("**{}**", title.trim().trim_matches('*'))
            } else {
                line.trim_end().to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

/// Appends a table under a title, unless it has no rows below the header.
pub(super) fn push_table(title: &str, rows: &[Vec<String>], parts: &mut Vec<String>) {
    if rows.len() > 1 {
        if !title.is_empty() {
            parts.push(title.to_owned());
        }
        parts.push(table_markdown(rows));
    }
}

/// Returns a table row of these cells.
pub(super) fn row(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Returns the value that has the type of a parameter: its schema, the schema of its only media type, or (Swagger 2)
/// itself.
fn parameter_type(parameter: &Value) -> &Value {
    let schema = parameter.get("schema");
    if !schema.is_null() {
        return schema;
    }
    parameter.get("content").entries().first().map_or(parameter, |(_, content)| content.get("schema"))
}

fn yes_or_empty(yes: bool) -> String {
    if yes { "yes".to_owned() } else { String::new() }
}
