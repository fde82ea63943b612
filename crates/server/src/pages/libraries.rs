//! `/libraries` and `/l/{library}`: libraries with their versions, status, recent changes and visibility.

mod change;
pub(crate) mod version;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use library::access::{Level, Visibility};
use library::catalogue::{Library, Version};
use library::ids::VersionId;
use library::overview::{self, Counts, TypeCount, VersionSize};
use library::recent::{self, RecentChange};
use serde::Deserialize;
use social::follows::FollowStatus;

use super::community::{self, Card, cards};
use super::error::PageResult;
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem;

/// Libraries on a page.
const PAGE: usize = 48;
/// Limit on versions with counts; older ones are only named.
const MAX_VERSIONS: usize = 12;
/// Limit on recent changes.
const MAX_CHANGES: usize = 8;
/// Limit on owners that are named.
const MAX_OWNERS: usize = 10;

/// Routes of libraries and versions. Their own addresses are shared with other clients, so the router of the whole program
/// dispatches these to [`show`] and [`version::show`].
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/libraries", get(list))
        .route("/l/{library}", post(change::library))
        .route("/l/{library}/{version}", post(change::version))
        .route("/broken-links/{library}/{version}", get(version::broken_links))
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
    query: &'page ListQuery,
    items: Vec<Item<'page>>,
    /// Whether any library exists for the reader.
    has_any: bool,
    next: Option<String>,
}

/// Library in the list.
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

/// Lists the libraries that exist for the reader.
async fn list(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let all = catalogue.libraries(&frame.actor);
    let text = query.q.trim().to_lowercase();
    let is_match = |library: &&&Arc<Library>| {
        let has_text = |field: &str| field.to_lowercase().contains(&text);
        library.name.as_str() > query.after.as_str()
            && (has_text(library.name.as_str()) || has_text(&library.title) || has_text(&library.description))
    };
    let mut libraries: Vec<&Arc<Library>> = all.iter().filter(is_match).take(PAGE + 1).copied().collect();
    let has_more = libraries.len() > PAGE;
    libraries.truncate(PAGE);
    let next = libraries.last().filter(|_| has_more).map(|last| {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        format!("/libraries?q={}&after={}", encode(&query.q), encode(last.name.as_str()))
    });
    let active: Vec<&Version> = libraries.iter().filter_map(|library| library.active_version()).collect();
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut sizes = by_version(overview::sizes(&mut connection, &active).await?, |size| size.version);
    drop(connection);
    let items = libraries
        .iter()
        .map(|library| Item {
            link: address::of_library(&library.name),
            active: library.active_version(),
            size: library.active.and_then(|version| sizes.remove(&version)),
            library,
        })
        .collect();
    let page = List { frame: &frame, query: &query, items, has_any: !all.is_empty(), next };
    Ok(if frame.is_partial() {
        frame.reading_page(StatusCode::OK, &page.as_list())
    } else {
        frame.reading_page(StatusCode::OK, &page)
    })
}

#[derive(Template)]
#[template(path = "library.html")]
struct Page<'page> {
    frame: &'page Frame,
    library: &'page Library,
    link: String,
    versions: Vec<VersionView<'page>>,
    /// Older versions than those shown, with their links.
    others: Vec<(&'page Version, String)>,
    changes: Vec<(RecentChange, String)>,
    notes: i64,
    owners: Vec<String>,
    can_write: bool,
    is_owner: bool,
    has_model: bool,
    done: Option<Cow<'static, str>>,
    /// Refused form, and its error.
    refused: Option<(&'page SubmittedForm, &'page FormError)>,
    /// Documents of all versions.
    documents: i64,
    /// Whether the reader follows the library; `None` if they are not signed in.
    follow: Option<FollowStatus>,
    /// Newest posts about the library.
    discussions: Vec<Card<'page>>,
}

/// Version with its counts.
struct VersionView<'page> {
    version: &'page Version,
    link: String,
    is_active: bool,
    counts: Counts,
    kinds: Vec<TypeCount>,
    indexed_at: Option<DateTime<Utc>>,
}

impl VersionView<'_> {
    /// Returns the percentage of passages that semantic search finds.
    fn vector_percentage(&self) -> i64 {
        if self.counts.passages == 0 {
            100
        } else {
            self.counts.vectors.min(self.counts.passages) * 100 / self.counts.passages
        }
    }
}

impl Page<'_> {
    fn error(&self) -> Option<&FormError> {
        self.refused.map(|(_, error)| error)
    }

    /// Whether the form with this action was refused.
    fn is_refused(&self, action: &str) -> bool {
        self.refused.is_some_and(|(form, _)| form.field("action") == action)
    }

    /// Returns the submitted value of a field of the refused form, or the stored one.
    fn value_of<'text>(&'text self, field: &str, stored: &'text str) -> &'text str {
        match self.refused {
            Some((form, _)) if self.is_refused("describe") => form.field(field),
            _ => stored,
        }
    }

    fn visibility(&self) -> &'static str {
        visibility_name(self.library.visibility)
    }
}

/// Query: outcome of the previous action.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct LibraryQuery {
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
    /// Ignored.
    #[serde(other)]
    Unknown,
}

impl Done {
    /// Returns the message.
    fn message(self, frame: &Frame) -> Option<Cow<'static, str>> {
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

/// Shows a library.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(name): Path<String>,
    Query(query): Query<LibraryQuery>,
) -> PageResult {
    page(&state, &frame, &name, query.done, None).await
}

/// Renders a library's page, with the error of a form.
async fn page(
    state: &AppState,
    frame: &Frame,
    name: &str,
    done: Option<Done>,
    refused: Option<(&SubmittedForm, &FormError)>,
) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let name = address::library(name).map_err(library::Error::from)?;
    let library = catalogue.library(&frame.actor, &name)?;
    let mut connection = store::postgres::snapshot(state.app.pool()).await?;
    let (listed, others) = library.versions.split_at(library.versions.len().min(MAX_VERSIONS));
    let listed: Vec<&Version> = listed.iter().collect();
    let mut counts = by_version(overview::counts(&mut connection, &listed).await?, |counts| counts.version);
    let all: Vec<&Version> = library.versions.iter().collect();
    let sizes = by_version(overview::sizes(&mut connection, &all).await?, |size| size.version);
    let kinds = overview::type_counts(&mut connection, &listed).await?;
    let notes = overview::open_notes(&mut connection, &[library.as_ref()]).await?;
    let params = recent::RecentChangesParams {
        library: Some(name),
        limit: MAX_CHANGES,
        ..recent::RecentChangesParams::default()
    };
    let changes = recent::list(&mut connection, &frame.actor, &catalogue, &params).await?.items;
    let owners = owners(&mut connection, &frame.actor, library).await?;
    let (follow, discussions) =
        community::of_library(&mut connection, frame, library.id, &library.name).await?;
    drop(connection);
    let link_of = |version: &Version| address::of_version(&library.name, &version.label);
    let versions = listed.iter().filter_map(|version| {
        Some(VersionView {
            link: link_of(version),
            is_active: library.active == Some(version.id),
            counts: counts.remove(&version.id)?,
            kinds: kinds.iter().filter(|kind| kind.version == version.id).cloned().collect(),
            indexed_at: sizes.get(&version.id).and_then(|size| size.indexed_at),
            version,
        })
    });
    let level = library.access_level(&frame.actor);
    let page = Page {
        frame,
        library,
        link: address::of_library(&library.name),
        versions: versions.collect(),
        others: others.iter().map(|version| (version, link_of(version))).collect(),
        changes: changes.into_iter().map(|change| with_link(library, change)).collect(),
        notes: notes.first().map_or(0, |(_, notes)| *notes),
        owners,
        can_write: level >= Some(Level::Write),
        is_owner: level >= Some(Level::Own),
        has_model: has_model(state),
        done: done.and_then(|done| done.message(frame)),
        refused,
        documents: sizes.values().map(|size| size.documents).sum(),
        follow,
        discussions: cards(frame, &discussions),
    };
    let status = refused.map_or(StatusCode::OK, |(_, error)| error.status);
    Ok(frame.reading_page(status, &page))
}

fn with_link(library: &Library, change: RecentChange) -> (RecentChange, String) {
    let link = match change.version.parse() {
        Ok(label) => address::of_path(&library.name, &label, &change.path),
        Err(_) => address::of_library(&library.name),
    };
    (change, link)
}

/// Returns the names of a library's owners, if the reader is signed in.
async fn owners(
    connection: &mut sqlx::PgConnection,
    actor: &Actor,
    library: &Library,
) -> problem::Result<Vec<String>> {
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
