//! Tree of a version's documents beside a document, by folder. Only the folders above the document are in the page; a script
//! requests the others from `/tree/{library}/{version}` as they are opened, and without scripts they link to their lists.

use std::ops::Range;

use axum::extract::State;
use axum::response::IntoResponse as _;
use library::documents::contents::{Contents, TreeItem};
use serde::Deserialize;

use crate::app::{address, contents};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::Problem;
use crate::pages::apply_page_headers;
use crate::pages::error::{PageError, PageResult};
use crate::pages::frame::Frame;
use crate::pages::language::Language;
use crate::pages::libraries::version::{find, of_folder};

/// Lines of a folder that are shown around the current document.
const MAX_LINES: usize = 60;
/// Lines of a folder that a script gets.
const MAX_ALL_LINES: usize = 2000;

/// Query of a folder.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TreeQuery {
    folder: String,
}

/// Sends the lines of a folder.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path((library, version)): Path<(String, String)>,
    Query(query): Query<TreeQuery>,
) -> PageResult {
    let (library, version) = find(&state, &frame, &library, &version).await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let contents =
        contents::of_version(&state.app, &mut connection, &frame.actor, &library, &version).await?;
    drop(connection);
    let link = address::of_version(&library.name, &version.label);
    let folder = query.folder.trim_matches('/');
    if contents.folder(folder).is_empty() {
        return Err(PageError::from(Problem::not_found("the version has no such folder")));
    }
    let tree = Tree {
        contents: &contents,
        link: &link,
        current: "",
        all: frame.t("document-tree-all").into_owned(),
        max: MAX_ALL_LINES,
    };
    let mut response = tree.folder(folder).into_response();
    apply_page_headers(&mut response);
    Ok(response)
}

/// Tree of a version.
pub(super) struct Tree<'page> {
    pub(super) contents: &'page Contents,
    /// Address of the version.
    pub(super) link: &'page str,
    /// Path of the document that is shown.
    pub(super) current: &'page str,
    /// Text of the link to a folder that is not shown as a whole.
    pub(super) all: String,
    /// Limit on the lines of a folder.
    pub(super) max: usize,
}

impl<'page> Tree<'page> {
    /// Returns the tree of a document's version.
    pub(super) fn around(
        frame: &Frame,
        contents: &'page Contents,
        link: &'page str,
        current: &'page str,
    ) -> Self {
        Self { contents, link, current, all: frame.t("document-tree-all").into_owned(), max: MAX_LINES }
    }

    /// Renders the lines of a folder as markup. The folders above the current document are open.
    pub(super) fn folder(&self, folder: &str) -> String {
        let items = self.contents.folder(folder);
        let current = items.iter().position(|item| self.is_current(item));
        let shown = window(items.len(), current, self.max);
        let mut html = String::from("<ul>");
        let is_cut = shown.len() < items.len();
        for item in items.get(shown).unwrap_or_default() {
            html.push_str("<li>");
            match item {
                TreeItem::Document(entry) => {
                    let here = if entry.path == self.current { " aria-current=\"page\"" } else { "" };
                    html.push_str(&format!(
                        "<a href=\"{}/{}\"{here}>{}</a>",
                        self.link,
                        address::escaped(&entry.path),
                        markup::escape(&entry.title)
                    ));
                }
                TreeItem::Folder(path, documents) => {
                    let name = path.rsplit('/').next().unwrap_or_default();
                    let is_open = self.is_current(item);
                    html.push_str(&format!(
                        "<details data-folder=\"{}\"{}><summary>{} <span class=\"quiet\">{documents}</span></summary>",
                        markup::escape(path),
                        if is_open { " open" } else { "" },
                        markup::escape(name),
                    ));
                    if is_open {
                        html.push_str(&self.folder(path));
                    } else {
                        html.push_str(&self.link_to_all(path));
                    }
                    html.push_str("</details>");
                }
            }
            html.push_str("</li>");
        }
        if is_cut {
            html.push_str(&format!("<li>{}</li>", self.link_to_all(folder)));
        }
        html.push_str("</ul>");
        html
    }

    /// Whether an item is the current document, or a folder above it.
    fn is_current(&self, item: &TreeItem<'_>) -> bool {
        match item {
            TreeItem::Document(entry) => entry.path == self.current,
            TreeItem::Folder(path, _) => {
                self.current.strip_prefix(*path).is_some_and(|rest| rest.starts_with('/'))
            }
        }
    }

    /// Renders the link to the list of a folder, which scripts replace by its lines.
    fn link_to_all(&self, folder: &str) -> String {
        format!(
            "<a class=\"all\" data-all=\"{}\" href=\"{}\">{}</a>",
            markup::escape(folder),
            of_folder(self.link, folder),
            markup::escape(&self.all)
        )
    }
}

/// Returns the part of a list that is shown: the lines around the current one.
fn window(len: usize, current: Option<usize>, max: usize) -> Range<usize> {
    let start = current.unwrap_or(0).saturating_sub(max / 2).min(len.saturating_sub(max));
    start..len.min(start + max)
}

/// Returns the name of a language tag in that language.
pub(super) fn language_name(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "zh-CN" => Language::Chinese.own_name(),
        "zh-TW" => "繁體中文",
        "en" => Language::English.own_name(),
        "ja" => "日本語",
        "ko" => "한국어",
        "de" => "Deutsch",
        "fr" => "Français",
        "es" => "Español",
        "it" => "Italiano",
        "ru" => "Русский",
        "pt" => "Português",
        "pt-BR" => "Português (Brasil)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn the_lines_around_the_current_one_are_shown() {
        for (len, current, expected) in [
            (0, None, 0..0),
            (5, Some(4), 0..5),
            (30, None, 0..10),
            (30, Some(15), 10..20),
            (30, Some(29), 20..30),
        ] {
            assert_eq!(window(len, current, 10), expected, "{len} {current:?}");
        }
    }
}
