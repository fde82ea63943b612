//! `wenyuan man`: man pages of the program and of each command, in roff.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;

use super::show;
use crate::settings;

/// Arguments of `wenyuan man`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder for the page of each command (wenyuan.1, wenyuan-add.1, …); without it, the program's own page is printed
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Prints the page of the program, or writes all pages into a folder.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Their own page of help has them: in each man page they would bury the options of the command.
    let command = super::command()
        .mut_args(|argument| if settings::is_setting(&argument) { argument.hide(true) } else { argument });
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        // A closed pipe is not an error.
        let _reader_gone = std::io::stdout().write_all(&page);
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("cannot write man pages into {}", folder.display()))?;
    show::note(&format!("man pages are in {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}
