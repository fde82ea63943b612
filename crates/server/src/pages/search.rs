//! `/`: search, the home page. The address contains the whole search, so it can be shared; scripts repeat it while the reader types.
//!
//! Searches without results are recorded for owners, but not each prefix of a query: only a submitted one, or one after which the
//! reader stopped typing (`settled`).

mod params;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use library::catalogue::{Catalogue, Library};
use library::favourites::{self, Favourite};
use library::search::{
    INDEX_BUILDING_NOTICE, ModelState, NOT_RERANKED_NOTICE, SearchMode, SearchResponse, TEXT_ONLY_NOTICE,
    VECTORS_MISSING_NOTICE,
};
use library::{Error, overview};

use super::error::PageResult;
use super::frame::Frame;
use super::start::{self, Steps};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::{self, Problem};
use params::{Choice, Group, SearchParams};
use view::Document;

/// Passages on a page.
const PAGE: usize = 20;
/// Limit on libraries that are shown without a query.
const MAX_LIBRARIES: usize = 12;
/// Limit on favourites that are shown.
const MAX_FAVOURITES: i64 = 24;
/// Limit on other versions that are suggested.
const MAX_VERSIONS: usize = 6;

/// Routes of the search.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/", get(show))
}

#[derive(Template)]
#[template(path = "search.html", blocks = ["results"])]
struct Page<'page> {
    frame: &'page Frame,
    params: &'page SearchParams,
    /// Filters that are set; each links to the search without it.
    chosen: Vec<Choice>,
    groups: Vec<Group>,
    state: SearchState,
}

/// Content of the page.
enum SearchState {
    /// No query yet.
    Welcome(Welcome),
    Results(Box<SearchResults>),
    Refused(Refused),
}

struct Welcome {
    /// First steps, while the reader is signed in and has no documents but the guide.
    steps: Option<Steps>,
    /// Whether an administrator exists; true without a look-up if the reader is signed in.
    has_administrator: bool,
    libraries: Vec<Card>,
    has_more: bool,
    /// Favourites, with their addresses.
    favourites: Vec<(Favourite, String)>,
}

/// Summary of a library.
struct Card {
    title: String,
    description: String,
    link: String,
    search: String,
    version: Option<String>,
}

struct SearchResults {
    documents: Vec<Document>,
    /// Number of results, as a sentence.
    verdict: String,
    /// Whether a result is relevant.
    is_relevant: bool,
    /// Whether a search without results is recorded for owners.
    is_recorded: bool,
    notices: Vec<String>,
    /// Corrected query, and its link.
    suggestion: Option<(String, String)>,
    /// Searches that may find more.
    alternatives: Vec<Choice>,
    next: Option<String>,
}

/// Search that was refused.
struct Refused {
    status: StatusCode,
    text: String,
    alternatives: Vec<Choice>,
}

impl Page<'_> {
    fn has_query(&self) -> bool {
        !self.params.q.trim().is_empty()
    }
}

/// Summary of the results in a sentence.
#[derive(Template)]
#[template(path = "search_verdict.html")]
struct Verdict<'page> {
    frame: &'page Frame,
    results: &'page SearchResults,
}

/// Next page of results, for a script to append.
#[derive(Template)]
#[template(path = "search_list.html")]
struct List<'page> {
    frame: &'page Frame,
    results: &'page SearchResults,
}

/// Searches, and shows the results.
async fn show(State(state): State<AppState>, frame: Frame, Query(params): Query<SearchParams>) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let (content, groups) = if params.q.trim().is_empty() {
        (SearchState::Welcome(welcome(&state, &frame, &catalogue).await?), Vec::new())
    } else {
        search(&state, &frame, &params, &catalogue).await?
    };
    let status = match &content {
        SearchState::Refused(refused) if !frame.is_partial() => refused.status,
        _ => StatusCode::OK,
    };
    let chosen = params.chosen(&frame);
    let page = Page { frame: &frame, params: &params, chosen, groups, state: content };
    Ok(match &page.state {
        _ if !frame.is_partial() => frame.reading_page(status, &page),
        SearchState::Results(results) if params.is_settled() => {
            frame.reading_page(status, &Verdict { frame: &frame, results })
        }
        SearchState::Results(results) if !params.after.is_empty() => {
            frame.reading_page(status, &List { frame: &frame, results })
        }
        _ => frame.reading_page(status, &page.as_results()),
    })
}

async fn welcome(state: &AppState, frame: &Frame, catalogue: &Catalogue) -> problem::Result<Welcome> {
    let has_administrator = if frame.user().is_some() {
        true
    } else {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        identity::users::has_administrator(&mut connection).await?
    };
    let steps = if frame.user().is_some() && !start::has_documents(frame, catalogue) {
        Some(Steps::read(state, frame, catalogue).await?)
    } else {
        None
    };
    let favourites = if frame.user().is_some() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        favourites::list(&mut connection, &frame.actor, catalogue, MAX_FAVOURITES).await?
    } else {
        Vec::new()
    };
    let favourites = favourites.into_iter().filter_map(|favourite| {
        let (library, version) = (favourite.library.parse().ok()?, favourite.version.parse().ok()?);
        let link = address::of_path(&library, &version, &favourite.path);
        Some((favourite, link))
    });
    let favourites = favourites.collect();
    let libraries = catalogue.libraries(&frame.actor);
    let has_more = libraries.len() > MAX_LIBRARIES;
    let libraries = libraries.into_iter().take(MAX_LIBRARIES).map(|library| card(library)).collect();
    Ok(Welcome { steps, has_administrator, libraries, has_more, favourites })
}

fn card(library: &Library) -> Card {
    let active = library.versions.iter().find(|version| library.active == Some(version.id));
    Card {
        title: library.title.clone(),
        description: library.description.chars().take(160).collect(),
        link: address::of_library(&library.name),
        search: SearchParams { library: library.name.to_string(), ..SearchParams::default() }.link(&[]),
        version: active.map(|version| version.label.to_string()),
    }
}

async fn search(
    state: &AppState,
    frame: &Frame,
    params: &SearchParams,
    catalogue: &Catalogue,
) -> problem::Result<(SearchState, Vec<Group>)> {
    let is_settled = !frame.is_partial() || params.is_settled();
    let request = match params.to_request(PAGE, is_settled) {
        Ok(request) => request,
        Err(error) => return refused(frame, params, error).map(|refused| (refused, Vec::new())),
    };
    let answer = match state.app.engine.search(&frame.actor, &request).await {
        Ok(answer) => answer,
        Err(error) => return refused(frame, params, error).map(|refused| (refused, Vec::new())),
    };
    let is_relevant = answer.relevant() > 0 || !params.after.is_empty();
    let documents = view::documents(&answer);
    let ids: Vec<_> = documents.iter().map(|document| document.id).collect();
    let tags = if ids.is_empty() {
        Vec::new()
    } else {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        overview::tags_of(&mut connection, &frame.actor, catalogue, &ids).await?
    };
    let is_miss = !is_relevant && (is_settled || answer.hits.is_empty());
    let suggestion = if is_miss { state.app.engine.suggest(&frame.actor, &request).await? } else { None };
    let library = request.library.as_ref().and_then(|name| catalogue.library(&frame.actor, name).ok());
    let library = library.map(Arc::as_ref);
    let groups = params.groups(frame, catalogue, library, &answer, &tags);
    let results = SearchResults {
        verdict: verdict(frame, &answer, documents.len(), is_miss),
        documents,
        is_relevant,
        // A typo is not recorded.
        is_recorded: is_settled && !params.is_filtered() && suggestion.is_none(),
        notices: notices(state, frame, &answer, request.mode),
        suggestion: suggestion.map(|text| (text.clone(), params.link(&[("q", &text)]))),
        alternatives: if is_relevant { Vec::new() } else { alternatives(frame, params, library) },
        next: answer.next.as_ref().map(|next| params.link(&[("after", &next.to_string())])),
    };
    Ok((SearchState::Results(Box::new(results)), groups))
}

fn verdict(frame: &Frame, answer: &SearchResponse, documents: usize, is_miss: bool) -> String {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).into();
    let values = [("passages", count(answer.hits.len())), ("documents", count(documents))];
    if answer.hits.is_empty() {
        frame.t("search-nothing")
    } else if is_miss {
        frame.t("search-nearest")
    } else if answer.next.is_some() {
        frame.t_all("search-first", &values)
    } else {
        frame.t_all("search-count", &values)
    }
    .into_owned()
}

/// Notices about the search, translated.
fn notices(state: &AppState, frame: &Frame, answer: &SearchResponse, requested: SearchMode) -> Vec<String> {
    let mut notices = Vec::new();
    let has = |beginning: &str| answer.notices.iter().any(|notice| notice.starts_with(beginning));
    // A phrase in quotation marks is a keyword search by request, without a notice.
    let failed = format!("{TEXT_ONLY_NOTICE}: the embedding endpoint");
    if has(&failed) {
        notices.push(frame.t("search-endpoint-failed"));
    } else if requested == SearchMode::Hybrid && has(TEXT_ONLY_NOTICE) {
        notices.push(match state.app.engine.model() {
            ModelState::Ready(_) => frame.t("search-vectors-coming"),
            ModelState::Loading => frame.t("search-model-loading"),
            ModelState::Off(_) => frame.t("search-by-words"),
        });
    }
    if has(NOT_RERANKED_NOTICE) {
        notices.push(frame.t("search-not-reranked"));
    }
    if has(VECTORS_MISSING_NOTICE) {
        notices.push(frame.t("search-vectors-missing"));
    }
    if has(INDEX_BUILDING_NOTICE) {
        notices.push(frame.t("search-index-building"));
    } else if answer.changes_behind > 0 {
        notices.push(frame.t_count("search-index-behind", answer.changes_behind));
    }
    notices.into_iter().map(Cow::into_owned).collect()
}

/// Returns searches that may find what this one did not.
fn alternatives(frame: &Frame, params: &SearchParams, library: Option<&Library>) -> Vec<Choice> {
    let mut alternatives = Vec::new();
    if params.is_filtered() {
        let link = params.without_filters().link(&[]);
        alternatives.push(Choice::unchosen(frame.t("search-without-filters").into_owned(), link));
    }
    if let Some(library) = library {
        let others = library.versions.iter().filter(|version| {
            if params.version.is_empty() {
                library.active != Some(version.id)
            } else {
                version.label.as_str() != params.version
            }
        });
        for version in others.take(MAX_VERSIONS) {
            let label = version.label.as_str();
            let text = frame.t_with("search-in-version", "version", label).into_owned();
            alternatives.push(Choice::unchosen(text, params.link(&[("version", label)])));
        }
        alternatives.push(everywhere(frame, params));
    }
    if frame.user().is_some() {
        alternatives.push(Choice::unchosen(frame.t("search-ask").into_owned(), params.ask_link()));
    }
    alternatives
}

/// Returns the same search in all libraries.
fn everywhere(frame: &Frame, params: &SearchParams) -> Choice {
    let link = params.link(&[("library", ""), ("version", "")]);
    Choice::unchosen(frame.t("search-everywhere").into_owned(), link)
}

/// Renders the error of a search, with alternatives.
///
/// # Errors
///
/// If the server failed.
fn refused(frame: &Frame, params: &SearchParams, error: Error) -> problem::Result<SearchState> {
    let not_found = |text: Cow<'static, str>, alternatives: Vec<Choice>| {
        let text = text.into_owned();
        Ok(SearchState::Refused(Refused { status: StatusCode::NOT_FOUND, text, alternatives }))
    };
    match error {
        Error::NoLibrary { name, nearest } => {
            let link = |name: &str| params.link(&[("library", name), ("version", "")]);
            let nearest = nearest.iter().map(|name| Choice::unchosen(name.to_string(), link(name.as_str())));
            let alternatives = nearest.chain([everywhere(frame, params)]).collect();
            not_found(frame.t_with("search-no-library", "library", &name), alternatives)
        }
        Error::NoVersion { library, requested, present, .. } => {
            let values = [("library", library.to_string().into()), ("version", requested.as_str().into())];
            let link = |label: &str| params.link(&[("version", label)]);
            let present = present.iter().take(2 * MAX_VERSIONS);
            let present = present.map(|label| Choice::unchosen(label.to_string(), link(label.as_str())));
            not_found(frame.t_all("search-no-version", &values), present.collect())
        }
        Error::EmptyLibrary(library) => {
            not_found(frame.t_with("search-empty-library", "library", &library), Vec::new())
        }
        error => {
            let problem = Problem::from(error);
            if !problem.status().is_client_error() {
                return Err(problem);
            }
            let link = params.without_filters().link(&[]);
            let alternatives = vec![Choice::unchosen(frame.t("search-without-filters").into_owned(), link)];
            let text = frame.t_with("search-refused", "reason", problem.detail()).into_owned();
            Ok(SearchState::Refused(Refused { status: problem.status(), text, alternatives }))
        }
    }
}
