//! One operation as Markdown: what it does, its parameters, its body, its answers.

use crate::builder::{one_line, table_markdown};

use super::schema::{details, fields, kind};
use super::value::Node;

/// The verbs that a path may answer, in the order they are shown.
pub(super) const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// Parameters or responses of one operation.
const ROWS: usize = 1_000;

/// An operation with what it inherits.
pub(super) struct Operation<'a> {
    pub(super) root: &'a Node,
    /// `GET /pets/{id}`, or the event of a webhook.
    pub(super) title: String,
    /// What is said of every operation on the path: parameters, a description.
    pub(super) path: &'a Node,
    pub(super) node: &'a Node,
}

impl Operation<'_> {
    /// The whole operation as Markdown, beginning with its heading.
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
        self.parameter_table(&parameters, &mut parts);
        self.body(&parameters, &mut parts);
        self.responses(&mut parts);
        self.security(&mut parts);
        let more = self.node.get("externalDocs").get("url").text();
        if !more.is_empty() {
            parts.push(format!("See also: <{}>", one_line(more)));
        }
        parts.join("\n\n")
    }

    fn text(&self, key: &str) -> &str {
        let own = self.node.get(key).text();
        if own.is_empty() { self.path.get(key).text() } else { own }
    }

    /// The path's parameters and the operation's own, which take the place of those with the same name.
    fn parameters(&self) -> Vec<&Node> {
        let mut parameters: Vec<&Node> = Vec::new();
        for node in [self.path, self.node] {
            for parameter in node.get("parameters").items().iter().take(ROWS) {
                let parameter = parameter.resolve(self.root);
                let same = |other: &&Node| -> bool {
                    other.get("name") == parameter.get("name") && other.get("in") == parameter.get("in")
                };
                match parameters.iter().position(same) {
                    Some(position) if !parameter.get("name").is_null() => parameters[position] = parameter,
                    _ => parameters.push(parameter),
                }
            }
        }
        parameters
    }

    fn parameter_table(&self, parameters: &[&Node], parts: &mut Vec<String>) {
        let mut rows = vec![header(&["Name", "In", "Type", "Required", "Description"])];
        for parameter in parameters {
            let place = parameter.get("in").text();
            if place == "body" || place == "formData" {
                continue;
            }
            let reference = parameter.get("$ref").text();
            let name = if reference.is_empty() { parameter.get("name").text() } else { reference };
            let schema = self.parameter_schema(parameter);
            let description = match parameter.get("description").text() {
                "" => schema.get("description").text(),
                description => description,
            };
            let mut words = details(schema, description);
            if parameter.get("deprecated").is_true() && !schema.get("deprecated").is_true() {
                words = format!("Deprecated. {words}");
            }
            rows.push(vec![
                format!("`{}`", one_line(name)),
                place.to_owned(),
                kind(parameter_type(parameter)),
                yes(parameter.get("required").is_true()),
                words,
            ]);
        }
        push_table("**Parameters**", &rows, parts);
    }

    /// Where a parameter's type is said: in a schema, in the schema of its only media type, or (Swagger 2) in itself.
    fn parameter_schema<'a>(&'a self, parameter: &'a Node) -> &'a Node {
        parameter_type(parameter).resolve(self.root)
    }

    fn body(&self, parameters: &[&Node], parts: &mut Vec<String>) {
        let body = self.node.get("requestBody").resolve(self.root);
        for (media, content) in body.get("content").entries() {
            let required = if body.get("required").is_true() { " (required)" } else { "" };
            Self::body_of(media, required, body.get("description").text(), content.get("schema"), parts);
        }
        let place = |wanted: &'static str| {
            parameters.iter().filter(move |parameter| parameter.get("in").text() == wanted)
        };
        let media = match self.node.get("consumes").texts() {
            own if own.is_empty() => self.root.get("consumes").texts(),
            own => own,
        };
        for parameter in place("body") {
            let required = if parameter.get("required").is_true() { " (required)" } else { "" };
            let description = parameter.get("description").text();
            Self::body_of(&media.join("`, `"), required, description, parameter.get("schema"), parts);
        }
        let mut rows = vec![header(&["Field", "Type", "Required", "Description"])];
        for parameter in place("formData") {
            rows.push(vec![
                format!("`{}`", one_line(parameter.get("name").text())),
                kind(parameter),
                yes(parameter.get("required").is_true()),
                details(parameter, parameter.get("description").text()),
            ]);
        }
        let media = if media.is_empty() { String::new() } else { format!(": `{}`", media.join("`, `")) };
        push_table(&format!("**Form data**{media}"), &rows, parts);
    }

    fn body_of(media: &str, required: &str, description: &str, schema: &Node, parts: &mut Vec<String>) {
        let media = if media.is_empty() { String::new() } else { format!(" `{media}`") };
        let mut line = format!("**Request body**{required}:{media}");
        if !schema.is_null() {
            line.push(' ');
            line.push_str(&kind(schema));
        }
        parts.push(line);
        let words = details(schema, description);
        if !words.is_empty() {
            parts.push(words);
        }
        let mut rows = vec![header(&["Field", "Type", "Required", "Description"])];
        rows.extend(fields(schema));
        push_table("", &rows, parts);
    }

    fn responses(&self, parts: &mut Vec<String>) {
        let mut rows = vec![header(&["Status", "Description", "Content", "Schema"])];
        let mut spelled = Vec::new();
        let produces = match self.node.get("produces").texts() {
            own if own.is_empty() => self.root.get("produces").texts(),
            own => own,
        };
        for (status, response) in self.node.get("responses").entries().iter().take(ROWS) {
            if status.starts_with("x-") {
                continue;
            }
            let response = response.resolve(self.root);
            let mut media: Vec<&str> = Vec::new();
            let mut kinds: Vec<String> = Vec::new();
            let contents = response.get("content").entries();
            let schemas = contents.iter().map(|(media, content)| (media.as_str(), content.get("schema")));
            let own = Some(("", response.get("schema"))).filter(|(_, schema)| !schema.is_null());
            for (name, schema) in schemas.chain(own) {
                if name.is_empty() {
                    media.extend(&produces);
                } else {
                    media.push(name);
                }
                let kind = if schema.is_null() { String::new() } else { kind(schema) };
                if !kind.is_empty() && !kinds.contains(&kind) {
                    let inner = fields(schema);
                    if !inner.is_empty() {
                        spelled.push((status.as_str(), inner));
                    }
                    kinds.push(kind);
                }
            }
            let media: Vec<String> = media.iter().map(|name| format!("`{}`", one_line(name))).collect();
            rows.push(vec![
                format!("`{}`", one_line(status)),
                one_line(response.get("description").text()),
                media.join(", "),
                kinds.join(" or "),
            ]);
        }
        push_table("**Responses**", &rows, parts);
        for (status, fields) in spelled {
            let mut rows = vec![header(&["Field", "Type", "Required", "Description"])];
            rows.extend(fields);
            push_table(&format!("**Fields of `{}`**", one_line(status)), &rows, parts);
        }
    }

    fn security(&self, parts: &mut Vec<String>) {
        let own = self.node.get("security");
        let security = if own.is_null() { self.root.get("security") } else { own };
        if let Some(words) = security_text(security) {
            parts.push(format!("Security: {words}"));
        }
    }
}

/// Which schemes an operation asks for: "`token` (read, write) or none".
pub(super) fn security_text(security: &Node) -> Option<String> {
    let Node::List(choices) = security else { return None };
    let choices: Vec<String> = choices
        .iter()
        .map(|choice| {
            let schemes: Vec<String> = choice
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
    Some(if choices.is_empty() { "none".to_owned() } else { choices.join(" or ") })
}

/// A description's own headings as bold lines: an operation is one passage and has one heading.
pub(super) fn inner_headings(description: &str) -> String {
    let mut fenced = false;
    let lines: Vec<String> = description
        .lines()
        .map(|line| {
            fenced ^= line.trim_start().starts_with("```");
            let title = line.trim_start_matches('#');
            if !fenced && title.len() < line.len() && title.starts_with(' ') && line.len() - title.len() <= 6
            {
                format!("**{}**", title.trim().trim_matches('*'))
            } else {
                line.trim_end().to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

/// Adds a table under a line of its own, unless it has nothing but its header.
pub(super) fn push_table(title: &str, rows: &[Vec<String>], parts: &mut Vec<String>) {
    if rows.len() > 1 {
        if !title.is_empty() {
            parts.push(title.to_owned());
        }
        parts.push(table_markdown(rows));
    }
}

pub(super) fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn parameter_type(parameter: &Node) -> &Node {
    let schema = parameter.get("schema");
    if !schema.is_null() {
        return schema;
    }
    parameter.get("content").entries().first().map_or(parameter, |(_, content)| content.get("schema"))
}

fn yes(yes: bool) -> String {
    if yes { "yes".to_owned() } else { String::new() }
}
