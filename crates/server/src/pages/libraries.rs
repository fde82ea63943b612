//! `/libraries` and `/l/{library}`: what there is, in which versions, how far it is, and for whom.
//!
//! The addresses under `/l/` are also programs': a page is for who asks for HTML, and others are told as before that there is
//! nothing.

mod change;
mod version;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use library::access::{Level, Visibility};
use library::catalogue::{Library, Version};
use library::ids::VersionId;
use library::overview::{self, Counts, TypeCount, VersionSize};
use library::recent::{self, RecentChange};
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{Problem, Result};

/// Libraries on a page.
const PAGE: usize = 48;
/// Versions whose counts are shown; those that are older are named.
const MAX_VERSIONS: usize = 12;
/// Changes that are shown.
const MAX_CHANGES: usize = 8;
/// Owners that are named.
const MAX_OWNERS: usize = 10;

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route("/libraries", get(list))
        .route("/l/{library}", get(show).post(change::library))
        .route("/l/{library}/{version}", get(version::show).post(change::version))
}

/// Query of the list.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ListQuery {
    q: String,
    after: String,
}

#[derive(Template)]
#[template(path = "libraries.html", blocks = ["list"])]
struct List<'page> {
    frame: &'page Frame,
    wanted: &'page ListQuery,
    items: Vec<Item<'page>>,
    /// Whether there is any library.
    has_any: bool,
    next: Option<String>,
}

/// A library in the list.
struct Item<'page> {
    library: &'page Library,
    link: String,
    active: Option<&'page Version>,
    size: Option<VersionSize>,
}

impl Item<'_> {
    fn visibility(&self) -> &'static str {
        visibility_name(self.library.visibility)
    }
}

/// All libraries that exist for the reader.
async fn list(State(state): State<AppState>, frame: Frame, Query(wanted): Query<ListQuery>) -> Response {
    let read = async {
        let catalogue = state.app.engine.catalogue().await?;
        let all = catalogue.libraries(&frame.actor);
        let has_any = !all.is_empty();
        let words = wanted.q.trim().to_lowercase();
        let is_wanted = |library: &&&Arc<Library>| {
            let held = |text: &str| text.to_lowercase().contains(&words);
            library.name.as_str() > wanted.after.as_str()
                && (held(library.name.as_str()) || held(&library.title) || held(&library.description))
        };
        let shown: Vec<&Arc<Library>> = all.iter().filter(is_wanted).take(PAGE + 1).copied().collect();
        let next = shown.get(PAGE).and_then(|_| shown.get(PAGE - 1)).map(|last| {
            let part = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
            };
            format!("/libraries?q={}&after={}", part(&wanted.q), part(last.name.as_str()))
        });
        let shown = shown.get(..PAGE).unwrap_or(&shown);
        let active: Vec<&Version> = shown.iter().filter_map(|library| library.active_version()).collect();
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let mut sizes = by_version(overview::sizes(&mut connection, &active).await?, |size| size.version);
        drop(connection);
        let items = shown
            .iter()
            .map(|library| Item {
                link: address::of_library(&library.name),
                active: active_of(library),
                size: library.active.and_then(|version| sizes.remove(&version)),
                library,
            })
            .collect();
        let page = List { frame: &frame, wanted: &wanted, items, has_any, next };
        Ok::<_, Problem>(if frame.is_partial() {
            frame.reading_page(StatusCode::OK, &page.as_list())
        } else {
            frame.reading_page(StatusCode::OK, &page)
        })
    };
    read.await.unwrap_or_else(Problem::into_response)
}

#[derive(Template)]
#[template(path = "library.html")]
struct Page<'page> {
    frame: &'page Frame,
    library: &'page Library,
    link: String,
    versions: Vec<VersionView<'page>>,
    /// Versions that are older than those shown.
    others: Vec<(&'page Version, String)>,
    changes: Vec<(RecentChange, String)>,
    notes: i64,
    owners: Vec<String>,
    may_change: bool,
    may_own: bool,
    has_model: bool,
    done: Option<Cow<'static, str>>,
    /// The form that was refused, and why.
    refused: Option<(&'page SubmittedForm, &'page FormError)>,
    /// Documents of all versions.
    documents: i64,
}

/// A version with what it holds.
struct VersionView<'page> {
    version: &'page Version,
    link: String,
    is_active: bool,
    counts: Counts,
    kinds: Vec<TypeCount>,
    indexed_at: Option<DateTime<Utc>>,
}

impl VersionView<'_> {
    /// The passages that search by meaning finds, of a hundred.
    fn meant(&self) -> i64 {
        if self.counts.passages == 0 {
            100
        } else {
            self.counts.vectors.min(self.counts.passages) * 100 / self.counts.passages
        }
    }
}

impl Page<'_> {
    /// Error of a form.
    fn fault(&self) -> Option<&FormError> {
        self.refused.map(|(_, fault)| fault)
    }

    /// Whether it was the form that does this.
    fn is_refused(&self, action: &str) -> bool {
        self.refused.is_some_and(|(posted, _)| posted.field("action") == action)
    }

    /// Returns the submitted value of a refused field, or the stored one.
    fn written_or<'text>(&'text self, field: &str, kept: &'text str) -> &'text str {
        match self.refused {
            Some((posted, _)) if self.is_refused("describe") => posted.field(field),
            _ => kept,
        }
    }

    fn visibility(&self) -> &'static str {
        visibility_name(self.library.visibility)
    }
}

/// Message about the previous action.
#[derive(Deserialize, Default)]
#[serde(default)]
struct LibraryQuery {
    done: Option<Done>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Done {
    Changed,
    Activated,
    VersionDeleted,
    DocumentDeleted,
    Retried,
    /// Answers a form sent to an unknown address.
    #[serde(other)]
    Unknown,
}

impl Done {
    /// It is said to have been done.
    fn said(self, frame: &Frame) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Changed => frame.t("libraries-done-changed"),
            Self::Activated => frame.t("libraries-done-activated"),
            Self::VersionDeleted => frame.t("libraries-done-version-deleted"),
            Self::DocumentDeleted => frame.t("libraries-done-document-deleted"),
            Self::Retried => frame.t("libraries-done-retried"),
            Self::Unknown => return None,
        })
    }
}

/// A library.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(name): Path<String>,
    Query(asked): Query<LibraryQuery>,
    headers: HeaderMap,
) -> Response {
    if !wants_page(&headers) {
        return nothing();
    }
    page(&state, &frame, &name, asked.done, None).await
}

/// A library's page, with what is wrong with a form of it.
async fn page(
    state: &AppState,
    frame: &Frame,
    name: &str,
    done: Option<Done>,
    refused: Option<(&SubmittedForm, &FormError)>,
) -> Response {
    let read = async {
        let catalogue = state.app.engine.catalogue().await?;
        let name = address::library(name).map_err(library::Error::from)?;
        let library = catalogue.library(&frame.actor, &name)?;
        let mut connection = store::postgres::snapshot(state.app.pool()).await?;
        let (listed, others) = library.versions.split_at(library.versions.len().min(MAX_VERSIONS));
        let listed: Vec<&Version> = listed.iter().collect();
        let mut counts =
            by_version(overview::counts(&mut connection, &listed).await?, |counts| counts.version);
        let all: Vec<&Version> = library.versions.iter().collect();
        let sizes = by_version(overview::sizes(&mut connection, &all).await?, |size| size.version);
        let kinds = overview::type_counts(&mut connection, &listed).await?;
        let notes = overview::open_notes(&mut connection, &[library.as_ref()]).await?;
        let asked = recent::RecentChangesParams {
            library: Some(name),
            limit: MAX_CHANGES,
            ..recent::RecentChangesParams::default()
        };
        let changes = recent::list(&mut connection, &frame.actor, &catalogue, &asked).await?.items;
        let owners = owners(&mut connection, &frame.actor, library).await?;
        drop(connection);
        let versions = listed
            .iter()
            .filter_map(|version| {
                Some(VersionView {
                    link: address::of_version(&library.name, &version.label),
                    is_active: library.active == Some(version.id),
                    counts: counts.remove(&version.id)?,
                    kinds: kinds.iter().filter(|kind| kind.version == version.id).cloned().collect(),
                    indexed_at: sizes.get(&version.id).and_then(|size| size.indexed_at),
                    version,
                })
            })
            .collect();
        let level = library.access_level(&frame.actor);
        let page = Page {
            frame,
            library,
            link: address::of_library(&library.name),
            versions,
            others: others
                .iter()
                .map(|version| (version, address::of_version(&library.name, &version.label)))
                .collect(),
            changes: changes.into_iter().map(|change| linked(library, change)).collect(),
            notes: notes.first().map_or(0, |(_, notes)| *notes),
            owners,
            may_change: level >= Some(Level::Write),
            may_own: level >= Some(Level::Own),
            has_model: has_model(state),
            done: done.and_then(|done| done.said(frame)),
            refused,
            documents: sizes.values().map(|size| size.documents).sum(),
        };
        let status = refused.map_or(StatusCode::OK, |(_, fault)| fault.status);
        Ok::<_, Problem>(frame.reading_page(status, &page))
    };
    read.await.unwrap_or_else(Problem::into_response)
}

fn linked(library: &Library, change: RecentChange) -> (RecentChange, String) {
    let link = match change.version.parse() {
        Ok(label) => address::of_path(&library.name, &label, &change.path),
        Err(_) => address::of_library(&library.name),
    };
    (change, link)
}

/// The names of those who own a library, for who is signed in.
async fn owners(
    connection: &mut sqlx::PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<Vec<String>> {
    if actor.user_id().is_none() {
        return Ok(Vec::new());
    }
    let owning = library.grants.iter().filter(|(_, level)| **level == Level::Own);
    let ids: Vec<UserId> = owning.map(|(user, _)| *user).take(MAX_OWNERS).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let names = identity::users::usernames(connection, actor, &ids).await?;
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

fn has_model(state: &AppState) -> bool {
    !matches!(state.app.engine.model(), library::search::ModelState::Off(_))
}

fn active_of(library: &Library) -> Option<&Version> {
    library.versions.iter().find(|version| library.active == Some(version.id))
}

fn by_version<T>(items: Vec<T>, version: impl Fn(&T) -> VersionId) -> HashMap<VersionId, T> {
    items.into_iter().map(|item| (version(&item), item)).collect()
}

fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Team => "team",
        Visibility::Public => "public",
    }
}

/// Whether a page is asked for, and not what a program reads.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn nothing() -> Response {
    Problem::not_found("nothing was found at this address").into_response()
}
