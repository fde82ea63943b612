//! `wenyuan mcp`: serves MCP over standard input and output to an agent that starts this program. Logs
//! and errors go to standard error. It ends when standard input does.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use kernel::actor::{Actor, Scope};
use library::names::LibraryName;
use rmcp::ServiceExt as _;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::app::background::BackgroundTasks;
use crate::mcp::McpServer;

/// Arguments of `wenyuan mcp`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this library; repeatable [default: all]
    #[arg(long = "library", short, value_name = "LIBRARY")]
    libraries: Vec<LibraryName>,

    /// Scope; repeatable, read is always included
    #[arg(long = "scope", value_name = "read|write|notes", default_value = "read", value_delimiter = ',')]
    scopes: Vec<Scope>,
}

/// Time that the first response waits for the index; clients give up on slow starts.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves until standard input ends.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut scopes: BTreeSet<Scope> = arguments.scopes.into_iter().collect();
    scopes.insert(Scope::Read);
    let libraries: BTreeSet<String> = arguments.libraries.iter().map(ToString::to_string).collect();
    let actor =
        Actor::owner().with_key(None, "wenyuan mcp", scopes, Some(libraries).filter(|all| !all.is_empty()));
    // The index follows changes by other processes; ingesting documents is left to them.
    let mut background = BackgroundTasks::start(app);
    background.update_index(app);
    background.adopt(tokio::spawn({
        let app = app.clone();
        async move { drop(app.load_model().await) }
    }));
    catch_up(app).await;
    let served = async {
        // The future of a whole conversation is large, so it is boxed.
        let greeting = Box::pin(McpServer::acting_as(app.clone(), actor).serve(rmcp::transport::stdio()));
        let service = greeting.await?;
        service.waiting().await.context("failed to serve the agent")
    };
    let ended: anyhow::Result<_> = served.await;
    background.stop().await;
    match ended {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.context("the agent does not speak MCP, or has disconnected")),
    }
}

/// Waits briefly for the index to catch up; what is missing is left out of results, with a notice.
async fn catch_up(app: &App) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && !matches!(app.engine.lag().await, Ok(Some(0))) {
        sleep(Duration::from_millis(20)).await;
    }
}
