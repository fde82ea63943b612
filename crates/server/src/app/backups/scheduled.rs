//! Backups that the server writes, verifies, prunes and rehearses by itself, and their metrics.

use std::time::Duration;

use anyhow::bail;
use kernel::actor::Actor;
use ops::drills;
use ops::progress::Progress;
use ops::repository::{Listed, Repository};
use ops::verify::{Outcome, State};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::jobs::{self, JobKind, NewJob};

use super::drill::{self, DrillOptions};
use super::{key_file, repository_folder, verify as verify_copy};
use crate::app::App;
use crate::settings::Settings;

/// Writes a backup.
pub(crate) const RUN: JobKind = backup("backup.run");
/// Verifies a backup: the newest, or the one that the payload names.
pub(crate) const VERIFY: JobKind = backup("backup.verify");
/// Removes old backups.
pub(crate) const PRUNE: JobKind = backup("backup.prune");
/// Rehearses a disaster. Its failure is a result that another attempt would not change.
pub(crate) const DRILL: JobKind =
    JobKind::new("backup.drill").retry(1, Duration::from_mins(2), Duration::from_mins(10));

/// Creates the kind of a job that takes long, and finds another one running where an operator started it.
const fn backup(name: &'static str) -> JobKind {
    JobKind::new(name).retry(3, Duration::from_mins(2), Duration::from_mins(10))
}

/// Enqueues a backup, besides those on schedule.
pub(crate) async fn enqueue_run(connection: &mut PgConnection) -> Result<(), store::postgres::Error> {
    let job = NewJob::unique(RUN, "requested", json!({}));
    Ok(jobs::enqueue(connection, &[job]).await?)
}

/// Enqueues the verification of a backup.
pub(crate) async fn enqueue_verification(
    connection: &mut PgConnection,
    id: &str,
) -> Result<(), store::postgres::Error> {
    let job = NewJob::unique(VERIFY, id, json!({ "backup": id }));
    Ok(jobs::enqueue(connection, &[job]).await?)
}

/// Enqueues a drill, besides those on schedule.
pub(crate) async fn enqueue_drill(connection: &mut PgConnection) -> Result<(), store::postgres::Error> {
    let job = NewJob::unique(DRILL, "requested", json!({}));
    Ok(jobs::enqueue(connection, &[job]).await?)
}

/// Rehearses a disaster with the newest backup and the log behind it. One that is encrypted, and whose secret key is not on this machine,
/// is rehearsed elsewhere.
pub(crate) async fn drill(app: &App) -> anyhow::Result<()> {
    let settings = &app.settings;
    let repository = Repository::open(repository_folder(None, settings)?).await?;
    let identity = super::read_identity(None, settings)?;
    if !can_drill(settings) {
        tracing::info!("no drill here: the secret key of the backups is not on this machine");
        return Ok(());
    }
    let options = DrillOptions::default();
    let drill = drill::run(&repository, identity, settings, &options, &Progress::default()).await?;
    metrics::counter!("wenyuan_drills_total", "outcome" => drill.outcome.as_str()).increment(1);
    drill::record(app, &drill).await?;
    measure_drills(app).await?;
    if drill.outcome != Outcome::Passed {
        bail!("the outcome of the drill is {}: see the page Backups", drill.outcome.as_str());
    }
    Ok(())
}

/// Whether this machine has what a drill needs: a key, unless the backups are not encrypted.
pub(crate) fn can_drill(settings: &Settings) -> bool {
    settings.backup.unencrypted() || settings.backup.key_file().is_some()
}

/// Writes a backup.
pub(crate) async fn run(app: &App) -> anyhow::Result<()> {
    let settings = &app.settings;
    let folder = repository_folder(None, settings)?;
    let progress = Progress::default();
    let written = super::run(app, folder, settings.backup.unencrypted(), &progress).await;
    let outcome = if written.is_ok() { "succeeded" } else { "failed" };
    metrics::counter!("wenyuan_backups_total", "outcome" => outcome).increment(1);
    written?;
    let keys = key_file(settings).read()?;
    if !settings.backup.unencrypted() && keys.iter().all(|key| !key.confirmed) {
        tracing::warn!(
            "nobody has confirmed to have a secret key of the backups: wenyuan backup key confirm FILE"
        );
    }
    measure(app).await
}

/// Verifies the backup that the payload names, or the newest one, unless that was done. An encrypted one whose secret key is not on this
/// machine is verified elsewhere.
pub(crate) async fn verify(app: &App, payload: &Value) -> anyhow::Result<()> {
    let settings = &app.settings;
    let repository = Repository::open(repository_folder(None, settings)?).await?;
    let named = payload["backup"].as_str();
    let manifest = repository.find(named.unwrap_or("latest")).await?;
    if named.is_none() && repository.report(&manifest.id).await?.is_some() {
        return Ok(());
    }
    let identity = super::read_identity(None, settings)?;
    if manifest.is_encrypted() && identity.is_none() {
        tracing::info!(
            backup.id = manifest.id,
            "backup is not verified here: its secret key is not on this machine"
        );
        return Ok(());
    }
    let report = verify_copy(&repository, manifest, identity, settings, None, &Progress::default()).await?;
    measure(app).await?;
    if report.state != State::Verified {
        bail!(
            "the backup {} is {}: wenyuan backup show {}",
            report.backup,
            report.state.as_str(),
            report.backup
        );
    }
    Ok(())
}

/// Removes backups that are older than the settings say.
pub(crate) async fn prune(app: &App) -> anyhow::Result<()> {
    let settings = &app.settings;
    let repository = Repository::open(repository_folder(None, settings)?).await?;
    super::prune(&repository, settings, false).await?;
    Ok(())
}

/// Sets the gauges from what is in the repository, whoever wrote it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) async fn measure(app: &App) -> anyhow::Result<()> {
    measure_drills(app).await?;
    let settings = &app.settings;
    let folder = repository_folder(None, settings)?;
    // It is created by the first backup.
    if !folder.join("repository.json").is_file() {
        return Ok(());
    }
    let repository = Repository::open(folder).await?;
    metrics::gauge!("wenyuan_backup_repository_bytes").set(repository.size().await? as f64);
    let mut failed = 0.0;
    for listed in repository.list().await? {
        let Listed::Complete(manifest, report) = listed else {
            failed += 1.0;
            continue;
        };
        // The last one stays.
        metrics::gauge!("wenyuan_backup_last_timestamp_seconds")
            .set(manifest.consistent_at.timestamp() as f64);
        let duration = (manifest.finished_at - manifest.started_at).num_milliseconds() as f64 / 1000.0;
        metrics::gauge!("wenyuan_backup_last_duration_seconds").set(duration);
        let bytes = manifest.own_bytes() + manifest.objects.bytes;
        metrics::gauge!("wenyuan_backup_last_bytes").set(bytes as f64);
        let Some(report) = report else { continue };
        if report.state == State::Verified {
            let time = manifest.consistent_at.timestamp() as f64;
            metrics::gauge!("wenyuan_backup_verified_timestamp_seconds").set(time);
            metrics::gauge!("wenyuan_backup_verified_duration_seconds").set(report.seconds);
        } else {
            failed += 1.0;
        }
    }
    metrics::gauge!("wenyuan_backups_failed").set(failed);
    Ok(())
}

/// Sets the gauges of the newest drill, whoever carried it out.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
async fn measure_drills(app: &App) -> anyhow::Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let newest = drills::list(&mut connection, &Actor::owner(), 1).await?.pop();
    let Some(drill) = newest else { return Ok(()) };
    metrics::gauge!("wenyuan_drill_timestamp_seconds").set(drill.started_at.timestamp() as f64);
    metrics::gauge!("wenyuan_drill_passed").set(if drill.outcome == Outcome::Passed { 1.0 } else { 0.0 });
    // One that did not get so far measured nothing.
    metrics::gauge!("wenyuan_drill_rpo_seconds").set(drill.rpo_seconds.unwrap_or(f64::NAN));
    metrics::gauge!("wenyuan_drill_rto_seconds").set(drill.rto_seconds.unwrap_or(f64::NAN));
    Ok(())
}
