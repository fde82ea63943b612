//! Paragraphs of a Word document, assembled from events: text with links, scripts, formulas, symbols and fields.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::builder::one_line;
use crate::escape::escape_inline;
use crate::marks;
use crate::model::ReferenceKind;
use crate::scripts::{push_subscript, push_superscript};

use super::formula::Formula;
use super::styles::is_monospace;
use super::symbols::symbol;
use super::xml::{Element, XmlEvent};

/// Maximum length of a field's instruction that is looked at.
const MAX_INSTRUCTION_CHARS: usize = 2_000;

/// Maximum length of the description of a picture.
const MAX_DESCRIPTION_CHARS: usize = 1_000;

/// A complete paragraph.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) style: String,
    /// Outline level, counted from 0; 9 is body text.
    pub(super) outline: Option<u8>,
    pub(super) list: Option<String>,
    pub(super) list_level: Option<usize>,
    /// Number of characters other than white space, and how many of them are monospaced.
    pub(super) length: usize,
    pub(super) monospace_length: usize,
    /// Byte ranges of the monospaced text.
    code: Vec<Range<usize>>,
    /// Byte ranges of the text of links, with their addresses.
    links: Vec<(Range<usize>, String)>,
    /// Pictures, with the byte range of their description.
    pictures: Vec<(Range<usize>, String)>,
    /// Names of places in the text, with their byte offsets.
    bookmarks: Vec<(usize, String)>,
    /// Labels of the notes that the paragraph refers to.
    pub(super) notes: Vec<String>,
    /// Whether its end is deleted by a tracked change, so that the next paragraph goes on with it.
    pub(super) joins_next: bool,
    /// Whether it is an entry of a table of contents: text of its field with the number of a page.
    pub(super) is_toc_entry: bool,
}

/// Current run: text with one set of properties.
#[derive(Debug, Default)]
struct Run {
    is_open: bool,
    is_hidden: bool,
    is_monospace: bool,
    script: Script,
    font: String,
}

/// Vertical position of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    #[default]
    Baseline,
    Superscript,
    Subscript,
}

impl Script {
    /// Returns the position that a value of `w:vertAlign` names.
    pub(super) fn of(value: &str) -> Self {
        match value {
            "superscript" => Self::Superscript,
            "subscript" => Self::Subscript,
            _ => Self::Baseline,
        }
    }
}

/// A complex field: its instruction, and whether its result has begun.
#[derive(Debug, Default)]
struct Field {
    instruction: String,
    has_result: bool,
    /// Place in the paragraph at which the result begins.
    start: usize,
}

/// Properties of the document that paragraphs depend on.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Ids of the styles whose text is code.
    pub(super) code_styles: HashSet<String>,
    /// Ids of the character styles whose text is raised or lowered.
    pub(super) script_styles: HashMap<String, Script>,
    /// Addresses of links by the id of their relationship.
    pub(super) links: HashMap<String, String>,
    /// Targets of pictures by the id of their relationship.
    pub(super) media: HashMap<String, String>,
}

/// Assembles paragraphs from events, regardless of the elements that contain them.
#[derive(Debug, Default)]
pub(super) struct ParagraphReader {
    context: Context,
    /// Open paragraphs, outermost first: a text box has paragraphs inside a paragraph.
    paragraphs: Vec<Paragraph>,
    /// Depth inside an element whose content is skipped; 0 outside.
    pub(super) skipped_depth: usize,
    in_text: bool,
    in_properties: bool,
    in_instruction: bool,
    run: Run,
    /// Superscript or subscript, which may be cut into several runs and is written when it is complete.
    pending: (Script, String),
    /// For each open `w:sdt`, whether it is a table of contents.
    is_toc: Vec<bool>,
    fields: Vec<Field>,
    /// Open links: address, and the place in the paragraph at which their text begins.
    links: Vec<Option<(String, usize)>>,
    formula: Formula,
    /// Byte range of the description of the drawing that is being read.
    description: Option<Range<usize>>,
}

impl ParagraphReader {
    pub(super) fn new(context: Context) -> Self {
        Self { context, ..Self::default() }
    }

    /// Handles one event. Returns a paragraph at its end.
    pub(super) fn handle(&mut self, event: XmlEvent<'_>) -> Option<Paragraph> {
        if self.formula.is_open() {
            self.handle_formula(event);
            return None;
        }
        match event {
            XmlEvent::Start(element) => {
                self.start(&element);
                None
            }
            XmlEvent::Text(text) => {
                if self.skipped_depth == 0 {
                    self.text(&text);
                }
                None
            }
            XmlEvent::End(name) => self.end(&name),
        }
    }

    fn handle_formula(&mut self, event: XmlEvent<'_>) {
        match event {
            // Deleted parts of formulas are skipped as those of text are.
            XmlEvent::Start(_) if self.skipped_depth > 0 => self.skipped_depth += 1,
            XmlEvent::Start(element) if matches!(element.name.as_str(), "del" | "moveFrom") => {
                self.skipped_depth = 1;
            }
            XmlEvent::Start(element) => self.formula.start(&element),
            XmlEvent::Text(text) if self.skipped_depth == 0 => self.formula.text(&text),
            XmlEvent::Text(_) => {}
            XmlEvent::End(_) if self.skipped_depth > 0 => self.skipped_depth -= 1,
            XmlEvent::End(_) => {
                if let Some(text) = self.formula.end() {
                    self.push(&text);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_instruction {
            if let Some(field) = self.fields.last_mut().filter(|field| !field.has_result) {
                let room = MAX_INSTRUCTION_CHARS.saturating_sub(field.instruction.len());
                field.instruction.extend(text.chars().take(room));
            }
        } else if self.in_text && !self.run.is_hidden {
            let font = &self.run.font;
            if text.contains(|character: char| ('\u{f000}'..='\u{f0ff}').contains(&character))
                || font == "Symbol"
            {
                let text: String =
                    text.chars().filter_map(|character| symbol(font, u32::from(character))).collect();
                self.push(&text);
            } else {
                self.push(text);
            }
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        if self.skipped_depth > 0 {
            self.skipped_depth += 1;
            return;
        }
        if self.in_properties {
            self.property(element);
            return;
        }
        match element.name.as_str() {
            // Copies for older programs, deleted or moved text, ruby readings and old properties.
            "Fallback" | "del" | "moveFrom" | "rt" | "pPrChange" | "rPrChange" | "sectPr"
            | "delInstrText" => {
                self.skipped_depth = 1;
            }
            "oMath" | "oMathPara" => self.formula.start(element),
            "sdt" => self.is_toc.push(false),
            "docPartGallery" => {
                if let Some(is_toc) = self.is_toc.last_mut() {
                    *is_toc = element.value() == "Table of Contents";
                }
            }
            "sdtContent" if self.is_toc.last() == Some(&true) => self.skipped_depth = 1,
            "p" => {
                self.flush_script();
                self.paragraphs.push(Paragraph::default());
            }
            "pPr" => self.in_properties = true,
            "r" => self.run = Run { is_open: true, ..Run::default() },
            "t" => self.in_text = true,
            "instrText" => self.in_instruction = true,
            "fldChar" => self.field_character(element),
            "hyperlink" => {
                let address = element.attribute("id").and_then(|id| self.context.links.get(&id).cloned());
                // A bookmark in this document, or in the one that is linked.
                let bookmark = element.attribute("anchor").filter(|name| !name.is_empty());
                let address = match (address, bookmark) {
                    (Some(address), Some(bookmark)) if !is_address(&address) && !address.contains('#') => {
                        Some(format!("{address}#{bookmark}"))
                    }
                    (None, Some(bookmark)) => Some(format!("#{bookmark}")),
                    (address, _) => address,
                };
                let start = self.position();
                self.links.push(address.map(|address| (address, start)));
            }
            "sym" => {
                let code = element.attribute("char").and_then(|code| u32::from_str_radix(&code, 16).ok());
                let font = element.attribute("font").unwrap_or_default();
                if let Some(character) = code.and_then(|code| symbol(&font, code)) {
                    self.push(&character.to_string());
                }
            }
            "drawing" | "pict" => self.description = None,
            "blip" => self.push_picture(element.attribute("embed")),
            "imagedata" => self.push_picture(element.attribute("id")),
            "docPr" => self.push_description(&element.attribute("descr").unwrap_or_default()),
            "shape" | "rect" | "image" => {
                self.push_description(&element.attribute("alt").unwrap_or_default());
            }
            // Word marks the last edit so.
            "bookmarkStart" => {
                let name = element.attribute("name").filter(|name| name != "_GoBack");
                self.flush_script();
                if let (Some(name), Some(paragraph)) = (name, self.paragraphs.last_mut()) {
                    paragraph.bookmarks.push((paragraph.text.len(), name));
                }
            }
            "tab" | "ptab" => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            _ if self.run.is_open => self.run_property(element),
            _ => {}
        }
    }

    /// Handles an element within the properties of a paragraph.
    fn property(&mut self, element: &Element<'_>) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match element.name.as_str() {
            "pPrChange" | "rPrChange" => self.skipped_depth = 1,
            "pStyle" => paragraph.style = element.value(),
            "outlineLvl" => paragraph.outline = element.value().parse().ok(),
            "numId" => paragraph.list = Some(element.value()),
            "ilvl" => paragraph.list_level = element.value().parse().ok(),
            "del" | "moveFrom" => paragraph.joins_next = true,
            _ => {}
        }
    }

    fn run_property(&mut self, element: &Element<'_>) {
        match element.name.as_str() {
            "vanish" if element.is_on() => self.run.is_hidden = true,
            "vertAlign" => self.run.script = Script::of(&element.value()),
            "rFonts" => {
                let font =
                    element.attribute("ascii").or_else(|| element.attribute("hAnsi")).unwrap_or_default();
                self.run.is_monospace |= is_monospace(&font);
                self.run.font = font;
            }
            "rStyle" => {
                self.run.is_monospace |= self.context.code_styles.contains(&element.value());
                if let Some(script) = self.context.script_styles.get(&element.value()) {
                    self.run.script = *script;
                }
            }
            "footnoteReference" => self.push_note_reference(&element.attribute("id").unwrap_or_default()),
            "endnoteReference" => {
                self.push_note_reference(&format!("e{}", element.attribute("id").unwrap_or_default()));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) -> Option<Paragraph> {
        if self.skipped_depth > 0 {
            self.skipped_depth -= 1;
            return None;
        }
        match name {
            "p" => {
                self.flush_script();
                return self.paragraphs.pop();
            }
            "pPr" => self.in_properties = false,
            "r" => self.run.is_open = false,
            "t" => self.in_text = false,
            "instrText" => self.in_instruction = false,
            "hyperlink" => {
                if let Some((address, start)) = self.links.pop().flatten() {
                    self.push_link(start, &address);
                }
            }
            "sdt" => {
                self.is_toc.pop();
            }
            _ => {}
        }
        None
    }

    fn field_character(&mut self, element: &Element<'_>) {
        match element.attribute("fldCharType").as_deref() {
            Some("begin") => self.fields.push(Field::default()),
            Some("separate") => {
                let start = self.position();
                if let Some(field) = self.fields.last_mut() {
                    field.has_result = true;
                    field.start = start;
                }
                self.mark_toc_entry();
            }
            Some("end") => {
                let Some(field) = self.fields.pop() else { return };
                if let Some(address) = hyperlink_address(&field.instruction) {
                    self.push_link(field.start, &address);
                }
            }
            _ => {}
        }
    }

    /// Marks the paragraph as an entry of a table of contents, if the number of a page begins within such a field.
    fn mark_toc_entry(&mut self) {
        let Some((last, outer)) = self.fields.split_last() else { return };
        let is_page = last.instruction.trim_start().to_uppercase().starts_with("PAGEREF");
        let is_toc = |field: &Field| field.instruction.trim_start().to_uppercase().starts_with("TOC");
        if is_page
            && outer.iter().any(is_toc)
            && let Some(paragraph) = self.paragraphs.last_mut()
        {
            paragraph.is_toc_entry = true;
        }
    }

    /// Returns the length of the text of the current paragraph.
    fn position(&mut self) -> usize {
        self.flush_script();
        self.paragraphs.last().map_or(0, |paragraph| paragraph.text.len())
    }

    fn push_link(&mut self, start: usize, address: &str) {
        self.flush_script();
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        // A field may begin in one paragraph and end in another.
        let Some(text) = paragraph.text.get(start..) else { return };
        let shown = text.trim();
        let is_its_own_text =
            address.trim_start_matches("mailto:").trim_end_matches('/') == shown.trim_end_matches('/');
        if !shown.is_empty() && !is_its_own_text && !shown.contains('\n') {
            let start = start + text.len() - text.trim_start().len();
            let address = if is_address(address) {
                address.replace('(', "%28").replace(')', "%29").replace(' ', "%20").replace(['<', '>'], "")
            } else {
                address.to_owned()
            };
            paragraph.links.push((start..start + shown.len(), address));
        }
    }

    fn push(&mut self, text: &str) {
        if self.run.is_open && self.run.script != Script::Baseline {
            if self.pending.0 != self.run.script {
                self.flush_script();
            }
            self.pending.0 = self.run.script;
            self.pending.1.push_str(text);
            return;
        }
        self.flush_script();
        self.push_plain(text, self.run.is_open && self.run.is_monospace);
    }

    /// Writes the pending superscript or subscript.
    fn flush_script(&mut self) {
        let (script, pending) = std::mem::take(&mut self.pending);
        let Some(paragraph) = self.paragraphs.last_mut().filter(|_| !pending.is_empty()) else { return };
        paragraph.length += pending.chars().filter(|character| !character.is_whitespace()).count();
        let pending: String = pending.chars().filter(|&character| is_text(character)).collect();
        match script {
            Script::Superscript => push_superscript(&mut paragraph.text, &pending),
            _ => push_subscript(&mut paragraph.text, &pending),
        }
    }

    fn push_plain(&mut self, text: &str, is_monospace: bool) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        let start = paragraph.text.len();
        paragraph.text.extend(text.chars().filter(|&character| is_text(character)));
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

    /// Appends the description of a picture in brackets, unless it is empty or the name of a file.
    fn push_description(&mut self, description: &str) {
        let description: String = one_line(description).chars().take(MAX_DESCRIPTION_CHARS).collect();
        let extension = description.rsplit('.').next().unwrap_or_default().to_lowercase();
        let is_file = description.contains('.')
            && ["png", "jpg", "jpeg", "gif", "bmp", "emf", "wmf", "tif", "tiff", "svg"]
                .contains(&extension.as_str());
        if description.is_empty() || is_file || self.run.is_hidden {
            return;
        }
        self.flush_script();
        if let Some(paragraph) = self.paragraphs.last_mut() {
            let space = if paragraph.text.is_empty() || paragraph.text.ends_with(char::is_whitespace) {
                ""
            } else {
                " "
            };
            let start = paragraph.text.len() + space.len();
            paragraph.text.extend([space, "[", &description, "] "]);
            self.description = Some(start..start + description.len() + 2);
            paragraph.length += description.len();
        }
    }

    /// Notes a picture by the id of its relationship, over its description if it has one.
    fn push_picture(&mut self, id: Option<String>) {
        let Some(target) = id.and_then(|id| self.context.media.get(&id).cloned()) else { return };
        let here = self.position();
        let range = self.description.take().filter(|range| range.end <= here).unwrap_or(here..here);
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.pictures.push((range, target));
        }
    }

    fn push_note_reference(&mut self, label: &str) {
        self.flush_script();
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.extend(["[^", label, "]"]);
            paragraph.notes.push(label.to_owned());
        }
    }
}

/// Whether a character belongs to the text: no control character, soft hyphen or mark of no width.
fn is_text(character: char) -> bool {
    let is_visible = !character.is_control() || matches!(character, '\t' | '\n');
    is_visible && !matches!(character, '\u{ad}' | '\u{200b}' | '\u{feff}')
}

/// Returns the address in the instruction of a field: `HYPERLINK "https://…" \o "tip"`.
fn hyperlink_address(instruction: &str) -> Option<String> {
    let rest = instruction.trim_start().strip_prefix("HYPERLINK")?.trim_start();
    let address = rest.strip_prefix('"')?.split('"').next()?;
    if is_address(address) {
        return Some(address.to_owned());
    }
    // `HYPERLINK \l "bookmark"`
    let (_, bookmark) = instruction.split_once("\\l ")?;
    let bookmark = bookmark.trim_start().strip_prefix('"')?.split('"').next()?;
    (!bookmark.is_empty()).then(|| format!("#{bookmark}"))
}

/// Whether a link leads out of the document.
pub(super) fn is_address(address: &str) -> bool {
    ["http://", "https://", "mailto:", "ftp://"].iter().any(|scheme| address.starts_with(scheme))
}

impl Paragraph {
    /// Makes a paragraph of plain text.
    pub(super) fn of_text(text: String) -> Self {
        Self {
            length: text.chars().filter(|character| !character.is_whitespace()).count(),
            text,
            ..Self::default()
        }
    }

    /// Returns the text as Markdown, with monospaced text as inline code and with links.
    pub(super) fn markdown(&self) -> String {
        let inline = self.inline();
        let lines: Vec<&str> = inline.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        escape_start(lines.join("\n").replace('\t', " "))
    }

    /// Returns the text on one line, for a cell of a table.
    pub(super) fn cell(&self) -> String {
        one_line(&self.inline())
    }

    /// Puts a paragraph that this one goes on with before it.
    pub(super) fn prepend(&mut self, mut before: Self) {
        let shift = before.text.len();
        before.text.push_str(&self.text);
        let moved = |range: &Range<usize>| range.start + shift..range.end + shift;
        before.code.extend(self.code.iter().map(moved));
        before.links.extend(self.links.iter().map(|(range, address)| (moved(range), address.clone())));
        before.pictures.extend(self.pictures.iter().map(|(range, target)| (moved(range), target.clone())));
        self.pictures = before.pictures;
        before.bookmarks.extend(self.bookmarks.iter().map(|(at, name)| (at + shift, name.clone())));
        self.bookmarks = before.bookmarks;
        self.text = before.text;
        self.code = before.code;
        self.links = before.links;
        self.length += before.length;
        self.monospace_length += before.monospace_length;
        before.notes.append(&mut self.notes);
        self.notes = before.notes;
    }

    /// Returns the marks of the bookmarks in the paragraph. Those of a heading or an item lead to its beginning.
    pub(super) fn anchors(&self) -> String {
        self.bookmarks.iter().map(|(_, name)| marks::anchor(name)).collect()
    }

    /// Returns the marks of the pictures, for a paragraph without text.
    pub(super) fn picture_marks(&self) -> String {
        let mark = |(_, target): &(_, String)| marks::begin(ReferenceKind::Picture, target) + &marks::end();
        self.pictures.iter().map(mark).collect()
    }

    fn inline(&self) -> String {
        let mut markdown = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        let crosses = |range: &Range<usize>| {
            self.code.iter().any(|code| {
                let overlaps = code.start < range.end && range.start < code.end;
                overlaps && !(range.start <= code.start && code.end <= range.end)
            })
        };
        let links = self.links.iter().map(|(range, address)| (range, address, false));
        let pictures = self.pictures.iter().map(|(range, target)| (range, target, true));
        let mut links: Vec<(&Range<usize>, &String, bool)> =
            links.chain(pictures).filter(|(range, ..)| !crosses(range)).collect();
        links.sort_by_key(|(range, ..)| range.start);
        let mut links = links.into_iter().peekable();
        while at < self.text.len() || links.peek().is_some() {
            let Some((range, address, is_picture)) = links.peek() else {
                self.push_with_code(at..self.text.len(), &mut markdown);
                break;
            };
            if range.start < at {
                // A link within a link.
                links.next();
                continue;
            }
            self.push_with_code(at..range.start, &mut markdown);
            if *is_picture {
                markdown.push_str(&marks::begin(ReferenceKind::Picture, address));
                self.push_with_code((*range).clone(), &mut markdown);
                markdown.push_str(&marks::end());
            } else if is_address(address) {
                markdown.push('[');
                self.push_with_code((*range).clone(), &mut markdown);
                markdown.extend(["](", address, ")"]);
            } else {
                let mut label = String::new();
                self.push_with_code((*range).clone(), &mut label);
                markdown.push_str(&marks::linked(&label, address));
            }
            at = range.end;
            links.next();
        }
        markdown
    }

    /// Appends a part of the text in which no code begins or ends outside.
    fn push_with_code(&self, part: Range<usize>, markdown: &mut String) {
        let mut at = part.start;
        for range in self.code.iter().filter(|range| part.start <= range.start && range.end <= part.end) {
            markdown.push_str(&escape_inline(&self.text[at..range.start]));
            let code = &self.text[range.clone()];
            if code.trim().is_empty() || code.contains(['`', '\n']) {
                markdown.push_str(&escape_inline(code));
            } else {
                let (left, right) = (code.len() - code.trim_start().len(), code.trim_end().len());
                markdown.extend([&code[..left], "`", code.trim(), "`", &code[right..]]);
            }
            at = range.end;
        }
        markdown.push_str(&escape_inline(&self.text[at..part.end]));
    }
}

/// Escapes the beginning of a paragraph that was escaped within.
fn escape_start(markdown: String) -> String {
    // A code span begins with one backtick.
    let starts_block = markdown.starts_with(['#', '>', '|', '+', '='])
        || markdown.starts_with("```")
        || markdown.starts_with("~~~");
    if starts_block { format!("\\{markdown}") } else { markdown }
}
