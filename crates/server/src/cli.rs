//! The command line: one file per command. Results go to standard output, as one JSON value with `--json`; messages for
//! people go to standard error.

mod add;
mod ask;
mod backup;
mod chats;
mod completions;
mod config;
mod documents;
mod drill;
mod golden_questions;
mod history;
mod keys;
mod keys_of;
mod libraries;
mod man;
mod mcp;
mod mcp_servers;
mod models;
mod notes;
mod operate;
mod read_documents;
mod restore;
mod sandbox;
mod search;
mod search_endpoints;
mod secrets;
mod serve;
mod show;
mod unpack;
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
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        hide_long_help = true,
        env = "WENYUAN_CONFIG",
        value_name = "FILE"
    )]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

/// Time that blocking tasks get to finish after a command.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  wenyuan serve                                          start the server
  wenyuan add docs/ --library fastify --version 5.2.1    add a folder
  wenyuan search 'graceful shutdown' --library fastify   find passages

Settings, such as the data directory, are flags of every command: wenyuan help settings";

/// Footer of the help of each command.
const SETTINGS_HINT: &str = "Settings are flags of this command too: wenyuan help settings";

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the server.
    Serve(serve::Arguments),
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
    /// Manage embedding and re-ranking endpoints: set, list, test, delete.
    #[command(visible_alias = "search-endpoint")]
    SearchEndpoints(search_endpoints::Arguments),
    /// Back up the library: run, list, show, verify; keys and golden questions of backups.
    #[command(visible_alias = "backups")]
    Backup(backup::Arguments),
    /// Restore a backup into an empty data directory.
    Restore(restore::Arguments),
    /// Rehearse a disaster: restore the last state elsewhere, serve it, ask it, and measure how long that takes.
    Drill(drill::Arguments),
    /// Rotate the master key that secrets are sealed with.
    Secrets(secrets::Arguments),
    /// List background jobs; retry or discard failed ones.
    Jobs(operate::JobArguments),
    /// Show and apply database migrations.
    Migrate(operate::MigrateArguments),
    /// Rebuild the full-text index (or the vectors).
    Reindex(operate::ReindexArguments),
    /// Count likes and comments, and repair counters that differ.
    Recount(operate::RecountArguments),
    /// Compute the missing vectors now, instead of leaving them to the server.
    Embed,
    /// Check and show settings; print a configuration file to start from.
    Config(config::Arguments),
    /// Print the OpenAPI 3.1 description of the HTTP API.
    Openapi,
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Write man pages.
    Man(man::Arguments),
    /// Show the settings, which are flags of every command.
    #[command(hide = true)]
    Settings,
    /// Parse documents from standard input, as a child of this program.
    #[command(hide = true)]
    ReadDocuments(read_documents::Arguments),
    /// Unpack an archive from standard input, as a child of this program.
    #[command(hide = true)]
    Unpack(unpack::Arguments),
}

/// Returns the definition of the command line.
pub(crate) fn command() -> clap::Command {
    let command = settings::prepare(Command::command());
    let settings = settings::help(&command);
    with_hint(command).mut_subcommand("settings", |topic| topic.override_help(settings))
}

/// Names the help of the settings below that of each command, which leaves them out.
fn with_hint(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|inner| with_hint(inner.after_help(SETTINGS_HINT)))
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
        Some(("read-documents" | "unpack" | "openapi" | "completions" | "man" | "settings", _)) => false,
        Some(("config", config)) => config.subcommand_name() != Some("template"),
        _ => true,
    }
}

/// Runs the command that the arguments name. Exit codes: 0 success, 1 failure, 2 wrong usage or an invalid
/// configuration.
pub(crate) fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() < 2 {
        arguments.push("--help".into());
    }
    let is_json = wants_json(&arguments);
    let failed = |error: &anyhow::Error| failed(error, is_json);
    let (Command { action, settings, .. }, loaded) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&with_usage(error, &arguments), is_json),
    };
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
    match &action {
        Action::Completions(arguments) => return completions::run(arguments),
        Action::Man(arguments) => return man::run(arguments).unwrap_or_else(|error| failed(&error)),
        Action::Settings => {
            show::line(&settings::help(&command()));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    // Before any runtime or thread: the child limits itself first of all.
    if let Action::ReadDocuments(arguments) = &action {
        return read_documents::run(arguments);
    }
    if let Action::Unpack(arguments) = &action {
        return unpack::run(arguments);
    }
    let default_log = if matches!(action, Action::Serve(_)) { "info" } else { "warn" };
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

/// Whether results and errors are printed as JSON.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Prints that the arguments are wrong, or the help that they ask for.
fn refused(error: &clap::Error, is_json: bool) -> ExitCode {
    if is_json && error.use_stderr() {
        show::json_error(error.render().to_string().trim().trim_start_matches("error: "), None);
    } else {
        // A closed pipe is not an error.
        let _reader_gone = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
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
        Action::Serve(arguments) => serve::run(settings, &arguments).await,
        Action::Drill(arguments) => Box::pin(drill::run(settings, arguments)).await,
        Action::Backup(arguments) => Box::pin(backup::run(settings, arguments)).await,
        Action::Restore(arguments) => Box::pin(restore::run(settings, arguments)).await,
        Action::Migrate(arguments) => operate::migrate(settings, arguments).await,
        Action::Openapi => {
            show::line(&crate::routes::description().to_pretty_json()?);
            Ok(ExitCode::SUCCESS)
        }
        Action::ReadDocuments(_) | Action::Unpack(_) | Action::Config(_) => Ok(ExitCode::SUCCESS),
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
                Action::SearchEndpoints(arguments) => search_endpoints::run(&app, arguments).await,
                Action::Notes(arguments) => notes::run(&app, arguments).await,
                Action::Worklist(arguments) => worklist::run(&app, arguments).await,
                Action::Secrets(arguments) => secrets::run(&app, &arguments).await,
                Action::Jobs(arguments) => operate::jobs(&app, arguments).await,
                Action::Reindex(arguments) => operate::reindex(&app, arguments).await,
                Action::Recount(arguments) => operate::recount(&app, &arguments).await,
                Action::Embed => operate::embed(&app).await,
                _ => Ok(ExitCode::SUCCESS),
            };
            app.close().await;
            done
        }
    }
}

fn failed(error: &anyhow::Error, is_json: bool) -> ExitCode {
    if is_json {
        let problem = error.downcast_ref::<library::Error>().map(library_problem);
        show::json_error(&format!("{error:#}"), problem);
    } else {
        show::error(&format!("{error:#}"));
    }
    ExitCode::FAILURE
}

/// Returns the type of an error that programs tell apart, as in problems of the HTTP API.
fn library_problem(error: &library::Error) -> &'static str {
    match error {
        library::Error::NoLibrary { .. } => "no-library",
        library::Error::NoVersion { .. } => "no-version",
        library::Error::NoDocument | library::Error::NotFound(_) | library::Error::NoDocumentVersion(_) => {
            "not-found"
        }
        library::Error::NotAllowed(_) => "forbidden",
        library::Error::InvalidName(_) | library::Error::InvalidLabel(_) | library::Error::Invalid(_) => {
            "invalid"
        }
        library::Error::NoModel => "no-model",
        _ => "failed",
    }
}
