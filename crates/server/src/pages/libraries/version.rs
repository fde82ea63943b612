//! `/l/{library}/{version}`: what a version holds, folder by folder.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use library::access::Level;
use library::catalogue::{Library, Version};
use library::documents::Status;
use library::overview::{self, Counts, DocumentSummary, TypeCount};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Done, has_model, nothing, wants_page};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Documents on a page.
const PAGE: usize = 100;
/// Other versions that are offered.
const MAX_VERSIONS: usize = 12;

/// Which documents are shown.
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
    wanted: &'page VersionQuery,
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
    may_change: bool,
    has_model: bool,
    done: Option<Cow<'static, str>>,
    fault: Option<&'page FormError>,
}

/// Documents of one folder.
struct Folder {
    /// Empty for documents in none.
    name: String,
    documents: Vec<(DocumentSummary, String)>,
}

impl VersionQuery {
    /// Returns the address of the list with one parameter changed, on its first page.
    pub(super) fn link(&self, base: &str, name: &str, value: &str) -> String {
        let pairs = [("q", &self.q), ("type", &self.r#type), ("tag", &self.tag), ("status", &self.status)];
        let mut parts: Vec<String> = Vec::new();
        let pairs = pairs.iter().map(|(known, held)| (*known, held.as_str()));
        for (known, held) in pairs.chain([("after", ""), ("done", "")]) {
            let value = if known == name { value } else { held };
            if !value.is_empty() {
                parts.push(format!("{known}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
            }
        }
        if parts.is_empty() { base.to_owned() } else { format!("{base}?{}", parts.join("&")) }
    }

    fn is_narrowed(&self) -> bool {
        [&self.q, &self.r#type, &self.tag, &self.status].into_iter().any(|value| !value.is_empty())
    }

    fn to_filter(&self) -> Result<overview::SummaryFilter> {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let status = match self.status.as_str() {
            "" => None,
            "failed" => Some(Status::Failed),
            "processing" => Some(Status::Processing),
            _ => return Err(Problem::invalid("status is failed or processing")),
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
    /// Documents that are listed.
    fn shown(&self) -> usize {
        self.folders.iter().map(|folder| folder.documents.len()).sum()
    }

    /// This list, from its beginning.
    fn narrowed(&self) -> String {
        self.wanted.link(&self.link, "after", "")
    }

    /// This list but for one filter, which is taken away where it is set so.
    fn toggled(&self, name: &str, value: &str) -> String {
        self.wanted.link(&self.link, name, if self.is_set(name, value) { "" } else { value })
    }

    fn is_set(&self, name: &str, value: &str) -> bool {
        match name {
            "type" => self.wanted.r#type == value,
            "tag" => self.wanted.tag == value,
            _ => self.wanted.status == value,
        }
    }
}

/// A version.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version)): Path<(String, String)>,
    Query(wanted): Query<VersionQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    if !wants_page(&headers) {
        return nothing();
    }
    match place(&state, &frame, &library, &version).await {
        Ok((library, version)) if version.label.as_str() == asked(&uri) => {
            page(&state, &frame, &library, &version, &wanted, None).await
        }
        Ok((library, found)) => {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            see_other(&format!("{}{query}", address::of_version(&library.name, &found.label)))
        }
        Err(problem) => problem.into_response(),
    }
}

/// The version as the address has it.
fn asked(uri: &axum::http::Uri) -> String {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}

/// The version that an address means, of a library that exists for the reader.
pub(super) async fn place(
    state: &AppState,
    frame: &Frame,
    library: &str,
    version: &str,
) -> Result<(Arc<Library>, Version)> {
    let catalogue = state.app.engine.catalogue().await?;
    let library =
        catalogue.library(&frame.actor, &address::library(library).map_err(library::Error::from)?)?;
    // A label that is there is meant, whatever else the word stands for.
    if let Some(version) = library.versions.iter().find(|held| held.label.as_str() == version) {
        return Ok((Arc::clone(library), version.clone()));
    }
    let version = input::version(if version == "active" { None } else { Some(version) })?;
    Ok((Arc::clone(library), library.resolve(&version)?.clone()))
}

/// A version's page, with what is wrong with a form of it.
pub(super) async fn page(
    state: &AppState,
    frame: &Frame,
    library: &Library,
    version: &Version,
    wanted: &VersionQuery,
    fault: Option<&FormError>,
) -> Response {
    let read = async {
        let after = Some(wanted.after.as_str()).filter(|after| !after.is_empty());
        let after = after.map(input::cursor).transpose()?;
        let narrowed = wanted.to_filter()?;
        let mut connection = store::postgres::snapshot(state.app.pool()).await?;
        let actor = &frame.actor;
        let listed =
            overview::documents(&mut connection, actor, library, version, &narrowed, after.as_ref(), PAGE)
                .await?;
        let counts = overview::counts(&mut connection, &[version]).await?.pop();
        let kinds = overview::type_counts(&mut connection, &[version]).await?;
        let tags = overview::tags(&mut connection, version).await?;
        drop(connection);
        let link = address::of_version(&library.name, &version.label);
        let others = library.versions.iter().filter(|other| other.id != version.id).take(MAX_VERSIONS);
        let next = listed.next.map(|next| wanted.link(&link, "after", &next.to_string()));
        let page = Page {
            frame,
            wanted,
            library,
            version,
            library_link: address::of_library(&library.name),
            is_active: library.active == Some(version.id),
            others: others.map(|other| (other, address::of_version(&library.name, &other.label))).collect(),
            counts: counts.ok_or_else(|| Problem::not_found("there is no such version"))?,
            kinds,
            tags,
            folders: folders(library, version, listed.items),
            next,
            may_change: library.access_level(actor) >= Some(Level::Write),
            has_model: has_model(state),
            done: wanted.done.and_then(|done| done.said(frame)),
            fault,
            link,
        };
        let status = fault.map_or(StatusCode::OK, |fault| fault.status);
        Ok::<_, Problem>(if frame.is_partial() {
            frame.reading_page(status, &page.as_list())
        } else {
            frame.reading_page(status, &page)
        })
    };
    read.await.unwrap_or_else(Problem::into_response)
}

/// Documents that follow each other, under the folder they are in.
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
    fn a_list_is_narrowed_by_one_thing_more_and_begins_anew() {
        let wanted = VersionQuery {
            q: "a b".to_owned(),
            tag: "x".to_owned(),
            after: "z".to_owned(),
            ..VersionQuery::default()
        };
        assert_eq!(wanted.link("/l/a/1", "type", "pdf"), "/l/a/1?q=a%20b&type=pdf&tag=x");
        assert_eq!(wanted.link("/l/a/1", "tag", ""), "/l/a/1?q=a%20b");
        assert_eq!(wanted.link("/l/a/1", "after", "n"), "/l/a/1?q=a%20b&tag=x&after=n");
        assert_eq!(VersionQuery::default().link("/l/a/1", "tag", ""), "/l/a/1");
        assert!(VersionQuery { status: "other".to_owned(), ..VersionQuery::default() }.to_filter().is_err());
    }
}
