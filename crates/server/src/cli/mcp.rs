//! `wenyuan mcp`: the library for one agent that starts this program itself. Standard output belongs to the protocol; logs
//! and errors go to standard error. It ends when its standard input does.

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
use crate::app::work::Work;
use crate::mcp::Librarian;

/// What the agent may do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this library; may be repeated [default: all].
    #[arg(long = "library", short, value_name = "LIBRARY")]
    libraries: Vec<LibraryName>,

    /// What it may do; may be repeated. Reading is always among it.
    #[arg(long = "scope", value_name = "read|write|notes", default_value = "read", value_delimiter = ',')]
    scopes: Vec<Scope>,
}

/// How long the first answer waits for the index. Clients give up on a program that takes long to greet them.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers until standard input ends.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut scopes: BTreeSet<Scope> = arguments.scopes.into_iter().collect();
    scopes.insert(Scope::Read);
    let libraries: BTreeSet<String> = arguments.libraries.iter().map(ToString::to_string).collect();
    let actor =
        Actor::owner().narrowed(None, "wenyuan mcp", scopes, Some(libraries).filter(|all| !all.is_empty()));
    // The index follows what servers and commands beside this one change; reading documents is left to them.
    let mut work = Work::start(app);
    work.follow(app);
    work.also(tokio::spawn({
        let app = app.clone();
        async move { drop(app.load_model().await) }
    }));
    catch_up(app).await;
    let served = async {
        // The future of a whole conversation is large.
        let greeting = Box::pin(Librarian::acting_as(app.clone(), actor).serve(rmcp::transport::stdio()));
        let service = greeting.await?;
        service.waiting().await.context("the agent's requests could not be waited for")
    };
    let ended: anyhow::Result<_> = served.await;
    work.stop().await;
    match ended {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.context("the agent does not speak MCP, or has gone")),
    }
}

/// Waits a little until the index has what is there; what it has not is left out of answers, and said to be.
async fn catch_up(app: &App) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && !matches!(app.engine.lag().await, Ok(Some(0))) {
        sleep(Duration::from_millis(20)).await;
    }
}
