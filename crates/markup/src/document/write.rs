//! HTML writer of documents: turns Markdown events into chunks, block by block.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pulldown_cmark::{Alignment, BlockQuoteKind, CowStr, Event, HeadingLevel, LinkType, Tag, TagEnd, html};

use super::container::{self, Container, Item};
use super::link::{self, Destination};
use super::strip_html::{self, InlineTag, Piece};
use super::{Chunk, Heading, RenderOptions, slug};
use crate::code_blocks::{CodeBlocks, Outcome};
use crate::escape::{escape, is_local_url};

/// Maximum nesting depth of elements. Deeper ones are reduced to their text: browsers have limits too.
const MAX_DEPTH: usize = 40;

/// Renders the chunks of a text.
pub(super) fn chunks(
    markdown: &str,
    events: Vec<(Event<'_>, Range<usize>)>,
    headings: &[Heading],
    options: &RenderOptions<'_>,
) -> Vec<Chunk> {
    let mut writer = Writer {
        markdown,
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
        placed: 0,
        shown: 0,
        hidden_to: 0,
        html_link: None,
    };
    for item in container::items(events) {
        match item {
            Item::Event(event, range) => writer.take(event, range),
            Item::Open(container, offset) => writer.open_container(&container, offset),
            Item::Close(offset) => writer.close_container(offset),
        }
    }
    writer.write_rest();
    writer.chunks
}

struct Writer<'doc> {
    markdown: &'doc str,
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
    /// Number of anchors of the overlay that are written, and of pictures.
    placed: usize,
    shown: usize,
    /// Offset up to which the text describes a picture that is shown.
    hidden_to: usize,
    /// Start tag of a link of HTML that has not ended.
    html_link: Option<String>,
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
    /// Image, whose description starts at this index of the block, with its address.
    Image(usize, CowStr<'doc>),
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
                self.inline(event, range);
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
            let places = self.places(offset);
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.html.push_str(&places);
            }
            return;
        }
        // The page's element around the chunk has the id of the first passage; the others get anchors.
        let mut html = String::new();
        for passage in passages.get(self.started + 1..started).unwrap_or_default() {
            html.push_str(&anchor(&passage.id));
        }
        html.push_str(&self.places(offset));
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
        let places = self.places(offset);
        if !places.is_empty() {
            self.block.push(Event::InlineHtml(places.into()));
        }
    }

    /// Returns the anchors of the overlay up to `offset` that are not written yet.
    fn places(&mut self, offset: usize) -> String {
        let mut html = String::new();
        while let Some(place) =
            self.options.overlay.anchors.get(self.placed).filter(|place| place.offset <= offset)
        {
            html.push_str(&format!("<span id=\"a-{}\"></span>", place.number));
            self.placed += 1;
        }
        html
    }

    /// Writes the pictures that no text stands beside.
    fn write_rest(&mut self) {
        let html = self.pictures_before(usize::MAX);
        if let Some(chunk) = self.chunks.last_mut().filter(|_| !html.is_empty()) {
            chunk.html.push_str(&format!("<p>{html}</p>\n"));
        }
    }

    /// Returns the pictures without a description up to `offset` that are not written yet.
    fn pictures_before(&mut self, offset: usize) -> String {
        let mut html = String::new();
        while let Some(span) =
            self.options.overlay.pictures.get(self.shown).filter(|span| span.range.start < offset)
        {
            self.shown += 1;
            if span.range.is_empty() {
                html.push_str(&self.picture(&span.target, "").unwrap_or_default());
            }
        }
        html
    }

    /// Returns the HTML of a picture; `None` if it cannot be shown.
    fn picture(&self, address: &str, description: &str) -> Option<String> {
        let picture = self.options.overlay.picture?(address)?;
        // Descriptions of Word documents stand in brackets.
        let description = description.trim();
        let inner = description.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let description = inner.unwrap_or(description);
        is_local_url(&picture.url).then(|| {
            format!(
                "<img src=\"{}\" alt=\"{}\" width=\"{}\" height=\"{}\" loading=\"lazy\" />",
                escape(&picture.url),
                escape(description),
                picture.width,
                picture.height
            )
        })
    }

    /// Renders the finished block into the chunk.
    fn flush(&mut self) {
        self.html_link = None;
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
            Tag::Image { dest_url, .. } => {
                self.block.push(Event::InlineHtml("<span class=\"picture\">".into()));
                End::Image(self.block.len(), dest_url)
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

    /// HTML has no link within a link.
    fn is_in_link(&self) -> bool {
        self.open.iter().any(|end| matches!(end, End::Instead(Event::InlineHtml(_))))
    }

    fn is_in_image(&self) -> bool {
        self.open.iter().any(|end| matches!(end, End::Image(..)))
    }

    fn start_link(&mut self, url: &str, kind: LinkType) -> End<'doc> {
        let url = if kind == LinkType::Email { format!("mailto:{url}") } else { url.to_owned() };
        if self.is_in_link() {
            return End::Nothing;
        }
        let Some(start) = self.start_tag(&url) else { return End::Nothing };
        self.block.push(Event::InlineHtml(start.into()));
        End::Instead(Event::InlineHtml("</a>".into()))
    }

    /// Returns the start tag of a link; `None` if it leads nowhere.
    fn start_tag(&self, url: &str) -> Option<String> {
        if let Some(url) =
            self.options.overlay.local.and_then(|local| local(url)).filter(|url| is_local_url(url))
        {
            return Some(format!("<a href=\"{}\">", escape(&url)));
        }
        let fragment_of = |fragment: &str| {
            let id = format!("h-{}{}", self.options.id_prefix, slug(fragment));
            self.ids.contains(id.as_str()).then(|| format!("#{}", link::percent_encode(&id)))
        };
        match link::destination(url, &fragment_of, self.options.resolve) {
            Destination::None => None,
            Destination::Local(url) => Some(format!("<a href=\"{}\">", escape(&url))),
            Destination::External(url) => {
                Some(format!("<a href=\"{}\" rel=\"noopener noreferrer nofollow\">", escape(&url)))
            }
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match self.open.pop() {
            Some(End::Own) => self.block.push(Event::End(tag)),
            Some(End::Instead(event)) => self.block.push(event),
            Some(End::OwnAnd(html)) => {
                self.block.push(Event::End(tag));
                self.block.push(Event::Html(html));
            }
            Some(End::Image(start, address)) => self.end_image(start, &address),
            Some(End::Title(start)) => self.block.truncate(start),
            Some(End::HtmlBlock) => self.end_html_block(),
            // Separates the text of elements that are nested too deeply.
            Some(End::Nothing) if self.open.len() >= MAX_DEPTH => self.block.push(Event::SoftBreak),
            Some(End::Nothing) | None => {}
        }
    }

    /// Replaces the description of an image by the picture, if that can be shown.
    fn end_image(&mut self, start: usize, address: &str) {
        let description: String = self
            .block
            .get(start..)
            .unwrap_or_default()
            .iter()
            .map(|event| match event {
                Event::Text(text) | Event::Code(text) => &**text,
                Event::SoftBreak | Event::HardBreak => " ",
                _ => "",
            })
            .collect();
        match self.picture(address, &description) {
            Some(picture) => {
                self.block.truncate(start.saturating_sub(1));
                self.block.push(Event::InlineHtml(picture.into()));
            }
            None if self.block.len() == start => drop(self.block.pop()),
            None => self.block.push(Event::InlineHtml("</span>".into())),
        }
    }

    /// Writes the text, the pictures and the links of an HTML block.
    fn end_html_block(&mut self) {
        for line in strip_html::pieces(&self.html_block.take().unwrap_or_default()) {
            self.block.push(Event::Start(Tag::Paragraph));
            for piece in line {
                match piece {
                    Piece::Text(text) => {
                        let text = collapsed(&text);
                        self.linked(Event::Text(text.into()), None);
                    }
                    piece => self.html_reference(piece),
                }
            }
            self.block.push(Event::End(TagEnd::Paragraph));
        }
        self.html_link = None;
    }

    /// Writes a picture of HTML, or begins or ends a link of HTML.
    fn html_reference(&mut self, piece: Piece) {
        match piece {
            Piece::Picture(address, description) => {
                let event = match self.picture(&address, &description) {
                    Some(picture) => Event::InlineHtml(picture.into()),
                    None if description.is_empty() => return,
                    None => Event::InlineHtml(
                        format!("<span class=\"picture\">{}</span>", escape(&description)).into(),
                    ),
                };
                self.linked(event, None);
            }
            Piece::Link(target) => self.html_link = self.start_tag(&target),
            Piece::LinkEnd => self.html_link = None,
            Piece::Text(_) => {}
        }
    }

    /// Writes an event within a link of its own, if it is part of one: each piece of text has its own, so that elements are
    /// never entangled.
    fn linked(&mut self, event: Event<'doc>, target: Option<&str>) {
        let start = match target {
            Some(target) => self.start_tag(target),
            None => self.html_link.clone(),
        };
        let start = start.filter(|_| !self.is_in_link());
        let end = start.is_some().then(|| Event::InlineHtml("</a>".into()));
        self.block.extend(start.map(|start| Event::InlineHtml(start.into())));
        self.block.push(event);
        self.block.extend(end);
    }

    /// Writes text or inline code with the links and pictures over it.
    fn covered(&mut self, text: &CowStr<'doc>, range: Range<usize>, is_code: bool) {
        let write = |part: &str, is_whole: bool| match (is_code, is_whole) {
            (true, true) => Event::InlineHtml(format!("<code>{}</code>", escape(part)).into()),
            (true, false) => Event::InlineHtml(escape(part).into_owned().into()),
            (false, _) => Event::Text(part.to_owned().into()),
        };
        let source = self.markdown.get(range.clone()).unwrap_or_default();
        // Where the text is not a piece of the source, such as an entity, it has one link at most.
        let offset = source.find(&**text);
        let start = range.start + offset.unwrap_or(0);
        let span = if offset.is_some() { start..start + text.len() } else { range };
        let overlay = self.options.overlay;
        let parts = overlay.parts(span.clone());
        if parts.iter().all(|part| part.link.is_none() && part.picture.is_none())
            && self.hidden_to <= span.start
        {
            self.linked(write(text, true), None);
            return;
        }
        if is_code {
            self.block.push(Event::InlineHtml("<code>".into()));
        }
        for part in parts {
            let from = part.range.start.max(self.hidden_to);
            let shown = if offset.is_some() {
                text.get(from.saturating_sub(start)..part.range.end.saturating_sub(start)).unwrap_or_default()
            } else if from < part.range.end {
                text
            } else {
                ""
            };
            if let Some(address) = part.picture {
                let whole = overlay.pictures.iter().find(|span| span.range.start == part.range.start);
                let end = whole.map_or(part.range.end, |whole| whole.range.end);
                let description = plain(self.markdown.get(part.range.start..end).unwrap_or(shown));
                self.shown = overlay
                    .pictures
                    .partition_point(|span| span.range.start <= part.range.start)
                    .max(self.shown);
                if let Some(picture) = self.picture(address, &description) {
                    self.hidden_to = self.hidden_to.max(end);
                    self.linked(Event::InlineHtml(picture.into()), part.link);
                    continue;
                }
            }
            if !shown.is_empty() {
                self.linked(write(shown, false), part.link);
            }
        }
        if is_code {
            self.block.push(Event::InlineHtml("</code>".into()));
        }
    }

    fn inline(&mut self, event: Event<'doc>, range: Range<usize>) {
        if let Event::Text(text) | Event::Code(text) = &event
            && !self.is_in_image()
        {
            let pictures = self.pictures_before(range.start);
            if !pictures.is_empty() {
                self.block.push(Event::InlineHtml(pictures.into()));
            }
            let is_code = matches!(event, Event::Code(_));
            self.covered(text, range, is_code);
            return;
        }
        let event = match event {
            Event::Html(text) => match &mut self.html_block {
                Some(html) => {
                    html.push_str(&text);
                    return;
                }
                None => Event::Text(text),
            },
            Event::InlineHtml(text) => match strip_html::inline(&text) {
                InlineTag::Dropped => {
                    if let Some(piece) = strip_html::reference(&text) {
                        self.html_reference(piece);
                    }
                    return;
                }
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

/// Collapses runs of white space, which stays at both ends.
fn collapsed(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_whitespace() {
            line.push(character);
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line
}

/// Returns a piece of Markdown without the signs that escape and quote.
fn plain(markdown: &str) -> String {
    markdown.replace(['\\', '`'], "")
}

/// Returns the anchor of a passage.
fn anchor(id: &str) -> String {
    let id: String =
        id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
    format!("<span class=\"p\" id=\"p-{id}\"></span>")
}
