//! Tables of reStructuredText, parsed into rows of cells.

/// Parses a simple or grid table. Returns its rows and the number of lines it takes.
pub(crate) fn parse(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
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
/// continues the row before.
fn parse_simple(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let columns = column_starts(lines[0]);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut rules = 1;
    let mut height = lines.len();
    for (number, line) in lines.iter().enumerate().skip(1) {
        let is_rule = !line.trim().is_empty() && line.bytes().all(|byte| matches!(byte, b'=' | b' '));
        if is_rule {
            rules += 1;
            // The third rule, or a rule before a blank line, ends the table.
            if rules == 3 || lines.get(number + 1).is_none_or(|next| next.is_empty()) {
                height = number + 1;
                break;
            }
            continue;
        }
        if line.trim().is_empty() || line.trim().bytes().all(|byte| matches!(byte, b'-' | b' ')) {
            continue;
        }
        let cells: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(column, start)| {
                column_text(line, *start, columns.get(column + 1).copied()).trim().to_owned()
            })
            .collect();
        match rows.last_mut() {
            Some(row) if cells[0].is_empty() => {
                for (cell, more) in row.iter_mut().zip(cells) {
                    if !more.is_empty() {
                        cell.push(' ');
                        cell.push_str(&more);
                    }
                }
            }
            _ => rows.push(cells),
        }
    }
    (rules >= 2 && !rows.is_empty()).then_some((rows, height))
}

/// Returns the character offsets at which the columns begin.
fn column_starts(rule: &str) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut previous = ' ';
    for (at, character) in rule.chars().enumerate() {
        if character == '=' && previous == ' ' {
            columns.push(at);
        }
        previous = character;
    }
    columns
}

/// Returns the part of a line between two columns. A Chinese character is two columns wide.
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
        column += if character < '\u{2e80}' { 1 } else { 2 };
    }
    line.get(from..to.max(from)).unwrap_or_default()
}

/// Parses a table drawn with `+---+---+`. Cells that span rows or columns are kept as far as the bars show them.
fn parse_grid(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let height = lines.iter().take_while(|line| line.trim_start().starts_with(['+', '|'])).count();
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    for line in &lines[1..height] {
        let line = line.trim();
        if line.starts_with('+') {
            if row.iter().any(|cell| !cell.is_empty()) {
                rows.push(std::mem::take(&mut row));
            }
            row.clear();
            continue;
        }
        let inner = line.strip_prefix('|').unwrap_or(line);
        for (column, cell) in inner.strip_suffix('|').unwrap_or(inner).split('|').enumerate() {
            if row.len() <= column {
                row.push(String::new());
            }
            if !row[column].is_empty() && !cell.trim().is_empty() {
                row[column].push(' ');
            }
            row[column].push_str(cell.trim());
        }
    }
    if !row.is_empty() {
        rows.push(row);
    }
    (height >= 3 && !rows.is_empty()).then_some((rows, height))
}

/// Parses a `list-table`: items `* -` with cells `-`.
pub(crate) fn parse_list_table(lines: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let text = line.trim();
        let (starts_row, text) = match text.strip_prefix("* ") {
            Some(rest) if !line.starts_with(' ') => (true, rest.trim_start()),
            _ => (false, text),
        };
        if starts_row {
            rows.push(Vec::new());
        }
        let Some(row) = rows.last_mut() else { continue };
        if let Some(cell) = text.strip_prefix("- ").or_else(|| (text == "-").then_some("")) {
            row.push(cell.trim().to_owned());
        } else if let Some(cell) = row.last_mut().filter(|_| !text.is_empty()) {
            cell.push(' ');
            cell.push_str(text);
        }
    }
    rows
}

/// Parses a `csv-table`.
pub(crate) fn parse_csv_table(header: Option<&str>, lines: &[&str]) -> Vec<Vec<String>> {
    header
        .into_iter()
        .chain(lines.iter().copied())
        .filter(|line| !line.trim().is_empty())
        .map(parse_csv_row)
        .collect()
}

fn parse_csv_row(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            _ => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(character);
                }
            }
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}
