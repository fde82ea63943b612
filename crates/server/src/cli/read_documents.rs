//! The child that reads documents: it limits its own memory, then answers on its standard output.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use clap::Args;

/// What the child is told.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Memory at most, in bytes.
    memory: u64,
}

/// Stack of the reading thread: deep documents are refused by count, and third-party readers recurse a little.
const STACK: usize = 64 << 20;

/// Answers until standard input ends.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // Where the platform does not know the limit (macOS), time is the only one.
    let _unlimited = rlimit::Resource::AS.set(arguments.memory, arguments.memory);
    let reading = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| library::reader::serve(stdin().lock(), stdout().lock()));
    match reading.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
