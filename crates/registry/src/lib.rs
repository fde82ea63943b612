//! MCP servers of others that this library may use: which there are, with their credentials sealed, and whether they answer.
//!
//! For administrators in person alone, since this program connects to what they name, inside the operator's network too; but
//! everybody who is signed in may put a question to a server that an administrator lets be asked.

pub mod asking;
pub mod client;
mod error;
pub mod given;
pub mod servers;

pub use error::Error;
