//! Resolution of the servers that questions can be sent to.
//!
//! For each such server an administrator names one tool and one argument; questions call that tool and nothing else. The call
//! itself is [`crate::client::call_tool`].

use kernel::actor::Actor;
use sqlx::PgConnection;
use store::credentials::name_for_message;
use store::secrets::Sealer;

use crate::Error;
use crate::servers::{MAX_SERVERS, ServerId, ServerTarget, open};

/// Maximum number of servers per question.
pub const MAX_TARGETS: usize = 5;
/// Maximum number of names in an error message.
const MAX_NAMES_IN_MESSAGE: i64 = 20;

/// Tool of a server that can be called with a question, with the opened credential.
#[derive(Debug, Clone)]
pub struct ToolTarget {
    /// Name of the server in the registry.
    pub name: String,
    pub(crate) server: ServerTarget,
    pub(crate) tool: String,
    pub(crate) argument: String,
}

/// Resolves server names to the tools that are called with a question, in the order of the names and without duplicates.
///
/// Every signed-in user may do this: the tool answers everybody with the same credential.
///
/// # Errors
///
/// If the actor is not signed in, more than five servers are named, or one is unknown, disabled or has no tool set.
pub async fn resolve_targets(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    names: &[String],
) -> Result<Vec<ToolTarget>, Error> {
    require_signed_in(actor)?;
    if names.len() > MAX_TARGETS {
        return Err(Error::Invalid(format!(
            "too many MCP servers: a question can be sent to at most {MAX_TARGETS}"
        )));
    }
    let rows = sqlx::query!(
        r#"-- mcp_servers.to_ask
         select id as "id: ServerId", name, endpoint, api_key, header, ask_tool as "ask_tool!", ask_argument
         from registry.mcp_configs where name = any ($1) and enabled and ask_tool is not null"#,
        names,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut targets: Vec<ToolTarget> = Vec::with_capacity(names.len());
    for name in names {
        let Some(row) = rows.iter().find(|row| row.name == *name) else {
            return Err(not_callable(connection, name).await?);
        };
        if targets.iter().any(|target| target.name == *name) {
            continue;
        }
        targets.push(ToolTarget {
            name: row.name.clone(),
            server: open(sealer, row.id, &row.endpoint, row.header.as_deref(), row.api_key.as_deref())?,
            tool: row.ask_tool.clone(),
            argument: row.ask_argument.clone(),
        });
    }
    Ok(targets)
}

/// Returns the names of the servers that questions can be sent to, sorted.
///
/// # Errors
///
/// If the actor is not signed in.
pub async fn choices(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<String>, Error> {
    require_signed_in(actor)?;
    Ok(sqlx::query_scalar!(
        "-- mcp_servers.choices
         select name from registry.mcp_configs where enabled and ask_tool is not null order by name limit $1",
        MAX_SERVERS,
    )
    .fetch_all(connection)
    .await?)
}

fn require_signed_in(actor: &Actor) -> Result<(), Error> {
    if actor.is_anonymous() { Err(Error::SignIn) } else { Ok(()) }
}

async fn not_callable(connection: &mut PgConnection, name: &str) -> Result<Error, Error> {
    let names = sqlx::query_scalar!(
        "-- mcp_servers.askable
         select name from registry.mcp_configs where enabled and ask_tool is not null order by name limit $1",
        MAX_NAMES_IN_MESSAGE,
    )
    .fetch_all(connection)
    .await?;
    let name = name_for_message(name);
    Ok(Error::NotCallable(if names.is_empty() {
        format!(
            "questions cannot be sent to an MCP server {name}, nor to any other: an administrator enables it with \
             `wenyuan mcp-servers ask`"
        )
    } else {
        format!("questions cannot be sent to an MCP server {name}; available: {}", names.join(", "))
    }))
}
