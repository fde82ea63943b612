//! `/add`: files, folders and archives are dropped in, and one sees them become readable, findable, and known by meaning.
//!
//! With scripts each file goes by itself to the API, with its progress. Without, a form brings them all.

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use library::access::{self, Level};
use library::documents::{self, Document, DocumentFilter, Status};
use library::overview::{self, Counts};
use library::search::ModelState;
use serde::Deserialize;

use super::forms::{self, SubmittedForm};
use super::frame::{FormError, Frame};
use super::see_other;
use crate::app::address;
use crate::app::archives::{self, MAX_ARCHIVE_BYTES};
use crate::app::uploads;
use crate::http::AppState;
use crate::http::input::{self, Query};
use crate::http::multipart::{ArchiveForm, DocumentForm, archive_form, document_form};
use crate::http::problem::{Problem, Result};

/// Failed documents that are shown with their reasons.
const FAILED_SHOWN: usize = 20;

/// The routes of this room. An upload takes as long as its bytes do.
pub(super) fn router() -> Router<AppState> {
    Router::new().route("/add/standing", get(standing))
}

/// Those that take as long as their bytes do.
pub(super) fn slow_router() -> Router<AppState> {
    Router::new().route("/add", get(show).post(add)).route("/add/archive", post(add_archive))
}

/// Where to add, as the address has it.
#[derive(Deserialize)]
pub(super) struct Place {
    #[serde(default)]
    library: String,
    #[serde(default)]
    version: String,
    /// How many were taken just before, by a form.
    taken: Option<u64>,
    #[serde(default)]
    failed: u64,
}

#[derive(Template)]
#[template(path = "add.html")]
struct Page<'page> {
    frame: &'page Frame,
    libraries: Vec<String>,
    library: &'page str,
    version: &'page str,
    tags: &'page str,
    taken: u64,
    failed: u64,
    fault: Option<&'page FormError>,
    /// Whether there is a library that may be added to, or one may be made.
    may_add: bool,
    standing: Option<IngestStatus<'page>>,
    /// Bytes of one file at most, and of one archive.
    largest: u64,
    largest_archive: u64,
}

impl Page<'_> {
    fn largest_mib(&self) -> u64 {
        self.largest >> 20
    }
}

/// How far a version's documents are.
#[derive(Template)]
#[template(path = "add_standing.html")]
struct IngestStatus<'page> {
    frame: &'page Frame,
    library: String,
    version: String,
    /// Where the version is read.
    address: String,
    counts: Counts,
    failed: Vec<Document>,
    /// The version that answers where none is named, where it is another.
    answers: Option<String>,
    /// Whether passages get vectors here at all.
    has_model: bool,
}

impl IngestStatus<'_> {
    /// Documents that are there, or on their way.
    fn all(&self) -> i64 {
        self.counts.documents.max(0) + self.counts.processing
    }

    fn is_read(&self) -> bool {
        self.counts.processing == 0
    }

    fn is_done(&self) -> bool {
        self.is_read() && (!self.has_model || self.counts.vectors >= self.counts.passages)
    }
}

/// Asks for documents, and says how far those of a version are.
async fn show(State(state): State<AppState>, frame: Frame, Query(place): Query<Place>) -> Response {
    if let Err(sign_in) = frame.require_person() {
        return sign_in;
    }
    let written = [place.library.as_str(), place.version.as_str(), ""];
    page(&state, &frame, written, None, (place.taken, place.failed)).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    [library, version, tags]: [&str; 3],
    fault: Option<&FormError>,
    (taken, failed): (Option<u64>, u64),
) -> Response {
    let read = async {
        let catalogue = state.app.engine.catalogue().await?;
        let libraries = catalogue.libraries(&frame.actor).into_iter();
        let writable = libraries.filter(|library| library.access_level(&frame.actor) >= Some(Level::Write));
        let libraries: Vec<String> = writable.map(|library| library.name.to_string()).collect();
        let standing = match taken {
            Some(_) => Some(stand(state, frame, library, version).await?),
            None => None,
        };
        Ok::<_, Problem>((libraries, standing))
    };
    match read.await {
        Ok((libraries, standing)) => {
            let status = fault.map_or(StatusCode::OK, |fault| fault.status);
            let largest = state.app.settings.documents.max_bytes() as u64;
            let largest_archive = MAX_ARCHIVE_BYTES;
            let page = Page {
                frame,
                may_add: !libraries.is_empty() || access::can_create_libraries(&frame.actor),
                libraries,
                library,
                version,
                tags,
                taken: taken.unwrap_or_default(),
                failed,
                fault,
                standing,
                largest,
                largest_archive,
            };
            frame.page(status, &page)
        }
        Err(problem) => problem.into_response(),
    }
}

/// How far a version's documents are; asked again until all is ready.
async fn standing(State(state): State<AppState>, frame: Frame, Query(place): Query<Place>) -> Response {
    if let Err(sign_in) = frame.require_person() {
        return sign_in;
    }
    match stand(&state, &frame, &place.library, &place.version).await {
        Ok(standing) if frame.is_partial() => frame.page(StatusCode::OK, &standing),
        Ok(_) => see_other(&there(&place.library, &place.version, 0, 0)),
        Err(problem) => problem.into_response(),
    }
}

async fn stand<'frame>(
    state: &AppState,
    frame: &'frame Frame,
    library: &str,
    version: &str,
) -> Result<IngestStatus<'frame>> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &input::library(library)?)?;
    let wanted = if version.is_empty() { library::label::CURRENT } else { version };
    let version = library.resolve(&input::version(Some(wanted))?)?;
    let mut connection = store::postgres::snapshot(state.app.pool()).await?;
    let counts = overview::counts(&mut connection, &[version]).await?.pop();
    let counts = counts.unwrap_or(Counts {
        version: version.id,
        documents: 0,
        processing: 0,
        failed: 0,
        passages: 0,
        vectors: 0,
    });
    let failed = if counts.failed > 0 {
        let filter = DocumentFilter {
            library: Some(library.name.to_string()),
            version: Some(version.label.to_string()),
            status: Some(Status::Failed),
            ..DocumentFilter::default()
        };
        documents::list(&mut connection, &frame.actor, &filter, None, FAILED_SHOWN).await?.items
    } else {
        Vec::new()
    };
    let active =
        library.versions.iter().find(|held| library.active == Some(held.id) && held.id != version.id);
    Ok(IngestStatus {
        frame,
        answers: active.map(|active| active.label.to_string()),
        library: library.name.to_string(),
        version: version.label.to_string(),
        address: address::of_version(&library.name, &version.label),
        counts,
        failed,
        has_model: !matches!(state.app.engine.model(), ModelState::Off(_)),
    })
}

/// Takes files from the form, without scripts.
async fn add(State(state): State<AppState>, request: Request) -> Response {
    let (frame, request) = match framed(&state, request).await {
        Ok(framed) => framed,
        Err(answer) => return answer,
    };
    let form = match read_documents(&state, &frame, request).await {
        Ok(form) => form,
        Err(problem) => return refused(&state, &frame, ["", "", ""], problem).await,
    };
    let written = form.fields.as_written();
    if !forms::is_ours(&frame, &form.form_token) {
        return match uploads::discard(&state.app, form.files).await {
            Ok(()) => SubmittedForm::foreign(&frame),
            Err(error) => Problem::from(error).into_response(),
        };
    }
    match uploads::add(&state.app, &frame.actor, &form.fields, form.files).await {
        Ok((target, added)) => {
            see_other(&there(target.library.as_str(), target.version.as_str(), added.len() as u64, 0))
        }
        Err(error) => refused(&state, &frame, written.each_ref().map(String::as_str), error.into()).await,
    }
}

async fn read_documents(state: &AppState, frame: &Frame, request: Request) -> Result<DocumentForm> {
    uploads::require_writer(&frame.actor)?;
    document_form(state, request).await
}

/// Takes an archive from the form, without scripts.
async fn add_archive(State(state): State<AppState>, request: Request) -> Response {
    let (frame, request) = match framed(&state, request).await {
        Ok(framed) => framed,
        Err(answer) => return answer,
    };
    let form = match read_archive(&state, &frame, request).await {
        Ok(form) => form,
        Err(problem) => return refused(&state, &frame, ["", "", ""], problem).await,
    };
    if !forms::is_ours(&frame, &form.form_token) {
        return SubmittedForm::foreign(&frame);
    }
    let written = form.fields.as_written();
    match archives::add(&state.app, &frame.actor, &form.fields, form.archive).await {
        Ok(report) => {
            let taken = report.added + report.revised + report.unchanged;
            see_other(&there(&report.library, &report.version, taken, report.failed_count))
        }
        Err(error) => refused(&state, &frame, written.each_ref().map(String::as_str), error.into()).await,
    }
}

async fn read_archive(state: &AppState, frame: &Frame, request: Request) -> Result<ArchiveForm> {
    uploads::require_writer(&frame.actor)?;
    archive_form(state, request, MAX_ARCHIVE_BYTES).await
}

/// Authenticates the sender of a form before its body is read.
async fn framed(state: &AppState, request: Request) -> std::result::Result<(Frame, Request), Response> {
    let (mut parts, body) = request.into_parts();
    let frame = Frame::from_request_parts(&mut parts, state).await.map_err(Problem::into_response)?;
    let frame = frame.at("/add");
    if !forms::is_of_this_site(&parts.headers) {
        return Err(SubmittedForm::foreign(&frame));
    }
    frame.require_person()?;
    Ok((frame, Request::from_parts(parts, body)))
}

/// The form again, with what is wrong and what was written.
async fn refused(state: &AppState, frame: &Frame, written: [&str; 3], problem: Problem) -> Response {
    match FormError::of_problem(frame, problem) {
        Ok(fault) => page(state, frame, written, Some(&fault), (None, 0)).await,
        Err(answer) => answer,
    }
}

fn there(library: &str, version: &str, taken: u64, failed: u64) -> String {
    let part = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    format!("/add?library={}&version={}&taken={taken}&failed={failed}", part(library), part(version))
}
