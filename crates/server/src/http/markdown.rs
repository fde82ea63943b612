//! Responses of Markdown and plain text: documents, and the lists of `llms.txt`.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::actor::Actor;
use library::documents::reading::{self, VisibleDocument};
use library::documents::{self};
use library::label::VersionRequest;
use library::names::DocumentPath;
use library::{Error, changes};

use super::problem::Result;
use super::{AppState, accept, etag};
use crate::app::places::VersionPlace;
use crate::app::{address, links};

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
    content_type: &'static str,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut document: Option<VisibleDocument> = None;
    let paths: Vec<DocumentPath> = paths.iter().filter_map(|path| path.parse().ok()).collect();
    for path in &paths {
        document = reading::by_path(&mut connection, actor, &place.library, &place.version, path).await?;
        if document.is_some() {
            break;
        }
    }
    let document = match (document, paths.last()) {
        (Some(document), _) => document,
        // The error names the versions that have it, or documents of similar names.
        (None, Some(path)) => {
            let version = VersionRequest::Exact(place.version.label.clone());
            reading::find(&mut connection, actor, &place.library, &version, path).await?
        }
        (None, None) => return Err(Error::NoDocument.into()),
    };
    // A revision's text never changes; where its links lead does, with other documents of the library.
    let tag = if content_type == MARKDOWN {
        let state = changes::sequence(&mut connection).await?;
        format!("\"{}-md-{}-{}\"", document.revision_id, state.passages, state.catalogue)
    } else {
        format!("\"{}-txt\"", document.revision_id)
    };
    if etag::none_match_has(headers, &tag) {
        return Ok(not_modified(tag));
    }
    let content = documents::content(&mut connection, document.revision_id).await?;
    let mut content = content.ok_or(Error::NoDocument)?;
    if content_type == MARKDOWN {
        content = links::markdown(&mut connection, &place.library, &document, content).await?;
    }
    let headers = [(header::ETAG, tag), (header::CONTENT_TYPE, content_type.to_owned())];
    Ok((headers, no_scripts(), content).into_response())
}

/// Redirects to the same path in the resolved version.
pub(crate) fn redirect(version: &str, rest: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{version}/{}{query}", address::escaped(rest));
    // Temporary: the version can resolve to another one later.
    (StatusCode::FOUND, [(header::LOCATION, location)], no_scripts()).into_response()
}

/// Sends a list as plain text, or as Markdown if the client prefers it.
pub(crate) fn listing(headers: &HeaderMap, text: String) -> Response {
    let content_type = if accept::prefers_markdown(headers) { MARKDOWN } else { PLAIN };
    ([(header::CONTENT_TYPE, content_type)], no_scripts(), text).into_response()
}

/// Returns 304.
pub(crate) fn not_modified(tag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], no_scripts()).into_response()
}

/// Returns the headers of every such response: browsers never run its content, and only private caches store it, since other
/// users may not see it.
pub(crate) fn no_scripts() -> [(HeaderName, &'static str); 4] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept"),
    ]
}
