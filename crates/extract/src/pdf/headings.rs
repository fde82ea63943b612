//! Headings of a PDF: lines named by bookmarks, then lines in the same style as those, or, in a document without
//! bookmarks, lines larger than the body text.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lines::Line;

/// A heading of one or more lines.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    /// Level, 1 is the outermost.
    pub(super) level: u8,
    pub(super) title: String,
    /// Number of lines.
    pub(super) line_count: usize,
}

/// Number of following bookmarks that a line is compared with: some bookmarks are not printed.
const LOOKAHEAD: usize = 12;

/// Maximum length of a heading that is recognised by its style.
const MAX_HEADING_CHARS: usize = 160;

/// Finds the headings, by the index of their first line.
pub(super) fn find(lines: &[Line], outline: &[(u8, String)]) -> BTreeMap<usize, Heading> {
    let body = body_size(lines);
    let mut headings = find_by_bookmarks(lines, outline, body);
    let styles =
        if headings.len() >= 3 { heading_styles(lines, &headings) } else { styles_by_size(lines, body) };
    add_by_style(lines, &styles, &mut headings);
    join_labels(lines, &mut headings);
    headings
}

/// Returns the font size of most of the text, in half points.
fn body_size(lines: &[Line]) -> i32 {
    let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
    for line in lines {
        *sizes.entry(half_points(line.size)).or_default() += line.text.len();
    }
    sizes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(size, _)| size)
}

/// Finds the lines that match bookmarks, in order.
fn find_by_bookmarks(lines: &[Line], outline: &[(u8, String)], body: i32) -> BTreeMap<usize, Heading> {
    let titles: Vec<String> = outline.iter().map(|(_, title)| comparable(title)).collect();
    let mut headings = BTreeMap::new();
    let mut next = 0;
    let mut index = 0;
    while index < lines.len() && next < titles.len() {
        let line = &lines[index];
        let is_distinct = line.is_bold || half_points(line.size) > body;
        let matched = if line.is_monospace && !is_distinct {
            None
        } else {
            match_title(&lines[index..], &titles[next..])
        };
        // A line in body style may only match the very next bookmark, or every mention of "Overview" would match.
        if let Some((offset, count)) = matched.filter(|(offset, _)| is_distinct || *offset == 0) {
            let parts: Vec<&str> =
                lines[index..index + count].iter().map(|line| line.text.as_str()).collect();
            let level = outline[next + offset].0;
            headings.insert(index, Heading { level, title: parts.join(" "), line_count: count });
            next += offset + 1;
            index += count;
        } else {
            index += 1;
        }
    }
    headings
}

/// Matches the first one to three lines with a title. Returns the offset of the title and the number of lines.
fn match_title(lines: &[Line], titles: &[String]) -> Option<(usize, usize)> {
    let mut text = String::new();
    for (number, line) in lines.iter().take(3).enumerate() {
        if line.page != lines[0].page || half_points(line.size) != half_points(lines[0].size) {
            return None;
        }
        text.push_str(&comparable(&line.text));
        for (offset, title) in titles.iter().take(LOOKAHEAD).enumerate() {
            let is_number = |prefix: &str| {
                prefix.chars().count() <= 12
                    && (prefix.bytes().any(|byte| byte.is_ascii_digit()) || prefix.chars().count() == 1)
            };
            if !title.is_empty()
                && text
                    .strip_suffix(title.as_str())
                    .is_some_and(|prefix| prefix.is_empty() || is_number(prefix))
            {
                return Some((offset, number + 1));
            }
        }
    }
    None
}

/// Returns the styles (size in half points, bold) of the headings, with the outermost level of each.
fn heading_styles(lines: &[Line], headings: &BTreeMap<usize, Heading>) -> HashMap<(i32, bool), u8> {
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

/// Returns the styles clearly larger than the body text that only a small part of the document uses.
fn styles_by_size(lines: &[Line], body: i32) -> HashMap<(i32, bool), u8> {
    let total: usize = lines.iter().map(|line| line.text.len()).sum();
    let mut lengths: HashMap<i32, usize> = HashMap::new();
    for line in lines {
        *lengths.entry(half_points(line.size)).or_default() += line.text.len();
    }
    let sizes: BTreeSet<i32> = lengths
        .into_iter()
        .filter(|(size, count)| *size * 100 >= body * 112 && *count * 100 <= total * 15)
        .map(|(size, _)| size)
        .collect();
    let mut styles = HashMap::new();
    for (level, &size) in (1_u8..=6).zip(sizes.iter().rev()) {
        styles.insert((size, true), level);
        styles.insert((size, false), level);
    }
    styles
}

/// Adds the other lines in one of the heading styles.
fn add_by_style(lines: &[Line], styles: &HashMap<(i32, bool), u8>, headings: &mut BTreeMap<usize, Heading>) {
    let mut occurrences: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        *occurrences.entry(line.text.as_str()).or_default() += 1;
    }
    let mut index = 0;
    while index < lines.len() {
        if let Some(heading) = headings.get(&index) {
            index += heading.line_count;
            continue;
        }
        let style = style(&lines[index]);
        let Some(&level) = styles.get(&style) else {
            index += 1;
            continue;
        };
        let is_same_style = |line: &&Line| line.page == lines[index].page && self::style(line) == style;
        let is_close = |pair: &[Line]| pair[0].baseline - pair[1].baseline < pair[0].size * 1.8;
        let mut count = 1;
        while count < 4
            && !headings.contains_key(&(index + count))
            && lines.get(index + count).as_ref().is_some_and(is_same_style)
            && is_close(&lines[index + count - 1..=index + count])
        {
            count += 1;
        }
        let parts: Vec<&str> = lines[index..index + count].iter().map(|line| line.text.as_str()).collect();
        let title = parts.join(" ");
        // Not headings: a pull quote, the small print of a cover, a single symbol, a frequent "Note" or "Tip".
        let is_repeated = occurrences.get(title.as_str()).is_some_and(|count| *count > 4);
        if !is_repeated
            && title.chars().count() <= MAX_HEADING_CHARS
            && title.chars().any(char::is_alphabetic)
        {
            headings.insert(index, Heading { level, title, line_count: count });
        }
        index += count;
    }
}

/// Merges a label such as "Chapter 3" with the title on the next line.
fn join_labels(lines: &[Line], headings: &mut BTreeMap<usize, Heading>) {
    let starts: Vec<usize> = headings.keys().copied().collect();
    for index in starts {
        let Some(before) = index.checked_sub(1).map(|before| &lines[before]) else { continue };
        let is_adjacent = before.page == lines[index].page && before.size > lines[index].size * 0.7;
        if !is_adjacent || !is_label(&before.text) {
            continue;
        }
        let before_level =
            headings.get(&(index - 1)).filter(|before| before.line_count == 1).map(|before| before.level);
        if let Some(mut heading) = headings.remove(&index) {
            heading.title = format!("{} {}", before.text, heading.title);
            heading.level = before_level.map_or(heading.level, |level| level.min(heading.level));
            heading.line_count += 1;
            headings.insert(index - 1, heading);
        }
    }
}

/// Whether a line is only the label of a chapter.
fn is_label(title: &str) -> bool {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let labels =
        ["chapter", "appendix", "part", "kapitel", "anhang", "глава", "приложение", "附录", "附錄", "第"];
    let is_chinese = lower.starts_with('第') && lower.ends_with(['章', '部', '篇', '节', '節']);
    is_chinese && lower.chars().count() < 10
        || words.len() == 2 && labels.contains(&words[0]) && words[1].chars().count() < 6
}

/// Returns the style of a line: size in half points, bold.
fn style(line: &Line) -> (i32, bool) {
    (half_points(line.size), line.is_bold)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a font size is some tens of points; a float cast saturates"
)]
fn half_points(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// Keeps letters and digits only, in lower case: bookmarks differ from the page in spaces and quotation marks.
fn comparable(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
