//! Type detection. The content decides; the name settles what the content leaves open.

use crate::model::{DocumentType, Error};

/// Number of bytes at the beginning of a text that are searched for marks of a type.
const HEAD_BYTES: usize = 16 << 10;

/// Detects a binary type, PDF or DOCX; returns `None` for anything that may be text.
///
/// # Errors
///
/// [`Error::Unsupported`] for images, archives and other known binary formats.
pub(crate) fn by_bytes(name: &str, bytes: &[u8]) -> Result<Option<DocumentType>, Error> {
    let head = &bytes[..bytes.len().min(1024)];
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Ok(Some(DocumentType::Pdf));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        if has_zip_entry(bytes, b"word/document.xml") {
            return Ok(Some(DocumentType::Docx));
        }
        return Err(unsupported(
            name,
            if has_zip_entry(bytes, b"xl/workbook.xml") {
                "a spreadsheet"
            } else if has_zip_entry(bytes, b"ppt/presentation.xml") {
                "a presentation"
            } else {
                "a zip archive"
            },
        ));
    }
    let unsupported_formats: [(&[u8], &str); 20] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"RIFF", "a media file"),
        (b"\0\0\x01\0", "an icon"),
        (b"II*\0", "a TIFF image"),
        (b"MM\0*", "a TIFF image"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ", "an xz archive"),
        (b"7z\xbc\xaf", "a 7z archive"),
        (b"Rar!", "a RAR archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"\x7fELF", "a program"),
        (b"\xca\xfe\xba\xbe", "compiled Java code"),
        (b"\xd0\xcf\x11\xe0", "a legacy Office document (save it as .docx)"),
        (b"SQLite format 3", "a database"),
        (b"wOFF", "a font"),
        (b"OggS", "a media file"),
        (b"ID3", "a media file"),
    ];
    if let Some((_, format)) = unsupported_formats.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(unsupported(name, format));
    }
    if head.get(4..8) == Some(b"ftyp") || head.get(257..262) == Some(b"ustar") {
        return Err(unsupported(name, "a media file or archive"));
    }
    Ok(None)
}

/// Whether the bytes are of a kind that is no document: pictures, media, fonts, programs, archives. Spreadsheets, presentations,
/// old Word files, and files that are named as documents and hold something else are documents that cannot be read.
pub(crate) fn is_no_document(name: &str, bytes: &[u8]) -> bool {
    let extension = extension(name);
    let is_office = || {
        bytes.starts_with(b"\xd0\xcf\x11\xe0")
            || [&b"xl/workbook.xml"[..], b"ppt/presentation.xml"]
                .iter()
                .any(|entry| has_zip_entry(bytes, entry))
    };
    by_bytes(name, bytes).is_err() && !matches!(extension.as_str(), "docx" | "pdf") && !is_office()
}

/// Whether a file is named as one that holds text.
pub(crate) fn is_named_as_text(name: &str) -> bool {
    let names = [
        "md", "markdown", "mdx", "mkd", "mdown", "html", "htm", "xhtml", "rst", "rest", "txt", "text",
        "json", "yaml", "yml",
    ];
    names.contains(&extension(name).as_str())
}

/// Whether a decoded text is binary data after all, judged by its share of control characters.
pub(crate) fn is_binary(text: &str) -> bool {
    let (mut control, mut all) = (0_usize, 0_usize);
    for character in text.chars().take(HEAD_BYTES) {
        all += 1;
        control += usize::from(
            matches!(character, '\0'..='\x08' | '\x0e'..='\x1a' | '\x1c'..='\x1f' | '\u{fffd}' | '\u{80}'..='\u{9f}'),
        );
    }
    control * 10 > all
}

/// Detects the type of a text.
pub(crate) fn by_text(name: &str, text: &str) -> DocumentType {
    let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
    let extension = extension(name);
    if let Some(api) = detect_api_description(head, text) {
        return api;
    }
    if let Some(page) = detect_page(head, &extension) {
        return page;
    }
    match extension.as_str() {
        "md" | "markdown" | "mdx" | "mkd" | "mdown" if !begins_as_rst(head) || markdown_marks(head) > 0 => {
            DocumentType::Markdown
        }
        "rst" | "rest" => DocumentType::Rst,
        // Sphinx publishes the sources of its pages under names such as `index.rst.txt`.
        _ if inner_extension(name) == "rst" => DocumentType::Rst,
        "txt" if inner_extension(name) == "md" => DocumentType::Markdown,
        _ if begins_as_rst(head) && markdown_marks(head) == 0 => DocumentType::Rst,
        "txt" | "text" | "" | "log" if markdown_marks(head) >= 3 && rst_marks(head) == 0 => {
            DocumentType::Markdown
        }
        "txt" | "text" | "" if rst_marks(head) >= 2 => DocumentType::Rst,
        _ => DocumentType::Text,
    }
}

/// Whether the file name has the extension `mdx`.
pub(crate) fn is_mdx(name: &str) -> bool {
    extension(name) == "mdx"
}

fn unsupported(name: &str, format: &str) -> Error {
    Error::Unsupported(format!("{name} is {format}: this file type is not supported"))
}

fn extension(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}

/// Returns the extension before the extension `txt`.
fn inner_extension(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_suffix(".txt").map_or_else(String::new, extension)
}

/// Whether the text begins with the label of its title, or with comments, and a title between two rules.
fn begins_as_rst(head: &str) -> bool {
    let mut lines = head.lines().map(str::trim_end).filter(|line| !line.is_empty()).peekable();
    let mut has_label = false;
    while let Some(line) = lines.next_if(|line| line.starts_with(".. ") || line.starts_with("   ")) {
        has_label |= line.starts_with(".. _") && line.ends_with(':');
    }
    let (Some(over), Some(title), Some(under)) = (lines.next(), lines.next(), lines.next()) else {
        return false;
    };
    let is_rule = |line: &str| {
        let first = line.bytes().next().unwrap_or(b' ');
        line.len() >= 3 && first.is_ascii_punctuation() && line.bytes().all(|byte| byte == first)
    };
    // A title with a rule below it alone may also be Markdown.
    has_label && (is_rule(over) && over == under && !is_rule(title) || is_rule(title) && !is_rule(over))
}

/// Whether a zip archive has an entry of this name, by a search of its beginning and its end.
fn has_zip_entry(bytes: &[u8], name: &[u8]) -> bool {
    // All names are in the central directory at the end, the first ones also at the beginning.
    let end = bytes.len().min(64 << 10);
    let tail = bytes.len().saturating_sub(256 << 10);
    [&bytes[..end], &bytes[tail..]].iter().any(|part| part.windows(name.len()).any(|window| window == name))
}

/// Detects an API description by the key `openapi` or `swagger` at the top level of JSON or YAML.
fn detect_api_description(head: &str, text: &str) -> Option<DocumentType> {
    let start = head.trim_start();
    if start.starts_with('{') {
        return json_top_level_key(text);
    }
    for line in head.lines() {
        let line = line.trim_end();
        for (key, document_type) in [("openapi", DocumentType::Openapi), ("swagger", DocumentType::Swagger)] {
            let rest = line.strip_prefix(key).or_else(|| {
                let inner = line.strip_prefix(['"', '\''])?.strip_prefix(key)?;
                inner.strip_prefix(['"', '\''])
            });
            let version = rest.and_then(|rest| rest.trim_start().strip_prefix(':')).map(str::trim);
            let version = version.map(|version| version.trim_start_matches(['"', '\'']));
            if version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit())) {
                return Some(document_type);
            }
        }
        // Stop at the first line that cannot be YAML.
        let is_yaml = line.is_empty()
            || line.starts_with(['#', ' ', '-', '\t', '%', '"', '\'', '.', '}', ']'])
            || line.contains(": ")
            || line.ends_with(':');
        if !is_yaml {
            return None;
        }
    }
    None
}

/// Scans JSON for one of the two keys at depth one. Linear, without recursion; stops at the first match.
fn json_top_level_key(text: &str) -> Option<DocumentType> {
    let bytes = text.as_bytes();
    let (mut depth, mut at, mut expects_key) = (0_usize, 0_usize, false);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                depth += 1;
                expects_key = depth == 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => expects_key = depth == 1,
            b':' => expects_key = false,
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                if expects_key && depth == 1 {
                    match bytes.get(start..at) {
                        Some(b"openapi") => return Some(DocumentType::Openapi),
                        Some(b"swagger") => return Some(DocumentType::Swagger),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Detects an HTML page, and whether `javadoc` generated it.
fn detect_page(head: &str, extension: &str) -> Option<DocumentType> {
    let start = head.trim_start().get(..).unwrap_or_default();
    let lower = start[..start.floor_char_boundary(4096)].to_ascii_lowercase();
    let starts_as_page =
        ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag))
            || (lower.starts_with("<?xml") || lower.starts_with("<!--")) && lower.contains("<html");
    let is_named_page = matches!(extension, "html" | "htm" | "xhtml") && has_tags(&lower);
    let is_markdown =
        matches!(extension, "md" | "mdx" | "markdown" | "rst" | "txt") && !lower.contains("<html");
    if is_markdown || !(starts_as_page || is_named_page) {
        return None;
    }
    // Older releases write `<!-- Generated by javadoc (build 1.6.0_10) on ... -->`, newer ones a generator element.
    let is_javadoc = lower.contains("<!-- generated by javadoc")
        || lower.contains("content=\"javadoc/")
        || lower.contains("name=\"generator\" content=\"javadoc");
    Some(if is_javadoc { DocumentType::JavaDoc } else { DocumentType::Html })
}

fn has_tags(lower: &str) -> bool {
    [
        "<p", "<div", "<h1", "<h2", "<table", "<ul", "<a ", "<br", "<pre", "<title", "<meta", "<span", "<b>",
        "<section",
    ]
    .iter()
    .any(|tag| lower.contains(tag))
}

/// Counts the lines with Markdown syntax.
fn markdown_marks(head: &str) -> usize {
    let mut marks = 0;
    for line in head.lines() {
        marks += usize::from(
            line.starts_with("# ")
                || line.starts_with("## ")
                || line.starts_with("```")
                || line.contains("]("),
        );
    }
    marks
}

/// Counts the lines with reStructuredText syntax.
fn rst_marks(head: &str) -> usize {
    head.lines()
        .filter(|line| {
            let line = line.trim_start();
            line.starts_with(".. ") && line.contains("::")
                || line.starts_with(".. _")
                || line.contains("`_")
                || line.contains(":ref:`")
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_takes_precedence_over_the_name() {
        for (name, text, expected) in [
            ("a.txt", "<!DOCTYPE html><html><body>x", DocumentType::Html),
            ("a.md", "# Title\n\n<div>x</div>", DocumentType::Markdown),
            ("a.html", "no tags at all", DocumentType::Text),
            ("a.htm", "<HTML><HEAD><!-- Generated by javadoc (build 1.6.0) -->", DocumentType::JavaDoc),
            (
                "a.html",
                "<!DOCTYPE HTML><html><head><!-- Generated by javadoc (17) on X -->",
                DocumentType::JavaDoc,
            ),
            ("x", "{\"info\": {\"swagger\": 1}, \"openapi\": \"3.1.0\"}", DocumentType::Openapi),
            ("x.json", "{\"a\": [\"openapi\"]}", DocumentType::Text),
            ("x.yaml", "# c\nswagger: '2.0'\ninfo:\n  title: x", DocumentType::Swagger),
            ("x.md", "This is about\nopenapi: 3", DocumentType::Markdown),
            ("README", "# A\n\n## B\n\n[x](y)\n", DocumentType::Markdown),
            ("README", "A\n=\n\n.. _x:\n\n.. note::\n", DocumentType::Rst),
            ("index.rst.txt", "Just text", DocumentType::Rst),
            ("INDEX.RST.TXT", "# Comment", DocumentType::Rst),
            ("index.md.txt", "Just text", DocumentType::Markdown),
            ("notes.txt", ".. _start:\n\n=====\nStart\n=====\n\nText.\n", DocumentType::Rst),
            ("notes", ".. a comment\n\n.. _start:\n\nStart\n-----\n\nText.\n", DocumentType::Rst),
            ("notes.md", ".. _start:\n\n*****\nStart\n*****\n", DocumentType::Rst),
            ("notes.txt", "=====\nStart\n=====\n\nText.\n", DocumentType::Text),
        ] {
            assert_eq!(by_text(name, text), expected, "{name} {text}");
        }
    }

    #[test]
    fn binaries_are_refused() {
        assert!(by_bytes("a.txt", b"\x89PNG\r\n").is_err());
        assert!(by_bytes("a.docx", b"PK\x03\x04....").is_err());
        assert_eq!(by_bytes("a.txt", b"%PDF-1.4"), Ok(Some(DocumentType::Pdf)));
        assert_eq!(by_bytes("x", b"PK\x03\x04..word/document.xml"), Ok(Some(DocumentType::Docx)));
        assert!(is_binary("\u{1}\u{2}\u{3}abc"));
    }
}
