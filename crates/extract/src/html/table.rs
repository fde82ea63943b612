//! Tables of a page: tells data tables from layout tables, and reads their rows.

use html5ever::local_name;

use super::boilerplate::is_boilerplate;
use super::dom::{Dom, NodeData, NodeId, Step};
use super::inline::as_line;
use crate::marks;

/// Maximum length of one text in a cell of a data table.
const MAX_CELL_BYTES: usize = 3000;

/// Maximum number of columns that one cell spans; more is a mistake or an attack.
const MAX_COLUMN_SPAN: usize = 32;

/// Maximum number of rows that one cell spans.
const MAX_ROW_SPAN: usize = 1000;

/// Maximum number of columns in which row spans are tracked.
const MAX_TRACKED_COLUMNS: usize = 1024;

/// Whether the table is only used for layout: it has blocks that a cell of a Markdown table cannot contain, or a single
/// row, or a single column without a header.
pub(crate) fn is_layout(dom: &Dom, table: NodeId) -> bool {
    // Tables of older `javadoc`, whose descriptions may have any content.
    if dom.classes(table).any(|class| class.ends_with("Summary") && class.len() > "Summary".len()) {
        return false;
    }
    let (mut rows, mut columns, mut max_columns) = (0, 0, 0);
    let (mut headers, mut listings) = (0, 0);
    for node in dom.descendants(table).skip(1) {
        match dom.data(node) {
            NodeData::Text(text) if text.len() > MAX_CELL_BYTES => return true,
            NodeData::Element { name, .. } => match name.local {
                local_name!("table")
                | local_name!("h1")
                | local_name!("h2")
                | local_name!("h3")
                | local_name!("h4")
                | local_name!("h5")
                | local_name!("h6")
                | local_name!("blockquote") => return true,
                local_name!("pre") => listings += usize::from(dom.text(node).trim().contains('\n')),
                local_name!("tr") => {
                    rows += 1;
                    columns = 0;
                }
                local_name!("td") | local_name!("th") => {
                    headers += usize::from(name.local == local_name!("th"));
                    columns += column_span(dom, node).max(1);
                    max_columns = max_columns.max(columns);
                }
                _ => {}
            },
            _ => {}
        }
    }
    // Code listings in a table of many rows are examples in a data table; a small table with one is layout.
    rows < 2
        || (max_columns < 2 && headers == 0)
        || (listings > 0 && rows <= 2)
        // DocBook writes notes and tips as tables of an icon, a word and a paragraph.
        || dom.parent(table).is_some_and(|parent| {
            dom.classes(parent).any(|class| matches!(class, "note" | "tip" | "warning" | "caution" | "important"))
        })
}

/// Returns the rows of a data table. A cell that spans columns is followed by empty cells.
pub(crate) fn rows(dom: &Dom, table: NodeId) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    // Anchor of the current row, for its first cell.
    let mut row_anchor = String::new();
    // For each column, the number of rows that a cell further up still covers.
    let mut covered: Vec<usize> = Vec::new();
    let mut step = Some(Step::Enter(table));
    while let Some(current) = step {
        let mut done = current;
        if let Step::Enter(node) = current
            && let NodeData::Element { name, .. } = dom.data(node)
        {
            match name.local {
                local_name!("caption") => done = Step::Leave(node),
                local_name!("tr") => {
                    rows.push(Vec::new());
                    row_anchor =
                        dom.attribute(node, &local_name!("id")).map(marks::anchor).unwrap_or_default();
                    for remaining in &mut covered {
                        *remaining = remaining.saturating_sub(1);
                    }
                }
                local_name!("td") | local_name!("th") => {
                    done = Step::Leave(node);
                    if rows.is_empty() {
                        rows.push(Vec::new());
                    }
                    if let Some(row) = rows.last_mut() {
                        while covered.get(row.len()).is_some_and(|remaining| *remaining > 0) {
                            row.push(String::new());
                        }
                        let row_span = attribute_number(dom, node, "rowspan").min(MAX_ROW_SPAN);
                        let width = column_span(dom, node).max(1);
                        let column = row.len();
                        // Row spans are tracked for the first columns only: each row visits every tracked column.
                        let width_covered = if column < MAX_TRACKED_COLUMNS { width } else { 0 };
                        if covered.len() < column + width_covered {
                            covered.resize(column + width_covered, 0);
                        }
                        for remaining in covered.iter_mut().skip(column).take(width_covered) {
                            *remaining = row_span;
                        }
                        let cell = as_line(dom, node);
                        let anchor =
                            if cell.is_empty() { String::new() } else { std::mem::take(&mut row_anchor) };
                        row.push(anchor + &cell);
                        row.extend(std::iter::repeat_n(String::new(), width - 1));
                    }
                }
                _ if node != table && is_boilerplate(dom, node) => done = Step::Leave(node),
                _ => {}
            }
        }
        step = dom.next(done, table);
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

/// Whether the element is one of the tables that newer `javadoc` builds from `div` elements.
pub(crate) fn is_grid(dom: &Dom, node: NodeId) -> bool {
    dom.is(node, &local_name!("div"))
        && dom.classes(node).any(|class| matches!(class, "summary-table" | "details-table"))
}

/// Returns the rows of such a table. Its cells follow each other without elements for rows: the header cells tell how
/// many columns there are, and the cells of the last column have the class `col-last`.
pub(crate) fn grid_rows(dom: &Dom, grid: NodeId) -> Vec<Vec<String>> {
    let has_class = |cell: NodeId, name: &str| dom.classes(cell).any(|class| class == name);
    let headers = dom.children(grid).filter(|cell| has_class(*cell, "table-header")).count();
    let columns = if headers > 0 { headers } else { named_columns(dom, grid) };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut is_complete = true;
    for cell in dom.children(grid) {
        if dom.name(cell).is_none() || is_boilerplate(dom, cell) {
            continue;
        }
        let is_first = has_class(cell, "col-first") || has_class(cell, "col-constructor-name");
        if is_complete || is_first || rows.last().is_none_or(|row| columns > 0 && row.len() >= columns) {
            rows.push(Vec::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push(as_line(dom, cell));
        }
        is_complete = has_class(cell, "col-last");
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

/// Returns the number of columns that the class of a grid states, 0 if it states none.
fn named_columns(dom: &Dom, grid: NodeId) -> usize {
    ["one-column", "two-column", "three-column", "four-column"]
        .iter()
        .position(|name| dom.classes(grid).any(|class| class.starts_with(name)))
        .map_or(0, |position| position + 1)
}

/// Returns the number of columns that the cell spans, 0 if not stated.
fn column_span(dom: &Dom, cell: NodeId) -> usize {
    attribute_number(dom, cell, "colspan").min(MAX_COLUMN_SPAN)
}

fn attribute_number(dom: &Dom, cell: NodeId, name: &str) -> usize {
    let name = if name == "colspan" { local_name!("colspan") } else { local_name!("rowspan") };
    dom.attribute(cell, &name).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
