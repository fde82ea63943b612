//! `/api/v1/users`, passwords and the setup of the first administrator.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, StatusCode};
use chrono::{DateTime, Utc};
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Email, Username, links};
use kernel::actor::{Role, UserId};
use kernel::page::Cursor;
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::session::SignedInBody;
use crate::app::accounts::{self, parse_email};
use crate::app::address;
use crate::http::authentication::Caller;
use crate::http::client::Client;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::{
    AvatarUrl, CurrentPassword, Login, NewPassword, PasswordHash, PersonName, SecretToken,
};
use crate::http::{AppState, NO_STORE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, change, delete))).merge(
        bounded(
            OpenApiRouter::new()
                .routes(routes!(link))
                .routes(routes!(change_password))
                .routes(routes!(forgot))
                .routes(routes!(use_link))
                .routes(routes!(set_up)),
        ),
    )
}

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPage {
    items: Vec<User>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// User to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUserBody {
    /// Unique name, used to sign in.
    #[schema(value_type = Username)]
    username: String,
    /// Unique email address; can be used to sign in.
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    /// Role in the installation; `user` by default.
    role: Option<Role>,
    #[serde(default)]
    #[schema(value_type = PersonName, required = false)]
    first_name: String,
    #[serde(default)]
    #[schema(value_type = PersonName, required = false)]
    last_name: String,
    /// Argon2 or bcrypt hash of the password of an imported user. Without it the response has a password link.
    #[schema(value_type = Option<PasswordHash>)]
    password_hash: Option<String>,
}

/// Created user.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedUser {
    user: User,
    /// Link to set the password; null if a hash was given.
    link: Option<LinkBody>,
}

/// Link to set a password, valid once.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkBody {
    url: String,
    expires_at: Option<DateTime<Utc>>,
}

/// Changes of a user. Absent fields are kept; empty ones are cleared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Email address; empty for none.
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    #[schema(value_type = Option<PersonName>)]
    first_name: Option<String>,
    #[schema(value_type = Option<PersonName>)]
    last_name: Option<String>,
    /// URL of a picture; empty for none.
    #[schema(value_type = Option<AvatarUrl>)]
    avatar: Option<String>,
    /// Role. Administrators only.
    role: Option<Role>,
    /// Whether the user can sign in. Administrators only.
    is_active: Option<bool>,
    /// The caller's password: required to change their own email address, since password links are sent to it.
    #[schema(value_type = Option<CurrentPassword>)]
    current_password: Option<String>,
}

/// Change of the caller's password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(value_type = CurrentPassword)]
    current: String,
    #[schema(value_type = NewPassword)]
    new: String,
}

/// Request for a password link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forgot {
    /// User name or email address.
    #[schema(value_type = Login)]
    name: String,
}

/// New password, set by a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseLink {
    /// Token of the link.
    #[schema(value_type = SecretToken)]
    token: String,
    #[schema(value_type = NewPassword)]
    password: String,
}

/// First administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUp {
    /// Token of the setup link.
    #[schema(value_type = SecretToken)]
    token: String,
    #[schema(value_type = Username)]
    username: String,
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    #[schema(value_type = NewPassword)]
    password: String,
}

/// Lists the users by name. Administrators only.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(Paging), responses((status = 200, body = UserPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<UserPage>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = users::list(&mut connection, &actor, paging.cursor()?.as_ref(), paging.limit()?).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Paged::new(&address, next.clone(), UserPage { items: page.items, next }))
}

/// Creates a user, with a link to set the password. Administrators only.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUserBody,
    responses((status = 201, body = CreatedUser)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<NewUserBody>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<CreatedUser>)> {
    let new = NewUser {
        username: body.username.parse::<Username>().map_err(identity::Error::from)?,
        email: parse_email(body.email.as_deref())?,
        role: body.role.unwrap_or(Role::User),
        first_name: body.first_name,
        last_name: body.last_name,
        password_hash: body.password_hash,
    };
    let (user, link) = accounts::create(&state.app, &actor, new).await?;
    let link = link.map(|link| LinkBody::new(&state, &link));
    Ok((StatusCode::CREATED, NO_STORE, Json(CreatedUser { user, link })))
}

/// Returns a user. For the user and for administrators.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 200, body = User)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<Json<User>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(users::find(&mut connection, &actor, id).await?.ok_or(identity::Error::NoUser)?))
}

/// Changes a user: the caller or, for administrators, anyone.
///
/// Deactivating a user ends their sessions, and deletes their API keys, password links and share links for good: activating the
/// user again brings none of them back.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", request_body = UserChange,
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 200, body = User)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
    Body(body): Body<UserChange>,
) -> Result<Json<User>> {
    let change = UserUpdate {
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        avatar: body.avatar,
        role: body.role,
        is_active: body.is_active,
    };
    let password = body.current_password.as_deref();
    Ok(Json(accounts::change_confirmed(&state.app, &actor, id, &change, password).await?))
}

/// Deletes a user with their sessions and keys. Administrators only.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    accounts::delete(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates a password link to hand to a user. Earlier links become invalid. Administrators only.
#[utoipa::path(post, path = "/api/v1/users/{id}/link", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 201, body = LinkBody)))]
pub(crate) async fn link(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<LinkBody>)> {
    let link = accounts::create_link(&state.app, &actor, id).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(LinkBody::new(&state, &link))))
}

/// Changes the caller's password. Their other sessions end.
#[utoipa::path(put, path = "/api/v1/password", tag = "session", request_body = PasswordChange, responses((status = 204)))]
pub(crate) async fn change_password(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode> {
    accounts::change_password(&state.app, &actor, &body.current, &body.new).await.map_err(wrong_password)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a password link by mail. The response does not reveal whether the account exists.
#[utoipa::path(post, path = "/api/v1/password-resets", tag = "session", request_body = Forgot, responses((status = 202)))]
pub(crate) async fn forgot(
    State(state): State<AppState>,
    Client(origin): Client,
    Body(body): Body<Forgot>,
) -> Result<StatusCode> {
    if !state.sends_mail() {
        return Err(Problem::conflict("this server sends no mail: ask an administrator for a password link"));
    }
    links::request_reset(state.app.pool(), state.app.authenticator.signer(), &body.name, &origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a password by a link, which becomes invalid. All sessions of the user end.
#[utoipa::path(post, path = "/api/v1/password-resets/use", tag = "session", request_body = UseLink,
    responses((status = 204), (status = 404)))]
pub(crate) async fn use_link(State(state): State<AppState>, Body(body): Body<UseLink>) -> Result<StatusCode> {
    let app = &state.app;
    links::set_password(
        app.pool(),
        &app.caches,
        &app.passwords,
        app.authenticator.signer(),
        &Token::from_text(&body.token),
        &body.password,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates the first administrator by the setup link in the server's log, and signs them in.
#[utoipa::path(post, path = "/api/v1/setup", tag = "session", request_body = SetUp,
    responses((status = 201, body = SignedInBody), (status = 404)))]
pub(crate) async fn set_up(
    State(state): State<AppState>,
    Client(origin): Client,
    Body(body): Body<SetUp>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<SignedInBody>)> {
    let app = &state.app;
    let username: Username = body.username.parse().map_err(identity::Error::from)?;
    let administrator = (username, parse_email(body.email.as_deref())?, body.password.as_str());
    let token = Token::from_text(&body.token);
    let signed_in = links::create_first_administrator(
        app.pool(),
        &app.caches,
        &app.passwords,
        app.authenticator.signer(),
        &token,
        administrator,
        &origin,
    )
    .await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(signed_in.into())))
}

impl LinkBody {
    fn new(state: &AppState, link: &links::Link) -> Self {
        Self { url: address::of_password_link(&state.address, link), expires_at: link.expires_at }
    }
}

/// Maps a wrong password of a signed-in user to 403: 401 would mean that they are not signed in.
fn wrong_password(error: identity::Error) -> Problem {
    match error {
        identity::Error::WrongPassword => Problem::forbidden("wrong current password"),
        other => other.into(),
    }
}
