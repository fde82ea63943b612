//! Rejoins the rows of tables. The library reads a page column by column, which is right for prose in columns and wrong
//! for the columns of a table without rules.

use super::blocks;
use super::lines::Line;

/// Maximum width of a typical cell, in ems; a column of prose is twenty or more wide.
const MAX_CELL_EMS: f32 = 14.0;

/// Joins lines on one baseline where several such rows follow each other and their cells are short.
pub(super) fn rejoin(lines: &mut Vec<Line>) {
    let mut rejoined = Vec::with_capacity(lines.len());
    let mut page = Vec::new();
    for line in lines.drain(..) {
        if page.last().is_some_and(|last: &Line| last.page != line.page) {
            rejoined.append(&mut rejoin_page(std::mem::take(&mut page)));
        }
        page.push(line);
    }
    rejoined.append(&mut rejoin_page(page));
    *lines = rejoined;
}

fn rejoin_page(lines: Vec<Line>) -> Vec<Line> {
    let mut order: Vec<usize> = (0..lines.len()).filter(|&index| !lines[index].is_placed).collect();
    order.sort_by(|&a, &b| {
        lines[b].baseline.total_cmp(&lines[a].baseline).then(lines[a].left.total_cmp(&lines[b].left))
    });
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match rows.last_mut() {
            Some(row) if lines[row[0]].baseline - lines[index].baseline < 1.5 => row.push(index),
            _ => rows.push(vec![index]),
        }
    }
    merge_centred_cells(&lines, &mut rows);
    // Sort key of each line: its own index, or the first line of its table and its row.
    let mut positions: Vec<(usize, usize)> = (0..lines.len()).map(|index| (index, 0)).collect();
    let mut table_rows: Vec<Vec<usize>> = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let has_bullet =
            rows[start].len() > 1 && rows[start].iter().any(|&index| is_bullet(&lines[index].text));
        let height = if has_bullet { 1 } else { table_height(&lines, &rows[start..]) };
        if !has_bullet && (height < 2 || !is_table(&lines, &rows[start..start + height])) {
            start += height.max(1);
            continue;
        }
        let rows = &mut rows[start..start + height];
        let first = rows.iter().flatten().copied().min().unwrap_or(0);
        for (number, row) in (1..).zip(rows) {
            row.sort_by(|&a, &b| {
                let are_separate = (lines[a].left - lines[b].left).abs() > 4.0;
                let left_to_right = lines[a].left.total_cmp(&lines[b].left);
                if are_separate { left_to_right } else { lines[b].baseline.total_cmp(&lines[a].baseline) }
            });
            for &index in row.iter() {
                positions[index] = (first, number);
            }
            table_rows.push(std::mem::take(row));
        }
        start += height;
    }
    if table_rows.is_empty() {
        return lines;
    }
    let mut slots: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    for row in table_rows {
        let mut cells = row[1..].iter().filter_map(|&index| slots[index].take()).collect::<Vec<_>>();
        if let Some(line) = &mut slots[row[0]] {
            for cell in &mut cells {
                line.text.push(' ');
                line.text.push_str(&cell.text);
                line.right = line.right.max(cell.right);
                line.is_bold &= cell.is_bold;
                line.is_monospace &= cell.is_monospace;
                line.pieces.append(&mut cell.pieces);
                for cell in cell.cells.drain(..) {
                    match line.cells.last_mut().filter(|last| cell.left < last.right.min(last.left + 4.0)) {
                        Some(last) => {
                            last.right = last.right.max(cell.right);
                            blocks::join_line(&mut last.text, &cell.text, &|_| false);
                        }
                        None => line.cells.push(cell),
                    }
                }
            }
        }
    }
    let mut sorted: Vec<((usize, usize), Line)> =
        slots.into_iter().enumerate().filter_map(|(index, line)| Some((positions[index], line?))).collect();
    sorted.sort_by_key(|(position, _)| *position);
    sorted.into_iter().map(|(_, line)| line).collect()
}

/// Merges a short cell that is vertically centred between the two lines of the cell beside it into one row with them.
fn merge_centred_cells(lines: &[Line], rows: &mut Vec<Vec<usize>>) {
    let mut at = 1;
    while at + 1 < rows.len() {
        if let ([above], [first], [below]) = (&rows[at - 1][..], &rows[at][..], &rows[at + 1][..]) {
            let (above, middle, below) = (&lines[*above], &lines[*first], &lines[*below]);
            let is_half_line = |gap: f32| gap > 0.0 && gap < middle.size * 0.85;
            let is_beside = above.left > middle.right && (above.left - below.left).abs() < 4.0;
            let is_short = middle.right - middle.left < middle.size * MAX_CELL_EMS;
            let is_between = is_half_line(above.baseline - middle.baseline)
                && is_half_line(middle.baseline - below.baseline);
            if is_beside && is_short && is_between {
                let merged = vec![rows[at][0], rows[at - 1][0], rows[at + 1][0]];
                rows.splice(at - 1..=at + 1, [merged]);
            }
        }
        at += 1;
    }
}

/// Whether a text is only the bullet of a list item.
fn is_bullet(text: &str) -> bool {
    let mut characters = text.chars();
    let mark = characters.next();
    characters.next().is_none() && mark.is_some_and(|mark| mark == '*' || blocks::BULLETS.contains(&mark))
}

/// Returns the number of rows that may form a table from here: rows of several lines, and wrapped cells below them.
fn table_height(lines: &[Line], rows: &[Vec<usize>]) -> usize {
    let Some(first) = rows.first().filter(|row| row.len() > 1) else { return 0 };
    let second_column = first.iter().map(|&index| lines[index].left).fold(f32::NEG_INFINITY, f32::max);
    let mut count = 1;
    while let Some(row) = rows.get(count) {
        let line = &lines[row[0]];
        let gap = lines[rows[count - 1][0]].baseline - line.baseline;
        let is_near = gap < line.size * if row.len() > 1 { 3.0 } else { 1.6 };
        if !is_near || (row.len() == 1 && line.left < second_column - 4.0) {
            break;
        }
        count += 1;
    }
    count
}

/// Whether at least two rows have several cells, and their cells except the last are short.
fn is_table(lines: &[Line], rows: &[Vec<usize>]) -> bool {
    let full_rows: Vec<&Vec<usize>> = rows.iter().filter(|row| row.len() > 1).collect();
    let mut widths: Vec<f32> = Vec::new();
    for row in &full_rows {
        let last = row.iter().copied().max_by(|&a, &b| lines[a].left.total_cmp(&lines[b].left));
        let others = row.iter().filter(|&&index| Some(index) != last);
        widths.extend(
            others.map(|&index| (lines[index].right - lines[index].left) / lines[index].size.max(1.0)),
        );
    }
    widths.sort_by(f32::total_cmp);
    full_rows.len() >= 2 && widths.get(widths.len() / 2).is_some_and(|median| *median < MAX_CELL_EMS)
}
