//! Tables of reStructuredText as rows of cells.

/// A table drawn with `=` or with `+`, `-` and `|`, and the lines it takes.
pub(crate) fn table(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let first = lines.first()?.trim_start();
    if first.starts_with("+-") && first.ends_with('+') {
        grid(lines)
    } else if first.starts_with("==")
        && first.contains(" =")
        && first.bytes().all(|byte| byte == b'=' || byte == b' ')
    {
        simple(lines)
    } else {
        None
    }
}

/// `=====  =====` above, below and under the header. A row whose first cell is empty goes on with the one before.
fn simple(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let columns = columns(lines[0]);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut rules = 1;
    let mut used = lines.len();
    for (number, line) in lines.iter().enumerate().skip(1) {
        let is_rule = !line.trim().is_empty() && line.bytes().all(|byte| matches!(byte, b'=' | b' '));
        if is_rule {
            rules += 1;
            // The third rule, or one before an empty line, ends the table.
            if rules == 3 || lines.get(number + 1).is_none_or(|next| next.is_empty()) {
                used = number + 1;
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
            .map(|(column, start)| slice(line, *start, columns.get(column + 1).copied()).trim().to_owned())
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
    (rules >= 2 && !rows.is_empty()).then_some((rows, used))
}

/// The characters at which the columns begin.
fn columns(rule: &str) -> Vec<usize> {
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

/// The part of a line between two columns, a Chinese character being two wide.
fn slice(line: &str, start: usize, end: Option<usize>) -> &str {
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

/// `+---+---+`. Cells that span rows or columns are kept as far as the bars tell.
fn grid(lines: &[&str]) -> Option<(Vec<Vec<String>>, usize)> {
    let used = lines.iter().take_while(|line| line.trim_start().starts_with(['+', '|'])).count();
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    for line in &lines[1..used] {
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
    (used >= 3 && !rows.is_empty()).then_some((rows, used))
}

/// The rows of a `list-table`: items `* -` with cells `-`.
pub(crate) fn list_table(lines: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let text = line.trim();
        let (new_row, text) = match text.strip_prefix("* ") {
            Some(rest) if !line.starts_with(' ') => (true, rest.trim_start()),
            _ => (false, text),
        };
        if new_row {
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

/// The rows of a `csv-table`.
pub(crate) fn csv_table(header: Option<&str>, lines: &[&str]) -> Vec<Vec<String>> {
    header
        .into_iter()
        .chain(lines.iter().copied())
        .filter(|line| !line.trim().is_empty())
        .map(csv_row)
        .collect()
}

fn csv_row(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(character);
                }
            }
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}
