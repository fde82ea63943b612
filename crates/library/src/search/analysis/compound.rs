//! Compounds: names of several words, or with signs that belong to them, such as `pg_stat_statements`, `C++`, `.NET` or
//! `@scope/pkg`.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::script::is_unspaced;

/// Maximum number of numbers that a version or address is split into.
pub(super) const MAX_NUMBERS: usize = 8;

/// Whether a character belongs to a word.
pub(super) fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    (character.is_alphanumeric() || is_combining_mark(character)) && !is_unspaced(character)
}

/// Returns the length in bytes of the compound at the start of a text, or `None` if there is none: words joined by one `.`,
/// `-`, `/`, `$`, `#`, `@`, `&` or `+`, or by `::` or `->`. It can begin with `-` or `--` (an option), `@`, `$`, `#` or `.`, and
/// end with `+`, `++` or `#`.
pub(super) fn compound_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = bytes.iter().take(2).take_while(|byte| **byte == b'-').count();
    if end == 0 {
        match bytes {
            [b'@' | b'$', ..] => end = 1,
            // ".NET", "#define"; not the end of a sentence, or a number
            [b'.' | b'#', next, ..] if next.is_ascii_alphabetic() => end = 1,
            _ => {}
        }
    }
    let prefix = end;
    loop {
        let word = text[end..].find(|character| !is_word(character)).unwrap_or(text.len() - end);
        if word == 0 {
            return (end > prefix).then_some(end);
        }
        end += word;
        let joint = match bytes.get(end..) {
            // "C++/CLI", "C#/F#"
            Some([b'+', b'+', b'/', ..]) => 3,
            Some([b':', b':', ..] | [b'-', b'>', ..] | [b'#', b'/', ..]) => 2,
            Some([b'.' | b'-' | b'/' | b'$' | b'#' | b'@' | b'&' | b'+', ..]) => 1,
            _ => return Some(end),
        };
        if !text[end + joint..].starts_with(is_word) {
            return Some(end + suffix_length(&bytes[end..]));
        }
        end += joint;
    }
}

/// Returns the length of the sign at the start of a text that ends a name: `++`, `+` or `#`.
pub(super) fn suffix_length(bytes: &[u8]) -> usize {
    let signs = bytes.iter().take_while(|byte| matches!(byte, b'+' | b'#')).count();
    match bytes {
        [b'+', b'+', ..] if signs == 2 => 2,
        [b'+' | b'#', ..] if signs == 1 => 1,
        _ => 0,
    }
}

/// Returns a compound without the signs at its ends.
pub(super) fn without_signs(compound: &str) -> &str {
    compound.trim_start_matches(['-', '@', '$', '#', '.']).trim_end_matches(['+', '#'])
}

/// Whether a compound has signs or dots, so that its parts alone are another name: `Node` is not `Node.js`.
pub(super) fn is_signed(compound: &str) -> bool {
    without_signs(compound).len() != compound.len() || compound.contains(['.', '+', '#', '&'])
}

/// Splits a compound into the byte ranges of its parts: at joints and underscores, and at the humps of `camelCase`,
/// `HTTPServer` and `utf8Decoder`. Numbers with dots between them stay together, with a `v` before them.
pub(super) fn split_compound(compound: &str, parts: &mut Vec<Range<usize>>) {
    parts.clear();
    let mut begin = None;
    let mut previous: Option<char> = None;
    let mut skip_to = 0;
    let mut characters = compound.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        if offset < skip_to {
            continue;
        }
        let next = characters.peek().map(|(_, next)| *next);
        if !(character.is_alphanumeric() || is_combining_mark(character)) {
            if let Some(begin) = begin.take() {
                parts.push(begin..offset);
            }
            previous = None;
            continue;
        }
        if begin.is_none()
            && previous.is_none()
            && let Some(length) = dotted_numbers(&compound[offset..])
        {
            parts.push(offset..offset + length);
            skip_to = offset + length;
            continue;
        }
        let hump = previous.is_some_and(|previous| {
            character.is_uppercase()
                && (previous.is_lowercase()
                    || ((previous.is_uppercase() || previous.is_numeric())
                        && next.is_some_and(char::is_lowercase)))
        });
        match begin {
            Some(from) if hump => {
                parts.push(from..offset);
                begin = Some(offset);
            }
            None => begin = Some(offset),
            Some(_) => {}
        }
        previous = Some(character);
    }
    if let Some(begin) = begin {
        parts.push(begin..compound.len());
    }
}

/// Returns the length of the numbers with dots between them at the start of a text, if there are at least two; a `v` can stand
/// before them.
fn dotted_numbers(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'v' | b'V')));
    let mut numbers = 0;
    loop {
        let digits = bytes[end..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        end += digits;
        numbers += 1;
        if numbers > MAX_NUMBERS {
            return None;
        }
        match &bytes[end..] {
            [b'.', next, ..] if next.is_ascii_digit() => end += 1,
            rest => {
                let ends = !text[text.len() - rest.len()..].starts_with(is_word);
                return (numbers > 1 && ends).then_some(end);
            }
        }
    }
}

/// Returns the dotted numbers of a part that [`split_compound`] has kept together, without the `v`.
pub(super) fn as_numbers(part: &str) -> Option<&str> {
    let numbers = part.strip_prefix(['v', 'V']).unwrap_or(part);
    (numbers.contains('.') && dotted_numbers(numbers) == Some(numbers.len())).then_some(numbers)
}
