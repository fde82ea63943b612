//! `/compare/{library}/{path}`: changes between two versions of a document, or two revisions of one version, by section.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use library::Error;
use library::catalogue::Library;
use library::diff::sections::{self, Change, Comparison, Line, Section};
use library::documents::{self, Revision, RevisionName, Status, reading};
use library::names::DocumentPath;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::error::PageResult;
use super::frame::Frame;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::Path;

/// Limit on the bytes of both texts together.
const MAX_BYTES: usize = 16 << 20;
/// Limit on concurrent comparisons on this node: requests can be anonymous, and each holds both texts.
static COMPARISONS: Semaphore = Semaphore::const_new(4);
/// Limit on revisions that are offered, those of the highest versions first.
const MAX_CHOICES: usize = 200;
/// Limit on sections that are listed.
const MAX_SECTIONS: usize = 500;

/// Routes of the comparison.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/compare/{library}/{*path}", get(show))
}

/// Query: the two revisions.
#[derive(Debug, Default, Deserialize)]
struct CompareQuery {
    /// `LABEL` or `LABEL~NUMBER`.
    from: Option<String>,
    to: Option<String>,
}

/// A revision that can be compared.
struct Choice<'page> {
    /// Name in addresses.
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
    /// Requested version that does not exist.
    absent: Option<String>,
    is_too_long: bool,
    comparison: Option<Comparison>,
}

/// Compares two revisions.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, path)): Path<(String, String)>,
    uri: Uri,
) -> PageResult {
    // Unreadable parameters are ignored: links from elsewhere may carry others.
    let query = Query::<CompareQuery>::try_from_uri(&uri).map(|Query(query)| query).unwrap_or_default();
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &address::library(&library).map_err(Error::from)?)?;
    let name: DocumentPath = path.parse().map_err(|_invalid| Error::NoDocument)?;
    let revisions = completed_revisions(&state, &frame, library, &name).await?;
    let to = named(&revisions, query.to.as_deref());
    let from = named(&revisions, query.from.as_deref());
    let absent = [(&from, &query.from), (&to, &query.to)]
        .into_iter()
        .find_map(|(revision, name)| name.clone().filter(|name| revision.is_none() && !name.is_empty()));
    let to = to.or_else(|| default_revision(library, &revisions).filter(|_| absent.is_none()));
    let from = from.or_else(|| to.and_then(|to| preceding(&revisions, to)).filter(|_| absent.is_none()));
    let (comparison, is_too_long) = match (from, to) {
        (Some(from), Some(to)) => match compare(&state, from, to).await? {
            Some(comparison) => (Some(comparison), false),
            None => (None, true),
        },
        _ => (None, false),
    };
    let title = to.or(from).or(revisions.first()).and_then(|revision| revision.title.clone());
    let is_chosen = |revision: &Revision| [from, to].into_iter().flatten().any(|one| one.id == revision.id);
    let offered = revisions.iter().enumerate().filter(|(place, one)| *place < MAX_CHOICES || is_chosen(one));
    let choices = offered.map(|(_, revision)| Choice { value: value(revision), revision });
    let status = if absent.is_some() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let page = Page {
        frame: &frame,
        library,
        path: name.as_str(),
        title: title.unwrap_or_else(|| path.clone()),
        choices: choices.collect(),
        from,
        to,
        absent,
        is_too_long,
        comparison,
    };
    Ok(frame.reading_page(status, &page))
}

/// Returns the completed revisions of a document in all versions of a library.
async fn completed_revisions(
    state: &AppState,
    frame: &Frame,
    library: &Library,
    name: &DocumentPath,
) -> Result<Vec<Revision>, Error> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let labels = reading::labels_of_path(&mut connection, &frame.actor, library, name).await?;
    let label = labels.first().ok_or(Error::NoDocument)?;
    let version = library.versions.iter().find(|version| version.label.as_str() == label);
    let version = version.ok_or(Error::NoDocument)?;
    let document = reading::by_path(&mut connection, &frame.actor, library, version, name).await?;
    let id = document.ok_or(Error::NoDocument)?.document_id;
    let mut revisions = documents::revisions(&mut connection, &frame.actor, id).await?;
    revisions.retain(|revision| revision.status == Status::Completed);
    Ok(revisions)
}

/// Compares the texts of two revisions; `None` if they are too long.
async fn compare(state: &AppState, from: &Revision, to: &Revision) -> Result<Option<Comparison>, Error> {
    let _permit = COMPARISONS.acquire().await.map_err(|closed| Error::Internal(closed.to_string()))?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let old = documents::content(&mut connection, from.id).await?.unwrap_or_default();
    let new = documents::content(&mut connection, to.id).await?.unwrap_or_default();
    drop(connection);
    if old.len() + new.len() > MAX_BYTES {
        return Ok(None);
    }
    let comparison = tokio::task::spawn_blocking(move || sections::compare(&old, &new)).await;
    comparison.map(Some).map_err(|_panicked| Error::Internal("failed to compare two texts".to_owned()))
}

/// Returns the named revision.
fn named<'all>(revisions: &'all [Revision], name: Option<&str>) -> Option<&'all Revision> {
    let name: RevisionName = name?.parse().ok()?;
    let mut under = revisions.iter().filter(|revision| revision.version == name.label.as_str());
    match name.revision {
        Some(number) => under.find(|revision| revision.revision == number),
        None => under.find(|revision| revision.active),
    }
}

/// Returns the active revision of the active version, else of the highest.
fn default_revision<'all>(library: &Library, revisions: &'all [Revision]) -> Option<&'all Revision> {
    let mut active = revisions.iter().filter(|revision| revision.active);
    active.clone().find(|revision| Some(revision.version_id) == library.active).or_else(|| active.next())
}

/// Returns the revision before: that of the next lower version, else an earlier one of the same version, else any other.
fn preceding<'all>(revisions: &'all [Revision], to: &Revision) -> Option<&'all Revision> {
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
    /// Returns the name of a revision on the page.
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

    /// Returns the address of the document in a revision.
    fn link(&self, revision: &Revision) -> String {
        let Ok(label) = revision.version.parse() else { return String::new() };
        let here = address::of_path(&self.library.name, &label, self.path);
        if revision.active { here } else { format!("{here}?revision={}", revision.revision) }
    }

    /// Returns the address of a section in a revision.
    fn section_link(&self, revision: &Revision, section: &Section) -> String {
        let link = self.link(revision);
        if section.headings.is_empty() || !revision.active {
            return link;
        }
        let headings = section.headings.join(" › ");
        format!("{link}?under={}", utf8_percent_encode(&headings, NON_ALPHANUMERIC))
    }

    fn listed(&self) -> &[Section] {
        let sections = self.comparison.as_ref().map_or(&[][..], |comparison| &comparison.sections);
        sections.get(..MAX_SECTIONS).unwrap_or(sections)
    }

    /// Number of sections beyond those listed.
    fn unlisted(&self) -> usize {
        self.comparison
            .as_ref()
            .map_or(0, |comparison| comparison.sections.len().saturating_sub(MAX_SECTIONS))
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

/// Returns the name of a change in translations and style sheets.
fn kind(section: &Section) -> &'static str {
    match section.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    }
}
