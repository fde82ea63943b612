//! `/admin/keys`: API keys of all users.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use identity::keys::{self, Key};
use kernel::actor::KeyId;

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require_administrator};
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

const HERE: &str = "/admin/keys";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show).post(change))
}

#[derive(Template)]
#[template(path = "admin_keys.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    query: &'page str,
    keys: Vec<Key>,
    next: Option<String>,
}

/// Lists the keys that match the query.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let after = cursor(&query.cursor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let filter = keys::KeyFilter { user: None, query: &query.q };
    let keys = keys::search(&mut connection, &frame.actor, filter, after.as_ref(), PAGE).await?;
    drop(connection);
    let next = keys.next.map(|cursor| next(HERE, &[("q", &query.q)], &cursor));
    let flash = FlashMessage::done(&frame, &query.done);
    let page = List { frame: &frame, flash, query: &query.q, keys: keys.items, next };
    Ok(page.flash.page(&frame, &page))
}

/// Enables, disables or deletes a key on every node.
async fn change(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let actor = &form.frame.actor;
    require_administrator(&form.frame)?;
    let id: KeyId = form.field("id").parse().map_err(|_invalid| identity::Error::NoKey)?;
    let done = match form.field("action") {
        "enable" => {
            app::keys::set_enabled(&state.app, actor, id, true).await?;
            "key-enabled"
        }
        "disable" => {
            app::keys::set_enabled(&state.app, actor, id, false).await?;
            "key-disabled"
        }
        "delete" => {
            app::keys::delete(&state.app, actor, id).await?;
            "key-deleted"
        }
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    };
    Ok(see_other(&format!("{HERE}?done={done}")))
}
