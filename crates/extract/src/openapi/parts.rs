//! Parts of an operation or a schema under construction: paragraphs, tables and code, bounded in their total size.

use crate::builder::{one_line, table_markdown};

/// Maximum size of one operation or schema. References can repeat a long text a thousand times.
const MAX_BYTES: usize = 4 << 20;

/// Paragraphs of one block.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: Vec<String>,
    bytes: usize,
}

impl Parts {
    /// Appends a paragraph, unless it is blank or the block is full.
    pub(super) fn push(&mut self, part: impl Into<String>) {
        let part = part.into();
        if !part.trim().is_empty() && !self.is_full() {
            self.bytes += part.len();
            self.parts.push(part);
        }
    }

    /// Appends a table under a title, unless it has no rows below the header.
    pub(super) fn push_table(&mut self, title: &str, rows: &[Vec<String>]) {
        if rows.len() > 1 {
            self.push(title);
            self.push(table_markdown(rows));
        }
    }

    /// Appends a description, whose headings become bold lines.
    pub(super) fn push_description(&mut self, description: &str) {
        self.push(inner_headings(description.trim()));
    }

    /// Whether no more parts are accepted.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    pub(super) fn markdown(&self) -> String {
        self.parts.join("\n\n")
    }
}

/// Turns the headings of a description into bold lines: an operation is one passage and has one heading.
fn inner_headings(description: &str) -> String {
    let mut is_fenced = false;
    let lines: Vec<String> = description
        .lines()
        .map(|line| {
            is_fenced ^= line.trim_start().starts_with("```");
            let title = line.trim_start_matches('#');
            if !is_fenced
                && title.len() < line.len()
                && title.starts_with(' ')
                && line.len() - title.len() <= 6
            {
                format!("**{}**", title.trim().trim_matches('*'))
            } else {
                line.trim_end().to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

/// Returns a table row of these cells.
pub(super) fn row(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(super) fn yes_or_empty(yes: bool) -> String {
    if yes { "yes".to_owned() } else { String::new() }
}

/// Returns text and description with a dash between them, without it if there is no description.
pub(super) fn with_description(text: &str, description: &str) -> String {
    let description = one_line(description);
    if description.is_empty() { text.to_owned() } else { format!("{text} – {description}") }
}
