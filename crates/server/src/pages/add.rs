//! `/add`: uploads files, folders and archives, and shows how far they are processed.
//!
//! With scripts each file is uploaded through the API, with its progress. Without, a form sends all files at once.

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use library::access::{self, Level};
use library::documents::{self, Document, DocumentFilter, Status};
use library::overview::{self, Counts, DocumentSummary, SummaryFilter};
use library::search::ModelState;
use serde::Deserialize;

use super::error::PageResult;
use super::forms;
use super::frame::{FormError, Frame};
use super::see_other;
use crate::app::address;
use crate::app::archives::{self, MAX_ARCHIVE_BYTES};
use crate::app::staging::Allowance;
use crate::app::uploads;
use crate::http::AppState;
use crate::http::input::{self, Query};
use crate::http::multipart::{ArchiveForm, DocumentForm, archive_form, document_form};
use crate::http::problem::{self, Problem};

/// Limit on failed and on skipped documents that are listed with their reasons.
const MAX_LISTED: usize = 20;

/// Routes that answer within the usual time.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/add/standing", get(status))
}

/// Routes of uploads, whose time depends on their size.
pub(super) fn upload_routes() -> Router<AppState> {
    Router::new().route("/add", get(show).post(add)).route("/add/archive", post(add_archive))
}

/// Query: target of the upload, and the outcome of the previous one.
#[derive(Deserialize)]
struct AddQuery {
    #[serde(default)]
    library: String,
    #[serde(default)]
    version: String,
    /// Number of documents that the form has just uploaded.
    taken: Option<u64>,
    #[serde(default)]
    skipped: u64,
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
    added: u64,
    skipped: u64,
    failed: u64,
    error: Option<&'page FormError>,
    /// Whether the reader can write to a library or create one.
    can_add: bool,
    status: Option<IngestStatus<'page>>,
    max_file_bytes: u64,
    max_archive_bytes: u64,
}

impl Page<'_> {
    fn max_file_mib(&self) -> u64 {
        self.max_file_bytes >> 20
    }
}

/// Progress of a version's documents.
#[derive(Template)]
#[template(path = "add_status.html")]
struct IngestStatus<'page> {
    frame: &'page Frame,
    library: String,
    version: String,
    /// Address of the version.
    address: String,
    counts: Counts,
    failed: Vec<Document>,
    skipped: Vec<DocumentSummary>,
    /// Active version of the library, if it is another one.
    active: Option<String>,
    /// Whether semantic search is on.
    has_model: bool,
}

impl IngestStatus<'_> {
    /// Documents that are read or being read.
    fn total(&self) -> i64 {
        self.counts.documents.max(0) + self.counts.processing
    }

    fn is_read(&self) -> bool {
        self.counts.processing == 0
    }

    fn is_done(&self) -> bool {
        self.is_read() && (!self.has_model || self.counts.vectors >= self.counts.passages)
    }
}

/// Shows the upload form, with the progress after an upload.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<AddQuery>) -> PageResult {
    frame.require_sign_in()?;
    let values = [query.library.as_str(), query.version.as_str(), ""];
    let outcome = query.taken.map(|added| Outcome { added, skipped: query.skipped, failed: query.failed });
    page(&state, &frame, values, None, outcome).await
}

/// Outcome of an upload by form.
struct Outcome {
    added: u64,
    skipped: u64,
    failed: u64,
}

async fn page(
    state: &AppState,
    frame: &Frame,
    [library, version, tags]: [&str; 3],
    error: Option<&FormError>,
    outcome: Option<Outcome>,
) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let libraries = catalogue.libraries(&frame.actor).into_iter();
    let writable = libraries.filter(|library| library.access_level(&frame.actor) >= Some(Level::Write));
    let libraries: Vec<String> = writable.map(|library| library.name.to_string()).collect();
    let status = match outcome {
        Some(_) => Some(ingest_status(state, frame, library, version).await?),
        None => None,
    };
    let Outcome { added, skipped, failed } = outcome.unwrap_or(Outcome { added: 0, skipped: 0, failed: 0 });
    let page = Page {
        frame,
        can_add: !libraries.is_empty() || access::can_create_libraries(&frame.actor),
        libraries,
        library,
        version,
        tags,
        added,
        skipped,
        failed,
        error,
        status,
        max_file_bytes: state.app.settings.documents.max_bytes() as u64,
        max_archive_bytes: MAX_ARCHIVE_BYTES,
    };
    Ok(frame.form_page(error, &page))
}

/// Shows the progress of a version's documents; a script polls it until all is done.
async fn status(State(state): State<AppState>, frame: Frame, Query(query): Query<AddQuery>) -> PageResult {
    frame.require_sign_in()?;
    let status = ingest_status(&state, &frame, &query.library, &query.version).await?;
    if frame.is_partial() {
        return Ok(frame.page(StatusCode::OK, &status));
    }
    Ok(see_other(&link(&query.library, &query.version, &Outcome { added: 0, skipped: 0, failed: 0 })))
}

async fn ingest_status<'frame>(
    state: &AppState,
    frame: &'frame Frame,
    library: &str,
    version: &str,
) -> problem::Result<IngestStatus<'frame>> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &input::library(library)?)?;
    let label = if version.is_empty() { library::label::CURRENT } else { version };
    let version = library.resolve(&input::version(Some(label))?)?;
    let mut connection = store::postgres::snapshot(state.app.pool()).await?;
    let counts = overview::counts(&mut connection, &[version]).await?.pop();
    let counts = counts.unwrap_or(Counts {
        version: version.id,
        documents: 0,
        processing: 0,
        failed: 0,
        skipped: 0,
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
        documents::list(&mut connection, &frame.actor, &filter, None, MAX_LISTED).await?.items
    } else {
        Vec::new()
    };
    let skipped = if counts.skipped > 0 {
        let filter = SummaryFilter { status: Some(Status::Skipped), ..SummaryFilter::default() };
        let actor = &frame.actor;
        overview::documents(&mut connection, actor, library, version, &filter, None, MAX_LISTED).await?.items
    } else {
        Vec::new()
    };
    let active = library.active_version().filter(|active| active.id != version.id);
    Ok(IngestStatus {
        frame,
        active: active.map(|active| active.label.to_string()),
        library: library.name.to_string(),
        version: version.label.to_string(),
        address: address::of_version(&library.name, &version.label),
        counts,
        failed,
        skipped,
        has_model: !matches!(state.app.engine.model(), ModelState::Off(_)),
    })
}

/// Adds the files of a form.
async fn add(State(state): State<AppState>, request: Request) -> PageResult {
    let (frame, request) = authenticate_form(&state, request).await?;
    let (form, _allowance) = match read_documents(&state, &frame, request).await {
        Ok((Some(form), allowance)) => (form, allowance),
        Ok((None, _)) => return Err(forms::refuse_cross_site(&frame)),
        Err(problem) => return refuse(&state, &frame, ["", "", ""], problem).await,
    };
    let values = form.fields.as_written();
    match uploads::add(&state.app, &frame.actor, &form.fields, form.files).await {
        Ok((target, added)) => {
            let outcome = Outcome { added: added.len() as u64, skipped: 0, failed: 0 };
            Ok(see_other(&link(target.library.as_str(), target.version.as_str(), &outcome)))
        }
        Err(error) => refuse(&state, &frame, values.each_ref().map(String::as_str), error.into()).await,
    }
}

async fn read_documents(
    state: &AppState,
    frame: &Frame,
    request: Request,
) -> problem::Result<(Option<DocumentForm>, Allowance)> {
    let allowance = uploads::begin(&state.app, &frame.actor)?;
    let accepts_token = |token: &str| forms::has_valid_token(frame, token);
    let form = document_form(state, &frame.actor, &allowance, request, accepts_token).await?;
    Ok((form, allowance))
}

/// Adds the files of an archive from a form.
async fn add_archive(State(state): State<AppState>, request: Request) -> PageResult {
    let (frame, request) = authenticate_form(&state, request).await?;
    let (form, allowance) = match read_archive(&state, &frame, request).await {
        Ok((Some(form), allowance)) => (form, allowance),
        Ok((None, _)) => return Err(forms::refuse_cross_site(&frame)),
        Err(problem) => return refuse(&state, &frame, ["", "", ""], problem).await,
    };
    let values = form.fields.as_written();
    match archives::add(&state.app, &frame.actor, &form.fields, &allowance, form.archive).await {
        Ok(report) => {
            let outcome = Outcome {
                added: report.added + report.revised + report.unchanged,
                skipped: report.skipped_count,
                failed: report.failed_count,
            };
            Ok(see_other(&link(&report.library, &report.version, &outcome)))
        }
        Err(error) => refuse(&state, &frame, values.each_ref().map(String::as_str), error.into()).await,
    }
}

async fn read_archive(
    state: &AppState,
    frame: &Frame,
    request: Request,
) -> problem::Result<(Option<ArchiveForm>, Allowance)> {
    let allowance = uploads::begin(&state.app, &frame.actor)?;
    let accepts_token = |token: &str| forms::has_valid_token(frame, token);
    let form =
        archive_form(state, &frame.actor, &allowance, request, MAX_ARCHIVE_BYTES, accepts_token).await?;
    Ok((form, allowance))
}

/// Authenticates the sender of a form before its body is read.
async fn authenticate_form(state: &AppState, request: Request) -> PageResult<(Frame, Request)> {
    let (frame, request) = forms::authenticate(state, request).await?;
    let frame = frame.at("/add");
    frame.require_sign_in()?;
    Ok((frame, request))
}

/// Shows the form again, with its error and values.
async fn refuse(state: &AppState, frame: &Frame, values: [&str; 3], problem: Problem) -> PageResult {
    let error = FormError::from_problem(frame, problem)?;
    page(state, frame, values, Some(&error), None).await
}

/// Returns the address of the page after an upload.
fn link(library: &str, version: &str, outcome: &Outcome) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (library, version) = (encode(library), encode(version));
    let Outcome { added, skipped, failed } = outcome;
    format!("/add?library={library}&version={version}&taken={added}&skipped={skipped}&failed={failed}")
}
