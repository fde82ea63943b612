//! `wenyuan mcp-servers`: external MCP servers. Their keys are never given on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use registry::client::{self, TestReport};
use registry::servers::{self, NewServer, Server, ServerId, ServerUpdate};
use serde_json::json;
use sqlx::PgConnection;

use super::keys_of::read_key;
use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::App;

/// Arguments of `wenyuan mcp-servers`; lists servers by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List MCP servers (default)
    List,
    /// Add an MCP server
    Add(Add),
    /// Connect to an MCP server and list its tools
    Test {
        /// Name or id
        server: String,
    },
    /// Choose the one tool of an MCP server that is called with people's questions
    Ask {
        /// Name or id
        server: String,
        /// Tool to call
        #[arg(required_unless_present = "off")]
        tool: Option<String>,
        /// Argument that takes the question
        #[arg(long, default_value = "query", value_name = "NAME")]
        argument: String,
        /// Stop asking this server
        #[arg(long, conflicts_with_all = ["tool", "argument"])]
        off: bool,
    },
    /// Enable an MCP server
    Enable {
        /// Name or id
        server: String,
    },
    /// Disable an MCP server
    Disable {
        /// Name or id
        server: String,
    },
    /// Delete an MCP server with its key
    Delete {
        /// Name or id
        server: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Name: lower-case letters, digits, dots, underscores and dashes
    name: String,

    /// URL: <https://tools.example.org/mcp>
    endpoint: String,

    /// Description
    #[arg(long, default_value = "")]
    description: String,

    /// File with the API key; - for standard input
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Header for the key [default: Authorization, as a bearer token]
    #[arg(long, value_name = "NAME", requires = "api_key_file")]
    header: Option<String>,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(app, &owner, arguments.json).await?,
        Action::Add(add) => {
            let new = NewServer {
                name: add.name,
                description: add.description,
                endpoint: add.endpoint,
                api_key: match add.api_key_file {
                    None => None,
                    Some(file) => Some(read_key(&file)?),
                },
                header: add.header,
                enabled: true,
            };
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let server = servers::create(&mut transaction, &app.secrets, &owner, new).await?;
            transaction.commit().await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&server)?);
            } else {
                show::note(&format!(
                    "added {}; to test it: wenyuan mcp-servers test {}",
                    styled(BOLD, &server.name),
                    server.name
                ));
            }
        }
        Action::Test { server } => {
            let mut connection = store::postgres::acquire(app.pool()).await?;
            let id = find(&mut connection, &owner, &server).await?;
            let target = servers::target(&mut connection, &app.secrets, &owner, id).await?;
            drop(connection);
            let found = client::test(&target).await;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&found)?);
            } else {
                print_found(&found);
            }
            return Ok(if found.works { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Action::Ask { server, tool, argument, off: _ } => ask(app, &owner, &server, tool, argument).await?,
        Action::Enable { server } => enable(app, &owner, &server, true).await?,
        Action::Disable { server } => enable(app, &owner, &server, false).await?,
        Action::Delete { server } => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let id = find(&mut transaction, &owner, &server).await?;
            servers::delete(&mut transaction, &owner, id).await?;
            transaction.commit().await?;
            show::note(&format!("deleted MCP server {server}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, owner: &Actor, as_json: bool) -> anyhow::Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let all = servers::list(&mut connection, owner).await?;
    if as_json {
        show::line(&serde_json::to_string_pretty(&json!(all))?);
    } else if all.is_empty() {
        show::note("no MCP servers yet; add one: wenyuan mcp-servers add NAME ENDPOINT");
    } else {
        all.iter().for_each(print);
    }
    Ok(())
}

async fn ask(
    app: &App,
    owner: &Actor,
    server: &str,
    tool: Option<String>,
    argument: String,
) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let id = find(&mut transaction, owner, server).await?;
    let change = match tool {
        Some(tool) => ServerUpdate {
            ask_tool: FieldUpdate::Set(tool),
            ask_argument: Some(argument),
            ..ServerUpdate::default()
        },
        None => ServerUpdate { ask_tool: FieldUpdate::Clear, ..ServerUpdate::default() },
    };
    let changed = servers::update(&mut transaction, &app.secrets, owner, id, change).await?;
    transaction.commit().await?;
    let now = changed.after;
    show::note(&match now.ask_tool {
        Some(tool) => {
            format!("{} is asked: its tool {tool} gets questions as {}", now.name, now.ask_argument)
        }
        None => format!("{} is not asked any more", now.name),
    });
    Ok(())
}

async fn enable(app: &App, owner: &Actor, server: &str, enabled: bool) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let id = find(&mut transaction, owner, server).await?;
    let change = ServerUpdate { enabled: Some(enabled), ..ServerUpdate::default() };
    let changed = servers::update(&mut transaction, &app.secrets, owner, id, change).await?;
    transaction.commit().await?;
    let may = if enabled { "enabled" } else { "disabled" };
    show::note(&format!("MCP server {} {may}", changed.after.name));
    Ok(())
}

async fn find(connection: &mut PgConnection, owner: &Actor, wanted: &str) -> anyhow::Result<ServerId> {
    let all = servers::list(connection, owner).await?;
    let found = all.iter().find(|server| server.name == wanted || server.id.to_string() == wanted);
    found
        .map(|server| server.id)
        .with_context(|| format!("there is no MCP server {wanted}; `wenyuan mcp-servers` lists all"))
}

fn print(server: &Server) {
    let mut line = format!("{}  {}", styled(BOLD, &server.name), server.endpoint);
    if !server.description.is_empty() {
        line.push_str(&format!("  {}", server.description));
    }
    let key = if server.has_api_key { "with a key" } else { "without a key" };
    line.push_str(&styled(DIM, format!("  {key}")));
    if let Some(tool) = &server.ask_tool {
        line.push_str(&styled(DIM, format!("  asked by {tool}")));
    }
    if !server.enabled {
        line.push_str(&styled(WRONG, "  disabled"));
    }
    show::line(&line);
}

fn print_found(found: &TestReport) {
    if let Some(problem) = &found.problem {
        show::error(problem);
        return;
    }
    show::line(&format!(
        "{}  protocol {}  {}",
        styled(BOLD, found.server.as_deref().unwrap_or("unnamed server")),
        found.protocol.as_deref().unwrap_or("unknown"),
        styled(DIM, format!("{} ms", found.milliseconds))
    ));
    for tool in &found.tools {
        let first = tool.description.as_deref().unwrap_or_default();
        show::line(&format!("  {}  {}", tool.name, styled(DIM, first)));
    }
    if found.more_tools {
        show::note("further tools are not listed");
    }
}
