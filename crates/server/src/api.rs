//! The HTTP door: `/api/v1`, its description, the addresses of others' clients, health and metrics.

pub(crate) mod accept;
pub(crate) mod archives;
mod ask;
pub(crate) mod authenticate;
pub(crate) mod chat_files;
mod chats;
pub(crate) mod client;
mod context7;
mod description;
pub(crate) mod documents;
pub(crate) mod etag;
pub(crate) mod grants;
pub(crate) mod guard;
mod health;
mod idempotency;
pub(crate) mod input;
mod jobs;
pub(crate) mod keys;
pub(crate) mod language_models;
mod libraries;
mod limits;
mod llms;
mod mcp_servers;
mod observe;
mod paging;
mod perplexica;
pub(crate) mod portable;
pub(crate) mod problem;
mod scratch;
mod search;
pub(crate) mod session;
pub(crate) mod upload;
pub(crate) mod users;
mod worklist;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::openai;
use crate::pages;

/// How long an answer may take, uploads apart: what takes longer is a job.
pub(crate) const LONGEST_ANSWER: Duration = Duration::from_mins(1);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers are given.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) app: App,
    metrics: PrometheusHandle,
    limits: limits::Limits,
    /// Where people reach the server, without a slash at its end: links begin with it. Never taken from a request, in which
    /// anybody could write another.
    pub(crate) address: Arc<str>,
}

impl State {
    /// Whether somebody who forgot their password is sent a link.
    pub(crate) fn sends_mail(&self) -> bool {
        self.app.settings.mail().is_ok_and(|mail| mail.is_some())
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wenyuan",
        description = "A technical library that a team and its agents share. Errors are RFC 9457 problem details \
                       with the id of the request; lists have a cursor for more.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    // Their addresses end with a path of any length, which the description cannot say.
    paths(llms::document, openai::model),
    components(schemas(problem::ProblemBody, context7::Failure<'_>, openai::Failure)),
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

fn described() -> OpenApiRouter<State> {
    let tagged = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(search::passage))
        .routes(routes!(chat_files::list))
        .routes(routes!(worklist::list))
        .routes(routes!(worklist::changes))
        .routes(routes!(chat_files::show, chat_files::delete))
        .routes(routes!(chat_files::content))
        .routes(routes!(libraries::list))
        .routes(routes!(libraries::show, libraries::change, libraries::delete))
        .routes(routes!(libraries::versions))
        .routes(routes!(libraries::version, libraries::delete_version))
        .routes(routes!(libraries::activate))
        .routes(routes!(documents::list))
        .routes(routes!(documents::show, documents::delete))
        .routes(routes!(documents::revisions))
        .routes(routes!(documents::revision))
        .routes(routes!(documents::content))
        .routes(routes!(documents::activate))
        .routes(routes!(documents::diff))
        .routes(routes!(documents::metadata, documents::patch_metadata))
        .routes(routes!(llms::root))
        .routes(routes!(llms::of_library))
        .routes(routes!(llms::of_version))
        .routes(routes!(llms::full))
        .route("/l/{library}/{version}/{*path}", get(llms::document))
        .routes(routes!(grants::list))
        .routes(routes!(grants::set, grants::remove))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(session::list_of_user, session::end_all_of_user))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::change, keys::delete))
        .routes(routes!(mcp_servers::list, mcp_servers::create))
        .routes(routes!(mcp_servers::show, mcp_servers::change, mcp_servers::delete))
        .routes(routes!(mcp_servers::test))
        .routes(routes!(chats::list, chats::create))
        .routes(routes!(chats::show, chats::change, chats::delete))
        .routes(routes!(chats::message))
        .routes(routes!(mcp_servers::choices))
        .routes(routes!(language_models::list, language_models::create))
        .routes(routes!(language_models::choices))
        .routes(routes!(language_models::show, language_models::change, language_models::delete))
        .routes(routes!(language_models::test))
        .routes(routes!(portable::one))
        .routes(routes!(portable::list_shares, portable::share))
        // A search is asked anew each time: its answer says how far behind the index is.
        .layer(from_fn(etag::tag));
    let quick = tagged
        .routes(routes!(search::search))
        .routes(routes!(context7::search))
        .routes(routes!(context7::context))
        .routes(routes!(openai::models))
        .route("/v1/models/{*id}", get(openai::model))
        .routes(routes!(jobs::list))
        .routes(routes!(perplexica::list))
        .routes(routes!(perplexica::show, perplexica::delete))
        .routes(routes!(perplexica::models))
        .routes(routes!(perplexica::providers))
        .routes(routes!(chats::restore))
        .routes(routes!(portable::revoke))
        .routes(routes!(portable::export_all))
        .routes(routes!(chats::judge, chats::unjudge))
        .routes(routes!(chats::search))
        .routes(routes!(ask::stop))
        .routes(routes!(session::begin, session::show, session::end))
        .routes(routes!(session::renew))
        .routes(routes!(session::list, session::end_all))
        .routes(routes!(session::end_other))
        .routes(routes!(worklist::resolve))
        .routes(routes!(users::link))
        .routes(routes!(users::change_password))
        .routes(routes!(users::forgot))
        .routes(routes!(users::use_link))
        .routes(routes!(users::set_up))
        .layer(DefaultBodyLimit::max(1 << 20))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_ANSWER));
    // An upload takes as long as its bytes do, and an answer as long as its model: they have limits of their own.
    let slow = OpenApiRouter::new()
        .routes(routes!(chats::messages, ask::ask))
        .routes(routes!(ask::events))
        .routes(routes!(ask::ask_once))
        .routes(routes!(openai::complete))
        .routes(routes!(perplexica::ask))
        .routes(routes!(perplexica::reconnect))
        .routes(routes!(perplexica::search))
        .layer(DefaultBodyLimit::max(1 << 20));
    let large = OpenApiRouter::new()
        .routes(routes!(upload::add))
        .routes(routes!(archives::add))
        .routes(routes!(chat_files::attach))
        .routes(routes!(portable::import_all));
    quick.merge(slow).merge(large)
}

/// The description of the API, as OpenAPI 3.1.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut description = described().to_openapi();
    description::complete(&mut description);
    description
}

/// All routes.
pub(crate) fn router(
    app: App,
    metrics: PrometheusHandle,
    names: Arc<guard::Names>,
    address: Arc<str>,
) -> Router {
    let limits = limits::Limits::new(app.settings.rate_limit());
    let state = State { app, metrics, limits, address };
    let mcp = crate::mcp::http::route(state.app.clone())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_ANSWER));
    let (routes, _) = described().split_for_parts();
    // Made once: it does not change while the program runs.
    let description: Arc<str> = description().to_json().unwrap_or_default().into();
    routes
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route(
            "/api/openapi.json",
            get(move || {
                let description = Arc::clone(&description);
                async move { ([("content-type", "application/json")], description.to_string()) }
            }),
        )
        .route("/mcp", mcp)
        .fallback(async || problem::Problem::not_found("there is nothing at this address"))
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .merge(pages::router())
        // The token in a page's forms is masked anew for each answer, and no other site's request brings the session along
        // (`SameSite`): lengths tell nothing of secrets (BREACH).
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), authenticate::authenticate))
        .with_state(state)
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(names.cors())
        // Nothing is ever taken for another kind than it says it is.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn_with_state(names, guard::only_our_own_pages))
        // Outside everything that can fail, so that every failure is a problem and every request is counted.
        .layer(from_fn(problem::finish))
        .layer(from_fn(observe::request))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
}

#[derive(Clone)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        kernel::id::new().to_string().parse().ok().map(RequestId::new)
    }
}
