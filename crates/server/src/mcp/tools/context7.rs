//! `resolve-library-id`, `query-docs` and the older `get-library-docs`, as Context7's clients and the prompts written for
//! them call these. The arguments that models invent for them are understood too.

use kernel::actor::Actor;
use library::catalogue::{self, Catalogue, Library};
use library::changes::VersionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::postgres::acquire;

use super::search::{self, Snippets};
use super::{Librarian, Shown, tokens};
use crate::api::problem::Problem;
use crate::context7;
use crate::mcp::shown::one_line;

/// Libraries that are named at most.
const MATCHES: usize = 10;
/// What is searched for where an older client names no topic.
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

/// What is asked of a library.
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

/// The same as it was asked before Context7's version 2.
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
    /// What people call it.
    title: String,
    /// Id, for query-docs.
    library_id: String,
    /// What it is about.
    description: String,
    /// Passages in the active version.
    snippets: i64,
    /// Ids of its versions, the highest first.
    versions: Vec<String>,
}

impl Shown for Resolved {
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
    librarian: &Librarian,
    actor: &Actor,
    asked: ResolveArguments,
) -> Result<Resolved, Problem> {
    let catalogue = librarian.app.engine.catalogue().await?;
    let found = matching(&catalogue, actor, &asked.library_name, &asked.query);
    let active: Vec<VersionId> = found.iter().filter_map(|library| library.active).collect();
    let mut connection = acquire(librarian.app.pool()).await?;
    let counts = catalogue::counts(&mut connection, &active).await?;
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
            library_id: context7::id_of(&library.name, None),
            description: library.description.clone(),
            snippets: snippets(library),
            versions: library
                .versions
                .iter()
                .map(|version| context7::id_of(&library.name, Some(&version.label)))
                .collect(),
        })
        .collect();
    Ok(Resolved { libraries })
}

/// Searches a library by its id.
pub(super) async fn query(
    librarian: &Librarian,
    actor: &Actor,
    asked: QueryArguments,
) -> Result<Snippets, Problem> {
    find(librarian, actor, &asked.library_id, &asked.query, tokens(asked.max_tokens)?).await
}

/// The same for clients that know nothing newer. They may ask for fewer tokens than can be told apart here.
pub(super) async fn older(
    librarian: &Librarian,
    actor: &Actor,
    asked: OlderArguments,
) -> Result<Snippets, Problem> {
    let topic = asked.topic.as_deref().filter(|topic| !topic.trim().is_empty()).unwrap_or(NO_TOPIC);
    find(librarian, actor, &asked.library_id, topic, tokens(asked.tokens)?).await
}

async fn find(
    librarian: &Librarian,
    actor: &Actor,
    id: &str,
    query: &str,
    most: usize,
) -> Result<Snippets, Problem> {
    let (name, version) = context7::parse(id)?;
    let catalogue = librarian.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &name)?;
    search::snippets(librarian, actor, (library, version), query, most).await
}

/// Libraries whose name or title resembles what is asked for, the best first. Where none does, those whose description holds
/// a word of the question.
fn matching<'catalogue>(
    catalogue: &'catalogue Catalogue,
    actor: &Actor,
    name: &str,
    query: &str,
) -> Vec<&'catalogue Library> {
    let wanted = plain(name);
    let mut ranked: Vec<(u32, &Library)> = catalogue
        .libraries(actor)
        .into_iter()
        .filter_map(|library| Some((rank(library, &wanted)?, &**library)))
        .collect();
    if ranked.is_empty() {
        // `postgres` may be asked for as `postgressql`: the catalogue knows what is near.
        let near = name.parse().ok().and_then(|name| match catalogue.library(actor, &name) {
            Err(library::Error::NoLibrary { nearest, .. }) => nearest,
            _ => None,
        });
        if let Some(near) = near
            && let Ok(library) = catalogue.library(actor, &near)
        {
            return vec![library];
        }
        let words: Vec<String> = query
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| word.chars().count() > 3)
            .map(str::to_lowercase)
            .collect();
        let described = |library: &Library| {
            let text = library.description.to_lowercase();
            words.iter().any(|word| text.contains(word.as_str()))
        };
        ranked = catalogue
            .libraries(actor)
            .into_iter()
            .filter(|library| described(library))
            .map(|library| (9, &**library))
            .collect();
    }
    // Sorting keeps the order of names among equals.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(MATCHES).map(|(_, library)| library).collect()
}

/// How well a library's name fits, 0 best.
fn rank(library: &Library, wanted: &str) -> Option<u32> {
    if wanted.is_empty() {
        return None;
    }
    let (name, title) = (plain(library.name.as_str()), plain(&library.title));
    let project = library.name.as_str().rsplit('/').next().map(plain).unwrap_or_default();
    [
        name == wanted,
        project == wanted || title == wanted,
        project.starts_with(wanted) || title.starts_with(wanted),
        name.contains(wanted) || title.contains(wanted),
        project.len() > 2 && wanted.contains(&project),
    ]
    .iter()
    .position(|fits| *fits)
    .and_then(|place| u32::try_from(place).ok())
}

/// Names without what people write differently: `Next.js`, `nextjs` and `next-js` are one.
fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
