//! Tools: their list, who can use them, and the dispatch of calls.
//!
//! A tool consists of two types, its arguments and its result, from which its schemas are generated, and a function between them.
//! To add one, write these in a file below and add the tool to [`TOOLS`] and [`call`].

#![expect(clippy::doc_markdown, reason = "models read the comments on the fields")]

mod ask;
mod context7;
mod discussions;
mod documents;
mod libraries;
mod notes;
mod search;

use std::sync::LazyLock;

use kernel::actor::{Actor, Scope};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{McpServer, schema};
use crate::http::lenient;
use crate::http::problem::Problem;

/// Default, minimum and maximum number of tokens of an answer.
const DEFAULT_TOKENS: usize = 5000;
const MIN_TOKENS: usize = 200;
const MAX_TOKENS: usize = 50_000;

/// Result of a tool: a structured value with a schema, and the same as text.
trait ToolOutput: Serialize + JsonSchema {
    /// Returns the value as text, with documents in fences, for clients that pass text to their model.
    fn text(&self) -> String;
}

/// All tools, in the order of the list.
static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    vec![
        reading::<search::Arguments, search::SearchResults>(
            "search_docs",
            "Search documents",
            "Finds passages of documents that answer a question, by keyword and semantic search. \
             Name the library and the version you work with; for an absent version, the error lists all versions.",
        ),
        reading::<libraries::ListLibrariesArguments, libraries::LibraryList>(
            "list_libraries",
            "List libraries",
            "Lists the libraries that can be searched, with their versions and the default version.",
        ),
        reading::<libraries::FindVersionArguments, libraries::VersionMatch>(
            "find_version",
            "Find a version",
            "Finds the version of a library that matches a request (5.2.1, 5.x, ^5.2, latest), and lists all versions. \
             Use it before searching if you are not sure that a version exists.",
        ),
        reading::<documents::Arguments, documents::DocumentPage>(
            "get_document",
            "Read a document",
            "Reads a document or one of its sections, up to max_tokens; next_cursor continues. \
             Includes notes of people and agents, labelled as notes.",
        ),
        reading::<documents::RecentArguments, documents::RecentChanges>(
            "list_recent_changes",
            "List recent changes",
            "Lists recently added and changed documents, the latest first.",
        ),
        reading::<ask::Arguments, ask::AnswerOutput>(
            "ask",
            "Ask a question",
            "Answers a question from documents, with numbered citations of passages. \
             A language model writes the answer; if none is configured, the passages are returned.",
        ),
        reading::<ask::HistoryArguments, ask::HistoryHits>(
            "search_history",
            "Search the history",
            "Finds earlier questions and answers of the API key's owner.",
        ),
        reading::<context7::ResolveArguments, context7::LibraryMatches>(
            "resolve-library-id",
            "Resolve a library id",
            "Finds the id of a library by its name, for query-docs.",
        ),
        reading::<context7::QueryArguments, search::Snippets>(
            "query-docs",
            "Query documents",
            "Finds passages of one library that answer a question. Takes an id from resolve-library-id, optionally with a \
             version: /owner/project/version.",
        ),
        reading::<context7::GetLibraryDocsArguments, search::Snippets>(
            "get-library-docs",
            "Get library documents (deprecated)",
            "Deprecated: use query-docs. Finds passages of a library on a topic.",
        ),
        tool::<notes::Arguments, notes::ReportedNote>(
            "report_issue",
            "Report an issue",
            "Adds a note to a passage that is outdated, wrong or incomplete, for the people who maintain the library. \
             A repeated note is stored once.",
            ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false),
        ),
        reading::<discussions::ListArguments, discussions::DiscussionList>(
            "list_discussions",
            "List discussions",
            "Lists what people and agents discuss about a library or a document, the newest first. \
             Answered questions name the accepted comment.",
        ),
        reading::<discussions::GetArguments, discussions::Thread>(
            "get_discussion",
            "Read a discussion",
            "Reads a discussion with its comments, each before its answers, or the answers to one comment. \
             Comments with more answers than are returned say so.",
        ),
        tool::<discussions::CommentArguments, discussions::DiscussionComment>(
            "post_comment",
            "Comment on a discussion",
            "Adds a comment to a discussion, or answers one of its comments, in the name of the API key's user. \
             A repeated call adds another comment.",
            ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false),
        ),
    ]
});

/// Returns the tools that an actor can use.
pub(super) fn all(actor: &Actor) -> Vec<Tool> {
    TOOLS.iter().filter(|tool| is_available(tool, actor)).cloned().collect()
}

/// Returns the tool of this name.
pub(super) fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// Whether an actor can use a tool. Other tools are hidden from it.
pub(super) fn is_available(tool: &Tool, actor: &Actor) -> bool {
    match &*tool.name {
        "report_issue" => actor.has_scope(Scope::Notes),
        "post_comment" => actor.has_scope(Scope::Notes) && actor.user_id().is_some(),
        "ask" => !actor.is_anonymous(),
        "search_history" => chat::chats::owner_id(actor).is_ok(),
        _ => true,
    }
}

/// Calls the tool of this name, which must be available to the actor.
pub(super) async fn call(
    server: &McpServer,
    actor: &Actor,
    name: &str,
    arguments: JsonObject,
) -> CallToolResult {
    match name {
        "search_docs" => run(arguments, |arguments| search::search(server, actor, arguments)).await,
        "list_libraries" => run(arguments, |arguments| libraries::list(server, actor, arguments)).await,
        "find_version" => run(arguments, |arguments| libraries::find_version(server, actor, arguments)).await,
        "get_document" => run(arguments, |arguments| documents::get(server, actor, arguments)).await,
        "list_recent_changes" => {
            run(arguments, |arguments| documents::recent(server, actor, arguments)).await
        }
        "ask" => run(arguments, |arguments| ask::ask(server, actor, arguments)).await,
        "search_history" => run(arguments, |arguments| ask::search_history(server, actor, arguments)).await,
        "resolve-library-id" => run(arguments, |arguments| context7::resolve(server, actor, arguments)).await,
        "query-docs" => run(arguments, |arguments| context7::query(server, actor, arguments)).await,
        "get-library-docs" => {
            run(arguments, |arguments| context7::get_library_docs(server, actor, arguments)).await
        }
        "report_issue" => run(arguments, |arguments| notes::report(server, actor, arguments)).await,
        "list_discussions" => run(arguments, |arguments| discussions::list(server, actor, arguments)).await,
        "get_discussion" => run(arguments, |arguments| discussions::get(server, actor, arguments)).await,
        "post_comment" => run(arguments, |arguments| discussions::comment(server, actor, arguments)).await,
        _ => failed("there is no such tool"),
    }
}

/// Parses the arguments, runs the tool and renders its result. Errors are results too, so that the model can correct its call.
async fn run<A, R, F>(arguments: JsonObject, work: impl FnOnce(A) -> F) -> CallToolResult
where
    A: DeserializeOwned,
    R: ToolOutput,
    F: Future<Output = Result<R, Problem>>,
{
    let arguments = match lenient::arguments(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => return failed(&problem.user_message()),
    };
    match work(arguments).await {
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

/// Returns the number of tokens that an answer can take. Requests beyond the bounds are not errors, since clients send such.
fn tokens(requested: Option<usize>) -> usize {
    requested.unwrap_or(DEFAULT_TOKENS).clamp(MIN_TOKENS, MAX_TOKENS)
}

/// Returns the number of items of a page, from 1 to `max`.
fn limit(requested: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    let limit = requested.unwrap_or(default);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid(format!("limit is 1 to {max}, not {limit}")))
}
