//! The child process that parses documents: it limits its own memory, gives up its rights, then serves requests on standard input and
//! output.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use clap::Args;

use super::sandbox;

/// Arguments of the child process.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Memory limit in bytes.
    memory: u64,
}

/// Stack of the parsing thread: nesting is limited by count, and third-party parsers recurse a little.
const STACK: usize = 64 << 20;

/// Serves until standard input ends.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // Files cannot be opened afterwards.
    extract::picture::load_fonts();
    sandbox::limit_memory(arguments.memory);
    // Where it cannot be had, the server has warned of it at its start.
    let _unconfined = sandbox::confine();
    let reading = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| library::reader::serve(stdin().lock(), stdout().lock()));
    match reading.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
