//! Tests of the program through its interfaces: HTTP, pages, MCP, and the command line. Each test starts the real
//! program on a database of its own. One binary, so that everything is linked once.

mod accounts;
mod admin_pages;
mod authority;
mod chat_files;
mod chat_pages;
mod chat_trees;
mod chats;
mod codebase;
mod connections;
mod context7;
mod conventions;
mod database_privileges;
mod document_lifecycle;
mod document_pages;
mod external_sources;
mod failures;
mod guides;
mod kills;
mod language_models;
mod layout;
mod library_pages;
mod llms;
mod mcp;
mod mcp_servers;
mod mcp_tools;
mod migrations;
mod observability;
mod openai;
mod openapi;
mod page_weight;
mod pages;
mod perplexica;
mod relevance;
mod robustness;
mod search;
mod settings;
mod skipped;
mod soak;
mod stale_answers;
mod telemetry;
mod third_party_clients;
mod transfer;
mod versions;
mod worklist;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_wenyuan");
