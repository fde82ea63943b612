//! A parsed HTML page as one flat list of nodes.
//!
//! html5ever does the parsing by the standard; this is only the tree it builds. Nodes are numbers, so nothing
//! recurses over hostile nesting, and depth and number of nodes are bounded while parsing: html5ever repeats
//! open formatting elements in every paragraph, which turns a small page into a large tree.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tendril::TendrilSink as _;
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, LocalName, ParseOpts, QualName, local_name, ns};

use crate::model::{Error, Limits};

/// The number of a node in its [`Dom`].
pub(crate) type NodeId = u32;

/// The document node, root of every tree.
pub(crate) const ROOT: NodeId = 0;

/// The name of what has none.
static NO_NAME: QualName = QualName { prefix: None, ns: ns!(html), local: local_name!("") };

/// "No such node".
const NONE: NodeId = NodeId::MAX;

/// Most nodes of one page: a few hundred megabytes of memory, and far more than any real page has.
const MAX_NODES: usize = 3_000_000;

/// Bytes parsed between two looks at the bounds.
const CHUNK: usize = 32 << 10;

/// A parsed page.
#[derive(Debug)]
pub(crate) struct Dom {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    data: Data,
    parent: NodeId,
    previous: NodeId,
    next: NodeId,
    first: NodeId,
    last: NodeId,
    depth: u32,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Data {
    /// The root.
    Document,
    /// An element with its attributes.
    Element { name: QualName, attributes: Vec<Attribute> },
    /// Text, entities resolved.
    Text(StrTendril),
    /// A comment or a processing instruction.
    Comment,
}

impl Data {
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
    /// The node begins; its children come next.
    Enter(NodeId),
    /// The node's children are done.
    Leave(NodeId),
}

impl Dom {
    /// Parses a page.
    pub(crate) fn parse(html: &str, limits: &Limits) -> Result<Self, Error> {
        let most = (html.len() + 1024).min(MAX_NODES);
        let depth = u32::try_from(limits.depth).unwrap_or(u32::MAX).saturating_add(8);
        let mut parser = html5ever::parse_document(Sink::new(html.len(), depth, most), ParseOpts::default());
        let mut rest = html;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.ceil_char_boundary(CHUNK));
            parser.process(chunk.into());
            match parser.tokenizer.sink.sink.broken.get() {
                Some(Bound::Depth) => {
                    return Err(Error::TooLarge { unit: "nested elements", limit: limits.depth });
                }
                Some(Bound::Nodes) => return Err(Error::TooLarge { unit: "elements", limit: most }),
                None => rest = after,
            }
        }
        Ok(parser.finish())
    }

    pub(crate) fn data(&self, node: NodeId) -> &Data {
        &self.nodes[node as usize].data
    }

    pub(crate) fn parent(&self, node: NodeId) -> Option<NodeId> {
        some(self.nodes[node as usize].parent)
    }

    pub(crate) fn next_sibling(&self, node: NodeId) -> Option<NodeId> {
        some(self.nodes[node as usize].next)
    }

    pub(crate) fn previous_sibling(&self, node: NodeId) -> Option<NodeId> {
        some(self.nodes[node as usize].previous)
    }

    pub(crate) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(some(self.nodes[node as usize].first), |child| self.next_sibling(*child))
    }

    /// The element's name without namespace.
    pub(crate) fn name(&self, node: NodeId) -> Option<&LocalName> {
        match self.data(node) {
            Data::Element { name, .. } => Some(&name.local),
            _ => None,
        }
    }

    pub(crate) fn is(&self, node: NodeId, name: &LocalName) -> bool {
        self.name(node) == Some(name)
    }

    pub(crate) fn attribute(&self, node: NodeId, wanted: &LocalName) -> Option<&str> {
        match self.data(node) {
            Data::Element { attributes, .. } => attributes
                .iter()
                .find(|attribute| attribute.name.local == *wanted)
                .map(|attribute| &*attribute.value),
            _ => None,
        }
    }

    pub(crate) fn classes(&self, node: NodeId) -> impl Iterator<Item = &str> {
        self.attribute(node, &local_name!("class")).unwrap_or_default().split_ascii_whitespace()
    }

    /// The nearest ancestors first.
    pub(crate) fn ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.parent(node), |node| self.parent(*node))
    }

    /// The next step of a walk below `root`; `None` after the last. A walk begins with `Step::Enter(root)`.
    pub(crate) fn next(&self, step: Step, root: NodeId) -> Option<Step> {
        match step {
            Step::Enter(node) => {
                Some(some(self.nodes[node as usize].first).map_or(Step::Leave(node), Step::Enter))
            }
            Step::Leave(node) if node == root => None,
            Step::Leave(node) => match self.next_sibling(node) {
                Some(next) => Some(Step::Enter(next)),
                None => self.parent(node).map(Step::Leave),
            },
        }
    }

    /// Every node below `root`, itself included, in document order.
    pub(crate) fn descendants(&self, root: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(Step::Enter(root)), move |step| self.next(*step, root)).filter_map(
            |step| match step {
                Step::Enter(node) => Some(node),
                Step::Leave(_) => None,
            },
        )
    }

    /// All text below the node, as it stands there; a line break element is a line break.
    pub(crate) fn text(&self, root: NodeId) -> String {
        let mut text = String::new();
        for node in self.descendants(root) {
            match self.data(node) {
                Data::Text(part) => text.push_str(part),
                Data::Element { name, .. } if name.local == local_name!("br") => text.push('\n'),
                _ => {}
            }
        }
        text
    }
}

fn some(node: NodeId) -> Option<NodeId> {
    (node != NONE).then_some(node)
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Depth,
    Nodes,
}

struct Sink {
    nodes: RefCell<Vec<Node>>,
    depth: u32,
    most: usize,
    broken: Cell<Option<Bound>>,
}

impl Sink {
    fn new(bytes: usize, depth: u32, most: usize) -> Self {
        let sink = Self {
            nodes: RefCell::new(Vec::with_capacity((bytes / 24).min(most))),
            depth,
            most,
            broken: Cell::new(None),
        };
        sink.create(Data::Document);
        sink
    }

    fn create(&self, data: Data) -> NodeId {
        let mut nodes = self.nodes.borrow_mut();
        if nodes.len() >= self.most {
            self.broken.set(Some(Bound::Nodes));
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
        if let Some(previous) = some(previous) {
            nodes[previous as usize].next = next;
        } else if let Some(parent) = some(parent) {
            nodes[parent as usize].first = next;
        }
        if let Some(next) = some(next) {
            nodes[next as usize].previous = previous;
        } else if let Some(parent) = some(parent) {
            nodes[parent as usize].last = previous;
        }
        let node = &mut nodes[node as usize];
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
    }

    /// Puts a node without parent under `parent`, before `next` or at the end.
    fn insert(&self, parent: NodeId, node: NodeId, next: NodeId) {
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[parent as usize].depth + 1;
        if depth > self.depth {
            self.broken.set(Some(Bound::Depth));
        }
        let previous = some(next).map_or(nodes[parent as usize].last, |next| nodes[next as usize].previous);
        match some(previous) {
            Some(previous) => nodes[previous as usize].next = node,
            None => nodes[parent as usize].first = node,
        }
        match some(next) {
            Some(next) => nodes[next as usize].previous = node,
            None => nodes[parent as usize].last = node,
        }
        let node = &mut nodes[node as usize];
        (node.parent, node.previous, node.next, node.depth) = (parent, previous, next, depth);
    }

    /// Adds text to the text node `before`, if it is one.
    fn extend(&self, before: NodeId, text: &StrTendril) -> bool {
        let mut nodes = self.nodes.borrow_mut();
        match nodes.get_mut(before as usize).map(|node| &mut node.data) {
            Some(Data::Text(present)) => {
                present.push_tendril(text);
                true
            }
            _ => false,
        }
    }
}

impl TreeSink for Sink {
    type Handle = NodeId;
    type Output = Dom;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Dom {
        Dom { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        ROOT
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        Ref::map(self.nodes.borrow(), |nodes| nodes[*target as usize].data.name())
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _flags: ElementFlags) -> NodeId {
        self.create(Data::Element { name, attributes })
    }

    fn create_comment(&self, _text: StrTendril) -> NodeId {
        self.create(Data::Comment)
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> NodeId {
        self.create(Data::Comment)
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
                    let node = self.create(Data::Text(text));
                    self.insert(*parent, node, NONE);
                }
            }
        }
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        if some(self.nodes.borrow()[*element as usize].parent).is_some() {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public: StrTendril, _system: StrTendril) {}

    /// The contents of a template are never shown: they stay under the element, which is not walked.
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
                    let node = self.create(Data::Text(text));
                    self.insert(parent, node, *sibling);
                }
            }
        }
    }

    fn add_attrs_if_missing(&self, target: &NodeId, new: Vec<Attribute>) {
        if let Data::Element { attributes, .. } = &mut self.nodes.borrow_mut()[*target as usize].data {
            for attribute in new {
                if !attributes.iter().any(|present| present.name == attribute.name) {
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
