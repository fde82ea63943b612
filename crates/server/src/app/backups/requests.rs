//! Requests of administrators to the server's backups: to see them, to write one, to verify one, to rehearse a disaster.

use kernel::actor::Actor;
use ops::authority::{require_administrator, require_reader};
use ops::manifest::Manifest;
use ops::verify::Report;

use super::{Overview, scheduled};
use crate::app::App;
use crate::app::error::{Error, Result};

/// Lists the backups, oldest first.
///
/// # Errors
///
/// If the actor is no administrator, or the repository fails.
pub(crate) async fn list(app: &App, actor: &Actor) -> Result<Vec<Overview>> {
    require_reader(actor)?;
    Ok(super::overview(&app.settings).await?)
}

/// Finds a backup by its id, its beginning or `latest`, with the report of its last verification.
///
/// # Errors
///
/// If the actor is no administrator, there is no such backup, or the repository fails.
pub(crate) async fn find(app: &App, actor: &Actor, id: &str) -> Result<(Manifest, Option<Report>)> {
    require_reader(actor)?;
    Ok(super::find(&app.settings, id).await?)
}

/// Starts a backup as a job.
///
/// # Errors
///
/// Unless the actor is an administrator in person, and if no repository is set or the database fails.
pub(crate) async fn start(app: &App, actor: &Actor) -> Result<()> {
    require_repository(app, actor)?;
    let mut transaction = store::postgres::begin(app.pool()).await?;
    scheduled::enqueue_run(&mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// Starts the verification of a backup as a job. Returns the id of the backup.
///
/// # Errors
///
/// Unless the actor is an administrator in person, and if there is no such backup, its secret key is not on this machine or the database
/// fails.
pub(crate) async fn start_verification(app: &App, actor: &Actor, id: &str) -> Result<String> {
    require_repository(app, actor)?;
    let (manifest, _) = super::find(&app.settings, id).await?;
    if manifest.is_encrypted() && app.settings.backup.key_file().is_none() {
        return Err(Error::Conflict(
            "the backup is encrypted, and its secret key is not on this machine: verify it where the key is, with wenyuan backup verify"
                .to_owned(),
        ));
    }
    let mut transaction = store::postgres::begin(app.pool()).await?;
    scheduled::enqueue_verification(&mut transaction, &manifest.id).await?;
    transaction.commit().await?;
    Ok(manifest.id)
}

/// Starts a drill as a job.
///
/// # Errors
///
/// Unless the actor is an administrator in person, and if no repository is set, the secret key of its backups is not on this machine or the
/// database fails.
pub(crate) async fn start_drill(app: &App, actor: &Actor) -> Result<()> {
    require_repository(app, actor)?;
    if !scheduled::can_drill(&app.settings) {
        return Err(Error::Conflict(
            "the secret key of the backups is not on this machine: run the drill where the key is, with wenyuan drill".to_owned(),
        ));
    }
    let mut transaction = store::postgres::begin(app.pool()).await?;
    scheduled::enqueue_drill(&mut transaction).await?;
    Ok(transaction.commit().await?)
}

fn require_repository(app: &App, actor: &Actor) -> Result<()> {
    require_administrator(actor)?;
    if app.settings.backup.repository().is_some() {
        return Ok(());
    }
    Err(Error::Conflict("no repository of backups is set: WENYUAN_BACKUP_REPOSITORY".to_owned()))
}
