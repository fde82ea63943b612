//! Tables of reStructuredText, parsed into rows of cells. A cell that spans rows or columns is written once, followed
//! by empty cells.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::indentation;

/// Maximum number of lines of a table that is parsed.
const MAX_LINES: usize = 5000;

/// Maximum number of columns of a table that is parsed.
const MAX_COLUMNS: usize = 256;

/// Number of steps per character of a grid table, after which it is not parsed.
const MAX_STEPS_PER_CHARACTER: usize = 64;

/// Parses a simple or grid table. Returns its rows and the number of lines it takes.
pub(super) fn parse(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let first = lines.first()?.trim_start();
    if first.starts_with("+-") && first.ends_with('+') {
        parse_grid(lines)
    } else if first.starts_with("==")
        && first.contains(" =")
        && first.bytes().all(|byte| byte == b'=' || byte == b' ')
    {
        parse_simple(lines)
    } else {
        None
    }
}

/// Parses a table with rules of `=====  =====` above, below and under the header. A row with an empty first cell
/// continues the row before; a rule of dashes below a row shows which of its columns are joined.
fn parse_simple(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let indent = indentation(lines[0]);
    let columns = column_starts(lines[0], '=');
    let mut rows: Vec<Vec<String>> = Vec::new();
    // Lines of the current row.
    let mut row: Vec<&str> = Vec::new();
    let mut rules = 1;
    let mut height = None;
    for (number, line) in lines.iter().enumerate().skip(1).take(MAX_LINES) {
        let text = line.trim();
        let is_rule = text.starts_with("==") && text.bytes().all(|byte| matches!(byte, b'=' | b' '));
        if is_rule {
            push_simple_row(&mut rows, &row, &columns, &columns);
            row.clear();
            rules += 1;
            // The third rule, or a rule before a blank line, ends the table.
            if rules == 3 || lines.get(number + 1).is_none_or(|next| next.is_empty()) {
                height = Some(number + 1);
                break;
            }
            continue;
        }
        if text.is_empty() {
            continue;
        }
        if indentation(line) < indent {
            return None;
        }
        if text.starts_with("--") && text.bytes().all(|byte| matches!(byte, b'-' | b' ')) {
            push_simple_row(&mut rows, &row, &columns, &column_starts(line, '-'));
            row.clear();
            continue;
        }
        let starts_row = !column_text(line, columns[0], columns.get(1).copied()).trim().is_empty();
        if starts_row {
            push_simple_row(&mut rows, &row, &columns, &columns);
            row.clear();
        }
        row.push(line);
    }
    let height = height?;
    (!rows.is_empty() && columns.len() <= MAX_COLUMNS).then_some((rows, height))
}

/// Appends a row whose cells begin at `starts`, some of the `columns`.
fn push_simple_row(rows: &mut Vec<Vec<String>>, lines: &[&str], columns: &[usize], starts: &[usize]) {
    if lines.is_empty() {
        return;
    }
    let mut row = vec![String::new(); columns.len()];
    let mut cell = 0;
    while cell < starts.len() {
        // Text across the boundary of two columns belongs to both.
        let mut next = cell + 1;
        while next < starts.len() && lines.iter().any(|line| crosses(line, starts[next])) {
            next += 1;
        }
        let column = columns.iter().rposition(|column| *column <= starts[cell]).unwrap_or(0);
        for line in lines {
            push_line(&mut row[column], column_text(line, starts[cell], starts.get(next).copied()));
        }
        cell = next;
    }
    rows.push(row);
}

/// Appends a line to a cell.
fn push_line(cell: &mut String, line: &str) {
    let line = line.trim();
    // `\` alone is an empty cell.
    if !line.is_empty() && line != "\\" {
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(line);
    }
}

/// Returns the character offsets at which the columns begin.
fn column_starts(rule: &str, mark: char) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut previous = ' ';
    for (at, character) in rule.chars().enumerate() {
        if character == mark && previous == ' ' {
            columns.push(at);
        }
        previous = character;
    }
    columns
}

/// Whether a line has text in the margin before the column.
fn crosses(line: &str, start: usize) -> bool {
    let mut column = 0;
    let mut is_text_before = false;
    for character in line.chars() {
        if column >= start {
            return is_text_before && column == start;
        }
        is_text_before = character != ' ';
        column += character_width(character);
    }
    false
}

/// Returns the part of a line between two columns.
fn column_text(line: &str, start: usize, end: Option<usize>) -> &str {
    let (mut column, mut from, mut to) = (0, line.len(), line.len());
    for (at, character) in line.char_indices() {
        if column >= start && from == line.len() {
            from = at;
        }
        if end.is_some_and(|end| column >= end) {
            to = at;
            break;
        }
        column += character_width(character);
    }
    line.get(from..to.max(from)).unwrap_or_default()
}

/// Returns the number of columns of a character: a Chinese character is two columns wide.
fn character_width(character: char) -> usize {
    if character < '\u{2e80}' { 1 } else { 2 }
}

/// Second column of a wide character in a [`Grid`].
const CONTINUATION: char = '\0';

/// Characters of a grid table, by line and column.
struct Grid {
    lines: Vec<Vec<char>>,
    /// Number of steps left before the table is given up.
    steps: usize,
}

/// A cell: the lines and columns of its borders.
struct GridCell {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

/// Parses a table drawn with `+---+---+`, in the way of docutils: walks along the borders of each cell.
fn parse_grid(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let indent = indentation(lines[0]);
    let height = lines
        .iter()
        .take(MAX_LINES)
        .take_while(|line| indentation(line) == indent && line.trim_start().starts_with(['+', '|']))
        .count();
    let mut grid = Grid::new(&lines[..height], indent);
    let cells = grid.cells()?;
    let mut rows: Vec<usize> = cells.iter().map(|cell| cell.top).collect();
    let mut columns: Vec<usize> = cells.iter().map(|cell| cell.left).collect();
    for starts in [&mut rows, &mut columns] {
        starts.sort_unstable();
        starts.dedup();
    }
    if columns.len() > MAX_COLUMNS {
        return None;
    }
    let mut table = vec![vec![String::new(); columns.len()]; rows.len()];
    for cell in &cells {
        let (Ok(row), Ok(column)) = (rows.binary_search(&cell.top), columns.binary_search(&cell.left)) else {
            continue;
        };
        for line in &grid.lines[cell.top + 1..cell.bottom] {
            let text: String = line[cell.left + 1..cell.right]
                .iter()
                .filter(|character| **character != CONTINUATION)
                .collect();
            push_line(&mut table[row][column], &text);
        }
    }
    Some((table, height))
}

impl Grid {
    fn new(lines: &[&str], indent: usize) -> Self {
        let mut padded: Vec<Vec<char>> = lines
            .iter()
            .map(|line| {
                let mut characters = Vec::new();
                for character in line[indent..].chars() {
                    characters.push(character);
                    if character_width(character) == 2 {
                        characters.push(CONTINUATION);
                    }
                }
                characters
            })
            .collect();
        // Lines differ in length where the right border is ragged.
        let width = padded.first().map_or(0, Vec::len);
        for line in &mut padded {
            line.resize(width.max(line.len()), ' ');
        }
        let steps = padded.iter().map(Vec::len).sum::<usize>() * MAX_STEPS_PER_CHARACTER;
        Self { lines: padded, steps }
    }

    fn at(&self, row: usize, column: usize) -> char {
        self.lines.get(row).and_then(|line| line.get(column)).copied().unwrap_or(' ')
    }

    /// Returns the cells, or `None` if the borders do not close.
    fn cells(&mut self) -> Option<Vec<GridCell>> {
        let (bottom, right) = (self.lines.len().checked_sub(1)?, self.lines.first()?.len().checked_sub(1)?);
        if bottom < 2 || self.at(bottom, 0) != '+' || self.at(bottom, right) != '+' {
            return None;
        }
        // For each column, the line down to which cells were found.
        let mut done = vec![0; right + 1];
        let mut corners = BinaryHeap::from([Reverse((0, 0))]);
        let mut cells = Vec::new();
        while let Some(Reverse((top, left))) = corners.pop() {
            if top >= bottom || left >= right || done[left] > top {
                continue;
            }
            if self.steps == 0 {
                return None;
            }
            let Some(cell) = self.scan(top, left) else { continue };
            if done[left..cell.right].iter().any(|line| *line > top) {
                return None;
            }
            done[left..cell.right].fill(cell.bottom);
            // Corners in the borders of a cell begin other cells.
            for column in left..cell.right {
                if cell.bottom < bottom && self.at(cell.bottom, column) == '+' {
                    corners.push(Reverse((cell.bottom, column)));
                }
            }
            for row in top..cell.bottom {
                if cell.right < right && self.at(row, cell.right) == '+' {
                    corners.push(Reverse((row, cell.right)));
                }
            }
            cells.push(cell);
        }
        // Every column must be filled down to the bottom; otherwise words would be lost.
        let is_complete = done[..right].iter().all(|line| *line == bottom);
        (is_complete && !cells.is_empty()).then_some(cells)
    }

    /// Finds the smallest cell with this corner.
    fn scan(&mut self, top: usize, left: usize) -> Option<GridCell> {
        if self.at(top, left) != '+' {
            return None;
        }
        for right in left + 1..self.lines[top].len() {
            self.steps = self.steps.checked_sub(1)?;
            match self.at(top, right) {
                '+' => {
                    if let Some(bottom) = self.scan_down(top, left, right) {
                        return Some(GridCell { top, left, bottom, right });
                    }
                }
                '-' | '=' => {}
                _ => return None,
            }
        }
        None
    }

    /// Follows the right border down to a corner whose bottom and left borders close the cell.
    fn scan_down(&mut self, top: usize, left: usize, right: usize) -> Option<usize> {
        for bottom in top + 1..self.lines.len() {
            self.steps = self.steps.checked_sub(1)?;
            match self.at(bottom, right) {
                '+' => {
                    let is_closed = (left..=right)
                        .all(|column| matches!(self.at(bottom, column), '+' | '-' | '='))
                        && self.at(bottom, left) == '+'
                        && (top..=bottom).all(|row| matches!(self.at(row, left), '+' | '|'));
                    self.steps = self.steps.saturating_sub(right - left);
                    if is_closed {
                        return Some(bottom);
                    }
                }
                '|' => {}
                _ => return None,
            }
        }
        None
    }
}

/// Parses a `list-table`: items `* -` with cells `-`.
pub(super) fn parse_list_table(lines: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    // Indentation of the markers of the cells: deeper ones are lists in a cell.
    let mut cell_indent = None;
    for line in lines {
        let mut text = line.trim();
        let mut indent = indentation(line);
        if indent == 0
            && let Some(rest) = text.strip_prefix(['*', '-', '+'])
            && (rest.starts_with(' ') || rest.is_empty())
        {
            rows.push(Vec::new());
            text = rest.trim_start();
            indent = line.len() - text.len();
            if !text.is_empty() {
                cell_indent = Some(indent);
            }
        }
        let Some(row) = rows.last_mut() else { continue };
        let marker =
            text.strip_prefix(['-', '*', '+']).filter(|rest| rest.starts_with(' ') || rest.is_empty());
        match marker {
            Some(rest) if cell_indent.is_none_or(|cell| cell == indent) || row.is_empty() => {
                cell_indent = Some(indent);
                row.push(rest.trim().to_owned());
            }
            _ => {
                if let Some(cell) = row.last_mut() {
                    push_line(cell, text);
                }
            }
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// Parses a `csv-table`. Quoted cells may have line breaks.
pub(super) fn parse_csv_table(header: Option<&str>, delimiter: char, lines: &[&str]) -> Vec<Vec<String>> {
    let mut rows = header.map_or_else(Vec::new, |header| parse_csv(header, delimiter));
    rows.extend(parse_csv(&lines.join("\n"), delimiter));
    rows
}

fn parse_csv(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut characters = text.chars().chain(['\n']).peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' if is_quoted || cell.trim().is_empty() => is_quoted = !is_quoted,
            _ if is_quoted && characters.peek().is_some() => cell.push(character),
            '\n' => {
                row.push(crate::builder::one_line(&std::mem::take(&mut cell)));
                if row.iter().any(|cell| !cell.is_empty()) {
                    rows.push(std::mem::take(&mut row));
                }
                row.clear();
            }
            _ if character == delimiter => row.push(crate::builder::one_line(&std::mem::take(&mut cell))),
            _ => cell.push(character),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(source: &str) -> Vec<String> {
        let lines: Vec<&str> = source.lines().map(str::trim_end).collect();
        let (rows, height) = parse(&lines).expect(source);
        assert_eq!(height, lines.len(), "{source}");
        rows.iter().map(|row| row.join("|")).collect()
    }

    #[test]
    fn cells_of_grid_tables_span_rows_and_columns() {
        assert_eq!(
            rows(
                "+---+---+---+\n| a | b | c |\n+===+===+===+\n| d     | e |\n+---+---+   |\n| f | g | h |\n+---+---+---+"
            ),
            ["a|b|c", "d||e h", "f|g|"]
        );
        // Text that looks like a border.
        assert_eq!(
            rows("+---+-----+\n| a | x+y |\n+---+ | z |\n| b | w   |\n+---+-----+"),
            ["a|x+y | z w", "b|"]
        );
        assert_eq!(
            rows("+------+----+\n| 数据 | b  |\n+------+----+\n| ``|``| c  |\n+------+----+"),
            ["数据|b", "``|``|c"]
        );
        assert!(parse(&["+---+", "| a ", "+---+"]).is_none());
        assert!(parse(&["+---+---+", "| a | b |", "+---+"]).is_none());
    }

    #[test]
    fn cells_of_simple_tables_span_columns() {
        assert_eq!(
            rows(
                "=====  =====  ======\n   Inputs     Output\n------------  ------\n  A      B    A or B\n=====  =====  ======\nno     no     no\n       or\nyes    no     yes, a longer text\n=====  =====  ======"
            ),
            ["Inputs||Output", "A|B|A or B", "no|no or|no", "yes|no|yes, a longer text"]
        );
        assert_eq!(rows("====  ====\nlonger text\n\\     b\n====  ===="), ["longer text|", "|b"]);
        assert!(parse(&["====  ====", "a     b"]).is_none());
    }

    #[test]
    fn lists_and_csv_become_rows() {
        let list = ["* - a", "  - b", "", "    c", "", "    - x", "    - y", "* - d", "  -"];
        assert_eq!(parse_list_table(&list), [vec!["a", "b c - x - y"], vec!["d", ""]]);
        let csv = ["\"a, b\", \"say \"\"x\"\"\"", "\"two", "lines\", 5\" long"];
        assert_eq!(
            parse_csv_table(Some("One, Two"), ',', &csv),
            [vec!["One", "Two"], vec!["a, b", "say \"x\""], vec!["two lines", "5\" long"]]
        );
        assert_eq!(parse_csv_table(None, ';', &["a;b,c"]), [vec!["a", "b,c"]]);
    }
}
