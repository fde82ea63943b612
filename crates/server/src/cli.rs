//! The command line: one file a command. What a command tells a person goes to standard error, what it found to
//! standard output; `--json` makes the latter one JSON value.

mod add;
mod ask;
mod chats;
mod documents;
mod history;
mod keys;
mod keys_of;
mod libraries;
mod mcp;
mod mcp_servers;
mod models;
mod operate;
mod read_documents;
mod search;
mod secrets;
mod serve;
mod show;
mod users;
mod worklist;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::App;
use crate::settings::Settings;
use crate::settings::in_force::{self, InForce};

/// 文渊: a technical library that a team and its agents share.
#[derive(Debug, Parser)]
#[command(name = "wenyuan", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    settings: Settings,
}

/// How long what still computes is waited for when a command has ended.
const LONGEST_REST: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  wenyuan serve                                          start the server (also without a command)
  wenyuan add docs/ --library fastify --version 5.2.1    add a folder
  wenyuan search 'graceful shutdown' --library fastify   find passages";

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the server.
    Serve(serve::Arguments),
    /// Add documents: files, folders, archives (zip, tar.gz), or - for standard input.
    Add(add::Arguments),
    /// Find passages by words and meaning.
    Search(search::Arguments),
    /// List libraries and their versions, choose the active one, delete.
    #[command(visible_alias = "library")]
    Libraries(libraries::Arguments),
    /// List documents, read them, choose a revision, delete.
    #[command(visible_alias = "document")]
    Documents(documents::Arguments),
    /// Ask a question; the answer cites passages that open.
    Ask(ask::Arguments),
    /// Questions and answers: list, show, search, rename, pin, archive, delete, judge.
    #[command(visible_alias = "chat")]
    Chats(chats::Arguments),
    /// Export and import questions and answers.
    History(history::Arguments),
    /// What a library's owners should look at: searches that found nothing, wrong and stale answers.
    Worklist(worklist::Arguments),
    /// Make keys for agents and scripts; list, disable, delete them.
    #[command(visible_alias = "key")]
    Keys(keys::Arguments),
    /// Make accounts and links to set a password; list, change, delete them.
    #[command(visible_alias = "user")]
    Users(users::Arguments),
    /// Answer an agent over standard input and output (MCP).
    Mcp(mcp::Arguments),
    /// Add MCP servers of others that this library may use; list, test, ask, enable, disable, delete them.
    #[command(visible_alias = "mcp-server")]
    McpServers(mcp_servers::Arguments),
    /// Add language models that answer (OpenAI-compatible endpoints); list, test, enable, disable, delete them.
    #[command(visible_alias = "model")]
    Models(models::Arguments),
    /// Change the key that secrets are sealed with.
    Secrets(secrets::Arguments),
    /// List jobs; try failed ones again.
    Jobs(operate::JobArguments),
    /// Show and apply database migrations.
    Migrate(operate::MigrateArguments),
    /// Build the full-text index (or the vectors) anew.
    Reindex(operate::ReindexArguments),
    /// Make the vectors that are missing now, instead of leaving them to the server.
    Embed,
    /// Print the description of the HTTP API (OpenAPI 3.1).
    Openapi,
    /// Read documents from standard input, as a child of this program.
    #[command(hide = true)]
    ReadDocuments(read_documents::Arguments),
}

/// Reads the arguments, and which settings they and the environment put in force.
pub(crate) fn parse(arguments: &[OsString]) -> Result<(Command, Vec<InForce>), clap::Error> {
    let mut command = Command::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    Ok((Command::from_arg_matches(&matches)?, in_force::read(&command, &matches)))
}

/// Runs the command that the arguments name. Exit codes: 0 done, 1 failed, 2 wrong usage.
pub(crate) fn main() -> ExitCode {
    let arguments = with_default_command(std::env::args_os().collect());
    let (Command { action, settings }, in_force) =
        parse(&arguments).unwrap_or_else(|error| with_usage(error, &arguments).exit());
    let settings = settings.knowing(in_force);
    // Before any runtime or thread: the child limits itself first of all.
    if let Action::ReadDocuments(arguments) = &action {
        return read_documents::run(arguments);
    }
    let default_log = if matches!(action, Action::Serve(_)) { "info" } else { "warn" };
    crate::logging::start(&settings, default_log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(action, &settings));
    // What still computes then has nobody to answer: it does not keep the program from ending.
    runtime.shutdown_timeout(LONGEST_REST);
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// Without a command it is `serve`, with whatever options are given.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let command = Command::command();
    let names_one = |argument: &OsString| {
        argument.to_str().is_some_and(|text| {
            ["-h", "--help", "-V", "--version", "help"].contains(&text)
                || command.get_subcommands().any(|known| {
                    known.get_name() == text || known.get_all_aliases().any(|alias| alias == text)
                })
        })
    };
    if !arguments.iter().skip(1).any(names_one) {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    arguments
}

/// Shows in an error how the command is used. By itself clap would name, as if they were needed, the settings that the environment
/// holds.
fn with_usage(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    if error.get(ContextKind::Usage).is_none() {
        return error;
    }
    let mut meant = Command::command();
    meant.build();
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        match meant.find_subcommand(argument).cloned() {
            Some(inner) => meant = inner,
            None => break,
        }
    }
    error.insert(ContextKind::Usage, ContextValue::StyledStr(meant.render_usage()));
    error
}

async fn run(action: Action, settings: &Settings) -> anyhow::Result<ExitCode> {
    match action {
        Action::Serve(arguments) => serve::run(settings, arguments).await,
        Action::Migrate(arguments) => operate::migrate(settings, arguments).await,
        Action::Openapi => {
            show::line(&crate::routes::description().to_pretty_json()?);
            Ok(ExitCode::SUCCESS)
        }
        Action::ReadDocuments(_) => Ok(ExitCode::SUCCESS),
        other => {
            let app = App::open(settings).await?;
            let done = match other {
                Action::Add(arguments) => add::run(&app, arguments).await,
                Action::Search(arguments) => search::run(&app, arguments).await,
                Action::Ask(arguments) => Box::pin(ask::run(&app, arguments)).await,
                Action::Chats(arguments) => chats::run(&app, arguments).await,
                Action::Libraries(arguments) => libraries::run(&app, arguments).await,
                Action::Documents(arguments) => documents::run(&app, arguments).await,
                Action::History(arguments) => history::run(&app, arguments).await,
                Action::Keys(arguments) => keys::run(&app, arguments).await,
                Action::Users(arguments) => users::run(&app, arguments).await,
                Action::Mcp(arguments) => Box::pin(mcp::run(&app, arguments)).await,
                Action::McpServers(arguments) => mcp_servers::run(&app, arguments).await,
                Action::Models(arguments) => models::run(&app, arguments).await,
                Action::Worklist(arguments) => worklist::run(&app, arguments).await,
                Action::Secrets(arguments) => secrets::run(&app, &arguments).await,
                Action::Jobs(arguments) => operate::jobs(&app, arguments).await,
                Action::Reindex(arguments) => operate::reindex(&app, arguments).await,
                Action::Embed => operate::embed(&app).await,
                _ => Ok(ExitCode::SUCCESS),
            };
            app.close().await;
            done
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    show::error(&format!("{error:#}"));
    ExitCode::FAILURE
}
