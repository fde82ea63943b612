//! `/api/v1/mcp-servers`: external MCP servers, managed by administrators. Every user can list their names.

use axum::Json;
use axum::extract::State;
use axum::http::{self, StatusCode, header};
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
use crate::http::schema::{EndpointUrl, HeaderName, ServerDescription, ServiceKey, ServiceName, ToolName};
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

/// MCP server to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct McpServerNew {
    /// Unique name.
    #[schema(value_type = ServiceName)]
    name: String,
    /// Description.
    #[schema(value_type = Option<ServerDescription>)]
    description: Option<String>,
    /// URL of the server's MCP endpoint (Streamable HTTP).
    #[schema(value_type = EndpointUrl)]
    endpoint: String,
    /// API key of the server. Stored encrypted and never returned.
    #[schema(value_type = Option<ServiceKey>)]
    api_key: Option<String>,
    /// Header that carries the API key; `Authorization: Bearer` by default.
    #[schema(value_type = Option<HeaderName>)]
    header: Option<String>,
    /// Whether the server can be used; true by default.
    enabled: Option<bool>,
}

/// Changes of an MCP server. Absent fields are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct McpServerChange {
    /// Unique name.
    #[schema(value_type = Option<ServiceName>)]
    name: Option<String>,
    /// Description.
    #[schema(value_type = Option<ServerDescription>)]
    description: Option<String>,
    /// URL of the endpoint. If its origin changes, the API key must be set again or removed.
    #[schema(value_type = Option<EndpointUrl>)]
    endpoint: Option<String>,
    /// API key of the server; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<ServiceKey>)]
    api_key: FieldUpdate<String>,
    /// Header that carries the API key; null for `Authorization: Bearer`.
    #[serde(default)]
    #[schema(value_type = Option<HeaderName>)]
    header: FieldUpdate<String>,
    /// Whether the server can be used.
    enabled: Option<bool>,
    /// Tool that is called with users' questions; null if questions are not sent to this server.
    #[serde(default)]
    #[schema(value_type = Option<ToolName>)]
    ask_tool: FieldUpdate<String>,
    /// Argument of the tool that receives the question.
    #[schema(value_type = Option<ToolName>)]
    ask_argument: Option<String>,
}

/// Lists the MCP servers by name. Administrators only.
#[utoipa::path(get, path = "/api/v1/mcp-servers", tag = "mcp-servers",
    responses((status = 200, body = Vec<Server>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Server>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(servers::list(&mut connection, &actor).await?))
}

/// Lists the names of the MCP servers that questions can be sent to. For every signed-in user.
#[utoipa::path(get, path = "/api/v1/mcp-servers/choices", tag = "mcp-servers",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn choices(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<String>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(registry::tool_call::choices(&mut connection, &actor).await?))
}

/// Adds an MCP server. Administrators only.
#[utoipa::path(post, path = "/api/v1/mcp-servers", tag = "mcp-servers", request_body = McpServerNew,
    responses((status = 201, body = Server, headers(("location" = String, description = "Path of the server")))))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<McpServerNew>,
) -> Result<(StatusCode, [(http::HeaderName, String); 1], Json<Server>)> {
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

/// Returns an MCP server. Administrators only.
#[utoipa::path(get, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "Id of the server")), responses((status = 200, body = Server)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Server>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(servers::find(&mut connection, &actor, ServerId(id)).await?))
}

/// Changes an MCP server. Administrators only.
#[utoipa::path(patch, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers", request_body = McpServerChange,
    params(("id" = Uuid, Path, description = "Id of the server"), IfMatch), responses((status = 200, body = Server)))]
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

/// Deletes an MCP server with its API key. Administrators only.
#[utoipa::path(delete, path = "/api/v1/mcp-servers/{id}", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "Id of the server")), responses((status = 204)))]
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

/// Connects to an MCP server and lists its tools, or returns why that failed. Administrators only.
#[utoipa::path(post, path = "/api/v1/mcp-servers/{id}/test", tag = "mcp-servers",
    params(("id" = Uuid, Path, description = "Id of the server")), responses((status = 200, body = TestReport)))]
pub(crate) async fn test(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<TestReport>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = servers::target(&mut connection, &state.app.secrets, &actor, ServerId(id)).await?;
    // No connection is held during the request.
    drop(connection);
    Ok(Json(client::test(&target).await))
}
