//! `[logging]`: format and filter of log lines.

use clap::{Args, ValueEnum};

use super::Group;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingSettings {
    /// Format of log lines
    #[arg(
        id = "logging.format",
        long = "log-format",
        env = "WENYUAN_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    format: LogFormat,

    /// Log level: error, warn, info or debug, also per module (info,library=debug) [default: info for serve,
    /// warn for other commands]
    #[arg(id = "logging.filter", long = "log", env = "WENYUAN_LOG", value_name = "FILTER")]
    filter: Option<String>,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LoggingSettings {
    /// Format of log lines.
    pub(crate) fn format(&self) -> LogFormat {
        self.format
    }

    /// Log level, or levels per module, as [`tracing_subscriber::EnvFilter`] reads them.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.filter.as_deref().filter(|filter| !filter.is_empty())
    }
}

impl Group for LoggingSettings {}
