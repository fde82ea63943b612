//! Documents: Markdown rendered for reading.
//!
//! Each passage has an anchor, each heading an id; code is highlighted and tables scroll. HTML in the document is dropped, pictures
//! that the caller does not know are replaced by their descriptions, and external links are marked (`rel`). Links, pictures and
//! anchors that are not in the text stand in an [`Overlay`]. [`relink`] changes the targets of links in the Markdown itself.

mod container;
mod link;
mod overlay;
mod relink;
mod slug;
pub(crate) mod strip_html;
mod write;

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::escape::escape;
pub use overlay::{FindPicture, FindUrl, Overlay, Picture, PlacedAnchor, Span};
pub use relink::{Relinked, relink, targets};
pub use slug::slug;

/// Resolves a link of the document that is relative, or a fragment that is not in this text, to a local URL; `None` if it leads
/// nowhere, and then only the link's text is rendered.
pub type ResolveLink<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Start of a passage in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageStart {
    /// Id on the page, without the prefix `p-`: ASCII letters, digits and hyphens.
    pub id: String,
    /// Byte offset in the text.
    pub offset: usize,
}

/// Options of [`render`].
pub struct RenderOptions<'a> {
    /// Passages, in ascending order.
    pub passages: &'a [PassageStart],
    /// Prefix of heading ids, after `h-`. Keeps ids unique when a page shows several parts of a document.
    pub id_prefix: &'a str,
    /// Whether the first heading of the document is its title, which the page shows above the text. It is not rendered again,
    /// and the outermost level of the others is 2.
    pub has_title: bool,
    /// Whether the text is the start of the document.
    pub is_first: bool,
    /// Resolves relative links.
    pub resolve: ResolveLink<'a>,
    /// Links, pictures and anchors that are not in the text.
    pub overlay: Overlay<'a>,
}

/// HTML of one or more passages. Passages that start inside another's list, table or code share a chunk with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Indexes of the passages.
    pub passages: Range<usize>,
    /// Safe HTML.
    pub html: String,
}

/// Heading, for a table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Level of the element, 2 to 6; 1 for the title.
    pub level: u8,
    /// Id on the page.
    pub id: String,
    /// Text.
    pub text: String,
    /// Index of its passage.
    pub passage: usize,
}

/// A rendered text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Chunks in order.
    pub chunks: Vec<Chunk>,
    /// Headings in order.
    pub headings: Vec<Heading>,
}

/// Renders Markdown.
pub fn render(markdown: &str, options: &RenderOptions<'_>) -> Rendered {
    let events = with_braces(Parser::new_ext(markdown, extensions()).into_offset_iter(), markdown);
    let headings = headings(&events, options);
    let chunks = write::chunks(markdown, events, &headings, options);
    Rendered { chunks, headings }
}

/// Returns the extensions of `CommonMark` that documents use.
fn extensions() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

/// Renders plain text, passage by passage.
pub fn render_plain(text: &str, passages: &[PassageStart]) -> Rendered {
    let mut rendered = Rendered::default();
    for (index, passage) in passages.iter().enumerate() {
        let end = passages.get(index + 1).map_or(text.len(), |next| next.offset);
        let piece = text.get(passage.offset..end).unwrap_or_default();
        let html = format!("<pre class=\"text\" tabindex=\"0\">{}</pre>\n", escape(piece.trim_end()));
        rendered.chunks.push(Chunk { passages: index..index + 1, html });
    }
    rendered
}

/// Collects the events. Where the end of a heading was taken for attributes and is none, as `{id}` in `## GET /users/{id}`, it
/// becomes text again.
fn with_braces<'m>(
    events: impl Iterator<Item = (Event<'m>, Range<usize>)>,
    markdown: &'m str,
) -> Vec<(Event<'m>, Range<usize>)> {
    let mut collected = Vec::new();
    let mut braces: Option<Range<usize>> = None;
    for (event, range) in events {
        match &event {
            Event::Start(Tag::Heading { id: None, classes, attrs, .. })
                if classes.is_empty() && !attrs.is_empty() =>
            {
                braces = range_of_braces(markdown, range.clone());
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some(range) = braces.take() {
                    collected.push((Event::Text(markdown[range.clone()].into()), range));
                }
            }
            _ => {}
        }
        collected.push((event, range));
    }
    collected
}

/// Returns the range of the last braces of a heading, with the space before them.
fn range_of_braces(markdown: &str, heading: Range<usize>) -> Option<Range<usize>> {
    let source = &markdown[heading.clone()];
    let begin = source.rfind('{')?;
    let end = begin + source[begin..].find('}')? + 1;
    let begin = source[..begin].trim_end_matches([' ', '\t']).len();
    Some(heading.start + begin..heading.start + end)
}

/// Collects the headings. Ids are slugs as on GitHub, numbered where a slug repeats.
fn headings(events: &[(Event<'_>, Range<usize>)], options: &RenderOptions<'_>) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut slugs: HashSet<String> = HashSet::new();
    let mut open: Option<(u8, Option<String>, String, usize)> = None;
    // The title can have any level; the levels after it are relative to it.
    let mut title_level = 1;
    // Without a title, the outermost headings are of level 2, whatever level the document gives them.
    let outermost = if options.is_first { outermost_level(events) } else { 1 };
    // No level is skipped on the way down, whatever the document does.
    let mut previous_level = if options.is_first { 1 } else { 6 };
    for (event, range) in events {
        match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                open = Some((*level as u8, id.as_ref().map(ToString::to_string), String::new(), range.start));
            }
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, id, text, offset)) = open.take() else { continue };
                let base = slug::slug(id.as_deref().unwrap_or(&text));
                let (mut slug, mut number) = (base.clone(), 0);
                while !slugs.insert(slug.clone()) {
                    number += 1;
                    slug = format!("{base}-{number}");
                }
                let is_title = options.has_title && options.is_first && headings.is_empty();
                if is_title {
                    title_level = level;
                }
                let level = if options.has_title {
                    (level + 1).saturating_sub(title_level).max(2)
                } else {
                    (level + 2).saturating_sub(outermost)
                };
                let level = if is_title { 1 } else { level.min(previous_level + 1).min(6) };
                previous_level = level;
                let passage =
                    options.passages.partition_point(|passage| passage.offset <= offset).saturating_sub(1);
                let id = format!("h-{}{slug}", options.id_prefix);
                headings.push(Heading { level, id, text: text.trim().to_owned(), passage });
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, _, heading_text, _)) = &mut open {
                    heading_text.push_str(text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, _, heading_text, _)) = &mut open {
                    heading_text.push(' ');
                }
            }
            _ => {}
        }
    }
    headings
}

/// Returns the level of the outermost headings; 1 if there are none.
fn outermost_level(events: &[(Event<'_>, Range<usize>)]) -> u8 {
    let levels = events.iter().filter_map(|(event, _)| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(*level as u8),
        _ => None,
    });
    levels.min().unwrap_or(1)
}

#[cfg(test)]
mod tests;
