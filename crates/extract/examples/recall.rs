//! Word recall of HTML extraction. For each path (a file or a folder of HTML), `recall PATH…` prints the share of words
//! found in the extracted text, the lowest share of any page, the worst pages, the share found in passages or their
//! headings, and the speed of the extraction alone, in megabytes per second.
//!
//! The reference is independent of the crate: another parser (scraper), another walk. It excludes only the elements of
//! [`EXCLUDED`]: those that are never shown, and navigation bars.
#![expect(clippy::print_stdout, reason = "a command writes to standard output")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use extract::model::Limits;
use scraper::{ElementRef, Html, Node, Selector};

/// Selector of the elements whose words do not count.
const EXCLUDED: &str = "head, script, style, noscript, template, nav, footer, button, input, select, textarea, \
    .navheader, .navfooter, .topNav, .bottomNav, .subNav, .legalCopy, [hidden], [role=navigation], [role=search], \
    .docnav, p#title, #banner, #titlearea, #nav-path, #menu-bar, .related, .sphinxsidebar, .srclink, .viewcode-link, \
    .viewcode-back, .headerlink, div.footer, address.footer";

/// Inline elements, which do not end a word.
const INLINE: [&str; 28] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "q", "s", "samp", "small", "span", "strong", "tt", "u", "var", "wbr", "strike",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let excluded = Selector::parse(EXCLUDED).map_err(|error| error.to_string())?;
    let body = Selector::parse("body").map_err(|error| error.to_string())?;
    for path in std::env::args().skip(1) {
        let mut totals = Totals::default();
        for file in files(Path::new(&path))? {
            totals.add(&file, &excluded, &body)?;
        }
        totals.print(&path);
    }
    Ok(())
}

/// Totals of all pages of a path.
#[derive(Default)]
struct Totals {
    bytes: usize,
    words: usize,
    found: usize,
    in_passages: usize,
    elapsed: Duration,
    /// For each page, its recall, its path and the words that were not found.
    pages: Vec<(f64, String, String)>,
}

impl Totals {
    fn add(&mut self, file: &Path, excluded: &Selector, body: &Selector) -> std::io::Result<()> {
        let bytes = std::fs::read(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let start = Instant::now();
        let result = extract::extract(&name, &bytes, None, &Limits::default());
        self.elapsed += start.elapsed();
        self.bytes += bytes.len();
        let page = Html::parse_document(&String::from_utf8_lossy(&bytes));
        let mut text = String::new();
        for body in page.select(body) {
            push_text(body, excluded, &mut text);
        }
        let expected = words(&text);
        let (extracted, mut passages) = match &result {
            Ok(document) => (document.text.clone(), String::new()),
            Err(_) => (String::new(), String::new()),
        };
        for passage in result.iter().flat_map(|document| &document.passages) {
            passages.push_str(&passage.content);
            passages.push('\n');
        }
        // Counts a heading above several passages once.
        let mut headings: Vec<_> = result
            .iter()
            .flat_map(|document| &document.passages)
            .flat_map(|passage| &passage.headings)
            .collect();
        headings.sort_unstable();
        headings.dedup();
        for heading in headings {
            passages.push_str(heading);
            passages.push('\n');
        }
        let total: usize = expected.values().sum();
        let (found, missing) = compare(&expected, &words(&extracted));
        let (in_passages, _) = compare(&expected, &words(&passages));
        self.words += total;
        self.found += found;
        self.in_passages += in_passages;
        self.pages.push((share(found, total), file.display().to_string(), missing));
        Ok(())
    }

    fn print(mut self, path: &str) {
        self.pages.sort_by(|left, right| left.0.total_cmp(&right.0));
        println!(
            "{path}: {} pages, {} words, recall {:.5}, least {:.4}, in passages {:.5}, {:.1} MB/s of CPU ({:.3} s)",
            self.pages.len(),
            self.words,
            share(self.found, self.words),
            self.pages.first().map_or(1.0, |page| page.0),
            share(self.in_passages, self.words),
            share(self.bytes, 1_000_000) / self.elapsed.as_secs_f64(),
            self.elapsed.as_secs_f64(),
        );
        for (recall, page, missing) in self.pages.iter().take(6).filter(|page| page.0 < 0.999) {
            println!("  {recall:.4} {page}: {missing}");
        }
    }
}

/// Returns the number of expected words that are present, and the most frequent missing ones.
fn compare(expected: &HashMap<String, usize>, present: &HashMap<String, usize>) -> (usize, String) {
    let mut found = 0;
    let mut missing = Vec::new();
    for (word, count) in expected {
        let count_present = present.get(word).copied().unwrap_or(0).min(*count);
        found += count_present;
        if count_present < *count {
            missing.push((count - count_present, word.clone()));
        }
    }
    missing.sort_unstable_by(|left, right| right.cmp(left));
    let missing: Vec<_> = missing.iter().take(12).map(|(count, word)| format!("{word}×{count}")).collect();
    (found, missing.join(" "))
}

/// Counts the words: runs of letters and digits, and single Chinese characters.
fn words(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    let mut word = String::new();
    for character in text.chars().chain(std::iter::once(' ')) {
        let is_wide = matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
        if character.is_alphanumeric() && !is_wide {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            *words.entry(std::mem::take(&mut word)).or_insert(0) += 1;
        }
        if is_wide && character.is_alphanumeric() {
            *words.entry(character.to_string()).or_insert(0) += 1;
        }
    }
    words
}

fn push_text(element: ElementRef<'_>, excluded: &Selector, text: &mut String) {
    let mut stack = vec![element.children()];
    let mut closing = vec![true];
    while let Some(children) = stack.last_mut() {
        let Some(child) = children.next() else {
            stack.pop();
            if closing.pop() == Some(true) {
                text.push('\n');
            }
            continue;
        };
        match child.value() {
            Node::Text(part) => text.push_str(part),
            Node::Element(inner) => {
                let Some(element) = ElementRef::wrap(child) else { continue };
                if excluded.matches(&element) {
                    text.push(' ');
                    continue;
                }
                let is_block = !INLINE.contains(&inner.name());
                if is_block {
                    text.push('\n');
                }
                stack.push(element.children());
                closing.push(is_block);
            }
            _ => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "only five decimal places are shown")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                pending.push(entry?.path());
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
