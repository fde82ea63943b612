//! Operation of an API as Markdown: summary, description, parameters, request body, responses, callbacks, security.

use crate::builder::one_line;

use super::constraints::{code, details, external_docs};
use super::introduction::{security_text, server_items};
use super::media::{
    external_reference, header_rows, parameter_details, push_encodings, push_examples, push_fields,
    push_headers, push_request_content,
};
use super::parts::{Parts, row, with_description, yes_or_empty};
use super::schema::{field_rows, type_text};
use super::value::Value;

/// HTTP methods of a path, in the order in which they are written.
const METHODS: [&str; 9] = ["get", "head", "post", "put", "patch", "delete", "options", "trace", "query"];

/// Maximum number of parameters or responses of one operation.
const MAX_ROWS: usize = 1_000;

/// Maximum nesting of callbacks within callbacks.
const MAX_CALLBACK_DEPTH: usize = 2;

/// An operation, with the path item from which it inherits.
pub(super) struct Operation<'a> {
    pub(super) root: &'a Value,
    /// `GET /pets/{id}`, or the name of a webhook.
    pub(super) title: String,
    /// Path item: parameters and description that apply to all operations of the path. Two, if one refers to another.
    pub(super) path_items: [&'a Value; 2],
    pub(super) node: &'a Value,
}

/// Returns the methods of a path item with their operations. `item` may be a reference with keys beside it.
pub(super) fn methods<'a>(root: &'a Value, item: &'a Value) -> (Vec<(String, &'a Value)>, [&'a Value; 2]) {
    let items = [item, item.resolve(root)];
    let mut methods: Vec<(String, &Value)> = Vec::new();
    let own = METHODS.iter().flat_map(|method| items.map(|item| (method.to_uppercase(), item.get(method))));
    let additional = items
        .iter()
        .flat_map(|item| item.get("additionalOperations").entries())
        .map(|(name, node)| (name.clone(), node));
    for (name, node) in own.chain(additional) {
        if !node.is_null() && !methods.iter().any(|(known, _)| *known == name) {
            methods.push((name, node.resolve(root)));
        }
    }
    (methods, items)
}

impl Operation<'_> {
    /// Returns the whole operation as Markdown, beginning with its heading.
    pub(super) fn markdown(&self) -> String {
        let mut parts = Parts::default();
        parts.push(format!("### {}", one_line(&self.title)));
        self.push_all(0, &mut parts);
        parts.markdown()
    }

    fn push_all(&self, depth: usize, parts: &mut Parts) {
        parts.push(one_line(self.text("summary")));
        if self.node.get("deprecated").is_true()
            || self.path_items.iter().any(|item| item.get("deprecated").is_true())
        {
            parts.push("**Deprecated.**");
        }
        parts.push_description(self.text("description"));
        let identifier = self.node.get("operationId").text();
        if !identifier.is_empty() {
            parts.push(format!("Operation: `{}`", one_line(identifier)));
        }
        let tags = self.node.get("tags").texts();
        if tags.len() > 1 {
            parts.push(format!("Tags: {}", one_line(&tags.join(", "))));
        }
        let parameters = self.parameters();
        self.push_parameters(&parameters, parts);
        self.push_body(&parameters, parts);
        self.push_responses(parts);
        self.push_callbacks(depth, parts);
        if depth == 0 || !self.node.get("security").is_null() {
            self.push_security(parts);
        }
        let mut servers: Vec<String> = Vec::new();
        for node in [self.node].iter().chain(&self.path_items) {
            servers.extend(server_items(node));
        }
        servers.dedup();
        if !servers.is_empty() {
            parts.push(format!("Servers:\n\n{}", servers.join("\n")));
        }
        parts.push(external_docs(self.node));
    }

    /// Returns the text of a key of the operation, else of the path item.
    fn text(&self, key: &str) -> &str {
        let own = self.node.get(key).text();
        let inherited = self.path_items.iter().map(|item| item.get(key).text());
        std::iter::once(own).chain(inherited).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Returns the parameters of path item and operation; those of the operation override ones of the same name.
    fn parameters(&self) -> Vec<&Value> {
        let mut parameters: Vec<&Value> = Vec::new();
        let [item, target] = self.path_items;
        let target = if std::ptr::eq(item, target) { &Value::Null } else { target };
        for node in [target, item, self.node] {
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

    fn push_parameters(&self, parameters: &[&Value], parts: &mut Parts) {
        let mut rows = vec![row(&["Name", "In", "Type", "Required", "Description"])];
        let mut objects = Vec::new();
        for parameter in parameters {
            let location = parameter.get("in").text();
            if location == "body" || location == "formData" {
                continue;
            }
            let reference = parameter.get("$ref").text();
            let name = if reference.is_empty() { parameter.get("name").text() } else { reference };
            let schema = parameter_type(parameter);
            rows.push(vec![
                format!("`{}`", one_line(name)),
                location.to_owned(),
                type_text(schema),
                yes_or_empty(parameter.get("required").is_true()),
                parameter_details(self.root, parameter, schema),
            ]);
            if schema.get("$ref").is_null() && !schema.get("properties").is_null() {
                objects.push((name, schema));
            }
        }
        parts.push_table("**Parameters**", &rows);
        for (name, schema) in objects {
            push_fields(&format!("**Fields of `{}`**", one_line(name)), schema, parts);
        }
    }

    fn push_body(&self, parameters: &[&Value], parts: &mut Parts) {
        let stated = self.node.get("requestBody");
        let body = stated.resolve(self.root);
        let required = if body.get("required").is_true() { " (required)" } else { "" };
        let description = match stated.get("description").text() {
            "" => body.get("description").text(),
            description => description,
        };
        for (number, (media, content)) in body.get("content").entries().iter().enumerate() {
            push_request_content(self.root, media, required, content.resolve(self.root), parts);
            if number == 0 {
                parts.push_description(description);
            }
        }
        if body.get("content").entries().is_empty() && !body.is_null() {
            parts.push(format!("**Request body**{required} {}", external_reference(body)));
            parts.push_description(description);
        }
        self.push_swagger_body(parameters, parts);
    }

    /// Appends the body as Swagger 2 has it: among the parameters.
    fn push_swagger_body(&self, parameters: &[&Value], parts: &mut Parts) {
        let located_in = |location: &'static str| {
            parameters.iter().filter(move |parameter| parameter.get("in").text() == location)
        };
        let media = match self.node.get("consumes").texts() {
            own if own.is_empty() => self.root.get("consumes").texts(),
            own => own,
        };
        for parameter in located_in("body") {
            let required = if parameter.get("required").is_true() { " (required)" } else { "" };
            push_request_content(self.root, &media.join("`, `"), required, parameter, parts);
            parts.push_description(parameter.get("description").text());
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
        parts.push_table(&format!("**Form data**{media}"), &rows);
    }

    fn push_responses(&self, parts: &mut Parts) {
        let mut rows = vec![row(&["Status", "Description", "Content", "Schema"])];
        let produces = match self.node.get("produces").texts() {
            own if own.is_empty() => self.root.get("produces").texts(),
            own => own,
        };
        let mut headers = Vec::new();
        let mut details = Parts::default();
        for (status, stated) in self.node.get("responses").entries().iter().take(MAX_ROWS) {
            if status.starts_with("x-") {
                continue;
            }
            let response = stated.resolve(self.root);
            let status = one_line(status);
            let contents = response_contents(self.root, response);
            let media = contents.iter().flat_map(|(name, _)| match *name {
                "" => produces.clone(),
                name => vec![name],
            });
            let media: Vec<String> = media.map(|name| format!("`{}`", one_line(name))).collect();
            let mut types: Vec<String> = Vec::new();
            for (_, content) in &contents {
                // Each item of a stream of OpenAPI 3.2 has a schema.
                for schema in [content.get("schema"), content.get("itemSchema")] {
                    let type_text = if schema.is_null() { String::new() } else { type_text(schema) };
                    if !type_text.is_empty() && !types.contains(&type_text) {
                        self.push_response_schema(&status, schema, &mut details);
                        types.push(type_text);
                    }
                }
            }
            rows.push(vec![
                format!("`{status}`"),
                response_description(stated, response),
                media.join(", "),
                types.join(" or "),
            ]);
            headers.extend(header_rows(self.root, &format!("`{status}` "), response));
            self.push_response_details(&status, response, &contents, &mut details);
            if details.is_full() {
                break;
            }
        }
        parts.push_table("**Responses**", &rows);
        push_headers("Response headers", headers, parts);
        parts.push(details.markdown());
    }

    fn push_response_schema(&self, status: &str, schema: &Value, parts: &mut Parts) {
        let is_array_of_references = !schema.get("items").get("$ref").is_null();
        if schema.get("$ref").is_null() && !is_array_of_references {
            let details = details(schema, schema.get("description").text());
            if !details.is_empty() {
                parts.push(format!("**`{status}`**: {details}"));
            }
        }
        if !field_rows(schema).is_empty() {
            push_fields(&format!("**Fields of `{status}`**"), schema, parts);
        }
    }

    /// Appends encodings, examples and links of a response.
    fn push_response_details(
        &self,
        status: &str,
        response: &Value,
        contents: &[(&str, &Value)],
        parts: &mut Parts,
    ) {
        for (media, content) in contents {
            push_encodings(self.root, content, parts);
            let media = if media.is_empty() { String::new() } else { format!(" (`{}`)", one_line(media)) };
            push_examples(self.root, content, &format!("Example of `{status}`{media}"), parts);
        }
        if contents.first().is_none_or(|(media, _)| !media.is_empty()) {
            push_examples(self.root, response, &format!("Example of `{status}`"), parts);
        }
        for (name, link) in response.get("links").entries().iter().take(MAX_ROWS) {
            let link = link.resolve(self.root);
            let target = match link.get("operationId").text() {
                "" => link.get("operationRef").text(),
                identifier => identifier,
            };
            let mut line = format!("Link `{}` of `{status}`", one_line(name));
            if !target.is_empty() {
                line.push_str(&format!(" to `{}`", one_line(target)));
            }
            let arguments: Vec<String> = link
                .get("parameters")
                .entries()
                .iter()
                .map(|(name, value)| format!("`{}`: {}", one_line(name), code(value)))
                .collect();
            if !arguments.is_empty() {
                line.push_str(&format!(" with {}", arguments.join(", ")));
            }
            if !link.get("requestBody").is_null() {
                line.push_str(&format!(", body {}", code(link.get("requestBody"))));
            }
            let reference = external_reference(link);
            parts.push(with_description(
                &line,
                if reference.is_empty() { link.get("description").text() } else { &reference },
            ));
        }
    }

    /// Appends the requests that the service sends in turn.
    fn push_callbacks(&self, depth: usize, parts: &mut Parts) {
        for (name, callback) in self.node.get("callbacks").entries().iter().take(MAX_ROWS) {
            let callback = callback.resolve(self.root);
            for (expression, item) in callback.entries() {
                if expression.starts_with("x-") || parts.is_full() {
                    continue;
                }
                if expression == "$ref" {
                    parts.push(format!(
                        "**Callback `{}`**: {}",
                        one_line(name),
                        external_reference(callback)
                    ));
                    continue;
                }
                let (methods, path_items) = methods(self.root, item);
                for (method, node) in methods {
                    let title =
                        format!("**Callback `{}`**: `{method} {}`", one_line(name), one_line(expression));
                    parts.push(title);
                    if depth < MAX_CALLBACK_DEPTH {
                        let title = String::new();
                        Operation { root: self.root, title, path_items, node }.push_all(depth + 1, parts);
                    }
                }
            }
        }
    }

    fn push_security(&self, parts: &mut Parts) {
        let own = self.node.get("security");
        let security = if own.is_null() { self.root.get("security") } else { own };
        if let Some(schemes) = security_text(security) {
            parts.push(format!("Security: {schemes}"));
        }
    }
}

/// Returns the contents of a response by media type; that of Swagger 2 has an empty one.
fn response_contents<'a>(root: &'a Value, response: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let contents = response.get("content").entries().iter();
    let mut contents: Vec<(&str, &Value)> =
        contents.map(|(media, content)| (media.as_str(), content.resolve(root))).collect();
    if !response.get("schema").is_null() {
        contents.push(("", response));
    }
    contents
}

/// Returns the description of a response; one beside a reference takes precedence.
fn response_description(stated: &Value, response: &Value) -> String {
    let texts = [stated.get("description"), response.get("description"), response.get("summary")];
    let text = texts.iter().map(|text| one_line(text.text())).find(|text| !text.is_empty());
    text.unwrap_or_else(|| external_reference(response))
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
