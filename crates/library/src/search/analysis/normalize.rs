//! Normalization: one form of a text for index and query, whatever the form it was written in.
//!
//! | written | normalized |
//! |---|---|
//! | `ＴＸ４０２`, `ﬁle`, `ｻｰﾊﾞｰ`, `⽂件` | NFKC: `TX402`, `file`, `サーバ`, `文件` |
//! | `re´sume´` with combining accents | composed (NFC) |
//! | soft hyphens, zero-width characters, marks of direction, variation selectors | nothing |
//! | `資料庫` | simplified characters, by `OpenCC`'s table: `资料库` |
//! | `サーバー` | without the long mark at the end of a word of four or more: `サーバ` |
//! | `备⏎份` | a single line end between two Chinese or Japanese characters is nothing: `备份` |
//!
//! Case and accents are kept here and folded by [`fold`] for each term, since the case shows the parts of `camelCase`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::script::{is_han, is_katakana, joins_lines};

/// Maximum number of characters normalized together: a letter with its marks.
const MAX_CLUSTER_CHARS: usize = 32;
/// Minimum length of a katakana word that loses the long mark at its end, in characters. Shorter words differ by it.
const MIN_LONG_MARK_CHARS: usize = 4;

/// Simplified characters by their traditional ones.
static SIMPLIFIED: LazyLock<CharacterTable> = LazyLock::new(CharacterTable::read);

/// First character of the dense part of the table, which has the ideographs that nearly all texts use.
const FIRST_DENSE: u32 = 0x3400;

/// Text in its normal form, and where each part of it comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Normalized<'text> {
    /// Normal form.
    pub(super) text: Cow<'text, str>,
    /// Segments in order; empty if the normal form is the text itself.
    segments: Vec<Segment>,
    source_length: usize,
}

/// Part of the normal form.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Offset in the normal form.
    offset: usize,
    /// Offset in the source.
    source: usize,
    /// End in the source, if the segment is of one piece; otherwise its bytes correspond one to one.
    source_end: Option<usize>,
}

impl Normalized<'_> {
    /// Returns the range of the source that a range of the normal form comes from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        if self.segments.is_empty() {
            return range;
        }
        let at = |offset: usize| self.segments.partition_point(|segment| segment.offset <= offset);
        let start = match self.segments.get(at(range.start).saturating_sub(1)) {
            Some(segment) if segment.source_end.is_none() => segment.source + (range.start - segment.offset),
            Some(segment) => segment.source,
            None => 0,
        };
        let last = range.end.saturating_sub(1);
        let end = match self.segments.get(at(last).saturating_sub(1)) {
            Some(segment) => {
                segment.source_end.unwrap_or_else(|| segment.source + (range.end - segment.offset))
            }
            None => self.source_length,
        };
        start..end.max(start)
    }
}

/// Returns the normal form of a text.
pub(super) fn normalize(text: &str) -> Normalized<'_> {
    if text.is_ascii() {
        return Normalized { text: Cow::Borrowed(text), segments: Vec::new(), source_length: text.len() };
    }
    let mut writer = Writer { text: String::with_capacity(text.len()), ..Writer::default() };
    let mut rest = 0;
    let mut line = 0;
    while let Some(first) = text[rest..].chars().next() {
        let length = first.len_utf8();
        if first == '\n' || first == '\r' {
            let next = joined_line(text, line, rest).filter(|_| writer.text.ends_with(joins_lines));
            line = next.unwrap_or(rest + length);
            if next.is_none() {
                writer.copy(first, rest);
            }
            rest = line;
            continue;
        }
        if first.is_ascii_alphanumeric() {
            let word = text[rest..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            // The last letter can carry an accent of its own.
            if word > 1 {
                writer.copy_ascii(&text[rest..rest + word - 1], rest);
                rest += word - 1;
                continue;
            }
        }
        if first == ' ' && joins_after_spaces(text, rest, &writer.text) {
            rest += text[rest..].len() - text[rest..].trim_start_matches(' ').len();
            continue;
        }
        let cluster = cluster_length(&text[rest..], first);
        if cluster == length && is_stable(first) {
            writer.copy(simplified(first), rest);
        } else {
            writer.write(&text[rest..rest + cluster], rest);
        }
        rest += cluster;
    }
    writer.end_katakana();
    Normalized { text: Cow::Owned(writer.text), segments: writer.segments, source_length: text.len() }
}

/// Returns the form of a word that is equal for all ways to write it in large and small letters, with and without accents.
/// `accented` receives the form with accents, if it is another.
pub(super) fn fold(word: &str, folded: &mut String, accented: &mut String) {
    folded.clear();
    accented.clear();
    if word.is_ascii() {
        folded.push_str(word);
        folded.make_ascii_lowercase();
        return;
    }
    for character in word.chars().flat_map(char::to_lowercase) {
        match character {
            'ß' => accented.push_str("ss"),
            'ς' => accented.push('σ'),
            // what is left of the Turkish capital İ
            '\u{307}' => {}
            other => accented.push(other),
        }
    }
    for character in accented.chars() {
        fold_accent(character, folded);
    }
    if folded == accented {
        accented.clear();
    }
}

/// Adds a letter without its accent. Accents are those of Latin and Greek letters and the points of Hebrew and Arabic; in other
/// scripts a mark makes another letter.
fn fold_accent(character: char, folded: &mut String) {
    match character {
        'ø' => folded.push('o'),
        'ł' => folded.push('l'),
        'đ' | 'ð' => folded.push('d'),
        'ı' => folded.push('i'),
        'æ' => folded.push_str("ae"),
        'œ' => folded.push_str("oe"),
        'þ' => folded.push_str("th"),
        'ё' => folded.push('е'),
        '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5BD}' | '\u{64B}'..='\u{65F}' | '\u{670}' => {}
        '\u{C0}'..='\u{24F}' | '\u{370}'..='\u{3FF}' | '\u{1E00}'..='\u{1FFF}' => {
            folded.extend(character.nfd().filter(|part| !is_combining_mark(*part)));
        }
        other => folded.push(other),
    }
}

/// Normal form under construction.
#[derive(Debug, Default)]
struct Writer {
    text: String,
    segments: Vec<Segment>,
    /// Number of katakana at the end of the text.
    katakana: usize,
}

impl Writer {
    /// Adds a character that comes from one of equal length.
    fn copy(&mut self, character: char, source: usize) {
        self.count_katakana(character);
        let offset = self.text.len();
        let follows = self
            .segments
            .last()
            .is_some_and(|last| last.source_end.is_none() && last.source + (offset - last.offset) == source);
        if !follows {
            self.segments.push(Segment { offset, source, source_end: None });
        }
        self.text.push(character);
    }

    /// Adds letters and digits that are their own normal form.
    fn copy_ascii(&mut self, word: &str, source: usize) {
        let mut characters = word.chars();
        if let Some(first) = characters.next() {
            self.copy(first, source);
            self.text.push_str(characters.as_str());
        }
    }

    /// Adds the normal form of a cluster.
    fn write(&mut self, cluster: &str, source: usize) {
        // "Java™" is not "JavaTM"
        let is_trademark = cluster.starts_with(['\u{2122}', '\u{2120}']);
        let mut is_first = true;
        for character in if is_trademark { " " } else { cluster }.nfkc() {
            let character = match character {
                _ if is_ignorable(character) => continue,
                '\u{2010}'..='\u{2013}' | '\u{2212}' => '-',
                '\u{2044}' => '/',
                other => simplified(other),
            };
            self.count_katakana(character);
            if is_first {
                let source_end = Some(source + cluster.len());
                self.segments.push(Segment { offset: self.text.len(), source, source_end });
                is_first = false;
            }
            self.text.push(character);
        }
    }

    /// Counts katakana, and ends a word of them before another character.
    fn count_katakana(&mut self, next: char) {
        if is_katakana(next) {
            self.katakana += 1;
        } else {
            self.end_katakana();
        }
    }

    /// Removes the long mark at the end of a word.
    fn end_katakana(&mut self) {
        while self.katakana >= MIN_LONG_MARK_CHARS && self.text.ends_with('ー') {
            self.text.pop();
            self.katakana -= 1;
            while self.segments.last().is_some_and(|last| last.offset >= self.text.len()) {
                self.segments.pop();
            }
        }
        self.katakana = 0;
    }
}

/// Returns where a line goes on that ends at `end` and began at `begin`, if its end is no boundary: it is not a heading, and the
/// next line begins, behind indentation and the mark of a quotation, with a Chinese or Japanese character.
fn joined_line(text: &str, begin: usize, end: usize) -> Option<usize> {
    let line = text[begin..end].trim_start();
    if line.starts_with('#') {
        return None;
    }
    let next = text[end..].strip_prefix("\r\n").or_else(|| text[end..].strip_prefix(['\n', '\r']))?;
    let next = next.trim_start_matches([' ', '\t', '\u{3000}']);
    let next = if line.starts_with('>') { next.trim_start_matches(['>', ' ']) } else { next };
    next.starts_with(joins_lines).then(|| text.len() - next.len())
}

/// Whether the spaces at `from` are the end of a line that goes on in the next.
fn joins_after_spaces(text: &str, from: usize, written: &str) -> bool {
    if !written.ends_with(joins_lines) {
        return false;
    }
    let behind = text[from..].trim_start_matches(' ');
    behind.starts_with(['\n', '\r']) && {
        let begin = text[..from].rfind('\n').map_or(0, |line| line + 1);
        joined_line(text, begin, text.len() - behind.len()).is_some()
    }
}

/// Returns the length in bytes of the first character with the marks that are composed with it.
fn cluster_length(text: &str, first: char) -> usize {
    let mut length = first.len_utf8();
    for next in text[length..].chars().take(MAX_CLUSTER_CHARS - 1) {
        let is_mark = u32::from(next) >= 0x300
            && (is_combining_mark(next)
                || matches!(next, '\u{FF9E}' | '\u{FF9F}')
                || (begins_syllable(first) && continues_syllable(next)));
        if !is_mark {
            break;
        }
        length += next.len_utf8();
    }
    length
}

/// Whether a character can begin a Korean syllable that is written in parts.
fn begins_syllable(character: char) -> bool {
    matches!(u32::from(character), 0x1100..=0x115F | 0x3131..=0x314E | 0xAC00..=0xD7A3 | 0xFFA1..=0xFFBE)
}

/// Whether a character is a vowel or final of a Korean syllable that is written in parts.
fn continues_syllable(character: char) -> bool {
    matches!(u32::from(character), 0x1160..=0x11FF | 0x314F..=0x3163 | 0xFFC2..=0xFFDC)
}

/// Whether a character that stands alone is its own normal form, except for simplification.
fn is_stable(character: char) -> bool {
    matches!(
        u32::from(character),
        0..0xA0
        | 0x0400..=0x0481
        | 0x0E01..=0x0E30
        // Chinese punctuation
        | 0x3001..=0x3011
        | 0x3041..=0x3096
        | 0x30A1..=0x30FA
        | 0x30FC..=0x30FE
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xAC00..=0xD7A3
    )
}

/// Whether a character is not visible and does not separate words (Unicode's `Default_Ignorable_Code_Point`).
fn is_ignorable(character: char) -> bool {
    matches!(u32::from(character),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E
        | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFF8 | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

fn simplified(character: char) -> char {
    if is_han(character) { SIMPLIFIED.of(character) } else { character }
}

/// `OpenCC`'s table of characters, one for one.
struct CharacterTable {
    dense: Vec<char>,
    rest: HashMap<char, char>,
}

impl CharacterTable {
    fn of(&self, character: char) -> char {
        let index = u32::from(character).wrapping_sub(FIRST_DENSE) as usize;
        match self.dense.get(index) {
            Some(simplified) => *simplified,
            None => self.rest.get(&character).copied().unwrap_or(character),
        }
    }

    /// Reads the table: all ideographs, converted at once, a line each.
    fn read() -> Self {
        let dense: Vec<char> = ('\u{3400}'..'\u{A000}').collect();
        let mut table = Self { dense, rest: HashMap::new() };
        let Ok(converter) = OpenCC::from_config(BuiltinConfig::T2s) else { return table };
        let all: String = ('\u{3400}'..'\u{A000}')
            .chain('\u{20000}'..='\u{323AF}')
            .flat_map(|character| [character, '\n'])
            .collect();
        let converted = converter.convert(&all);
        for (from, to) in all.lines().zip(converted.lines()).filter(|(from, to)| from != to) {
            let (mut from, mut to) = (from.chars(), to.chars());
            let (Some(from), Some(only), None) = (from.next(), to.next(), to.next()) else { continue };
            // Only of equal length, so that the offsets of a text stay as they are.
            if from.len_utf8() != only.len_utf8() {
                continue;
            }
            let index = u32::from(from).wrapping_sub(FIRST_DENSE) as usize;
            match table.dense.get_mut(index) {
                Some(simplified) => *simplified = only,
                None => drop(table.rest.insert(from, only)),
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> String {
        normalize(text).text.into_owned()
    }

    fn folded(word: &str) -> (String, String) {
        let (mut folded, mut accented) = (String::new(), String::new());
        fold(&normalize(word).text, &mut folded, &mut accented);
        (folded, accented)
    }

    #[test]
    fn forms_of_a_character_meet() {
        for (written, expected) in [
            ("ＴＸ４０２", "TX402"),
            ("端口号是８４４３。", "端口号是8443。"),
            ("ﬁle №", "file No"),
            ("⽂件⼤⼩", "文件大小"),
            ("e\u{301}te\u{301}", "été"),
            ("ther\u{ad}mo\u{ad}couple zero\u{200b}width \u{feff}bom", "thermocouple zerowidth bom"),
            ("資料庫備份", "资料库备份"),
            ("裡面與裏面", "里面与里面"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("Java™ 8", "Java  8"),
            ("non\u{2011}breaking", "non-breaking"),
        ] {
            assert_eq!(normal(written), expected, "{written}");
        }
    }

    #[test]
    fn kana_have_one_width_and_no_long_mark_at_the_end() {
        assert_eq!(normal("ｻｰﾊﾞｰの再起動"), "サーバの再起动");
        assert_eq!(normal("サーバー"), normal("サーバ"));
        assert_eq!(normal("ﾃﾞｰﾀﾍﾞｰｽ"), "データベース");
        assert_eq!(normal("コピー、キー"), "コピー、キー");
        assert_eq!(normal("コンピューター"), "コンピュータ");
    }

    #[test]
    fn a_line_end_inside_chinese_is_no_boundary() {
        assert_eq!(normal("系统会自动备\n份数据"), "系统会自动备份数据");
        assert_eq!(normal("系统会自动备  \r\n  份数据"), "系统会自动备份数据");
        assert_eq!(normal("> 自动备\n> 份数据"), "> 自动备份数据");
        for apart in ["自动备\n\n份数据", "# 标题\n正文", "- 甲\n- 乙", "备份\nbackup", "好。\n坏"]
        {
            assert_eq!(normal(apart), apart);
        }
    }

    #[test]
    fn case_and_accents_fold() {
        assert_eq!(folded("Straße"), ("strasse".to_owned(), String::new()));
        assert_eq!(folded("Résumé"), ("resume".to_owned(), "résumé".to_owned()));
        assert_eq!(folded("ΟΔΟΣ").0, folded("οδός").0);
        assert_eq!(folded("Łódź").0, "lodz");
        assert_eq!(folded("İstanbul").0, "istanbul");
        assert_eq!(folded("йод").0, "йод");
        assert_eq!(folded("が").0, "が");
    }

    #[test]
    fn ranges_lead_back_to_the_source() {
        let text = "型号 ＴＸ４０２，ther\u{ad}mo ｻｰﾊﾞｰの 备\n份";
        let normalized = normalize(text);
        for (part, source) in [
            ("TX402", "ＴＸ４０２"),
            ("thermo", "ther\u{ad}mo"),
            ("サーバ", "ｻｰﾊﾞ"),
            ("备份", "备\n份"),
            ("の", "の"),
        ] {
            let start = normalized.text.find(part).unwrap();
            assert_eq!(&text[normalized.source(start..start + part.len())], source);
        }
    }

    proptest! {
        #[test]
        fn every_range_has_a_source(text in "(\\PC|[é\u{301}\u{ad}ｶﾞー\n Ａ資料]){0,80}") {
            let normalized = normalize(&text);
            let mut last = 0;
            for (offset, character) in normalized.text.char_indices() {
                let source = normalized.source(offset..offset + character.len_utf8());
                prop_assert!(text.get(source.clone()).is_some(), "{source:?}");
                prop_assert!(source.start >= last);
                last = source.start;
            }
        }

        #[test]
        fn the_normal_form_is_stable(text in "(\\PC|[é\u{301}ｶﾞＡ資料ー]){0,80}") {
            let once = normal(&text);
            prop_assert_eq!(normal(&once), once);
        }
    }
}
