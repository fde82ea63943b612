//! `wenyuan documents`: lists, shows and deletes documents, and activates revisions.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use kernel::actor::Actor;
use library::Error;
use library::documents::{self, DocumentFilter, Revision, RevisionName, Status};
use library::ids::DocumentId;
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
        /// Document id
        id: Uuid,
    },
    /// Print the text of a revision as Markdown
    Read {
        /// Document id
        id: Uuid,
        /// LABEL (its active revision) or LABEL~NUMBER
        revision: String,
    },
    /// Activate a revision; name an earlier one to roll back
    Activate {
        /// Document id
        id: Uuid,
        /// LABEL~NUMBER
        revision: String,
    },
    /// Delete a document in all versions
    Delete {
        /// Document id
        id: Uuid,
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
        Action::Show { id } => print_one(app, DocumentId(id), json).await?,
        Action::Read { id, revision } => {
            let mut connection = store::postgres::acquire(app.pool()).await?;
            let name: RevisionName = revision.parse()?;
            let found = documents::revision(&mut connection, &owner, DocumentId(id), &name).await?;
            let found = found.ok_or_else(|| Error::NoDocumentVersion(name.to_string()))?;
            let text = documents::content(&mut connection, found.id).await?;
            show::line(&text.ok_or_else(|| anyhow::anyhow!("this revision has no text: {}", fault(&found)))?);
        }
        Action::Activate { id, revision } => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let name: RevisionName = revision.parse()?;
            let found = documents::revision(&mut transaction, &owner, DocumentId(id), &name).await?;
            let found = found.ok_or_else(|| Error::NoDocumentVersion(name.to_string()))?;
            documents::activate(&mut transaction, &owner, &found).await?;
            transaction.commit().await?;
            show::note(&format!("revision {} is active in {}", found.revision, found.version));
        }
        Action::Delete { id, yes } => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let found =
                documents::find(&mut transaction, &owner, DocumentId(id)).await?.ok_or(Error::NoDocument)?;
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

async fn list(app: &App, which: ListArguments, json: bool) -> anyhow::Result<()> {
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
