//! Registry of external MCP servers: their endpoints and sealed credentials, connection tests, and tool calls.
//!
//! Owns the schema `registry`. Only an administrator in person may see or change the registry, because the program connects
//! to the registered endpoints, also inside the operator's network. Every signed-in user can send questions to a server for
//! which an administrator has named a tool ([`tool_call`]). An API key goes in and is used; it is never returned.
//!
//! ```no_run
//! use kernel::actor::Actor;
//! use registry::servers::{self, NewServer};
//!
//! # async fn example(connection: &mut sqlx::PgConnection, sealer: &store::secrets::Sealer) -> Result<(), registry::Error> {
//! let admin = Actor::owner();
//! let new = NewServer {
//!     name: "github".to_owned(),
//!     description: "Issues and pull requests".to_owned(),
//!     endpoint: "https://tools.example.org/mcp".to_owned(),
//!     api_key: Some("secret".to_owned().into()),
//!     header: None,
//!     enabled: true,
//! };
//! let server = servers::create(&mut *connection, sealer, &admin, new).await?;
//! let target = servers::target(connection, sealer, &admin, server.id).await?;
//! let report = registry::client::test(&target).await;
//! assert!(report.works, "{:?}", report.problem);
//! # Ok(())
//! # }
//! ```

pub mod client;
mod error;
pub mod servers;
pub mod tool_call;
mod validate;

pub use error::Error;
pub use validate::{MAX_DESCRIPTION_CHARS, MAX_HEADER_BYTES, MAX_TOOL_NAME_CHARS, TOOL_NAME_PATTERN};
