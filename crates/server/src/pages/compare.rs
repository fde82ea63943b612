//! `/compare/{library}/{path}`: what changed between two versions of a document, or two revisions under one: section by section.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use library::Error;
use library::catalogue::Library;
use library::diff::sections::{self, Change, Comparison, Line, Section};
use library::documents::{self, Revision, RevisionName, Status, reading};
use library::names::DocumentPath;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::frame::Frame;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::Problem;

/// Bytes of both texts together that are compared while somebody waits.
const MAX_BYTES: usize = 16 << 20;
/// Comparisons at once, on this node: anyone may ask for one, and both texts are held meanwhile.
static AT_ONCE: Semaphore = Semaphore::const_new(4);
/// Revisions that are offered: those of the highest versions.
const OFFERED: usize = 200;
/// Sections that are listed.
const LISTED: usize = 500;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new().route("/compare/{library}/{*path}", get(show))
}

/// Which two.
#[derive(Debug, Default, Deserialize)]
struct CompareQuery {
    /// LABEL or LABEL~NUMBER.
    from: Option<String>,
    to: Option<String>,
}

/// A revision that can be compared.
struct Choice<'page> {
    /// As addresses name it.
    value: String,
    revision: &'page Revision,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'page> {
    frame: &'page Frame,
    library: &'page Library,
    path: &'page str,
    title: String,
    choices: Vec<Choice<'page>>,
    from: Option<&'page Revision>,
    to: Option<&'page Revision>,
    /// The requested version that does not exist.
    absent: Option<String>,
    is_too_long: bool,
    comparison: Option<Comparison>,
}

async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, path)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let wanted = Query::<CompareQuery>::try_from_uri(&uri).map(|Query(wanted)| wanted).unwrap_or_default();
    match page(&state, &frame, &library, &path, &wanted).await {
        Ok(response) => response,
        Err(error) => Problem::from(error).into_response(),
    }
}

async fn page(
    state: &AppState,
    frame: &Frame,
    library: &str,
    path: &str,
    wanted: &CompareQuery,
) -> Result<Response, Error> {
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &address::library(library)?)?;
    let name: DocumentPath = path.parse().map_err(|_unlike| Error::NoDocument)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let labels = reading::labels_of_path(&mut connection, &frame.actor, library, &name).await?;
    let some =
        labels.first().and_then(|label| library.versions.iter().find(|held| held.label.as_str() == label));
    let Some(some) = some else { return Err(Error::NoDocument) };
    let found = reading::by_path(&mut connection, &frame.actor, library, some, &name).await?;
    let id = found.ok_or(Error::NoDocument)?.document_id;
    let mut revisions = documents::revisions(&mut connection, &frame.actor, id).await?;
    revisions.retain(|revision| revision.status == Status::Completed);
    let to = chosen(&revisions, wanted.to.as_deref());
    let from = chosen(&revisions, wanted.from.as_deref());
    let absent = [(&from, &wanted.from), (&to, &wanted.to)]
        .into_iter()
        .find_map(|(found, wanted)| wanted.clone().filter(|wanted| found.is_none() && !wanted.is_empty()));
    let to = to.or_else(|| usual(library, &revisions).filter(|_| absent.is_none()));
    let from = from.or_else(|| to.and_then(|to| before(&revisions, to)).filter(|_| absent.is_none()));
    let mut is_too_long = false;
    let mut comparison = None;
    if let (Some(from), Some(to)) = (from, to) {
        drop(connection);
        let _one_of_few = AT_ONCE.acquire().await.map_err(|closed| Error::Internal(closed.to_string()))?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let old = documents::content(&mut connection, from.id).await?.unwrap_or_default();
        let new = documents::content(&mut connection, to.id).await?.unwrap_or_default();
        drop(connection);
        is_too_long = old.len() + new.len() > MAX_BYTES;
        if !is_too_long {
            let compared = tokio::task::spawn_blocking(move || sections::compare(&old, &new)).await;
            let failed = |_panicked| Error::Internal("two texts could not be compared".to_owned());
            comparison = Some(compared.map_err(failed)?);
        }
    }
    let title = to.or(from).or(revisions.first()).and_then(|revision| revision.title.clone());
    let is_chosen = |revision: &Revision| [from, to].into_iter().flatten().any(|one| one.id == revision.id);
    let offered = revisions.iter().enumerate().filter(|(place, one)| *place < OFFERED || is_chosen(one));
    let choices = offered.map(|(_, revision)| Choice { value: value(revision), revision });
    let status = if absent.is_some() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let page = Page {
        frame,
        library,
        path: name.as_str(),
        title: title.unwrap_or_else(|| path.to_owned()),
        choices: choices.collect(),
        from,
        to,
        absent,
        is_too_long,
        comparison,
    };
    Ok(frame.reading_page(status, &page))
}

/// The revision that is named.
fn chosen<'all>(revisions: &'all [Revision], name: Option<&str>) -> Option<&'all Revision> {
    let name: RevisionName = name?.parse().ok()?;
    let mut under = revisions.iter().filter(|revision| revision.version == name.label.as_str());
    match name.revision {
        Some(number) => under.find(|revision| revision.revision == number),
        None => under.find(|revision| revision.active),
    }
}

/// The one that answers where no version is named, or the highest.
fn usual<'all>(library: &Library, revisions: &'all [Revision]) -> Option<&'all Revision> {
    let mut active = revisions.iter().filter(|revision| revision.active);
    active.clone().find(|revision| Some(revision.version_id) == library.active).or_else(|| active.next())
}

/// The one before: of the next lower version, or of the same where there is no other.
fn before<'all>(revisions: &'all [Revision], to: &Revision) -> Option<&'all Revision> {
    let mut rest = revisions.iter().skip_while(|revision| revision.id != to.id).skip(1);
    let lower = rest.clone().find(|revision| revision.active && revision.version_id != to.version_id);
    lower.or_else(|| rest.next()).or_else(|| revisions.iter().find(|revision| revision.id != to.id))
}

fn value(revision: &Revision) -> String {
    if revision.active {
        revision.version.clone()
    } else {
        format!("{}~{}", revision.version, revision.revision)
    }
}

impl Page<'_> {
    /// How a revision is called.
    fn name(&self, revision: &Revision) -> String {
        if revision.active {
            return revision.version.clone();
        }
        let number = self.frame.t_with("document-revision", "number", &revision.revision);
        format!("{} · {number}", revision.version)
    }

    fn is_from(&self, choice: &Choice<'_>) -> bool {
        self.from.is_some_and(|from| from.id == choice.revision.id)
    }

    fn is_to(&self, choice: &Choice<'_>) -> bool {
        self.to.is_some_and(|to| to.id == choice.revision.id)
    }

    /// The document in a revision.
    fn link(&self, revision: &Revision) -> String {
        let Ok(label) = revision.version.parse() else { return String::new() };
        let here = address::of_path(&self.library.name, &label, self.path);
        if revision.active { here } else { format!("{here}?revision={}", revision.revision) }
    }

    /// A section there.
    fn section_link(&self, revision: &Revision, section: &Section) -> String {
        let link = self.link(revision);
        if section.headings.is_empty() || !revision.active {
            return link;
        }
        let under = section.headings.join(" › ");
        format!("{link}?under={}", utf8_percent_encode(&under, NON_ALPHANUMERIC))
    }

    fn listed(&self) -> &[Section] {
        let sections = self.comparison.as_ref().map_or(&[][..], |comparison| &comparison.sections);
        sections.get(..LISTED).unwrap_or(sections)
    }

    /// Sections that are not even listed.
    fn unlisted(&self) -> usize {
        self.comparison.as_ref().map_or(0, |comparison| comparison.sections.len().saturating_sub(LISTED))
    }

    fn count(&self, change: &str) -> usize {
        self.comparison.iter().flat_map(|one| &one.sections).filter(|one| kind(one) == change).count()
    }

    fn heading(&self, section: &Section) -> String {
        section.headings.last().cloned().unwrap_or_else(|| self.title.clone())
    }

    fn above(&self, section: &Section) -> String {
        section.headings.split_last().map(|(_, above)| above.join(" › ")).unwrap_or_default()
    }
}

/// As words and styles name it.
fn kind(section: &Section) -> &'static str {
    match section.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    }
}
