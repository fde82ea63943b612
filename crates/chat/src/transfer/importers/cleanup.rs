//! Cleans the answers of other programs: leaves out the model's reasoning, calls of tools, and marks of citations that only the
//! program itself can show. What was left out is counted.

/// An answer without such parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleaned {
    pub(super) content: String,
    counts: Counts,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Counts {
    reasoning: u64,
    tool_calls: u64,
    marks: u64,
}

impl Cleaned {
    /// Returns the reason for the report: `left out: 1 × reasoning, 2 × citation marks`.
    pub(super) fn reason(&self) -> String {
        let counts = [
            (self.counts.reasoning, "reasoning"),
            (self.counts.tool_calls, "tool calls"),
            (self.counts.marks, "citation marks"),
        ];
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} × {name}"))
            .collect();
        format!("left out: {}", parts.join(", "))
    }
}

/// Tags of reasoning that models write, with their ends.
const REASONING_TAGS: [(&str, &str); 6] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    (":::thinking", "\n:::"),
];

/// Returns the answer without parts to leave out, `None` if it has none. Code blocks stay as they are.
pub(super) fn clean(text: &str) -> Option<Cleaned> {
    let mut cleaner =
        Cleaner { text, at: 0, content: String::new(), counts: Counts::default(), unclosed: [false; 6] };
    while cleaner.at < text.len() {
        cleaner.step();
    }
    if cleaner.counts == Counts::default() {
        return None;
    }
    let content = cleaner.content.trim_end().to_owned();
    Some(Cleaned { content, counts: cleaner.counts })
}

struct Cleaner<'a> {
    text: &'a str,
    at: usize,
    content: String,
    counts: Counts,
    /// Tags whose end was not found before: it is not looked for again.
    unclosed: [bool; 6],
}

impl Cleaner<'_> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let is_line_start = self.at == 0 || self.text[..self.at].ends_with('\n');
        let skipped = match first {
            '`' | '~' if is_line_start => {
                self.copy(fence_length(rest));
                return;
            }
            '<' | ':' => self.block(rest, is_line_start),
            '【' => bracket_mark_length(rest),
            '\u{e200}'..='\u{e206}' => {
                let (length, shown) = private_mark(rest);
                self.content.push_str(&shown);
                Some(length)
            }
            _ => None,
        };
        let Some(length) = skipped else {
            self.copy(first.len_utf8());
            return;
        };
        let is_mark =
            matches!(first, '【' | '\u{e200}'..='\u{e206}') || rest.starts_with(":contentReference");
        if is_mark {
            self.counts.marks += 1;
            self.skip_mark(length);
        } else {
            self.skip_block(length);
        }
    }

    fn copy(&mut self, length: usize) {
        let length = length.max(1);
        self.content.push_str(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    /// Returns the length of a block to leave out that begins here.
    fn block(&mut self, rest: &str, is_line_start: bool) -> Option<usize> {
        if let Some(inner) = rest.strip_prefix(":contentReference[") {
            let end = inner.find(']')? + 1;
            let index =
                inner[end..].strip_prefix('{').and_then(|tail| tail.find('}')).map_or(0, |close| close + 2);
            return Some(":contentReference[".len() + end + index);
        }
        if rest.get(..8).is_some_and(|tag| tag.eq_ignore_ascii_case("<details")) {
            let tag_length = tag_length(rest)?;
            let kind = attribute(&rest[..tag_length], "type")?;
            match kind.as_str() {
                "reasoning" => self.counts.reasoning += 1,
                "tool_calls" | "code_interpreter" => self.counts.tool_calls += 1,
                _ => return None,
            }
            return Some(details_length(rest, tag_length));
        }
        if !is_line_start {
            return None;
        }
        let (number, (_, close)) =
            REASONING_TAGS.into_iter().enumerate().find(|(_, (open, _))| rest.starts_with(open))?;
        if self.unclosed[number] {
            return None;
        }
        match rest.find(close) {
            Some(end) => {
                self.counts.reasoning += 1;
                Some(end + close.len())
            }
            // An answer that was stopped while the model reasoned.
            None if self.content.trim().is_empty() => {
                self.counts.reasoning += 1;
                Some(rest.len())
            }
            None => {
                self.unclosed[number] = true;
                None
            }
        }
    }

    /// Skips a mark, and one of the spaces around it.
    fn skip_mark(&mut self, length: usize) {
        self.at += length;
        let next = self.text[self.at..].chars().next();
        let is_before_end =
            next.is_none_or(|next| next.is_whitespace() || ".,;:!?)。，；：！？".contains(next));
        if is_before_end && self.content.ends_with(' ') {
            self.content.pop();
        }
    }

    /// Skips a block, and the blank lines after it where there are some before it.
    fn skip_block(&mut self, length: usize) {
        self.at += length;
        if self.content.is_empty() || self.content.ends_with('\n') {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start_matches(['\n', '\r']).len();
        }
    }
}

/// Returns the length of a fenced code block, or of the marks if they open none.
fn fence_length(rest: &str) -> usize {
    let mark = &rest[..1];
    let marks = rest.len() - rest.trim_start_matches(mark).len();
    if marks < 3 {
        return marks;
    }
    let fence = &rest[..marks];
    let mut length = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        length += line.len();
        if number > 0 && line.trim_start().starts_with(fence) {
            break;
        }
    }
    length
}

/// Returns the length of a tag, with `>` in quoted attributes.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (byte, quote) {
            (b'>', None) => return Some(at + 1),
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns the value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!(" {name}="))? + name.len() + 2;
    let value = &tag[at..];
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let end = match quote {
        Some(quote) => value[1..].find(quote)? + 1,
        None => value.find([' ', '>'])?,
    };
    Some(value[usize::from(quote.is_some())..end].to_owned())
}

/// Returns the length of a `<details>` element with the ones in it; to the end of the text if it is not closed.
fn details_length(rest: &str, tag_length: usize) -> usize {
    let (mut at, mut depth) = (tag_length, 1_usize);
    while let Some(found) = rest[at..].find('<') {
        at += found;
        if rest[at..].starts_with("</details>") {
            at += "</details>".len();
            depth -= 1;
            if depth == 0 {
                return at;
            }
        } else {
            depth += usize::from(rest[at..].starts_with("<details"));
            at += 1;
        }
    }
    rest.len()
}

/// Returns the length of a citation in lenticular brackets: `【14†source】`, `【turn0search1】`.
fn bracket_mark_length(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('【')?;
    let end = inner.char_indices().take(200).find(|(_, character)| *character == '】')?.0;
    let inner = &inner[..end];
    let is_mark = inner.contains('†') && inner.starts_with(|first: char| first.is_ascii_alphanumeric())
        || inner
            .strip_prefix("turn")
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    is_mark.then_some('【'.len_utf8() + end + '】'.len_utf8())
}

/// Maximum length of a mark in private-use characters.
const MAX_MARK_BYTES: usize = 8 << 10;

/// Returns the length of a mark in private-use characters, and the words that it shows.
///
/// U+E200 opens and U+E201 closes it, U+E202 separates its parts: its kind, and what it refers to.
fn private_mark(rest: &str) -> (usize, String) {
    let first = '\u{e200}'.len_utf8();
    let window = &rest[..rest.floor_char_boundary(MAX_MARK_BYTES)];
    let inner = window
        .strip_prefix('\u{e200}')
        .and_then(|inner| inner.split_once('\u{e201}'))
        .map(|(inner, _)| inner);
    let Some(inner) = inner.filter(|inner| !inner.contains('\u{e200}')) else {
        // A reference without a beginning, as LibreChat writes it: `turn0search3`.
        let tail = &rest[first..];
        let length = if rest.starts_with('\u{e202}') && tail.starts_with("turn") {
            tail.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(tail.len())
        } else {
            0
        };
        return (first + length, String::new());
    };
    let mut parts = inner.split('\u{e202}');
    let (kind, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let shown = match kind {
        // `["company", "Name", …]`
        "entity" => serde_json::from_str::<Vec<serde_json::Value>>(target)
            .ok()
            .and_then(|parts| parts.get(1).or(parts.first())?.as_str().map(str::to_owned))
            .unwrap_or_default(),
        "url" | "link_title" => target.to_owned(),
        _ => String::new(),
    };
    (first * 2 + inner.len(), shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasoning_tool_calls_and_marks_are_left_out() {
        for (text, expected, counts) in [
            (
                "<details type=\"reasoning\" done=\"true\">\n<summary>Thought</summary>\n> hm\n</details>\nIt is 40 m.",
                "It is 40 m.",
                (1, 0, 0),
            ),
            (
                "<details type='tool_calls' result=\"a > b\"><details>x</details></details>\n\nDone.",
                "Done.",
                (0, 1, 0),
            ),
            (
                "First.\n\n<details type=\"code_interpreter\">\nprint(1)\n</details>\n\nThen.",
                "First.\n\nThen.",
                (0, 1, 0),
            ),
            ("<details type=\"reasoning\" done=\"false\">\nnever ended", "", (1, 0, 0)),
            ("<think>\nLet me see.\n</think>\n\nYes.", "Yes.", (1, 0, 0)),
            ("<|begin_of_thought|>a<|end_of_thought|>Yes.", "Yes.", (1, 0, 0)),
            (":::thinking\nhm\n:::\nYes.", "Yes.", (1, 0, 0)),
            (
                "The mean is 4 \u{e200}cite\u{e202}turn0search0\u{e201} as stated【14†source】.",
                "The mean is 4 as stated.",
                (0, 0, 2),
            ),
            (
                "\u{e200}entity\u{e202}[\"company\",\"Boilerworks\"]\u{e201} agrees.",
                "Boilerworks agrees.",
                (0, 0, 1),
            ),
            ("See \u{e200}url\u{e202}the manual\u{e202}turn0view1\u{e201}.", "See the manual.", (0, 0, 1)),
            ("A fact. \u{e202}turn0search0", "A fact.", (0, 0, 1)),
            (
                "A \u{e200}cite\u{e202}turn0search0\u{e202}turn1search2\u{e201}, B\u{e203}c\u{e204}.",
                "A, Bc.",
                (0, 0, 3),
            ),
            ("Old :contentReference[oaicite:3]{index=3}.", "Old.", (0, 0, 1)),
            ("压力是九巴【4:0†手册.pdf】。", "压力是九巴。", (0, 0, 1)),
        ] {
            let cleaned = clean(text).unwrap_or_else(|| panic!("{text}"));
            let Counts { reasoning, tool_calls, marks } = cleaned.counts;
            assert_eq!(
                (cleaned.content.as_str(), (reasoning, tool_calls, marks)),
                (expected, counts),
                "{text}"
            );
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            "Plain words.",
            "<details>\n<summary>More</summary>\ntext\n</details>",
            "```html\n<details type=\"reasoning\">x</details>\n```",
            "~~~\n<think>a</think>\n~~~",
            "Write `<think>` first.",
            "【注意】小心。",
            "Ends without an end\n<think>",
            ":::tip\nA tip.\n:::",
        ] {
            assert_eq!(clean(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cleaned_without_marks(parts in prop::collection::vec(prop::sample::select(vec![
            "<details type=\"reasoning\">", "</details>", "<details", ">", "\"", "<think>", "</think>", "\n", "```", " ", "word", "文",
            "\u{e200}", "\u{e201}", "\u{e202}", "\u{e203}", "cite", "【", "†", "】", ":contentReference[", "]", "{", "}",
        ]), 0..40)) {
            let text = parts.concat();
            let content = clean(&text).map_or(text.clone(), |cleaned| cleaned.content);
            let has_private = |text: &str| text.contains(|one: char| ('\u{e200}'..='\u{e206}').contains(&one));
            prop_assert!(!has_private(&content) || text.contains("```"));
        }
    }
}
