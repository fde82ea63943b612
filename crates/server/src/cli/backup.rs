//! `wenyuan backup`: writes backups, lists and verifies them, manages their keys and golden questions. Secret keys are read from files, never from the
//! command line.

use std::io::IsTerminal as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ops::keys::{Identity, NewKey, recovery_kit};
use ops::manifest::{Manifest, program_version};
use ops::progress::Progress;
use ops::repository::{Listed, Repository};
use ops::verify::{Check, Outcome, Report, State};
use ops::wal::join;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::golden_questions;
use super::keys_of::read_key;
use super::show::{self, BOLD, DIM, WELL, WRONG, bytes, styled};
use crate::app::{App, backups};
use crate::settings::Settings;

/// Interval at which progress is shown.
const SHOW_PROGRESS: Duration = Duration::from_millis(200);

/// Arguments of `wenyuan backup`; lists backups by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a backup, while the server runs or without it
    Run {
        /// Directory of the backups [default: --backup-repository]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,

        /// Do not encrypt it: everyone who reads the directory reads the library
        #[arg(long)]
        unencrypted: bool,
    },
    /// List backups (default)
    List {
        #[command(flatten)]
        from: RepositoryArgument,
    },
    /// Show a backup and the report of its last verification
    Show {
        /// Id, its beginning, or latest
        #[arg(default_value = "latest")]
        backup: String,

        #[command(flatten)]
        from: RepositoryArgument,
    },
    /// Restore a backup beside the library, check the copy, and remove it
    Verify {
        /// Id, its beginning, or latest
        #[arg(default_value = "latest")]
        backup: String,

        #[command(flatten)]
        from: RepositoryArgument,

        /// File with the secret key; - for standard input [default: --backup-key-file]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,

        /// Empty directory to restore into [default: verification in the data directory]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
    },
    /// Remove backups that are older than the settings say, and what no kept backup needs
    Prune {
        #[command(flatten)]
        from: RepositoryArgument,

        /// Show what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Manage the golden questions, whose answers every verified backup must give
    #[command(visible_alias = "question")]
    Questions(golden_questions::Arguments),
    /// Manage the keys that backups are encrypted to
    Key(KeyArguments),
}

#[derive(Debug, Args)]
pub(super) struct RepositoryArgument {
    /// Directory of the backups [default: --backup-repository]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct KeyArguments {
    #[command(subcommand)]
    action: Option<KeyAction>,
}

#[derive(Debug, Subcommand)]
enum KeyAction {
    /// List the public keys of this installation (default)
    List,
    /// Create a key and print its recovery kit, once
    New {
        /// Write the recovery kit to a file that only you can read, instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Encrypt to a key that was created elsewhere, too
    Add {
        /// Public key (age1…)
        public_key: String,
    },
    /// Confirm that you have a secret key, so that no warning is shown any more
    Confirm {
        /// File with the secret key or the recovery kit; - for standard input
        key_file: PathBuf,
    },
    /// Do not encrypt later backups to a key
    Remove {
        /// Public key (age1…)
        public_key: String,
    },
}

/// Runs `wenyuan backup`.
pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let as_json = arguments.json;
    match arguments.action.unwrap_or(Action::List { from: RepositoryArgument { from: None } }) {
        Action::Run { to, unencrypted } => {
            let folder = backups::repository_folder(to.as_deref(), settings)?;
            warn_of_keys(settings, unencrypted)?;
            let app = App::open(settings).await?;
            let progress = Arc::new(Progress::default());
            let bar = ShownProgress::start(&progress);
            let written = backups::run(&app, folder, unencrypted, &progress).await;
            bar.stop();
            app.close().await;
            let manifest = written?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&summary(&manifest, None))?);
            } else {
                show::note(&format!(
                    "backup {} is complete: {} rows, {} objects, {} in the repository",
                    styled(BOLD, &manifest.id),
                    manifest.rows(),
                    manifest.objects.count,
                    bytes(manifest.own_bytes()),
                ));
                show::note(&format!("it counts when it is verified: wenyuan backup verify {}", manifest.id));
            }
        }
        Action::List { from } => list(&open(&from, settings).await?, as_json).await?,
        Action::Show { backup, from } => {
            let repository = open(&from, settings).await?;
            let manifest = repository.find(&backup).await?;
            let report = repository.report(&manifest.id).await?;
            if as_json {
                let value = json!({ "manifest": manifest, "verification": report });
                show::line(&serde_json::to_string_pretty(&value)?);
            } else {
                print_backup(&manifest, report.as_ref());
                if let Some(report) = &report {
                    print_report(report);
                }
            }
        }
        Action::Verify { backup, from, key_file, scratch } => {
            let repository = open(&from, settings).await?;
            let manifest = repository.find(&backup).await?;
            let identity = backups::read_identity(key_file.as_deref(), settings)?;
            let progress = Arc::new(Progress::default());
            let bar = ShownProgress::start(&progress);
            let checked =
                backups::verify(&repository, manifest, identity, settings, scratch.as_deref(), &progress)
                    .await;
            bar.stop();
            let report = checked?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&report)?);
            } else {
                print_report(&report);
            }
            let is_sound = report.state == State::Verified;
            return Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Action::Prune { from, dry_run } => {
            let plan = backups::prune(&open(&from, settings).await?, settings, dry_run).await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&plan)?);
            } else {
                plan.removed.iter().for_each(|id| show::line(id));
                let verb = if dry_run { "would remove" } else { "removed" };
                show::note(&format!(
                    "{verb} {} backups and {} files with {}; {} backups are kept",
                    plan.removed.len(),
                    plan.files,
                    bytes(plan.bytes),
                    plan.kept.len(),
                ));
            }
        }
        Action::Questions(arguments) => {
            let app = App::open(settings).await?;
            let done = golden_questions::run(&app, arguments, as_json).await;
            app.close().await;
            done?;
        }
        Action::Key(key) => keys(settings, key.action.unwrap_or(KeyAction::List), as_json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the repository that a command names.
pub(super) async fn open(from: &RepositoryArgument, settings: &Settings) -> anyhow::Result<Repository> {
    Ok(Repository::open(backups::repository_folder(from.from.as_deref(), settings)?).await?)
}

/// Shows the progress of a backup or restoration on a terminal: bytes, rate, time left.
pub(super) struct ShownProgress {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl ShownProgress {
    pub(super) fn start(progress: &Arc<Progress>) -> Self {
        let bar = if show::watched() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let template = "{msg:<10} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let task = tokio::spawn({
            let (bar, progress) = (bar.clone(), Arc::clone(progress));
            async move {
                let mut shown = None;
                loop {
                    let (step, done, total) = progress.read();
                    if shown != Some(step) {
                        bar.reset();
                        shown = Some(step);
                    }
                    bar.set_message(step.as_str());
                    bar.set_length(total.max(done));
                    bar.set_position(done);
                    tokio::time::sleep(SHOW_PROGRESS).await;
                }
            }
        });
        Self { bar, task }
    }

    pub(super) fn stop(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn warn_of_keys(settings: &Settings, unencrypted: bool) -> anyhow::Result<()> {
    if unencrypted {
        show::note(&styled(WRONG, "not encrypted: everyone who reads the directory reads the library"));
        show::note("the master key (secret.key) is not in it: keep a copy of that file elsewhere");
        return Ok(());
    }
    let keys = backups::key_file(settings).read()?;
    if !keys.is_empty() && keys.iter().all(|key| !key.confirmed) {
        show::note(&styled(
            WRONG,
            "nobody has confirmed to have a secret key: without it no backup can be restored. Confirm it: wenyuan backup key \
             confirm FILE",
        ));
    }
    Ok(())
}

fn summary(manifest: &Manifest, report: Option<&Report>) -> Value {
    json!({
        "id": manifest.id,
        "state": report.map_or(State::Unverified, |report| report.state),
        "started_at": manifest.started_at,
        "consistent_at": manifest.consistent_at,
        "finished_at": manifest.finished_at,
        "encrypted": manifest.is_encrypted(),
        "rows": manifest.rows(),
        "tables": manifest.tables.len(),
        "objects": manifest.objects.count,
        "database_bytes": manifest.database_bytes(),
        "object_bytes": manifest.objects.bytes,
        "own_bytes": manifest.own_bytes(),
        "program": manifest.program,
        "schema": manifest.schema,
        "postgres": manifest.postgres,
    })
}

async fn list(repository: &Repository, as_json: bool) -> anyhow::Result<()> {
    let listed = repository.list().await?;
    let periods = backups::periods(repository, &listed).await?;
    if as_json {
        let backups: Vec<Value> = listed
            .iter()
            .map(|backup| match backup {
                Listed::Complete(manifest, report) => {
                    let mut summary = summary(manifest, report.as_ref());
                    summary["recoverable_until"] =
                        json!(periods.get(&manifest.id).map(|period| period.until));
                    summary
                }
                Listed::Damaged { id, fault } => json!({ "id": id, "state": State::Failed, "fault": fault }),
            })
            .collect();
        show::line(&serde_json::to_string_pretty(&backups)?);
        return Ok(());
    }
    if listed.is_empty() {
        show::note("no backups yet; write one: wenyuan backup run");
    }
    for backup in &listed {
        match backup {
            Listed::Complete(manifest, report) => print_backup(manifest, report.as_ref()),
            Listed::Damaged { id, fault } => {
                show::line(&format!("{}  {}", styled(BOLD, id), styled(WRONG, fault)));
            }
        }
    }
    for period in join(periods.into_values().collect()) {
        if period.from < period.until {
            show::note(&format!("recovery to any moment: {period}"));
        }
    }
    Ok(())
}

fn print_backup(manifest: &Manifest, report: Option<&Report>) {
    let state = report.map_or(State::Unverified, |report| report.state);
    let encryption = if manifest.is_encrypted() { "encrypted" } else { "not encrypted" };
    show::line(&format!(
        "{}  {}  {}",
        styled(BOLD, &manifest.id),
        styled(style(state), format!("{:<10}", state.as_str())),
        styled(
            DIM,
            format!(
                "{} rows, {} objects, {} + {} of objects, {encryption}, wenyuan {}",
                manifest.rows(),
                manifest.objects.count,
                bytes(manifest.own_bytes()),
                bytes(manifest.objects.bytes),
                manifest.program,
            )
        ),
    ));
}

fn style(state: State) -> anstyle::Style {
    match state {
        State::Verified => WELL,
        State::Unverified => DIM,
        State::Degraded | State::Failed => WRONG,
    }
}

/// Prints a check with its outcome.
pub(super) fn print_check(check: &Check) {
    let mark = match check.outcome {
        Outcome::Passed => styled(WELL, "✓"),
        Outcome::Degraded => styled(WRONG, "!"),
        Outcome::Failed => styled(WRONG, "✗"),
    };
    show::line(&format!("{mark} {:<13} {}", check.name, check.detail));
}

fn print_report(report: &Report) {
    report.checks.iter().for_each(print_check);
    show::line(&format!(
        "{} {}",
        styled(style(report.state), report.state.as_str()),
        styled(DIM, format!("in {:.1} s", report.seconds))
    ));
}

fn keys(settings: &Settings, action: KeyAction, as_json: bool) -> anyhow::Result<()> {
    let file = backups::key_file(settings);
    match action {
        KeyAction::List => {}
        KeyAction::New { output } => {
            let key = NewKey::generate();
            let kit = recovery_kit(&key, program_version(), settings.backup.repository());
            // The kit first: a key that nobody has must not be encrypted to.
            if let Some(path) = output {
                let mut options = std::fs::File::options();
                options.write(true).create_new(true).mode(0o600);
                let opened = options.open(&path);
                let mut written = opened.with_context(|| format!("cannot create {}", path.display()))?;
                written.write_all(kit.as_bytes()).and_then(|()| written.sync_all())?;
                show::note(&format!(
                    "wrote the recovery kit to {}: print it, or move it to a safe",
                    path.display()
                ));
            } else if as_json {
                bail!(
                    "the recovery kit is a page for people: leave out --json, or name a file with --output"
                );
            } else {
                show::line(&kit);
                std::io::stdout().flush()?;
            }
            file.add(&key.public)?;
            if std::io::stdout().is_terminal() {
                show::note("when you have put it away, confirm it: wenyuan backup key confirm -");
            }
            return Ok(());
        }
        KeyAction::Add { public_key } => file.add(&public_key)?,
        KeyAction::Confirm { key_file } => {
            let identity = Identity::parse(&read_key(&key_file)?, &key_file.display().to_string())?;
            let confirmed = file.confirm(&identity)?;
            if confirmed.is_empty() {
                bail!("backups of this installation are not encrypted to this key");
            }
        }
        KeyAction::Remove { public_key } => {
            if !file.remove(&public_key)? {
                bail!("backups of this installation are not encrypted to {public_key}");
            }
        }
    }
    let keys = file.read()?;
    if as_json {
        show::line(&serde_json::to_string_pretty(&keys)?);
        return Ok(());
    }
    if keys.is_empty() {
        show::note("no keys yet; create one: wenyuan backup key new");
    }
    for key in keys {
        let state = if key.confirmed { styled(WELL, "confirmed") } else { styled(WRONG, "not confirmed") };
        show::line(&format!("{}  {state}", key.recipient));
    }
    Ok(())
}
