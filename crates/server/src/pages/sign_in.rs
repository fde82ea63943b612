//! `/sign-in` and `/sign-out`: begin and end a session.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use identity::{preferences, sign_in};
use serde::Deserialize;

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::{local, see_other, theme};
use crate::app;
use crate::http::AppState;
use crate::http::client::Client;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// Routes of signing in and out.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/sign-in", get(show).post(sign_in)).route("/sign-out", post(sign_out))
}

/// Query: the address to go to after signing in, and the outcome of the previous action.
#[derive(Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
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
    error: Option<&'page FormError>,
}

impl Page<'_> {
    /// Whether the reader came here from a page that needs an account.
    fn is_on_the_way(&self) -> bool {
        self.next != "/"
    }
}

/// Shows the sign-in form, or redirects if the reader is signed in.
async fn show(frame: Frame, Query(query): Query<SignInQuery>) -> Response {
    let next = local(&query.next).unwrap_or("/");
    if frame.user().is_some() {
        return see_other(next);
    }
    let has_new_password = query.done == "password";
    frame.page(StatusCode::OK, &Page { frame: &frame, name: "", next, has_new_password, error: None })
}

/// Signs in.
async fn sign_in(State(state): State<AppState>, Client(client): Client, form: SubmittedForm) -> PageResult {
    let form = form.at("/sign-in");
    let frame = &form.frame;
    let (name, next) = (form.field("name"), local(form.field("next")).unwrap_or("/"));
    let app = &state.app;
    let (signer, password) = (app.authenticator.signer(), form.field("password"));
    let signed_in =
        sign_in::with_password(app.pool(), &app.caches, &app.passwords, signer, name, password, &client)
            .await;
    match signed_in {
        Ok(signed_in) => {
            let mut response = frame.signed_in(&signed_in, next);
            // Signing in succeeds even if the preferences cannot be read.
            if let Ok(mut connection) = store::postgres::acquire(app.pool()).await
                && let Ok(preferences) = preferences::find(&mut connection, &signed_in.actor()).await
            {
                theme::apply_preferences(&mut response, &preferences, app.settings.server.secure_cookies());
            }
            Ok(response)
        }
        Err(error) => {
            let error = FormError::from_identity(frame, error)?;
            let page = Page { frame, name, next, has_new_password: false, error: Some(&error) };
            Ok(frame.form_page(Some(&error), &page))
        }
    }
}

/// Signs out: ends the session on every node.
async fn sign_out(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let actor = &form.frame.actor;
    if let Some(id) = actor.session_id()
        && let Err(problem) = app::sessions::end(&state.app, actor, id).await.map_err(Problem::from)
        // It may have ended meanwhile.
        && problem.status() != StatusCode::NOT_FOUND
    {
        return Err(problem.into());
    }
    Ok(form.frame.signed_out("/"))
}
