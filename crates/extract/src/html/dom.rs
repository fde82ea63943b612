//! DOM of a page: a flat list of nodes, filled by html5ever.
//!
//! Nodes refer to each other by index, so nothing recurses over hostile nesting. Depth and number of nodes are bounded
//! during parsing: html5ever repeats open formatting elements in every paragraph, as the HTML standard demands, which
//! turns a small page into a large tree.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tendril::TendrilSink as _;
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, LocalName, ParseOpts, QualName, local_name, ns};

use super::panels::Panels;
use crate::model::{Error, Limits};

/// Index of a node in its [`Dom`].
pub(crate) type NodeId = u32;

/// Index of the document node, the root of the tree.
pub(crate) const ROOT: NodeId = 0;

/// Name of the nodes that are not elements.
static NO_NAME: QualName = QualName { prefix: None, ns: ns!(html), local: local_name!("") };

/// Index that stands for "no node".
const NONE: NodeId = NodeId::MAX;

/// Maximum number of nodes of one page: a few hundred megabytes, and far more than any real page has.
const MAX_NODES: usize = 3_000_000;

/// Number of bytes parsed between two checks of the limits.
const CHUNK_BYTES: usize = 32 << 10;

/// A parsed page.
#[derive(Debug)]
pub(crate) struct Dom {
    nodes: Vec<Node>,
    panels: Panels,
}

#[derive(Debug)]
struct Node {
    data: NodeData,
    parent: NodeId,
    previous: NodeId,
    next: NodeId,
    first: NodeId,
    last: NodeId,
    depth: u32,
}

/// Content of a node.
#[derive(Debug)]
pub(crate) enum NodeData {
    /// The root.
    Document,
    /// An element with its attributes.
    Element { name: QualName, attributes: Vec<Attribute> },
    /// Text, with entities resolved.
    Text(StrTendril),
    /// A comment or a processing instruction.
    Comment,
}

impl NodeData {
    fn name(&self) -> &QualName {
        match self {
            Self::Element { name, .. } => name,
            Self::Document | Self::Text(_) | Self::Comment => &NO_NAME,
        }
    }
}

/// A step of a walk in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before the children of the node.
    Enter(NodeId),
    /// After the children of the node.
    Leave(NodeId),
}

impl Dom {
    /// Parses a page.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the page has too many nodes or is nested too deeply.
    pub(crate) fn parse(html: &str, limits: &Limits) -> Result<Self, Error> {
        let max_nodes = (html.len() + 1024).min(MAX_NODES);
        let max_depth = u32::try_from(limits.depth).unwrap_or(u32::MAX).saturating_add(8);
        let mut parser =
            html5ever::parse_document(DomSink::new(html.len(), max_depth, max_nodes), ParseOpts::default());
        let mut rest = html;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.ceil_char_boundary(CHUNK_BYTES));
            parser.process(chunk.into());
            match parser.tokenizer.sink.sink.exceeded.get() {
                Some(ExceededLimit::Depth) => {
                    return Err(Error::TooLarge { unit: "nested elements", limit: limits.depth });
                }
                Some(ExceededLimit::Nodes) => {
                    return Err(Error::TooLarge { unit: "elements", limit: max_nodes });
                }
                None => rest = after,
            }
        }
        let mut dom = parser.finish();
        dom.panels = Panels::find(&dom);
        Ok(dom)
    }

    /// Returns the parts of the page that a reader can open.
    pub(crate) fn panels(&self) -> &Panels {
        &self.panels
    }

    pub(crate) fn data(&self, node: NodeId) -> &NodeData {
        &self.nodes[node as usize].data
    }

    pub(crate) fn parent(&self, node: NodeId) -> Option<NodeId> {
        optional(self.nodes[node as usize].parent)
    }

    pub(crate) fn next_sibling(&self, node: NodeId) -> Option<NodeId> {
        optional(self.nodes[node as usize].next)
    }

    pub(crate) fn previous_sibling(&self, node: NodeId) -> Option<NodeId> {
        optional(self.nodes[node as usize].previous)
    }

    pub(crate) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(optional(self.nodes[node as usize].first), |child| self.next_sibling(*child))
    }

    /// Returns the local name of an element, `None` for other nodes.
    pub(crate) fn name(&self, node: NodeId) -> Option<&LocalName> {
        match self.data(node) {
            NodeData::Element { name, .. } => Some(&name.local),
            _ => None,
        }
    }

    pub(crate) fn is(&self, node: NodeId, name: &LocalName) -> bool {
        self.name(node) == Some(name)
    }

    pub(crate) fn attribute(&self, node: NodeId, name: &LocalName) -> Option<&str> {
        match self.data(node) {
            NodeData::Element { attributes, .. } => attributes
                .iter()
                .find(|attribute| attribute.name.local == *name)
                .map(|attribute| &*attribute.value),
            _ => None,
        }
    }

    pub(crate) fn classes(&self, node: NodeId) -> impl Iterator<Item = &str> {
        self.attribute(node, &local_name!("class")).unwrap_or_default().split_ascii_whitespace()
    }

    /// Iterates over the ancestors, nearest first.
    pub(crate) fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.parent(node), |node| self.parent(*node))
    }

    /// Returns the next step of a walk below `root`, `None` after the last. A walk begins with `Step::Enter(root)`.
    pub(crate) fn next(&self, step: Step, root: NodeId) -> Option<Step> {
        match step {
            Step::Enter(node) => {
                Some(optional(self.nodes[node as usize].first).map_or(Step::Leave(node), Step::Enter))
            }
            Step::Leave(node) if node == root => None,
            Step::Leave(node) => match self.next_sibling(node) {
                Some(next) => Some(Step::Enter(next)),
                None => self.parent(node).map(Step::Leave),
            },
        }
    }

    /// Iterates over `root` and all nodes below it, in document order.
    pub(crate) fn descendants(&self, root: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(Step::Enter(root)), move |step| self.next(*step, root)).filter_map(
            |step| match step {
                Step::Enter(node) => Some(node),
                Step::Leave(_) => None,
            },
        )
    }

    /// Returns all text below the node as it is; a `<br>` becomes a line break.
    pub(crate) fn text(&self, root: NodeId) -> String {
        let mut text = String::new();
        for node in self.descendants(root) {
            match self.data(node) {
                NodeData::Text(part) => text.push_str(part),
                NodeData::Element { name, .. } if name.local == local_name!("br") => text.push('\n'),
                _ => {}
            }
        }
        text
    }
}

/// Converts [`NONE`] to `None`.
fn optional(node: NodeId) -> Option<NodeId> {
    (node != NONE).then_some(node)
}

#[derive(Debug, Clone, Copy)]
enum ExceededLimit {
    Depth,
    Nodes,
}

/// Tree sink of html5ever that builds a [`Dom`] and records which limit was exceeded.
struct DomSink {
    nodes: RefCell<Vec<Node>>,
    max_depth: u32,
    max_nodes: usize,
    exceeded: Cell<Option<ExceededLimit>>,
}

impl DomSink {
    fn new(bytes: usize, max_depth: u32, max_nodes: usize) -> Self {
        let sink = Self {
            nodes: RefCell::new(Vec::with_capacity((bytes / 24).min(max_nodes))),
            max_depth,
            max_nodes,
            exceeded: Cell::new(None),
        };
        sink.create(NodeData::Document);
        sink
    }

    fn create(&self, data: NodeData) -> NodeId {
        let mut nodes = self.nodes.borrow_mut();
        if nodes.len() >= self.max_nodes {
            self.exceeded.set(Some(ExceededLimit::Nodes));
        }
        let id = NodeId::try_from(nodes.len()).unwrap_or(NONE - 1);
        nodes.push(Node {
            data,
            parent: NONE,
            previous: NONE,
            next: NONE,
            first: NONE,
            last: NONE,
            depth: 0,
        });
        id
    }

    fn detach(&self, node: NodeId) {
        let mut nodes = self.nodes.borrow_mut();
        let Node { parent, previous, next, .. } = nodes[node as usize];
        if let Some(previous) = optional(previous) {
            nodes[previous as usize].next = next;
        } else if let Some(parent) = optional(parent) {
            nodes[parent as usize].first = next;
        }
        if let Some(next) = optional(next) {
            nodes[next as usize].previous = previous;
        } else if let Some(parent) = optional(parent) {
            nodes[parent as usize].last = previous;
        }
        let node = &mut nodes[node as usize];
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
    }

    /// Inserts a detached node under `parent`, before `next` or at the end if that is [`NONE`].
    fn insert(&self, parent: NodeId, node: NodeId, next: NodeId) {
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[parent as usize].depth + 1;
        if depth > self.max_depth {
            self.exceeded.set(Some(ExceededLimit::Depth));
        }
        let previous =
            optional(next).map_or(nodes[parent as usize].last, |next| nodes[next as usize].previous);
        match optional(previous) {
            Some(previous) => nodes[previous as usize].next = node,
            None => nodes[parent as usize].first = node,
        }
        match optional(next) {
            Some(next) => nodes[next as usize].previous = node,
            None => nodes[parent as usize].last = node,
        }
        let node = &mut nodes[node as usize];
        (node.parent, node.previous, node.next, node.depth) = (parent, previous, next, depth);
    }

    /// Appends text to `node` if that is a text node; returns whether it is.
    fn extend(&self, node: NodeId, text: &StrTendril) -> bool {
        let mut nodes = self.nodes.borrow_mut();
        match nodes.get_mut(node as usize).map(|node| &mut node.data) {
            Some(NodeData::Text(existing)) => {
                existing.push_tendril(text);
                true
            }
            _ => false,
        }
    }
}

impl TreeSink for DomSink {
    type Handle = NodeId;
    type Output = Dom;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Dom {
        Dom { nodes: self.nodes.into_inner(), panels: Panels::default() }
    }

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        ROOT
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        Ref::map(self.nodes.borrow(), |nodes| nodes[*target as usize].data.name())
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _flags: ElementFlags) -> NodeId {
        self.create(NodeData::Element { name, attributes })
    }

    fn create_comment(&self, _text: StrTendril) -> NodeId {
        self.create(NodeData::Comment)
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> NodeId {
        self.create(NodeData::Comment)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        match child {
            NodeOrText::AppendNode(node) => {
                self.detach(node);
                self.insert(*parent, node, NONE);
            }
            NodeOrText::AppendText(text) => {
                let last = self.nodes.borrow()[*parent as usize].last;
                if !self.extend(last, &text) {
                    let node = self.create(NodeData::Text(text));
                    self.insert(*parent, node, NONE);
                }
            }
        }
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        if optional(self.nodes.borrow()[*element as usize].parent).is_some() {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public: StrTendril, _system: StrTendril) {}

    /// Keeps the contents of a template under the element, which is skipped as boilerplate.
    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        *target
    }

    fn same_node(&self, left: &NodeId, right: &NodeId) -> bool {
        left == right
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &NodeId, new: NodeOrText<NodeId>) {
        let (parent, previous) = {
            let nodes = self.nodes.borrow();
            (nodes[*sibling as usize].parent, nodes[*sibling as usize].previous)
        };
        if parent == NONE {
            return;
        }
        match new {
            NodeOrText::AppendNode(node) => {
                self.detach(node);
                self.insert(parent, node, *sibling);
            }
            NodeOrText::AppendText(text) => {
                if !self.extend(previous, &text) {
                    let node = self.create(NodeData::Text(text));
                    self.insert(parent, node, *sibling);
                }
            }
        }
    }

    fn add_attrs_if_missing(&self, target: &NodeId, new: Vec<Attribute>) {
        if let NodeData::Element { attributes, .. } = &mut self.nodes.borrow_mut()[*target as usize].data {
            for attribute in new {
                if !attributes.iter().any(|existing| existing.name == attribute.name) {
                    attributes.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.detach(*target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        loop {
            let child = self.nodes.borrow()[*node as usize].first;
            if child == NONE {
                return;
            }
            self.detach(child);
            self.insert(*new_parent, child, NONE);
        }
    }
}
