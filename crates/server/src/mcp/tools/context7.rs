//! Tools `resolve-library-id`, `query-docs` and the older `get-library-docs` of
//! [Context7](https://github.com/upstash/context7), for its clients and prompts. Aliases accept the argument names of older
//! versions, and those that models invent.

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
use crate::http::lenient;
use crate::http::problem::Problem;

/// Maximum number of libraries in an answer.
const MAX_MATCHES: usize = 10;
/// Query of an older client without a topic.
const DEFAULT_TOPIC: &str = "getting started overview introduction";

/// Arguments of `resolve-library-id`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveArguments {
    /// Task for which the library is needed.
    #[serde(alias = "userQuery", alias = "question", default)]
    #[schemars(required, length(min = 1, max = 2000))]
    query: String,
    /// Name of the library.
    #[serde(rename = "libraryName", alias = "library_name", alias = "library")]
    #[schemars(length(min = 1, max = 500))]
    library_name: String,
}

/// Arguments of `query-docs`.
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
    /// Maximum number of tokens of the whole answer, by estimate; at least 200 are used.
    #[serde(default, alias = "tokens", deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50000))]
    max_tokens: Option<usize>,
}

/// Arguments of `get-library-docs`, of Context7's clients before version 2.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetLibraryDocsArguments {
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
    /// Maximum number of tokens of the whole answer, by estimate; at least 200 are used.
    #[serde(default, alias = "max_tokens", deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50000))]
    tokens: Option<usize>,
}

/// Result of `resolve-library-id`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct LibraryMatches {
    /// Libraries, the best match first.
    libraries: Vec<LibraryMatch>,
}

/// A library that matches the name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct LibraryMatch {
    /// Display name of the library.
    title: String,
    /// Id, for query-docs.
    library_id: String,
    /// Description.
    description: String,
    /// Number of passages in the active version.
    snippets: i64,
    /// Ids of its versions, the highest first.
    versions: Vec<String>,
}

impl ToolOutput for LibraryMatches {
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

/// Finds libraries by a name, which can be incomplete or misspelled.
pub(super) async fn resolve(
    server: &McpServer,
    actor: &Actor,
    arguments: ResolveArguments,
) -> Result<LibraryMatches, Problem> {
    let catalogue = server.app.engine.catalogue().await?;
    let mut matches = library_ids::matching(&catalogue, actor, &arguments.library_name, &arguments.query);
    matches.truncate(MAX_MATCHES);
    let active: Vec<&Version> = matches.iter().filter_map(|library| library.active_version()).collect();
    let mut connection = acquire(server.app.pool()).await?;
    let counts = overview::counts(&mut connection, &active).await?;
    let snippets = |library: &Library| {
        counts
            .iter()
            .find(|counts| library.active == Some(counts.version))
            .map_or(0, |counts| counts.passages)
    };
    let libraries = matches
        .into_iter()
        .map(|library| LibraryMatch {
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
    Ok(LibraryMatches { libraries })
}

/// Searches a library by its id.
pub(super) async fn query(
    server: &McpServer,
    actor: &Actor,
    arguments: QueryArguments,
) -> Result<Snippets, Problem> {
    search_library(server, actor, &arguments.library_id, &arguments.query, tokens(arguments.max_tokens)).await
}

/// Like [`query`], for older clients.
pub(super) async fn get_library_docs(
    server: &McpServer,
    actor: &Actor,
    arguments: GetLibraryDocsArguments,
) -> Result<Snippets, Problem> {
    let topic = arguments.topic.as_deref().filter(|topic| !topic.trim().is_empty()).unwrap_or(DEFAULT_TOPIC);
    search_library(server, actor, &arguments.library_id, topic, tokens(arguments.tokens)).await
}

async fn search_library(
    server: &McpServer,
    actor: &Actor,
    id: &str,
    query: &str,
    most: usize,
) -> Result<Snippets, Problem> {
    let (name, version) = library_ids::parse(id)?;
    let catalogue = server.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &name)?;
    search::snippets(server, actor, (library, version), query, most).await
}
