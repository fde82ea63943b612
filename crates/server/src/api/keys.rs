//! `/api/v1/keys`: keys for agents and scripts.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State as Given;
use axum::http::{HeaderName, StatusCode};
use identity::keys::{self, Key, NewKey};
use kernel::actor::{Actor, KeyId, Scope};
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::authenticate::Caller;
use super::input::{self, Json as Body, Path};
use super::problem::Result;
use super::session::{NOT_KEPT, user_in_person};

/// A key to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewKeyBody {
    /// What it is for: claude-code, ci.
    name: String,
    /// What it may be used for: read, write, notes. Reading is always among it.
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

/// What is changed of a key.
#[derive(Deserialize, ToSchema)]
pub(crate) struct KeyChange {
    /// Whether it may be used.
    enabled: bool,
}

/// Your keys; for administrators, everybody's.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Vec<Key>)))]
pub(crate) async fn list(Given(state): Given<State>, Caller(actor): Caller) -> Result<Json<Vec<Key>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(keys::list(&mut connection, &actor).await?))
}

/// Makes a key of yours. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKeyBody,
    responses((status = 201, body = MadeKey)))]
pub(crate) async fn create(
    Given(state): Given<State>,
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
    let (details, key) = make(&state, &actor, new).await?;
    Ok((StatusCode::CREATED, NOT_KEPT, Json(MadeKey { key: key.reveal().to_owned(), details })))
}

/// Enables or disables a key, at once and everywhere.
#[utoipa::path(patch, path = "/api/v1/keys/{id}", tag = "keys", request_body = KeyChange,
    params(("id" = Uuid, Path, description = "The key")), responses((status = 200, body = Key)))]
pub(crate) async fn change(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
    Body(body): Body<KeyChange>,
) -> Result<Json<Key>> {
    Ok(Json(enable(&state, &actor, id, body.enabled).await?))
}

/// Deletes a key, at once and everywhere.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    params(("id" = Uuid, Path, description = "The key")), responses((status = 204)))]
pub(crate) async fn delete(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path(id): Path<KeyId>,
) -> Result<StatusCode> {
    remove(&state, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a key of whoever asks.
pub(crate) async fn make(state: &State, actor: &Actor, mut new: NewKey) -> Result<(Key, Token)> {
    let user = user_in_person(actor)?;
    let catalogue = state.app.engine.catalogue().await?;
    if let Some(given) = new.libraries.take() {
        let mut names = BTreeSet::new();
        for name in given {
            // A name that is mistyped would make a key that reaches nothing.
            names.insert(catalogue.library(actor, &input::library(&name)?)?.name.to_string());
        }
        new.libraries = Some(names);
    }
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let made = keys::create(&mut transaction, actor, Some(user), new).await?;
    transaction.commit().await?;
    Ok(made)
}

pub(crate) async fn enable(state: &State, actor: &Actor, id: KeyId, enabled: bool) -> Result<Key> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let key = keys::enable(&mut transaction, actor, id, enabled).await?;
    transaction.commit().await?;
    state.app.gate.forget();
    Ok(key)
}

pub(crate) async fn remove(state: &State, actor: &Actor, id: KeyId) -> Result<()> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    keys::delete(&mut transaction, actor, id).await?;
    transaction.commit().await?;
    state.app.gate.forget();
    Ok(())
}
