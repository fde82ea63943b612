//! Inline content of a page as Markdown: collapses white space, writes inline code and links, escapes markup.

use html5ever::{LocalName, local_name};

use super::boilerplate::is_boilerplate;
use super::code::code_text;
use super::dom::{Dom, NodeData, NodeId, Step};
use super::math;
use crate::marks;
use crate::model::ReferenceKind;

/// Maximum number of inline codes collected from one paragraph.
const MAX_CODES: usize = 16;

/// Writer for one paragraph. Its only line breaks are explicit ones (`<br>`).
#[derive(Debug, Default)]
pub(crate) struct InlineWriter {
    text: String,
    /// Pending white space since the last character; `true` if it contains a line break.
    space: Option<bool>,
    /// Number of paragraphs taken so far, to detect links that span two paragraphs.
    paragraphs: usize,
    open_links: Vec<OpenLink>,
    /// Whether link targets are dropped, as in table cells, where they obscure the content.
    omits_links: bool,
    /// Inline code, for keywords.
    codes: Vec<String>,
    /// Marks of links, pictures and anchors, with their byte offsets in the text. They are put in when the paragraph is
    /// complete, so that no rule for white space sees them.
    marks: Vec<(usize, String)>,
}

#[derive(Debug)]
struct OpenLink {
    node: NodeId,
    /// Byte offset of the label in the text.
    start: usize,
    /// Value of [`InlineWriter::paragraphs`] when it was opened.
    paragraph: usize,
    /// Whether the target is written into the text.
    is_written: bool,
}

impl InlineWriter {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the paragraph so far and starts a new one.
    pub(crate) fn take(&mut self) -> String {
        self.space = None;
        self.paragraphs += 1;
        let mut text = std::mem::take(&mut self.text);
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            // Anchors and pictures without a description stand before the next paragraph.
            for (offset, _) in &mut self.marks {
                *offset = 0;
            }
            return text;
        }
        with_marks(text, std::mem::take(&mut self.marks))
    }

    /// Returns the marks of a paragraph without text, for the block that follows.
    pub(crate) fn take_marks(&mut self) -> String {
        if !self.text.is_empty() {
            return String::new();
        }
        std::mem::take(&mut self.marks).into_iter().map(|(_, mark)| mark).collect()
    }

    /// Notes an anchor before the next character.
    pub(crate) fn anchor(&mut self, dom: &Dom, node: NodeId) {
        let name = dom.attribute(node, &local_name!("id"));
        let old_name = dom.attribute(node, &local_name!("name")).filter(|_| dom.is(node, &local_name!("a")));
        for name in [name, old_name.filter(|old| name != Some(*old))].into_iter().flatten() {
            self.mark(marks::anchor(name));
        }
    }

    fn mark(&mut self, mark: String) {
        if !mark.is_empty() {
            self.marks.push((self.text.len(), mark));
        }
    }

    /// Marks the links and anchors in code that was written as one span from `start` on.
    fn mark_code(&mut self, dom: &Dom, code: NodeId, start: usize) {
        let mut from = start;
        for node in dom.descendants(code).filter(|node| dom.is(*node, &local_name!("a"))) {
            let label = crate::builder::one_line(&visible_text(dom, node));
            let Some(at) = self.text.get(from..).and_then(|rest| rest.find(label.as_str())) else { continue };
            self.anchor(dom, node);
            let target = dom.attribute(node, &local_name!("href"));
            let begin = target.map(|target| marks::begin(ReferenceKind::Link, target)).unwrap_or_default();
            if label.is_empty() || begin.is_empty() {
                continue;
            }
            self.marks.push((from + at, begin));
            from += at + label.len();
            self.marks.push((from, marks::end()));
        }
    }

    /// Returns the inline code since the last call.
    pub(crate) fn take_codes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.codes)
    }

    /// Appends text of the page, escaped for Markdown.
    pub(crate) fn push(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if is_space(character) {
                let end = rest.find(|character: char| !is_space(character)).unwrap_or(rest.len());
                let has_break = rest[..end].contains('\n') || self.space == Some(true);
                self.space = Some(has_break);
                rest = &rest[end..];
            } else {
                let end = rest.find(is_space).unwrap_or(rest.len());
                self.write_pending_space(character);
                escape_into(&mut self.text, &rest[..end], rest[end..].is_empty());
                rest = &rest[end..];
            }
        }
    }

    /// Appends Markdown as it is, such as a formula.
    pub(crate) fn markdown(&mut self, markdown: &str) {
        let Some(first) = markdown.chars().next() else { return };
        self.write_pending_space(first);
        self.text.push_str(markdown);
    }

    /// Appends an explicit line break.
    pub(crate) fn line_break(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.space = None;
    }

    /// Appends a space, written only if text precedes and follows it.
    pub(crate) fn space(&mut self) {
        self.space = Some(self.space.unwrap_or(false));
    }

    /// Appends inline code.
    pub(crate) fn code(&mut self, code: &str) {
        let leading = code.starts_with(is_space);
        let trailing = code.ends_with(is_space);
        let code = crate::builder::one_line(code);
        if leading {
            self.space();
        }
        let Some(first) = code.chars().next() else { return };
        self.write_pending_space(first);
        if self.text.ends_with('`') {
            // `a``b` would be parsed as one span of code with a longer delimiter.
            self.text.pop();
            self.text.push_str(&code);
            self.text.push('`');
        } else if code.contains('`') {
            self.text.push_str("`` ");
            self.text.push_str(&code);
            self.text.push_str(" ``");
        } else {
            self.text.push('`');
            self.text.push_str(&code);
            self.text.push('`');
        }
        if self.codes.len() < MAX_CODES {
            self.codes.push(code);
        }
        if trailing {
            self.space();
        }
    }

    /// Handles the start of an inline element. Returns whether its children were handled too.
    pub(crate) fn enter(&mut self, dom: &Dom, node: NodeId, name: &LocalName) -> bool {
        match *name {
            local_name!("code") | local_name!("tt") | local_name!("kbd") | local_name!("samp") => {
                let start = self.text.len();
                self.code(&visible_text(dom, node));
                // Where two spans are joined, the text before has lost its last character.
                self.mark_code(dom, node, start.min(self.text.len()).saturating_sub(1));
                true
            }
            local_name!("br") => {
                self.line_break();
                false
            }
            local_name!("img") => {
                let alt_text = dom.attribute(node, &local_name!("alt")).unwrap_or_default();
                // "[Tip]" describes the icon of an admonition, whose name follows as text.
                if !alt_text.starts_with('[') {
                    let address = local_name!("src");
                    let address =
                        dom.attribute(node, &address).filter(|address| !is_icon(dom, node, address));
                    let begin = address
                        .map(|address| marks::begin(ReferenceKind::Picture, address))
                        .unwrap_or_default();
                    let start = self.text.len();
                    self.push(alt_text);
                    if !begin.is_empty() {
                        let written = self.text.get(start..).unwrap_or_default();
                        let start = start + written.len() - written.trim_start().len();
                        self.marks.push((start, begin));
                        self.mark(marks::end());
                    }
                }
                false
            }
            local_name!("sup") | local_name!("sub") => {
                // 2<sup>10</sup> is not 210.
                if self.space.is_some() {
                    return false;
                }
                if let Some(script) = math::script(dom, node, self.text.chars().next_back()) {
                    self.push(&script);
                    return true;
                }
                if dom.text(node).len() > 3 {
                    self.space();
                }
                false
            }
            local_name!("a") => {
                if let Some(target) = dom.attribute(node, &local_name!("href")) {
                    self.open_links.push(OpenLink {
                        node,
                        start: self.text.len(),
                        paragraph: self.paragraphs,
                        is_written: !self.omits_links && is_absolute(target),
                    });
                }
                false
            }
            _ => false,
        }
    }

    /// Handles the end of an inline element: completes its link.
    pub(crate) fn leave(&mut self, dom: &Dom, node: NodeId) {
        if self.open_links.last().is_none_or(|link| link.node != node) {
            return;
        }
        let Some(link) = self.open_links.pop() else { return };
        let Some(target) = dom.attribute(node, &local_name!("href")) else { return };
        if link.paragraph != self.paragraphs {
            return;
        }
        let Some(label) = self.text.get(link.start..) else { return };
        let start = link.start + (label.len() - label.trim_start().len());
        let label = label.trim();
        if label.is_empty() {
            return;
        }
        if !link.is_written {
            let begin = marks::begin(ReferenceKind::Link, target);
            if !begin.is_empty() {
                // Marks within the link stand after its own.
                let index = self.marks.iter().position(|(offset, _)| *offset >= start);
                self.marks.insert(index.unwrap_or(self.marks.len()), (start, begin));
                self.mark(marks::end());
            }
            return;
        }
        if target.contains([' ', ')', '\n', '<']) || label == target || label.contains(['\n', '[', ']']) {
            return;
        }
        self.text.insert(start, '[');
        for (offset, _) in &mut self.marks {
            *offset += usize::from(*offset >= start);
        }
        self.text.push_str("](");
        self.text.push_str(target);
        self.text.push(')');
    }

    /// Writes the pending white space, if any, before the character `next`.
    fn write_pending_space(&mut self, next: char) {
        let space = self.space.take();
        match self.text.chars().next_back() {
            None | Some('\n') => {}
            // A line break in the source between two Chinese characters is not a space.
            Some(last) if space == Some(true) && is_wide(last) && is_wide(next) => {}
            Some(_) if space.is_some() => self.text.push(' '),
            Some(_) => {}
        }
    }
}

/// Puts marks into a text. Those at the same offset keep their order.
fn with_marks(text: String, mut marks: Vec<(usize, String)>) -> String {
    if marks.is_empty() {
        return text;
    }
    marks.sort_by_key(|(offset, _)| *offset);
    let length: usize = marks.iter().map(|(_, mark)| mark.len()).sum();
    let mut marked = String::with_capacity(text.len() + length);
    let mut at = 0;
    for (offset, mark) in marks {
        let offset = text.floor_char_boundary(offset).max(at);
        marked.push_str(&text[at..offset]);
        marked.push_str(&mark);
        at = offset;
    }
    marked.push_str(&text[at..]);
    marked
}

/// Whether a picture only decorates the page: it is tiny, or a pixel that counts visits.
fn is_icon(dom: &Dom, node: NodeId, address: &str) -> bool {
    let side = |name| dom.attribute(node, &name).and_then(|side| side.trim().parse::<u32>().ok());
    let is_tiny = |side: Option<u32>| side.is_some_and(|side| side <= 4);
    is_tiny(side(local_name!("width"))) || is_tiny(side(local_name!("height"))) || address.is_empty()
}

/// Returns a subtree as one line, its blocks separated by ` · `, with its links as [marks].
pub(crate) fn as_line(dom: &Dom, root: NodeId) -> String {
    let mut inline = InlineWriter { omits_links: true, ..InlineWriter::default() };
    inline.anchor(dom, root);
    let mut step = Some(Step::Enter(root));
    let mut needs_separator = false;
    while let Some(current) = step {
        let mut done = current;
        match current {
            Step::Enter(node) => match dom.data(node) {
                NodeData::Text(text) => {
                    if needs_separator && !text.chars().all(is_space) {
                        push_separator(&mut inline);
                        needs_separator = false;
                    }
                    inline.push(text);
                }
                NodeData::Element { name, .. } if node != root => {
                    let is_code = matches!(name.local, local_name!("pre"));
                    let formula = math::formula(dom, node);
                    if let Some(formula) = formula {
                        if needs_separator && !formula.is_empty() {
                            push_separator(&mut inline);
                            needs_separator = false;
                        }
                        inline.markdown(&formula);
                        done = Step::Leave(node);
                    } else if is_boilerplate(dom, node) {
                        done = Step::Leave(node);
                    } else if is_block(&name.local) {
                        needs_separator |= !inline.is_empty();
                    }
                    if done == current {
                        if needs_separator && !is_block(&name.local) && !dom.text(node).trim().is_empty() {
                            push_separator(&mut inline);
                            needs_separator = false;
                        }
                        inline.anchor(dom, node);
                        if is_code {
                            if needs_separator {
                                push_separator(&mut inline);
                            }
                            inline.code(&code_text(dom, node));
                            needs_separator = true;
                            done = Step::Leave(node);
                        } else if name.local == local_name!("br") {
                            inline.space();
                        } else if inline.enter(dom, node, &name.local) {
                            done = Step::Leave(node);
                        }
                    }
                }
                _ => {}
            },
            Step::Leave(node) => {
                inline.leave(dom, node);
                if node != root && dom.name(node).is_some_and(is_block) {
                    needs_separator |= !inline.is_empty();
                }
            }
        }
        step = dom.next(done, root);
    }
    inline.take()
}

fn push_separator(inline: &mut InlineWriter) {
    inline.space();
    inline.push("·");
    inline.space();
}

/// Returns the text below a node as it is, without boilerplate and hidden elements.
pub(crate) fn visible_text(dom: &Dom, root: NodeId) -> String {
    let mut text = String::new();
    let mut step = Some(Step::Enter(root));
    while let Some(current) = step {
        let mut done = current;
        if let Step::Enter(node) = current {
            match dom.data(node) {
                NodeData::Text(part) => text.push_str(part),
                NodeData::Element { name, .. } if name.local == local_name!("br") => text.push('\n'),
                NodeData::Element { name, .. } if name.local == local_name!("img") => {
                    text.push_str(dom.attribute(node, &local_name!("alt")).unwrap_or_default());
                }
                NodeData::Element { .. } if node == root => {}
                NodeData::Element { name, .. } => {
                    if let Some(formula) = math::formula(dom, node) {
                        text.push_str(&formula);
                        done = Step::Leave(node);
                    } else if is_boilerplate(dom, node) {
                        done = Step::Leave(node);
                    } else if matches!(name.local, local_name!("sup") | local_name!("sub"))
                        && let Some(script) = math::script(dom, node, text.chars().next_back())
                    {
                        text.push_str(&script);
                        done = Step::Leave(node);
                    }
                }
                _ => {}
            }
        }
        step = dom.next(done, root);
    }
    if text.contains('\u{a0}') { text.replace('\u{a0}', " ") } else { text }
}

/// Whether an element begins and ends a paragraph.
pub(crate) fn is_block(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("p")
            | local_name!("div")
            | local_name!("section")
            | local_name!("article")
            | local_name!("main")
            | local_name!("header")
            | local_name!("aside")
            | local_name!("body")
            | local_name!("html")
            | local_name!("ul")
            | local_name!("ol")
            | local_name!("li")
            | local_name!("dl")
            | local_name!("dt")
            | local_name!("dd")
            | local_name!("blockquote")
            | local_name!("h1")
            | local_name!("h2")
            | local_name!("h3")
            | local_name!("h4")
            | local_name!("h5")
            | local_name!("h6")
            | local_name!("table")
            | local_name!("caption")
            | local_name!("thead")
            | local_name!("tbody")
            | local_name!("tfoot")
            | local_name!("tr")
            | local_name!("td")
            | local_name!("th")
            | local_name!("pre")
            | local_name!("hr")
            | local_name!("figure")
            | local_name!("figcaption")
            | local_name!("address")
            | local_name!("details")
            | local_name!("summary")
            | local_name!("form")
            | local_name!("fieldset")
            | local_name!("legend")
            | local_name!("center")
            | local_name!("menu")
            | local_name!("dir")
            | local_name!("hgroup")
            | local_name!("search")
    )
}

/// Whether white space is collapsed. Includes the no-break space, so that search finds both words.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{a0}'
}

/// Whether the character is Chinese or Japanese; no space is written between two of them.
pub(crate) fn is_wide(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a link target has meaning outside the site of the page.
fn is_absolute(target: &str) -> bool {
    target.starts_with("https://") || target.starts_with("http://")
}

/// Appends a word, escaped for Markdown. `at_end` is set if more text may follow directly.
fn escape_into(out: &mut String, word: &str, at_end: bool) {
    if out.is_empty() || out.ends_with('\n') {
        // At the beginning of a line these would start a heading, a quotation, a list or a thematic break.
        if matches!(word, "-" | "+" | "*" | "#" | "##" | "###" | "---" | "===") || word.starts_with('>') {
            out.push('\\');
        }
    }
    if !word.bytes().any(|byte| matches!(byte, b'<' | b'`' | b'*')) {
        out.push_str(word);
        return;
    }
    let mut characters = word.chars().peekable();
    let is_lone_asterisk = word == "*";
    while let Some(character) = characters.next() {
        let escape = match character {
            '`' => true,
            '*' => !is_lone_asterisk,
            '<' => characters
                .peek()
                .map_or(at_end, |next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')),
            _ => false,
        };
        if escape && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(character);
    }
}
