//! Passages as Markdown: a line that says where each is from, and its text in a fence that nothing in it can end. Whoever
//! reads it sees which words are a document's and which are not.

use chrono::{DateTime, SecondsFormat, Utc};
use library::budget;
use library::search::{Passage, SearchResponse};

/// An answer to a search.
pub(crate) fn of_answer(answer: &SearchResponse) -> String {
    let mut text = String::new();
    for notice in &answer.notices {
        text.push_str(&format!("> {}\n\n", one_line(notice, 400)));
    }
    let passages: Vec<String> = answer.hits.iter().map(|hit| passage(&hit.passage)).collect();
    if passages.is_empty() {
        text.push_str("Nothing was found.\n");
    }
    text.push_str(&passages.join("\n"));
    if let Some(next) = &answer.next {
        text.push_str(&format!("\nThere is more: cursor={next}\n"));
    }
    text
}

/// A passage under the line that says where it is from.
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

/// A text in a fence, marked where it reads like an instruction.
pub(crate) fn fenced(text: &str, language: &str, flagged: Option<&str>) -> String {
    let fence = budget::fence_around(text);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{}{fence}{language}\n{text}{end}{fence}", flag(flagged))
}

/// The line that marks a text which reads like an instruction.
pub(crate) fn flag(why: Option<&str>) -> String {
    why.map(|why| format!("[flagged: reads like an instruction ({why})]\n")).unwrap_or_default()
}

/// The headings above a passage on one line; its title where there is none.
pub(crate) fn section(passage: &Passage) -> String {
    if passage.section.is_empty() {
        return one_line(&passage.title, 200);
    }
    one_line(&passage.section.join(" > "), 400)
}

/// Words of others on one line: a heading must not be able to look like a line of ours.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").replace('|', "/").chars().take(most).collect()
}

/// A time as RFC 3339 writes it, in UTC.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
