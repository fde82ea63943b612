//! `report_issue`: a note on a passage, for the people who keep the library.

use kernel::actor::Actor;
use library::notes::{self, Category, NewNote};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::postgres::begin;

use super::{McpServer, ToolOutput};
use crate::http::problem::Problem;
use crate::mcp::shown::PassageNote;

/// Arguments of `report_issue`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Id of the passage, from search_docs or get_document.
    passage_id: String,
    /// Kind of issue.
    category: Kind,
    /// A few sentences: what is wrong and what would be right.
    #[schemars(length(min = 1, max = 4000))]
    text: String,
}

/// Kinds of issues of a passage.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Outdated,
    Wrong,
    Gap,
    Other,
}

impl From<Kind> for Category {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Outdated => Self::Outdated,
            Kind::Wrong => Self::Wrong,
            Kind::Gap => Self::Gap,
            Kind::Other => Self::Other,
        }
    }
}

/// The note as it is kept.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Reported {
    /// Library of the passage.
    library: String,
    /// Version of the passage.
    version: String,
    /// Path of the document.
    path: String,
    /// Note as it is kept.
    note: PassageNote,
}

impl ToolOutput for Reported {
    fn text(&self) -> String {
        format!("Note {} is kept on {} {} {}.", self.note.id, self.library, self.version, self.path)
    }
}

/// Writes a note.
pub(super) async fn report(
    librarian: &McpServer,
    actor: &Actor,
    asked: Arguments,
) -> Result<Reported, Problem> {
    let passage = asked.passage_id.trim().parse().map_err(|_none| {
        Problem::invalid("passage_id is the id of a passage, as search_docs and get_document give it")
    })?;
    let new = NewNote { passage, category: asked.category.into(), text: asked.text };
    let mut transaction = begin(librarian.app.pool()).await?;
    let (note, passage) = notes::add(&mut transaction, actor, &new).await?;
    transaction.commit().await?;
    let note = PassageNote::from(&note);
    Ok(Reported { library: passage.library, version: passage.version, path: passage.path, note })
}
