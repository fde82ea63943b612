//! `/admin/jobs`: what is to be done, is being done, and was tried in vain.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use store::jobs::{self, Job, State as JobState, Which};
use uuid::Uuid;

use super::{Asked, PAGE, Told, next, require};
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::forms::Posted;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/jobs";

/// A choice among the jobs, with how many there are.
struct Choice {
    name: String,
    count: i64,
    address: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "admin_jobs.html")]
struct List<'page> {
    frame: &'page Frame,
    told: Told<'page>,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    dead: i64,
    jobs: Vec<Job>,
    next: Option<String>,
}

/// Those of a state and kind, the newest first.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    require(&frame)?;
    let chosen = JobState::ALL.into_iter().find(|state| state.as_str() == asked.state);
    let kind = Some(asked.kind.as_str()).filter(|kind| !kind.is_empty());
    let read = async {
        let after: Option<Uuid> = match asked.cursor.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_none| Problem::invalid("no list goes on there"))?),
        };
        let counts = jobs::counts(state.app.pool()).await?;
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let found = jobs::page(state.app.pool(), Which { state: chosen, kind }, after, limit).await?;
        Ok::<_, Problem>((counts, found))
    };
    let (counts, mut found) = read.await.map_err(Problem::into_response)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let here = [("state", asked.state.as_str()), ("kind", asked.kind.as_str())];
    let next = found.last().filter(|_| more).map(|last| next(HERE, &here, &last.id));
    let states = JobState::ALL
        .into_iter()
        .map(|state| Choice {
            name: state.as_str().to_owned(),
            count: counts.iter().filter(|(_, one, _)| *one == state).map(|(.., count)| count).sum(),
            is_chosen: chosen == Some(state),
            address: link(if chosen == Some(state) { "" } else { state.as_str() }, &asked.kind),
        })
        .collect();
    let mut kinds: Vec<Choice> = Vec::new();
    for (name, _, count) in &counts {
        match kinds.last_mut() {
            Some(last) if last.name == *name => last.count += count,
            _ => kinds.push(Choice {
                name: name.clone(),
                count: *count,
                is_chosen: kind == Some(name),
                address: link(&asked.state, if kind == Some(name) { "" } else { name }),
            }),
        }
    }
    let dead = counts.iter().filter(|(_, one, _)| *one == JobState::Dead).map(|(.., count)| count).sum();
    let told = Told::done(&frame, &asked.done);
    let page = List { frame: &frame, told, states, kinds, dead, jobs: found, next };
    Ok(page.told.page(&frame, &page))
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

/// Tries dead jobs again, or takes them away: one, or all.
pub(super) async fn act(State(state): State<AppState>, posted: Posted) -> Result<Response, Response> {
    require(&posted.frame)?;
    let pool = state.app.pool();
    let done = async {
        let id: Option<Uuid> = match posted.field("id") {
            // Only a button that says so means all.
            "" if posted.has("all") => None,
            text => Some(text.parse().map_err(|_none| Problem::not_found("there is no such job"))?),
        };
        match posted.field("action") {
            "retry" => Ok((jobs::retry(pool, id).await?, "job-again")),
            "discard" => Ok((jobs::discard(pool, id).await?, "job-discarded")),
            _ => Err(Problem::invalid("the form cannot be read")),
        }
    };
    let (number, done) = done.await.map_err(Problem::into_response)?;
    // Somebody else was faster, or it was never dead.
    let done = if number == 0 { "job-none" } else { done };
    Ok(see_other(&format!("{HERE}?done={done}")))
}
