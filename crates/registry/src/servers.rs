//! Registered servers. A credential goes in and is used; it never comes out again, only whether there is one.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::setting::Setting;
use reqwest::Url;
use reqwest::header::HeaderName;
use serde::Serialize;
use sqlx::PgConnection;
use store::sealed::{self, Resealed};
use store::secrets::Sealer;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asking::check_asking;
use crate::{Error, given};

kernel::id! {
    /// A registered server.
    ServerId
}

/// The most servers there are.
pub(crate) const MOST: i64 = 100;
/// Headers that a credential cannot be sent in: the protocol, or HTTP itself, says what is in them.
const RESERVED: [&str; 11] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// A server, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServer)]
pub struct Server {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it is.
    pub endpoint: String,
    /// Whether it has an API key, which is never shown.
    pub has_api_key: bool,
    /// The header that the key is sent in; `Authorization: Bearer` where this is null.
    pub header: Option<String>,
    /// Whether it may be used.
    pub enabled: bool,
    /// The tool that is called with people's questions; null where it is not asked.
    pub ask_tool: Option<String>,
    /// The tool's argument that a question goes into.
    pub ask_argument: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A server to be added.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// Its name: lower-case letters, digits, `.`, `_` and `-`, at most 60.
    pub name: String,
    /// What it is for, at most 500 characters.
    pub description: String,
    /// Where it is: an address with http or https.
    pub endpoint: String,
    /// What is shown to it.
    pub api_key: Option<Zeroizing<String>>,
    /// The header that the key is sent in, where it is not `Authorization: Bearer`.
    pub header: Option<String>,
    /// Whether it may be used.
    pub enabled: bool,
}

/// What is changed of a server; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it is. At another place the key must be given again, or taken away: it was meant for that one.
    pub endpoint: Option<String>,
    /// What is shown to it.
    pub api_key: Setting<Zeroizing<String>>,
    /// The header that the key is sent in; without one it is `Authorization: Bearer`.
    pub header: Setting<String>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// The tool that is called with people's questions.
    pub ask_tool: Setting<String>,
    /// The tool's argument that a question goes into.
    pub ask_argument: Option<String>,
}

/// A server before a change and after it.
#[derive(Debug, Clone)]
pub struct Changed {
    /// What it was. Nobody else has changed it between.
    pub before: Server,
    /// What it is.
    pub now: Server,
}

/// What is needed to connect to a server.
#[derive(Clone)]
pub struct Target {
    pub(crate) endpoint: Url,
    pub(crate) header: Option<HeaderName>,
    pub(crate) api_key: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Target").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

/// All servers, by name.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Server>, Error> {
    require(actor)?;
    Ok(sqlx::query_as!(
        Server,
        r#"-- mcp_servers.list
         select id as "id: ServerId", name, description, endpoint, api_key is not null as "has_api_key!", header, enabled,
           ask_tool, ask_argument, created_at, updated_at
         from registry.mcp_configs order by name limit $1"#,
        MOST,
    )
    .fetch_all(connection)
    .await?)
}

/// The server of this id.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: ServerId) -> Result<Server, Error> {
    require(actor)?;
    Ok(row(connection, id).await?.server)
}

/// Adds a server.
pub async fn create(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    new: NewServer,
) -> Result<Server, Error> {
    require(actor)?;
    given::check_name(&new.name)?;
    check_description(&new.description)?;
    let endpoint = endpoint(&new.endpoint)?;
    let header = new.header.as_deref().map(header).transpose()?;
    given::check_key(new.api_key.as_deref().map(String::as_str))?;
    let id = ServerId::new();
    let sealed = seal(connection, keys, id, new.api_key.as_ref()).await?;
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
        MOST,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "there are {MOST} MCP servers, and no more are kept: delete one that is not used"
        )));
    }
    Ok(row(connection, id).await?.server)
}

/// Changes a server.
pub async fn change(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    id: ServerId,
    change: Change,
) -> Result<Changed, Error> {
    require(actor)?;
    let Row { server: before, api_key: held } = row(connection, id).await?;
    let name = change.name.unwrap_or_else(|| before.name.clone());
    given::check_name(&name)?;
    let description = change.description.unwrap_or_else(|| before.description.clone());
    check_description(&description)?;
    let was = endpoint(&before.endpoint)?;
    let endpoint = change.endpoint.as_deref().map(endpoint).transpose()?.unwrap_or_else(|| was.clone());
    // Otherwise whoever may name a place could have the key, which nobody is shown, sent there.
    if held.is_some() && matches!(change.api_key, Setting::Keep) && endpoint.origin() != was.origin() {
        return Err(Error::Invalid(format!(
            "the API key was given for {}: give it again for {}, or null for none",
            was.origin().ascii_serialization(),
            endpoint.origin().ascii_serialization()
        )));
    }
    let header = match change.header {
        Setting::Keep => before.header.clone(),
        Setting::Remove => None,
        Setting::Set(name) => Some(self::header(&name)?.to_string()),
    };
    let ask_tool = match change.ask_tool {
        Setting::Keep => before.ask_tool.clone(),
        Setting::Remove => None,
        Setting::Set(tool) => Some(tool),
    };
    let ask_argument = change.ask_argument.unwrap_or_else(|| before.ask_argument.clone());
    check_asking(ask_tool.as_deref(), &ask_argument)?;
    let sealed = match change.api_key {
        Setting::Keep => held,
        Setting::Remove => None,
        Setting::Set(api_key) => {
            given::check_key(Some(&api_key))?;
            seal(connection, keys, id, Some(&api_key)).await?
        }
    };
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
        change.enabled.unwrap_or(before.enabled),
        ask_tool,
        ask_argument,
    )
    .execute(&mut *connection)
    .await?;
    let now = row(connection, id).await?.server;
    Ok(Changed { before, now })
}

/// Deletes a server, with its key.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: ServerId) -> Result<(), Error> {
    require(actor)?;
    let deleted = sqlx::query!(
        "-- mcp_servers.delete
         delete from registry.mcp_configs where id = $1",
        id.0,
    )
    .execute(connection)
    .await?;
    if deleted.rows_affected() == 0 { Err(Error::NoServer) } else { Ok(()) }
}

/// What is needed to connect to a server, its key opened.
pub async fn target(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    id: ServerId,
) -> Result<Target, Error> {
    require(actor)?;
    let Row { server, api_key } = row(connection, id).await?;
    open(keys, id, &server.endpoint, server.header.as_deref(), api_key)
}

/// Seals with the newest key what is sealed with another.
pub async fn reseal(connection: &mut PgConnection, keys: &Sealer) -> Result<Resealed, Error> {
    let mut resealed = Resealed::default();
    let rows = sqlx::query!(
        r#"-- mcp_servers.sealed
         select id as "id: ServerId", name, api_key as "api_key!" from registry.mcp_configs
         where api_key is not null order by id limit $1 for update"#,
        MOST,
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows.into_iter().filter(|row| !keys.is_current(&row.api_key)) {
        let place = place(row.id);
        let Ok(plain) = keys.open_sealed(&place, &row.api_key) else {
            resealed.lost.push(format!("the API key of the MCP server {}", row.name));
            continue;
        };
        let sealed = keys.seal(&place, &plain)?;
        sqlx::query!(
            "-- mcp_servers.reseal
             update registry.mcp_configs set api_key = $2 where id = $1",
            row.id.0,
            sealed,
        )
        .execute(&mut *connection)
        .await?;
        resealed.renewed += 1;
    }
    Ok(resealed)
}

pub(crate) fn open(
    keys: &Sealer,
    id: ServerId,
    address: &str,
    name: Option<&str>,
    api_key: Option<Vec<u8>>,
) -> Result<Target, Error> {
    let api_key = match api_key {
        None => None,
        Some(sealed) => {
            let plain = keys.open_sealed(&place(id), &sealed)?;
            Some(Zeroizing::new(String::from_utf8_lossy(&plain).into_owned()))
        }
    };
    let header = name.map(header).transpose()?;
    Ok(Target { endpoint: endpoint(address)?, header, api_key })
}

fn require(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_nobody() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed)
    }
}

struct Row {
    server: Server,
    api_key: Option<Vec<u8>>,
}

/// Reads a server and keeps it as it is until the end of the transaction.
async fn row(connection: &mut PgConnection, id: ServerId) -> Result<Row, Error> {
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

/// The place that a key is sealed for.
fn place(id: ServerId) -> String {
    format!("registry.mcp_configs/api_key/{id}")
}

async fn seal(
    connection: &mut PgConnection,
    keys: &Sealer,
    id: ServerId,
    api_key: Option<&Zeroizing<String>>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(api_key) = api_key else { return Ok(None) };
    sealed::hold_keys(connection).await?;
    Ok(Some(keys.seal(&place(id), api_key.as_bytes())?))
}

fn check_description(text: &str) -> Result<(), Error> {
    if text.chars().count() > 500 || text.contains('\0') {
        return Err(Error::Invalid("a description has at most 500 characters".to_owned()));
    }
    Ok(())
}

fn endpoint(text: &str) -> Result<Url, Error> {
    let mut url = given::address(text, "https://tools.example.org/mcp")?;
    url.set_fragment(None);
    Ok(url)
}

fn header(text: &str) -> Result<HeaderName, Error> {
    let name: Result<HeaderName, _> = text.parse();
    let name = name.ok().filter(|name| {
        let plain = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && name.as_str().len() <= 60 && !RESERVED.contains(&name.as_str())
    });
    name.ok_or_else(|| {
        Error::Invalid(
            "a header is the name of one, such as X-Api-Key, and none that HTTP or MCP uses itself"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_without_secrets() {
        assert_eq!(endpoint(" HTTPS://Tools.example/mcp#x ").unwrap().as_str(), "https://tools.example/mcp");
        assert_eq!(
            endpoint("http://10.0.0.7:3000/mcp?team=a").unwrap().as_str(),
            "http://10.0.0.7:3000/mcp?team=a"
        );
        for bad in [
            "",
            "tools.example",
            "ftp://tools.example",
            "file:///etc/passwd",
            "https://",
            "https://a:b@tools.example",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        assert!(endpoint(&format!("https://tools.example/{}", "a".repeat(2000))).is_err());
    }

    #[test]
    fn names_headers_and_keys_have_bounds() {
        assert!(given::check_name("github-tools.2").is_ok());
        for bad in ["", "Git", "-a", "a b", "文", &"a".repeat(61)] {
            assert!(given::check_name(bad).is_err(), "{bad}");
        }
        assert_eq!(header("X-Api-Key").unwrap().as_str(), "x-api-key");
        for bad in ["", "a b", "Host", "Mcp-Session-Id", "a:b", "a_b"] {
            assert!(header(bad).is_err(), "{bad}");
        }
        assert!(given::check_key(None).is_ok() && given::check_key(Some("Basic abc=")).is_ok());
        for bad in ["", " ", "a\nb", "ключ", &"a".repeat(9000)] {
            assert!(given::check_key(Some(bad)).is_err(), "{bad}");
        }
    }
}
