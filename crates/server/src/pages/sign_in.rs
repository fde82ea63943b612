//! `/sign-in` and `/sign-out`.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use identity::{Preferences, preferences, sign_in};
use kernel::actor::Actor;
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::{local, see_other, theme};
use crate::app;
use crate::http::AppState;
use crate::http::client::Client;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// Where somebody who signs in wants to go.
#[derive(Deserialize)]
pub(crate) struct SignInQuery {
    #[serde(default)]
    next: String,
    /// Query: outcome of the previous action.
    #[serde(default)]
    done: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'page> {
    frame: &'page Frame,
    name: &'page str,
    next: &'page str,
    has_new_password: bool,
    fault: Option<&'page FormError>,
}

/// Asks for name and password.
pub(crate) async fn show(frame: Frame, Query(wanted): Query<SignInQuery>) -> Response {
    let next = local(&wanted.next).unwrap_or("/account");
    if frame.user().is_some() {
        return see_other(next);
    }
    let has_new_password = wanted.done == "password";
    frame.page(StatusCode::OK, &Page { frame: &frame, name: "", next, has_new_password, fault: None })
}

/// Signs in.
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    Client(origin): Client,
    posted: SubmittedForm,
) -> Response {
    let posted = posted.at("/sign-in");
    let (name, next) = (posted.field("name"), local(posted.field("next")).unwrap_or("/account"));
    let app = &state.app;
    let (signer, password) = (app.authenticator.signer(), posted.field("password"));
    let signed_in =
        sign_in::with_password(app.pool(), &app.caches, &app.passwords, signer, name, password, &origin)
            .await;
    match signed_in {
        Ok(signed_in) => {
            let mut response = posted.frame.signed_in(&signed_in.token, next);
            // Without them, too, one is signed in.
            if let Ok(preferences) = preferences_of(&state, &signed_in.actor()).await {
                theme::follow(&mut response, &preferences, app.settings.server.secure_cookies());
            }
            response
        }
        Err(error) => {
            let fault = match FormError::of(&posted.frame, error) {
                Ok(fault) => fault,
                Err(answer) => return answer,
            };
            let frame = &posted.frame;
            let page = Page { frame, name, next, has_new_password: false, fault: Some(&fault) };
            fault.written_to(frame.page(fault.status, &page))
        }
    }
}

/// How somebody who has just signed in likes pages.
async fn preferences_of(state: &AppState, actor: &Actor) -> Result<Preferences, identity::Error> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    preferences::find(&mut connection, actor).await
}

/// Signs out: the session ends on every node.
pub(crate) async fn sign_out(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let actor = &posted.frame.actor;
    if let Some(id) = actor.session_id()
        && let Err(problem) = app::sessions::end(&state.app, actor, id).await.map_err(Problem::from)
        // Ended in the meantime: that is what was wanted.
        && problem.status() != StatusCode::NOT_FOUND
    {
        return axum::response::IntoResponse::into_response(problem);
    }
    posted.frame.signed_out("/")
}
