//! Regions of a page with a gutter: short columns of prose, read one after the other, and tables whose cells have several
//! lines and stand at the top, in the middle or at the bottom of their row.
//!
//! The library tells columns by their length; those of a few lines look like the rows of a table to it. Here the text tells:
//! sentences that go on in the line below, lines that fill their column.

use super::blocks;
use super::lines::{Cell, Line};

/// Maximum number of pieces of a page that are arranged; a page with more is drawn letter by letter, or hostile.
const MAX_FRAGMENTS: usize = 4_000;

/// Minimum number of rows of a region.
const MIN_ROWS: usize = 3;

/// Maximum number of columns of a table.
const MAX_COLUMNS: usize = 12;

/// Minimum width of a gutter, in ems.
const MIN_GUTTER_EMS: f32 = 0.7;

/// Maximum distance of two rows of a region, in ems.
const MAX_ROW_EMS: f32 = 3.0;

/// Part of a line between wide gaps.
#[derive(Debug, Clone)]
struct Fragment {
    line: usize,
    left: f32,
    right: f32,
    baseline: f32,
    size: f32,
    text: String,
}

/// Fragments on one baseline.
type Row = Vec<Fragment>;

/// Arranges the lines of each page.
pub(super) fn arrange(lines: &mut Vec<Line>) {
    let mut arranged = Vec::with_capacity(lines.len());
    let mut page: Vec<Line> = Vec::new();
    for line in lines.drain(..) {
        if page.last().is_some_and(|last| last.page != line.page) {
            arranged.append(&mut arrange_page(std::mem::take(&mut page)));
        }
        page.push(line);
    }
    arranged.append(&mut arrange_page(page));
    *lines = arranged;
}

fn arrange_page(lines: Vec<Line>) -> Vec<Line> {
    let rows = rows(&lines);
    if rows.iter().map(Vec::len).sum::<usize>() > MAX_FRAGMENTS {
        return lines;
    }
    let mut regions: Vec<Region> = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let region = (rows[start].len() > 1).then(|| region(&rows[start..], &lines)).flatten();
        start += region.as_ref().map_or(1, |region| region.row_count);
        regions.extend(region);
    }
    if regions.is_empty() {
        return lines;
    }
    // Each region stands where its first line stood.
    let mut slots: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    let mut inserted: Vec<Vec<Line>> = slots.iter().map(|_| Vec::new()).collect();
    for region in regions {
        let Some(&first) = region.line_indices.iter().min() else { continue };
        let Some(region_lines) = region.lines else {
            for &index in &region.line_indices {
                if let Some(line) = &mut slots[index] {
                    line.is_placed = true;
                }
            }
            continue;
        };
        for &index in &region.line_indices {
            slots[index] = None;
        }
        inserted[first] = region_lines;
    }
    slots.into_iter().zip(inserted).flat_map(|(line, region)| region.into_iter().chain(line)).collect()
}

/// Returns the fragments of a page by baseline, from the top. Lines of code are none, and end a region.
fn rows(lines: &[Line]) -> Vec<Row> {
    let mut fragments: Vec<Fragment> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for cell in &line.cells {
            fragments.push(Fragment {
                line: index,
                left: cell.left,
                right: if line.is_monospace { f32::INFINITY } else { cell.right },
                baseline: line.baseline,
                size: line.size.max(1.0),
                text: cell.text.clone(),
            });
        }
    }
    fragments.sort_by(|a, b| b.baseline.total_cmp(&a.baseline).then(a.left.total_cmp(&b.left)));
    let mut rows: Vec<Row> = Vec::new();
    for fragment in fragments {
        match rows.last_mut() {
            Some(row) if row[0].baseline - fragment.baseline < 1.5 => row.push(fragment),
            _ => rows.push(vec![fragment]),
        }
    }
    rows
}

/// Lines of a region in their order.
struct Region {
    row_count: usize,
    /// Indices of the lines that the region replaces.
    line_indices: Vec<usize>,
    /// Lines that replace them; `None` if they are in order already.
    lines: Option<Vec<Line>>,
}

/// Returns the region that begins with the first row, if it is one of prose in columns or a table.
fn region(rows: &[Row], lines: &[Line]) -> Option<Region> {
    let mut occupied: Vec<(f32, f32)> = Vec::new();
    let mut count = 0;
    for (number, row) in rows.iter().enumerate() {
        let size = row[0].size;
        if number > 0 && rows[number - 1][0].baseline - row[0].baseline > size * MAX_ROW_EMS {
            break;
        }
        let mut extended = occupied.clone();
        for fragment in row {
            occupy(&mut extended, fragment.left, fragment.right, size * MIN_GUTTER_EMS);
        }
        // A line over the whole width, or code.
        if extended.len() < 2
            || extended.iter().any(|(_, right)| right.is_infinite())
            || extended.len() > MAX_COLUMNS
        {
            break;
        }
        occupied = extended;
        count = number + 1;
    }
    // Single lines below a table or a column belong to what follows, unless a column is longer than the others.
    let last_full = rows[..count].iter().rposition(|row| row.len() > 1)? + 1;
    if count < MIN_ROWS {
        return None;
    }
    let split = |count: usize| -> Vec<Vec<Fragment>> {
        let column_of =
            |fragment: &Fragment| occupied.iter().position(|(_, right)| fragment.left <= *right).unwrap_or(0);
        let mut columns: Vec<Vec<Fragment>> = vec![Vec::new(); occupied.len()];
        for fragment in rows[..count].iter().flatten() {
            columns[column_of(fragment)].push(fragment.clone());
        }
        columns
    };
    let columns = split(count);
    let is_marked = columns.iter().any(|column| column.iter().all(|fragment| is_marker(&fragment.text)));
    if is_marked {
        return None;
    }
    if is_prose(&columns) {
        let is_ordered = is_ordered(&columns);
        let by_column = || columns.into_iter().flat_map(|column| column_lines(column, lines)).collect();
        return Some(Region::of(rows, count, (!is_ordered).then(by_column)));
    }
    let columns = split(last_full);
    let rows_of_cells = cells_by_row(&columns)?;
    let table = rows_of_cells.into_iter().map(|row| table_line(row, &columns, lines)).collect();
    Some(Region::of(rows, last_full, Some(table)))
}

/// Whether the lines stand column by column already, as the library puts long columns.
fn is_ordered(columns: &[Vec<Fragment>]) -> bool {
    let mut next = 0;
    columns.iter().all(|column| {
        let before = next;
        next = column.iter().map(|fragment| fragment.line + 1).max().unwrap_or(next);
        column.iter().all(|fragment| fragment.line >= before)
    })
}

impl Region {
    fn of(rows: &[Row], row_count: usize, lines: Option<Vec<Line>>) -> Self {
        let line_indices = rows[..row_count].iter().flatten().map(|fragment| fragment.line).collect();
        Self { row_count, line_indices, lines }
    }
}

/// Adds an interval to a sorted list of intervals that are at least `gutter` apart.
fn occupy(occupied: &mut Vec<(f32, f32)>, left: f32, right: f32, gutter: f32) {
    let (mut left, mut right) = (left, right.max(left));
    occupied.retain(|&(other_left, other_right)| {
        let is_apart = other_left >= right + gutter || left >= other_right + gutter;
        if !is_apart {
            left = left.min(other_left);
            right = right.max(other_right);
        }
        is_apart
    });
    let at = occupied.partition_point(|&(other, _)| other < left);
    occupied.insert(at, (left, right));
}

/// Whether a text is the mark of a list item: the list is no table.
fn is_marker(text: &str) -> bool {
    let inner = text.trim_matches(['(', ')', '[', ']', '.', '、']);
    let has_mark = inner.len() < text.len() || text.chars().all(|character| character.is_ascii_digit());
    let is_bullet = text.chars().count() == 1 && !text.chars().all(char::is_alphanumeric);
    is_bullet
        || has_mark && inner.len() <= 4 && inner.chars().all(|character| character.is_ascii_alphanumeric())
}

/// Whether each column is prose: lines of several words that fill the column and go on in the next one.
fn is_prose(columns: &[Vec<Fragment>]) -> bool {
    let longest = columns.iter().map(|column| lines_of(column).len()).max().unwrap_or(0);
    longest >= MIN_ROWS && !has_aligned_rows(columns) && columns.iter().all(|column| is_prose_column(column))
}

/// Fragments of a column by baseline.
fn lines_of(column: &[Fragment]) -> Vec<Vec<&Fragment>> {
    let mut lines: Vec<Vec<&Fragment>> = Vec::new();
    for fragment in column {
        match lines.last_mut() {
            Some(line) if (line[0].baseline - fragment.baseline).abs() < 1.5 => line.push(fragment),
            _ => lines.push(vec![fragment]),
        }
    }
    lines
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and lines of a page")]
fn is_prose_column(column: &[Fragment]) -> bool {
    let lines: Vec<(String, f32)> = lines_of(column)
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.iter().map(|fragment| fragment.text.as_str()).collect();
            (words.join(" "), line.iter().map(|fragment| fragment.right).fold(0.0, f32::max))
        })
        .collect();
    let left = column.iter().map(|fragment| fragment.left).fold(f32::INFINITY, f32::min);
    let width = lines.iter().map(|(_, right)| right - left).fold(1.0, f32::max);
    let words = lines.iter().map(|(text, _)| word_count(text)).sum::<usize>();
    let full = lines.iter().filter(|(_, right)| right - left > width * 0.7).count();
    let is_wordy = words as f32 >= lines.len() as f32 * 2.5;
    if lines.len() < MIN_ROWS {
        return is_wordy;
    }
    let listed = lines.iter().filter(|(text, _)| blocks::is_list_item(text)).count();
    let continued = lines.windows(2).filter(|pair| goes_on(&pair[0].0, &pair[1].0)).count();
    is_wordy
        && (full * 2 >= lines.len() && continued as f32 >= (lines.len() - 1) as f32 * 0.4
            || listed * 2 >= lines.len())
}

/// Counts words; two Han characters are one.
fn word_count(text: &str) -> usize {
    let han = text.chars().filter(|&character| character >= '\u{2e80}').count();
    text.split(|character: char| character.is_whitespace() || character >= '\u{2e80}')
        .filter(|word| !word.is_empty())
        .count()
        + han / 2
}

/// Whether a sentence goes on from one line to the next.
fn goes_on(line: &str, next: &str) -> bool {
    let is_ended = line.ends_with(['.', '!', '?', ':', '。', '！', '？', '：', ';', '；']);
    let starts_within =
        next.starts_with(|first: char| first.is_lowercase() || first >= '\u{2e80}' || first.is_ascii_digit());
    line.ends_with(['-', '\u{ad}', '\u{2010}', ',', '，', '、']) || !is_ended && starts_within
}

/// Lines of a cell: baselines from the top, and the text.
#[derive(Debug)]
struct CellLines {
    column: usize,
    fragments: Vec<Fragment>,
}

impl CellLines {
    fn top(&self) -> f32 {
        self.fragments.first().map_or(0.0, |fragment| fragment.baseline)
    }

    fn bottom(&self) -> f32 {
        self.fragments.last().map_or(0.0, |fragment| fragment.baseline)
    }
}

/// Cuts columns into cells where the lines are further apart than within one, and groups cells that stand side by side.
fn group_cells(columns: &[Vec<Fragment>]) -> Vec<Vec<CellLines>> {
    let gaps = columns.iter().flat_map(|column| {
        column
            .windows(2)
            .map(|pair| (pair[0].baseline - pair[1].baseline, pair[0].size))
            .filter(|(gap, _)| *gap > 1.5)
    });
    // Within a cell, lines are as close as text is set.
    let pitch =
        gaps.filter(|(gap, size)| *gap > size * 0.8).map(|(gap, _)| gap).fold(f32::INFINITY, f32::min);
    let mut cells: Vec<CellLines> = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        let mut last: Option<f32> = None;
        for fragment in column {
            let is_near = last.is_some_and(|last| last - fragment.baseline < pitch * 1.2);
            match cells.last_mut().filter(|_| is_near) {
                Some(cell) => cell.fragments.push(fragment.clone()),
                None => cells.push(CellLines { column: number, fragments: vec![fragment.clone()] }),
            }
            last = Some(fragment.baseline);
        }
    }
    cells.sort_by(|a, b| b.top().total_cmp(&a.top()));
    let mut rows: Vec<Vec<CellLines>> = Vec::new();
    let mut lowest = f32::INFINITY;
    for cell in cells {
        let half = cell.fragments.first().map_or(0.0, |fragment| fragment.size * 0.35);
        match rows.last_mut() {
            Some(row) if cell.top() + half > lowest - half => {
                lowest = lowest.min(cell.bottom());
                row.push(cell);
            }
            _ => {
                lowest = cell.bottom();
                rows.push(vec![cell]);
            }
        }
    }
    rows
}

/// Whether the columns break at the same heights, three times or more: rows, and no paragraphs.
fn has_aligned_rows(columns: &[Vec<Fragment>]) -> bool {
    let rows = group_cells(columns);
    rows.iter().filter(|row| row.len() == columns.len()).count() >= 3
}

/// Returns the rows of a table with the cells of each, if some cell has several lines and rows can be told apart.
fn cells_by_row(columns: &[Vec<Fragment>]) -> Option<Vec<Vec<CellLines>>> {
    let rows = group_cells(columns);
    let full = rows.iter().filter(|row| row.len() > 1).count();
    let has_lines =
        rows.iter().flatten().any(|cell| cell.fragments.len() > 1 && cell.top() - cell.bottom() > 1.5);
    // A cell of a row stands alone in its column.
    let is_regular = rows.iter().all(|row| {
        let mut seen = vec![false; columns.len()];
        row.iter().all(|cell| !std::mem::replace(&mut seen[cell.column], true))
    });
    // Rows without space between them look like one row, in which all cells have as many lines.
    let is_told_apart = rows.iter().all(|row| {
        let counts = row.iter().map(|cell| cell.fragments.len());
        let (fewest, most) =
            counts.fold((usize::MAX, 0), |(fewest, most), count| (fewest.min(count), most.max(count)));
        row.len() == 1 || most == 1 || fewest * 2 <= most
    });
    let has_short_column = columns.iter().any(|column| {
        let lines = lines_of(column).len().max(1);
        column.iter().map(|fragment| word_count(&fragment.text)).sum::<usize>() <= lines * 3
    });
    (full >= 2 && full * 3 >= rows.len() * 2 && has_lines && is_regular && is_told_apart && has_short_column)
        .then_some(rows)
}

/// Makes one line of a row of a table.
fn table_line(row: Vec<CellLines>, columns: &[Vec<Fragment>], lines: &[Line]) -> Line {
    let mut row = row;
    row.sort_by_key(|cell| cell.column);
    let first = row.first().and_then(|cell| cell.fragments.first()).map_or(0, |fragment| fragment.line);
    let mut line = Line {
        cells: Vec::new(),
        pieces: Vec::new(),
        text: String::new(),
        is_placed: true,
        ..lines[first].clone()
    };
    line.baseline = row.iter().map(CellLines::top).fold(f32::NEG_INFINITY, f32::max);
    line.bottom = row.iter().map(CellLines::bottom).fold(f32::INFINITY, f32::min);
    line.is_bold = row.iter().flat_map(|cell| &cell.fragments).all(|fragment| lines[fragment.line].is_bold);
    for cell in row {
        let left = columns[cell.column].iter().map(|fragment| fragment.left).fold(f32::INFINITY, f32::min);
        let right = cell.fragments.iter().map(|fragment| fragment.right).fold(left, f32::max);
        let mut text = String::new();
        for fragment in &cell.fragments {
            blocks::join_line(&mut text, &fragment.text, &|_| false);
        }
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(&text);
        line.cells.push(Cell { left, right, text });
    }
    line.left = line.cells.first().map_or(line.left, |cell| cell.left);
    line.right = line.cells.iter().map(|cell| cell.right).fold(line.left, f32::max);
    line
}

/// Returns the lines of a column of prose.
fn column_lines(column: Vec<Fragment>, lines: &[Line]) -> Vec<Line> {
    let mut result: Vec<Line> = Vec::new();
    for fragment in column {
        let cell = Cell { left: fragment.left, right: fragment.right, text: fragment.text };
        match result.last_mut() {
            // Words of a justified line that stand far apart.
            Some(line) if (line.baseline - fragment.baseline).abs() < 1.5 => {
                line.text.push(' ');
                line.text.push_str(&cell.text);
                line.right = line.right.max(cell.right);
                line.cells = vec![Cell { left: line.left, right: line.right, text: line.text.clone() }];
            }
            _ => result.push(Line {
                left: cell.left,
                right: cell.right,
                text: cell.text.clone(),
                cells: vec![cell],
                pieces: Vec::new(),
                is_placed: true,
                ..lines[fragment.line].clone()
            }),
        }
    }
    result
}
