//! Portable Document Format: positioned pieces of text in, headings, paragraphs, code and tables out.
//!
//! `unpdf` decodes the fonts and says where every piece of text stands; what is a heading, a running header or
//! a paragraph is decided here ([`lines`], [`headings`], [`blocks`]), because a whole document tells more than the
//! single page that the library looks at. Where `unpdf` fails or leaves pages without text that draw some,
//! `pdf-extract` is asked too and the one that finds more is taken.

mod blocks;
mod headings;
mod lines;
mod table_rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use unpdf::parser::backend::{PdfBackend, RawBackend, RawOutlineItem};
use unpdf::parser::{LayoutAnalyzer, TextSpan};

use crate::builder::{Builder, one_line};
use crate::escape::escape_paragraph;
use crate::model::{Error, Limits, ParsedDocument};

use lines::Line;

/// The largest page that the format allows, in points.
const FARTHEST: f32 = 14_400.0;

/// Reads a PDF. Its file's name is not needed: a PDF states its title or has none.
///
/// # Errors
///
/// [`Error::Unsupported`] where a password is needed, [`Error::Empty`] where no page holds text,
/// [`Error::TooLarge`] beyond the limits, [`Error::Malformed`] for everything that is not a readable PDF.
pub fn read(bytes: &[u8], _name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    // The header may follow some bytes of a mail or a printer's prologue.
    if !bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-") {
        return Err(malformed("the content does not start like a PDF file"));
    }
    if nested_deeper_than(bytes, limits.depth) {
        return Err(Error::TooLarge { unit: "levels of nesting", limit: limits.depth });
    }
    let positioned = contained(|| positioned(bytes, limits));
    match positioned {
        Ok(pages) if !pages.suspicious() => write(pages, limits),
        Ok(pages) => match contained(|| plain(bytes, limits)) {
            Ok(texts) if letters_of(&texts) > pages.letters() / 4 * 5 => write_plain(&texts, limits),
            _ => write(pages, limits),
        },
        Err(error @ (Error::Unsupported(_) | Error::TooLarge { .. })) => Err(error),
        Err(error) => match contained(|| plain(bytes, limits)) {
            Ok(texts) if letters_of(&texts) > 0 => write_plain(&texts, limits),
            _ => Err(error),
        },
    }
}

/// Whether arrays and dictionaries outside of streams nest deeper than `limit`: the libraries follow them by
/// recursion and would run out of stack, which no `catch_unwind` catches.
fn nested_deeper_than(bytes: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' | b'<' => depth += 1,
            b']' | b'>' => depth = depth.saturating_sub(1),
            b'e' if bytes[at..].starts_with(b"endobj") => depth = 0,
            // What is packed in a stream is not PDF syntax; a damaged stream without an end is passed over too.
            b's' if bytes[at..].starts_with(b"stream") => {
                let end = memchr::memmem::find(&bytes[at..], b"endstream");
                at += end.map_or(0, |end| end + 3);
                depth = 0;
            }
            _ => {}
        }
        // A dictionary opens with two brackets.
        if depth > limit * 2 {
            return true;
        }
        at += 1;
    }
    false
}

/// What was found on the pages, before anything is decided about it.
struct Pages {
    lines: Vec<Line>,
    /// Height of each page in points, in order.
    heights: Vec<f32>,
    /// Pages, counted from 1, that draw something but hold no readable text.
    wordless: Vec<u32>,
    /// Pages among them that name text that could not be decoded.
    undecoded: usize,
    title: Option<String>,
    outline: Vec<(u8, String)>,
}

impl Pages {
    /// Whether so many pages name text that was not decoded that a second opinion is worth its time.
    fn suspicious(&self) -> bool {
        self.undecoded > 0 && self.undecoded * 10 >= self.heights.len()
    }

    fn letters(&self) -> usize {
        self.lines.iter().map(|line| letters(&line.text)).sum()
    }
}

fn positioned(bytes: &[u8], limits: &Limits) -> Result<Pages, Error> {
    let backend = RawBackend::load_bytes(bytes).map_err(|error| explain(&error))?;
    let analyzer = LayoutAnalyzer::new(&backend);
    let mut pages = Pages {
        lines: Vec::new(),
        heights: Vec::new(),
        wordless: Vec::new(),
        undecoded: 0,
        title: backend.metadata().title,
        outline: Vec::new(),
    };
    flatten(&backend.outline().unwrap_or_default(), 1, &mut pages.outline);
    let mut text_bytes = 0;
    for (&number, &page) in &backend.pages() {
        pages.heights.push(backend.page_dimensions(page).1);
        // One page that cannot be read is a gap, not the end of the document.
        let mut spans = contained(|| analyzer.extract_page_spans(number).map_err(|error| explain(&error)))
            .unwrap_or_default();
        spans.retain_mut(stands_on_paper);
        let before = pages.lines.len();
        for line in analyzer.group_spans_into_lines_pub(spans) {
            if let Some(line) = Line::new(number, &line) {
                text_bytes += line.text.len();
                pages.lines.push(line);
            }
        }
        if text_bytes > limits.text_bytes {
            return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
        }
        if pages.lines.len() == before {
            let drawn = analyzer.page_op_counts();
            if drawn.text > 0 {
                pages.undecoded += 1;
            }
            if drawn.text > 0 || drawn.image > 0 {
                pages.wordless.push(number);
            }
        }
    }
    Ok(pages)
}

/// Whether a piece of text stands where a page can be; its width is brought into bounds. The library measures
/// its columns in an array as long as the text is wide, so a damaged number would ask for a hundred gigabytes.
fn stands_on_paper(span: &mut TextSpan) -> bool {
    let near = |points: f32| points.abs() <= FARTHEST;
    // A comparison with what is no number is false.
    let stands = near(span.x) && near(span.y) && span.font_size > 0.0 && span.font_size <= FARTHEST / 10.0;
    for width in std::iter::once(&mut span.width).chain(&mut span.ink_width) {
        *width = if near(*width) { width.max(0.0) } else { 0.0 };
    }
    stands
}

fn flatten(items: &[RawOutlineItem], level: u8, outline: &mut Vec<(u8, String)>) {
    for item in items {
        outline.push((level, one_line(&item.title)));
        flatten(&item.children, (level + 1).min(6), outline);
    }
}

fn write(pages: Pages, limits: &Limits) -> Result<ParsedDocument, Error> {
    let Pages { mut lines, heights, wordless, title, outline, .. } = pages;
    let mut builder = Builder::new(limits);
    lines::drop_running(&mut lines, &heights);
    lines::drop_contents(&mut lines);
    table_rows::join(&mut lines);
    let stated = title.as_deref().map(one_line).filter(|title| is_title(title));
    if let Some(title) = &stated {
        builder.title(title);
    }
    let headings = headings::find(&lines, &outline);
    blocks::write(&lines, &headings, &mut builder)?;
    warn_wordless(&wordless, &mut builder);
    builder.finish()
}

/// Pages as plain text, by the second library.
fn plain(bytes: &[u8], limits: &Limits) -> Result<Vec<String>, Error> {
    let texts =
        pdf_extract::extract_text_from_mem_by_pages(bytes).map_err(|error| malformed(&error.to_string()))?;
    if texts.iter().map(String::len).sum::<usize>() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    Ok(texts)
}

fn write_plain(texts: &[String], limits: &Limits) -> Result<ParsedDocument, Error> {
    let mut builder = Builder::new(limits);
    let mut wordless = Vec::new();
    for (page, text) in (1..).zip(texts) {
        builder.page(page);
        if letters(text) == 0 {
            wordless.push(page);
        }
        for paragraph in text.split("\n\n") {
            let mut joined = String::new();
            for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
                blocks::join(&mut joined, line, &|_| false);
            }
            builder.text(&escape_paragraph(&joined), None)?;
        }
    }
    builder.warn("the layout of this PDF could not be read; the text has no headings");
    warn_wordless(&wordless, &mut builder);
    builder.finish()
}

fn warn_wordless(pages: &[u32], builder: &mut Builder) {
    // A scanned book has hundreds of such pages: one warning names the ranges.
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &page in pages {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => ranges.push((page, page)),
        }
    }
    let mut words: Vec<String> = ranges
        .iter()
        .take(20)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    if ranges.len() > 20 {
        words.push("…".to_owned());
    }
    match pages.len() {
        0 => {}
        1 => builder.warn(format!("page {} has no text; it may be a scanned image", words.join(", "))),
        _ => builder.warn(format!("pages {} have no text; they may be scanned images", words.join(", "))),
    }
}

/// Whether a title in the document's metadata was written by a person: word processors put file names there.
fn is_title(title: &str) -> bool {
    let lower = title.to_lowercase();
    let made = ["microsoft word", "untitled", "powerpoint", "无标题", "未命名"];
    let file = [".doc", ".docx", ".indd", ".tex", ".dvi", ".pdf", ".qxd", ".ppt", ".pptx"];
    letters(title) > 1
        && !made.iter().any(|made| lower.starts_with(made))
        && !file.iter().any(|file| lower.ends_with(file))
}

/// Runs a third party's parser so that a panic in it is an error of this document alone.
fn contained<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(malformed("the structure is damaged")))
}

fn explain(error: &unpdf::Error) -> Error {
    match error {
        unpdf::Error::Encrypted | unpdf::Error::InvalidPassword => {
            Error::Unsupported("the PDF is encrypted and needs a password".to_owned())
        }
        other => malformed(&other.to_string()),
    }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { format: "PDF", reason: reason.to_owned() }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|character| character.is_alphanumeric()).count()
}

fn letters_of(texts: &[String]) -> usize {
    texts.iter().map(|text| letters(text)).sum()
}
