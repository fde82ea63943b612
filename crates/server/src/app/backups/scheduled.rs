//! Backups that the server writes, verifies and prunes by itself, and their metrics.

use std::time::Duration;

use anyhow::bail;
use ops::progress::Progress;
use ops::repository::{Listed, Repository};
use ops::verify::State;
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::jobs::{self, JobKind, NewJob};

use super::{key_file, repository_folder, verify as verify_copy};
use crate::app::App;
use crate::settings::Settings;

/// Writes a backup.
pub(crate) const RUN: JobKind = backup("backup.run");
/// Verifies a backup: the newest, or the one that the payload names.
pub(crate) const VERIFY: JobKind = backup("backup.verify");
/// Removes old backups.
pub(crate) const PRUNE: JobKind = backup("backup.prune");

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
    measure(settings).await
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
    measure(settings).await?;
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
pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<()> {
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
