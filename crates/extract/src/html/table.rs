//! Tables of a page: which hold data, and their rows.

use html5ever::local_name;

use super::boilerplate::is_boilerplate;
use super::dom::{Data, Dom, NodeId, Step};
use super::inline::as_line;

/// Bytes of one text in a cell that no table of data has.
const LONG_CELL: usize = 3000;

/// Most columns one cell may span; more is a slip or an attack.
const MAX_SPAN: usize = 32;

/// Whether the table only arranges: it holds blocks that no cell of a Markdown table can hold, or a single row,
/// or a single column without a header.
pub(crate) fn is_layout(dom: &Dom, table: NodeId) -> bool {
    let (mut rows, mut columns, mut most_columns) = (0, 0, 0);
    let (mut headers, mut listings) = (0, 0);
    for node in dom.descendants(table).skip(1) {
        match dom.data(node) {
            Data::Text(text) if text.len() > LONG_CELL => return true,
            Data::Element { name, .. } => match name.local {
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
                    columns += span(dom, node).max(1);
                    most_columns = most_columns.max(columns);
                }
                _ => {}
            },
            _ => {}
        }
    }
    // Listings in a table of many rows are examples; in a small one they are what it is for.
    rows < 2
        || (most_columns < 2 && headers == 0)
        || (listings > 0 && rows <= 2)
        // Notes and tips of DocBook are tables of an icon, a word and a paragraph.
        || dom.parent(table).is_some_and(|parent| {
            dom.classes(parent).any(|class| matches!(class, "note" | "tip" | "warning" | "caution" | "important"))
        })
}

/// The rows of a table of data; cells that span columns are followed by empty ones.
pub(crate) fn rows(dom: &Dom, table: NodeId) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    // Columns that a cell further up still covers, with the rows left.
    let mut covered: Vec<usize> = Vec::new();
    let mut step = Some(Step::Enter(table));
    while let Some(current) = step {
        let mut done = current;
        if let Step::Enter(node) = current
            && let Data::Element { name, .. } = dom.data(node)
        {
            match name.local {
                local_name!("caption") => done = Step::Leave(node),
                local_name!("tr") => {
                    rows.push(Vec::new());
                    for left in &mut covered {
                        *left = left.saturating_sub(1);
                    }
                }
                local_name!("td") | local_name!("th") => {
                    done = Step::Leave(node);
                    if rows.is_empty() {
                        rows.push(Vec::new());
                    }
                    if let Some(row) = rows.last_mut() {
                        while covered.get(row.len()).is_some_and(|left| *left > 0) {
                            row.push(String::new());
                        }
                        let below = attribute_number(dom, node, "rowspan").min(1000);
                        let width = span(dom, node).max(1);
                        let column = row.len();
                        // Beyond this a table is no table, and looking at every column in every row is dear.
                        let width_covered = if column < 1024 { width } else { 0 };
                        if covered.len() < column + width_covered {
                            covered.resize(column + width_covered, 0);
                        }
                        for left in covered.iter_mut().skip(column).take(width_covered) {
                            *left = below;
                        }
                        row.push(as_line(dom, node));
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

/// Whether the element is one of the tables that newer `javadoc` makes of `div`s.
pub(crate) fn is_grid(dom: &Dom, node: NodeId) -> bool {
    dom.is(node, &local_name!("div"))
        && dom.classes(node).any(|class| matches!(class, "summary-table" | "details-table"))
}

/// The rows of such a table: each begins with a cell of the class that its first cell has, such as `col-first`.
pub(crate) fn grid_rows(dom: &Dom, grid: NodeId) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut first_column = None;
    for cell in dom.children(grid) {
        if dom.name(cell).is_none() || is_boilerplate(dom, cell) {
            continue;
        }
        let column = dom.classes(cell).find(|class| class.starts_with("col-"));
        if rows.is_empty() {
            first_column = column;
        }
        let first = column.is_some() && column == first_column;
        if first || rows.is_empty() {
            rows.push(Vec::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push(as_line(dom, cell));
        }
    }
    rows
}

fn span(dom: &Dom, cell: NodeId) -> usize {
    attribute_number(dom, cell, "colspan").min(MAX_SPAN)
}

fn attribute_number(dom: &Dom, cell: NodeId, name: &str) -> usize {
    let name = if name == "colspan" { local_name!("colspan") } else { local_name!("rowspan") };
    dom.attribute(cell, &name).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
