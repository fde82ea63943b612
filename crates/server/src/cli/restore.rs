//! `wenyuan restore`: restores a backup into an empty data directory, after showing what that does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use ops::progress::Progress;
use ops::restore::{self, Moment, Plan, Request};
use serde_json::json;

use super::backup::{self, RepositoryArgument, ShownProgress};
use super::show::{self, BOLD, DIM, bytes, styled};
use crate::app::backups;
use crate::settings::Settings;

/// Arguments of `wenyuan restore`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id of the backup, its beginning, or latest [default: latest, or the last one before --to-time]
    #[arg(long, value_name = "ID")]
    backup: Option<String>,

    /// Restore the state at this time (RFC 3339): everything that was committed until then, and nothing later
    #[arg(long, value_name = "TIME", conflicts_with = "to_latest")]
    to_time: Option<DateTime<Utc>>,

    /// Restore the last state that the repository has, instead of that of the backup
    #[arg(long)]
    to_latest: bool,

    #[command(flatten)]
    from: RepositoryArgument,

    /// File with the secret key; - for standard input [default: --backup-key-file]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Show the plan, compare every byte of the backup with its hash, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `wenyuan restore`. The data directory is that of the settings (--data-dir).
pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let repository = backup::open(&arguments.from, settings).await?;
    let moment = match (arguments.to_time, arguments.to_latest) {
        (Some(time), _) => Moment::Time(time),
        (None, true) => Moment::Latest,
        (None, false) => Moment::Backup,
    };
    let manifest = restore::choose(&repository, arguments.backup.as_deref(), moment).await?;
    let identity = backups::read_identity(arguments.key_file.as_deref(), settings)?;
    let data = settings.storage.data_dir();
    let request = Request { moment, ..backups::request(&repository, manifest, identity, settings, &data) };
    let progress = Arc::new(Progress::default());
    let bar = ShownProgress::start(&progress);
    let plan = restore::plan(&request, arguments.dry_run, &progress).await;
    bar.stop();
    let plan = plan?;
    if !arguments.json {
        print_plan(&plan);
    }
    if arguments.dry_run {
        if arguments.json {
            show::line(&serde_json::to_string_pretty(&plan)?);
        } else {
            show::note("nothing was changed; every byte of the backup has its hash");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let bar = ShownProgress::start(&progress);
    let restored = backups::restore(&request, &progress).await;
    bar.stop();
    let has_master_key = restored?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&json!({ "plan": plan, "master_key": has_master_key }))?);
        return Ok(ExitCode::SUCCESS);
    }
    show::note(&format!("restored into {}; start it: wenyuan serve", styled(BOLD, data.display())));
    if !has_master_key {
        show::note(&format!(
            "the master key was not in the backup: put your copy of secret.key into {} before the first start, or enter the keys of \
             language models and MCP servers anew",
            data.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn print_plan(plan: &Plan) {
    let row =
        |name: &str, text: String| show::line(&format!("{} {text}", styled(DIM, format!("{name:<10}"))));
    row("backup", styled(BOLD, &plan.backup));
    let time = plan.state_at.format("%Y-%m-%d %H:%M:%S UTC");
    row("state", format!("as of {time}; what was written later is lost"));
    let later = match plan.log_segments {
        0 => String::new(),
        segments => {
            format!(
                ", and what came in {segments} segments of the log since {}",
                plan.consistent_at.format("%Y-%m-%d %H:%M:%S")
            )
        }
    };
    row("contents", format!("{} rows, {} objects{later}", plan.rows, plan.objects));
    let migrations = match plan.known_schema - plan.schema {
        0 => "no migration is pending".to_owned(),
        pending => format!("the first start applies {pending} newer migrations"),
    };
    row("versions", format!("wenyuan {}, PostgreSQL {}; {migrations}", plan.program, plan.postgres));
    let beyond = if plan.log_segments == 0 { "" } else { " and beyond" };
    row("log", format!("replayed from {} to {}{beyond}", plan.wal.0, plan.wal.1));
    row("encrypted", if plan.encrypted { "yes; the key opens it" } else { "no" }.to_owned());
    row("reads", bytes(plan.read_bytes));
    row("needs", format!("{} of {} free bytes", bytes(plan.needed_bytes), bytes(plan.free_bytes)));
    row("into", plan.folder.display().to_string());
}
