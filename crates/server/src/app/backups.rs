//! Backups: what the server adds to those of [`ops`]. It saves its settings and its master key with the database, and asks a restored
//! copy the questions whose answers it had saved.

pub(crate) mod archiving;
pub(crate) mod drill;
mod questions;
pub(crate) mod requests;
pub(crate) mod scheduled;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use library::label::VersionRequest;
use library::names::LibraryName;
use ops::backup::{Extras, Source};
use ops::keys::{Identity, KeyFile, Recipients};
use ops::manifest::Manifest;
use ops::progress::Progress;
use ops::questions::{GoldenQuestion, NewGoldenQuestion};
use ops::repository::{Listed, Repository};
use ops::restore::{self, Moment, Prepared, Request};
use ops::verify::{Check, Outcome, Questions, Report, State};
use ops::wal::Period;
use serde::Serialize;
use zeroize::Zeroizing;

use self::questions::SavedQuestions;
use crate::app::App;
use crate::settings::Settings;

/// Names of what is saved beside the database and the objects.
const SETTINGS: &str = "settings";
const QUESTIONS: &str = "questions";
const MASTER_KEY: &str = "master-key";
/// Size of a file with a key, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;
/// Folder in the data directory in which backups are verified.
const VERIFICATION: &str = "verification";

/// Repository of backups that a command or the settings name.
///
/// # Errors
///
/// If neither does.
pub(crate) fn repository_folder<'path>(
    named: Option<&'path Path>,
    settings: &'path Settings,
) -> anyhow::Result<&'path Path> {
    named.or_else(|| settings.backup.repository()).context(
        "no repository of backups is named: set WENYUAN_BACKUP_REPOSITORY to a folder on another disk",
    )
}

/// Public keys of this installation.
pub(crate) fn key_file(settings: &Settings) -> KeyFile {
    KeyFile::in_data(&settings.storage.data_dir())
}

/// Reads the secret key in a file, or in that of the settings. `-` is standard input.
///
/// # Errors
///
/// If it cannot be read, or holds no key.
pub(crate) fn read_identity(file: Option<&Path>, settings: &Settings) -> anyhow::Result<Option<Identity>> {
    let Some(file) = file.or_else(|| settings.backup.key_file()) else { return Ok(None) };
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_KEY_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MAX_KEY_BYTES).read_to_string(&mut text))
    };
    read.with_context(|| format!("failed to read the key in {}", file.display()))?;
    Ok(Some(Identity::parse(&text, &file.display().to_string())?))
}

/// Writes a backup of the library.
///
/// # Errors
///
/// If another one runs, there is no key to encrypt to, or the database, the objects or the repository fail.
pub(crate) async fn run(
    app: &App,
    folder: &Path,
    unencrypted: bool,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    let recipients = if unencrypted { Recipients::none() } else { key_file(&app.settings).recipients()? };
    if recipients.is_none() && !unencrypted {
        return Err(ops::Error::NoRecipient.into());
    }
    let repository = Repository::create(folder).await?;
    let model = app.settings.search.model().ok();
    let source = Source {
        database: &app.database,
        objects: &app.objects,
        model: model.and_then(|file| Some(file.file_name()?.to_str()?.to_owned())),
    };
    let extras = LibraryExtras { app, is_encrypted: !recipients.is_none() };
    Ok(ops::backup::run(&repository, &source, &recipients, &extras, progress).await?)
}

/// Additional data of this server: settings, questions, master key.
struct LibraryExtras<'app> {
    app: &'app App,
    is_encrypted: bool,
}

impl Extras for LibraryExtras<'_> {
    async fn collect(&self, consistent_at: DateTime<Utc>) -> Result<BTreeMap<String, Vec<u8>>, ops::Error> {
        let mut extras = BTreeMap::from([(SETTINGS.to_owned(), json(&self.app.settings.effective())?)]);
        let saved = questions::save(self.app, consistent_at).await.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "failed to save questions with the backup");
            SavedQuestions::default()
        });
        extras.insert(QUESTIONS.to_owned(), json(&saved)?);
        // Only where nobody but the holder of the backup's key can read it: it opens the secrets in the database.
        if self.is_encrypted
            && let Some(keys) = self.app.settings.storage.master_keys()
        {
            extras.insert(MASTER_KEY.to_owned(), keys);
        }
        Ok(extras)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ops::Error> {
    serde_json::to_vec(value).map_err(|error| ops::Error::Failed(error.to_string()))
}

/// Adds a golden question.
///
/// # Errors
///
/// If the actor may not, the question is invalid or there are too many, or the database fails.
pub(crate) async fn add_question(
    app: &App,
    actor: &Actor,
    new: NewGoldenQuestion,
) -> Result<GoldenQuestion, crate::app::Error> {
    ops::authority::require_administrator(actor)?;
    // The types of the library say which names there can be; `ops` knows no domain.
    let invalid = |error: &dyn std::error::Error| crate::app::Error::Invalid(error.to_string());
    if let Some(library) = &new.library {
        library.parse::<LibraryName>().map_err(|error| invalid(&error))?;
    }
    if let Some(version) = &new.version {
        version.parse::<VersionRequest>().map_err(|error| invalid(&error))?;
    }
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let question = ops::questions::add(&mut transaction, actor, &new).await?;
    transaction.commit().await.map_err(store::postgres::Error::from)?;
    Ok(question)
}

/// Request to restore a backup of a repository.
pub(crate) fn request<'repository>(
    repository: &'repository Repository,
    manifest: Manifest,
    identity: Option<Identity>,
    settings: &Settings,
    data: &Path,
) -> Request<'repository> {
    let programs = settings.database.programs(&settings.storage.data_dir());
    Request { repository, manifest, moment: Moment::Backup, identity, data: data.to_owned(), programs }
}

/// Restores a backup into the folder of the request. Returns whether the master key came with it.
///
/// # Errors
///
/// If the backup is damaged, or the folder, the disk or the database fail.
pub(crate) async fn restore(request: &Request<'_>, progress: &Progress) -> anyhow::Result<bool> {
    let prepared = restore::prepare(request, progress).await?;
    let has_master_key = add_files(&prepared)?;
    prepared.finish()?;
    Ok(has_master_key)
}

/// Writes what was saved beside the database into the restored library. Returns whether the master key is among it.
fn add_files(prepared: &Prepared) -> Result<bool, ops::Error> {
    if let Some(settings) = prepared.extras.get(SETTINGS) {
        prepared.add_file("restored-settings.json", settings)?;
    }
    let keys = prepared.extras.get(MASTER_KEY);
    if let Some(keys) = keys {
        prepared.add_file("secret.key", keys)?;
    }
    Ok(keys.is_some())
}

/// Verifies a backup in a folder of the data directory, or in `scratch`.
///
/// # Errors
///
/// If it could not be tried: no space, no key, another program that verifies.
pub(crate) async fn verify(
    repository: &Repository,
    manifest: Manifest,
    identity: Option<Identity>,
    settings: &Settings,
    scratch: Option<&Path>,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let folder = scratch.map_or_else(|| settings.storage.data_dir().join(VERIFICATION), Path::to_owned);
    let quotes = !manifest.is_encrypted();
    let request = request(repository, manifest, identity, settings, &folder);
    Ok(ops::verify::run(&request, &CopyQuestions { settings, quotes }, progress).await?)
}

/// Backup as a list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub(crate) id: String,
    pub(crate) state: State,
    /// `None` if its manifest cannot be read; `fault` says why.
    pub(crate) consistent_at: Option<DateTime<Utc>>,
    /// With this backup, every state between `consistent_at` and this time can be restored.
    pub(crate) recoverable_until: Option<DateTime<Utc>>,
    pub(crate) encrypted: bool,
    pub(crate) rows: i64,
    pub(crate) objects: u64,
    pub(crate) own_bytes: u64,
    pub(crate) checked_at: Option<DateTime<Utc>>,
    /// Checks of the last verification.
    pub(crate) checks: Vec<Check>,
    pub(crate) fault: Option<String>,
}

impl From<Listed> for Overview {
    fn from(listed: Listed) -> Self {
        match listed {
            Listed::Damaged { id, fault } => Self {
                id,
                state: State::Failed,
                consistent_at: None,
                recoverable_until: None,
                encrypted: false,
                rows: 0,
                objects: 0,
                own_bytes: 0,
                checked_at: None,
                checks: Vec::new(),
                fault: Some(fault),
            },
            Listed::Complete(manifest, report) => Self {
                state: report.as_ref().map_or(State::Unverified, |report| report.state),
                consistent_at: Some(manifest.consistent_at),
                recoverable_until: None,
                encrypted: manifest.is_encrypted(),
                rows: manifest.rows(),
                objects: manifest.objects.count,
                own_bytes: manifest.own_bytes(),
                checked_at: report.as_ref().and_then(|report| report.checked_at),
                checks: report.map(|report| report.checks).unwrap_or_default(),
                fault: None,
                id: manifest.id,
            },
        }
    }
}

/// Lists the backups of the server's repository, oldest first; none if no repository is set, or nothing was written to it yet.
///
/// # Errors
///
/// If the repository fails.
pub(crate) async fn overview(settings: &Settings) -> Result<Vec<Overview>, ops::Error> {
    match server_repository(settings).await? {
        Some(repository) => {
            let listed = repository.list().await?;
            let periods = periods(&repository, &listed).await?;
            let overviews = listed.into_iter().map(Overview::from).map(|overview| Overview {
                recoverable_until: periods.get(&overview.id).map(|period| period.until),
                ..overview
            });
            Ok(overviews.collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Returns the periods that can be recovered, by the backup that they begin with.
///
/// # Errors
///
/// If the repository fails.
pub(crate) async fn periods(
    repository: &Repository,
    listed: &[Listed],
) -> Result<BTreeMap<String, Period>, ops::Error> {
    let manifests: Vec<&Manifest> = listed
        .iter()
        .filter_map(|backup| match backup {
            Listed::Complete(manifest, _) => Some(&**manifest),
            Listed::Damaged { .. } => None,
        })
        .collect();
    let periods = ops::wal::periods(repository, &manifests).await?;
    Ok(manifests.into_iter().map(|manifest| manifest.id.clone()).zip(periods).collect())
}

/// Finds a backup in the server's repository.
///
/// # Errors
///
/// If there is none, or the repository fails.
pub(crate) async fn find(settings: &Settings, id: &str) -> Result<(Manifest, Option<Report>), ops::Error> {
    let repository = server_repository(settings).await?.ok_or_else(|| ops::Error::NoBackup(id.to_owned()))?;
    let manifest = repository.find(id).await?;
    let report = repository.report(&manifest.id).await?;
    Ok((manifest, report))
}

/// The repository of the settings, if there is one that was written to.
async fn server_repository(settings: &Settings) -> Result<Option<Repository>, ops::Error> {
    match settings.backup.repository() {
        // It is created by the first backup.
        Some(folder) if folder.join("repository.json").is_file() => Ok(Some(Repository::open(folder).await?)),
        _ => Ok(None),
    }
}

/// Removes backups that are older than the settings say.
///
/// # Errors
///
/// If another program uses the repository, or it fails.
pub(crate) async fn prune(
    repository: &Repository,
    settings: &Settings,
    dry_run: bool,
) -> Result<ops::prune::Plan, ops::Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a repository has no clock, and outlives the database that has one"
    )]
    let now = Utc::now();
    ops::prune::run(repository, settings.backup.policy(), now, dry_run).await
}

/// Asks a restored copy.
struct CopyQuestions<'settings> {
    settings: &'settings Settings,
    /// Whether the report may have texts of the library.
    quotes: bool,
}

impl Questions for CopyQuestions<'_> {
    async fn ask(&self, folder: &Path, extras: &BTreeMap<String, Vec<u8>>) -> Vec<Check> {
        if let Some(keys) = extras.get(MASTER_KEY)
            && let Err(error) = write_private(&folder.join("secret.key"), keys)
        {
            return vec![Check::new("library", Outcome::Failed, format!("{error:#}"))];
        }
        let app = match open_copy(self.settings.for_copy(folder)).await {
            Ok(app) => app,
            Err(error) => {
                return vec![Check::new(
                    "library",
                    Outcome::Failed,
                    format!("the copy does not open: {error:#}"),
                )];
            }
        };
        let mut checks =
            vec![check_references(&app).await.unwrap_or_else(|error| failed("references", &error))];
        let saved = saved_questions(extras);
        let checked = questions::check(&app, &saved, self.quotes).await;
        checks.push(checked.unwrap_or_else(|error| failed(questions::CHECK, &error)));
        app.close().await;
        checks
    }
}

/// Reads the questions that were saved with a backup; none if another release wrote them.
fn saved_questions(extras: &BTreeMap<String, Vec<u8>>) -> SavedQuestions {
    extras.get(QUESTIONS).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

/// Opens a restored copy. On a thread of its own: the future of the migrations cannot move between threads, as those of a job must.
async fn open_copy(settings: Settings) -> anyhow::Result<App> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(App::open(&settings))).await?
}

fn failed(name: &str, error: &anyhow::Error) -> Check {
    Check::new(name, Outcome::Failed, format!("{error:#}"))
}

/// Looks for the bytes of every document and every file of a chat.
async fn check_references(app: &App) -> anyhow::Result<Check> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let mut hashes = library::gc::referenced(&mut connection, &Actor::owner()).await?;
    hashes.extend(chat::files::referenced(&mut connection, &Actor::owner()).await?);
    hashes.sort_unstable();
    hashes.dedup();
    let mut missing = Vec::new();
    for hash in &hashes {
        if !app.objects.exists(*hash).await? {
            missing.push(hash.to_string());
        }
    }
    Ok(match missing.first() {
        None => Check::new(
            "references",
            Outcome::Passed,
            format!("{} objects that rows refer to are there", hashes.len()),
        ),
        Some(first) => {
            let detail = format!("{} objects that rows refer to are missing, such as {first}", missing.len());
            Check::new("references", Outcome::Failed, detail)
        }
    })
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}
