//! `/admin/access`: who may read, write and own which library.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::users;
use library::access::{Level, Visibility};
use library::{grants, libraries};

use super::{FlashMessage, ListQuery, PAGE, next, require};
use crate::app::accounts;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/access";
const VISIBILITIES: [(Visibility, &str); 3] =
    [(Visibility::Private, "private"), (Visibility::Team, "team"), (Visibility::Public, "public")];
const LEVELS: [(Level, &str); 3] = [(Level::Read, "read"), (Level::Write, "write"), (Level::Own, "own")];

/// A library, as the list shows it.
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
    wanted: &'page str,
    libraries: Vec<Row>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_grants.html")]
struct One<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    name: String,
    part: String,
    visibility: &'static str,
    /// Granted permissions.
    grants: Vec<(String, &'static str)>,
}

/// All libraries.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let catalogue =
        state.app.engine.catalogue().await.map_err(|error| Problem::from(error).into_response())?;
    let wanted = asked.q.trim().to_lowercase();
    let found = catalogue.libraries(&frame.actor).into_iter().filter(|library| {
        library.name.as_str() > asked.cursor.as_str()
            && (library.name.as_str().contains(&wanted) || library.title.to_lowercase().contains(&wanted))
    });
    let mut libraries: Vec<Row> = found
        .take(PAGE + 1)
        .map(|library| Row {
            name: library.name.to_string(),
            title: library.title.clone(),
            part: address::part_of(&library.name),
            visibility: called(&VISIBILITIES, library.visibility),
            grants: library.grants.len(),
        })
        .collect();
    let more = libraries.len() > PAGE;
    libraries.truncate(PAGE);
    let last = libraries.last().filter(|_| more);
    let next = last.map(|last| next(HERE, &[("q", &asked.q)], &last.name));
    let page = List { frame: &frame, wanted: &asked.q, libraries, next };
    Ok(FlashMessage::default().page(&frame, &page))
}

/// Permissions in one library.
pub(super) async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(part): Path<String>,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(page(&state, &frame, &part, told).await)
}

async fn page(state: &AppState, frame: &Frame, part: &str, told: FlashMessage<'_>) -> Response {
    let read = async {
        let name = address::library(part).map_err(library::Error::from)?;
        let catalogue = state.app.engine.catalogue().await?;
        let library = catalogue.library(&frame.actor, &name)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let levels = grants::list(&mut connection, &frame.actor, library).await?;
        let ids: Vec<_> = levels.iter().map(|(id, _)| *id).collect();
        let names = users::usernames(&mut connection, &frame.actor, &ids).await?;
        let grants = names
            .into_iter()
            .filter_map(|(id, name)| {
                let (_, level) = levels.iter().find(|(user, _)| *user == id)?;
                Some((name, called(&LEVELS, *level)))
            })
            .collect();
        let visibility = called(&VISIBILITIES, library.visibility);
        Ok((library.name.to_string(), visibility, grants))
    };
    match read.await {
        Ok((name, visibility, grants)) => {
            let page = One { frame, told, name, part: part.to_owned(), visibility, grants };
            page.told.page(frame, &page)
        }
        Err(problem) => Problem::into_response(problem),
    }
}

/// Grants somebody so much, takes a grant back, or says who may read without one.
pub(super) async fn change(
    State(state): State<AppState>,
    Path(part): Path<String>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{}", address::escaped(&part)));
    let (frame, actor) = (&posted.frame, &posted.frame.actor);
    require(frame)?;
    let level = meant(&LEVELS, posted.field("level"));
    let (form, done) = match posted.field("action") {
        "visibility" => ("visibility", "visibility"),
        "revoke" => ("acts", "grant-revoked"),
        _ => ("grant", "grant"),
    };
    let changed = async {
        let name = address::library(&part).map_err(library::Error::from)?;
        if form == "visibility" {
            let visibility = meant(&VISIBILITIES, posted.field("visibility"))
                .ok_or_else(|| Problem::invalid("a library is private, or for the team, or public"))?;
            let catalogue = state.app.engine.catalogue().await?;
            let mut transaction = store::postgres::begin(state.app.pool()).await?;
            let library = libraries::lock(&mut transaction, actor, catalogue.library(actor, &name)?).await?;
            grants::set_visibility(&mut transaction, actor, &library, visibility).await?;
            transaction.commit().await?;
            return Ok(());
        }
        if form == "grant" && level.is_none() {
            return Err(Problem::invalid("a grant is to read, write or own"));
        }
        let level = level.filter(|_| form == "grant");
        accounts::set_grant(&state.app, actor, name.as_str(), posted.field("username"), level).await?;
        Ok(())
    };
    match changed.await {
        Ok(()) => Ok(see_other(&format!("{}?done={done}", frame.here()))),
        Err(problem) => {
            let told = FlashMessage::refused(form, FormError::of_problem(frame, problem)?, &posted);
            Ok(page(&state, frame, &part, told).await)
        }
    }
}

fn called<T: PartialEq + Copy>(names: &[(T, &'static str)], wanted: T) -> &'static str {
    names.iter().find(|(one, _)| *one == wanted).map_or("", |(_, name)| name)
}

fn meant<T: Copy>(names: &[(T, &'static str)], wanted: &str) -> Option<T> {
    names.iter().find(|(_, name)| *name == wanted).map(|(one, _)| *one)
}
