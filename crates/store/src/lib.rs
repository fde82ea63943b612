//! Storage: PostgreSQL (embedded or given) with its migrations, the job queue and schedules, caches, the object store, sealed
//! secrets. Knows no domain: it takes names and bytes, and gives them back.
//!
//! The schema `store` belongs to this crate. A job exists exactly when the transaction that enqueued it has committed, and ends
//! with its effect:
//!
//! ```no_run
//! use store::jobs::{self, JobKind, NewJob};
//! use store::{Database, DatabaseConfig, migrations};
//!
//! const EMBED: JobKind = JobKind::new("example.embed");
//!
//! # async fn example(config: &DatabaseConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::open(config).await?;
//! migrations::migrate(&database).await?;
//! let mut transaction = store::postgres::begin(database.pool()).await?;
//! // … the change itself …
//! let job = NewJob::unique(EMBED, "document 7", serde_json::json!({ "document": 7 }));
//! jobs::enqueue(&mut transaction, &[job]).await?;
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Start with [`Database::open`], [`jobs`] and [`workers`].

pub mod cache;
pub mod change_sequence;
pub mod credentials;
pub mod idempotency;
pub mod jobs;
pub mod listener;
pub mod migrations;
pub mod objects;
pub mod postgres;
pub mod schedules;
pub mod sealed;
pub mod secrets;
pub mod statements;
pub mod workers;

pub use cache::Transaction;
pub use postgres::{Database, DatabaseConfig};
