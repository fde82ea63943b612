//! Token budgets: estimates the tokens of a text, and shortens texts so that they stay readable Markdown.
//!
//! Models count differently, and none can be asked here. [`tokens`] estimates above what common tokenizers count, so that a
//! requested limit holds.

use std::io;

use serde::Serialize;

/// Estimates the number of tokens of a text: one for 3½ characters of ASCII, one for two letters of other alphabets, one for each
/// other character (Chinese, symbols).
pub fn tokens(text: &str) -> usize {
    text.bytes().map(byte_weight).sum::<usize>().div_ceil(TOKEN_WEIGHT)
}

/// Estimates the number of tokens of a value as JSON, without storing the JSON.
pub fn json_tokens(value: &impl Serialize) -> usize {
    let mut weight = TotalWeight(0);
    // Neither writing here nor serializing plain data can fail.
    let _cannot_fail = serde_json::to_writer(&mut weight, value);
    weight.0.div_ceil(TOKEN_WEIGHT)
}

/// Writer that adds up the weight of what is written to it.
struct TotalWeight(usize);

impl io::Write for TotalWeight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.iter().copied().map(byte_weight).sum::<usize>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Weight of a token.
const TOKEN_WEIGHT: usize = 14;

/// Returns the weight of a character, in parts of [`TOKEN_WEIGHT`].
fn weight(character: char) -> usize {
    match character.len_utf8() {
        1 => 4,
        2 => 7,
        _ => 14,
    }
}

/// Returns the weight of the character that begins with this byte of UTF-8; 0 if the byte begins none.
fn byte_weight(byte: u8) -> usize {
    match byte {
        0x00..=0x7F => 4,
        0x80..=0xBF => 0,
        0xC0..=0xDF => 7,
        0xE0..=0xFF => 14,
    }
}

/// Returns the longest prefix of a text with at most `max_tokens` tokens. It ends at a line end if there is one in its second
/// half.
pub fn prefix(text: &str, max_tokens: usize) -> &str {
    let mut left = max_tokens * TOKEN_WEIGHT;
    let mut end = text.len();
    for (at, character) in text.char_indices() {
        let Some(rest) = left.checked_sub(weight(character)) else {
            end = at;
            break;
        };
        left = rest;
    }
    let cut = &text[..end];
    if end == text.len() {
        return cut;
    }
    match cut.rfind('\n') {
        Some(line) if line >= end / 2 => &cut[..=line],
        _ => cut,
    }
}

/// Shortens a text until it costs at most `max_cost`, and returns it with the number of its bytes that remain. A code fence
/// that is cut is closed. At least one character remains, so that reading on always comes to the end.
pub fn shorten(text: &str, max_cost: usize, cost: impl Fn(&str) -> usize) -> (String, usize) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let mut tokens = max_cost.saturating_sub(cost(""));
    loop {
        let cut = prefix(text, tokens);
        let cut = if cut.len() < first { &text[..first] } else { cut };
        let short = match open_fence(cut) {
            Some(opening) => {
                let line = if cut.ends_with('\n') { "" } else { "\n" };
                format!("{cut}{line}{}", closing_fence(opening))
            }
            None => cut.to_owned(),
        };
        if tokens == 0 || cost(&short) <= max_cost {
            return (short, cut.len());
        }
        tokens -= 1 + tokens / 20;
    }
}

/// Returns the line that opens the code fence in which a Markdown text ends, if it ends in one
/// ([CommonMark 0.31, section 4.5](https://spec.commonmark.org/0.31.2/#fenced-code-blocks)).
pub fn open_fence(text: &str) -> Option<&str> {
    let mut open: Option<(&str, char, usize)> = None;
    for line in text.lines() {
        // Fences in lists and quotations are indented or marked.
        let inner = line.trim_start_matches([' ', '\t', '>']);
        let Some(mark) = inner.chars().next().filter(|mark| ['`', '~'].contains(mark)) else { continue };
        let length = inner.chars().take_while(|character| *character == mark).count();
        let rest = &inner[length..];
        match open {
            None if length >= 3 && !(mark == '`' && rest.contains('`')) => open = Some((line, mark, length)),
            Some((_, opened, least)) if mark == opened && length >= least && rest.trim().is_empty() => {
                open = None;
            }
            _ => {}
        }
    }
    open.map(|(line, ..)| line)
}

/// Returns the line that closes the code fence of an opening line.
pub fn closing_fence(opening: &str) -> String {
    let start = opening.trim_start_matches([' ', '\t', '>']);
    let mark = start.chars().next().unwrap_or('`');
    let indent = &opening[..opening.len() - start.len()];
    let marks: String = start.chars().take_while(|character| *character == mark).collect();
    format!("{indent}{marks}")
}

/// Returns a fence of backticks longer than any run of them in the text, so that nothing in it can end the fence.
pub fn fence_around(text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_estimated_from_above() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("Graceful shutdown"), 5);
        assert_eq!(tokens("数据库"), 3);
        assert_eq!(tokens("größe"), 2);
    }

    #[test]
    fn a_prefix_ends_at_a_line_end_if_possible() {
        assert_eq!(prefix("one two three\nfour five six", 6), "one two three\n");
        assert_eq!(prefix("one\ntwo three four five six seven", 4), "one\ntwo three ");
        assert_eq!(prefix("short", 100), "short");
        assert_eq!(prefix("数据库", 2), "数据");
    }

    #[test]
    fn an_open_fence_is_found_and_closed() {
        assert_eq!(open_fence("text\n```sql\nselect 1"), Some("```sql"));
        assert_eq!(open_fence("```sql\nselect 1\n```\ntext"), None);
        assert_eq!(open_fence("````\n```\n"), Some("````"));
        assert_eq!(open_fence("- list\n\n  ~~~ x\n  code"), Some("  ~~~ x"));
        assert_eq!(open_fence("inline ``` is none"), None);
        assert_eq!(closing_fence("  ~~~~ x"), "  ~~~~");
        assert_eq!(closing_fence("> ```sql"), "> ```");
    }

    #[test]
    fn nothing_in_a_text_ends_the_fence_around_it() {
        assert_eq!(fence_around("plain"), "```");
        assert_eq!(fence_around("````\ninner\n````"), "`````");
    }

    #[test]
    fn a_shortened_text_leaves_no_fence_open() {
        let text = "before\n```sql\nselect 1;\nselect 2;\nselect 3;\n```\nafter";
        assert_eq!(shorten(text, 9, tokens), ("before\n```sql\nselect 1;\n```".to_owned(), 24));
        assert_eq!(shorten(text, 0, tokens).1, 1);
    }

    proptest! {
        #[test]
        fn json_is_weighed_like_its_text(texts in proptest::collection::vec(any::<String>(), 0..4)) {
            prop_assert_eq!(json_tokens(&texts), tokens(&serde_json::to_string(&texts).unwrap()));
        }

        #[test]
        fn bytes_weigh_as_much_as_their_characters(text: String) {
            let weight: usize = text.chars().map(weight).sum();
            prop_assert_eq!(text.bytes().map(byte_weight).sum::<usize>(), weight);
        }

        #[test]
        fn a_prefix_keeps_its_limit(text in "(?s).{0,200}", max_tokens in 0_usize..60) {
            let cut = prefix(&text, max_tokens);
            prop_assert!(text.starts_with(cut) && tokens(cut) <= max_tokens);
        }
    }
}
