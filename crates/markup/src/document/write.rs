//! HTML writer of documents: turns Markdown events into chunks, block by block.

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, LinkType, Tag, TagEnd, html};

use super::link::{self, Destination};
use super::strip_html::{self, InlineTag};
use super::{Chunk, Heading, RenderOptions, slug};
use crate::code_blocks::{CodeBlocks, Outcome};
use crate::escape::escape;

/// Maximum nesting depth of elements. Deeper ones are reduced to their text: browsers have limits too.
const MAX_DEPTH: usize = 40;

/// Renders the chunks of a text.
pub(super) fn chunks(
    events: Vec<(Event<'_>, Range<usize>)>,
    headings: &[Heading],
    options: &RenderOptions<'_>,
) -> Vec<Chunk> {
    let mut writer = Writer {
        options,
        ids: headings.iter().map(|heading| heading.id.as_str()).collect(),
        headings: headings.iter(),
        started: 0,
        chunks: Vec::new(),
        block: Vec::new(),
        open: Vec::new(),
        code: CodeBlocks::highlighted(),
        html_block: None,
    };
    for (event, range) in events {
        writer.take(event, range);
    }
    writer.chunks
}

struct Writer<'doc> {
    options: &'doc RenderOptions<'doc>,
    ids: HashSet<&'doc str>,
    headings: std::slice::Iter<'doc, Heading>,
    /// Number of passages that have started.
    started: usize,
    chunks: Vec<Chunk>,
    /// Events of the outermost open block.
    block: Vec<Event<'doc>>,
    /// How each open element ends, innermost last.
    open: Vec<End<'doc>>,
    code: CodeBlocks,
    /// HTML block of the document, collected until it ends.
    html_block: Option<String>,
}

/// How an open element ends.
enum End<'doc> {
    /// With its own end.
    Own,
    /// With nothing: the element was not written, only its content.
    Nothing,
    /// With this event instead of its own end.
    Instead(Event<'doc>),
    /// With its own end and this HTML.
    OwnAnd(CowStr<'doc>),
    /// Image, whose description starts at this index of the block.
    Image(usize),
    /// HTML block of the document.
    HtmlBlock,
    /// Title, which the page shows above the text; its content from this index of the block on is dropped.
    Title(usize),
}

impl<'doc> Writer<'doc> {
    fn take(&mut self, event: Event<'doc>, range: Range<usize>) {
        let offset = range.start;
        if self.is_between_blocks() {
            self.start_chunk(offset);
        }
        match self.code.process(event) {
            // A code block is written in one piece.
            Outcome::Consumed => self.write_anchors(range.end.saturating_sub(1)),
            Outcome::Block(html) => self.block.push(Event::Html(html.into())),
            Outcome::Other(Event::Start(tag)) => {
                let end = self.start(tag);
                self.open.push(end);
            }
            Outcome::Other(Event::End(tag)) => self.end(tag),
            Outcome::Other(event) => {
                self.write_anchors(offset);
                self.inline(event);
            }
        }
        if self.is_between_blocks() && !self.block.is_empty() {
            self.flush();
        }
    }

    /// Whether no block is open.
    fn is_between_blocks(&self) -> bool {
        self.open.is_empty() && !self.code.is_open()
    }

    /// Starts a chunk if a passage starts at or before `offset`.
    fn start_chunk(&mut self, offset: usize) {
        let passages = self.options.passages;
        let started = passages.partition_point(|passage| passage.offset <= offset).max(self.started);
        if started == self.started && !self.chunks.is_empty() {
            return;
        }
        // The page's element around the chunk has the id of the first passage; the others get anchors.
        let mut html = String::new();
        for passage in passages.get(self.started + 1..started).unwrap_or_default() {
            html.push_str(&anchor(&passage.id));
        }
        self.chunks.push(Chunk { passages: self.started..started, html });
        self.started = started;
    }

    /// Writes the anchors of passages that start within the block, up to `offset`.
    fn write_anchors(&mut self, offset: usize) {
        let passages = self.options.passages;
        while let Some(passage) = passages.get(self.started).filter(|passage| passage.offset <= offset) {
            self.block.push(Event::InlineHtml(anchor(&passage.id).into()));
            self.started += 1;
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.passages.end = self.started;
            }
        }
    }

    /// Renders the finished block into the chunk.
    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if let Some(chunk) = self.chunks.last_mut() {
            html::push_html(&mut chunk.html, block.into_iter());
        }
    }

    /// Writes the start of an element and returns how it ends.
    fn start(&mut self, tag: Tag<'doc>) -> End<'doc> {
        // Advanced for each heading, whether or not it is written.
        let heading = if matches!(tag, Tag::Heading { .. }) { self.headings.next() } else { None };
        if let Tag::HtmlBlock = tag {
            self.html_block = Some(String::new());
            return End::HtmlBlock;
        }
        if self.open.len() >= MAX_DEPTH {
            return End::Nothing;
        }
        match tag {
            Tag::Heading { .. } => self.start_heading(heading),
            Tag::Link { dest_url, link_type, .. } => self.start_link(&dest_url, link_type),
            Tag::Image { .. } => {
                self.block.push(Event::InlineHtml("<span class=\"picture\">".into()));
                End::Image(self.block.len())
            }
            Tag::Table(columns) => {
                self.block.push(Event::Html("<div class=\"scroll\" tabindex=\"0\">".into()));
                // The alignment of columns would be a style attribute, which the CSP forbids.
                self.block.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
                End::OwnAnd("</div>\n".into())
            }
            Tag::FootnoteDefinition(name) => {
                let start = format!("<div class=\"footnote\"><sup>{}</sup>\n", escape(&name));
                self.block.push(Event::Html(start.into()));
                End::Instead(Event::Html("</div>\n".into()))
            }
            tag => {
                self.block.push(Event::Start(tag));
                End::Own
            }
        }
    }

    fn start_heading(&mut self, heading: Option<&Heading>) -> End<'doc> {
        let Some(heading) = heading else { return End::Nothing };
        if heading.level == 1 {
            let id = format!("<span id=\"{}\"></span>", heading.id);
            self.block.push(Event::Html(id.into()));
            return End::Title(self.block.len());
        }
        let level = match heading.level {
            2 => HeadingLevel::H2,
            3 => HeadingLevel::H3,
            4 => HeadingLevel::H4,
            5 => HeadingLevel::H5,
            _ => HeadingLevel::H6,
        };
        let id = Some(heading.id.clone().into());
        self.block.push(Event::Start(Tag::Heading { level, id, classes: vec![], attrs: vec![] }));
        let link = format!(
            " <a class=\"anchor\" href=\"#{}\" aria-hidden=\"true\" tabindex=\"-1\">#</a>",
            link::percent_encode(&heading.id)
        );
        self.block.push(Event::InlineHtml("".into()));
        End::Instead(Event::InlineHtml(format!("{link}</h{}>\n", heading.level).into()))
    }

    fn start_link(&mut self, url: &str, kind: LinkType) -> End<'doc> {
        let url = if kind == LinkType::Email { format!("mailto:{url}") } else { url.to_owned() };
        let fragment_of = |fragment: &str| {
            let id = format!("h-{}{}", self.options.id_prefix, slug(fragment));
            self.ids.contains(id.as_str()).then(|| format!("#{}", link::percent_encode(&id)))
        };
        // HTML has no link within a link.
        let is_in_link = self.open.iter().any(|end| matches!(end, End::Instead(Event::InlineHtml(_))));
        let start = match link::destination(&url, &fragment_of, self.options.resolve) {
            _ if is_in_link => return End::Nothing,
            Destination::None => return End::Nothing,
            Destination::Local(url) => format!("<a href=\"{}\">", escape(&url)),
            Destination::External(url) => {
                format!("<a href=\"{}\" rel=\"noopener noreferrer nofollow\">", escape(&url))
            }
        };
        self.block.push(Event::InlineHtml(start.into()));
        End::Instead(Event::InlineHtml("</a>".into()))
    }

    fn end(&mut self, tag: TagEnd) {
        match self.open.pop() {
            Some(End::Own) => self.block.push(Event::End(tag)),
            Some(End::Instead(event)) => self.block.push(event),
            Some(End::OwnAnd(html)) => {
                self.block.push(Event::End(tag));
                self.block.push(Event::Html(html));
            }
            Some(End::Image(start)) if self.block.len() == start => {
                self.block.pop();
            }
            Some(End::Image(_)) => self.block.push(Event::InlineHtml("</span>".into())),
            Some(End::Title(start)) => self.block.truncate(start),
            Some(End::HtmlBlock) => self.end_html_block(),
            // Separates the text of elements that are nested too deeply.
            Some(End::Nothing) if self.open.len() >= MAX_DEPTH => self.block.push(Event::SoftBreak),
            Some(End::Nothing) | None => {}
        }
    }

    /// Writes the text of an HTML block.
    fn end_html_block(&mut self) {
        for line in strip_html::block(&self.html_block.take().unwrap_or_default()) {
            self.block.push(Event::Start(Tag::Paragraph));
            self.block.push(Event::Text(line.into()));
            self.block.push(Event::End(TagEnd::Paragraph));
        }
    }

    fn inline(&mut self, event: Event<'doc>) {
        let event = match event {
            Event::Html(text) => match &mut self.html_block {
                Some(html) => {
                    html.push_str(&text);
                    return;
                }
                None => Event::Text(text),
            },
            Event::InlineHtml(text) => match strip_html::inline(&text) {
                InlineTag::Dropped => return,
                InlineTag::LineBreak => Event::HardBreak,
                InlineTag::NotATag => Event::Text(text),
            },
            Event::InlineMath(text) | Event::DisplayMath(text) => Event::Code(text),
            Event::FootnoteReference(name) => {
                Event::InlineHtml(format!("<sup>[{}]</sup>", escape(&name)).into())
            }
            // Instead of a checkbox that cannot be used.
            Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
            event => event,
        };
        self.block.push(event);
    }
}

/// Returns the anchor of a passage.
fn anchor(id: &str) -> String {
    let id: String =
        id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
    format!("<span class=\"p\" id=\"p-{id}\"></span>")
}
