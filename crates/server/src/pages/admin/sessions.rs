//! `/admin/sessions`: sessions of all users.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use identity::sessions::{self, UserSession};
use kernel::actor::SessionId;

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require_administrator};
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/sessions";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show).post(end))
}

#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    sessions: Vec<UserSession>,
    next: Option<String>,
}

/// Lists the sessions, those used last first.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let after = cursor(&query.cursor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let sessions = sessions::list_all(&mut connection, &frame.actor, after.as_ref(), PAGE).await?;
    drop(connection);
    let next = sessions.next.map(|cursor| next(HERE, &[], &cursor));
    let flash = FlashMessage::done(&frame, &query.done);
    let page = List { frame: &frame, flash, sessions: sessions.items, next };
    Ok(page.flash.page(&frame, &page))
}

/// Ends a session on every node.
async fn end(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    require_administrator(&form.frame)?;
    let id: SessionId = form.field("id").parse().map_err(|_invalid| identity::Error::NoSession)?;
    app::sessions::end(&state.app, &form.frame.actor, id).await?;
    Ok(see_other(&format!("{HERE}?done=session")))
}
