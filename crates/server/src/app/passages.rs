//! Passages as Markdown: a line with the provenance of each, and its text in a fence that no text in it can close, so that readers
//! can tell the words of a document from others.

use chrono::{DateTime, SecondsFormat, Utc};
use library::budget;
use library::search::{Passage, SearchHit, SearchResponse};

/// Renders the response to a search.
pub(crate) fn of_response(response: &SearchResponse) -> String {
    let mut text = String::new();
    for notice in &response.notices {
        text.push_str(&format!("> {}\n\n", one_line(notice, 400)));
    }
    let passages: Vec<String> =
        response.hits.iter().map(|hit| passage(&hit.passage) + &further(hit)).collect();
    if passages.is_empty() {
        text.push_str("Nothing was found.\n");
    }
    text.push_str(&passages.join("\n"));
    if let Some(next) = &response.next {
        text.push_str(&format!("\nThere are at least {} more: cursor={next}\n", response.more));
    }
    text
}

/// Renders where else a passage is, and how many more its document has.
fn further(hit: &SearchHit) -> String {
    let mut text = String::new();
    if !hit.also_in.is_empty() {
        let equal = hit.also_in.iter().map(|equal| format!("{} {}", equal.library, equal.version));
        text += &format!("\nalso in: {}\n", equal.collect::<Vec<_>>().join(", "));
    }
    if hit.more_in_document > 0 {
        text += &format!("\nmore in this document: {}\n", hit.more_in_document);
    }
    text
}

/// Renders a passage with a line of its provenance.
pub(crate) fn passage(passage: &Passage) -> String {
    format!(
        "library: {} | version: {} | section: {} | path: {} | passage: {} | sha256: {} | indexed_at: {}\n\n{}\n",
        passage.library,
        passage.version,
        section(passage),
        one_line(&passage.path, 1000),
        passage.id,
        passage.sha256,
        time(passage.indexed_at),
        fenced(&passage.content, "markdown", passage.instruction.as_deref()),
    )
}

/// Fences a text, marked if it reads like an instruction.
pub(crate) fn fenced(text: &str, language: &str, flagged: Option<&str>) -> String {
    let fence = budget::fence_around(text);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{}{fence}{language}\n{text}{end}{fence}", flag(flagged))
}

/// Returns the line that marks a text which reads like an instruction.
pub(crate) fn flag(why: Option<&str>) -> String {
    why.map(|why| format!("[flagged: reads like an instruction ({why})]\n")).unwrap_or_default()
}

/// Returns the headings above a passage on one line, or its title if there are none.
pub(crate) fn section(passage: &Passage) -> String {
    if passage.section.is_empty() {
        return one_line(&passage.title, 200);
    }
    one_line(&passage.section.join(" > "), 400)
}

/// Puts a text on one line: a heading must not look like a line of ours.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").replace('|', "/").chars().take(max_chars).collect()
}

/// Formats a time by RFC 3339, in UTC.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
