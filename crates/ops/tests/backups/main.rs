//! Backups, verification and recovery with a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a set-up that fails fails the test")]

mod archiving;
mod library;
mod verification;
