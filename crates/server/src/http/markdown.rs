//! Responses of Markdown and plain text: documents, and the lists of `llms.txt`.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::actor::Actor;
use library::Error;
use library::documents::reading::{self, VisibleDocument};
use library::documents::{self};
use library::label::VersionRequest;
use library::names::DocumentPath;

use super::problem::Result;
use super::{AppState, accept, etag};
use crate::app::address;
use crate::app::places::VersionPlace;

pub(crate) const MARKDOWN: &str = "text/markdown; charset=utf-8";
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// Sends the Markdown of the first of these documents that exists.
pub(crate) async fn send(
    state: &AppState,
    actor: &Actor,
    place: &VersionPlace,
    paths: &[&str],
    headers: &HeaderMap,
) -> Result<Response> {
    text(state, actor, place, paths, headers, MARKDOWN).await
}

/// Like [`send`], as plain text.
pub(crate) async fn send_plain(
    state: &AppState,
    actor: &Actor,
    place: &VersionPlace,
    paths: &[&str],
    headers: &HeaderMap,
) -> Result<Response> {
    text(state, actor, place, paths, headers, PLAIN).await
}

async fn text(
    state: &AppState,
    actor: &Actor,
    place: &VersionPlace,
    paths: &[&str],
    headers: &HeaderMap,
    shown: &'static str,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut found: Option<VisibleDocument> = None;
    let paths: Vec<DocumentPath> = paths.iter().filter_map(|path| path.parse().ok()).collect();
    for path in &paths {
        found = reading::by_path(&mut connection, actor, &place.library, &place.version, path).await?;
        if found.is_some() {
            break;
        }
    }
    let found = match (found, paths.last()) {
        (Some(found), _) => found,
        // The error names the versions that have it, or documents of similar names.
        (None, Some(path)) => {
            let version = VersionRequest::Exact(place.version.label.clone());
            reading::find(&mut connection, actor, &place.library, &version, path).await?
        }
        (None, None) => return Err(Error::NoDocument.into()),
    };
    // A revision's text never changes.
    let form = if shown == MARKDOWN { "md" } else { "txt" };
    let tag = format!("\"{}-{form}\"", found.revision_id);
    if etag::is_held(headers, &tag) {
        return Ok(not_modified(tag));
    }
    let content = documents::content(&mut connection, found.revision_id).await?;
    let content = content.ok_or(Error::NoDocument)?;
    let answer = [(header::ETAG, tag), (header::CONTENT_TYPE, shown.to_owned())];
    Ok((answer, careful(), content).into_response())
}

/// Redirects to the same path in the version that an address means.
pub(crate) fn redirect(version: &str, rest: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{version}/{}{query}", address::escaped(rest));
    // Temporary: the meaning can change.
    (StatusCode::FOUND, [(header::LOCATION, location)], careful()).into_response()
}

/// Sends a list as plain text, or as Markdown where the client prefers it.
pub(crate) fn listing(headers: &HeaderMap, text: String) -> Response {
    let shown = if accept::prefers_markdown(headers) { MARKDOWN } else { PLAIN };
    ([(header::CONTENT_TYPE, shown)], careful(), text).into_response()
}

/// Answers 304.
pub(crate) fn not_modified(tag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], careful()).into_response()
}

/// Headers of every such response: its content is never run, and stored by private caches only, since others may not see it.
pub(crate) fn careful() -> [(HeaderName, &'static str); 4] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept"),
    ]
}
