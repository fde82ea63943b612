//! Figures and tables: output as Markdown and JSON, and comparison with a baseline.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Maximum ratio to the baseline by which a judged figure may be worse.
const MAX_RATIO: f64 = 1.3;

/// A measured number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Name of the measure, with its unit.
    pub(crate) measure: String,
    pub(crate) value: f64,
    /// Direction that is better; `None` for a number that is only informative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) better: Option<Better>,
    /// Target value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<f64>,
    /// Whether a comparison with the baseline can fail because of it. Wall times depend on the load of the machine.
    #[serde(default)]
    pub(crate) judged: bool,
}

/// Direction that is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// Returns a judged figure of which a lower value is better.
pub(crate) fn lower_is_better(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::Less), judged: true, ..info(measure, value) }
}

/// Returns a judged figure of which a higher value is better.
pub(crate) fn higher_is_better(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::More), judged: true, ..info(measure, value) }
}

/// Returns a wall time: lower is better, but it is not judged.
pub(crate) fn wall_time(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::Less), ..info(measure, value) }
}

/// Returns an informative figure.
pub(crate) fn info(measure: &str, value: f64) -> Figure {
    Figure { measure: measure.to_owned(), value, better: None, target: None, judged: false }
}

impl Figure {
    /// Adds a target value.
    #[must_use]
    pub(crate) fn target(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }

    /// Whether the target is reached, if there is one.
    fn reaches_target(&self) -> Option<bool> {
        let (target, better) = (self.target?, self.better?);
        Some(if better == Better::Less { self.value <= target } else { self.value >= target })
    }

    /// Returns the ratio to an earlier value; above 1 is worse.
    fn regression(&self, before: &Self) -> Option<f64> {
        let ratio = match self.better? {
            Better::Less => self.value / before.value,
            Better::More => before.value / self.value,
        };
        ratio.is_finite().then_some(ratio)
    }
}

/// A table of figures, with a row for each subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// Explanation of the figures.
    pub(crate) note: String,
    pub(crate) rows: Vec<(String, Vec<Figure>)>,
}

impl Table {
    /// Creates an empty table.
    pub(crate) fn new(title: &str, note: &str) -> Self {
        Self { title: title.to_owned(), note: note.to_owned(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, subject: &str, figures: Vec<Figure>) {
        self.rows.push((subject.to_owned(), figures));
    }

    fn figures(&self) -> impl Iterator<Item = (String, &Figure)> {
        self.rows.iter().flat_map(move |(subject, figures)| {
            figures
                .iter()
                .map(move |figure| (format!("{} · {subject} · {}", self.title, figure.measure), figure))
        })
    }

    fn markdown(&self) -> String {
        let mut columns: Vec<&str> = Vec::new();
        for figure in self.rows.iter().flat_map(|(_, figures)| figures) {
            if !columns.contains(&figure.measure.as_str()) {
                columns.push(&figure.measure);
            }
        }
        let mut text = format!("\n### {}\n\n{}\n\n| |", self.title, self.note);
        for column in &columns {
            let _infallible = write!(text, " {column} |");
        }
        let _infallible = write!(text, "\n|---|{}", "--:|".repeat(columns.len()));
        for (subject, figures) in &self.rows {
            let _infallible = write!(text, "\n| {subject} |");
            for column in &columns {
                let cell = figures.iter().find(|figure| figure.measure == *column).map(cell);
                let _infallible = write!(text, " {} |", cell.unwrap_or_default());
            }
        }
        text.push('\n');
        text
    }
}

fn cell(figure: &Figure) -> String {
    let value = number(figure.value);
    match (figure.target, figure.reaches_target()) {
        (Some(target), Some(true)) => format!("**{value}** (target {})", number(target)),
        (Some(target), _) => format!("**{value}** ✗ (target {})", number(target)),
        _ => value,
    }
}

/// Formats a value with about three significant digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// All tables of a run, with machine and corpus.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) corpus: String,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    /// Returns the report as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("Machine: {}. Corpus: {}.\n", self.machine, self.corpus);
        for table in &self.tables {
            text.push_str(&table.markdown());
        }
        text
    }

    /// Compares the figures with a baseline. Returns a Markdown table, and whether a judged figure is too much worse.
    pub(crate) fn compare(&self, baseline: &Self) -> (String, bool) {
        let before: HashMap<String, &Figure> = baseline.tables.iter().flat_map(Table::figures).collect();
        let mut text = String::from(
            "\n### Compared with the baseline\n\n| | baseline | now | times worse |\n|---|--:|--:|--:|\n",
        );
        let mut has_regression = false;
        for (name, figure) in self.tables.iter().flat_map(Table::figures) {
            let Some(old) = before.get(&name) else { continue };
            let Some(ratio) = figure.regression(old) else { continue };
            let is_regression = ratio > MAX_RATIO && figure.judged;
            has_regression |= is_regression;
            let mark = if is_regression { " ✗" } else { "" };
            let (old, now) = (number(old.value), number(figure.value));
            let _infallible = writeln!(text, "| {name} | {old} | {now} | {ratio:.2}{mark} |");
        }
        (text, has_regression)
    }

    /// Replaces the tables of the baseline that have the same titles by those of this run.
    #[must_use]
    pub(crate) fn merged_into(self, baseline: Option<Self>) -> Self {
        let mut tables = baseline.map(|baseline| baseline.tables).unwrap_or_default();
        for table in self.tables {
            match tables.iter_mut().find(|old| old.title == table.title) {
                Some(old) => *old = table,
                None => tables.push(table),
            }
        }
        Self { tables, ..self }
    }
}

/// Converts a count to a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Converts bytes to megabytes.
pub(crate) fn megabytes(bytes: usize) -> f64 {
    count(bytes) / 1e6
}

/// Returns the quantile of the values, `fraction` from 0 to 1; 0 if there are none. Sorts the values.
pub(crate) fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
    let index = (count(values.len().saturating_sub(1)) * fraction).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}
