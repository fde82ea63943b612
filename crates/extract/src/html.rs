//! Reader for HTML pages: the text of the page as Markdown, without boilerplate ([`boilerplate`]).
//!
//! Walks the tree ([`dom`]) once, in document order. Headings, code and tables outside lists become separate blocks;
//! lists and quotations are written as indented Markdown and stay whole. Definition lists are written flat (a bold
//! term, then its paragraphs), because manuals describe hundreds of settings in one list and their code and tables
//! should stay blocks. Links keep their label; only targets outside the site are part of the text, others are
//! [marks](crate::marks). [`javadoc`] reuses the walk.

pub(crate) mod boilerplate;
mod code;
mod dom;
mod inline;
pub(crate) mod javadoc;
mod kinds;
mod math;
mod panels;
mod table;

use std::collections::HashMap;

use html5ever::{LocalName, local_name};

use crate::builder::{DocumentBuilder, fenced, one_line, table_markdown};
use crate::keywords::{is_identifier, normalize};
use crate::model::{Error, Limits, ParsedDocument};
use boilerplate::is_boilerplate;
use code::{code_language, code_text, is_code_block, is_declaration, is_number_column, trim_lines};
use dom::{Dom, NodeData, NodeId, ROOT, Step};
use inline::{InlineWriter, is_block, visible_text};
use kinds::{begins_with_list, is_admonition, is_layout_item, is_signature, is_toc};

/// Maximum number of identifiers collected from one term.
const MAX_TERM_NAMES: usize = 8;

/// Reads an HTML page.
pub(crate) fn read(html: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    let dom = Dom::parse(html, limits)?;
    write(&dom, &Members::default(), title(&dom).as_deref(), limits)
}

/// Elements of a `javadoc` page that become one API block each: a class, a method, a field.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Members by the element that contains their description.
    pub(crate) by_node: HashMap<NodeId, Member>,
    /// Whether the page is from `javadoc`: enables its signatures, tables and lists.
    pub(crate) is_javadoc: bool,
    /// Heading of the page. Text above it is written below it.
    pub(crate) heading: Option<NodeId>,
    /// Description of the class, which follows the heading of the page.
    pub(crate) class_description: Option<NodeId>,
}

/// An element of a `javadoc` page that becomes one API block.
#[derive(Debug, Default, Clone)]
pub(crate) struct Member {
    pub(crate) anchor: Option<String>,
    pub(crate) keywords: Vec<String>,
    /// Whether it is one block; otherwise its keywords go to the first block in it.
    pub(crate) is_block: bool,
}

/// Returns the title of the page: the first `h1` if the title element contains it, else the title element, else the
/// `h1`.
pub(crate) fn title(dom: &Dom) -> Option<String> {
    let mut title_element = None;
    let mut heading = None;
    for node in dom.descendants(ROOT) {
        match dom.name(node) {
            Some(&local_name!("title")) if title_element.is_none() => {
                title_element = Some(one_line(&dom.text(node)));
            }
            Some(&local_name!("h1")) if heading.is_none() => heading = Some(heading_text(dom, node)),
            _ => {}
        }
        if title_element.is_some() && heading.is_some() {
            break;
        }
    }
    let title_element = title_element.filter(|title| !title.is_empty());
    let heading = heading.filter(|title| !title.is_empty());
    match (title_element, heading) {
        // The title element "Install | Project" with the heading "Install".
        (Some(title), Some(heading)) if title.contains(&heading) && heading.chars().count() > 2 => {
            Some(heading)
        }
        (title, heading) => title.or(heading),
    }
}

/// Writes the whole tree as a document.
pub(crate) fn write<'d>(
    dom: &'d Dom,
    members: &'d Members,
    title: Option<&'d str>,
    limits: &Limits,
) -> Result<ParsedDocument, Error> {
    let mut builder = DocumentBuilder::new(limits);
    builder.set_title(title.unwrap_or_default());
    let mut writer = Writer {
        dom,
        members,
        builder,
        inline: InlineWriter::default(),
        pending: String::new(),
        containers: Vec::new(),
        numbers: HashMap::new(),
        is_tight: false,
        anchor: None,
        keywords: Vec::new(),
        open_admonitions: 0,
        is_after_term: false,
        title,
        is_first_heading: true,
        above_heading: String::new(),
        toc: None,
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
    writer.end_pending()?;
    let above_heading = std::mem::take(&mut writer.above_heading);
    writer.builder.text(&above_heading, None)?;
    writer.builder.mark(&writer.inline.take_marks());
    writer.builder.finish()
}

/// A list item or quotation that contains the current paragraph.
#[derive(Debug)]
struct Container {
    node: NodeId,
    /// Prefix of the first line, until it is written.
    first_prefix: Option<String>,
    /// Prefix of the other lines.
    prefix: String,
}

/// State of the walk that turns the tree into blocks.
struct Writer<'d> {
    dom: &'d Dom,
    members: &'d Members,
    builder: DocumentBuilder,
    /// Current paragraph.
    inline: InlineWriter,
    /// Finished paragraphs of the current list, quotation or other block that is not complete yet.
    pending: String,
    containers: Vec<Container>,
    /// Number of the next item of each ordered list.
    numbers: HashMap<NodeId, i64>,
    /// Whether the next paragraph follows without a blank line, as the first of a list item.
    is_tight: bool,
    /// Last `id` seen, for the next block.
    anchor: Option<&'d str>,
    keywords: Vec<String>,
    /// Number of open admonitions (notes, tips, warnings). A heading in one is its name and does not begin a section.
    open_admonitions: u32,
    /// Whether a term or the name of an admonition was written and its text follows.
    is_after_term: bool,
    /// Title of the page.
    title: Option<&'d str>,
    is_first_heading: bool,
    /// Text above the heading of the page, to be written below it.
    above_heading: String,
    /// Table of contents that the walk is in.
    toc: Option<NodeId>,
    member: Option<OpenMember<'d>>,
}

/// A member whose description is being written.
struct OpenMember<'d> {
    node: NodeId,
    markdown: String,
    member: &'d Member,
}

impl Writer<'_> {
    /// Handles the start of a node. Returns whether its children were handled too.
    fn enter(&mut self, node: NodeId) -> Result<bool, Error> {
        let dom = self.dom;
        let name = match dom.data(node) {
            NodeData::Text(text) => {
                self.inline.push(text);
                return Ok(false);
            }
            NodeData::Element { name, .. } => &name.local,
            _ => return Ok(false),
        };
        if let Some(formula) = math::formula(dom, node) {
            self.inline.markdown(&formula);
            return Ok(true);
        }
        if is_boilerplate(dom, node) {
            return Ok(true);
        }
        let is_block = is_block(name);
        if is_block {
            self.end_paragraph()?;
        }
        if let Some(label) = dom.panels().label(node) {
            self.panel_label(label)?;
        }
        self.note_anchor(node, name);
        // A line of its own notes those within it; a heading has them before its text.
        if !matches!(*name, local_name!("dt")) {
            self.inline.anchor(dom, node);
        }
        if self.members.is_javadoc {
            if let Some(member) = self.members.by_node.get(&node) {
                self.end_pending()?;
                if !member.is_block {
                    self.keywords.extend_from_slice(&member.keywords);
                } else if self.member.is_none() {
                    self.anchor = None;
                    self.member = Some(OpenMember { node, markdown: String::new(), member });
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
        if matches!(*name, local_name!("code") | local_name!("table") | local_name!("div"))
            && (is_block || self.inline.is_empty())
            && is_code_block(dom, node)
        {
            self.code(&code_language(dom, node), &code_text(dom, node))?;
            return Ok(true);
        }
        if !is_block {
            return Ok(self.inline.enter(dom, node, name));
        }
        self.enter_block(node, name)
    }

    /// Handles the start of a block element. Returns whether its children were handled too.
    fn enter_block(&mut self, node: NodeId, name: &LocalName) -> Result<bool, Error> {
        let dom = self.dom;
        match *name {
            _ if is_heading_name(name) => {
                self.heading(node, name)?;
                return Ok(true);
            }
            local_name!("pre") => {
                if is_number_column(dom, node) {
                    return Ok(true);
                }
                let code = code_text(dom, node);
                let language = code_language(dom, node);
                let is_signature = self.members.is_javadoc && is_declaration(&code);
                self.code(if is_signature { "java" } else { &language }, &code)?;
                return Ok(true);
            }
            local_name!("table") if !table::is_layout(dom, node) => {
                for caption in dom.children(node).filter(|child| dom.is(*child, &local_name!("caption"))) {
                    self.inline.push(&crate::marks::without(&inline::as_line(dom, caption)));
                    self.end_paragraph()?;
                }
                self.table(&table::rows(dom, node))?;
                return Ok(true);
            }
            // Up to JDK 17, sections and members are list items.
            local_name!("li") if self.members.is_javadoc && is_layout_item(dom, node) => {}
            local_name!("li") => {
                let marker = self.marker(node);
                self.open_container(node, marker, None);
            }
            // Since JDK 16, "See Also" is a list of its own inside the description.
            local_name!("dd") if self.members.is_javadoc && begins_with_list(dom, node) => {}
            local_name!("dd") if self.members.is_javadoc && self.toc.is_none() => {
                self.open_container(node, "- ".to_owned(), None);
            }
            local_name!("blockquote") => self.open_container(node, "> ".to_owned(), Some("> ")),
            local_name!("dt") => {
                if self.toc.is_none() && !self.is_after_term && self.containers.is_empty() {
                    self.end_pending()?;
                    self.note_anchor(node, name);
                }
                let mut line = inline::as_line(dom, node);
                self.keywords.extend(term_names(dom, node));
                if !line.contains("**") && !line.contains('`') && !line.contains("](") {
                    line = format!("**{line}**");
                }
                if let Some(toc) = self.toc {
                    let depth = dom.ancestors(node).take_while(|ancestor| *ancestor != toc);
                    let depth = depth.filter(|ancestor| dom.is(*ancestor, &local_name!("dl"))).count();
                    self.pending.push_str(if self.pending.is_empty() { "" } else { "\n" });
                    self.pending.push_str(&"  ".repeat(depth.saturating_sub(1)));
                    self.pending.push_str("- ");
                    self.pending.push_str(line.trim_matches('*'));
                } else if line != "****" {
                    // Keeps the term in one block with the first paragraph of its description.
                    self.is_after_term = true;
                    self.push_lines(&line)?;
                }
                return Ok(true);
            }
            _ if is_admonition(dom, node) => self.open_admonitions += 1,
            _ if self.toc.is_none() && is_toc(dom, node) => {
                self.end_pending()?;
                self.toc = Some(node);
            }
            _ => {}
        }
        Ok(false)
    }

    /// Handles the end of a node.
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
                self.is_tight = *name != local_name!("blockquote");
                if self.containers.is_empty() && !self.is_followed_by_item(node) {
                    self.end_pending()?;
                }
            }
            local_name!("ul") | local_name!("ol") => {
                self.is_tight = false;
                if self.containers.is_empty() {
                    self.end_pending()?;
                }
            }
            // Boilerplate was never entered: counts down only what `enter_block` counted up.
            _ if self.open_admonitions > 0 && !is_boilerplate(dom, node) && is_admonition(dom, node) => {
                self.open_admonitions -= 1;
            }
            local_name!("dl") if self.toc.is_none() && self.containers.is_empty() => {
                self.end_pending()?;
            }
            _ => {}
        }
        if self.toc == Some(node) {
            self.toc = None;
            self.end_pending()?;
        }
        if self.member.as_ref().is_some_and(|member| member.node == node) {
            self.end_pending()?;
            if let Some(open) = self.member.take() {
                let mut keywords = open.member.keywords.clone();
                keywords.append(&mut std::mem::take(&mut self.keywords));
                self.builder.api(&open.markdown, open.member.anchor.as_deref(), keywords)?;
            }
        }
        Ok(())
    }

    /// Whether the next sibling element has the same name as this one.
    fn is_followed_by_item(&self, node: NodeId) -> bool {
        let mut next = self.dom.next_sibling(node);
        while let Some(sibling) = next {
            if let Some(name) = self.dom.name(sibling) {
                return self.dom.is(node, name);
            }
            next = self.dom.next_sibling(sibling);
        }
        false
    }

    /// Remembers the `id` of an element as the anchor of the next block.
    fn note_anchor(&mut self, node: NodeId, name: &LocalName) {
        let dom = self.dom;
        let id = dom.attribute(node, &local_name!("id"));
        let id = id.or_else(|| {
            if *name == local_name!("a") { dom.attribute(node, &local_name!("name")) } else { None }
        });
        // Ignores the targets of index terms, which can be anywhere.
        if let Some(id) = id.filter(|id| !id.is_empty())
            && self.inline.is_empty()
            && self.pending.is_empty()
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
        for inner in dom.descendants(node).skip(1) {
            self.inline.anchor(dom, inner);
        }
        let marks = self.inline.take_marks();
        if self.open_admonitions > 0 && self.containers.is_empty() && self.member.is_none() {
            // Keeps the name of an admonition in one block with its first paragraph.
            self.end_pending()?;
            self.is_after_term = true;
            return self.push_lines(&format!("{marks}**{title}**"));
        }
        if self.open_admonitions > 0 || !self.containers.is_empty() {
            return self.paragraph(&format!("{marks}**{title}**"));
        }
        // Subpages of manuals begin with a heading of a lower level, which their sections may have too.
        let is_title = self.is_first_heading
            && (self.members.heading == Some(node)
                || self.title.is_some_and(|page_title| title.contains(page_title)));
        let level = if is_title { 1 } else { name.as_bytes().get(1).map_or(6, |digit| digit - b'0') };
        self.is_first_heading = false;
        if let Some(open) = &mut self.member {
            if open.markdown.is_empty() && self.pending.is_empty() {
                // The name of a member is a separate heading, so that it is part of the heading path.
                self.builder.mark(&marks);
                return self.builder.heading(level, &title, open.member.anchor.as_deref());
            }
            self.end_pending()?;
        }
        if let Some(open) = &mut self.member {
            push_separator(&mut open.markdown);
            open.markdown.push_str(&marks);
            for _ in 0..level {
                open.markdown.push('#');
            }
            open.markdown.push(' ');
            open.markdown.push_str(&crate::builder::escape_heading(&title));
            return Ok(());
        }
        self.end_pending()?;
        let inner_anchor = dom
            .descendants(node)
            .find_map(|inner| {
                let name =
                    dom.attribute(inner, &local_name!("name")).filter(|_| dom.is(inner, &local_name!("a")));
                dom.attribute(inner, &local_name!("id")).or(name)
            })
            .filter(|id| !id.is_empty());
        let anchor = dom.attribute(node, &local_name!("id")).or(inner_anchor).or(self.anchor.take());
        self.anchor = None;
        self.builder.mark(&marks);
        self.builder.heading(level, &title, anchor)?;
        if self.members.heading == Some(node)
            && let Some((node, member)) = self
                .members
                .class_description
                .and_then(|node| self.members.by_node.get(&node).map(|member| (node, member)))
            && member.is_block
        {
            self.member =
                Some(OpenMember { node, markdown: std::mem::take(&mut self.above_heading), member });
        } else if !self.above_heading.is_empty() {
            self.pending = std::mem::take(&mut self.above_heading);
            self.end_pending()?;
        }
        Ok(())
    }

    /// Writes the label of a panel, in one block with the first paragraph of the panel.
    fn panel_label(&mut self, label: &str) -> Result<(), Error> {
        self.end_paragraph()?;
        let label = format!("**{}**", crate::builder::escape_heading(label));
        if !self.containers.is_empty() || self.member.is_some() {
            return self.paragraph(&label);
        }
        self.end_pending()?;
        self.is_after_term = true;
        self.push_lines(&label)
    }

    fn code(&mut self, language: &str, code: &str) -> Result<(), Error> {
        if code.trim().is_empty() {
            return Ok(());
        }
        let code =
            if code.contains('\t') || code.contains(" \n") { trim_lines(code) } else { code.to_owned() };
        if self.member.is_none() && self.containers.is_empty() {
            self.end_pending()?;
            self.builder.mark(&self.inline.take_marks());
            return self.builder.code(language, &code, self.anchor.take());
        }
        let block = fenced(language, &code);
        let marks = self.inline.take_marks();
        self.push_lines(&format!("{marks}{block}"))
    }

    fn table(&mut self, rows: &[Vec<String>]) -> Result<(), Error> {
        if self.member.is_none() && self.containers.is_empty() {
            self.end_pending()?;
            self.builder.mark(&self.inline.take_marks());
            return self.builder.table(rows, self.anchor.take());
        }
        let table = table_markdown(rows);
        if table.is_empty() {
            return Ok(());
        }
        let marks = self.inline.take_marks();
        self.push_lines(&format!("{marks}{table}"))
    }

    /// Ends the current paragraph, if there is one.
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
        self.push_lines(text)?;
        self.is_after_term = false;
        if self.containers.is_empty() && self.member.is_none() && self.toc.is_none() {
            self.end_pending()
        } else {
            Ok(())
        }
    }

    /// Appends lines to the pending block, with the prefixes of the lists and quotations they are in.
    fn push_lines(&mut self, text: &str) -> Result<(), Error> {
        if self.pending.len() + text.len() > self.builder.max_bytes() {
            return Err(Error::TooLarge { unit: "bytes of text", limit: self.builder.max_bytes() });
        }
        if !self.pending.is_empty() {
            self.pending.push('\n');
            let starts_item = self.containers.iter().any(|container| container.first_prefix.is_some());
            if !(starts_item && self.is_tight) {
                let start = self.pending.len();
                for container in &self.containers {
                    self.pending.push_str(&container.prefix);
                }
                self.pending.truncate(start + self.pending[start..].trim_end().len());
                self.pending.push('\n');
            }
        }
        self.is_tight = false;
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                self.pending.push('\n');
            }
            let start = self.pending.len();
            for container in &mut self.containers {
                match container.first_prefix.take() {
                    Some(prefix) => self.pending.push_str(&prefix),
                    None => self.pending.push_str(&container.prefix),
                }
            }
            self.pending.push_str(line);
            if line.is_empty() {
                self.pending.truncate(start + self.pending[start..].trim_end().len());
            }
        }
        Ok(())
    }

    /// Ends the pending list, quotation or paragraph: it becomes a block, or part of the open member.
    fn end_pending(&mut self) -> Result<(), Error> {
        let text = self.inline.take();
        if !text.is_empty() {
            self.push_lines(&text)?;
        }
        let codes = self.inline.take_codes();
        self.is_tight = false;
        self.is_after_term = false;
        if self.pending.is_empty() {
            return Ok(());
        }
        let markdown = std::mem::take(&mut self.pending);
        if self.members.heading.is_some() && self.builder.is_empty() && self.member.is_none() {
            push_separator(&mut self.above_heading);
            self.above_heading.push_str(&markdown);
            return Ok(());
        }
        if let Some(open) = &mut self.member {
            push_separator(&mut open.markdown);
            open.markdown.push_str(&markdown);
            return Ok(());
        }
        let mut keywords = std::mem::take(&mut self.keywords);
        keywords.extend(codes.into_iter().filter(|code| is_identifier(code)));
        normalize(&mut keywords);
        self.builder.text_with_keywords(&markdown, self.anchor.take(), keywords)
    }

    fn open_container(&mut self, node: NodeId, first_prefix: String, prefix: Option<&str>) {
        let prefix = prefix.map_or_else(|| " ".repeat(first_prefix.len()), str::to_owned);
        // Items of one list follow each other without a blank line.
        self.is_tight = self.is_tight || (!self.pending.is_empty() && prefix != "> ");
        self.containers.push(Container { node, first_prefix: Some(first_prefix), prefix });
    }

    /// Returns the marker of a list item: a dash, or its number in an ordered list.
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
        let marker = format!("{number}. ");
        *number = number.saturating_add(1);
        marker
    }
}

/// Returns the text of a heading on one line.
pub(crate) fn heading_text(dom: &Dom, node: NodeId) -> String {
    one_line(&visible_text(dom, node))
}

/// Whether an element of this name is a heading.
pub(crate) fn is_heading_name(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("h1")
            | local_name!("h2")
            | local_name!("h3")
            | local_name!("h4")
            | local_name!("h5")
            | local_name!("h6")
    )
}

/// Appends a blank line unless the text is empty.
fn push_separator(markdown: &mut String) {
    if !markdown.is_empty() {
        markdown.push_str("\n\n");
    }
}

/// Returns the identifiers in the code of a term of a definition list: `work_mem`, `--force`.
fn term_names(dom: &Dom, term: NodeId) -> Vec<String> {
    let mut names = Vec::new();
    for node in dom.descendants(term) {
        if matches!(dom.name(node), Some(&(local_name!("code") | local_name!("tt") | local_name!("kbd")))) {
            let code = one_line(&visible_text(dom, node));
            // Of `--command=command` or `-c command`, only the option.
            let name = if code.starts_with('-') { code.split(['=', ' ', '[']).next() } else { Some(&*code) };
            if let Some(name) = name
                && (is_identifier(name) || (name.len() == 2 && name.starts_with('-')))
                && names.len() < MAX_TERM_NAMES
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}
