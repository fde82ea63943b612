//! `metrics.md`: every metric, and tests that no other is emitted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{cell, code, table};
use crate::metrics::{Kind, METRICS, Metric};

pub(super) fn render() -> String {
    let mut text = String::from(
        "# Metrics reference\n\n\
         `GET /metrics` answers in the text format of Prometheus, to this machine and to administrators. Histograms are in \
         seconds. A metric appears with its first value.\n\n",
    );
    text.push_str(&table(&["Metric", "Type", "Labels", "Meaning"], METRICS.iter().map(row)));
    text
}

fn row(metric: &Metric) -> Vec<String> {
    let labels = metric.labels.iter().map(|(label, values)| match *values {
        "" => code(label),
        values => format!("{} ({})", code(label), cell(values)),
    });
    vec![
        code(metric.name),
        name_of(metric.kind).to_owned(),
        labels.collect::<Vec<_>>().join(", "),
        cell(metric.description),
    ]
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

/// Collects the Rust sources below a directory, those of tests left out.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Name, type and labels of each metric that a source emits.
fn emitted(text: &str, found: &mut BTreeMap<String, (Kind, Vec<String>)>) {
    for (call, kind) in
        [("counter!(", Kind::Counter), ("gauge!(", Kind::Gauge), ("histogram!(", Kind::Histogram)]
    {
        for (before, rest) in text.match_indices(call).map(|(at, _)| (&text[..at], &text[at + call.len()..]))
        {
            let Some(rest) = rest.trim_start().strip_prefix('"').filter(|_| !before.ends_with("describe_"))
            else {
                continue;
            };
            let Some((name, rest)) = rest.split_once('"') else { continue };
            let labels = labels_of(call_arguments(rest));
            let known = found.entry(name.to_owned()).or_insert((kind, Vec::new()));
            assert_eq!(known.0, kind, "{name} has two types");
            for label in labels {
                if !known.1.contains(&label) {
                    known.1.push(label);
                }
            }
        }
    }
}

/// Cuts off what follows the parenthesis that closes a call.
fn call_arguments(text: &str) -> &str {
    let mut depth = 0;
    let end = text.find(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth < 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// Reads the labels of `"label" => value, …`.
fn labels_of(arguments: &str) -> Vec<String> {
    let before_arrows = arguments.split("=>").collect::<Vec<_>>();
    let before_arrows = &before_arrows[..before_arrows.len() - 1];
    before_arrows
        .iter()
        .filter_map(|part| part.trim_end().strip_suffix('"')?.rsplit('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn sources_emit_the_described_metrics_and_no_other() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&crates).expect("the crates").flatten() {
        sources(&entry.path().join("src"), &mut files);
    }
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| !file.ends_with("reference/metrics.rs")) {
        emitted(&std::fs::read_to_string(file).expect("a source"), &mut found);
    }
    assert!(found.len() > 15, "{found:?}");
    for metric in METRICS {
        let (kind, labels) = found
            .remove(metric.name)
            .unwrap_or_else(|| panic!("{} is described in METRICS and never emitted", metric.name));
        let described: Vec<&str> = metric.labels.iter().map(|(label, _)| *label).collect();
        assert_eq!(
            (kind, labels.iter().map(String::as_str).collect()),
            (metric.kind, described),
            "{}",
            metric.name
        );
    }
    assert!(found.is_empty(), "emitted and not described in METRICS of src/metrics.rs: {found:?}");
}
