//! `/admin/jobs`: jobs by state and kind, retry and discard of dead jobs, schedules.

use std::fmt::Display;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use store::jobs::inspect::{self, Job, JobFilter, JobState};
use store::schedules::{self, ScheduleStatus};
use uuid::Uuid;

use super::{FlashMessage, ListQuery, PAGE, next, require_administrator};
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/jobs";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show).post(act))
}

/// Filter that can be chosen, with the number of jobs behind it.
struct FilterChoice {
    name: String,
    count: i64,
    address: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "admin_jobs.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    states: Vec<FilterChoice>,
    kinds: Vec<FilterChoice>,
    dead: i64,
    jobs: Vec<Job>,
    schedules: Vec<ScheduleStatus>,
    next: Option<String>,
}

/// Lists the jobs of a state and kind, newest first, and the schedules.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let chosen = JobState::ALL.into_iter().find(|state| state.as_str() == query.state);
    let kind = Some(query.kind.as_str()).filter(|kind| !kind.is_empty());
    let after: Option<Uuid> = match query.cursor.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_invalid| Problem::invalid("invalid cursor"))?),
    };
    let pool = state.app.pool();
    let mut counts = inspect::counts(pool).await?;
    let done = inspect::done_counts(pool).await?;
    counts.extend(done.into_iter().map(|(kind, count)| (kind, JobState::Done, count)));
    counts.sort_by(|one, other| one.0.cmp(&other.0));
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut jobs = inspect::page(pool, JobFilter { state: chosen, kind }, after, limit).await?;
    let schedules = schedules::list(pool).await?;
    let has_more = jobs.len() > PAGE;
    jobs.truncate(PAGE);
    let here = [("state", query.state.as_str()), ("kind", query.kind.as_str())];
    let next = jobs.last().filter(|_| has_more).map(|last| next(HERE, &here, &last.id));
    let states = JobState::ALL
        .into_iter()
        .map(|state| FilterChoice {
            name: state.as_str().to_owned(),
            count: counts.iter().filter(|(_, one, _)| *one == state).map(|(.., count)| count).sum(),
            is_chosen: chosen == Some(state),
            address: link(if chosen == Some(state) { "" } else { state.as_str() }, &query.kind),
        })
        .collect();
    let mut kinds: Vec<FilterChoice> = Vec::new();
    // Counted as the list is filtered: done jobs are listed only where they are asked for.
    let is_listed = |state: JobState| chosen.map_or(state != JobState::Done, |chosen| chosen == state);
    for (name, _, count) in counts.iter().filter(|(_, state, _)| is_listed(*state)) {
        match kinds.last_mut() {
            Some(last) if last.name == *name => last.count += count,
            _ => kinds.push(FilterChoice {
                name: name.clone(),
                count: *count,
                is_chosen: kind == Some(name),
                address: link(&query.state, if kind == Some(name) { "" } else { name }),
            }),
        }
    }
    let dead = counts.iter().filter(|(_, one, _)| *one == JobState::Dead).map(|(.., count)| count).sum();
    let flash = FlashMessage::done(&frame, &query.done);
    let page = List { frame: &frame, flash, states, kinds, dead, jobs, schedules, next };
    Ok(page.flash.page(&frame, &page))
}

fn link(state: &str, kind: &str) -> String {
    let encoded = percent_encoding::utf8_percent_encode(kind, percent_encoding::NON_ALPHANUMERIC);
    match (state, kind) {
        ("", "") => HERE.to_owned(),
        (state, "") => format!("{HERE}?state={state}"),
        ("", _) => format!("{HERE}?kind={encoded}"),
        (state, _) => format!("{HERE}?state={state}&kind={encoded}"),
    }
}

/// Retries or discards dead jobs, one or all.
async fn act(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    require_administrator(&form.frame)?;
    let pool = state.app.pool();
    let id: Option<Uuid> = match form.field("id") {
        // Only the button for all jobs leaves the id out.
        "" if form.has("all") => None,
        text => Some(text.parse().map_err(|_invalid| Problem::not_found("job not found"))?),
    };
    let (number, done) = match form.field("action") {
        "retry" => (inspect::retry(pool, id).await?, "job-again"),
        "discard" => (inspect::discard(pool, id).await?, "job-discarded"),
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    };
    // Another administrator was faster, or the job was not dead.
    let done = if number == 0 { "job-none" } else { done };
    Ok(see_other(&format!("{HERE}?done={done}")))
}

/// Formats a duration in seconds, to the millisecond.
pub(crate) fn seconds(seconds: impl Display) -> String {
    format!("{seconds:.3}")
}
