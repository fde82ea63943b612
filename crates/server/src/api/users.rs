//! `/api/v1/users`, and how people set their password: accounts.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, StatusCode};
use chrono::{DateTime, Utc};
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Username, links};
use kernel::actor::{Role, UserId};
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::session::SignedInBody;
use crate::app::accounts::{self, parse_email};
use crate::http::authentication::Caller;
use crate::http::client::Client;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
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
    /// Where the next page begins.
    next: Option<String>,
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewUserBody {
    /// The name by which they sign in.
    username: String,
    email: Option<String>,
    /// user, editor or admin.
    #[schema(value_type = Option<String>, default = "user")]
    role: Option<Role>,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    /// The hash of their password in the system they come from: Argon2 or bcrypt. Without it the answer holds a link.
    password_hash: Option<String>,
}

/// A user who was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeUser {
    user: User,
    /// Where they set their password; null where a hash was given.
    link: Option<LinkBody>,
}

/// A link by which a user sets a password, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkBody {
    url: String,
    expires_at: Option<DateTime<Utc>>,
}

/// Changes of a user; absent fields are kept, empty ones cleared.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UserChange {
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar: Option<String>,
    /// For administrators.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// For administrators.
    is_active: Option<bool>,
    /// Your password: needed to change your own mail address, to which links are sent.
    #[schema(format = Password)]
    current_password: Option<String>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordChange {
    #[schema(format = Password)]
    current: String,
    #[schema(format = Password)]
    new: String,
}

/// Request for a password link.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Forgot {
    /// Name or mail address.
    name: String,
}

/// A password, by a link.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UseLink {
    /// Token of the link.
    token: String,
    #[schema(format = Password)]
    password: String,
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SetUp {
    /// Token of the link.
    token: String,
    username: String,
    email: Option<String>,
    #[schema(format = Password)]
    password: String,
}

/// All users, by name: for administrators.
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

/// Makes a user, and a link by which they set their password: for administrators.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUserBody,
    responses((status = 201, body = MadeUser)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<NewUserBody>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<MadeUser>)> {
    let new = NewUser {
        username: body.username.parse::<Username>().map_err(identity::Error::from)?,
        email: parse_email(body.email.as_deref())?,
        role: body.role.unwrap_or(Role::User),
        first_name: body.first_name,
        last_name: body.last_name,
        password_hash: body.password_hash,
    };
    let needs_link = new.password_hash.is_none();
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let user = users::create(&mut transaction, &actor, new).await?;
    let link = if needs_link {
        Some(LinkBody::new(&state, &links::create_for_user(&mut transaction, &actor, user.id).await?))
    } else {
        None
    };
    transaction.commit().await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(MadeUser { user, link })))
}

/// One user: for themselves and for administrators.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 200, body = User)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<Json<User>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(users::find(&mut connection, &actor, id).await?.ok_or(identity::Error::NoUser)?))
}

/// Changes a user: yourself, or, for administrators, anybody. Whoever is made inactive is signed out everywhere, and
/// their keys are dead.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", request_body = UserChange,
    params(("id" = Uuid, Path, description = "The user")), responses((status = 200, body = User)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
    Body(body): Body<UserChange>,
) -> Result<Json<User>> {
    let app = &state.app;
    if body.email.is_some() && actor.user_id() == Some(id) && actor.in_person() {
        let password = body.current_password.as_deref().ok_or_else(|| {
            Problem::forbidden("to change your mail address, give your password too (current_password)")
        })?;
        users::confirm_password(app.pool(), &app.passwords, &actor, password)
            .await
            .map_err(wrong_password)?;
    }
    let change = UserUpdate {
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        avatar: body.avatar,
        role: body.role,
        is_active: body.is_active,
    };
    Ok(Json(accounts::change(app, &actor, id, &change).await?))
}

/// Deletes a user with their sessions and keys: for administrators.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    accounts::delete(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a link by which a user sets a new password, to be handed to them: for administrators. Those made before are void.
#[utoipa::path(post, path = "/api/v1/users/{id}/link", tag = "users",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 201, body = LinkBody)))]
pub(crate) async fn link(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<LinkBody>)> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let link = links::create_for_user(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(LinkBody::new(&state, &link))))
}

/// Changes your password. Your other sessions end.
#[utoipa::path(put, path = "/api/v1/password", tag = "session", request_body = PasswordChange, responses((status = 204)))]
pub(crate) async fn change_password(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode> {
    accounts::change_password(&state.app, &actor, &body.current, &body.new).await.map_err(wrong_password)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a link by mail to somebody who forgot their password. The answer is the same whether there is an account.
#[utoipa::path(post, path = "/api/v1/password-resets", tag = "session", request_body = Forgot, responses((status = 202)))]
pub(crate) async fn forgot(
    State(state): State<AppState>,
    Client(origin): Client,
    Body(body): Body<Forgot>,
) -> Result<StatusCode> {
    if !state.sends_mail() {
        return Err(Problem::conflict(
            "this server sends no mail: ask an administrator for a link by which to set a new password",
        ));
    }
    links::request_reset(state.app.pool(), &body.name, &origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a password by a link, which is void from then on. All sessions of the user end.
#[utoipa::path(post, path = "/api/v1/password-resets/use", tag = "session", request_body = UseLink,
    responses((status = 204)))]
pub(crate) async fn use_link(State(state): State<AppState>, Body(body): Body<UseLink>) -> Result<StatusCode> {
    let app = &state.app;
    links::set_password(
        app.pool(),
        &app.caches,
        &app.passwords,
        &Token::from_text(&body.token),
        &body.password,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the first administrator by the link that the server showed at its start, and signs them in.
#[utoipa::path(post, path = "/api/v1/setup", tag = "session", request_body = SetUp,
    responses((status = 201, body = SignedInBody)))]
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
        Self {
            url: format!("{}/password?token={}", state.address, link.token.reveal()),
            expires_at: link.expires_at,
        }
    }
}

/// Of somebody who is signed in; a 401 would say that they are not.
fn wrong_password(error: identity::Error) -> Problem {
    match error {
        identity::Error::WrongPassword => Problem::forbidden("your current password is another"),
        other => other.into(),
    }
}
