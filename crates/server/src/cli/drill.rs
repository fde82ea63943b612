//! `wenyuan drill`: rehearses a disaster, from a repository and its key to a library that answers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use ops::drills::Drill;
use ops::progress::Progress;
use ops::verify::Outcome;

use super::backup::{self, RepositoryArgument, ShownProgress};
use super::show::{self, DIM, WELL, WRONG, styled};
use crate::app::App;
use crate::app::backups;
use crate::app::backups::drill::{self, DrillOptions};
use crate::settings::Settings;

/// Arguments of `wenyuan drill`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    from: RepositoryArgument,

    /// File with the secret key; - for standard input [default: --backup-key-file]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Empty directory to restore into [default: drill in the data directory]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Port of this machine on which the restored library answers; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `wenyuan drill`. The result is kept in the library on this machine, if there is one.
pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let repository = backup::open(&arguments.from, settings).await?;
    let identity = backups::read_identity(arguments.key_file.as_deref(), settings)?;
    let options = DrillOptions { scratch: arguments.scratch.as_deref(), port: arguments.port };
    let progress = Arc::new(Progress::default());
    let bar = ShownProgress::start(&progress);
    let drilled = Box::pin(drill::run(&repository, identity, settings, &options, &progress)).await;
    bar.stop();
    let drill = drilled?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&drill)?);
    } else {
        print(&drill);
    }
    keep(settings, &drill).await;
    let has_passed = drill.outcome == Outcome::Passed;
    Ok(if has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Keeps the result in the library on this machine, if there is one that opens. A drill must work where there is none, or a broken one.
async fn keep(settings: &Settings, drill: &Drill) {
    let has_library =
        settings.database.is_external() || settings.storage.data_dir().join("postgres/data").is_dir();
    if !has_library {
        return;
    }
    let kept = async {
        let app = App::open(settings).await?;
        let recorded = drill::record(&app, drill).await;
        app.close().await;
        recorded
    };
    if let Err(error) = kept.await.context("the result is not kept in the library on this machine") {
        show::note(&format!("{error:#}"));
    }
}

fn print(drill: &Drill) {
    for step in &drill.steps {
        show::line(&format!("{} {:>9.1} s", styled(DIM, format!("{:<13}", step.name)), step.seconds));
    }
    drill.checks.iter().for_each(backup::print_check);
    let style = if drill.outcome == Outcome::Passed { WELL } else { WRONG };
    let backup = drill.backup.as_deref().map_or_else(String::new, |id| format!("backup {id}"));
    let state = drill
        .state_at
        .map_or_else(String::new, |time| time.format(", state of %Y-%m-%d %H:%M:%S UTC").to_string());
    show::line(&format!(
        "{} {}",
        styled(style, drill.outcome.as_str()),
        styled(DIM, format!("{backup}{state}"))
    ));
}
