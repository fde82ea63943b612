//! Language detection: by script, by common English words, and only then by statistics.

/// Number of characters at the beginning of a text that are examined.
const SAMPLE_CHARS: usize = 500;

/// Returns the ISO 639-1 code of the language of a passage.
///
/// `document_language` is used for a passage in the Latin script that is too short to tell.
pub(crate) fn of_passage(text: &str, document_language: Option<&'static str>) -> Option<&'static str> {
    match Script::of(text) {
        Script::Single(language) => Some(language),
        Script::None => None,
        Script::Latin(letters) => {
            if english_share(text) > 0.1 {
                Some("en")
            } else if matches!(document_language, Some("zh" | "ja" | "ko" | "ru")) {
                None
            } else if document_language.is_none() {
                // Lists of options and names look like any language: statistics need more text.
                if letters > 60 { by_statistics(text) } else { None }
            } else {
                document_language
            }
        }
        Script::Ambiguous => by_statistics(text),
    }
}

/// Returns the ISO 639-1 code of the language of a document.
pub(crate) fn of_document(text: &str) -> Option<&'static str> {
    of_passage(text, None)
}

/// Script of most of the letters of a text.
enum Script {
    /// Too few letters to tell.
    None,
    /// A script used by one language, given as its ISO 639-1 code.
    Single(&'static str),
    /// Latin, with the number of letters.
    Latin(usize),
    /// Another script that several languages share.
    Ambiguous,
}

impl Script {
    fn of(text: &str) -> Self {
        let (mut latin, mut han, mut kana, mut hangul, mut other) =
            (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
        for character in text.chars().take(SAMPLE_CHARS) {
            match character {
                'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => latin += 1,
                '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{3ffff}' => han += 1,
                '\u{3041}'..='\u{30ff}' => kana += 1,
                '\u{ac00}'..='\u{d7af}' => hangul += 1,
                _ if character > '\u{24f}' && character.is_alphabetic() => other += 1,
                _ => {}
            }
        }
        // One Chinese character counts as four letters, because Chinese manuals contain many English names.
        let wide = (han + kana + hangul) * 4;
        if latin + wide + other < 12 {
            Self::None
        } else if wide >= latin && wide >= other {
            if hangul > han + kana {
                Self::Single("ko")
            } else if kana * 8 > han {
                Self::Single("ja")
            } else {
                Self::Single("zh")
            }
        } else if latin >= other {
            Self::Latin(latin)
        } else {
            Self::Ambiguous
        }
    }
}

/// Returns the share of the first 60 words that are common English words, 0 to 1.
fn english_share(text: &str) -> f64 {
    let (mut words, mut common) = (0_u32, 0_u32);
    for word in
        text.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty()).take(60)
    {
        words += 1;
        common += u32::from(matches!(
            word,
            "the"
                | "of"
                | "and"
                | "to"
                | "is"
                | "a"
                | "in"
                | "that"
                | "for"
                | "be"
                | "this"
                | "with"
                | "are"
                | "or"
                | "by"
                | "an"
                | "not"
                | "as"
                | "it"
                | "on"
                | "The"
                | "This"
                | "from"
                | "can"
                | "if"
                | "If"
                | "you"
        ));
    }
    if words < 5 { 0.0 } else { f64::from(common) / f64::from(words) }
}

/// Returns the language that letter statistics find, if they are reliable.
fn by_statistics(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(SAMPLE_CHARS).map_or(text.len(), |(at, _)| at);
    let detected = whatlang::detect(&text[..end])?;
    if !detected.is_reliable() {
        return None;
    }
    Some(match detected.lang() {
        whatlang::Lang::Eng => "en",
        whatlang::Lang::Cmn => "zh",
        whatlang::Lang::Jpn => "ja",
        whatlang::Lang::Kor => "ko",
        whatlang::Lang::Deu => "de",
        whatlang::Lang::Fra => "fr",
        whatlang::Lang::Spa => "es",
        whatlang::Lang::Por => "pt",
        whatlang::Lang::Ita => "it",
        whatlang::Lang::Nld => "nl",
        whatlang::Lang::Rus => "ru",
        whatlang::Lang::Ukr => "uk",
        whatlang::Lang::Pol => "pl",
        whatlang::Lang::Ces => "cs",
        whatlang::Lang::Swe => "sv",
        whatlang::Lang::Dan => "da",
        whatlang::Lang::Fin => "fi",
        whatlang::Lang::Nob => "nb",
        whatlang::Lang::Hun => "hu",
        whatlang::Lang::Ron => "ro",
        whatlang::Lang::Bul => "bg",
        whatlang::Lang::Ell => "el",
        whatlang::Lang::Tur => "tr",
        whatlang::Lang::Ara => "ar",
        whatlang::Lang::Heb => "he",
        whatlang::Lang::Pes => "fa",
        whatlang::Lang::Hin => "hi",
        whatlang::Lang::Tha => "th",
        whatlang::Lang::Vie => "vi",
        whatlang::Lang::Ind => "id",
        whatlang::Lang::Cat => "ca",
        whatlang::Lang::Srp => "sr",
        whatlang::Lang::Hrv => "hr",
        whatlang::Lang::Slk => "sk",
        whatlang::Lang::Slv => "sl",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_detected_by_script_and_common_words() {
        assert_eq!(
            of_document("首先要使用 socket(2) 创建一个套接字，然后调用 listen 接收连接。"),
            Some("zh")
        );
        assert_eq!(of_document("The server is started by the operator of the machine."), Some("en"));
        assert_eq!(of_document("このコマンドはデータベースを作成します。"), Some("ja"));
        assert_eq!(
            of_document("Команда создаёт новую базу данных на сервере и возвращает её имя."),
            Some("ru")
        );
        assert_eq!(of_document("42 * 7"), None);
        assert_eq!(of_passage("Parameter", Some("de")), None);
        assert_eq!(of_passage("Name der Datenbank", Some("de")), Some("de"));
    }
}
