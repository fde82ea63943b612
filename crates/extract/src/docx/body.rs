//! Body of a Word document: writes paragraphs, tables and notes in document order.

use std::collections::HashMap;

use crate::builder::{DocumentBuilder, one_line};
use crate::escape::escape_inline;
use crate::model::{Error, Limits};

use super::lists::Lists;
use super::paragraph::{Context, Paragraph, ParagraphReader};
use super::styles::Styles;
use super::xml::{Element, XmlEvent, for_each_event};

/// Maximum length of a heading; a longer paragraph is text.
const MAX_HEADING_CHARS: usize = 300;

/// Maximum number of columns that a cell spans.
const MAX_SPAN: usize = 64;

/// Other parts of the document that the body refers to.
#[derive(Default)]
pub(super) struct DocumentContext {
    pub(super) styles: Styles,
    pub(super) lists: Lists,
    /// Footnotes and endnotes by their label: `3`, `e1`.
    pub(super) notes: HashMap<String, String>,
    /// Addresses of links by the id of their relationship.
    pub(super) links: HashMap<String, String>,
    /// Targets of pictures by the id of their relationship.
    pub(super) media: HashMap<String, String>,
}

/// Writes the body part.
pub(super) fn write(
    part: &str,
    context: &mut DocumentContext,
    limits: &Limits,
    builder: &mut DocumentBuilder,
) -> Result<(), Error> {
    let of_document = Context {
        code_styles: context.styles.code_styles(),
        script_styles: context.styles.script_styles(),
        links: std::mem::take(&mut context.links),
        media: std::mem::take(&mut context.media),
    };
    let reader = ParagraphReader::new(of_document);
    let mut body = BodyWriter {
        context,
        builder,
        list_items: String::new(),
        code: String::new(),
        pending_notes: Vec::new(),
        tables: Vec::new(),
        unfinished: None,
        reader,
    };
    for_each_event(part, limits.depth, &mut |event| body.handle(event))?;
    if let Some(paragraph) = body.unfinished.take() {
        body.paragraph(&paragraph)?;
    }
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
    /// Paragraph whose end was deleted: the next one goes on with it.
    unfinished: Option<Paragraph>,
    reader: ParagraphReader,
}

/// A table whose end was not reached yet.
#[derive(Debug, Default)]
struct OpenTable {
    rows: Vec<Vec<String>>,
    cell_count: usize,
    /// Whether the properties of a row are open, and whether they say that it was deleted.
    in_row_properties: bool,
    is_row_deleted: bool,
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
        let Some(mut paragraph) = self.reader.handle(event) else { return Ok(()) };
        if let Some(before) = self.unfinished.take() {
            paragraph.prepend(before);
        }
        if paragraph.joins_next {
            self.unfinished = Some(paragraph);
            return Ok(());
        }
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
            ("tr", Some(table)) => {
                table.rows.push(Vec::new());
                table.is_row_deleted = false;
            }
            ("trPr", Some(table)) => table.in_row_properties = true,
            ("del", Some(table)) if table.in_row_properties => table.is_row_deleted = true,
            ("gridBefore", Some(table)) => {
                let count: usize = element.value().parse().unwrap_or(0);
                if let Some(row) = table.rows.last_mut() {
                    row.extend((0..count.min(MAX_SPAN)).map(|_| String::new()));
                }
            }
            ("tc", Some(table)) => {
                table.cell.clear();
                table.span = 1;
            }
            ("gridSpan", Some(table)) => table.span = element.value().parse().unwrap_or(1).clamp(1, MAX_SPAN),
            _ => {}
        }
    }

    fn table_end(&mut self, name: &str) -> Result<(), Error> {
        if name == "trPr" {
            if let Some(table) = self.tables.last_mut() {
                table.in_row_properties = false;
            }
        } else if name == "tr" {
            if let Some(table) = self.tables.last_mut().filter(|table| table.is_row_deleted) {
                table.rows.pop();
            }
        } else if name == "tc" {
            // A paragraph does not go on in the next cell.
            let unfinished = self.unfinished.take();
            let Some(table) = self.tables.last_mut() else { return Ok(()) };
            let mut cell = std::mem::take(&mut table.cell);
            cell.extend(unfinished);
            // The first cell may turn out to be the only one, whose paragraphs are counted when they are written.
            let is_first = table.cell_count == 0;
            let DocumentContext { styles, lists, .. } = &mut *self.context;
            let texts: Vec<String> = cell
                .iter()
                .map(|paragraph| {
                    let mut text = paragraph.cell();
                    if !text.is_empty() {
                        text.insert_str(0, &paragraph.anchors());
                    }
                    if is_first || text.is_empty() && paragraph.list.is_none() {
                        return text;
                    }
                    let list = paragraph.list.as_deref();
                    let marker = lists.next_marker(list, paragraph.list_level, &paragraph.style, styles);
                    let marker = marker.filter(|marker| marker.text != "-");
                    match marker {
                        Some(marker) => format!("{} {text}", marker.text),
                        None => text,
                    }
                })
                .filter(|text| !text.is_empty())
                .collect();
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
                outer.cell.push(Paragraph::of_text(text));
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
        if styles.is_toc_entry(style) || paragraph.is_toc_entry {
            return Ok(());
        }
        let marker = lists.next_marker(paragraph.list.as_deref(), paragraph.list_level, style, styles);
        let is_blank = paragraph.text.trim().is_empty();
        let outline_level = paragraph.outline.filter(|level| *level < 9).map(|level| level + 1);
        let heading_level = outline_level.or_else(|| styles.heading_level(style));
        let is_title = styles.is_title(style);
        let is_monospace = paragraph.length > 0 && paragraph.monospace_length * 10 >= paragraph.length * 9;
        let is_code = styles.is_code(style) || is_monospace;
        let anchors = paragraph.anchors();
        if is_blank {
            self.builder.mark(&anchors);
            self.builder.mark(&paragraph.picture_marks());
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
            self.builder.mark(&anchors);
            self.builder.heading(level, &format!("{}{title}", number.unwrap_or_default()), None)?;
            self.pending_notes.extend(notes);
            self.flush_notes()
        } else if is_code {
            self.flush_items()?;
            self.builder.mark(&anchors);
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
            self.list_items.push_str(&anchors);
            self.list_items.push_str(&one_line(&paragraph.markdown()));
            self.pending_notes.extend(notes);
            Ok(())
        } else {
            self.flush()?;
            self.builder.text(&format!("{anchors}{}", paragraph.markdown()), None)?;
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
