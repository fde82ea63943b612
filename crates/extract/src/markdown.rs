//! Reader for Markdown and MDX. The text of the document is the source, byte for byte.
//!
//! Front matter, imports and lines of tags alone are in the text but in no block.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::keywords::{Slugs, is_identifier, normalize};
use crate::model::{Block, BlockKind, Error, Limits, ParsedDocument};

/// Maximum number of keywords collected from one block.
const MAX_BLOCK_KEYWORDS: usize = 64;

/// Maximum number of lines of front matter.
const MAX_FRONT_MATTER_LINES: usize = 500;

/// Reads a Markdown document; `is_mdx` enables handling of imports and JSX.
pub(crate) fn read(source: String, is_mdx: bool, limits: &Limits) -> Result<ParsedDocument, Error> {
    if source.len() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    let front_matter = front_matter_range(&source);
    let mut parsed = ParsedDocument::default();
    if let Some(range) = &front_matter {
        parsed.title = front_matter_title(&source[range.clone()]);
    }
    let start = front_matter.map_or(0, |range| range.end);
    let mut reader = Reader {
        source: &source,
        start,
        is_mdx,
        blocks: Vec::new(),
        slugs: Slugs::default(),
        title: None,
        has_level_one_title: false,
    };
    reader.read(limits)?;
    let heading_title = reader.title;
    parsed.blocks = reader.blocks;
    parsed.title = parsed.title.or(heading_title);
    if parsed.blocks.is_empty() {
        return Err(Error::Empty);
    }
    parsed.text = source;
    Ok(parsed)
}

struct Reader<'s> {
    source: &'s str,
    start: usize,
    is_mdx: bool,
    blocks: Vec<Block>,
    slugs: Slugs,
    /// First heading of level 1, else the first heading. Headings in HTML are ignored: they are often a project banner
    /// that is the same in every document.
    title: Option<String>,
    has_level_one_title: bool,
}

impl Reader<'_> {
    fn read(&mut self, limits: &Limits) -> Result<(), Error> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_GFM;
        let source = self.source;
        let events = Parser::new_ext(&source[self.start..], options).into_offset_iter();
        let mut depth = 0_usize;
        let mut keywords = Vec::new();
        let mut heading: Option<(u8, Option<String>, String)> = None;
        let mut kind = BlockKind::Text;
        for (event, range) in events {
            let range = range.start + self.start..range.end + self.start;
            match event {
                Event::Start(tag) => {
                    if depth == 0 {
                        keywords.clear();
                        kind = match &tag {
                            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                                BlockKind::Code
                            }
                            Tag::Table(_) => BlockKind::Table,
                            _ => BlockKind::Text,
                        };
                        if let Tag::Heading { level, id, .. } = tag {
                            heading = Some((level_number(level), id.map(|id| id.to_string()), String::new()));
                        }
                    }
                    depth += 1;
                    if depth > limits.depth {
                        return Err(Error::TooLarge { unit: "nested blocks", limit: limits.depth });
                    }
                }
                Event::End(end) => {
                    depth = depth.saturating_sub(1);
                    if depth > 0 {
                        continue;
                    }
                    if let Some((level, id, title)) = heading.take() {
                        self.heading(level, id, &title, range);
                    } else {
                        let is_html = end == TagEnd::HtmlBlock;
                        self.block(kind.clone(), range, is_html, std::mem::take(&mut keywords));
                    }
                }
                Event::Code(code) => {
                    if is_identifier(&code) && keywords.len() < MAX_BLOCK_KEYWORDS {
                        keywords.push(code.to_string());
                    }
                    if let Some((_, _, title)) = &mut heading {
                        title.push_str(&code);
                    }
                }
                Event::Text(text) => {
                    if let Some((_, _, title)) = &mut heading {
                        title.push_str(&text);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some((_, _, title)) = &mut heading {
                        title.push(' ');
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn heading(&mut self, level: u8, id: Option<String>, title: &str, range: Range<usize>) {
        let title = crate::builder::one_line(title);
        if title.is_empty() {
            return;
        }
        if self.title.is_none() || (level == 1 && !self.has_level_one_title) {
            self.title = Some(title.clone());
            self.has_level_one_title = level == 1;
        }
        let slug = self.slugs.next(&title);
        let anchor = Some(id.unwrap_or(slug)).filter(|anchor| !anchor.is_empty());
        self.push(BlockKind::Heading { level, title }, range, anchor, Vec::new());
    }

    fn block(&mut self, kind: BlockKind, range: Range<usize>, is_html: bool, keywords: Vec<String>) {
        let text = &self.source[range.clone()];
        let range = if is_html {
            if let Some((level, title)) = html_heading(text) {
                self.push(BlockKind::Heading { level, title }, range, None, Vec::new());
                return;
            }
            match range_without_tags(text) {
                Some(inner) => range.start + inner.start..range.start + inner.end,
                None => return,
            }
        } else if self.is_mdx && kind == BlockKind::Text && is_module_code(text) {
            return;
        } else {
            range
        };
        self.push(kind, range, None, keywords);
    }

    fn push(
        &mut self,
        kind: BlockKind,
        range: Range<usize>,
        anchor: Option<String>,
        mut keywords: Vec<String>,
    ) {
        let text = &self.source[range.clone()];
        let end = range.start + text.trim_end().len();
        // Indented code keeps the indentation of its first line.
        let leading = text.len() - text.trim_start_matches(['\n', '\r']).len();
        let mut start = range.start + leading;
        if kind == BlockKind::Code {
            start = self.source[..start]
                .rfind('\n')
                .map_or(0, |at| at + 1)
                .max(self.blocks.last().map_or(self.start, |block| block.range.end));
        }
        if start >= end || self.blocks.last().is_some_and(|block| block.range.end > start) {
            return;
        }
        normalize(&mut keywords);
        self.blocks.push(Block { kind, range: start..end, anchor, page: None, keywords });
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Returns the range of YAML or TOML front matter, fences included.
fn front_matter_range(source: &str) -> Option<Range<usize>> {
    let fence = ["---", "+++"].into_iter().find(|fence| source.starts_with(fence))?;
    let mut lines = source.split_inclusive('\n');
    let first = lines.next()?;
    if first.trim_end() != fence {
        return None;
    }
    let mut end = first.len();
    for (number, line) in lines.enumerate() {
        end += line.len();
        let text = line.trim_end();
        if text == fence || (fence == "---" && text == "...") {
            return Some(0..end);
        }
        // Front matter begins with a key or a comment; otherwise the first line is a thematic break.
        if number == 0 && !text.contains([':', '=', '#']) {
            return None;
        }
        if number > MAX_FRONT_MATTER_LINES {
            return None;
        }
    }
    None
}

/// Returns the value of the key `title` of front matter.
fn front_matter_title(front_matter: &str) -> Option<String> {
    front_matter.lines().find_map(|line| {
        let rest = line.strip_prefix("title")?.trim_start();
        let value = rest.strip_prefix([':', '='])?.trim();
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .or_else(|| value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')))
            .unwrap_or(value);
        (!value.is_empty() && !value.starts_with(['|', '>', '{'])).then(|| value.replace("\\\"", "\""))
    })
}

/// Whether an MDX paragraph is module code: an import, an export or an expression.
fn is_module_code(text: &str) -> bool {
    let text = text.trim();
    let is_import = text.starts_with("import ")
        && text.lines().next().is_some_and(|line| line.contains([';', '\'', '"']) || line.contains('{'));
    let is_export = ["const ", "default ", "function ", "let ", "var ", "{", "*", "async "]
        .iter()
        .any(|word| text.strip_prefix("export ").is_some_and(|rest| rest.starts_with(word)));
    is_import || is_export || (text.starts_with('{') && text.ends_with('}'))
}

/// Parses an HTML block that is one heading, such as `<h1 align="center">Project</h1>`: its level and title.
fn html_heading(text: &str) -> Option<(u8, String)> {
    let text = text.trim();
    let rest = text.strip_prefix("<h").or_else(|| text.strip_prefix("<H"))?;
    let level = rest.bytes().next().filter(u8::is_ascii_digit)? - b'0';
    let (_, inner) = rest.split_once('>')?;
    let (title, end) = inner.split_once("</")?;
    let is_only_heading =
        end.len() == 3 && end.ends_with('>') && !title.contains('<') && (1..=6).contains(&level);
    let title = crate::builder::one_line(title);
    (is_only_heading && !title.is_empty()).then_some((level, title))
}

/// Returns the range of an HTML or JSX block without the lines of only tags and comments at both ends.
///
/// `None` if the block has no text.
fn range_without_tags(text: &str) -> Option<Range<usize>> {
    let mut first = None;
    let mut last = 0;
    let mut inside_tag = false;
    let mut inside_comment = false;
    let mut at = 0;
    let mut line = 0;
    while at < text.len() {
        let rest = &text[at..];
        let Some(character) = rest.chars().next() else { break };
        if inside_comment {
            let end = rest.find("-->").map_or(rest.len(), |end| end + 3);
            inside_comment = false;
            at += end;
            continue;
        }
        if rest.starts_with("<!--") {
            inside_comment = true;
            at += 4;
            continue;
        }
        match character {
            '\n' => line = at + 1,
            '<' => inside_tag = true,
            '>' if inside_tag => inside_tag = false,
            _ if !inside_tag && character.is_alphanumeric() => {
                first.get_or_insert(line);
                last = rest.find('\n').map_or(text.len(), |end| at + end);
            }
            _ => {}
        }
        at += character.len_utf8();
    }
    // `line` may lie after `last` if a comment spans lines; the range still begins on a character boundary.
    first.map(|first| first..last.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(source: &str, is_mdx: bool) -> Vec<String> {
        let parsed = read(source.to_owned(), is_mdx, &Limits::default()).unwrap();
        assert_eq!(parsed.text, source);
        parsed
            .blocks
            .iter()
            .map(|block| {
                let text = &parsed.text[block.range.clone()];
                match &block.kind {
                    BlockKind::Heading { level, title } => {
                        format!("H{level} {title} #{}", block.anchor.as_deref().unwrap_or("-"))
                    }
                    kind => format!("{kind:?} {text:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn blocks_are_ranges_of_the_source() {
        let source = "---\ntitle: \"A title\"\n---\nSetext *one*\n===\n\nProse\nmore.\n\n- a\n  - b\n\n    c\n\n```rust\nfn main() {}\n```\n\n    indented\n\n|a|b|\n|-|-|\n|1|2|\n\n## Two {#two}\n";
        assert_eq!(
            describe(source, false),
            [
                "H1 Setext one #setext-one",
                "Text \"Prose\\nmore.\"",
                "Text \"- a\\n  - b\\n\\n    c\"",
                "Code \"```rust\\nfn main() {}\\n```\"",
                "Code \"    indented\"",
                "Table \"|a|b|\\n|-|-|\\n|1|2|\"",
                "H2 Two #two",
            ]
        );
        assert_eq!(read(source.to_owned(), false, &Limits::default()).unwrap().title.unwrap(), "A title");
    }

    #[test]
    fn mdx_module_code_is_in_no_block() {
        let source = "import Tabs from '@theme/Tabs';\nimport {a} from './a';\n\n# Head\n\nexport const x = 1;\n\n<Tabs>\n<TabItem value=\"one\">\n\nText inside.\n\n</TabItem>\n</Tabs>\n\n{/* note */}\n\nimportant import words\n";
        assert_eq!(
            describe(source, true),
            ["H1 Head #head", "Text \"Text inside.\"", "Text \"important import words\""]
        );
    }

    #[test]
    fn html_blocks_keep_their_text() {
        let source = "<div align=\"center\">\n<!-- hidden -->\n<b>Shown</b> here\n</div>\n\n<img src=\"x.png\">\n\nEnd\n";
        assert_eq!(describe(source, false), ["Text \"<b>Shown</b> here\"", "Text \"End\""]);
    }
}
