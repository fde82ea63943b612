//! `resolve-library-id`, `query-docs` and the older `get-library-docs`, as Context7's clients and the prompts written for
//! them call these. The arguments that models invent for them are understood too.

use kernel::actor::Actor;
use library::catalogue::{Library, Version};
use library::overview;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::postgres::acquire;

use super::search::{self, Snippets};
use super::{McpServer, ToolOutput, tokens};
use crate::app::library_ids;
use crate::app::passages::one_line;
use crate::http::problem::Problem;

/// Libraries that are named at most.
const MATCHES: usize = 10;
/// Query if an older client names no topic.
const NO_TOPIC: &str = "getting started overview introduction";

/// Which library is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveArguments {
    /// Task the library is wanted for.
    #[serde(alias = "userQuery", alias = "question", default)]
    #[schemars(required, length(min = 1, max = 2000))]
    query: String,
    /// Name of the library.
    #[serde(rename = "libraryName", alias = "library_name", alias = "library")]
    #[schemars(length(min = 1, max = 500))]
    library_name: String,
}

/// A question to a library.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryArguments {
    /// Id from resolve-library-id: /owner/project, or /owner/project/version.
    #[serde(
        rename = "libraryId",
        alias = "context7CompatibleLibraryID",
        alias = "libraryID",
        alias = "libraryName",
        alias = "library_id"
    )]
    library_id: String,
    /// Question in words.
    #[serde(alias = "userQuery", alias = "question")]
    #[schemars(length(min = 1, max = 2000))]
    query: String,
    /// Tokens of the whole answer at most, by estimate.
    #[serde(alias = "tokens")]
    #[schemars(range(min = 200, max = 50000))]
    max_tokens: Option<usize>,
}

/// Arguments of Context7's clients before version 2.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OlderArguments {
    /// Id from resolve-library-id.
    #[serde(
        rename = "context7CompatibleLibraryID",
        alias = "libraryId",
        alias = "libraryID",
        alias = "libraryName"
    )]
    library_id: String,
    /// Topic in words.
    #[serde(alias = "query", alias = "userQuery", alias = "question")]
    topic: Option<String>,
    /// Tokens of the whole answer at most, by estimate.
    #[serde(alias = "max_tokens")]
    #[schemars(range(min = 200, max = 50000))]
    tokens: Option<usize>,
}

/// Libraries that may be meant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Resolved {
    /// Libraries, the best match first.
    libraries: Vec<Match>,
}

/// A library that may be meant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Match {
    /// Name of the library as people write it.
    title: String,
    /// Id, for query-docs.
    library_id: String,
    /// Description.
    description: String,
    /// Passages in the active version.
    snippets: i64,
    /// Ids of its versions, the highest first.
    versions: Vec<String>,
}

impl ToolOutput for Resolved {
    fn text(&self) -> String {
        if self.libraries.is_empty() {
            return "No libraries found matching the provided name.".to_owned();
        }
        let items = self.libraries.iter().map(|library| {
            let mut text = format!(
                "- Title: {}\n- Context7-compatible library ID: {}\n- Description: {}\n- Code Snippets: {}\n\
                 - Source Reputation: Unknown",
                one_line(&library.title, 200),
                library.library_id,
                one_line(&library.description, 500),
                library.snippets,
            );
            if !library.versions.is_empty() {
                text.push_str(&format!("\n- Versions: {}", library.versions.join(", ")));
            }
            text
        });
        format!("Available Libraries:\n\n{}", items.collect::<Vec<_>>().join("\n----------\n"))
    }
}

/// Finds libraries by a name that may be incomplete or not quite right.
pub(super) async fn resolve(
    librarian: &McpServer,
    actor: &Actor,
    asked: ResolveArguments,
) -> Result<Resolved, Problem> {
    let catalogue = librarian.app.engine.catalogue().await?;
    let mut found = library_ids::matching(&catalogue, actor, &asked.library_name, &asked.query);
    found.truncate(MATCHES);
    let active: Vec<&Version> = found.iter().filter_map(|library| library.active_version()).collect();
    let mut connection = acquire(librarian.app.pool()).await?;
    let counts = overview::counts(&mut connection, &active).await?;
    let snippets = |library: &Library| {
        counts
            .iter()
            .find(|counts| library.active == Some(counts.version))
            .map_or(0, |counts| counts.passages)
    };
    let libraries = found
        .into_iter()
        .map(|library| Match {
            title: library.title.clone(),
            library_id: library_ids::id_of(&library.name, None),
            description: library.description.clone(),
            snippets: snippets(library),
            versions: library
                .versions
                .iter()
                .map(|version| library_ids::id_of(&library.name, Some(&version.label)))
                .collect(),
        })
        .collect();
    Ok(Resolved { libraries })
}

/// Searches a library by its id.
pub(super) async fn query(
    librarian: &McpServer,
    actor: &Actor,
    asked: QueryArguments,
) -> Result<Snippets, Problem> {
    find(librarian, actor, &asked.library_id, &asked.query, tokens(asked.max_tokens)?).await
}

/// Like `query_docs`, for older clients, which can ask for very few tokens.
pub(super) async fn older(
    librarian: &McpServer,
    actor: &Actor,
    asked: OlderArguments,
) -> Result<Snippets, Problem> {
    let topic = asked.topic.as_deref().filter(|topic| !topic.trim().is_empty()).unwrap_or(NO_TOPIC);
    find(librarian, actor, &asked.library_id, topic, tokens(asked.tokens)?).await
}

async fn find(
    librarian: &McpServer,
    actor: &Actor,
    id: &str,
    query: &str,
    most: usize,
) -> Result<Snippets, Problem> {
    let (name, version) = library_ids::parse(id)?;
    let catalogue = librarian.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &name)?;
    search::snippets(librarian, actor, (library, version), query, most).await
}
