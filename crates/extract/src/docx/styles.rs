//! Styles: which paragraphs are headings, code or list items. Styles inherit; a list may be defined by a style alone.

use std::collections::{HashMap, HashSet};

use crate::model::Error;

use super::paragraph::Script;
use super::xml::{XmlEvent, for_each_event};

/// Styles of a document, by id.
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
    script: Option<Script>,
}

/// Maximum length of an inheritance chain, which may be circular.
const MAX_INHERITANCE: usize = 16;

impl Styles {
    /// Reads the part `styles.xml`.
    pub(super) fn read(part: &str, max_depth: usize) -> Result<Self, Error> {
        let mut styles = Self::default();
        let mut id = None;
        let mut style = Style::default();
        for_each_event(part, max_depth, &mut |event| {
            match event {
                XmlEvent::Start(element) => match element.name.as_str() {
                    "style" => {
                        id = element.attribute("styleId");
                        style = Style::default();
                    }
                    "name" if id.is_some() => style.name = element.value(),
                    "basedOn" => style.based_on = element.value(),
                    "outlineLvl" => style.outline = element.value().parse().ok(),
                    "numId" => style.list = Some(element.value()),
                    "ilvl" => style.list_level = element.value().parse().ok(),
                    "vertAlign" => style.script = Some(Script::of(&element.value())),
                    "rFonts" => {
                        style.monospace = is_monospace(&element.attribute("ascii").unwrap_or_default());
                    }
                    _ => {}
                },
                XmlEvent::End(name) if name == "style" => {
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

    /// Returns the level of a heading in this style, 1 is the outermost; the title of the document is 1 too.
    pub(super) fn heading_level(&self, id: &str) -> Option<u8> {
        let level_by_name = |style: &Style| heading_by_name(&style.name);
        let outline_level = |style: &Style| style.outline.filter(|level| *level < 9).map(|level| level + 1);
        // "TOC Heading" is based on "Heading 1" without being a heading itself.
        if self.inheritance(id).next().is_some_and(|style| style.name.to_lowercase().starts_with("toc")) {
            return None;
        }
        self.inheritance(id)
            .find_map(|style| {
                outline_level(style).or_else(|| level_by_name(style)).or_else(|| {
                    // Outline level 9 means body text, regardless of the base style.
                    (style.outline == Some(9)).then_some(0)
                })
            })
            .or_else(|| heading_by_name(id))
            .filter(|level| *level > 0)
    }

    /// Whether it is the style of the title of the document.
    pub(super) fn is_title(&self, id: &str) -> bool {
        let name = self.by_id.get(id).map_or(id, |style| style.name.as_str());
        TITLE_NAMES.contains(&name.to_lowercase().as_str())
    }

    /// Whether it is the style of an entry of a table of contents.
    pub(super) fn is_toc_entry(&self, id: &str) -> bool {
        let name = self.by_id.get(id).map_or(id, |style| style.name.as_str()).to_lowercase();
        let is_numbered = |word: &str| {
            let rest = name.strip_prefix(word).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_numeric()))
        };
        name.starts_with("table of figures")
            || [
                "toc",
                "contents",
                "verzeichnis",
                "inhaltsverzeichnis",
                "目录",
                "目錄",
                "目次",
                "tdc",
                "sumario",
                "sommario",
            ]
            .into_iter()
            .any(is_numbered)
    }

    /// Whether text in this style is source code.
    pub(super) fn is_code(&self, id: &str) -> bool {
        self.inheritance(id).any(|style| style.monospace || is_code_name(&style.name)) || is_code_name(id)
    }

    /// Returns the ids of the paragraph and character styles whose text is source code.
    pub(super) fn code_styles(&self) -> HashSet<String> {
        self.by_id.keys().filter(|id| self.is_code(id)).cloned().collect()
    }

    /// Returns the styles whose text is raised or lowered, except those of the marks of notes.
    pub(super) fn script_styles(&self) -> HashMap<String, Script> {
        let scripts = self.by_id.keys().filter_map(|id| {
            let script = self.inheritance(id).find_map(|style| style.script)?;
            Some((id.clone(), script))
        });
        scripts.collect()
    }

    /// Returns the list that the style assigns to its paragraphs, and the level in it if the style defines one.
    pub(super) fn list(&self, id: &str) -> Option<(String, Option<usize>)> {
        let list = self.inheritance(id).find_map(|style| style.list.clone())?;
        Some((list, self.inheritance(id).find_map(|style| style.list_level)))
    }

    /// Iterates over a style and the styles it inherits from.
    fn inheritance<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let mut next = self.by_id.get(id);
        std::iter::from_fn(move || {
            let style = next?;
            next = self.by_id.get(&style.based_on);
            Some(style)
        })
        .take(MAX_INHERITANCE)
    }
}

/// Whether a font is monospaced, judged by its name.
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

/// Whether a style of this name is for source code.
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

/// Names of the style of the title of a document, in several languages.
const TITLE_NAMES: [&str; 16] = [
    "title",
    "标题",
    "标题0",
    "文档标题",
    "標題",
    "表題",
    "제목",
    "titel",
    "titre",
    "título",
    "titolo",
    "tytuł",
    "názov",
    "název",
    "название",
    "заголовок",
];

/// Words by which the names of heading styles begin, without spaces, in several languages.
const HEADING_WORDS: [&str; 34] = [
    "heading",
    "标题",
    "標題",
    "überschrift",
    "berschrift",
    "titre",
    "título",
    "titulo",
    "ttulo",
    "encabezado",
    "titolo",
    "intestazione",
    "kop",
    "rubrik",
    "overskrift",
    "otsikko",
    "nagłówek",
    "nagwek",
    "nadpis",
    "címsor",
    "cmsor",
    "заголовок",
    "見出し",
    "見出",
    "제목",
    "başlık",
    "balk",
    "titlu",
    "naslov",
    "επικεφαλίδα",
    "virsraksts",
    "antraštė",
    "pealkiri",
    "đầuđề",
];

/// Returns the level of the heading style of this name, in one of several languages. An alias may follow after a comma.
fn heading_by_name(name: &str) -> Option<u8> {
    let name =
        name.split([',', ';']).next().unwrap_or(name).to_lowercase().replace([' ', '\u{a0}', '\u{3000}'], "");
    if name == "title" {
        return Some(1);
    }
    let digits = HEADING_WORDS
        .iter()
        .find_map(|word| name.strip_prefix(word))
        .or_else(|| name.strip_suffix("级标题").or_else(|| name.strip_suffix("級標題")))?;
    let mut characters = digits.chars();
    let (Some(digit), None) = (characters.next(), characters.next()) else { return None };
    let numerals = ["123456789", "１２３４５６７８９", "一二三四五六七八九"];
    let at = numerals.iter().find_map(|numerals| numerals.chars().position(|numeral| numeral == digit))?;
    u8::try_from(at + 1).ok()
}
