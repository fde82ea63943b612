//! `wenyuan`: a technical library that a team and its agents share.
//!
//! Every door is here, and no rule: HTTP under [`api`] and [`pages`], agents under [`mcp`], the command line under [`cli`].
//! [`app`] puts the rooms together.

mod address;
mod api;
mod app;
mod cli;
mod context7;
mod guide;
mod llms;
mod logging;
mod mail;
mod mcp;
mod metrics;
mod openai;
mod pages;
mod passages;
mod settings;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
