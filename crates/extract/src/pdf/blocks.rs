//! Groups the lines of a PDF into blocks: paragraphs, lists, code and tables.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::builder::DocumentBuilder;
use crate::escape::escape_paragraph;
use crate::model::Error;

use super::headings::Heading;
use super::lines::Line;

/// Maximum number of hyphenated words that are remembered.
const MAX_HYPHENATED_WORDS: usize = 200_000;

/// Maximum column at which code is placed.
const MAX_CODE_COLUMNS: f32 = 200.0;

/// Writes the lines as blocks, each with the page on which it begins.
pub(super) fn write(
    lines: &[Line],
    headings: &BTreeMap<usize, Heading>,
    builder: &mut DocumentBuilder,
) -> Result<(), Error> {
    let statistics = LayoutStatistics::of(lines);
    let mut index = 0;
    let mut writer = BlockWriter {
        statistics: &statistics,
        builder,
        paragraph: None,
        list_edges: Vec::new(),
        items: String::new(),
        items_page: 0,
    };
    while index < lines.len() {
        if let Some(heading) = headings.get(&index) {
            writer.end_list()?;
            writer.builder.set_page(lines[index].page);
            writer.builder.heading(heading.level, &heading.title, None)?;
            index += heading.line_count.max(1);
            continue;
        }
        let end = headings.range(index..).next().map_or(lines.len(), |(&next, _)| next);
        let previous = index.checked_sub(1).map(|previous| &lines[previous]);
        if let Some(count) = statistics.code_length(previous, &lines[index..end]) {
            writer.end_list()?;
            writer.builder.set_page(lines[index].page);
            writer.builder.code("", &code_text(&lines[index..index + count], &statistics), None)?;
            index += count;
        } else if let Some((count, rows)) = parse_table(&lines[index..end], &statistics) {
            writer.end_list()?;
            writer.builder.set_page(lines[index].page);
            writer.builder.table(&rows, None)?;
            index += count;
        } else {
            writer.push_line(&lines[index])?;
            index += 1;
        }
    }
    writer.end_list()
}

/// Appends a line to a paragraph. Removes a hyphen at the end of the line; Chinese and Japanese need no space.
///
/// `is_hyphenated` tells whether a word occurs with its hyphen elsewhere in the document.
pub(super) fn join_line(paragraph: &mut String, line: &str, is_hyphenated: &dyn Fn(&str) -> bool) {
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
        let is_url = paragraph.rsplit(' ').next().is_some_and(|word| word.contains("://"));
        // "well-\nknown" keeps its hyphen if "well-known" occurs elsewhere in the document.
        let is_upper_case = |word: &str| word.chars().count() > 1 && word.chars().all(char::is_uppercase);
        let is_same_case = first.is_lowercase() || is_upper_case(&head) && is_upper_case(&tail);
        let is_soft = is_same_case && head.chars().count() > 1 && !is_hyphenated(&format!("{head}-{tail}"));
        if is_soft && !is_url || is_url && before.ends_with('/') {
            paragraph.truncate(before.len());
        } else if !head.is_empty() || is_url {
            // Compounds such as "GNU-\nLinux" keep the hyphen.
        } else {
            paragraph.push(' ');
        }
    } else if !(is_spaceless(last) && is_spaceless(first) || is_full_width(last) || is_full_width(first)) {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

/// Statistics of the whole document, for decisions about single lines.
struct LayoutStatistics {
    /// Most frequent distance of two lines, by font size in half points.
    line_pitches: HashMap<i32, f32>,
    /// Right edge of full lines, by left edge in steps of five points.
    right_edges: HashMap<i32, f32>,
    /// Words with a hyphen inside a line, in lower case.
    hyphenated_words: HashSet<String>,
}

impl LayoutStatistics {
    /// Collects the statistics of all lines of a document.
    fn of(lines: &[Line]) -> Self {
        let mut gaps: HashMap<i32, BTreeMap<i32, usize>> = HashMap::new();
        for pair in lines.windows(2) {
            let gap = pair[0].baseline - pair[1].baseline;
            let is_comparable = pair[0].page == pair[1].page && (pair[0].size - pair[1].size).abs() < 0.3;
            if is_comparable && gap > pair[0].size * 0.8 && gap < pair[0].size * 2.5 {
                *gaps.entry(half_points(pair[0].size)).or_default().entry(half_points(gap)).or_default() += 1;
            }
        }
        let most_frequent = |gaps: BTreeMap<i32, usize>| {
            // Reversed, so that the smaller of two equally frequent gaps wins.
            gaps.into_iter().rev().max_by_key(|(_, count)| *count).map(|(gap, _)| from_half_points(gap))
        };
        let line_pitches =
            gaps.into_iter().filter_map(|(size, gaps)| Some((size, most_frequent(gaps)?))).collect();
        let mut hyphenated_words = HashSet::new();
        for line in lines {
            for word in line.text.split(|character: char| !character.is_alphabetic() && character != '-') {
                if word.trim_matches('-').contains('-') && hyphenated_words.len() < MAX_HYPHENATED_WORDS {
                    hyphenated_words.insert(word.trim_matches('-').to_lowercase());
                }
            }
        }
        let mut rights: HashMap<i32, Vec<f32>> = HashMap::new();
        for line in lines.iter().filter(|line| line.cells.len() == 1) {
            rights.entry(edge_key(line.left)).or_default().push(line.right);
        }
        let full_line_edge = |mut rights: Vec<f32>| {
            rights.sort_by(f32::total_cmp);
            rights.get(rights.len() * 9 / 10).copied()
        };
        let right_edges = rights.into_iter().filter(|(_, rights)| rights.len() > 3);
        let right_edges =
            right_edges.filter_map(|(left, rights)| Some((left, full_line_edge(rights)?))).collect();
        Self { line_pitches, right_edges, hyphenated_words }
    }

    /// Whether the line was ended on purpose: the first word of the next line would have fit on it.
    fn is_ended_early(&self, line: &Line, next: &str) -> bool {
        let Some(edge) = self.right_edges.get(&edge_key(line.left)) else { return false };
        if line.text.ends_with(['-', '\u{2010}', '\u{ad}']) {
            return false;
        }
        let mut word_ems = 0.0;
        for character in next.chars().take_while(|character| !character.is_whitespace()).take(40) {
            if is_spaceless(character) {
                word_ems += 1.0;
                break;
            }
            word_ems += 0.55;
        }
        edge - line.right > (word_ems + 2.0) * line.size
    }

    /// Returns the usual distance of two lines of a font size, in points.
    fn line_pitch(&self, size: f32) -> f32 {
        self.line_pitches.get(&half_points(size)).copied().unwrap_or(size * 1.2)
    }

    /// Returns the number of lines from here that are code: monospaced and not the wrapped end of a sentence.
    fn code_length(&self, previous: Option<&Line>, lines: &[Line]) -> Option<usize> {
        let first = lines.first().filter(|line| line.is_monospace && !line.pieces.is_empty())?;
        if let Some(previous) =
            previous.filter(|previous| previous.page == first.page && !previous.is_monospace)
        {
            let gap = previous.baseline - first.baseline;
            let is_within_paragraph = gap > 0.0 && gap < self.line_pitch(previous.size) * 1.15;
            // Last words of a sentence, alone on the next line, in the font for names.
            if is_within_paragraph
                && (previous.size - first.size).abs() < 0.6
                && (previous.left - first.left).abs() < 3.0
            {
                return None;
            }
        }
        let mut count = 1;
        while let Some(line) = lines.get(count).filter(|line| line.is_monospace) {
            let before = &lines[count - 1];
            let gap = before.baseline - line.baseline;
            let is_near = gap > 0.0 && gap < self.line_pitch(first.size) * 3.3;
            // Code continues over the end of a page; another font size begins a new block.
            if (line.page == before.page && !is_near) || (line.size - first.size).abs() > 0.6 {
                break;
            }
            count += 1;
        }
        Some(count)
    }
}

/// Writer with the current paragraph and list.
struct BlockWriter<'a> {
    statistics: &'a LayoutStatistics,
    builder: &'a mut DocumentBuilder,
    paragraph: Option<Paragraph>,
    /// Left edges of the bullets of the current list, outermost first.
    list_edges: Vec<f32>,
    /// Items of the current list as Markdown, and the page of the first.
    items: String,
    items_page: u32,
}

/// Properties of a paragraph that is a list item.
struct ListItem {
    /// Nesting depth, counted from 0.
    depth: usize,
    /// Whether it begins with a number, which stays in the text. Its further lines need not be indented.
    is_numbered: bool,
}

/// A paragraph whose end was not reached yet.
struct Paragraph {
    text: String,
    page: u32,
    last_line: Line,
    /// Leftmost edge so far, in points.
    left: f32,
    item: Option<ListItem>,
    line_count: usize,
}

impl BlockWriter<'_> {
    /// Adds a line to the current paragraph or begins a new one.
    fn push_line(&mut self, line: &Line) -> Result<(), Error> {
        let is_numbered = is_numbered_item(&line.text);
        if let Some(text) = strip_bullet(&line.text).or(is_numbered.then_some(line.text.as_str())) {
            self.end_paragraph()?;
            while self.list_edges.last().is_some_and(|&left| left > line.left + 3.0) {
                self.list_edges.pop();
            }
            if self.list_edges.last().is_none_or(|&left| left < line.left - 3.0) {
                self.list_edges.push(line.left);
            }
            let item = ListItem { depth: self.list_edges.len().min(8) - 1, is_numbered };
            self.paragraph = Some(Paragraph::new(line, text, Some(item)));
            return Ok(());
        }
        let continues = self.paragraph.as_ref().is_some_and(|paragraph| self.continues(paragraph, line));
        match &mut self.paragraph {
            Some(paragraph) if continues => {
                let hyphenated_words = &self.statistics.hyphenated_words;
                join_line(&mut paragraph.text, &line.text, &|word| {
                    hyphenated_words.contains(&word.to_lowercase())
                });
                paragraph.left = paragraph.left.min(line.left);
                paragraph.last_line = line.clone();
                paragraph.line_count += 1;
                Ok(())
            }
            _ => {
                // An indented paragraph belongs to the list item before; one at the edge of the list ends it.
                if self.list_edges.first().is_some_and(|&left| line.left <= left + 3.0) {
                    self.end_list()?;
                } else {
                    self.end_paragraph()?;
                }
                self.paragraph = Some(Paragraph::new(line, &line.text, None));
                Ok(())
            }
        }
    }

    /// Whether a line continues the current paragraph.
    fn continues(&self, paragraph: &Paragraph, line: &Line) -> bool {
        let last = &paragraph.last_line;
        if (last.size - line.size).abs() > last.size * 0.08 || is_numbered_item(&line.text) {
            return false;
        }
        let is_sentence_end =
            paragraph.text.ends_with(['.', '!', '?', ':', '。', '！', '？', '：', ';', '；', '”', '…']);
        let gap = last.baseline - line.baseline;
        if line.page != last.page || gap < -last.size {
            // Only an unfinished sentence continues over the end of a page or a column.
            let is_near = line.page <= last.page + 1 && !self.statistics.is_ended_early(last, &line.text);
            return !is_sentence_end && is_near && (paragraph.item.is_none() || line.left > last.left - 3.0);
        }
        let pitch = self.statistics.line_pitch(line.size);
        if gap > pitch * 1.28 || gap < -2.0 && is_sentence_end {
            return false;
        }
        if gap.abs() > 2.0 && self.statistics.is_ended_early(last, &line.text) {
            return false;
        }
        if paragraph.item.as_ref().is_some_and(|item| !item.is_numbered) {
            return line.left > paragraph.left + 2.0 || gap.abs() < 2.0;
        }
        // An indented line begins a paragraph, unless the paragraph has only one line so far.
        let is_indented =
            line.left > last.left + line.size * 0.6 && gap.abs() > 2.0 && paragraph.line_count > 1;
        !is_indented
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
            self.items.push_str(if item.is_numbered { "" } else { "- " });
            self.items.push_str(&text);
            return Ok(());
        }
        self.end_items()?;
        self.builder.set_page(paragraph.page);
        self.builder.text(&text, None)
    }

    /// Writes the items as one block, so that no blank lines separate them.
    fn end_items(&mut self) -> Result<(), Error> {
        if self.items.is_empty() {
            return Ok(());
        }
        self.builder.set_page(self.items_page);
        let items = std::mem::take(&mut self.items);
        self.builder.text(&items, None)
    }

    fn end_list(&mut self) -> Result<(), Error> {
        self.list_edges.clear();
        self.end_paragraph()?;
        self.end_items()
    }
}

impl Paragraph {
    fn new(line: &Line, text: &str, item: Option<ListItem>) -> Self {
        Self {
            text: text.to_owned(),
            page: line.page,
            last_line: line.clone(),
            left: line.left,
            item,
            line_count: 1,
        }
    }
}

/// Bullets of list items. The last two are private-use characters of symbol fonts.
pub(super) const BULLETS: [char; 16] =
    ['•', '◦', '▪', '▫', '‣', '∙', '●', '○', '■', '□', '–', '◆', '➢', '✓', '\u{f0b7}', '\u{f0a7}'];

/// Returns the text of a list item without its bullet, or `None` if it has no bullet.
fn strip_bullet(text: &str) -> Option<&str> {
    let ascii_bullet = || text.strip_prefix("* ").or_else(|| text.strip_prefix("- "));
    let rest = text.strip_prefix(BULLETS).or_else(ascii_bullet);
    rest.map(str::trim_start).filter(|rest| !rest.is_empty())
}

/// Whether a line begins with the mark of a list item.
pub(super) fn is_list_item(text: &str) -> bool {
    strip_bullet(text).is_some() || is_numbered_item(text)
}

/// Whether a line begins with the number of a list item: `3.`, `(3)`, `a)`.
fn is_numbered_item(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(' ') else { return false };
    let inner = first.strip_prefix('(').unwrap_or(first);
    let Some(inner) = inner.strip_suffix(['.', ')', '、']) else { return false };
    let is_short = inner.len() <= 3 && !rest.is_empty();
    let is_digits = inner.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter =
        inner.len() == 1 && inner.bytes().all(|byte| byte.is_ascii_lowercase()) && first.ends_with(')');
    is_short && !inner.is_empty() && (is_digits || is_letter)
}

/// Returns code with its columns: every piece is placed at its position, measured in character widths.
fn code_text(lines: &[Line], statistics: &LayoutStatistics) -> String {
    let left = lines.iter().map(|line| line.left).fold(f32::INFINITY, f32::min);
    let mut code = String::new();
    for (number, line) in lines.iter().enumerate() {
        if let Some(previous) = number.checked_sub(1).map(|previous| &lines[previous]) {
            let gap = previous.baseline - line.baseline;
            code.push('\n');
            if gap > statistics.line_pitch(line.size) * 1.7 && previous.page == line.page {
                code.push('\n');
            }
        }
        let char_width = char_width(line);
        let mut column = 0.0_f32;
        let mut has_text = false;
        for piece in &line.pieces {
            let target = (piece.left - left) / char_width;
            // The limit keeps a damaged position from filling the memory with spaces.
            while column + 0.5 < target.min(MAX_CODE_COLUMNS) {
                code.push(' ');
                column += 1.0;
            }
            let text = if has_text { piece.text.as_str() } else { piece.text.trim_start() };
            has_text = true;
            for character in text.chars().filter(|character| !character.is_control()) {
                code.push(if character == '\u{a0}' { ' ' } else { character });
            }
            column = column.max((piece.right - left) / char_width);
        }
        code.truncate(code.trim_end_matches(' ').len());
    }
    code
}

/// Returns the width of one character of a monospaced line, in points.
fn char_width(line: &Line) -> f32 {
    let longest = line.pieces.iter().max_by_key(|piece| piece.text.len());
    let measured = longest.map(|piece| {
        let columns: u16 = piece
            .text
            .chars()
            .take(1000)
            .map(|character| if is_double_width(character) { 2 } else { 1 })
            .sum();
        (piece.right - piece.left) / f32::from(columns.max(1))
    });
    measured.filter(|width| *width > line.size * 0.3 && *width < line.size).unwrap_or(line.size * 0.6)
}

/// Parses a table: lines whose cells are aligned. Returns the number of lines and the rows.
fn parse_table(lines: &[Line], statistics: &LayoutStatistics) -> Option<(usize, Vec<Vec<String>>)> {
    let first = lines.first().filter(|line| line.cells.len() >= 2 && strip_bullet(&line.text).is_none())?;
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
            join_line(&mut row[column], &cell.text, &|_| false);
        }
        if let Some(previous) = count.checked_sub(1).map(|previous| &lines[previous]) {
            let gap = previous.bottom - line.baseline;
            let is_far =
                gap > statistics.line_pitch(line.size) * 2.6 || gap < 0.0 || previous.page != line.page;
            let is_overlong = line.cells.iter().any(|cell| {
                let next = columns.iter().find(|left| **left > cell.left + 4.0);
                next.is_some_and(|left| cell.right > left + 2.0)
            });
            if is_far || (is_overlong && line.cells.len() == 1) {
                break;
            }
            // A line without a first cell continues the cells above it.
            if row[0].is_empty() && gap < statistics.line_pitch(line.size) * 1.35 {
                if let Some(above) = rows.last_mut() {
                    for (above, cell) in above.iter_mut().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
                        join_line(above, cell, &|_| false);
                    }
                }
                count += 1;
                continue;
            }
            if line.cells.len() == 1 && columns.len() > 1 && gap > statistics.line_pitch(line.size) * 1.35 {
                break;
            }
        }
        rows.push(row);
        count += 1;
    }
    let full_rows = rows.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() >= 2).count();
    (full_rows >= 2 && full_rows * 3 >= rows.len() * 2).then(|| {
        (count, rows.iter().map(|row| row.iter().map(|cell| escape_paragraph(cell)).collect()).collect())
    })
}

fn last_word(text: &str) -> String {
    let word: Vec<char> = text.chars().rev().take_while(|character| character.is_alphabetic()).collect();
    word.into_iter().rev().collect()
}

/// Whether the script of the character has no space between words. Hangul has.
fn is_spaceless(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{312f}' | '\u{31a0}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
        || is_full_width(character)
}

/// Whether the character is full-width punctuation, which needs no space: `，`, `。`, `（`.
fn is_full_width(character: char) -> bool {
    matches!(character, '\u{3001}'..='\u{301f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}'
        | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

/// Whether the character takes two columns in a monospaced font.
fn is_double_width(character: char) -> bool {
    is_spaceless(character) || matches!(character, '\u{1100}'..='\u{115f}' | '\u{ac00}'..='\u{d7a3}')
}

#[expect(clippy::cast_possible_truncation, reason = "a position on a page; a float cast saturates")]
fn edge_key(left: f32) -> i32 {
    (left / 5.0).round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "a position on a page; a float cast saturates")]
fn half_points(points: f32) -> i32 {
    (points * 2.0).round() as i32
}

#[expect(clippy::cast_precision_loss, reason = "half points of a page, far below 2^24")]
fn from_half_points(half_points: i32) -> f32 {
    half_points as f32 / 2.0
}
