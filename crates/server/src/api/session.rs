//! `/api/v1/session` and `/api/v1/sessions`: signing in and out, who one is, and where else one is signed in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use identity::sessions::{self, Session};
use identity::sign_in::{self, SessionTokens};
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
use crate::http::{AppState, NO_STORE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list_of_user, end_all_of_user))).merge(bounded(
        OpenApiRouter::new()
            .routes(routes!(begin, show, end))
            .routes(routes!(renew))
            .routes(routes!(list, end_all))
            .routes(routes!(end_other)),
    ))
}

/// Credentials.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignIn {
    /// Name or mail address.
    name: String,
    #[schema(format = Password)]
    password: String,
}

/// A session's token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Renew {
    session_token: String,
}

/// Tokens of a new session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedInBody {
    /// For the header `Authorization: Bearer …`, for a quarter of an hour.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds that the access token is good.
    expires_in: i64,
    /// Gets further access tokens, while the session lives: 30 days from its last use.
    session_token: String,
    user: User,
}

/// The caller and its permissions.
#[derive(Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    /// The user; null for a key of the library's owner.
    user: Option<Who>,
    /// Role in the installation.
    #[schema(value_type = Option<String>)]
    role: Option<kernel::actor::Role>,
    /// The session, where somebody signed in.
    #[schema(value_type = Option<Uuid>)]
    session: Option<SessionId>,
    /// The key, where one was shown.
    key: Option<WhichKey>,
    /// Scopes of the credential: read, write, notes, chats.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// The only libraries that the key reaches; null for all that its user does.
    libraries: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Who {
    #[schema(value_type = Uuid)]
    id: UserId,
    username: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WhichKey {
    #[schema(value_type = Option<Uuid>)]
    id: Option<kernel::actor::KeyId>,
    name: String,
}

/// Which sessions are ended.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichSessions {
    /// All but the one that asks.
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
            user: tokens.user,
        }
    }
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = SignedInBody)))]
pub(crate) async fn begin(
    State(state): State<AppState>,
    Client(origin): Client,
    Body(body): Body<SignIn>,
) -> Result<([(HeaderName, &'static str); 1], Json<SignedInBody>)> {
    let app = &state.app;
    let signer = app.authenticator.signer();
    let signed_in = sign_in::with_password(
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

/// A new access token for a session's token.
#[utoipa::path(post, path = "/api/v1/session/renew", tag = "session", request_body = Renew,
    responses((status = 200, body = SignedInBody)))]
pub(crate) async fn renew(
    State(state): State<AppState>,
    Body(body): Body<Renew>,
) -> Result<([(HeaderName, &'static str); 1], Json<SignedInBody>)> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let token = Token::from_text(&body.session_token);
    let renewed = sign_in::renew(&mut connection, state.app.authenticator.signer(), &token).await?;
    Ok((NO_STORE, Json(renewed.into())))
}

/// Returns the caller and its permissions.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn show(Caller(actor): Caller) -> Result<Json<WhoAmI>> {
    if actor.is_anonymous() {
        return Err(identity::Error::SignIn.into());
    }
    Ok(Json(WhoAmI {
        user: actor.user_id().map(|id| Who { id, username: actor.name().to_owned() }),
        role: actor.role(),
        session: actor.session_id(),
        key: actor.key_name().map(|name| WhichKey { id: actor.key_id(), name: name.to_owned() }),
        scopes: Scope::ALL.into_iter().filter(|scope| actor.has_scope(*scope)).collect(),
        libraries: actor.key_libraries().map(|names| names.iter().cloned().collect()),
    }))
}

/// Signs out: ends the session that asks.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204)))]
pub(crate) async fn end(State(state): State<AppState>, Caller(actor): Caller) -> Result<StatusCode> {
    require_person(&actor)?;
    let session = actor.session_id().ok_or(identity::Error::NoSession)?;
    app::sessions::end(&state.app, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Your sessions, the one used last first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", responses((status = 200, body = Vec<Session>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Session>>> {
    let user = require_person(&actor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(sessions::list(&mut connection, &actor, user).await?))
}

/// Ends all your sessions, or all but the one that asks.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", params(WhichSessions), responses((status = 204)))]
pub(crate) async fn end_all(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(which): Query<WhichSessions>,
) -> Result<StatusCode> {
    let user = require_person(&actor)?;
    app::sessions::end_all(&state.app, &actor, user, which.keep_current).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session: yours, or, for administrators, anybody's.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session",
    params(("id" = Uuid, Path, description = "The session")), responses((status = 204)))]
pub(crate) async fn end_other(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
) -> Result<StatusCode> {
    app::sessions::end(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's sessions: for themselves and for administrators.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions", tag = "users",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 200, body = Vec<Session>)))]
pub(crate) async fn list_of_user(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<UserId>,
) -> Result<Json<Vec<Session>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    users::find(&mut connection, &actor, id).await?.ok_or(identity::Error::NoUser)?;
    Ok(Json(sessions::list(&mut connection, &actor, id).await?))
}

/// Ends all sessions of a user: for themselves and for administrators.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", tag = "users",
    params(("id" = Uuid, Path, description = "The user")), responses((status = 204)))]
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
