//! `wenyuan history`: exports and imports the chats of the library's owner.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use chat::transfer::{ImportReport, MAX_IMPORT_BYTES, export, import};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use kernel::actor::Actor;
use tokio::sync::mpsc;

use super::show;
use crate::app::App;
use crate::app::history::import_config;

/// Skipped items that are listed without `--json`.
const TOLD: usize = 20;

/// Arguments of `wenyuan history`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Export all chats with their sources and files to one file (NDJSON)
    Export {
        /// File; - for standard output
        file: PathBuf,
    },
    /// Import an export of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT (conversations.json); duplicates are skipped
    Import {
        /// File; - for standard input
        file: PathBuf,
    },
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let bar = if show::watched() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    match arguments.action {
        Action::Export { file } => export_to(app, &file, arguments.json, &bar).await,
        Action::Import { file } => import_from(app, &file, arguments.json, &bar).await,
    }
}

async fn export_to(app: &App, file: &Path, as_json: bool, bar: &ProgressBar) -> anyhow::Result<ExitCode> {
    let to_output = file == Path::new("-");
    let (sender, mut pieces) = mpsc::channel(4);
    let unwritable = format!("{} cannot be written", file.display());
    // Written to a temporary file and renamed, so that it is complete or absent.
    let partial = file.with_added_extension("partial");
    let path = partial.clone();
    let writing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut out: Box<dyn std::io::Write> = if to_output {
            Box::new(std::io::stdout().lock())
        } else {
            Box::new(std::fs::File::create(path)?)
        };
        while let Some(piece) = pieces.blocking_recv() {
            let piece: bytes::Bytes = piece;
            out.write_all(&piece)?;
        }
        out.flush()
    });
    let owner = Actor::owner();
    let told = |tally: &export::ExportCounts| bar.set_message(format!("{} chats", tally.chats));
    let exported = export::history(app.pool(), &app.objects, &owner, sender, told).await;
    bar.finish_and_clear();
    // A write error explains why the export's reader went away.
    let written = writing.await?;
    let tally = match (written, exported) {
        (Ok(()), Ok(tally)) => tally,
        (Err(error), _) => return Err(error).context(unwritable),
        (_, Err(error)) => {
            if !to_output {
                let _not_there = std::fs::remove_file(&partial);
            }
            return Err(error.into());
        }
    };
    if !to_output {
        std::fs::rename(&partial, file).context(unwritable)?;
    }
    if as_json && !to_output {
        show::line(&serde_json::to_string_pretty(&tally)?);
    } else {
        show::note(&format!(
            "exported {} chats, {} messages, {} files",
            tally.chats, tally.messages, tally.files
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn import_from(app: &App, file: &Path, as_json: bool, bar: &ProgressBar) -> anyhow::Result<ExitCode> {
    let unreadable = || format!("{} cannot be read", file.display());
    let input: Box<dyn Read + Send> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(file).with_context(unreadable)?;
        let size = opened.metadata().with_context(unreadable)?.len();
        anyhow::ensure!(size <= MAX_IMPORT_BYTES, "an import has at most {MAX_IMPORT_BYTES} bytes");
        Box::new(opened)
    };
    let owner = Actor::owner();
    let config = import_config(app)?;
    let told = |report: &ImportReport| {
        bar.set_message(format!("{} messages of {} chats", report.messages, report.chats));
    };
    let catalogue = app.engine.catalogue().await?;
    let input = input.take(MAX_IMPORT_BYTES);
    let report = import::import(app.pool(), &app.objects, &catalogue, &owner, input, config, told).await;
    bar.finish_and_clear();
    let report = report?;
    if as_json {
        show::line(&serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    show::note(&format!(
        "added {} chats, {} messages, {} sources, {} files; {} duplicates skipped",
        report.chats, report.messages, report.sources, report.files, report.already_there
    ));
    for dropped in report.dropped.iter().take(TOLD) {
        show::note(&format!("skipped: {}: {}", dropped.location, dropped.reason));
    }
    if report.dropped_count > TOLD as u64 {
        show::note(&format!("and {} more; --json lists them", report.dropped_count - TOLD as u64));
    }
    Ok(ExitCode::SUCCESS)
}
