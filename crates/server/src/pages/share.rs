//! `/share/{token}`: a chat as it was when the link was created. A setting says who can open links; to others a link does not exist.
//! Signed-in readers do not see passages of libraries that they cannot read.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chat::transfer::{html, shares};
use kernel::secret::Token;
use tokio::sync::Semaphore;

use super::error::{PageError, PageResult};
use super::frame::Frame;
use crate::http::AppState;
use crate::http::problem::{Problem, RawResponse};
use crate::settings::ShareLinks;

/// Limit on shared chats that are rendered at once on this node, since requests can be anonymous.
static RENDERINGS: Semaphore = Semaphore::const_new(4);

/// Routes of shared chats.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/share/{token}", get(show))
}

/// Shows a shared chat.
async fn show(State(state): State<AppState>, frame: Frame, Path(token): Path<String>) -> PageResult {
    let allowed = state.app.settings.chat.share_links();
    if allowed == ShareLinks::Off {
        return Err(link_not_found().into());
    }
    // Before the link is looked up: the redirect does not reveal whether it exists.
    if allowed == ShareLinks::Team && frame.actor.is_anonymous() {
        return Err(PageError::sign_in(frame.here()));
    }
    // Held until the chat is rendered: a waiting request is small, a rendered chat has some ten megabytes.
    let _permit = RENDERINGS.acquire().await.map_err(|error| Problem::internal(error.to_string()))?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    // Links that anyone can open show everybody the same.
    let reader = (allowed == ShareLinks::Team).then_some(&frame.actor);
    let chat =
        shares::open(&mut connection, &Token::from_text(&token), reader).await?.ok_or_else(link_not_found)?;
    drop(connection);
    let (address, language) = (state.address.clone(), frame.language().of_chats());
    let rendering = tokio::task::spawn_blocking(move || html::render_shared(&chat, &address, language));
    Ok(page(rendering.await.map_err(|error| Problem::internal(error.to_string()))?))
}

fn link_not_found() -> Problem {
    Problem::not_found("this link does not exist or has expired; ask for a new one")
}

fn page(text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    let policy = format!("{}; frame-ancestors 'none'", html::content_security_policy());
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response.extensions_mut().insert(RawResponse);
    response
}
