//! The lines of a PDF, and which of them belong to the paper instead of the text: running headers and
//! footers, page numbers, the table of contents.

use std::collections::{HashMap, HashSet};

use unpdf::parser::{TextLine, TextSpan};

/// One line of a page, with what later decisions need of its pieces.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) page: u32,
    /// Left edge, right edge and baseline, in points from the lower left corner.
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) baseline: f32,
    /// Points.
    pub(super) size: f32,
    pub(super) bold: bool,
    pub(super) monospace: bool,
    pub(super) text: String,
    /// The pieces between which there is more room than between words.
    pub(super) cells: Vec<Cell>,
    /// The pieces of a line in a fixed-pitch font as they were drawn, for the columns of code.
    pub(super) pieces: Vec<Cell>,
}

/// A piece of a line.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) text: String,
}

impl Line {
    /// The line as it is needed here, or nothing where it is blank.
    pub(super) fn new(page: u32, line: &TextLine) -> Option<Self> {
        let text = clean(&line.text());
        let first = line.spans.first()?;
        if text.is_empty() || line.spans.iter().any(|span| !span.x.is_finite() || !span.y.is_finite()) {
            return None;
        }
        let (mut all, mut bold, mut monospace, mut large) = (0, 0, 0, 0);
        let size = line.spans.iter().map(|span| span.font_size).fold(0.0, f32::max);
        for span in &line.spans {
            let length = span.text.chars().filter(|character| !character.is_whitespace()).count();
            all += length;
            bold += if span.is_bold { length } else { 0 };
            monospace += if span.is_monospace { length } else { 0 };
            large += if span.font_size > size * 0.95 { length } else { 0 };
        }
        // A bullet or a footnote mark in another size does not make the line that size.
        let size = if large * 2 >= all { size } else { line.font_size };
        let mut groups: Vec<(f32, f32, Vec<TextSpan>)> = Vec::new();
        for span in &line.spans {
            let right = span.x + span.ink_width.unwrap_or(span.width);
            match groups.last_mut() {
                Some((_, end, spans)) if span.x - *end <= size.max(4.0) * 1.1 => {
                    *end = end.max(right);
                    spans.push(span.clone());
                }
                _ => groups.push((span.x, right, vec![span.clone()])),
            }
        }
        let cell =
            |(left, right, spans)| Cell { left, right, text: clean(&TextLine::from_spans(spans).text()) };
        let mut cells: Vec<Cell> = groups.into_iter().map(cell).collect();
        let monospace = monospace * 10 >= all * 9;
        let piece =
            |span: &TextSpan| Cell { left: span.x, right: span.x + span.width, text: span.text.clone() };
        let pieces = if monospace { line.spans.iter().map(piece).collect() } else { Vec::new() };
        cells.retain(|cell| !cell.text.is_empty());
        let right = cells.iter().map(|cell| cell.right).fold(line.x, f32::max);
        Some(Self {
            page,
            left: first.x,
            right,
            baseline: line.y,
            size,
            bold: bold * 10 >= all * 9,
            monospace,
            text,
            cells,
            pieces,
        })
    }
}

/// Takes out the lines at the edge of the page that repeat from page to page, and page numbers.
pub(super) fn drop_running(lines: &mut Vec<Line>, heights: &[f32]) {
    // Two passes, because there may be two lines of them.
    for _ in 0..2 {
        for top in [true, false] {
            let edges = edges(lines, heights, top);
            let bands = running_bands(&edges, lines, heights.len());
            let mut dropped = HashSet::new();
            for edge in &edges {
                let number = edge.lines.iter().all(|&line| is_page_number(&lines[line].text));
                if edge.apart && (number || bands.contains(&edge.band)) {
                    dropped.extend(edge.lines.iter().copied());
                }
            }
            let mut index = 0;
            lines.retain(|_| {
                index += 1;
                !dropped.contains(&(index - 1))
            });
        }
    }
}

/// The outermost line of a page, which may be several pieces on one baseline.
struct Edge {
    lines: Vec<usize>,
    /// Where it stands, in steps of three points.
    band: i32,
    /// Whether there is more room between it and its neighbour than between two lines of text.
    apart: bool,
}

/// The uppermost or lowest line of each page, where it stands in the outer eighth of it.
fn edges(lines: &[Line], heights: &[f32], top: bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut start = 0;
    while start < lines.len() {
        let page = lines[start].page;
        let end = start + lines[start..].iter().take_while(|line| line.page == page).count();
        let height = heights.get(page as usize - 1).copied().unwrap_or(842.0);
        let away = |line: &Line| if top { height - line.baseline } else { line.baseline };
        let outer = lines[start..end].iter().map(away).fold(f32::INFINITY, f32::min);
        let (mut own, mut next) = (Vec::new(), f32::INFINITY);
        let mut size = 0.0_f32;
        for (offset, line) in lines[start..end].iter().enumerate() {
            if away(line) < outer + 2.5 {
                own.push(start + offset);
                size = size.max(line.size);
            } else {
                next = next.min(away(line));
            }
        }
        if outer < height / 8.0 {
            #[expect(clippy::cast_possible_truncation, reason = "a page is some hundred points high")]
            let band = (outer / 3.0).round() as i32;
            edges.push(Edge { lines: own, band, apart: next - outer > size.max(6.0) * 1.5 });
        }
        start = end;
    }
    edges
}

/// Where running headers stand: on a good part of the pages, and often with words that come again.
fn running_bands(edges: &[Edge], lines: &[Line], pages: usize) -> HashSet<i32> {
    let mut seen: HashMap<(i32, String), u32> = HashMap::new();
    let words = |edge: &Edge| -> Vec<(i32, String)> {
        let cells = edge.lines.iter().flat_map(|&line| &lines[line].cells);
        cells.map(|cell| (edge.band, masked(&cell.text))).collect()
    };
    for edge in edges.iter().filter(|edge| edge.apart) {
        for word in words(edge) {
            *seen.entry(word).or_default() += 1;
        }
    }
    let mut bands: HashMap<i32, (usize, usize)> = HashMap::new();
    for edge in edges.iter().filter(|edge| edge.apart) {
        let (all, again) = bands.entry(edge.band).or_default();
        *all += 1;
        *again += usize::from(words(edge).iter().any(|word| seen.get(word).is_some_and(|&count| count > 1)));
    }
    bands
        .into_iter()
        .filter(|(_, (all, again))| *again >= 2 && *again * 5 >= *all * 2 && *again * 6 >= pages)
        .map(|(band, _)| band)
        .collect()
}

/// A line's text with its numbers made equal, so that "Page 3" and "Page 4" are the same.
fn masked(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect()
}

/// Whether a line at the edge is nothing but a page number: `12`, `xiv`, `- 12 -`, `12 / 223`, `Page 3 of 9`.
fn is_page_number(text: &str) -> bool {
    let mut number = false;
    let word = |word: &str| {
        let roman = word.len() < 8 && word.bytes().all(|byte| b"ivxlcIVXLC".contains(&byte));
        let digits = word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        (
            roman || digits,
            ["page", "of", "第", "页", "共", "頁", "seite", "von"].contains(&&*word.to_lowercase()),
        )
    };
    text.split(|character: char| character.is_whitespace() || "-–—/|·.".contains(character))
        .filter(|part| !part.is_empty())
        .all(|part| {
            let part = part.trim_start_matches('第').trim_end_matches(['页', '頁']);
            let (is_number, is_word) = word(part);
            number |= is_number;
            is_number || is_word || part.is_empty()
        })
        && number
}

/// Takes out tables of contents: lines that end in dots and a page number, and pages that are made of them.
pub(super) fn drop_contents(lines: &mut Vec<Line>) {
    let mut pages: HashMap<u32, (usize, usize)> = HashMap::new();
    for line in lines.iter() {
        let (all, leading) = pages.entry(line.page).or_default();
        *all += 1;
        *leading += usize::from(is_contents_line(&line.text));
    }
    lines.retain(|line| {
        let (all, leading) = pages.get(&line.page).copied().unwrap_or_default();
        // A page of contents holds chapters without dots and titles over two lines as well.
        let contents = leading >= 4 && leading * 5 >= all * 2;
        !contents && !is_contents_line(&line.text)
    });
}

fn is_contents_line(text: &str) -> bool {
    let before =
        text.trim_end_matches(|character: char| character.is_ascii_digit() || "ivxlc".contains(character));
    let number = text.len() - before.len();
    let dots = before.trim_end_matches(|character: char| ".…·． ".contains(character));
    let leader = before[dots.len()..].chars().map(|character| if character == '…' { 3 } else { 1 });
    number > 0
        && number < 7
        && leader.sum::<usize>() >= 6
        && before[dots.len()..].contains(['.', '…', '·', '．'])
}

/// Text as it is read: one space between words, no ligatures, nothing invisible.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        let whole = match character {
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
        cleaned.push_str(whole);
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}
