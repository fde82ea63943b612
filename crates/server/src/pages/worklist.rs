//! `/worklist`: searches and answers that failed, for the owners of libraries. Administrators see those of all libraries, and those without one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chat::worklist::{self, WorklistFilter, WorklistItem, WorklistKind};
use library::access::Level;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use uuid::Uuid;

use super::admin::{FlashMessage, cursor, next};
use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::Frame;
use super::see_other;
use crate::http::AppState;
use crate::http::input::{self, Path, Query};

const HERE: &str = "/worklist";
/// Items on a page.
const PAGE: usize = 30;
/// Limit on libraries that are offered as a filter.
const MAX_CHOICES: usize = 30;
const KINDS: [(WorklistKind, &str); 4] = [
    (WorklistKind::NothingFound, "nothing_found"),
    (WorklistKind::VersionRefused, "version_refused"),
    (WorklistKind::AnswerWrong, "answer_wrong"),
    (WorklistKind::AnswerStale, "answer_stale"),
];

/// Routes of the work list.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show)).route("/worklist/{id}/settle", post(resolve))
}

/// Query: filters, and the outcome of the previous action.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct WorklistQuery {
    library: String,
    kind: String,
    /// `settled` for resolved items; open ones otherwise.
    show: String,
    cursor: String,
    done: String,
}

/// Filter that can be chosen.
struct Choice {
    name: String,
    address: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct Page<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    query: &'page WorklistQuery,
    libraries: Vec<Choice>,
    kinds: Vec<Choice>,
    shows: Vec<Choice>,
    items: Vec<WorklistItem>,
    next: Option<String>,
}

impl WorklistQuery {
    fn address(&self) -> String {
        let pairs: Vec<String> = [("library", &self.library), ("kind", &self.kind), ("show", &self.show)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        if pairs.is_empty() { HERE.to_owned() } else { format!("{HERE}?{}", pairs.join("&")) }
    }

    fn choice(&self, name: &str, is_chosen: bool, change: impl FnOnce(&mut Self, String)) -> Choice {
        let mut query = self.clone();
        // Choosing a chosen filter again clears it.
        change(&mut query, if is_chosen { String::new() } else { name.to_owned() });
        Choice { name: name.to_owned(), address: query.address(), is_chosen }
    }
}

impl Page<'_> {
    fn kind(&self, item: &WorklistItem) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == item.kind).map_or("", |(_, name)| name)
    }

    /// Returns the address of a search for the question.
    fn search(&self, item: &WorklistItem) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let question = item.questions.first().map(|question| encode(question)).unwrap_or_default();
        match &item.library {
            Some(library) => format!("/?q={question}&library={}", encode(library)),
            None => format!("/?q={question}"),
        }
    }
}

/// Lists the items, those that occurred last first.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<WorklistQuery>) -> PageResult {
    frame.require_sign_in()?;
    let library = Some(query.library.as_str()).filter(|name| !name.is_empty());
    let filter = WorklistFilter {
        library: library.map(input::library).transpose()?,
        kind: KINDS.iter().find(|(_, name)| *name == query.kind).map(|(kind, _)| *kind),
        resolved: query.show == "settled",
    };
    let after = cursor(&query.cursor)?;
    let catalogue = state.app.engine.catalogue().await?;
    let owned = catalogue
        .libraries(&frame.actor)
        .into_iter()
        .filter(|library| library.access_level(&frame.actor) == Some(Level::Own))
        .map(|library| library.name.to_string());
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let items =
        worklist::list(&mut connection, &frame.actor, &catalogue, &filter, after.as_ref(), PAGE).await?;
    drop(connection);
    let here = [("library", query.library.as_str()), ("kind", &query.kind), ("show", &query.show)];
    let next = items.next.map(|cursor| next(HERE, &here, &cursor));
    let libraries = owned
        .take(MAX_CHOICES)
        .map(|name| query.choice(&name, name == query.library, |query, name| query.library = name))
        .collect();
    let kinds = KINDS
        .iter()
        .map(|(_, name)| query.choice(name, *name == query.kind, |query, name| query.kind = name))
        .collect();
    let shows = vec![query.choice("settled", query.show == "settled", |query, name| query.show = name)];
    let flash = FlashMessage::done(&frame, &query.done);
    let page =
        Page { frame: &frame, flash, query: &query, libraries, kinds, shows, items: items.items, next };
    Ok(page.flash.page(&frame, &page))
}

/// Resolves an item; later occurrences become a new one.
async fn resolve(State(state): State<AppState>, Path(id): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let frame = &form.frame;
    frame.require_sign_in()?;
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    worklist::resolve(&mut transaction, &catalogue, &frame.actor, id).await?;
    transaction.commit().await?;
    let query = WorklistQuery {
        library: form.field("library").to_owned(),
        kind: form.field("kind").to_owned(),
        ..WorklistQuery::default()
    };
    let address = query.address();
    let separator = if address.contains('?') { '&' } else { '?' };
    Ok(see_other(&format!("{address}{separator}done=settled")))
}
