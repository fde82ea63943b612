//! The tools: what there is, for whom, and how a call finds its function. A tool is two types (what it takes, what it returns),
//! of which its schemas are made, and a function between them.

#![expect(clippy::doc_markdown, reason = "what stands above a field is what models read of it")]

mod ask;
mod context7;
mod documents;
mod libraries;
mod notes;
mod search;

use std::sync::LazyLock;

use kernel::actor::Actor;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{McpServer, may_note, schema};
use crate::http::problem::Problem;

/// Tokens an answer takes where nothing is said, and the least and most that can be asked for.
const TOKENS: usize = 5000;
const MIN_TOKENS: usize = 200;
const MAX_TOKENS: usize = 50_000;

/// Result of a tool: a structured value with a schema, and the same as text.
trait ToolOutput: Serialize + JsonSchema {
    /// For clients that give their model text: what the value holds, documents fenced.
    fn text(&self) -> String;
}

/// The tools, in the order in which they are listed.
static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    vec![
        reading::<search::Arguments, search::SearchResults>(
            "search_docs",
            "Search documents",
            "Finds the passages of the library's documents that answer a question, by words and by meaning. \
             Name the library and the version you work with; an absent version is refused with the list of those present.",
        ),
        reading::<libraries::ListArguments, libraries::Listed>(
            "list_libraries",
            "List libraries",
            "Lists the libraries that can be searched, with their versions and the one that answers by default.",
        ),
        reading::<libraries::FindArguments, libraries::BestMatch>(
            "find_version",
            "Find a version",
            "Says which version of a library fits a wanted one (5.2.1, 5.x, ^5.2, latest), and which there are. \
             Use it before searching when you are not sure that a version is present.",
        ),
        reading::<documents::Arguments, documents::Read>(
            "get_document",
            "Read a document",
            "Reads a document, or one of its sections, in order and up to max_tokens; next_cursor continues. \
             Includes notes that people and agents wrote on it, labelled as notes.",
        ),
        reading::<documents::RecentArguments, documents::RecentChanges>(
            "list_recent_changes",
            "List recent changes",
            "Lists the documents that were added or changed lately, the newest first.",
        ),
        reading::<ask::Arguments, ask::Answered>(
            "ask",
            "Ask a question",
            "Answers a question from the library's documents, with numbered citations of the passages it rests on. \
             A language model of the library's writes the answer; where there is none, the passages themselves are returned.",
        ),
        reading::<ask::HistoryArguments, ask::FoundInHistory>(
            "search_history",
            "Search the history",
            "Finds earlier questions and answers of the person whose key this is.",
        ),
        reading::<context7::ResolveArguments, context7::Resolved>(
            "resolve-library-id",
            "Resolve a library id",
            "Finds the id of a library by its name, for query-docs.",
        ),
        reading::<context7::QueryArguments, search::Snippets>(
            "query-docs",
            "Query documents",
            "Finds the passages of one library that answer a question. Takes an id from resolve-library-id, with a version \
             where one is meant: /owner/project/version.",
        ),
        reading::<context7::OlderArguments, search::Snippets>(
            "get-library-docs",
            "Get library documents (deprecated)",
            "Deprecated: use query-docs. Finds passages of a library on a topic.",
        ),
        tool::<notes::Arguments, notes::Reported>(
            "report_issue",
            "Report an issue",
            "Writes a note on a passage that is outdated, wrong or incomplete, for the people who keep the library. \
             The same note twice is kept once.",
            ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false),
        ),
    ]
});

/// Tools available to an actor.
pub(super) fn all(actor: &Actor) -> Vec<Tool> {
    TOOLS.iter().filter(|tool| is_offered(tool, actor)).cloned().collect()
}

/// The tool of this name.
pub(super) fn find(name: &str) -> Option<Tool> {
    TOOLS.iter().find(|tool| tool.name == name).cloned()
}

/// Whether an actor may use it. Who may not does not see it either.
pub(super) fn is_offered(tool: &Tool, actor: &Actor) -> bool {
    match &*tool.name {
        "report_issue" => may_note(actor),
        "ask" => !actor.is_anonymous(),
        "search_history" => chat::chats::owner_id(actor).is_ok(),
        _ => true,
    }
}

/// Calls the tool of this name, which is offered to the actor.
pub(super) async fn call(
    librarian: &McpServer,
    actor: &Actor,
    name: &str,
    arguments: JsonObject,
) -> CallToolResult {
    match name {
        "search_docs" => run(arguments, |asked| search::search(librarian, actor, asked)).await,
        "list_libraries" => run(arguments, |asked| libraries::list(librarian, actor, asked)).await,
        "find_version" => run(arguments, |asked| libraries::find_version(librarian, actor, asked)).await,
        "get_document" => run(arguments, |asked| documents::get(librarian, actor, asked)).await,
        "list_recent_changes" => run(arguments, |asked| documents::recent(librarian, actor, asked)).await,
        "ask" => run(arguments, |asked| ask::ask(librarian, actor, asked)).await,
        "search_history" => run(arguments, |asked| ask::search_history(librarian, actor, asked)).await,
        "resolve-library-id" => run(arguments, |asked| context7::resolve(librarian, actor, asked)).await,
        "query-docs" => run(arguments, |asked| context7::query(librarian, actor, asked)).await,
        "get-library-docs" => run(arguments, |asked| context7::older(librarian, actor, asked)).await,
        "report_issue" => run(arguments, |asked| notes::report(librarian, actor, asked)).await,
        _ => failed("there is no such tool"),
    }
}

/// Reads the arguments, calls, and shows what came of it. What goes wrong is told to the model, so that it can do better.
async fn run<A, R, F>(arguments: JsonObject, work: impl FnOnce(A) -> F) -> CallToolResult
where
    A: DeserializeOwned,
    R: ToolOutput,
    F: Future<Output = Result<R, Problem>>,
{
    let asked = match serde_json::from_value(arguments.into()) {
        Ok(asked) => asked,
        Err(error) => return failed(&format!("the arguments cannot be read: {error}")),
    };
    match work(asked).await {
        Ok(value) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(value.text())]);
            result.structured_content = serde_json::to_value(&value).ok();
            result
        }
        Err(problem) => failed(&problem.user_message()),
    }
}

fn failed(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn reading<A: JsonSchema, R: JsonSchema>(name: &'static str, title: &str, description: &'static str) -> Tool {
    let annotations =
        ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    tool::<A, R>(name, title, description, annotations)
}

fn tool<A: JsonSchema, R: JsonSchema>(
    name: &'static str,
    title: &str,
    description: &'static str,
    annotations: ToolAnnotations,
) -> Tool {
    Tool::new(name, description, schema::of_arguments::<A>())
        .with_title(title)
        .with_raw_output_schema(schema::of_output::<R>())
        .with_annotations(annotations)
}

/// How many tokens an answer may take.
fn tokens(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(TOKENS) {
        tokens @ MIN_TOKENS..=MAX_TOKENS => Ok(tokens),
        other => Err(Problem::invalid(format!("max_tokens is {MIN_TOKENS} to {MAX_TOKENS}, not {other}"))),
    }
}

/// How many items a page has.
fn limit(asked: Option<usize>, otherwise: usize, most: usize) -> Result<usize, Problem> {
    match asked.unwrap_or(otherwise) {
        0 => Err(Problem::invalid(format!("limit is 1 to {most}"))),
        limit if limit > most => Err(Problem::invalid(format!("limit is 1 to {most}, not {limit}"))),
        limit => Ok(limit),
    }
}
