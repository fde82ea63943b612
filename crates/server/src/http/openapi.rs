//! Completion of the OpenAPI document: what holds for every operation is added here, so that no handler can forget it.

use std::collections::BTreeSet;

use utoipa::PartialSchema as _;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Server};

use super::idempotency::IdempotencyKey;
use super::problem::Formats;

/// Adds what holds for every operation.
pub(crate) fn complete(description: &mut OpenApi, formats: Formats) {
    let components = description.components.get_or_insert_default();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key (`wy_…`) or the access token of a session. Without one, only public libraries are visible.",
        ))
        .build();
    components.add_security_scheme("key", SecurityScheme::Http(key));
    // A key or nothing: each operation decides what is visible to anonymous callers.
    description.security =
        Some(vec![SecurityRequirement::new("key", [""; 0]), SecurityRequirement::default()]);
    description.servers = Some(vec![Server::new("/")]);
    let mut names = BTreeSet::new();
    for (path, item) in &mut description.paths.paths {
        let failure = failure(formats, path);
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
            (HttpMethod::Patch, &mut item.patch),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            name(operation, path, &mut names);
            let is_repeatable = method == HttpMethod::Post && path.starts_with("/api/v1/");
            if is_repeatable && !accepts_form(operation) {
                operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
                add_failure(operation, "422", &failure);
            }
            describe_failures(operation, &method, path, &failure);
            describe_statuses(operation, &failure);
        }
    }
}

/// Returns the response of a failed request in the format of its API.
fn failure(formats: Formats, path: &str) -> Response {
    let (content_type, schema) = match formats.at(path).and_then(|format| format.schema) {
        None => ("application/problem+json", "Problem"),
        Some(schema) => ("application/json", schema),
    };
    ResponseBuilder::new().content(content_type, Content::new(Some(Ref::from_schema_name(schema)))).build()
}

/// Makes operation ids unique across files: `libraries_list`. On a clash the last path segment is appended:
/// `libraries_list_grants`.
fn name(operation: &mut Operation, path: &str, names: &mut BTreeSet<String>) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(id)) = (tag, &mut operation.operation_id) {
        *id = format!("{}_{id}", tag.replace('-', "_"));
        if names.contains(id) {
            let of = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
            *id = format!("{id}_{}", of.replace('-', "_"));
        }
        names.insert(id.clone());
    }
}

/// Whether the request body is a form: uploads take no `Idempotency-Key`.
fn accepts_form(operation: &Operation) -> bool {
    match &operation.request_body {
        Some(RefOr::T(body)) => {
            body.content.keys().any(|content_type| content_type.starts_with("multipart/"))
        }
        _ => false,
    }
}

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Repeat a request with the same key: it is executed once, and its response is replayed for a day.",
        ))
        .schema(Some(IdempotencyKey::schema()))
        .build()
}

/// Adds the failures that follow from the parts of an operation.
fn describe_failures(operation: &mut Operation, method: &HttpMethod, path: &str, failure: &Response) {
    let is_conditional = operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"));
    let has_body = operation.request_body.is_some();
    let has_json = has_body && !accepts_form(operation);
    let statuses = [
        // Every operation: a key can be malformed, the credential unknown, the host refused.
        ("400", true),
        ("401", true),
        ("403", true),
        ("404", path.contains('{')),
        ("409", *method != HttpMethod::Get),
        ("412", is_conditional),
        ("413", has_body),
        ("415", has_json),
        ("428", is_conditional),
        ("429", true),
        ("500", true),
        ("503", true),
    ];
    for (status, _) in statuses.into_iter().filter(|(_, occurs)| *occurs) {
        add_failure(operation, status, failure);
    }
}

fn add_failure(operation: &mut Operation, status: &str, failure: &Response) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(failure.clone()));
}

/// Adds reason phrases, and the body of failures that handlers name by their status alone.
fn describe_statuses(operation: &mut Operation, failure: &Response) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let is_failure = status.starts_with('4') || status.starts_with('5');
        if is_failure && response.content.is_empty() {
            response.content.clone_from(&failure.content);
        }
        if response.description.is_empty() {
            let status =
                status.parse().ok().and_then(|code: u16| axum::http::StatusCode::from_u16(code).ok());
            status
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Response")
                .clone_into(&mut response.description);
        }
    }
}
