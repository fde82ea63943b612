//! `/llms.txt` and `/l/…`: libraries as agents read them without a protocol: lists of links, and each document as Markdown.
//!
//! An address with a version request (`latest`, `5.x`, `active`) redirects to the version it means. See [`crate::app::address`] for
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

/// Which page of a long list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Where it begins: as the page before says.
    after: Option<String>,
}

impl Paging {
    fn cursor(&self) -> Result<Option<Cursor>> {
        self.after.as_deref().map(input::cursor).transpose()
    }
}

/// The libraries that you may read, as llms.txt.
#[utoipa::path(get, path = "/llms.txt", tag = "reading", params(Paging),
    responses((status = 200, description = "The list", content_type = "text/plain", body = String)))]
pub(crate) async fn root(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut libraries: Vec<&Library> = catalogue.libraries(&actor).into_iter().map(Arc::as_ref).collect();
    if let Some(cursor) = paging.cursor()? {
        let after: String = cursor.decode().map_err(|error| foreign(&error))?;
        libraries.retain(|library| library.name.as_str() > after.as_str());
    }
    let (libraries, next) = cut(&libraries, |last| Cursor::encode(&last.name));
    Ok(markdown::listing(&headers, llms::of_libraries(libraries, next.as_deref())))
}

/// A library's versions, as llms.txt.
#[utoipa::path(get, path = "/l/{library}/llms.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"), Paging),
    responses((status = 200, description = "The list", content_type = "text/plain", body = String)))]
pub(crate) async fn of_library(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(library): Path<String>,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &address::library(&library).map_err(Error::from)?)?;
    // The highest come first.
    let after: Option<String> =
        paging.cursor()?.map(|cursor| cursor.decode().map_err(|error| foreign(&error))).transpose()?;
    let begin = after.map_or(0, |after| {
        library.versions.iter().take_while(|version| version.label.sort_key() >= after).count()
    });
    let versions = library.versions.get(begin..).unwrap_or_default();
    let (versions, next) = cut(versions, |last| Cursor::encode(&last.label.sort_key()));
    Ok(markdown::listing(&headers, llms::of_library(library, versions, next.as_deref())))
}

/// A version's documents, as llms.txt. A version that is not written out (`latest`, `5.x`) is led to the one it means.
#[utoipa::path(get, path = "/l/{library}/{version}/llms.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"),
           ("version" = String, Path, description = "The version"), Paging),
    responses((status = 200, description = "The list", content_type = "text/plain", body = String),
              (status = 302, description = "The version has another name")))]
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

/// All texts of a version in one file. It is written while it is sent, document by document.
#[utoipa::path(get, path = "/l/{library}/{version}/llms-full.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"),
           ("version" = String, Path, description = "The version")),
    responses((status = 200, description = "The texts", content_type = "text/plain", body = String),
              (status = 302, description = "The version has another name"),
              (status = 304, description = "It is as the ETag says")))]
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
    // While the change sequence stands still, so does every text.
    let truth = changes::sequence(&mut connection).await?;
    let seed = format!("{truth:?} {}", place.version.id.0);
    let tag = format!("\"{}\"", &Hash::of(seed.as_bytes()).to_string()[..32]);
    if etag::is_held(&headers, &tag) {
        return Ok(markdown::not_modified(tag));
    }
    let extents = outline::extents(&mut connection, &[&place.version]).await?;
    drop(connection);
    let beginning = llms::beginning_of_all(&place.library, &place.version, extents.first());
    let texts = Texts { state, actor, place, entries: Vec::new().into_iter(), after: None, begun: false };
    let rest = stream::try_unfold(texts, async |mut texts| {
        let next = texts.next().await.inspect_err(|error| {
            tracing::warn!(error = %Chain(error), "a list of texts broke off");
        })?;
        Ok::<_, Error>(next.map(|text| (Bytes::from(text), texts)))
    });
    let all = futures::StreamExt::chain(stream::iter([Ok(Bytes::from(beginning))]), rest);
    let shown = if accept::prefers_markdown(&headers) { markdown::MARKDOWN } else { markdown::PLAIN };
    let answer = [(header::ETAG, tag), (header::CONTENT_TYPE, shown.to_owned())];
    Ok((answer, markdown::careful(), Body::from_stream(all)).into_response())
}

/// A document in the version that the address names: at its path and `.md` its Markdown, at its path alone the same as plain
/// text, or as Markdown where that is asked for.
#[utoipa::path(get, path = "/l/{library}/{version}/{path}", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"),
           ("version" = String, Path, description = "The version"),
           ("path" = String, Path, description = "The document's path, which may hold slashes")),
    responses((status = 200, description = "Its text", content_type = "text/markdown", body = String),
              (status = 302, description = "The version has another name"),
              (status = 304, description = "It is as the ETag says")))]
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
    match path.strip_suffix(address::TWIN) {
        Some(bare) => markdown::send(&state, &actor, &place, &[bare, &path], &headers).await,
        None => bare(&state, &actor, &place, &path, &headers).await,
    }
}

/// A document as plain text, or as Markdown where the client prefers it.
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

/// The texts of a version one after another. No connection is held while one is sent.
struct Texts {
    state: AppState,
    actor: Actor,
    place: VersionPlace,
    /// Remaining entries of the current page.
    entries: std::vec::IntoIter<OutlineEntry>,
    after: Option<Cursor>,
    begun: bool,
}

impl Texts {
    async fn next(&mut self) -> std::result::Result<Option<String>, Error> {
        loop {
            let entry = match self.entries.next() {
                Some(entry) => entry,
                None if self.begun && self.after.is_none() => return Ok(None),
                None => {
                    self.turn().await?;
                    continue;
                }
            };
            let mut connection = store::postgres::acquire(self.state.app.pool()).await?;
            // One that was deleted in the meantime is left out.
            if let Some(content) = documents::content(&mut connection, entry.revision_id).await? {
                return Ok(Some(llms::whole(&entry, &content)));
            }
        }
    }

    /// Reads the next page of documents.
    async fn turn(&mut self) -> std::result::Result<(), Error> {
        let mut connection = store::postgres::acquire(self.state.app.pool()).await?;
        let (library, version) = (&self.place.library, &self.place.version);
        let after = self.after.take();
        let page =
            outline::entries(&mut connection, &self.actor, library, version, after.as_ref(), llms::PAGE)
                .await?;
        (self.entries, self.after, self.begun) = (page.items.into_iter(), page.next, true);
        Ok(())
    }
}

/// The first page of a list that is at hand, and where the next begins.
fn cut<T>(items: &[T], cursor: impl FnOnce(&T) -> Cursor) -> (&[T], Option<String>) {
    match items.get(..llms::PAGE) {
        Some(page) if items.len() > llms::PAGE => (page, page.last().map(|last| cursor(last).to_string())),
        _ => (items, None),
    }
}

fn foreign(error: &kernel::page::InvalidCursor) -> Error {
    Error::Invalid(error.to_string())
}
