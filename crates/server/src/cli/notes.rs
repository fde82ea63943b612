//! `wenyuan notes`: notes of people and agents on passages.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kernel::actor::Actor;
use library::ids::NoteId;
use library::notes::{self, Category, ListedNote, NewNote, NoteFilter};
use uuid::Uuid;

use super::show::{self, BOLD, DIM, styled};
use crate::app::App;

/// Maximum number of notes in a list.
const MAX_LISTED: usize = 100;

/// Arguments of `wenyuan notes`; lists notes by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Only this library [default: all]
    #[arg(short, long)]
    library: Option<String>,

    /// Only this version
    #[arg(short = 'V', long, value_name = "LABEL")]
    version: Option<String>,

    /// Only the document with this path
    #[arg(short, long)]
    path: Option<String>,

    /// Show resolved notes
    #[arg(long)]
    resolved: bool,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a note to a passage
    Add {
        /// Id of the passage, as `wenyuan search --json` prints it
        passage: Uuid,
        /// Category: outdated, wrong, gap or other
        category: Category,
        /// Text
        text: String,
    },
    /// Resolve a note
    Resolve {
        /// Id
        id: Uuid,
    },
}

/// Lists, adds or resolves notes.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    match arguments.action {
        Some(Action::Add { passage, category, text }) => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            let (note, _) =
                notes::add(&mut transaction, &owner, &NewNote { passage, category, text }).await?;
            transaction.commit().await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&note)?);
            } else {
                show::note(&format!("added: {}", note.id));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some(Action::Resolve { id }) => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            notes::resolve(&mut transaction, &owner, NoteId(id)).await?;
            transaction.commit().await?;
            show::note(&format!("resolved: {id}"));
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let filter = NoteFilter {
        library: arguments.library.as_deref().map(str::parse).transpose()?,
        version: arguments.version.as_deref().map(str::parse).transpose()?,
        path: arguments.path.as_deref().map(str::parse).transpose()?,
        resolved: arguments.resolved,
    };
    let catalogue = app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let page = notes::list(&mut connection, &owner, &catalogue, &filter, None, MAX_LISTED).await?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&page.items)?);
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        show::note("no notes");
    }
    for note in &page.items {
        print(note);
    }
    if page.next.is_some() {
        show::note(&styled(DIM, format!("the last {MAX_LISTED}; more at /api/v1/notes")));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(ListedNote { note, library, version, path }: &ListedNote) {
    let category = styled(BOLD, note.category.as_str());
    let created = note.created_at.format("%F %R");
    show::line(&format!("{category}  {library} {version} {path}  {}, {created}", note.author));
    for line in note.text.lines() {
        show::line(&format!("   {line}"));
    }
    show::line(&styled(
        DIM,
        match note.resolved_at {
            Some(at) => format!("   resolved {}", at.format("%F %R")),
            None => format!("   wenyuan notes resolve {}", note.id),
        },
    ));
}
