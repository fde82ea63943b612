//! `[mcp]`: the MCP server.

use clap::Args;
use clap::builder::FalseyValueParser;

use super::Group;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "MCP")]
pub(crate) struct McpSettings {
    /// Serve the tools that the protocol's conformance suite calls. For tests only, refused beyond loopback
    #[arg(id = "mcp.fixtures", long = "mcp-fixtures", hide = true, env = "WENYUAN_MCP_FIXTURES", value_parser = FalseyValueParser::new())]
    fixtures: bool,
}

impl McpSettings {
    /// Whether the tools of the conformance suite are served.
    pub(crate) fn fixtures(&self) -> bool {
        self.fixtures
    }
}

impl Group for McpSettings {}
