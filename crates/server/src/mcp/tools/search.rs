//! Tool `search_docs`, and the search of `query-docs`: passages within a token budget, each with its provenance.

use kernel::actor::Actor;
use library::budget;
use library::catalogue::Library;
use library::ids::DocumentId;
use library::label::VersionRequest;
use library::links;
use library::names::LibraryName;
use library::search::{MAX_PAGE_SIZE, SearchHit, SearchRequest, SearchResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::postgres::acquire;
use uuid::Uuid;

use super::{McpServer, ToolOutput, limit, tokens};
use crate::app::passages::one_line;
use crate::http::problem::Problem;
use crate::http::{input, lenient};
use crate::mcp::view::{Passage, RULE};

/// Default number of passages.
const PASSAGES: usize = 5;
/// Maximum number of links of a passage.
const MAX_LINKS: usize = 12;

/// Arguments of `search_docs`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Name of the library, from list_libraries. Default: all libraries, in their active versions.
    library: Option<String>,
    /// Version: a label (5.2.1), a range (5.x, ^5.2, >=5.2 <6) or latest. Default: the library's active version.
    version: Option<String>,
    /// Question, identifier, or "exact phrase".
    #[serde(alias = "userQuery", alias = "question")]
    #[schemars(length(min = 1, max = 2000))]
    query: String,
    /// Maximum number of passages.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
    /// Maximum number of tokens of the whole answer, by estimate; at least 200 are used.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50000))]
    max_tokens: Option<usize>,
    /// Start of the results: next of the previous answer to the same query.
    cursor: Option<String>,
    /// Refuse ranges and latest as the version.
    #[serde(default, deserialize_with = "lenient::boolean")]
    strict: Option<bool>,
}

/// Result of `search_docs`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SearchResults {
    /// Searched library; null for all.
    library: Option<String>,
    /// Searched version; null for all libraries, each in its active version.
    version: Option<String>,
    /// Query.
    query: String,
    /// Passages, the best first.
    passages: Vec<Passage>,
    /// Number of passages that were omitted to keep within max_tokens.
    omitted: usize,
    /// Number of further results from the next cursor on: at least so many.
    more: usize,
    /// Cursor of the further results, for cursor; null if there are none.
    next: Option<String>,
    /// Notices about the search, such as results by keywords only, or an index that is being built.
    notices: Vec<String>,
}

impl ToolOutput for SearchResults {
    fn text(&self) -> String {
        if self.passages.is_empty() {
            let scope = match (&self.library, &self.version) {
                (Some(library), Some(version)) => format!("{library} {version}"),
                _ => "any library".to_owned(),
            };
            return format!(
                "No results found for '{}' in {scope}. Try to use a different or more general query.",
                one_line(&self.query, 200)
            );
        }
        let blocks = (1..).zip(&self.passages).map(|(number, passage)| {
            format!("{RULE}\nResult {number}: {}\n\n{}", passage.uri, passage.text())
        });
        let mut text = blocks.collect::<Vec<_>>().join("\n\n");
        if let Some(next) = &self.next {
            text += &format!("\n\n{RULE}\nAt least {} more: search again with cursor={next}", self.more);
        }
        text
    }
}

/// Result of `query-docs`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Snippets {
    /// Searched library.
    library: String,
    /// Searched version.
    version: String,
    /// Passages, the best first.
    passages: Vec<Passage>,
    /// Number of passages that were omitted to keep within max_tokens.
    omitted: usize,
}

impl ToolOutput for Snippets {
    fn text(&self) -> String {
        if self.passages.is_empty() {
            return format!(
                "Documentation not found or not finalized for this library. ({} {})",
                self.library, self.version
            );
        }
        let blocks = self.passages.iter().map(|passage| {
            let title = one_line(passage.section.last().unwrap_or(&passage.title), 200);
            format!("### {title}\n\nSource: {}\n\n{}", passage.uri, passage.text())
        });
        blocks.collect::<Vec<_>>().join(&format!("\n\n{}\n\n", &RULE[..32]))
    }
}

/// Searches for clients of docs-mcp-server, but only in the requested version.
pub(super) async fn search(
    server: &McpServer,
    actor: &Actor,
    arguments: Arguments,
) -> Result<SearchResults, Problem> {
    let mut version = input::version(arguments.version.as_deref())?;
    let library = arguments.library.as_deref().map(input::library).transpose()?;
    if arguments.strict == Some(true) {
        let text = "with strict, version must be a label: take one from find_version or list_libraries";
        version = version.literal().ok_or_else(|| Problem::invalid(text))?;
    }
    let limit = limit(arguments.limit, PASSAGES, MAX_PAGE_SIZE)?;
    let after =
        arguments.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?;
    let request = SearchRequest { library, version, limit, after, ..SearchRequest::new(&arguments.query) };
    let answer = server.app.engine.search(actor, &request).await?;
    let (passages, omitted) = fit(server, actor, &answer, tokens(arguments.max_tokens)).await?;
    let next = answer.cursor_after(passages.len()).map(|cursor| cursor.to_string());
    let more = answer.more + omitted;
    let (library, version) =
        answer.resolved.map(|resolved| (resolved.library.to_string(), resolved.version.to_string())).unzip();
    Ok(SearchResults {
        library,
        version,
        query: arguments.query,
        passages,
        omitted,
        more,
        next,
        notices: answer.notices,
    })
}

/// Searches one library.
pub(super) async fn snippets(
    server: &McpServer,
    actor: &Actor,
    (library, version): (&Library, VersionRequest),
    query: &str,
    max_tokens: usize,
) -> Result<Snippets, Problem> {
    // An absent version is an error even for an empty query.
    let label = library.resolve(&version)?.label.clone();
    let name: LibraryName = library.name.clone();
    let request = SearchRequest {
        library: Some(name),
        version: VersionRequest::Exact(label.clone()),
        ..SearchRequest::new(query)
    };
    let answer = server.app.engine.search(actor, &request).await?;
    let (passages, omitted) = fit(server, actor, &answer, max_tokens).await?;
    Ok(Snippets { library: library.name.to_string(), version: label.to_string(), passages, omitted })
}

/// Returns the best passages that fit in `max_tokens`, and the number of those that do not. The first one is shortened if it
/// does not fit. What is left is for their links.
async fn fit(
    server: &McpServer,
    actor: &Actor,
    answer: &SearchResponse,
    max_tokens: usize,
) -> Result<(Vec<Passage>, usize), Problem> {
    // The frame around the passages and the cursor take some.
    let mut tokens_left = max_tokens.saturating_sub(100);
    let mut passages: Vec<Passage> = Vec::new();
    // Results of this page that are omitted are further ones, too.
    let more_behind = |number: usize, hit: &SearchHit| {
        let behind = answer.hits.iter().skip(number);
        let same = behind.filter(|other| {
            other.passage.document_id == hit.passage.document_id
                && other.passage.version == hit.passage.version
        });
        hit.more_in_document + same.count()
    };
    for (number, hit) in (1..).zip(&answer.hits) {
        let passage = Passage::of_hit(hit, more_behind(number, hit));
        let tokens = passage.tokens();
        if let Some(rest) = tokens_left.checked_sub(tokens) {
            tokens_left = rest;
            passages.push(passage);
            continue;
        }
        if passages.is_empty() {
            let part_tokens = |part: &str| passage.with_part(part).tokens();
            let (part, _) = budget::shorten(&passage.content, tokens_left, part_tokens);
            passages.push(passage.with_part(&part));
            tokens_left = 0;
        }
        break;
    }
    let shown = passages.len();
    let passages = passages.into_iter().zip(&answer.hits);
    let mut passages: Vec<Passage> =
        passages.map(|(passage, hit)| passage.with_more(more_behind(shown, hit))).collect();
    let omitted = answer.hits.len() - shown;
    if tokens_left > 0 && !passages.is_empty() {
        let ids: Vec<Uuid> = answer.hits.iter().take(passages.len()).map(|hit| hit.passage.id).collect();
        let catalogue = server.app.engine.catalogue().await?;
        let mut connection = acquire(server.app.pool()).await?;
        let shown = answer.hits.iter().take(passages.len()).map(|hit| &hit.passage);
        let shown: Vec<(DocumentId, &str)> =
            shown.map(|passage| (DocumentId(passage.document_id), passage.sha256.as_str())).collect();
        let discussions = social::passages::discussions(&mut connection, actor, &shown).await?;
        for (passage, discussions) in passages.iter_mut().zip(&discussions) {
            passage.add_discussions(discussions, &mut tokens_left);
        }
        let links = links::of_passages(&mut connection, actor, &catalogue, &ids, MAX_LINKS).await?;
        for (passage, id) in passages.iter_mut().zip(&ids) {
            passage.add_links(links.get(id).map_or(&[], Vec::as_slice), &mut tokens_left);
        }
    }
    Ok((passages, omitted))
}
