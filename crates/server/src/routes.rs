//! All HTTP APIs put together: their routes, their forms of errors, and the OpenAPI document.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::compat::{context7, llms, openai, perplexica};
use crate::http::problem::{Formats, ProblemBody};
use crate::http::router::{timeout, with_layers};
use crate::http::{AppState, guard, health, openapi};
use crate::{api, mcp, pages};

/// Forms of errors: RFC 9457 but for the APIs of other products, MCP, and browsers.
const FORMATS: Formats = Formats {
    apis: &[mcp::http::ERRORS, context7::ERRORS, openai::ERRORS, perplexica::ERRORS],
    page: pages::error_page,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wenyuan",
        description = "A technical library that a team and its agents share. Errors are RFC 9457 problem details \
                       with the id of the request; lists have a cursor for more.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    // Their paths end with a wildcard, which OpenAPI cannot express.
    paths(llms::document, openai::model),
    components(schemas(ProblemBody, context7::Failure<'_>, openai::Failure)),
    tags(
        (name = "search", description = "Find passages"),
        (name = "libraries", description = "Libraries and their versions"),
        (name = "documents", description = "Documents, their revisions and their text"),
        (name = "reading", description = "Lists and texts at addresses that agents read: llms.txt and Markdown"),
        (name = "context7", description = "What the clients of Context7 ask for; failures have its form"),
        (name = "chats", description = "One's own questions and answers; asking"),
        (name = "openai", description = "The library as a language model, for clients of OpenAI; failures have its form"),
        (name = "perplexica", description = "What the clients of Perplexica ask for; failures have its form"),
        (name = "session", description = "Signing in and out, passwords, who one is"),
        (name = "users", description = "Accounts"),
        (name = "keys", description = "Keys for agents and scripts"),
        (name = "language-models", description = "OpenAI-compatible endpoints that answer"),
        (name = "mcp-servers", description = "MCP servers of others that this library may use"),
        (name = "worklist", description = "What a library's owners should look at"),
        (name = "operation", description = "What the system does"),
    ),
)]
struct Description;

fn described() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(api::routes())
        .merge(context7::routes())
        .merge(llms::routes())
        .merge(openai::routes())
        .merge(perplexica::routes())
}

/// Returns the OpenAPI 3.1 document.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut description = described().to_openapi();
    openapi::complete(&mut description, FORMATS);
    description
}

/// Returns the router of the server.
pub(crate) fn router(state: AppState, names: Arc<guard::Names>) -> Router {
    let (routes, _) = described().split_for_parts();
    // Rendered once: it does not change while the program runs.
    let description: Arc<str> = description().to_json().unwrap_or_default().into();
    let programs = routes
        .route("/l/{library}/{version}/{*path}", get(document))
        .merge(health::routes())
        .route(
            "/api/openapi.json",
            get(move || {
                let description = Arc::clone(&description);
                async move { ([("content-type", "application/json")], description.to_string()) }
            }),
        )
        .route("/mcp", mcp::http::route(state.app.clone()).layer(timeout()));
    with_layers(programs, pages::router(), state, names, FORMATS)
}

/// A document at its address: a page for browsers, its text for other clients.
async fn document(State(state): State<AppState>, request: Request) -> Response {
    if pages::document::is_for_page(request.headers()) {
        pages::document::show.call(request, state).await
    } else {
        llms::document.call(request, state).await
    }
}
