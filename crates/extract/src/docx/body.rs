//! Body of a Word document: writes paragraphs, tables and notes in document order.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::builder::{DocumentBuilder, one_line};
use crate::escape::{escape_inline, escape_paragraph};
use crate::model::{Error, Limits};

use super::lists::Lists;
use super::styles::{Styles, is_monospace};
use super::xml::{Element, XmlEvent, for_each_event};

/// Maximum length of a heading; a longer paragraph is text.
const MAX_HEADING_CHARS: usize = 300;

/// Other parts of the document that the body refers to.
#[derive(Default)]
pub(super) struct DocumentContext {
    pub(super) styles: Styles,
    pub(super) lists: Lists,
    /// Footnotes and endnotes by their label: `3`, `e1`.
    pub(super) notes: HashMap<String, String>,
}

/// Writes the body part.
pub(super) fn write(
    part: &str,
    context: &mut DocumentContext,
    limits: &Limits,
    builder: &mut DocumentBuilder,
) -> Result<(), Error> {
    let reader = ParagraphReader { code_styles: context.styles.code_styles(), ..ParagraphReader::default() };
    let mut body = BodyWriter {
        context,
        builder,
        list_items: String::new(),
        code: String::new(),
        pending_notes: Vec::new(),
        tables: Vec::new(),
        reader,
    };
    for_each_event(part, limits.depth, &mut |event| body.handle(event))?;
    body.flush()
}

/// Reads the part with the footnotes or endnotes. Returns their texts by label: `prefix` and id.
pub(super) fn read_notes(
    part: &str,
    prefix: &str,
    limits: &Limits,
) -> Result<HashMap<String, String>, Error> {
    let mut notes = HashMap::new();
    let mut reader = ParagraphReader::default();
    let mut id = None;
    let mut text = String::new();
    for_each_event(part, limits.depth, &mut |event| {
        match &event {
            XmlEvent::Start(element) if matches!(element.name.as_str(), "footnote" | "endnote") => {
                // The separator line above the notes is a note with a type.
                id = element.attribute("id").filter(|_| element.attribute("type").is_none());
                text.clear();
            }
            XmlEvent::End(name) if matches!(name.as_str(), "footnote" | "endnote") => {
                if let Some(id) = id.take() {
                    notes.insert(format!("{prefix}{id}"), one_line(&text));
                }
            }
            _ => {}
        }
        if let Some(paragraph) = reader.handle(event) {
            text.push_str(&paragraph.text);
            text.push(' ');
        }
        Ok(())
    })?;
    Ok(notes)
}

/// A complete paragraph.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    style: String,
    /// Outline level, counted from 0; 9 is body text.
    outline: Option<u8>,
    list: Option<String>,
    list_level: Option<usize>,
    /// Number of characters other than white space, and how many of them are monospaced.
    length: usize,
    monospace_length: usize,
    /// Byte ranges of the monospaced text.
    code: Vec<Range<usize>>,
    /// Labels of the notes that the paragraph refers to.
    notes: Vec<String>,
}

/// Current run: text with one set of properties.
#[derive(Debug, Default)]
struct Run {
    is_open: bool,
    is_hidden: bool,
    is_monospace: bool,
}

/// Assembles paragraphs from events, regardless of the elements that contain them.
#[derive(Debug, Default)]
struct ParagraphReader {
    /// Open paragraphs, outermost first: a text box has paragraphs inside a paragraph.
    paragraphs: Vec<Paragraph>,
    /// Depth inside an element whose content is skipped; 0 outside.
    skipped_depth: usize,
    in_text: bool,
    in_properties: bool,
    run: Run,
    /// Ids of the styles whose text is code.
    code_styles: HashSet<String>,
    /// For each open `w:sdt`, whether it is a table of contents.
    is_toc: Vec<bool>,
}

impl ParagraphReader {
    /// Handles one event. Returns a paragraph at its end.
    fn handle(&mut self, event: XmlEvent<'_>) -> Option<Paragraph> {
        match event {
            XmlEvent::Start(element) => {
                self.start(&element);
                None
            }
            XmlEvent::Text(text) => {
                if self.in_text && self.skipped_depth == 0 && !self.run.is_hidden {
                    self.push(&text);
                }
                None
            }
            XmlEvent::End(name) => self.end(&name),
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        if self.skipped_depth > 0 {
            self.skipped_depth += 1;
            return;
        }
        match element.name.as_str() {
            // Copies for older programs, deleted or moved text, ruby readings, fields and old properties.
            "Fallback" | "del" | "moveFrom" | "rt" | "instrText" | "pPrChange" | "rPrChange" | "sectPr" => {
                self.skipped_depth = 1;
            }
            "sdt" => self.is_toc.push(false),
            "docPartGallery" => {
                if let Some(is_toc) = self.is_toc.last_mut() {
                    *is_toc = element.value() == "Table of Contents";
                }
            }
            "sdtContent" if self.is_toc.last() == Some(&true) => self.skipped_depth = 1,
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => self.in_properties = true,
            "r" => self.run = Run { is_open: true, ..Run::default() },
            "t" => self.in_text = true,
            "tab" if !self.in_properties => self.push("\t"),
            "br" if !matches!(element.attribute("type").as_deref(), Some("page" | "column")) => {
                self.push("\n");
            }
            "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "vanish" if self.run.is_open && element.is_on() => self.run.is_hidden = true,
            "rFonts" if self.run.is_open => {
                self.run.is_monospace |= is_monospace(&element.attribute("ascii").unwrap_or_default());
            }
            "rStyle" if self.run.is_open => {
                self.run.is_monospace |= self.code_styles.contains(&element.value());
            }
            "footnoteReference" => self.push_note_reference(&element.attribute("id").unwrap_or_default()),
            "endnoteReference" => {
                self.push_note_reference(&format!("e{}", element.attribute("id").unwrap_or_default()));
            }
            name => {
                if let Some(paragraph) = self.paragraphs.last_mut().filter(|_| self.in_properties) {
                    match name {
                        "pStyle" => paragraph.style = element.value(),
                        "outlineLvl" => paragraph.outline = element.value().parse().ok(),
                        "numId" => paragraph.list = Some(element.value()),
                        "ilvl" => paragraph.list_level = element.value().parse().ok(),
                        _ => {}
                    }
                }
            }
        }
    }

    fn end(&mut self, name: &str) -> Option<Paragraph> {
        if self.skipped_depth > 0 {
            self.skipped_depth -= 1;
            return None;
        }
        match name {
            "p" => return self.paragraphs.pop(),
            "pPr" => self.in_properties = false,
            "r" => self.run.is_open = false,
            "t" => self.in_text = false,
            "sdt" => {
                self.is_toc.pop();
            }
            _ => {}
        }
        None
    }

    fn push(&mut self, text: &str) {
        let is_monospace = self.run.is_monospace;
        if let Some(paragraph) = self.paragraphs.last_mut() {
            let start = paragraph.text.len();
            paragraph.text.extend(text.chars().filter(|&character| {
                let is_text = !character.is_control() || matches!(character, '\t' | '\n');
                is_text && !matches!(character, '\u{ad}' | '\u{200b}' | '\u{feff}')
            }));
            let end = paragraph.text.len();
            match paragraph.code.last_mut().filter(|_| is_monospace) {
                Some(last) if last.end == start => last.end = end,
                _ if is_monospace => paragraph.code.push(start..end),
                _ => {}
            }
            let length = text.chars().filter(|character| !character.is_whitespace()).count();
            paragraph.length += length;
            paragraph.monospace_length += if is_monospace { length } else { 0 };
        }
    }

    fn push_note_reference(&mut self, label: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.extend(["[^", label, "]"]);
            paragraph.notes.push(label.to_owned());
        }
    }
}

/// Writes paragraphs and tables as blocks.
struct BodyWriter<'a> {
    context: &'a mut DocumentContext,
    builder: &'a mut DocumentBuilder,
    /// Current list and current code block, which several paragraphs form.
    list_items: String,
    code: String,
    /// Labels of the notes that the current block refers to.
    pending_notes: Vec<String>,
    /// Open tables, outermost first.
    tables: Vec<OpenTable>,
    reader: ParagraphReader,
}

/// A table whose end was not reached yet.
#[derive(Debug, Default)]
struct OpenTable {
    rows: Vec<Vec<String>>,
    cell_count: usize,
    /// Paragraphs of the current cell, and the number of columns it spans.
    cell: Vec<Paragraph>,
    span: usize,
    /// Paragraphs of the first cell, which are written as such if it is the only one.
    first_cell: Vec<Paragraph>,
}

impl BodyWriter<'_> {
    fn handle(&mut self, event: XmlEvent<'_>) -> Result<(), Error> {
        if self.reader.skipped_depth == 0 {
            match &event {
                XmlEvent::Start(element) => self.table_start(element),
                XmlEvent::End(name) => self.table_end(name)?,
                XmlEvent::Text(_) => {}
            }
        }
        let Some(paragraph) = self.reader.handle(event) else { return Ok(()) };
        match self.tables.last_mut() {
            Some(table) => {
                table.cell.push(paragraph);
                Ok(())
            }
            None => self.paragraph(&paragraph),
        }
    }

    fn table_start(&mut self, element: &Element<'_>) {
        match (element.name.as_str(), self.tables.last_mut()) {
            ("tbl", _) => self.tables.push(OpenTable::default()),
            ("tr", Some(table)) => table.rows.push(Vec::new()),
            ("tc", Some(table)) => {
                table.cell.clear();
                table.span = 1;
            }
            ("gridSpan", Some(table)) => table.span = element.value().parse().unwrap_or(1).clamp(1, 64),
            _ => {}
        }
    }

    fn table_end(&mut self, name: &str) -> Result<(), Error> {
        if name == "tc" {
            let Some(table) = self.tables.last_mut() else { return Ok(()) };
            let cell = std::mem::take(&mut table.cell);
            let texts: Vec<String> =
                cell.iter().map(|paragraph| escape_inline(&one_line(&paragraph.text))).collect();
            self.pending_notes.extend(cell.iter().flat_map(|paragraph| paragraph.notes.iter().cloned()));
            table.cell_count += 1;
            if table.cell_count == 1 {
                table.first_cell = cell;
            }
            if let Some(row) = table.rows.last_mut() {
                row.push(texts.join(" "));
                row.extend((1..table.span).map(|_| String::new()));
            }
        } else if name == "tbl" {
            let Some(table) = self.tables.pop() else { return Ok(()) };
            if let Some(outer) = self.tables.last_mut() {
                // A table inside a cell becomes the cell's text.
                let text = table.rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join(" ");
                outer.cell.push(Paragraph { text, ..Paragraph::default() });
            } else if table.cell_count == 1 {
                // A table of one cell is a frame around a note or a listing.
                self.pending_notes.clear();
                for paragraph in &table.first_cell {
                    self.paragraph(paragraph)?;
                }
            } else {
                let notes = std::mem::take(&mut self.pending_notes);
                self.flush()?;
                self.builder.table(&table.rows, None)?;
                self.pending_notes = notes;
                self.flush_notes()?;
            }
        }
        Ok(())
    }

    /// Writes a paragraph as a heading, code, list item or text.
    fn paragraph(&mut self, paragraph: &Paragraph) -> Result<(), Error> {
        let DocumentContext { styles, lists, .. } = &mut *self.context;
        let style = paragraph.style.as_str();
        if styles.is_toc_entry(style) {
            return Ok(());
        }
        let marker = lists.next_marker(paragraph.list.as_deref(), paragraph.list_level, style, styles);
        let is_blank = paragraph.text.trim().is_empty();
        let outline_level = paragraph.outline.filter(|level| *level < 9).map(|level| level + 1);
        let heading_level = outline_level.or_else(|| styles.heading_level(style));
        let is_title = styles.is_title(style);
        let is_monospace = paragraph.length > 0 && paragraph.monospace_length * 10 >= paragraph.length * 9;
        let is_code = styles.is_code(style) || is_monospace;
        if is_blank {
            if !self.code.is_empty() {
                self.code.push('\n');
            }
            return Ok(());
        }
        let notes = paragraph.notes.iter().cloned();
        if let Some(level) =
            heading_level.or(is_title.then_some(1)).filter(|_| paragraph.length < MAX_HEADING_CHARS)
        {
            self.flush()?;
            let title = one_line(&paragraph.text);
            if is_title {
                self.builder.set_title(&title);
            }
            let number = marker.filter(|marker| marker.text != "-").map(|marker| marker.text + " ");
            self.builder.heading(level, &format!("{}{title}", number.unwrap_or_default()), None)?;
            self.pending_notes.extend(notes);
            self.flush_notes()
        } else if is_code {
            self.flush_items()?;
            self.code.push_str(paragraph.text.trim_end());
            self.code.push('\n');
            self.pending_notes.extend(notes);
            Ok(())
        } else if let Some(marker) = marker {
            self.flush_code()?;
            if !self.list_items.is_empty() {
                self.list_items.push('\n');
            }
            self.list_items.push_str(&"   ".repeat(marker.level));
            self.list_items.push_str(&marker.text);
            self.list_items.push(' ');
            self.list_items.push_str(&one_line(&paragraph.markdown()));
            self.pending_notes.extend(notes);
            Ok(())
        } else {
            self.flush()?;
            self.builder.text(&paragraph.markdown(), None)?;
            self.pending_notes.extend(notes);
            self.flush_notes()
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.flush_items()?;
        self.flush_code()?;
        self.flush_notes()
    }

    fn flush_items(&mut self) -> Result<(), Error> {
        let items = std::mem::take(&mut self.list_items);
        self.builder.text(&items, None)
    }

    fn flush_code(&mut self) -> Result<(), Error> {
        let code = std::mem::take(&mut self.code);
        self.builder.code("", &code, None)
    }

    /// Writes pending notes directly below the block that refers to them, so that one passage contains both.
    fn flush_notes(&mut self) -> Result<(), Error> {
        for label in std::mem::take(&mut self.pending_notes) {
            // Removes the note, so that it is written once however often it is referenced.
            if let Some(note) = self.context.notes.remove(&label).filter(|note| !note.is_empty()) {
                self.builder.text(&format!("[^{label}]: {}", escape_inline(&note)), None)?;
            }
        }
        Ok(())
    }
}

impl Paragraph {
    /// Returns the text as Markdown, with monospaced text as inline code.
    fn markdown(&self) -> String {
        let mut markdown = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for range in &self.code {
            let (before, code) = (&self.text[at..range.start], &self.text[range.clone()]);
            let is_plain = code.trim().is_empty() || code.contains(['`', '\n']);
            markdown.push_str(&if at == 0 {
                escape_paragraph(before.trim_start())
            } else {
                escape_inline(before)
            });
            if is_plain {
                markdown.push_str(&escape_inline(code));
            } else {
                let inner = code.trim();
                let (left, right) = (code.len() - code.trim_start().len(), code.trim_end().len());
                markdown.push_str(&code[..left]);
                markdown.push('`');
                markdown.push_str(inner);
                markdown.push('`');
                markdown.push_str(&code[right..]);
            }
            at = range.end;
        }
        markdown.push_str(&if at == 0 {
            escape_paragraph(self.text[at..].trim_start())
        } else {
            escape_inline(&self.text[at..])
        });
        let lines: Vec<&str> = markdown.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join("\n").replace('\t', " ")
    }
}
