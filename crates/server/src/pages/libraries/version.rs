//! `/l/{library}/{version}`: the documents of a version, by folder.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use library::access::Level;
use library::catalogue::{Library, Version};
use library::documents::Status;
use library::documents::contents::{Contents, TreeItem};
use library::links::broken::{self, BrokenLink, Missing};
use library::overview::{self, Counts, DocumentSummary, TypeCount};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Done, has_model};
use crate::app::{address, contents};
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Documents on a page.
const PAGE: usize = 100;
/// Limit on folders that are linked.
const MAX_SUBFOLDERS: usize = 100;
/// Limit on other versions that are linked.
const MAX_VERSIONS: usize = 12;

/// Documents of a version whose broken links are looked for with its page.
const MAX_CHECKED_DOCUMENTS: i64 = 500;
/// Broken links on the page of a version.
const MAX_BROKEN: usize = 20;

/// Query: filters of the list, and the outcome of the previous action.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct VersionQuery {
    q: String,
    /// Only documents below this folder.
    folder: String,
    r#type: String,
    tag: String,
    status: String,
    after: String,
    done: Option<Done>,
}

#[derive(Template)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts that the page shows")]
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
    subfolders: Vec<Subfolder>,
    /// Folders above and that is shown, each with its address.
    crumbs: Vec<(String, String)>,
    next: Option<String>,
    /// First broken links, if they are looked for on this page.
    broken: Vec<(BrokenLink, String)>,
    has_more_broken: bool,
    can_write: bool,
    has_model: bool,
    done: Option<Cow<'static, str>>,
    error: Option<&'page FormError>,
}

/// Folder with its documents.
struct Folder {
    /// Empty for documents outside of folders.
    name: String,
    link: String,
    documents: Vec<(DocumentSummary, String)>,
}

/// Folder within the folder that is shown.
struct Subfolder {
    name: String,
    documents: usize,
    link: String,
}

impl VersionQuery {
    /// Returns the address of the list with one parameter changed, on its first page.
    pub(super) fn link(&self, base: &str, name: &str, value: &str) -> String {
        let pairs = [
            ("q", &self.q),
            ("folder", &self.folder),
            ("type", &self.r#type),
            ("tag", &self.tag),
            ("status", &self.status),
        ];
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
        [&self.q, &self.folder, &self.r#type, &self.tag, &self.status]
            .into_iter()
            .any(|value| !value.is_empty())
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
            folder: some(self.folder.trim_matches('/')),
            tag: some(&self.tag),
            document_type: some(&self.r#type),
            status,
        })
    }
}

impl BrokenPage<'_> {
    fn is_place(&self, link: &BrokenLink) -> bool {
        link.missing == Missing::Place
    }
}

impl Page<'_> {
    fn is_place(&self, link: &BrokenLink) -> bool {
        link.missing == Missing::Place
    }

    /// Returns the address of the list of all broken links.
    fn broken_link(&self) -> String {
        address::of_broken_links(&self.library.name, &self.version.label)
    }

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

    /// Returns the name of a document's file; its folder is above it.
    #[expect(clippy::unused_self, reason = "called by the template")]
    fn file_name<'path>(&self, path: &'path str) -> &'path str {
        path.rsplit('/').next().unwrap_or(path)
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
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
    OriginalUri(uri): OriginalUri,
) -> PageResult {
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
pub(crate) async fn find(
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

#[derive(Template)]
#[template(path = "broken_links.html")]
struct BrokenPage<'page> {
    frame: &'page Frame,
    library: &'page Library,
    version: &'page Version,
    link: String,
    library_link: String,
    broken: Vec<(BrokenLink, String)>,
    next: Option<String>,
}

/// Query of the list of broken links.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct BrokenQuery {
    after: String,
}

/// Lists the broken links of a version.
pub(super) async fn broken_links(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version)): Path<(String, String)>,
    Query(query): Query<BrokenQuery>,
) -> PageResult {
    let (library, version) = find(&state, &frame, &library, &version).await?;
    let after = Some(query.after.as_str()).filter(|after| !after.is_empty());
    let after = after.map(input::cursor).transpose()?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = broken::list(&mut connection, &frame.actor, &library, &version, after.as_ref(), PAGE).await?;
    drop(connection);
    let here = address::of_broken_links(&library.name, &version.label);
    let page = BrokenPage {
        frame: &frame,
        library: &library,
        version: &version,
        link: address::of_version(&library.name, &version.label),
        library_link: address::of_library(&library.name),
        broken: with_addresses(&library, &version, page.items),
        next: page.next.map(|next| format!("{here}?after={next}")),
    };
    Ok(frame.reading_page(StatusCode::OK, &page))
}

/// Returns each link with the address of its document.
fn with_addresses(library: &Library, version: &Version, links: Vec<BrokenLink>) -> Vec<(BrokenLink, String)> {
    let address = |link: &BrokenLink| address::of_path(&library.name, &version.label, &link.path);
    links.into_iter().map(|link| (address(&link), link)).map(|(address, link)| (link, address)).collect()
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
    let contents = contents::of_version(&state.app, &mut connection, actor, library, version).await?;
    // Those of a large version are looked for on a page of their own.
    let is_small = counts.as_ref().is_some_and(|counts| counts.documents <= MAX_CHECKED_DOCUMENTS);
    let broken = if is_small && !frame.is_partial() {
        broken::list(&mut connection, actor, library, version, None, MAX_BROKEN).await?
    } else {
        kernel::page::Page { items: Vec::new(), cursors: Vec::new(), next: None }
    };
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
        subfolders: subfolders(query, &link, &contents),
        crumbs: crumbs(&link, &query.folder),
        next,
        has_more_broken: broken.next.is_some() || !is_small,
        broken: with_addresses(library, version, broken.items),
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

/// Returns the folders directly in the folder that is shown, unless the list is filtered otherwise.
fn subfolders(query: &VersionQuery, link: &str, contents: &Contents) -> Vec<Subfolder> {
    let is_narrowed =
        [&query.q, &query.r#type, &query.tag, &query.status].into_iter().any(|value| !value.is_empty());
    let items = if is_narrowed { Vec::new() } else { contents.folder(query.folder.trim_matches('/')) };
    let folders = items.into_iter().filter_map(|item| match item {
        TreeItem::Folder(path, documents) => Some(Subfolder {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            documents,
            link: of_folder(link, path),
        }),
        TreeItem::Document(_) => None,
    });
    folders.take(MAX_SUBFOLDERS).collect()
}

/// Returns the name and address of each folder of a path, from the outermost.
pub(crate) fn crumbs(version_link: &str, folder: &str) -> Vec<(String, String)> {
    let mut path = String::new();
    let parts = folder.split('/').filter(|part| !part.is_empty());
    let crumbs = parts.map(|part| {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        (part.to_owned(), of_folder(version_link, &path))
    });
    crumbs.collect()
}

/// Returns the address of a folder of a version.
pub(crate) fn of_folder(version_link: &str, path: &str) -> String {
    format!("{version_link}?folder={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// Groups consecutive documents by folder.
fn folders(library: &Library, version: &Version, listed: Vec<DocumentSummary>) -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for document in listed {
        let name = document.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let link = address::of_path(&library.name, &version.label, &document.path);
        match folders.last_mut() {
            Some(last) if last.name == name => last.documents.push((document, link)),
            _ => {
                let version_link = address::of_version(&library.name, &version.label);
                let folder_link = of_folder(&version_link, &name);
                folders.push(Folder { name, link: folder_link, documents: vec![(document, link)] });
            }
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
        let folder = VersionQuery { folder: "a/b".to_owned(), ..VersionQuery::default() };
        assert_eq!(folder.link("/l/a/1", "tag", "x"), "/l/a/1?folder=a%2Fb&tag=x");
        assert_eq!(crumbs("/l/a/1", "a/b")[1], ("b".to_owned(), "/l/a/1?folder=a%2Fb".to_owned()));
        assert!(VersionQuery { status: "other".to_owned(), ..VersionQuery::default() }.to_filter().is_err());
    }
}
