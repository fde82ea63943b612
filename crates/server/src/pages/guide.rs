//! `/guide`: the guides of this release as pages, in the reader's language, and the page of components.
//!
//! The files are those of `docs/`. `/guide/NAME` is `docs/guide/NAME.md`, `/guide/reference/NAME` is `docs/reference/NAME.md`, and
//! `/guide` is `docs/README.md`; Chinese files end with `.zh-CN.md`. The address of a page has no language, so a link sent to somebody
//! else opens in theirs; `?lang=` overrides it. With `.md` appended it answers with the Markdown.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use markup::document::{self, Heading, Overlay, RenderOptions};
use moka::sync::Cache;
use serde::Deserialize;

use super::frame::Frame;
use super::language::Language;
use super::{apply_page_headers, assets};
use crate::app::{address, guide};
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// File of the contents, without language and extension.
const INDEX: &str = "README";
/// Files of the guides are here, seen from `docs/`.
const FOLDER: &str = "guide/";
/// Rendered pages that are kept; there are fewer files.
const MAX_RENDERED: u64 = 500;

/// Returns the routes of the guides.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/guide", get(show_index)).route("/guide/{*page}", get(show))
}

/// Parameters of a page.
#[derive(Debug, Deserialize)]
struct Parameters {
    /// Language, instead of the reader's.
    lang: Option<String>,
}

/// A rendered file.
#[derive(Debug)]
struct Rendered {
    title: String,
    html: String,
    headings: Vec<Heading>,
}

/// Rendered files, by file and the language of the reader, which links depend on.
static RENDERED: LazyLock<Cache<(String, &'static str), Arc<Rendered>>> =
    LazyLock::new(|| Cache::new(MAX_RENDERED));

#[derive(Template)]
#[template(path = "guide.html")]
struct Page<'page> {
    frame: &'page Frame,
    text: &'page Rendered,
    /// Language of the text.
    language: Language,
    /// Address of the Markdown.
    markdown: String,
    /// The other language of the text and its address, if it has one.
    other: Option<(Language, String)>,
    is_index: bool,
}

impl Page<'_> {
    /// Headings of the two upper levels, without the title.
    fn contents(&self) -> Vec<(u8, String, &str)> {
        let upper = self.text.headings.iter().filter(|heading| (2..=3).contains(&heading.level));
        upper.map(|heading| (heading.level - 1, fragment(&heading.id), heading.text.as_str())).collect()
    }
}

/// Shows the contents of the guides.
async fn show_index(frame: Frame, Query(parameters): Query<Parameters>) -> Response {
    page(&frame, INDEX, parameters.lang.as_deref())
}

/// Shows a guide, a page of the reference, the Markdown of either, or the page of components.
async fn show(frame: Frame, Path(path): Path<String>, Query(parameters): Query<Parameters>) -> Response {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => {
            let Some(page) = guide::file(&path) else { return not_found() };
            let mut response = with_asset_urls(&String::from_utf8_lossy(&page)).into_response();
            apply_page_headers(&mut response);
            response
        }
        Some("md") => {
            let Some(text) = guide::file(&file_of(&path)) else { return not_found() };
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        _ => page(&frame, &file_of(&path), parameters.lang.as_deref()),
    }
}

fn not_found() -> Response {
    Problem::not_found("there is no such guide: /guide lists them").into_response()
}

/// Shows the page of a file, given without language and extension.
fn page(frame: &Frame, name: &str, language: Option<&str>) -> Response {
    let wanted = language.and_then(Language::named).unwrap_or(frame.language());
    let find = |language: Language| guide::file(&localized(name, language)).map(|text| (language, text));
    let Some((language, text)) = find(wanted).or_else(|| find(Language::English)) else { return not_found() };
    let reader = frame.language();
    let key = (localized(name, language), reader.name());
    let text =
        RENDERED.get_with(key, || Arc::new(render(&String::from_utf8_lossy(&text), name, language, reader)));
    let other = language.other();
    let other = find(other).map(|_| (other, format!("{}?lang={}", address_of(name), other.name())));
    let is_index = name == INDEX;
    let markdown = match (is_index, language) {
        (true, _) => format!("/guide/{}", localized(name, language)),
        (false, _) => localized(&address_of(name), language),
    };
    frame.reading_page(StatusCode::OK, &Page { frame, text: &text, language, markdown, other, is_index })
}

fn render(text: &str, name: &str, language: Language, reader: Language) -> Rendered {
    let resolve = |link: &str| resolve(link, name, language, reader);
    let options = RenderOptions {
        passages: &[],
        id_prefix: "",
        has_title: true,
        is_first: true,
        resolve: &resolve,
        overlay: Overlay::default(),
    };
    let rendered = document::render(&without_languages(text), &options);
    let title = rendered.headings.first().map(|heading| heading.text.clone()).unwrap_or_default();
    let html = rendered.chunks.into_iter().map(|chunk| chunk.html).collect();
    Rendered { title, html, headings: rendered.headings }
}

/// Removes the line that links to the other language: the page has that link itself.
fn without_languages(text: &str) -> String {
    let is_link = |line: &str| ["[中文](", "[English]("].iter().any(|start| line.starts_with(start));
    let mut lines = text.lines().filter(|line| !is_link(line)).collect::<Vec<_>>();
    lines.push("");
    lines.join("\n")
}

/// Returns the file for a language.
fn localized(name: &str, language: Language) -> String {
    match language {
        Language::English => format!("{name}.md"),
        Language::Chinese => format!("{name}.zh-CN.md"),
    }
}

/// Returns the file for the part of an address after `/guide/`.
fn file_of(path: &str) -> String {
    let is_whole = path.contains('/') || path.split('.').next() == Some(INDEX);
    if is_whole { path.to_owned() } else { format!("{FOLDER}{path}") }
}

/// Returns the address for a file without language and extension.
fn address_of(name: &str) -> String {
    match name {
        INDEX => "/guide".to_owned(),
        _ => format!("/guide/{}", name.strip_prefix(FOLDER).unwrap_or(name)),
    }
}

/// Resolves a link of a file to the page of another. Links that leave `docs/` lead nowhere.
fn resolve(link: &str, from: &str, language: Language, reader: Language) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let file = parts.join("/");
    guide::file(&file)?;
    let (name, of_file) = match file.strip_suffix(".zh-CN.md") {
        Some(name) => (name, Language::Chinese),
        None => (file.strip_suffix(".md")?, Language::English),
    };
    // Pages without a translation, those of the reference, lead to the reader's language.
    let is_translated = |name: &str| guide::file(&localized(name, Language::Chinese)).is_some();
    let is_overridden = language != reader && is_translated(from) && is_translated(name);
    let lang = if is_overridden { format!("?lang={}", of_file.name()) } else { String::new() };
    let shown = if is_overridden || !is_translated(name) { of_file } else { reader };
    let id = anchor.and_then(|anchor| translated_id(&format!("h-{anchor}"), name, of_file, shown));
    let anchor = id.map(|id| fragment(&id)).unwrap_or_default();
    Some(format!("{}{lang}{anchor}", address_of(name)))
}

/// Returns the id of a heading in another language of the file, which has the same headings in the same order.
fn translated_id(id: &str, name: &str, from: Language, to: Language) -> Option<String> {
    if from == to {
        return Some(id.to_owned());
    }
    let headings = |language| {
        let text = guide::file(&localized(name, language))?;
        let options = RenderOptions {
            passages: &[],
            id_prefix: "",
            has_title: true,
            is_first: true,
            resolve: &|_link| None,
            overlay: Overlay::default(),
        };
        Some(document::render(&String::from_utf8_lossy(&text), &options).headings)
    };
    let number = headings(from)?.iter().position(|heading| heading.id == id)?;
    headings(to)?.get(number).map(|heading| heading.id.clone())
}

/// Returns the fragment of an address for an id.
fn fragment(id: &str) -> String {
    format!("#{}", address::escaped(id))
}

/// Replaces the paths by which the page of components, opened as a file, loads its assets with those of this server.
fn with_asset_urls(page: &str) -> String {
    const IN_FILES: &str = "../crates/server/web/";
    let mut lines = Vec::new();
    for line in page.lines() {
        let Some((before, name)) = line.split_once(IN_FILES) else {
            lines.push(line.to_owned());
            continue;
        };
        let (name, after) = name.split_once('"').unwrap_or((name, ""));
        // The sheet is written in several files and sent as one.
        let name = match name.rsplit_once('/') {
            Some(("style", "10-tokens.css")) => "style.css",
            Some(("style", _)) => continue,
            Some((_, name)) => name,
            None => name,
        };
        lines.push(format!("{before}{}\"{after}", assets::address(name)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_in_the_readers_language() {
        let english = |link: &str, from: &str| resolve(link, from, Language::English, Language::English);
        for (link, from, expected) in [
            ("searching.md", "guide/asking", Some("/guide/searching")),
            ("searching.md#filters", "guide/asking", Some("/guide/searching#h-filters")),
            ("../reference/cli.md#wenyuan-add", "guide/asking", Some("/guide/reference/cli#h-wenyuan-add")),
            ("../guide/asking.md", "reference/http", Some("/guide/asking")),
            ("../README.md", "guide/asking", Some("/guide")),
            ("guide/asking.md", "README", Some("/guide/asking")),
            ("../../CHANGELOG.md", "guide/asking", None),
            ("../../../etc/passwd", "guide/asking", None),
            ("nothing.md", "guide/asking", None),
        ] {
            assert_eq!(english(link, from).as_deref(), expected, "{link}");
        }
        let chinese = |reader| resolve("searching.zh-CN.md", "guide/asking", Language::Chinese, reader);
        assert_eq!(chinese(Language::Chinese).as_deref(), Some("/guide/searching"));
        assert_eq!(chinese(Language::English).as_deref(), Some("/guide/searching?lang=zh"));
        let reference = resolve("../reference/cli.md", "guide/asking", Language::Chinese, Language::Chinese);
        assert_eq!(reference.as_deref(), Some("/guide/reference/cli"));
        let back = resolve("../guide/asking.md", "reference/http", Language::English, Language::Chinese);
        assert_eq!(back.as_deref(), Some("/guide/asking"));
        let link = "../guide/security.md#master-key";
        let back = resolve(link, "reference/http", Language::English, Language::Chinese);
        let id = format!("/guide/security#h-{}", address::escaped("加密主密钥"));
        assert_eq!(back, Some(id));
    }

    #[test]
    fn addresses_and_files_correspond() {
        for (name, address) in [
            ("README", "/guide"),
            ("guide/asking", "/guide/asking"),
            ("reference/cli", "/guide/reference/cli"),
        ] {
            assert_eq!(address_of(name), address);
            if name != INDEX {
                assert_eq!(file_of(address.trim_start_matches("/guide/")), name);
            }
        }
        assert_eq!(file_of("asking.zh-CN.md"), "guide/asking.zh-CN.md");
        assert_eq!(file_of("README.md"), "README.md");
    }
}
