//! Scripts: which characters are written without spaces between words, and which are Chinese.

/// Whether a character is of a script whose words are not separated by spaces, or, as in Korean, carry endings: its terms
/// are pairs of characters.
pub(super) fn is_unspaced(character: char) -> bool {
    let code = u32::from(character);
    // The first comparison decides for most characters.
    code >= 0x0E00
        && matches!(code,
            // Thai, Lao, Myanmar, Khmer, without digits and punctuation
            0x0E01..=0x0E3A | 0x0E40..=0x0E4E | 0x0E80..=0x0ECD | 0x0EDC..=0x0EDF | 0x1000..=0x103F | 0x1050..=0x109D
            | 0x1780..=0x17D3
            // Korean letters; radicals, kana, ideographs, Korean syllables
            | 0x1100..=0x11FF | 0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3040..=0x318F | 0x31A0..=0x31BF
            | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF
            | 0x20000..=0x3FFFF)
}

/// Whether a character is a Chinese ideograph.
pub(super) fn is_han(character: char) -> bool {
    let code = u32::from(character);
    code >= 0x2E80
        && matches!(code,
            0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Whether a character is katakana, or the mark of a long vowel.
pub(super) fn is_katakana(character: char) -> bool {
    matches!(character, '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}')
}

/// Whether a character is hiragana, which writes mostly the grammar of a Japanese sentence.
pub(super) fn is_hiragana(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{309F}')
}

/// Whether a line that ends with this character goes on in the next line without a space.
pub(in crate::search) fn joins_lines(character: char) -> bool {
    is_han(character) || is_katakana(character) || is_hiragana(character)
}

/// Group of characters that form words together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Han,
    Katakana,
    Hiragana,
    /// Korean, Thai and others: words are not known, only the runs between spaces.
    Other,
}

/// Returns the script of a character for which [`is_unspaced`] holds.
pub(super) fn script_of(character: char) -> Script {
    if is_han(character) {
        Script::Han
    } else if is_katakana(character) {
        Script::Katakana
    } else if is_hiragana(character) {
        Script::Hiragana
    } else {
        Script::Other
    }
}
