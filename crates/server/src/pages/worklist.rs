//! `/worklist`: what the owners of libraries should look at. Administrators see that of all libraries, and what is of none.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use chat::worklist::{self, WorklistFilter, WorklistItem, WorklistKind};
use library::access::Level;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use uuid::Uuid;

use super::admin::{FlashMessage, cursor, next};
use super::forms::SubmittedForm;
use super::frame::Frame;
use super::see_other;
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::Problem;

const HERE: &str = "/worklist";
/// Items on a page.
const PAGE: usize = 30;
/// The most libraries that are offered as a filter.
const MAX_CHOICES: usize = 30;
const KINDS: [(WorklistKind, &str); 4] = [
    (WorklistKind::NothingFound, "nothing_found"),
    (WorklistKind::VersionRefused, "version_refused"),
    (WorklistKind::AnswerWrong, "answer_wrong"),
    (WorklistKind::AnswerStale, "answer_stale"),
];

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new().route(HERE, get(show)).route("/worklist/{id}/settle", post(settle))
}

/// Which items.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct WorklistQuery {
    library: String,
    kind: String,
    /// `settled` for those that are; the open ones else.
    show: String,
    cursor: String,
    done: String,
}

/// A filter that can be chosen.
struct Choice {
    name: String,
    address: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct Page<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    asked: &'page WorklistQuery,
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
        let mut asked = self.clone();
        // Choosing again what is chosen lets go of it.
        change(&mut asked, if is_chosen { String::new() } else { name.to_owned() });
        Choice { name: name.to_owned(), address: asked.address(), is_chosen }
    }
}

impl Page<'_> {
    fn kind(&self, item: &WorklistItem) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == item.kind).map_or("", |(_, name)| name)
    }

    /// Where somebody looks at what is found for a question today.
    fn search(&self, item: &WorklistItem) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let question = item.questions.first().map(|question| encoded(question)).unwrap_or_default();
        match &item.library {
            Some(library) => format!("/?q={question}&library={}", encoded(library)),
            None => format!("/?q={question}"),
        }
    }
}

/// Those that are asked for, what happened last first.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<WorklistQuery>,
) -> Result<Response, Response> {
    frame.require_person()?;
    let read = async {
        let named = Some(asked.library.as_str()).filter(|name| !name.is_empty());
        let filter = WorklistFilter {
            library: named.map(input::library).transpose()?,
            kind: KINDS.iter().find(|(_, name)| *name == asked.kind).map(|(kind, _)| *kind),
            resolved: asked.show == "settled",
        };
        let after = cursor(&asked.cursor)?;
        let catalogue = state.app.engine.catalogue().await?;
        let owned: Vec<String> = catalogue
            .libraries(&frame.actor)
            .into_iter()
            .filter(|library| library.access_level(&frame.actor) == Some(Level::Own))
            .map(|library| library.name.to_string())
            .collect();
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let page =
            worklist::list(&mut connection, &catalogue, &frame.actor, &filter, after.as_ref(), PAGE).await?;
        Ok::<_, Problem>((owned, page))
    };
    let (owned, found) = read.await.map_err(Problem::into_response)?;
    let here = [("library", asked.library.as_str()), ("kind", &asked.kind), ("show", &asked.show)];
    let next = found.next.map(|cursor| next(HERE, &here, &cursor));
    let libraries = owned
        .iter()
        .take(MAX_CHOICES)
        .map(|name| asked.choice(name, *name == asked.library, |asked, name| asked.library = name))
        .collect();
    let kinds = KINDS
        .iter()
        .map(|(_, name)| asked.choice(name, *name == asked.kind, |asked, name| asked.kind = name))
        .collect();
    let shows = vec![asked.choice("settled", asked.show == "settled", |asked, name| asked.show = name)];
    let told = FlashMessage::done(&frame, &asked.done);
    let page = Page { frame: &frame, told, asked: &asked, libraries, kinds, shows, items: found.items, next };
    Ok(page.told.page(&frame, &page))
}

/// Settles one: what happens after is another.
async fn settle(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let frame = &posted.frame;
    frame.require_person()?;
    let settled = async {
        let catalogue = state.app.engine.catalogue().await?;
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        worklist::resolve(&mut transaction, &catalogue, &frame.actor, id).await?;
        Ok::<_, Problem>(transaction.commit().await?)
    };
    settled.await.map_err(Problem::into_response)?;
    let back = WorklistQuery {
        library: posted.field("library").to_owned(),
        kind: posted.field("kind").to_owned(),
        ..WorklistQuery::default()
    };
    let address = back.address();
    let joint = if address.contains('?') { '&' } else { '?' };
    Ok(see_other(&format!("{address}{joint}done=settled")))
}
