//! What a paragraph's style says: heading, code, list. Styles inherit, and a list may be named by the style alone.

use std::collections::{HashMap, HashSet};

use crate::model::Error;

use super::xml::{Met, walk};

/// The styles of a document by their id.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
}

#[derive(Debug, Default, Clone)]
struct Style {
    name: String,
    based_on: String,
    outline: Option<u8>,
    list: Option<String>,
    list_level: Option<usize>,
    monospace: bool,
}

/// How far styles inherit from each other: a circle must end.
const INHERITANCE: usize = 16;

impl Styles {
    pub(super) fn read(part: &str, depth: usize) -> Result<Self, Error> {
        let mut styles = Self::default();
        let mut id = None;
        let mut style = Style::default();
        walk(part, depth, &mut |met| {
            match met {
                Met::Start(element) => match element.name.as_str() {
                    "style" => {
                        id = element.attribute("styleId");
                        style = Style::default();
                    }
                    "name" if id.is_some() => style.name = element.value(),
                    "basedOn" => style.based_on = element.value(),
                    "outlineLvl" => style.outline = element.value().parse().ok(),
                    "numId" => style.list = Some(element.value()),
                    "ilvl" => style.list_level = element.value().parse().ok(),
                    "rFonts" => {
                        style.monospace = is_monospace(&element.attribute("ascii").unwrap_or_default());
                    }
                    _ => {}
                },
                Met::End(name) if name == "style" => {
                    if let Some(id) = id.take() {
                        styles.by_id.insert(id, std::mem::take(&mut style));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(styles)
    }

    /// The level of a heading in this style, 1 is the outermost; the document's title is 1 too.
    pub(super) fn heading(&self, id: &str) -> Option<u8> {
        let named = |style: &Style| heading_by_name(&style.name);
        let outline = |style: &Style| style.outline.filter(|level| *level < 9).map(|level| level + 1);
        // "TOC Heading" is based on "Heading 1" and has no outline level of its own.
        if self.chain(id).next().is_some_and(|style| style.name.to_lowercase().starts_with("toc")) {
            return None;
        }
        self.chain(id)
            .find_map(|style| {
                outline(style).or_else(|| named(style)).or_else(|| {
                    // A level of nine says: body text, whatever the style is based on.
                    (style.outline == Some(9)).then_some(0)
                })
            })
            .or_else(|| heading_by_name(id))
            .filter(|level| *level > 0)
    }

    /// Whether it is the style of the document's title.
    pub(super) fn is_title(&self, id: &str) -> bool {
        let name = self.by_id.get(id).map_or(id, |style| style.name.as_str());
        matches!(name.to_lowercase().as_str(), "title" | "标题" | "标题0" | "文档标题")
    }

    /// Whether it is an entry of a table of contents.
    pub(super) fn is_contents(&self, id: &str) -> bool {
        let name = self.by_id.get(id).map_or(id, |style| style.name.as_str()).to_lowercase();
        name.starts_with("toc ") || name.starts_with("toc1") || name.starts_with("table of figures")
    }

    /// Whether text in this style is source code.
    pub(super) fn is_code(&self, id: &str) -> bool {
        self.chain(id).any(|style| style.monospace || is_code_name(&style.name)) || is_code_name(id)
    }

    /// The styles, of characters too, whose text is source code.
    pub(super) fn code(&self) -> HashSet<String> {
        self.by_id.keys().filter(|id| self.is_code(id)).cloned().collect()
    }

    /// The list that the style puts its paragraphs in, and the level in it where the style says so.
    pub(super) fn list(&self, id: &str) -> Option<(String, Option<usize>)> {
        let list = self.chain(id).find_map(|style| style.list.clone())?;
        Some((list, self.chain(id).find_map(|style| style.list_level)))
    }

    fn chain<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let mut next = self.by_id.get(id);
        std::iter::from_fn(move || {
            let style = next?;
            next = self.by_id.get(&style.based_on);
            Some(style)
        })
        .take(INHERITANCE)
    }
}

/// Whether a font's characters all have one width, by the names of those that do.
pub(super) fn is_monospace(font: &str) -> bool {
    let font = font.to_lowercase();
    let known = [
        "courier",
        "consolas",
        "menlo",
        "monaco",
        "mono",
        "cascadia",
        "fira code",
        "source code",
        "inconsolata",
    ];
    known.iter().any(|known| font.contains(known)) && !font.contains("monotype")
}

fn is_code_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let known = [
        "source code",
        "sourcecode",
        "code block",
        "codeblock",
        "html preformatted",
        "htmlpreformatted",
        "preformatted",
        "verbatim",
        "macro text",
        "plain text code",
        "代码",
        "程序",
        "html code",
        "htmlcode",
        "code char",
    ];
    name == "code" || name == "macro" || known.iter().any(|known| name.contains(known))
}

fn heading_by_name(name: &str) -> Option<u8> {
    let name = name.to_lowercase().replace(' ', "");
    if name == "title" {
        return Some(1);
    }
    let digits = ["heading", "标题", "標題", "überschrift", "berschrift", "titre", "título"]
        .iter()
        .find_map(|word| name.strip_prefix(word))?;
    digits.parse().ok().filter(|level| (1..=9).contains(level))
}
