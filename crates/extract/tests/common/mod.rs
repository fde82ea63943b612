//! Checks that every extracted document must pass, for any input bytes.

use extract::model::{DocumentType, Error, ExtractedDocument, Limits};

/// Extracts a document and checks the invariants of the result.
pub(crate) fn checked(
    name: &str,
    bytes: &[u8],
    declared: Option<DocumentType>,
) -> Result<ExtractedDocument, Error> {
    let limits = Limits::default();
    let document = extract::extract(name, bytes, declared, &limits)?;
    assert!(document.text.len() <= limits.text_bytes);
    assert!(document.summary.chars().count() <= 300 && !document.title.is_empty(), "{name}");
    // Walks text and passages together: looking up each character offset would take quadratic time.
    let (mut at, mut character, mut line) = (0, 0_u32, 1_u32);
    for passage in &document.passages {
        let (start, end) = passage.characters;
        assert!(start >= character && end > start, "{name}: passages are in order");
        let begin: usize =
            document.text[at..].chars().take((start - character) as usize).map(char::len_utf8).sum();
        line += line_breaks(&document.text[at..at + begin]);
        at += begin;
        assert!(document.text[at..].starts_with(&passage.content), "{name}: content is a range of the text");
        assert_eq!(passage.lines, (line, line + line_breaks(&passage.content)), "{name}");
        at += passage.content.len();
        line = passage.lines.1;
        character = end;
        let width: usize =
            passage.content.chars().map(|character| if character < '\u{2e80}' { 1 } else { 3 }).sum();
        assert!(width <= 2200, "{name}: a passage {width} wide: {}", passage.content);
    }
    Ok(document)
}

fn line_breaks(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}
