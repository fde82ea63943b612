//! Links of a text written anew in its Markdown: for agents, and for documents as files.
//!
//! Only the targets change, so that everything else of a Markdown document stays as it is, byte for byte.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use super::overlay::Span;
use super::strip_html::{self, Piece};

/// New target of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relinked {
    /// As it is written.
    Kept,
    /// Another target: a URL without spaces and parentheses.
    To(String),
    /// None: only the label stays.
    Plain,
}

/// Returns the targets of all links and pictures in a Markdown text, in order, with repetitions.
pub fn targets(markdown: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for event in Parser::new_ext(markdown, super::extensions()) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                targets.push(dest_url.into_string());
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for tag in html.split_inclusive('>') {
                    let tag = tag.find('<').map_or("", |at| &tag[at..]);
                    if let Some(Piece::Link(target) | Piece::Picture(target, _)) = strip_html::reference(tag)
                    {
                        targets.push(target);
                    }
                }
            }
            _ => {}
        }
    }
    targets
}

/// An edit of the text: a range and what stands there instead.
type Edit = (Range<usize>, String);

/// Writes the links of a text anew: those in its Markdown by their targets, and those that `links` lays over it.
///
/// A link over a part of inline code becomes one over all of the code, the first if there are several.
pub fn relink(markdown: &str, links: &[Span], target: &dyn Fn(&str) -> Relinked) -> String {
    let mut edits: Vec<Edit> = Vec::new();
    // Open links of the text: start, target, and whether it is an inline link.
    let mut open: Vec<(Range<usize>, Relinked, bool)> = Vec::new();
    let mut label: Option<Range<usize>> = None;
    let mut next = 0;
    let mut is_code_block = false;
    for (event, range) in Parser::new_ext(markdown, super::extensions()).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, link_type, .. }) => {
                let is_inline = link_type == LinkType::Inline;
                open.push((range, if is_inline { target(&dest_url) } else { Relinked::Kept }, is_inline));
                label = None;
            }
            Event::End(TagEnd::Link) => {
                if let Some((range, new, true)) = open.pop() {
                    edits.extend(edit(markdown, &range, label.take(), new));
                }
            }
            // The label ends where the last thing in it does.
            Event::Text(_) | Event::Code(_) | Event::InlineHtml(_) | Event::End(_) | Event::InlineMath(_)
                if !open.is_empty() =>
            {
                let seen = label.get_or_insert_with(|| range.clone());
                seen.end = seen.end.max(range.end);
                seen.start = seen.start.min(range.start);
            }
            Event::Start(Tag::CodeBlock(_)) => is_code_block = true,
            Event::End(TagEnd::CodeBlock) => is_code_block = false,
            Event::Text(_) | Event::Code(_) if !is_code_block => {
                let is_code = matches!(event, Event::Code(_));
                while links.get(next).is_some_and(|link| link.range.end <= range.start) {
                    next += 1;
                }
                while let Some(link) = links.get(next).filter(|link| link.range.start < range.end) {
                    let part = if is_code {
                        range.clone()
                    } else {
                        link.range.start.max(range.start)..link.range.end.min(range.end)
                    };
                    let url = match target(&link.target) {
                        Relinked::To(url) => Some(url),
                        Relinked::Kept => Some(link.target.clone()),
                        Relinked::Plain => None,
                    };
                    if let Some(url) = url.filter(|_| !part.is_empty()) {
                        edits.push((part.start..part.start, "[".to_owned()));
                        edits.push((part.end..part.end, format!("]({})", escaped(&url))));
                    }
                    // The rest of a link that goes on behind is part of the next piece of text.
                    if link.range.end > range.end {
                        break;
                    }
                    next += 1;
                    if is_code {
                        while links.get(next).is_some_and(|link| link.range.start < range.end) {
                            next += 1;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut written = String::with_capacity(markdown.len() + edits.len() * 32);
    let mut at = 0;
    for (range, text) in edits {
        if range.start < at {
            continue;
        }
        written.push_str(&markdown[at..range.start]);
        written.push_str(&text);
        at = range.end;
    }
    written.push_str(&markdown[at..]);
    written
}

/// Returns the edits that give an inline link another target, or none.
fn edit(markdown: &str, link: &Range<usize>, label: Option<Range<usize>>, new: Relinked) -> Vec<Edit> {
    let Some(label) = label.filter(|label| label.end <= link.end) else { return Vec::new() };
    // `](` of the link follows the label, with emphasis between them.
    let Some(close) = markdown.get(label.end..link.end).and_then(|rest| rest.find("](")) else {
        return Vec::new();
    };
    let close = label.end + close;
    match new {
        Relinked::Kept => Vec::new(),
        Relinked::To(url) => {
            let rest = &markdown[close + 2..link.end - 1];
            // A title stays.
            let title = rest.trim_start().find([' ', '\n']).map_or("", |at| &rest.trim_start()[at..]);
            let title = if rest.trim_start().starts_with('<') { "" } else { title };
            vec![(close..link.end, format!("]({}{title})", escaped(&url)))]
        }
        Relinked::Plain => {
            vec![(link.start..link.start + 1, String::new()), (close..link.end, String::new())]
        }
    }
}

/// Escapes what would end a link.
fn escaped(url: &str) -> String {
    url.replace('(', "%28").replace(')', "%29").replace(' ', "%20").replace('|', "%7C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new_target(target: &str) -> Relinked {
        match target {
            "dead" | "dead.md" => Relinked::Plain,
            "https://x.example" => Relinked::Kept,
            target => Relinked::To(format!("/l/x/1/{target}")),
        }
    }

    #[test]
    fn targets_change_and_the_rest_stays() {
        for (markdown, expected) in [
            ("See [a *b*](c.md) and `[x](y)`.", "See [a *b*](/l/x/1/c.md) and `[x](y)`."),
            ("[a](c.md \"title\")!", "[a](/l/x/1/c.md \"title\")!"),
            ("[a](<c d.md>)", "[a](/l/x/1/c%20d.md)"),
            ("[a **b**](dead), [`c`](dead.md)", "a **b**, `c`"),
            ("[a](https://x.example) <https://y.example>", "[a](https://x.example) <https://y.example>"),
            ("[![p](p.png)](c.md)", "[![p](p.png)](/l/x/1/c.md)"),
            ("| [a](b) |\n|---|\n| [c](d(e)) |", "| [a](/l/x/1/b) |\n|---|\n| [c](/l/x/1/d%28e%29) |"),
            ("[a][r]\n\n[r]: c.md", "[a][r]\n\n[r]: c.md"),
        ] {
            assert_eq!(relink(markdown, &[], &new_target), expected, "{markdown}");
        }
    }

    #[test]
    fn links_over_the_text_are_written_into_it() {
        let over = |markdown: &str, links: &[(&str, &str)]| {
            let spans: Vec<Span> = links
                .iter()
                .map(|(label, target)| {
                    let start = markdown.find(label).unwrap();
                    Span { range: start..start + label.len(), target: (*target).to_owned() }
                })
                .collect();
            relink(markdown, &spans, &new_target)
        };
        assert_eq!(over("See the guide.", &[("the guide", "g.md")]), "See [the guide](/l/x/1/g.md).");
        assert_eq!(over("See the guide.", &[("the guide", "dead")]), "See the guide.");
        assert_eq!(over("A `f(x)` b", &[("f", "#f"), ("x", "x.md")]), "A [`f(x)`](/l/x/1/#f) b");
        assert_eq!(
            over("See *the* guide.", &[("the* guide", "g.md")]),
            "See *[the](/l/x/1/g.md)*[ guide](/l/x/1/g.md)."
        );
        assert_eq!(over("```\ncode\n```", &[("code", "g.md")]), "```\ncode\n```");
    }

    #[test]
    fn targets_are_found() {
        let markdown = "[a](b) ![c](d) <a href='e'>x</a> <https://f.example>\n\n<p><img src=\"g\"></p>\n";
        assert_eq!(targets(markdown), ["b", "d", "e", "https://f.example", "g"]);
    }

    proptest! {
        #[test]
        fn any_text_is_written(markdown in "[a-c\\[\\]()*`<>|!\n #é-]{0,60}", from in 0_usize..40, length in 0_usize..9) {
            let floor = |offset: usize| markdown.floor_char_boundary(offset.min(markdown.len()));
            let span = Span { range: floor(from)..floor(from + length), target: "t".to_owned() };
            let links = [span];
            relink(&markdown, &links, &new_target);
            prop_assert_eq!(relink(&markdown, &[], &|_| Relinked::Kept), markdown);
        }
    }
}
