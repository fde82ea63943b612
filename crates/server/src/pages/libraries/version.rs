//! `/l/{library}/{version}`: the documents of a version, by folder.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use library::access::Level;
use library::catalogue::{Library, Version};
use library::documents::Status;
use library::overview::{self, Counts, DocumentSummary, TypeCount};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Done, has_model, require_browser};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Documents on a page.
const PAGE: usize = 100;
/// Limit on other versions that are linked.
const MAX_VERSIONS: usize = 12;

/// Query: filters of the list, and the outcome of the previous action.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct VersionQuery {
    q: String,
    r#type: String,
    tag: String,
    status: String,
    after: String,
    done: Option<Done>,
}

#[derive(Template)]
#[template(path = "version.html", blocks = ["list"])]
struct Page<'page> {
    frame: &'page Frame,
    query: &'page VersionQuery,
    library: &'page Library,
    version: &'page Version,
    link: String,
    library_link: String,
    is_active: bool,
    others: Vec<(&'page Version, String)>,
    counts: Counts,
    kinds: Vec<TypeCount>,
    tags: Vec<(String, i64)>,
    folders: Vec<Folder>,
    next: Option<String>,
    can_write: bool,
    has_model: bool,
    done: Option<Cow<'static, str>>,
    error: Option<&'page FormError>,
}

/// Folder with its documents.
struct Folder {
    /// Empty for documents outside of folders.
    name: String,
    documents: Vec<(DocumentSummary, String)>,
}

impl VersionQuery {
    /// Returns the address of the list with one parameter changed, on its first page.
    pub(super) fn link(&self, base: &str, name: &str, value: &str) -> String {
        let pairs = [("q", &self.q), ("type", &self.r#type), ("tag", &self.tag), ("status", &self.status)];
        let mut parts: Vec<String> = Vec::new();
        let pairs = pairs.iter().map(|(known, value)| (*known, value.as_str()));
        for (known, current) in pairs.chain([("after", ""), ("done", "")]) {
            let value = if known == name { value } else { current };
            if !value.is_empty() {
                parts.push(format!("{known}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
            }
        }
        if parts.is_empty() { base.to_owned() } else { format!("{base}?{}", parts.join("&")) }
    }

    fn is_filtered(&self) -> bool {
        [&self.q, &self.r#type, &self.tag, &self.status].into_iter().any(|value| !value.is_empty())
    }

    fn to_filter(&self) -> Result<overview::SummaryFilter> {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let status = match self.status.as_str() {
            "" => None,
            "failed" => Some(Status::Failed),
            "processing" => Some(Status::Processing),
            "skipped" => Some(Status::Skipped),
            _ => return Err(Problem::invalid("status is failed, skipped or processing")),
        };
        Ok(overview::SummaryFilter {
            text: some(&self.q),
            tag: some(&self.tag),
            document_type: some(&self.r#type),
            status,
        })
    }
}

impl Page<'_> {
    /// Returns the number of listed documents.
    fn listed(&self) -> usize {
        self.folders.iter().map(|folder| folder.documents.len()).sum()
    }

    /// Returns the address of the first page of this list.
    fn first_page(&self) -> String {
        self.query.link(&self.link, "after", "")
    }

    /// Returns the address of this list with one filter set, or cleared if it has this value.
    fn toggled(&self, name: &str, value: &str) -> String {
        self.query.link(&self.link, name, if self.is_set(name, value) { "" } else { value })
    }

    fn is_set(&self, name: &str, value: &str) -> bool {
        match name {
            "type" => self.query.r#type == value,
            "tag" => self.query.tag == value,
            _ => self.query.status == value,
        }
    }
}

/// Shows a version; redirects from another name of it, such as a range.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> PageResult {
    require_browser(&headers)?;
    let (library, version) = find(&state, &frame, &library, &version).await?;
    if version.label.as_str() == last_segment(&uri) {
        return page(&state, &frame, &library, &version, &query, None).await;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(see_other(&format!("{}{query}", address::of_version(&library.name, &version.label))))
}

/// Returns the last segment of an address, decoded.
fn last_segment(uri: &axum::http::Uri) -> String {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}

/// Finds the version that an address names, in a library that exists for the reader.
pub(super) async fn find(
    state: &AppState,
    frame: &Frame,
    library: &str,
    version: &str,
) -> Result<(Arc<Library>, Version)> {
    let catalogue = state.app.engine.catalogue().await?;
    let library =
        catalogue.library(&frame.actor, &address::library(library).map_err(library::Error::from)?)?;
    // An existing label comes first, even if the word has another meaning, such as `latest`.
    if let Some(version) = library.versions.iter().find(|known| known.label.as_str() == version) {
        return Ok((Arc::clone(library), version.clone()));
    }
    let version = input::version(if version == "active" { None } else { Some(version) })?;
    Ok((Arc::clone(library), library.resolve(&version)?.clone()))
}

/// Renders a version's page, with the error of a form.
pub(super) async fn page(
    state: &AppState,
    frame: &Frame,
    library: &Library,
    version: &Version,
    query: &VersionQuery,
    error: Option<&FormError>,
) -> PageResult {
    let after = Some(query.after.as_str()).filter(|after| !after.is_empty());
    let after = after.map(input::cursor).transpose()?;
    let filter = query.to_filter()?;
    let actor = &frame.actor;
    let mut connection = store::postgres::snapshot(state.app.pool()).await?;
    let documents =
        overview::documents(&mut connection, actor, library, version, &filter, after.as_ref(), PAGE).await?;
    let counts = overview::counts(&mut connection, &[version]).await?.pop();
    let kinds = overview::type_counts(&mut connection, &[version]).await?;
    let tags = overview::tags(&mut connection, version).await?;
    drop(connection);
    let link = address::of_version(&library.name, &version.label);
    let others = library.versions.iter().filter(|other| other.id != version.id).take(MAX_VERSIONS);
    let next = documents.next.map(|next| query.link(&link, "after", &next.to_string()));
    let page = Page {
        frame,
        query,
        library,
        version,
        library_link: address::of_library(&library.name),
        is_active: library.active == Some(version.id),
        others: others.map(|other| (other, address::of_version(&library.name, &other.label))).collect(),
        counts: counts.ok_or_else(|| Problem::not_found("version not found"))?,
        kinds,
        tags,
        folders: folders(library, version, documents.items),
        next,
        can_write: library.access_level(actor) >= Some(Level::Write),
        has_model: has_model(state),
        done: query.done.and_then(|done| done.message(frame)),
        error,
        link,
    };
    let status = error.map_or(StatusCode::OK, |error| error.status);
    Ok(if frame.is_partial() {
        frame.reading_page(status, &page.as_list())
    } else {
        frame.reading_page(status, &page)
    })
}

/// Groups consecutive documents by folder.
fn folders(library: &Library, version: &Version, listed: Vec<DocumentSummary>) -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for document in listed {
        let name = document.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let link = address::of_path(&library.name, &version.label, &document.path);
        match folders.last_mut() {
            Some(last) if last.name == name => last.documents.push((document, link)),
            _ => folders.push(Folder { name, documents: vec![(document, link)] }),
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_changes_one_filter_and_starts_on_the_first_page() {
        let query = VersionQuery {
            q: "a b".to_owned(),
            tag: "x".to_owned(),
            after: "z".to_owned(),
            ..VersionQuery::default()
        };
        assert_eq!(query.link("/l/a/1", "type", "pdf"), "/l/a/1?q=a%20b&type=pdf&tag=x");
        assert_eq!(query.link("/l/a/1", "tag", ""), "/l/a/1?q=a%20b");
        assert_eq!(query.link("/l/a/1", "after", "n"), "/l/a/1?q=a%20b&tag=x&after=n");
        assert_eq!(VersionQuery::default().link("/l/a/1", "tag", ""), "/l/a/1");
        assert!(VersionQuery { status: "other".to_owned(), ..VersionQuery::default() }.to_filter().is_err());
    }
}
