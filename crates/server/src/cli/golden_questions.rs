//! `wenyuan backup questions`: searches whose passages every verified backup must find again.

use clap::{Args, Subcommand};
use kernel::actor::Actor;
use ops::questions::{self, GoldenQuestion, NewGoldenQuestion};
use uuid::Uuid;

use super::show::{self, BOLD, DIM, styled};
use crate::app::{App, backups};

/// Arguments of `wenyuan backup questions`; lists the questions by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the golden questions (default)
    List,
    /// Add a golden question
    Add {
        /// Query, as for `wenyuan search`
        text: String,

        /// Library to search [default: all]
        #[arg(short, long)]
        library: Option<String>,

        /// Version of the library [default: the active one]
        #[arg(short = 'V', long, value_name = "LABEL", requires = "library")]
        version: Option<String>,
    },
    /// Remove a golden question
    Remove {
        /// Id
        id: Uuid,
    },
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments, as_json: bool) -> anyhow::Result<()> {
    let owner = Actor::owner();
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let mut connection = store::postgres::acquire(app.pool()).await?;
            let questions = questions::list(&mut connection, &owner).await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&questions)?);
                return Ok(());
            }
            if questions.is_empty() {
                show::note("no golden questions; add one: wenyuan backup questions add 'how to …'");
            }
            questions.iter().enumerate().for_each(|(place, question)| print(Some(place + 1), question));
        }
        Action::Add { text, library, version } => {
            let question =
                backups::add_question(app, &owner, NewGoldenQuestion { text, library, version }).await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&question)?);
            } else {
                print(None, &question);
                show::note("it is asked with the next backup, and of each copy that is restored from it");
            }
        }
        Action::Remove { id } => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            questions::remove(&mut transaction, &owner, id).await?;
            transaction.commit().await?;
            show::note("removed the golden question; backups that were written before still ask it");
        }
    }
    Ok(())
}

/// Prints a question, with the number by which reports name it.
fn print(number: Option<usize>, question: &GoldenQuestion) {
    let number = number.map(|number| format!("{number}. ")).unwrap_or_default();
    let searched = match (&question.library, &question.version) {
        (Some(library), Some(version)) => format!("  {library} {version}"),
        (Some(library), None) => format!("  {library}"),
        (None, _) => String::new(),
    };
    show::line(&format!(
        "{number}{}{}  {}",
        styled(BOLD, &question.text),
        styled(DIM, searched),
        styled(DIM, question.id)
    ));
}
