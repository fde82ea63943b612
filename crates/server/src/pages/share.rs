//! `/share/{token}`: a chat as it was when the link was made. Who may open it is for a setting to say; that it exists is told to
//! nobody else.

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chat::transfer::{html, shares};
use kernel::secret::Token;
use tokio::sync::Semaphore;

use super::frame::Frame;
use super::see_other;
use crate::http::AppState;
use crate::http::problem::{Problem, RawResponse};
use crate::settings::ShareLinks;

/// Shared chats that are rendered at once, on this node. With links that anyone may open, nobody in particular asks for them.
static SHOWN: Semaphore = Semaphore::const_new(4);

/// Shows it.
pub(crate) async fn show(State(state): State<AppState>, frame: Frame, Path(token): Path<String>) -> Response {
    let allowed = state.app.settings.chat.share_links();
    if allowed == ShareLinks::Off {
        return absent();
    }
    // Asked before the link is looked up: nobody learns by being sent to sign in whether there is one.
    if allowed == ShareLinks::Team && frame.actor.is_anonymous() {
        return see_other(&format!("/sign-in?next={}", frame.here()));
    }
    let rendered = async {
        // Held until it is rendered: what waits is small, what is rendered is some ten megabytes.
        let _one_of_few = SHOWN.acquire().await.map_err(|error| Problem::internal(error.to_string()))?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let Some(chat) = shares::open(&mut connection, &Token::from_text(&token)).await? else {
            return Ok(None);
        };
        drop(connection);
        let (address, language) = (state.address.clone(), frame.language().of_chats());
        let rendering = tokio::task::spawn_blocking(move || html::render(&chat, &address, language));
        rendering.await.map(Some).map_err(|error| Problem::internal(error.to_string()))
    };
    match rendered.await {
        Ok(Some(text)) => page(text),
        Ok(None) => absent(),
        Err::<_, Problem>(problem) => problem.into_response(),
    }
}

fn absent() -> Response {
    Problem::not_found(
        "this link leads to nothing: it has ended, or was never made; ask whoever gave it to you for another",
    )
    .into_response()
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
