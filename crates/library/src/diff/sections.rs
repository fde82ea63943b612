//! Comparison of two Markdown texts by section: sections that were added, removed or changed, and in those the changed lines
//! with the words that differ. Everything is bounded: the lines of very long changes are counted and left out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// Lines of context around a change.
const CONTEXT: usize = 2;
/// Maximum number of lines of all sections together.
const MAX_LINES: usize = 4_000;
/// Time limit of the exact comparison; the rest is compared coarsely.
const TIME_LIMIT: Duration = Duration::from_millis(1_500);
/// Maximum length of a line that is compared word by word, in bytes.
const MAX_WORD_DIFF_BYTES: usize = 2_000;

/// Change of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The section is only in the second text.
    Added,
    /// The section is only in the first text.
    Removed,
    /// The section differs between the texts.
    Changed,
}

/// A section that differs between the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Headings above it, outermost first, its own last; none before the first heading.
    pub headings: Vec<String>,
    /// Change.
    pub change: Change,
    /// Number of lines only in the second text.
    pub added: usize,
    /// Number of lines only in the first text.
    pub removed: usize,
    /// Lines; `None` if there would be too many.
    pub lines: Option<Vec<Line>>,
}

/// A line of a section, or a fold of equal lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// In both texts.
    Same(String),
    /// Only in the first text, as pieces with whether each differs.
    Removed(Vec<(bool, String)>),
    /// Only in the second text, as pieces with whether each differs.
    Added(Vec<(bool, String)>),
    /// Number of lines in both texts that are left out.
    Folded(usize),
}

/// Comparison of two texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Sections that differ, in the order of the second text; removed ones at the place where they were.
    pub sections: Vec<Section>,
    /// Number of equal sections.
    pub same: usize,
}

/// Compares two Markdown texts.
pub fn compare(from: &str, to: &str) -> Comparison {
    let deadline = Instant::now() + TIME_LIMIT;
    let (old, new) = (split_sections(from), split_sections(to));
    let partner = match_sections(&old, &new);
    let mut comparison = Comparison::default();
    let mut left = MAX_LINES;
    // Removed sections come before the next one that stayed.
    let mut next_old = 0;
    let taken: Vec<bool> = {
        let mut taken = vec![false; old.len()];
        partner.iter().flatten().for_each(|index| taken[*index] = true);
        taken
    };
    for (index, section) in new.iter().enumerate() {
        if let Some(mate) = partner[index] {
            while next_old < mate {
                if !taken[next_old] {
                    comparison.sections.push(one_sided(&old[next_old], Change::Removed, &mut left));
                }
                next_old += 1;
            }
            next_old = next_old.max(mate + 1);
            if old[mate].text == section.text {
                comparison.same += 1;
            } else {
                comparison.sections.push(changed(&old[mate], section, &mut left, deadline));
            }
        } else {
            comparison.sections.push(one_sided(section, Change::Added, &mut left));
        }
    }
    for (index, section) in old.iter().enumerate().skip(next_old) {
        if !taken[index] {
            comparison.sections.push(one_sided(section, Change::Removed, &mut left));
        }
    }
    // Sections that differ only in the space around them are equal.
    let before = comparison.sections.len();
    comparison.sections.retain(|section| section.added + section.removed > 0);
    comparison.same += before - comparison.sections.len();
    comparison
}

/// A section of one text.
#[derive(Debug, PartialEq, Eq)]
struct TextSection<'text> {
    headings: Vec<String>,
    text: &'text str,
}

/// Splits a text at its headings.
fn split_sections(text: &str) -> Vec<TextSection<'_>> {
    let mut pieces = Vec::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut fence: Option<(u8, usize)> = None;
    let path = |open: &[(usize, String)]| open.iter().map(|(_, heading)| heading.clone()).collect();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(' ');
        if let Some(found) = fence_of(bare) {
            match fence {
                None => fence = Some(found),
                Some(open) if open.0 == found.0 && found.1 >= open.1 => fence = None,
                Some(_) => {}
            }
        } else if fence.is_none()
            && line.len() - bare.len() < 4
            && let Some((level, heading)) = heading(bare)
        {
            pieces.push(TextSection { headings: path(&open), text: &text[start..at] });
            open.retain(|(above, _)| *above < level);
            open.push((level, heading));
            start = at;
        }
        at += line.len();
    }
    pieces.push(TextSection { headings: path(&open), text: &text[start..] });
    pieces.retain(|piece| !piece.text.trim().is_empty());
    pieces
}

fn fence_of(line: &str) -> Option<(u8, usize)> {
    let mark = *line.as_bytes().first().filter(|mark| b"`~".contains(mark))?;
    let length = line.bytes().take_while(|byte| *byte == mark).count();
    (length >= 3).then_some((mark, length))
}

fn heading(line: &str) -> Option<(usize, String)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = line.get(level..)?;
    let is_heading = (1..=6).contains(&level) && rest.starts_with([' ', '\t']);
    let words = rest.trim().trim_end_matches('#').trim_end();
    (is_heading && !words.is_empty()).then(|| (level, words.chars().take(200).collect()))
}

/// Returns the section of the first text that each section of the second corresponds to.
fn match_sections(old: &[TextSection<'_>], new: &[TextSection<'_>]) -> Vec<Option<usize>> {
    let mut partner = vec![None; new.len()];
    let mut taken = vec![false; old.len()];
    // Equal text under equal headings; equal headings, in their order; equal text elsewhere; and the same headings below
    // another outermost one, such as a title that names the version.
    let keys: [fn(&TextSection<'_>) -> String; 4] = [
        |piece| format!("{}\u{1f}{}", piece.headings.join("\u{1f}"), piece.text),
        |piece| piece.headings.join("\u{1f}"),
        |piece| piece.text.to_owned(),
        |piece| piece.headings.get(1..).filter(|rest| !rest.is_empty()).unwrap_or_default().join("\u{1f}"),
    ];
    for (number, key) in keys.iter().enumerate() {
        let mut free: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, piece) in old.iter().enumerate().rev().filter(|(index, _)| !taken[*index]) {
            free.entry(key(piece)).or_default().push(index);
        }
        for (index, piece) in
            new.iter().enumerate().filter(|(index, _)| partner[*index].is_none()).collect::<Vec<_>>()
        {
            let key = key(piece);
            if number == 3 && key.is_empty() {
                continue;
            }
            if let Some(mate) = free.get_mut(&key).and_then(Vec::pop) {
                partner[index] = Some(mate);
                taken[mate] = true;
            }
        }
    }
    partner
}

/// Returns a section that is only in one of the texts.
fn one_sided(piece: &TextSection<'_>, change: Change, left: &mut usize) -> Section {
    let lines: Vec<&str> = piece.text.trim_end().lines().collect();
    let count = lines.len();
    let is_shown = take(left, count);
    let line = |line: &&str| {
        let pieces = vec![(false, (*line).to_owned())];
        if change == Change::Removed { Line::Removed(pieces) } else { Line::Added(pieces) }
    };
    let (added, removed) = if change == Change::Removed { (0, count) } else { (count, 0) };
    let lines = is_shown.then(|| lines.iter().map(line).collect());
    Section { headings: piece.headings.clone(), change, added, removed, lines }
}

/// Compares a section that is in both texts.
fn changed(old: &TextSection<'_>, new: &TextSection<'_>, left: &mut usize, deadline: Instant) -> Section {
    let before: Vec<&str> = old.text.trim_end().lines().collect();
    let after: Vec<&str> = new.text.trim_end().lines().collect();
    let operations = capture_diff_slices_deadline(Algorithm::Myers, &before, &after, Some(deadline));
    let (mut added, mut removed) = (0, 0);
    let mut lines = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        match *operation {
            DiffOp::Equal { old_index, len, .. } => {
                let same = &before[old_index..old_index + len];
                let is_first = index == 0;
                let is_last = index + 1 == operations.len();
                fold(same, is_first, is_last, &mut lines);
            }
            DiffOp::Delete { old_index, old_len, .. } => {
                removed += old_len;
                let deleted = before[old_index..old_index + old_len].iter();
                lines.extend(deleted.map(|line| Line::Removed(vec![(false, (*line).to_owned())])));
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                added += new_len;
                let inserted = after[new_index..new_index + new_len].iter();
                lines.extend(inserted.map(|line| Line::Added(vec![(false, (*line).to_owned())])));
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                (removed, added) = (removed + old_len, added + new_len);
                let old = &before[old_index..old_index + old_len];
                let new = &after[new_index..new_index + new_len];
                replaced(old, new, deadline, &mut lines);
            }
        }
    }
    let lines = take(left, lines.len()).then_some(lines);
    Section { headings: new.headings.clone(), change: Change::Changed, added, removed, lines }
}

/// Takes a number of lines from those left, and returns whether there were enough.
fn take(left: &mut usize, lines: usize) -> bool {
    let is_enough = lines <= *left;
    if is_enough {
        *left -= lines;
    }
    is_enough
}

/// Adds equal lines, folding those far from any change.
fn fold(same: &[&str], is_first: bool, is_last: bool, lines: &mut Vec<Line>) {
    let head = if is_first { 0 } else { CONTEXT };
    let tail = if is_last { 0 } else { CONTEXT };
    let line = |line: &&str| Line::Same((*line).to_owned());
    if same.len() <= head + tail + 1 {
        lines.extend(same.iter().map(line));
        return;
    }
    lines.extend(same[..head].iter().map(line));
    lines.push(Line::Folded(same.len() - head - tail));
    lines.extend(same[same.len() - tail..].iter().map(line));
}

/// Adds replaced lines; the same number on both sides are compared word by word.
fn replaced(old: &[&str], new: &[&str], deadline: Instant, lines: &mut Vec<Line>) {
    let mut added = Vec::new();
    let pairs = if old.len() == new.len() { old.len() } else { 0 };
    for index in 0..pairs {
        let (one, other) = diff_words(old[index], new[index], deadline);
        lines.push(Line::Removed(one));
        added.push(Line::Added(other));
    }
    lines.extend(old[pairs..].iter().map(|line| Line::Removed(vec![(false, (*line).to_owned())])));
    added.extend(new[pairs..].iter().map(|line| Line::Added(vec![(false, (*line).to_owned())])));
    lines.append(&mut added);
}

type Pieces = Vec<(bool, String)>;

/// Compares two lines word by word.
fn diff_words(old: &str, new: &str, deadline: Instant) -> (Pieces, Pieces) {
    let whole = |line: &str| vec![(false, line.to_owned())];
    if old.len() > MAX_WORD_DIFF_BYTES || new.len() > MAX_WORD_DIFF_BYTES {
        return (whole(old), whole(new));
    }
    let (before, after) = (words(old), words(new));
    let operations = capture_diff_slices_deadline(Algorithm::Myers, &before, &after, Some(deadline));
    let (mut one, mut other): (Pieces, Pieces) = (Vec::new(), Vec::new());
    let mut same = 0;
    for operation in &operations {
        let is_other = !matches!(operation, DiffOp::Equal { .. });
        let (from, to) = (before[operation.old_range()].concat(), after[operation.new_range()].concat());
        if !is_other {
            same += from.trim().len();
        }
        one.push((is_other, from));
        other.push((is_other, to));
    }
    // Lines that share little are not marked word by word.
    if same * 3 < old.len().min(new.len()) {
        return (whole(old), whole(new));
    }
    one.retain(|(_, text)| !text.is_empty());
    other.retain(|(_, text)| !text.is_empty());
    (one, other)
}

/// Splits a line into words, spaces and signs; each Chinese character is a word.
fn words(line: &str) -> Vec<&str> {
    let kind = |one: char| match one {
        _ if one.is_whitespace() => 0,
        _ if one.is_alphanumeric() && one.len_utf8() < 3 || one == '_' => 1,
        _ => 2,
    };
    let mut words = Vec::new();
    let (mut start, mut before) = (0, None);
    for (at, one) in line.char_indices() {
        let now = kind(one);
        if at > start && (before != Some(now) || now == 2) {
            words.push(&line[start..at]);
            start = at;
        }
        before = Some(now);
    }
    if start < line.len() {
        words.push(&line[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    #![expect(clippy::format_collect, reason = "texts of tests are short")]

    use super::*;

    fn summary(from: &str, to: &str) -> Vec<(String, Change, usize, usize)> {
        let sections = compare(from, to).sections.into_iter();
        sections.map(|one| (one.headings.join("/"), one.change, one.added, one.removed)).collect()
    }

    #[test]
    fn sections_are_added_removed_and_changed() {
        let from = "# T\n\nIntro\n\n## A\n\none\ntwo\n\n## B\n\nb\n\n## C\n\nc\n";
        let to = "# T\n\nIntro\n\n## A\n\none\n2\n\n## C\n\nc\n\n## D\n\nd\n";
        assert_eq!(
            summary(from, to),
            [
                ("T/A".to_owned(), Change::Changed, 1, 1),
                ("T/B".to_owned(), Change::Removed, 0, 3),
                ("T/D".to_owned(), Change::Added, 3, 0),
            ]
        );
        assert_eq!(compare(from, to).same, 2);
        assert_eq!(summary(from, from), []);
        assert_eq!(summary("", "# A\n"), [("A".to_owned(), Change::Added, 1, 0)]);
        // Space and the version in the title do not change the sections below.
        assert_eq!(summary("# T 1\n\n## A\n\na\n", "# T 2\n\n## A\n\na\n\n\n").len(), 2);
        // One of two sections with the same heading is removed.
        assert_eq!(
            summary("# A\n\n1\n\n# A\n\n2\n", "# A\n\n2\n"),
            [("A".to_owned(), Change::Removed, 0, 3)]
        );
        // A comment in code is not a heading.
        assert_eq!(
            summary("# A\n\n```\n# b\n```\n", "# A\n\n```\n# c\n```\n"),
            [("A".to_owned(), Change::Changed, 1, 1)]
        );
    }

    #[test]
    fn words_that_differ_are_marked() {
        let lines = |from: &str, to: &str| compare(from, to).sections.remove(0).lines.expect("lines");
        let piece = |is_other: bool, text: &str| (is_other, text.to_owned());
        assert_eq!(
            lines("# A\n\nset the limit to 10 now\n", "# A\n\nset the limit to 20 now\n"),
            [
                Line::Same("# A".to_owned()),
                Line::Same(String::new()),
                Line::Removed(vec![
                    piece(false, "set the limit to "),
                    piece(true, "10"),
                    piece(false, " now")
                ]),
                Line::Added(vec![piece(false, "set the limit to "), piece(true, "20"), piece(false, " now")]),
            ]
        );
        let chinese = lines("先启动服务器\n", "先停止服务器\n");
        assert_eq!(
            chinese[0],
            Line::Removed(vec![piece(false, "先"), piece(true, "启动"), piece(false, "服务器")])
        );
        assert_eq!(lines("one\n", "entirely other\n")[0], Line::Removed(vec![piece(false, "one")]));
        let long: String = (0..30).map(|number| format!("line {number}\n")).collect();
        let folded = lines(&format!("{long}x\n"), &format!("{long}y\n"));
        assert_eq!(folded[0], Line::Folded(28));
    }

    #[test]
    fn lines_of_long_changes_are_counted_and_left_out() {
        let from: String = (0..10_000).map(|number| format!("a {number}\n")).collect();
        let to: String = (0..10_000).map(|number| format!("b {number}\n")).collect();
        let found = compare(&from, &to).sections.remove(0);
        assert_eq!((found.lines, found.added > 0), (None, true));
    }
}
