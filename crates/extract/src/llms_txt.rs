//! Parser for `llms.txt` files (<https://llmstxt.org>): title, summary and links.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Content of an `llms.txt` file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LlmsTxt {
    /// First heading of level 1.
    pub title: Option<String>,
    /// Block quote before the first section.
    pub summary: Option<String>,
    /// Targets of the links, in order of appearance, without duplicates.
    pub links: Vec<String>,
}

/// Whether a file of this name is a list of links: `llms.txt`, in any case.
pub fn is_llms_txt(name: &str) -> bool {
    name.eq_ignore_ascii_case("llms.txt")
}

/// Whether a file of this name has the texts themselves, as Markdown: `llms-full.txt`, `llms-small.txt`, `llms-ctx.txt`.
pub fn is_llms_full_txt(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("llms-").is_some_and(|rest| rest.strip_suffix(".txt").is_some())
}

/// Parses an `llms.txt` file. Never fails: text that is not such a file gives an empty result.
pub fn parse(text: &str) -> LlmsTxt {
    let mut list = LlmsTxt::default();
    let mut section: Option<Range<usize>> = None;
    let (mut heading, mut quote): (Option<String>, Option<String>) = (None, None);
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if list.title.is_none() => {
                heading = Some(String::new());
            }
            Event::Start(Tag::Heading { .. }) => section = section.or(Some(range)),
            Event::End(TagEnd::Heading(_)) => list.title = list.title.or(heading.take()),
            Event::Start(Tag::BlockQuote(_)) if section.is_none() && list.summary.is_none() => {
                quote = Some(String::new());
            }
            Event::End(TagEnd::BlockQuote(_)) => list.summary = list.summary.or(quote.take()),
            Event::Start(Tag::Link { dest_url, .. })
                if !list.links.iter().any(|link| **link == *dest_url) =>
            {
                list.links.push(dest_url.into_string());
            }
            Event::Text(content) | Event::Code(content) => {
                for text in [&mut heading, &mut quote].into_iter().flatten() {
                    text.push_str(&content);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                for text in [&mut heading, &mut quote].into_iter().flatten() {
                    text.push(' ');
                }
            }
            _ => {}
        }
    }
    let trimmed =
        |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    LlmsTxt { title: trimmed(list.title), summary: trimmed(list.summary), links: list.links }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_summary_and_links_are_parsed() {
        let list = parse(
            "# The `Kit`\n\n> For pages,\n> small ones.\n\nSee [why](why.md).\n\n## Docs\n\n> not this\n\n\
             - [One](a/one.md): notes\n- [Two](<a/two (1).md>)\n- [One](a/one.md)\n\n## Optional\n\n- [Far](https://x.example/y)\n",
        );
        assert_eq!(list.title.as_deref(), Some("The Kit"));
        assert_eq!(list.summary.as_deref(), Some("For pages, small ones."));
        assert_eq!(list.links, ["why.md", "a/one.md", "a/two (1).md", "https://x.example/y"]);
        assert_eq!(parse("no list"), LlmsTxt::default());
        assert!(
            is_llms_txt("LLMS.txt")
                && !is_llms_txt("llms-full.txt")
                && is_llms_full_txt("llms-full.txt")
                && !is_llms_full_txt("llms.txt")
        );
    }
}
