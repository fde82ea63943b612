//! `wenyuan add`: files, folders, archives and standard input into a library.

mod sources;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use extract::archive::ArchiveLimits;
use extract::model::DocumentType;
use indicatif::ProgressBar;
use kernel::actor::Actor;
use library::documents::{self, Category, Outcome, Status, Target, VisibleRevision, contents};
use library::label::Label;
use library::libraries::LibraryDetails;
use library::names::{DocumentPath, LibraryName, Tag};
use library::uploads::{self, Upload};
use library::{catalogue, libraries};
use serde::Serialize;

use super::operate::bar;
use super::search::CategoryArgument;
use super::show::{self, BOLD, DIM, WELL, WRONG, styled};
use crate::app::App;
use crate::app::background::BackgroundTasks;
use sources::SourceEvent;

/// Arguments of `wenyuan add`.
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files, folders (as `git` sees them), archives (zip, tar, tar.gz), an llms.txt for the files it names, or - for
    /// standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Library; created if it does not exist
    #[arg(long, short)]
    library: String,

    /// The version.
    #[arg(long, short = 'V', default_value = library::label::CURRENT, value_name = "LABEL")]
    version: String,

    /// Tag for all documents; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Category of the documents
    #[arg(long, value_enum)]
    category: Option<CategoryArgument>,

    /// Document type, if it cannot be detected
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    declared: Option<String>,

    /// File name of standard input
    #[arg(long, value_name = "PATH", default_value = "stdin.txt")]
    name: String,

    /// Take documents out of the version whose files are not in the folders and archives any more; their revisions stay
    #[arg(long)]
    sync: bool,

    /// With --sync: do so even where more than a tenth of the documents would go
    #[arg(long, requires = "sync")]
    yes: bool,

    /// Make this the active version once everything is added
    #[arg(long)]
    activate: bool,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

/// Types that can be given.
const TYPES: [&str; 9] = ["markdown", "html", "java_doc", "pdf", "docx", "openapi", "swagger", "rst", "text"];
/// Documents in one transaction.
const BATCH_FILES: usize = 64;
/// Bytes of documents held in memory.
const BATCH_BYTES: usize = 32 << 20;

/// Result of the command.
#[derive(Debug, Default, Serialize)]
struct Summary {
    library: String,
    version: String,
    added: usize,
    revised: usize,
    unchanged: usize,
    /// Paths of documents that were taken out of the version (--sync).
    removed: Vec<String>,
    failed: Vec<Failure>,
    /// Files in which there is nothing to read: pictures, programs, pages without text.
    skipped: Vec<Failure>,
    bytes: u64,
    seconds: f64,
}

/// A document that could not be added, with the reason.
#[derive(Debug, Serialize)]
struct Failure {
    path: String,
    reason: String,
}

/// Adds everything, waits until it is processed, and reports the result. Exits with 1 if anything failed; skipped files are no
/// failures.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let tags: Result<Vec<Tag>, _> = arguments.tags.iter().map(|tag| tag.parse()).collect();
    let library: LibraryName = arguments.library.parse()?;
    let version: Label = arguments.version.parse()?;
    let declared = arguments
        .declared
        .as_deref()
        .map(|name| DocumentType::parse(name).with_context(|| format!("there is no document type {name:?}")))
        .transpose()?;
    let target = Target {
        tags: tags?,
        category: arguments.category.map(Category::from),
        ..Target::new(library.clone(), version.clone())
    };
    let is_source = |path: &PathBuf| path.is_dir() || sources::is_archive(path);
    if arguments.sync && !arguments.paths.iter().all(is_source) {
        anyhow::bail!("--sync compares the version with folders and archives: name these only");
    }
    let mut adding = Adding {
        app,
        target,
        declared,
        summary: Summary { library: library.to_string(), version: version.to_string(), ..Summary::default() },
        waiting: HashMap::new(),
        batch: Vec::new(),
        batch_bytes: 0,
        pictures: HashMap::new(),
        present: HashSet::new(),
        is_complete: true,
        about: None,
        order: Vec::new(),
        bar: bar("adding", "documents", 0),
    };
    // Workers start at once: the first documents are processed while the last are still being listed.
    let mut background = BackgroundTasks::start(app);
    background.ingest(app)?;
    let added = adding.all(&arguments.paths, &arguments.name).await;
    let read = match added {
        Ok(()) => adding.wait_until_read().await,
        Err(error) => Err(error),
    };
    adding.bar.finish_and_clear();
    background.stop().await;
    read?;
    if let Some((title, description)) = &adding.about {
        describe(app, &library, title.as_deref(), description.as_deref()).await?;
    }
    if !adding.order.is_empty() {
        set_order(app, &library, &version, &adding.order).await?;
    }
    let (present, is_complete) = (adding.present, adding.is_complete);
    let mut summary = adding.summary;
    let mut is_synced = true;
    if arguments.sync {
        if is_complete {
            match remove_vanished(app, &library, &version, &present, arguments.yes).await? {
                Removal::Done(removed) => summary.removed = removed,
                Removal::TooMany => is_synced = false,
            }
        } else {
            show::note("nothing was taken out of the version, because not all files could be found");
        }
    }
    summary.seconds = begun.elapsed().as_secs_f64();
    if arguments.activate && summary.failed.is_empty() && is_synced {
        activate(app, &library, &version).await?;
    }
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&summary)?);
    } else {
        print(app, &summary, &library, &version).await?;
    }
    Ok(if summary.failed.is_empty() && is_synced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Adding<'app> {
    app: &'app App,
    target: Target,
    declared: Option<DocumentType>,
    summary: Summary,
    /// Revisions that are not processed yet, with their paths and how they will be counted.
    waiting: HashMap<VisibleRevision, (String, Outcome)>,
    batch: Vec<(DocumentPath, Bytes, Option<DocumentType>)>,
    batch_bytes: usize,
    /// Pictures of the batch, with the reason why they are no documents.
    pictures: HashMap<String, String>,
    /// Paths of all files that were found.
    present: HashSet<String>,
    /// Whether all files were found: no folder or archive was unreadable in part.
    is_complete: bool,
    /// Title and description from an llms.txt.
    about: Option<(Option<String>, Option<String>)>,
    /// Paths in the order of an llms.txt.
    order: Vec<String>,
    bar: ProgressBar,
}

impl Adding<'_> {
    async fn all(&mut self, paths: &[PathBuf], name: &str) -> anyhow::Result<()> {
        // Listed on a blocking thread, a few files ahead at most, so that memory is bounded.
        let (sender, mut found) = tokio::sync::mpsc::channel::<SourceEvent>(16);
        let (paths, name) = (paths.to_vec(), name.to_owned());
        let limit = self.app.settings.documents.max_bytes();
        let limits = ArchiveLimits { entry_bytes: limit as u64, ..ArchiveLimits::default() };
        let unpacking =
            self.app.unpacker_config(limits).context("failed to find the path of this program")?;
        let finding = tokio::task::spawn_blocking(move || {
            sources::find(&paths, &name, limit, &unpacking, &sender);
        });
        while let Some(found) = found.recv().await {
            match found {
                SourceEvent::File { path, bytes, declared } => {
                    self.bar.inc_length(1);
                    self.present.insert(path.replace('\\', "/"));
                    match path.parse::<DocumentPath>() {
                        Ok(path) => self.push(path, bytes, declared).await?,
                        Err(error) => self.fail(path, error.to_string()),
                    }
                }
                SourceEvent::Failed { path, reason } => {
                    self.bar.inc_length(1);
                    self.present.insert(path.clone());
                    self.fail(path, reason);
                }
                SourceEvent::Incomplete { path, reason } => {
                    self.is_complete = false;
                    self.bar.inc_length(1);
                    self.fail(path, reason);
                }
                SourceEvent::Skipped { path, reason } => {
                    self.present.insert(path.clone());
                    self.summary.skipped.push(Failure { path, reason });
                }
                SourceEvent::About { title, summary } => self.about = Some((title, summary)),
                SourceEvent::Order(paths) => self.order.extend(paths),
            }
        }
        self.flush().await?;
        finding.await?;
        Ok(())
    }

    async fn push(
        &mut self,
        path: DocumentPath,
        bytes: Bytes,
        declared: Option<DocumentType>,
    ) -> anyhow::Result<()> {
        self.summary.bytes += bytes.len() as u64;
        self.batch_bytes += bytes.len();
        if let Some(reason) = extract::picture::why_no_document(path.file_name(), &bytes) {
            self.pictures.insert(path.to_string(), reason);
        }
        self.batch.push((path, bytes, self.declared.or(declared)));
        if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Stores the batch's bytes and adds its documents.
    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let batch: Vec<Upload> = std::mem::take(&mut self.batch)
            .into_iter()
            .map(|(path, bytes, declared_type)| Upload { declared_type, ..Upload::from_bytes(path, bytes) })
            .collect();
        let count = batch.len();
        let pictures = std::mem::take(&mut self.pictures);
        let (pool, objects) = (self.app.pool(), &self.app.objects);
        let added = uploads::add(pool, objects, &Actor::owner(), &self.target, batch).await?;
        // A path given twice counts once.
        self.bar.inc((count - added.len()) as u64);
        for document in added {
            let picture = pictures.get(&document.path).filter(|_| document.outcome == Outcome::Unchanged);
            if let Some(reason) = picture {
                self.summary.skipped.push(Failure { path: document.path, reason: reason.clone() });
                self.bar.inc(1);
            } else if document.outcome == Outcome::Unchanged {
                self.summary.unchanged += 1;
                self.bar.inc(1);
            } else {
                self.waiting.insert(document.document_version_id, (document.path, document.outcome));
            }
        }
        self.look().await
    }

    fn fail(&mut self, path: String, reason: String) {
        self.bar.inc(1);
        self.summary.failed.push(Failure { path, reason });
    }

    async fn wait_until_read(&mut self) -> anyhow::Result<()> {
        let mut told = Instant::now();
        while !self.waiting.is_empty() {
            // Polled less often while many wait.
            let pause = 50 + self.waiting.len() as u64 / 5;
            tokio::time::sleep(Duration::from_millis(pause.min(1000))).await;
            self.look().await?;
            if !show::watched() && told.elapsed() > Duration::from_secs(10) {
                let left = show::count(self.waiting.len() as u64, "document");
                show::note(&format!("{left} still to process"));
                told = Instant::now();
            }
        }
        Ok(())
    }

    /// Removes processed revisions from the list.
    async fn look(&mut self) -> anyhow::Result<()> {
        let revisions: Vec<VisibleRevision> = self.waiting.keys().copied().collect();
        let mut connection = store::postgres::acquire(self.app.pool()).await?;
        for (id, status, reason) in documents::finished(&mut connection, &revisions).await? {
            let Some((path, outcome)) = self.waiting.remove(&id) else { continue };
            self.bar.inc(1);
            match (status, outcome) {
                (Status::Failed, _) => self.summary.failed.push(Failure { path, reason }),
                (Status::Skipped, _) => self.summary.skipped.push(Failure { path, reason }),
                (_, Outcome::Added) => self.summary.added += 1,
                _ => self.summary.revised += 1,
            }
        }
        Ok(())
    }
}

/// Outcome for documents whose files are gone.
enum Removal {
    /// Their paths; they were taken out of the version.
    Done(Vec<String>),
    /// They are more than a tenth of the version, and stayed.
    TooMany,
}

/// Takes documents out of the version whose files were not found.
async fn remove_vanished(
    app: &App,
    name: &LibraryName,
    version: &Label,
    present: &HashSet<String>,
    is_confirmed: bool,
) -> anyhow::Result<Removal> {
    let owner = Actor::owner();
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    // Nothing was added, and nothing is there.
    let Ok(library) = catalogue.library(&owner, name) else { return Ok(Removal::Done(Vec::new())) };
    let request = library::label::VersionRequest::Exact(version.clone());
    let Ok(version) = library.resolve(&request) else { return Ok(Removal::Done(Vec::new())) };
    let vanished =
        documents::find_vanished(&mut transaction, &owner, library, version, |path| present.contains(path))
            .await?;
    if !is_confirmed && vanished.documents.len() * 10 > vanished.all {
        for (_, path) in vanished.documents.iter().take(20) {
            show::note(&styled(DIM, format!("gone {path}")));
        }
        if vanished.documents.len() > 20 {
            show::note(&styled(DIM, format!("… and {} more", vanished.documents.len() - 20)));
        }
        show::note(&format!(
            "{} of {} documents are gone from the source and would leave {name} {}; to take them out, add again with --yes",
            vanished.documents.len(),
            vanished.all,
            version.label
        ));
        return Ok(Removal::TooMany);
    }
    let (ids, paths): (Vec<_>, Vec<_>) = vanished.documents.into_iter().unzip();
    documents::withdraw(&mut transaction, &owner, library, version, &ids).await?;
    transaction.commit().await?;
    Ok(Removal::Done(paths))
}

/// Sets title and description of a library that has none, from an llms.txt.
async fn describe(
    app: &App,
    name: &LibraryName,
    title: Option<&str>,
    description: Option<&str>,
) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    // Nothing was added.
    let Ok(library) = catalogue.library(&Actor::owner(), name) else { return Ok(()) };
    let first = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let title = title.filter(|_| library.title == name.as_str()).map(|title| first(title, 200));
    let description =
        description.filter(|_| library.description.is_empty()).map(|description| first(description, 2000));
    if title.is_some() || description.is_some() {
        let (title, description) = (title.as_deref(), description.as_deref());
        let details = LibraryDetails { title, description, ..LibraryDetails::default() };
        libraries::describe(&mut transaction, &Actor::owner(), library, details).await?;
    }
    Ok(transaction.commit().await?)
}

/// Stores the order in which a list names the documents.
async fn set_order(app: &App, name: &LibraryName, version: &Label, paths: &[String]) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    // Nothing was added.
    let Ok(library) = catalogue.library(&Actor::owner(), name) else { return Ok(()) };
    let Ok(version) = library.resolve(&library::label::VersionRequest::Exact(version.clone())) else {
        return Ok(());
    };
    contents::set_order(&mut transaction, &Actor::owner(), library, version, paths).await?;
    Ok(transaction.commit().await?)
}

async fn activate(app: &App, library: &LibraryName, version: &Label) -> anyhow::Result<()> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    let library = catalogue.library(&Actor::owner(), library)?;
    let version = library.resolve(&library::label::VersionRequest::Exact(version.clone()))?;
    libraries::activate_version(&mut transaction, &Actor::owner(), library, version.id).await?;
    Ok(transaction.commit().await?)
}

async fn print(app: &App, summary: &Summary, name: &LibraryName, version: &Label) -> anyhow::Result<()> {
    let shown: HashSet<&str> = summary.failed.iter().take(20).map(|failure| failure.path.as_str()).collect();
    for failure in summary.failed.iter().filter(|failure| shown.contains(failure.path.as_str())) {
        show::note(&format!("{} {}: {}", styled(WRONG, "failed"), failure.path, failure.reason));
    }
    if summary.failed.len() > shown.len() {
        show::note(&styled(
            DIM,
            format!("… and {} more failed; --json lists them", summary.failed.len() - shown.len()),
        ));
    }
    for skipped in summary.skipped.iter().take(20) {
        show::note(&styled(DIM, format!("skipped {}: {}", skipped.path, skipped.reason)));
    }
    if summary.skipped.len() > 20 {
        show::note(&styled(
            DIM,
            format!("… and {} more skipped; --json lists them", summary.skipped.len() - 20),
        ));
    }
    for path in summary.removed.iter().take(20) {
        show::note(&styled(DIM, format!("removed {path}")));
    }
    let removed = if summary.removed.is_empty() {
        String::new()
    } else {
        format!(", {} removed", summary.removed.len())
    };
    show::line(&format!(
        "{} {} {}: {} added, {} revised, {} unchanged{removed}, {} skipped, {} failed  {}",
        styled(if summary.failed.is_empty() { WELL } else { WRONG }, "●"),
        styled(BOLD, name),
        version,
        summary.added,
        summary.revised,
        summary.unchanged,
        summary.skipped.len(),
        summary.failed.len(),
        styled(DIM, format!("{} in {:.1} s", show::bytes(summary.bytes), summary.seconds)),
    ));
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let catalogue = catalogue::read(&mut connection).await?;
    let Ok(library) = catalogue.library(&Actor::owner(), name) else { return Ok(()) };
    let active = library.versions.iter().find(|held| library.active == Some(held.id));
    if let Some(active) = active.filter(|active| active.label != *version) {
        show::note(&styled(
            DIM,
            format!(
                "{} still answers by default; to change that: wenyuan libraries activate {name} {version}",
                active.label
            ),
        ));
    }
    Ok(())
}
