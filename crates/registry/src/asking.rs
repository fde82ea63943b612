//! Which registered servers people's questions may be put to: an administrator names the one tool of a server that is called
//! with them, and nothing else of it is.

use kernel::actor::Actor;
use sqlx::PgConnection;
use store::secrets::Sealer;

use crate::Error;
use crate::servers::{MOST, ServerId, Target, open};

/// The most servers that one question goes to.
const MOST_ASKED: usize = 5;

/// What is needed to put questions to a server: the one tool that is called, and the argument they go into.
#[derive(Debug, Clone)]
pub struct AskTarget {
    /// The server's name here.
    pub name: String,
    pub(crate) server: Target,
    pub(crate) tool: String,
    pub(crate) argument: String,
}

/// What is needed to put questions to the servers of these names, which are enabled and may be asked, in this order. Everybody
/// who is signed in may: what they find out is what the server tells anybody here.
pub async fn to_ask(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    names: &[String],
) -> Result<Vec<AskTarget>, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if names.len() > MOST_ASKED {
        return Err(Error::Invalid(format!("a question goes to at most {MOST_ASKED} servers: name fewer")));
    }
    let rows = sqlx::query!(
        r#"-- mcp_servers.to_ask
         select id as "id: ServerId", name, endpoint, api_key, header, ask_tool as "ask_tool!", ask_argument
         from registry.mcp_configs where name = any ($1) and enabled and ask_tool is not null"#,
        names,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let Some(row) = rows.iter().find(|row| row.name == *name) else {
            return Err(Error::NotAsked(askable(connection, name).await?));
        };
        if targets.iter().any(|target: &AskTarget| target.name == *name) {
            continue;
        }
        targets.push(AskTarget {
            name: row.name.clone(),
            server: open(keys, row.id, &row.endpoint, row.header.as_deref(), row.api_key.clone())?,
            tool: row.ask_tool.clone(),
            argument: row.ask_argument.clone(),
        });
    }
    Ok(targets)
}

/// The names of the servers that questions may be put to, for everybody who is signed in.
pub async fn choices(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<String>, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    Ok(sqlx::query_scalar!(
        "-- mcp_servers.choices
         select name from registry.mcp_configs where enabled and ask_tool is not null order by name limit $1",
        MOST,
    )
    .fetch_all(connection)
    .await?)
}

/// That a server cannot be asked, and which can.
async fn askable(connection: &mut PgConnection, wanted: &str) -> Result<String, Error> {
    let names = sqlx::query_scalar!(
        "-- mcp_servers.askable
         select name from registry.mcp_configs where enabled and ask_tool is not null order by name limit 20",
    )
    .fetch_all(connection)
    .await?;
    let wanted: String = wanted.chars().filter(|letter| !letter.is_control()).take(60).collect();
    Ok(if names.is_empty() {
        format!(
            "there is no MCP server {wanted} that may be asked, and no other: an administrator allows it with `wenyuan mcp-servers ask`"
        )
    } else {
        format!("there is no MCP server {wanted} that may be asked; there are {}", names.join(", "))
    })
}

/// Looks at what is kept of how a server is asked.
pub(crate) fn check_asking(tool: Option<&str>, argument: &str) -> Result<(), Error> {
    let is_name = |text: &str| {
        (1..=128).contains(&text.chars().count())
            && !text.chars().any(|letter| letter.is_control() || letter == ' ')
    };
    if tool.is_none_or(is_name) && is_name(argument) {
        return Ok(());
    }
    Err(Error::Invalid(
        "a tool and its argument are named in 1 to 128 characters without spaces, as the server's own list has them"
            .to_owned(),
    ))
}
