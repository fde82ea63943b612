//! `/admin`: what administrators look after, in person. The rules are those of the rooms below, which the API follows too.

mod access;
pub(crate) mod jobs;
mod keys;
mod models;
mod servers;
mod sessions;
mod settings;
mod users;

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use kernel::actor::Actor;
use kernel::page::Cursor;
use kernel::update::FieldUpdate;
use library::search::ModelState;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::jobs::inspect::{self, JobState};

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use crate::http::AppState;
use crate::http::problem::Problem;

/// The rooms of administration, in the order in which a person sees them.
pub(crate) const ROOMS: [&str; 8] =
    ["users", "access", "keys", "sessions", "models", "servers", "jobs", "settings"];
/// Query of a list.
const PAGE: usize = 50;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route("/admin", get(show))
        .route("/admin/users", get(users::show).post(users::create))
        .route("/admin/users/{id}", get(users::one).post(users::change))
        .route("/admin/users/{id}/link", post(users::link))
        .route("/admin/users/{id}/sessions", post(users::end_sessions))
        .route("/admin/users/{id}/delete", post(users::delete))
        .route("/admin/access", get(access::show))
        .route("/admin/access/{library}", get(access::one).post(access::change))
        .route("/admin/keys", get(keys::show).post(keys::change))
        .route("/admin/sessions", get(sessions::show).post(sessions::end))
        .route("/admin/models", get(models::show).post(models::create))
        .route("/admin/models/{id}", get(models::one).post(models::change))
        .route("/admin/models/{id}/test", post(models::test))
        .route("/admin/models/{id}/act", post(models::act))
        .route("/admin/servers", get(servers::show).post(servers::create))
        .route("/admin/servers/{id}", get(servers::one).post(servers::change))
        .route("/admin/servers/{id}/test", post(servers::test))
        .route("/admin/servers/{id}/act", post(servers::act))
        .route("/admin/jobs", get(jobs::show).post(jobs::act))
        .route("/admin/settings", get(settings::show))
}

/// The address of one of these rooms.
pub(crate) fn path(room: &str) -> String {
    format!("/admin/{room}")
}

/// Which part of a list is asked for, and what was done just before.
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
    /// The form that was refused, and why.
    fault: Option<(&'static str, FormError)>,
    posted: Option<&'page SubmittedForm>,
}

impl<'page> FlashMessage<'page> {
    /// Success of the action named in the address; unknown names are ignored.
    pub(super) fn done(frame: &Frame, name: &str) -> Self {
        let said = frame.t_enum("admin-done", name);
        Self { done: (!name.is_empty() && said != name).then_some(said), ..Self::default() }
    }

    /// That a form was refused.
    pub(super) fn refused(form: &'static str, fault: FormError, posted: &'page SubmittedForm) -> Self {
        Self { done: None, fault: Some((form, fault)), posted: Some(posted) }
    }

    pub(super) fn fault_of(&self, wanted: &str) -> Option<&FormError> {
        self.fault.as_ref().and_then(|(form, fault)| (*form == wanted).then_some(fault))
    }

    /// Returns the submitted value of a refused form, else the stored one.
    pub(super) fn field<'text>(&'text self, form: &str, name: &str, kept: &'text str) -> &'text str {
        match self.posted {
            Some(posted) if self.fault_of(form).is_some() => posted.field(name),
            _ => kept,
        }
    }

    /// Like [`Self::field`], for a checkbox.
    pub(super) fn ticked(&self, form: &str, name: &str, kept: impl std::borrow::Borrow<bool>) -> bool {
        match self.posted {
            Some(posted) if self.fault_of(form).is_some() => posted.has(name),
            _ => *kept.borrow(),
        }
    }

    /// The page that says it.
    pub(super) fn page(&self, frame: &Frame, page: &impl Template) -> Response {
        let fault = self.fault.as_ref().map(|(_, fault)| fault);
        let response = frame.page(fault.map_or(StatusCode::OK, |fault| fault.status), page);
        match fault {
            Some(fault) => fault.written_to(response),
            None => response,
        }
    }
}

/// Refuses all but administrators in person.
#[expect(clippy::result_large_err, reason = "what goes out in its place")]
fn require(frame: &Frame) -> Result<(), Response> {
    frame.require_person()?;
    if frame.is_administrator() {
        return Ok(());
    }
    Err(Problem::forbidden("only an administrator may do this, signed in and not by a key").into_response())
}

/// Where a list begins.
pub(super) fn cursor(text: &str) -> Result<Option<Cursor>, Problem> {
    if text.is_empty() { Ok(None) } else { crate::http::input::cursor(text).map(Some) }
}

/// The address of the next page of a list.
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
fn setting(text: &str) -> FieldUpdate<String> {
    match text.trim() {
        "" => FieldUpdate::Clear,
        text => FieldUpdate::Set(text.to_owned()),
    }
}

/// Returns the update of a credential: a new value sets it, a ticked box clears it, otherwise it is kept.
fn credential(posted: &SubmittedForm) -> FieldUpdate<zeroize::Zeroizing<String>> {
    match posted.field("api_key").trim() {
        "" if posted.has("no_api_key") => FieldUpdate::Clear,
        "" => FieldUpdate::Keep,
        text => FieldUpdate::Set(text.to_owned().into()),
    }
}

#[derive(Template)]
#[template(path = "admin_overview.html")]
struct Page<'page> {
    frame: &'page Frame,
    libraries: usize,
    dead: i64,
    at_work: i64,
    standing: IndexStatus,
}

/// How index and vectors stand.
struct IndexStatus {
    /// How many changes the index is behind; none while it is built.
    behind: Option<i64>,
    /// The model that makes vectors; else why there is none.
    model: Result<String, Option<String>>,
    /// Passages that have no vector yet.
    missing: i64,
}

impl IndexStatus {
    async fn read(state: &AppState, actor: &Actor) -> Result<Self, Problem> {
        let behind = state.app.engine.lag().await?;
        let model = match state.app.engine.model() {
            ModelState::Ready(model) => Ok(model.id().to_owned()),
            ModelState::Loading => Err(None),
            ModelState::Off(why) => Err(Some(why)),
        };
        let missing = match &model {
            Ok(model) => {
                let mut connection = store::postgres::acquire(state.app.pool()).await?;
                library::embed::count_pending(&mut connection, actor, model).await?
            }
            Err(_) => 0,
        };
        Ok(Self { behind, model, missing })
    }
}

/// How things stand, and the ways on.
async fn show(State(state): State<AppState>, frame: Frame) -> Result<Response, Response> {
    require(&frame)?;
    let read = async {
        let libraries = state.app.engine.catalogue().await?.libraries(&frame.actor).len();
        let counts = inspect::counts(state.app.pool()).await?;
        let (mut dead, mut at_work) = (0, 0);
        for (_, job, count) in counts {
            *(if job == JobState::Dead { &mut dead } else { &mut at_work }) += count;
        }
        let standing = IndexStatus::read(&state, &frame.actor).await?;
        Ok::<_, Problem>(Page { frame: &frame, libraries, dead, at_work, standing })
    };
    let page = read.await.map_err(Problem::into_response)?;
    Ok(frame.page(StatusCode::OK, &page))
}
