//! Marks of links, pictures and anchors in Markdown under construction.
//!
//! Readers write Markdown through several steps that indent, join and escape lines, so that positions in it are known only at
//! the end. A mark is a run of characters that no text may contain (noncharacters of Unicode), and holds its target. The
//! [builder](crate::builder) removes all marks from a finished block and notes where they stood: the text has the words alone.

use std::ops::Range;

use crate::model::ReferenceKind;

/// First and last character that only marks consist of.
const FIRST: char = '\u{fdd0}';
const LAST: char = '\u{fdef}';
/// Begins a link, whose target follows.
const LINK: char = '\u{fdd0}';
/// Begins a picture, whose address follows.
const PICTURE: char = '\u{fdd1}';
/// An anchor, whose name follows.
const ANCHOR: char = '\u{fdd2}';
/// Ends the innermost open link or picture.
const END: char = '\u{fdd3}';
/// The digits of a target, two for each byte.
const DIGIT: u32 = 0xfdd4;

/// Maximum length of a target; longer ones are dropped. Pictures in a page hold their bytes (`data:`).
const MAX_TARGET_BYTES: usize = 2_000;
const MAX_PICTURE_BYTES: usize = 4 << 20;

/// A link or picture in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: ReferenceKind,
    pub(crate) target: String,
    /// Byte range of the label in the text without marks.
    pub(crate) range: Range<usize>,
}

/// A text without its marks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stripped {
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
    /// Names with their byte offsets.
    pub(crate) anchors: Vec<(String, usize)>,
}

/// Returns the mark that begins a link or picture; empty if its target cannot be kept.
pub(crate) fn begin(kind: ReferenceKind, target: &str) -> String {
    let (sign, max_bytes) = match kind {
        ReferenceKind::Link => (LINK, MAX_TARGET_BYTES),
        ReferenceKind::Picture => (PICTURE, MAX_PICTURE_BYTES),
    };
    let target = target.trim();
    if target.is_empty() || target.len() > max_bytes {
        return String::new();
    }
    encoded(sign, target)
}

/// Returns the mark that ends a link or picture.
pub(crate) fn end() -> String {
    END.to_string()
}

/// Returns the mark of an anchor; empty if its name cannot be kept.
pub(crate) fn anchor(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_TARGET_BYTES { String::new() } else { encoded(ANCHOR, name) }
}

/// Returns a label between the marks of its link.
pub(crate) fn linked(label: &str, target: &str) -> String {
    let begin = begin(ReferenceKind::Link, target);
    if begin.is_empty() { label.to_owned() } else { format!("{begin}{label}{END}") }
}

/// Removes the marks from a text.
pub(crate) fn strip(text: &str) -> Stripped {
    let mut stripped = Stripped::default();
    if !has_marks(text) {
        text.clone_into(&mut stripped.text);
        return stripped;
    }
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_mark) {
        stripped.text.push_str(&rest[..at]);
        let sign = rest[at..].chars().next().unwrap_or(END);
        rest = &rest[at + sign.len_utf8()..];
        let digits = rest.find(|character| !is_digit(character)).unwrap_or(rest.len());
        let target = decoded(&rest[..digits]);
        rest = &rest[digits..];
        let offset = stripped.text.len();
        match (sign, target) {
            (LINK | PICTURE, Some(target)) => {
                let kind = if sign == LINK { ReferenceKind::Link } else { ReferenceKind::Picture };
                open.push(Some(stripped.marks.len()));
                stripped.marks.push(Mark { kind, target, range: offset..offset });
            }
            (LINK | PICTURE, None) => open.push(None),
            (ANCHOR, Some(name)) => stripped.anchors.push((name, offset)),
            (END, _) => {
                if let Some(mark) = open.pop().flatten().and_then(|index| stripped.marks.get_mut(index)) {
                    mark.range.end = offset;
                }
            }
            _ => {}
        }
    }
    stripped.text.push_str(rest);
    // One that was cut off reaches to the end.
    for index in open.into_iter().flatten() {
        if let Some(mark) = stripped.marks.get_mut(index) {
            mark.range.end = stripped.text.len();
        }
    }
    stripped
}

/// Returns a text without its marks.
pub(crate) fn without(text: &str) -> String {
    if has_marks(text) { strip(text).text } else { text.to_owned() }
}

fn has_marks(text: &str) -> bool {
    text.contains(is_mark)
}

fn is_mark(character: char) -> bool {
    (FIRST..=LAST).contains(&character)
}

fn is_digit(character: char) -> bool {
    (DIGIT..DIGIT + 16).contains(&u32::from(character))
}

fn encoded(sign: char, text: &str) -> String {
    let mut mark = String::with_capacity(3 + text.len() * 6);
    mark.push(sign);
    for byte in text.bytes() {
        for digit in [byte >> 4, byte & 15] {
            mark.extend(char::from_u32(DIGIT + u32::from(digit)));
        }
    }
    mark
}

fn decoded(digits: &str) -> Option<String> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| u8::try_from(u32::from(digit) - DIGIT).ok()).collect();
    let bytes = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_leave_the_words_and_tell_where_they_stood() {
        let picture = format!("{}Wave{}", begin(ReferenceKind::Picture, "a.png"), end());
        let marked =
            format!("{}See {} and {picture}.", anchor("top"), linked("the *guide*", "../guide.html#x é"));
        let stripped = strip(&marked);
        assert_eq!(stripped.text, "See the *guide* and Wave.");
        assert_eq!(stripped.anchors, [("top".to_owned(), 0)]);
        let found: Vec<(&str, &str)> = stripped
            .marks
            .iter()
            .map(|mark| (mark.target.as_str(), &stripped.text[mark.range.clone()]))
            .collect();
        assert_eq!(found, [("../guide.html#x é", "the *guide*"), ("a.png", "Wave")]);
        assert_eq!(linked("x", &"a".repeat(3000)), "x");
        // A text from elsewhere that has such characters loses them.
        assert_eq!(strip("a\u{fdd0}b\u{fdd3}\u{fdef}c").text, "abc");
    }

    proptest! {
        #[test]
        fn nothing_of_a_mark_stays(text in "[a-c\u{fdd0}-\u{fdef}]{0,60}") {
            let stripped = strip(&text);
            prop_assert!(!has_marks(&stripped.text));
            for mark in stripped.marks {
                prop_assert!(stripped.text.get(mark.range).is_some());
            }
        }
    }
}
