//! `/l/{library}/{version}/{path}` in a browser, and `/passages/{id}`: a document as it is read.

mod absent;
mod layout;
mod notes;
mod original;
mod text;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use library::catalogue::{Library, Version};
use library::documents::reading::{self, VisibleDocument};
use library::documents::{self, Revision};
use library::names::DocumentPath;
use library::{notes as room, search};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::frame::Frame;
use super::see_other;
use crate::app::address;
use crate::app::places::{self, Place};
use crate::http::input::Path;
use crate::http::problem::Problem;
use crate::http::{self, AppState, accept};
use layout::{HeadingMatch, Layout};
use view::View;

/// Parts of a document that are looked through for the heading of a short section.
const SOUGHT: usize = 12;
/// Open notes that are shown on a document.
const NOTES: i64 = 200;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route("/passages/{id}", get(passage))
        .route("/original/{library}/{version}/{*path}", get(original::show))
        .route("/notes", post(notes::add))
        .route("/notes/{id}/resolve", post(notes::resolve))
}

/// Which of a document, and how.
#[derive(Debug, Default, Deserialize)]
struct DocumentQuery {
    /// Another revision than the one that answers.
    revision: Option<String>,
    /// The part of a long one, from 1.
    part: Option<String>,
    /// A fragment of the original, or the name of a heading.
    at: Option<String>,
    /// The headings under which somebody was in another version, joined by ` › `.
    under: Option<String>,
    /// That version.
    from: Option<String>,
    /// The passage that somebody wants to write a note on.
    note: Option<Uuid>,
    /// Whether the original stands beside the text.
    beside: Option<String>,
}

/// Whether a request for a document is a browser's, which is shown a page; other clients get the text.
pub(crate) fn is_for_page(headers: &HeaderMap) -> bool {
    accept::prefers_page(headers)
}

/// Shows a document at its address as a page. At the address of its Markdown, `None` where that is to be sent instead.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> http::problem::Result<Response> {
    let place = match places::resolve(&state.app, &frame.actor, &library, &version).await {
        Ok(Place::Exact(place)) => place,
        Ok(Place::Redirect(there)) => return Ok(http::markdown::redirect(&there, &path, uri.query())),
        Err(library::Error::NoVersion { present, requested: wanted, .. }) => {
            return Ok(absent::of_version(&frame, &library, &wanted, &present, &path));
        }
        Err(error) => return Err(error.into()),
    };
    let (library, version) = (&place.library, &place.version);
    // A document whose own name ends so is shown; else the Markdown of the one without the ending is sent.
    if let Some(bare) = path.strip_suffix(address::TWIN) {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let paths = [path.clone(), bare.to_owned()];
        let found =
            reading::first_existing_path(&mut connection, &frame.actor, library, version, &paths).await?;
        drop(connection);
        if found.as_deref() == Some(bare) {
            return http::markdown::send(&state, &frame.actor, &place, &[bare], &headers).await;
        }
    }
    let wanted = Query::<DocumentQuery>::try_from_uri(&uri).map(|Query(wanted)| wanted).unwrap_or_default();
    Ok(page(&state, &frame, library, version, &path, (&wanted, uri.query())).await?)
}

async fn page(
    state: &AppState,
    frame: &Frame,
    library: &Library,
    version: &Version,
    path: &str,
    (wanted, query): (&DocumentQuery, Option<&str>),
) -> Result<Response, library::Error> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let Ok(name) = path.parse::<DocumentPath>() else {
        return absent::of_document(&mut connection, frame, library, version, (path, query)).await;
    };
    let actor = &frame.actor;
    let number: Option<i32> = wanted.revision.as_deref().and_then(|number| number.parse().ok());
    let found = match number {
        Some(number) => reading::at_revision(&mut connection, actor, library, version, &name, number).await?,
        None => reading::by_path(&mut connection, actor, library, version, &name).await?,
    };
    let Some(document) = found else {
        return absent::of_document(&mut connection, frame, library, version, (path, query)).await;
    };
    let layout = Layout::of(&mut connection, &document).await?;
    let here = address::of_path(&document.library, &document.version, &document.path);
    let revisions = documents::revisions(&mut connection, actor, document.document_id).await?;
    let is_current = is_current(&revisions, &document);
    if let Some(fragment) = &wanted.at {
        let link = match layout.fragment(fragment) {
            Some(place) => layout.link(place),
            None => sought(&mut connection, &document, &layout, fragment).await?,
        };
        return Ok(go(&here, &link, (!is_current).then_some(document.revision)));
    }
    let mut gone = None;
    if let Some(under) = &wanted.under {
        let headings: Vec<&str> = under.split(" › ").take(12).collect();
        let (place, section) = match layout.under(&headings) {
            HeadingMatch::Here(place) => (Some(place), None),
            HeadingMatch::Near(place) => (Some(place), headings.last()),
            HeadingMatch::Nowhere => (None, headings.last()),
        };
        let link = place.map_or_else(String::new, |place| layout.link(place));
        match section {
            None => return Ok(go(&here, &link, None)),
            Some(section) => {
                let near = place.map_or(0, |place| layout.part_of(place));
                if let Some(link) = text::heading(&mut connection, &document, &layout, near, section).await? {
                    return Ok(go(&here, &link, None));
                }
                let nearest = place.and_then(|place| layout.places.get(place)?.section.last().cloned());
                gone = Some(view::Gone {
                    section: (*section).to_owned(),
                    under: under.clone(),
                    nearest,
                    link: format!("{here}{link}"),
                });
            }
        }
    }
    let part = wanted.part.as_deref().and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let part = part.clamp(1, layout.parts.len().max(1)) - 1;
    let text = text::part(&mut connection, &document, &layout, part).await?;
    let notes =
        room::on_document(&mut connection, actor, document.document_id, document.version_id, NOTES).await?;
    drop(connection);
    let view = View::new(frame, library, &document, &layout, &text, part, &revisions)
        .with_notes(notes, wanted.note)
        .arrived(gone, wanted.from.as_deref())
        .beside(wanted.beside.is_some());
    // A script of ours asks for the part that comes next.
    if frame.is_partial() {
        return Ok(frame.reading_page(StatusCode::OK, &view.as_part()));
    }
    Ok(frame.reading_page(StatusCode::OK, &view))
}

/// The address of a heading that only the text knows; that of the document where no part has it.
async fn sought(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    name: &str,
) -> Result<String, library::Error> {
    for part in 0..layout.parts.len().min(SOUGHT) {
        if let Some(link) = text::heading(connection, document, layout, part, name).await? {
            return Ok(link);
        }
    }
    Ok(String::new())
}

fn is_current(revisions: &[Revision], document: &VisibleDocument) -> bool {
    revisions.iter().any(|revision| revision.id == document.revision_id && revision.active)
}

/// Leads on within a document.
fn go(here: &str, link: &str, revision: Option<i32>) -> Response {
    see_other(&with_revision(here, link, revision))
}

/// The address of a place in a document, in a revision that is not the one that answers.
fn with_revision(here: &str, link: &str, revision: Option<i32>) -> String {
    let Some(revision) = revision else { return format!("{here}{link}") };
    match link.strip_prefix('?') {
        Some(rest) => format!("{here}?revision={revision}&{rest}"),
        None => format!("{here}?revision={revision}{link}"),
    }
}

/// Opens a passage in its document, in the very revision.
async fn passage(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> Response {
    let found = async {
        // Asked first: it may need a connection of its own, and whoever holds one must not wait for another.
        let catalogue = state.app.engine.catalogue().await?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let Some(passage) = search::find_passage(&mut connection, &frame.actor, id).await? else {
            return Ok(None);
        };
        let library = catalogue.library(&frame.actor, &passage.library.parse()?)?;
        let Some(version) = library.versions.iter().find(|version| version.label.as_str() == passage.version)
        else {
            return Ok(None);
        };
        let path: DocumentPath = passage.path.parse()?;
        let now = reading::by_path(&mut connection, &frame.actor, library, version, &path).await?;
        let is_current = now.as_ref().is_some_and(|now| now.revision == passage.revision);
        let document = if is_current {
            now
        } else {
            let number = passage.revision;
            reading::at_revision(&mut connection, &frame.actor, library, version, &path, number).await?
        };
        let Some(document) = document else { return Ok(None) };
        let layout = Layout::of(&mut connection, &document).await?;
        let place = usize::try_from(passage.passage_number).unwrap_or_default();
        let here = address::of_path(&document.library, &document.version, &document.path);
        let revision = (!is_current).then_some(document.revision);
        Ok::<_, library::Error>(Some(go(&here, &layout.link(place), revision)))
    };
    match found.await {
        Ok(Some(response)) => response,
        Ok(None) | Err(library::Error::NoDocument | library::Error::NoLibrary { .. }) => {
            absent::of_passage(&frame)
        }
        Err(error) => Problem::from(error).into_response(),
    }
}
