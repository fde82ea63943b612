//! Puts a document together: appends blocks to one Markdown text and remembers where each lies.
//!
//! The readers that write Markdown themselves (HTML, JavaDoc, DOCX, PDF, OpenAPI) all go through this, so that
//! the text never exceeds [`Limits::text_bytes`] and every block is a range of it.

use crate::model::{Block, BlockKind, Error, Limits, ParsedDocument};

/// A document being put together. Blocks are separated by one empty line.
#[derive(Debug)]
pub struct Builder {
    parsed: ParsedDocument,
    limit: usize,
    page: Option<u32>,
}

impl Builder {
    /// An empty document whose text may grow to `limits.text_bytes`.
    pub fn new(limits: &Limits) -> Self {
        Self { parsed: ParsedDocument::default(), limit: limits.text_bytes, page: None }
    }

    /// The title the document states itself; the first one given stays, empty ones are ignored.
    pub fn title(&mut self, title: &str) {
        let title = one_line(title);
        if self.parsed.title.is_none() && !title.is_empty() {
            self.parsed.title = Some(title);
        }
    }

    /// The page that the following blocks begin on, counted from 1.
    pub fn page(&mut self, page: u32) {
        self.page = Some(page);
    }

    /// Something a reader of the library should know.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.parsed.warnings.push(warning.into());
    }

    /// Bytes of text so far.
    pub fn len(&self) -> usize {
        self.parsed.text.len()
    }

    /// Bytes the text may grow to.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.parsed.text.is_empty()
    }

    /// A heading; `level` is brought into 1 to 6, line breaks in `title` become spaces, an empty one is ignored.
    pub fn heading(&mut self, level: u8, title: &str, anchor: Option<&str>) -> Result<(), Error> {
        let title = one_line(title);
        if title.is_empty() {
            return Ok(());
        }
        let level = level.clamp(1, 6);
        let mut line = "#".repeat(usize::from(level));
        line.push(' ');
        line.push_str(&escape_heading(&title));
        self.append(BlockKind::Heading { level, title }, &line, anchor, Vec::new())
    }

    /// Prose as Markdown: paragraphs, lists, quotations. Blank text is ignored.
    pub fn text(&mut self, markdown: &str, anchor: Option<&str>) -> Result<(), Error> {
        self.append(BlockKind::Text, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, Vec::new())
    }

    /// Prose, with the exact names in it that a reader may search for.
    pub fn text_with(
        &mut self,
        markdown: &str,
        anchor: Option<&str>,
        keywords: Vec<String>,
    ) -> Result<(), Error> {
        self.append(BlockKind::Text, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, keywords)
    }

    /// Source code, put in a fence that is longer than any run of backticks in it. Blank code is ignored.
    pub fn code(&mut self, language: &str, code: &str, anchor: Option<&str>) -> Result<(), Error> {
        if code.trim().is_empty() {
            return Ok(());
        }
        self.append(BlockKind::Code, &fenced(language, code), anchor, Vec::new())
    }

    /// A table, its first row the header. Rows may differ in length; bars and line breaks in cells are escaped.
    /// A table without any word is ignored.
    pub fn table(&mut self, rows: &[Vec<String>], anchor: Option<&str>) -> Result<(), Error> {
        let markdown = table_markdown(rows);
        self.append(BlockKind::Table, &markdown, anchor, Vec::new())
    }

    /// One operation, schema, class or member, as Markdown, with the exact names a reader may search for.
    pub fn api(&mut self, markdown: &str, anchor: Option<&str>, keywords: Vec<String>) -> Result<(), Error> {
        self.append(BlockKind::Api, markdown.trim_matches(['\n', '\r']).trim_end(), anchor, keywords)
    }

    /// The document, or [`Error::Empty`] where nothing has been appended.
    pub fn finish(mut self) -> Result<ParsedDocument, Error> {
        if self.parsed.blocks.is_empty() {
            return Err(Error::Empty);
        }
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
        if markdown.trim().is_empty() {
            return Ok(());
        }
        // The two line breaks before it and the one at the end of the document are counted too.
        if self.parsed.text.len() + markdown.len() + 3 > self.limit {
            return Err(Error::TooLarge { unit: "bytes of text", limit: self.limit });
        }
        if !self.parsed.text.is_empty() {
            self.parsed.text.push_str("\n\n");
        }
        let start = self.parsed.text.len();
        self.parsed.text.push_str(markdown);
        self.parsed.blocks.push(Block {
            kind,
            range: start..self.parsed.text.len(),
            anchor: anchor.filter(|anchor| !anchor.is_empty()).map(str::to_owned),
            page: self.page,
            keywords,
        });
        Ok(())
    }
}

/// A fenced code block, without a line break at its end.
pub fn fenced(language: &str, code: &str) -> String {
    let code = code.trim_end().trim_start_matches(['\n', '\r']);
    let mut longest = 0;
    let mut run = 0;
    for byte in code.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{code}\n{fence}")
}

/// A Markdown table whose first row is the header, or nothing where no cell holds a word.
pub fn table_markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut markdown = String::new();
    if rows.iter().flatten().all(|cell| cell.trim().is_empty()) {
        return markdown;
    }
    for (number, row) in rows.iter().enumerate() {
        markdown.push('|');
        // A hostile table may name thousands of columns in one row and have thousands of short rows:
        // only the header is filled up, as Markdown allows the others to be shorter.
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

/// A heading's text as Markdown: `Optional<T>` must not read as a tag.
pub fn escape_heading(title: &str) -> String {
    title.replace('<', "\\<").replace('*', "\\*").replace('`', "\\`")
}

/// Text on one line, every run of white space a single space.
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
