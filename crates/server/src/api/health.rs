//! Whether the server lives, whether it can answer, and what it has counted.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use kernel::actor::Role;
use library::search::ModelState;
use serde_json::json;

use super::State;
use super::authenticate::Caller;
use super::client::IsLocal;
use super::problem::{Problem, Result};

/// The process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and the index has been read: requests can be sent here.
pub(crate) async fn readyz(Given(state): Given<State>) -> impl IntoResponse {
    let asked = tokio::time::timeout(Duration::from_secs(2), state.app.engine.lag()).await;
    let embedding = match state.app.engine.model() {
        ModelState::Ready(model) => model.id().to_owned(),
        ModelState::Loading => "loading".to_owned(),
        ModelState::Off(why) => format!("off: {why}"),
    };
    match asked {
        Ok(Ok(Some(behind))) => (
            StatusCode::OK,
            Json(json!({ "ready": true, "index_changes_behind": behind, "embedding": embedding })),
        ),
        Ok(Ok(None)) => not_ready("the full-text index is being built"),
        Ok(Err(_)) | Err(_) => not_ready("the database does not answer"),
    }
}

fn not_ready(why: &str) -> (StatusCode, Json<serde_json::Value>) {
    // Not a problem but an answer: what asks is a machine that waits for another status.
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "why": why })))
}

/// What has been counted, in Prometheus' text format: for this machine itself, and for administrators.
pub(crate) async fn metrics(
    Given(state): Given<State>,
    Caller(actor): Caller,
    IsLocal(is_local): IsLocal,
) -> Result<impl IntoResponse> {
    if !is_local && actor.is_nobody() {
        return Err(library::Error::SignIn.into());
    }
    if !is_local && !actor.has_role(Role::Admin) {
        return Err(Problem::forbidden("what is counted is for administrators to see"));
    }
    // True at the moment it is asked for: a task that nobody ends shows here.
    let tasks =
        u32::try_from(tokio::runtime::Handle::current().metrics().num_alive_tasks()).unwrap_or(u32::MAX);
    metrics::gauge!("wenyuan_tasks").set(tasks);
    Ok(([("content-type", "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render()))
}
