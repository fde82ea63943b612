//! Importing a history of chats.

use std::fs::File;

use chat::transfer::ImportReport;
use chat::transfer::import::{self, ImportConfig};
use kernel::actor::Actor;
use tokio::sync::Semaphore;

use super::App;
use super::error::{Error, Result};
use super::staging::Allowance;

/// Imports at once on this node: each needs memory for a chat, and a processor.
static IMPORTS: Semaphore = Semaphore::const_new(3);

/// Begins an import, before any of its bytes are read.
pub(crate) fn begin_import(app: &App, actor: &Actor) -> Result<Allowance> {
    chat::chats::owner_id(actor)?;
    app.staging.begin(actor)
}

/// Imports the chats in a file, which is whole. Duplicates are skipped.
pub(crate) async fn import(
    app: &App,
    actor: &Actor,
    allowance: &Allowance,
    file: File,
) -> Result<ImportReport> {
    let _turn = allowance.turn(&IMPORTS, "other histories are being imported: try again shortly").await?;
    let config = import_config(app)?;
    let catalogue = app.engine.catalogue().await?;
    let progress = |_report: &ImportReport| {};
    Ok(import::import(app.pool(), &app.objects, &catalogue, actor, file, config, progress).await?)
}

/// Returns the configuration of imports.
pub(crate) fn import_config(app: &App) -> Result<ImportConfig> {
    let unpacker =
        app.unpacker_config(import::archive_limits()).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(ImportConfig { max_file_bytes: app.settings.documents.max_bytes() as u64, unpacker })
}
