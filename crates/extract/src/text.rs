//! Reader for plain text: paragraphs, headings in the style of manual pages and RFCs, indented code.
//!
//! The text of the document is the source itself.

use crate::model::{Block, BlockKind, Error, Limits, ParsedDocument};

/// Maximum length of a heading.
const MAX_HEADING_CHARS: usize = 70;

/// Reads a plain text document.
pub(crate) fn read(source: String, limits: &Limits) -> Result<ParsedDocument, Error> {
    if source.len() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    let lines = lines(&source);
    let manual_page = detect_manual_page(&source, &lines);
    let mut parsed = ParsedDocument {
        title: manual_page.as_ref().map(|page| page.title.clone()),
        ..ParsedDocument::default()
    };
    let (first, last) = manual_page.as_ref().map_or((0, lines.len()), |page| (page.first, page.last));
    let mut at = first;
    while at < last {
        if lines[at].is_blank {
            at += 1;
        } else if let Some((level, height)) = heading(&source, &lines[..last], at, manual_page.is_some()) {
            let title = crate::builder::one_line(lines[at].text(&source));
            push(&mut parsed, BlockKind::Heading { level, title }, &lines, at, at + height);
            at += height;
        } else {
            let start = at;
            while at < last && !lines[at].is_blank {
                at += 1;
                // A heading may follow text without a blank line between them.
                if at < last
                    && lines[at].indent == 0
                    && heading(&source, &lines[..last], at, manual_page.is_some()).is_some()
                {
                    break;
                }
            }
            let kind = if is_code(&source, &lines[start..at], manual_page.is_some()) {
                BlockKind::Code
            } else {
                BlockKind::Text
            };
            match parsed.blocks.last_mut() {
                // Code with blank lines in it is one block.
                Some(block) if kind == BlockKind::Code && block.kind == BlockKind::Code => {
                    block.range.end = lines[at - 1].end;
                }
                _ => push(&mut parsed, kind, &lines, start, at),
            }
        }
    }
    if parsed.blocks.is_empty() {
        return Err(Error::Empty);
    }
    parsed.text = source;
    Ok(parsed)
}

/// A line of the source, as byte offsets; `end` is before the line break.
#[derive(Debug)]
struct Line {
    start: usize,
    end: usize,
    /// Width of the indentation; a tab counts 8 columns.
    indent: usize,
    is_blank: bool,
}

impl Line {
    fn text<'s>(&self, source: &'s str) -> &'s str {
        source[self.start..self.end].trim()
    }
}

fn lines(source: &str) -> Vec<Line> {
    let mut start = 0;
    source
        .split_inclusive('\n')
        .map(|line| {
            let text = line.trim_end();
            let indent = text
                .chars()
                .take_while(|character| character.is_whitespace())
                .map(|character| if character == '\t' { 8 } else { 1 })
                .sum();
            let line_range = Line { start, end: start + text.len(), indent, is_blank: text.is_empty() };
            start += line.len();
            line_range
        })
        .collect()
}

fn push(parsed: &mut ParsedDocument, kind: BlockKind, lines: &[Line], first: usize, after: usize) {
    let range = lines[first].start..lines[after - 1].end;
    parsed.blocks.push(Block { kind, range, anchor: None, page: None, keywords: Vec::new() });
}

/// A manual page: header `LISTEN(2)   …   LISTEN(2)`, footer the same or a date. Neither is part of the text.
struct ManualPage {
    title: String,
    /// Range of the lines between header and footer.
    first: usize,
    last: usize,
}

fn detect_manual_page(source: &str, lines: &[Line]) -> Option<ManualPage> {
    let first = lines.iter().position(|line| !line.is_blank)?;
    let line = lines[first].text(source);
    let title = line.split_whitespace().next()?;
    // Some names have two words: "ALTER USER(7)".
    let title = if title.ends_with(')') { title } else { &line[..=line.find(')')?] };
    let has_section = title
        .split_once('(')
        .is_some_and(|(_, section)| section.starts_with(|first: char| first.is_ascii_alphanumeric()));
    if !has_section || title.len() > 60 || line.len() < 2 * title.len() || !line.ends_with(title) {
        return None;
    }
    let last = lines.iter().rposition(|line| !line.is_blank)?;
    let footer = lines[last].text(source);
    let has_footer =
        last > first && lines[last].indent == 0 && (footer.ends_with(title) || footer.contains("   "));
    Some(ManualPage {
        title: title.to_owned(),
        first: first + 1,
        last: if has_footer { last } else { last + 1 },
    })
}

/// Returns the level of the heading at a line and the number of lines it takes, or `None` if it is not a heading.
fn heading(source: &str, lines: &[Line], at: usize, is_manual: bool) -> Option<(u8, usize)> {
    let line = &lines[at];
    let text = line.text(source);
    if text.len() > MAX_HEADING_CHARS * 3 || text.chars().count() > MAX_HEADING_CHARS {
        return None;
    }
    let after = lines.get(at + 1);
    if let Some(under) = after.filter(|under| !under.is_blank && under.indent == line.indent) {
        let mark = under.text(source);
        let first = mark.bytes().next().unwrap_or(b' ');
        if matches!(first, b'=' | b'-' | b'~' | b'*')
            && mark.len() >= 3
            && mark.bytes().all(|byte| byte == first)
        {
            let has_letters = text.chars().any(char::is_alphanumeric);
            return has_letters.then_some((if first == b'=' { 1 } else { 2 }, 2));
        }
    }
    let is_unfinished = text.ends_with([',', ';', '.', '。', '，', '；', '、']) || text.ends_with("::");
    if line.indent == 0 && !is_unfinished && text.chars().any(char::is_alphabetic) {
        // In a manual page, everything but headings is indented.
        let body = lines[at + 1..].iter().find(|line| !line.is_blank);
        let is_body_indented = body.is_some_and(|body| body.indent >= 3);
        if is_manual && is_body_indented {
            return Some((1, 1));
        }
        let is_isolated = at == 0 || lines[at - 1].is_blank;
        let number = text.split(' ').next().filter(|number| {
            number.ends_with('.') && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                || number.contains('.') && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        });
        if let Some(number) = number.filter(|_| is_isolated && after.is_none_or(|after| after.is_blank)) {
            let depth = number.split('.').filter(|part| !part.is_empty()).count();
            return Some((u8::try_from(depth).unwrap_or(6).clamp(1, 6), 1));
        }
        if is_isolated && is_body_indented && is_upper_case(text) {
            return Some((1, 1));
        }
    }
    // Subsections (`.SS`) of a manual page are indented by three columns.
    let has_body = after.is_some_and(|after| !after.is_blank && after.indent > line.indent);
    let is_isolated = at == 0 || lines[at - 1].is_blank;
    (is_manual && line.indent == 3 && !is_unfinished && is_isolated && has_body).then_some((2, 1))
}

fn is_upper_case(text: &str) -> bool {
    let mut letters = text.chars().filter(|character| character.is_alphabetic()).take(40).peekable();
    letters.peek().is_some() && letters.all(|letter| !letter.is_lowercase()) && text.len() > 2
}

/// Whether an indented block looks like code. In a manual page all text is indented, and code more.
fn is_code(source: &str, lines: &[Line], is_manual: bool) -> bool {
    let min_indent = if is_manual { 11 } else { 4 };
    if lines.iter().any(|line| line.indent < min_indent) {
        return false;
    }
    let code_lines = lines
        .iter()
        .filter(|line| {
            let text = line.text(source);
            text.ends_with(['{', '}', ';', ')', '\\', ','])
                || text.starts_with(['$', '#', '<', '}', '/', '%', '>'])
                || text.contains(" = ")
                || text.contains("->")
        })
        .count();
    code_lines * 2 >= lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(source: &str) -> Vec<String> {
        let parsed = read(source.to_owned(), &Limits::default()).unwrap();
        parsed
            .blocks
            .iter()
            .map(|block| match &block.kind {
                BlockKind::Heading { level, title } => format!("H{level} {title}"),
                kind => format!("{kind:?} {:?}", &parsed.text[block.range.clone()]),
            })
            .collect()
    }

    #[test]
    fn manual_pages_have_sections_and_subsections() {
        let source = "LISTEN(2)      Linux      LISTEN(2)\n\nNAME 名称\n       listen - 监听\nSYNOPSIS\n       int listen(int s);\n\n   Details\n       Text.\n\nLinux 2.0     2020     LISTEN(2)\n";
        assert_eq!(
            describe(source),
            [
                "H1 NAME 名称",
                "Text \"       listen - 监听\"",
                "H1 SYNOPSIS",
                "Text \"       int listen(int s);\"",
                "H2 Details",
                "Text \"       Text.\"",
            ]
        );
        assert_eq!(read(source.to_owned(), &Limits::default()).unwrap().title.unwrap(), "LISTEN(2)");
    }

    #[test]
    fn headings_and_code_are_detected_in_plain_text() {
        let source = "Title\n=====\n\nA paragraph\nof two lines.\n\n    int main() {\n\n    }\n\n1.2 Numbered\n\nEnd.\n";
        assert_eq!(
            describe(source),
            [
                "H1 Title",
                "Text \"A paragraph\\nof two lines.\"",
                "Code \"    int main() {\\n\\n    }\"",
                "H2 1.2 Numbered",
                "Text \"End.\"",
            ]
        );
    }
}
