//! An answer's Markdown as HTML that holds nothing foreign: no markup of its own, no picture, no address but within the page
//! and this server. Whoever wrote the answer, and whatever it was made to repeat, a reader's browser asks nobody for anything.

use pulldown_cmark::{
    Alignment, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream,
};

use crate::blocks::{Blocks, Taken};
use crate::document::strip::{self, Inline};
use crate::escape::{escaped, is_own};

/// The address, on the page, of what a number in brackets stands for; `None` where it stands for nothing.
pub type Cite<'a> = &'a dyn Fn(i32) -> Option<String>;

/// Renders it. Headings stand below those of the page.
pub fn html(markdown: &str, cite: Cite<'_>) -> String {
    render(markdown, cite, Blocks::plain(), false)
}

/// The same with its code in colours.
pub fn highlighted(markdown: &str, cite: Cite<'_>) -> String {
    render(markdown, cite, Blocks::coloured(), false)
}

/// A passage that stands by itself. It may begin at any depth, so its headings are all of one
/// level; and addresses that it has within its document lead nowhere here.
pub fn passage(markdown: &str) -> String {
    // Nothing is left of a paragraph that was a place to be led to.
    render(markdown, &|_number| None, Blocks::plain(), true).replace("<p></p>\n", "")
}

fn render(markdown: &str, cite: Cite<'_>, blocks: Blocks, is_passage: bool) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut open = Safe { links: Vec::new(), blocks, is_passage };
    let events = Parser::new_ext(markdown, options).flat_map(move |event| open.event(event));
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
        // The only markup that is not made of Markdown is this one of ours.
        Event::Text(text) if in_link == 0 && text.contains('[') => {
            Event::InlineHtml(with_citations(&text, cite).into())
        }
        event => event,
    });
    let mut html = String::with_capacity(markdown.len() * 2);
    pulldown_cmark::html::push_html(&mut html, cited);
    html
}

/// What is open while events pass.
struct Safe {
    /// Links, innermost last.
    links: Vec<Link>,
    /// Code.
    blocks: Blocks,
    /// Whether it is a passage of a document.
    is_passage: bool,
}

enum Link {
    Kept,
    /// Its text stays; what comes after it.
    Text(String),
}

impl Safe {
    /// Of which level a heading is on the page.
    fn level(&self, level: HeadingLevel) -> HeadingLevel {
        if self.is_passage { HeadingLevel::H4 } else { below(level) }
    }

    fn event<'event>(&mut self, event: Event<'event>) -> Vec<Event<'event>> {
        let event = match self.blocks.take(event) {
            Taken::Nothing => return vec![],
            Taken::Block(html) => return vec![Event::Html(html.into())],
            Taken::Other(event) => event,
        };
        match event {
            // A document's own markup says nothing to its readers; that of an answer may be what was asked for.
            Event::InlineHtml(tag) if self.is_passage => match strip::inline(&tag) {
                Inline::Nothing => vec![],
                Inline::Break => vec![Event::HardBreak],
                Inline::Text => vec![Event::Text(tag)],
            },
            Event::Html(text) if self.is_passage => {
                let paragraph = |line: String| {
                    [Event::Start(Tag::Paragraph), Event::Text(line.into()), Event::End(TagEnd::Paragraph)]
                };
                strip::block(&text).into_iter().flat_map(paragraph).collect()
            }
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) if self.is_passage => vec![],
            // Markup is shown as it is written; formulas are not asked for, and would be markup.
            Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => vec![Event::Text(text)],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            Event::Start(Tag::Link { dest_url, link_type, .. }) => self.link(&dest_url, link_type),
            Event::End(TagEnd::Link) => match self.links.pop() {
                Some(Link::Kept) => vec![Event::End(TagEnd::Link)],
                Some(Link::Text(after)) if !after.is_empty() => vec![Event::Text(after.into())],
                _ => vec![],
            },
            // A picture is its description.
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
            // How its columns are aligned would be an attribute of style, which pages have none of.
            Event::Start(Tag::Table(columns)) => {
                vec![Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))]
            }
            // A box that nobody can tick.
            Event::TaskListMarker(done) => vec![Event::Text(if done { "☑ " } else { "☐ " }.into())],
            Event::FootnoteReference(name) => vec![Event::Text(CowStr::from(format!("[^{name}]")))],
            event => vec![event],
        }
    }

    fn link<'event>(&mut self, address: &str, kind: LinkType) -> Vec<Event<'event>> {
        let is_within = is_own(address) || !address.contains(':') && !address.starts_with("//");
        if is_within && self.is_passage {
            self.links.push(Link::Text(String::new()));
            return vec![];
        }
        if is_own(address) {
            self.links.push(Link::Kept);
            let tag = Tag::Link {
                link_type: LinkType::Inline,
                dest_url: address.to_owned().into(),
                title: "".into(),
                id: "".into(),
            };
            return vec![Event::Start(tag)];
        }
        let (before, after) = match kind {
            // `[1]` is a citation, also where the answer defines it as something else.
            LinkType::Shortcut
            | LinkType::ShortcutUnknown
            | LinkType::Collapsed
            | LinkType::CollapsedUnknown => ("[", "]".to_owned()),
            LinkType::Autolink | LinkType::Email => ("", String::new()),
            _ => ("", format!(" ({address})")),
        };
        self.links.push(Link::Text(after));
        if before.is_empty() { vec![] } else { vec![Event::Text(before.into())] }
    }
}

/// Two levels below: above stand the title and the question.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

/// A text as HTML, with `[n]` and `[n, m]` as links where the numbers stand for something.
fn with_citations(text: &str, cite: Cite<'_>) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let after = &rest[start + 1..];
        let inside = after.find(']').map(|end| &after[..end]);
        let links = inside.and_then(|inside| links(inside, cite));
        if let (Some(inside), Some(links)) = (inside, links) {
            html.push_str(&escaped(&rest[..start]));
            html.push_str(&links);
            rest = &after[inside.len() + 1..];
        } else {
            html.push_str(&escaped(&rest[..=start]));
            rest = after;
        }
    }
    html.push_str(&escaped(rest));
    html
}

fn links(inside: &str, cite: Cite<'_>) -> Option<String> {
    if inside.len() > 60 {
        return None;
    }
    let mut html = String::from("<sup>[");
    for (place, part) in inside.split([',', '，', '、']).enumerate() {
        let number: i32 = part.trim().parse().ok().filter(|number| *number > 0)?;
        let address = cite(number).filter(|address| is_own(address))?;
        if place > 0 {
            html.push_str(", ");
        }
        html.push_str(&format!("<a href=\"{}\">{number}</a>", escaped(&address)));
    }
    html.push_str("]</sup>");
    Some(html)
}

#[cfg(test)]
mod tests;
