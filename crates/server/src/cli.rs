//! The command line: one file per command. Results go to standard output, as one JSON value with `--json`; messages for
//! people go to standard error.

mod add;
mod ask;
mod chats;
mod config;
mod documents;
mod history;
mod keys;
mod keys_of;
mod libraries;
mod mcp;
mod mcp_servers;
mod models;
mod notes;
mod operate;
mod read_documents;
mod sandbox;
mod search;
mod secrets;
mod serve;
mod show;
mod users;
mod worklist;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::App;
use crate::settings::{self, Loaded, Settings};
use crate::telemetry::Export;

/// 文渊: a technical library for a team and its agents.
#[derive(Debug, Parser)]
#[command(name = "wenyuan", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,

    /// Configuration file [default: wenyuan.toml in the user's configuration directory or in /etc/wenyuan, if
    /// it exists]
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

/// Time that blocking tasks get to finish after a command.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  wenyuan serve                                          start the server (also without a command)
  wenyuan add docs/ --library fastify --version 5.2.1    add a folder
  wenyuan search 'graceful shutdown' --library fastify   find passages";

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the server.
    Serve,
    /// Add documents: files, folders, archives (zip, tar.gz), or - for standard input.
    Add(add::Arguments),
    /// Search passages (keyword and semantic search).
    Search(search::Arguments),
    /// List libraries and versions, activate a version, delete.
    #[command(visible_alias = "library")]
    Libraries(libraries::Arguments),
    /// List and read documents, activate a revision, delete.
    #[command(visible_alias = "document")]
    Documents(documents::Arguments),
    /// Ask a question; the answer cites its sources.
    Ask(ask::Arguments),
    /// Manage chats: list, show, search, rename, pin, archive, delete, rate answers.
    #[command(visible_alias = "chat")]
    Chats(chats::Arguments),
    /// Export and import chats.
    History(history::Arguments),
    /// List notes on passages, add and resolve them.
    #[command(visible_alias = "note")]
    Notes(notes::Arguments),
    /// List searches without results and wrong or stale answers, for the owners of a library.
    Worklist(worklist::Arguments),
    /// Manage API keys: create, list, disable, delete.
    #[command(visible_alias = "key")]
    Keys(keys::Arguments),
    /// Manage accounts: create, list, change, delete; create links to set a password.
    #[command(visible_alias = "user")]
    Users(users::Arguments),
    /// Serve MCP over standard input and output.
    Mcp(mcp::Arguments),
    /// Manage external MCP servers: add, list, test, ask, enable, disable, delete.
    #[command(visible_alias = "mcp-server")]
    McpServers(mcp_servers::Arguments),
    /// Manage language models (OpenAI-compatible endpoints): add, list, test, enable, disable, delete.
    #[command(visible_alias = "model")]
    Models(models::Arguments),
    /// Rotate the master key that secrets are sealed with.
    Secrets(secrets::Arguments),
    /// List background jobs; retry or discard failed ones.
    Jobs(operate::JobArguments),
    /// Show and apply database migrations.
    Migrate(operate::MigrateArguments),
    /// Rebuild the full-text index (or the vectors).
    Reindex(operate::ReindexArguments),
    /// Compute the missing vectors now, instead of leaving them to the server.
    Embed,
    /// Check and show settings; print a configuration file to start from.
    Config(config::Arguments),
    /// Print the OpenAPI 3.1 description of the HTTP API.
    Openapi,
    /// Parse documents from standard input, as a child of this program.
    #[command(hide = true)]
    ReadDocuments(read_documents::Arguments),
}

/// Returns the definition of the command line.
pub(crate) fn command() -> clap::Command {
    settings::prepare(Command::command())
}

/// Reads the arguments, with the settings from the environment and the configuration file.
///
/// # Errors
///
/// If the arguments are wrong, or ask for help.
pub(crate) fn parse(arguments: &[OsString]) -> Result<(Command, Loaded), clap::Error> {
    let loaded = settings::load(&command(), arguments, needs_settings)?;
    Ok((Command::from_arg_matches(&loaded.matches)?, loaded))
}

/// Whether a command depends on settings. The others work with any configuration, however broken.
fn needs_settings(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some(("read-documents" | "openapi", _)) => false,
        Some(("config", config)) => config.subcommand_name() != Some("template"),
        _ => true,
    }
}

/// Runs the command that the arguments name. Exit codes: 0 success, 1 failure, 2 wrong usage or an invalid
/// configuration.
pub(crate) fn main() -> ExitCode {
    let arguments = with_default_command(std::env::args_os().collect());
    let (Command { action, settings, .. }, loaded) =
        parse(&arguments).unwrap_or_else(|error| with_usage(error, &arguments).exit());
    let Loaded { effective, file, problems, warnings, .. } = loaded;
    let settings = settings.with_effective(effective);
    if let Action::Config(arguments) = &action {
        let configuration =
            config::Configuration { settings: &settings, file: file.as_deref(), problems, warnings };
        return config::run(arguments, configuration).unwrap_or_else(|error| failed(&error));
    }
    if !problems.is_empty() {
        config::report(&problems);
        return ExitCode::from(2);
    }
    // Before any runtime or thread: the child limits itself first of all.
    if let Action::ReadDocuments(arguments) = &action {
        return read_documents::run(arguments);
    }
    let default_log = if matches!(action, Action::Serve) { "info" } else { "warn" };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let export = match start_export(&settings, &runtime) {
        Ok(export) => export,
        Err(error) => return failed(&error),
    };
    crate::logging::start(&settings, default_log, export.as_ref());
    let done = runtime.block_on(run(action, &settings));
    if let Some(export) = export {
        export.stop();
    }
    // Nobody waits for the result of tasks that still run: they do not keep the program from ending.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    match done {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn start_export(settings: &Settings, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Option<Export>> {
    let _entered = runtime.enter();
    settings.tracing.otlp_endpoint()?.map(Export::start).transpose()
}

/// Inserts `serve` if no command is named.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let command = command();
    let names_command = |argument: &OsString| {
        argument.to_str().is_some_and(|text| {
            ["-h", "--help", "-V", "--version", "help"].contains(&text)
                || command.get_subcommands().any(|known| {
                    known.get_name() == text || known.get_all_aliases().any(|alias| alias == text)
                })
        })
    };
    if !arguments.iter().skip(1).any(names_command) {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    arguments
}

/// Replaces the usage in an error by that of the command. By itself clap would name the settings that the environment
/// holds, as if they were required.
fn with_usage(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    if error.get(ContextKind::Usage).is_none() {
        return error;
    }
    let mut meant = command();
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
        Action::Serve => serve::run(settings).await,
        Action::Migrate(arguments) => operate::migrate(settings, arguments).await,
        Action::Openapi => {
            show::line(&crate::routes::description().to_pretty_json()?);
            Ok(ExitCode::SUCCESS)
        }
        Action::ReadDocuments(_) | Action::Config(_) => Ok(ExitCode::SUCCESS),
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
                Action::Notes(arguments) => notes::run(&app, arguments).await,
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
