//! `/api/v2/libs/search` and `/api/v2/context`: the REST API of Context7, so that its clients work with this server
//! (`CONTEXT7_API_URL=http://HOST/api`).
//!
//! Parameters, responses and errors are those of Context7, with two differences: a version is never replaced by another, and each
//! snippet names its version.

use std::ops::RangeInclusive;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use library::catalogue::{Library, Version};
use library::documents::outline::{self, VersionExtent};
use library::overview::{self, Counts};
use library::search::{Passage, SearchRequest, SearchResponse};
use library::{Error, budget};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::app::passages::{flag, one_line, section, time};
use crate::app::{address, library_ids};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Query, check_length};
use crate::http::lenient;
use crate::http::problem::{Format, Problem, Result};
use crate::http::router::bounded;
use crate::http::schema::described;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(search)).routes(routes!(context)))
}

mod fences;

/// Prefix of the API's paths.
const PREFIX: &str = "/api/v2/";
/// Libraries in a response.
const MAX_MATCHES: usize = 10;
/// Passages that are searched for; those that fit into the tokens of a response are returned.
const MAX_PASSAGES: usize = 40;
/// Length of a name, an id and a query.
const MAX_TEXT_CHARS: usize = 500;
/// Bounds of a response's length, in tokens. A request for more or less gets the nearest.
const TOKENS: RangeInclusive<usize> = 500..=50_000;
const DEFAULT_TOKENS: usize = 5000;
/// Separator of snippets.
const SEPARATOR: &str = "\n\n--------------------------------\n\n";
/// Pattern of a library id. A library without an owner is `/docs/NAME`, one of the owner `docs` is `/docs/docs~NAME`.
const LIBRARY_ID: &str = "^/?(docs/docs~NAME|NAME(/NAME)?(@LABEL)?|NAME/NAME/LABEL)$";
/// Value of unknown numbers, which clients do not show.
const UNKNOWN: i32 = -1;

described! {
    /// Name, id or query.
    Context7Text = kernel::schema::text(1..=MAX_TEXT_CHARS, kernel::schema::NOT_BLANK);
    /// Maximum length of a response, in tokens.
    Context7Tokens = kernel::schema::integer(0..=i32::MAX).default(Some(DEFAULT_TOKENS.into()));
    /// Id of a library, or of a version of it.
    Context7LibraryId = kernel::schema::text(
        1..=MAX_TEXT_CHARS,
        &LIBRARY_ID
            .replace("NAME", "[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
            .replace("LABEL", "[A-Za-z0-9][A-Za-z0-9._+-]{0,60}"),
    );
    /// Value that is ignored.
    Context7Ignored = kernel::schema::any_text(0..=MAX_TEXT_CHARS);
}

/// Error in the format of Context7.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Context7Failure)]
pub(crate) struct Failure<'failure> {
    /// Code of the error.
    error: String,
    /// Explanation: what is wrong and what to do.
    message: &'failure str,
    /// Further members: the versions present, for one, if the requested one is absent.
    #[serde(flatten)]
    #[schema(ignore)]
    more: &'failure Map<String, Value>,
}

/// Form of this API's error responses.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| path.starts_with(PREFIX),
    render: |problem| {
        let (message, more) = (problem.detail(), problem.members());
        let failure = Failure { error: problem.kind().replace('-', "_"), message, more };
        serde_json::to_vec(&failure).unwrap_or_default()
    },
    schema: Some("Context7Failure"),
};

/// Parameters of a search for libraries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct LibraryParameters {
    /// Name of the library, incomplete or misspelt.
    #[param(required, value_type = Option<Context7Text>, inline, example = "Next.js")]
    library_name: Option<String>,
    /// Question that the library should answer.
    #[param(value_type = Option<Context7Text>, inline)]
    query: Option<String>,
    /// Ignored.
    #[param(value_type = Option<Context7Ignored>, inline)]
    fast: Option<String>,
}

/// Libraries that match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Matches {
    /// Best match first.
    results: Vec<Match>,
    /// Always false: no filter is applied.
    search_filter_applied: bool,
}

/// Library that matches.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Match {
    /// Id, as in `libraryId`.
    id: String,
    title: String,
    description: String,
    /// Active version.
    branch: String,
    /// Time of the last change.
    last_update_date: String,
    state: LibraryState,
    /// Approximate number of tokens of the active version.
    total_tokens: i64,
    /// Passages of the active version.
    total_snippets: i64,
    /// Always -1.
    stars: i32,
    /// Always -1.
    trust_score: i32,
    /// Always -1.
    benchmark_score: i32,
    /// Versions, highest first; `/owner/project/VERSION` selects one.
    versions: Vec<String>,
}

/// Ingestion state of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LibraryState {
    /// It has no documents.
    Initial,
    /// Its first documents are being ingested.
    Processing,
    /// It can be searched.
    Finalized,
    /// The ingestion of its documents failed.
    Error,
}

/// Searches for libraries by name.
#[utoipa::path(get, path = "/api/v2/libs/search", tag = "context7", params(LibraryParameters),
    responses((status = 200, body = Matches)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<LibraryParameters>,
) -> Result<Json<Matches>> {
    let name = check_text("libraryName", parameters.library_name.as_deref())?;
    let query = parameters.query.as_deref().filter(|query| !query.trim().is_empty());
    let query = query.map(|query| check_text("query", Some(query))).transpose()?;
    check_length("fast", parameters.fast.as_deref().unwrap_or_default(), MAX_TEXT_CHARS)?;
    let catalogue = state.app.engine.catalogue().await?;
    let mut found = library_ids::matching(&catalogue, &actor, name, query.unwrap_or_default());
    if found.is_empty() && actor.is_anonymous() {
        return Err(missing_key(name));
    }
    found.truncate(MAX_MATCHES);
    let active: Vec<&Version> = found.iter().filter_map(|library| library.active_version()).collect();
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let counts = overview::counts(&mut connection, &active).await?;
    let extents = outline::extents(&mut connection, &active).await?;
    drop(connection);
    let results = found.into_iter().map(|library| matched(library, &counts, &extents)).collect();
    Ok(Json(Matches { results, search_filter_applied: false }))
}

fn matched(library: &Library, counts: &[Counts], extents: &[VersionExtent]) -> Match {
    let counts = counts.iter().find(|counts| library.active == Some(counts.version));
    let extent = extents.iter().find(|extent| library.active == Some(extent.version));
    let active = library.versions.iter().find(|version| library.active == Some(version.id));
    Match {
        id: library_ids::id_of(&library.name, None),
        title: one_line(&library.title, 200),
        description: one_line(&library.description, 500),
        branch: active.map(|version| version.label.to_string()).unwrap_or_default(),
        last_update_date: time(library.updated_at),
        state: counts.map_or(LibraryState::Initial, library_state),
        // An English token has about four bytes.
        total_tokens: extent.map_or(0, |extent| extent.bytes / 4),
        total_snippets: counts.map_or(0, |counts| counts.passages),
        stars: UNKNOWN,
        trust_score: UNKNOWN,
        benchmark_score: UNKNOWN,
        versions: library.versions.iter().map(|version| version.label.to_string()).collect(),
    }
}

fn library_state(counts: &Counts) -> LibraryState {
    match counts {
        Counts { documents: 1.., .. } => LibraryState::Finalized,
        Counts { processing: 1.., .. } => LibraryState::Processing,
        Counts { failed: 1.., .. } => LibraryState::Error,
        _ => LibraryState::Initial,
    }
}

/// Parameters of a search in a library.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ContextParameters {
    /// `/owner/project`, `/owner/project/version` or `/owner/project@version`.
    #[param(required, value_type = Option<Context7LibraryId>, inline, example = "/vercel/next.js/15")]
    library_id: Option<String>,
    /// Question.
    #[param(required, value_type = Option<Context7Text>, inline)]
    query: Option<String>,
    /// Format of the response.
    #[param(inline)]
    r#type: Option<Type>,
    /// Maximum length of the response, in tokens; 500 to 50,000 take effect.
    #[param(value_type = Option<Context7Tokens>, inline)]
    #[serde(default, deserialize_with = "lenient::integer")]
    tokens: Option<usize>,
    /// Ignored.
    #[param(value_type = Option<Context7Ignored>, inline)]
    fast: Option<String>,
}

/// Format of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Type {
    #[default]
    // Clients send `type=` too.
    #[serde(alias = "")]
    Txt,
    Json,
}

/// Passages of a version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context {
    /// Passages with code.
    code_snippets: Vec<CodeSnippet>,
    /// Passages without code.
    info_snippets: Vec<InfoSnippet>,
}

/// Passage with code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeSnippet {
    code_title: String,
    /// Text around the code.
    code_description: String,
    code_language: String,
    code_tokens: usize,
    /// URL of the passage.
    code_id: String,
    /// Title of the document, library and version.
    page_title: String,
    code_list: Vec<Code>,
    #[serde(flatten)]
    stamp: Stamp,
}

/// Block of code.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Code {
    language: String,
    code: String,
}

/// Passage without code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InfoSnippet {
    /// URL of the document.
    page_id: String,
    /// Library, version and headings.
    breadcrumb: String,
    content: String,
    content_tokens: usize,
    #[serde(flatten)]
    stamp: Stamp,
}

/// Provenance, which Context7's own API lacks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stamp {
    version: String,
    indexed_at: String,
    /// SHA-256 of the passage.
    sha256: String,
    /// Reason why the passage reads like an instruction to an agent, if it does.
    flagged: Option<String>,
}

/// Searches a version of a library for passages that answer a question.
#[utoipa::path(get, path = "/api/v2/context", tag = "context7", params(ContextParameters),
    responses((status = 200, content((Context = "application/json"), (String = "text/plain"))),
              (status = 202, description = "Accepted: the first documents are being ingested", body = Failure<'_>), (status = 404)))]
pub(crate) async fn context(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<ContextParameters>,
) -> Result<Response> {
    let id = check_text("libraryId", parameters.library_id.as_deref())?;
    let query = check_text("query", parameters.query.as_deref())?;
    check_length("fast", parameters.fast.as_deref().unwrap_or_default(), MAX_TEXT_CHARS)?;
    let max_tokens = parameters.tokens.unwrap_or(DEFAULT_TOKENS).clamp(*TOKENS.start(), *TOKENS.end());
    let format = parameters.r#type.unwrap_or_default();
    let catalogue = state.app.engine.catalogue().await?;
    let (name, version) = library_ids::parse(id)?;
    let library = match catalogue.library(&actor, &name) {
        Err(Error::NoLibrary { .. }) if actor.is_anonymous() => return Err(missing_key(name.as_str())),
        found => found?,
    };
    let version = library.resolve(&version)?;
    let request = SearchRequest {
        library: Some(name),
        version: library::label::VersionRequest::Exact(version.label.clone()),
        limit: MAX_PASSAGES,
        ..SearchRequest::new(query)
    };
    let response = state.app.engine.search(&actor, &request).await?;
    let named = format!("{} {}", library.name, version.label);
    if response.hits.is_empty() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let counts = overview::counts(&mut connection, &[version]).await?;
        if counts.first().is_some_and(|counts| library_state(counts) == LibraryState::Processing) {
            return Ok(not_finalized(format, &format!("{named} is still being ingested: try again shortly")));
        }
    }
    Ok(match format {
        Type::Txt if response.hits.is_empty() => {
            plain(StatusCode::OK, format!("no results in {named}: try other words\n"))
        }
        Type::Txt => plain(StatusCode::OK, as_text(&response, &state.address, max_tokens)),
        Type::Json => Json(as_context(&response, &state.address, max_tokens)).into_response(),
    })
}

/// Returns the error of anonymous callers without results: with a key there may be some.
fn missing_key(name: &str) -> Problem {
    let name = one_line(name, 100);
    Problem::unauthorized(format!(
        "no public library is named {name}: to see others, set an API key of this server in the client (wenyuan key create)"
    ))
}

fn check_text<'text>(name: &str, text: Option<&'text str>) -> Result<&'text str> {
    text.filter(|text| !text.trim().is_empty() && text.chars().count() <= MAX_TEXT_CHARS).ok_or_else(|| {
        Problem::invalid(format!("{name} is missing or too long: use 1 to {MAX_TEXT_CHARS} characters"))
            .about(name)
    })
}

/// Returns the response while the first documents are ingested; clients show its text.
fn not_finalized(format: Type, text: &str) -> Response {
    match format {
        Type::Txt => plain(StatusCode::ACCEPTED, format!("{text}\n")),
        Type::Json => {
            let body =
                Failure { error: "library_not_finalized".to_owned(), message: text, more: &Map::new() };
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, text).into_response()
}

/// Renders the passages that fit as text, best first.
fn as_text(response: &SearchResponse, base: &str, max_tokens: usize) -> String {
    let mut left = max_tokens;
    let mut snippets: Vec<String> = Vec::new();
    for hit in &response.hits {
        let text = snippet(&hit.passage, &hit.passage.content, base);
        let cost = budget::tokens(&text) + budget::tokens(SEPARATOR);
        if cost <= left {
            left -= cost;
            snippets.push(text);
        }
    }
    // If none fits, the best one is shortened.
    if let Some(best) = response.hits.first().filter(|_| snippets.is_empty()) {
        let cost = |text: &str| budget::tokens(&snippet(&best.passage, text, base));
        let (short, _) = budget::shorten(&best.passage.content, max_tokens, cost);
        snippets.push(snippet(&best.passage, &short, base));
    }
    snippets.join(SEPARATOR)
}

fn snippet(passage: &Passage, content: &str, base: &str) -> String {
    let title = passage.section.last().map_or(passage.title.as_str(), String::as_str);
    format!(
        "### {}\n\nSource: {}\n\n{} {} | section: {} | indexed: {}\n\n{}{}",
        one_line(title, 200),
        document_url(passage, base),
        passage.library,
        passage.version,
        section(passage),
        time(passage.indexed_at),
        flag(passage.instruction.as_deref()),
        content.trim(),
    )
}

/// Renders the passages that fit as JSON, best first.
fn as_context(response: &SearchResponse, base: &str, max_tokens: usize) -> Context {
    let mut context = Context { code_snippets: Vec::new(), info_snippets: Vec::new() };
    let mut left = max_tokens;
    for hit in &response.hits {
        let passage = &hit.passage;
        let is_first = context.code_snippets.is_empty() && context.info_snippets.is_empty();
        let cost = budget::tokens(&passage.content) + 150;
        if cost > left && !is_first {
            continue;
        }
        let text = if cost > left {
            budget::shorten(&passage.content, left.saturating_sub(150), budget::tokens).0
        } else {
            passage.content.clone()
        };
        left = left.saturating_sub(cost);
        let stamp = Stamp {
            version: passage.version.clone(),
            indexed_at: time(passage.indexed_at),
            sha256: passage.sha256.clone(),
            flagged: passage.instruction.clone(),
        };
        let (prose, code) = fences::split(&text);
        // A table stays whole; clients call every other passage with code a code snippet.
        if !code.is_empty() && passage.content_type != "table" {
            let title = passage.section.last().map_or(passage.title.as_str(), String::as_str);
            context.code_snippets.push(CodeSnippet {
                code_title: one_line(title, 200),
                code_description: prose,
                code_language: code.first().map(|code| code.language.clone()).unwrap_or_default(),
                code_tokens: code.iter().map(|code| budget::tokens(&code.code)).sum(),
                code_id: format!("{base}{}", passage.url),
                page_title: format!(
                    "{} ({} {})",
                    one_line(&passage.title, 200),
                    passage.library,
                    passage.version
                ),
                code_list: code,
                stamp,
            });
        } else {
            context.info_snippets.push(InfoSnippet {
                page_id: document_url(passage, base),
                breadcrumb: format!("{} {} > {}", passage.library, passage.version, section(passage)),
                content_tokens: budget::tokens(&text),
                content: text,
                stamp,
            });
        }
    }
    context
}

/// Returns the URL of a passage's document, with the passage's anchor if it has one.
fn document_url(passage: &Passage, base: &str) -> String {
    let (Ok(library), Ok(version)) = (passage.library.parse(), passage.version.parse()) else {
        return format!("{base}{}", passage.url);
    };
    let anchor = passage.anchor.as_deref().map(|anchor| format!("#{}", address::escaped(anchor)));
    format!("{base}{}{}", address::of_path(&library, &version, &passage.path), anchor.unwrap_or_default())
}
