//! Document builder: appends blocks to one Markdown text and records their ranges.
//!
//! Used by all readers that generate Markdown (HTML, JavaDoc, reStructuredText, DOCX, PDF, OpenAPI). Guarantees that
//! the text never exceeds [`Limits::text_bytes`] and that every block is a range of it.

use crate::marks;
use crate::model::{Block, BlockKind, Error, Limits, ParsedDocument, ParsedReference};

/// A document under construction. Blocks are separated by one blank line.
///
/// # Errors
///
/// The methods that append a block fail with [`Error::TooLarge`] if the text would exceed its limit.
#[derive(Debug)]
pub struct DocumentBuilder {
    parsed: ParsedDocument,
    max_bytes: usize,
    page: Option<u32>,
    /// Marks of what stands before the next block.
    pending_marks: String,
}

impl DocumentBuilder {
    /// Creates an empty document whose text may grow to `limits.text_bytes`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            parsed: ParsedDocument::default(),
            max_bytes: limits.text_bytes,
            page: None,
            pending_marks: String::new(),
        }
    }

    /// Sets the title that the document states. The first one wins; empty ones are ignored.
    pub fn set_title(&mut self, title: &str) {
        let title = one_line(title);
        if self.parsed.title.is_none() && !title.is_empty() {
            self.parsed.title = Some(title);
        }
    }

    /// Sets the page of the following blocks, counted from 1.
    pub fn set_page(&mut self, page: u32) {
        self.page = Some(page);
    }

    /// Notes the [marks](crate::marks) of anchors and pictures that stand before the next block.
    pub(crate) fn mark(&mut self, marks: &str) {
        self.pending_marks.push_str(marks);
    }

    /// Adds a warning for the readers of the document.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.parsed.warnings.push(warning.into());
    }

    /// Returns the size of the text so far, in bytes.
    pub fn len(&self) -> usize {
        self.parsed.text.len()
    }

    /// Returns the maximum size of the text, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.parsed.text.is_empty()
    }

    /// Appends a heading. `level` is clamped to 1 to 6, line breaks in `title` become spaces, an empty one is ignored.
    pub fn heading(&mut self, level: u8, title: &str, anchor: Option<&str>) -> Result<(), Error> {
        let marked = marks::strip(title);
        for (name, _) in &marked.anchors {
            self.pending_marks.push_str(&marks::anchor(name));
        }
        let title = one_line(&marked.text);
        if title.is_empty() {
            return Ok(());
        }
        let level = level.clamp(1, 6);
        let mut line = "#".repeat(usize::from(level));
        line.push(' ');
        line.push_str(&escape_heading(&title));
        self.append(BlockKind::Heading { level, title }, &line, anchor, Vec::new())
    }

    /// Appends prose as Markdown: paragraphs, lists, quotations. Blank text is ignored.
    pub fn text(&mut self, markdown: &str, anchor: Option<&str>) -> Result<(), Error> {
        self.append(BlockKind::Text, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, Vec::new())
    }

    /// Appends prose like [`Self::text`], with the exact names in it that somebody may search for.
    pub fn text_with_keywords(
        &mut self,
        markdown: &str,
        anchor: Option<&str>,
        keywords: Vec<String>,
    ) -> Result<(), Error> {
        self.append(BlockKind::Text, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, keywords)
    }

    /// Appends source code, in a fence longer than any run of backticks in it. Blank code is ignored.
    pub fn code(&mut self, language: &str, code: &str, anchor: Option<&str>) -> Result<(), Error> {
        if code.trim().is_empty() {
            return Ok(());
        }
        self.append(BlockKind::Code, &fenced(language, code), anchor, Vec::new())
    }

    /// Appends a table; the first row is the header. Rows may differ in length; bars and line breaks in cells are
    /// escaped. A table of blank cells is ignored.
    pub fn table(&mut self, rows: &[Vec<String>], anchor: Option<&str>) -> Result<(), Error> {
        let markdown = table_markdown(rows);
        self.append(BlockKind::Table, &markdown, anchor, Vec::new())
    }

    /// Appends one API operation, schema, class or member, as Markdown, with its exact names.
    pub fn api(&mut self, markdown: &str, anchor: Option<&str>, keywords: Vec<String>) -> Result<(), Error> {
        self.append(BlockKind::Api, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, keywords)
    }

    /// Returns the document.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] if nothing was appended.
    pub fn finish(mut self) -> Result<ParsedDocument, Error> {
        if self.parsed.blocks.is_empty() {
            return Err(Error::Empty);
        }
        let marks = std::mem::take(&mut self.pending_marks);
        self.take_marks(marks::strip(&marks), self.parsed.text.len());
        self.parsed.text.push('\n');
        Ok(self.parsed)
    }

    fn append(
        &mut self,
        kind: BlockKind,
        markdown: &str,
        anchor: Option<&str>,
        keywords: Vec<String>,
    ) -> Result<(), Error> {
        let stripped = marks::strip(markdown);
        if stripped.text.trim().is_empty() {
            // A picture without a description, or an anchor alone.
            for mark in &stripped.marks {
                self.pending_marks.push_str(&marks::begin(mark.kind, &mark.target));
                self.pending_marks.push_str(&marks::end());
            }
            for (name, _) in &stripped.anchors {
                self.pending_marks.push_str(&marks::anchor(name));
            }
            return Ok(());
        }
        let markdown = stripped.text.trim_end();
        // Counts the two line breaks before the block and the one at the end of the document too.
        if self.parsed.text.len() + markdown.len() + 3 > self.max_bytes {
            return Err(Error::TooLarge { unit: "bytes of text", limit: self.max_bytes });
        }
        if !self.parsed.text.is_empty() {
            self.parsed.text.push_str("\n\n");
        }
        let start = self.parsed.text.len();
        self.parsed.text.push_str(markdown);
        let before = std::mem::take(&mut self.pending_marks);
        self.take_marks(marks::strip(&before), start);
        self.take_marks(
            marks::Stripped { text: String::new(), marks: stripped.marks, anchors: stripped.anchors },
            start,
        );
        self.parsed.blocks.push(Block {
            kind,
            range: start..self.parsed.text.len(),
            anchor: anchor.filter(|anchor| !anchor.is_empty()).map(str::to_owned),
            page: self.page,
            keywords,
        });
        Ok(())
    }

    /// Notes the marks of a text that begins at this offset.
    fn take_marks(&mut self, stripped: marks::Stripped, start: usize) {
        let end = self.parsed.text.len();
        self.parsed.references.extend(stripped.marks.into_iter().map(|mark| ParsedReference {
            kind: mark.kind,
            target: mark.target,
            range: (mark.range.start + start).min(end)..(mark.range.end + start).min(end),
        }));
        self.parsed.anchors.extend(stripped.anchors.into_iter().map(|(name, at)| (name, at + start)));
    }
}

/// Returns a fenced code block, without a trailing line break.
pub fn fenced(language: &str, code: &str) -> String {
    let code = code.trim_end().trim_start_matches(['\n', '\r']);
    let mut longest_run = 0;
    let mut run = 0;
    for byte in code.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest_run = longest_run.max(run);
    }
    let fence = "`".repeat(3.max(longest_run + 1));
    format!("{fence}{language}\n{code}\n{fence}")
}

/// Returns a Markdown table whose first row is the header; empty if all cells are blank.
pub fn table_markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut markdown = String::new();
    if rows.iter().flatten().all(|cell| cell.trim().is_empty()) {
        return markdown;
    }
    for (number, row) in rows.iter().enumerate() {
        markdown.push('|');
        // Pads only the header, as Markdown allows shorter rows: padding thousands of short rows of a hostile table
        // to the width of its widest would multiply its size.
        let width = if number == 0 { columns } else { row.len() };
        for column in 0..width {
            markdown.push(' ');
            push_cell(&mut markdown, row.get(column).map_or("", String::as_str));
            markdown.push_str(" |");
        }
        if number == 0 {
            markdown.push_str("\n|");
            markdown.push_str(&" --- |".repeat(columns));
        }
        markdown.push('\n');
    }
    markdown.pop();
    markdown
}

/// Escapes the text of a heading for Markdown: `Optional<T>` must not be read as a tag.
pub fn escape_heading(title: &str) -> String {
    let mut escaped = title.replace('<', "\\<").replace('*', "\\*").replace('`', "\\`");
    // Signs at the end would be read as the closing sequence of the heading: `Section #`, but not `C#`.
    let end = escaped.trim_end_matches('#').len();
    if end < escaped.len() && (end == 0 || escaped[..end].ends_with(' ')) {
        escaped.insert(end, '\\');
    }
    escaped
}

/// Collapses every run of white space, line breaks included, into one space.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Appends the text of a cell on one line, with bars escaped.
fn push_cell(markdown: &mut String, cell: &str) {
    for (number, word) in cell.split_whitespace().enumerate() {
        if number > 0 {
            markdown.push(' ');
        }
        let mut escaped = false;
        for character in word.chars() {
            if character == '|' && !escaped {
                markdown.push('\\');
            }
            escaped = character == '\\' && !escaped;
            markdown.push(character);
        }
    }
}
