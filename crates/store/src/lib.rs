//! Where things are kept: PostgreSQL (embedded or given), its migrations, durable jobs, the object
//! store, secrets sealed, and what is remembered of it all. Knows no domain: it is handed names and bytes, and hands them back.

pub mod cache;
pub mod credentials;
pub mod idempotency;
pub mod jobs;
pub mod migrations;
pub mod objects;
pub mod postgres;
pub mod sealed;
pub mod secrets;
pub mod statements;
pub mod workers;

pub use postgres::{Database, DatabaseConfig};
