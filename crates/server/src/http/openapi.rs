//! Completion of the OpenAPI document: what holds for every operation is added here, so that no handler can forget it.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Server,
};

use super::problem::Formats;

/// Adds what holds for every operation.
pub(crate) fn complete(description: &mut OpenApi, formats: Formats) {
    let components = description.components.get_or_insert_default();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key (`wy_…`) or a session's access token. Without one only public libraries are seen.",
        ))
        .build();
    components.add_security_scheme("key", SecurityScheme::Http(key));
    // A key or nothing: each operation decides what anonymous callers see.
    description.security =
        Some(vec![SecurityRequirement::new("key", [""; 0]), SecurityRequirement::default()]);
    description.servers = Some(vec![Server::new("/")]);
    let mut names = BTreeSet::new();
    for (path, item) in &mut description.paths.paths {
        let failure = failure(formats, path);
        if let Some(operation) = item.post.as_mut().filter(|_| path.starts_with("/api/v1/")) {
            describe_idempotency(operation, &failure);
        }
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            name(operation, path, &mut names);
            if path.contains('{') {
                refuses(operation, "404", &failure, "Not Found");
            }
            describe_responses(operation, &failure);
        }
    }
}

fn failure(formats: Formats, path: &str) -> Response {
    let (words, content_type, schema) = match formats.at(path).and_then(|format| format.described_as) {
        None => ("Problem details (RFC 9457)", "application/problem+json", "Problem"),
        Some((words, schema)) => (words, "application/json", schema),
    };
    ResponseBuilder::new()
        .description(words)
        .content(content_type, Content::new(Some(Ref::from_schema_name(schema))))
        .build()
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

/// Adds an error response.
fn refuses(operation: &mut Operation, status: &str, problem: &Response, words: &str) {
    let mut response = problem.clone();
    words.clone_into(&mut response.description);
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

/// Adds `Idempotency-Key` to every POST except uploads, which need none.
fn describe_idempotency(operation: &mut Operation, problem: &Response) {
    if let Some(RefOr::T(body)) = &operation.request_body
        && body.content.keys().any(|kind| kind.starts_with("multipart/"))
    {
        return;
    }
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[!-~]+$"))
        .build();
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Repeat a request with the same key: it is executed once, and its response is replayed for a day.",
        ))
        .schema(Some(key))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
    let busy = "Conflict, or the same request is in progress";
    refuses(operation, "409", problem, busy);
    refuses(operation, "422", problem, "Idempotency-Key used for another request");
}

fn describe_responses(operation: &mut Operation, failure: &Response) {
    let is_for_a_state = operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"));
    if is_for_a_state {
        refuses(operation, "412", failure, "Precondition Failed");
        refuses(operation, "428", failure, "Precondition Required");
    }
    refuses(operation, "401", failure, "Unauthorized");
    refuses(operation, "403", failure, "Forbidden");
    refuses(operation, "429", failure, "Too Many Requests");
    let responses = &mut operation.responses.responses;
    for (status, response) in &mut *responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let words = match status.as_str() {
                "200" => "OK",
                "201" => "Created",
                "202" => "Accepted",
                "204" => "No Content",
                "302" => "Found",
                "304" => "Not Modified",
                _ => "As the status says",
            };
            words.clone_into(&mut response.description);
        }
    }
    for status in ["4XX", "5XX"] {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(failure.clone()));
    }
}
