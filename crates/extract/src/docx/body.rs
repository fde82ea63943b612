//! The body of a Word document: paragraphs, tables and footnotes in the order they are met.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::builder::{Builder, one_line};
use crate::escape::{escape_inline, escape_paragraph};
use crate::model::{Error, Limits};

use super::lists::Lists;
use super::styles::{Styles, is_monospace};
use super::xml::{Element, Met, walk};

/// What the rest of the document says about the body.
#[derive(Default)]
pub(super) struct Context {
    pub(super) styles: Styles,
    pub(super) lists: Lists,
    /// Footnotes and endnotes by their mark: `3`, `e1`.
    pub(super) notes: HashMap<String, String>,
}

/// Writes the body part.
pub(super) fn write(
    part: &str,
    context: &mut Context,
    limits: &Limits,
    builder: &mut Builder,
) -> Result<(), Error> {
    let state = State { code_styles: context.styles.code(), ..State::default() };
    let mut body = Body {
        context,
        builder,
        items: String::new(),
        code: String::new(),
        pending: Vec::new(),
        tables: Vec::new(),
        state,
    };
    walk(part, limits.depth, &mut |met| body.met(met))?;
    body.flush()
}

/// The texts of footnotes or endnotes by their mark.
pub(super) fn notes(part: &str, prefix: &str, limits: &Limits) -> Result<HashMap<String, String>, Error> {
    let mut notes = HashMap::new();
    let mut state = State::default();
    let mut mark = None;
    let mut text = String::new();
    walk(part, limits.depth, &mut |met| {
        match &met {
            Met::Start(element) if matches!(element.name.as_str(), "footnote" | "endnote") => {
                // The line above the notes is one of them, of another type.
                mark = element.attribute("id").filter(|_| element.attribute("type").is_none());
                text.clear();
            }
            Met::End(name) if matches!(name.as_str(), "footnote" | "endnote") => {
                if let Some(mark) = mark.take() {
                    notes.insert(format!("{prefix}{mark}"), one_line(&text));
                }
            }
            _ => {}
        }
        if let Some(paragraph) = state.met(met) {
            text.push_str(&paragraph.text);
            text.push(' ');
        }
        Ok(())
    })?;
    Ok(notes)
}

/// A paragraph that has been read.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    style: String,
    outline: Option<u8>,
    list: Option<String>,
    level: Option<usize>,
    /// Characters, and how many of them are in a fixed-pitch font.
    length: usize,
    monospace: usize,
    /// Where in the text the fixed-pitch pieces are.
    code: Vec<Range<usize>>,
    notes: Vec<String>,
}

/// A run: text with one set of properties.
#[derive(Debug, Default)]
struct Run {
    open: bool,
    hidden: bool,
    monospace: bool,
}

/// Reads runs into paragraphs, whatever the paragraphs are in.
#[derive(Debug, Default)]
struct State {
    paragraphs: Vec<Paragraph>,
    /// Elements whose whole content is passed over; the depth inside the outermost of them.
    skipped: usize,
    in_text: bool,
    in_properties: bool,
    run: Run,
    /// Ids of styles whose text is code.
    code_styles: HashSet<String>,
    /// Inside `w:sdtPr`, where a table of contents says what it is.
    in_contents: Vec<bool>,
}

impl State {
    /// Takes in one event and gives a paragraph when one ends.
    fn met(&mut self, met: Met<'_>) -> Option<Paragraph> {
        match met {
            Met::Start(element) => {
                self.start(&element);
                None
            }
            Met::Text(text) => {
                if self.in_text && self.skipped == 0 && !self.run.hidden {
                    self.push(&text);
                }
                None
            }
            Met::End(name) => self.end(&name),
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        match element.name.as_str() {
            // The same once more for older programs; what was deleted or moved away; readings beside characters.
            "Fallback" | "del" | "moveFrom" | "rt" | "instrText" | "pPrChange" | "rPrChange" | "sectPr" => {
                self.skipped = 1;
            }
            "sdt" => self.in_contents.push(false),
            "docPartGallery" => {
                if let Some(contents) = self.in_contents.last_mut() {
                    *contents = element.value() == "Table of Contents";
                }
            }
            "sdtContent" if self.in_contents.last() == Some(&true) => self.skipped = 1,
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => self.in_properties = true,
            "r" => self.run = Run { open: true, ..Run::default() },
            "t" => self.in_text = true,
            "tab" if !self.in_properties => self.push("\t"),
            "br" if !matches!(element.attribute("type").as_deref(), Some("page" | "column")) => {
                self.push("\n");
            }
            "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "vanish" if self.run.open && element.on() => self.run.hidden = true,
            "rFonts" if self.run.open => {
                self.run.monospace |= is_monospace(&element.attribute("ascii").unwrap_or_default());
            }
            "rStyle" if self.run.open => self.run.monospace |= self.code_styles.contains(&element.value()),
            "footnoteReference" => self.note(&element.attribute("id").unwrap_or_default()),
            "endnoteReference" => self.note(&format!("e{}", element.attribute("id").unwrap_or_default())),
            name => {
                if let Some(paragraph) = self.paragraphs.last_mut().filter(|_| self.in_properties) {
                    match name {
                        "pStyle" => paragraph.style = element.value(),
                        "outlineLvl" => paragraph.outline = element.value().parse().ok(),
                        "numId" => paragraph.list = Some(element.value()),
                        "ilvl" => paragraph.level = element.value().parse().ok(),
                        _ => {}
                    }
                }
            }
        }
    }

    fn end(&mut self, name: &str) -> Option<Paragraph> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return None;
        }
        match name {
            "p" => return self.paragraphs.pop(),
            "pPr" => self.in_properties = false,
            "r" => self.run.open = false,
            "t" => self.in_text = false,
            "sdt" => {
                self.in_contents.pop();
            }
            _ => {}
        }
        None
    }

    fn push(&mut self, text: &str) {
        let monospace = self.run.monospace;
        if let Some(paragraph) = self.paragraphs.last_mut() {
            let start = paragraph.text.len();
            paragraph.text.extend(text.chars().filter(|&character| {
                let shown = !character.is_control() || matches!(character, '\t' | '\n');
                shown && !matches!(character, '\u{ad}' | '\u{200b}' | '\u{feff}')
            }));
            let end = paragraph.text.len();
            match paragraph.code.last_mut().filter(|_| monospace) {
                Some(last) if last.end == start => last.end = end,
                _ if monospace => paragraph.code.push(start..end),
                _ => {}
            }
            let length = text.chars().filter(|character| !character.is_whitespace()).count();
            paragraph.length += length;
            paragraph.monospace += if monospace { length } else { 0 };
        }
    }

    fn note(&mut self, mark: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.extend(["[^", mark, "]"]);
            paragraph.notes.push(mark.to_owned());
        }
    }
}

/// Writes what is read.
struct Body<'a> {
    context: &'a mut Context,
    builder: &'a mut Builder,
    /// The list and the code under way: several paragraphs make one block.
    items: String,
    code: String,
    /// Marks of notes that are named in what is under way.
    pending: Vec<String>,
    /// The tables under way, the outermost first.
    tables: Vec<Table>,
    state: State,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Vec<String>>,
    cells: usize,
    /// Paragraphs of the cell under way, and the columns it covers.
    cell: Vec<Paragraph>,
    span: usize,
    /// The paragraphs of the first cell, to write them as such where it is the only one.
    first: Vec<Paragraph>,
}

impl Body<'_> {
    fn met(&mut self, met: Met<'_>) -> Result<(), Error> {
        if self.state.skipped == 0 {
            match &met {
                Met::Start(element) => self.table_start(element),
                Met::End(name) => self.table_end(name)?,
                Met::Text(_) => {}
            }
        }
        let Some(paragraph) = self.state.met(met) else { return Ok(()) };
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
            ("tbl", _) => self.tables.push(Table::default()),
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
            self.pending.extend(cell.iter().flat_map(|paragraph| paragraph.notes.iter().cloned()));
            table.cells += 1;
            if table.cells == 1 {
                table.first = cell;
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
            } else if table.cells == 1 {
                // A frame around a note or a listing.
                self.pending.clear();
                for paragraph in &table.first {
                    self.paragraph(paragraph)?;
                }
            } else {
                let notes = std::mem::take(&mut self.pending);
                self.flush()?;
                self.builder.table(&table.rows, None)?;
                self.pending = notes;
                self.flush_notes()?;
            }
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: &Paragraph) -> Result<(), Error> {
        let Context { styles, lists, .. } = &mut *self.context;
        let style = paragraph.style.as_str();
        if styles.is_contents(style) {
            return Ok(());
        }
        let marker = lists.next(paragraph.list.as_deref(), paragraph.level, style, styles);
        let blank = paragraph.text.trim().is_empty();
        let outline = paragraph.outline.filter(|level| *level < 9).map(|level| level + 1);
        let heading = outline.or_else(|| styles.heading(style));
        let is_title = styles.is_title(style);
        let fixed = paragraph.length > 0 && paragraph.monospace * 10 >= paragraph.length * 9;
        let in_code = styles.is_code(style) || fixed;
        if blank {
            if !self.code.is_empty() {
                self.code.push('\n');
            }
            return Ok(());
        }
        let notes = paragraph.notes.iter().cloned();
        if let Some(level) = heading.or(is_title.then_some(1)).filter(|_| paragraph.length < 300) {
            self.flush()?;
            let title = one_line(&paragraph.text);
            if is_title {
                self.builder.title(&title);
            }
            let number = marker.filter(|marker| marker.text != "-").map(|marker| marker.text + " ");
            self.builder.heading(level, &format!("{}{title}", number.unwrap_or_default()), None)?;
            self.pending.extend(notes);
            self.flush_notes()
        } else if in_code {
            self.flush_items()?;
            self.code.push_str(paragraph.text.trim_end());
            self.code.push('\n');
            self.pending.extend(notes);
            Ok(())
        } else if let Some(marker) = marker {
            self.flush_code()?;
            if !self.items.is_empty() {
                self.items.push('\n');
            }
            self.items.push_str(&"   ".repeat(marker.level));
            self.items.push_str(&marker.text);
            self.items.push(' ');
            self.items.push_str(&one_line(&paragraph.markdown()));
            self.pending.extend(notes);
            Ok(())
        } else {
            self.flush()?;
            self.builder.text(&paragraph.markdown(), None)?;
            self.pending.extend(notes);
            self.flush_notes()
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.flush_items()?;
        self.flush_code()?;
        self.flush_notes()
    }

    fn flush_items(&mut self) -> Result<(), Error> {
        let items = std::mem::take(&mut self.items);
        self.builder.text(&items, None)
    }

    fn flush_code(&mut self) -> Result<(), Error> {
        let code = std::mem::take(&mut self.code);
        self.builder.code("", &code, None)
    }

    /// Notes stand below what names them, so that a passage holds both.
    fn flush_notes(&mut self) -> Result<(), Error> {
        for mark in std::mem::take(&mut self.pending) {
            // Removed, because a note that is named a thousand times is still one note.
            if let Some(note) = self.context.notes.remove(&mark).filter(|note| !note.is_empty()) {
                self.builder.text(&format!("[^{mark}]: {}", escape_inline(&note)), None)?;
            }
        }
        Ok(())
    }
}

impl Paragraph {
    /// Its text as Markdown, with names in a fixed-pitch font as code.
    fn markdown(&self) -> String {
        let mut markdown = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for range in &self.code {
            let (before, code) = (&self.text[at..range.start], &self.text[range.clone()]);
            let plain = code.trim().is_empty() || code.contains(['`', '\n']);
            markdown.push_str(&if at == 0 {
                escape_paragraph(before.trim_start())
            } else {
                escape_inline(before)
            });
            if plain {
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
