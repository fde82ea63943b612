//! From lines to blocks: which lines of a PDF are one paragraph, one list, one piece of code, one table.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::builder::Builder;
use crate::escape::escape_paragraph;
use crate::model::Error;

use super::headings::Heading;
use super::lines::Line;

/// Writes the lines as blocks, each with the page it begins on.
pub(super) fn write(
    lines: &[Line],
    headings: &BTreeMap<usize, Heading>,
    builder: &mut Builder,
) -> Result<(), Error> {
    let facts = Facts::of(lines);
    let mut index = 0;
    let mut flow = Flow {
        facts: &facts,
        builder,
        paragraph: None,
        list: Vec::new(),
        items: String::new(),
        items_page: 0,
    };
    while index < lines.len() {
        if let Some(heading) = headings.get(&index) {
            flow.end_list()?;
            flow.builder.page(lines[index].page);
            flow.builder.heading(heading.level, &heading.title, None)?;
            index += heading.lines.max(1);
            continue;
        }
        let end = headings.range(index..).next().map_or(lines.len(), |(&next, _)| next);
        let previous = index.checked_sub(1).map(|previous| &lines[previous]);
        if let Some(count) = facts.code(previous, &lines[index..end]) {
            flow.end_list()?;
            flow.builder.page(lines[index].page);
            flow.builder.code("", &code_text(&lines[index..index + count], &facts), None)?;
            index += count;
        } else if let Some((count, rows)) = table(&lines[index..end], &facts) {
            flow.end_list()?;
            flow.builder.page(lines[index].page);
            flow.builder.table(&rows, None)?;
            index += count;
        } else {
            flow.line(&lines[index])?;
            index += 1;
        }
    }
    flow.end_list()
}

/// Adds a line to a paragraph: a hyphen at the line's end joins, Chinese and Japanese need no space.
/// `known` tells whether a word with its hyphen removed occurs elsewhere in the document.
pub(super) fn join(paragraph: &mut String, line: &str, known: &dyn Fn(&str) -> bool) {
    let Some(last) = paragraph.chars().next_back() else {
        paragraph.push_str(line);
        return;
    };
    let first = line.chars().next().unwrap_or(' ');
    if last == '\u{ad}' {
        paragraph.pop();
    } else if matches!(last, '-' | '\u{2010}') && !paragraph.ends_with("--") {
        let before = paragraph.trim_end_matches(last);
        let head: String = last_word(before);
        let tail: String = line.chars().take_while(|character| character.is_alphabetic()).collect();
        let address = paragraph.rsplit(' ').next().is_some_and(|word| word.contains("://"));
        // "well-\nknown" keeps its hyphen only where "wellknown" is not a word of the document.
        let capitals = |word: &str| word.chars().count() > 1 && word.chars().all(char::is_uppercase);
        let even = first.is_lowercase() || capitals(&head) && capitals(&tail);
        let removed = even && head.chars().count() > 1 && !known(&format!("{head}-{tail}"));
        if removed && !address || address && before.ends_with('/') {
            paragraph.truncate(before.len());
        } else if !head.is_empty() || address {
            // Compounds such as "GNU-\nLinux" keep it.
        } else {
            paragraph.push(' ');
        }
    } else if !(spaceless(last) && spaceless(first) || full_width(last) || full_width(first)) {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

/// What the whole document tells about a single line.
struct Facts {
    /// The usual distance of two lines for a size in half points.
    pitch: HashMap<i32, f32>,
    /// Where most full lines end that begin at a left edge, in steps of five points.
    edges: HashMap<i32, f32>,
    /// Words that hold a hyphen inside a line.
    hyphenated: HashSet<String>,
}

impl Facts {
    fn of(lines: &[Line]) -> Self {
        let mut gaps: HashMap<i32, BTreeMap<i32, usize>> = HashMap::new();
        for pair in lines.windows(2) {
            let gap = pair[0].baseline - pair[1].baseline;
            let same = pair[0].page == pair[1].page && (pair[0].size - pair[1].size).abs() < 0.3;
            if same && gap > pair[0].size * 0.8 && gap < pair[0].size * 2.5 {
                *gaps.entry(key(pair[0].size)).or_default().entry(key(gap)).or_default() += 1;
            }
        }
        let usual = |gaps: BTreeMap<i32, usize>| {
            // Of two equally usual ones the smaller, hence the reverse.
            gaps.into_iter().rev().max_by_key(|(_, count)| *count).map(|(gap, _)| unkey(gap))
        };
        let pitch = gaps.into_iter().filter_map(|(size, gaps)| Some((size, usual(gaps)?))).collect();
        let mut hyphenated = HashSet::new();
        for line in lines {
            for word in line.text.split(|character: char| !character.is_alphabetic() && character != '-') {
                if word.trim_matches('-').contains('-') && hyphenated.len() < 200_000 {
                    hyphenated.insert(word.trim_matches('-').to_lowercase());
                }
            }
        }
        let mut rights: HashMap<i32, Vec<f32>> = HashMap::new();
        for line in lines.iter().filter(|line| line.cells.len() == 1) {
            rights.entry(edge_key(line.left)).or_default().push(line.right);
        }
        let full = |mut rights: Vec<f32>| {
            rights.sort_by(f32::total_cmp);
            rights.get(rights.len() * 9 / 10).copied()
        };
        let edges = rights.into_iter().filter(|(_, rights)| rights.len() > 3);
        let edges = edges.filter_map(|(left, rights)| Some((left, full(rights)?))).collect();
        Self { pitch, edges, hyphenated }
    }

    /// Whether the next line's first word would have stood on this line: then it was ended on purpose.
    fn ended_early(&self, line: &Line, next: &str) -> bool {
        let Some(edge) = self.edges.get(&edge_key(line.left)) else { return false };
        if line.text.ends_with(['-', '\u{2010}', '\u{ad}']) {
            return false;
        }
        let mut word = 0.0;
        for character in next.chars().take_while(|character| !character.is_whitespace()).take(40) {
            if spaceless(character) {
                word += 1.0;
                break;
            }
            word += 0.55;
        }
        edge - line.right > (word + 2.0) * line.size
    }

    fn pitch(&self, size: f32) -> f32 {
        self.pitch.get(&key(size)).copied().unwrap_or(size * 1.2)
    }

    /// How many lines from here are code: set in a fixed-pitch font and not a wrapped end of a sentence.
    fn code(&self, previous: Option<&Line>, lines: &[Line]) -> Option<usize> {
        let first = lines.first().filter(|line| line.monospace && !line.pieces.is_empty())?;
        if let Some(previous) = previous.filter(|previous| previous.page == first.page && !previous.monospace)
        {
            let gap = previous.baseline - first.baseline;
            let within = gap > 0.0 && gap < self.pitch(previous.size) * 1.15;
            // The last words of a sentence, alone on the next line, in the font for names.
            if within && (previous.size - first.size).abs() < 0.6 && (previous.left - first.left).abs() < 3.0
            {
                return None;
            }
        }
        let mut count = 1;
        while let Some(line) = lines.get(count).filter(|line| line.monospace) {
            let before = &lines[count - 1];
            let gap = before.baseline - line.baseline;
            let near = gap > 0.0 && gap < self.pitch(first.size) * 3.3;
            // Code runs on over the page's end; a fresh block begins where another size does.
            if (line.page == before.page && !near) || (line.size - first.size).abs() > 0.6 {
                break;
            }
            count += 1;
        }
        Some(count)
    }
}

/// The blocks under way.
struct Flow<'a> {
    facts: &'a Facts,
    builder: &'a mut Builder,
    paragraph: Option<Paragraph>,
    /// Left edges of the bullets of the list under way, outermost first.
    list: Vec<f32>,
    /// The items of that list as Markdown, and the page of the first.
    items: String,
    items_page: u32,
}

/// What is known of a paragraph that is an item of a list.
struct Item {
    /// Counted from 0.
    depth: usize,
    /// Whether it begins with a number, which stays in its text; its lines may be flush with it.
    numbered: bool,
}

struct Paragraph {
    text: String,
    page: u32,
    last: Line,
    /// Leftmost edge so far.
    left: f32,
    item: Option<Item>,
    lines: usize,
}

impl Flow<'_> {
    fn line(&mut self, line: &Line) -> Result<(), Error> {
        let numbered = numbered(&line.text);
        if let Some(text) = bullet(&line.text).or(numbered.then_some(line.text.as_str())) {
            self.end_paragraph()?;
            while self.list.last().is_some_and(|&left| left > line.left + 3.0) {
                self.list.pop();
            }
            if self.list.last().is_none_or(|&left| left < line.left - 3.0) {
                self.list.push(line.left);
            }
            let item = Item { depth: self.list.len().min(8) - 1, numbered };
            self.paragraph = Some(Paragraph::new(line, text, Some(item)));
            return Ok(());
        }
        let goes_on = self.paragraph.as_ref().is_some_and(|paragraph| self.goes_on(paragraph, line));
        match &mut self.paragraph {
            Some(paragraph) if goes_on => {
                let hyphenated = &self.facts.hyphenated;
                join(&mut paragraph.text, &line.text, &|word| hyphenated.contains(&word.to_lowercase()));
                paragraph.left = paragraph.left.min(line.left);
                paragraph.last = line.clone();
                paragraph.lines += 1;
                Ok(())
            }
            _ => {
                // A paragraph at the list's own indent belongs to an item's text; further left ends the list.
                if self.list.first().is_some_and(|&left| line.left <= left + 3.0) {
                    self.end_list()?;
                } else {
                    self.end_paragraph()?;
                }
                self.paragraph = Some(Paragraph::new(line, &line.text, None));
                Ok(())
            }
        }
    }

    /// Whether a line continues the paragraph under way.
    fn goes_on(&self, paragraph: &Paragraph, line: &Line) -> bool {
        let last = &paragraph.last;
        if (last.size - line.size).abs() > last.size * 0.08 || numbered(&line.text) {
            return false;
        }
        let ended =
            paragraph.text.ends_with(['.', '!', '?', ':', '。', '！', '？', '：', ';', '；', '”', '…']);
        let gap = last.baseline - line.baseline;
        if line.page != last.page || gap < -last.size {
            // Over the end of a page or a column only a sentence that is not finished.
            let near = line.page <= last.page + 1 && !self.facts.ended_early(last, &line.text);
            return !ended && near && (paragraph.item.is_none() || line.left > last.left - 3.0);
        }
        let pitch = self.facts.pitch(line.size);
        if gap > pitch * 1.28 || gap < -2.0 && ended {
            return false;
        }
        if gap.abs() > 2.0 && self.facts.ended_early(last, &line.text) {
            return false;
        }
        if paragraph.item.as_ref().is_some_and(|item| !item.numbered) {
            return line.left > paragraph.left + 2.0 || gap.abs() < 2.0;
        }
        // An indented first line begins a paragraph, unless the one before was indented just so.
        let indented = line.left > last.left + line.size * 0.6 && gap.abs() > 2.0 && paragraph.lines > 1;
        !indented
    }

    fn end_paragraph(&mut self) -> Result<(), Error> {
        let Some(paragraph) = self.paragraph.take() else { return Ok(()) };
        let text = escape_paragraph(&paragraph.text);
        if let Some(item) = paragraph.item {
            if self.items.is_empty() {
                self.items_page = paragraph.page;
            } else {
                self.items.push('\n');
            }
            self.items.push_str(&"  ".repeat(item.depth));
            self.items.push_str(if item.numbered { "" } else { "- " });
            self.items.push_str(&text);
            return Ok(());
        }
        self.end_items()?;
        self.builder.page(paragraph.page);
        self.builder.text(&text, None)
    }

    /// A list is one block, so that its items are not torn apart by empty lines.
    fn end_items(&mut self) -> Result<(), Error> {
        if self.items.is_empty() {
            return Ok(());
        }
        self.builder.page(self.items_page);
        let items = std::mem::take(&mut self.items);
        self.builder.text(&items, None)
    }

    fn end_list(&mut self) -> Result<(), Error> {
        self.list.clear();
        self.end_paragraph()?;
        self.end_items()
    }
}

impl Paragraph {
    fn new(line: &Line, text: &str, item: Option<Item>) -> Self {
        Self { text: text.to_owned(), page: line.page, last: line.clone(), left: line.left, item, lines: 1 }
    }
}

/// Marks that stand before the items of a list. The last two are those of the fonts for symbols.
pub(super) const BULLETS: [char; 16] =
    ['•', '◦', '▪', '▫', '‣', '∙', '●', '○', '■', '□', '–', '◆', '➢', '✓', '\u{f0b7}', '\u{f0a7}'];

/// The text of a list item without its bullet.
fn bullet(text: &str) -> Option<&str> {
    let plain = || text.strip_prefix("* ").or_else(|| text.strip_prefix("- "));
    let rest = text.strip_prefix(BULLETS).or_else(plain);
    rest.map(str::trim_start).filter(|rest| !rest.is_empty())
}

/// Whether a line begins with the number of a list item: `3.`, `(3)`, `a)`.
fn numbered(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(' ') else { return false };
    let inner = first.strip_prefix('(').unwrap_or(first);
    let Some(inner) = inner.strip_suffix(['.', ')', '、']) else { return false };
    let short = inner.len() <= 3 && !rest.is_empty();
    let digits = inner.bytes().all(|byte| byte.is_ascii_digit());
    let letter =
        inner.len() == 1 && inner.bytes().all(|byte| byte.is_ascii_lowercase()) && first.ends_with(')');
    short && !inner.is_empty() && (digits || letter)
}

/// Code with its columns: every piece goes where it stood, counted in widths of a character.
fn code_text(lines: &[Line], facts: &Facts) -> String {
    let left = lines.iter().map(|line| line.left).fold(f32::INFINITY, f32::min);
    let mut code = String::new();
    for (number, line) in lines.iter().enumerate() {
        if let Some(previous) = number.checked_sub(1).map(|previous| &lines[previous]) {
            let gap = previous.baseline - line.baseline;
            code.push('\n');
            if gap > facts.pitch(line.size) * 1.7 && previous.page == line.page {
                code.push('\n');
            }
        }
        let advance = advance(line);
        let mut column = 0.0_f32;
        let mut written = false;
        for piece in &line.pieces {
            let target = (piece.left - left) / advance;
            // No listing is wider; a damaged position would fill the memory with blanks.
            while column + 0.5 < target.min(200.0) {
                code.push(' ');
                column += 1.0;
            }
            let text = if written { piece.text.as_str() } else { piece.text.trim_start() };
            written = true;
            for character in text.chars().filter(|character| !character.is_control()) {
                code.push(if character == '\u{a0}' { ' ' } else { character });
            }
            column = column.max((piece.right - left) / advance);
        }
        code.truncate(code.trim_end_matches(' ').len());
    }
    code
}

/// The width of one character of a line in a fixed-pitch font.
fn advance(line: &Line) -> f32 {
    let longest = line.pieces.iter().max_by_key(|piece| piece.text.len());
    let measured = longest.map(|piece| {
        let columns: u16 =
            piece.text.chars().take(1000).map(|character| if wide(character) { 2 } else { 1 }).sum();
        (piece.right - piece.left) / f32::from(columns.max(1))
    });
    measured.filter(|width| *width > line.size * 0.3 && *width < line.size).unwrap_or(line.size * 0.6)
}

/// Rows of cells that stand under each other, and how many lines they cover.
fn table(lines: &[Line], facts: &Facts) -> Option<(usize, Vec<Vec<String>>)> {
    let first = lines.first().filter(|line| line.cells.len() >= 2 && bullet(&line.text).is_none())?;
    let columns: Vec<f32> = first.cells.iter().map(|cell| cell.left).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut count = 0_usize;
    for line in lines {
        let mut row = vec![String::new(); columns.len()];
        let fits = line.cells.len() <= columns.len();
        let aligned =
            line.cells.iter().filter(|cell| columns.iter().any(|left| (left - cell.left).abs() < 4.0));
        if !fits || aligned.count() * 3 < line.cells.len() * 2 {
            break;
        }
        for cell in &line.cells {
            let column = columns.iter().rposition(|left| cell.left > left - 4.0).unwrap_or(0);
            join(&mut row[column], &cell.text, &|_| false);
        }
        if let Some(previous) = count.checked_sub(1).map(|previous| &lines[previous]) {
            let gap = previous.baseline - line.baseline;
            let far = gap > facts.pitch(line.size) * 2.6 || gap < 0.0 || previous.page != line.page;
            let overlong = line.cells.iter().any(|cell| {
                let next = columns.iter().find(|left| **left > cell.left + 4.0);
                next.is_some_and(|left| cell.right > left + 2.0)
            });
            if far || (overlong && line.cells.len() == 1) {
                break;
            }
            // A line without a first cell goes on with the cells above it.
            if row[0].is_empty() && gap < facts.pitch(line.size) * 1.35 {
                if let Some(above) = rows.last_mut() {
                    for (above, cell) in above.iter_mut().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
                        join(above, cell, &|_| false);
                    }
                }
                count += 1;
                continue;
            }
            if line.cells.len() == 1 && columns.len() > 1 && gap > facts.pitch(line.size) * 1.35 {
                break;
            }
        }
        rows.push(row);
        count += 1;
    }
    let full = rows.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() >= 2).count();
    (full >= 2 && full * 3 >= rows.len() * 2).then(|| {
        (count, rows.iter().map(|row| row.iter().map(|cell| escape_paragraph(cell)).collect()).collect())
    })
}

fn last_word(text: &str) -> String {
    let word: Vec<char> = text.chars().rev().take_while(|character| character.is_alphabetic()).collect();
    word.into_iter().rev().collect()
}

/// Characters of scripts that put no space between words. Hangul does.
fn spaceless(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{312f}' | '\u{31a0}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
        || full_width(character)
}

/// Punctuation that brings its own room: `，`, `。`, `（`.
fn full_width(character: char) -> bool {
    matches!(character, '\u{3001}'..='\u{301f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}'
        | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

/// Characters that take two columns in a fixed-pitch font.
fn wide(character: char) -> bool {
    spaceless(character) || matches!(character, '\u{1100}'..='\u{115f}' | '\u{ac00}'..='\u{d7a3}')
}

#[expect(clippy::cast_possible_truncation, reason = "points on a page; a float cast saturates")]
fn edge_key(left: f32) -> i32 {
    (left / 5.0).round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "points on a page; a float cast saturates")]
fn key(points: f32) -> i32 {
    (points * 2.0).round() as i32
}

#[expect(clippy::cast_precision_loss, reason = "half points of a page, far below 2^24")]
fn unkey(half_points: i32) -> f32 {
    half_points as f32 / 2.0
}
