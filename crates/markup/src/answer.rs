//! Answers: Markdown written by a language model, and single passages.
//!
//! The HTML holds no markup of the text's own, no image, and no URL but within the page and this server. Whatever the model was
//! made to repeat, the reader's browser sends no request to anybody else.

use pulldown_cmark::{
    Alignment, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream,
};

use crate::code_blocks::{CodeBlocks, Outcome};
use crate::document::strip_html::{self, InlineTag};
use crate::escape::{escape, is_local_url};

/// Returns the local URL of the source that a number in brackets cites; `None` if there is no such source.
pub type ResolveCitation<'a> = &'a dyn Fn(i32) -> Option<String>;

/// Maximum length of the numbers in one pair of brackets.
const MAX_CITATION_BYTES: usize = 60;

/// Renders an answer. Its headings start two levels below the page's.
pub fn render(markdown: &str, cite: ResolveCitation<'_>) -> String {
    render_with(markdown, cite, CodeBlocks::plain(), false)
}

/// Renders an answer with highlighted code.
pub fn render_highlighted(markdown: &str, cite: ResolveCitation<'_>) -> String {
    render_with(markdown, cite, CodeBlocks::highlighted(), false)
}

/// Renders a single passage of a document. Its headings have one level, because it can begin at any depth; links within its
/// document are dropped, because they lead nowhere here.
pub fn render_passage(markdown: &str) -> String {
    // A paragraph that held only an anchor is empty.
    render_with(markdown, &|_number| None, CodeBlocks::plain(), true).replace("<p></p>\n", "")
}

fn render_with(markdown: &str, cite: ResolveCitation<'_>, code: CodeBlocks, is_passage: bool) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut sanitizer = Sanitizer { links: Vec::new(), code, is_passage };
    let events = Parser::new_ext(markdown, options).flat_map(move |event| sanitizer.sanitize(event));
    let mut in_link = 0_usize;
    let cited = TextMergeStream::new(events).map(move |event| match event {
        Event::Start(Tag::Link { .. }) => {
            in_link += 1;
            event
        }
        Event::End(TagEnd::Link) => {
            in_link = in_link.saturating_sub(1);
            event
        }
        // The only HTML in the stream: it is written here, not by the text.
        Event::Text(text) if in_link == 0 && text.contains('[') => {
            Event::InlineHtml(with_citations(&text, cite).into())
        }
        event => event,
    });
    let mut html = String::with_capacity(markdown.len() * 2);
    pulldown_cmark::html::push_html(&mut html, cited);
    html
}

/// Replaces the events that would yield unsafe HTML.
struct Sanitizer {
    /// Open links, innermost last.
    links: Vec<Link>,
    code: CodeBlocks,
    /// Whether the text is a passage of a document.
    is_passage: bool,
}

enum Link {
    Kept,
    /// Replaced by its text, followed by this.
    Text(String),
}

impl Sanitizer {
    /// Returns the level of a heading on the page.
    fn level(&self, level: HeadingLevel) -> HeadingLevel {
        if self.is_passage { HeadingLevel::H4 } else { below(level) }
    }

    fn sanitize<'event>(&mut self, event: Event<'event>) -> Vec<Event<'event>> {
        let event = match self.code.process(event) {
            Outcome::Consumed => return vec![],
            Outcome::Block(html) => return vec![Event::Html(html.into())],
            Outcome::Other(event) => event,
        };
        match event {
            // HTML in a document is dropped; HTML in an answer may be what the user asked for.
            Event::InlineHtml(tag) if self.is_passage => match strip_html::inline(&tag) {
                InlineTag::Dropped => vec![],
                InlineTag::LineBreak => vec![Event::HardBreak],
                InlineTag::NotATag => vec![Event::Text(tag)],
            },
            Event::Html(text) if self.is_passage => {
                let paragraph = |line: String| {
                    [Event::Start(Tag::Paragraph), Event::Text(line.into()), Event::End(TagEnd::Paragraph)]
                };
                strip_html::block(&text).into_iter().flat_map(paragraph).collect()
            }
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) if self.is_passage => vec![],
            // HTML is shown as it is written. Math is not enabled, and would be HTML.
            Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => vec![Event::Text(text)],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            Event::Start(Tag::Link { dest_url, link_type, .. }) => self.link(&dest_url, link_type),
            Event::End(TagEnd::Link) => match self.links.pop() {
                Some(Link::Kept) => vec![Event::End(TagEnd::Link)],
                Some(Link::Text(suffix)) if !suffix.is_empty() => vec![Event::Text(suffix.into())],
                _ => vec![],
            },
            // An image is replaced by its description.
            Event::Start(Tag::Image { .. }) => vec![Event::Text("[".into())],
            Event::End(TagEnd::Image) => vec![Event::Text("]".into())],
            Event::Start(Tag::Heading { level, .. }) => {
                vec![Event::Start(Tag::Heading {
                    level: self.level(level),
                    id: None,
                    classes: vec![],
                    attrs: vec![],
                })]
            }
            Event::End(TagEnd::Heading(level)) => vec![Event::End(TagEnd::Heading(self.level(level)))],
            // The alignment of columns would be a style attribute, which the CSP forbids.
            Event::Start(Tag::Table(columns)) => {
                vec![Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))]
            }
            // Instead of a checkbox that cannot be used.
            Event::TaskListMarker(done) => vec![Event::Text(if done { "☑ " } else { "☐ " }.into())],
            Event::FootnoteReference(name) => vec![Event::Text(CowStr::from(format!("[^{name}]")))],
            event => vec![event],
        }
    }

    fn link<'event>(&mut self, url: &str, kind: LinkType) -> Vec<Event<'event>> {
        let is_relative = is_local_url(url) || !url.contains(':') && !url.starts_with("//");
        if is_relative && self.is_passage {
            self.links.push(Link::Text(String::new()));
            return vec![];
        }
        if is_local_url(url) {
            self.links.push(Link::Kept);
            let tag = Tag::Link {
                link_type: LinkType::Inline,
                dest_url: url.to_owned().into(),
                title: "".into(),
                id: "".into(),
            };
            return vec![Event::Start(tag)];
        }
        let (prefix, suffix) = match kind {
            // `[1]` is a citation, even if the answer defines a link of that name.
            LinkType::Shortcut
            | LinkType::ShortcutUnknown
            | LinkType::Collapsed
            | LinkType::CollapsedUnknown => ("[", "]".to_owned()),
            LinkType::Autolink | LinkType::Email => ("", String::new()),
            _ => ("", format!(" ({url})")),
        };
        self.links.push(Link::Text(suffix));
        if prefix.is_empty() { vec![] } else { vec![Event::Text(prefix.into())] }
    }
}

/// Returns the level two below: the page has the title and the question above the answer.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

/// Escapes a text, with `[n]` and `[n, m]` as links if the numbers cite sources.
fn with_citations(text: &str, cite: ResolveCitation<'_>) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let after = &rest[start + 1..];
        let inside = after.find(']').map(|end| &after[..end]);
        let links = inside.and_then(|inside| citation_links(inside, cite));
        if let (Some(inside), Some(links)) = (inside, links) {
            html.push_str(&escape(&rest[..start]));
            html.push_str(&links);
            rest = &after[inside.len() + 1..];
        } else {
            html.push_str(&escape(&rest[..=start]));
            rest = after;
        }
    }
    html.push_str(&escape(rest));
    html
}

fn citation_links(inside: &str, cite: ResolveCitation<'_>) -> Option<String> {
    if inside.len() > MAX_CITATION_BYTES {
        return None;
    }
    let mut html = String::from("<sup>[");
    for (index, part) in inside.split([',', '，', '、']).enumerate() {
        let number: i32 = part.trim().parse().ok().filter(|number| *number > 0)?;
        let url = cite(number).filter(|url| is_local_url(url))?;
        if index > 0 {
            html.push_str(", ");
        }
        html.push_str(&format!("<a href=\"{}\">{number}</a>", escape(&url)));
    }
    html.push_str("]</sup>");
    Some(html)
}

#[cfg(test)]
mod tests;
