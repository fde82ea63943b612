//! `/api/v1/libraries/{name}/grants`: who was granted how much in a library, which its owners see and say.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Given;
use axum::http::StatusCode;
use identity::{Username, users};
use kernel::actor::{Actor, UserId};
use library::access::{self, Level};
use library::catalogue::{self, Library};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::State;
use super::authenticate::Caller;
use super::input::{self, Json as Body, Path};
use super::problem::Result;

/// What a user was granted in a library.
#[derive(Serialize, ToSchema)]
pub(crate) struct Grant {
    username: String,
    level: Level,
}

/// What a user is granted.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewGrant {
    level: Level,
}

/// Who was granted how much in a library, by name: for its owners.
#[utoipa::path(get, path = "/api/v1/libraries/{name}/grants", tag = "libraries",
    params(("name" = String, Path, description = "The library")), responses((status = 200, body = Vec<Grant>)))]
pub(crate) async fn list(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<Grant>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let library = find(&mut connection, &actor, &name).await?;
    let levels: HashMap<UserId, Level> =
        access::grants(&mut connection, &actor, &library).await?.into_iter().collect();
    let ids: Vec<UserId> = levels.keys().copied().collect();
    let names = users::names(&mut connection, &ids).await?;
    let grant = |(id, username)| Some(Grant { username, level: *levels.get(&id)? });
    Ok(Json(names.into_iter().filter_map(grant).collect()))
}

/// Grants a user so much in a library: for its owners.
#[utoipa::path(put, path = "/api/v1/libraries/{name}/grants/{username}", tag = "libraries", request_body = NewGrant,
    params(("name" = String, Path, description = "The library"), ("username" = String, Path, description = "The user")),
    responses((status = 200, body = Grant)))]
pub(crate) async fn set(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((name, username)): Path<(String, String)>,
    Body(body): Body<NewGrant>,
) -> Result<Json<Grant>> {
    let username = change(&state, &actor, &name, &username, Some(body.level)).await?;
    Ok(Json(Grant { username: username.to_string(), level: body.level }))
}

/// Takes a grant back: for the library's owners. Nobody takes it from themselves.
#[utoipa::path(delete, path = "/api/v1/libraries/{name}/grants/{username}", tag = "libraries",
    params(("name" = String, Path, description = "The library"), ("username" = String, Path, description = "The user")),
    responses((status = 204)))]
pub(crate) async fn remove(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((name, username)): Path<(String, String)>,
) -> Result<StatusCode> {
    change(&state, &actor, &name, &username, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says how far a user may go in a library: for its owners.
pub(crate) async fn change(
    state: &State,
    actor: &Actor,
    name: &str,
    username: &str,
    level: Option<Level>,
) -> Result<Username> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = find(&mut transaction, actor, name).await?;
    // First, so that only an owner learns who there is.
    access::require(actor, &library, Level::Own)?;
    let username: Username = username.parse().map_err(identity::Error::from)?;
    let user = users::id_of(&mut transaction, actor, &username).await?;
    access::grant(&mut transaction, actor, &library, user, level).await?;
    transaction.commit().await?;
    Ok(username)
}

async fn find(connection: &mut PgConnection, actor: &Actor, name: &str) -> Result<Arc<Library>> {
    let name = input::library(name)?;
    Ok(Arc::clone(catalogue::read(connection).await?.library(actor, &name)?))
}
