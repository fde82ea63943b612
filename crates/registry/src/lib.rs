//! MCP servers of others that this library may use: which there are, with their credentials sealed, and whether they answer.
//!
//! For administrators in person alone, since this program connects to what they name, inside the operator's network too.

pub mod client;
mod error;
pub mod servers;

pub use error::Error;
