//! MDX: what is JavaScript in it is no text, and what is Markdown in its elements is not code.
//!
//! MDX has no indented code, and reads Markdown inside elements whatever its indentation. [`prepare`] returns the source
//! as a parser of Markdown has to see it: module code, expressions and lines of tags are empty lines, and the lines in
//! an element have lost the indentation of its first line. Offsets of it map to offsets of the source.

use std::ops::Range;

/// Maximum number of lines of one import, export, expression or tag.
const MAX_CODE_LINES: usize = 400;

/// Maximum length of one import, export, expression or tag.
const MAX_CODE_BYTES: usize = 64 << 10;

/// Maximum nesting of elements whose indentation is tracked.
const MAX_ELEMENTS: usize = 64;

/// Source of an MDX document as Markdown.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Text to parse.
    pub(super) markdown: String,
    /// Ranges of the source that are module code or expressions.
    pub(super) code: Vec<Range<usize>>,
    /// For each line, its offset in `markdown` and that of the same character in the source.
    lines: Vec<(usize, usize)>,
}

impl Prepared {
    /// Returns the range of the source that a range of the Markdown stands for.
    pub(super) fn source_range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.source_offset(range.start);
        let end = if range.end > range.start { self.source_offset(range.end - 1) + 1 } else { start };
        start..end.max(start)
    }

    fn source_offset(&self, offset: usize) -> usize {
        let line = self.lines.partition_point(|(start, _)| *start <= offset);
        let (start, source) =
            line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or((0, 0));
        source + (offset - start)
    }

    /// Appends a line of the source without its first `skipped` bytes.
    fn keep(&mut self, line: &str, offset: usize, skipped: usize) {
        self.lines.push((self.markdown.len(), offset + skipped));
        self.markdown.push_str(&line[skipped..]);
    }

    /// Appends an empty line for a line of the source.
    fn drop_line(&mut self, line: &str, offset: usize) {
        let end = line.trim_end_matches(['\n', '\r']).len();
        self.keep(line, offset, end);
    }
}

/// Whether a file is MDX although its name does not say so: it begins with an import of a module.
pub(super) fn is_module(source: &str) -> bool {
    source
        .lines()
        .find(|line| !line.trim().is_empty())
        .is_some_and(|line| line.starts_with("import ") && starts_module_code(line))
}

/// Prepares the source from `start`.
pub(super) fn prepare(source: &str, start: usize) -> Prepared {
    let mut prepared = Prepared::default();
    let lines: Vec<&str> = source[start..].split_inclusive('\n').collect();
    let mut offset = start;
    // Open elements, with the indentation of their first line of text.
    let mut elements: Vec<Option<usize>> = Vec::new();
    let mut fence: Option<(u8, usize)> = None;
    let mut is_previous_blank = true;
    let mut number = 0;
    // Line up to which brackets or a tag did not close: nothing before it is tried again.
    let mut retry_at = 0;
    while number < lines.len() {
        let line = lines[number];
        let text = line.trim();
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let base = elements.iter().rev().find_map(|base| *base).unwrap_or(0);
        let mark = fence_mark(text);
        let is_open = fence.is_some();
        if let Some((open, length)) = fence {
            if mark.is_some_and(|(mark, count)| {
                mark == open && count >= length && text.bytes().all(|byte| byte == open)
            }) {
                fence = None;
            }
        } else if let Some(mark) = mark {
            fence = Some(mark);
        }
        let is_markup = !is_open && fence.is_none() && number >= retry_at;
        let mut dropped = 0;
        if is_markup && is_previous_blank {
            let scan = if indent == 0 && starts_module_code(text) {
                module_lines(&lines[number..])
            } else if text.starts_with('{') {
                expression_lines(&lines[number..])
            } else {
                Scan::Text
            };
            match scan {
                Scan::Lines(count) => dropped = count,
                Scan::Unclosed => retry_at = number + MAX_CODE_LINES,
                Scan::Text => {}
            }
        }
        if dropped > 0 {
            let from = offset;
            for line in &lines[number..number + dropped] {
                prepared.drop_line(line, offset);
                offset += line.len();
            }
            prepared.code.push(from..offset);
            number += dropped;
            is_previous_blank = true;
            continue;
        }
        let mut tags = TagLines::default();
        if is_markup && text.starts_with('<') {
            match tags.read(&lines[number..]) {
                Scan::Lines(count) => tags.lines = count,
                Scan::Unclosed => retry_at = number + MAX_CODE_LINES,
                Scan::Text => {}
            }
        }
        if tags.lines > 0 {
            for line in &lines[number..number + tags.lines] {
                prepared.drop_line(line, offset);
                offset += line.len();
            }
            for _ in 0..tags.closed {
                elements.pop();
            }
            elements.extend(std::iter::repeat_n(
                None,
                tags.opened.min(MAX_ELEMENTS.saturating_sub(elements.len())),
            ));
            number += tags.lines;
            is_previous_blank = true;
            continue;
        }
        // The first line of text in an element tells its indentation.
        let is_first = elements.last().is_some_and(Option::is_none) && !text.is_empty();
        if is_first && let Some(element) = elements.last_mut() {
            *element = Some(indent);
        }
        let base = if is_first { indent } else { base };
        let skipped = if elements.is_empty()
            && !is_open
            && is_previous_blank
            && indent >= 4
            && !in_list(&prepared.markdown)
        {
            indent
        } else {
            base.min(indent)
        };
        prepared.keep(line, offset, skipped);
        offset += line.len();
        number += 1;
        is_previous_blank = text.is_empty();
    }
    prepared
}

/// Whether the last line of text above belongs to a list, in which indentation means nesting.
fn in_list(markdown: &str) -> bool {
    let last = markdown.lines().rev().take(64).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let text = last.trim_start();
    last.starts_with([' ', '\t'])
        || text.starts_with(['-', '*', '+'])
        || text
            .split(['.', ')'])
            .next()
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the fence that a line opens or closes: its sign and length.
fn fence_mark(text: &str) -> Option<(u8, usize)> {
    let mark = *text.as_bytes().first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let count = text.bytes().take_while(|byte| *byte == mark).count();
    (count >= 3 && (mark == b'~' || !text[count..].contains('`'))).then_some((mark, count))
}

/// Whether a line begins an import or export, and not a sentence.
fn starts_module_code(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("import ") {
        let rest = rest.trim_start();
        return rest.starts_with(['{', '*', '"', '\''])
            || rest.contains(" from ")
                && rest.contains(['"', '\''])
                && rest.starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | '$'));
    }
    line.strip_prefix("export ").is_some_and(|rest| {
        [
            "const ",
            "default ",
            "function ",
            "let ",
            "var ",
            "{",
            "*",
            "async ",
            "class ",
            "type ",
            "interface ",
        ]
        .iter()
        .any(|word| rest.starts_with(word))
    })
}

/// Result of reading code or tags from the beginning of a line.
enum Scan {
    /// They take this number of lines.
    Lines(usize),
    /// There is text beside them.
    Text,
    /// They do not end within the limits.
    Unclosed,
}

/// Returns the lines that may belong to one import, export, expression or tag.
fn within_limits<'l>(lines: &'l [&'l str]) -> impl Iterator<Item = (usize, &'l str)> {
    let mut bytes = 0;
    lines.iter().copied().take(MAX_CODE_LINES).enumerate().take_while(move |(_, line)| {
        bytes += line.len();
        bytes <= MAX_CODE_BYTES
    })
}

/// Reads module code: up to a blank line outside brackets.
fn module_lines(lines: &[&str]) -> Scan {
    let mut brackets = Brackets::default();
    let mut count = 0;
    for (number, line) in within_limits(lines) {
        if line.trim().is_empty() && brackets.depth == 0 && !brackets.in_text() {
            return Scan::Lines(number);
        }
        brackets.read(line);
        count = number + 1;
    }
    if count == lines.len() && brackets.depth == 0 { Scan::Lines(count) } else { Scan::Unclosed }
}

/// Reads an expression that is alone on its lines.
fn expression_lines(lines: &[&str]) -> Scan {
    let mut brackets = Brackets::default();
    for (number, line) in within_limits(lines) {
        let line = line.trim_start();
        if let Some(end) = brackets.read(line) {
            return if line[end..].trim().is_empty() { Scan::Lines(number + 1) } else { Scan::Text };
        }
    }
    Scan::Unclosed
}

/// Counts brackets outside strings and comments.
#[derive(Debug, Default)]
struct Brackets {
    depth: usize,
    quote: Option<char>,
    is_comment: bool,
}

impl Brackets {
    fn in_text(&self) -> bool {
        self.quote.is_some() || self.is_comment
    }

    /// Reads a line. Returns the offset behind the bracket that closes the first one.
    fn read(&mut self, line: &str) -> Option<usize> {
        let mut characters = line.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            if self.is_comment {
                if character == '*' && next == Some('/') {
                    self.is_comment = false;
                    characters.next();
                }
                continue;
            }
            if let Some(quote) = self.quote {
                match character {
                    '\\' => drop(characters.next()),
                    _ if character == quote => self.quote = None,
                    // Only templates extend over lines.
                    '\n' if quote != '`' => self.quote = None,
                    _ => {}
                }
                continue;
            }
            match character {
                '/' if next == Some('*') => self.is_comment = true,
                '/' if next == Some('/') && self.depth <= 1 && line[..at].trim().is_empty() => return None,
                '"' | '\'' | '`' => self.quote = Some(character),
                '{' | '(' | '[' => self.depth += 1,
                '}' | ')' | ']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Tags that have their lines to themselves.
#[derive(Debug, Default)]
struct TagLines {
    lines: usize,
    /// Number of elements that they open, and of elements opened before that they close.
    opened: usize,
    closed: usize,
}

impl TagLines {
    fn read(&mut self, lines: &[&str]) -> Scan {
        let mut quote: Option<char> = None;
        let mut depth = 0_usize;
        let mut in_tag = false;
        let mut is_closing = false;
        let mut previous = ' ';
        for (number, line) in within_limits(lines) {
            let mut characters = line.chars().peekable();
            while let Some(character) = characters.next() {
                match (in_tag, quote) {
                    (false, _) if character.is_whitespace() => {}
                    (false, _) => {
                        let next = characters.peek().copied().unwrap_or(' ');
                        if character != '<' || !(next.is_ascii_alphabetic() || matches!(next, '/' | '>')) {
                            return Scan::Text;
                        }
                        in_tag = true;
                        is_closing = next == '/';
                    }
                    (true, Some(open)) => quote = quote.filter(|_| character != open),
                    (true, None) => match character {
                        '"' | '\'' | '`' => quote = Some(character),
                        '{' => depth += 1,
                        '}' => depth = depth.saturating_sub(1),
                        '>' if depth == 0 && previous != '=' => {
                            in_tag = false;
                            self.count(is_closing, previous == '/');
                        }
                        _ => {}
                    },
                }
                previous = character;
            }
            if !in_tag {
                return Scan::Lines(number + 1);
            }
        }
        Scan::Unclosed
    }

    fn count(&mut self, is_closing: bool, is_empty: bool) {
        if is_closing && self.opened > 0 {
            self.opened -= 1;
        } else if is_closing {
            self.closed += 1;
        } else if !is_empty {
            self.opened += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(source: &str) -> Vec<String> {
        let prepared = prepare(source, 0);
        for (at, character) in prepared.markdown.char_indices() {
            assert!(source[prepared.source_offset(at)..].starts_with(character), "{source}");
        }
        prepared.markdown.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn module_code_and_tags_are_empty_lines() {
        for (source, expected) in [
            ("import A from './a';\nimport {\n  B,\n\n  C,\n} from \"./b\";\n\n# Head\n", vec!["# Head"]),
            ("export const meta = {\n  a: '}',\n\n  b: [1],\n};\n\nText\n", vec!["Text"]),
            ("export default function X() {\n  return <b>x</b>;\n}\n\nText\n", vec!["Text"]),
            ("import your data.\n\nexport the rest.\n", vec!["import your data.", "export the rest."]),
            ("{/* # no\n\n## heading */}\n\nText\n", vec!["Text"]),
            ("{props.children}\n\n{a} is text\n", vec!["{a} is text"]),
            ("<Card\n  title=\"a > b\"\n  on={() => go()}\n>\n# In\n</Card>\n", vec!["# In"]),
            (
                "<Tabs>\n    <Tab label=\"x\">\n\n    ## In\n\n    ```sh\n      run\n    ```\n\n      - a\n\n    </Tab>\n</Tabs>\n\nEnd\n",
                vec!["## In", "```sh", "  run", "```", "  - a", "End"],
            ),
            ("Text <B /> more\n<Since v=\"1\" /> text\n", vec!["Text <B /> more", "<Since v=\"1\" /> text"]),
            (
                "```js\nimport A from 'a';\n<Tabs>\n{x}\n```\n",
                vec!["```js", "import A from 'a';", "<Tabs>", "{x}", "```"],
            ),
            ("    Not code.\n", vec!["Not code."]),
            ("- item\n\n    more\n", vec!["- item", "    more"]),
            ("<A><B /></A>\n<br />\nx < y\n", vec!["x < y"]),
        ] {
            assert_eq!(lines(source), expected, "{source}");
        }
    }
}
