//! `/`: search, the first page. What is asked stands in the address, so a search can be sent to somebody else; scripts only
//! ask again while one types.
//!
//! Owners are told of questions that come to nothing. A question that is still being typed is none: it is told when it is
//! sent, or when its writer has stopped to look at what there is (`settled`).

mod params;
mod view;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use library::catalogue::{Catalogue, Library};
use library::search::{ModelState, SearchMode, SearchResponse};
use library::{Error, overview};

use super::frame::Frame;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use params::{Choice, Group, SearchParams};
use view::Document;

/// Passages on a page.
const PAGE: usize = 20;
/// Libraries that are shown while nothing is asked.
const MAX_LIBRARIES: usize = 12;
/// Other versions that are offered where nothing was found.
const MAX_VERSIONS: usize = 6;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new().route("/", get(show))
}

#[derive(Template)]
#[template(path = "search.html", blocks = ["found"])]
struct Page<'page> {
    frame: &'page Frame,
    asked: &'page SearchParams,
    /// The filters that are set; each leads to the search without it.
    chosen: Vec<Choice>,
    groups: Vec<Group>,
    state: SearchState,
}

/// Content of the page.
enum SearchState {
    /// Nothing is asked yet.
    Welcome(Welcome),
    Results(Box<SearchResults>),
    Refused(Refused),
}

struct Welcome {
    /// Whether there is an administrator; not asked where somebody is signed in.
    has_administrator: bool,
    libraries: Vec<Card>,
    has_more: bool,
}

/// A library in short.
struct Card {
    title: String,
    description: String,
    link: String,
    search: String,
    version: Option<String>,
}

struct SearchResults {
    documents: Vec<Document>,
    /// How much it is, in a sentence.
    verdict: String,
    /// Whether something has to do with what was asked.
    is_relevant: bool,
    /// Whether owners hear that it came to nothing.
    is_told: bool,
    notices: Vec<String>,
    /// The question with its words put right, and the search for it.
    meant: Option<(String, String)>,
    /// Searches that may find more.
    ways: Vec<Choice>,
    next: Option<String>,
}

/// Why nothing was looked for.
struct Refused {
    status: StatusCode,
    text: String,
    ways: Vec<Choice>,
}

impl Page<'_> {
    fn is_asked(&self) -> bool {
        !self.asked.q.trim().is_empty()
    }
}

/// Summary of the results in a sentence.
#[derive(Template)]
#[template(path = "search_verdict.html")]
struct Verdict<'page> {
    frame: &'page Frame,
    found: &'page SearchResults,
}

/// Hints below the results.
#[derive(Template)]
#[template(path = "search_list.html")]
struct List<'page> {
    frame: &'page Frame,
    found: &'page SearchResults,
}

/// Searches, and shows what is found.
async fn show(State(state): State<AppState>, frame: Frame, Query(asked): Query<SearchParams>) -> Response {
    let standing = async {
        let catalogue = state.app.engine.catalogue().await?;
        if asked.q.trim().is_empty() {
            return Ok((SearchState::Welcome(welcome(&state, &frame, &catalogue).await?), Vec::new()));
        }
        search(&state, &frame, &asked, &catalogue).await
    };
    let (standing, groups) = match standing.await {
        Ok(found) => found,
        Err(problem) => return Problem::into_response(problem),
    };
    let status = match &standing {
        SearchState::Refused(refused) if !frame.is_partial() => refused.status,
        _ => StatusCode::OK,
    };
    let page = Page { frame: &frame, asked: &asked, chosen: asked.chosen(&frame), groups, state: standing };
    match &page.state {
        _ if !frame.is_partial() => frame.reading_page(status, &page),
        SearchState::Results(found) if asked.is_settled() => {
            frame.reading_page(status, &Verdict { frame: &frame, found })
        }
        SearchState::Results(found) if !asked.after.is_empty() => {
            frame.reading_page(status, &List { frame: &frame, found })
        }
        _ => frame.reading_page(status, &page.as_found()),
    }
}

async fn welcome(state: &AppState, frame: &Frame, catalogue: &Catalogue) -> Result<Welcome, Problem> {
    let has_administrator = if frame.user().is_some() {
        true
    } else {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        identity::users::has_administrator(&mut connection).await?
    };
    let libraries = catalogue.libraries(&frame.actor);
    let has_more = libraries.len() > MAX_LIBRARIES;
    let libraries = libraries.into_iter().take(MAX_LIBRARIES).map(|library| card(library)).collect();
    Ok(Welcome { has_administrator, libraries, has_more })
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
    asked: &SearchParams,
    catalogue: &Catalogue,
) -> Result<(SearchState, Vec<Group>), Problem> {
    // While one types nobody is told; a page that goes on is no question of its own.
    let is_settled = !frame.is_partial() || asked.is_settled();
    let question = match asked.question(PAGE, is_settled) {
        Ok(question) => question,
        Err(error) => return refused(frame, asked, error).map(|refused| (refused, Vec::new())),
    };
    let answer = match state.app.engine.search(&frame.actor, &question).await {
        Ok(answer) => answer,
        Err(error) => return refused(frame, asked, error).map(|refused| (refused, Vec::new())),
    };
    let is_relevant = answer.relevant() > 0 || !asked.after.is_empty();
    let documents = view::documents(&answer);
    let ids: Vec<_> = documents.iter().map(|document| document.id).collect();
    let tags = if ids.is_empty() {
        Vec::new()
    } else {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        overview::tags_of(&mut connection, &frame.actor, catalogue, &ids).await?
    };
    let is_lost = !is_relevant && (is_settled || answer.hits.is_empty());
    let meant = if is_lost { state.app.engine.suggest(&frame.actor, &question).await? } else { None };
    let library = question.library.as_ref().and_then(|name| catalogue.library(&frame.actor, name).ok());
    let groups = asked.groups(frame, catalogue, library.map(Arc::as_ref), &answer, &tags);
    let found = SearchResults {
        verdict: verdict(frame, &answer, documents.len(), is_lost),
        documents,
        is_relevant,
        is_told: is_settled && !asked.is_filtered(),
        notices: notices(state, frame, &answer, question.mode),
        meant: meant.map(|text| (text.clone(), asked.link(&[("q", &text)]))),
        ways: if is_relevant { Vec::new() } else { ways(frame, asked, library.map(Arc::as_ref)) },
        next: answer.next.as_ref().map(|next| asked.link(&[("after", &next.to_string())])),
    };
    Ok((SearchState::Results(Box::new(found)), groups))
}

fn verdict(frame: &Frame, answer: &SearchResponse, documents: usize, is_lost: bool) -> String {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).into();
    let values = [("passages", count(answer.hits.len())), ("documents", count(documents))];
    if answer.hits.is_empty() {
        frame.t("search-nothing")
    } else if is_lost {
        frame.t("search-nearest")
    } else if answer.next.is_some() {
        frame.t_all("search-first", &values)
    } else {
        frame.t_all("search-count", &values)
    }
    .into_owned()
}

/// Notices about the search, translated.
fn notices(state: &AppState, frame: &Frame, answer: &SearchResponse, wanted: SearchMode) -> Vec<String> {
    let mut notices = Vec::new();
    let mut rest = answer.notices.len();
    // Words between quotation marks are searched as such, and nothing is noted.
    if wanted == SearchMode::Hybrid && answer.mode == SearchMode::Text && rest > 0 {
        rest -= 1;
        notices.push(match state.app.engine.model() {
            ModelState::Ready(_) => frame.t("search-vectors-coming"),
            ModelState::Loading => frame.t("search-model-loading"),
            ModelState::Off(_) => frame.t("search-by-words"),
        });
    }
    if rest > 0 {
        notices.push(frame.t("search-index-building"));
    } else if answer.changes_behind > 0 {
        notices.push(frame.t_count("search-index-behind", answer.changes_behind));
    }
    notices.into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Searches that may find what this one did not.
fn ways(frame: &Frame, asked: &SearchParams, library: Option<&Library>) -> Vec<Choice> {
    let mut ways = Vec::new();
    if asked.is_filtered() {
        let link = asked.without_filters().link(&[]);
        ways.push(Choice::way(frame.t("search-without-filters").into_owned(), link));
    }
    if let Some(library) = library {
        let others = library.versions.iter().filter(|version| {
            if asked.version.is_empty() {
                library.active != Some(version.id)
            } else {
                version.label.as_str() != asked.version
            }
        });
        for version in others.take(MAX_VERSIONS) {
            let label = version.label.as_str();
            let text = frame.t_with("search-in-version", "version", label).into_owned();
            ways.push(Choice::way(text, asked.link(&[("version", label)])));
        }
        let everywhere = asked.link(&[("library", ""), ("version", "")]);
        ways.push(Choice::way(frame.t("search-everywhere").into_owned(), everywhere));
    }
    if frame.user().is_some() {
        ways.push(Choice::way(frame.t("search-ask").into_owned(), asked.to_ask()));
    }
    ways
}

/// Error of a search, with alternatives.
fn refused(frame: &Frame, asked: &SearchParams, error: Error) -> Result<SearchState, Problem> {
    let problem = match &error {
        Error::NoLibrary { name, nearest } => {
            let mut ways: Vec<Choice> = nearest
                .iter()
                .map(|near| {
                    Choice::way(near.to_string(), asked.link(&[("library", near.as_str()), ("version", "")]))
                })
                .collect();
            let everywhere = asked.link(&[("library", ""), ("version", "")]);
            ways.push(Choice::way(frame.t("search-everywhere").into_owned(), everywhere));
            let text = frame.t_with("search-no-library", "library", name).into_owned();
            return Ok(SearchState::Refused(Refused { status: StatusCode::NOT_FOUND, text, ways }));
        }
        Error::NoVersion { library, requested: wanted, present, .. } => {
            let values = [("library", library.to_string().into()), ("version", wanted.as_str().into())];
            let text = frame.t_all("search-no-version", &values).into_owned();
            let ways = present
                .iter()
                .take(2 * MAX_VERSIONS)
                .map(|label| Choice::way(label.to_string(), asked.link(&[("version", label.as_str())])))
                .collect();
            return Ok(SearchState::Refused(Refused { status: StatusCode::NOT_FOUND, text, ways }));
        }
        Error::EmptyLibrary(library) => {
            let text = frame.t_with("search-empty-library", "library", library).into_owned();
            return Ok(SearchState::Refused(Refused {
                status: StatusCode::NOT_FOUND,
                text,
                ways: Vec::new(),
            }));
        }
        _ => Problem::from(error),
    };
    if !problem.status().is_client_error() {
        return Err(problem);
    }
    let ways =
        vec![Choice::way(frame.t("search-without-filters").into_owned(), asked.without_filters().link(&[]))];
    let text = frame.t_with("search-refused", "reason", problem.detail()).into_owned();
    Ok(SearchState::Refused(Refused { status: problem.status(), text, ways }))
}
