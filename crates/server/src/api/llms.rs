//! `/llms.txt` and `/l/…`: libraries as agents read them without a protocol: lists of links, and each document as Markdown.
//!
//! What stands for a version (`latest`, `5.x`, `active`) is led to the version that it means. How addresses are
//! written is said in [`crate::address`].

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, State as Given};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use kernel::actor::Actor;
use kernel::chain::Chain;
use kernel::page::Cursor;
use library::catalogue::{Library, Version};
use library::changes;
use library::documents::outline::{self, Entry};
use library::documents::reading::{self, Readable};
use library::documents::{self};
use library::label::Request;
use library::names::DocumentPath;
use library::{Error, label};
use serde::Deserialize;
use store::objects::Hash;
use utoipa::IntoParams;

use super::authenticate::Caller;
use super::input::{self, Path, Query};
use super::problem::Result;
use super::{State, accept, etag};
use crate::pages::document::{self as page, Browser};
use crate::pages::frame::Frame;
use crate::{address, llms};

const MARKDOWN: &str = "text/markdown; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

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
    Given(state): Given<State>,
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
    Ok(listing(&headers, llms::of_libraries(libraries, next.as_deref())))
}

/// A library's versions, as llms.txt.
#[utoipa::path(get, path = "/l/{library}/llms.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"), Paging),
    responses((status = 200, description = "The list", content_type = "text/plain", body = String)))]
pub(crate) async fn of_library(
    Given(state): Given<State>,
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
    Ok(listing(&headers, llms::of_library(library, versions, next.as_deref())))
}

/// A version's documents, as llms.txt. A version that is not written out (`latest`, `5.x`) is led to the one it means.
#[utoipa::path(get, path = "/l/{library}/{version}/llms.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"),
           ("version" = String, Path, description = "The version"), Paging),
    responses((status = 200, description = "The list", content_type = "text/plain", body = String),
              (status = 302, description = "The version has another name")))]
pub(crate) async fn of_version(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((library, version)): Path<(String, String)>,
    Query(paging): Query<Paging>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let after = paging.cursor()?;
    let place = match place(&state, &actor, &library, &version).await? {
        Place::Here(place) => place,
        Place::There(there) => return Ok(redirect(&there, "llms.txt", uri.query())),
    };
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (library, version) = (&place.library, &place.version);
    let extents = outline::extents(&mut connection, &[version.id]).await?;
    let page =
        outline::outline(&mut connection, &actor, library, version, after.as_ref(), llms::PAGE).await?;
    drop(connection);
    let next = page.next.map(|cursor| cursor.to_string());
    let mut text = llms::beginning_of_version(library, version, extents.first());
    text.push_str(&llms::of_documents(&page.items, next.as_deref()));
    Ok(listing(&headers, text))
}

/// All texts of a version in one file. It is written while it is sent, document by document.
#[utoipa::path(get, path = "/l/{library}/{version}/llms-full.txt", tag = "reading",
    params(("library" = String, Path, description = "The library, its slash written ~"),
           ("version" = String, Path, description = "The version")),
    responses((status = 200, description = "The texts", content_type = "text/plain", body = String),
              (status = 302, description = "The version has another name"),
              (status = 304, description = "It is as the ETag says")))]
pub(crate) async fn full(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((library, version)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let place = match place(&state, &actor, &library, &version).await? {
        Place::Here(place) => place,
        Place::There(there) => return Ok(redirect(&there, "llms-full.txt", uri.query())),
    };
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    // While the change sequence stands still, so does every text.
    let truth = changes::sequence(&mut connection).await?;
    let seed = format!("{truth:?} {}", place.version.id.0);
    let tag = format!("\"{}\"", &Hash::of(seed.as_bytes()).to_string()[..32]);
    if etag::is_held(&headers, &tag) {
        return Ok(not_modified(tag));
    }
    let extents = outline::extents(&mut connection, &[place.version.id]).await?;
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
    let shown = if accept::prefers_markdown(&headers) { MARKDOWN } else { PLAIN };
    let answer = [(header::ETAG, tag), (header::CONTENT_TYPE, shown.to_owned())];
    Ok((answer, careful(), Body::from_stream(all)).into_response())
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
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    Browser(frame): Browser,
    headers: HeaderMap,
) -> Result<Response> {
    let place = match (place(&state, &actor, &library, &version).await, &frame) {
        (Ok(Place::Here(place)), _) => place,
        (Ok(Place::There(there)), _) => return Ok(redirect(&there, &path, uri.query())),
        (Err(Error::NoVersion { present, wanted, .. }), Some(frame)) => {
            return Ok(page::without_version(frame, &library, &wanted, &present, &path));
        }
        (Err(error), _) => return Err(error.into()),
    };
    if let Some(frame) = &frame {
        // What is asked for is called so, or it is the Markdown of what is.
        return self::page(&state, frame, &place, &path, &uri, &headers).await;
    }
    match path.strip_suffix(address::TWIN) {
        Some(bare) => markdown(&state, &actor, &place, &[bare, &path], &headers).await,
        None => bare(&state, &actor, &place, &path, &headers).await,
    }
}

/// A document at its own address, as people open it: a page. The Markdown of one is shown to them as well.
async fn page(
    state: &State,
    frame: &Frame,
    place: &Here,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response> {
    if let Some(bare) = path.strip_suffix(address::TWIN) {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let paths = [path.to_owned(), bare.to_owned()];
        let (library, version) = (&place.library, &place.version);
        let found = reading::first_of(&mut connection, &frame.actor, library, version, &paths).await?;
        drop(connection);
        if found.as_deref() == Some(bare) {
            return markdown(state, &frame.actor, place, &[bare], headers).await;
        }
    }
    Ok(page::show(state, frame, &place.library, &place.version, path, uri).await)
}

/// The same as programs read it.
async fn bare(
    state: &State,
    actor: &Actor,
    place: &Here,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response> {
    if accept::prefers_markdown(headers) {
        return markdown(state, actor, place, &[path], headers).await;
    }
    text(state, actor, place, &[path], headers, PLAIN).await
}

/// The Markdown of the first of these documents that is there.
async fn markdown(
    state: &State,
    actor: &Actor,
    place: &Here,
    paths: &[&str],
    headers: &HeaderMap,
) -> Result<Response> {
    text(state, actor, place, paths, headers, MARKDOWN).await
}

async fn text(
    state: &State,
    actor: &Actor,
    place: &Here,
    paths: &[&str],
    headers: &HeaderMap,
    shown: &'static str,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut found: Option<Readable> = None;
    let paths: Vec<DocumentPath> = paths.iter().filter_map(|path| path.parse().ok()).collect();
    for path in &paths {
        found = reading::by_path(&mut connection, actor, &place.library, &place.version, path).await?;
        if found.is_some() {
            break;
        }
    }
    let found = match (found, paths.last()) {
        (Some(found), _) => found,
        // The refusal says where it is, or what it may be called.
        (None, Some(path)) => {
            let version = Request::Exact(place.version.label.clone());
            reading::find(&mut connection, actor, &place.library, &version, path).await?
        }
        (None, None) => return Err(Error::NoDocument.into()),
    };
    // A revision's text never changes; as plain text it is the same bytes under another name.
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

/// Where an address leads.
enum Place {
    Here(Here),
    /// To the same in this version, under its own name.
    There(String),
}

/// A version of a library that exists for the one who asks.
struct Here {
    library: Arc<Library>,
    version: Version,
}

async fn place(
    state: &State,
    actor: &Actor,
    library: &str,
    version: &str,
) -> std::result::Result<Place, Error> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(actor, &address::library(library).map_err(Error::from)?)?;
    // A label that is there is meant, whatever else the word stands for.
    let exact = library.versions.iter().find(|held| held.label.as_str() == version);
    if let Some(version) = exact {
        return Ok(Place::Here(Here { library: Arc::clone(library), version: version.clone() }));
    }
    let request: Request = if version == "active" {
        Request::Active
    } else {
        version.parse().map_err(|error: label::BadLabel| Error::from(error))?
    };
    let meant = library.resolve(&request)?;
    Ok(Place::There(address::of_version(&library.name, &meant.label)))
}

fn redirect(version: &str, rest: &str, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{version}/{}{query}", address::escaped(rest));
    // What it means may change: whoever asked this way asks again.
    (StatusCode::FOUND, [(header::LOCATION, location)], careful()).into_response()
}

/// A list as plain text, or as Markdown where that is asked for.
fn listing(headers: &HeaderMap, text: String) -> Response {
    let shown = if accept::prefers_markdown(headers) { MARKDOWN } else { PLAIN };
    ([(header::CONTENT_TYPE, shown)], careful(), text).into_response()
}

fn not_modified(tag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], careful()).into_response()
}

/// What a document holds is never run; what one may read another perhaps may not, so only their own caches keep it.
fn careful() -> [(HeaderName, &'static str); 4] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept"),
    ]
}

/// The texts of a version one after another. No connection is held while one is sent.
struct Texts {
    state: State,
    actor: Actor,
    place: Here,
    /// What is left of the page of documents that was read last.
    entries: std::vec::IntoIter<Entry>,
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
            outline::outline(&mut connection, &self.actor, library, version, after.as_ref(), llms::PAGE)
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

fn foreign(error: &kernel::page::BadCursor) -> Error {
    Error::Invalid(error.to_string())
}
