//! Archives: every file of a ZIP or tar archive becomes a document.
//!
//! Files are unpacked in a child process, one ahead at most, and added in batches; nothing is unpacked to disk.

use std::collections::HashMap;
use std::fs::File;

use bytes::Bytes;
use extract::archive::ArchiveLimits;
use kernel::actor::Actor;
use library::documents::{Outcome, Target};
use library::names::DocumentPath;
use library::unpack::{UnpackError, UnpackedFile, Unpacker};
use library::uploads::Upload;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::App;
use super::error::{Error, Result};
use super::staging::Allowance;
use super::uploads::{self, UploadFields};

/// Size of an archive.
pub(crate) const MAX_ARCHIVE_BYTES: u64 = 1 << 30;
/// Size of all its files together.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;
/// Skipped and failed files that are reported one by one, at most of each.
const MAX_REPORTED_FILES: usize = 1000;
/// Documents, and bytes of them, in one transaction.
const BATCH_DOCUMENTS: usize = 100;
const BATCH_BYTES: usize = 32 << 20;

/// Archives that are unpacked at once.
static UNPACKING: Semaphore = Semaphore::const_new(2);

/// Outcome of adding an archive. Documents that were added or revised are ingested in the background.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Unpacked)]
pub(crate) struct ArchiveReport {
    /// Library.
    pub(crate) library: String,
    /// Version.
    pub(crate) version: String,
    /// New documents.
    pub(crate) added: u64,
    /// Documents that existed with other content.
    pub(crate) revised: u64,
    /// Documents that existed with the same content.
    pub(crate) unchanged: u64,
    /// Files that are no documents, such as pictures.
    pub(crate) skipped_count: u64,
    /// The first of them, at most 1000.
    pub(crate) skipped: Vec<FailedFile>,
    /// Files that could not be added.
    pub(crate) failed_count: u64,
    /// First 1000 files that could not be added.
    pub(crate) failed: Vec<FailedFile>,
}

/// A file of an archive that was not added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedFile {
    /// Path in the archive.
    pub(crate) path: String,
    /// Reason why it was not added.
    pub(crate) reason: String,
}

/// Adds every file of an archive.
///
/// # Errors
/// Fails if the actor cannot add to the library, other archives are being unpacked, or no file of the archive can be read. If a
/// later part cannot be read, the files before it are kept and the rest is reported as one failure.
pub(crate) async fn add(
    app: &App,
    actor: &Actor,
    fields: &UploadFields,
    allowance: &Allowance,
    archive: File,
) -> Result<ArchiveReport> {
    let target = fields.target()?;
    uploads::require_adding(app, actor, &target).await?;
    let _turn = allowance.turn(&UNPACKING, "other archives are being unpacked: try again shortly").await?;
    let mut unpacking = Unpacking {
        app,
        actor,
        report: ArchiveReport {
            library: target.library.to_string(),
            version: target.version.to_string(),
            ..ArchiveReport::default()
        },
        target,
        batch: Vec::new(),
        batch_bytes: 0,
    };
    unpacking.run(archive).await?;
    Ok(unpacking.report)
}

struct Unpacking<'add> {
    app: &'add App,
    actor: &'add Actor,
    target: Target,
    report: ArchiveReport,
    batch: Vec<(DocumentPath, Bytes)>,
    batch_bytes: usize,
}

impl Unpacking<'_> {
    async fn run(&mut self, archive: File) -> Result<()> {
        let limits = ArchiveLimits {
            entry_bytes: self.app.settings.documents.max_bytes() as u64,
            total_bytes: MAX_UNPACKED_BYTES,
            ..ArchiveLimits::default()
        };
        let config = self.app.unpacker_config(limits).map_err(|error| Error::Internal(error.to_string()))?;
        let mut unpacker = Unpacker::start(&config, archive)
            .map_err(|error| Error::Internal(kernel::chain::Chain(&error).to_string()))?;
        let end = loop {
            let UnpackedFile { path, content } = match unpacker.next().await {
                Ok(Some(file)) => file,
                Ok(None) => break Ok(()),
                Err(UnpackError::Archive(reason)) => break Err(reason),
                Err(error) => return Err(Error::Internal(kernel::chain::Chain(&error).to_string())),
            };
            match (path.parse::<DocumentPath>(), content) {
                (Ok(path), Ok(bytes)) => {
                    if let Some(reason) = extract::why_no_document(path.file_name(), &bytes) {
                        self.skip(path.to_string(), reason);
                        continue;
                    }
                    self.batch_bytes += bytes.len();
                    self.batch.push((path, bytes));
                    if self.batch.len() >= BATCH_DOCUMENTS || self.batch_bytes >= BATCH_BYTES {
                        self.flush().await?;
                    }
                }
                (Err(error), _) => self.fail(path, error.to_string()),
                (_, Err(reason)) => self.fail(path, reason),
            }
        };
        self.flush().await?;
        match end {
            Ok(()) => Ok(()),
            Err(reason)
                if self.report.added
                    + self.report.revised
                    + self.report.unchanged
                    + self.report.skipped_count
                    > 0 =>
            {
                self.fail("…".to_owned(), format!("the rest of the archive cannot be read: {reason}"));
                Ok(())
            }
            Err(reason) => Err(Error::invalid(format!("the archive cannot be read: {reason}"))),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        // Pictures are taken along for the documents that refer to them, and are none themselves.
        let pictures: HashMap<String, String> = batch
            .iter()
            .filter_map(|(path, bytes)| {
                let reason = extract::picture::why_no_document(path.file_name(), bytes)?;
                Some((path.to_string(), reason))
            })
            .collect();
        let batch = batch.into_iter().map(|(path, bytes)| Upload::from_bytes(path, bytes)).collect();
        let (pool, objects) = (self.app.pool(), &self.app.objects);
        let added = library::uploads::add(pool, objects, self.actor, &self.target, batch).await?;
        for document in added {
            if let Some(reason) = pictures.get(&document.path) {
                self.skip(document.path, reason.clone());
                continue;
            }
            match document.outcome {
                Outcome::Added => self.report.added += 1,
                Outcome::Revised => self.report.revised += 1,
                Outcome::Unchanged => self.report.unchanged += 1,
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: String, reason: String) {
        self.report.skipped_count += 1;
        if self.report.skipped.len() < MAX_REPORTED_FILES {
            self.report.skipped.push(FailedFile { path, reason });
        }
    }

    fn fail(&mut self, path: String, reason: String) {
        self.report.failed_count += 1;
        if self.report.failed.len() < MAX_REPORTED_FILES {
            self.report.failed.push(FailedFile { path, reason });
        }
    }
}
