//! Importing a history of chats.

use std::fs::File;

use chat::transfer::{ImportReport, import};
use kernel::actor::Actor;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::App;
use super::error::{Error, Result};

/// Imports at once on this node: each needs memory for a chat, and a processor.
static IMPORTS: Semaphore = Semaphore::const_new(3);

/// Reserves one of the few imports that run at once. Taken before any byte is read, since waiting uploads would fill the disk.
pub(crate) fn reserve_import() -> Result<SemaphorePermit<'static>> {
    IMPORTS.try_acquire().map_err(|_none_left| Error::TooMany {
        seconds: 10,
        text: "other histories are being imported: try again shortly".to_owned(),
    })
}

/// Imports the chats in a file. Duplicates are skipped.
pub(crate) async fn import(app: &App, actor: &Actor, file: File) -> Result<ImportReport> {
    let max_file_bytes = app.settings.documents.max_bytes() as u64;
    let catalogue = app.engine.catalogue().await?;
    let progress = |_report: &ImportReport| {};
    Ok(import::import(app.pool(), &app.objects, &catalogue, actor, file, max_file_bytes, progress).await?)
}
