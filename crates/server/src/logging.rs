//! Subscriber of tracing: log lines on standard error, as text or JSON; durations of statements; export of spans.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::settings::{LogFormat, Settings};
use crate::telemetry::Export;

/// Installs the subscriber. `default_level` applies if the settings have no filter.
pub(crate) fn start(settings: &Settings, default_level: &str, export: Option<&Export>) {
    // PostgreSQL's notices ("already exists, skipping") are noise.
    let default = format!("{default_level},sqlx::postgres::notice=warn");
    let filter = settings.logging.filter().unwrap_or(&default);
    // The MCP SDK would write three lines per request.
    let filter = EnvFilter::builder().parse_lossy(format!("{filter},rmcp=warn"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let lines = match settings.logging.format() {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // At lower levels the MCP SDK logs whole messages with queries and documents. They are never logged, whatever the filter.
    let without_sdk = filter_fn(|metadata| !metadata.target().starts_with("rmcp"));
    let lines = lines.with_filter(filter.and(without_sdk));
    // sqlx emits the duration of each statement as an event, which becomes a metric and not a line.
    let durations = store::statements::StatementDurations
        .with_filter(Targets::new().with_target(store::statements::TARGET, LevelFilter::DEBUG));
    // Without an export there is no layer, and recording spans costs no more than their log lines.
    tracing_subscriber::registry().with(export.map(Export::layer)).with(lines).with(durations).init();
}
