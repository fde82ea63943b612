//! `list_libraries` and `find_version`: what there is to be searched.

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::catalogue::Library;
use library::label::{self, Label};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{McpServer, ToolOutput, limit};
use crate::app::library_ids;
use crate::http::problem::Problem;
use crate::http::{input, lenient};

/// Default and maximum number of libraries on a page.
const LIBRARIES: usize = 100;
const MAX_LIBRARIES: usize = 200;

/// Arguments of `list_libraries`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListLibrariesArguments {
    /// Start of the page: next_cursor of the previous page.
    cursor: Option<String>,
    /// Number of libraries on a page.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

/// A page of libraries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct LibraryList {
    /// Libraries, by name.
    libraries: Vec<LibraryItem>,
    /// Cursor of the next page; null on the last.
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
    /// Display name.
    title: String,
    /// Description.
    description: String,
    /// Version used if a call names none.
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

impl ToolOutput for LibraryList {
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

/// Arguments of `find_version`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindVersionArguments {
    /// Name of the library, as list_libraries has it.
    library: String,
    /// Requested version: a label (5.2.1), a range (5.x, ^5.2, >=5.2 <6) or latest. Default: the active version.
    #[serde(rename = "targetVersion", alias = "target_version", alias = "version")]
    target_version: Option<String>,
}

/// Result of `find_version`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct VersionMatch {
    /// Name of the library.
    library: String,
    /// Requested version; empty for the active one.
    requested: String,
    /// Version that matches; null if none does.
    version: Option<String>,
    /// Version nearest to the requested one, if none matches. It is another version than the requested one.
    nearest: Option<String>,
    /// Version used if a call names none.
    active_version: Option<String>,
    /// All versions, the highest first.
    versions: Vec<String>,
}

impl ToolOutput for VersionMatch {
    fn text(&self) -> String {
        let all = self.versions.join(", ");
        match (&self.version, &self.nearest) {
            (Some(version), _) => format!("Best match: {version}. Versions of {}: {all}.", self.library),
            (None, Some(nearest)) => format!(
                "No matching version found for {}@{}. Nearest: {nearest}. Versions: {all}.",
                self.library, self.requested
            ),
            (None, None) => format!("{} has no versions.", self.library),
        }
    }
}

/// Lists libraries.
pub(super) async fn list(
    server: &McpServer,
    actor: &Actor,
    arguments: ListLibrariesArguments,
) -> Result<LibraryList, Problem> {
    let limit = limit(arguments.limit, LIBRARIES, MAX_LIBRARIES)?;
    let after =
        arguments.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?;
    let page = page(server, actor, after.as_ref(), limit).await?;
    Ok(LibraryList { libraries: page.items, next_cursor: page.next.map(|cursor| cursor.to_string()) })
}

async fn page(
    server: &McpServer,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<LibraryItem>, Problem> {
    let after: Option<String> = match after {
        Some(cursor) => Some(cursor.decode().map_err(|bad| Problem::invalid(bad.to_string()))?),
        None => None,
    };
    let catalogue = server.app.engine.catalogue().await?;
    let items = catalogue
        .libraries(actor)
        .into_iter()
        .filter(|library| after.as_deref().is_none_or(|after| library.name.as_str() > after))
        .take(limit + 1)
        .map(|library| LibraryItem::from(&**library))
        .collect();
    Ok(Page::from_rows(items, limit, |last: &LibraryItem| Cursor::encode(&last.name)))
}

/// Resolves a version request. An absent version is not an error.
pub(super) async fn find_version(
    server: &McpServer,
    actor: &Actor,
    arguments: FindVersionArguments,
) -> Result<VersionMatch, Problem> {
    let request = input::version(arguments.target_version.as_deref())?;
    let catalogue = server.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &input::library(&arguments.library)?)?;
    let labels: Vec<Label> = library.versions.iter().map(|version| version.label.clone()).collect();
    let version = library.resolve(&request).ok().map(|version| version.label.to_string());
    let nearest = match version {
        Some(_) => None,
        None => label::nearest(&request, &labels).map(ToString::to_string),
    };
    Ok(VersionMatch {
        library: library.name.to_string(),
        requested: arguments.target_version.unwrap_or_default(),
        version,
        nearest,
        active_version: active(library),
        versions: labels.iter().map(ToString::to_string).collect(),
    })
}

fn active(library: &Library) -> Option<String> {
    let active = library.versions.iter().find(|version| library.active == Some(version.id));
    active.map(|version| version.label.to_string())
}
