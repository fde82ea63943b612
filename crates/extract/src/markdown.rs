//! Reader for Markdown and MDX. The text of the document is the source, byte for byte.
//!
//! Module code of MDX, comments, template tags and lines of tags alone are in the text but in no block; of front matter,
//! descriptions and tags are.

mod front_matter;
mod mdx;
mod noise;
mod tags;

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::keywords::{Slugs, is_identifier, normalize};
use crate::model::{Block, BlockKind, Error, Limits, ParsedDocument, ParsedReference, ReferenceKind};

/// Maximum number of keywords collected from one block.
const MAX_BLOCK_KEYWORDS: usize = 64;

/// Reads a Markdown document; `is_mdx` enables handling of imports and JSX.
pub(crate) fn read(source: String, is_mdx: bool, limits: &Limits) -> Result<ParsedDocument, Error> {
    if source.len() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    let front_matter = front_matter::parse(&source);
    let start = front_matter.as_ref().map_or(0, |front_matter| front_matter.range.end);
    let prepared = (is_mdx || mdx::is_module(&source[start..])).then(|| mdx::prepare(&source, start));
    let mut reader = Reader {
        source: &source,
        start,
        prepared,
        noise: Vec::new(),
        blocks: Vec::new(),
        slugs: Slugs::default(),
        title: None,
        has_level_one_title: false,
        references: Vec::new(),
        anchors: Vec::new(),
        open: Vec::new(),
    };
    reader.read(limits)?;
    let mut excluded = reader.noise;
    excluded.extend(reader.prepared.map(|prepared| prepared.code).unwrap_or_default());
    let mut parsed =
        ParsedDocument { title: reader.title, blocks: reader.blocks, ..ParsedDocument::default() };
    parsed.references = reader.references;
    parsed.anchors = reader.anchors;
    if let Some(front_matter) = front_matter {
        let mut ranges = front_matter.text;
        // A document of front matter alone has its title as text too.
        if parsed.blocks.is_empty() {
            ranges.extend(front_matter.title_range);
            ranges.sort_unstable_by_key(|range| range.start);
        }
        let text_block =
            |range| Block { kind: BlockKind::Text, range, anchor: None, page: None, keywords: Vec::new() };
        parsed.blocks.splice(0..0, ranges.into_iter().map(text_block));
        // The keys between the values and the fence belong to no passage.
        let mut at = 0;
        for range in
            parsed.blocks.iter().map(|block| block.range.clone()).take_while(|range| range.start < start)
        {
            excluded.push(at..range.start);
            at = range.end;
        }
        excluded.push(at..front_matter.range.end);
        parsed.title = front_matter.title.or(parsed.title);
    }
    if parsed.blocks.is_empty() {
        return Err(Error::Empty);
    }
    parsed.excluded = merged(excluded);
    parsed.text = source;
    Ok(parsed)
}

struct Reader<'s> {
    source: &'s str,
    start: usize,
    /// Markdown of an MDX document.
    prepared: Option<mdx::Prepared>,
    /// Comments and template tags, in order.
    noise: Vec<Range<usize>>,
    blocks: Vec<Block>,
    slugs: Slugs,
    /// First heading of level 1, else the first heading. Headings in HTML are ignored: they are often a project banner
    /// that is the same in every document.
    title: Option<String>,
    has_level_one_title: bool,
    references: Vec<ParsedReference>,
    anchors: Vec<(String, usize)>,
    /// Links and pictures that have not ended, with the range of their label so far; those of HTML have no end of Markdown.
    open: Vec<OpenReference>,
}

/// A link or picture whose label is being read.
struct OpenReference {
    kind: ReferenceKind,
    target: String,
    label: Option<Range<usize>>,
    is_html: bool,
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
        let markdown = match &self.prepared {
            Some(prepared) => Cow::Owned(prepared.markdown.clone()),
            None => Cow::Borrowed(&source[self.start..]),
        };
        self.noise = self.find_noise(&markdown, options);
        let events = Parser::new_ext(&markdown, options).into_offset_iter();
        let mut depth = 0_usize;
        let mut keywords = Vec::new();
        let mut heading: Option<(u8, Option<String>, String)> = None;
        let mut braces = None;
        let mut kind = BlockKind::Text;
        for (event, range) in events {
            let range = self.source_range(range);
            self.refer(&event, &range);
            match event {
                Event::Start(tag) => {
                    if depth == 0 {
                        keywords.clear();
                        kind = match &tag {
                            // MDX has no indented code.
                            Tag::CodeBlock(CodeBlockKind::Indented) if self.prepared.is_some() => {
                                BlockKind::Text
                            }
                            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                                BlockKind::Code
                            }
                            Tag::Table(_) => BlockKind::Table,
                            _ => BlockKind::Text,
                        };
                        braces = text_in_braces(&tag, &self.source[range.clone()]);
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
                    if let Some((level, id, mut title)) = heading.take() {
                        title.push_str(braces.take().unwrap_or_default());
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

    /// Notes the links, pictures and anchors of an event.
    fn refer(&mut self, event: &Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => self.open(ReferenceKind::Link, dest_url, false),
            Event::Start(Tag::Image { dest_url, .. }) => self.open(ReferenceKind::Picture, dest_url, false),
            Event::End(TagEnd::Link | TagEnd::Image) => {
                while self.open.pop_if(|last| last.is_html).is_some() {}
                self.close(range.start);
            }
            Event::Text(_) | Event::Code(_) | Event::InlineMath(_) => {
                for open in &mut self.open {
                    let label = open.label.get_or_insert_with(|| range.clone());
                    label.end = label.end.max(range.end);
                }
            }
            Event::InlineHtml(html) | Event::Html(html) => {
                for found in tags::find(html) {
                    self.tag(found, range.start);
                }
            }
            // The end of a block ends links of HTML that nothing else has ended.
            Event::End(TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::Item | TagEnd::TableCell) => {
                self.open.clear();
            }
            _ => {}
        }
    }

    /// Notes a tag of HTML.
    fn tag(&mut self, found: tags::TagReference<'_>, start: usize) {
        match found {
            tags::TagReference::Anchor { name, at } => self.anchors.push((name.to_owned(), start + at)),
            tags::TagReference::Link { target, .. } => self.open(ReferenceKind::Link, target, true),
            tags::TagReference::Text { range } => {
                for open in &mut self.open {
                    let range = start + range.start..start + range.end;
                    let label = open.label.get_or_insert_with(|| range.clone());
                    label.end = label.end.max(range.end);
                }
            }
            tags::TagReference::LinkEnd => {
                if self.open.last().is_some_and(|last| last.is_html) {
                    self.close(start);
                }
            }
            tags::TagReference::Picture { target, at } => {
                self.references.push(ParsedReference {
                    kind: ReferenceKind::Picture,
                    target: target.to_owned(),
                    range: start + at..start + at,
                });
            }
        }
    }

    fn open(&mut self, kind: ReferenceKind, target: &str, is_html: bool) {
        self.open.push(OpenReference { kind, target: target.trim().to_owned(), label: None, is_html });
    }

    /// Ends the innermost open link or picture. A picture without a description stands at `at`; a link without a label is none.
    fn close(&mut self, at: usize) {
        let Some(OpenReference { kind, target, label, .. }) = self.open.pop() else { return };
        let is_shown = label.is_some() || kind == ReferenceKind::Picture;
        if is_shown && !target.is_empty() {
            self.references.push(ParsedReference { kind, target, range: label.unwrap_or(at..at) });
        }
    }

    /// Returns the range of the source that a range of the parsed Markdown stands for.
    fn source_range(&self, range: Range<usize>) -> Range<usize> {
        match &self.prepared {
            Some(prepared) => prepared.source_range(range),
            None => range.start + self.start..range.end + self.start,
        }
    }

    /// Finds comments and template tags. Those in code are text, so code is found first.
    fn find_noise(&self, markdown: &str, options: Options) -> Vec<Range<usize>> {
        if !["<!--", "{%", "{{", "{#", "{/*", "[//]:", "[comment]:"]
            .iter()
            .any(|mark| markdown.contains(mark))
        {
            return Vec::new();
        }
        let mut codes: Vec<Range<usize>> = Vec::new();
        for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
            if matches!(event, Event::Code(_) | Event::Start(Tag::CodeBlock(_))) {
                codes.push(self.source_range(range));
            }
        }
        noise::find(self.source, self.start, &codes)
    }

    fn heading(&mut self, level: u8, id: Option<String>, title: &str, range: Range<usize>) {
        let title = crate::builder::one_line(&noise::strip(title));
        if title.is_empty() || noise::without(self.source, range.clone(), &self.noise).is_empty() {
            return;
        }
        if self.title.is_none() || (level == 1 && !self.has_level_one_title) {
            self.title = Some(title.clone());
            self.has_level_one_title = level == 1;
        }
        let slug = self.slugs.next(&title);
        if id.is_some() {
            // Links in the same document use either.
            self.anchors.push((slug.clone(), range.start));
        }
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
        } else {
            range
        };
        if !noise::is_in(&self.noise, &range) {
            self.push(kind, range, None, keywords);
            return;
        }
        let parts = noise::without(self.source, range.clone(), &self.noise);
        if parts.is_empty() {
            return;
        }
        if kind != BlockKind::Text {
            // Tags in a table stay in its cells.
            self.push(kind, range, None, keywords);
            return;
        }
        for part in parts {
            self.push(kind.clone(), part, None, keywords.clone());
        }
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

/// Returns the end of a heading's text if the parser took it for attributes and it is none, as ` {id}` in `## GET /users/{id}`.
///
/// Attributes that this project knows are ids and classes (`{#id .class}`). `source` is the heading's source.
pub fn text_in_braces<'s>(tag: &Tag<'_>, source: &'s str) -> Option<&'s str> {
    let Tag::Heading { id: None, classes, attrs, .. } = tag else { return None };
    if !classes.is_empty() || attrs.is_empty() {
        return None;
    }
    let begin = source.rfind('{')?;
    let end = begin + source[begin..].find('}')? + 1;
    Some(&source[source[..begin].trim_end_matches([' ', '\t']).len()..end])
}

/// Returns the ranges in order, those that overlap as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
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
    fn comments_and_template_tags_are_in_no_block() {
        for (source, expected) in [
            ("One.\n\n<!-- secret -->\n\nTwo.\n", vec!["Text \"One.\"", "Text \"Two.\""]),
            ("One <!-- secret\nmore --> two.\n", vec!["Text \"One\"", "Text \"two.\""]),
            ("{% note %}\n\n**Note:** text\n\n{% endnote %}\n", vec!["Text \"**Note:** text\""]),
            ("{% if x %}\nText.\n{%- endif -%}\n", vec!["Text \"Text.\""]),
            ("{% comment %}\n\n# Secret\n\nsecret\n\n{% endcomment %}\n\nText.\n", vec!["Text \"Text.\""]),
            ("{# secret #}\n\nText {#- secret -#}\n", vec!["Text \"Text\""]),
            ("{{< note >}}\nText.\n{{< /note >}}\n\n{{ toc }}\n", vec!["Text \"Text.\""]),
            ("Version {{ page.version }} of it.\n", vec!["Text \"Version {{ page.version }} of it.\""]),
            ("[//]: # (secret)\n\nText.\n", vec!["Text \"Text.\""]),
            ("# Head {% icon %} {#id}\n\nText.\n", vec!["H1 Head #id", "Text \"Text.\""]),
            ("## GET /users/{id}\n\nText.\n", vec!["H2 GET /users/{id} #get-usersid", "Text \"Text.\""]),
            ("## Find by {id} ##\n", vec!["H2 Find by {id} #find-by-id"]),
            ("PUT /a/{id}/b/{name}\n---\n", vec!["H2 PUT /a/{id}/b/{name} #put-aidbname"]),
            ("`{% raw %}` and `<!-- x -->` stay.\n", vec!["Text \"`{% raw %}` and `<!-- x -->` stay.\""]),
            ("```\n{% if %}\n<!-- x -->\n```\n", vec!["Code \"```\\n{% if %}\\n<!-- x -->\\n```\""]),
            ("- ```\n  {{ x }}\n  ```\n", vec!["Text \"- ```\\n  {{ x }}\\n  ```\""]),
            ("printf {%d} and a {{ b\n", vec!["Text \"printf {%d} and a {{ b\""]),
        ] {
            assert_eq!(describe(source, false), expected, "{source}");
        }
    }

    #[test]
    fn a_document_of_front_matter_is_a_document() {
        let read = |source: &str| {
            let parsed = read(source.to_owned(), false, &Limits::default()).unwrap();
            let text: Vec<_> =
                parsed.blocks.iter().map(|block| parsed.text[block.range.clone()].to_owned()).collect();
            (parsed.title, text)
        };
        let title = Some("Deploy".to_owned());
        assert_eq!(read("---\ntitle: Deploy\n---\n"), (title.clone(), vec!["Deploy".to_owned()]));
        assert_eq!(
            read("---\ntitle: Deploy\nlayout: x\ndescription: 'How to.'\ntags: [ops]\n---\n"),
            (title.clone(), vec!["Deploy".to_owned(), "How to.'\ntags: [ops".to_owned()])
        );
        assert_eq!(
            read("+++\ntitle = \"Deploy\"\ndescription = \"How to.\"\n+++\n# Head\n"),
            (title, vec!["How to.".to_owned(), "# Head".to_owned()])
        );
        assert_eq!(read("---\ntitle: [Deploy\n---\n\nText.\n").1, ["title: [Deploy\n---", "Text."]);
    }

    #[test]
    fn html_blocks_keep_their_text() {
        let source = "<div align=\"center\">\n<!-- hidden -->\n<b>Shown</b> here\n</div>\n\n<img src=\"x.png\">\n\nEnd\n";
        assert_eq!(describe(source, false), ["Text \"<b>Shown</b> here\"", "Text \"End\""]);
    }
}
