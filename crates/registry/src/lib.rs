//! MCP servers of others.
