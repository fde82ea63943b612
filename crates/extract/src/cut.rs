//! Where a block that is too wide may be cut.

use std::ops::Range;

/// The width a passage should have. One Latin character is one wide, a Chinese one three.
pub(crate) const TARGET: usize = 1200;

/// The width no passage exceeds.
pub(crate) const MAXIMUM: usize = 2000;

/// The width of a text: its characters, Chinese, Japanese and Korean ones counted three times.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(character: char) -> usize {
    if character < '\u{2e80}' || is_filler(character) { 1 } else { 3 }
}

/// Invisible characters and what could not be decoded are not wide.
fn is_filler(character: char) -> bool {
    matches!(character, '\u{fff0}'..='\u{ffff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// How good a place is for a cut, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Between two characters.
    Character,
    /// Between two words, or at a line's end within code.
    Word,
    /// A blank line within code.
    BlankInCode,
    /// At the end of a sentence, or of a line.
    Sentence,
    /// Before an item of a list or a row of a table.
    Item,
    /// A blank line.
    Paragraph,
}

/// Cuts the range into parts of at most [`MAXIMUM`], each as near to [`TARGET`] as good places allow. Between parts
/// only white space is lost.
pub(crate) fn cut(text: &str, range: Range<usize>, is_table: bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = skip_space(text, range.start, range.end);
    let mut fence: Option<Fence> = None;
    while start < range.end {
        let (end, fence_at_end) = next_cut(text, start..range.end, fence, is_table);
        let part = text[start..end].trim_end().len();
        if part > 0 {
            parts.push(start..start + part);
        }
        fence = fence_at_end;
        start = skip_space(text, end, range.end);
    }
    parts
}

/// An open code fence: its character and how many of them.
type Fence = (u8, usize);

fn next_cut(
    text: &str,
    range: Range<usize>,
    mut fence: Option<Fence>,
    is_table: bool,
) -> (usize, Option<Fence>) {
    let part = &text[range.clone()];
    let mut best: Option<(Place, usize, usize, Option<Fence>)> = None;
    let mut total = 0;
    let mut line_start = true;
    let mut previous = '\n';
    for (at, character) in part.char_indices() {
        let mut place = Place::Character;
        // The fence that a line opens or closes belongs to the part that begins with the line.
        let before = fence;
        if line_start {
            let rest = &part[at..];
            fence = after_line(rest, fence);
            let in_code = before.is_some();
            place = if previous_line_blank(part, at) {
                if in_code { Place::BlankInCode } else { Place::Paragraph }
            } else if in_code {
                Place::Word
            } else if is_table || begins_item(rest) || fence.is_some() {
                Place::Item
            } else {
                Place::Sentence
            };
        } else if fence.is_none() && ends_sentence(previous, character) {
            place = Place::Sentence;
        } else if previous.is_whitespace() {
            place = Place::Word;
        }
        if at > 0 {
            let better = best.is_none_or(|(known, known_width, _, _)| {
                // Near the target is better; past it the first good place is the best.
                let far = total * 2 < TARGET;
                let known_far = known_width * 2 < TARGET;
                (!far && (place > known || known_far || (place == known && total <= TARGET)))
                    || (far && known_far && place >= known)
            });
            if better {
                best = Some((place, total, at, before));
            }
        }
        total += width_of(character);
        if total > MAXIMUM {
            let (_, _, at, fence) =
                best.unwrap_or((Place::Character, 0, at.max(character.len_utf8()), fence));
            return (range.start + at, fence);
        }
        line_start = character == '\n';
        previous = character;
    }
    (range.end, fence)
}

/// The fence state after a line that begins here.
fn after_line(line: &str, fence: Option<Fence>) -> Option<Fence> {
    match (fence, fence_mark(line)) {
        (None, mark) => mark,
        (Some((open, count)), Some((mark, marks))) if mark == open && marks >= count => None,
        (open, _) => open,
    }
}

fn fence_mark(line: &str) -> Option<Fence> {
    let indent = line.bytes().take(64).take_while(|byte| *byte == b' ' || *byte == b'>').count();
    let line = &line.as_bytes()[indent..];
    let mark = *line.first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let count = line.iter().take(64).take_while(|byte| **byte == mark).count();
    (count >= 3).then_some((mark, count))
}

fn previous_line_blank(part: &str, at: usize) -> bool {
    let before = &part.as_bytes()[..at];
    let Some(before) = before.strip_suffix(b"\n") else { return false };
    // Quotations and indented items have blank lines that are not empty.
    let blank =
        before.iter().rev().take(64).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'>')).count();
    before.len() > blank && before[before.len() - blank - 1] == b'\n'
}

fn begins_item(line: &str) -> bool {
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

fn ends_sentence(previous: char, next: char) -> bool {
    matches!(previous, '。' | '！' | '？' | '；' | '…')
        && !matches!(next, '”' | '’' | '」' | '』' | '）' | '"')
        || matches!(previous, '”' | '」') && next > '\u{2e80}' && next != '，'
        || next.is_whitespace() && matches!(previous, '.' | '!' | '?')
}

fn skip_space(text: &str, start: usize, end: usize) -> usize {
    let rest = &text[start..end];
    // Only empty lines are skipped: the indentation of the first line belongs to it.
    let space = rest.len() - rest.trim_start().len();
    match rest[..space].rfind('\n') {
        Some(line) => start + line + 1,
        None if space == rest.len() => end,
        None => start + if start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n') { 0 } else { space },
    }
}
