//! `llms.txt` (<https://llmstxt.org>): the content of a library as a Markdown list for agents: a title, a summary, and sections of
//! links. Links are relative to the file, so that they work under any name of the server, and beside a copy of the file.

use chrono::{DateTime, SecondsFormat, Utc};
use library::catalogue::{Library, Version};
use library::documents::outline::{OutlineEntry, VersionExtent};

use crate::app::address;

/// Lines of a page of a list.
pub(crate) const PAGE: usize = 1000;
/// Characters of a note.
const MAX_NOTE_CHARS: usize = 240;

/// Renders a page of libraries; `next` is the cursor of the next.
pub(crate) fn of_libraries(libraries: &[&Library], next: Option<&str>) -> String {
    let mut text = "# Wenyuan\n\n> A technical library that a team and its agents share.\n\n\
                    The list has the libraries that you can read. Links are relative to the address of this file.\n\n## Libraries\n\n"
        .to_owned();
    for library in libraries {
        let mut notes = Vec::new();
        if !library.description.is_empty() {
            notes.push(library.description.clone());
        }
        if let Some(active) = active(library) {
            notes.push(format!("(version {})", active.label));
        }
        let link = format!("l/{}/llms.txt", address::segment_of(&library.name));
        text.push_str(&item(&library.title, &link, &notes.join(" ")));
    }
    if libraries.is_empty() {
        text.push_str("No libraries that you can read.\n");
    }
    push_next_page(&mut text, "libraries", next);
    text
}

/// Renders a page of a library's versions.
pub(crate) fn of_library(library: &Library, versions: &[Version], next: Option<&str>) -> String {
    let mut text = title_and_summary(&library.title, &library.description);
    text.push_str("Links are relative to the address of this file.\n\n## Versions\n\n");
    for version in versions {
        let notes = if library.active == Some(version.id) { "active version" } else { "" };
        let link = format!("{}/llms.txt", address::escaped(version.label.as_str()));
        text.push_str(&item(version.label.as_str(), &link, notes));
    }
    if versions.is_empty() {
        text.push_str("No versions yet.\n");
    }
    push_next_page(&mut text, "versions", next);
    text
}

/// Renders the head of the list of a version's documents.
pub(crate) fn beginning_of_version(
    library: &Library,
    version: &Version,
    extent: Option<&VersionExtent>,
) -> String {
    let mut text = title_and_summary(&format!("{} {}", library.title, version.label), &library.description);
    text.push_str(&extent_line(library, version, extent));
    text.push_str(
        " Links are relative to the address of this file; `llms-full.txt` beside it has all texts.\n",
    );
    text
}

/// Renders a page of a version's documents, in sections by folder.
pub(crate) fn of_documents(entries: &[OutlineEntry], next: Option<&str>) -> String {
    let mut text = String::new();
    let mut section: Option<&str> = None;
    for entry in entries {
        let folder = entry.path.split_once('/').map_or("", |(folder, _)| folder);
        if section != Some(folder) {
            section = Some(folder);
            let heading = match folder {
                "" => "Documents".to_owned(),
                // The format reserves this name for sections that can be skipped.
                _ if folder.eq_ignore_ascii_case("optional") => format!("{folder}/"),
                _ => one_line(folder, MAX_NOTE_CHARS),
            };
            text.push_str(&format!("\n## {heading}\n\n"));
        }
        let notes = entry.description.as_deref().unwrap_or_default();
        text.push_str(&item(&entry.title, &address::markdown_url(entry), notes));
    }
    push_next_page(&mut text, "documents", next);
    text
}

/// Renders the head of the file with all texts of a version.
pub(crate) fn beginning_of_all(
    library: &Library,
    version: &Version,
    extent: Option<&VersionExtent>,
) -> String {
    let mut text = title_and_summary(&format!("{} {}", library.title, version.label), &library.description);
    text.push_str(&extent_line(library, version, extent));
    text.push('\n');
    text
}

/// Renders a document of that file.
pub(crate) fn document(entry: &OutlineEntry, content: &str) -> String {
    let title = if content.trim_start().starts_with("# ") {
        String::new()
    } else {
        format!("# {}\n\n", one_line(&entry.title, MAX_NOTE_CHARS))
    };
    format!(
        "\n---\n\nSource: {} (revision {}, indexed {})\n\n{title}{}\n",
        one_line(&entry.path, 1000),
        entry.revision,
        time(entry.indexed_at),
        content.trim(),
    )
}

fn title_and_summary(title: &str, description: &str) -> String {
    let mut text = format!("# {}\n\n", one_line(title, MAX_NOTE_CHARS));
    if !description.trim().is_empty() {
        text.push_str(&format!("> {}\n\n", one_line(description, 2000)));
    }
    text
}

fn extent_line(library: &Library, version: &Version, extent: Option<&VersionExtent>) -> String {
    let documents = extent.map_or(0, |extent| extent.documents);
    let indexed = extent.and_then(|extent| extent.indexed_at);
    let indexed = indexed.map(|at| format!(", the last of them indexed {}", time(at))).unwrap_or_default();
    format!("Library {}, version {}: {documents} documents{indexed}.", library.name, version.label)
}

fn push_next_page(text: &mut String, items: &str, next: Option<&str>) {
    if let Some(next) = next {
        text.push_str(&format!("\n## Optional\n\n- [More {items}](llms.txt?after={next})\n"));
    }
}

fn item(name: &str, link: &str, notes: &str) -> String {
    let name = one_line(name, MAX_NOTE_CHARS);
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if "[]\\`*_<>".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    let notes = one_line(notes, MAX_NOTE_CHARS);
    let notes = if notes.is_empty() { notes } else { format!(": {notes}") };
    format!("- [{escaped}]({link}){notes}\n")
}

/// Puts a text on one line: the description of a document cannot begin a section of the list.
fn one_line(text: &str, max_chars: usize) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn active(library: &Library) -> Option<&Version> {
    library.versions.iter().find(|version| library.active == Some(version.id))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_stay_on_one_line() {
        assert_eq!(
            item("A [title]\n## Optional", "a.md", "one\n\n- [two](x)"),
            "- [A \\[title\\] ## Optional](a.md): one - [two](x)\n"
        );
        assert_eq!(one_line(&"word ".repeat(3), 9), "word word…");
        assert_eq!(item("a", "b", " "), "- [a](b)\n");
    }
}
