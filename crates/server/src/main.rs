//! `wenyuan`: a technical library that a team and its agents share.
//!
//! This crate holds every API and no rule: REST under [`api`], the formats of other products under [`compat`], agents under [`mcp`],
//! pages under [`pages`], the command line under [`cli`]. [`http`] is shared by the HTTP APIs, [`app`] holds the use cases that
//! all APIs call, and [`routes`] composes the HTTP APIs. APIs never import each other; `tests/integration/layout.rs` checks it.

mod api;
mod app;
mod cli;
mod compat;
mod graphql;
mod http;
mod logging;
mod mcp;
mod metrics;
mod pages;
#[cfg(test)]
mod reference;
mod routes;
mod settings;
mod telemetry;

use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};

fn main() -> ExitCode {
    // What this program writes is its user's alone: documents, the index, exports.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    cli::main()
}
