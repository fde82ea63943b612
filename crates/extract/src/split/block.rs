//! Splits a block that is wider than a passage, at the best break points.

use std::ops::Range;

/// Preferred width of a passage. A Latin character counts one, a Chinese one three.
pub(crate) const TARGET_WIDTH: usize = 1200;

/// Maximum width of a passage.
pub(crate) const MAX_WIDTH: usize = 2000;

/// Returns the width of a text: its number of characters, where Chinese, Japanese and Korean ones count three.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(character: char) -> usize {
    if character < '\u{2e80}' || is_narrow(character) { 1 } else { 3 }
}

/// Whether the character is narrow despite its code point: variation selectors, tags, the replacement character.
fn is_narrow(character: char) -> bool {
    matches!(character, '\u{fff0}'..='\u{ffff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Kind of a possible break point, in ascending order of quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BreakPoint {
    /// Between two characters.
    Character,
    /// Between two words, or at the end of a line of code.
    Word,
    /// At a blank line within code.
    BlankInCode,
    /// At the end of a sentence or a line.
    Sentence,
    /// Before a list item or a table row.
    Item,
    /// At a blank line.
    Paragraph,
}

/// Splits the range into parts of at most [`MAX_WIDTH`], each as close to [`TARGET_WIDTH`] as good break points allow.
///
/// The parts are in order; only white space between them is lost.
pub(crate) fn split_block(text: &str, range: Range<usize>, is_table: bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = skip_blank_lines(text, range.start, range.end);
    let mut fence: Option<Fence> = None;
    while start < range.end {
        let (end, fence_at_end) = next_break(text, start..range.end, fence, is_table);
        let length = text[start..end].trim_end().len();
        if length > 0 {
            parts.push(start..start + length);
        }
        fence = fence_at_end;
        start = skip_blank_lines(text, end, range.end);
    }
    parts
}

/// An open code fence: its character and the length of its run.
type Fence = (u8, usize);

/// Returns the end of the first part of the range, and the fence that is open there.
fn next_break(
    text: &str,
    range: Range<usize>,
    mut fence: Option<Fence>,
    is_table: bool,
) -> (usize, Option<Fence>) {
    let part = &text[range.clone()];
    let mut best: Option<(BreakPoint, usize, usize, Option<Fence>)> = None;
    let mut total_width = 0;
    let mut line_start = true;
    let mut previous = '\n';
    for (at, character) in part.char_indices() {
        let mut point = BreakPoint::Character;
        // A fence that this line opens or closes belongs to the part that begins with the line.
        let before = fence;
        if line_start {
            let rest = &part[at..];
            fence = fence_after_line(rest, fence);
            let in_code = before.is_some();
            point = if is_previous_line_blank(part, at) {
                if in_code { BreakPoint::BlankInCode } else { BreakPoint::Paragraph }
            } else if in_code {
                BreakPoint::Word
            } else if is_table || starts_item(rest) || fence.is_some() {
                BreakPoint::Item
            } else {
                BreakPoint::Sentence
            };
        } else if fence.is_none() && is_sentence_end(previous, character) {
            point = BreakPoint::Sentence;
        } else if previous.is_whitespace() {
            point = BreakPoint::Word;
        }
        if at > 0 {
            let is_better = best.is_none_or(|(best_point, best_width, _, _)| {
                // Closer to the target is better; beyond it the first good break point is the best.
                let is_short = total_width * 2 < TARGET_WIDTH;
                let is_best_short = best_width * 2 < TARGET_WIDTH;
                (!is_short
                    && (point > best_point
                        || is_best_short
                        || (point == best_point && total_width <= TARGET_WIDTH)))
                    || (is_short && is_best_short && point >= best_point)
            });
            if is_better {
                best = Some((point, total_width, at, before));
            }
        }
        total_width += char_width(character);
        if total_width > MAX_WIDTH {
            let (_, _, at, fence) =
                best.unwrap_or((BreakPoint::Character, 0, at.max(character.len_utf8()), fence));
            return (range.start + at, fence);
        }
        line_start = character == '\n';
        previous = character;
    }
    (range.end, fence)
}

/// Returns the open fence, if any, after the line that begins here.
fn fence_after_line(line: &str, fence: Option<Fence>) -> Option<Fence> {
    match (fence, fence_mark(line)) {
        (None, mark) => mark,
        (Some((open, open_length)), Some((mark, length))) if mark == open && length >= open_length => None,
        (open, _) => open,
    }
}

/// Returns the fence that the line opens or closes, if any.
fn fence_mark(line: &str) -> Option<Fence> {
    let indent = line.bytes().take(64).take_while(|byte| *byte == b' ' || *byte == b'>').count();
    let line = &line.as_bytes()[indent..];
    let mark = *line.first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let length = line.iter().take(64).take_while(|byte| **byte == mark).count();
    (length >= 3).then_some((mark, length))
}

fn is_previous_line_blank(part: &str, at: usize) -> bool {
    let before = &part.as_bytes()[..at];
    let Some(before) = before.strip_suffix(b"\n") else { return false };
    // Blank lines in quotations and indented items are not empty.
    let blank =
        before.iter().rev().take(64).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'>')).count();
    before.len() > blank && before[before.len() - blank - 1] == b'\n'
}

fn starts_item(line: &str) -> bool {
    let indent = line.bytes().take(64).take_while(|byte| matches!(byte, b' ' | b'\t' | b'>')).count();
    let line = &line.as_bytes()[indent..];
    match line.first() {
        Some(b'-' | b'*' | b'+') => line.get(1) == Some(&b' '),
        Some(b'|' | b'#') => true,
        Some(digit) if digit.is_ascii_digit() => {
            let digits = line.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
            matches!(line.get(digits), Some(b'.' | b')')) && line.get(digits + 1) == Some(&b' ')
        }
        _ => false,
    }
}

fn is_sentence_end(previous: char, next: char) -> bool {
    matches!(previous, '。' | '！' | '？' | '；' | '…')
        && !matches!(next, '”' | '’' | '」' | '』' | '）' | '"')
        || matches!(previous, '”' | '」') && next > '\u{2e80}' && next != '，'
        || next.is_whitespace() && matches!(previous, '.' | '!' | '?')
}

fn skip_blank_lines(text: &str, start: usize, end: usize) -> usize {
    let rest = &text[start..end];
    // Skips blank lines only: the indentation of the first other line belongs to it.
    let space = rest.len() - rest.trim_start().len();
    match rest[..space].rfind('\n') {
        Some(line) => start + line + 1,
        None if space == rest.len() => end,
        None => start + if start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n') { 0 } else { space },
    }
}
