//! `/setup`, `/password` and `/forgot`: create the first administrator, set a password by a link, request such a link by email.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use identity::sign_in::{self, ClientInfo, SessionTokens};
use identity::{Error, Username, links};
use kernel::secret::Token;
use serde::Deserialize;

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::see_other;
use crate::app::accounts::parse_email;
use crate::http::AppState;
use crate::http::client::Client;
use crate::http::input::Query;

/// Routes of setup and password links.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/setup", get(show_setup).post(set_up))
        .route("/password", get(show).post(set_password))
        .route("/forgot", get(show_forgot).post(forgot))
}

/// Query: token of a link.
#[derive(Deserialize)]
struct LinkQuery {
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
    error: Option<&'page FormError>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'page> {
    frame: &'page Frame,
    token: &'page str,
    username: &'page str,
    error: Option<&'page FormError>,
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'page> {
    frame: &'page Frame,
    sends_mail: bool,
    is_sent: bool,
    error: Option<&'page FormError>,
}

/// Shows the form for the first administrator.
async fn show_setup(
    State(state): State<AppState>,
    frame: Frame,
    Query(query): Query<LinkQuery>,
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    if !links::is_setup_token(&mut connection, &Token::from_text(&query.token)).await? {
        return Ok(invalid_setup_link(&frame));
    }
    let page = SetupPage { frame: &frame, token: &query.token, username: "", email: "", error: None };
    Ok(frame.page(StatusCode::OK, &page))
}

fn invalid_setup_link(frame: &Frame) -> Response {
    frame.message(StatusCode::NOT_FOUND, &frame.t("setup-bad-link"))
}

/// Creates the first administrator, and signs them in.
async fn set_up(State(state): State<AppState>, Client(client): Client, form: SubmittedForm) -> PageResult {
    let token = form.field("token").to_owned();
    let form = form.at(&format!("/setup?token={token}"));
    let frame = &form.frame;
    match create_administrator(&state, &form, &token, &client).await {
        Ok(signed_in) => Ok(frame.signed_in(&signed_in, "/start")),
        Err(Error::InvalidLink) => Ok(invalid_setup_link(frame)),
        Err(error) => {
            let error = FormError::from_identity(frame, error)?;
            let (username, email) = (form.field("username"), form.field("email"));
            let page = SetupPage { frame, token: &token, username, email, error: Some(&error) };
            Ok(frame.form_page(Some(&error), &page))
        }
    }
}

async fn create_administrator(
    state: &AppState,
    form: &SubmittedForm,
    token: &str,
    client: &ClientInfo,
) -> Result<SessionTokens, Error> {
    let app = &state.app;
    let username = form.field("username").parse::<Username>()?;
    let administrator = (username, parse_email(Some(form.field("email")))?, form.field("password"));
    links::create_first_administrator(
        app.pool(),
        &app.caches,
        &app.passwords,
        app.authenticator.signer(),
        &Token::from_text(token),
        administrator,
        client,
    )
    .await
}

/// Shows the form for a new password, with the username, so that browsers store both.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<LinkQuery>) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let username = links::find_username(&mut connection, &Token::from_text(&query.token)).await?;
    let Some(username) = username else { return Ok(invalid_password_link(&frame)) };
    let page = PasswordPage { frame: &frame, token: &query.token, username: &username, error: None };
    Ok(frame.page(StatusCode::OK, &page))
}

fn invalid_password_link(frame: &Frame) -> Response {
    frame.message(StatusCode::NOT_FOUND, &frame.t("password-bad-link"))
}

/// Sets a password, and signs its user in.
async fn set_password(
    State(state): State<AppState>,
    Client(client): Client,
    form: SubmittedForm,
) -> PageResult {
    let token = form.field("token").to_owned();
    let form = form.at(&format!("/password?token={token}"));
    let (app, frame) = (&state.app, &form.frame);
    let (link, password) = (Token::from_text(&token), form.field("password"));
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let username = links::find_username(&mut connection, &link).await?.unwrap_or_default();
    drop(connection);
    let (caches, passwords, signer) = (&app.caches, &app.passwords, app.authenticator.signer());
    match links::set_password(app.pool(), caches, passwords, signer, &link, password).await {
        Ok(device) => {
            // The link has proved whose browser this is, so signing in waits for nobody's attempts.
            let client = ClientInfo { device_token: Some(device.clone()), ..client };
            let signed_in =
                sign_in::with_password(app.pool(), caches, passwords, signer, &username, password, &client)
                    .await;
            Ok(signed_in.map_or_else(
                |_refused| {
                    let mut response = see_other("/sign-in?done=password");
                    frame.remember_device(&mut response, &device);
                    response
                },
                |signed_in| frame.signed_in(&signed_in, "/"),
            ))
        }
        Err(Error::InvalidLink) => Ok(invalid_password_link(frame)),
        Err(error) => {
            let error = FormError::from_identity(frame, error)?;
            let username = form.field("username");
            let page = PasswordPage { frame, token: &token, username, error: Some(&error) };
            Ok(frame.form_page(Some(&error), &page))
        }
    }
}

/// Shows the form for a forgotten password, or how to get a link if this server sends no email.
async fn show_forgot(State(state): State<AppState>, frame: Frame) -> Response {
    let page = ForgotPage { frame: &frame, sends_mail: state.sends_mail(), is_sent: false, error: None };
    frame.page(StatusCode::OK, &page)
}

/// Sends a password link. The response does not reveal whether the account exists.
async fn forgot(State(state): State<AppState>, Client(client): Client, form: SubmittedForm) -> PageResult {
    let form = form.at("/forgot");
    let (frame, sends_mail) = (&form.frame, state.sends_mail());
    let (pool, signer) = (state.app.pool(), state.app.authenticator.signer());
    if sends_mail && let Err(error) = links::request_reset(pool, signer, form.field("name"), &client).await {
        let error = FormError::from_identity(frame, error)?;
        let page = ForgotPage { frame, sends_mail, is_sent: false, error: Some(&error) };
        return Ok(frame.form_page(Some(&error), &page));
    }
    Ok(frame.page(StatusCode::OK, &ForgotPage { frame, sends_mail, is_sent: sends_mail, error: None }))
}
