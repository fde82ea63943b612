//! `/share/{token}`: a chat as it was when the link was made. Who may open it is for a setting to say; that it exists is told to
//! nobody else.

use axum::extract::{Path, State as Given};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chat::portable::{html, shares};
use kernel::secret::Token;

use super::frame::Frame;
use super::see_other;
use crate::api::State;
use crate::api::problem::{AsItIs, Problem};
use crate::settings::ShareLinks;

/// Shows it.
pub(crate) async fn show(Given(state): Given<State>, frame: Frame, Path(token): Path<String>) -> Response {
    let allowed = state.app.settings.share_links();
    if allowed == ShareLinks::Off {
        return absent();
    }
    // Asked before the link is looked up: nobody learns by being sent to sign in whether there is one.
    if allowed == ShareLinks::Team && frame.actor.is_nobody() {
        return see_other(&format!("/sign-in?next={}", frame.here()));
    }
    let found = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok(shares::open(&mut connection, &Token::shown(&token)).await?)
    };
    match found.await {
        Ok(Some(chat)) => page(html::render(&chat, &state.address, frame.language().of_chats())),
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
    let policy = format!("{}; frame-ancestors 'none'", html::policy());
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
    response.extensions_mut().insert(AsItIs);
    response
}
