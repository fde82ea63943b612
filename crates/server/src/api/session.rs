//! `/api/v1/session` and `/api/v1/sessions`: signing in and out, the caller, and their sessions.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use identity::sessions::{self, Session};
use identity::sign_in::{self as signing_in, SessionTokens};
use identity::users::{self, User};
use kernel::actor::{Scope, SessionId, UserId};
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app;
use crate::app::sessions::require_person;
use crate::http::authentication::Caller;
use crate::http::client::Client;
use crate::http::input::{Json as Body, Path, Query};
use crate::http::problem::Result;
use crate::http::router::{bounded, tagged};
use crate::http::schema::{CurrentPassword, DeviceToken, Login, SecretToken};
use crate::http::{AppState, NO_STORE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list_of_user, end_all_of_user))).merge(bounded(
        OpenApiRouter::new()
            .routes(routes!(sign_in, show, end))
            .routes(routes!(renew))
            .routes(routes!(list, end_all))
            .routes(routes!(end_other)),
    ))
}

/// Credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// User name or email address.
    #[schema(value_type = Login)]
    name: String,
    #[schema(value_type = CurrentPassword)]
    password: String,
    /// `device_token` of an earlier sign-in of the user: attempts with it do not wait for those of other clients.
    #[serde(default)]
    #[schema(value_type = Option<DeviceToken>)]
    device_token: Option<String>,
}

/// Token of a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renew {
    #[schema(value_type = SecretToken)]
    session_token: String,
}

/// Tokens of a new session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedInBody {
    /// Token for the header `Authorization: Bearer …`, valid for 15 minutes.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Lifetime of the access token in seconds.
    expires_in: i64,
    /// Token that renews access tokens. It expires 30 days after its last use.
    session_token: String,
    /// Token for `device_token` at the next sign-in, valid for 400 days; null if the session was renewed.
    device_token: Option<String>,
    user: User,
}

/// The caller and its permissions.
#[derive(Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    /// User; null for a key of the library's owner.
    user: Option<CallerUser>,
    /// Role in the installation.
    role: Option<kernel::actor::Role>,
    /// Id of the session; null for a key.
    #[schema(value_type = Option<Uuid>)]
    session: Option<SessionId>,
    /// API key; null for a session.
    key: Option<CallerKey>,
    /// Scopes of the credential.
    scopes: Vec<Scope>,
    /// Libraries that the key is limited to; null for all that its user can reach.
    libraries: Option<Vec<String>>,
}

/// User who makes a request.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallerUser {
    #[schema(value_type = Uuid)]
    id: UserId,
    username: String,
}

/// API key of a request.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallerKey {
    #[schema(value_type = Option<Uuid>)]
    id: Option<kernel::actor::KeyId>,
    name: String,
}

/// Selection of sessions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionSelection {
    /// Whether the caller's own session is kept.
    #[serde(default)]
    #[param(default = false)]
    keep_current: bool,
}

impl From<SessionTokens> for SignedInBody {
    fn from(tokens: SessionTokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            session_token: tokens.token.reveal().to_owned(),
            device_token: tokens.device_token.map(|token| token.reveal().to_owned()),
            user: tokens.user,
        }
    }
}

/// Signs in with a name and a password.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = SignedInBody)))]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    Client(mut origin): Client,
    Body(body): Body<SignIn>,
) -> Result<([(HeaderName, &'static str); 1], Json<SignedInBody>)> {
    let app = &state.app;
    if let Some(token) = &body.device_token {
        origin.device_token = Some(Token::from_text(token));
    }
    let signer = app.authenticator.signer();
    let signed_in = signing_in::with_password(
        app.pool(),
        &app.caches,
        &app.passwords,
        signer,
        &body.name,
        &body.password,
        &origin,
    )
    .await?;
    Ok((NO_STORE, Json(signed_in.into())))
}

/// Renews the access token of a session.
#[utoipa::path(post, path = "/api/v1/session/renew", tag = "session", request_body = Renew,
    responses((status = 200, body = SignedInBody)))]
pub(crate) async fn renew(
    State(state): State<AppState>,
    Body(body): Body<Renew>,
) -> Result<([(HeaderName, &'static str); 1], Json<SignedInBody>)> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let token = Token::from_text(&body.session_token);
    let renewed = signing_in::renew(&mut connection, state.app.authenticator.signer(), &token).await?;
    Ok((NO_STORE, Json(renewed.into())))
}

/// Returns the caller and its permissions.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn show(Caller(actor): Caller) -> Result<Json<WhoAmI>> {
    if actor.is_anonymous() {
        return Err(identity::Error::SignIn.into());
    }
    Ok(Json(WhoAmI {
        user: actor.user_id().map(|id| CallerUser { id, username: actor.name().to_owned() }),
        role: actor.role(),
        session: actor.session_id(),
        key: actor.key_name().map(|name| CallerKey { id: actor.key_id(), name: name.to_owned() }),
        scopes: Scope::ALL.into_iter().filter(|scope| actor.has_scope(*scope)).collect(),
        libraries: actor.key_libraries().map(|names| names.iter().cloned().collect()),
    }))
}

/// Signs out: ends the caller's session.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204)))]
pub(crate) async fn end(State(state): State<AppState>, Caller(actor): Caller) -> Result<StatusCode> {
    require_person(&actor)?;
    let session = actor.session_id().ok_or(identity::Error::NoSession)?;
    app::sessions::end(&state.app, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's sessions, last used first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", responses((status = 200, body = Vec<Session>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Session>>> {
    let user = require_person(&actor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(sessions::list(&mut connection, &actor, user).await?))
}

/// Ends all of the caller's sessions, or all others.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", params(SessionSelection), responses((status = 204)))]
pub(crate) async fn end_all(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(selection): Query<SessionSelection>,
) -> Result<StatusCode> {
    let user = require_person(&actor)?;
    app::sessions::end_all(&state.app, &actor, user, selection.keep_current).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session: one of the caller's or, for administrators, anyone's.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session",
    params(("id" = Uuid, Path, description = "Id of the session")), responses((status = 204)))]
pub(crate) async fn end_other(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
) -> Result<StatusCode> {
    app::sessions::end(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists a user's sessions. For the user and for administrators.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 200, body = Vec<Session>)))]
pub(crate) async fn list_of_user(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<Json<Vec<Session>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    users::find(&mut connection, &actor, id).await?.ok_or(identity::Error::NoUser)?;
    Ok(Json(sessions::list(&mut connection, &actor, id).await?))
}

/// Ends all sessions of a user. For the user and for administrators.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user")), responses((status = 204)))]
pub(crate) async fn end_all_of_user(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    users::find(&mut connection, &actor, id).await?.ok_or(identity::Error::NoUser)?;
    drop(connection);
    app::sessions::end_all(&state.app, &actor, id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
