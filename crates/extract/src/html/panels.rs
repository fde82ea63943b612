//! Panels: content that a style or a script hides at first and that a reader can open.
//!
//! Panels of tabs and accordions are text, under the label of the tab or button that opens them. So are alternatives,
//! such as the same example in another language: a hidden element beside a shown one of the same class. Everything
//! else that is hidden (menus, dialogs, templates) is boilerplate.

use std::collections::{HashMap, HashSet};

use html5ever::{LocalName, local_name};

use super::boilerplate::is_hidden;
use super::dom::{Dom, NodeData, NodeId, ROOT};
use super::inline::visible_text;
use crate::builder::one_line;

/// Maximum length of a label; a longer text is not one.
const MAX_LABEL_BYTES: usize = 200;

/// Number of ancestors of a panel that are searched for the list of its tabs.
const MAX_LIST_DISTANCE: usize = 5;

/// Panels of a page.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    labels: HashMap<NodeId, String>,
    openable: HashSet<NodeId>,
    tab_lists: HashSet<NodeId>,
}

impl Panels {
    /// Returns the label to write above the panel.
    pub(crate) fn label(&self, node: NodeId) -> Option<&str> {
        self.labels.get(&node).map(String::as_str)
    }

    /// Whether a reader can show the element if it is hidden.
    pub(crate) fn is_openable(&self, node: NodeId) -> bool {
        self.openable.contains(&node)
    }

    /// Whether the element is a list of tabs whose labels are written above their panels.
    pub(crate) fn is_tab_list(&self, node: NodeId) -> bool {
        self.tab_lists.contains(&node)
    }

    /// Finds the panels of a page.
    pub(crate) fn find(dom: &Dom) -> Self {
        let parts = Parts::collect(dom);
        let mut panels = Self::default();
        panels.openable.extend(parts.panels.iter().map(|(panel, _)| *panel));
        let controlled = panels.label_by_id(dom, &parts);
        panels.label_by_order(dom, &parts, &controlled);
        panels.open_hidden(dom, &parts.hidden);
        panels
    }

    /// Labels the panels that name their tab, or are named by it. Returns all elements that a control names.
    fn label_by_id(&mut self, dom: &Dom, parts: &Parts<'_>) -> HashSet<NodeId> {
        let mut controls: HashMap<NodeId, Vec<&Control<'_>>> = HashMap::new();
        for control in &parts.controls {
            if let Some(panel) = parts.ids.get(control.target) {
                controls.entry(*panel).or_default().push(control);
            }
        }
        for (panel, controls) in &controls {
            self.openable.insert(*panel);
            // Several tabs of one panel are filters of its content.
            if let [control] = controls.as_slice()
                && (control.list.is_some() || is_unwritten_button(dom, control.node))
                && let Some(label) = label_of(dom, control.node)
            {
                self.labels.insert(*panel, label);
                self.tab_lists.extend(control.list);
            }
        }
        let lists: HashMap<NodeId, NodeId> = parts.tabs.iter().copied().collect();
        for (panel, _) in &parts.panels {
            if !controls.contains_key(panel)
                && let Some(tab) = dom.attribute(*panel, &LocalName::from("aria-labelledby"))
                && let Some(tab) = parts.ids.get(tab.trim())
                && let Some(list) = lists.get(tab)
                && let Some(label) = label_of(dom, *tab)
            {
                self.labels.insert(*panel, label);
                self.tab_lists.insert(*list);
            }
        }
        controls.into_keys().collect()
    }

    /// Labels the remaining panels by their position: the third panel after a list of tabs belongs to its third tab.
    fn label_by_order(&mut self, dom: &Dom, parts: &Parts<'_>, controlled: &HashSet<NodeId>) {
        let mut tabs: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (tab, list) in &parts.tabs {
            tabs.entry(*list).or_default().push(*tab);
        }
        let is_panel: HashSet<NodeId> = parts.panels.iter().map(|(panel, _)| *panel).collect();
        let mut lists: HashMap<NodeId, Vec<(usize, NodeId)>> = HashMap::new();
        for (list, position) in &parts.tab_lists {
            for ancestor in dom.ancestors(*list).take(MAX_LIST_DISTANCE) {
                lists.entry(ancestor).or_default().push((*position, *list));
                if is_panel.contains(&ancestor) {
                    break;
                }
            }
        }
        let mut counts: HashMap<(NodeId, Option<NodeId>), usize> = HashMap::new();
        for (panel, position) in &parts.panels {
            if self.labels.contains_key(panel) || controlled.contains(panel) {
                continue;
            }
            let list = dom.ancestors(*panel).take(MAX_LIST_DISTANCE).find_map(|ancestor| {
                let lists = lists.get(&ancestor)?;
                let before = lists.partition_point(|(other, _)| other < position);
                before.checked_sub(1).map(|last| lists[last].1)
            });
            let Some(list) = list else { continue };
            let count = counts.entry((list, dom.parent(*panel))).or_default();
            if let Some(tab) = tabs.get(&list).and_then(|tabs| tabs.get(*count))
                && let Some(label) = label_of(dom, *tab)
            {
                self.labels.insert(*panel, label);
                self.tab_lists.insert(list);
            }
            *count += 1;
        }
    }

    /// Opens hidden elements that are alternatives of a shown one, or that follow the button that opens them.
    fn open_hidden(&mut self, dom: &Dom, hidden: &[NodeId]) {
        let is_shown =
            |panels: &Self, node: NodeId| !is_hidden_element(dom, node) || panels.is_openable(node);
        for node in hidden {
            let Some(previous) = element_before(dom, *node) else { continue };
            if is_toggle(dom, previous) {
                self.openable.insert(*node);
                if dom.is(previous, &local_name!("button"))
                    && let Some(label) = label_of(dom, previous)
                {
                    self.labels.entry(*node).or_insert(label);
                }
            } else if is_alternative(dom, *node, previous) && is_shown(self, previous) {
                self.openable.insert(*node);
            }
        }
        for node in hidden.iter().rev() {
            if let Some(next) = element_after(dom, *node)
                && is_alternative(dom, *node, next)
                && is_shown(self, next)
            {
                self.openable.insert(*node);
            }
        }
    }
}

/// Elements of a page that have to do with panels, in document order.
struct Parts<'d> {
    ids: HashMap<&'d str, NodeId>,
    controls: Vec<Control<'d>>,
    /// Lists of tabs, with their positions.
    tab_lists: Vec<(NodeId, usize)>,
    /// Tabs, with their lists.
    tabs: Vec<(NodeId, NodeId)>,
    /// Panels of tabs, with their positions.
    panels: Vec<(NodeId, usize)>,
    hidden: Vec<NodeId>,
}

/// A tab or button that names the element it opens.
struct Control<'d> {
    node: NodeId,
    target: &'d str,
    /// List of tabs that it is in.
    list: Option<NodeId>,
}

impl<'d> Parts<'d> {
    fn collect(dom: &'d Dom) -> Self {
        let mut parts = Self {
            ids: HashMap::new(),
            controls: Vec::new(),
            tab_lists: Vec::new(),
            tabs: Vec::new(),
            panels: Vec::new(),
            hidden: Vec::new(),
        };
        for (position, node) in dom.descendants(ROOT).enumerate() {
            let NodeData::Element { attributes, .. } = dom.data(node) else { continue };
            if attributes.is_empty() && !dom.is(node, &local_name!("label")) {
                continue;
            }
            if let Some(id) = dom.attribute(node, &local_name!("id")) {
                parts.ids.entry(id).or_insert(node);
            }
            let role = dom.attribute(node, &local_name!("role")).unwrap_or_default();
            if role == "tablist"
                || has_class(dom, node, &["tabbed-labels", "nav-tabs"])
                || is_code_tabs(dom, node)
            {
                parts.tab_lists.push((node, position));
            }
            let is_tab = role == "tab"
                || toggles_tab(dom, node)
                || dom.is(node, &local_name!("label"))
                    && dom.parent(node).is_some_and(|list| parts.is_list(list));
            let list = if is_tab { dom.ancestors(node).find(|above| parts.is_list(*above)) } else { None };
            if let Some(list) = list {
                parts.tabs.push((node, list));
            }
            if let Some(target) = control_target(dom, node, is_tab)
                && (list.is_some() || !is_in_navigation(dom, node))
            {
                parts.controls.push(Control { node, target, list });
            }
            if role == "tabpanel"
                || has_class(dom, node, &["tab-pane", "tabbed-block"])
                || is_code_panel(dom, node)
            {
                parts.panels.push((node, position));
            }
            if is_hidden_element(dom, node) {
                parts.hidden.push(node);
            }
        }
        parts
    }

    /// Whether the element is one of the last lists of tabs. Lists are seldom nested, so a few suffice.
    fn is_list(&self, node: NodeId) -> bool {
        self.tab_lists.iter().rev().take(8).any(|(list, _)| *list == node)
    }
}

/// Returns the id of the element that a control opens.
fn control_target(dom: &Dom, node: NodeId, is_tab: bool) -> Option<&str> {
    let attribute = |name: &str| dom.attribute(node, &LocalName::from(name));
    let is_link = dom.is(node, &local_name!("a"));
    let fragment = || attribute("href").and_then(|target| target.strip_prefix('#'));
    let by_data =
        || attribute("data-bs-target").or(attribute("data-target")).and_then(|id| id.strip_prefix('#'));
    attribute("aria-controls").filter(|ids| !ids.is_empty() && !ids.contains(' ')).or_else(by_data).or_else(
        || if is_link && (is_tab || attribute("aria-expanded").is_some()) { fragment() } else { None },
    )
}

/// Whether the element is a tab of Bootstrap.
fn toggles_tab(dom: &Dom, node: NodeId) -> bool {
    ["data-toggle", "data-bs-toggle"]
        .iter()
        .any(|name| matches!(dom.attribute(node, &LocalName::from(*name)), Some("tab" | "pill")))
}

/// Whether the element has the tabs of a code group of VitePress.
fn is_code_tabs(dom: &Dom, node: NodeId) -> bool {
    has_class(dom, node, &["tabs"])
        && dom.parent(node).is_some_and(|parent| has_class(dom, parent, &["vp-code-group"]))
}

/// Whether the element is a panel of a code group of VitePress.
fn is_code_panel(dom: &Dom, node: NodeId) -> bool {
    dom.parent(node).is_some_and(|parent| {
        has_class(dom, parent, &["blocks"])
            && dom.parent(parent).is_some_and(|group| has_class(dom, group, &["vp-code-group"]))
    })
}

/// Whether the element is in the navigation of the page, whose buttons open menus.
fn is_in_navigation(dom: &Dom, node: NodeId) -> bool {
    dom.ancestors(node).any(|above| {
        matches!(dom.name(above), Some(&(local_name!("nav") | local_name!("header") | local_name!("footer"))))
            || matches!(
                dom.attribute(above, &local_name!("role")),
                Some("navigation" | "banner" | "menubar" | "menu" | "toolbar")
            )
    })
}

/// Whether the element is a button that is not written as text: one outside headings.
fn is_unwritten_button(dom: &Dom, node: NodeId) -> bool {
    dom.is(node, &local_name!("button"))
        && !dom.ancestors(node).take(3).any(|above| {
            dom.is(above, &local_name!("summary")) || dom.name(above).is_some_and(super::is_heading_name)
        })
}

/// Whether the element opens the one after it.
fn is_toggle(dom: &Dom, node: NodeId) -> bool {
    let is_button = |node: NodeId| {
        dom.is(node, &local_name!("button"))
            || dom.attribute(node, &LocalName::from("aria-expanded")).is_some()
            || dom.attribute(node, &local_name!("role")) == Some("button")
    };
    is_button(node)
        || dom.name(node).is_some_and(super::is_heading_name) && dom.children(node).take(4).any(is_button)
        || dom.classes(node).any(|class| {
            ["accordion", "collaps", "toggle", "expand", "spoiler"].iter().any(|part| class.contains(part))
        })
}

/// Whether two neighbours are alternatives: they are of one kind and have a class in common.
fn is_alternative(dom: &Dom, node: NodeId, other: NodeId) -> bool {
    dom.name(node) == dom.name(other)
        && dom.classes(node).take(8).any(|class| {
            !matches!(class, "hidden" | "hide" | "d-none" | "invisible")
                && dom.classes(other).take(8).any(|other| other == class)
        })
}

/// Whether an attribute hides the element.
fn is_hidden_element(dom: &Dom, node: NodeId) -> bool {
    dom.attribute(node, &local_name!("hidden")).is_some()
        || dom.attribute(node, &local_name!("style")).is_some_and(is_hidden)
        || dom.attribute(node, &local_name!("aria-hidden")) == Some("true")
}

fn element_before(dom: &Dom, node: NodeId) -> Option<NodeId> {
    std::iter::successors(dom.previous_sibling(node), |before| dom.previous_sibling(*before))
        .take(4)
        .find(|before| dom.name(*before).is_some())
}

fn element_after(dom: &Dom, node: NodeId) -> Option<NodeId> {
    std::iter::successors(dom.next_sibling(node), |after| dom.next_sibling(*after))
        .take(4)
        .find(|after| dom.name(*after).is_some())
}

fn has_class(dom: &Dom, node: NodeId, names: &[&str]) -> bool {
    dom.classes(node).any(|class| names.contains(&class))
}

fn label_of(dom: &Dom, node: NodeId) -> Option<String> {
    let label = one_line(&visible_text(dom, node));
    (!label.is_empty() && label.len() <= MAX_LABEL_BYTES).then_some(label)
}
