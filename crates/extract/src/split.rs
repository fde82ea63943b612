//! Splitter: turns the blocks of a document into passages.
//!
//! Rules:
//! - A passage is about [`TARGET_WIDTH`] wide and never wider than [`MAX_WIDTH`], where a Chinese character counts
//!   three: that is the input size of the embedding model. [`block`] splits single blocks that are too wide.
//! - Every section begins a passage, its heading line first. Only sections narrower than [`TINY_WIDTH`] are merged,
//!   with neighbours under the same parent (the document itself, for the outermost) or with the parent's own text;
//!   `headings` is then their common path.
//! - Code and tables stay whole if they fit, together with the paragraph that introduces them.
//! - An API member ([`BlockKind::Api`]) is always a passage of its own.
//! - A passage ends before a range that no passage may contain ([`ParsedDocument::excluded`]).
//!
//! Takes one pass over the text, regardless of the length of its lines.

mod block;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::keywords::normalize;
use crate::model::{BlockKind, ContentType, Error, Limits, ParsedDocument, Passage};

use block::{MAX_WIDTH, TARGET_WIDTH, split_block, width};

/// Sections narrower than this may be merged with their neighbours.
const TINY_WIDTH: usize = 300;

/// Maximum width of merged tiny sections.
const MAX_MERGED_WIDTH: usize = 900;

/// Maximum width of a paragraph that moves to the next passage together with the code it introduces.
const MAX_INTRODUCTION_WIDTH: usize = 400;

/// Splits a document into passages, without setting language and instruction.
pub(crate) fn split(parsed: &ParsedDocument, limits: &Limits) -> Result<Vec<Passage>, Error> {
    let (headings, pieces) = pieces(parsed);
    let drafts = merge_tiny(&headings, group(pieces, &parsed.excluded), &parsed.excluded);
    if drafts.len() > limits.passages {
        return Err(Error::TooLarge { unit: "passages", limit: limits.passages });
    }
    Ok(finish(&parsed.text, &headings, drafts))
}

/// A heading; `parent` is the index of the heading above it.
#[derive(Debug)]
struct Heading {
    level: u8,
    title: String,
    anchor: Option<String>,
    parent: Option<usize>,
}

/// A block, or a part of one that did not fit into a passage.
#[derive(Debug)]
struct Piece {
    kind: PieceKind,
    range: Range<usize>,
    width: usize,
    heading: Option<usize>,
    /// Byte offset of the heading line, for the first piece of a section.
    heading_start: Option<usize>,
    anchor: Option<String>,
    /// Whether the block begins with an anchor of its own, such as that of a setting or an option.
    has_own_anchor: bool,
    page: Option<u32>,
    keywords: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PieceKind {
    Text,
    Code,
    Table,
    Api,
}

/// A passage under construction, before its lines are counted.
#[derive(Debug)]
struct Draft {
    range: Range<usize>,
    width: usize,
    /// Width by kind: text (and API), code, table.
    widths: [usize; 3],
    is_api: bool,
    /// Whether it was merged from several tiny sections.
    is_merged: bool,
    heading: Option<usize>,
    anchor: Option<String>,
    pages: Option<(u32, u32)>,
    keywords: Vec<String>,
}

/// Collects the headings, and the other blocks as pieces that each fit into a passage.
fn pieces(parsed: &ParsedDocument) -> (Vec<Heading>, Vec<Piece>) {
    let text = &parsed.text;
    let mut headings: Vec<Heading> = Vec::new();
    let mut pieces = Vec::with_capacity(parsed.blocks.len());
    let mut current: Option<usize> = None;
    let mut heading_start: Option<usize> = None;
    // A block without an anchor of its own gets the last one above it.
    let mut anchor: Option<String> = None;
    for (number, block) in parsed.blocks.iter().enumerate() {
        let kind = match &block.kind {
            BlockKind::Heading { level, title } => {
                anchor = None;
                let level = *level;
                let mut parent = current;
                while let Some(above) = parent.filter(|above| headings[*above].level >= level) {
                    parent = headings[above].parent;
                }
                headings.push(Heading { level, title: title.clone(), anchor: block.anchor.clone(), parent });
                current = Some(headings.len() - 1);
                // A heading without content below it becomes text, so that it can be found.
                let is_leaf = match parsed.blocks.get(number + 1).map(|next| &next.kind) {
                    Some(BlockKind::Heading { level: next, .. }) => *next <= level,
                    Some(_) => false,
                    None => true,
                };
                if !is_leaf {
                    heading_start = Some(block.range.start);
                    continue;
                }
                heading_start = None;
                PieceKind::Text
            }
            BlockKind::Text => PieceKind::Text,
            BlockKind::Code => PieceKind::Code,
            BlockKind::Table => PieceKind::Table,
            BlockKind::Api => PieceKind::Api,
        };
        let has_own_anchor = block.anchor.is_some();
        if has_own_anchor {
            anchor.clone_from(&block.anchor);
        }
        let new_piece = |range, width, heading_start, has_own_anchor| Piece {
            kind,
            range,
            width,
            heading: current,
            heading_start,
            anchor: anchor.clone(),
            has_own_anchor,
            page: block.page,
            keywords: block.keywords.clone(),
        };
        let block_width = width(&text[block.range.clone()]);
        let max_width = if kind == PieceKind::Text { TARGET_WIDTH } else { MAX_WIDTH };
        // The heading stays in the path if a comment stands between it and its text.
        let start =
            heading_start.take().filter(|start| !is_excluded(&parsed.excluded, *start, block.range.start));
        let heading_width = start.map_or(0, |start| width(&text[start..block.range.start]));
        if block_width + heading_width <= max_width.max(TARGET_WIDTH) && heading_width < TARGET_WIDTH {
            pieces.push(new_piece(block.range.clone(), block_width + heading_width, start, has_own_anchor));
            continue;
        }
        let mut start = start.filter(|_| heading_width < TARGET_WIDTH);
        for range in split_block(text, block.range.clone(), kind == PieceKind::Table) {
            let part_width = width(&text[range.clone()]);
            let start = start.take().filter(|_| part_width + heading_width <= MAX_WIDTH);
            let total_width = part_width + if start.is_some() { heading_width } else { 0 };
            let is_first = range.start == block.range.start;
            pieces.push(new_piece(range, total_width, start, has_own_anchor && is_first));
        }
    }
    (headings, pieces)
}

/// Groups the pieces of each section into drafts of about the target width.
fn group(pieces: Vec<Piece>, excluded: &[Range<usize>]) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    // The piece added last; a short paragraph may move to the next draft with the code it introduces.
    let mut last: Option<Piece> = None;
    for mut piece in pieces {
        let continues_section = drafts.last().is_some_and(|draft| {
            draft.heading == piece.heading
                && !draft.is_api
                && piece.kind != PieceKind::Api
                && !is_excluded(excluded, draft.range.end, piece.range.start)
        });
        let mut is_added = false;
        if continues_section && let Some(draft) = drafts.last_mut() {
            let combined_width = draft.width + piece.width + draft.gap(&piece);
            // A search for a setting should find a passage that begins with it.
            let starts_passage = piece.has_own_anchor && draft.width > TARGET_WIDTH / 3;
            let is_indivisible = matches!(piece.kind, PieceKind::Code | PieceKind::Table);
            if combined_width <= TARGET_WIDTH && !starts_passage
                || combined_width <= MAX_WIDTH
                    && draft.width.min(piece.width) < TINY_WIDTH / 2
                    && !starts_passage
            {
                draft.add(&piece);
                is_added = true;
            } else if is_indivisible
                && let Some(introduction) = last.take_if(|last| introduces(last, &piece, draft))
            {
                draft.remove(&introduction);
                let mut next = Draft::new(&introduction);
                next.add(&piece);
                drafts.push(next);
                is_added = true;
            } else if is_indivisible
                && combined_width <= MAX_WIDTH
                && last.as_ref().is_some_and(|last| last.kind == PieceKind::Text)
            {
                draft.add(&piece);
                is_added = true;
            }
        }
        if !is_added {
            drafts.push(Draft::new(&piece));
        }
        piece.keywords.clear();
        last = Some(piece);
    }
    drafts
}

/// Whether a paragraph is short enough to move with the code or table after it, and not all of the draft.
fn introduces(last: &Piece, piece: &Piece, draft: &Draft) -> bool {
    last.kind == PieceKind::Text
        && last.heading_start.is_none()
        && last.width <= MAX_INTRODUCTION_WIDTH
        && last.width + piece.width + draft.gap(piece) <= MAX_WIDTH
        && draft.range.start < last.range.start
}

impl Draft {
    fn new(piece: &Piece) -> Self {
        let mut draft = Self {
            range: piece.heading_start.unwrap_or(piece.range.start)..piece.range.end,
            width: piece.width,
            widths: [0; 3],
            is_api: piece.kind == PieceKind::Api,
            is_merged: false,
            heading: piece.heading,
            anchor: piece.anchor.clone(),
            pages: piece.page.map(|page| (page, page)),
            keywords: piece.keywords.clone(),
        };
        draft.add_width(piece);
        draft
    }

    fn add(&mut self, piece: &Piece) {
        self.width += piece.width + self.gap(piece);
        self.range.end = piece.range.end;
        self.add_width(piece);
        self.keywords.extend_from_slice(&piece.keywords);
        self.pages = merge_pages(self.pages, piece.page.map(|page| (page, page)));
    }

    /// Returns the bytes between the draft and the next piece: an upper bound of their width.
    fn gap(&self, piece: &Piece) -> usize {
        piece.heading_start.unwrap_or(piece.range.start).saturating_sub(self.range.end)
    }

    /// Removes the piece added last. Its keywords stay: in the passage before they do no harm.
    fn remove(&mut self, piece: &Piece) {
        // The white space between two pieces belongs to no passage.
        self.range.end = piece.range.start;
        self.width = self.width.saturating_sub(piece.width + 1);
        self.widths[0] = self.widths[0].saturating_sub(piece.width);
    }

    fn add_width(&mut self, piece: &Piece) {
        match piece.kind {
            PieceKind::Text | PieceKind::Api => self.widths[0] += piece.width,
            PieceKind::Code => self.widths[1] += piece.width,
            PieceKind::Table => self.widths[2] += piece.width,
        }
    }

    fn content_type(&self) -> ContentType {
        let [_, code, table] = self.widths;
        if self.is_api {
            ContentType::Api
        } else if code * 5 > self.width * 3 {
            ContentType::Code
        } else if table * 5 > self.width * 3 {
            ContentType::Table
        } else {
            ContentType::Text
        }
    }
}

/// Merges neighbouring drafts that are tiny sections of one parent.
fn merge_tiny(headings: &[Heading], drafts: Vec<Draft>, excluded: &[Range<usize>]) -> Vec<Draft> {
    let mut merged: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if let Some(before) = merged.last_mut()
            && before.heading != draft.heading
            && !before.is_api
            && !draft.is_api
            && !is_excluded(excluded, before.range.end, draft.range.start)
            && draft.width < TINY_WIDTH
            && (before.width < TINY_WIDTH || before.heading == common_ancestor(headings, before.heading, draft.heading))
            && before.width + draft.width < MAX_MERGED_WIDTH
            && let parent = common_ancestor(headings, before.heading, draft.heading)
            && is_under(headings, draft.heading, parent)
            // Sections merged under one parent are not merged with those of another.
            && (!before.is_merged || before.heading == parent)
        {
            before.is_merged = true;
            before.width += draft.width + draft.range.start.saturating_sub(before.range.end);
            before.range.end = draft.range.end;
            for (sum, width) in before.widths.iter_mut().zip(draft.widths) {
                *sum += width;
            }
            before.keywords.extend(draft.keywords);
            before.pages = merge_pages(before.pages, draft.pages);
            if before.heading != parent {
                // The passage begins in the first of the merged sections, so its link leads there.
                before.anchor = before
                    .anchor
                    .take()
                    .or_else(|| before.heading.and_then(|heading| headings[heading].anchor.clone()));
                before.heading = parent;
            }
            continue;
        }
        merged.push(draft);
    }
    merged
}

/// Whether a range that no passage may contain lies between two offsets.
fn is_excluded(excluded: &[Range<usize>], from: usize, to: usize) -> bool {
    let first = excluded.partition_point(|range| range.end <= from);
    excluded.get(first).is_some_and(|range| range.start < to)
}

/// Whether `heading` is directly under `parent`.
fn is_under(headings: &[Heading], heading: Option<usize>, parent: Option<usize>) -> bool {
    heading.is_some_and(|heading| headings[heading].parent == parent)
}

/// Returns the innermost heading above both, or one of the two if it is above the other; `None` for the document.
fn common_ancestor(headings: &[Heading], left: Option<usize>, right: Option<usize>) -> Option<usize> {
    let (mut left, mut right) = (left?, right?);
    // The index of a heading is greater than that of its parent.
    while left != right {
        if left > right {
            left = headings[left].parent?;
        } else {
            right = headings[right].parent?;
        }
    }
    Some(left)
}

fn merge_pages(left: Option<(u32, u32)>, right: Option<(u32, u32)>) -> Option<(u32, u32)> {
    match (left, right) {
        (Some((first, last)), Some((other_first, other_last))) => {
            Some((first.min(other_first), last.max(other_last)))
        }
        (left, right) => left.or(right),
    }
}

/// Turns drafts into passages. Counts lines and characters in one pass over the text.
fn finish(text: &str, headings: &[Heading], drafts: Vec<Draft>) -> Vec<Passage> {
    let mut passages = Vec::with_capacity(drafts.len());
    let (mut at, mut line, mut character) = (0_usize, 1_usize, 0_usize);
    for draft in drafts {
        let content = text[draft.range.clone()].trim_end();
        if content.is_empty() {
            continue;
        }
        let before = &text[at..draft.range.start];
        line += line_breaks(before);
        character += before.chars().count();
        let last_line = line + line_breaks(content);
        let last_character = character + content.chars().count();
        let mut keywords = draft.keywords.clone();
        normalize(&mut keywords);
        let heading = draft.heading;
        passages.push(Passage {
            content: content.to_owned(),
            content_type: draft.content_type(),
            headings: heading_path(headings, heading),
            anchor: draft.anchor.or_else(|| nearest_anchor(headings, heading)),
            pages: draft.pages,
            lines: (number(line), number(last_line)),
            characters: (number(character), number(last_character)),
            language: None,
            keywords,
            instruction: None,
        });
        at = draft.range.start + content.len();
        (line, character) = (last_line, last_character);
    }
    passages
}

/// Returns the titles from the outermost heading down to this one.
fn heading_path(headings: &[Heading], heading: Option<usize>) -> Vec<String> {
    let mut path: Vec<String> = ancestors(headings, heading).map(|heading| heading.title.clone()).collect();
    path.reverse();
    path
}

fn nearest_anchor(headings: &[Heading], heading: Option<usize>) -> Option<String> {
    ancestors(headings, heading).find_map(|heading| heading.anchor.clone())
}

/// Iterates over a heading and its ancestors, innermost first.
fn ancestors(headings: &[Heading], heading: Option<usize>) -> impl Iterator<Item = &Heading> {
    std::iter::successors(heading, |heading| headings[*heading].parent).map(|heading| &headings[heading])
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
