//! Mentions (`@ada`) and tags (`#backup`, `#备份`) in the Markdown of posts and comments. Those in code are text.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Mentions and tags of one text that count; further ones are text.
const MAX_NAMES: usize = 20;
/// Maximum length of a tag, in characters.
pub(crate) const MAX_TAG_CHARS: usize = 60;

/// Names that a text contains.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// User names, lower case.
    pub(crate) mentions: BTreeSet<String>,
    /// Tags, lower case.
    pub(crate) tags: BTreeSet<String>,
}

/// Finds the mentions and tags in a Markdown text.
pub(crate) fn names(text: &str) -> Names {
    let mut names = Names::default();
    let mut in_code = false;
    // The parser divides a text at characters that could be markup, such as `_`.
    let mut run = String::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(part) if !in_code => {
                run.push_str(&part);
                continue;
            }
            _ => {}
        }
        collect(&run, &mut names);
        run.clear();
    }
    collect(&run, &mut names);
    names
}

/// Returns a tag as it is stored, or `None` if a text is none.
pub fn tag(text: &str) -> Option<String> {
    let tag = text.trim().trim_start_matches('#').to_lowercase();
    let length = tag.chars().count();
    ((1..=MAX_TAG_CHARS).contains(&length)
        && !tag.chars().any(|character| character.is_control() || character == ','))
    .then_some(tag)
}

fn collect(text: &str, names: &mut Names) {
    let mut before = ' ';
    for (start, character) in text.char_indices() {
        let is_start = !before.is_alphanumeric() && !"@#/&_.-".contains(before);
        before = character;
        if !is_start {
            continue;
        }
        let rest = &text[start + character.len_utf8()..];
        if character == '@' && names.mentions.len() < MAX_NAMES {
            let is_part = |part: char| part.is_ascii_alphanumeric() || "._-".contains(part);
            let end = rest.find(|part| !is_part(part)).unwrap_or(rest.len());
            // A full stop ends the sentence.
            let name = rest[..end].trim_end_matches(['.', '-', '_']).to_ascii_lowercase();
            if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.len() <= 60 {
                names.mentions.insert(name);
            }
        } else if character == '#' && names.tags.len() < MAX_NAMES {
            let is_part = |part: char| part.is_alphanumeric() || "_-".contains(part);
            let end = rest.find(|part| !is_part(part)).unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches(['-', '_']);
            // `#12` is a number.
            if name.chars().any(char::is_alphabetic)
                && let Some(tag) = tag(name)
            {
                names.tags.insert(tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Vec<String> {
        names(text).mentions.into_iter().collect()
    }

    fn tags(text: &str) -> Vec<String> {
        names(text).tags.into_iter().collect()
    }

    #[test]
    fn mentions_are_found_outside_code_and_addresses() {
        assert_eq!(mentions("@Ada, and @ben_k. (@c-d)"), ["ada", "ben_k", "c-d"]);
        assert_eq!(mentions("问 @ada：可以吗"), ["ada"]);
        assert!(mentions("mail ada@example.org, `@ada`, a/@b\n\n```\n@ada\n```\n@ @.").is_empty());
    }

    #[test]
    fn tags_are_found_in_both_languages() {
        assert_eq!(tags("#Backup and #备份, not #12 or a#b"), ["backup", "备份"]);
        assert!(tags("# Heading\n\n`#code`").is_empty());
        assert_eq!(tag("#Rust "), Some("rust".to_owned()));
        assert_eq!(tag("a,b"), None);
    }
}
