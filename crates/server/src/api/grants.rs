//! `/api/v1/libraries/{name}/grants`: permissions of users in a library, managed by its owners.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use identity::Username;
use library::access::Level;
use library::names::LibraryName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::accounts;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove)))
}

/// Permission of a user in a library.
#[derive(Serialize, ToSchema)]
pub(crate) struct Grant {
    username: String,
    level: Level,
}

/// Permission to grant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    level: Level,
}

/// Lists the permissions in a library by user name. Owners only.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/grants", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library")), responses((status = 200, body = Vec<Grant>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<Grant>>> {
    let grants = accounts::grants(&state.app, &actor, &name).await?;
    Ok(Json(grants.into_iter().map(|(username, level)| Grant { username, level }).collect()))
}

/// Sets a user's permission in a library. Owners only.
#[utoipa::path(put, path = "/api/v1/libraries/{name}/grants/{username}", tag = "libraries", request_body = NewGrant,
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("username" = inline(Username), Path, description = "Name of the user")),
    responses((status = 200, body = Grant)))]
pub(crate) async fn set(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, username)): Path<(String, String)>,
    Body(body): Body<NewGrant>,
) -> Result<Json<Grant>> {
    let username = accounts::set_grant(&state.app, &actor, &name, &username, Some(body.level)).await?;
    Ok(Json(Grant { username: username.to_string(), level: body.level }))
}

/// Revokes a user's permission in a library. Owners only, and not their own.
#[utoipa::path(delete, path = "/api/v1/libraries/{name}/grants/{username}", tag = "libraries",
    params(("name" = inline(LibraryName), Path, description = "Name of the library"), ("username" = inline(Username), Path, description = "Name of the user")),
    responses((status = 204)))]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((name, username)): Path<(String, String)>,
) -> Result<StatusCode> {
    accounts::set_grant(&state.app, &actor, &name, &username, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
