//! `/admin/sessions`: who is signed in, and where.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::sessions::{self, UserSession};
use kernel::actor::SessionId;

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require};
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/sessions";

#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct List<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    sessions: Vec<UserSession>,
    next: Option<String>,
}

/// All of them, those used last first.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let read = async {
        let after = cursor(&asked.cursor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok(sessions::list_all(&mut connection, &frame.actor, after.as_ref(), PAGE).await?)
    };
    let found = read.await.map_err(Problem::into_response)?;
    let next = found.next.map(|cursor| next(HERE, &[], &cursor));
    let page =
        List { frame: &frame, told: FlashMessage::done(&frame, &asked.done), sessions: found.items, next };
    Ok(page.told.page(&frame, &page))
}

/// Ends one, at once and everywhere.
pub(super) async fn end(State(state): State<AppState>, posted: SubmittedForm) -> Result<Response, Response> {
    require(&posted.frame)?;
    let ended = async {
        let id: SessionId = posted.field("id").parse().map_err(|_none| identity::Error::NoSession)?;
        Ok::<_, Problem>(app::sessions::end(&state.app, &posted.frame.actor, id).await?)
    };
    ended.await.map_err(Problem::into_response)?;
    Ok(see_other(&format!("{HERE}?done=session")))
}
