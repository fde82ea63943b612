//! Pages for a version, document or passage that does not exist. They link to alternatives; nothing else is shown in its place.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use library::Error;
use library::catalogue::{Library, Version};
use library::documents::reading;
use library::label::Label;
use library::links::Destination;
use library::names::DocumentPath;
use sqlx::PgConnection;

use crate::app::address;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Endings and names of index pages that links on web sites leave out.
const ENDINGS: [&str; 6] = [".md", ".mdx", ".html", ".rst", ".txt", ".adoc"];
const INDEX_PAGES: [&str; 4] = ["index.md", "README.md", "index.html", "index.mdx"];

#[derive(Template)]
#[template(path = "document_absent.html")]
struct Absent<'page> {
    frame: &'page Frame,
    heading: String,
    /// Path of the missing document; empty for others.
    path: &'page str,
    /// Alternatives: a heading and links.
    hint: String,
    links: Vec<(String, String)>,
    /// Title and address of the list of all.
    all: Option<(String, String)>,
}

/// Says that the library has no such version.
pub(crate) fn of_version(
    frame: &Frame,
    library: &str,
    requested: &str,
    present: &[Label],
    path: &str,
) -> Response {
    let Ok(library) = address::library(library) else { return of_passage(frame) };
    let links = present.iter().take(50);
    let links = links.map(|label| (label.to_string(), address::of_path(&library, label, path))).collect();
    let values = [("library", library.as_str().into()), ("version", requested.into())];
    let page = Absent {
        frame,
        heading: frame.t_all("document-no-version", &values).into_owned(),
        path: "",
        hint: frame.t("document-versions-there").into_owned(),
        links,
        all: Some((library.to_string(), address::of_library(&library))),
    };
    frame.reading_page(StatusCode::NOT_FOUND, &page)
}

/// Says that the version has no such document; redirects if the path only lacks an ending.
pub(super) async fn of_document(
    connection: &mut PgConnection,
    frame: &Frame,
    library: &Library,
    version: &Version,
    (path, query): (&str, Option<&str>),
) -> Result<Response, Error> {
    let actor = &frame.actor;
    let others = alternatives(path);
    if let Some(found) = reading::first_existing_path(connection, actor, library, version, &others).await? {
        let there = address::of_path(&library.name, &version.label, &found);
        // The query names the place in the document.
        return Ok(see_other(&query.map_or_else(|| there.clone(), |query| format!("{there}?{query}"))));
    }
    // An address of the manual's own site.
    let target = format!("/{}", address::escaped(path));
    let found = library::links::resolve(connection, library, version.id, &[("", target.as_str())]).await?;
    if let Some(Destination::Document { path: found, .. }) = found.first()
        && found != path
    {
        let there = address::of_path(&library.name, &version.label, found);
        return Ok(see_other(&query.map_or_else(|| there.clone(), |query| format!("{there}?{query}"))));
    }
    let mut links: Vec<(String, String)> = Vec::new();
    let mut hint = "document-elsewhere";
    if let Ok(name) = path.parse::<DocumentPath>() {
        for label in reading::labels_of_path(connection, actor, library, &name).await? {
            let there = label
                .parse()
                .map_or_else(|_| String::new(), |label| address::of_path(&library.name, &label, path));
            links.push((label, there));
        }
        if links.is_empty() {
            hint = "document-similar";
            let file = name.file_name();
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            for similar in reading::paths_containing(connection, actor, library, version, stem, 8).await? {
                let there = address::of_path(&library.name, &version.label, &similar);
                links.push((similar, there));
            }
        }
    }
    let hint = if links.is_empty() { "document-nothing-similar" } else { hint };
    let values = [("library", library.title.as_str().into()), ("version", version.label.as_str().into())];
    let page = Absent {
        frame,
        heading: frame.t_all("document-none", &values).into_owned(),
        path,
        hint: translate_hint(frame, hint),
        links,
        all: Some((
            format!("{} {}", library.title, version.label),
            address::of_version(&library.name, &version.label),
        )),
    };
    Ok(frame.reading_page(StatusCode::NOT_FOUND, &page))
}

fn translate_hint(frame: &Frame, key: &str) -> String {
    match key {
        "document-elsewhere" => frame.t("document-elsewhere"),
        "document-similar" => frame.t("document-similar"),
        _ => frame.t("document-nothing-similar"),
    }
    .into_owned()
}

/// Says that the passage does not exist, or not for the reader.
pub(super) fn of_passage(frame: &Frame) -> Response {
    let page = Absent {
        frame,
        heading: frame.t("document-no-passage").into_owned(),
        path: "",
        hint: frame.t("document-no-passage-why").into_owned(),
        links: Vec::new(),
        all: None,
    };
    frame.reading_page(StatusCode::NOT_FOUND, &page)
}

/// Returns paths with other endings, or of an index page.
fn alternatives(path: &str) -> Vec<String> {
    let path = path.trim_matches('/');
    let bare = ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    let mut others: Vec<String> = ENDINGS.iter().map(|ending| format!("{bare}{ending}")).collect();
    others.extend(INDEX_PAGES.iter().map(|index| format!("{bare}/{index}")));
    others.push(bare.to_owned());
    others.retain(|other| other != path);
    others
}
