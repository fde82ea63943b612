//! Word recall of PDF extraction, with the output of poppler's `pdftotext` as reference.
//!
//! `pdf_recall FILE|FOLDER…` prints one JSON object for each file. A word is a run of letters and digits, or one Han or
//! kana character. `recall` counts every occurrence of a word in the reference, including running headers, page numbers
//! and tables of contents, which the reader omits on purpose; `recall_body` excludes from the reference tables of
//! contents and repeated first and last lines of pages; `recall_distinct` counts every word once. Words hyphenated at
//! the end of a line are joined on both sides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use extract::model::Limits;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut files = Vec::new();
    for argument in std::env::args().skip(1) {
        collect(Path::new(&argument), &mut files)?;
    }
    files.sort();
    let mut out = std::io::stdout().lock();
    for file in files {
        let line = measure(&file).unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }));
        std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes())?;
    }
    Ok(())
}

fn measure(file: &Path) -> Result<serde_json::Value, Failure> {
    let bytes = std::fs::read(file)?;
    let started = Instant::now();
    let parsed = extract::pdf::read(&bytes, &file.to_string_lossy(), &Limits::default())?;
    let seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let output = Command::new("pdftotext").arg(file).arg("-").output()?;
    let poppler_seconds = started.elapsed().as_secs_f64();
    let poppler = String::from_utf8_lossy(&output.stdout).into_owned();
    let extracted = counts(&parsed.text);
    let pages: Vec<&str> = poppler.split('\u{c}').collect();
    let body = body_text(&pages);
    let (all, body) = (counts(&poppler), counts(&body));
    let distinct = all.keys().filter(|word| extracted.contains_key(*word)).count();
    let mut missing: Vec<(&String, usize)> = body
        .iter()
        .map(|(word, count)| (word, count.saturating_sub(extracted.get(word).copied().unwrap_or(0))))
        .filter(|(_, count)| *count > 0)
        .collect();
    missing.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    missing.truncate(25);
    let headings = parsed.text.lines().filter(|line| line.starts_with('#')).count();
    Ok(serde_json::json!({
        "file": file.file_name().map(|name| name.to_string_lossy()),
        "pages": pages.len() - 1,
        "words": all.values().sum::<usize>(),
        "words_ours": extracted.values().sum::<usize>(),
        "recall": share(&all, &extracted),
        "recall_body": share(&body, &extracted),
        "recall_distinct": ratio(distinct, all.len()),
        "precision": share(&extracted, &all),
        "headings": headings,
        "seconds": seconds,
        "megabytes_per_second": as_float(bytes.len()) / 1e6 / seconds,
        "poppler_seconds": poppler_seconds,
        "missing": missing,
    }))
}

/// Returns the text of poppler without tables of contents and repeated first and last lines of pages.
fn body_text(pages: &[&str]) -> String {
    let mask = |line: &str| -> String {
        line.trim()
            .chars()
            .map(|character| if character.is_ascii_digit() { '0' } else { character })
            .collect()
    };
    let mut edges: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let lines: Vec<&str> = page.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().take(2).chain(lines.iter().rev().take(2)) {
            *edges.entry(mask(line)).or_default() += 1;
        }
    }
    let mut body = String::new();
    for page in pages {
        let lines: Vec<&str> = page.lines().filter(|line| !line.trim().is_empty()).collect();
        let dotted = lines.iter().filter(|line| line.contains(". . . .") || line.contains(".....")).count();
        if dotted >= 4 && dotted * 5 >= lines.len() {
            continue;
        }
        for (number, line) in lines.iter().enumerate() {
            let is_edge = number < 2 || number + 2 >= lines.len();
            if !is_edge || edges.get(&mask(line)).is_none_or(|count| *count < 3) {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    body
}

/// Counts the words of a text.
fn counts(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    let mut index = 0;
    while index < characters.len() {
        let character = characters[index];
        let is_line_hyphen = matches!(character, '-' | '\u{2010}' | '\u{ad}')
            && characters.get(index + 1) == Some(&'\n')
            && characters.get(index + 2).is_some_and(|next| next.is_lowercase());
        if is_line_hyphen {
            index += 2;
            continue;
        }
        let is_single = matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}');
        if character.is_alphanumeric() && !is_single {
            word.extend(character.to_lowercase());
        } else {
            if !word.is_empty() {
                *counts.entry(std::mem::take(&mut word)).or_default() += 1;
            }
            if is_single {
                *counts.entry(character.to_string()).or_default() += 1;
            }
        }
        index += 1;
    }
    if !word.is_empty() {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Returns the share of the expected words, with multiplicity, that were found.
fn share(expected: &HashMap<String, usize>, found: &HashMap<String, usize>) -> f64 {
    let matches = expected.iter().map(|(word, count)| (*count).min(found.get(word).copied().unwrap_or(0)));
    ratio(matches.sum(), expected.values().sum())
}

fn ratio(part: usize, whole: usize) -> f64 {
    (as_float(part) / as_float(whole.max(1)) * 10_000.0).round() / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn as_float(count: usize) -> f64 {
    count as f64
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "pdf") {
        files.push(path.to_owned());
    }
    Ok(())
}
