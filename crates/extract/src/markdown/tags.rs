//! Tags of HTML in Markdown that refer to something: `<a href>`, `<img src>`, and the names of places.

use std::ops::Range;

/// Something that HTML refers to or names, with its byte offset in the HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TagReference<'html> {
    /// Beginning of a link.
    Link { target: &'html str },
    /// End of a link.
    LinkEnd,
    /// Picture.
    Picture { target: &'html str, at: usize },
    /// Place that links can name.
    Anchor { name: &'html str, at: usize },
    /// Text between tags.
    Text { range: Range<usize> },
}

/// Finds what a piece of HTML refers to, in order. Comments are skipped.
pub(super) fn find(html: &str) -> Vec<TagReference<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = html[at..].find('<') {
        text(html, at..at + open, &mut found);
        at += open;
        let rest = &html[at..];
        if rest.starts_with("<!--") {
            at += rest.find("-->").map_or(rest.len(), |end| end + 3);
            continue;
        }
        let Some(end) = tag_end(rest) else { return found };
        tag(&rest[1..end], at, &mut found);
        at += end + 1;
    }
    text(html, at..html.len(), &mut found);
    found
}

fn text<'html>(html: &'html str, range: Range<usize>, found: &mut Vec<TagReference<'html>>) {
    let piece = &html[range.clone()];
    let trimmed = piece.trim();
    if !trimmed.is_empty() {
        let start = range.start + piece.len() - piece.trim_start().len();
        found.push(TagReference::Text { range: start..start + trimmed.len() });
    }
}

/// Reads the inside of a tag that begins at `at`.
fn tag<'html>(inside: &'html str, at: usize, found: &mut Vec<TagReference<'html>>) {
    let end = inside.find(|character: char| !character.is_ascii_alphanumeric() && character != '/');
    let (name, attributes) = inside.split_at(end.unwrap_or(inside.len()));
    if name.eq_ignore_ascii_case("/a") {
        found.push(TagReference::LinkEnd);
        return;
    }
    let is = |other: &str| name.trim_end_matches('/').eq_ignore_ascii_case(other);
    if name.starts_with('/') || !name.starts_with(|first: char| first.is_ascii_lowercase()) && !is("a") {
        return;
    }
    let names = [attribute(attributes, "id"), attribute(attributes, "name").filter(|_| is("a"))];
    found.extend(names.into_iter().flatten().map(|name| TagReference::Anchor { name, at }));
    if let Some(target) = attribute(attributes, "href").filter(|_| is("a")) {
        found.push(TagReference::Link { target });
    }
    if let Some(target) = attribute(attributes, "src").filter(|_| is("img")) {
        found.push(TagReference::Picture { target, at });
    }
}

/// Returns the offset of the `>` that ends a tag; in quotation marks it does not.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (offset, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(offset),
            _ => {}
        }
    }
    None
}

/// Returns the value of an attribute; `None` if it is absent or empty.
fn attribute<'html>(attributes: &'html str, name: &str) -> Option<&'html str> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|character: char| character == '=' || character.is_whitespace());
        let (found, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=') else {
            // An attribute without a value, or a sign that belongs to none.
            rest = if found.is_empty() { after.get(1..).unwrap_or_default() } else { after };
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next().filter(|first| ['"', '\''].contains(first)) {
            Some(quote) => {
                let value = &value[1..];
                value.split_once(quote).unwrap_or((value, ""))
            }
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value.trim()).filter(|value| !value.is_empty());
        }
        rest = after.trim_start();
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_pictures_and_anchors_are_found() {
        assert_eq!(
            find(
                "<p id=top>See <a class='x' href=\"../b.md#c\">the <b>b</b></a> <img alt=\"a > b\" src='i.png'/>"
            ),
            [
                TagReference::Anchor { name: "top", at: 0 },
                TagReference::Text { range: 10..13 },
                TagReference::Link { target: "../b.md#c" },
                TagReference::Text { range: 44..47 },
                TagReference::Text { range: 51..52 },
                TagReference::LinkEnd,
                TagReference::Picture { target: "i.png", at: 61 },
            ]
        );
        assert_eq!(
            find("<!-- <a href=x> --><a name=\"old\"></a>")[0],
            TagReference::Anchor { name: "old", at: 19 }
        );
        // Components have properties, which are no attributes of HTML.
        for html in ["<Card href=\"/x\" id=\"y\">", "<a href>", "<img src=''>", "< a href=x>", "<a href=\"x"]
        {
            assert!(!find(html).iter().any(|one| !matches!(one, TagReference::Text { .. })), "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_html_is_read(html in "[<>a-z\"'= /!é-]{0,60}") {
            for one in find(&html) {
                if let TagReference::Text { range } = one {
                    prop_assert!(html.get(range).is_some());
                }
            }
        }
    }
}
