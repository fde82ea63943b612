//! `wenyuan completions`: scripts that complete commands and options in a shell.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

/// Arguments of `wenyuan completions`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script of a shell.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "wenyuan", &mut script);
    // A closed pipe is not an error.
    let _reader_gone = stdout().write_all(&script);
    ExitCode::SUCCESS
}
