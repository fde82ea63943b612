//! Text extraction: turns the bytes of a document into Markdown text and passages for search.
//!
//! [`extract()`] is the entry point. It detects the type ([`detect`]), decodes the text ([`encoding`]), calls the
//! reader for that type, which produces Markdown, a list of blocks, and the links and pictures of the document, and splits the
//! blocks into passages ([`split`]). [`picture`] reads the pictures that documents refer to. The readers for Word, PDF and OpenAPI can also be called alone; [`archive`] walks the files of an
//! archive, [`llms_txt`] parses lists of links.
//!
//! Invariants: no database, no network and no asynchronous runtime; the same bytes always give the same result; for
//! any bytes the result is a document or an [`Error`], never a panic, within [`Limits`]; the content of a passage is
//! a range of the document's text.
//!
//! ```
//! use extract::model::{DocumentType, Limits};
//!
//! let source = "# Setup\n\nInstall the server with the package manager.\n";
//! let document = extract::extract("guide/setup.md", source.as_bytes(), None, &Limits::default())?;
//!
//! assert_eq!(document.document_type, DocumentType::Markdown);
//! assert_eq!(document.title, "Setup");
//! assert_eq!(document.passages[0].headings, ["Setup"]);
//! assert_eq!(document.passages[0].lines, (1, 3));
//! # Ok::<(), extract::model::Error>(())
//! ```

pub mod archive;
pub mod builder;
mod detect;
pub mod docx;
mod encoding;
mod escape;
mod html;
mod instruction;
mod keywords;
mod language;
pub mod llms_txt;
mod markdown;
mod marks;
pub mod model;
pub mod openapi;
pub mod pdf;
pub mod picture;
mod references;
mod rst;
mod scripts;
mod split;
mod text;
mod zip_end;

pub use markdown::text_in_braces;
pub use references::data_name;

use std::collections::BTreeMap;

use model::{
    BlockKind, ContentType, DocumentType, Error, ExtractedDocument, Limits, ParsedDocument, Passage,
};

/// Maximum length of a summary, without the ellipsis.
const MAX_SUMMARY_CHARS: usize = 300;

/// Reads a document and splits it into passages.
///
/// `name` is the file name or path. `declared` is the type stated by the owner; only the content of a PDF or DOCX
/// file overrides it.
///
/// # Errors
///
/// Fails if the type is not supported, the bytes are not valid for their type, a limit is exceeded or the document
/// has no text. The message is meant for the person who added the document.
pub fn extract(
    name: &str,
    bytes: &[u8],
    declared: Option<DocumentType>,
    limits: &Limits,
) -> Result<ExtractedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    let (document_type, mut parsed) = read(name, bytes, declared, limits)?;
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
    flag_instructions(&parsed.text, &mut passages);
    let title = title(&parsed, name);
    let pictures = references::embed(&mut parsed);
    let (references, anchors) = references::positions(&parsed);
    let ParsedDocument { text, warnings, .. } = parsed;
    Ok(ExtractedDocument {
        document_type,
        title,
        summary,
        language,
        text,
        passages,
        references,
        anchors,
        pictures,
        warnings,
    })
}

/// Returns why a file is neither a document nor a [picture] by its first bytes (a program, an archive), or `None` if it may be one.
///
/// Such files are skipped where a folder or an archive is added: they are no failures.
pub fn why_no_document(name: &str, bytes: &[u8]) -> Option<String> {
    // Documents can refer to it.
    if picture::detect(name, bytes).is_some() {
        return None;
    }
    let is_skipped = detect::is_no_document(name, bytes);
    detect::by_bytes(name, bytes).err().filter(|_| is_skipped).map(|error| error.to_string())
}

/// Whether [`extract()`] refused a file because there is nothing to read in it: it is no document, or an empty one.
pub fn is_skipped(error: &Error, name: &str, bytes: &[u8]) -> bool {
    match error {
        Error::Empty => true,
        Error::Unsupported(_) if picture::detect(name, bytes).is_some() => true,
        Error::Unsupported(_) => {
            let is_text = || detect::by_bytes(name, bytes).is_ok_and(|binary| binary.is_none());
            detect::is_no_document(name, bytes) || (is_text() && !detect::is_named_as_text(name))
        }
        _ => false,
    }
}

fn read(
    name: &str,
    bytes: &[u8],
    declared: Option<DocumentType>,
    limits: &Limits,
) -> Result<(DocumentType, ParsedDocument), Error> {
    match detect::by_bytes(name, bytes)? {
        Some(DocumentType::Pdf) => return Ok((DocumentType::Pdf, pdf::read(bytes, name, limits)?)),
        Some(_) => return Ok((DocumentType::Docx, docx::read(bytes, name, limits)?)),
        None => {}
    }
    // A file that is declared or named as one of these but has other content is damaged: do not guess another type.
    let has_extension =
        |extension: &str| declared.is_none() && name.to_ascii_lowercase().ends_with(extension);
    for (format, is_expected) in [
        ("PDF", declared == Some(DocumentType::Pdf) || has_extension(".pdf")),
        ("DOCX", declared == Some(DocumentType::Docx) || has_extension(".docx")),
    ] {
        if is_expected {
            let reason = format!("the content does not start like a {format} file");
            return Err(Error::Malformed { format, reason });
        }
    }
    let encoding::DecodedText { text, mut warnings } = encoding::decode(bytes);
    if detect::is_binary(&text) {
        return Err(Error::Unsupported(format!("{name} is not a text file")));
    }
    let document_type = declared.unwrap_or_else(|| detect::by_text(name, &text));
    let mut parsed = match document_type {
        DocumentType::Markdown => markdown::read(text, detect::is_mdx(name), limits)?,
        DocumentType::Html => html::read(&text, limits)?,
        DocumentType::JavaDoc => html::javadoc::read(&text, limits)?,
        DocumentType::Rst => rst::read(&text, limits)?,
        DocumentType::Openapi | DocumentType::Swagger => openapi::read(text.as_bytes(), name, limits)?,
        _ => text::read(text, limits)?,
    };
    warnings.append(&mut parsed.warnings);
    parsed.warnings = warnings;
    Ok((document_type, parsed))
}

/// Returns the language of most of the text, by the length of the passages.
fn main_language(passages: &[Passage]) -> Option<String> {
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    for passage in passages {
        if let Some(language) = &passage.language {
            *lengths.entry(language).or_default() += passage.content.len();
        }
    }
    lengths.into_iter().max_by_key(|(_, length)| *length).map(|(language, _)| language.to_owned())
}

/// Returns the reason why a text reads like an instruction to an agent, or `None` if it does not.
///
/// For texts that are not documents, such as notes; passages of documents carry [`Passage::instruction`].
pub fn find_instruction(text: &str) -> Option<&'static str> {
    instruction::find(text).first().map(|(_, reason)| *reason)
}

/// Flags the passages that read like an instruction to an agent. Searches the whole text once.
fn flag_instructions(text: &str, passages: &mut [Passage]) {
    let matches = instruction::find(text);
    if matches.is_empty() {
        return;
    }
    let (mut at, mut characters) = (0, 0_u32);
    let mut matches = matches.into_iter().peekable();
    for passage in passages {
        while let Some((position, reason)) = matches.peek() {
            characters = characters
                .saturating_add(u32::try_from(text[at..*position].chars().count()).unwrap_or(u32::MAX));
            at = *position;
            if characters >= passage.characters.1 {
                break;
            }
            if characters >= passage.characters.0 && passage.instruction.is_none() {
                passage.instruction = Some((*reason).to_owned());
            }
            matches.next();
        }
    }
}

/// Returns the stated title, else the first heading, else the file name without its extension.
fn title(parsed: &ParsedDocument, name: &str) -> String {
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

/// Returns the first words of the document, without markup, and the language of its prose.
fn summary(parsed: &ParsedDocument) -> (String, Option<&'static str>) {
    // Lists and tables (such as a table of contents) are used only if there are no sentences.
    let (mut sentences, mut other) = (PlainText::default(), PlainText::default());
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
        if sentences.characters > 3 * MAX_SUMMARY_CHARS {
            break;
        }
    }
    let summary = if sentences.characters >= 20 { &sentences } else { &other };
    let language = language::of_document(&summary.text);
    (summary.truncated(), language)
}

/// Whether a line is prose: long enough, punctuated like a sentence, and not a list item.
fn is_sentence(line: &str) -> bool {
    line.len() >= 30
        && !line.starts_with(['-', '|', '*', '+', '#'])
        && (line.contains(". ")
            || line.contains(", ")
            || line.contains(['。', '，', '、', '；'])
            || line.ends_with(['.', ':']))
        || line.len() >= 80 && !line.starts_with(['-', '|', '*', '+'])
}

/// Markdown reduced to plain text.
#[derive(Default)]
struct PlainText {
    text: String,
    characters: usize,
}

impl PlainText {
    /// Appends a line without list markers, emphasis, tags and link targets.
    fn push(&mut self, line: &str) {
        if self.characters > 4 * MAX_SUMMARY_CHARS {
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
                    // `Map<K, V>` is not a tag; in text from HTML its bracket is escaped.
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

    /// Returns at most [`MAX_SUMMARY_CHARS`] characters, cut between two words where there are spaces.
    fn truncated(&self) -> String {
        let text = self.text.trim();
        let Some((end, _)) = text.char_indices().nth(MAX_SUMMARY_CHARS) else { return text.to_owned() };
        let end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        let cut = text[..end].rfind(' ').filter(|cut| cut * 2 > end).unwrap_or(end);
        format!("{}…", &text[..cut])
    }
}
