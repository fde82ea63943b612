//! Pages for a version, document or passage that does not exist: they link to alternatives, and nothing is shown in its place.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use library::Error;
use library::catalogue::{Library, Version};
use library::documents::reading;
use library::label::Label;
use library::names::DocumentPath;
use sqlx::PgConnection;

use crate::app::address;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Other names that a link may mean: sites leave out endings and the names of first pages.
const ENDINGS: [&str; 6] = [".md", ".mdx", ".html", ".rst", ".txt", ".adoc"];
const FIRST_PAGES: [&str; 4] = ["index.md", "README.md", "index.html", "index.mdx"];

#[derive(Template)]
#[template(path = "document_absent.html")]
struct Absent<'page> {
    frame: &'page Frame,
    heading: String,
    /// The missing thing.
    path: &'page str,
    /// Alternatives: a heading and links.
    hint: String,
    links: Vec<(String, String)>,
    /// Where all of it is listed.
    all: Option<(String, String)>,
}

/// The library has no such version.
pub(crate) fn of_version(
    frame: &Frame,
    library: &str,
    wanted: &str,
    present: &[Label],
    path: &str,
) -> Response {
    let Ok(library) = address::library(library) else { return of_passage(frame) };
    let links = present.iter().take(50);
    let links = links.map(|label| (label.to_string(), address::of_path(&library, label, path))).collect();
    let values = [("library", library.as_str().into()), ("version", wanted.into())];
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

/// The version has no such document. Where a link only left out an ending, it is led to what it means.
pub(super) async fn of_document(
    connection: &mut PgConnection,
    frame: &Frame,
    library: &Library,
    version: &Version,
    (path, query): (&str, Option<&str>),
) -> Result<Response, Error> {
    let actor = &frame.actor;
    let others = meant(path);
    if let Some(found) = reading::first_existing_path(connection, actor, library, version, &others).await? {
        let there = address::of_path(&library.name, &version.label, &found);
        // With the place in it that was asked for.
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
        hint: hints(frame, hint),
        links,
        all: Some((
            format!("{} {}", library.title, version.label),
            address::of_version(&library.name, &version.label),
        )),
    };
    Ok(frame.reading_page(StatusCode::NOT_FOUND, &page))
}

fn hints(frame: &Frame, key: &str) -> String {
    match key {
        "document-elsewhere" => frame.t("document-elsewhere"),
        "document-similar" => frame.t("document-similar"),
        _ => frame.t("document-nothing-similar"),
    }
    .into_owned()
}

/// The passage is not there, or not for whoever asks.
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

/// Finds documents with similar paths.
fn meant(path: &str) -> Vec<String> {
    let path = path.trim_matches('/');
    let bare = ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    let mut others: Vec<String> = ENDINGS.iter().map(|ending| format!("{bare}{ending}")).collect();
    others.extend(FIRST_PAGES.iter().map(|first| format!("{bare}/{first}")));
    others.push(bare.to_owned());
    others.retain(|other| other != path);
    others
}
