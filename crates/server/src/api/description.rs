//! The description of the API, made whole: what is said once here holds for every operation, so that no handler can
//! forget it. A public linter and schemathesis hold it to the OpenAPI specification and to what the server does.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Server};

/// Completes what the handlers say of themselves.
pub(crate) fn complete(description: &mut OpenApi) {
    let components = description.components.get_or_insert_default();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`wy_…`). Without one only public libraries are seen."))
        .build();
    components.add_security_scheme("key", SecurityScheme::Http(key));
    // A key, or nothing: what may then be seen is for each operation to say.
    description.security =
        Some(vec![SecurityRequirement::new("key", [""; 0]), SecurityRequirement::default()]);
    description.servers = Some(vec![Server::new("/")]);
    let problem = problem();
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            name(operation);
            describe_responses(operation, &problem);
        }
    }
}

fn problem() -> Response {
    ResponseBuilder::new()
        .description("What is wrong, as RFC 9457 problem details")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))))
        .build()
}

/// Handlers are named within their file, and a client's functions across all: `libraries_list`.
fn name(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(id)) = (tag, &mut operation.operation_id) {
        *id = format!("{tag}_{id}");
    }
}

fn describe_responses(operation: &mut Operation, problem: &Response) {
    let responses = &mut operation.responses.responses;
    for (status, response) in &mut *responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let words = match status.as_str() {
                "200" => "What was asked for",
                "201" => "It was made",
                "202" => "It was taken, and is being worked on",
                "204" => "It was done",
                "304" => "Nothing changed since",
                _ => "As the status says",
            };
            words.clone_into(&mut response.description);
        }
    }
    for status in ["4XX", "5XX"] {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem.clone()));
    }
}
