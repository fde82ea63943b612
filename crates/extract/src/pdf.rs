//! Reader for PDF: turns positioned text into headings, paragraphs, lists, code and tables.
//!
//! `unpdf` decodes the fonts and gives the position of every piece of text. Headings, running headers and paragraphs
//! are recognised here ([`lines`], [`regions`], [`headings`], [`blocks`], [`table_rows`]), because a whole document gives more
//! evidence than the single pages that the library analyses. If `unpdf` fails or finds no text on pages that draw
//! some, `pdf-extract` is tried too, and the result with more text is used.

mod blocks;
mod headings;
mod lines;
mod regions;
mod table_rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use unpdf::parser::backend::{PdfBackend, RawBackend, RawOutlineItem};
use unpdf::parser::{LayoutAnalyzer, TextSpan};

use crate::builder::{DocumentBuilder, one_line};
use crate::escape::escape_paragraph;
use crate::model::{Error, Limits, ParsedDocument};

use lines::Line;

/// Maximum width and height of a page in the format, in points.
const MAX_PAGE_POINTS: f32 = 14_400.0;

/// Reads a PDF. The name is not used.
///
/// # Errors
///
/// [`Error::Unsupported`] if a password is needed, [`Error::Empty`] if no page has text, [`Error::TooLarge`] if a limit
/// is exceeded, [`Error::Malformed`] for everything else that is not a readable PDF.
pub fn read(bytes: &[u8], _name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    // Bytes of a mail or a printer prologue may precede the header.
    if !bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-") {
        return Err(malformed("the content does not start like a PDF file"));
    }
    if is_nested_deeper_than(bytes, limits.depth) {
        return Err(Error::TooLarge { unit: "levels of nesting", limit: limits.depth });
    }
    let pages = catch_panic(|| extract_pages(bytes, limits));
    match pages {
        Ok(pages) if !pages.is_suspicious() => write(pages, limits),
        Ok(pages) => match catch_panic(|| extract_plain(bytes, limits)) {
            Ok(texts) if total_letters(&texts) > pages.letter_count() / 4 * 5 => write_plain(&texts, limits),
            _ => write(pages, limits),
        },
        Err(error @ (Error::Unsupported(_) | Error::TooLarge { .. })) => Err(error),
        Err(error) => match catch_panic(|| extract_plain(bytes, limits)) {
            Ok(texts) if total_letters(&texts) > 0 => write_plain(&texts, limits),
            _ => Err(error),
        },
    }
}

/// Whether arrays and dictionaries outside of streams are nested deeper than `limit`.
///
/// The libraries parse them recursively and would overflow the stack, which `catch_unwind` does not catch.
fn is_nested_deeper_than(bytes: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' | b'<' => depth += 1,
            b']' | b'>' => depth = depth.saturating_sub(1),
            b'e' if bytes[at..].starts_with(b"endobj") => depth = 0,
            // Skips the content of streams, which is not PDF syntax; a stream without an end is not skipped.
            b's' if bytes[at..].starts_with(b"stream") => {
                let end = memchr::memmem::find(&bytes[at..], b"endstream");
                at += end.map_or(0, |end| end + 3);
                depth = 0;
            }
            _ => {}
        }
        // A dictionary opens with two brackets, so it counts two.
        if depth > limit * 2 {
            return true;
        }
        at += 1;
    }
    false
}

/// Lines and metadata of all pages, before analysis.
struct Pages {
    lines: Vec<Line>,
    /// Height of each page, in points, in page order.
    heights: Vec<f32>,
    /// Pages, counted from 1, that draw something but have no readable text.
    without_text: Vec<u32>,
    /// Number of those pages that draw text which could not be decoded.
    undecoded: usize,
    title: Option<String>,
    /// Bookmarks: level, counted from 1, and title.
    outline: Vec<(u8, String)>,
}

impl Pages {
    /// Whether the text of so many pages was not decoded that the second library is worth trying.
    fn is_suspicious(&self) -> bool {
        self.undecoded > 0 && self.undecoded * 10 >= self.heights.len()
    }

    fn letter_count(&self) -> usize {
        self.lines.iter().map(|line| letter_count(&line.text)).sum()
    }
}

/// Extracts lines with positions, by the first library.
fn extract_pages(bytes: &[u8], limits: &Limits) -> Result<Pages, Error> {
    let backend = RawBackend::load_bytes(bytes).map_err(|error| convert_error(&error))?;
    if backend.pages().is_empty() {
        return Err(malformed("it has no pages"));
    }
    let analyzer = LayoutAnalyzer::new(&backend);
    let mut pages = Pages {
        lines: Vec::new(),
        heights: Vec::new(),
        without_text: Vec::new(),
        undecoded: 0,
        title: backend.metadata().title,
        outline: Vec::new(),
    };
    flatten_outline(&backend.outline().unwrap_or_default(), 1, &mut pages.outline);
    let mut text_bytes = 0;
    for (&number, &page) in &backend.pages() {
        pages.heights.push(backend.page_dimensions(page).1);
        // A page that cannot be read is skipped.
        let mut spans =
            catch_panic(|| analyzer.extract_page_spans(number).map_err(|error| convert_error(&error)))
                .unwrap_or_default();
        spans.retain_mut(is_on_page);
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
                pages.without_text.push(number);
            }
        }
    }
    Ok(pages)
}

/// Maximum number of page ranges in a warning.
const MAX_RANGES: usize = 20;

/// Whether a piece of text is within the largest possible page. Also clamps its width.
///
/// The library measures columns with an array as long as the text is wide, so a damaged number would make it allocate a
/// hundred gigabytes.
fn is_on_page(span: &mut TextSpan) -> bool {
    let is_in_range = |points: f32| points.abs() <= MAX_PAGE_POINTS;
    // Comparisons with NaN are false.
    let is_on_page = is_in_range(span.x)
        && is_in_range(span.y)
        && span.font_size > 0.0
        && span.font_size <= MAX_PAGE_POINTS / 10.0;
    for width in std::iter::once(&mut span.width).chain(&mut span.ink_width) {
        *width = if is_in_range(*width) { width.max(0.0) } else { 0.0 };
    }
    is_on_page
}

/// Appends bookmarks and their children in document order.
fn flatten_outline(items: &[RawOutlineItem], level: u8, outline: &mut Vec<(u8, String)>) {
    for item in items {
        outline.push((level, one_line(&item.title)));
        flatten_outline(&item.children, (level + 1).min(6), outline);
    }
}

/// Analyses the lines and writes them as blocks.
fn write(pages: Pages, limits: &Limits) -> Result<ParsedDocument, Error> {
    let Pages { mut lines, heights, without_text, title, outline, .. } = pages;
    let mut builder = DocumentBuilder::new(limits);
    lines::remove_running_headers(&mut lines, &heights);
    lines::remove_toc(&mut lines);
    regions::arrange(&mut lines);
    table_rows::rejoin(&mut lines);
    let title = title.as_deref().map(one_line).filter(|title| is_real_title(title));
    if let Some(title) = &title {
        builder.set_title(title);
    }
    let headings = headings::find(&lines, &outline);
    blocks::write(&lines, &headings, &mut builder)?;
    warn_without_text(&without_text, &mut builder);
    builder.finish()
}

/// Extracts the pages as plain text, by the second library.
fn extract_plain(bytes: &[u8], limits: &Limits) -> Result<Vec<String>, Error> {
    let texts =
        pdf_extract::extract_text_from_mem_by_pages(bytes).map_err(|error| malformed(&error.to_string()))?;
    if texts.iter().map(String::len).sum::<usize>() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    Ok(texts)
}

/// Writes plain text of pages as paragraphs.
fn write_plain(texts: &[String], limits: &Limits) -> Result<ParsedDocument, Error> {
    let mut builder = DocumentBuilder::new(limits);
    let mut without_text = Vec::new();
    for (page, text) in (1..).zip(texts) {
        builder.set_page(page);
        if letter_count(text) == 0 {
            without_text.push(page);
        }
        for paragraph in text.split("\n\n") {
            let mut joined = String::new();
            for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
                blocks::join_line(&mut joined, line, &|_| false);
            }
            builder.text(&escape_paragraph(&joined), None)?;
        }
    }
    builder.warn("the layout of this PDF could not be read; the text has no headings");
    warn_without_text(&without_text, &mut builder);
    builder.finish()
}

/// Adds a warning that lists the pages without text.
fn warn_without_text(pages: &[u32], builder: &mut DocumentBuilder) {
    // A scanned book has hundreds of such pages: one warning lists the ranges.
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &page in pages {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => ranges.push((page, page)),
        }
    }
    let mut range_texts: Vec<String> = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    if ranges.len() > MAX_RANGES {
        range_texts.push("…".to_owned());
    }
    match pages.len() {
        0 => {}
        1 => builder.warn(format!("page {} has no text; it may be a scanned image", range_texts.join(", "))),
        _ => {
            builder
                .warn(format!("pages {} have no text; they may be scanned images", range_texts.join(", ")));
        }
    }
}

/// Whether a title in the metadata was written by a person; word processors write file names there.
fn is_real_title(title: &str) -> bool {
    let lower = title.to_lowercase();
    let generated = ["microsoft word", "untitled", "powerpoint", "无标题", "未命名"];
    let extensions = [".doc", ".docx", ".indd", ".tex", ".dvi", ".pdf", ".qxd", ".ppt", ".pptx"];
    letter_count(title) > 1
        && !generated.iter().any(|prefix| lower.starts_with(prefix))
        && !extensions.iter().any(|extension| lower.ends_with(extension))
}

/// Runs a third-party parser and turns a panic in it into an error of this document.
fn catch_panic<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(malformed("the structure is damaged")))
}

/// Converts an error of the first library.
fn convert_error(error: &unpdf::Error) -> Error {
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

fn letter_count(text: &str) -> usize {
    text.chars().filter(|character| character.is_alphanumeric()).count()
}

fn total_letters(texts: &[String]) -> usize {
    texts.iter().map(|text| letter_count(text)).sum()
}
