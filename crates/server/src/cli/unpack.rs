//! The child process that unpacks an archive from standard input: it limits its own memory, gives up its rights, then writes the
//! files to standard output.

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use clap::Args;
use extract::archive::ArchiveLimits;

use super::sandbox;

/// Arguments of the child process.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Memory limit in bytes.
    memory: u64,
    /// Maximum number of entries.
    entries: usize,
    /// Maximum size of a file in bytes.
    entry_bytes: u64,
    /// Maximum size of all files in bytes.
    total_bytes: u64,
}

/// Unpacks the archive.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    sandbox::limit_memory(arguments.memory);
    // The descriptor itself: standard input cannot seek.
    let Ok(archive) = stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    // Where it cannot be had, the server has warned of it at its start.
    let _unconfined = sandbox::confine();
    let limits = ArchiveLimits {
        entries: arguments.entries,
        entry_bytes: arguments.entry_bytes,
        total_bytes: arguments.total_bytes,
    };
    match library::unpack::serve(File::from(archive), &limits, stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_broken_pipe) => ExitCode::FAILURE,
    }
}
