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
use crate::http::schema::{KeyDays, KeyLibraries, KeyName, KeyRateLimit, KeyScopes};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, delete)))
}

/// Key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKeyBody {
    /// Name, unique for the user.
    #[schema(value_type = KeyName)]
    name: String,
    /// Scopes; `read` is always included.
    #[serde(default)]
    #[schema(value_type = KeyScopes, required = false)]
    scopes: BTreeSet<Scope>,
    /// Libraries that the key is limited to; by default it reaches all that its user can reach.
    #[schema(value_type = Option<KeyLibraries>)]
    libraries: Option<BTreeSet<String>>,
    /// Lifetime in days; unlimited by default.
    #[schema(value_type = Option<KeyDays>)]
    expires_in_days: Option<u16>,
    /// Requests per minute; the server's setting by default.
    #[schema(value_type = Option<KeyRateLimit>)]
    rate_limit: Option<i32>,
}

/// Created key with its secret, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    /// Secret.
    #[schema(example = "wy_…")]
    key: String,
    details: Key,
}

/// Changes of a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyChange {
    /// Whether the key can be used.
    enabled: bool,
}

/// Lists the caller's keys; for administrators, all keys.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Vec<Key>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Key>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(keys::list(&mut connection, &actor).await?))
}

/// Creates a key of the caller's. Only this response contains the secret.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, body = CreatedKey)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<NewKeyBody>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<CreatedKey>)> {
    let new = NewKey {
        name: body.name,
        scopes: body.scopes,
        libraries: body.libraries,
        rate_limit: body.rate_limit,
        seconds: body.expires_in_days.map(|days| i64::from(days) * 86_400),
    };
    let (details, key) = app::keys::create(&state.app, &actor, new).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(CreatedKey { key: key.reveal().to_owned(), details })))
}

/// Enables or disables a key, effective at once on every node.
#[utoipa::path(patch, path = "/api/v1/keys/{id}", tag = "keys", request_body = KeyChange,
    params(("id" = Uuid, Path, description = "Id of the key")), responses((status = 200, body = Key)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
    Body(body): Body<KeyChange>,
) -> Result<Json<Key>> {
    Ok(Json(app::keys::set_enabled(&state.app, &actor, id, body.enabled).await?))
}

/// Deletes a key, effective at once on every node.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    params(("id" = Uuid, Path, description = "Id of the key")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
) -> Result<StatusCode> {
    app::keys::delete(&state.app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
