//! Texts for language models: how many tokens one takes, and how one is cut so that it still reads.
//!
//! Every model counts differently, and none may be asked here. [`tokens`] is an estimate that lies above what common
//! tokenizers count, so that a limit that was asked for holds.

/// About how many tokens a text takes: one for 3½ characters of ASCII, one for two letters of other alphabets, one for each
/// other character (Chinese, symbols).
pub fn tokens(text: &str) -> usize {
    text.chars().map(weight).sum::<usize>().div_ceil(WHOLE)
}

/// What a token weighs.
const WHOLE: usize = 14;

fn weight(character: char) -> usize {
    match character.len_utf8() {
        1 => 4,
        2 => 7,
        _ => 14,
    }
}

/// The longest beginning of a text that takes at most `most` tokens. It ends with a line where one ends in its second half.
pub fn beginning(text: &str, most: usize) -> &str {
    let mut left = most * WHOLE;
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

/// Shortens a text until it costs no more than `most`, and says how many of its bytes remain. A code fence that is cut in two
/// is closed. At least one character remains, so that whoever reads on comes to the end.
pub fn shorten(text: &str, most: usize, cost: impl Fn(&str) -> usize) -> (String, usize) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let mut tokens = most.saturating_sub(cost(""));
    loop {
        let cut = beginning(text, tokens);
        let cut = if cut.len() < first { &text[..first] } else { cut };
        let short = match open_fence(cut) {
            Some(opening) => {
                let line = if cut.ends_with('\n') { "" } else { "\n" };
                format!("{cut}{line}{}", closing(opening))
            }
            None => cut.to_owned(),
        };
        if tokens == 0 || cost(&short) <= most {
            return (short, cut.len());
        }
        tokens -= 1 + tokens / 20;
    }
}

/// The line that opens the code fence in which a Markdown text breaks off, if it does (`CommonMark` 0.31, section 4.5).
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

/// The line that closes what a line opened.
pub fn closing(opening: &str) -> String {
    let start = opening.trim_start_matches([' ', '\t', '>']);
    let mark = start.chars().next().unwrap_or('`');
    let indent = &opening[..opening.len() - start.len()];
    let marks: String = start.chars().take_while(|character| *character == mark).collect();
    format!("{indent}{marks}")
}

/// A fence of backticks longer than any run of them in the text, so that nothing in it can end the fence.
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
    fn a_beginning_ends_with_a_line_where_it_can() {
        assert_eq!(beginning("one two three\nfour five six", 6), "one two three\n");
        assert_eq!(beginning("one\ntwo three four five six seven", 4), "one\ntwo three ");
        assert_eq!(beginning("short", 100), "short");
        assert_eq!(beginning("数据库", 2), "数据");
    }

    #[test]
    fn an_open_fence_is_seen_and_closed() {
        assert_eq!(open_fence("text\n```sql\nselect 1"), Some("```sql"));
        assert_eq!(open_fence("```sql\nselect 1\n```\ntext"), None);
        assert_eq!(open_fence("````\n```\n"), Some("````"));
        assert_eq!(open_fence("- list\n\n  ~~~ x\n  code"), Some("  ~~~ x"));
        assert_eq!(open_fence("inline ``` is none"), None);
        assert_eq!(closing("  ~~~~ x"), "  ~~~~");
        assert_eq!(closing("> ```sql"), "> ```");
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
        fn a_beginning_holds_its_limit(text in "(?s).{0,200}", most in 0_usize..60) {
            let cut = beginning(&text, most);
            prop_assert!(text.starts_with(cut) && tokens(cut) <= most);
        }
    }
}
