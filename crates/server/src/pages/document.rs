//! `/l/{library}/{version}/{path}` in a browser, and `/passages/{id}`: a document as a page.

mod absent;
mod layout;
mod notes;
mod original;
mod picture;
mod text;
mod tree;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use library::catalogue::{Library, Version};
use library::documents::reading::{self, VisibleDocument};
use library::documents::{self, Revision};
use library::names::DocumentPath;
use library::{favourites, search};
use serde::Deserialize;
use social::posts;
use sqlx::PgConnection;
use uuid::Uuid;

use super::community;
use super::error::PageResult;
use super::frame::Frame;
use super::see_other;
use crate::app::places::{self, Place};
use crate::app::{address, contents};
use crate::http::input::Path;
use crate::http::{self, AppState, accept};
use layout::{HeadingMatch, Layout};
use view::View;

/// Limit on the parts of a document that are searched for a heading.
const MAX_SEARCHED_PARTS: usize = 12;
/// Limit on open notes that are shown on a document.
const MAX_NOTES: i64 = 200;
/// Limit on posts that are shown on the passages of a document.
const MAX_POSTS: i64 = 100;
/// Limit on the headings of a section in an address.
const MAX_HEADINGS: usize = 12;

/// Routes of passages, originals, pictures and notes. The address of a document is shared with other clients, so the router of the whole
/// program dispatches it to [`show`].
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/passages/{id}", get(passage))
        .route("/tree/{library}/{version}", get(tree::show))
        .route("/original/{library}/{version}/{*path}", get(original::show))
        .route("/pictures/{revision}/{number}", get(picture::show))
        .route("/notes", post(notes::add))
        .route("/notes/{id}/resolve", post(notes::resolve))
}

/// Query of a document.
#[derive(Debug, Default, Deserialize)]
struct DocumentQuery {
    /// Number of another revision than the active one.
    revision: Option<String>,
    /// Part of a long document, from 1.
    part: Option<String>,
    /// Fragment of the original document, or a heading.
    at: Option<String>,
    /// Headings of the section that the reader comes from in another version, joined by ` › `.
    under: Option<String>,
    /// Label of that version.
    from: Option<String>,
    /// Passage to write a note on.
    note: Option<Uuid>,
    /// Present if the original is shown beside the text.
    beside: Option<String>,
}

/// Whether a request for a document wants a page; other clients get the text.
pub(crate) fn is_for_page(headers: &HeaderMap) -> bool {
    accept::prefers_page(headers)
}

/// Shows a document as a page. At the address of its Markdown, sends that.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> PageResult {
    let place = match places::resolve(&state.app, &frame.actor, &library, &version).await {
        Ok(Place::Exact(place)) => place,
        Ok(Place::Redirect(there)) => return Ok(http::markdown::redirect(&there, &path, uri.query())),
        Err(library::Error::NoVersion { present, requested, .. }) => {
            return Ok(absent::of_version(&frame, &library, &requested, &present, &path));
        }
        Err(error) => return Err(error.into()),
    };
    let (library, version) = (&place.library, &place.version);
    // A document whose own path has the ending comes first.
    if let Some(bare) = path.strip_suffix(address::MARKDOWN_SUFFIX) {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let paths = [path.clone(), bare.to_owned()];
        let found =
            reading::first_existing_path(&mut connection, &frame.actor, library, version, &paths).await?;
        drop(connection);
        if found.as_deref() == Some(bare) {
            return Ok(http::markdown::send(&state, &frame.actor, &place, &[bare], &headers).await?);
        }
    }
    // Unreadable parameters are ignored: links from elsewhere may carry others.
    let query = Query::<DocumentQuery>::try_from_uri(&uri).map(|Query(query)| query).unwrap_or_default();
    page(&state, &frame, library, version, &path, (&query, uri.query())).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    library: &Library,
    version: &Version,
    path: &str,
    (query, raw_query): (&DocumentQuery, Option<&str>),
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let Ok(name) = path.parse::<DocumentPath>() else {
        return Ok(absent::of_document(&mut connection, frame, library, version, (path, raw_query)).await?);
    };
    let actor = &frame.actor;
    let number: Option<i32> = query.revision.as_deref().and_then(|number| number.parse().ok());
    let found = match number {
        Some(number) => reading::at_revision(&mut connection, actor, library, version, &name, number).await?,
        None => reading::by_path(&mut connection, actor, library, version, &name).await?,
    };
    let Some(document) = found else {
        return Ok(absent::of_document(&mut connection, frame, library, version, (path, raw_query)).await?);
    };
    let layout = Layout::of(&mut connection, &document).await?;
    let here = address::of_path(&document.library, &document.version, &document.path);
    let revisions = documents::revisions(&mut connection, actor, document.document_id).await?;
    if let Some(fragment) = &query.at {
        let link = match layout.fragment(fragment) {
            Some(link) => link,
            None => find_heading(&mut connection, library, &document, &layout, fragment).await?,
        };
        let is_current = is_current(&revisions, &document);
        return Ok(redirect(&here, &link, (!is_current).then_some(document.revision)));
    }
    let mut missing = None;
    if let Some(under) = &query.under {
        match find_section(&mut connection, library, &document, &layout, (&here, under)).await? {
            Section::Found(link) => return Ok(redirect(&here, &link, None)),
            Section::Missing(section) => missing = Some(section),
        }
    }
    let part = query.part.as_deref().and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let part = part.clamp(1, layout.parts.len().max(1)) - 1;
    let text = text::part(&mut connection, library, &document, &layout, part).await?;
    // A script that asks for the next part has the tree already.
    let contents = if frame.is_partial() {
        Arc::default()
    } else {
        contents::of_version(&state.app, &mut connection, actor, library, version).await?
    };
    let (id, version) = (document.document_id, document.version_id);
    let is_favourite = favourites::find(&mut connection, actor, id).await?;
    let notes = library::notes::on_document(&mut connection, actor, id, version, false, MAX_NOTES).await?;
    let on_passages = posts::on_passages(&mut connection, actor, id, version, MAX_POSTS).await?;
    // A script that asks for the next part has the rest of the page.
    let (follow, discussions) = if frame.is_partial() {
        (None, Vec::new())
    } else {
        community::of_document(&mut connection, frame, id).await?
    };
    drop(connection);
    let view = View::new(frame, library, &document, &layout, &text, part, &revisions)
        .with_contents(&contents)
        .with_favourite(is_favourite)
        .with_notes(notes, query.note)
        .with_posts(on_passages)
        .with_discussions(follow, discussions)
        .with_origin(missing, query.from.as_deref())
        .with_original(query.beside.is_some());
    // A script asks for the next part.
    if frame.is_partial() {
        return Ok(frame.reading_page(StatusCode::OK, &view.as_part()));
    }
    Ok(frame.reading_page(StatusCode::OK, &view))
}

/// Section that the reader was in, in another version.
enum Section {
    /// Link to the section in this document.
    Found(String),
    Missing(view::MissingSection),
}

/// Finds the section under these headings, which are joined by ` › `.
async fn find_section(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    (here, under): (&str, &str),
) -> Result<Section, library::Error> {
    let headings: Vec<&str> = under.split(" › ").take(MAX_HEADINGS).collect();
    let (place, heading) = match layout.under(&headings) {
        HeadingMatch::Exact(place) => (Some(place), None),
        HeadingMatch::Nearest(place) => (Some(place), headings.last()),
        HeadingMatch::None => (None, headings.last()),
    };
    let link = place.map_or_else(String::new, |place| layout.link(place));
    let Some(heading) = heading else { return Ok(Section::Found(link)) };
    let part = place.map_or(0, |place| layout.part_of(place));
    if let Some(link) = text::heading(connection, library, document, layout, (part, heading)).await? {
        return Ok(Section::Found(link));
    }
    let nearest = place.and_then(|place| layout.places.get(place)?.section.last().cloned());
    Ok(Section::Missing(view::MissingSection {
        heading: (*heading).to_owned(),
        under: under.to_owned(),
        nearest,
        link: format!("{here}{link}"),
    }))
}

/// Finds a heading in the text and returns its link; empty if no part has it.
async fn find_heading(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    name: &str,
) -> Result<String, library::Error> {
    for part in 0..layout.parts.len().min(MAX_SEARCHED_PARTS) {
        if let Some(link) = text::heading(connection, library, document, layout, (part, name)).await? {
            return Ok(link);
        }
    }
    Ok(String::new())
}

fn is_current(revisions: &[Revision], document: &VisibleDocument) -> bool {
    revisions.iter().any(|revision| revision.id == document.revision_id && revision.active)
}

/// Redirects to a place in a document.
fn redirect(here: &str, link: &str, revision: Option<i32>) -> Response {
    see_other(&with_revision(here, link, revision))
}

/// Returns the address of a place in a document, in another revision than the active one.
fn with_revision(here: &str, link: &str, revision: Option<i32>) -> String {
    let Some(revision) = revision else { return format!("{here}{link}") };
    match link.strip_prefix('?') {
        Some(rest) => format!("{here}?revision={revision}&{rest}"),
        None => format!("{here}?revision={revision}{link}"),
    }
}

/// Redirects to a passage in its document, in the revision that contains it.
async fn passage(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> PageResult {
    match passage_link(&state, &frame, id).await {
        Ok(Some(link)) => Ok(see_other(&link)),
        Ok(None) | Err(library::Error::NoDocument | library::Error::NoLibrary { .. }) => {
            // It may exist for whoever signs in.
            if frame.actor.is_anonymous() {
                frame.require_sign_in()?;
            }
            Ok(absent::of_passage(&frame))
        }
        Err(error) => Err(error.into()),
    }
}

async fn passage_link(state: &AppState, frame: &Frame, id: Uuid) -> Result<Option<String>, library::Error> {
    // Before a connection is taken: the catalogue may need one of its own, and a request that holds one must not wait for another.
    let catalogue = state.app.engine.catalogue().await?;
    let actor = &frame.actor;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let Some(passage) = search::find_passage(&mut connection, actor, id).await? else { return Ok(None) };
    let library = catalogue.library(actor, &passage.library.parse()?)?;
    let version = library.versions.iter().find(|version| version.label.as_str() == passage.version);
    let Some(version) = version else { return Ok(None) };
    let path: DocumentPath = passage.path.parse()?;
    let current = reading::by_path(&mut connection, actor, library, version, &path).await?;
    let is_current = current.as_ref().is_some_and(|current| current.revision == passage.revision);
    let document = if is_current {
        current
    } else {
        reading::at_revision(&mut connection, actor, library, version, &path, passage.revision).await?
    };
    let Some(document) = document else { return Ok(None) };
    let layout = Layout::of(&mut connection, &document).await?;
    let place = usize::try_from(passage.passage_number).unwrap_or_default();
    let here = address::of_path(&document.library, &document.version, &document.path);
    let revision = (!is_current).then_some(document.revision);
    Ok(Some(with_revision(&here, &layout.link(place), revision)))
}
