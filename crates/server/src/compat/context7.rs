//! `/api/v2/libs/search` and `/api/v2/context`: what Context7's clients ask for, so that the stock ones work against this
//! server (`CONTEXT7_API_URL=http://HOST/api`). Parameters, answers and failures are those of its REST API; what differs is
//! that a version is never replaced by another, and that each snippet says which version it is of.

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
use crate::http::input::Query;
use crate::http::lenient;
use crate::http::problem::{Format, Problem, Result};
use crate::http::router::bounded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(search)).routes(routes!(context)))
}

mod fences;

/// Where failures have Context7's form.
const UNDER: &str = "/api/v2/";
/// Libraries that are named at most.
const MATCHES: usize = 10;
/// Passages that are looked at; how many are given is decided by their length.
const PASSAGES: usize = 40;
/// The line between two snippets.
const BETWEEN: &str = "\n\n--------------------------------\n\n";
/// Their clients show nothing where a number is not known.
const UNKNOWN: i32 = -1;

/// A failure, as Context7 has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Context7Failure)]
pub(crate) struct Failure<'failure> {
    /// Code of the error.
    error: String,
    /// Explanation: what is wrong and what to do.
    message: &'failure str,
    /// The versions present, where an absent one was asked for, and other things that are known.
    #[serde(flatten)]
    #[schema(ignore)]
    more: &'failure Map<String, Value>,
}

/// Form of this API's error responses.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| path.starts_with(UNDER),
    render: |problem| {
        let (message, more) = (problem.detail(), problem.members());
        let failure = Failure { error: problem.kind().replace('-', "_"), message, more };
        serde_json::to_vec(&failure).unwrap_or_default()
    },
    described_as: Some(("Error in the format of Context7", "Context7Failure")),
};

/// Which library.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Named {
    /// Its name, as people write it.
    #[param(required, min_length = 1, max_length = 500, example = "Next.js")]
    library_name: Option<String>,
    /// Question that the library is wanted for.
    #[param(min_length = 1, max_length = 500)]
    query: Option<String>,
    /// Taken, and without effect: every answer is fast.
    #[serde(rename = "fast")]
    #[param(rename = "fast")]
    _fast: Option<String>,
}

/// Libraries that may be meant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Matches {
    /// The best first.
    results: Vec<Match>,
    /// Whether something was left out because of a setting; never so here.
    search_filter_applied: bool,
}

/// A library that may be meant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Match {
    /// For `libraryId`.
    id: String,
    title: String,
    description: String,
    /// The version that answers where none is asked for.
    branch: String,
    /// When it was last changed.
    last_update_date: String,
    state: LibraryState,
    /// About how many tokens that version takes.
    total_tokens: i64,
    /// Its passages.
    total_snippets: i64,
    /// Not known here.
    stars: i32,
    /// Not known here.
    trust_score: i32,
    /// Not known here.
    benchmark_score: i32,
    /// Its versions, the highest first: `/owner/project/VERSION` asks for one.
    versions: Vec<String>,
}

/// How far a library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LibraryState {
    /// It holds nothing.
    Initial,
    /// Its first documents are being read.
    Processing,
    /// It answers.
    Finalized,
    /// Its documents could not be read.
    Error,
}

/// Libraries by a name that may be incomplete or not quite right.
#[utoipa::path(get, path = "/api/v2/libs/search", tag = "context7", params(Named),
    responses((status = 200, body = Matches)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(named): Query<Named>,
) -> Result<Json<Matches>> {
    let name = of_length("libraryName", named.library_name.as_deref())?;
    let query = named.query.as_deref().filter(|query| !query.trim().is_empty());
    let query = query.map(|query| of_length("query", Some(query))).transpose()?;
    let catalogue = state.app.engine.catalogue().await?;
    let mut found = library_ids::matching(&catalogue, &actor, name, query.unwrap_or_default());
    if found.is_empty() && actor.is_anonymous() {
        return Err(key_is_missing(name));
    }
    found.truncate(MATCHES);
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
        state: counts.map_or(LibraryState::Initial, standing),
        // Four bytes are a token of English, more or less.
        total_tokens: extent.map_or(0, |extent| extent.bytes / 4),
        total_snippets: counts.map_or(0, |counts| counts.passages),
        stars: UNKNOWN,
        trust_score: UNKNOWN,
        benchmark_score: UNKNOWN,
        versions: library.versions.iter().map(|version| version.label.to_string()).collect(),
    }
}

fn standing(counts: &Counts) -> LibraryState {
    match counts {
        Counts { documents: 1.., .. } => LibraryState::Finalized,
        Counts { processing: 1.., .. } => LibraryState::Processing,
        Counts { failed: 1.., .. } => LibraryState::Error,
        _ => LibraryState::Initial,
    }
}

/// A question to a library.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ContextQuery {
    /// `/owner/project`, `/owner/project/version` or `/owner/project@version`.
    #[param(required, min_length = 1, max_length = 500, example = "/vercel/next.js/15")]
    library_id: Option<String>,
    /// The question.
    #[param(required, min_length = 1, max_length = 500)]
    query: Option<String>,
    /// `txt` or `json`.
    #[param(inline)]
    r#type: Option<Type>,
    /// About how many tokens the answer takes at most.
    #[param(minimum = 500, maximum = 50000, default = 5000)]
    #[serde(default, deserialize_with = "lenient::integer")]
    tokens: Option<usize>,
    /// Taken, and without effect: every answer is fast.
    #[serde(rename = "fast")]
    #[param(rename = "fast")]
    _fast: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Type {
    #[default]
    // Clients send `type=` too.
    #[serde(alias = "")]
    Txt,
    Json,
}

/// Passages of one version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context {
    /// Those that hold code.
    code_snippets: Vec<CodeSnippet>,
    /// All others.
    info_snippets: Vec<InfoSnippet>,
}

/// A passage that holds code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeSnippet {
    code_title: String,
    /// Text around the code.
    code_description: String,
    code_language: String,
    code_tokens: usize,
    /// Where the passage is.
    code_id: String,
    /// The document's title, and the library and version it is of.
    page_title: String,
    code_list: Vec<Code>,
    #[serde(flatten)]
    stamp: Stamp,
}

/// Code.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Code {
    language: String,
    code: String,
}

/// A passage of text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InfoSnippet {
    /// Where its document is.
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
    /// The SHA-256 of the passage.
    sha256: String,
    /// Why it reads like an instruction to an agent, if it does.
    flagged: Option<String>,
}

/// Passages that answer a question, from the version that is asked for and no other.
#[utoipa::path(get, path = "/api/v2/context", tag = "context7", params(ContextQuery),
    responses((status = 200, content((Context = "application/json"), (String = "text/plain"))),
              (status = 202, description = "Its first documents are being read", body = Failure<'_>)))]
pub(crate) async fn context(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(asked): Query<ContextQuery>,
) -> Result<Response> {
    let id = of_length("libraryId", asked.library_id.as_deref())?;
    let query = of_length("query", asked.query.as_deref())?;
    let most = asked.tokens.unwrap_or(5000).clamp(500, 50_000);
    let form = asked.r#type.unwrap_or_default();
    let catalogue = state.app.engine.catalogue().await?;
    let (name, version) = library_ids::parse(id)?;
    let library = match catalogue.library(&actor, &name) {
        Err(Error::NoLibrary { .. }) if actor.is_anonymous() => return Err(key_is_missing(name.as_str())),
        found => found?,
    };
    let version = library.resolve(&version)?;
    let question = SearchRequest {
        library: Some(name),
        version: library::label::VersionRequest::Exact(version.label.clone()),
        limit: PASSAGES,
        ..SearchRequest::new(query)
    };
    let answer = state.app.engine.search(&actor, &question).await?;
    let named = format!("{} {}", library.name, version.label);
    if answer.hits.is_empty() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let counts = overview::counts(&mut connection, &[version]).await?;
        if counts.first().is_some_and(|counts| standing(counts) == LibraryState::Processing) {
            return Ok(not_finalized(form, &format!("{named} is still being read: ask again shortly")));
        }
    }
    Ok(match form {
        Type::Txt if answer.hits.is_empty() => {
            plain(StatusCode::OK, format!("{named} holds nothing for this question: ask in other words.\n"))
        }
        Type::Txt => plain(StatusCode::OK, snippets(&answer, &state.address, most)),
        Type::Json => Json(sorted(&answer, &state.address, most)).into_response(),
    })
}

/// Tells anonymous callers without results about the key: whether there are any depends on it.
fn key_is_missing(name: &str) -> Problem {
    let name = one_line(name, 100);
    Problem::unauthorized(format!(
        "no public library is called {name}: to see others, ask for a key (wenyuan key create) and give it to the client as \
         its API key"
    ))
}

fn of_length<'text>(name: &str, text: Option<&'text str>) -> Result<&'text str> {
    text.filter(|text| !text.trim().is_empty() && text.chars().count() <= 500)
        .ok_or_else(|| Problem::invalid(format!("{name} is needed, with 1 to 500 characters")))
}

/// The clients show whatever comes with a status that is no failure.
fn not_finalized(form: Type, text: &str) -> Response {
    match form {
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

/// The passages as text, the best first, as far as they fit.
fn snippets(answer: &SearchResponse, base: &str, most: usize) -> String {
    let mut left = most;
    let mut taken: Vec<String> = Vec::new();
    for hit in &answer.hits {
        let text = snippet(&hit.passage, &hit.passage.content, base);
        let cost = budget::tokens(&text) + budget::tokens(BETWEEN);
        if cost <= left {
            left -= cost;
            taken.push(text);
        }
    }
    // The best is given in any case, as much of it as fits.
    if let Some(best) = answer.hits.first().filter(|_| taken.is_empty()) {
        let cost = |text: &str| budget::tokens(&snippet(&best.passage, text, base));
        let (short, _) = budget::shorten(&best.passage.content, most, cost);
        taken.push(snippet(&best.passage, &short, base));
    }
    taken.join(BETWEEN)
}

fn snippet(passage: &Passage, content: &str, base: &str) -> String {
    let title = passage.section.last().map_or(passage.title.as_str(), String::as_str);
    format!(
        "### {}\n\nSource: {}\n\n{} {} | section: {} | indexed: {}\n\n{}{}",
        one_line(title, 200),
        of_document(passage, base),
        passage.library,
        passage.version,
        section(passage),
        time(passage.indexed_at),
        flag(passage.instruction.as_deref()),
        content.trim(),
    )
}

/// The passages as JSON, the best first, as far as they fit.
fn sorted(answer: &SearchResponse, base: &str, most: usize) -> Context {
    let mut context = Context { code_snippets: Vec::new(), info_snippets: Vec::new() };
    let mut left = most;
    for hit in &answer.hits {
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
        // A table is read as it stands; whatever else holds code is what their clients call a code snippet.
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
                page_id: of_document(passage, base),
                breadcrumb: format!("{} {} > {}", passage.library, passage.version, section(passage)),
                content_tokens: budget::tokens(&text),
                content: text,
                stamp,
            });
        }
    }
    context
}

/// Where a passage's document can be read, at the passage where it has an anchor.
fn of_document(passage: &Passage, base: &str) -> String {
    let (Ok(library), Ok(version)) = (passage.library.parse(), passage.version.parse()) else {
        return format!("{base}{}", passage.url);
    };
    let anchor = passage.anchor.as_deref().map(|anchor| format!("#{}", address::escaped(anchor)));
    format!("{base}{}{}", address::of_path(&library, &version, &passage.path), anchor.unwrap_or_default())
}
