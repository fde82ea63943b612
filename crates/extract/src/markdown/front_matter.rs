//! Front matter of Markdown: the YAML or TOML between fences at the top of a file.
//!
//! Read line by line, without a parser of either language: of most keys only the name matters, and a mistake in one of
//! them does not lose the others. The values that are text are ranges of the source, as everything in a passage is.

use std::ops::Range;

/// Maximum number of lines of front matter.
const MAX_LINES: usize = 500;

/// Front matter of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrontMatter {
    /// Range of the front matter, fences included.
    pub(super) range: Range<usize>,
    pub(super) title: Option<String>,
    /// Range of the value of the title.
    pub(super) title_range: Option<Range<usize>>,
    /// Ranges of descriptions, tags and the like: each of one or more keys that follow each other.
    pub(super) text: Vec<Range<usize>>,
}

/// A key at the top level, and the range of its value.
struct Entry<'s> {
    key: &'s str,
    value: Range<usize>,
    /// Whether it stands directly below the entry before.
    is_adjacent: bool,
}

/// Parses the front matter at the top of a document; `None` if there is none, or if it is malformed.
pub(super) fn parse(source: &str) -> Option<FrontMatter> {
    let (range, inner, is_toml) = find(source)?;
    let entries = entries(source, inner, is_toml)?;
    let mut front_matter = FrontMatter { range, title: None, title_range: None, text: Vec::new() };
    let mut is_last_text = false;
    for entry in &entries {
        let value = text_range(source, entry.value.clone())?;
        let is_text = matches!(
            entry.key.to_ascii_lowercase().as_str(),
            "description"
                | "summary"
                | "subtitle"
                | "excerpt"
                | "abstract"
                | "tags"
                | "keywords"
                | "categories"
                | "topics"
        ) && source[value.clone()].chars().any(char::is_alphanumeric);
        if entry.key == "title" && front_matter.title.is_none() && !value.is_empty() {
            front_matter.title =
                Some(unescape(&source[value.clone()], source[..value.start].chars().next_back()));
            front_matter.title_range = Some(value.clone());
        }
        if is_text {
            match front_matter.text.last_mut().filter(|_| is_last_text && entry.is_adjacent) {
                Some(last) => last.end = value.end,
                None => front_matter.text.push(value),
            }
        }
        is_last_text = is_text;
    }
    front_matter.title = front_matter.title.filter(|title| !title.is_empty());
    Some(front_matter)
}

/// Finds the front matter: its range with the fences, the range between them, and whether it is TOML.
fn find(source: &str) -> Option<(Range<usize>, Range<usize>, bool)> {
    let start = source.len() - source.trim_start_matches('\u{feff}').len();
    let fence = ["---", "+++"].into_iter().find(|fence| source[start..].starts_with(fence))?;
    let mut lines = source[start..].split_inclusive('\n');
    let first = lines.next()?;
    if first.trim_end() != fence {
        return None;
    }
    let inner = start + first.len();
    let mut end = inner;
    for line in lines.take(MAX_LINES) {
        let text = line.trim_end();
        if text == fence || (fence == "---" && text == "...") {
            return Some((start..end + line.len(), inner..end, fence == "+++"));
        }
        end += line.len();
    }
    None
}

/// Returns the entries at the top level, or `None` if a line is neither a key nor part of a value.
fn entries(source: &str, range: Range<usize>, is_toml: bool) -> Option<Vec<Entry<'_>>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut at = range.start;
    // Keys below the header of a table of TOML are not at the top level.
    let mut is_in_table = false;
    let mut is_adjacent = false;
    // End of a value that extends over lines: a closing bracket or the quotes of a long text.
    let mut closing: Option<&str> = None;
    for line in source[range].split_inclusive('\n') {
        let text = line.trim_end();
        let line_start = at;
        at += line.len();
        let is_continuation = closing.is_some()
            || text.starts_with([' ', '\t'])
            || !is_toml && (text.starts_with("- ") || text == "-")
            || text.starts_with([']', '}']);
        if text.trim().is_empty() || text.starts_with('#') && closing.is_none() {
            is_adjacent = false;
            continue;
        }
        if is_toml && closing.is_none() && text.starts_with('[') {
            is_in_table = !matches!(text, "[taxonomies]");
            is_adjacent = false;
            continue;
        }
        if is_continuation {
            let entry = entries.last_mut()?;
            entry.value.end = line_start + text.len();
            if closing.is_some_and(|end| text.contains(end)) {
                closing = None;
            }
            continue;
        }
        let separator = text.find(if is_toml { '=' } else { ':' })?;
        let key = text[..separator].trim().trim_matches(['"', '\'']);
        let is_key = !key.is_empty()
            && key.len() <= 80
            && (is_toml
                || text[separator + 1..].is_empty()
                || text[separator + 1..].starts_with([' ', '\t']))
            && key.chars().all(|character| {
                character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ' ' | '/' | '$' | '@')
            });
        if !is_key {
            return None;
        }
        let value = text[separator + 1..].trim_start();
        closing = unclosed(value);
        let entry =
            Entry { key, value: line_start + text.len() - value.len()..line_start + text.len(), is_adjacent };
        is_adjacent = true;
        if is_in_table {
            // Continuation lines go to an entry that is not read.
            entries.push(Entry { key: "", ..entry });
        } else {
            entries.push(entry);
        }
    }
    // An open bracket or quote: not front matter after all.
    (closing.is_none() && !entries.is_empty()).then_some(entries)
}

/// Returns what ends a value that is not complete on its first line.
fn unclosed(value: &str) -> Option<&'static str> {
    for long in ["\"\"\"", "'''"] {
        if let Some(rest) = value.strip_prefix(long) {
            return if rest.contains(long) { None } else { Some(long) };
        }
    }
    let (open, close) = match value.chars().next()? {
        '[' => ('[', "]"),
        '{' => ('{', "}"),
        '"' => return if value[1..].contains('"') { None } else { Some("\"") },
        '\'' => return if value[1..].contains('\'') { None } else { Some("'") },
        _ => return None,
    };
    (value.matches(open).count() > value.matches(close).count()).then_some(close)
}

/// Returns the range of the text in a value: without quotes, brackets, marks of blocks and comments. `None` if the
/// value is malformed.
fn text_range(source: &str, range: Range<usize>) -> Option<Range<usize>> {
    let value = &source[range.clone()];
    let shrink = |from: usize, to: usize| {
        let inner = &value[from..to.max(from)];
        let start = range.start + from + (inner.len() - inner.trim_start().len());
        start..start + inner.trim().len()
    };
    for quote in ["\"\"\"", "'''"] {
        if value.starts_with(quote) {
            let end = value[3..].find(quote)?;
            return Some(shrink(3, 3 + end));
        }
    }
    match value.bytes().next() {
        Some(quote @ (b'"' | b'\'')) => {
            let mut end = 1;
            let bytes = value.as_bytes();
            while end < bytes.len() && bytes[end] != quote {
                end += if bytes[end] == b'\\' && quote == b'"' { 2 } else { 1 };
                // Two single quotes stand for one.
                if quote == b'\'' && bytes.get(end) == Some(&quote) && bytes.get(end + 1) == Some(&quote) {
                    end += 2;
                }
            }
            if end >= bytes.len() {
                return None;
            }
            Some(range.start + 1..range.start + end)
        }
        Some(b'[') => Some(shrink(1, value.rfind(']')?)),
        // The text of a block begins on the next line.
        Some(b'|' | b'>') => {
            let end = value.find('\n').unwrap_or(value.len());
            Some(shrink(end, value.len()))
        }
        _ => {
            let first_line = value.find('\n').unwrap_or(value.len());
            let comment = value[..first_line].find(" #").filter(|_| first_line == value.len());
            Some(shrink(0, comment.unwrap_or(value.len())))
        }
    }
}

/// Returns a value on one line, with the escapes of its quotes resolved.
fn unescape(value: &str, quote: Option<char>) -> String {
    let value = crate::builder::one_line(value);
    match quote {
        Some('"') => value.replace("\\\"", "\"").replace("\\\\", "\\"),
        Some('\'') => value.replace("''", "'"),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(source: &str) -> Option<(Option<String>, Vec<&str>)> {
        let front_matter = parse(source)?;
        Some((front_matter.title, front_matter.text.into_iter().map(|range| &source[range]).collect()))
    }

    #[test]
    fn titles_descriptions_and_tags_are_found() {
        for (source, title, text) in [
            ("---\ntitle: Deploy\n---\n", "Deploy", vec![]),
            ("---\ntitle: \"Deploy: \\\"it\\\"\" # menu\nposition: 3\n---\nx", "Deploy: \"it\"", vec![]),
            ("---\ntitle: 'It''s here'\n---\n", "It's here", vec![]),
            ("---\ntitle: C# and F# # a comment\n---\n", "C# and F#", vec![]),
            ("---\ntitle: >\n  Two\n  lines\n---\n", "Two lines", vec![]),
            ("---\ntitle: Deploy: the agent\n---\n", "Deploy: the agent", vec![]),
            ("---\r\ntitle: A\r\ndescription: \"How to\"\r\n---\r\n", "A", vec!["How to"]),
            (
                "---\ntitle: A\ndescription: How to\ntags: [a, b]\nweight: 1\n---\n",
                "A",
                vec!["How to\ntags: [a, b"],
            ),
            (
                "---\ndescription: |\n  One\n\n  two\nid: x\ntitle: A\ntags:\n- a\n- b\n...\n",
                "A",
                vec!["One\n\n  two", "- a\n- b"],
            ),
            ("---\ntags:\n  - a\n  - b c\n\ntitle: A\n---\n", "A", vec!["- a\n  - b c"]),
            ("---\ntitle: A\nhero:\n  tagline: x\nkeywords: one, two\n---\n", "A", vec!["one, two"]),
            ("---\ntags: [\n  a,\n  b\n]\ntitle: A\n---\n", "A", vec!["a,\n  b"]),
            (
                "+++\ntitle = \"A\"\ndescription = '''\nLong\n'''\n[taxonomies]\ntags = [\"a\"]\n[extra]\ntags = [\"b\"]\n+++\n",
                "A",
                vec!["Long", "\"a\""],
            ),
        ] {
            assert_eq!(describe(source), Some((Some(title.to_owned()), text)), "{source}");
        }
    }

    #[test]
    fn malformed_front_matter_is_none() {
        for source in [
            "---\n\nA thematic break above.\n\n---\n",
            "---\ntitle: [unclosed\n---\n",
            "---\ntitle: \"unclosed\n---\n",
            "---\ntitle: A\nno key here\n---\n",
            "---\ntitle: A\n",
            "---\n- a\n- b\n---\n",
            "---\nNote that: this\nis a paragraph.\n---\n",
            "--- \n---\n",
            "text\n---\ntitle: A\n---\n",
            "----\ntitle: A\n----\n",
        ] {
            assert_eq!(describe(source), None, "{source}");
        }
    }
}
