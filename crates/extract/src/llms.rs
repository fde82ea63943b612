//! `llms.txt` (<https://llmstxt.org>) as a source: what it calls itself, and the links it names.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What a list says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// Its first heading.
    pub title: Option<String>,
    /// The quotation before its first section.
    pub summary: Option<String>,
    /// Where its links lead, in their order, each once.
    pub targets: Vec<String>,
}

/// Whether a file of this name is a list of links.
pub fn is_list(name: &str) -> bool {
    name.eq_ignore_ascii_case("llms.txt")
}

/// Whether a file of this name holds the texts themselves, as Markdown: `llms-full.txt`, `llms-small.txt`, `llms-ctx.txt`.
pub fn is_whole(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("llms-").is_some_and(|rest| rest.strip_suffix(".txt").is_some())
}

/// Reads a list. Whatever the text is, something is read of it.
pub fn read(text: &str) -> List {
    let mut list = List::default();
    let mut section: Option<Range<usize>> = None;
    let (mut heading, mut quotation): (Option<String>, Option<String>) = (None, None);
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if list.title.is_none() => {
                heading = Some(String::new());
            }
            Event::Start(Tag::Heading { .. }) => section = section.or(Some(range)),
            Event::End(TagEnd::Heading(_)) => list.title = list.title.or(heading.take()),
            Event::Start(Tag::BlockQuote(_)) if section.is_none() && list.summary.is_none() => {
                quotation = Some(String::new());
            }
            Event::End(TagEnd::BlockQuote(_)) => list.summary = list.summary.or(quotation.take()),
            Event::Start(Tag::Link { dest_url, .. })
                if !list.targets.iter().any(|target| **target == *dest_url) =>
            {
                list.targets.push(dest_url.into_string());
            }
            Event::Text(words) | Event::Code(words) => {
                for text in [&mut heading, &mut quotation].into_iter().flatten() {
                    text.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                for text in [&mut heading, &mut quotation].into_iter().flatten() {
                    text.push(' ');
                }
            }
            _ => {}
        }
    }
    let tidy = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    List { title: tidy(list.title), summary: tidy(list.summary), targets: list.targets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_it_is_and_where_it_leads() {
        let list = read(
            "# The `Kit`\n\n> For pages,\n> small ones.\n\nSee [why](why.md).\n\n## Docs\n\n> not this\n\n\
             - [One](a/one.md): notes\n- [Two](<a/two (1).md>)\n- [One](a/one.md)\n\n## Optional\n\n- [Far](https://x.example/y)\n",
        );
        assert_eq!(list.title.as_deref(), Some("The Kit"));
        assert_eq!(list.summary.as_deref(), Some("For pages, small ones."));
        assert_eq!(list.targets, ["why.md", "a/one.md", "a/two (1).md", "https://x.example/y"]);
        assert_eq!(read("no list"), List::default());
        assert!(
            is_list("LLMS.txt")
                && !is_list("llms-full.txt")
                && is_whole("llms-full.txt")
                && !is_whole("llms.txt")
        );
    }
}
