//! Figures: tables of them, as Markdown and as JSON, and their comparison with a baseline.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// How much worse than the baseline a judged figure may be.
const TOLERANCE: f64 = 1.3;

/// One measured number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured, with its unit.
    pub(crate) measure: String,
    pub(crate) value: f64,
    /// Which direction is better; none where the number only describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) better: Option<Better>,
    /// What is aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<f64>,
    /// Whether a comparison with the baseline may fail on it. Wall times on a shared machine may not.
    #[serde(default)]
    pub(crate) judged: bool,
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// A number of which less is better, and which is compared with the baseline.
pub(crate) fn less(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::Less), judged: true, ..plain(measure, value) }
}

/// A number of which more is better, and which is compared with the baseline.
pub(crate) fn more(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::More), judged: true, ..plain(measure, value) }
}

/// A time by the clock: less is better, but a busy machine is not held against the program.
pub(crate) fn wall(measure: &str, value: f64) -> Figure {
    Figure { better: Some(Better::Less), ..plain(measure, value) }
}

/// A number that only describes.
pub(crate) fn plain(measure: &str, value: f64) -> Figure {
    Figure { measure: measure.to_owned(), value, better: None, target: None, judged: false }
}

impl Figure {
    /// With what is aimed at.
    #[must_use]
    pub(crate) fn target(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }

    fn reaches(&self) -> Option<bool> {
        let (target, better) = (self.target?, self.better?);
        Some(if better == Better::Less { self.value <= target } else { self.value >= target })
    }

    /// How many times worse than before: above 1 is worse.
    fn worse_than(&self, before: &Self) -> Option<f64> {
        let ratio = match self.better? {
            Better::Less => self.value / before.value,
            Better::More => before.value / self.value,
        };
        ratio.is_finite().then_some(ratio)
    }
}

/// A table: a row for each thing measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What a reader of the table must know.
    pub(crate) note: String,
    pub(crate) rows: Vec<(String, Vec<Figure>)>,
}

impl Table {
    /// An empty table.
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
    match (figure.target, figure.reaches()) {
        (Some(target), Some(true)) => format!("**{value}** (target {})", number(target)),
        (Some(target), _) => format!("**{value}** ✗ (target {})", number(target)),
        _ => value,
    }
}

/// Three digits that mean something, and no more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// All tables of a run, and where they were measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) corpus: String,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("Machine: {}. Corpus: {}.\n", self.machine, self.corpus);
        for table in &self.tables {
            text.push_str(&table.markdown());
        }
        text
    }

    /// Each figure's ratio to the baseline's, as Markdown, and whether a judged one is worse than is allowed.
    pub(crate) fn compare(&self, baseline: &Self) -> (String, bool) {
        let before: HashMap<String, &Figure> = baseline.tables.iter().flat_map(Table::figures).collect();
        let mut text = String::from(
            "\n### Compared with the baseline\n\n| | baseline | now | times worse |\n|---|--:|--:|--:|\n",
        );
        let mut fails = false;
        for (name, figure) in self.tables.iter().flat_map(Table::figures) {
            let Some(old) = before.get(&name) else { continue };
            let Some(ratio) = figure.worse_than(old) else { continue };
            let is_too_bad = ratio > TOLERANCE && figure.judged;
            fails |= is_too_bad;
            let mark = if is_too_bad { " ✗" } else { "" };
            let (old, now) = (number(old.value), number(figure.value));
            let _infallible = writeln!(text, "| {name} | {old} | {now} | {ratio:.2}{mark} |");
        }
        (text, fails)
    }

    /// Puts this run's tables in the place of the baseline's of the same titles.
    #[must_use]
    pub(crate) fn over(self, baseline: Option<Self>) -> Self {
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

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: usize) -> f64 {
    count(bytes) / 1e6
}

/// The value below which this share of the values lies. Sorts them.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let place = (count(values.len().saturating_sub(1)) * share).round() as usize;
    values.get(place).copied().unwrap_or(0.0)
}
