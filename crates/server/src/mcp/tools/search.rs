//! `search_docs`, and the search behind `query-docs`: passages within a budget of tokens, each with all that says where it is
//! from.

use kernel::actor::Actor;
use library::budget;
use library::catalogue::Library;
use library::label::VersionRequest;
use library::names::LibraryName;
use library::search::{MAX_PAGE_SIZE, SearchRequest, SearchResponse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{McpServer, ToolOutput, limit, tokens};
use crate::app::passages::one_line;
use crate::http::input;
use crate::http::problem::Problem;
use crate::mcp::shown::{Passage, RULE};

/// Passages where nothing is said.
const PASSAGES: usize = 5;

/// Arguments of `search_docs`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Name of the library, as list_libraries has it; all libraries are searched in their active versions if it is left out.
    library: Option<String>,
    /// Version: a label (5.2.1), a range (5.x, ^5.2, >=5.2 <6) or latest; the library's active version if it is left out.
    version: Option<String>,
    /// Question in words, an identifier, or "an exact phrase".
    #[serde(alias = "userQuery", alias = "question")]
    #[schemars(length(min = 1, max = 2000))]
    query: String,
    /// Passages at most.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
    /// Tokens of the whole answer at most, by estimate.
    #[schemars(range(min = 200, max = 50000))]
    max_tokens: Option<usize>,
    /// Take version literally: refuse ranges and latest.
    strict: Option<bool>,
}

/// Results of a search.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SearchResults {
    /// Library that was searched; null if all were.
    library: Option<String>,
    /// Version that was searched; null if all libraries were, each in its active version.
    version: Option<String>,
    /// Words that were searched for.
    query: String,
    /// Passages, the best first.
    passages: Vec<Passage>,
    /// Passages that were found and left out to keep within max_tokens.
    omitted: usize,
    /// Notices about the search, such as keyword results only, or an index that is being built.
    notices: Vec<String>,
}

impl ToolOutput for SearchResults {
    fn text(&self) -> String {
        if self.passages.is_empty() {
            let place = match (&self.library, &self.version) {
                (Some(library), Some(version)) => format!("{library} {version}"),
                _ => "any library".to_owned(),
            };
            return format!(
                "No results found for '{}' in {place}. Try to use a different or more general query.",
                one_line(&self.query, 200)
            );
        }
        let blocks = (1..).zip(&self.passages).map(|(number, passage)| {
            format!("{RULE}\nResult {number}: {}\n\n{}", passage.uri, passage.text())
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }
}

/// Like [`search`], for `query-docs`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Snippets {
    /// Library that was searched.
    library: String,
    /// Version that was searched.
    version: String,
    /// Passages, the best first.
    passages: Vec<Passage>,
    /// Passages that were found and left out to keep within max_tokens.
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

/// Searches as docs-mcp-server's clients ask, but never in another version than was asked for.
pub(super) async fn search(
    librarian: &McpServer,
    actor: &Actor,
    asked: Arguments,
) -> Result<SearchResults, Problem> {
    let mut version = input::version(asked.version.as_deref())?;
    let library = asked.library.as_deref().map(input::library).transpose()?;
    if asked.strict == Some(true) {
        let text = "strict takes a version literally: name one that find_version or list_libraries shows";
        version = version.literal().ok_or_else(|| Problem::invalid(text))?;
    }
    let limit = limit(asked.limit, PASSAGES, MAX_PAGE_SIZE)?;
    let tokens = tokens(asked.max_tokens)?;
    let question = SearchRequest { library, version, limit, ..SearchRequest::new(&asked.query) };
    let answer = librarian.app.engine.search(actor, &question).await?;
    let (passages, omitted) = within(&answer, tokens);
    let (library, version) =
        answer.resolved.map(|resolved| (resolved.library.to_string(), resolved.version.to_string())).unzip();
    Ok(SearchResults { library, version, query: asked.query, passages, omitted, notices: answer.notices })
}

/// Searches one library.
pub(super) async fn snippets(
    librarian: &McpServer,
    actor: &Actor,
    (library, version): (&Library, VersionRequest),
    query: &str,
    most: usize,
) -> Result<Snippets, Problem> {
    // Refused before anything is looked for, also where the question is none.
    let label = library.resolve(&version)?.label.clone();
    let name: LibraryName = library.name.clone();
    let question = SearchRequest {
        library: Some(name),
        version: VersionRequest::Exact(label.clone()),
        ..SearchRequest::new(query)
    };
    let answer = librarian.app.engine.search(actor, &question).await?;
    let (passages, omitted) = within(&answer, most);
    Ok(Snippets { library: library.name.to_string(), version: label.to_string(), passages, omitted })
}

/// The best passages that fit, and how many do not. The first is shortened if it must be.
fn within(answer: &SearchResponse, most: usize) -> (Vec<Passage>, usize) {
    // The frame around the passages.
    let mut left = most.saturating_sub(60);
    let mut passages: Vec<Passage> = Vec::new();
    for hit in &answer.hits {
        let mut passage = Passage::from(&*hit.passage);
        let cost = passage.tokens();
        if cost > left {
            if !passages.is_empty() {
                break;
            }
            let whole = std::mem::take(&mut passage.content);
            passage.cut = true;
            let (short, _) = budget::shorten(&whole, left, |text| {
                Passage { content: text.to_owned(), ..passage.clone() }.tokens()
            });
            passage.content = short;
            passages.push(passage);
            break;
        }
        left -= cost;
        passages.push(passage);
    }
    let omitted = answer.hits.len() - passages.len();
    (passages, omitted)
}
