//! `wenyuan documents`: lists, shows and deletes documents, and activates revisions.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use kernel::actor::Actor;
use library::Error;
use library::documents::{self, DocumentFilter, Revision, RevisionName, Status, reading};
use library::ids::DocumentId;
use library::label::{Label, VersionRequest};
use library::names::DocumentPath;
use serde_json::json;
use uuid::Uuid;

use super::show::{self, BOLD, DIM, WELL, WRONG, styled};
use crate::app::App;

/// Arguments of `wenyuan documents`; lists documents by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List documents by library and path (default)
    List(ListArguments),
    /// Show a document and its revisions
    Show {
        /// Id, LIBRARY/PATH or LIBRARY/PATH@VERSION
        document: String,
    },
    /// Print the text of a revision as Markdown
    Read {
        /// Id, LIBRARY/PATH (its active version) or LIBRARY/PATH@VERSION, as search prints it
        document: String,
        /// LABEL (its active revision) or LABEL~NUMBER [default: the active revision of the version in the address]
        revision: Option<String>,
    },
    /// Activate a revision; name an earlier one to roll back
    Activate {
        /// Id, or LIBRARY/PATH
        document: String,
        /// LABEL~NUMBER
        revision: String,
    },
    /// Delete a document in all versions
    Delete {
        /// Id, or LIBRARY/PATH
        document: String,
        /// Delete without confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Default, Args)]
struct ListArguments {
    /// Only this library
    #[arg(long, short)]
    library: Option<String>,

    /// Only this version
    #[arg(long, short = 'V', value_name = "LABEL")]
    version: Option<String>,

    /// Only documents whose newest revision has this status
    #[arg(long, value_enum)]
    status: Option<StatusArgument>,

    /// Maximum number of documents
    #[arg(long, short = 'n', default_value_t = 1000, value_name = "NUMBER")]
    limit: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusArgument {
    Processing,
    Completed,
    Failed,
    Skipped,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (owner, json) = (Actor::owner(), arguments.json);
    match arguments
        .action
        .unwrap_or_else(|| Action::List(ListArguments { limit: 1000, ..Default::default() }))
    {
        Action::List(which) => list(app, which, json).await?,
        Action::Show { document } => print_one(app, locate(app, &document).await?.id, json).await?,
        Action::Read { document, revision } => {
            let located = locate(app, &document).await?;
            let name: RevisionName = match (revision, located.version) {
                (Some(revision), _) => revision.parse()?,
                (None, Some(version)) => version.as_str().parse()?,
                (None, None) => anyhow::bail!(
                    "name a version: wenyuan documents read {document} LABEL; wenyuan documents show {document} lists them"
                ),
            };
            let mut connection = store::postgres::acquire(app.pool()).await?;
            let found = documents::revision(&mut connection, &owner, located.id, &name).await?;
            let found = found.ok_or_else(|| Error::NoDocumentVersion(name.to_string()))?;
            let text = documents::content(&mut connection, found.id).await?;
            show::line(&text.ok_or_else(|| anyhow::anyhow!("this revision has no text: {}", fault(&found)))?);
        }
        Action::Activate { document, revision } => {
            let id = locate(app, &document).await?.id;
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let name: RevisionName = revision.parse()?;
            let found = documents::revision(&mut transaction, &owner, id, &name).await?;
            let found = found.ok_or_else(|| Error::NoDocumentVersion(name.to_string()))?;
            documents::activate(&mut transaction, &owner, &found).await?;
            transaction.commit().await?;
            show::note(&format!("revision {} is active in {}", found.revision, found.version));
        }
        Action::Delete { document, yes } => {
            let id = locate(app, &document).await?.id;
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let found = documents::find(&mut transaction, &owner, id).await?.ok_or(Error::NoDocument)?;
            if !yes {
                anyhow::bail!(
                    "this would delete {} of {} in all its versions; say --yes to do so",
                    found.path,
                    found.library
                );
            }
            documents::delete(&mut transaction, &owner, found.id).await?;
            transaction.commit().await?;
            show::note(&format!("deleted {} of {}", found.path, found.library));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A document that an argument names.
struct Located {
    id: DocumentId,
    /// Version in which it was found; `None` for an id.
    version: Option<Label>,
}

/// Finds a document by its id, or by library, path and perhaps version.
async fn locate(app: &App, name: &str) -> anyhow::Result<Located> {
    if let Ok(id) = name.parse::<Uuid>() {
        return Ok(Located { id: DocumentId(id), version: None });
    }
    let owner = Actor::owner();
    let catalogue = app.engine.catalogue().await?;
    let name = name.trim_start_matches('/');
    // The name of a library has at most one slash; a longer one is meant first.
    let slashes: Vec<usize> = name.match_indices('/').map(|(at, _)| at).take(2).collect();
    let mut splits = slashes.iter().rev().filter_map(|at| Some((name.get(..*at)?, name.get(at + 1..)?)));
    let known = splits.find_map(|(library, path)| {
        let library = catalogue.library(&owner, &library.parse().ok()?).ok()?;
        Some((library, path))
    });
    let Some((library, path)) = known else {
        if let Ok(library) = name.parse()
            && catalogue.library(&owner, &library).is_ok()
        {
            anyhow::bail!("name a document of {library} as {library}/PATH, or by its id");
        }
        let library = slashes.first().and_then(|at| name.get(..*at)).unwrap_or(name);
        // Names the nearest library, if that is what is wrong.
        catalogue.library(&owner, &library.parse()?)?;
        anyhow::bail!("name a document as LIBRARY/PATH, or by its id");
    };
    let mut connection = store::postgres::acquire(app.pool()).await?;
    // A path can contain `@`: what follows the last one is a version if a document is found so.
    let mut refused = None;
    if let Some((bare, label)) = path.rsplit_once('@')
        && let Ok(version) = label.parse::<VersionRequest>()
        && let Ok(bare) = bare.parse::<DocumentPath>()
    {
        let version = if label == "active" { VersionRequest::Active } else { version };
        match reading::find(&mut connection, &owner, library, &version, &bare).await {
            Ok(document) => {
                return Ok(Located { id: document.document_id, version: Some(document.version) });
            }
            Err(error) => refused = Some(error),
        }
    }
    let active = VersionRequest::Active;
    match reading::find(&mut connection, &owner, library, &active, &path.parse()?).await {
        Ok(document) => Ok(Located { id: document.document_id, version: Some(document.version) }),
        Err(error) => Err(refused.unwrap_or(error).into()),
    }
}

async fn list(app: &App, which: ListArguments, json: bool) -> anyhow::Result<()> {
    if let Some(library) = &which.library {
        // Names the nearest library.
        app.engine.catalogue().await?.library(&Actor::owner(), &library.parse()?)?;
    }
    let filter = DocumentFilter {
        library: which.library,
        version: which.version,
        status: which.status.map(|status| match status {
            StatusArgument::Processing => Status::Processing,
            StatusArgument::Completed => Status::Completed,
            StatusArgument::Failed => Status::Failed,
            StatusArgument::Skipped => Status::Skipped,
        }),
        ..DocumentFilter::default()
    };
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let page = documents::list(&mut connection, &Actor::owner(), &filter, None, which.limit).await?;
    if json {
        show::line(&serde_json::to_string_pretty(&page.items)?);
        return Ok(());
    }
    for document in &page.items {
        show::line(&format!(
            "{}  {} {}  {}",
            styled(DIM, document.id),
            styled(BOLD, &document.library),
            document.path,
            styled(DIM, document.versions.join(" "))
        ));
        if let Some(failure) = &document.failure {
            show::line(&format!("  {} {failure}", styled(WRONG, "failed:")));
        }
    }
    if page.next.is_some() {
        show::note(&styled(DIM, "… and more: --limit, or a narrower --library"));
    }
    Ok(())
}

async fn print_one(app: &App, id: DocumentId, json: bool) -> anyhow::Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let document = documents::find(&mut connection, &Actor::owner(), id).await?.ok_or(Error::NoDocument)?;
    let revisions = documents::revisions(&mut connection, &Actor::owner(), id).await?;
    if json {
        show::line(&serde_json::to_string_pretty(&json!({ "document": document, "revisions": revisions }))?);
        return Ok(());
    }
    show::line(&format!("{} {}  {}", styled(BOLD, &document.library), document.path, document.name));
    for revision in &revisions {
        let name = format!("{}~{}", revision.version, revision.revision);
        let state = match revision.status {
            _ if revision.active => styled(WELL, "answers"),
            Status::Failed => styled(WRONG, format!("failed: {}", fault(revision))),
            Status::Skipped => styled(DIM, format!("skipped: {}", fault(revision))),
            Status::Completed => styled(DIM, "kept"),
            Status::Uploading | Status::Processing => styled(DIM, "being read"),
        };
        let size = show::bytes(revision.file_size.unsigned_abs());
        show::line(&format!(
            "  {name:<20} {}  {size:<10} {state}",
            revision.created_at.format("%Y-%m-%d %H:%M:%S")
        ));
    }
    Ok(())
}

fn fault(revision: &Revision) -> &str {
    revision.reason.as_deref().unwrap_or("it is still being read")
}
