//! `/admin/keys`: everybody's keys.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::keys::{self, Key};
use kernel::actor::KeyId;

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require};
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/keys";

#[derive(Template)]
#[template(path = "admin_keys.html")]
struct List<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    wanted: &'page str,
    keys: Vec<Key>,
    next: Option<String>,
}

/// All of them, or those that are looked for.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let read = async {
        let after = cursor(&asked.cursor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let which = keys::KeyFilter { user: None, query: &asked.q };
        Ok(keys::search(&mut connection, &frame.actor, which, after.as_ref(), PAGE).await?)
    };
    let found = read.await.map_err(Problem::into_response)?;
    let next = found.next.map(|cursor| next(HERE, &[("q", &asked.q)], &cursor));
    let told = FlashMessage::done(&frame, &asked.done);
    let page = List { frame: &frame, told, wanted: &asked.q, keys: found.items, next };
    Ok(page.told.page(&frame, &page))
}

/// Enables, disables or deletes one, at once and everywhere.
pub(super) async fn change(
    State(state): State<AppState>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let actor = &posted.frame.actor;
    require(&posted.frame)?;
    let changed = async {
        let id: KeyId = posted.field("id").parse().map_err(|_none| identity::Error::NoKey)?;
        match posted.field("action") {
            "enable" => {
                app::keys::set_enabled(&state.app, actor, id, true).await?;
                Ok("key-enabled")
            }
            "disable" => {
                app::keys::set_enabled(&state.app, actor, id, false).await?;
                Ok("key-disabled")
            }
            "delete" => {
                app::keys::delete(&state.app, actor, id).await?;
                Ok("key-deleted")
            }
            _ => Err(Problem::invalid("the form cannot be read")),
        }
    };
    let done = changed.await.map_err(Problem::into_response)?;
    Ok(see_other(&format!("{HERE}?done={done}")))
}
