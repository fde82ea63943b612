//! `/admin`: administration, for administrators who are signed in. The rules are those of the domain crates.

mod access;
mod backups;
pub(crate) mod jobs;
mod keys;
mod models;
mod search_endpoints;
mod servers;
mod sessions;
mod settings;
mod users;

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::actor::Actor;
use kernel::page::Cursor;
use kernel::update::FieldUpdate;
use library::search::ModelState;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::jobs::inspect::{self, JobState};

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use crate::http::AppState;
use crate::http::problem::{self, Problem};

/// Sections of administration, in the order of the navigation. Each is a module of the same name.
pub(crate) const SECTIONS: [&str; 10] = [
    "users",
    "access",
    "keys",
    "sessions",
    "models",
    "search-endpoints",
    "servers",
    "jobs",
    "backups",
    "settings",
];
/// Items on a page.
const PAGE: usize = 50;

/// Routes of all sections.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin", get(show))
        .merge(users::routes())
        .merge(access::routes())
        .merge(keys::routes())
        .merge(sessions::routes())
        .merge(models::routes())
        .merge(search_endpoints::routes())
        .merge(servers::routes())
        .merge(jobs::routes())
        .merge(backups::routes())
        .merge(settings::routes())
}

/// Returns the address of a section.
pub(crate) fn path(section: &str) -> String {
    format!("/admin/{section}")
}

/// Query of a list: filters, cursor, and the outcome of the previous action.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    done: String,
    q: String,
    cursor: String,
    state: String,
    kind: String,
}

/// Outcome of the previous action, shown once.
#[derive(Default)]
pub(super) struct FlashMessage<'page> {
    pub(super) done: Option<Cow<'static, str>>,
    /// Name of the refused form, and its error.
    error: Option<(&'static str, FormError)>,
    form: Option<&'page SubmittedForm>,
}

impl<'page> FlashMessage<'page> {
    /// Success of the action named in the address; unknown names are ignored.
    pub(super) fn done(frame: &Frame, name: &str) -> Self {
        let text = frame.t_enum("admin-done", name);
        Self { done: (!name.is_empty() && text != name).then_some(text), ..Self::default() }
    }

    /// Refusal of a form.
    pub(super) fn refused(name: &'static str, error: FormError, form: &'page SubmittedForm) -> Self {
        Self { done: None, error: Some((name, error)), form: Some(form) }
    }

    /// Returns the error of the form with this name.
    pub(super) fn error_of(&self, name: &str) -> Option<&FormError> {
        self.error.as_ref().and_then(|(refused, error)| (*refused == name).then_some(error))
    }

    /// Returns the submitted value of a refused form, else the stored one.
    pub(super) fn field<'text>(&'text self, name: &str, field: &str, stored: &'text str) -> &'text str {
        match self.form {
            Some(form) if self.error_of(name).is_some() => form.field(field),
            _ => stored,
        }
    }

    /// Like [`Self::field`], for a checkbox.
    pub(super) fn ticked(&self, name: &str, field: &str, stored: impl std::borrow::Borrow<bool>) -> bool {
        match self.form {
            Some(form) if self.error_of(name).is_some() => form.has(field),
            _ => *stored.borrow(),
        }
    }

    /// Renders a page with the message.
    pub(super) fn page(&self, frame: &Frame, page: &impl Template) -> Response {
        frame.form_page(self.error.as_ref().map(|(_, error)| error), page)
    }
}

/// Refuses readers who are not administrators, and sends those who are not signed in to the sign-in form.
fn require_administrator(frame: &Frame) -> PageResult<()> {
    frame.require_sign_in()?;
    if frame.is_administrator() {
        return Ok(());
    }
    Err(Problem::forbidden("only an administrator can do this, signed in and not by an API key").into())
}

/// Parses the cursor of a list; empty for its start.
pub(super) fn cursor(text: &str) -> problem::Result<Option<Cursor>> {
    if text.is_empty() { Ok(None) } else { crate::http::input::cursor(text).map(Some) }
}

/// Returns the address of the next page of a list.
pub(super) fn next(path: &str, parameters: &[(&str, &str)], cursor: &impl ToString) -> String {
    let cursor = cursor.to_string();
    let all = parameters.iter().copied().chain([("cursor", cursor.as_str())]);
    let pairs: Vec<String> = all
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Returns the update of an optional text; empty clears it.
fn optional_text(text: &str) -> FieldUpdate<String> {
    match text.trim() {
        "" => FieldUpdate::Clear,
        text => FieldUpdate::Set(text.to_owned()),
    }
}

/// Returns the update of a credential: a new value sets it, a ticked checkbox clears it, otherwise it is kept.
fn credential(form: &SubmittedForm) -> FieldUpdate<zeroize::Zeroizing<String>> {
    match form.field("api_key").trim() {
        "" if form.has("no_api_key") => FieldUpdate::Clear,
        "" => FieldUpdate::Keep,
        text => FieldUpdate::Set(text.to_owned().into()),
    }
}

#[derive(Template)]
#[template(path = "admin_overview.html")]
struct Page<'page> {
    frame: &'page Frame,
    libraries: usize,
    dead_jobs: i64,
    pending_jobs: i64,
    index: IndexStatus,
}

/// Status of the full-text index and the vectors.
struct IndexStatus {
    /// Changes that the index is behind; `None` while it is built.
    behind: Option<i64>,
    /// Embedding model, or the reason why there is none; no reason while it loads.
    model: Result<String, Option<String>>,
    /// Passages without a vector.
    missing: i64,
}

impl IndexStatus {
    async fn read(state: &AppState, actor: &Actor) -> problem::Result<Self> {
        let behind = state.app.engine.lag().await?;
        let (model, missing) = match state.app.engine.models().await?.target {
            ModelState::Ready(target) => {
                let mut connection = store::postgres::acquire(state.app.pool()).await?;
                let missing = library::embed::count_pending(&mut connection, actor, &target).await?;
                (Ok(target.id().to_owned()), missing)
            }
            ModelState::Loading => (Err(None), 0),
            ModelState::Off(why) => (Err(Some(why)), 0),
        };
        Ok(Self { behind, model, missing })
    }
}

/// Shows the overview.
async fn show(State(state): State<AppState>, frame: Frame) -> PageResult {
    require_administrator(&frame)?;
    let libraries = state.app.engine.catalogue().await?.libraries(&frame.actor).len();
    let (mut dead_jobs, mut pending_jobs) = (0, 0);
    for (_, job, count) in inspect::counts(state.app.pool()).await? {
        *(if job == JobState::Dead { &mut dead_jobs } else { &mut pending_jobs }) += count;
    }
    let index = IndexStatus::read(&state, &frame.actor).await?;
    Ok(frame.page(StatusCode::OK, &Page { frame: &frame, libraries, dead_jobs, pending_jobs, index }))
}
