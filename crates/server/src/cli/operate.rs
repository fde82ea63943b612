//! The operator's commands: jobs, migrations, what can be rebuilt.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use kernel::actor::Actor;
use library::search::ModelState;
use library::{changes, embed as vectors, overview};
use store::jobs::inspect::{self, Job, JobFilter, JobState};
use store::schedules::{self, RunOutcome, ScheduleStatus};
use store::{Database, migrations};
use tokio::time::sleep;
use uuid::Uuid;

use super::show::{self, BOLD, DIM, WELL, WRONG, styled};
use crate::app::App;
use crate::app::background::BackgroundTasks;
use crate::settings::Settings;

/// Maximum number of jobs that are listed.
const MAX_JOBS: i64 = 200;

/// Arguments of `wenyuan jobs`.
#[derive(Debug, Args)]
pub(super) struct JobArguments {
    #[command(subcommand)]
    action: Option<JobAction>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum JobAction {
    /// List jobs that are not done: dead, running, waiting (the default)
    List {
        /// Only jobs in this state: dead, running, waiting, done; newest first
        #[arg(long, value_parser = parse_state)]
        state: Option<JobState>,
        /// Only jobs of this kind; newest first
        #[arg(long)]
        kind: Option<String>,
    },
    /// List the schedules of periodic work
    Schedules,
    /// Retry a dead job, or all
    Retry {
        /// Id of the job [default: all dead jobs]
        id: Option<Uuid>,
    },
    /// Delete a dead job, or all
    Discard {
        /// Id of the job [default: all dead jobs]
        id: Option<Uuid>,
    },
}

fn parse_state(text: &str) -> Result<JobState, String> {
    let known = JobState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| "expected dead, running, waiting or done".to_owned())
}

/// Runs `wenyuan jobs`.
pub(super) async fn jobs(app: &App, arguments: JobArguments) -> anyhow::Result<ExitCode> {
    let list = JobAction::List { state: None, kind: None };
    match arguments.action.unwrap_or(list) {
        JobAction::List { state: None, kind: None } => {
            let jobs = inspect::list(app.pool(), MAX_JOBS + 1).await?;
            print_jobs(app, jobs, arguments.json).await?;
        }
        JobAction::List { state, kind } => {
            let filter = JobFilter { state, kind: kind.as_deref() };
            let jobs = inspect::page(app.pool(), filter, None, MAX_JOBS + 1).await?;
            print_jobs(app, jobs, arguments.json).await?;
        }
        JobAction::Schedules => print_schedules(&schedules::list(app.pool()).await?, arguments.json)?,
        JobAction::Retry { id } => {
            let number = inspect::retry(app.pool(), id).await?;
            show::note(&format!("retrying {}", show::count(number, "dead job")));
        }
        JobAction::Discard { id } => {
            let number = inspect::discard(app.pool(), id).await?;
            show::note(&format!("deleted {}", show::count(number, "dead job")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints how many jobs there are, and the first of the list.
async fn print_jobs(app: &App, mut jobs: Vec<Job>, json: bool) -> anyhow::Result<()> {
    let max = usize::try_from(MAX_JOBS).unwrap_or(usize::MAX);
    let is_cut = jobs.len() > max;
    jobs.truncate(max);
    if json {
        show::line(&serde_json::to_string_pretty(&jobs)?);
        if is_cut {
            show::note(&format!("only the first {max} are printed; --state and --kind narrow the list"));
        }
        return Ok(());
    }
    print_job_counts(app).await?;
    if jobs.is_empty() {
        show::note("no jobs");
    }
    let revision = |job: &Job| -> Option<Uuid> { job.payload["document_version_id"].as_str()?.parse().ok() };
    let revisions: Vec<Uuid> = jobs.iter().filter_map(revision).collect();
    let catalogue = app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let addresses = overview::addresses(&mut connection, &Actor::owner(), &catalogue, &revisions).await?;
    drop(connection);
    for job in &jobs {
        let address = revision(job).and_then(|id| addresses.iter().find(|address| address.revision_id == id));
        let document = address
            .map(|address| format!("{}  ", show::address(&address.library, &address.version, &address.path)));
        let style = if job.state == JobState::Dead { WRONG } else { DIM };
        let duration = job.seconds.map(|seconds| format!("in {seconds:.3} s  ")).unwrap_or_default();
        show::line(&format!(
            "{}  {:<8} {:<26} {}{} {}  {}  {duration}{}",
            job.id,
            styled(style, job.state.as_str()),
            job.kind,
            document.unwrap_or_default(),
            job.attempts,
            if job.attempts == 1 { "try" } else { "tries" },
            job.created_at.format("%Y-%m-%d %H:%M:%S"),
            job.last_error.as_deref().unwrap_or_default(),
        ));
    }
    if is_cut {
        show::note(&styled(DIM, format!("… the first {max}; --state and --kind narrow the list")));
    }
    Ok(())
}

/// Prints the numbers of jobs that are not done, by state and kind.
async fn print_job_counts(app: &App) -> anyhow::Result<()> {
    let counts = inspect::counts(app.pool()).await?;
    for state in JobState::ALL {
        let of_state: Vec<_> = counts.iter().filter(|(_, counted, _)| *counted == state).collect();
        let sum: i64 = of_state.iter().map(|(_, _, number)| number).sum();
        if sum > 0 {
            let kinds: Vec<String> =
                of_state.iter().map(|(kind, _, number)| format!("{kind} {number}")).collect();
            let style = if state == JobState::Dead { WRONG } else { BOLD };
            show::line(&format!(
                "{} {}  {}",
                styled(style, sum),
                state.as_str(),
                styled(DIM, kinds.join(", "))
            ));
        }
    }
    Ok(())
}

fn print_schedules(schedules: &[ScheduleStatus], json: bool) -> anyhow::Result<()> {
    if json {
        show::line(&serde_json::to_string_pretty(schedules)?);
        return Ok(());
    }
    if schedules.is_empty() {
        show::note("no schedules: a server registers them when it starts");
    }
    for schedule in schedules {
        let last = match (schedule.last_outcome, schedule.last_started_at, schedule.last_seconds) {
            (Some(outcome), Some(started), Some(seconds)) => {
                let style = if outcome == RunOutcome::Failed { WRONG } else { WELL };
                let started = started.format("%Y-%m-%d %H:%M:%S");
                format!("last {started}, {} in {seconds:.3} s", styled(style, outcome.as_str()))
            }
            _ => "no run yet".to_owned(),
        };
        show::line(&format!(
            "{:<32} {:<12}  next {}  {last}  {}",
            schedule.name,
            schedule.cron,
            schedule.next_run_at.format("%Y-%m-%d %H:%M:%S"),
            schedule.last_error.as_deref().unwrap_or_default(),
        ));
    }
    Ok(())
}

/// Arguments of `wenyuan migrate`; shows migrations by default.
#[derive(Debug, Args)]
pub(super) struct MigrateArguments {
    #[command(subcommand)]
    action: Option<MigrateAction>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum MigrateAction {
    /// Show which migrations are applied (default)
    Status,
    /// Apply pending migrations
    Up,
    /// Revert to this migration; data of later ones is lost
    Down {
        /// Number of the migration; 0 reverts all
        target: i64,
        /// Revert without confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// Shows and applies migrations, without migrating the database first.
pub(super) async fn migrate(settings: &Settings, arguments: MigrateArguments) -> anyhow::Result<ExitCode> {
    let database = Database::open(&settings.database()).await?;
    let done = migrate_in(&database, arguments).await;
    database.close().await;
    done
}

async fn migrate_in(database: &Database, arguments: MigrateArguments) -> anyhow::Result<ExitCode> {
    match arguments.action.unwrap_or(MigrateAction::Status) {
        MigrateAction::Status => {}
        MigrateAction::Up => migrations::migrate(database).await?,
        MigrateAction::Down { target, yes } => {
            if !yes {
                anyhow::bail!(
                    "reverting to migration {target} loses the data of later ones; confirm with --yes"
                );
            }
            let owner = database.owner_pool();
            let done = migrations::down(&owner, target).await;
            owner.close().await;
            done?;
        }
    }
    // As the owner: the server's role has no privileges on a database that was never migrated.
    let owner = database.owner_pool();
    let history = migrations::status(&owner).await;
    owner.close().await;
    let history = history?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&history)?);
    } else {
        for step in &history {
            let state = match (&step.fault, step.applied_at) {
                (Some(fault), _) => styled(WRONG, fault),
                (None, Some(time)) => styled(WELL, format!("applied {}", time.format("%Y-%m-%d %H:%M:%S"))),
                (None, None) => styled(BOLD, "pending"),
            };
            show::line(&format!("{:04}  {:<24} {state}", step.version, step.description));
        }
    }
    let sound = history.iter().all(|step| step.fault.is_none());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Arguments of `wenyuan reindex`.
#[derive(Debug, Args)]
pub(super) struct ReindexArguments {
    /// Rebuild the vectors too; the server or `wenyuan embed` computes them
    #[arg(long)]
    vectors: bool,
}

/// Rebuilds the full-text index in every process that has one, while the old one answers.
pub(super) async fn reindex(app: &App, arguments: ReindexArguments) -> anyhow::Result<ExitCode> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let owner = Actor::owner();
    changes::request_rebuild(&mut transaction, &owner).await?;
    if arguments.vectors {
        vectors::rebuild(&mut transaction, &owner).await?;
    }
    transaction.commit().await?;
    let bar = bar("indexing", "changes", 0);
    let mut follower = app.engine.follower();
    loop {
        let progress = follower
            .catch_up(|progress| {
                bar.set_length(progress.latest.unsigned_abs());
                bar.set_position(progress.indexed.unsigned_abs());
            })
            .await?;
        bar.set_length(progress.latest.unsigned_abs());
        bar.set_position(progress.indexed.unsigned_abs());
        if progress.behind() == 0 {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    bar.finish_and_clear();
    show::note("the full-text index is being rebuilt");
    if arguments.vectors {
        show::note("the server recomputes the vectors; to do it now: wenyuan embed");
    }
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `wenyuan recount`.
#[derive(Debug, Args)]
pub(super) struct RecountArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Counts likes, comments and replies, and repairs the counters that differ, while the server runs.
pub(super) async fn recount(app: &App, arguments: &RecountArguments) -> anyhow::Result<ExitCode> {
    let recount = social::counters::recount(app.pool(), &Actor::owner()).await?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&recount)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (what, counters) in [("post", &recount.posts), ("comment", &recount.comments)] {
        for counter in counters {
            let (before, after) = (counter.before, counter.after);
            let counts = format!("likes {} → {}, comments {} → {}", before.0, after.0, before.1, after.1);
            show::line(&format!("{} {}  {counts}", styled(BOLD, what), counter.id));
        }
    }
    let repaired = (recount.posts.len() + recount.comments.len()) as u64;
    let all = show::count(recount.checked, "text");
    show::note(&match repaired {
        0 => format!("counted {all}: nothing to repair"),
        number => format!("counted {all}: repaired {}", show::count(number, "counter")),
    });
    Ok(ExitCode::SUCCESS)
}

/// Computes the missing vectors.
pub(super) async fn embed(app: &App) -> anyhow::Result<ExitCode> {
    app.load_model().await;
    let target = match app.engine.models().await?.target {
        ModelState::Ready(target) => target,
        ModelState::Off(why) => anyhow::bail!("cannot compute vectors: {why}"),
        ModelState::Loading => {
            anyhow::bail!("cannot compute vectors: the embedding model is still being loaded")
        }
    };
    let pending = async || -> anyhow::Result<u64> {
        let mut connection = store::postgres::acquire(app.pool()).await?;
        Ok(vectors::count_pending(&mut connection, &Actor::owner(), &target).await?.unsigned_abs())
    };
    let all = pending().await?;
    let bar = bar("embedding", "passages", all);
    let mut background = BackgroundTasks::start(app);
    background.embed(app);
    loop {
        let left = pending().await?;
        bar.set_position(all.saturating_sub(left));
        if left == 0 {
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    bar.finish_and_clear();
    background.stop().await;
    show::note(&format!("{} got a vector", show::count(all, "passage")));
    Ok(ExitCode::SUCCESS)
}

/// Progress bar in a unit, such as documents; hidden without a terminal.
pub(super) fn bar(what: &'static str, unit: &'static str, length: u64) -> ProgressBar {
    let bar = if show::watched() { ProgressBar::new(length) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{msg:<10} {bar:30} {pos}/{len} {unit}  {rate}  {eta} left");
    if let Ok(style) = style {
        let rate = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _written = write!(text, "{:.1} {unit}/s", state.per_sec());
        };
        let unit = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _written = text.write_str(unit);
        };
        bar.set_style(style.with_key("unit", unit).with_key("rate", rate));
    }
    bar.set_message(what);
    bar
}
