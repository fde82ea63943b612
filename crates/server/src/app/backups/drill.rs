//! Drills: a rehearsal of a disaster, from nothing but a repository and its key to a library that answers on another port.
//!
//! The last state in the repository is restored into an empty folder. A server of its own answers the golden questions over HTTP; then the
//! copy is checked as a verification does. What is measured: how old the restored state is (RPO), and the time until it answers (RTO). The
//! server and the folder are gone afterwards. The repository is only read, and the running library, if there is one, keeps the result.

mod instance;
mod scratch;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::Utc;
use identity::keys::{self, NewKey};
use kernel::actor::Actor;
use ops::drills::{self, Drill, DrillStep};
use ops::keys::Identity;
use ops::manifest::Manifest;
use ops::progress::Progress;
use ops::repository::Repository;
use ops::restore::{self, Moment, Request};
use ops::verify;

use self::instance::{Client, Instance};
use self::scratch::Scratch;
use super::questions::{self, SavedQuestions};
use crate::app::{App, shutdown};
use crate::settings::Settings;

/// Folder in the data directory in which drills restore.
const FOLDER: &str = "drill";
/// Steps in their order.
const STEPS: [&str; 5] = ["plan", "restore", "start", "answer", "verify"];
/// Lifetime of the key with which a drill asks, in seconds. It exists in the copy alone.
const KEY_SECONDS: i64 = 24 * 60 * 60;
/// Requests per minute of that key.
const KEY_RATE: i32 = 1_000_000;

/// Way in which a drill is carried out.
#[derive(Debug, Default)]
pub(crate) struct DrillOptions<'drill> {
    /// Folder to restore into, missing or empty; one in the data directory if `None`.
    pub(crate) scratch: Option<&'drill Path>,
    /// Port of this machine on which the restored library answers; 0 for any.
    pub(crate) port: u16,
}

/// Carries out a drill.
///
/// # Errors
///
/// If it could not be tried: no key, no space, a folder that is in use, or it was interrupted. A backup that cannot be restored, and a
/// library that does not answer, are no errors: the drill says so.
pub(crate) async fn run(
    repository: &Repository,
    identity: Option<Identity>,
    settings: &Settings,
    options: &DrillOptions<'_>,
    progress: &Progress,
) -> anyhow::Result<Drill> {
    let data = settings.storage.data_dir();
    let folder = options.scratch.map_or_else(|| data.join(FOLDER), Path::to_owned);
    let scratch = Scratch::claim(&folder, settings.database.programs(&data)).await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a drill begins without a database whose clock it could ask"
    )]
    let mut drill = Drill::begin(Utc::now(), settings.backup.drill_targets());
    let library = scratch.library(drill.id);
    tracing::info!(folder = %library.display(), "drill started");
    let rehearsal = Rehearsal { repository, settings, library: &library, port: options.port, progress };
    let rehearsed = tokio::select! {
        rehearsed = rehearsal.run(identity, &mut drill) => rehearsed,
        () = shutdown::requested() => Err(Interrupted.into()),
    };
    if let Err(error) = scratch.remove().await {
        let error = format!("{error:#}");
        tracing::warn!(error, folder = %folder.display(), "failed to remove the library of a drill; the next drill does");
    }
    if let Err(error) = rehearsed {
        if is_untried(&error) {
            return Err(error);
        }
        let step = STEPS.get(drill.steps.len()).copied().unwrap_or("drill");
        drill.checks.push(super::failed(step, &error));
    }
    drill.judge();
    tracing::info!(
        backup.id = drill.backup,
        outcome = drill.outcome.as_str(),
        rpo_seconds = drill.rpo_seconds,
        rto_seconds = drill.rto_seconds,
        "drill finished"
    );
    Ok(drill)
}

/// Keeps the result of a drill in the library.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn record(app: &App, drill: &Drill) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    drills::record(&mut transaction, &Actor::owner(), drill).await?;
    Ok(transaction.commit().await?)
}

/// Removes what a killed drill left in the data directory, unless another one runs there.
pub(crate) async fn remove_leftover(settings: &Settings) {
    let data = settings.storage.data_dir();
    let folder = data.join(FOLDER);
    if !folder.is_dir() {
        return;
    }
    let removed = async { Scratch::claim(&folder, settings.database.programs(&data)).await?.remove().await };
    match removed.await {
        Ok(()) => tracing::info!("removed what an interrupted drill had left"),
        Err(error) => tracing::info!(error = format!("{error:#}"), "the folder of drills stays as it is"),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the drill was interrupted")]
struct Interrupted;

/// Whether an error says nothing about the backups: with the key, another folder, or later, it goes well.
fn is_untried(error: &anyhow::Error) -> bool {
    use ops::Error::{Busy, KeyMissing, NoSpace, NotEmpty};
    let is_ours = matches!(error.downcast_ref(), Some(Busy | KeyMissing | NoSpace { .. } | NotEmpty(_)));
    is_ours || error.is::<Interrupted>()
}

struct Rehearsal<'drill> {
    repository: &'drill Repository,
    settings: &'drill Settings,
    library: &'drill Path,
    port: u16,
    progress: &'drill Progress,
}

impl Rehearsal<'_> {
    async fn run(&self, identity: Option<Identity>, drill: &mut Drill) -> anyhow::Result<()> {
        let mut clock = Clock::start();
        let manifest = restore::choose(self.repository, None, Moment::Latest).await?;
        drill.backup = Some(manifest.id.clone());
        let request = super::request(self.repository, manifest, identity, self.settings, self.library);
        let request = Request { moment: Moment::Latest, ..request };
        let state_at = restore::plan(&request, false, self.progress).await?.state_at;
        clock.end_step(drill);
        let prepared = restore::prepare(&request, self.progress).await?;
        let saved = super::saved_questions(&prepared.extras);
        super::add_files(&prepared)?;
        prepared.finish()?;
        drill.state_at = Some(state_at);
        drill.rpo_seconds = Some(seconds((drill.started_at - state_at).to_std().unwrap_or_default()));
        clock.end_step(drill);
        let app = super::open_copy(self.settings.for_copy(self.library)).await?;
        let asked = self.serve_and_ask(&app, &request.manifest, &saved, drill, &mut clock).await;
        app.close().await;
        asked
    }

    /// Starts a server on the copy, asks it, and checks the copy.
    async fn serve_and_ask(
        &self,
        app: &App,
        manifest: &Manifest,
        saved: &SavedQuestions,
        drill: &mut Drill,
        clock: &mut Clock,
    ) -> anyhow::Result<()> {
        let key = NewKey {
            name: format!("drill {}", drill.id),
            scopes: [].into(),
            libraries: None,
            rate_limit: Some(KEY_RATE),
            seconds: Some(KEY_SECONDS),
        };
        let mut transaction = app.begin().await?;
        let (_, token) = keys::create(&mut transaction, &Actor::owner(), None, key).await?;
        transaction.commit().await?;
        let mut instance = Instance::start(self.settings, self.library, self.port)?;
        let client = Client::new(instance.address().await?, token.reveal())?;
        clock.end_step(drill);
        instance.wait_for_answer(&client, saved).await?;
        clock.end_step(drill);
        drill.rto_seconds = Some(seconds(clock.begun.elapsed()));
        tracing::info!(seconds = drill.rto_seconds, "the restored library answers");

        let answers = client.ask(saved).await?;
        let quotes = !manifest.is_encrypted();
        drill.checks.push(questions::check_answers(app, saved, &answers, quotes).await?);
        let cluster = app.database.cluster().context("the restored library has no database of its own")?;
        drill.checks.extend(verify::inspect(cluster, manifest).await?);
        drill.checks.push(super::check_references(app).await?);
        clock.end_step(drill);
        instance.stop().await;
        Ok(())
    }
}

/// Measures the steps of a drill.
struct Clock {
    begun: Instant,
    step: Instant,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { begun: now, step: now }
    }

    /// Ends the step that comes after those that have ended.
    fn end_step(&mut self, drill: &mut Drill) {
        let name = STEPS.get(drill.steps.len()).copied().unwrap_or_default().to_owned();
        drill.steps.push(DrillStep { name, seconds: seconds(self.step.elapsed()) });
        self.step = Instant::now();
    }
}

/// Seconds, to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
