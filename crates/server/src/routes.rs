//! All HTTP APIs together: their routes, their formats of errors, and the OpenAPI document.

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
use crate::{api, graphql, mcp, pages};

/// Formats of errors: RFC 9457 except for the APIs of other products, MCP, and browsers.
const FORMATS: Formats = Formats {
    apis: &[mcp::http::ERRORS, graphql::http::ERRORS, context7::ERRORS, openai::ERRORS, perplexica::ERRORS],
    page: pages::error_page,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wenyuan",
        description = "Technical library for teams and their agents. Errors are problem details (RFC 9457) with the id of \
                       the request; long lists are paged by cursors.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    // Their paths end with a wildcard, which OpenAPI cannot express.
    paths(llms::document, openai::model),
    components(schemas(ProblemBody, context7::Failure<'_>, openai::Failure)),
    tags(
        (name = "search", description = "Search for passages"),
        (name = "libraries", description = "Libraries and their versions"),
        (name = "documents", description = "Documents, their revisions and text"),
        (name = "reading", description = "Lists and texts for agents: llms.txt and Markdown"),
        (name = "context7", description = "API of Context7, with its format of errors"),
        (name = "chats", description = "The caller's questions and answers"),
        (name = "community", description = "Posts, comments, likes, follows, conversations and notifications"),
        (name = "openai", description = "The library as a language model: API of OpenAI, with its format of errors"),
        (name = "perplexica", description = "API of Perplexica, with its format of errors"),
        (name = "session", description = "Sign-in, sessions and passwords"),
        (name = "users", description = "User accounts"),
        (name = "keys", description = "API keys for agents and scripts"),
        (name = "language-models", description = "Language models: OpenAI-compatible endpoints"),
        (name = "search-endpoints", description = "Embedding and re-ranking endpoints"),
        (name = "mcp-servers", description = "External MCP servers"),
        (name = "worklist", description = "Work for the owners of libraries"),
        (name = "operation", description = "Jobs and schedules"),
    ),
)]
struct Description;

fn documented_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(api::routes())
        .merge(context7::routes())
        .merge(llms::routes())
        .merge(openai::routes())
        .merge(perplexica::routes())
}

/// Returns the OpenAPI 3.1 document.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut description = documented_routes().to_openapi();
    openapi::complete(&mut description, FORMATS);
    description
}

/// Returns the router of the server.
pub(crate) fn router(state: AppState, names: Arc<guard::Names>) -> Router {
    let (routes, _) = documented_routes().split_for_parts();
    // Rendered once: it is constant.
    let description: Arc<str> = description().to_json().unwrap_or_default().into();
    let programs = routes
        .route("/l/{library}", get(library))
        .route("/l/{library}/{version}", get(version))
        .route("/l/{library}/{version}/{*path}", get(document))
        .merge(health::routes())
        .route(
            "/api/openapi.json",
            get(move || {
                let description = Arc::clone(&description);
                async move { ([("content-type", "application/json")], description.to_string()) }
            }),
        )
        .route("/graphql", graphql::http::route(&state.app.settings.graphql).layer(timeout()))
        .route("/mcp", mcp::http::route(state.app.clone()).layer(timeout()));
    with_layers(programs, pages::router(), state, names, FORMATS)
}

/// Returns a library at its address: a page for browsers, its versions as llms.txt for other clients.
async fn library(State(state): State<AppState>, request: Request) -> Response {
    if pages::document::is_for_page(request.headers()) {
        pages::libraries::show.call(request, state).await
    } else {
        llms::of_library.call(request, state).await
    }
}

/// Returns a version at its address: a page for browsers, its documents as llms.txt for other clients.
async fn version(State(state): State<AppState>, request: Request) -> Response {
    if pages::document::is_for_page(request.headers()) {
        pages::libraries::version::show.call(request, state).await
    } else {
        llms::of_version.call(request, state).await
    }
}

/// Returns a document at its address: a page for browsers, its text for other clients.
async fn document(State(state): State<AppState>, request: Request) -> Response {
    if pages::document::is_for_page(request.headers()) {
        pages::document::show.call(request, state).await
    } else {
        llms::document.call(request, state).await
    }
}
