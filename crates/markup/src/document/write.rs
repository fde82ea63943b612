//! Writes the HTML of a document, block after block.

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, LinkType, Tag, TagEnd, html};

use super::address::{self, Address};
use super::strip::{self, Inline};
use super::{Chunk, Heading, Manner, slug};
use crate::blocks::{Blocks, Taken};
use crate::escape::escaped;

/// How deep elements may lie in each other. What lies deeper is text of the last of them: browsers have limits too.
const DEEPEST: usize = 40;

/// The chunks of a text.
pub(super) fn chunks(
    events: Vec<(Event<'_>, Range<usize>)>,
    headings: &[Heading],
    manner: &Manner<'_>,
) -> Vec<Chunk> {
    let mut writer = Writer {
        manner,
        ids: headings.iter().map(|heading| heading.id.as_str()).collect(),
        headings: headings.iter(),
        begun: 0,
        chunks: Vec::new(),
        block: Vec::new(),
        open: Vec::new(),
        code: Blocks::coloured(),
        markup: None,
    };
    for (event, range) in events {
        writer.take(event, range);
    }
    writer.chunks
}

struct Writer<'doc> {
    manner: &'doc Manner<'doc>,
    ids: HashSet<&'doc str>,
    headings: std::slice::Iter<'doc, Heading>,
    /// Passages that have begun.
    begun: usize,
    chunks: Vec<Chunk>,
    /// The outermost block that is open, as far as it came.
    block: Vec<Event<'doc>>,
    /// What is open, and how each of it ends.
    open: Vec<End<'doc>>,
    code: Blocks,
    /// Markup of the document's own, gathered until it ends.
    markup: Option<String>,
}

/// How an element that is open ends.
enum End<'doc> {
    /// As it is called.
    Itself,
    /// It was not written: what is in it is.
    Nothing,
    /// Like this.
    With(Event<'doc>),
    /// Like this, after its own end.
    Then(CowStr<'doc>),
    /// A picture, whose description began here in the block.
    Picture(usize),
    /// Markup of the document's own.
    Markup,
    /// The title, which stands above the text: what is in it is not written.
    Title(usize),
}

impl<'doc> Writer<'doc> {
    fn take(&mut self, event: Event<'doc>, range: Range<usize>) {
        let at = range.start;
        if self.is_between() {
            self.begin_chunk(at);
        }
        match self.code.take(event) {
            // Code comes in one piece.
            Taken::Nothing => self.mark(range.end.saturating_sub(1)),
            Taken::Block(html) => self.block.push(Event::Html(html.into())),
            Taken::Other(Event::Start(tag)) => {
                let end = self.start(tag);
                self.open.push(end);
            }
            Taken::Other(Event::End(tag)) => self.end(tag),
            Taken::Other(event) => {
                self.mark(at);
                self.inline(event);
            }
        }
        if self.is_between() && !self.block.is_empty() {
            self.flush();
        }
    }

    /// Whether no block is open.
    fn is_between(&self) -> bool {
        self.open.is_empty() && !self.code.is_open()
    }

    /// Begins the chunk of the passages that have begun here.
    fn begin_chunk(&mut self, at: usize) {
        let marks = self.manner.marks;
        let begun = marks.partition_point(|mark| mark.at <= at).max(self.begun);
        if begun == self.begun && !self.chunks.is_empty() {
            return;
        }
        // The first is named by the element around the chunk, others by one of their own.
        let mut html = String::new();
        for mark in marks.get(self.begun + 1..begun).unwrap_or_default() {
            html.push_str(&anchor(&mark.id));
        }
        self.chunks.push(Chunk { passages: self.begun..begun, html });
        self.begun = begun;
    }

    /// Leaves an anchor where a passage has begun within a block.
    fn mark(&mut self, at: usize) {
        while let Some(mark) = self.manner.marks.get(self.begun).filter(|mark| mark.at <= at) {
            self.block.push(Event::InlineHtml(anchor(&mark.id).into()));
            self.begun += 1;
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.passages.end = self.begun;
            }
        }
    }

    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if let Some(chunk) = self.chunks.last_mut() {
            html::push_html(&mut chunk.html, block.into_iter());
        }
    }

    /// Writes how an element begins, and says how it ends.
    fn start(&mut self, tag: Tag<'doc>) -> End<'doc> {
        // Each is passed by once, whether or not it is written.
        let heading = if matches!(tag, Tag::Heading { .. }) { self.headings.next() } else { None };
        if let Tag::HtmlBlock = tag {
            self.markup = Some(String::new());
            return End::Markup;
        }
        if self.open.len() >= DEEPEST {
            return End::Nothing;
        }
        match tag {
            Tag::Heading { .. } => self.start_heading(heading),
            Tag::Link { dest_url, link_type, .. } => self.start_link(&dest_url, link_type),
            Tag::Image { .. } => {
                self.block.push(Event::InlineHtml("<span class=\"picture\">".into()));
                End::Picture(self.block.len())
            }
            Tag::Table(columns) => {
                self.block.push(Event::Html("<div class=\"scroll\" tabindex=\"0\">".into()));
                // How columns are aligned would be an attribute of style, which pages have none of.
                self.block.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
                End::Then("</div>\n".into())
            }
            Tag::FootnoteDefinition(name) => {
                let start = format!("<div class=\"footnote\"><sup>{}</sup>\n", escaped(&name));
                self.block.push(Event::Html(start.into()));
                End::With(Event::Html("</div>\n".into()))
            }
            tag => {
                self.block.push(Event::Start(tag));
                End::Itself
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
            address::encoded(&heading.id)
        );
        self.block.push(Event::InlineHtml("".into()));
        End::With(Event::InlineHtml(format!("{link}</h{}>\n", heading.level).into()))
    }

    fn start_link(&mut self, link: &str, kind: LinkType) -> End<'doc> {
        let link = if kind == LinkType::Email { format!("mailto:{link}") } else { link.to_owned() };
        let within = |fragment: &str| {
            let id = format!("h-{}{}", self.manner.prefix, slug(fragment));
            self.ids.contains(id.as_str()).then(|| format!("#{}", address::encoded(&id)))
        };
        // A link within a link is none in HTML.
        let is_within = self.open.iter().any(|end| matches!(end, End::With(Event::InlineHtml(_))));
        let start = match address::of(&link, &within, self.manner.resolve) {
            _ if is_within => return End::Nothing,
            Address::Nowhere => return End::Nothing,
            Address::Own(address) => format!("<a href=\"{}\">", escaped(&address)),
            Address::Away(address) => {
                format!("<a href=\"{}\" rel=\"noopener noreferrer nofollow\">", escaped(&address))
            }
        };
        self.block.push(Event::InlineHtml(start.into()));
        End::With(Event::InlineHtml("</a>".into()))
    }

    fn end(&mut self, tag: TagEnd) {
        match self.open.pop() {
            Some(End::Itself) => self.block.push(Event::End(tag)),
            Some(End::With(event)) => self.block.push(event),
            Some(End::Then(after)) => {
                self.block.push(Event::End(tag));
                self.block.push(Event::Html(after));
            }
            Some(End::Picture(began)) if self.block.len() == began => {
                self.block.pop();
            }
            Some(End::Picture(_)) => self.block.push(Event::InlineHtml("</span>".into())),
            Some(End::Title(began)) => self.block.truncate(began),
            Some(End::Markup) => self.markup_ended(),
            // What lay too deep must not run into what follows.
            Some(End::Nothing) if self.open.len() >= DEEPEST => self.block.push(Event::SoftBreak),
            Some(End::Nothing) | None => {}
        }
    }

    /// Markup is not kept, but the words in it are.
    fn markup_ended(&mut self) {
        for line in strip::block(&self.markup.take().unwrap_or_default()) {
            self.block.push(Event::Start(Tag::Paragraph));
            self.block.push(Event::Text(line.into()));
            self.block.push(Event::End(TagEnd::Paragraph));
        }
    }

    fn inline(&mut self, event: Event<'doc>) {
        let event = match event {
            Event::Html(text) => match &mut self.markup {
                Some(markup) => {
                    markup.push_str(&text);
                    return;
                }
                None => Event::Text(text),
            },
            Event::InlineHtml(text) => match strip::inline(&text) {
                Inline::Nothing => return,
                Inline::Break => Event::HardBreak,
                Inline::Text => Event::Text(text),
            },
            Event::InlineMath(text) | Event::DisplayMath(text) => Event::Code(text),
            Event::FootnoteReference(name) => {
                Event::InlineHtml(format!("<sup>[{}]</sup>", escaped(&name)).into())
            }
            // A box that nobody can tick.
            Event::TaskListMarker(done) => Event::Text(if done { "☑ " } else { "☐ " }.into()),
            event => event,
        };
        self.block.push(event);
    }
}

/// An element that names a place.
fn anchor(id: &str) -> String {
    let id: String = id.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').collect();
    format!("<span class=\"p\" id=\"p-{id}\"></span>")
}
