//! Parts of Markdown that are not text: comments, and tags of Liquid, Jinja and Hugo.

use std::ops::Range;

/// Maximum length of a tag.
const MAX_TAG_BYTES: usize = 1000;

/// Maximum distance of an output tag from the ends of its line.
const MAX_MARGIN_BYTES: usize = 200;

/// Returns the ranges of comments and tags outside code. `codes` are the ranges of code, in order.
///
/// An output tag (`{{ page.version }}`) in a line of text stands for a word and stays; alone on its line it goes.
pub(super) fn find(source: &str, start: usize, codes: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut noise: Vec<Range<usize>> = Vec::new();
    let mut codes = codes.iter().peekable();
    // A comment that does not end is not searched again.
    let (mut is_comment_unclosed, mut is_comment_tag_unclosed) = (false, false);
    let mut at = start;
    while let Some(found) = source[at..].find(['<', '{', '[']) {
        at += found;
        while codes.next_if(|code| code.end <= at).is_some() {}
        if let Some(code) = codes.peek().filter(|code| code.start <= at) {
            at = code.end.max(at + 1);
            continue;
        }
        let rest = &source[at..];
        let length = if rest.starts_with("<!--") && !is_comment_unclosed {
            let end = rest[4..].find("-->").map(|end| end + 7);
            is_comment_unclosed = end.is_none();
            end
        } else if rest.starts_with("{%") {
            template_tag(rest, &mut is_comment_tag_unclosed)
        } else if rest.starts_with("{{<") || rest.starts_with("{{%") {
            closed(rest, "}}")
        } else if rest.starts_with("{{") {
            closed(rest, "}}").filter(|length| is_alone(source, at, at + length, noise.last()))
        } else if rest.starts_with("{# ") || rest.starts_with("{#-") {
            closed(rest, "#}")
        } else if rest.starts_with("{/*") {
            closed(rest, "*/}")
        } else if (rest.starts_with("[//]:") || rest.starts_with("[comment]:"))
            && (at == 0 || source.as_bytes()[at - 1] == b'\n')
        {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else {
            None
        };
        match length {
            Some(length) => {
                noise.push(at..at + length);
                at += length;
            }
            None => at += 1,
        }
    }
    noise
}

/// Returns the parts of a range that are not noise, without white space around them; parts without words are left out.
pub(super) fn without(source: &str, range: Range<usize>, noise: &[Range<usize>]) -> Vec<Range<usize>> {
    let first = noise.partition_point(|part| part.end <= range.start);
    let mut parts = Vec::new();
    let mut start = range.start;
    let ends = noise[first..].iter().take_while(|part| part.start < range.end);
    let gaps = ends.map(|part| (part.start, part.end)).chain([(range.end, range.end)]);
    for (gap_start, gap_end) in gaps {
        if start < gap_start {
            let text = &source[start..gap_start];
            // Words, or a heading's or list's mark with words after it.
            if text.chars().any(char::is_alphanumeric) {
                let leading = if start == range.start { 0 } else { text.len() - text.trim_start().len() };
                parts.push(start + leading..start + text.trim_end().len());
            }
        }
        start = start.max(gap_end);
    }
    parts
}

/// Whether noise lies in the range.
pub(super) fn is_in(noise: &[Range<usize>], range: &Range<usize>) -> bool {
    let first = noise.partition_point(|part| part.end <= range.start);
    noise.get(first).is_some_and(|part| part.start < range.end)
}

/// Removes tags from a title.
pub(super) fn strip(title: &str) -> String {
    if !title.contains(['{', '<']) {
        return title.to_owned();
    }
    let noise = find(title, 0, &[]);
    let mut stripped = String::with_capacity(title.len());
    let mut at = 0;
    for part in noise {
        stripped.push_str(&title[at..part.start]);
        at = part.end;
    }
    stripped.push_str(&title[at..]);
    stripped
}

/// Returns the length of a tag, of `{% comment %}` with its content.
fn template_tag(rest: &str, is_comment_unclosed: &mut bool) -> Option<usize> {
    let length = closed(rest, "%}")?;
    let inner = rest[2..length - 2].trim_start_matches(['-', '+']).trim_start();
    if !inner.starts_with(|first: char| first.is_ascii_alphabetic() || first == '#' || first == '_') {
        return None;
    }
    if inner.trim_end_matches('-').trim() != "comment" || *is_comment_unclosed {
        return Some(length);
    }
    let end = rest[length..].find("endcomment").map(|end| end + length);
    *is_comment_unclosed = end.is_none();
    let end = end.and_then(|end| closed(&rest[end..], "%}").map(|close| end + close));
    Some(end.unwrap_or(length))
}

/// Returns the length up to the end of a tag, if it ends near.
fn closed(rest: &str, end: &str) -> Option<usize> {
    let near = &rest[..rest.floor_char_boundary(MAX_TAG_BYTES)];
    near.get(2..)?.find(end).map(|at| 2 + at + end.len())
}

/// Whether only white space and other noise stand beside a range on its lines.
fn is_alone(source: &str, start: usize, end: usize, last: Option<&Range<usize>>) -> bool {
    let from = source
        .ceil_char_boundary(start.saturating_sub(MAX_MARGIN_BYTES))
        .max(last.map_or(0, |last| last.end));
    let before = source[from..start].rsplit('\n').next().unwrap_or_default();
    let near = &source[end..source.floor_char_boundary(end + MAX_MARGIN_BYTES)];
    let after = near.split('\n').next().unwrap_or_default().trim_start();
    before.trim().is_empty() && (after.is_empty() || after.starts_with('{'))
}
