//! Lines of a PDF. Removes those that are not part of the text: running headers and footers, page numbers, tables of
//! contents.

use std::collections::{HashMap, HashSet};

use unpdf::parser::{TextLine, TextSpan};

use crate::scripts::{push_subscript, push_superscript};

/// Height of an A4 page, for pages that do not state theirs.
const A4_HEIGHT_POINTS: f32 = 842.0;

/// A line of a page, with the properties that later analysis needs.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Page, counted from 1.
    pub(super) page: u32,
    /// Left edge, right edge and baseline, in points from the lower left corner.
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) baseline: f32,
    /// Lowest baseline: that of the last line of a row of a table whose cells have several.
    pub(super) bottom: f32,
    /// Font size, in points.
    pub(super) size: f32,
    pub(super) is_bold: bool,
    pub(super) is_monospace: bool,
    pub(super) text: String,
    /// Parts of the line that are separated by wide gaps.
    pub(super) cells: Vec<Cell>,
    /// Pieces of text as drawn, if the line is monospaced: they give the columns of code.
    pub(super) pieces: Vec<Cell>,
    /// Whether its place among the lines is settled: it belongs to a column of prose, or is a whole row of a table.
    pub(super) is_placed: bool,
}

/// A part of a line, with its left and right edge in points.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) text: String,
}

impl Line {
    /// Creates a line, or returns `None` if it is blank or has no valid position.
    pub(super) fn new(page: u32, line: &TextLine) -> Option<Self> {
        let base = Base::of(&line.spans)?;
        let text = clean(&base.text(&line.spans));
        let first = line.spans.first()?;
        if text.is_empty() || line.spans.iter().any(|span| !span.x.is_finite() || !span.y.is_finite()) {
            return None;
        }
        let (mut total, mut bold, mut monospace, mut large) = (0, 0, 0, 0);
        let size = line.spans.iter().map(|span| span.font_size).fold(0.0, f32::max);
        for span in &line.spans {
            let length = span.text.chars().filter(|character| !character.is_whitespace()).count();
            total += length;
            bold += if span.is_bold { length } else { 0 };
            monospace += if span.is_monospace { length } else { 0 };
            large += if span.font_size > size * 0.95 { length } else { 0 };
        }
        // Ignores the size of a single larger character, such as a bullet.
        let size = if large * 2 >= total { size } else { line.font_size };
        let mut cell_spans: Vec<(f32, f32, Vec<TextSpan>)> = Vec::new();
        for span in &line.spans {
            let right = span.x + span.ink_width.unwrap_or(span.width);
            match cell_spans.last_mut() {
                Some((_, end, spans)) if span.x - *end <= size.max(4.0) * 1.1 => {
                    *end = end.max(right);
                    spans.push(span.clone());
                }
                _ => cell_spans.push((span.x, right, vec![span.clone()])),
            }
        }
        let cell = |(left, right, spans): (f32, f32, Vec<TextSpan>)| Cell {
            left,
            right,
            text: clean(&base.text(&spans)),
        };
        let mut cells: Vec<Cell> = cell_spans.into_iter().map(cell).collect();
        let is_monospace = monospace * 10 >= total * 9;
        let pieces: Vec<Cell> =
            if is_monospace { line.spans.iter().filter_map(piece).collect() } else { Vec::new() };
        cells.retain(|cell| !cell.text.is_empty());
        let right = cells.iter().map(|cell| cell.right).fold(line.x, f32::max);
        Some(Self {
            page,
            // Spaces that are drawn before the first word indent it.
            left: pieces.first().map_or(first.x, |piece| piece.left),
            right,
            baseline: line.y,
            bottom: line.y,
            size,
            is_bold: bold * 10 >= total * 9,
            is_monospace,
            text,
            cells,
            pieces,
            is_placed: false,
        })
    }
}

/// Returns a monospaced piece of text from its first visible character on; `None` if it has none.
fn piece(span: &TextSpan) -> Option<Cell> {
    let text = span.text.trim_start();
    let spaces = u16::try_from(span.text.chars().count() - text.chars().count()).unwrap_or(0);
    let all = u16::try_from(span.text.chars().count()).unwrap_or(u16::MAX).max(1);
    let left = span.x + span.width * f32::from(spaces) / f32::from(all);
    (!text.is_empty()).then(|| Cell { left, right: span.x + span.width, text: text.to_owned() })
}

/// Baseline and font size of most of a line, against which superscripts and subscripts are told.
struct Base {
    baseline: f32,
    size: f32,
}

impl Base {
    fn of(spans: &[TextSpan]) -> Option<Self> {
        let mut lengths: Vec<(f32, f32, usize)> = Vec::new();
        for span in spans {
            let length = span.text.chars().filter(|character| !character.is_whitespace()).count();
            let is_same = |known: &&mut (f32, f32, usize)| {
                (known.0 - span.font_size).abs() < 0.3 && (known.1 - span.y).abs() < 0.3
            };
            if let Some((_, _, sum)) = lengths.iter_mut().find(is_same) {
                *sum += length;
            } else if lengths.len() < MAX_SIZES {
                // A line has few sizes; one with a thousand is damaged.
                lengths.push((span.font_size, span.y, length));
            }
        }
        let (size, baseline, _) = lengths.into_iter().rev().max_by_key(|(_, _, length)| *length)?;
        Some(Self { baseline, size })
    }

    /// Returns the text of spans, with superscripts and subscripts marked.
    fn text(&self, spans: &[TextSpan]) -> String {
        let all = || TextLine::from_spans(spans.to_vec()).text();
        let has_scripts = spans.iter().any(|span| self.script(span) != Script::None);
        if !has_scripts || spans.iter().any(|span| span.text.contains(is_right_to_left)) {
            return all();
        }
        let mut text = String::new();
        let mut at = 0;
        while at < spans.len() {
            let script = self.script(&spans[at]);
            let end = at + spans[at..].iter().take_while(|span| self.script(span) == script).count();
            let part = TextLine::from_spans(spans[at..end].to_vec()).text();
            let before = at.checked_sub(1).map(|before| &spans[before]);
            let has_gap = before.is_some_and(|before| has_gap(before, &spans[at]));
            // A slanted letter stands a little apart from its exponent.
            let is_near = before
                .is_some_and(|before| spans[at].x - before.x - before.width < self.size * MAX_SCRIPT_GAP_EMS);
            match script {
                Script::Raised if is_near => push_superscript(&mut text, &part),
                Script::Lowered if is_near => push_subscript(&mut text, &part),
                _ => {
                    if has_gap {
                        text.push(' ');
                    }
                    text.push_str(&part);
                }
            }
            at = end;
        }
        text
    }

    fn script(&self, span: &TextSpan) -> Script {
        let rise = span.y - self.baseline;
        let is_level_text = span.direction[0] > 0.9;
        if !is_level_text
            || span.font_size > self.size * 0.9
            || span.text.trim().is_empty()
            || rise.abs() > self.size * 0.7
        {
            Script::None
        } else if rise > self.size / 7.0 {
            Script::Raised
        } else if rise < -self.size / 10.0 {
            Script::Lowered
        } else {
            Script::None
        }
    }
}

/// Maximum gap between a letter and its superscript or subscript, in ems.
const MAX_SCRIPT_GAP_EMS: f32 = 0.2;

/// Maximum number of font sizes of a line that are compared.
const MAX_SIZES: usize = 64;

/// Vertical position of a piece of text in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    None,
    Raised,
    Lowered,
}

/// Whether the library puts a space between two pieces of text.
fn has_gap(before: &TextSpan, after: &TextSpan) -> bool {
    let joined = TextLine::from_spans(vec![before.clone(), after.clone()]).text();
    joined.len() > before.text.len() + after.text.len()
}

fn is_right_to_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// Removes running headers and footers (lines at the edge of the page that repeat) and page numbers.
pub(super) fn remove_running_headers(lines: &mut Vec<Line>, heights: &[f32]) {
    // Two passes, because there may be two lines at each edge.
    for _ in 0..2 {
        for top in [true, false] {
            let edges = edge_lines(lines, heights, top);
            let bands = running_bands(&edges, lines, heights.len());
            let mut removed = HashSet::new();
            for edge in &edges {
                let is_number = edge.lines.iter().all(|&line| is_page_number(&lines[line].text));
                if edge.is_separate && (is_number || bands.contains(&edge.band)) {
                    removed.extend(edge.lines.iter().copied());
                }
            }
            let mut index = 0;
            lines.retain(|_| {
                index += 1;
                !removed.contains(&(index - 1))
            });
        }
    }
}

/// Outermost line of a page, which may consist of several lines on one baseline.
struct Edge {
    /// Indices of the lines.
    lines: Vec<usize>,
    /// Distance from the edge of the page, in steps of three points.
    band: i32,
    /// Whether the gap to the next line is larger than between two lines of text.
    is_separate: bool,
}

/// Returns the top or bottom line of each page, if it is in the outer eighth of the page.
fn edge_lines(lines: &[Line], heights: &[f32], top: bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut start = 0;
    while start < lines.len() {
        let page = lines[start].page;
        let end = start + lines[start..].iter().take_while(|line| line.page == page).count();
        let height = heights.get(page as usize - 1).copied().unwrap_or(A4_HEIGHT_POINTS);
        let distance = |line: &Line| if top { height - line.baseline } else { line.baseline };
        let outermost = lines[start..end].iter().map(distance).fold(f32::INFINITY, f32::min);
        let (mut edge, mut next) = (Vec::new(), f32::INFINITY);
        let mut size = 0.0_f32;
        for (offset, line) in lines[start..end].iter().enumerate() {
            if distance(line) < outermost + 2.5 {
                edge.push(start + offset);
                size = size.max(line.size);
            } else {
                next = next.min(distance(line));
            }
        }
        if outermost < height / 8.0 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the height of a page is some hundred points"
            )]
            let band = (outermost / 3.0).round() as i32;
            edges.push(Edge { lines: edge, band, is_separate: next - outermost > size.max(6.0) * 1.5 });
        }
        start = end;
    }
    edges
}

/// Returns the bands of running headers: those used on many pages, often with repeated text.
fn running_bands(edges: &[Edge], lines: &[Line], pages: usize) -> HashSet<i32> {
    let mut occurrences: HashMap<(i32, String), u32> = HashMap::new();
    let cell_texts = |edge: &Edge| -> Vec<(i32, String)> {
        let cells = edge.lines.iter().flat_map(|&line| &lines[line].cells);
        cells.map(|cell| (edge.band, mask_digits(&cell.text))).collect()
    };
    for edge in edges.iter().filter(|edge| edge.is_separate) {
        for text in cell_texts(edge) {
            *occurrences.entry(text).or_default() += 1;
        }
    }
    let mut bands: HashMap<i32, (usize, usize)> = HashMap::new();
    for edge in edges.iter().filter(|edge| edge.is_separate) {
        let (total, repeated) = bands.entry(edge.band).or_default();
        *total += 1;
        *repeated += usize::from(
            cell_texts(edge).iter().any(|text| occurrences.get(text).is_some_and(|&count| count > 1)),
        );
    }
    bands
        .into_iter()
        .filter(|(_, (total, repeated))| {
            *repeated >= 2 && *repeated * 5 >= *total * 2 && *repeated * 6 >= pages
        })
        .map(|(band, _)| band)
        .collect()
}

/// Replaces every digit by 0, so that "Page 3" and "Page 4" are equal.
fn mask_digits(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect()
}

/// Whether a line is only a page number: `12`, `xiv`, `- 12 -`, `12 / 223`, `Page 3 of 9`.
fn is_page_number(text: &str) -> bool {
    let mut has_number = false;
    let classify = |word: &str| {
        let is_roman = word.len() < 8 && word.bytes().all(|byte| b"ivxlcIVXLC".contains(&byte));
        let is_digits = word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        (
            is_roman || is_digits,
            ["page", "of", "第", "页", "共", "頁", "seite", "von"].contains(&&*word.to_lowercase()),
        )
    };
    text.split(|character: char| character.is_whitespace() || "-–—/|·.".contains(character))
        .filter(|part| !part.is_empty())
        .all(|part| {
            let part = part.trim_start_matches('第').trim_end_matches(['页', '頁']);
            let (is_number, is_word) = classify(part);
            has_number |= is_number;
            is_number || is_word || part.is_empty()
        })
        && has_number
}

/// Removes tables of contents: lines that end in dots and a page number, and pages that consist mostly of them.
pub(super) fn remove_toc(lines: &mut Vec<Line>) {
    let mut pages: HashMap<u32, (usize, usize)> = HashMap::new();
    for line in lines.iter() {
        let (total, dotted) = pages.entry(line.page).or_default();
        *total += 1;
        *dotted += usize::from(is_toc_line(&line.text));
    }
    lines.retain(|line| {
        let (total, dotted) = pages.get(&line.page).copied().unwrap_or_default();
        // Such a page also has chapters without dots and titles over two lines.
        let is_toc_page = dotted >= 4 && dotted * 5 >= total * 2;
        !is_toc_page && !is_toc_line(&line.text)
    });
}

/// Whether a line ends in dots and a page number.
fn is_toc_line(text: &str) -> bool {
    let before =
        text.trim_end_matches(|character: char| character.is_ascii_digit() || "ivxlc".contains(character));
    let number_length = text.len() - before.len();
    let title = before.trim_end_matches(|character: char| ".…·． ".contains(character));
    let leader = before[title.len()..].chars().map(|character| if character == '…' { 3 } else { 1 });
    number_length > 0
        && number_length < 7
        && leader.sum::<usize>() >= 6
        && before[title.len()..].contains(['.', '…', '·', '．'])
}

/// Normalises text: collapses white space, expands ligatures, removes invisible characters.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        let expanded = match character {
            'ﬀ' => "ff",
            'ﬁ' => "fi",
            'ﬂ' => "fl",
            'ﬃ' => "ffi",
            'ﬄ' => "ffl",
            'ﬅ' | 'ﬆ' => "st",
            '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => continue,
            space if space.is_whitespace() => {
                if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                    cleaned.push(' ');
                }
                continue;
            }
            control if control.is_control() => continue,
            other => {
                cleaned.push(other);
                continue;
            }
        };
        cleaned.push_str(expanded);
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}
