//! `/changes/{library}`: what changed between two versions of a library, as a page and as an Atom feed.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use chrono::SecondsFormat;
use library::Error;
use library::catalogue::{Library, Version};
use library::version_changes::{ChangeKind, VersionChange};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::error::PageResult;
use super::frame::Frame;
use crate::app::address;
use crate::app::version_changes::{self, ChangesPage, Comparison};
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::Result;

/// Changes on a page.
const PAGE: usize = 100;
/// Changes in a feed.
const MAX_ENTRIES: usize = 500;

/// Routes of the page and the feed.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/changes/{library}", get(show)).route("/changes/{library}/atom", get(feed))
}

/// Query: the versions, and a filter.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ChangesQuery {
    from: String,
    to: String,
    kind: String,
    after: String,
}

impl ChangesQuery {
    fn to_comparison(&self, limit: usize) -> Result<Comparison> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let version = |text: &str| {
            some(text)
                .map(|text| input::version(Some(text.as_str()).filter(|text| *text != "active")))
                .transpose()
        };
        Ok(Comparison {
            from: version(&self.from)?,
            to: version(&self.to)?,
            // Links from elsewhere may carry others.
            kind: ChangeKind::named(&self.kind),
            after: some(&self.after).map(|after| input::cursor(&after)).transpose()?,
            limit,
        })
    }
}

#[derive(Template)]
#[template(path = "version_changes.html")]
struct Page<'page> {
    frame: &'page Frame,
    library: &'page Library,
    /// `None` if there is nothing to compare with.
    changes: Option<&'page ChangesPage>,
    kind: Option<ChangeKind>,
}

#[expect(clippy::unused_self, reason = "called by the template")]
impl Page<'_> {
    fn is_from(&self, version: &Version) -> bool {
        self.changes.is_some_and(|changes| changes.from.id == version.id)
    }

    fn is_to(&self, version: &Version) -> bool {
        match self.changes {
            Some(changes) => changes.to.id == version.id,
            None => self.library.active == Some(version.id),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn is_kind(&self, kind: &ChangeKind) -> bool {
        self.kind == Some(*kind)
    }

    /// Returns the address with a kind of changes, or with all if it is selected.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn with_kind(&self, changes: &ChangesPage, kind: &ChangeKind) -> String {
        let link = link(changes, "");
        if self.is_kind(kind) { link } else { format!("{link}&kind={}", kind.as_str()) }
    }

    fn feed(&self, changes: &ChangesPage) -> String {
        link(changes, "/atom")
    }

    fn next(&self, changes: &ChangesPage) -> Option<String> {
        let next = changes.next.as_ref()?.to_string();
        let kind = self.kind.map(|kind| format!("&kind={}", kind.as_str())).unwrap_or_default();
        Some(format!("{}{kind}&after={}", link(changes, ""), encoded(&next)))
    }

    fn total(&self, changes: &ChangesPage) -> usize {
        changes.counts.iter().map(|(_, number)| number).sum()
    }

    fn link_of(&self, changes: &ChangesPage, change: &VersionChange) -> String {
        link_of(changes, change)
    }

    /// Returns the growth of the text in bytes.
    fn growth(&self, change: &VersionChange) -> i64 {
        change.new_bytes.unwrap_or(0) - change.old_bytes.unwrap_or(0)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Returns the address of a comparison.
fn link(changes: &ChangesPage, suffix: &str) -> String {
    format!(
        "/changes/{}{suffix}?from={}&to={}",
        address::segment_of(&changes.library.name),
        encoded(changes.from.label.as_str()),
        encoded(changes.to.label.as_str())
    )
}

/// Returns the address that shows a change: the comparison of the document, or the document.
fn link_of(changes: &ChangesPage, change: &VersionChange) -> String {
    let library = &changes.library.name;
    match change.kind {
        ChangeKind::Changed => format!(
            "/compare/{}/{}?from={}&to={}",
            address::segment_of(library),
            address::escaped(&change.path),
            encoded(changes.from.label.as_str()),
            encoded(changes.to.label.as_str())
        ),
        ChangeKind::Removed => address::of_path(library, &changes.from.label, &change.path),
        ChangeKind::Added | ChangeKind::Moved => address::of_path(library, &changes.to.label, &change.path),
    }
}

/// Shows the changes.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(library): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> PageResult {
    let name = address::library(&library).map_err(Error::from)?;
    let comparison = query.to_comparison(PAGE)?;
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&frame.actor, &name)?;
    let changes = version_changes::compare(&state.app, &frame.actor, &catalogue, &name, &comparison).await?;
    let page = Page { frame: &frame, library, changes: changes.as_ref(), kind: comparison.kind };
    Ok(frame.reading_page(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "version_changes.xml", escape = "html")]
struct Feed<'page> {
    frame: &'page Frame,
    changes: &'page ChangesPage,
    /// Address of the server.
    server: &'page str,
    /// Time of the newest change.
    updated: String,
}

impl Feed<'_> {
    /// Returns a text without the control characters that XML has no place for.
    #[expect(clippy::unused_self, reason = "called by the template")]
    fn plain(&self, text: &str) -> String {
        text.chars().filter(|character| !character.is_control()).collect()
    }

    fn page(&self) -> String {
        format!("{}{}", self.server, link(self.changes, ""))
    }

    fn own(&self) -> String {
        format!("{}{}", self.server, link(self.changes, "/atom"))
    }

    fn link_of(&self, change: &VersionChange) -> String {
        format!("{}{}", self.server, link_of(self.changes, change))
    }

    fn time(&self, change: &VersionChange) -> String {
        change.changed_at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// Sends the changes as a feed. Without versions it follows the active one.
async fn feed(
    State(state): State<AppState>,
    frame: Frame,
    Path(library): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> PageResult {
    let name = address::library(&library).map_err(Error::from)?;
    let comparison = query.to_comparison(MAX_ENTRIES)?;
    let catalogue = state.app.engine.catalogue().await?;
    let changes = version_changes::compare(&state.app, &frame.actor, &catalogue, &name, &comparison).await?;
    let changes = changes.ok_or_else(|| Error::NotFound("the library has no earlier version".to_owned()))?;
    let newest = changes.items.iter().map(|change| change.changed_at).max().unwrap_or(changes.to.created_at);
    let updated = newest.to_rfc3339_opts(SecondsFormat::Secs, true);
    let feed = Feed { frame: &frame, changes: &changes, server: &state.address, updated };
    let text = feed.render().map_err(|error| Error::Internal(error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    Ok((headers, text).into_response())
}
