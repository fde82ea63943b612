//! HTML pages: the text of the page as Markdown, without what surrounds it.
//!
//! One walk over the tree in document order. Headings, code and tables outside lists become blocks of their own;
//! lists and quotations are written as Markdown with their indentation and stay whole. Definition lists are
//! written flat (a bold term, then its paragraphs), because manuals describe hundreds of settings in one list and
//! their code and tables should stay blocks. Links keep their text; only addresses outside the site are kept.

pub(crate) mod boilerplate;
mod code;
mod dom;
mod inline;
pub(crate) mod javadoc;
mod table;

use std::collections::HashMap;

use html5ever::{LocalName, local_name};

use crate::builder::{Builder, fenced, one_line, table_markdown};
use crate::keywords::{is_identifier, normalize};
use crate::model::{Error, Limits, ParsedDocument};
use boilerplate::is_boilerplate;
use code::{code_language, is_declaration, trim_lines};
use dom::{Data, Dom, NodeId, ROOT, Step};
use inline::{Inline, is_block, visible_text};

/// Reads a page.
pub(crate) fn read(html: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    let dom = Dom::parse(html, limits)?;
    write(&dom, &Members::default(), title(&dom).as_deref(), limits)
}

/// Elements that are described as one block each: a class, a method, a field.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// By the element that holds the description.
    pub(crate) by_node: HashMap<NodeId, Member>,
    /// Signatures are written as Java, and so are the tables and lists that only `javadoc` makes.
    pub(crate) is_javadoc: bool,
    /// The page's heading: what stands above it is written below it.
    pub(crate) heading: Option<NodeId>,
    /// The description of the class, which begins with the page's heading.
    pub(crate) opening: Option<NodeId>,
}

/// One element that is described as one block.
#[derive(Debug, Default, Clone)]
pub(crate) struct Member {
    pub(crate) anchor: Option<String>,
    pub(crate) keywords: Vec<String>,
    /// Whether it is one block, or only lends its names to the first block in it.
    pub(crate) is_block: bool,
}

/// The page's title: its only first-level heading where the title element repeats it, else the title element.
pub(crate) fn title(dom: &Dom) -> Option<String> {
    let mut stated = None;
    let mut heading = None;
    for node in dom.descendants(ROOT) {
        match dom.name(node) {
            Some(&local_name!("title")) if stated.is_none() => stated = Some(one_line(&dom.text(node))),
            Some(&local_name!("h1")) if heading.is_none() => heading = Some(heading_text(dom, node)),
            _ => {}
        }
        if stated.is_some() && heading.is_some() {
            break;
        }
    }
    let stated = stated.filter(|title| !title.is_empty());
    let heading = heading.filter(|title| !title.is_empty());
    match (stated, heading) {
        // "Install | Project" beside the heading "Install".
        (Some(stated), Some(heading)) if stated.contains(&heading) && heading.chars().count() > 2 => {
            Some(heading)
        }
        (stated, heading) => stated.or(heading),
    }
}

/// Writes the whole tree.
pub(crate) fn write<'d>(
    dom: &'d Dom,
    members: &'d Members,
    title: Option<&'d str>,
    limits: &Limits,
) -> Result<ParsedDocument, Error> {
    let mut builder = Builder::new(limits);
    builder.title(title.unwrap_or_default());
    let mut writer = Writer {
        dom,
        members,
        builder,
        inline: Inline::default(),
        region: String::new(),
        containers: Vec::new(),
        numbers: HashMap::new(),
        fresh_item: false,
        anchor: None,
        keywords: Vec::new(),
        admonitions: 0,
        term: false,
        title,
        is_first_heading: true,
        above: String::new(),
        contents: None,
        member: None,
    };
    let mut step = Some(Step::Enter(ROOT));
    while let Some(current) = step {
        let mut done = current;
        match current {
            Step::Enter(node) => {
                if writer.enter(node)? {
                    done = Step::Leave(node);
                }
            }
            Step::Leave(node) => writer.leave(node)?,
        }
        step = dom.next(done, ROOT);
    }
    writer.end_region()?;
    let above = std::mem::take(&mut writer.above);
    writer.builder.text(&above, None)?;
    writer.builder.finish()
}

/// A list item or quotation that the current paragraph stands in.
#[derive(Debug)]
struct Container {
    node: NodeId,
    /// What the first line begins with, until it is written.
    first: Option<String>,
    /// What the others begin with.
    rest: String,
}

struct Writer<'d> {
    dom: &'d Dom,
    members: &'d Members,
    builder: Builder,
    /// The paragraph being written.
    inline: Inline,
    /// The list or quotation being written, of finished paragraphs.
    region: String,
    containers: Vec<Container>,
    /// The number of the next item of each numbered list.
    numbers: HashMap<NodeId, i64>,
    /// The next paragraph is the first of its list item.
    fresh_item: bool,
    /// The `id` met last, for the next block.
    anchor: Option<&'d str>,
    keywords: Vec<String>,
    /// Open notes, tips and warnings: headings in them name them and begin no section.
    admonitions: u32,
    /// A term has been written and its description begins.
    term: bool,
    /// The title the page states.
    title: Option<&'d str>,
    is_first_heading: bool,
    /// What stood above the page's heading, to be written below it.
    above: String,
    /// The table of contents that the walk is in.
    contents: Option<NodeId>,
    member: Option<Capture<'d>>,
}

/// The description of a member, being written.
struct Capture<'d> {
    node: NodeId,
    markdown: String,
    member: &'d Member,
}

impl Writer<'_> {
    /// `true` where the node's children are done with.
    fn enter(&mut self, node: NodeId) -> Result<bool, Error> {
        let dom = self.dom;
        let name = match dom.data(node) {
            Data::Text(text) => {
                self.inline.push(text);
                return Ok(false);
            }
            Data::Element { name, .. } => &name.local,
            _ => return Ok(false),
        };
        if is_boilerplate(dom, node) {
            return Ok(true);
        }
        let block = is_block(name);
        if block {
            self.end_paragraph()?;
        }
        self.note_anchor(node, name);
        if self.members.is_javadoc {
            if let Some(member) = self.members.by_node.get(&node) {
                self.end_region()?;
                if !member.is_block {
                    self.keywords.extend_from_slice(&member.keywords);
                } else if self.member.is_none() {
                    self.anchor = None;
                    self.member = Some(Capture { node, markdown: String::new(), member });
                }
            }
            if is_signature(dom, node) {
                self.code("java", &visible_text(dom, node))?;
                return Ok(true);
            }
            if table::is_grid(dom, node) {
                self.table(&table::grid_rows(dom, node))?;
                return Ok(true);
            }
        }
        if !block {
            return Ok(self.inline.enter(dom, node, name));
        }
        self.enter_block(node, name)
    }

    fn enter_block(&mut self, node: NodeId, name: &LocalName) -> Result<bool, Error> {
        let dom = self.dom;
        match *name {
            local_name!("h1")
            | local_name!("h2")
            | local_name!("h3")
            | local_name!("h4")
            | local_name!("h5")
            | local_name!("h6") => {
                self.heading(node, name)?;
                return Ok(true);
            }
            local_name!("pre") => {
                let code = visible_text(dom, node);
                let language = code_language(dom, node);
                let is_signature = self.members.is_javadoc && is_declaration(&code);
                self.code(if is_signature { "java" } else { &language }, &code)?;
                return Ok(true);
            }
            local_name!("table") if !table::is_layout(dom, node) => {
                for caption in dom.children(node).filter(|child| dom.is(*child, &local_name!("caption"))) {
                    self.inline.push(&inline::as_line(dom, caption));
                    self.end_paragraph()?;
                }
                self.table(&table::rows(dom, node))?;
                return Ok(true);
            }
            // Up to JDK 17 the sections and members of a page are items of lists.
            local_name!("li") if self.members.is_javadoc && is_frame(dom, node) => {}
            local_name!("li") => {
                let marker = self.marker(node);
                self.open(node, marker, None);
            }
            // Since JDK 16 what to see also is a list of its own, whose items these are.
            local_name!("dd") if self.members.is_javadoc && begins_with_list(dom, node) => {}
            local_name!("dd") if self.members.is_javadoc && self.contents.is_none() => {
                self.open(node, "- ".to_owned(), None);
            }
            local_name!("blockquote") => self.open(node, "> ".to_owned(), Some("> ")),
            local_name!("dt") => {
                if self.contents.is_none() && !self.term && self.containers.is_empty() {
                    self.end_region()?;
                    self.note_anchor(node, name);
                }
                let mut line = inline::as_line(dom, node);
                self.keywords.extend(term_names(dom, node));
                if !line.contains("**") && !line.contains('`') && !line.contains("](") {
                    line = format!("**{line}**");
                }
                if let Some(contents) = self.contents {
                    let depth = dom.ancestors(node).take_while(|above| *above != contents);
                    let depth = depth.filter(|above| dom.is(*above, &local_name!("dl"))).count();
                    self.region.push_str(if self.region.is_empty() { "" } else { "\n" });
                    self.region.push_str(&"  ".repeat(depth.saturating_sub(1)));
                    self.region.push_str("- ");
                    self.region.push_str(line.trim_matches('*'));
                } else if line != "****" {
                    // The term stays in one block with the first paragraph of its description.
                    self.term = true;
                    self.lines(&line)?;
                }
                return Ok(true);
            }
            _ if is_admonition(dom, node) => self.admonitions += 1,
            _ if self.contents.is_none() && is_contents(dom, node) => {
                self.end_region()?;
                self.contents = Some(node);
            }
            _ => {}
        }
        Ok(false)
    }

    fn leave(&mut self, node: NodeId) -> Result<(), Error> {
        let dom = self.dom;
        let Some(name) = dom.name(node) else { return Ok(()) };
        if !is_block(name) {
            self.inline.leave(dom, node);
            return Ok(());
        }
        self.end_paragraph()?;
        match *name {
            _ if self.containers.last().is_some_and(|container| container.node == node) => {
                self.containers.pop();
                self.fresh_item = *name != local_name!("blockquote");
                if self.containers.is_empty() && !self.next_is_item(node) {
                    self.end_region()?;
                }
            }
            local_name!("ul") | local_name!("ol") => {
                self.fresh_item = false;
                if self.containers.is_empty() {
                    self.end_region()?;
                }
            }
            // What was skipped as a whole was never opened: only count what `enter_block` counted.
            _ if self.admonitions > 0 && !is_boilerplate(dom, node) && is_admonition(dom, node) => {
                self.admonitions -= 1;
            }
            local_name!("dl") if self.contents.is_none() && self.containers.is_empty() => {
                self.end_region()?;
            }
            _ => {}
        }
        if self.contents == Some(node) {
            self.contents = None;
            self.end_region()?;
        }
        if self.member.as_ref().is_some_and(|capture| capture.node == node) {
            self.end_region()?;
            if let Some(capture) = self.member.take() {
                let mut keywords = capture.member.keywords.clone();
                keywords.append(&mut std::mem::take(&mut self.keywords));
                self.builder.api(&capture.markdown, capture.member.anchor.as_deref(), keywords)?;
            }
        }
        Ok(())
    }

    fn next_is_item(&self, node: NodeId) -> bool {
        let mut next = self.dom.next_sibling(node);
        while let Some(sibling) = next {
            if let Some(name) = self.dom.name(sibling) {
                return self.dom.is(node, name);
            }
            next = self.dom.next_sibling(sibling);
        }
        false
    }

    fn note_anchor(&mut self, node: NodeId, name: &LocalName) {
        let dom = self.dom;
        let id = dom.attribute(node, &local_name!("id"));
        let id = id.or_else(|| {
            if *name == local_name!("a") { dom.attribute(node, &local_name!("name")) } else { None }
        });
        // Words for the index at the back of the book point anywhere.
        if let Some(id) = id.filter(|id| !id.is_empty())
            && self.inline.is_empty()
            && self.region.is_empty()
            && !dom.classes(node).any(|class| class == "indexterm")
        {
            self.anchor = Some(id);
        }
    }

    fn heading(&mut self, node: NodeId, name: &LocalName) -> Result<(), Error> {
        let dom = self.dom;
        let title = heading_text(dom, node);
        if title.is_empty() {
            return Ok(());
        }
        if self.admonitions > 0 && self.containers.is_empty() && self.member.is_none() {
            // The name of a note stays with its first paragraph.
            self.end_region()?;
            self.term = true;
            return self.lines(&format!("**{title}**"));
        }
        if self.admonitions > 0 || !self.containers.is_empty() {
            return self.paragraph(&format!("**{title}**"));
        }
        // Manuals begin pages of lower rank with a heading of lower rank, and its sections may have the same.
        let is_title = self.is_first_heading
            && (self.members.heading == Some(node)
                || self.title.is_some_and(|stated| title.contains(stated)));
        let level = if is_title { 1 } else { name.as_bytes().get(1).map_or(6, |digit| digit - b'0') };
        self.is_first_heading = false;
        if let Some(capture) = &mut self.member {
            if capture.markdown.is_empty() && self.region.is_empty() {
                // A member's name is a heading of its own, so that it stands in the path to the passage.
                return self.builder.heading(level, &title, capture.member.anchor.as_deref());
            }
            self.end_region()?;
        }
        if let Some(capture) = &mut self.member {
            separate(&mut capture.markdown);
            for _ in 0..level {
                capture.markdown.push('#');
            }
            capture.markdown.push(' ');
            capture.markdown.push_str(&crate::builder::escape_heading(&title));
            return Ok(());
        }
        self.end_region()?;
        let inner = dom
            .descendants(node)
            .find_map(|inner| {
                let name =
                    dom.attribute(inner, &local_name!("name")).filter(|_| dom.is(inner, &local_name!("a")));
                dom.attribute(inner, &local_name!("id")).or(name)
            })
            .filter(|id| !id.is_empty());
        let anchor = dom.attribute(node, &local_name!("id")).or(inner).or(self.anchor.take());
        self.anchor = None;
        self.builder.heading(level, &title, anchor)?;
        if self.members.heading == Some(node)
            && let Some((node, member)) = self
                .members
                .opening
                .and_then(|node| self.members.by_node.get(&node).map(|member| (node, member)))
            && member.is_block
        {
            self.member = Some(Capture { node, markdown: std::mem::take(&mut self.above), member });
        } else if !self.above.is_empty() {
            self.region = std::mem::take(&mut self.above);
            self.end_region()?;
        }
        Ok(())
    }

    fn code(&mut self, language: &str, code: &str) -> Result<(), Error> {
        if code.trim().is_empty() {
            return Ok(());
        }
        let code =
            if code.contains('\t') || code.contains(" \n") { trim_lines(code) } else { code.to_owned() };
        if self.member.is_none() && self.containers.is_empty() {
            self.end_region()?;
            return self.builder.code(language, &code, self.anchor.take());
        }
        let block = fenced(language, &code);
        self.lines(&block)
    }

    fn table(&mut self, rows: &[Vec<String>]) -> Result<(), Error> {
        if self.member.is_none() && self.containers.is_empty() {
            self.end_region()?;
            return self.builder.table(rows, self.anchor.take());
        }
        let table = table_markdown(rows);
        if table.is_empty() { Ok(()) } else { self.lines(&table) }
    }

    /// Ends the running text's paragraph, if there is one.
    fn end_paragraph(&mut self) -> Result<(), Error> {
        if self.inline.is_empty() {
            return Ok(());
        }
        let text = self.inline.take();
        let codes = self.inline.take_codes();
        if self.member.is_none() {
            self.keywords.extend(codes.into_iter().filter(|code| is_identifier(code)));
        }
        self.paragraph(&text)
    }

    fn paragraph(&mut self, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        self.lines(text)?;
        self.term = false;
        if self.containers.is_empty() && self.member.is_none() && self.contents.is_none() {
            self.end_region()
        } else {
            Ok(())
        }
    }

    /// Writes finished lines with the marks of the lists and quotations they stand in.
    fn lines(&mut self, text: &str) -> Result<(), Error> {
        if self.region.len() + text.len() > self.builder.limit() {
            return Err(Error::TooLarge { unit: "bytes of text", limit: self.builder.limit() });
        }
        if !self.region.is_empty() {
            self.region.push('\n');
            let opens = self.containers.iter().any(|container| container.first.is_some());
            if !(opens && self.fresh_item) {
                let start = self.region.len();
                for container in &self.containers {
                    self.region.push_str(&container.rest);
                }
                self.region.truncate(start + self.region[start..].trim_end().len());
                self.region.push('\n');
            }
        }
        self.fresh_item = false;
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                self.region.push('\n');
            }
            let start = self.region.len();
            for container in &mut self.containers {
                match container.first.take() {
                    Some(first) => self.region.push_str(&first),
                    None => self.region.push_str(&container.rest),
                }
            }
            self.region.push_str(line);
            if line.is_empty() {
                self.region.truncate(start + self.region[start..].trim_end().len());
            }
        }
        Ok(())
    }

    /// Ends the list, quotation or paragraph: it becomes a block, or part of the member being described.
    fn end_region(&mut self) -> Result<(), Error> {
        let text = self.inline.take();
        if !text.is_empty() {
            self.lines(&text)?;
        }
        let codes = self.inline.take_codes();
        self.fresh_item = false;
        self.term = false;
        if self.region.is_empty() {
            return Ok(());
        }
        let region = std::mem::take(&mut self.region);
        if self.members.heading.is_some() && self.builder.is_empty() && self.member.is_none() {
            separate(&mut self.above);
            self.above.push_str(&region);
            return Ok(());
        }
        if let Some(capture) = &mut self.member {
            separate(&mut capture.markdown);
            capture.markdown.push_str(&region);
            return Ok(());
        }
        let mut keywords = std::mem::take(&mut self.keywords);
        keywords.extend(codes.into_iter().filter(|code| is_identifier(code)));
        normalize(&mut keywords);
        self.builder.text_with(&region, self.anchor.take(), keywords)
    }

    fn open(&mut self, node: NodeId, first: String, rest: Option<&str>) {
        let rest = rest.map_or_else(|| " ".repeat(first.len()), str::to_owned);
        // Items of one list follow each other without an empty line.
        self.fresh_item = self.fresh_item || (!self.region.is_empty() && rest != "> ");
        self.containers.push(Container { node, first: Some(first), rest });
    }

    /// The mark of a list item: a dash, or the number it has in its list.
    fn marker(&mut self, node: NodeId) -> String {
        let dom = self.dom;
        let Some(list) = dom.parent(node).filter(|list| dom.is(*list, &local_name!("ol"))) else {
            return "- ".to_owned();
        };
        let number = self.numbers.entry(list).or_insert_with(|| {
            dom.attribute(list, &local_name!("start"))
                .and_then(|start| start.trim().parse().ok())
                .unwrap_or(1)
        });
        let mark = format!("{number}. ");
        *number = number.saturating_add(1);
        mark
    }
}

/// The text of a heading on one line, without the sign that links to it.
pub(crate) fn heading_text(dom: &Dom, node: NodeId) -> String {
    let text = one_line(&visible_text(dom, node));
    text.trim_end_matches(['¶', '§', '#']).trim_end().to_owned()
}

fn separate(markdown: &mut String) {
    if !markdown.is_empty() {
        markdown.push_str("\n\n");
    }
}

/// Whether the first that stands in it is a list.
fn begins_with_list(dom: &Dom, node: NodeId) -> bool {
    let is_space = |child: &NodeId| dom.name(*child).is_none() && dom.text(*child).trim().is_empty();
    let first = dom.children(node).find(|child| !is_space(child));
    first.is_some_and(|first| dom.is(first, &local_name!("ul")) || dom.is(first, &local_name!("ol")))
}

/// An item that frames a section or member of a page and is no item of a list.
fn is_frame(dom: &Dom, item: NodeId) -> bool {
    dom.parent(item).is_some_and(|list| {
        dom.classes(list).any(|class| {
            matches!(
                class,
                "summary-list"
                    | "details-list"
                    | "member-list"
                    | "blockList"
                    | "blockListLast"
                    | "block-list"
                    | "summaryList"
                    | "detailsList"
                    | "memberList"
                    | "inheritance"
            )
        })
    })
}

/// A table of contents as DocBook writes it.
fn is_contents(dom: &Dom, node: NodeId) -> bool {
    dom.is(node, &local_name!("div"))
        && dom
            .classes(node)
            .any(|class| matches!(class, "toc" | "list-of-tables" | "list-of-figures" | "list-of-examples"))
}

fn is_signature(dom: &Dom, node: NodeId) -> bool {
    if !dom.is(node, &local_name!("div")) {
        return false;
    }
    dom.classes(node).any(|class| {
        matches!(
            class,
            "member-signature"
                | "memberSignature"
                | "type-signature"
                | "typeSignature"
                | "module-signature"
                | "moduleSignature"
                | "package-signature"
                | "packageSignature"
        )
    })
}

fn is_admonition(dom: &Dom, node: NodeId) -> bool {
    if !matches!(dom.name(node), Some(&(local_name!("div") | local_name!("aside") | local_name!("section"))))
    {
        return false;
    }
    dom.classes(node).any(|class| {
        matches!(
            class,
            "note"
                | "tip"
                | "warning"
                | "caution"
                | "important"
                | "danger"
                | "hint"
                | "attention"
                | "error"
                | "admonition"
                | "sidebar"
                | "alert"
                | "callout"
                | "theme-admonition"
                | "starlight-aside"
        )
    })
}

/// The names a definition list's term states in code: `work_mem`, `--force`.
fn term_names(dom: &Dom, term: NodeId) -> Vec<String> {
    let mut names = Vec::new();
    for node in dom.descendants(term) {
        if matches!(dom.name(node), Some(&(local_name!("code") | local_name!("tt") | local_name!("kbd")))) {
            let code = one_line(&visible_text(dom, node));
            // `--command=command`, `-c command`: the option is the name.
            let name = if code.starts_with('-') { code.split(['=', ' ', '[']).next() } else { Some(&*code) };
            if let Some(name) = name
                && (is_identifier(name) || (name.len() == 2 && name.starts_with('-')))
                && names.len() < 8
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}
