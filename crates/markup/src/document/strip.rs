//! Markup of a document's own: what is an element of HTML goes, and the words in it stay. What only looks like one
//! (`Map<String>`, `<name>`) is words too.

/// What is left of a tag within a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inline {
    /// Nothing.
    Nothing,
    /// The end of a line.
    Break,
    /// It is no tag: it stays as it is written.
    Text,
}

/// Elements of HTML, SVG and `MathML` that documents hold.
const ELEMENTS: &str = "a abbr acronym address applet area article aside audio b base bdi bdo big blockquote body br button canvas \
    caption center circle cite code col colgroup data datalist dd del details dfn dialog dir div dl dt ellipse em embed fieldset \
    figcaption figure font footer form frame frameset g h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe image img input ins \
    kbd label legend li line link main map mark marquee math menu meta meter mi mn mo mrow nav nobr noscript object ol optgroup \
    option output p param path picture polygon polyline pre progress q rect rp rt ruby s samp script section select slot small \
    source span strike strong style sub summary sup svg table tbody td template text textarea tfoot th thead time title tr track \
    tt u ul use var video wbr xmp";
/// Those at which a line ends.
const LINES: &str = "address article aside blockquote br caption center dd details div dl dt figcaption figure footer form h1 h2 h3 \
    h4 h5 h6 header hr li main nav ol p pre section summary table tr ul";
/// Those whose words are not meant for readers.
const SILENT: [&str; 4] = ["script", "style", "template", "title"];

/// What is left of a tag.
pub(crate) fn inline(tag: &str) -> Inline {
    if tag.starts_with("<!") || tag.starts_with("<?") {
        return Inline::Nothing;
    }
    match name(tag.trim_start_matches('<')) {
        Some(name) if name == "br" => Inline::Break,
        Some(_) => Inline::Nothing,
        None => Inline::Text,
    }
}

/// The words of a block of markup, line by line.
pub(crate) fn block(markup: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        push(&mut lines, before);
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let is_declaration = tag.starts_with("<!") || tag.starts_with("<?");
        let (Some(end), name) = (tag.find('>'), name(&tag[1..])) else {
            push(&mut lines, tag);
            rest = "";
            break;
        };
        rest = &tag[end + 1..];
        match name {
            Some(name) => {
                if is_in(LINES, &name) {
                    lines.push(String::new());
                } else if name == "td" || name == "th" {
                    push(&mut lines, " ");
                }
                if SILENT.contains(&name.as_str()) && !tag.starts_with("</") {
                    rest = after(rest, &name);
                }
            }
            None if is_declaration => {}
            None => push(&mut lines, &tag[..=end]),
        }
    }
    push(&mut lines, rest);
    let tidy = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.into_iter().map(tidy).filter(|line| !line.is_empty()).collect()
}

fn push(lines: &mut [String], text: &str) {
    let plain =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    if let Some(line) = lines.last_mut() {
        if text.contains('&') {
            line.push_str(&plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)));
        } else {
            line.push_str(text);
        }
    }
}

/// What comes after the end of an element; nothing where it does not end.
fn after<'text>(text: &'text str, name: &str) -> &'text str {
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

/// The name of the element that a tag, without its first bracket, begins or ends; `None` where it is none of HTML.
fn name(tag: &str) -> Option<String> {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let end = tag.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let follows = tag[end..].chars().next();
    let is_tag = follows.is_none_or(|one| one.is_ascii_whitespace() || one == '>' || one == '/');
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
    fn words_stay_and_tags_go() {
        for (markup, expected) in [
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
            assert_eq!(block(markup), expected, "{markup}");
        }
        for (tag, expected) in [
            ("<br/>", Inline::Break),
            ("<b>", Inline::Nothing),
            ("</a>", Inline::Nothing),
            ("<!-- x -->", Inline::Nothing),
            ("<String>", Inline::Text),
            ("<a-b>", Inline::Text),
        ] {
            assert_eq!(inline(tag), expected, "{tag}");
        }
    }
}
