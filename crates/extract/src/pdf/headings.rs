//! Which lines of a PDF are headings: those its bookmarks name, then those set in the same type, then, in a
//! document without bookmarks, those set larger than the text.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lines::Line;

/// A heading that covers one line or several.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    /// 1 is the outermost.
    pub(super) level: u8,
    pub(super) title: String,
    /// How many lines it covers.
    pub(super) lines: usize,
}

/// How far ahead a bookmark is looked for when the next ones were not found: some are not printed at all.
const AHEAD: usize = 12;

/// The headings by the number of their first line.
pub(super) fn find(lines: &[Line], outline: &[(u8, String)]) -> BTreeMap<usize, Heading> {
    let body = body_size(lines);
    let mut headings = by_bookmarks(lines, outline, body);
    let styles = if headings.len() >= 3 { learned(lines, &headings) } else { by_size(lines, body) };
    by_style(lines, &styles, &mut headings);
    join_labels(lines, &mut headings);
    headings
}

/// The size that most characters are set in, in half points.
fn body_size(lines: &[Line]) -> i32 {
    let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
    for line in lines {
        *sizes.entry(half_points(line.size)).or_default() += line.text.len();
    }
    sizes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(size, _)| size)
}

fn by_bookmarks(lines: &[Line], outline: &[(u8, String)], body: i32) -> BTreeMap<usize, Heading> {
    let wanted: Vec<String> = outline.iter().map(|(_, title)| comparable(title)).collect();
    let mut headings = BTreeMap::new();
    let mut next = 0;
    let mut index = 0;
    while index < lines.len() && next < wanted.len() {
        let line = &lines[index];
        let distinct = line.bold || half_points(line.size) > body;
        let found = if line.monospace && !distinct { None } else { titled(&lines[index..], &wanted[next..]) };
        // In plain type only the very next bookmark may match, or every mention of "Overview" would.
        if let Some((offset, count)) = found.filter(|(offset, _)| distinct || *offset == 0) {
            let parts: Vec<&str> =
                lines[index..index + count].iter().map(|line| line.text.as_str()).collect();
            let level = outline[next + offset].0;
            headings.insert(index, Heading { level, title: parts.join(" "), lines: count });
            next += offset + 1;
            index += count;
        } else {
            index += 1;
        }
    }
    headings
}

/// The bookmark (how many are skipped) that the first one to three lines spell.
fn titled(lines: &[Line], wanted: &[String]) -> Option<(usize, usize)> {
    let mut spelled = String::new();
    for (number, line) in lines.iter().take(3).enumerate() {
        if line.page != lines[0].page || half_points(line.size) != half_points(lines[0].size) {
            return None;
        }
        spelled.push_str(&comparable(&line.text));
        for (offset, title) in wanted.iter().take(AHEAD).enumerate() {
            let numbered = |prefix: &str| {
                prefix.chars().count() <= 12
                    && (prefix.bytes().any(|byte| byte.is_ascii_digit()) || prefix.chars().count() == 1)
            };
            if !title.is_empty()
                && spelled
                    .strip_suffix(title.as_str())
                    .is_some_and(|prefix| prefix.is_empty() || numbered(prefix))
            {
                return Some((offset, number + 1));
            }
        }
    }
    None
}

/// The types that the found headings are set in, with the outermost level seen in each.
fn learned(lines: &[Line], headings: &BTreeMap<usize, Heading>) -> HashMap<(i32, bool), u8> {
    let mut styles: HashMap<(i32, bool), u8> = HashMap::new();
    let body = body_size(lines);
    for (&index, heading) in headings {
        let style = style(&lines[index]);
        if style.0 > body {
            let level = styles.entry(style).or_insert(heading.level);
            *level = heading.level.min(*level);
        }
    }
    styles
}

/// Without bookmarks: types clearly larger than the text that little of the document is set in.
fn by_size(lines: &[Line], body: i32) -> HashMap<(i32, bool), u8> {
    let all: usize = lines.iter().map(|line| line.text.len()).sum();
    let mut share: HashMap<i32, usize> = HashMap::new();
    for line in lines {
        *share.entry(half_points(line.size)).or_default() += line.text.len();
    }
    let sizes: BTreeSet<i32> = share
        .into_iter()
        .filter(|(size, count)| *size * 100 >= body * 112 && *count * 100 <= all * 15)
        .map(|(size, _)| size)
        .collect();
    let mut styles = HashMap::new();
    for (level, &size) in (1_u8..=6).zip(sizes.iter().rev()) {
        styles.insert((size, true), level);
        styles.insert((size, false), level);
    }
    styles
}

fn by_style(lines: &[Line], styles: &HashMap<(i32, bool), u8>, headings: &mut BTreeMap<usize, Heading>) {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        *times.entry(line.text.as_str()).or_default() += 1;
    }
    let mut index = 0;
    while index < lines.len() {
        if let Some(heading) = headings.get(&index) {
            index += heading.lines;
            continue;
        }
        let style = style(&lines[index]);
        let Some(&level) = styles.get(&style) else {
            index += 1;
            continue;
        };
        let same = |line: &&Line| line.page == lines[index].page && self::style(line) == style;
        let close = |pair: &[Line]| pair[0].baseline - pair[1].baseline < pair[0].size * 1.8;
        let mut count = 1;
        while count < 4
            && !headings.contains_key(&(index + count))
            && lines.get(index + count).as_ref().is_some_and(same)
            && close(&lines[index + count - 1..=index + count])
        {
            count += 1;
        }
        let parts: Vec<&str> = lines[index..index + count].iter().map(|line| line.text.as_str()).collect();
        let title = parts.join(" ");
        // A pull quote or a cover's small print is not a heading, nor is a lone symbol, nor the "Note" and "Tip"
        // above every other paragraph.
        let label = times.get(title.as_str()).is_some_and(|times| *times > 4);
        if !label && title.chars().count() <= 160 && title.chars().any(char::is_alphabetic) {
            headings.insert(index, Heading { level, title, lines: count });
        }
        index += count;
    }
}

/// "Chapter 3" and the title on the next line are one heading.
fn join_labels(lines: &[Line], headings: &mut BTreeMap<usize, Heading>) {
    let starts: Vec<usize> = headings.keys().copied().collect();
    for index in starts {
        let Some(before) = index.checked_sub(1).map(|before| &lines[before]) else { continue };
        let label = before.page == lines[index].page && before.size > lines[index].size * 0.7;
        if !label || !is_label(&before.text) {
            continue;
        }
        let before_level =
            headings.get(&(index - 1)).filter(|before| before.lines == 1).map(|before| before.level);
        if let Some(mut heading) = headings.remove(&index) {
            heading.title = format!("{} {}", before.text, heading.title);
            heading.level = before_level.map_or(heading.level, |level| level.min(heading.level));
            heading.lines += 1;
            headings.insert(index - 1, heading);
        }
    }
}

fn is_label(title: &str) -> bool {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let first =
        ["chapter", "appendix", "part", "kapitel", "anhang", "глава", "приложение", "附录", "附錄", "第"];
    let chinese = lower.starts_with('第') && lower.ends_with(['章', '部', '篇', '节', '節']);
    chinese && lower.chars().count() < 10
        || words.len() == 2 && first.contains(&words[0]) && words[1].chars().count() < 6
}

fn style(line: &Line) -> (i32, bool) {
    (half_points(line.size), line.bold)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "type is some tens of points high; a float cast saturates"
)]
fn half_points(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// Letters and digits only, in lower case: bookmarks differ from the page in spaces and quotation marks.
fn comparable(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
