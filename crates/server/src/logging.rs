//! Logs: to standard error, for people or as JSON, with the id of the request they belong to.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::settings::{LogFormat, Settings};

/// Starts logging. `default` applies where the settings say nothing.
pub(crate) fn start(settings: &Settings, default: &str) {
    // PostgreSQL's notices ("already exists, skipping") are no news.
    let default = format!("{default},sqlx::postgres::notice=warn");
    let filter = settings.log.as_deref().unwrap_or(&default);
    // The MCP SDK would write three lines a request, and at lower levels what agents ask.
    let filter = EnvFilter::builder().parse_lossy(format!("{filter},rmcp=warn"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let lines = match settings.log_format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // The SDK of MCP writes down whole messages: queries, documents, and what foreign servers answer. None of that is logged.
    let spoken = filter_fn(|line| !line.target().starts_with("rmcp"));
    let lines = lines.with_filter(filter.and(spoken));
    // Statements tell how long they took; that is counted, not written.
    let durations = store::statements::Durations
        .with_filter(Targets::new().with_target(store::statements::TARGET, LevelFilter::DEBUG));
    tracing_subscriber::registry().with(lines).with(durations).init();
}
