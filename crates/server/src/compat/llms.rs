//! `/llms.txt` and `/l/…`: libraries for agents without a protocol: lists of links, and each document as Markdown.
//!
//! An address with a version request (`latest`, `5.x`, `active`) redirects to the resolved version. See [`crate::app::address`] for
//! the form of addresses.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use kernel::actor::Actor;
use kernel::chain::Chain;
use kernel::page::Cursor;
use library::catalogue::Library;
use library::documents::outline::{self, OutlineEntry};
use library::documents::{self};
use library::label::VersionRequest;
use library::names::DocumentPath;
use library::{Error, changes};
use serde::Deserialize;
use store::objects::Hash;
use utoipa::IntoParams;

use crate::app::places::{self, Place, VersionPlace};
use crate::app::{address, llms_txt as llms};
use crate::http::authentication::Caller;
use crate::http::input::{self, Path, Query};
use crate::http::problem::Result;
use crate::http::router::tagged;
use crate::http::schema::described;
use crate::http::{AppState, accept, etag, markdown};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(root))
            .routes(routes!(of_library))
            .routes(routes!(of_version))
            .routes(routes!(full)),
    )
}

described! {
    /// Name of a library in a path: the slash is written `~`.
    PathLibrary = kernel::schema::text(1..=100, "^[A-Za-z0-9][A-Za-z0-9._-]*(~[A-Za-z0-9][A-Za-z0-9._-]*)?$");
}

/// Page of a long list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Start of the page, as linked on the previous one.
    #[param(value_type = Option<Cursor>, inline)]
    after: Option<String>,
}

impl Paging {
    fn cursor(&self) -> Result<Option<Cursor>> {
        self.after.as_deref().map(input::cursor).transpose()
    }
}

/// Lists the libraries that the caller can read, as llms.txt.
#[utoipa::path(get, path = "/llms.txt", tag = "reading", params(Paging),
    responses((status = 200, description = "List", content_type = "text/plain", body = String)))]
pub(crate) async fn root(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut libraries: Vec<&Library> = catalogue.libraries(&actor).into_iter().map(Arc::as_ref).collect();
    if let Some(cursor) = paging.cursor()? {
        let after: String = cursor.decode().map_err(|error| invalid_cursor(&error))?;
        libraries.retain(|library| library.name.as_str() > after.as_str());
    }
    let (libraries, next) = first_page(&libraries, |last| Cursor::encode(&last.name));
    Ok(markdown::listing(&headers, llms::of_libraries(libraries, next.as_deref())))
}

/// Lists the versions of a library, as llms.txt.
#[utoipa::path(get, path = "/l/{library}/llms.txt", tag = "reading",
    params(("library" = inline(PathLibrary), Path, description = "Name of the library, with ~ instead of a slash"), Paging),
    responses((status = 200, description = "List", content_type = "text/plain", body = String)))]
pub(crate) async fn of_library(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(library): Path<String>,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &address::library(&library).map_err(Error::from)?)?;
    // Highest first.
    let after: Option<String> =
        paging.cursor()?.map(|cursor| cursor.decode().map_err(|error| invalid_cursor(&error))).transpose()?;
    let begin = after.map_or(0, |after| {
        library.versions.iter().take_while(|version| version.label.sort_key() >= after).count()
    });
    let versions = library.versions.get(begin..).unwrap_or_default();
    let (versions, next) = first_page(versions, |last| Cursor::encode(&last.label.sort_key()));
    Ok(markdown::listing(&headers, llms::of_library(library, versions, next.as_deref())))
}

/// Lists the documents of a version, as llms.txt. A range or `latest` redirects to the resolved version.
#[utoipa::path(get, path = "/l/{library}/{version}/llms.txt", tag = "reading",
    params(("library" = inline(PathLibrary), Path, description = "Name of the library, with ~ instead of a slash"),
           ("version" = inline(VersionRequest), Path, description = "Label or range of the version, `latest` or `active`"), Paging),
    responses((status = 200, description = "List", content_type = "text/plain", body = String),
              (status = 302, description = "Found: the version has another label")))]
pub(crate) async fn of_version(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((library, version)): Path<(String, String)>,
    Query(paging): Query<Paging>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let after = paging.cursor()?;
    let place = match places::resolve(&state.app, &actor, &library, &version).await? {
        Place::Exact(place) => place,
        Place::Redirect(there) => return Ok(markdown::redirect(&there, "llms.txt", uri.query())),
    };
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (library, version) = (&place.library, &place.version);
    let extents = outline::extents(&mut connection, &[version]).await?;
    let page =
        outline::entries(&mut connection, &actor, library, version, after.as_ref(), llms::PAGE).await?;
    drop(connection);
    let next = page.next.map(|cursor| cursor.to_string());
    let mut text = llms::beginning_of_version(library, version, extents.first());
    text.push_str(&llms::of_documents(&page.items, next.as_deref()));
    Ok(markdown::listing(&headers, text))
}

/// Returns the texts of all documents of a version as one stream.
#[utoipa::path(get, path = "/l/{library}/{version}/llms-full.txt", tag = "reading",
    params(("library" = inline(PathLibrary), Path, description = "Name of the library, with ~ instead of a slash"),
           ("version" = inline(VersionRequest), Path, description = "Label or range of the version, `latest` or `active`")),
    responses((status = 200, description = "Texts", content_type = "text/plain", body = String),
              (status = 302, description = "Found: the version has another label"),
              (status = 304)))]
pub(crate) async fn full(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((library, version)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let place = match places::resolve(&state.app, &actor, &library, &version).await? {
        Place::Exact(place) => place,
        Place::Redirect(there) => return Ok(markdown::redirect(&there, "llms-full.txt", uri.query())),
    };
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    // Texts change only with the change sequence.
    let truth = changes::sequence(&mut connection).await?;
    let seed = format!("{truth:?} {}", place.version.id.0);
    let tag = format!("\"{}\"", &Hash::of(seed.as_bytes()).to_string()[..32]);
    if etag::none_match_has(&headers, &tag) {
        return Ok(markdown::not_modified(tag));
    }
    let extents = outline::extents(&mut connection, &[&place.version]).await?;
    drop(connection);
    let beginning = llms::beginning_of_all(&place.library, &place.version, extents.first());
    let texts = Texts { state, actor, place, entries: Vec::new().into_iter(), after: None, started: false };
    let rest = stream::try_unfold(texts, async |mut texts| {
        let next = texts.next().await.inspect_err(|error| {
            tracing::warn!(error = %Chain(error), "failed to stream the texts of a version");
        })?;
        Ok::<_, Error>(next.map(|text| (Bytes::from(text), texts)))
    });
    let all = futures::StreamExt::chain(stream::iter([Ok(Bytes::from(beginning))]), rest);
    let content_type = if accept::prefers_markdown(&headers) { markdown::MARKDOWN } else { markdown::PLAIN };
    let headers = [(header::ETAG, tag), (header::CONTENT_TYPE, content_type.to_owned())];
    Ok((headers, markdown::no_scripts(), Body::from_stream(all)).into_response())
}

/// Returns the text of a document: at its path with `.md` as Markdown, at its path as plain text, or as Markdown if the client
/// prefers it.
#[utoipa::path(get, path = "/l/{library}/{version}/{path}", tag = "reading",
    params(("library" = inline(PathLibrary), Path, description = "Name of the library, with ~ instead of a slash"),
           ("version" = inline(VersionRequest), Path, description = "Label or range of the version, `latest` or `active`"),
           ("path" = inline(DocumentPath), Path, description = "Path of the document; slashes are not escaped")),
    responses((status = 200, description = "Text", content_type = "text/markdown", body = String),
              (status = 302, description = "Found: the version has another label"),
              (status = 304)))]
pub(crate) async fn document(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let place = match places::resolve(&state.app, &actor, &library, &version).await? {
        Place::Exact(place) => place,
        Place::Redirect(there) => return Ok(markdown::redirect(&there, &path, uri.query())),
    };
    match path.strip_suffix(address::MARKDOWN_SUFFIX) {
        Some(bare) => markdown::send(&state, &actor, &place, &[bare, &path], &headers).await,
        None => bare(&state, &actor, &place, &path, &headers).await,
    }
}

/// Sends a document as plain text, or as Markdown if the client prefers it.
async fn bare(
    state: &AppState,
    actor: &Actor,
    place: &VersionPlace,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response> {
    if accept::prefers_markdown(headers) {
        return markdown::send(state, actor, place, &[path], headers).await;
    }
    markdown::send_plain(state, actor, place, &[path], headers).await
}

/// Texts of a version, read one after another. No connection is held while one is sent.
struct Texts {
    state: AppState,
    actor: Actor,
    place: VersionPlace,
    /// Remaining entries of the current page.
    entries: std::vec::IntoIter<OutlineEntry>,
    after: Option<Cursor>,
    started: bool,
}

impl Texts {
    async fn next(&mut self) -> std::result::Result<Option<String>, Error> {
        loop {
            let entry = match self.entries.next() {
                Some(entry) => entry,
                None if self.started && self.after.is_none() => return Ok(None),
                None => {
                    self.read_page().await?;
                    continue;
                }
            };
            let mut connection = store::postgres::acquire(self.state.app.pool()).await?;
            // A document that was deleted in the meantime is left out.
            if let Some(content) = documents::content(&mut connection, entry.revision_id).await? {
                return Ok(Some(llms::document(&entry, &content)));
            }
        }
    }

    /// Reads the next page of documents.
    async fn read_page(&mut self) -> std::result::Result<(), Error> {
        let mut connection = store::postgres::acquire(self.state.app.pool()).await?;
        let (library, version) = (&self.place.library, &self.place.version);
        let after = self.after.take();
        let page =
            outline::entries(&mut connection, &self.actor, library, version, after.as_ref(), llms::PAGE)
                .await?;
        (self.entries, self.after, self.started) = (page.items.into_iter(), page.next, true);
        Ok(())
    }
}

/// Returns the first page of a list in memory, and the cursor of the next.
fn first_page<T>(items: &[T], cursor: impl FnOnce(&T) -> Cursor) -> (&[T], Option<String>) {
    match items.get(..llms::PAGE) {
        Some(page) if items.len() > llms::PAGE => (page, page.last().map(|last| cursor(last).to_string())),
        _ => (items, None),
    }
}

fn invalid_cursor(error: &kernel::page::InvalidCursor) -> Error {
    Error::Invalid(error.to_string())
}
