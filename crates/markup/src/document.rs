//! A document's Markdown as HTML for reading: passage by passage, so that each can be led to, with headings that have ids, code
//! in colours, tables that scroll. Nothing of its own markup is left, no picture is asked for, and what leads away says so.

mod address;
mod slug;
pub(crate) mod strip;
mod write;

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::escape::escaped;
pub use slug::slug;

/// What an address of the document leads to here: a relative one, or a fragment that is not in this text. `None` where that is
/// nothing, and its words stay.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A passage of the text that is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What names it on the page, after `p-`: letters, digits and hyphens.
    pub id: String,
    /// The byte at which it begins.
    pub at: usize,
}

/// How a text is rendered.
pub struct Manner<'a> {
    /// Where its passages begin, in their order.
    pub marks: &'a [Mark],
    /// Goes before the ids of headings, after `h-`: parts of one document that stand on one page have different ones.
    pub prefix: &'a str,
    /// Whether the first heading of the document is its title, which stands above the text: it is not written again, and the
    /// second level is the outermost.
    pub titled: bool,
    /// Whether the text is the document's beginning.
    pub is_first: bool,
    /// Where addresses lead.
    pub resolve: Resolve<'a>,
}

/// The HTML of one or several passages. Where one begins within another's list, table or code, they stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The passages, by their place.
    pub passages: Range<usize>,
    /// The HTML.
    pub html: String,
}

/// A heading as it is found in contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// As the element is called: from 2, the outermost below the title.
    pub level: u8,
    /// Its id on the page.
    pub id: String,
    /// Its words.
    pub text: String,
    /// The passage it is in.
    pub passage: usize,
}

/// A rendered text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// In their order.
    pub chunks: Vec<Chunk>,
    /// In their order.
    pub headings: Vec<Heading>,
}

/// Renders Markdown.
pub fn html(markdown: &str, manner: &Manner<'_>) -> Rendered {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let events: Vec<(Event<'_>, Range<usize>)> =
        Parser::new_ext(markdown, options).into_offset_iter().collect();
    let headings = headings(&events, manner);
    let chunks = write::chunks(events, &headings, manner);
    Rendered { chunks, headings }
}

/// A text that is no Markdown, as it is written.
pub fn plain(text: &str, marks: &[Mark]) -> Rendered {
    let mut rendered = Rendered::default();
    for (place, mark) in marks.iter().enumerate() {
        let end = marks.get(place + 1).map_or(text.len(), |next| next.at);
        let piece = text.get(mark.at..end).unwrap_or_default();
        let html = format!("<pre class=\"text\" tabindex=\"0\">{}</pre>\n", escaped(piece.trim_end()));
        rendered.chunks.push(Chunk { passages: place..place + 1, html });
    }
    rendered
}

/// The headings, with the ids that others make addresses of: their words, numbered where they are not the first with them.
fn headings(events: &[(Event<'_>, Range<usize>)], manner: &Manner<'_>) -> Vec<Heading> {
    let mut found: Vec<Heading> = Vec::new();
    let mut taken: HashSet<String> = HashSet::new();
    let mut open: Option<(u8, Option<String>, String, usize)> = None;
    // The title may be of any level: those after it are counted from it.
    let mut outermost = 1;
    // None is skipped on the way down, whatever the document does.
    let mut above = if manner.is_first { 1 } else { 6 };
    for (event, range) in events {
        match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                open = Some((*level as u8, id.as_ref().map(ToString::to_string), String::new(), range.start));
            }
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, id, text, at)) = open.take() else { continue };
                let base = slug(id.as_deref().unwrap_or(&text));
                let (mut name, mut number) = (base.clone(), 0);
                while !taken.insert(name.clone()) {
                    number += 1;
                    name = format!("{base}-{number}");
                }
                let is_title = manner.titled && manner.is_first && found.is_empty();
                if is_title {
                    outermost = level;
                }
                let level =
                    if manner.titled { (level + 1).saturating_sub(outermost).max(2) } else { level + 1 };
                let level = if is_title { 1 } else { level.min(above + 1).min(6) };
                above = level;
                let passage = manner.marks.partition_point(|mark| mark.at <= at).saturating_sub(1);
                let id = format!("h-{}{name}", manner.prefix);
                found.push(Heading { level, id, text: text.trim().to_owned(), passage });
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, _, words, _)) = &mut open {
                    words.push_str(text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, _, words, _)) = &mut open {
                    words.push(' ');
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
