//! `wenyuan worklist`: searches without results, and wrong or outdated answers, for the owners of libraries.

use std::process::ExitCode;

use chat::worklist::{self, WorklistFilter, WorklistItem, WorklistKind};
use clap::{Args, Subcommand};
use kernel::actor::Actor;
use uuid::Uuid;

use super::show::{self, BOLD, DIM, styled};
use crate::app::App;

/// Items that are listed.
const SHOWN: usize = 100;

/// Arguments of `wenyuan worklist`; lists items by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Only this library [default: all]
    #[arg(short, long)]
    library: Option<String>,

    /// Show resolved items
    #[arg(long)]
    resolved: bool,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Resolve a group; later occurrences become a new one
    Resolve {
        /// Id
        id: Uuid,
    },
}

/// Lists or resolves items.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let catalogue = app.engine.catalogue().await?;
    if let Some(Action::Resolve { id }) = arguments.action {
        let mut transaction = store::postgres::begin(app.pool()).await?;
        let item = worklist::resolve(&mut transaction, &catalogue, &owner, id).await?;
        transaction.commit().await?;
        if arguments.json {
            show::line(&serde_json::to_string_pretty(&item)?);
        } else {
            show::note(&format!("resolved: {}", item.questions.join(" · ")));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let filter = WorklistFilter {
        library: arguments.library.as_deref().map(str::parse).transpose()?,
        kind: None,
        resolved: arguments.resolved,
    };
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let page = worklist::list(&mut connection, &owner, &catalogue, &filter, None, SHOWN).await?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&page.items)?);
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        show::note("nothing to do");
    }
    for item in &page.items {
        print(item);
    }
    if page.next.is_some() {
        show::note(&styled(DIM, format!("the last {SHOWN}; more at /api/v1/worklist")));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(item: &WorklistItem) {
    let what = match item.kind {
        WorklistKind::NothingFound => "nothing found".to_owned(),
        WorklistKind::VersionRefused => format!("version {} refused", item.subject),
        WorklistKind::AnswerWrong => "wrong answer".to_owned(),
        WorklistKind::AnswerStale => "answer stale".to_owned(),
    };
    let library = item.library.as_deref().unwrap_or("all libraries");
    let times = if item.occurrences == 1 { "once".to_owned() } else { format!("{} times", item.occurrences) };
    show::line(&format!("{}  {library}  {times}, last {}", styled(BOLD, what), item.last_at.format("%F %R")));
    for question in &item.questions {
        show::line(&format!("   {question}"));
    }
    for detail in &item.details {
        show::line(&styled(DIM, format!("   {detail}")));
    }
    match (&item.resolved_at, &item.resolved_by) {
        (Some(at), Some(who)) => {
            show::line(&styled(DIM, format!("   resolved {} by {who}", at.format("%F %R"))));
        }
        _ => show::line(&styled(DIM, format!("   wenyuan worklist resolve {}", item.id))),
    }
}
