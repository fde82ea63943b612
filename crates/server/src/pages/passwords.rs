//! `/setup`, `/password` and `/forgot`: the first administrator, a password by a link, and asking for one by mail.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use identity::{Username, links};
use kernel::secret::Token;
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::see_other;
use crate::app::accounts::parse_email;
use crate::http::AppState;
use crate::http::client::Client;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// Token of a password link.
#[derive(Deserialize)]
pub(crate) struct LinkQuery {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'page> {
    frame: &'page Frame,
    token: &'page str,
    username: &'page str,
    email: &'page str,
    fault: Option<&'page FormError>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'page> {
    frame: &'page Frame,
    token: &'page str,
    username: &'page str,
    fault: Option<&'page FormError>,
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'page> {
    frame: &'page Frame,
    sends_mail: bool,
    is_sent: bool,
    fault: Option<&'page FormError>,
}

/// Asks who the first administrator is.
pub(crate) async fn show_setup(
    State(state): State<AppState>,
    frame: Frame,
    Query(held): Query<LinkQuery>,
) -> Response {
    let is_good = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        links::is_setup_token(&mut connection, &Token::from_text(&held.token)).await
    };
    match is_good.await {
        Ok(true) => {
            let page = SetupPage { frame: &frame, token: &held.token, username: "", email: "", fault: None };
            frame.page(StatusCode::OK, &page)
        }
        Ok(false) => no_setup(&frame),
        Err(error) => Problem::from(error).into_response(),
    }
}

fn no_setup(frame: &Frame) -> Response {
    frame.message(StatusCode::NOT_FOUND, &frame.t("setup-bad-link"))
}

/// Makes the first administrator.
pub(crate) async fn set_up(
    State(state): State<AppState>,
    Client(origin): Client,
    posted: SubmittedForm,
) -> Response {
    let token = posted.field("token").to_owned();
    let posted = posted.at(&format!("/setup?token={token}"));
    let (frame, username, address) = (&posted.frame, posted.field("username"), posted.field("email"));
    let made = async {
        let app = &state.app;
        let administrator =
            (username.parse::<Username>()?, parse_email(Some(address))?, posted.field("password"));
        let (signer, token) = (app.authenticator.signer(), Token::from_text(&token));
        links::create_first_administrator(
            app.pool(),
            &app.caches,
            &app.passwords,
            signer,
            &token,
            administrator,
            &origin,
        )
        .await
    };
    let error = match made.await {
        Ok(signed_in) => return frame.signed_in(&signed_in.token, "/account"),
        Err(identity::Error::InvalidLink) => return no_setup(frame),
        Err(error) => error,
    };
    match FormError::of(frame, error) {
        Ok(fault) => {
            let page = SetupPage { frame, token: &token, username, email: address, fault: Some(&fault) };
            fault.written_to(frame.page(fault.status, &page))
        }
        Err(answer) => answer,
    }
}

/// Asks for a new password.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(held): Query<LinkQuery>,
) -> Response {
    match username(&state, &held.token).await {
        Ok(Some(username)) => {
            let page = PasswordPage { frame: &frame, token: &held.token, username: &username, fault: None };
            frame.page(StatusCode::OK, &page)
        }
        Ok(None) => bad_link(&frame),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Returns the user of a password link, so that browsers store name and password together.
async fn username(state: &AppState, token: &str) -> Result<Option<String>, identity::Error> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    links::find_username(&mut connection, &Token::from_text(token)).await
}

fn bad_link(frame: &Frame) -> Response {
    frame.message(StatusCode::NOT_FOUND, &frame.t("password-bad-link"))
}

/// Sets a password.
pub(crate) async fn set(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let token = posted.field("token").to_owned();
    let posted = posted.at(&format!("/password?token={token}"));
    let (app, frame) = (&state.app, &posted.frame);
    let password = posted.field("password");
    let set =
        links::set_password(app.pool(), &app.caches, &app.passwords, &Token::from_text(&token), password)
            .await;
    let error = match set {
        Ok(_user) => {
            return see_other("/sign-in?done=password");
        }
        Err(identity::Error::InvalidLink) => return bad_link(frame),
        Err(error) => error,
    };
    match FormError::of(frame, error) {
        Ok(fault) => {
            let page = PasswordPage {
                frame,
                token: &token,
                username: posted.field("username"),
                fault: Some(&fault),
            };
            fault.written_to(frame.page(fault.status, &page))
        }
        Err(answer) => answer,
    }
}

/// Asks who forgot their password, or says whom to ask.
pub(crate) async fn show_forgot(State(state): State<AppState>, frame: Frame) -> Response {
    let page = ForgotPage { frame: &frame, sends_mail: state.sends_mail(), is_sent: false, fault: None };
    frame.page(StatusCode::OK, &page)
}

/// Has a link sent, and says the same whether there is an account.
#[expect(clippy::result_large_err, reason = "what goes out in its place, once a failure")]
pub(crate) async fn forgot(
    State(state): State<AppState>,
    Client(origin): Client,
    posted: SubmittedForm,
) -> Response {
    let posted = posted.at("/forgot");
    let (frame, sends_mail) = (&posted.frame, state.sends_mail());
    let asked = if sends_mail {
        links::request_reset(state.app.pool(), posted.field("name"), &origin).await
    } else {
        Ok(())
    };
    match asked.map_err(|error| FormError::of(frame, error)) {
        Ok(()) => {
            frame.page(StatusCode::OK, &ForgotPage { frame, sends_mail, is_sent: sends_mail, fault: None })
        }
        Err(Ok(fault)) => {
            let page = ForgotPage { frame, sends_mail, is_sent: false, fault: Some(&fault) };
            fault.written_to(frame.page(fault.status, &page))
        }
        Err(Err(answer)) => answer,
    }
}
