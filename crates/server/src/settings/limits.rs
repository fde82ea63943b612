//! `[limits]`: rate limits.

use clap::Args;

use super::Group;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitSettings {
    /// Default rate limit per API key (requests per minute)
    #[arg(
        id = "limits.rate_limit",
        long = "rate-limit",
        env = "WENYUAN_RATE_LIMIT",
        default_value_t = 600,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    rate_limit: u32,
}

impl LimitSettings {
    /// Requests per minute of an API key that has no limit of its own, 1 to 1,000,000.
    pub(crate) fn rate_limit(&self) -> u32 {
        self.rate_limit
    }
}

impl Group for LimitSettings {}
