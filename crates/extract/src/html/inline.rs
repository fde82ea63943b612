//! Running text of a page as Markdown: white space folded, inline code, links, escapes.

use html5ever::{LocalName, local_name};

use super::boilerplate::is_boilerplate;
use super::dom::{Data, Dom, NodeId, Step};

/// One paragraph being written. Line breaks in it are those the page asks for.
#[derive(Debug, Default)]
pub(crate) struct Inline {
    text: String,
    /// White space was seen since the last character; `true` inside if it had a line break.
    space: Option<bool>,
    /// How often the text has been taken, so that a link that spans two paragraphs is noticed.
    taken: usize,
    links: Vec<Link>,
    /// Addresses are dropped: in the cell of a table they hide what it says.
    without_links: bool,
    /// Names in code, for keywords.
    codes: Vec<String>,
}

#[derive(Debug)]
struct Link {
    node: NodeId,
    start: usize,
    taken: usize,
}

impl Inline {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The paragraph so far; the next begins empty.
    pub(crate) fn take(&mut self) -> String {
        self.space = None;
        self.taken += 1;
        let mut text = std::mem::take(&mut self.text);
        text.truncate(text.trim_end().len());
        text
    }

    /// The names that stood in code since the last call.
    pub(crate) fn take_codes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.codes)
    }

    /// Text of the page, escaped so that Markdown shows it as it is.
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
                self.begin(character);
                escape_into(&mut self.text, &rest[..end], rest[end..].is_empty());
                rest = &rest[end..];
            }
        }
    }

    /// A line break the page asks for.
    pub(crate) fn line_break(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.space = None;
    }

    /// A space, if anything stands before and after it.
    pub(crate) fn space(&mut self) {
        self.space = Some(self.space.unwrap_or(false));
    }

    /// Code within a line.
    pub(crate) fn code(&mut self, code: &str) {
        let leading = code.starts_with(is_space);
        let trailing = code.ends_with(is_space);
        let code = crate::builder::one_line(code);
        if leading {
            self.space();
        }
        let Some(first) = code.chars().next() else { return };
        self.begin(first);
        if self.text.ends_with('`') {
            // `a``b` would read as one piece of code with a longer fence.
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
        if self.codes.len() < 16 {
            self.codes.push(code);
        }
        if trailing {
            self.space();
        }
    }

    /// Handles what is the same wherever running text stands. `true` where the element's children are done with.
    pub(crate) fn enter(&mut self, dom: &Dom, node: NodeId, name: &LocalName) -> bool {
        match *name {
            local_name!("code") | local_name!("tt") | local_name!("kbd") | local_name!("samp") => {
                self.code(&visible_text(dom, node));
                true
            }
            local_name!("br") => {
                self.line_break();
                false
            }
            local_name!("img") => {
                let alternative = dom.attribute(node, &local_name!("alt")).unwrap_or_default();
                // "[Tip]" and the like describe the icon of an admonition whose name follows.
                if !alternative.starts_with('[') {
                    self.push(alternative);
                }
                false
            }
            local_name!("sup") => {
                // 2<sup>10</sup> is not 210.
                let power = dom.text(node);
                if self.space.is_none() && self.text.ends_with(|last: char| last.is_alphanumeric()) {
                    if power.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '−')
                    {
                        self.text.push('^');
                    } else if power.len() > 3 {
                        self.space();
                    }
                }
                false
            }
            local_name!("a") => {
                if !self.without_links && dom.attribute(node, &local_name!("href")).is_some_and(is_absolute) {
                    self.links.push(Link { node, start: self.text.len(), taken: self.taken });
                }
                false
            }
            _ => false,
        }
    }

    /// The counterpart of [`Inline::enter`].
    pub(crate) fn leave(&mut self, dom: &Dom, node: NodeId) {
        if self.links.last().is_none_or(|link| link.node != node) {
            return;
        }
        let Some(link) = self.links.pop() else { return };
        let Some(address) = dom.attribute(node, &local_name!("href")) else { return };
        if link.taken != self.taken || address.contains([' ', ')', '\n', '<']) {
            return;
        }
        let Some(label) = self.text.get(link.start..) else { return };
        let start = link.start + (label.len() - label.trim_start().len());
        let label = label.trim();
        if label.is_empty() || label == address || label.contains(['\n', '[', ']']) {
            return;
        }
        self.text.insert(start, '[');
        self.text.push_str("](");
        self.text.push_str(address);
        self.text.push(')');
    }

    /// Writes the space that stands before a character, and escapes what would begin a block.
    fn begin(&mut self, next: char) {
        let space = self.space.take();
        match self.text.chars().next_back() {
            None | Some('\n') => {}
            // A line break between two Chinese characters is only where the author's line was full.
            Some(last) if space == Some(true) && is_wide(last) && is_wide(next) => {}
            Some(_) if space.is_some() => self.text.push(' '),
            Some(_) => {}
        }
    }
}

/// A subtree as one line of running text, blocks in it parted by ` · `, without addresses.
pub(crate) fn as_line(dom: &Dom, root: NodeId) -> String {
    let mut inline = Inline { without_links: true, ..Inline::default() };
    let mut step = Some(Step::Enter(root));
    let mut parted = false;
    while let Some(current) = step {
        let mut done = current;
        match current {
            Step::Enter(node) => match dom.data(node) {
                Data::Text(text) => {
                    if parted && !text.chars().all(is_space) {
                        part(&mut inline);
                        parted = false;
                    }
                    inline.push(text);
                }
                Data::Element { name, .. } if node != root => {
                    let code = matches!(name.local, local_name!("pre"));
                    if is_boilerplate(dom, node) {
                        done = Step::Leave(node);
                    } else if is_block(&name.local) {
                        parted |= !inline.is_empty();
                    }
                    if done == current {
                        if parted && !is_block(&name.local) && !dom.text(node).trim().is_empty() {
                            part(&mut inline);
                            parted = false;
                        }
                        if code {
                            if parted {
                                part(&mut inline);
                            }
                            inline.code(&visible_text(dom, node));
                            parted = true;
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
                    parted |= !inline.is_empty();
                }
            }
        }
        step = dom.next(done, root);
    }
    inline.take()
}

fn part(inline: &mut Inline) {
    inline.space();
    inline.push("·");
    inline.space();
}

/// The text below a node as it stands there, without what is hidden or furniture.
pub(crate) fn visible_text(dom: &Dom, root: NodeId) -> String {
    let mut text = String::new();
    let mut step = Some(Step::Enter(root));
    while let Some(current) = step {
        let mut done = current;
        if let Step::Enter(node) = current {
            match dom.data(node) {
                Data::Text(part) => text.push_str(part),
                Data::Element { name, .. } if name.local == local_name!("br") => text.push('\n'),
                Data::Element { name, .. } if name.local == local_name!("img") => {
                    text.push_str(dom.attribute(node, &local_name!("alt")).unwrap_or_default());
                }
                Data::Element { .. } if node != root && is_boilerplate(dom, node) => {
                    done = Step::Leave(node);
                }
                _ => {}
            }
        }
        step = dom.next(done, root);
    }
    if text.contains('\u{a0}') { text.replace('\u{a0}', " ") } else { text }
}

/// Elements that begin and end a paragraph.
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

/// White space that is folded; a no-break space is one too, since search must find both words.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{a0}'
}

/// Chinese and Japanese characters and punctuation, between which no space is written.
pub(crate) fn is_wide(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// Addresses that mean something outside the page's own site.
fn is_absolute(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

fn escape_into(out: &mut String, word: &str, at_end: bool) {
    if out.is_empty() || out.ends_with('\n') {
        // At the beginning of a line these would make a heading, a quotation, a list or a rule.
        if matches!(word, "-" | "+" | "*" | "#" | "##" | "###" | "---" | "===") || word.starts_with('>') {
            out.push('\\');
        }
    }
    if !word.bytes().any(|byte| matches!(byte, b'<' | b'`' | b'*')) {
        out.push_str(word);
        return;
    }
    let mut characters = word.chars().peekable();
    let alone = word == "*";
    while let Some(character) = characters.next() {
        let escape = match character {
            '`' => true,
            '*' => !alone,
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
