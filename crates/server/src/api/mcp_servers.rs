//! `/api/v1/mcp-servers`: MCP servers of others that this library may use. For administrators in person.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use kernel::update::FieldUpdate;
use registry::client::{self, TestReport};
use registry::servers::{self, NewServer, Server, ServerId, ServerUpdate};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::Precondition;
use crate::http::input::{IfMatch, Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(show, change, delete))
            .routes(routes!(test))
            .routes(routes!(choices)),
    )
}

/// A server to be added.
#[derive(Deserialize, ToSchema)]
pub(crate) struct McpServerNew {
    /// Its name.
    #[schema(max_length = 60, pattern = "^[a-z0-9][a-z0-9._-]*$", example = "github")]
    name: String,
    /// Description.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Where it is: an address with http or https.
    #[schema(max_length = 2000, example = "https://tools.example.org/mcp")]
    endpoint: String,
    /// API key of the server. Stored encrypted and never returned.
    #[schema(max_length = 8192, write_only)]
    api_key: Option<String>,
    /// The header that the key is sent in; `Authorization: Bearer` where none is given.
    #[schema(max_length = 60, pattern = "^[A-Za-z0-9-]+$", example = "X-Api-Key")]
    header: Option<String>,
    /// Whether it may be used; it may where nothing is said.
    enabled: Option<bool>,
}

/// Changes of a server; absent fields are kept.
#[derive(Deserialize, ToSchema)]
pub(crate) struct McpServerChange {
    /// Its name.
    #[schema(max_length = 60, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: Option<String>,
    /// Description.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Where it is. At another host the key must be given again, or null.
    #[schema(max_length = 2000)]
    endpoint: Option<String>,
    /// Another key; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192, write_only)]
    api_key: FieldUpdate<String>,
    /// Another header; null for `Authorization: Bearer`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 60, pattern = "^[A-Za-z0-9-]+$")]
    header: FieldUpdate<String>,
    /// Whether it may be used.
    enabled: Option<bool>,
    /// The tool that is called with people's questions; null where it is not asked.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    ask_tool: FieldUpdate<String>,
    /// The tool's argument that a question goes into.
    #[schema(max_length = 128)]
    ask_argument: Option<String>,
}

/// All MCP servers, by name.
#[utoipa::path(get, path = "/api/v1/mcp-servers", tag = "mcp-servers",
    responses((status = 200, body = Vec<Server>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Server>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(servers::list(&mut connection, &actor).await?))
}

/// The names of the MCP servers that one may put questions to: for everybody who is signed in.
#[utoipa::path(get, path = "/api/v1/mcp-servers/choices", tag = "mcp-servers",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn choices(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<String>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(registry::tool_call::choices(&mut connection, &actor).await?))
}

/// Adds an MCP server.
#[utoipa::path(post, path = "/api/v1/mcp-servers", tag = "mcp-servers", request_body = McpServerNew,
    responses((status = 201, body = Server, headers(("location" = String, description = "The server")))))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<McpServerNew>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Server>)> {
    let new = NewServer {
        name: new.name,
        description: new.description.unwrap_or_default(),
        endpoint: new.endpoint,
        api_key: new.api_key.map(Into::into),
        header: new.header,
        enabled: new.enabled.unwrap_or(true),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let server = servers::create(&mut transaction, &state.app.secrets, &actor, new).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/mcp-servers/{}", server.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(server)))
}

/// One MCP server.
#[utoipa::path(get, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "The server")), responses((status = 200, body = Server)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Server>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(servers::find(&mut connection, &actor, ServerId(id)).await?))
}

/// Changes an MCP server.
#[utoipa::path(patch, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers", request_body = McpServerChange,
    params(("id" = Uuid, Path, description = "The server"), IfMatch), responses((status = 200, body = Server)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    precondition: Precondition,
    Body(change): Body<McpServerChange>,
) -> Result<Json<Server>> {
    let change = ServerUpdate {
        name: change.name,
        description: change.description,
        endpoint: change.endpoint,
        api_key: change.api_key.map(Into::into),
        header: change.header,
        enabled: change.enabled,
        ask_tool: change.ask_tool,
        ask_argument: change.ask_argument,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let changed = servers::update(&mut transaction, &state.app.secrets, &actor, ServerId(id), change).await?;
    precondition.require(&changed.before)?;
    transaction.commit().await?;
    Ok(Json(changed.after))
}

/// Deletes an MCP server, with its key.
#[utoipa::path(delete, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "The server")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    servers::delete(&mut transaction, &actor, ServerId(id)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Connects to an MCP server and lists its tools, within ten seconds. That it does not work is an answer, not a problem.
#[utoipa::path(post, path = "/api/v1/mcp-servers/{id}/test", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "The server")), responses((status = 200, body = TestReport)))]
pub(crate) async fn test(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<TestReport>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = servers::target(&mut connection, &state.app.secrets, &actor, ServerId(id)).await?;
    // Nothing of the database is held while another server is asked.
    drop(connection);
    Ok(Json(client::test(&target).await))
}
