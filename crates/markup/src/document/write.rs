//! HTML writer of documents: turns Markdown events into chunks, block by block.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pulldown_cmark::{Alignment, BlockQuoteKind, CowStr, Event, HeadingLevel, LinkType, Tag, TagEnd, html};

use super::container::{self, Container, Item};
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
        columns: Vec::new(),
        column: 0,
        is_head: false,
        notes: Footnotes::of(&events, options.id_prefix),
    };
    for item in container::items(events) {
        match item {
            Item::Event(event, range) => writer.take(event, range),
            Item::Open(container, offset) => writer.open_container(&container, offset),
            Item::Close(offset) => writer.close_container(offset),
        }
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
    /// Alignment of the columns of the open table.
    columns: Vec<Alignment>,
    /// Index of the next cell in its row.
    column: usize,
    /// Whether the open row is the table's head.
    is_head: bool,
    notes: Footnotes,
}

/// Footnotes of the text that are defined, and the ids by which text and note lead to each other.
struct Footnotes {
    /// Numbers by name.
    numbers: HashMap<String, usize>,
    id_prefix: String,
    /// Names whose reference has the id to which the note leads back: the first of each.
    referred: HashSet<String>,
}

impl Footnotes {
    fn of(events: &[(Event<'_>, Range<usize>)], id_prefix: &str) -> Self {
        let mut numbers = HashMap::new();
        for (event, _) in events {
            if let Event::Start(Tag::FootnoteDefinition(name)) = event {
                let number = numbers.len() + 1;
                numbers.entry(name.to_string()).or_insert(number);
            }
        }
        Self { numbers, id_prefix: id_prefix.to_owned(), referred: HashSet::new() }
    }

    /// Returns the ids of the note and of its first reference.
    fn ids(&self, name: &str) -> Option<(String, String)> {
        let number = self.numbers.get(name)?;
        Some((format!("h-{}fn-{number}", self.id_prefix), format!("h-{}fnref-{number}", self.id_prefix)))
    }
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
                self.block.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
                self.columns = columns;
                End::OwnAnd("</div>\n".into())
            }
            tag @ (Tag::TableHead | Tag::TableRow) => {
                self.column = 0;
                self.is_head = matches!(tag, Tag::TableHead);
                self.block.push(Event::Start(tag));
                End::Own
            }
            Tag::TableCell => self.start_cell(),
            Tag::FootnoteDefinition(name) => {
                let id = self.notes.ids(&name).map(|(id, _)| format!("<span id=\"{id}\"></span>"));
                let id = id.unwrap_or_default();
                let start = format!("<div class=\"footnote\"><sup>{}{id}</sup>\n", escape(&name));
                self.block.push(Event::Html(start.into()));
                let back = self.notes.ids(&name).filter(|_| self.notes.referred.contains(&*name));
                let back = back.map(|(_, back)| {
                    format!("<a href=\"#{}\" class=\"back\">↩</a>", link::percent_encode(&back))
                });
                End::Instead(Event::Html(format!("{}</div>\n", back.unwrap_or_default()).into()))
            }
            tag => {
                self.block.push(Event::Start(tag));
                End::Own
            }
        }
    }

    /// Starts a cell, aligned as its column by a class: a style attribute is forbidden by the content security policy.
    fn start_cell(&mut self) -> End<'doc> {
        let class = match self.columns.get(self.column) {
            Some(Alignment::Left) => " class=\"left\"",
            Some(Alignment::Center) => " class=\"center\"",
            Some(Alignment::Right) => " class=\"right\"",
            Some(Alignment::None) | None => "",
        };
        self.column += 1;
        let name = if self.is_head { "th" } else { "td" };
        self.block.push(Event::Html(format!("<{name}{class}>").into()));
        End::Instead(Event::Html(format!("</{name}>").into()))
    }

    fn open_container(&mut self, container: &Container, offset: usize) {
        if self.is_between_blocks() {
            self.start_chunk(offset);
        }
        self.write_anchors(offset);
        if self.open.len() >= MAX_DEPTH {
            self.open.push(End::Nothing);
            return;
        }
        let (start, end) = match container {
            Container::Callout(kind, title) => {
                let class = match kind {
                    BlockQuoteKind::Note => "note",
                    BlockQuoteKind::Tip => "tip",
                    BlockQuoteKind::Important => "important",
                    BlockQuoteKind::Warning => "warning",
                    BlockQuoteKind::Caution => "caution",
                };
                let title =
                    title.as_deref().map(|title| format!("<p><strong>{}</strong></p>\n", escape(title)));
                (
                    format!("<blockquote class=\"markdown-alert-{class}\">\n{}", title.unwrap_or_default()),
                    "</blockquote>\n",
                )
            }
            Container::Details(summary) => {
                (format!("<details><summary>{}</summary>\n", escape(summary)), "</details>\n")
            }
        };
        self.block.push(Event::Html(start.into()));
        self.open.push(End::Instead(Event::Html(end.into())));
    }

    fn close_container(&mut self, offset: usize) {
        self.write_anchors(offset);
        match self.open.pop() {
            Some(End::Instead(event)) => self.block.push(event),
            _ => self.block.push(Event::SoftBreak),
        }
        if self.is_between_blocks() && !self.block.is_empty() {
            self.flush();
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
            Event::FootnoteReference(name) => Event::InlineHtml(self.footnote_reference(&name).into()),
            // Instead of a checkbox that cannot be used.
            Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
            event => event,
        };
        self.block.push(event);
    }
}

impl Writer<'_> {
    fn footnote_reference(&mut self, name: &str) -> String {
        let text = escape(name);
        let Some((id, back)) = self.notes.ids(name) else { return format!("<sup>[{text}]</sup>") };
        let link = format!("<a href=\"#{}\">[{text}]</a>", link::percent_encode(&id));
        // The note leads back to the first reference.
        let is_first = self.notes.referred.insert(name.to_owned());
        if is_first {
            format!("<sup><span id=\"{back}\"></span>{link}</sup>")
        } else {
            format!("<sup>{link}</sup>")
        }
    }
}

/// Returns the anchor of a passage.
fn anchor(id: &str) -> String {
    let id: String =
        id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
    format!("<span class=\"p\" id=\"p-{id}\"></span>")
}
