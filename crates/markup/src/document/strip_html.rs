//! Removal of HTML from documents: the tags of known elements are dropped, their text stays. What only looks like a tag
//! (`Map<String>`, `<name>`) is text too.

/// Treatment of a tag within a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InlineTag {
    /// Dropped.
    Dropped,
    /// Replaced by a line break.
    LineBreak,
    /// Not a tag of HTML: kept as text.
    NotATag,
}

/// Known elements of HTML, SVG and `MathML`.
const ELEMENTS: &str = "a abbr acronym address applet area article aside audio b base bdi bdo big blockquote body br button canvas \
    caption center circle cite code col colgroup data datalist dd del details dfn dialog dir div dl dt ellipse em embed fieldset \
    figcaption figure font footer form frame frameset g h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe image img input ins \
    kbd label legend li line link main map mark marquee math menu meta meter mi mn mo mrow nav nobr noscript object ol optgroup \
    option output p param path picture polygon polyline pre progress q rect rp rt ruby s samp script section select slot small \
    source span strike strong style sub summary sup svg table tbody td template text textarea tfoot th thead time title tr track \
    tt u ul use var video wbr xmp";
/// Elements that end a line.
const LINE_ELEMENTS: &str = "address article aside blockquote br caption center dd details div dl dt figcaption figure footer form h1 h2 h3 \
    h4 h5 h6 header hr li main nav ol p pre section summary table tr ul";
/// Elements whose text is not content.
const HIDDEN_ELEMENTS: [&str; 4] = ["script", "style", "template", "title"];

/// Classifies an inline tag.
pub(crate) fn inline(tag: &str) -> InlineTag {
    if tag.starts_with("<!") || tag.starts_with("<?") {
        return InlineTag::Dropped;
    }
    match element(tag.trim_start_matches('<')) {
        Some(name) if name == "br" => InlineTag::LineBreak,
        Some(_) => InlineTag::Dropped,
        None => InlineTag::NotATag,
    }
}

/// A part of a line of HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text.
    Text(String),
    /// Picture, with its address and its description.
    Picture(String, String),
    /// Beginning of a link, with its target.
    Link(String),
    /// End of a link.
    LinkEnd,
}

/// Extracts the text of an HTML block, line by line.
pub(crate) fn block(html: &str) -> Vec<String> {
    let text = |line: Vec<Piece>| {
        let pieces = line.into_iter().filter_map(|piece| match piece {
            Piece::Text(text) | Piece::Picture(_, text) => Some(text),
            Piece::Link(_) | Piece::LinkEnd => None,
        });
        pieces.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    pieces(html).into_iter().map(text).filter(|line| !line.is_empty()).collect()
}

/// Extracts text, pictures and links of an HTML block, line by line.
pub(crate) fn pieces(html: &str) -> Vec<Vec<Piece>> {
    let mut lines: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        push(&mut lines, before);
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let is_declaration = tag.starts_with("<!") || tag.starts_with("<?");
        let (Some(end), element) = (tag.find('>'), element(&tag[1..])) else {
            push(&mut lines, tag);
            rest = "";
            break;
        };
        rest = &tag[end + 1..];
        match element {
            Some(name) => {
                if is_in(LINE_ELEMENTS, &name) {
                    lines.push(Vec::new());
                } else if name == "td" || name == "th" {
                    push(&mut lines, " ");
                } else if let (Some(piece), Some(line)) = (reference(&tag[..=end]), lines.last_mut()) {
                    line.push(piece);
                }
                if HIDDEN_ELEMENTS.contains(&name.as_str()) && !tag.starts_with("</") {
                    rest = after_end(rest, &name);
                }
            }
            None if is_declaration => {}
            None => push(&mut lines, &tag[..=end]),
        }
    }
    push(&mut lines, rest);
    let is_blank = |piece: &Piece| {
        !matches!(piece, Piece::Text(text) if !text.trim().is_empty()) && !matches!(piece, Piece::Picture(..))
    };
    lines.retain(|line| !line.iter().all(is_blank));
    // Space around a line is no text; blank lines are gone, so trimming leaves pieces.
    for line in &mut lines {
        if let Some(Piece::Text(text)) = line.first_mut() {
            *text = text.trim_start().to_owned();
        }
        if let Some(Piece::Text(text)) = line.last_mut() {
            text.truncate(text.trim_end().len());
        }
        line.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    }
    lines
}

/// Appends text to the last line, with its common entities decoded.
fn push(lines: &mut [Vec<Piece>], text: &str) {
    let Some(line) = lines.last_mut().filter(|_| !text.is_empty()) else { return };
    let text = decoded(text);
    match line.last_mut() {
        Some(Piece::Text(before)) => before.push_str(&text),
        _ => line.push(Piece::Text(text)),
    }
}

/// Decodes the common entities.
fn decoded(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    if text.contains('&') {
        return entities.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    }
    text.to_owned()
}

/// Reads a tag that refers to something: a picture, or the beginning or end of a link.
pub(crate) fn reference(tag: &str) -> Option<Piece> {
    let inside = tag.strip_prefix('<')?.trim_end_matches('>');
    if inside.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("/a")) {
        return inside[2..].trim().is_empty().then_some(Piece::LinkEnd);
    }
    let (name, attributes) = inside.split_once(char::is_whitespace)?;
    if name.eq_ignore_ascii_case("a") {
        return attribute(attributes, "href").map(Piece::Link);
    }
    let description = || attribute(attributes, "alt").unwrap_or_default();
    let is_picture = name.eq_ignore_ascii_case("img");
    attribute(attributes, "src").filter(|_| is_picture).map(|address| Piece::Picture(address, description()))
}

/// Returns the value of an attribute; `None` if it is absent or empty.
fn attribute(attributes: &str, name: &str) -> Option<String> {
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
            Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(decoded(value.trim())).filter(|value| !value.is_empty());
        }
        rest = after.trim_start();
    }
    None
}

/// Returns the text after the end tag of an element; empty if there is none.
fn after_end<'text>(text: &'text str, name: &str) -> &'text str {
    let mut rest = text;
    while let Some(start) = rest.find("</") {
        rest = &rest[start + 2..];
        let is_end = rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        if is_end {
            return rest.split_once('>').map_or("", |(_, after)| after);
        }
    }
    ""
}

/// Returns the lower-case name of the known element that a tag (without its `<`) starts or ends.
fn element(tag: &str) -> Option<String> {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let end = tag.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let follows = tag[end..].chars().next();
    let is_tag = follows.is_none_or(|next| next.is_ascii_whitespace() || next == '>' || next == '/');
    let name = tag[..end].to_ascii_lowercase();
    (is_tag && is_in(ELEMENTS, &name)).then_some(name)
}

fn is_in(names: &str, name: &str) -> bool {
    !name.is_empty() && names.split_ascii_whitespace().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_tags_are_dropped() {
        for (html, expected) in [
            ("<p align=center>One <b>two</b></p>\n<p>three", &["One two", "three"][..]),
            ("<!-- no --><div>yes</div>", &["yes"]),
            ("<!-- no", &[]),
            ("<script>alert('</p>')</SCRIPT >after", &["after"]),
            ("<style>p{}", &[]),
            ("<details>\n<summary>More &amp; more</summary>", &["More & more"]),
            ("<T extends Comparable<T>>", &["<T extends Comparable<T>>"]),
            ("<div <", &["<div <"]),
            ("<td>a</td><td>b</td>", &["a b"]),
            ("<?php x ?><!DOCTYPE html>", &[]),
        ] {
            assert_eq!(block(html), expected, "{html}");
        }
        for (tag, expected) in [
            ("<br/>", InlineTag::LineBreak),
            ("<b>", InlineTag::Dropped),
            ("</a>", InlineTag::Dropped),
            ("<!-- x -->", InlineTag::Dropped),
            ("<String>", InlineTag::NotATag),
            ("<a-b>", InlineTag::NotATag),
        ] {
            assert_eq!(inline(tag), expected, "{tag}");
        }
    }
}
