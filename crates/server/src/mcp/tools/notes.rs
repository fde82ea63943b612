//! Tool `report_issue`: a note on a passage, for the people who maintain the library.

use kernel::actor::Actor;
use library::notes::{self, Category, NewNote};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::postgres::begin;

use super::{McpServer, ToolOutput};
use crate::http::problem::Problem;
use crate::mcp::view::PassageNote;

/// Arguments of `report_issue`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Id of the passage, from search_docs or get_document.
    passage_id: String,
    /// Category of the issue.
    category: NoteCategory,
    /// Description in a few sentences: the fault and the correction.
    #[schemars(length(min = 1, max = 4000))]
    text: String,
}

/// Categories of notes, with a schema for clients.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NoteCategory {
    Outdated,
    Wrong,
    Gap,
    Other,
}

impl From<NoteCategory> for Category {
    fn from(category: NoteCategory) -> Self {
        match category {
            NoteCategory::Outdated => Self::Outdated,
            NoteCategory::Wrong => Self::Wrong,
            NoteCategory::Gap => Self::Gap,
            NoteCategory::Other => Self::Other,
        }
    }
}

/// The stored note.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct ReportedNote {
    /// Library of the passage.
    library: String,
    /// Version of the passage.
    version: String,
    /// Path of the document.
    path: String,
    /// Stored note.
    note: PassageNote,
}

impl ToolOutput for ReportedNote {
    fn text(&self) -> String {
        format!("Note {} was stored on {} {} {}.", self.note.id, self.library, self.version, self.path)
    }
}

/// Adds a note.
pub(super) async fn report(
    server: &McpServer,
    actor: &Actor,
    arguments: Arguments,
) -> Result<ReportedNote, Problem> {
    let passage = arguments.passage_id.trim().parse().map_err(|_invalid| {
        Problem::invalid("passage_id is not the id of a passage: take one from search_docs or get_document")
    })?;
    let new = NewNote { passage, category: arguments.category.into(), text: arguments.text };
    let mut transaction = begin(server.app.pool()).await?;
    let (note, passage) = notes::add(&mut transaction, actor, &new).await?;
    transaction.commit().await?;
    let note = PassageNote::from(&note);
    Ok(ReportedNote { library: passage.library, version: passage.version, path: passage.path, note })
}
