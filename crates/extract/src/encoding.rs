//! Character encodings: decodes by byte order mark, UTF-8, UTF-16, the declared encoding, and at last a guess.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Number of bytes used to guess the encoding.
const SAMPLE_BYTES: usize = 1 << 20;

/// Number of bytes at the beginning in which a page may declare its encoding.
const HEAD_BYTES: usize = 4096;

/// A decoded text, with a warning for each kind of loss.
#[derive(Debug)]
pub(crate) struct DecodedText {
    pub(crate) text: String,
    pub(crate) warnings: Vec<String>,
}

/// Decodes a text. Never fails: bytes that are invalid in the chosen encoding become U+FFFD, with a warning.
pub(crate) fn decode(bytes: &[u8]) -> DecodedText {
    let mut warnings = Vec::new();
    let mut text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        decode_lossy(encoding, &bytes[mark..], &mut warnings)
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else if let Some(encoding) = detect_utf_16(bytes) {
        decode_lossy(encoding, bytes, &mut warnings)
    } else if is_damaged_utf_8(bytes) {
        decode_lossy(UTF_8, bytes, &mut warnings)
    } else if let Some(text) = declared(bytes).and_then(|encoding| decode_strict(encoding, bytes)) {
        text
    } else {
        decode_lossy(guess(bytes), bytes, &mut warnings)
    };
    if text.contains('\0') {
        // PostgreSQL does not store NUL in a text.
        warnings.push("the text contains NUL characters, shown as U+FFFD".to_owned());
        text = text.replace('\0', "\u{fffd}");
    }
    DecodedText { text, warnings }
}

fn decode_lossy(encoding: &'static Encoding, bytes: &[u8], warnings: &mut Vec<String>) -> String {
    let (text, has_errors) = encoding.decode_without_bom_handling(bytes);
    if has_errors {
        let count = text.matches('\u{fffd}').count();
        warnings
            .push(format!("{count} characters are not valid {} and are shown as U+FFFD", encoding.name()));
    }
    text.into_owned()
}

fn decode_strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
}

/// Detects UTF-16 without a byte order mark: every other byte of Latin text and of spaces is zero.
fn detect_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    let (mut even_zeros, mut odd_zeros) = (0, 0);
    for pair in sample.chunks_exact(2) {
        even_zeros += usize::from(pair[0] == 0);
        odd_zeros += usize::from(pair[1] == 0);
    }
    let pairs = sample.len() / 2;
    if odd_zeros * 10 > pairs && even_zeros * 20 < odd_zeros {
        Some(UTF_16LE)
    } else if even_zeros * 10 > pairs && odd_zeros * 20 < even_zeros {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Whether the bytes are mostly valid UTF-8 with a few invalid sequences; text in a legacy encoding never is.
fn is_damaged_utf_8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for chunk in bytes[..bytes.len().min(SAMPLE_BYTES)].utf8_chunks() {
        valid += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    valid > invalid * 8
}

/// Returns the encoding that is declared at the beginning of an HTML, XML or source file.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    for marker in ["charset=", "encoding=", "charset =", "coding:"] {
        if let Some(at) = head.find(marker) {
            let rest = head[at + marker.len()..].trim_start().trim_start_matches(['"', '\'']);
            let end = rest
                .find(|character: char| {
                    !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
                })
                .unwrap_or(rest.len());
            if let Some(encoding) = Encoding::for_label(&rest.as_bytes()[..end]) {
                return Some(encoding);
            }
        }
    }
    None
}

/// Guesses the encoding from a sample around the first byte that is not ASCII.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let start = if first < SAMPLE_BYTES / 2 { 0 } else { first - SAMPLE_BYTES / 4 };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[start..bytes.len().min(start + SAMPLE_BYTES)], true);
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINESE: &str =
        "数据库的查询计划由优化器生成，统计信息决定它的代价估计。这是一段用于检测编码的文字。";

    #[test]
    fn legacy_encodings_are_detected() {
        for encoding in [encoding_rs::GB18030, encoding_rs::GBK, UTF_8] {
            let (bytes, _, _) = encoding.encode(CHINESE);
            let decoded = decode(&bytes);
            assert_eq!(decoded.text, CHINESE, "{}", encoding.name());
            assert!(decoded.warnings.is_empty());
        }
        let traditional =
            "資料庫的查詢計劃由最佳化工具產生，統計資訊決定它的成本估計。這是一段用於偵測編碼的文字。";
        let (bytes, _, _) = encoding_rs::BIG5.encode(traditional);
        assert_eq!(decode(&bytes).text, traditional);
        let page = format!("<html><head><meta charset=\"shift_jis\"></head><body>{}", "日本語のページ");
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode(&page);
        assert_eq!(decode(&bytes).text, page);
    }

    #[test]
    fn utf_16_is_decoded_with_and_without_byte_order_mark() {
        let text = "A server, ein Server, 服务器\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&little).text, text);
        assert_eq!(decode(&big).text, text);
        assert_eq!(decode(&[b"\xff\xfe", little.as_slice()].concat()).text, text);
    }

    #[test]
    fn invalid_bytes_give_a_warning() {
        let mut bytes = CHINESE.repeat(3).into_bytes();
        bytes.truncate(bytes.len() - 1);
        let decoded = decode(&bytes);
        assert!(decoded.text.starts_with(CHINESE) && decoded.text.ends_with('\u{fffd}'));
        assert_eq!(decoded.warnings.len(), 1);
        assert!(decode(b"a\0b").text == "a\u{fffd}b");
    }
}
