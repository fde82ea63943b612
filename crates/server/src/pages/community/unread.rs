//! `/notifications/unread`: the number of unread notifications as it changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::stream::{self, Stream};
use social::positions::Watched;

use crate::app::watch::Watcher;
use crate::http::AppState;
use crate::http::authentication::LastingCredential;
use crate::http::problem::Result;
use crate::pages::frame::{Frame, count_unread};

/// Interval at which a silent stream is checked for the end of its session.
const CHECK: Duration = Duration::from_secs(15);

/// Routes of the number.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/notifications/unread", get(follow))
}

async fn follow(State(state): State<AppState>, frame: Frame, headers: HeaderMap) -> Result<Response> {
    let credential = LastingCredential::of(&headers, state.app.settings.server.secure_cookies());
    let (Some(reader), Some(credential)) = (frame.reader(), credential) else {
        // A page whose session has ended no longer connects (HTML, section 9.2.3).
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let watcher = state.app.watchers.watch(Watched::Notifications(reader))?;
    let events = numbers(state, credential, watcher);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(CHECK)).into_response();
    // nginx buffers responses otherwise.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Returns the number whenever it changes, to the end of the session.
fn numbers(
    state: AppState,
    credential: LastingCredential,
    watcher: Watcher,
) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
    stream::unfold((state, credential, watcher, None), async |(state, credential, mut watcher, mut known)| {
        loop {
            if let Ok(false) = tokio::time::timeout(CHECK, watcher.changed()).await {
                return None;
            }
            let found = credential.check(&state.app.authenticator).await.ok()?;
            let Some(unread) = count_unread(&state, &found.actor).await else { continue };
            if known.replace(unread) != Some(unread) {
                let event = Event::default().data(unread.to_string());
                return Some((Ok(event), (state, credential, watcher, known)));
            }
        }
    })
}
