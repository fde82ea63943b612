//! Plain words of a passage: its Markdown without markup, as blocks of prose and of code.
//!
//! Snippets are cut from these blocks. What only marks up goes: signs of headings, emphasis, links and their addresses, tags of HTML
//! and of MDX components, marks of callouts and tasks, fences. Cells of tables are told apart by points. The first heading goes too,
//! as it is the title of a hit.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::analysis::joins_lines;

/// Sign between the cells of a table.
const CELL: &str = " · ";
/// Maximum length of a tag that is recognized, in bytes.
const MAX_TAG_BYTES: usize = 400;
/// Stands for `<` in inline code until tags are removed (a character for private use).
const CODE_ANGLE: char = '\u{E000}';
/// Stands for `<` in blocks of HTML until tags are removed.
const HTML_ANGLE: char = '\u{E001}';
/// Maximum length of a comment that is recognized, in bytes.
const MAX_COMMENT_BYTES: usize = 4000;

/// A part of a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlainBlock {
    pub(super) text: String,
    pub(super) is_code: bool,
}

/// A passage in plain words.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// Blocks in order; neighbours of prose are one.
    pub(super) blocks: Vec<PlainBlock>,
    /// Heading at the start.
    pub(super) heading: Option<String>,
}

/// Returns the plain words of a Markdown text. Headings that `section` already names are left out, and none of them is the title.
pub(super) fn plain(markdown: &str, section: &[String]) -> Plain {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    let mut writer = Writer::default();
    let mut heading_start = None;
    let mut braces = None;
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        match event {
            Event::Start(tag @ Tag::Heading { .. }) => {
                braces = extract::text_in_braces(&tag, &markdown[range]);
                writer.separate(" ");
                heading_start = Some(writer.prose.len());
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some(begin) = heading_start.take() {
                    writer.prose(braces.take().unwrap_or_default());
                    writer.end_heading(begin, section);
                }
            }
            Event::Start(Tag::CodeBlock(_)) => writer.begin_code(),
            Event::End(TagEnd::CodeBlock) => writer.end_code(),
            Event::Text(text) => writer.text(&text),
            Event::Code(text) => writer.prose(&text.replace('<', &CODE_ANGLE.to_string())),
            Event::Html(html) => writer.prose(&html.replace('<', &HTML_ANGLE.to_string())),
            Event::InlineHtml(html) => writer.prose(&html),
            Event::InlineMath(text) | Event::DisplayMath(text) => writer.prose(&text),
            Event::SoftBreak | Event::HardBreak => writer.break_line(),
            Event::End(TagEnd::TableCell) => writer.separate(CELL),
            Event::End(TagEnd::Table) => writer.end_table(),
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Item
                | TagEnd::HtmlBlock
                | TagEnd::BlockQuote(_)
                | TagEnd::FootnoteDefinition,
            )
            | Event::Rule => writer.separate(" "),
            _ => {}
        }
    }
    writer.end_prose();
    let Writer { mut blocks, heading, last_title, .. } = writer;
    // A lone heading is all that there is to show.
    if let (true, Some(text)) = (blocks.is_empty(), last_title) {
        blocks.push(PlainBlock { text, is_code: false });
    }
    Plain { blocks, heading }
}

#[derive(Default)]
struct Writer {
    blocks: Vec<PlainBlock>,
    prose: String,
    /// Written before the next words.
    separator: &'static str,
    /// Whether a line has ended since the last words.
    is_broken: bool,
    code: Option<String>,
    heading: Option<String>,
    has_heading: bool,
    last_title: Option<String>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code {
            code.push_str(text);
            return;
        }
        // Docusaurus' callouts: ":::tip Title"
        let text = match text.strip_prefix(":::") {
            Some(callout) => {
                callout.trim_start_matches(|sign: char| sign == ':' || sign.is_alphanumeric()).trim_start()
            }
            None => text,
        };
        self.prose(text);
    }

    fn prose(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.is_broken {
            let joins = self.prose.ends_with(joins_lines) && text.starts_with(joins_lines);
            if !joins && self.separator.is_empty() {
                self.separator = " ";
            }
            self.is_broken = false;
        }
        if !self.prose.is_empty() && !self.separator.is_empty() {
            self.prose.push_str(self.separator);
        }
        self.separator = "";
        self.prose.push_str(text);
    }

    fn break_line(&mut self) {
        self.is_broken = true;
    }

    /// A sign between cells wins over a space.
    fn separate(&mut self, separator: &'static str) {
        if self.separator.len() < separator.len() {
            self.separator = separator;
        }
    }

    fn end_table(&mut self) {
        self.separator = " ";
    }

    fn end_heading(&mut self, begin: usize, section: &[String]) {
        let title = without_tags(self.prose.get(begin..).unwrap_or_default());
        let title = title.trim().replace(CODE_ANGLE, "<");
        let is_known = section.contains(&title);
        let is_first = !is_known && !self.has_heading && begin == 0 && self.blocks.is_empty();
        if !title.is_empty() {
            self.last_title = Some(title.clone());
        }
        if is_first && !title.is_empty() {
            self.heading = Some(title);
        }
        self.has_heading |= !is_known;
        if is_first || is_known {
            self.prose.truncate(begin);
            self.separator = if begin == 0 { "" } else { " " };
        } else {
            self.separator = ": ";
        }
    }

    fn begin_code(&mut self) {
        self.end_prose();
        self.code = Some(String::new());
    }

    fn end_code(&mut self) {
        if let Some(code) = self.code.take() {
            let text = code.trim_matches('\n').to_owned();
            if !text.trim().is_empty() {
                self.blocks.push(PlainBlock { text, is_code: true });
            }
        }
    }

    fn end_prose(&mut self) {
        let prose = without_tags(&self.prose);
        let mut text = String::with_capacity(prose.len());
        for character in prose.chars() {
            match character {
                CODE_ANGLE => text.push('<'),
                space if space.is_whitespace() => {
                    if !text.is_empty() && !text.ends_with(' ') {
                        text.push(' ');
                    }
                }
                other => text.push(other),
            }
        }
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            self.blocks.push(PlainBlock { text, is_code: false });
        }
        self.prose.clear();
        self.separator = "";
        self.is_broken = false;
    }
}

/// Removes comments and tags of HTML and of MDX components. `List<String>` is none outside blocks of HTML: there a tag has a slash,
/// an attribute, or a name in small letters.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(['<', HTML_ANGLE]) {
        let (before, tag) = rest.split_at(begin);
        plain.push_str(before);
        let angle = if tag.starts_with('<') { '<' } else { HTML_ANGLE };
        let inside = &tag[angle.len_utf8()..];
        if let Some(length) = tag_length(inside, angle == HTML_ANGLE) {
            rest = &inside[length..];
        } else {
            plain.push('<');
            rest = inside;
        }
    }
    plain.push_str(rest);
    plain
}

/// Returns the length of the tag or comment whose `<` stands before a text.
fn tag_length(text: &str, is_html: bool) -> Option<usize> {
    if text.starts_with("!--") {
        return start(text, MAX_COMMENT_BYTES).find("-->").map(|end| end + 3);
    }
    let text = start(text, MAX_TAG_BYTES);
    if !text.trim_start_matches('/').starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    // In braces and quotation marks, `>` is no end.
    let (mut depth, mut quote, mut end) = (0_usize, None, None);
    for (offset, character) in text.char_indices() {
        if let Some(open) = quote {
            quote = Some(open).filter(|open| *open != character);
            continue;
        }
        match character {
            '"' | '\'' => quote = Some(character),
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '>' if depth == 0 => {
                end = Some(offset);
                break;
            }
            '<' | HTML_ANGLE if depth == 0 => return None,
            _ => {}
        }
    }
    let inside = &text[..end?];
    let is_element = inside.starts_with(|first: char| first.is_ascii_lowercase() || first == '/');
    let is_component = inside.ends_with('/') || inside.contains("={") || inside.contains("=\"");
    (is_html || is_element || is_component).then_some(inside.len() + 1)
}

/// Returns the start of a text, at most `max` bytes.
fn start(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prose(markdown: &str) -> String {
        let blocks = plain(markdown, &["Known".to_owned()]).blocks;
        blocks.into_iter().map(|block| block.text).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn markup_goes_and_words_stay() {
        for (markdown, expected) in [
            ("See [soft tags](#soft-tags) and ![a picture](x.png).", "See soft tags and a picture."),
            ("- [x] done\n- [ ] open", "done open"),
            (":::tip\nDrink water.\n:::", "Drink water."),
            (":::warning Beware\nHot.\n\n:::", "Beware Hot."),
            ("> [!NOTE]\n> Remember.", "Remember."),
            ("It works <Check size={18} /> here.", "It works here."),
            ("<Tabs items={['a', 'b']}>\n\nText **inside**.\n\n</Tabs>", "Text inside."),
            ("<Note>\nRemember this.\n</Note>", "Remember this."),
            ("A `List<String>` and Map<K, V> and `<Check/>`.", "A List<String> and Map<K, V> and <Check/>."),
            ("<!-- hidden -->\n\nSeen.", "Seen."),
            ("# Known\n\nText.", "Text."),
            ("# Alone", "Alone"),
            ("# Known", "Known"),
            ("# Known\n\n### GET /a/{id}\n\nText.", "Text."),
            ("Text.\n\n## GET /a/{id}\n\nMore.", "Text. GET /a/{id}: More."),
            ("# First\n\nText.\n\n## Second {#two}\n\nMore.", "Text. Second: More."),
            ("| Name | Default |\n|---|:--|\n| `drain` | 90 |", "Name · Default · drain · 90"),
            ("系统会自动备\n份数据。\nNext", "系统会自动备份数据。 Next"),
            ("a\n  b\n\nc &amp; d \\* e", "a b c & d * e"),
        ] {
            assert_eq!(prose(markdown), expected, "{markdown}");
        }
    }

    #[test]
    fn code_is_a_block_of_its_own() {
        let blocks = plain("Run this:\n\n```sql\nselect 1;\n  from t\n```\n\nThen wait.", &[]).blocks;
        let kinds: Vec<(&str, bool)> =
            blocks.iter().map(|block| (block.text.as_str(), block.is_code)).collect();
        assert_eq!(kinds, [("Run this:", false), ("select 1;\n  from t", true), ("Then wait.", false)]);
    }

    #[test]
    fn the_first_heading_is_the_title() {
        let found = plain("### PUT /repos/{owner}/lock\n\nLock an issue", &[]);
        assert_eq!(found.heading.as_deref(), Some("PUT /repos/{owner}/lock"));
        assert_eq!(found.blocks[0].text, "Lock an issue");
        let below = plain("## Known\n\n### PUT /locks/{id}\n\nText.", &["Known".to_owned()]);
        assert_eq!(below.heading.as_deref(), Some("PUT /locks/{id}"));
        let alone = plain("## Known\n\nText.", &["Known".to_owned()]);
        assert_eq!(alone.heading, None);
    }

    proptest! {
        #[test]
        fn any_text_has_plain_words(text in "(\\PC|[<>/={}`#|:\n]){0,300}") {
            let blocks = plain(&text, &[]).blocks;
            prop_assert!(blocks.iter().all(|block| !block.text.trim().is_empty()));
        }
    }
}
