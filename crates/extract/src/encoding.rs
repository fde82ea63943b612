//! Character encodings: decodes by byte order mark, UTF-8, UTF-16, the declared encoding, and at last a guess.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

use self::characters::CommonCharacters;

mod characters;

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
    } else if let Some(encoding) = detect_utf_16(bytes) {
        decode_lossy(encoding, bytes, &mut warnings)
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
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

/// Detects UTF-16 without a byte order mark: every other byte of Latin text and of spaces is zero. Text of Han characters
/// alone has few zeros; it is told by how common its characters are.
fn detect_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096) & !1];
    let (mut even_zeros, mut odd_zeros) = (0, 0);
    for pair in sample.chunks_exact(2) {
        even_zeros += usize::from(pair[0] == 0);
        odd_zeros += usize::from(pair[1] == 0);
    }
    let pairs = sample.len() / 2;
    let is_even = bytes.len().is_multiple_of(2);
    // Latin text in UTF-16 is valid UTF-8 with a NUL after each letter; one NUL in a text means nothing.
    let is_utf_8 = std::str::from_utf8(sample).is_ok();
    let min_pairs_a_zero = if is_utf_8 { 2 } else { 10 };
    if odd_zeros * min_pairs_a_zero > pairs && even_zeros * 20 < odd_zeros && (is_even || !is_utf_8) {
        return Some(UTF_16LE);
    }
    if even_zeros * min_pairs_a_zero > pairs && odd_zeros * 20 < even_zeros && (is_even || !is_utf_8) {
        return Some(UTF_16BE);
    }
    if pairs < MIN_UTF_16_UNITS || !is_even || is_utf_8 {
        return None;
    }
    let common = CommonCharacters::new();
    [UTF_16LE, UTF_16BE].into_iter().find(|encoding| {
        // The sample may end within a surrogate pair.
        let (text, _) = encoding.decode_without_bom_handling(sample);
        let count = text.chars().count();
        let expected = text.chars().filter(|&character| is_usual_in_han_text(character)).count();
        expected * 20 >= count * 19 && common.han_share(&text) > 0.35
    })
}

/// Minimum number of code units by which UTF-16 without zeros is told.
const MIN_UTF_16_UNITS: usize = 6;

/// Whether a character is ASCII, Han, kana, or the punctuation that goes with them.
fn is_usual_in_han_text(character: char) -> bool {
    matches!(character, '\t'..='~' | '\u{2010}'..='\u{203b}' | '\u{3000}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}')
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
    let sample = &bytes[start..bytes.len().min(start + SAMPLE_BYTES)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, true);
    let guessed = detector.guess(None, Utf8Detection::Deny);
    if sample.iter().filter(|byte| !byte.is_ascii()).count() > MAX_FEW_BYTES {
        return guessed;
    }
    guess_by_characters(sample, guessed)
}

/// Number of bytes other than ASCII up to which a guess by pairs of bytes says little.
const MAX_FEW_BYTES: usize = 400;

/// Share of common characters above which a text of pairs of bytes is one, whatever the detector says.
const CERTAIN_SHARE: f32 = 0.5;

/// Share of common characters by which another language must lead for a text not to be Chinese.
const LEAD: f32 = 0.15;

/// Guesses the encoding of a text with few bytes other than ASCII by how common its characters are in each language.
/// Chinese is the likeliest where they do not tell.
fn guess_by_characters(sample: &[u8], guessed: &'static Encoding) -> &'static Encoding {
    let common = CommonCharacters::new();
    let share = |encoding: &'static Encoding| -> Option<f32> {
        let text = decode_strict(encoding, sample)?;
        Some(match encoding {
            encoding if encoding == GB18030 => common.simplified_share(&text),
            encoding if encoding == BIG5 => common.traditional_share(&text),
            encoding if encoding == EUC_KR => common.korean_share(&text),
            _ => common.japanese_share(&text),
        })
    };
    let is_multibyte = [GB18030, GBK, BIG5, EUC_KR, EUC_JP, SHIFT_JIS].contains(&guessed);
    let chinese = share(GB18030).filter(|_| is_multibyte || has_only_pairs(sample));
    let other = [BIG5, EUC_KR, SHIFT_JIS, EUC_JP]
        .into_iter()
        .filter(|_| is_multibyte)
        .filter_map(|encoding| Some((encoding, share(encoding)?)))
        .fold(
            (guessed, 0.0),
            |best: (&'static Encoding, f32), next| if next.1 > best.1 { next } else { best },
        );
    match chinese {
        Some(share) if !is_multibyte && share < CERTAIN_SHARE => guessed,
        Some(share) if share + LEAD >= other.1 && (share > 0.0 || has_only_pairs(sample)) => GB18030,
        _ if other.1 > 0.0 => other.0,
        _ => guessed,
    }
}

/// Whether all bytes other than ASCII stand in runs of pairs, as in GB 2312; single letters with accents do not.
fn has_only_pairs(sample: &[u8]) -> bool {
    let mut runs = sample.split(u8::is_ascii);
    runs.all(|run| run.len().is_multiple_of(2) && run.iter().all(|&byte| byte >= 0xa1))
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
    fn few_characters_tell_the_encoding() {
        let yaml =
            |words: &str| format!("openapi: 3.0.0\ninfo: {{title: {words}, version: \"1\"}}\npaths: {{}}\n");
        for words in [
            "阀门接口",
            "阀门",
            "用户",
            "接口文档",
            "订单查询",
            "设备管理",
            "系统配置说明",
            "泵站",
            "水库水位",
            "错误码：无权限",
        ] {
            let text = yaml(words);
            assert_eq!(decode(&GB18030.encode(&text).0).text, text);
        }
        for words in ["閥門介面的說明", "使用者資料", "系統設定與查詢", "檔案上傳", "錯誤訊息"]
        {
            let text = yaml(words);
            assert_eq!(decode(&BIG5.encode(&text).0).text, text);
        }
        for words in ["バルブのインターフェース", "ユーザーを作成する", "設定をします", "これはテストです"]
        {
            for encoding in [SHIFT_JIS, EUC_JP] {
                let text = yaml(words);
                assert_eq!(decode(&encoding.encode(&text).0).text, text, "{}", encoding.name());
            }
        }
        for words in ["밸브 인터페이스를 사용하는 방법", "사용자 정보", "서버의 상태를 확인하고 시작합니다"]
        {
            let text = yaml(words);
            assert_eq!(decode(&EUC_KR.encode(&text).0).text, text);
        }
        for words in ["Größe und Übermaß", "café déjà vu", "señal única", "naïve façade"] {
            let text = yaml(words);
            assert_eq!(decode(&encoding_rs::WINDOWS_1252.encode(&text).0).text, text);
        }
        let text = yaml("Интерфейс клапана и настройка сервера");
        assert_eq!(decode(&encoding_rs::WINDOWS_1251.encode(&text).0).text, text);
    }

    #[test]
    fn utf_16_of_han_or_ascii_alone_is_decoded() {
        for text in ["阀门接口的说明文档，用于配置系统", "plain words\n", "這是一個關於系統的說明"]
        {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!((decode(&little).text.as_str(), decode(&big).text.as_str()), (text, text));
        }
        for text in ["\u{feff}words", "\u{feff}文字"] {
            assert_eq!(decode(text.as_bytes()).text, text.trim_start_matches('\u{feff}'));
        }
        let text = GB18030.encode("阀门接口的说明文档，用于配置系统").0.into_owned();
        assert_eq!(detect_utf_16(&text), None);
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
