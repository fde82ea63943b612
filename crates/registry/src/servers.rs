//! Table of registered servers. An API key goes in and is used; it is never returned, only whether there is one.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use reqwest::Url;
use reqwest::header::HeaderName;
use serde::Serialize;
use sqlx::PgConnection;
use store::credentials::{self, ApiKeyColumn, SealedKey, StoredKey};
use store::sealed::ResealReport;
use store::secrets::Sealer;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Error;
use crate::validate::{check_description, check_tool, parse_endpoint, parse_header};

kernel::id! {
    /// Id of a registered server.
    ServerId
}

/// Maximum number of registered servers.
pub(crate) const MAX_SERVERS: i64 = 100;

const API_KEYS: ApiKeyColumn = ApiKeyColumn::new("registry.mcp_configs/api_key", "MCP server");

/// A registered server, without its API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServer)]
pub struct Server {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ServerId,
    /// Unique name.
    pub name: String,
    /// Purpose.
    pub description: String,
    /// URL of the server's MCP endpoint (Streamable HTTP).
    pub endpoint: String,
    /// Whether an API key is stored. The key itself is never returned.
    pub has_api_key: bool,
    /// Header that carries the API key; null for `Authorization: Bearer`.
    pub header: Option<String>,
    /// Whether the server can be used.
    pub enabled: bool,
    /// Tool that is called with users' questions; null if questions are not sent to this server.
    pub ask_tool: Option<String>,
    /// Argument of the tool that receives the question.
    pub ask_argument: String,
    /// Time of registration.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// Server to register.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// Unique name: 1 to 60 lower-case letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Purpose, at most 500 characters.
    pub description: String,
    /// Endpoint: an http or https URL of at most 2000 characters.
    pub endpoint: String,
    /// API key to send to the endpoint.
    pub api_key: Option<Zeroizing<String>>,
    /// Header that carries the API key; `None` for `Authorization: Bearer`.
    pub header: Option<String>,
    /// Whether the server can be used.
    pub enabled: bool,
}

/// Changes to a server; `None` and `Keep` leave a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ServerUpdate {
    /// Unique name.
    pub name: Option<String>,
    /// Purpose.
    pub description: Option<String>,
    /// Endpoint. If its origin changes, a stored API key must be set again or removed.
    pub endpoint: Option<String>,
    /// API key to send to the endpoint.
    pub api_key: FieldUpdate<Zeroizing<String>>,
    /// Header that carries the API key; without one it is `Authorization: Bearer`.
    pub header: FieldUpdate<String>,
    /// Whether the server can be used.
    pub enabled: Option<bool>,
    /// Tool that is called with users' questions.
    pub ask_tool: FieldUpdate<String>,
    /// Argument of the tool that receives the question.
    pub ask_argument: Option<String>,
}

/// Server before and after an update, read in one transaction.
#[derive(Debug, Clone)]
pub struct ServerChange {
    /// State before the update.
    pub before: Server,
    /// State after the update.
    pub after: Server,
}

/// Endpoint and opened credential of a server.
#[derive(Clone)]
pub struct ServerTarget {
    pub(crate) endpoint: Url,
    pub(crate) header: Option<HeaderName>,
    pub(crate) api_key: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for ServerTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServerTarget")
            .field("endpoint", &self.endpoint.as_str())
            .finish_non_exhaustive()
    }
}

/// Returns all servers, by name.
///
/// # Errors
///
/// If the actor is not an administrator in person.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Server>, Error> {
    require_admin(actor)?;
    Ok(sqlx::query_as!(
        Server,
        r#"-- mcp_servers.list
         select id as "id: ServerId", name, description, endpoint, api_key is not null as "has_api_key!", header, enabled,
           ask_tool, ask_argument, created_at, updated_at
         from registry.mcp_configs order by name limit $1"#,
        MAX_SERVERS,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns a server.
///
/// # Errors
///
/// If the actor is not an administrator in person, or there is no such server.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: ServerId) -> Result<Server, Error> {
    require_admin(actor)?;
    Ok(lock(connection, id).await?.server)
}

/// Registers a server.
///
/// # Errors
///
/// If the actor is not an administrator in person, a field is invalid, the name is taken, or 100 servers exist.
pub async fn create(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    new: NewServer,
) -> Result<Server, Error> {
    require_admin(actor)?;
    credentials::check_name(&new.name)?;
    check_description(&new.description)?;
    let endpoint = parse_endpoint(&new.endpoint)?;
    let header = new.header.as_deref().map(parse_header).transpose()?;
    let id = ServerId::new();
    let api_key = new.api_key.as_deref().map(String::as_str);
    let sealed = API_KEYS.seal(connection, sealer, id.0, api_key).await?;
    let inserted = sqlx::query!(
        "-- mcp_servers.create
         insert into registry.mcp_configs (id, name, description, endpoint, api_key, header, enabled)
         select $1, $2, $3, $4, $5, $6, $7 where (select count(*) from registry.mcp_configs) < $8",
        id.0,
        new.name,
        new.description,
        endpoint.as_str(),
        sealed,
        header.as_ref().map(HeaderName::as_str),
        new.enabled,
        MAX_SERVERS,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "too many MCP servers: at most {MAX_SERVERS} can be registered; delete one that is not used"
        )));
    }
    Ok(lock(connection, id).await?.server)
}

/// Updates a server.
///
/// # Errors
///
/// As [`create`]; also if there is no such server, or a stored API key would be sent to another origin.
pub async fn update(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    id: ServerId,
    update: ServerUpdate,
) -> Result<ServerChange, Error> {
    require_admin(actor)?;
    let Row { server: before, api_key } = lock(connection, id).await?;
    let name = update.name.unwrap_or_else(|| before.name.clone());
    credentials::check_name(&name)?;
    let description = update.description.unwrap_or_else(|| before.description.clone());
    check_description(&description)?;
    let stored = StoredKey { sealed: api_key, endpoint: parse_endpoint(&before.endpoint)? };
    let endpoint = match &update.endpoint {
        Some(text) => parse_endpoint(text)?,
        None => stored.endpoint.clone(),
    };
    let header = match update.header {
        FieldUpdate::Keep => before.header.clone(),
        FieldUpdate::Clear => None,
        FieldUpdate::Set(name) => Some(parse_header(&name)?.to_string()),
    };
    let ask_tool = match update.ask_tool {
        FieldUpdate::Keep => before.ask_tool.clone(),
        FieldUpdate::Clear => None,
        FieldUpdate::Set(tool) => Some(tool),
    };
    let ask_argument = update.ask_argument.unwrap_or_else(|| before.ask_argument.clone());
    check_tool(ask_tool.as_deref(), &ask_argument)?;
    let sealed = API_KEYS.update(connection, sealer, id.0, stored, &endpoint, update.api_key).await?;
    sqlx::query!(
        "-- mcp_servers.change
         update registry.mcp_configs
         set name = $2, description = $3, endpoint = $4, api_key = $5, header = $6, enabled = $7, ask_tool = $8,
           ask_argument = $9, updated_at = now()
         where id = $1",
        id.0,
        name,
        description,
        endpoint.as_str(),
        sealed,
        header,
        update.enabled.unwrap_or(before.enabled),
        ask_tool,
        ask_argument,
    )
    .execute(&mut *connection)
    .await?;
    let after = lock(connection, id).await?.server;
    Ok(ServerChange { before, after })
}

/// Deletes a server and its API key.
///
/// # Errors
///
/// If the actor is not an administrator in person, or there is no such server.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: ServerId) -> Result<(), Error> {
    require_admin(actor)?;
    let deleted = sqlx::query!(
        "-- mcp_servers.delete
         delete from registry.mcp_configs where id = $1",
        id.0,
    )
    .execute(connection)
    .await?;
    if deleted.rows_affected() == 0 { Err(Error::NoServer) } else { Ok(()) }
}

/// Returns the endpoint of a server with its opened credential, also while it is disabled.
///
/// # Errors
///
/// If the actor is not an administrator in person, there is no such server, or its API key cannot be opened.
pub async fn target(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    id: ServerId,
) -> Result<ServerTarget, Error> {
    require_admin(actor)?;
    let Row { server, api_key } = lock(connection, id).await?;
    open(sealer, id, &server.endpoint, server.header.as_deref(), api_key.as_deref())
}

/// Seals with the newest master key the API keys that are sealed with an older one.
///
/// # Errors
///
/// If the database or the sealer fails. A key that cannot be opened is reported and stays as it is.
pub async fn reseal(connection: &mut PgConnection, sealer: &Sealer) -> Result<ResealReport, Error> {
    let rows = sqlx::query_as!(
        SealedKey,
        r#"-- mcp_servers.sealed
         select id, name, api_key as "sealed!" from registry.mcp_configs
         where api_key is not null order by id limit $1 for update"#,
        MAX_SERVERS,
    )
    .fetch_all(&mut *connection)
    .await?;
    let resealed = API_KEYS.reseal(sealer, rows)?;
    sqlx::query!(
        "-- mcp_servers.reseal
         update registry.mcp_configs as server set api_key = resealed.api_key
         from unnest($1::uuid[], $2::bytea[]) as resealed (id, api_key) where server.id = resealed.id",
        &resealed.ids,
        &resealed.sealed,
    )
    .execute(connection)
    .await?;
    Ok(resealed.report)
}

/// Opens the credential of a row that was read.
pub(crate) fn open(
    sealer: &Sealer,
    id: ServerId,
    endpoint: &str,
    header: Option<&str>,
    sealed: Option<&[u8]>,
) -> Result<ServerTarget, Error> {
    Ok(ServerTarget {
        endpoint: parse_endpoint(endpoint)?,
        header: header.map(parse_header).transpose()?,
        api_key: API_KEYS.open(sealer, id.0, sealed)?,
    })
}

fn require_admin(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_anonymous() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed)
    }
}

struct Row {
    server: Server,
    api_key: Option<Vec<u8>>,
}

/// Reads a server and locks its row until the end of the transaction.
async fn lock(connection: &mut PgConnection, id: ServerId) -> Result<Row, Error> {
    let row = sqlx::query!(
        r#"-- mcp_servers.find
         select id as "id: ServerId", name, description, endpoint, api_key, header, enabled, ask_tool,
           ask_argument, created_at, updated_at
         from registry.mcp_configs where id = $1 for no key update"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoServer)?;
    let server = Server {
        id: row.id,
        name: row.name,
        description: row.description,
        endpoint: row.endpoint,
        has_api_key: row.api_key.is_some(),
        header: row.header,
        enabled: row.enabled,
        ask_tool: row.ask_tool,
        ask_argument: row.ask_argument,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(Row { server, api_key: row.api_key })
}
