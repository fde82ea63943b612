//! `/admin/access`: visibility of libraries, and who can read, write and own them.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use identity::users;
use library::access::{Level, Visibility};
use library::{grants, libraries};

use super::{FlashMessage, ListQuery, PAGE, next, require_administrator};
use crate::app::accounts;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{self, Problem};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/access";
const VISIBILITIES: [(Visibility, &str); 3] =
    [(Visibility::Private, "private"), (Visibility::Team, "team"), (Visibility::Public, "public")];
const LEVELS: [(Level, &str); 3] = [(Level::Read, "read"), (Level::Write, "write"), (Level::Own, "own")];

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show)).route("/admin/access/{library}", get(one).post(change))
}

/// Library in the list.
struct Row {
    name: String,
    title: String,
    part: String,
    visibility: &'static str,
    grants: usize,
}

#[derive(Template)]
#[template(path = "admin_access.html")]
struct List<'page> {
    frame: &'page Frame,
    query: &'page str,
    libraries: Vec<Row>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_grants.html")]
struct One<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    name: String,
    part: String,
    visibility: &'static str,
    /// Granted permissions.
    grants: Vec<(String, &'static str)>,
}

/// Lists the libraries that match the query.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let catalogue = state.app.engine.catalogue().await?;
    let text = query.q.trim().to_lowercase();
    let matching = catalogue.libraries(&frame.actor).into_iter().filter(|library| {
        library.name.as_str() > query.cursor.as_str()
            && (library.name.as_str().contains(&text) || library.title.to_lowercase().contains(&text))
    });
    let mut libraries: Vec<Row> = matching
        .take(PAGE + 1)
        .map(|library| Row {
            name: library.name.to_string(),
            title: library.title.clone(),
            part: address::segment_of(&library.name),
            visibility: name_of(&VISIBILITIES, library.visibility),
            grants: library.grants.len(),
        })
        .collect();
    let has_more = libraries.len() > PAGE;
    libraries.truncate(PAGE);
    let last = libraries.last().filter(|_| has_more);
    let next = last.map(|last| next(HERE, &[("q", &query.q)], &last.name));
    let page = List { frame: &frame, query: &query.q, libraries, next };
    Ok(FlashMessage::default().page(&frame, &page))
}

/// Shows the permissions in a library.
async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(part): Path<String>,
    Query(query): Query<ListQuery>,
) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    page(&state, &frame, &part, flash).await
}

async fn page(state: &AppState, frame: &Frame, part: &str, flash: FlashMessage<'_>) -> PageResult {
    let name = address::library(part).map_err(library::Error::from)?;
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &name)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let levels = grants::list(&mut connection, &frame.actor, library).await?;
    let ids: Vec<_> = levels.iter().map(|(id, _)| *id).collect();
    let names = users::usernames(&mut connection, &frame.actor, &ids).await?;
    drop(connection);
    let grants = names.into_iter().filter_map(|(id, name)| {
        let (_, level) = levels.iter().find(|(user, _)| *user == id)?;
        Some((name, name_of(&LEVELS, *level)))
    });
    let page = One {
        frame,
        flash,
        name: library.name.to_string(),
        part: part.to_owned(),
        visibility: name_of(&VISIBILITIES, library.visibility),
        grants: grants.collect(),
    };
    Ok(page.flash.page(frame, &page))
}

/// Grants or revokes a permission, or changes the visibility.
async fn change(State(state): State<AppState>, Path(part): Path<String>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{}", address::escaped(&part)));
    let frame = &form.frame;
    require_administrator(frame)?;
    let (name, done) = match form.field("action") {
        "visibility" => ("visibility", "visibility"),
        "revoke" => ("acts", "grant-revoked"),
        _ => ("grant", "grant"),
    };
    match change_access(&state, &form, &part).await {
        Ok(()) => Ok(see_other(&format!("{}?done={done}", frame.here()))),
        Err(problem) => {
            let flash = FlashMessage::refused(name, FormError::from_problem(frame, problem)?, &form);
            page(&state, frame, &part, flash).await
        }
    }
}

async fn change_access(state: &AppState, form: &SubmittedForm, part: &str) -> problem::Result<()> {
    let actor = &form.frame.actor;
    let name = address::library(part).map_err(library::Error::from)?;
    let level = match form.field("action") {
        "visibility" => {
            let visibility = value_of(&VISIBILITIES, form.field("visibility"));
            let visibility =
                visibility.ok_or_else(|| Problem::invalid("visibility is private, team or public"))?;
            let catalogue = state.app.engine.catalogue().await?;
            let mut transaction = store::postgres::begin(state.app.pool()).await?;
            let library = libraries::lock(&mut transaction, actor, catalogue.library(actor, &name)?).await?;
            grants::set_visibility(&mut transaction, actor, &library, visibility).await?;
            return Ok(transaction.commit().await?);
        }
        "revoke" => None,
        _ => {
            let level = value_of(&LEVELS, form.field("level"));
            Some(level.ok_or_else(|| Problem::invalid("permission is read, write or own"))?)
        }
    };
    accounts::set_grant(&state.app, actor, name.as_str(), form.field("username"), level).await?;
    Ok(())
}

fn name_of<T: PartialEq + Copy>(names: &[(T, &'static str)], value: T) -> &'static str {
    names.iter().find(|(one, _)| *one == value).map_or("", |(_, name)| name)
}

fn value_of<T: Copy>(names: &[(T, &'static str)], name: &str) -> Option<T> {
    names.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
}
