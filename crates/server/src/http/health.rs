//! Liveness, readiness, and metrics.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use kernel::actor::Role;
use library::search::ModelState;
use serde_json::json;

use super::AppState;
use super::authentication::Caller;
use super::client::IsLocal;
use super::problem::{Problem, RawResponse, Result};

/// Returns the routes that need to know the caller or the library.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

/// Returns the route of the liveness probe: the process runs. It stands outside authentication, so that a credential sent along is not
/// looked up: the probe answers while the database does not.
pub(crate) fn liveness() -> Router<AppState> {
    Router::new().route("/healthz", get(async || "ok\n"))
}

/// Readiness: the database answers, and the index is open and brought up to date.
async fn readyz(State(state): State<AppState>) -> Response {
    let lag = tokio::time::timeout(Duration::from_secs(2), state.app.engine.lag()).await;
    let embedding = match state.app.engine.model() {
        ModelState::Ready(model) => model.id().to_owned(),
        ModelState::Loading => "loading".to_owned(),
        ModelState::Off(why) => format!("off: {why}"),
    };
    match lag {
        Ok(Ok(_)) if state.app.engine.is_index_stalled() => not_ready(
            "the full-text index is not updated: another program holds its lock, or writing it fails (see the log)",
        ),
        Ok(Ok(Some(behind))) => (
            StatusCode::OK,
            Json(json!({ "ready": true, "index_changes_behind": behind, "embedding": embedding })),
        )
            .into_response(),
        Ok(Ok(None)) => not_ready("the full-text index is being built"),
        Ok(Err(_)) | Err(_) => not_ready("the database does not answer"),
    }
}

/// Returns the answer while the server is not ready. It is not a problem: probes wait for another status.
fn not_ready(why: &str) -> Response {
    let body = Json(json!({ "ready": false, "why": why }));
    (StatusCode::SERVICE_UNAVAILABLE, Extension(RawResponse), body).into_response()
}

/// Metrics in Prometheus' text format, for this machine and for administrators.
async fn metrics(
    State(state): State<AppState>,
    Caller(actor): Caller,
    IsLocal(is_local): IsLocal,
) -> Result<impl IntoResponse> {
    if !is_local && actor.is_anonymous() {
        return Err(library::Error::SignIn.into());
    }
    if !is_local && !actor.has_role(Role::Admin) {
        return Err(Problem::forbidden("metrics are for administrators"));
    }
    // Sampled at each scrape: leaked tasks show here.
    let tasks =
        u32::try_from(tokio::runtime::Handle::current().metrics().num_alive_tasks()).unwrap_or(u32::MAX);
    metrics::gauge!("wenyuan_tasks").set(tasks);
    Ok(([("content-type", "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render()))
}
