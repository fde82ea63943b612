//! `[tracing]`: export of spans.

use anyhow::ensure;
use axum::http::Uri;
use clap::Args;

use super::{Group, Problems};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tracing")]
pub(crate) struct TracingSettings {
    /// URL of an OpenTelemetry collector (`http://127.0.0.1:4318`) that spans are exported to, by OTLP over HTTP. Without it no spans are recorded
    #[arg(
        id = "tracing.otlp_endpoint",
        long = "otlp-endpoint",
        env = "WENYUAN_OTLP_ENDPOINT",
        value_name = "URL"
    )]
    otlp_endpoint: Option<String>,
}

impl TracingSettings {
    /// URL of the collector; `None` if no spans are exported.
    ///
    /// # Errors
    ///
    /// If it is not an absolute http or https URL.
    pub(crate) fn otlp_endpoint(&self) -> anyhow::Result<Option<&str>> {
        let Some(text) = self.otlp_endpoint.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let url: Uri = text.parse().unwrap_or_default();
        ensure!(
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some(),
            "invalid collector URL {text:?} (WENYUAN_OTLP_ENDPOINT): write it as http://127.0.0.1:4318"
        );
        Ok(Some(text))
    }
}

impl Group for TracingSettings {
    fn check(&self, problems: &mut Problems) {
        problems.note("tracing.otlp_endpoint", self.otlp_endpoint());
    }
}
