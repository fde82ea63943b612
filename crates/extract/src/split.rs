//! Cuts the blocks of a document into passages.
//!
//! What was chosen, and why:
//! - A passage is about [`TARGET`] wide and never wider than [`MAXIMUM`], where a Chinese character counts three:
//!   that is what an embedding model reads at once.
//! - Every section begins a passage, its heading line first. Only sections smaller than [`TINY`] are joined, with
//!   neighbours under the same parent (the document itself, for the outermost) or with the parent's own text;
//!   `headings` is then what they have in common.
//! - Code and tables stay whole while they fit, and with the paragraph that introduces them.
//! - A member ([`BlockKind::Api`]) is a passage alone.
//!
//! One pass over the text, whatever its lines look like.

use std::ops::Range;

use crate::cut::{MAXIMUM, TARGET, cut, width};
use crate::model::{BlockKind, ContentType, Error, Limits, Parsed, Passage};
use crate::names::tidy;

/// Sections narrower than this may be joined with their neighbours.
const TINY: usize = 300;

/// Tiny sections are joined up to this width.
const JOINED: usize = 900;

/// A paragraph up to this width moves on with the code it introduces.
const INTRODUCTION: usize = 400;

/// The passages of a document, without language and instruction marks.
pub(crate) fn split(parsed: &Parsed, limits: &Limits) -> Result<Vec<Passage>, Error> {
    let (headings, pieces) = pieces(parsed);
    let drafts = join_tiny(&headings, pack(pieces));
    if drafts.len() > limits.passages {
        return Err(Error::TooLarge { what: "passages", limit: limits.passages });
    }
    Ok(finish(&parsed.text, &headings, drafts))
}

/// A heading and the one above it.
#[derive(Debug)]
struct Heading {
    level: u8,
    title: String,
    anchor: Option<String>,
    parent: Option<usize>,
}

/// A block, or a part of one that did not fit.
#[derive(Debug)]
struct Piece {
    kind: Kind,
    range: Range<usize>,
    width: usize,
    heading: Option<usize>,
    /// Where the heading line begins, for the first piece of a section.
    heading_start: Option<usize>,
    anchor: Option<String>,
    /// The block begins with an anchor of its own: a setting, an option.
    own_anchor: bool,
    page: Option<u32>,
    keywords: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Code,
    Table,
    Api,
}

/// A passage before its lines are counted.
#[derive(Debug)]
struct Draft {
    range: Range<usize>,
    width: usize,
    /// Width by kind: text, code, table.
    widths: [usize; 3],
    is_api: bool,
    /// Several tiny sections.
    is_joined: bool,
    heading: Option<usize>,
    anchor: Option<String>,
    pages: Option<(u32, u32)>,
    keywords: Vec<String>,
}

fn pieces(parsed: &Parsed) -> (Vec<Heading>, Vec<Piece>) {
    let text = &parsed.text;
    let mut headings: Vec<Heading> = Vec::new();
    let mut pieces = Vec::with_capacity(parsed.blocks.len());
    let mut current: Option<usize> = None;
    let mut heading_start: Option<usize> = None;
    // A block without an anchor of its own is nearest to the last one above it.
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
                // A heading without anything below it is all there is to find: it is text itself.
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
                Kind::Text
            }
            BlockKind::Text => Kind::Text,
            BlockKind::Code => Kind::Code,
            BlockKind::Table => Kind::Table,
            BlockKind::Api => Kind::Api,
        };
        let own_anchor = block.anchor.is_some();
        if own_anchor {
            anchor.clone_from(&block.anchor);
        }
        let new = |range, width, heading_start, own_anchor| Piece {
            kind,
            range,
            width,
            heading: current,
            heading_start,
            anchor: anchor.clone(),
            own_anchor,
            page: block.page,
            keywords: block.keywords.clone(),
        };
        let whole = width(&text[block.range.clone()]);
        let most = if kind == Kind::Text { TARGET } else { MAXIMUM };
        let start = heading_start.take();
        let head = start.map_or(0, |start| width(&text[start..block.range.start]));
        if whole + head <= most.max(TARGET) && head < TARGET {
            pieces.push(new(block.range.clone(), whole + head, start, own_anchor));
            continue;
        }
        let mut start = start.filter(|_| head < TARGET);
        for range in cut(text, block.range.clone(), kind == Kind::Table) {
            let part = width(&text[range.clone()]);
            let start = start.take().filter(|_| part + head <= MAXIMUM);
            let total = part + if start.is_some() { head } else { 0 };
            let first = range.start == block.range.start;
            pieces.push(new(range, total, start, own_anchor && first));
        }
    }
    (headings, pieces)
}

/// Puts the pieces of each section together.
fn pack(pieces: Vec<Piece>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    // The piece added last: prose may go with what follows it.
    let mut last: Option<Piece> = None;
    for mut piece in pieces {
        let follows = drafts
            .last()
            .is_some_and(|draft| draft.heading == piece.heading && !draft.is_api && piece.kind != Kind::Api);
        let mut joins = false;
        if follows && let Some(draft) = drafts.last_mut() {
            let together = draft.width + piece.width + draft.gap(&piece);
            // Whoever looks for a setting should find a passage that begins with it.
            let begins_anew = piece.own_anchor && draft.width > TARGET / 3;
            let is_whole = matches!(piece.kind, Kind::Code | Kind::Table);
            if together <= TARGET && !begins_anew
                || together <= MAXIMUM && draft.width.min(piece.width) < TINY / 2 && !begins_anew
            {
                draft.add(&piece);
                joins = true;
            } else if is_whole
                && let Some(introduction) = last.take_if(|last| introduces(last, &piece, draft))
            {
                draft.remove(&introduction);
                let mut next = Draft::new(&introduction);
                next.add(&piece);
                drafts.push(next);
                joins = true;
            } else if is_whole
                && together <= MAXIMUM
                && last.as_ref().is_some_and(|last| last.kind == Kind::Text)
            {
                draft.add(&piece);
                joins = true;
            }
        }
        if !joins {
            drafts.push(Draft::new(&piece));
        }
        piece.keywords.clear();
        last = Some(piece);
    }
    drafts
}

/// Whether a paragraph is short enough to move on with the code or table after it, and not all that is there.
fn introduces(last: &Piece, piece: &Piece, draft: &Draft) -> bool {
    last.kind == Kind::Text
        && last.heading_start.is_none()
        && last.width <= INTRODUCTION
        && last.width + piece.width + draft.gap(piece) <= MAXIMUM
        && draft.range.start < last.range.start
}

impl Draft {
    fn new(piece: &Piece) -> Self {
        let mut draft = Self {
            range: piece.heading_start.unwrap_or(piece.range.start)..piece.range.end,
            width: piece.width,
            widths: [0; 3],
            is_api: piece.kind == Kind::Api,
            is_joined: false,
            heading: piece.heading,
            anchor: piece.anchor.clone(),
            pages: piece.page.map(|page| (page, page)),
            keywords: piece.keywords.clone(),
        };
        draft.count(piece);
        draft
    }

    fn add(&mut self, piece: &Piece) {
        self.width += piece.width + self.gap(piece);
        self.range.end = piece.range.end;
        self.count(piece);
        self.keywords.extend_from_slice(&piece.keywords);
        self.pages = join_pages(self.pages, piece.page.map(|page| (page, page)));
    }

    /// What lies between the passage and the next piece; bytes are never less than width.
    fn gap(&self, piece: &Piece) -> usize {
        piece.heading_start.unwrap_or(piece.range.start).saturating_sub(self.range.end)
    }

    /// Takes back the piece added last. Its names stay: they do no harm one passage earlier.
    fn remove(&mut self, piece: &Piece) {
        // The white space between is in no passage.
        self.range.end = piece.range.start;
        self.width = self.width.saturating_sub(piece.width + 1);
        self.widths[0] = self.widths[0].saturating_sub(piece.width);
    }

    fn count(&mut self, piece: &Piece) {
        match piece.kind {
            Kind::Text | Kind::Api => self.widths[0] += piece.width,
            Kind::Code => self.widths[1] += piece.width,
            Kind::Table => self.widths[2] += piece.width,
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

/// Joins neighbouring passages that are tiny sections of one parent.
fn join_tiny(headings: &[Heading], drafts: Vec<Draft>) -> Vec<Draft> {
    let mut joined: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if let Some(before) = joined.last_mut()
            && before.heading != draft.heading
            && !before.is_api
            && !draft.is_api
            && draft.width < TINY
            && (before.width < TINY || before.heading == common(headings, before.heading, draft.heading))
            && before.width + draft.width < JOINED
            && let parent = common(headings, before.heading, draft.heading)
            && is_under(headings, draft.heading, parent)
            // What has been joined under one parent is not joined under another.
            && (!before.is_joined || before.heading == parent)
        {
            before.is_joined = true;
            before.width += draft.width + draft.range.start.saturating_sub(before.range.end);
            before.range.end = draft.range.end;
            for (sum, width) in before.widths.iter_mut().zip(draft.widths) {
                *sum += width;
            }
            before.keywords.extend(draft.keywords);
            before.pages = join_pages(before.pages, draft.pages);
            if before.heading != parent {
                // The passage begins in the first of the joined sections, and that is where its link leads.
                before.anchor = before
                    .anchor
                    .take()
                    .or_else(|| before.heading.and_then(|heading| headings[heading].anchor.clone()));
                before.heading = parent;
            }
            continue;
        }
        joined.push(draft);
    }
    joined
}

/// Whether `heading` is directly under `parent`.
fn is_under(headings: &[Heading], heading: Option<usize>, parent: Option<usize>) -> bool {
    heading.is_some_and(|heading| headings[heading].parent == parent)
}

/// The innermost heading above both, either itself included; `None` where that is the document itself.
fn common(headings: &[Heading], left: Option<usize>, right: Option<usize>) -> Option<usize> {
    let (mut left, mut right) = (left?, right?);
    // A heading's number is greater than its parent's.
    while left != right {
        if left > right {
            left = headings[left].parent?;
        } else {
            right = headings[right].parent?;
        }
    }
    Some(left)
}

fn join_pages(left: Option<(u32, u32)>, right: Option<(u32, u32)>) -> Option<(u32, u32)> {
    match (left, right) {
        (Some((first, last)), Some((other_first, other_last))) => {
            Some((first.min(other_first), last.max(other_last)))
        }
        (left, right) => left.or(right),
    }
}

/// Counts lines and characters once, from the beginning to the end.
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
        tidy(&mut keywords);
        let heading = draft.heading;
        passages.push(Passage {
            content: content.to_owned(),
            content_type: draft.content_type(),
            headings: path(headings, heading),
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

fn path(headings: &[Heading], heading: Option<usize>) -> Vec<String> {
    let mut path: Vec<String> = above(headings, heading).map(|heading| heading.title.clone()).collect();
    path.reverse();
    path
}

fn nearest_anchor(headings: &[Heading], heading: Option<usize>) -> Option<String> {
    above(headings, heading).find_map(|heading| heading.anchor.clone())
}

fn above(headings: &[Heading], heading: Option<usize>) -> impl Iterator<Item = &Heading> {
    std::iter::successors(heading, |heading| headings[*heading].parent).map(|heading| &headings[heading])
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
