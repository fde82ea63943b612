//! What type a document is: its content decides, its name settles what the content leaves open.

use crate::model::{DocumentType, Error};

/// Characters looked at in the search for a type's marks.
const HEAD: usize = 16 << 10;

/// A type that is told by bytes alone, or `None` for text. Images and other binaries are refused by name.
pub(crate) fn by_bytes(name: &str, bytes: &[u8]) -> Result<Option<DocumentType>, Error> {
    let head = &bytes[..bytes.len().min(1024)];
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Ok(Some(DocumentType::Pdf));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        if contains(bytes, b"word/document.xml") {
            return Ok(Some(DocumentType::Docx));
        }
        return Err(unsupported(
            name,
            if contains(bytes, b"xl/workbook.xml") {
                "a spreadsheet"
            } else if contains(bytes, b"ppt/presentation.xml") {
                "a presentation"
            } else {
                "a zip archive"
            },
        ));
    }
    let known: [(&[u8], &str); 20] = [
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
        (b"\xd0\xcf\x11\xe0", "an old Office document (save it as .docx)"),
        (b"SQLite format 3", "a database"),
        (b"wOFF", "a font"),
        (b"OggS", "a media file"),
        (b"ID3", "a media file"),
    ];
    if let Some((_, what)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(unsupported(name, what));
    }
    if head.get(4..8) == Some(b"ftyp") || head.get(257..262) == Some(b"ustar") {
        return Err(unsupported(name, "a media file or archive"));
    }
    Ok(None)
}

/// Whether decoded text is a binary after all: many control characters.
pub(crate) fn is_binary(text: &str) -> bool {
    let (mut control, mut all) = (0_usize, 0_usize);
    for character in text.chars().take(HEAD) {
        all += 1;
        control += usize::from(
            matches!(character, '\0'..='\x08' | '\x0e'..='\x1a' | '\x1c'..='\x1f' | '\u{fffd}' | '\u{80}'..='\u{9f}'),
        );
    }
    control * 10 > all
}

/// The type of a text.
pub(crate) fn by_text(name: &str, text: &str) -> DocumentType {
    let head = &text[..text.floor_char_boundary(HEAD)];
    let extension = extension(name);
    if let Some(api) = api_description(head, text) {
        return api;
    }
    if let Some(page) = page(head, &extension) {
        return page;
    }
    match extension.as_str() {
        "md" | "markdown" | "mdx" | "mkd" | "mdown" => DocumentType::Markdown,
        "rst" | "rest" => DocumentType::Rst,
        "txt" | "text" | "" | "log" if markdown_marks(head) >= 3 && rst_marks(head) == 0 => {
            DocumentType::Markdown
        }
        "txt" | "text" | "" if rst_marks(head) >= 2 => DocumentType::Rst,
        _ => DocumentType::Text,
    }
}

/// Whether the name is that of an MDX file.
pub(crate) fn is_mdx(name: &str) -> bool {
    extension(name) == "mdx"
}

fn unsupported(name: &str, what: &str) -> Error {
    Error::Unsupported(format!("{name} is {what}, which holds no text that can be read here"))
}

fn extension(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    // Names stand in the directory at a zip archive's end, and the first ones at its beginning.
    let end = bytes.len().min(64 << 10);
    let tail = bytes.len().saturating_sub(256 << 10);
    [&bytes[..end], &bytes[tail..]]
        .iter()
        .any(|part| part.windows(wanted.len()).any(|window| window == wanted))
}

/// A key `openapi` or `swagger` at the top level of JSON or YAML.
fn api_description(head: &str, text: &str) -> Option<DocumentType> {
    let start = head.trim_start();
    if start.starts_with('{') {
        return json_top_level_key(text);
    }
    for line in head.lines() {
        let line = line.trim_end();
        for (key, kind) in [("openapi", DocumentType::Openapi), ("swagger", DocumentType::Swagger)] {
            let rest = line.strip_prefix(key).or_else(|| {
                let inner = line.strip_prefix(['"', '\''])?.strip_prefix(key)?;
                inner.strip_prefix(['"', '\''])
            });
            let version = rest.and_then(|rest| rest.trim_start().strip_prefix(':')).map(str::trim);
            let version = version.map(|version| version.trim_start_matches(['"', '\'']));
            if version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit())) {
                return Some(kind);
            }
        }
        // Prose is not YAML: stop at the first line that cannot be.
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

/// Scans JSON for the key at depth one. Linear, without recursion, and it stops at the first of the two.
fn json_top_level_key(text: &str) -> Option<DocumentType> {
    let bytes = text.as_bytes();
    let (mut depth, mut at, mut key_next) = (0_usize, 0_usize, false);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                depth += 1;
                key_next = depth == 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => key_next = depth == 1,
            b':' => key_next = false,
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                if key_next && depth == 1 {
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

/// Whether the text is a page, and whether `javadoc` made it.
fn page(head: &str, extension: &str) -> Option<DocumentType> {
    let start = head.trim_start().get(..).unwrap_or_default();
    let lower = start[..start.floor_char_boundary(4096)].to_ascii_lowercase();
    let begins_as_page =
        ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag))
            || (lower.starts_with("<?xml") || lower.starts_with("<!--")) && lower.contains("<html");
    let named_page = matches!(extension, "html" | "htm" | "xhtml") && has_tags(&lower);
    let is_markdown =
        matches!(extension, "md" | "mdx" | "markdown" | "rst" | "txt") && !lower.contains("<html");
    if is_markdown || !(begins_as_page || named_page) {
        return None;
    }
    // Old: <!-- Generated by javadoc (build 1.6.0_10) on ... -->, with capitals; new: a generator of its own.
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
    fn content_before_name() {
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
