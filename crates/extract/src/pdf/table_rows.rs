//! Puts the rows of tables together again. The library reads a page by its columns, which is right for prose in
//! columns and wrong for a table without lines, whose columns it takes for just that.

use super::blocks;
use super::lines::Line;

/// The widest typical cell, in ems: a column of prose is twenty or more wide.
const CELL_EMS: f32 = 14.0;

/// Joins lines that stand on one baseline where several such rows follow each other and their cells are short.
pub(super) fn join(lines: &mut Vec<Line>) {
    let mut joined = Vec::with_capacity(lines.len());
    let mut page = Vec::new();
    for line in lines.drain(..) {
        if page.last().is_some_and(|last: &Line| last.page != line.page) {
            joined.append(&mut join_page(std::mem::take(&mut page)));
        }
        page.push(line);
    }
    joined.append(&mut join_page(page));
    *lines = joined;
}

fn join_page(lines: Vec<Line>) -> Vec<Line> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
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
    centre_first_cells(&lines, &mut rows);
    // Each line's place: its own, or that of the first line of the table that it is in.
    let mut place: Vec<(usize, usize)> = (0..lines.len()).map(|index| (index, 0)).collect();
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let bulleted =
            rows[start].len() > 1 && rows[start].iter().any(|&index| is_bullet(&lines[index].text));
        let zone = if bulleted { 1 } else { zone(&lines, &rows[start..]) };
        if !bulleted && (zone < 2 || !is_table(&lines, &rows[start..start + zone])) {
            start += zone.max(1);
            continue;
        }
        let rows = &mut rows[start..start + zone];
        let first = rows.iter().flatten().copied().min().unwrap_or(0);
        for (number, row) in (1..).zip(rows) {
            row.sort_by(|&a, &b| {
                let apart = (lines[a].left - lines[b].left).abs() > 4.0;
                let across = lines[a].left.total_cmp(&lines[b].left);
                if apart { across } else { lines[b].baseline.total_cmp(&lines[a].baseline) }
            });
            for &index in row.iter() {
                place[index] = (first, number);
            }
            members.push(std::mem::take(row));
        }
        start += zone;
    }
    if members.is_empty() {
        return lines;
    }
    let mut slots: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    for row in members {
        let mut cells = row[1..].iter().filter_map(|&index| slots[index].take()).collect::<Vec<_>>();
        if let Some(line) = &mut slots[row[0]] {
            for cell in &mut cells {
                line.text.push(' ');
                line.text.push_str(&cell.text);
                line.right = line.right.max(cell.right);
                line.bold &= cell.bold;
                line.monospace &= cell.monospace;
                line.pieces.append(&mut cell.pieces);
                for cell in cell.cells.drain(..) {
                    match line.cells.last_mut().filter(|last| cell.left < last.right.min(last.left + 4.0)) {
                        Some(last) => {
                            last.right = last.right.max(cell.right);
                            blocks::join(&mut last.text, &cell.text, &|_| false);
                        }
                        None => line.cells.push(cell),
                    }
                }
            }
        }
    }
    let mut placed: Vec<((usize, usize), Line)> =
        slots.into_iter().enumerate().filter_map(|(index, line)| Some((place[index], line?))).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, line)| line).collect()
}

/// A short cell that stands half-way between the two lines of the cell beside it is one row with them.
fn centre_first_cells(lines: &[Line], rows: &mut Vec<Vec<usize>>) {
    let mut at = 1;
    while at + 1 < rows.len() {
        if let ([above], [first], [below]) = (&rows[at - 1][..], &rows[at][..], &rows[at + 1][..]) {
            let (above, middle, below) = (&lines[*above], &lines[*first], &lines[*below]);
            let half = |gap: f32| gap > 0.0 && gap < middle.size * 0.85;
            let beside = above.left > middle.right && (above.left - below.left).abs() < 4.0;
            let short = middle.right - middle.left < middle.size * CELL_EMS;
            let between = half(above.baseline - middle.baseline) && half(middle.baseline - below.baseline);
            if beside && short && between {
                let merged = vec![rows[at][0], rows[at - 1][0], rows[at + 1][0]];
                rows.splice(at - 1..=at + 1, [merged]);
            }
        }
        at += 1;
    }
}

/// Whether a piece is nothing but the mark before an item.
fn is_bullet(text: &str) -> bool {
    let mut characters = text.chars();
    let mark = characters.next();
    characters.next().is_none() && mark.is_some_and(|mark| mark == '*' || blocks::BULLETS.contains(&mark))
}

/// How many rows from here belong together: rows of several pieces, and wrapped pieces below them.
fn zone(lines: &[Line], rows: &[Vec<usize>]) -> usize {
    let Some(first) = rows.first().filter(|row| row.len() > 1) else { return 0 };
    let second_column = first.iter().map(|&index| lines[index].left).fold(f32::NEG_INFINITY, f32::max);
    let mut count = 1;
    while let Some(row) = rows.get(count) {
        let line = &lines[row[0]];
        let gap = lines[rows[count - 1][0]].baseline - line.baseline;
        let near = gap < line.size * if row.len() > 1 { 3.0 } else { 1.6 };
        if !near || (row.len() == 1 && line.left < second_column - 4.0) {
            break;
        }
        count += 1;
    }
    count
}

/// Whether at least two rows have several cells, and their cells but the last are short.
fn is_table(lines: &[Line], rows: &[Vec<usize>]) -> bool {
    let full: Vec<&Vec<usize>> = rows.iter().filter(|row| row.len() > 1).collect();
    let mut widths: Vec<f32> = Vec::new();
    for row in &full {
        let last = row.iter().copied().max_by(|&a, &b| lines[a].left.total_cmp(&lines[b].left));
        let others = row.iter().filter(|&&index| Some(index) != last);
        widths.extend(
            others.map(|&index| (lines[index].right - lines[index].left) / lines[index].size.max(1.0)),
        );
    }
    widths.sort_by(f32::total_cmp);
    full.len() >= 2 && widths.get(widths.len() / 2).is_some_and(|median| *median < CELL_EMS)
}
