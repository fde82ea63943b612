//! `list_libraries` and `find_version`: what there is to be searched.

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::catalogue::Library;
use library::label::{self, Label};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{McpServer, ToolOutput, limit};
use crate::app::library_ids;
use crate::http::input;
use crate::http::problem::Problem;

/// Libraries on a page where nothing is said, and at most.
const LIBRARIES: usize = 100;
const MAX_LIBRARIES: usize = 200;

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListArguments {
    /// Where the page begins: next_cursor of the page before.
    cursor: Option<String>,
    /// Libraries on a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

/// A page of libraries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Listed {
    /// Libraries, by name.
    libraries: Vec<LibraryItem>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// A library.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct LibraryItem {
    /// Name, for search_docs.
    name: String,
    /// Id, for query-docs.
    library_id: String,
    /// Name as people write it.
    title: String,
    /// Description.
    description: String,
    /// Version that answers when none is asked for.
    active_version: Option<String>,
    /// Versions, the highest first.
    versions: Vec<String>,
}

impl From<&Library> for LibraryItem {
    fn from(library: &Library) -> Self {
        Self {
            name: library.name.to_string(),
            library_id: library_ids::id_of(&library.name, None),
            title: library.title.clone(),
            description: library.description.clone(),
            active_version: active(library),
            versions: library.versions.iter().map(|version| version.label.to_string()).collect(),
        }
    }
}

impl ToolOutput for Listed {
    fn text(&self) -> String {
        if self.libraries.is_empty() {
            return "No libraries indexed yet.".to_owned();
        }
        let mut text = "Indexed libraries:\n".to_owned();
        for library in &self.libraries {
            text.push_str(&format!("\n- {}", library.name));
            if let Some(active) = &library.active_version {
                text.push_str(&format!(" (versions: {}; active: {active})", library.versions.join(", ")));
            }
        }
        if let Some(next) = &self.next_cursor {
            text.push_str(&format!("\n\nnext_cursor: {next}"));
        }
        text
    }
}

/// Which version is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindArguments {
    /// Name of the library, as list_libraries has it.
    library: String,
    /// Wanted version: a label (5.2.1), a range (5.x, ^5.2, >=5.2 <6) or latest; the active version if it is left out.
    #[serde(rename = "targetVersion", alias = "target_version", alias = "version")]
    target_version: Option<String>,
}

/// Matching libraries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct BestMatch {
    /// Library that was looked at.
    library: String,
    /// Version that was asked for; empty for the active one.
    requested: String,
    /// Version that is meant by it; null if none present is.
    version: Option<String>,
    /// Present version that is nearest to an absent one. It is not what was asked for.
    nearest: Option<String>,
    /// Version that answers when none is asked for.
    active_version: Option<String>,
    /// Versions that are present, the highest first.
    versions: Vec<String>,
}

impl ToolOutput for BestMatch {
    fn text(&self) -> String {
        let present = self.versions.join(", ");
        match (&self.version, &self.nearest) {
            (Some(version), _) => format!("Best match: {version}. Versions of {}: {present}.", self.library),
            (None, Some(nearest)) => format!(
                "No matching version found for {}@{}. Nearest: {nearest}. Versions: {present}.",
                self.library, self.requested
            ),
            (None, None) => format!("{} has no versions yet.", self.library),
        }
    }
}

/// Lists libraries.
pub(super) async fn list(
    librarian: &McpServer,
    actor: &Actor,
    asked: ListArguments,
) -> Result<Listed, Problem> {
    let limit = limit(asked.limit, LIBRARIES, MAX_LIBRARIES)?;
    let after = asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?;
    let page = page(librarian, actor, after.as_ref(), limit).await?;
    Ok(Listed { libraries: page.items, next_cursor: page.next.map(|cursor| cursor.to_string()) })
}

async fn page(
    librarian: &McpServer,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<LibraryItem>, Problem> {
    let after: Option<String> = match after {
        Some(cursor) => Some(cursor.decode().map_err(|bad| Problem::invalid(bad.to_string()))?),
        None => None,
    };
    let catalogue = librarian.app.engine.catalogue().await?;
    let items = catalogue
        .libraries(actor)
        .into_iter()
        .filter(|library| after.as_deref().is_none_or(|after| library.name.as_str() > after))
        .take(limit + 1)
        .map(|library| LibraryItem::from(&**library))
        .collect();
    Ok(Page::from_rows(items, limit, |last: &LibraryItem| Cursor::encode(&last.name)))
}

/// Says which version a request means. An absent one is not an error here: that is the question.
pub(super) async fn find_version(
    librarian: &McpServer,
    actor: &Actor,
    asked: FindArguments,
) -> Result<BestMatch, Problem> {
    let request = input::version(asked.target_version.as_deref())?;
    let catalogue = librarian.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &input::library(&asked.library)?)?;
    let present: Vec<Label> = library.versions.iter().map(|version| version.label.clone()).collect();
    let version = library.resolve(&request).ok().map(|version| version.label.to_string());
    let nearest = match version {
        Some(_) => None,
        None => label::nearest(&request, &present).map(ToString::to_string),
    };
    Ok(BestMatch {
        library: library.name.to_string(),
        requested: asked.target_version.unwrap_or_default(),
        version,
        nearest,
        active_version: active(library),
        versions: present.iter().map(ToString::to_string).collect(),
    })
}

fn active(library: &Library) -> Option<String> {
    let active = library.versions.iter().find(|version| library.active == Some(version.id));
    active.map(|version| version.label.to_string())
}
