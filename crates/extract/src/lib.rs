//! Bytes of any supported type in, Markdown text and passages out. Knows no database and no network.
//!
//! [`extract`] is the only door: it finds the type ([`detect`]), decodes ([`encoding`]), lets the type's reader make
//! Markdown and blocks of it, and cuts the blocks into passages ([`split`]). It is pure and deterministic, and
//! whatever the bytes are, it ends with a document or an [`Error`], within [`Limits`].

pub mod archive;
pub mod builder;
mod cut;
mod detect;
pub mod docx;
mod dom;
mod encoding;
mod furniture;
mod html;
mod html_code;
mod html_table;
mod inline;
mod instruction;
mod javadoc;
mod language;
pub mod llms;
mod markdown;
pub mod model;
mod names;
pub mod openapi;
pub mod pdf;
mod prose;
mod rst;
mod rst_inline;
mod rst_table;
mod split;
#[cfg(test)]
mod split_tests;
mod text;

use std::collections::BTreeMap;

use model::{BlockKind, ContentType, DocumentType, Error, Extracted, Limits, Parsed, Passage};

/// Characters of a summary, at most.
const SUMMARY: usize = 300;

/// Reads a document and cuts it into passages. `name` is its file name or path; `declared` is the type its owner
/// states, which the content overrules only for PDF and DOCX.
///
/// # Errors
///
/// [`Error`], in words for the person who added the document.
pub fn extract(
    name: &str,
    bytes: &[u8],
    declared: Option<DocumentType>,
    limits: &Limits,
) -> Result<Extracted, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { what: "bytes", limit: limits.input_bytes });
    }
    let (document_type, parsed) = read(name, bytes, declared, limits)?;
    let mut passages = split::split(&parsed, limits)?;
    if passages.is_empty() {
        return Err(Error::Empty);
    }
    let (summary, language) = summary(&parsed);
    for passage in &mut passages {
        if passage.content_type != ContentType::Code {
            passage.language = language::of_passage(&passage.content, language).map(str::to_owned);
        }
    }
    let language = main_language(&passages).or(language.map(str::to_owned));
    mark_instructions(&parsed.text, &mut passages);
    let title = title(&parsed, name);
    let Parsed { text, warnings, .. } = parsed;
    Ok(Extracted { document_type, title, summary, language, text, passages, warnings })
}

fn read(
    name: &str,
    bytes: &[u8],
    declared: Option<DocumentType>,
    limits: &Limits,
) -> Result<(DocumentType, Parsed), Error> {
    match detect::by_bytes(name, bytes)? {
        Some(DocumentType::Pdf) => return Ok((DocumentType::Pdf, pdf::read(bytes, name, limits)?)),
        Some(_) => return Ok((DocumentType::Docx, docx::read(bytes, name, limits)?)),
        None => {}
    }
    // A file that says it is one, and is not, is damaged: whatever else it may look like is not what was meant.
    let named = |ending: &str| declared.is_none() && name.to_ascii_lowercase().ends_with(ending);
    for (kind, promised) in [
        ("PDF", declared == Some(DocumentType::Pdf) || named(".pdf")),
        ("DOCX", declared == Some(DocumentType::Docx) || named(".docx")),
    ] {
        if promised {
            return Err(Error::Malformed { kind, reason: "it does not begin as one".to_owned() });
        }
    }
    let encoding::Decoded { text, mut warnings } = encoding::decode(bytes);
    if detect::is_binary(&text) {
        return Err(Error::Unsupported(format!("{name} is not a text")));
    }
    let document_type = declared.unwrap_or_else(|| detect::by_text(name, &text));
    let mut parsed = match document_type {
        DocumentType::Markdown => markdown::read(text, detect::is_mdx(name), limits)?,
        DocumentType::Html => html::read(&text, limits)?,
        DocumentType::JavaDoc => javadoc::read(&text, limits)?,
        DocumentType::Rst => rst::read(&text, limits)?,
        DocumentType::Openapi | DocumentType::Swagger => openapi::read(text.as_bytes(), name, limits)?,
        _ => text::read(text, limits)?,
    };
    warnings.append(&mut parsed.warnings);
    parsed.warnings = warnings;
    Ok((document_type, parsed))
}

/// The language that most of the passages are in, by their length.
fn main_language(passages: &[Passage]) -> Option<String> {
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    for passage in passages {
        if let Some(language) = &passage.language {
            *lengths.entry(language).or_default() += passage.content.len();
        }
    }
    lengths.into_iter().max_by_key(|(_, length)| *length).map(|(language, _)| language.to_owned())
}

/// Why a text reads like an instruction to an agent, if it does: for words that are no document's.
pub fn reads_like_an_instruction(text: &str) -> Option<&'static str> {
    instruction::find(text).first().map(|(_, why)| *why)
}

/// Flags the passages that read like an instruction to an agent; the whole text is searched once.
fn mark_instructions(text: &str, passages: &mut [Passage]) {
    let found = instruction::find(text);
    if found.is_empty() {
        return;
    }
    let (mut at, mut characters) = (0, 0_u32);
    let mut places = found.into_iter().peekable();
    for passage in passages {
        while let Some((place, reason)) = places.peek() {
            characters = characters
                .saturating_add(u32::try_from(text[at..*place].chars().count()).unwrap_or(u32::MAX));
            at = *place;
            if characters >= passage.characters.1 {
                break;
            }
            if characters >= passage.characters.0 && passage.instruction.is_none() {
                passage.instruction = Some((*reason).to_owned());
            }
            places.next();
        }
    }
}

fn title(parsed: &Parsed, name: &str) -> String {
    let heading = || {
        parsed.blocks.iter().find_map(|block| match &block.kind {
            BlockKind::Heading { title, .. } => Some(title.clone()),
            _ => None,
        })
    };
    parsed.title.clone().filter(|title| !title.trim().is_empty()).or_else(heading).unwrap_or_else(|| {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
    })
}

/// The document's first words, without markup, and the language of its prose.
fn summary(parsed: &Parsed) -> (String, Option<&'static str>) {
    // Sentences say what a document is about; its table of contents does only where there are none.
    let (mut sentences, mut other) = (Plain::default(), Plain::default());
    for block in parsed.blocks.iter().filter(|block| block.kind != BlockKind::Code) {
        let text = match &block.kind {
            BlockKind::Heading { .. } => continue,
            _ => &parsed.text[block.range.clone()],
        };
        let mut in_code = false;
        for line in text[..text.floor_char_boundary(4000)].lines() {
            let line = line.trim();
            in_code ^= line.starts_with("```");
            if in_code || line.starts_with("```") {
                continue;
            }
            if is_sentence(line) && block.kind != BlockKind::Table { &mut sentences } else { &mut other }
                .push(line);
        }
        if sentences.characters > 3 * SUMMARY {
            break;
        }
    }
    let words = if sentences.characters >= 20 { &sentences } else { &other };
    let language = language::of_document(&words.text);
    (words.shortened(), language)
}

/// Whether a line is prose: long enough, with the marks of a sentence, and no item of a list.
fn is_sentence(line: &str) -> bool {
    line.len() >= 30
        && !line.starts_with(['-', '|', '*', '+', '#'])
        && (line.contains(". ")
            || line.contains(", ")
            || line.contains(['。', '，', '、', '；'])
            || line.ends_with(['.', ':']))
        || line.len() >= 80 && !line.starts_with(['-', '|', '*', '+'])
}

/// Markdown as plain words.
#[derive(Default)]
struct Plain {
    text: String,
    characters: usize,
}

impl Plain {
    /// Appends a line without marks of lists, emphasis, tags and addresses of links.
    fn push(&mut self, line: &str) {
        if self.characters > 4 * SUMMARY {
            return;
        }
        let line = line.trim_start_matches(['#', '>', '-', '*', '+', '|', ' ']);
        if !self.text.is_empty() && !self.text.ends_with(' ') && !line.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        let has_links = line.contains("](");
        let mut rest = line;
        while let Some(character) = rest.chars().next() {
            let skipped = match character {
                '`' | '\\' | '*' => 1,
                '[' if has_links => 1,
                ']' if rest.starts_with("](") => rest.find(')').map_or(1, |end| end + 1),
                '<' if rest[1..]
                    .starts_with(|next: char| next.is_ascii_alphabetic() || matches!(next, '/' | '!')) =>
                {
                    // `Map<K, V>` is no tag, and its bracket is escaped where the text was a page.
                    if self.text.ends_with(char::is_alphanumeric) {
                        0
                    } else {
                        rest.find('>').map_or(0, |end| end + 1)
                    }
                }
                _ => 0,
            };
            if skipped == 0 && !(character == ' ' && self.text.ends_with(' ')) {
                self.text.push(character);
            }
            rest = &rest[skipped.max(character.len_utf8())..];
        }
        self.characters += self.text[start..].chars().count();
    }

    fn shortened(&self) -> String {
        let text = self.text.trim();
        let Some((end, _)) = text.char_indices().nth(SUMMARY) else { return text.to_owned() };
        let end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        // Between two words, where there are words.
        let cut = text[..end].rfind(' ').filter(|cut| cut * 2 > end).unwrap_or(end);
        format!("{}…", &text[..cut])
    }
}
