//! `/api/v1/keys`: keys for agents and scripts.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use identity::keys::{self, Key, NewKey};
use kernel::actor::{KeyId, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app;
use crate::http::AppState;
use crate::http::NO_STORE;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, delete)))
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewKeyBody {
    /// Name, such as claude-code or ci.
    name: String,
    /// Scopes: read, write, notes, chats. Read is always included.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false)]
    scopes: BTreeSet<Scope>,
    /// The only libraries it reaches; all that you do where this is left out.
    libraries: Option<BTreeSet<String>>,
    /// Days until it ends; never where this is left out.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u16>,
    /// Requests a minute; the server's usual number where this is left out.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate_limit: Option<i32>,
}

/// A key that was made. It is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    /// The secret.
    #[schema(example = "wy_…")]
    key: String,
    details: Key,
}

/// Changes of a key.
#[derive(Deserialize, ToSchema)]
pub(crate) struct KeyChange {
    /// Whether it may be used.
    enabled: bool,
}

/// Your keys; for administrators, everybody's.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Vec<Key>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Key>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(keys::list(&mut connection, &actor).await?))
}

/// Makes a key of yours. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, body = MadeKey)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<NewKeyBody>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<MadeKey>)> {
    let new = NewKey {
        name: body.name,
        scopes: body.scopes,
        libraries: body.libraries,
        rate_limit: body.rate_limit,
        seconds: body.expires_in_days.map(|days| i64::from(days) * 86_400),
    };
    let (details, key) = app::keys::create(&state.app, &actor, new).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(MadeKey { key: key.reveal().to_owned(), details })))
}

/// Enables or disables a key, at once and everywhere.
#[utoipa::path(patch, path = "/api/v1/keys/{id}", tag = "keys", request_body = KeyChange,
    params(("id" = Uuid, Path, description = "The key")), responses((status = 200, body = Key)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
    Body(body): Body<KeyChange>,
) -> Result<Json<Key>> {
    Ok(Json(app::keys::set_enabled(&state.app, &actor, id, body.enabled).await?))
}

/// Deletes a key, at once and everywhere.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    params(("id" = Uuid, Path, description = "The key")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
) -> Result<StatusCode> {
    app::keys::delete(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
